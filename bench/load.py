"""
A light load generator: prebuilt requests over kept connections, nothing parsed but status and length.

`closed` keeps n requests in flight and tells what a system can do; `open_loop` sends on a schedule and measures from
the *scheduled* moment, so that a slow system cannot hide behind its own slowness. Read `overhead.py` next.
"""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
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
        if not self.latencies:
            return float("nan")
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))] * 1000


class Connection(asyncio.Protocol):
    """One kept HTTP/1.1 connection that carries one request at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiter: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None
        self._needs = -1
        self._status = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

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
            self._buffer.clear()
            self._needs = -1
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(self._status)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(0)

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
    """Send *per_second* requests for *seconds* on a fixed schedule; latency counts from the scheduled moment."""
    idle: list[Connection] = []
    latencies: list[float] = []
    failed = 0
    tasks: set[asyncio.Task[None]] = set()

    async def one(number: int, due: float) -> None:
        nonlocal failed
        connection = idle.pop() if idle else await _connect(url)
        status = await connection.request(request(number))
        if status in good:
            latencies.append(time.perf_counter() - due)
        else:
            failed += 1
        if status:
            idle.append(connection)

    began = time.perf_counter()
    for number in range(int(per_second * seconds)):
        due = began + number / per_second
        wait = due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        task = asyncio.ensure_future(one(number, due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    wall = time.perf_counter() - began
    for connection in idle:
        connection.close()
    return Shot(len(latencies), failed, wall, latencies)


def spread(values: list[float]) -> str:
    """Return `median [min..max]` of *values*, as it stands in the tables."""
    return f"{statistics.median(values):,.2f} [{min(values):,.2f}..{max(values):,.2f}]"
