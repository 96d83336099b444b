"""
`hub subscriptions`: who is pushed what, how that goes, and events that could not be delivered.
"""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx2
import typer

from hub.cli.operator import ask, said
from hub.cli.output import AsJson, say, show
from hub.cli.settings import Config

COLUMNS = ("id", "caller", "url", "agencies", "dossier", "state", "cause", "attempts", "next_attempt_at", "dead")
DEAD = ("after", "id", "type", "agency", "call", "died_at", "attempts", "cause", "to_be_sent_again")
Id = Annotated[str, typer.Argument(help="Id of the subscription.")]
Caller = Annotated[str | None, typer.Option("--caller", help="Of this caller only.")]
Place = Annotated[int, typer.Argument(min=0, help="Place of the dead event: `after` in the list.")]
Some = Annotated[int | None, typer.Argument(min=0, help="Place of the dead event; without it, all of them.")]


def subscriptions() -> typer.Typer:
    """Put `hub subscriptions ...` together."""
    group = typer.Typer(no_args_is_help=True, help="Who is pushed what callers are told.")
    group.command("list")(list_subscriptions)
    group.command("resume")(resume)
    group.command("remove")(remove)
    group.command("dead")(list_dead)
    group.command("replay")(replay)
    group.command("discard")(discard)
    return group


def list_subscriptions(*, caller: Caller = None, config: Config = None, as_json: AsJson = False) -> None:
    """List all subscriptions: `failing` ones are tried again, `stopped` ones only when somebody resumes them."""
    query = {"caller": caller} if caller is not None else {}

    async def listed(http: httpx2.AsyncClient) -> Any:
        return await said(await http.get("/admin/v1/subscriptions", params=query))

    show("Subscriptions", COLUMNS, ask(config, listed), as_json=as_json)


def resume(subscription: Id, *, config: Config = None) -> None:
    """Try again at once, whatever it waits for: its receiver is well again."""
    _send(config, "POST", f"{_quoted(subscription)}/resume")
    say("What waits is pushed now.")


def remove(subscription: Id, *, config: Config = None) -> None:
    """Push it no more, and forget its dead events. Its caller may subscribe again, with a new secret."""
    _send(config, "DELETE", _quoted(subscription))
    say("It is removed; what is on its way may still arrive.")


def list_dead(subscription: Id, *, config: Config = None, as_json: AsJson = False) -> None:
    """List events that were tried for days in vain, oldest first."""

    async def listed(http: httpx2.AsyncClient) -> Any:
        return await said(await http.get(f"/admin/v1/subscriptions/{_quoted(subscription)}/dead"))

    show("Dead events", DEAD, ask(config, listed), as_json=as_json)


def replay(subscription: Id, after: Some = None, *, config: Config = None) -> None:
    """Send a dead event again, once, under its old id; without a place, all of them."""
    place = "" if after is None else f"/{after}"
    again = _send(config, "POST", f"{_quoted(subscription)}/dead{place}")["again"]
    say(f"{again} sent again; `hub subscriptions dead {subscription}` shows what failed once more.")


def discard(subscription: Id, after: Place, *, config: Config = None) -> None:
    """Forget a dead event. What it told stays in the feed, and where the call is read."""
    _send(config, "DELETE", f"{_quoted(subscription)}/dead/{after}")
    say("Discarded.")


def _send(config: Path | None, method: str, path: str) -> Any:
    async def sent(http: httpx2.AsyncClient) -> Any:
        return await said(await http.request(method, f"/admin/v1/subscriptions/{path}"))

    return ask(config, sent)


def _quoted(subscription: str) -> str:
    return quote(subscription, safe="")
