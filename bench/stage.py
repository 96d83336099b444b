"""
The stage of a congestion run: played agencies, the hub before them, naive gateways before their twins, and callers.

Hub and gateways have played agencies of their own, alike in everything. Each scenario has a gateway process of its own,
so that the gateway is not blamed for what its other scenarios do to it; the hub serves all of them at once, in one.
Next: `scenarios.py`.
"""

import asyncio
import json
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench import lab, load
from bench.agencies import Bears, write_for, written
from bench.lab import Child
from bench.load import Heard

HUB, GATEWAY = "hub", "gateway"
SYSTEMS = (HUB, GATEWAY)
CALLERS = {"counter": "counter", "ministry": "normal"}
"""Callers of the hub, each with the highest class it may ask for."""
_URGENCY = {"counter": 1, "ministry": 3}
_ADMITTED = re.compile(r'^hub_admission_total\{(?=[^}]*decision="accepted")[^}]*agency="(\w+)"[^}]*\} (\S+)$', re.M)
GRACE = 0.5
"""Seconds beyond their patience after which callers hang up: a system that says so at the last moment is heard."""
_PATIENCE = 2.0
"""Seconds that the hub has to end once everything is measured; what it still has on the wire interests nobody."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One scenario's agency: what it bears, and what its contract says."""

    name: str
    workers: int
    seconds: float
    """Mean time of service."""
    per_second: float
    at_once: int
    sigma: float = 0.0
    by_number: bool = False
    queue_calls: int = 1000

    @property
    def capacity(self) -> float:
        """Calls a second that can be answered: what the agency bears, or 0.9 of what its contract allows."""
        return min(self.workers / self.seconds, 0.9 * self.per_second)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One line of an agency's log. Moments are monotonic, and mean the same in every process of the machine."""

    number: int
    at: float
    left: float | None
    how: str
    """`answered`, `refused`, `cut` (the other side hung up) or `open`."""


class Stage:
    """All processes of a run; use as a context."""

    def __init__(
        self, folder: Path, lanes: Sequence[Lane], *, call_timeout: float, patience: float, queue_seconds: float
    ) -> None:
        self.lanes = {lane.name: lane for lane in lanes}
        self.patience = patience
        self.call_timeout = call_timeout
        self.cpu: dict[str, float] = {}
        """CPU seconds by process, as of the last `weigh`."""
        self._queue_seconds = queue_seconds
        self._folder = folder
        self._gateways: dict[str, Child] = {}
        self._keys: dict[str, str] = {}
        self._agencies: Child
        self._hub: Child
        self._door: tuple[asyncio.StreamReader, asyncio.StreamWriter]
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        bears = [
            Bears(f"{system}/{lane.name}", lane.workers, lane.seconds, lane.sigma, lane.by_number)
            for system in SYSTEMS
            for lane in self.lanes.values()
        ]
        write_for(self._folder / "agencies.json", bears)
        self._agencies = await Child.start("bench.agencies", "agencies.json", folder=self._folder)
        try:
            self._door = await asyncio.open_connection("127.0.0.1", self._agencies.said["control"], limit=1 << 30)
            self._hub = await lab.serve(self._folder, lab.HERE / "connectors", self._hub_toml())
        except BaseException:
            await self._agencies.stop(0)
            raise
        try:
            async with lab.operator(self._hub) as http:
                self._keys = {name: await lab.add_caller(http, name, top) for name, top in CALLERS.items()}
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.end_gateways()
        await asyncio.gather(self._hub.stop(_PATIENCE), self._agencies.stop(0))
        self._door[1].close()

    # --- Gateways ----------------------------------------------------------------------------------------------------

    async def begin_gateways(self, scenarios: Mapping[str, Iterable[str]]) -> None:
        """Start a gateway for each scenario, before the lanes it names."""

        async def begin(name: str, lanes: Iterable[str]) -> None:
            told = {"timeout": self.call_timeout, "agencies": {lane: self._played(GATEWAY, lane) for lane in lanes}}
            self._gateways[name] = await Child.start(
                "bench.gateway", folder=self._folder, BENCH_GATEWAY=json.dumps(told)
            )

        await asyncio.gather(*(begin(*one) for one in scenarios.items()))

    async def end_gateways(self) -> None:
        """End all gateways; what they are at is lost."""
        self.weigh()
        gone, self._gateways = self._gateways, {}
        await asyncio.gather(*(child.stop(0) for child in gone.values()))

    # --- Callers -----------------------------------------------------------------------------------------------------

    async def ask(
        self,
        system: str,
        lane: str,
        dues: Sequence[float],
        *,
        caller: str = "ministry",
        gateway: str = "",
        first: int = 0,
    ) -> list[Heard]:
        """
        Ask *lane* through *system* once at each of *dues*, for request *first* and those after it.

        *gateway* names the scenario whose gateway is meant; without it, it is the one of the lane's own name.
        """
        url, request = self._requests(system, lane, caller, gateway or lane)
        return await load.on_schedule(url, lambda number: request(first + number), dues, patience=self.patience + GRACE)

    def _requests(self, system: str, lane: str, caller: str, gateway: str) -> tuple[str, load.Request]:
        headers = {"Content-Type": "application/json"}
        if system == HUB:
            url = f"http://{self._hub.said['listen']}/v1/calls/{lane}/lookup_procedure"
            headers |= {
                "Authorization": f"Bearer {self._keys[caller]}",
                "Prefer": f"wait={self.patience:g}",
                "Priority": f"u={_URGENCY[caller]}",
            }
            return url, lambda number: load.http_request(url, b'{"code":"%b"}' % written(number).encode(), headers)
        url = f"http://{self._gateways[gateway].said['listen']}/lookup/{lane}"
        return url, lambda number: load.http_request(url, b'{"number":"%b"}' % written(number).encode(), headers)

    # --- Agencies ----------------------------------------------------------------------------------------------------

    async def misbehave(self, system: str, lanes: Iterable[str], **how: Any) -> None:
        """Let the agencies of *lanes* behave as `agencies.Agency.misbehave` says; without *how*, well."""
        await self._control({"do": "misbehave", "agencies": [f"{system}/{lane}" for lane in lanes], "how": how})

    async def misbehave_at(self, moment: float, system: str, lanes: Sequence[str], **how: Any) -> None:
        """The same, at a monotonic moment."""
        await asyncio.sleep(max(0.0, moment - time.monotonic()))
        await self.misbehave(system, lanes, **how)

    async def arrivals(self, system: str, lane: str) -> list[Arrival]:
        """Return what arrived at the door of *lane*'s agency so far."""
        name = f"{system}/{lane}"
        return [Arrival(*line) for line in (await self._control({"do": "log", "agencies": [name]}))[name]]

    async def agencies_late(self) -> float:
        """Return the most seconds by which the process of the agencies was late so far."""
        return float(await self._control({"do": "late", "agencies": []}))

    async def _control(self, told: Mapping[str, Any]) -> Any:
        async with self._lock:
            self._door[1].write(json.dumps(told).encode() + b"\n")
            return json.loads(await self._door[0].readline())

    def _played(self, system: str, lane: str) -> str:
        url: str = self._agencies.said["urls"][f"{system}/{lane}"]
        return f"{url}/procedures"

    # --- The hub -----------------------------------------------------------------------------------------------------

    async def accepted(self) -> dict[str, int]:
        """Return how many calls the hub has let in so far, by lane."""
        async with lab.operator(self._hub) as http:
            text = (await http.get("/metrics")).raise_for_status().text
        found: dict[str, int] = {}
        for lane, count in _ADMITTED.findall(text):
            found[lane] = found.get(lane, 0) + int(float(count))
        return found

    def _hub_toml(self) -> str:
        lines = []
        for lane in self.lanes.values():
            lines += [
                f"[agencies.{lane.name}]",
                'connector = "catalogue"',
                f'base_url = "{self._agencies.said["urls"][f"{HUB}/{lane.name}"]}"',
                f"[agencies.{lane.name}.contract]",
                f"calls_per_second = {float(lane.per_second)}",
                f"calls_at_once = {lane.at_once}",
                f"call_timeout = {float(self.call_timeout)}",
                f"queue_calls = {lane.queue_calls}",
                f"queue_seconds = {float(self._queue_seconds)}",
            ]
        return "\n".join(lines) + "\n"

    # --- The machine -------------------------------------------------------------------------------------------------

    def weigh(self) -> None:
        """Note the CPU that each process has used so far; gateways count together."""
        self.cpu["hub"] = self._hub.cpu()
        self.cpu["agencies"] = self._agencies.cpu()
        own = os.times()
        self.cpu["callers"] = own.user + own.system
        for name, child in self._gateways.items():
            self.cpu[f"gateway {name}"] = child.cpu()
