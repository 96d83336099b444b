"""
The peers of `durability.py`: a queue on Redis that syncs its disk at every write, a producer, and a worker that asks.

Each does the same exchange as the hub with the same agency: one POST of the body that the hub sends. It keeps no record,
maps nothing and serves no HTTP; whoever enqueues is a process of Python beside it. Chosen for each is what was fastest
for the same CPU in trials on two cores; `bench/README.md` names what was tried.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redis.asyncio import Redis as Client

from bench import lab
from bench.lab import Child
from bench.producing import HELD, WORK
from bench.seen import Lost, Played, Scales, Seen
from bench.servers import Redis

_LOOK = 0.01
_PATIENCE = 60.0
DURABLE = {"appendonly": "yes", "appendfsync": "always"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One peer, and how it is run."""

    name: str
    packages: tuple[str, ...]
    """What has to be installed; without it the peer is left out."""
    producer: str
    worker: tuple[str, ...]
    unacknowledged: Callable[["Client[bytes]"], Awaitable[int]]
    """Returns how many tasks a worker has taken and not acknowledged."""
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        """Return which of its packages are not installed."""
        return [package for package in self.packages if find_spec(package) is None]


async def _of_stream(client: "Client[bytes]") -> int:
    told: dict[str, Any] = await client.xpending(WORK, "taskiq")
    return int(told["pending"])


async def _of_celery(client: "Client[bytes]") -> int:
    return int(await client.hlen("unacked"))


TASKIQ = Kind(
    "taskiq",
    ("taskiq", "taskiq_redis"),
    "bench.queue_taskiq",
    (
        "taskiq", "worker", "bench.queue_taskiq:broker", "--workers", "1", "--ack-type", "when_executed", "--no-parse",
        "--log-level", "WARNING", "--max-async-tasks", "32", "--max-prefetch", "64",
    ),
    _of_stream,
)  # fmt: skip
CELERY = Kind(
    "Celery",
    ("celery",),
    "bench.queue_celery",
    (
        "celery", "-A", "bench.queue_celery", "worker", "--loglevel", "WARNING", "--pool", "prefork", "--concurrency", "2",
        "--without-gossip", "--without-mingle", "--without-heartbeat",
    ),
    _of_celery,
    {"BENCH_CELERY_THREADS": "8"},
)  # fmt: skip
KINDS = (TASKIQ, CELERY)


class Peer:
    """One peer at work; use as a context. A `seen.System`."""

    def __init__(self, kind: Kind, folder: Path, agency: Played, path: str, body: bytes, at_once: int) -> None:
        """*path* and *body*: of the request that each task makes."""
        self.name = kind.name
        self._kind = kind
        self._folder = folder
        self._agency = agency
        self._path = path
        self._body = body
        self._at_once = at_once
        self._parts: dict[str, Sequence[int]] = {}
        self._stack = AsyncExitStack()
        self._client: Client[bytes]
        self._told: tuple[asyncio.StreamReader, asyncio.StreamWriter]

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
        """Put *count* tasks into a queue that nobody empties."""
        scales = Scales(self._parts, self._agency)
        scales.begin()
        return scales.end(count, wall=await self._produce(HELD, count))

    async def carry(self, count: int) -> Seen:
        """Put *count* tasks into the queue, and wait until all are done and acknowledged."""
        scales, before = Scales(self._parts, self._agency), await self._agency.arrived()
        scales.begin()
        await self._produce(WORK, count)
        await self._agency.until(before + count)
        until = time.monotonic() + _PATIENCE
        while left := await self._kind.unacknowledged(self._client):
            if time.monotonic() > until:
                raise Lost(f"{self.name}: {left} tasks were done and never acknowledged")
            await asyncio.sleep(_LOOK)
        return scales.end(count)

    async def _produce(self, queue: str, count: int) -> float:
        reader, writer = self._told
        writer.write(f"{queue} {count}\n".encode())
        return float(await reader.readline())

    async def _start(self) -> None:
        self._folder.mkdir(parents=True)
        (self._folder / "body.json").write_bytes(self._body)
        redis = Redis(self._folder, DURABLE)
        redis.start()
        self._stack.callback(redis.kill)
        assert redis.process is not None
        self._client = Client.from_url(redis.address())
        self._stack.push_async_callback(self._client.aclose)
        environ = {
            "BENCH_BROKER": redis.address(),
            "BENCH_AGENCY": self._agency.url + self._path,
            "BENCH_AT_ONCE": str(self._at_once),
            "BENCH_BODY": "body.json",
            "PYTHONPATH": os.pathsep.join([str(lab.HERE.parent), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
            **self._kind.environ,
        }
        producer = await Child.start(self._kind.producer, folder=self._folder, **environ)
        self._stack.push_async_callback(producer.stop, 0)
        self._told = await asyncio.open_connection("127.0.0.1", producer.said["port"])
        self._stack.callback(self._told[1].close)
        worker = await self._worker(environ)
        self._parts = {"enqueue": [producer.pid], "worker": [worker], "Redis": [redis.process.pid]}

    async def _worker(self, environ: Mapping[str, str]) -> int:
        """Start the worker and return its id. It says nothing when it is ready: the calls to warm up wait for it."""
        with (self._folder / "worker.log").open("wb") as log:
            worker = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *self._kind.worker, cwd=self._folder, stdout=log, stderr=log,
                env={**os.environ, **environ}, start_new_session=True,
            )  # fmt: skip
        self._stack.push_async_callback(_end, worker)
        return worker.pid


async def _end(worker: asyncio.subprocess.Process) -> None:
    """End a worker and all it started: they are a group of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    await worker.wait()
