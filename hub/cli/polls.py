"""
`hub polls`: which notices the hub fetches, how far each has come, and run one now.
"""

from typing import Annotated, Any
from urllib.parse import quote

import httpx2
import typer

from hub.cli.operator import ask, over_store, said
from hub.cli.output import AsJson, fail, say, show
from hub.cli.settings import Config

COLUMNS = ("agency", "notice", "last_run", "last_outcome", "cause", "taken", "cursor_moved", "next_run")
Which = Annotated[str, typer.Argument(metavar="AGENCY.NOTICE", help="Which poll, as `hub polls` lists it.")]


def polls() -> typer.Typer:
    """Put `hub polls ...` together."""
    group = typer.Typer(invoke_without_command=True, help="Notices that the hub fetches by a clock.")
    group.callback()(list_polls)
    group.command("run")(run)
    return group


def list_polls(context: typer.Context, *, config: Config = None, as_json: AsJson = False) -> None:
    """List every poll: when it last ran and with what outcome, whether its cursor moves, and when it runs next."""
    if context.invoked_subcommand is not None:
        if as_json or config is not None:
            fail(f"Write options after the word: hub polls {context.invoked_subcommand} ...", 2)
        return

    async def look(http: httpx2.AsyncClient) -> Any:
        return await said(await http.get("/admin/v1/polls"))

    show("Polls", COLUMNS, ask(config, look), as_json=as_json)


def run(which: Which, *, config: Config = None) -> None:
    """Run a poll now: it falls due, and goes as soon as its lane lets it. The journal keeps that it was wanted."""
    agency, dot, notice = which.partition(".")
    if not (agency and dot and notice):
        fail(f"{which}: write agency.notice, as `hub polls` lists them.", 2)

    async def knock(http: httpx2.AsyncClient) -> bool:
        path = f"/admin/v1/polls/{quote(agency, safe='')}/{quote(notice, safe='')}/run"
        await said(await http.post(path))
        return over_store(http)

    nobody = ask(config, knock)
    say(
        f"{which} is due."
        + (" No hub runs: it goes at the next start." if nobody else " `hub polls` tells what comes.")
    )
