"""
Played agencies that bear only so much: `python -m bench.agencies <file>` plays all of a run, one port each.

An agency has so many workers, an endless queue before them, and does not notice that somebody has hung up: what it was
asked it works through, whoever still listens. It logs what arrives at its door, which is where contracts are measured.
The kit's sandbox plays what agencies *say*; this plays how they *bear* it, for a tenth of the CPU. Next: `stage.py`.
"""

import asyncio
import json
import math
import random
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, Protocol, cast

_BLOCK = 200
"""Times of service in a block, one from each 200th of the distribution: any 200 exchanges take their mean together."""
_REFUSED_AFTER = 0.05
"""Seconds an agency takes to say 429: fast, which is what makes callers that fire again so harmful."""
_WATCHED_EVERY = 0.05
"""Seconds between looks at how late the process is."""
_NUMBER = re.compile(rb'"number"\s*:\s*"(\d)\.(\d{6})"')
_REPLY = b'{"number": "%b", "title": "Th\xe1\xbb\xa7 t\xe1\xbb\xa5c th\xe1\xbb\xad nghi\xe1\xbb\x87m"}'
_LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Bears:
    """How much one played agency bears."""

    name: str
    workers: int
    seconds: float
    """Mean time of service."""
    sigma: float
    """Of the lognormal times; 0: always the same."""
    by_number: bool = False
    """The same request takes the same time, whenever it comes: two runs with the same requests compare in pairs."""


class Times:
    """Times of service: lognormal in blocks that hold each part of the distribution once, so that capacity is exact."""

    def __init__(self, bears: Bears) -> None:
        spread = [math.exp(bears.sigma * NormalDist().inv_cdf((part + 0.5) / _BLOCK)) for part in range(_BLOCK)]
        mean = sum(spread) / _BLOCK
        self._block = [bears.seconds * one / mean for one in spread]
        self._by_number = bears.by_number
        self._chance = random.Random(bears.name.rpartition("/")[2])  # alike for the agencies of hub and gateway
        self._left: list[float] = []
        self._chance.shuffle(self._block)

    def of(self, number: int) -> float:
        """Return the seconds that request *number* takes."""
        if self._by_number:
            return self._block[number % _BLOCK]
        if not self._left:
            self._left = list(self._block)
            self._chance.shuffle(self._left)
        return self._left.pop()


class Hears(Protocol):
    """Where an answer goes to."""

    def write(self, number: int, *, ok: bool) -> None:
        """Write the answer to request *number*, or 429."""
        ...


class Exchange:
    """One request at the agency's door, and what became of it there. Moments are those of the machine's monotonic clock."""

    __slots__ = ("at", "door", "how", "left", "number")

    def __init__(self, number: int, at: float, door: Hears) -> None:
        self.number = number
        self.at = at
        self.left: float | None = None
        """When it was answered or hung up."""
        self.how = "open"
        """`open`, `answered`, `refused` (429) or `cut`: the caller hung up first."""
        self.door: Hears | None = door

    def end(self, how: str, now: float) -> None:
        """Answer or refuse, if the caller still listens."""
        if self.door is not None and self.how == "open":
            self.how, self.left = how, now
            self.door.write(self.number, ok=how == "answered")

    def cut(self, now: float) -> None:
        """Note that the caller hung up. The work goes on."""
        self.door = None
        if self.how == "open":
            self.how, self.left = "cut", now


class Agency:
    """One played agency: its workers, its queue, its faults, its log. Works on the running loop; *now* is monotonic."""

    def __init__(self, bears: Bears, now: Callable[[], float]) -> None:
        self.name = bears.name
        self.log: list[Exchange] = []
        self.now = now
        self._workers = bears.workers
        self._times = Times(bears)
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Exchange] = deque()
        self._busy = 0
        self._stuck: list[Exchange] = []
        self._down = False
        self._dark = False
        self._most: int | None = None

    def asked(self, exchange: Exchange) -> None:
        """Take one request."""
        self.log.append(exchange)
        if self._dark:
            return  # heard by nobody, and never worked on
        if self._most is not None and len(self._queue) + self._busy >= self._most:
            self._loop.call_later(_REFUSED_AFTER, lambda: exchange.end("refused", self.now()))
            return
        self._queue.append(exchange)
        self._work()

    def misbehave(self, *, down: bool = False, dark: bool = False, most: int | None = None) -> None:
        """
        Be as told from now on, and no other way.

        *down*: requests are accepted and queue up, nobody works or answers; what was asked is worked through afterwards.
        *dark*: requests are accepted and forgotten, never answered. *most*: 429 to whoever would be one more at once.
        """
        self._down, self._dark, self._most = down, dark, most
        if not down:
            stuck, self._stuck = self._stuck, []
            for exchange in stuck:
                self._done(exchange)
            self._work()

    def _work(self) -> None:
        while self._queue and self._busy < self._workers and not self._down:
            exchange = self._queue.popleft()
            self._busy += 1
            self._loop.call_later(self._times.of(exchange.number), self._done, exchange)

    def _done(self, exchange: Exchange) -> None:
        if self._down:
            self._stuck.append(exchange)
            return
        self._busy -= 1
        exchange.end("answered", self.now())
        self._work()


class Door(asyncio.Protocol):
    """One connection to an agency, kept, one request at a time."""

    def __init__(self, agency: Agency) -> None:
        self._agency = agency
        self._buffer = bytearray()
        self._exchange: Exchange | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by descent

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        at = head.find(_LENGTH)
        length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        found = _NUMBER.search(bytes(self._buffer), end)
        self._buffer.clear()
        self._exchange = Exchange(int(found[1] + found[2]) if found else 0, self._agency.now(), self)
        self._agency.asked(self._exchange)

    def write(self, number: int, *, ok: bool) -> None:
        """See `Hears.write`."""
        assert self._transport is not None
        body = _REPLY % written(number).encode() if ok else b"{}"
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % (b"200 OK" if ok else b"429 Too Many Requests", len(body)) + body)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - see asyncio.Protocol
        if self._exchange is not None:
            self._exchange.cut(self._agency.now())


def written(number: int) -> str:
    """Return *number*, below ten million, as the code of a procedure that nobody else asks for."""
    return f"{number // 1_000_000}.{number % 1_000_000:06d}"


async def play(all_of: list[Bears], ready: Callable[[Mapping[str, Any]], None]) -> None:
    """Open every agency's door and the control door, tell *ready* their addresses, and play until cancelled."""
    loop = asyncio.get_running_loop()
    agencies = {bears.name: Agency(bears, time.monotonic) for bears in all_of}
    urls = {}
    for name, agency in agencies.items():
        server = await loop.create_server(lambda agency=agency: Door(agency), "127.0.0.1", 0, backlog=2048)
        urls[name] = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    worst = 0.0

    async def watch() -> None:
        """Note how late this process itself is: by as much, arrivals may seem closer together than they were."""
        nonlocal worst
        while True:
            due = time.monotonic() + _WATCHED_EVERY
            await asyncio.sleep(_WATCHED_EVERY)
            worst = max(worst, time.monotonic() - due)

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            told = json.loads(line)
            named = [agencies[name] for name in told["agencies"]]
            said: object = {}
            if told["do"] == "misbehave":
                for agency in named:
                    agency.misbehave(**told["how"])
            elif told["do"] == "late":
                said = worst
            else:
                said = {one.name: [(each.number, each.at, each.left, each.how) for each in one.log] for one in named}
            writer.write(json.dumps(said).encode() + b"\n")
            await writer.drain()

    door = await asyncio.start_server(control, "127.0.0.1", 0)
    watching = asyncio.ensure_future(watch())
    ready({"event": "ready", "control": door.sockets[0].getsockname()[1], "urls": urls})
    await watching


def told_by(file: Path) -> list[Bears]:
    return [Bears(**one) for one in json.loads(file.read_text("utf-8"))]


def write_for(file: Path, all_of: list[Bears]) -> None:
    """Write the file that a process of played agencies is started with."""
    file.write_text(json.dumps([asdict(one) for one in all_of]), "utf-8")


if __name__ == "__main__":
    import uvloop

    uvloop.run(play(told_by(Path(sys.argv[1])), lambda said: print(json.dumps(said), flush=True)))
