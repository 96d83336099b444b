"""
The hub in each of its forms: how many `hub serve` processes, over which store, with or without Redis.

A new form is a line of `FORMS`. Next: `durability.py`.
"""

import asyncio
import itertools
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench import lab, load
from bench.lab import Child
from bench.seen import Played, Scales, Seen
from bench.servers import Postgres, Redis
from connectors.kit.samples import Sample
from connectors.kit.sandbox.server import Play
from hub.cli.sandbox import invented_settings, snippet

SENT, HELD = "npsp", "held"
"""The lane whose calls go to the agency, and one that an operator holds."""
UNITS = "unit,valid_from,valid_to,agency,code\n" + "".join(
    f"H32,2020-01-01,,{agency},000.00.14.H32\n" for agency in (SENT, HELD)
)
OFFICERS = "officer,unit,valid_from,valid_to,agency,account\nhub-duty,H32,2020-01-01,,,\n"
CODE = "000.00.14.H32-261123-{:08d}"
_LOOK = 0.01
_PATIENCE = 30.0
_SENT = re.compile(r"(?m)^hub_exchanges_total{[^}]*} (\S+)$")


@dataclass(frozen=True, slots=True)
class Form:
    """What the hub is made of."""

    name: str
    processes: int = 1
    postgres: bool = False
    """False: SQLite, in a file of its own."""
    redis: bool = False


ON_SQLITE = Form("hub, SQLite, one process")
ON_POSTGRES = Form("hub, PostgreSQL, one process", postgres=True)
FORMS = (
    ON_SQLITE,
    ON_POSTGRES,
    Form("hub, PostgreSQL and Redis, two processes", processes=2, postgres=True, redis=True),
)


class Hub:
    """One form of the hub, serving; use as a context. A `seen.System`."""

    def __init__(
        self, form: Form, folder: Path, connectors: Path, agency: Played, sample: Sample, at_once: int, backlog: int = 0
    ) -> None:
        """*backlog*: how many calls wait in the lane that is held before the hub serves."""
        self.name = form.name
        self.nodes: list[Child] = []
        self.ready_seconds = 0.0
        """How long the first node took until it served."""
        self._backlog = backlog
        self._form = form
        self._folder = folder
        self._connectors = connectors
        self._agency = agency
        self._sample = sample
        self._at_once = at_once
        self._numbers = itertools.count()
        self._parts: dict[str, list[int]] = {}
        self._key = ""
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def accept(self, count: int) -> Seen:
        """Take *count* calls for the lane that is held."""
        scales = Scales(self._parts, self._agency)
        scales.begin()
        wall, failed = await self._hand_in(HELD, count)
        return scales.end(count, failed=failed, wall=wall)

    async def carry(self, count: int) -> Seen:
        """Take *count* calls and see them through."""
        scales, before = Scales(self._parts, self._agency), await self._agency.arrived()
        scales.begin()
        _, failed = await self._hand_in(SENT, count)
        await self._agency.until(before + count - failed)
        while await self._unsettled(SENT):  # noqa: ASYNC110 - another process settles
            await asyncio.sleep(_LOOK)
        return scales.end(count, failed=failed)

    async def drain(self, count: int) -> Seen:
        """Send *count* of the calls that wait for the lane that is held, and a few before them, which are not measured."""
        scales, before = Scales(self._parts, self._agency), await self._agency.arrived()
        await self._order("resume")
        first = await self._agency.until(before + 2 * self._at_once)
        scales.begin()
        last = await self._agency.until(first + count)
        seen = scales.end(last - first)
        await self._order("hold")
        while await self._under_way(HELD):  # noqa: ASYNC110 - likewise
            await asyncio.sleep(_LOOK)
        return seen

    # --- Asking ------------------------------------------------------------------------------------------------------

    async def _hand_in(self, agency: str, count: int) -> tuple[float, int]:
        """Hand in *count* calls, as many at once as the run says, to all nodes alike; return seconds and refusals."""
        share = max(1, self._at_once // len(self.nodes))
        parts = [count // len(self.nodes) + (node < count % len(self.nodes)) for node in range(len(self.nodes))]
        urls = [f"http://{node.said['listen']}" for node in self.nodes]
        shots = await asyncio.gather(
            *(
                load.closed(url, self._request(url, agency), at_once=share, total=part, good=(202,))
                for url, part in zip(urls, parts, strict=True)
            )
        )
        return max(shot.wall for shot in shots), count - sum(shot.done for shot in shots)

    def _request(self, url: str, agency: str) -> load.Request:
        body = json.dumps(self._sample.request, ensure_ascii=False)
        known = self._sample.request["code"]

        def request(_: int) -> bytes:
            code = CODE.format(next(self._numbers))
            headers = {
                "Authorization": f"Bearer {self._key}",
                "Content-Type": "application/json",
                "Hub-Purpose": f'officer="hub-duty", unit="H32", dossier="{code}"',
                "Idempotency-Key": f'"{code}"',
                "Prefer": "respond-async",
                "Priority": "u=1",
            }
            return load.http_request(
                f"{url}/v1/calls/{agency}/{self._sample.operation}", body.replace(known, code).encode(), headers
            )

        return request

    async def _unsettled(self, agency: str) -> int:
        """Return how many calls to *agency* wait or are under way."""
        return int((await self._lane(agency))["backlog"])

    async def _under_way(self, agency: str) -> int:
        """Return how many exchanges are on the wire to *agency*."""
        return int((await self._lane(agency))["numbers"]["concurrency_in_use"])

    async def _lane(self, agency: str) -> dict[str, Any]:
        async with lab.operator(self.nodes[0]) as http:
            lanes = (await http.get("/admin/v1/lanes")).raise_for_status().json()
        return next(lane for lane in lanes if lane["agency"] == agency)

    async def sent(self) -> list[int]:
        """Return how many exchanges each node has made."""
        return [int(sum(map(float, _SENT.findall(await _metrics(node))))) for node in self.nodes]

    async def _order(self, order: str) -> None:
        async with lab.operator(self.nodes[0]) as http:
            (await http.post(f"/admin/v1/lanes/{HELD}/{order}", json={"reason": "bench"})).raise_for_status()

    # --- Starting ----------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        keys = self._servers()
        first = await self._serve(0, keys)
        self.nodes.append(first)
        await self._prepare()
        if self._backlog:  # only now, when a hold keeps them where they are
            await first.stop()
            await fill(keys.get("store", f"sqlite:///{self._folder}/node0/hub.db"), self._sample.folder, self._backlog)
            began = time.monotonic()
            self.nodes = [await self._serve(0, keys)]
            self.ready_seconds = time.monotonic() - began
        self.nodes += [await self._serve(number, keys) for number in range(1, self._form.processes)]
        self._parts["hub"] = [node.pid for node in self.nodes]
        if self._form.postgres:
            for node in self.nodes:
                await self._until_it_grants(node)

    async def _until_it_grants(self, node: Child) -> None:
        """Wait until *node* grants permits by what its form names: over PostgreSQL it grants none in its first seconds."""
        by = f'hub_granting{{by="{"redis" if self._form.redis else "shares"}"}} 1.0'
        until = time.monotonic() + _PATIENCE
        while by not in await _metrics(node):
            if time.monotonic() > until:
                raise RuntimeError(f"{self.name}: a node did not come to {by}")
            await asyncio.sleep(_LOOK)

    async def _serve(self, number: int, keys: Mapping[str, str]) -> Child:
        folder = self._folder / f"node{number}"
        folder.mkdir(parents=True, exist_ok=True)
        node = await lab.serve(folder, self._connectors, self._agencies(), node=f"node{number}", **keys)
        self._stack.push_async_callback(node.stop)
        return node

    def _servers(self) -> dict[str, str]:
        """Start what the form stands on, and return the keys of hub.toml that lead to it."""
        keys: dict[str, str] = {}
        for server in self._made_of():
            server.folder.mkdir(parents=True, exist_ok=True)
            server.start()
            self._stack.callback(server.kill)
            assert server.process is not None
            self._parts[type(server).__name__] = [server.process.pid]
            if isinstance(server, Postgres):
                keys["store"] = server.dsn()
            else:
                keys["redis"] = server.address()
        return keys

    def _made_of(self) -> Iterator[Postgres | Redis]:
        if self._form.postgres:
            (self._folder / "postgres").mkdir(parents=True, exist_ok=True)
            yield Postgres(self._folder / "postgres", durable=True)
        if self._form.redis:
            yield Redis(self._folder / "redis")

    async def _prepare(self) -> None:
        """Register who asks and on whose behalf, and hold the lane that is to be held."""
        async with lab.operator(self.nodes[0]) as http:
            for register, content in (("units", UNITS), ("officers", OFFICERS)):
                (await http.put(f"/admin/v1/{register}", content=content.encode())).raise_for_status()
            self._key = await lab.add_caller(http, "bench", "counter")
        await self._order("hold")

    def _agencies(self) -> str:
        folder = self._connectors / "npsp_lab"
        plays = [Play(name, folder, invented_settings(folder), base_url=self._agency.url) for name in (SENT, HELD)]
        bounds = "".join(f"[agencies.{play.name}.contract]\ncalls_at_once = {self._at_once}\n" for play in plays)
        return snippet(plays) + "\n" + bounds


async def _metrics(node: Child) -> str:
    async with lab.operator(node) as http:
        return (await http.get("/metrics")).raise_for_status().text


async def fill(store: str, sample: Path, count: int) -> None:
    """
    Put *count* calls for the lane that is held into *store*, in a process of its own.

    Raises:
        RuntimeError: It failed; what it said went to the terminal.
    """
    words = ("bench.filling", store, HELD, str(sample), str(count))
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", *words, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise RuntimeError(f"{' '.join(words)} failed")
