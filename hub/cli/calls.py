"""
`hub calls`: what was asked, by whom, and where it stands. Never what was said: that is personal data.
"""

from typing import Annotated, Any
from urllib.parse import quote

import httpx2
import typer

from hub.call import State
from hub.cli.case import CallId, in_words
from hub.cli.operator import ask, said
from hub.cli.output import AsJson, show, show_json
from hub.cli.settings import Config

COLUMNS = ("call", "operation", "caller", "class", "state", "cause", "accepted", "dossier")
OfState = Annotated[State | None, typer.Option("--state", help="Only calls in this state.")]
OfAgency = Annotated[str | None, typer.Option("--agency", help="Only calls to this agency.")]
OfCaller = Annotated[str | None, typer.Option("--caller", help="Only calls of this caller.")]
OfDossier = Annotated[str | None, typer.Option("--dossier", help="Only calls for this dossier.")]
OfKey = Annotated[str | None, typer.Option("--key", help="Only the call with this idempotency key.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")]


def calls() -> typer.Typer:
    """Put `hub calls ...` together."""
    group = typer.Typer(no_args_is_help=True, help="Calls and where they stand.")
    group.command("list")(list_calls)
    group.command("show")(show_call)
    return group


def list_calls(
    *,
    state: OfState = None,
    agency: OfAgency = None,
    caller: OfCaller = None,
    dossier: OfDossier = None,
    key: OfKey = None,
    limit: Limit = 100,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List calls, newest first."""
    wanted = {"state": state, "agency": agency, "caller": caller, "dossier": dossier, "key": key, "limit": limit}

    async def find(http: httpx2.AsyncClient) -> Any:
        return await said(
            await http.get(
                "/admin/v1/calls", params={name: value for name, value in wanted.items() if value is not None}
            )
        )

    found = ask(config, find)
    if not as_json:
        found = [one | _short(one) for one in found]
    show("Calls", COLUMNS, found, as_json=as_json)


def _short(call: dict[str, Any]) -> dict[str, str]:
    """Return what a line of the table shows instead of several cells; `--json` and `hub calls show` tell all."""
    return {
        "operation": f"{call['agency']}.{call['operation']}",
        "state": f"{call['state']}: {call['result']}" if call["result"] else call["state"],
        "accepted": call["accepted_at"][:19].replace("T", " "),
    }


def show_call(call: CallId, *, config: Config = None, as_json: AsJson = False) -> None:
    """Show one call."""

    async def get(http: httpx2.AsyncClient) -> Any:
        return await said(await http.get(f"/admin/v1/calls/{quote(call, safe='')}"))

    found = ask(config, get)
    if as_json:
        show_json(found)
    else:
        found["in_the_way"] = in_words(found["in_the_way"])
        show(
            f"Call {call}",
            ("what", "is"),
            [{"what": name, "is": value} for name, value in found.items()],
            as_json=False,
        )
