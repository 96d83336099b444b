"""
How commands reach the operators' doors: those of a running hub, else the same doors over the store, locked for the time.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2

from hub.app.build import build
from hub.app.opening import admin_key
from hub.cli.output import fail
from hub.cli.settings import read_settings
from hub.clock import SystemClock
from hub.coordination.link import RedisEvicts
from hub.errors import CallUnknown, StoreUnavailable
from hub.heartbeat import NodeView
from hub.settings import Settings
from hub.store.database import StoreInUse
from monitoring.events import Silent
from monitoring.metrics import Metrics

PATIENCE = 30.0
_NOBODY = "hub"
"""Host of the doors that are used when no hub runs; no address of settings has it, since they name a port."""
_IN_COMMANDS = {
    CallUnknown.code: "There is no such call. `hub calls list` finds calls by dossier, key, caller or state; `hub doubt list` and "
    "`hub dead list` show those that need somebody.",
    StoreUnavailable.code: "The store takes no records just now, so nothing was done. `hub doctor` says more; see `When the store "
    "is short` in the guide, and try again when it is well.",
}


def ask(config: Path | None, work: Callable[[httpx2.AsyncClient], Awaitable[Any]], *, anyway: bool = False) -> Any:
    """Do *work* with a client of the operators' doors, and return what it returns; *anyway*: see `doors`."""

    async def asked() -> Any:
        async with doors(read_settings(config), anyway=anyway) as http:
            return await work(http)

    return asyncio.run(asked())


@asynccontextmanager
async def doors(settings: Settings, *, anyway: bool = False) -> AsyncIterator[httpx2.AsyncClient]:
    """
    Give a client of the running hub's admin doors; when none runs, of doors over the store itself.

    Where other nodes of the hub live it ends with their names, because they know how the lanes are and these doors do
    not; *anyway*: who wants to know what is wrong with this very node gets its doors nevertheless.

    Raises:
        StoreInUse: A hub runs on this store, but not where the settings say.
        FilesRefused: Settings or connectors cannot be used.
    """
    headers = {"authorization": f"Bearer {admin_key(settings, os.environ)}"}
    async with httpx2.AsyncClient(base_url=f"http://{settings.hub.admin}", headers=headers, timeout=PATIENCE) as http:
        if await _answers(http):
            yield http
            return
    clock = SystemClock()
    try:
        hub = build(settings, os.environ, clock, Silent(), Metrics(clock.monotonic))
    except StoreInUse as error:
        fail(f"{error} No hub answers at {settings.hub.admin}: is its admin address another one? Set HUB__HUB__ADMIN.")
    try:
        await hub.load()
        alive = [node for node in hub.heartbeat.nodes() if node.alive] if hub.heartbeat is not None else []
        if alive and not anyway:
            fail(_elsewhere(settings, alive))
        if hub.group is not None:
            with suppress(RedisEvicts):  # that is a finding
                await hub.group.permits.try_out()
        transport = httpx2.ASGITransport(app=hub.operators)
        async with httpx2.AsyncClient(transport=transport, base_url=f"http://{_NOBODY}", headers=headers) as http:
            yield http
    finally:
        await hub.close()


def _elsewhere(settings: Settings, alive: Sequence[NodeView]) -> str:
    heard = ", ".join(f"{node.node} (heard of {node.seconds:.0f} s ago)" for node in alive)
    return (
        f"Nobody answers at {settings.hub.admin}, where the settings have the admin doors of node {settings.hub.node}; of "
        f"this hub there live: {heard}. Aim at one of them: give its settings with --config, or set HUB__HUB__ADMIN to "
        "the address of its admin doors."
    )


def over_store(http: httpx2.AsyncClient) -> bool:
    """Say whether *http* leads to doors over the store, because no hub runs."""
    return http.base_url.host == _NOBODY


async def _answers(http: httpx2.AsyncClient) -> bool:
    try:
        reply = await http.get("/admin/v1/hub")
    except httpx2.TransportError:
        return False
    if reply.status_code == 401:
        fail(
            f"The hub at {http.base_url} does not take this admin key; set hub.admin_key, or use the settings it was started with."
        )
    return reply.status_code == 200


def in_command(code: str, detail: str) -> str:
    """Return what a person at the command line reads of a problem whose own text is for callers; empty: that text will do."""
    first = f"{detail.rstrip('.')}. " if detail else ""
    return first + _IN_COMMANDS[code] if code in _IN_COMMANDS else ""


async def said(reply: httpx2.Response) -> Any:
    """Return the JSON of *reply*; say what is wrong, and end, when it is a problem."""
    body = reply.json()
    if reply.status_code < 300:
        return body
    if words := in_command(body.get("code", ""), body.get("detail", "")):
        fail(words)
    faults = [f"  {fault['pointer']}: {fault['rule']}" for fault in body.get("errors", [])]
    title = "Correct this, and try again:" if faults else body.get("title", "")
    return fail("\n".join([" ".join(part for part in (body.get("detail", ""), title) if part), *faults]))
