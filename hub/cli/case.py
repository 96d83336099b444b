"""
What `hub doubt` and `hub dead` have in common: which calls are meant, how one is shown, and how a list is fetched.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx2
import typer
from rich.console import Console

from hub.cli.operator import ask, over_store, said
from hub.cli.output import fail, say, show, show_json
from hub.surroundings import ICT

CallId = Annotated[str, typer.Argument(help="Its id.")]
OfAgency = Annotated[str | None, typer.Option("--agency", help="Only calls to this agency.")]
OfCause = Annotated[str | None, typer.Option("--cause", help="Only calls of exactly this cause.")]
Since = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
        help="Only those that came to stand there since then (+07:00).",
    ),
]
Limit = Annotated[int, typer.Option(min=1, max=500, help="How many of them on one page.")]
After = Annotated[str | None, typer.Option("--after", help="The page that follows; the page before names it.")]
By = Annotated[str, typer.Option("--by", help="Who decides, for the journal.")]
Why = Annotated[str, typer.Option("--reason", help="Why, for the journal. Nobody's data.")]
Query = dict[str, str | int]

_FOR_OTHERS = {
    "in_doubt": "is in doubt, and may have been done: ask the agency, then say what you learned with `hub doubt resolve {call}`.",
    "dead": "is a dead letter, and no doubt any more: `hub dead replay {call}` sends it again, `hub dead discard {call}` ends it.",
}
"""What a command cannot move by state, because another one does."""
_EXCHANGES = ("exchange", "id", "sent_at", "operation", "node", "outcome", "cause", "seconds")
_LISTS = {"made": "Exchanges", "references": "References", "decisions": "Decided"}
_COLUMNS = {"made": _EXCHANGES, "references": ("ours", "theirs", "call", "known_at"), "decisions": ("at", "by", "what")}


def query(agency: str | None, cause: str | None, since: datetime | None) -> Query:
    """Return what the doors are asked with; what was not given is left out."""
    at = since.replace(tzinfo=ICT).isoformat() if since is not None else None
    return {name: value for name, value in (("agency", agency), ("cause", cause), ("since", at)) if value is not None}


def list_page(
    config: Path | None, path: str, title: str, columns: tuple[str, ...], wanted: Query, *, as_json: bool
) -> Mapping[str, Any]:
    """Print one page of calls that need a person and, for people, how many there are; return what the door said."""

    async def find(http: httpx2.AsyncClient) -> Any:
        page = await said(await http.get(f"/admin/v1/{path}", params=wanted))
        where = {name: value for name, value in wanted.items() if name not in ("limit", "after", "notices_after")}
        tolls = [] if as_json else await said(await http.get(f"/admin/v1/{path}/tolls", params=where))
        return page, tolls, over_store(http)

    page, tolls, nobody = ask(config, find)
    if as_json:
        show_json(page)
        return dict(page)
    if tolls:
        counts = tuple(name for name in ("calls", "notices") if name in tolls[0])
        show(f"{title}: how many", ("agency", "cause", *counts), tolls, as_json=False)
    show(title, columns, [_line(one) for one in page["calls"]], as_json=False)
    if nobody and any(one["next_look_up"] not in (None, "person") for one in page["calls"]):
        say("No hub runs: nothing is looked up before one is started, and then at these moments at the earliest.")
    if page["after"]:
        say(f"There are more: --after '{page['after']}'")
    return dict(page)


def _line(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a line of the table shows instead of several cells."""
    planned = call["next_look_up"]
    return {
        **call,
        "operation": f"{call['agency']}.{call['step']}",
        "since": _clock(call["since"]),
        "look_up": call["look_up"] or "none",
        "next": "for a person" if planned == "person" else planned and f"look-up at {_clock(planned)}",
        "again": call["replayable"],
    }


def show_case(config: Path | None, path: str, call: str, *, as_json: bool) -> None:
    """Print all that is kept of one call, or what is known of one dead notice."""

    async def get(http: httpx2.AsyncClient) -> Any:
        return await said(await http.get(f"/admin/v1/{path}/{quote(call, safe='')}"))

    case = ask(config, get)
    if as_json:
        show_json(case)
        return
    if "dead_notice" in case:
        _show_notice(case)
        return
    first = case.pop("in_the_way")
    sent = case.pop("sent")
    lists = {name: case.pop(name) for name in _LISTS}
    facts = [{"what": name.replace("_", " "), "is": value} for name, value in case.items()]
    facts.append({"what": "stands behind", "is": in_words(first)})
    facts += [{"what": f"request {name}", "is": sent[name]} for name in ("bytes", "digest")]
    show(f"Call {call}", ("what", "is"), facts, as_json=False)
    for name, rows in lists.items():
        rows = [{key: _clock(value) if key.endswith("at") else value for key, value in row.items()} for row in rows]
        show(_LISTS[name], _COLUMNS[name], rows, as_json=False)
    if sent["request"] is None:
        say("What was sent: not kept, or not readable by today's model")
    else:
        say("What was sent, personal places masked:")
        Console().print_json(data=sent["request"])


def _show_notice(case: dict[str, Any]) -> None:
    faults = case.pop("faults")
    case.pop("wrong")
    asked_for = [{"what": f"asked for {name}", "is": text} for name, text in case.pop("asked_for").items()]
    facts = [{"what": name.replace("_", " "), "is": value} for name, value in in_clock(case).items()]
    show(f"Dead notice {case['dead_notice']}", ("what", "is"), facts + asked_for, as_json=False)
    show("What is wrong with it", ("place", "rule"), faults, as_json=False)


def in_clock(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return *shown* with its moments as people read them."""
    return {name: _clock(value) if name.endswith("_at") else value for name, value in shown.items()}


def in_words(first: Mapping[str, Any] | None) -> str | None:
    """Return which call of the same order key stands before one, and what to look at."""
    if first is None:
        return None
    cause = f": {first['cause']}" if first["cause"] else ""
    group = {"in_doubt": "doubt", "dead": "dead"}.get(first["state"], "calls")
    return f"{first['call']}, {first['state']}{cause}; see `hub {group} show`"


def knock(config: Path | None, method: str, path: str, body: Any) -> Any:
    """Send *body* to a door and return what it says."""

    async def knocked(http: httpx2.AsyncClient) -> Any:
        return await said(await http.request(method, f"/admin/v1/{path}", json=body))

    return ask(config, knocked)


def told(call: str, became: str, state: str | None) -> None:
    """End with what to do, unless the call was moved."""
    if became == "unknown":
        fail(f"There is no call {call}; `hub doubt list` and `hub dead list` show those that need somebody.")
    if became == "moved_meanwhile" and state in _FOR_OTHERS:
        fail(f"{call} {_FOR_OTHERS[state].format(call=call)}")
    if became == "moved_meanwhile":
        fail(f"{call} is {state} meanwhile; `hub calls show {call}` tells where it stands.")
    if became == "not_allowed":
        fail(
            f"{call} cannot be sent again: its request was not kept, or its agency has left hub.toml. "
            "`hub dead discard` ends it."
        )
    if became == "no_room":
        fail(f"The backlog of its agency is nearly full, and what is filed now goes first. Replay {call} later.")


def _clock(moment: str) -> str:
    return moment[:19].replace("T", " ")
