"""
What a system that carries calls was seen to do: how fast, and what it cost, part by part. Read `durability.py` first.

Everything that a call passes through counts as its cost: door, store and sender of the hub, PostgreSQL and Redis; enqueue,
broker and worker of a peer. The agency, and whoever asks the hub, are weighed apart.
"""

import asyncio
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from bench import processes
from bench.lab import Child

AGENCY, ASKING = "agency", "asking"
"""What is weighed apart: the agency, and the process of the benchmark, which asks the hub and reads the clocks."""
_LOOK = 0.01
_PATIENCE = 120.0
"""Seconds without an arrival after which calls are taken for lost."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One measurement of one system."""

    calls: int
    wall: float
    """Seconds from the first call to the end of the last."""
    cpu: Mapping[str, float]
    """Seconds of CPU by part of the system."""
    apart: Mapping[str, float]
    """Likewise, of what does not belong to it."""
    failed: int = 0

    @property
    def per_second(self) -> float:
        return self.calls / self.wall

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU for a call, of all that belongs to the system."""
        return sum(self.cpu.values()) / self.calls * 1e6

    @property
    def per_cpu_second(self) -> float:
        """Calls for each second of CPU of all that belongs to the system; infinite where there were too few to weigh."""
        return 1e6 / self.cpu_us if self.cpu_us else math.inf


class System(Protocol):
    """What is measured: a form of the hub, or a peer."""

    name: str

    async def accept(self, count: int) -> Seen:
        """Take *count* calls that nobody sends."""
        ...

    async def carry(self, count: int) -> Seen:
        """Take *count* calls, send them, and write down that they are done."""
        ...


class Lost(Exception):
    """Calls that were taken have not arrived at the agency; see the logs of the run."""


class Played:
    """The agency of a run, and how many requests it has had."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.url: str = child.said["url"]

    @classmethod
    async def start(cls, folder: Path, sample: Path, log_in: Path) -> "Played":
        """Play the agency that answers like *sample*, in a process of its own."""
        return cls(await Child.start("bench.loopback", str(sample), str(log_in), folder=folder))

    async def arrived(self) -> int:
        """Return how many requests have come."""
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
        count = int(await reader.readexactly(length))
        writer.close()
        return count

    async def until(self, wanted: int) -> int:
        """
        Return once *wanted* requests have come in all, and how many there are then.

        Raises:
            Lost: For two minutes none came.
        """
        before, since = -1, time.monotonic()
        while (now := await self.arrived()) < wanted:
            if now > before:
                before, since = now, time.monotonic()
            elif time.monotonic() - since > _PATIENCE:
                raise Lost(f"{now} of {wanted} requests have arrived")
            await asyncio.sleep(_LOOK)
        return now


class Scales:
    """Weighs the CPU of one system while something happens: `begin`, then `end`."""

    def __init__(self, parts: Mapping[str, Sequence[int]], agency: Played) -> None:
        """*parts*: the processes, with all they started, that each part of the system consists of."""
        self._parts = parts
        self._agency = agency
        self._before: dict[str, float] = {}
        self._began = 0.0

    def begin(self) -> None:
        """Weigh from now on."""
        self._before = self._now()
        self._began = time.monotonic()

    def end(self, calls: int, *, failed: int = 0, wall: float | None = None) -> Seen:
        """Return what *calls* have cost since `begin`, and took, unless *wall* says it better."""
        wall = wall or time.monotonic() - self._began
        spent = {part: seconds - self._before[part] for part, seconds in self._now().items()}
        apart = {part: spent.pop(part) for part in (AGENCY, ASKING)}
        return Seen(calls, wall, spent, apart, failed)

    def _now(self) -> dict[str, float]:
        all_of = processes.running()
        own = os.times()
        return {part: processes.seconds(all_of, roots) for part, roots in self._parts.items()} | {
            AGENCY: processes.seconds(all_of, [self._agency.child.pid]),
            ASKING: own.user + own.system,
        }
