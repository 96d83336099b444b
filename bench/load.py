"""
A light load generator: prebuilt requests over kept connections, nothing parsed but status and length.

`closed` keeps n requests in flight and tells what a system can do; `open_loop` and `on_schedule` send at given moments
and measure from the *scheduled* moment, so that a slow system cannot hide behind its own slowness. Read `overhead.py`
or `congestion.py` next.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Shot:
    """What one run saw. Times in seconds."""

    done: int
    failed: int
    wall: float
    latencies: list[float] = field(repr=False)

    @property
    def per_second(self) -> float:
        return self.done / self.wall if self.wall else 0.0

    def quantile(self, q: float) -> float:
        """Return the *q* quantile of the latencies in milliseconds, or NaN when nothing was answered."""
        return quantile(self.latencies, q) * 1000


def quantile(values: Sequence[float], q: float) -> float:
    """Return the *q* quantile of *values*, or NaN when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else float("nan")


GONE = -1
"""In place of a status: the caller's patience ended first, and it hung up."""
CUT = 0
"""In place of a status: the connection failed or was closed."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of one request. Moments are monotonic."""

    due: float
    begun: float
    """When the caller set out, before it had a connection: how late the generator itself was."""
    ended: float
    status: int
    """HTTP status, `GONE` or `CUT`."""
    body: bytes = field(repr=False)
    """Of a reply that was no 200."""

    @property
    def seconds(self) -> float:
        """From the scheduled moment."""
        return self.ended - self.due


class Connection(asyncio.Protocol):
    """One kept HTTP/1.1 connection that carries one request at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiter: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None
        self._needs = -1
        self._status = 0
        self.body = b""
        """Of the last reply that was no 200."""
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by descent

    def request(self, raw: bytes) -> "asyncio.Future[int]":
        assert self._transport is not None
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(raw)
        return self._waiter

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._needs < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._buffer[:end]).lower()
            self._status = int(head[9:12])
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            self._needs = end + 4 + length
        if len(self._buffer) >= self._needs:
            self.body = b"" if self._status == 200 else bytes(self._buffer[self._buffer.find(b"\r\n\r\n") + 4 :])
            self._buffer.clear()
            self._needs = -1
            self._end(self._status)

    def connection_lost(self, _exc: Exception | None) -> None:
        self.closed = True
        self._end(CUT)

    def hang_up(self) -> None:
        """End what is under way as `GONE`, and the connection with it."""
        self._end(GONE)
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def _end(self, status: int) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(status)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


Request = Callable[[int], bytes]
"""Makes the bytes of the n-th request."""


def http_request(url: str, body: bytes, headers: dict[str, str], method: str = "POST") -> bytes:
    """Return the bytes of one HTTP/1.1 request to *url*."""
    parts = urlsplit(url)
    lines = [f"{method} {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def _connect(url: str) -> Connection:
    parts = urlsplit(url)
    _, connection = await asyncio.get_running_loop().create_connection(Connection, parts.hostname, parts.port)
    return connection


async def closed(url: str, request: Request, *, at_once: int, total: int, good: tuple[int, ...] = (200,)) -> Shot:
    """Keep *at_once* requests in flight until *total* were answered."""
    connections = [await _connect(url) for _ in range(at_once)]
    numbers = iter(range(total))
    latencies: list[float] = []
    failed = 0

    async def work(connection: Connection) -> None:
        nonlocal failed
        for number in numbers:
            raw = request(number)
            began = time.perf_counter()
            status = await connection.request(raw)
            if status in good:
                latencies.append(time.perf_counter() - began)
            else:
                failed += 1
                if status == 0:
                    return

    began = time.perf_counter()
    await asyncio.gather(*(work(connection) for connection in connections))
    wall = time.perf_counter() - began
    for connection in connections:
        connection.close()
    return Shot(len(latencies), failed, wall, latencies)


async def open_loop(
    url: str, request: Request, *, per_second: float, seconds: float, good: tuple[int, ...] = (200,)
) -> Shot:
    """Send *per_second* requests for *seconds* at even distances; latency counts from the scheduled moment."""
    began = time.monotonic()
    dues = [began + number / per_second for number in range(int(per_second * seconds))]
    heard = await on_schedule(url, request, dues)
    latencies = [one.seconds for one in heard if one.status in good]
    return Shot(len(latencies), len(heard) - len(latencies), time.monotonic() - began, latencies)


_ENDLESS = 86_400.0


async def on_schedule(url: str, request: Request, dues: Sequence[float], *, patience: float = _ENDLESS) -> list[Heard]:
    """Send one request at each of the monotonic moments *dues*, in rising order; hang up *patience* seconds after it."""
    idle: list[Connection] = []
    heard: list[Heard] = []
    tasks: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()

    async def one(number: int, due: float) -> None:
        begun = time.monotonic()
        connection = idle.pop() if idle else None
        while connection is not None and connection.closed:
            connection = idle.pop() if idle else None
        try:
            async with asyncio.timeout(due + patience - time.monotonic()):
                connection = connection or await _connect(url)
        except (OSError, TimeoutError) as error:
            status = GONE if isinstance(error, TimeoutError) else CUT
            heard.append(Heard(due, begun, time.monotonic(), status, b""))
            return
        waiting = connection.request(request(number))
        timer = loop.call_later(max(0.0, due + patience - time.monotonic()), connection.hang_up)
        status = await waiting
        timer.cancel()
        heard.append(Heard(due, begun, time.monotonic(), status, connection.body if status > 0 else b""))
        if status > 0:
            idle.append(connection)

    for number, due in enumerate(dues):
        wait = due - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        task = asyncio.ensure_future(one(number, due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    for connection in idle:
        connection.close()
    return heard


_BLOCK = 10.0
"""Seconds in which exactly as many requests are due as the rate says; within it they fall at random."""


def at_random(per_second: float, begin: float, seconds: float, chance: random.Random) -> list[float]:
    """
    Return the moments of *per_second* requests from *begin* on for *seconds*, as many as asked for and at random.

    A Poisson stream whose count is fixed in every ten seconds: callers come as they do, and what was offered is exact.
    """
    dues: list[float] = []
    at = 0.0
    while at < seconds:
        end = min(at + _BLOCK, seconds)
        count = round(per_second * end) - len(dues)
        dues += sorted(begin + chance.uniform(at, end) for _ in range(count))
        at = end
    return dues


def spread(values: list[float]) -> str:
    """Return `median [min..max]` of *values*, as it stands in the tables."""
    return f"{statistics.median(values):,.2f} [{min(values):,.2f}..{max(values):,.2f}]"
