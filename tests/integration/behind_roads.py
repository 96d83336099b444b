"""A whole hub in this loop, its agencies played behind gateways: what the tests of every kind of road stand on."""

import io
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from connectors.kit.sandbox.gateway import PlayedRoute
from connectors.kit.sandbox.server import Play, Sandbox
from hub.app.build import build
from hub.cli.sandbox import snippet
from hub.client import HubClient
from hub.clock import SystemClock
from hub.settings import load_settings
from monitoring.events import Fan
from monitoring.logs import LineWriter, LogLines
from monitoring.metrics import Metrics
from tests.integration.conftest import ADMIN


class Behind:
    """The hub and those around it."""

    def __init__(self, sandbox: Sandbox, public: Any, operators: Any, lines: Callable[[], str]) -> None:
        self.sandbox = sandbox
        self.agencies = httpx2.AsyncClient(base_url="http://hub", transport=httpx2.ASGITransport(app=public))
        """What agencies call."""
        self.operators = httpx2.AsyncClient(
            base_url="http://hub", headers=ADMIN, transport=httpx2.ASGITransport(app=operators)
        )
        self.lines = lines
        """Gives all that was logged."""
        self.hub: HubClient

    async def route_of(self, name: str) -> dict[str, Any]:
        shown = (await self.operators.get("/admin/v1/routes")).json()
        return next(one for one in shown if one["route"] == name)

    async def metrics(self) -> str:
        return (await self.operators.get("/metrics")).text


B = TypeVar("B", bound=Behind)


@asynccontextmanager
async def served(
    made: type[B], folder: Path, plays: Sequence[Play], routes: Sequence[PlayedRoute], changed: Mapping[str, str]
) -> AsyncIterator[B]:
    """Play *plays* behind *routes* and serve them, with registers and a caller; *changed*: texts of hub.toml, old and new."""
    sandbox = Sandbox(list(plays), now=time.time, chance=random.Random(7), routes=list(routes))
    await sandbox.start()
    text = snippet(list(plays), routes)
    for old, new in changed.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "hub.toml").write_text(f'[hub]\nadmin_key = "env:ADMIN_KEY"\n{text}', "utf-8")
    clock, out = SystemClock(), io.BytesIO()
    writer, metrics = LineWriter(out, clock.now), Metrics(clock.monotonic)
    hub = build(
        load_settings({}, folder / "hub.toml"),
        {"ADMIN_KEY": ADMIN["authorization"].partition(" ")[2]},
        clock,
        Fan(metrics, LogLines(writer, clock.monotonic)),
        metrics,
    )
    await hub.start()

    def lines() -> str:
        writer.flush()
        return out.getvalue().decode()

    behind = made(sandbox, hub.public, hub.operators, lines)
    try:
        units = [f"H32,2020-01-01,,{play.name},000.00.14.H32\n" for play in plays]
        officers = [f"cb-102,H32,2020-01-01,,{play.name},000080000099\n" for play in plays]
        for register, content in (
            ("units", "".join(["unit,valid_from,valid_to,agency,code\n", *units])),
            ("officers", "".join(["officer,unit,valid_from,valid_to,agency,account\n", *officers])),
        ):
            done = await behind.operators.put(f"/admin/v1/{register}", content=content.encode())
            assert done.status_code == 200, done.text
        caller = {"name": "one-stop", "allowed": ["*"], "top_class": "counter"}
        key = (await behind.operators.post("/admin/v1/callers", json=caller)).json()["key"]
        behind.hub = HubClient("http://hub", key, transport=httpx2.ASGITransport(app=hub.public))
        yield behind
        await behind.hub.close()
    finally:
        await behind.operators.aclose()
        await behind.agencies.aclose()
        await hub.stop(5.0)
        writer.close()
        await sandbox.stop()
