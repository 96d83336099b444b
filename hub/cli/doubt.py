"""
`hub doubt`: filings that were sent and whose outcome nobody knows. List them, show one, say what became of it.
"""

from typing import Annotated
from urllib.parse import quote

import typer

from hub.cli.case import (
    After,
    By,
    CallId,
    Limit,
    OfAgency,
    OfCause,
    Since,
    Why,
    knock,
    list_page,
    query,
    show_case,
    told,
)
from hub.cli.output import AsJson, fail, say
from hub.cli.settings import Config
from hub.store.deciding import Act

COLUMNS = ("call", "operation", "dossier", "since", "cause", "look_up", "next")
Done = Annotated[bool, typer.Option("--done", help="The agency has it: its caller gets an answer, on your word.")]
NotDone = Annotated[bool, typer.Option("--not-done", help="The agency does not have it: it is sent again.")]
GiveUp = Annotated[bool, typer.Option("--give-up", help="Nobody can say: it becomes a dead letter.")]
Refs = Annotated[
    list[str] | None,
    typer.Option("--ref", metavar="OUR=THEIR", help="With --done: the agency's number, such as receipt=000123."),
]
_SAID = {
    Act.DONE: "{call} is answered, on your word; its caller hears that the agency has it.",
    Act.NOT_DONE: "{call} is sent again, in its old place.",
    Act.GIVE_UP: "{call} is a dead letter now: `hub dead discard` ends it, `hub dead replay` sends it again.",
}


def doubt() -> typer.Typer:
    """Put `hub doubt ...` together."""
    group = typer.Typer(no_args_is_help=True, help="Filings whose outcome is unknown.")
    group.command("list")(list_doubts)
    group.command("show")(show_doubt)
    group.command("resolve")(resolve)
    return group


def list_doubts(
    *,
    agency: OfAgency = None,
    cause: OfCause = None,
    since: Since = None,
    limit: Limit = 100,
    after: After = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List filings in doubt: first those that only a person can settle, then those that the hub still looks up."""
    wanted = query(agency, cause, since) | {"limit": limit} | ({"after": after} if after else {})
    list_page(config, "doubts", "In doubt", COLUMNS, wanted, as_json=as_json)


def show_doubt(call: CallId, *, config: Config = None, as_json: AsJson = False) -> None:
    """Show what was sent and when, every exchange, the numbers by which the agency finds it, and who decided what."""
    show_case(config, "doubts", call, as_json=as_json)


def resolve(
    call: CallId,
    *,
    done: Done = False,
    not_done: NotDone = False,
    give_up: GiveUp = False,
    by: By,
    reason: Why,
    ref: Refs = None,
    config: Config = None,
) -> None:
    """Say what became of a filing in doubt, once the agency has told you. The journal keeps who said so, and why."""
    chosen = [act for act, given in ((Act.DONE, done), (Act.NOT_DONE, not_done), (Act.GIVE_UP, give_up)) if given]
    if len(chosen) != 1:
        fail("Write one of --done, --not-done and --give-up; `hub doubt show` tells what to ask the agency.", 2)
    refs = dict(_pair(text) for text in ref or ())
    body = {"outcome": chosen[0], "by": by, "reason": reason, "refs": refs}
    became = knock(config, "POST", f"doubts/{quote(call, safe='')}", body)
    told(call, became["became"], became["state"])
    say(_SAID[chosen[0]].format(call=call))


def _pair(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not (ours and equals and theirs):
        fail(f"--ref {text}: write our name = the agency's number, such as receipt=000123.", 2)
    return ours, theirs
