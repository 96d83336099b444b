"""
`hub dead`: calls that will not be tried again, and notices that could not be taken, without a person. List them, show
one; send a call again, or read a notice again; discard one or many.
"""

import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer
from rich.console import Console
from rich.progress import Progress

from hub.cli.case import (
    After,
    By,
    CallId,
    Limit,
    OfAgency,
    OfCause,
    Query,
    Since,
    Why,
    in_clock,
    list_page,
    query,
    show_case,
    told,
)
from hub.cli.operator import ask, over_store, said
from hub.cli.output import AsJson, fail, say, show, show_json
from hub.cli.settings import Config

NOTICES = ("dead_notice", "agency", "notice", "last_at", "times", "cause", "wrong")
COLUMNS = ("call", "operation", "dossier", "caller", "since", "cause", "attempts", "again")
PAGE = 500
"""Calls that one request decides about; the doors take no more."""
SLOW = 1.0
"""Seconds after which a bar shows how far it is."""
NoticesAfter = Annotated[
    int | None,
    typer.Option("--notices-after", min=0, help="The page of notices that follows; the page before names it."),
]
Calls = Annotated[
    list[str] | None, typer.Argument(help="Ids of calls and notices; or say which with --agency and --cause.")
]
Most = Annotated[int | None, typer.Option("--limit", min=1, help="No more than so many.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before many are touched.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count which ones it would be; change nothing.")]
_MEANS = {"replay": ("Send or read again", "sent again"), "discard": ("End for good", "discarded")}
_DONE = ("moved", "taken", "seen", "discarded")
_LEFT = {
    "moved_meanwhile": "moved meanwhile",
    "not_allowed": "cannot be sent again (request not kept, or the agency left hub.toml): `hub dead discard` ends them",
    "no_room": "left for later: the backlog is nearly full, and what is filed now goes first",
    "still_dead": "still cannot be taken: `hub dead show` says what is wrong with today's mapping",
    "unknown": "unknown",
}


def dead() -> typer.Typer:
    """Put `hub dead ...` together."""
    group = typer.Typer(no_args_is_help=True, help="Dead letters: calls and notices that wait for a person.")
    group.command("list")(list_dead)
    group.command("show")(show_dead)
    group.command("replay")(replay)
    group.command("discard")(discard)
    return group


def list_dead(
    *,
    agency: OfAgency = None,
    cause: OfCause = None,
    since: Since = None,
    limit: Limit = 100,
    after: After = None,
    notices_after: NoticesAfter = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest of each agency first, and how many there are of each cause."""
    wanted = query(agency, cause, since) | {"limit": limit} | ({"after": after} if after else {})
    wanted |= {"notices_after": notices_after} if notices_after else {}
    page = list_page(config, "dead", "Dead letters", COLUMNS, wanted, as_json=as_json)
    if not as_json and page["notices"]:
        show("Dead notices", NOTICES, [in_clock(one) for one in page["notices"]], as_json=False)
    if not as_json and page["notices_after"]:
        say(f"There are more notices: --notices-after {page['notices_after']}")


def show_dead(call: CallId, *, config: Config = None, as_json: AsJson = False) -> None:
    """Show what was sent and when, every exchange, and who decided what."""
    show_case(config, "dead", call, as_json=as_json)


def replay(
    calls: Calls = None,
    *,
    agency: OfAgency = None,
    cause: OfCause = None,
    since: Since = None,
    limit: Most = None,
    by: By = "operator",
    reason: Why = "replayed by hand",
    yes: Yes = False,
    dry_run: DryRun = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Read dead notices with today's mapping, and send dead calls again, as bulk, under their old keys, in their old places: as fast as the lane allows."""
    _decide("replay", calls, query(agency, cause, since), limit, by, reason, config, yes, dry_run, as_json)


def discard(
    calls: Calls = None,
    *,
    agency: OfAgency = None,
    cause: OfCause = None,
    since: Since = None,
    limit: Most = None,
    by: By = "operator",
    reason: Why,
    yes: Yes = False,
    dry_run: DryRun = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """End dead letters for good. What waited behind a call goes; its caller reads that an operator closed it."""
    _decide("discard", calls, query(agency, cause, since), limit, by, reason, config, yes, dry_run, as_json)


def _decide(
    act: str,
    calls: list[str] | None,
    where: Query,
    limit: int | None,
    by: str,
    reason: str,
    config: Path | None,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    if bool(calls) == bool(where):
        fail("Name calls or notices, or say which by --agency, --cause or --since; `hub dead list` shows them.", 2)
    tolls: list[dict[str, Any]] = [{"calls": len(calls), "notices": 0}] if calls else _tolls(config, where)
    many = min(sum(toll["calls"] + toll["notices"] for toll in tolls), limit or sys.maxsize)
    if dry_run:
        _count(tolls, many, as_json=as_json)
        return
    if many > 1 and not yes:
        _confirm(act, many, tolls)
    work = {"by": by, "reason": reason}

    async def carry_out(http: httpx2.AsyncClient) -> Any:
        ended: list[dict[str, Any]] = []
        with _Bar(many) as bar:
            async for part in _parts(http, calls, where, limit):
                reply = await http.post(f"/admin/v1/dead/{act}", json=work | {"calls": part})
                became = await said(reply)
                ended += became["calls"] + became["notices"]
                bar.at(len(ended))
                if any(one["became"] == "no_room" for one in ended):
                    break  # what follows would be left for later too
        return ended, over_store(http)

    ended, nobody = ask(config, carry_out) if many else ([], False)
    if as_json:
        show_json(ended)
    else:
        _report(act, ended, nobody=nobody)
    if any(one["became"] not in _DONE for one in ended):
        raise typer.Exit(1)


def _tolls(config: Path | None, where: Query) -> list[dict[str, Any]]:
    async def counted(http: httpx2.AsyncClient) -> Any:
        return await said(await http.get("/admin/v1/dead/tolls", params=where))

    tolls: list[dict[str, Any]] = ask(config, counted)
    return tolls


async def _parts(
    http: httpx2.AsyncClient, calls: list[str] | None, where: Query, limit: int | None
) -> AsyncIterator[list[str]]:
    """Give ids in parts that one request takes. A page is asked for when the one before has been decided about."""
    if calls:
        for start in range(0, len(calls), PAGE):
            yield calls[start : start + PAGE]
        return
    left = limit or sys.maxsize
    for what, cursor, name in (("calls", "after", "call"), ("notices", "notices_after", "dead_notice")):
        after = None
        while left:
            wanted = where | {"what": what, "limit": min(left, PAGE)} | ({cursor: after} if after else {})
            page = await said(await http.get("/admin/v1/dead", params=wanted))
            if page[what]:
                yield [one[name] for one in page[what]]
            left -= len(page[what])
            after = page[cursor]
            if after is None:
                break


def _count(tolls: list[dict[str, Any]], many: int, *, as_json: bool) -> None:
    if as_json:
        show_json({"letters": many, "of": tolls})
    else:
        show("Dead letters", ("agency", "cause", "calls", "notices"), tolls, as_json=False)
        say(f"It would be {many}. Nothing was changed.")


def _confirm(act: str, many: int, tolls: list[dict[str, Any]]) -> None:
    agencies = sorted({toll["agency"] for toll in tolls if "agency" in toll})
    question = f"{_MEANS[act][0]} {many} dead letters{' of ' if agencies else ''}{', '.join(agencies)}?"
    if not sys.stdin.isatty():
        fail(f"{question} Nobody is there to ask: write --yes, or --dry-run to count them.", 2)
    if not typer.confirm(question):
        fail("Nothing was changed.")


def _report(act: str, ended: list[dict[str, Any]], *, nobody: bool) -> None:
    if len(ended) == 1 and "call" in ended[0]:
        told(ended[0]["call"], ended[0]["became"], ended[0]["state"])
    fates = Counter(one["became"] for one in ended)
    later = " No hub runs: they go from the next start." if nobody and act == "replay" and fates["moved"] else ""
    if fates["moved"] or not any(fates[one] for one in _DONE):
        say(f"{fates['moved']} {_MEANS[act][1]}.{later}")
    if fates["taken"] + fates["seen"]:
        say(f"{fates['taken'] + fates['seen']} notices taken.")
    if fates["discarded"]:
        say(f"{fates['discarded']} dead notice{'s' if fates['discarded'] > 1 else ''} discarded.")
    for fate, words in _LEFT.items():
        if fates[fate]:
            say(f"{fates[fate]} {words}.")


class _Bar:
    """A bar on the error output, for people, from the moment on at which it takes longer than they wait unasked."""

    def __init__(self, many: int) -> None:
        console = Console(stderr=True)
        self._bar = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=many)
        self._begun = time.monotonic()
        self._shown = False

    def __enter__(self) -> "_Bar":
        return self

    def at(self, count: int) -> None:
        """Tell how many are done."""
        if not self._shown and time.monotonic() - self._begun > SLOW:
            self._shown = True
            self._bar.start()
        self._bar.update(self._task, completed=count)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
