"""
How commands reach the operators' doors: those of a running hub, else the same doors over the store, locked for the time.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from hub.app.build import build
from hub.app.opening import admin_key
from hub.cli.output import fail
from hub.cli.settings import read_settings
from hub.clock import SystemClock
from hub.errors import CallUnknown, StoreUnavailable
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


def ask(config: Path | None, work: Callable[[httpx2.AsyncClient], Awaitable[Any]]) -> Any:
    """Do *work* with a client of the operators' doors, and return what it returns."""

    async def asked() -> Any:
        async with doors(read_settings(config)) as http:
            return await work(http)

    return asyncio.run(asked())


@asynccontextmanager
async def doors(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """
    Give a client of the running hub's admin doors; when none runs, of doors over the store itself.

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
        transport = httpx2.ASGITransport(app=hub.operators)
        async with httpx2.AsyncClient(transport=transport, base_url=f"http://{_NOBODY}", headers=headers) as http:
            yield http
    finally:
        await hub.close()


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
