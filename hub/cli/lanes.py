"""
`hub lanes`: how every lane is, and what an operator may order about one: hold, resume, lower, lift, and no retries.
"""

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx2
import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from hub.cli.lane_table import LaneTable, lasting, terms
from hub.cli.operator import ask, over_store, said
from hub.cli.output import PIPED, AsJson, fail, say, show_json
from hub.cli.settings import Config
from hub.surroundings import ICT

EVERY = 1.0
"""Seconds between two looks of the live table."""
NOT_YET = " No hub runs: it counts from the next start."

LiveTable = Annotated[bool, typer.Option("--live", help="Renew the table each second until Ctrl-C.")]
Name = Annotated[str, typer.Argument(help="The agency whose lane it is; with --route, the route.")]
OfRoute = Annotated[bool, typer.Option("--route", help="The name is that of a route of hub.toml.")]
Why = Annotated[str, typer.Option("--reason", help="Why, for the journal. Nobody's data.")]
Minutes = Annotated[float | None, typer.Option(min=0.1, max=527_040, help="For how long; else until it is resumed.")]
Everything = Annotated[
    bool, typer.Option("--everything", help="End holds of other causes too, and close breakers: the agency is well.")
]
AtOnce = Annotated[int | None, typer.Option("--calls-at-once", min=1, help="Most calls under way at one moment.")]
PerSecond = Annotated[
    float | None, typer.Option("--calls-per-second", min=0.01, max=10_000, help="Most calls a second.")
]


def lanes() -> typer.Typer:
    """Put `hub lanes ...` together."""
    group = typer.Typer(invoke_without_command=True, help="The roads to the agencies: how they are, hold, lower.")
    group.callback()(show_lanes)
    group.command("hold")(hold)
    group.command("resume")(resume)
    group.command("lower")(lower)
    group.command("lift")(lift)
    group.command("stop-retries")(stop_retries)
    group.command("allow-retries")(allow_retries)
    return group


def show_lanes(
    context: typer.Context, *, live: LiveTable = False, config: Config = None, as_json: AsJson = False
) -> None:
    """Show every lane: state, line, exchanges under way, limit and why it moved. Or order something about one."""
    if context.invoked_subcommand is not None:
        if live or as_json or config is not None:
            fail(f"Write options after the word: hub lanes {context.invoked_subcommand} ...", 2)
        return
    console = Console(width=None if sys.stdout.isatty() else PIPED)
    if live and console.is_terminal and not as_json:
        _watch(config, console)
        return

    async def look(http: httpx2.AsyncClient) -> Any:
        return await _seen(http), over_store(http)

    seen, nobody = ask(config, look)
    if as_json:
        show_json(seen)
    else:
        console.print(LaneTable(**seen, title="Lanes; no hub runs" if nobody else "Lanes"))


def _watch(config: Path | None, console: Console) -> None:
    async def watch(http: httpx2.AsyncClient) -> None:
        if over_store(http):
            fail("No hub runs; `hub lanes` shows what is ordered, `hub serve` starts one.")
        with Live(console=console, auto_refresh=False) as screen:
            while True:
                now = datetime.now(ICT).strftime("%H:%M:%S")
                try:
                    screen.update(LaneTable(**await _seen(http), title=f"Lanes at {now}; Ctrl-C ends"), refresh=True)
                except httpx2.TransportError:
                    screen.update(Text(f"{now}: the hub does not answer", "bold red"), refresh=True)
                await asyncio.sleep(EVERY)

    try:
        ask(config, watch)
    except KeyboardInterrupt:
        return


async def _seen(http: httpx2.AsyncClient) -> dict[str, Any]:
    return {what: await said(await http.get(f"/admin/v1/{what}")) for what in ("lanes", "routes", "orders")}


def hold(name: Name, *, reason: Why, minutes: Minutes = None, route: OfRoute = False, config: Config = None) -> None:
    """Send nothing to an agency, or over a route, from now on. What was accepted waits; it outlasts a restart."""
    body = {"seconds": None if minutes is None else 60 * minutes, "reason": reason}
    _, not_yet = _order(config, "POST", f"{_path(name, route)}/hold", body)
    until = f"until `hub lanes resume {_named(name, route)}`" if minutes is None else f"for {lasting(60 * minutes)}"
    say(f"Nothing goes to {name} {until}.{not_yet}")


def resume(
    name: Name,
    *,
    everything: Everything = False,
    reason: Why = "",
    route: OfRoute = False,
    config: Config = None,
) -> None:
    """End an operator's hold. What waits goes at a ramp, people at the counter first."""
    body = {"everything": everything, "reason": reason}
    told, not_yet = _order(config, "POST", f"{_path(name, route)}/resume", body)
    still = ""
    if told["held"]:
        left = "" if told["held_seconds"] is None else f", {lasting(told['held_seconds'])}"
        more = ""
        if told["route"]:
            more = f", with its route; `hub lanes resume {told['route']} --route` is for that"
        elif not everything and told["held"] != "maintenance":  # its own hours are of its contract, and no hold
            more = f"; `hub lanes resume {_named(name, route)} --everything` ends that too"
        still = f" It is stopped: {told['held']}{left}{more}."
    if not told["resumed"]:
        fail(f"No operator holds {name}.{still}")
    say(f"No operator holds {name} any more.{still}{not_yet}")


def lower(
    name: Name,
    *,
    calls_at_once: AtOnce = None,
    calls_per_second: PerSecond = None,
    reason: Why = "",
    route: OfRoute = False,
    config: Config = None,
) -> None:
    """Keep a lane or route below its contract. What is not named stays as it was."""
    if calls_at_once is None and calls_per_second is None:
        fail("Write --calls-at-once, --calls-per-second or both; `hub lanes lift` undoes it.", 2)
    body = {"calls_at_once": calls_at_once, "calls_per_second": calls_per_second, "reason": reason}
    order, not_yet = _order(config, "PUT", f"{_path(name, route)}/limits", body)
    say(f"{name} is lowered: {terms(order)}, until `hub lanes lift {_named(name, route)}`.{not_yet}")


def lift(name: Name, *, reason: Why = "", route: OfRoute = False, config: Config = None) -> None:
    """Let a lane or route go as far as its contract again."""
    told, not_yet = _order(config, "DELETE", f"{_path(name, route)}/limits", None, {"reason": reason})
    if not told["lifted"]:
        fail(f"{name} is not lowered.")
    say(f"{name} may go as far as its contract.{not_yet}")


def stop_retries(*, reason: Why, config: Config = None) -> None:
    """Let no lane repeat anything, at once: first tries go on."""
    _, not_yet = _order(config, "PUT", "/retries", {"stopped": True, "reason": reason})
    say(f"No lane repeats anything until `hub lanes allow-retries`.{not_yet}")


def allow_retries(*, reason: Why = "", config: Config = None) -> None:
    """Let lanes repeat again, within their budgets."""
    _, not_yet = _order(config, "PUT", "/retries", {"stopped": False, "reason": reason})
    say(f"Lanes may repeat again.{not_yet}")


def _order(
    config: Path | None, method: str, path: str, body: Any, query: dict[str, str] | None = None
) -> tuple[Any, str]:
    """Knock at a door; return what it says, and what to add when no hub runs."""

    async def knock(http: httpx2.AsyncClient) -> Any:
        reply = await http.request(method, f"/admin/v1{path}", json=body, params=query)
        return await said(reply), NOT_YET if over_store(http) else ""

    told: tuple[Any, str] = ask(config, knock)
    return told


def _path(name: str, route: bool) -> str:
    return f"/{'routes' if route else 'lanes'}/{quote(name, safe='')}"


def _named(name: str, route: bool) -> str:
    return f"{name} --route" if route else name
