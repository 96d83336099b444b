"""
The process that puts tasks into a peer's queue when it is told to; `queue_taskiq.py` and `queue_celery.py` say how.

Told over a loopback connection, line by line: `<queue> <count>` is answered by the seconds it took. The body of each task
stands in the file that `BENCH_BODY` names.
"""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

WORK, HELD = "work", "held"
"""The queue that a worker empties, and one that nobody does."""

Enqueue = Callable[[str, str, int], Awaitable[None]]
"""Takes queue, body and how many."""


def body() -> str:
    """Return what every task carries."""
    return Path(os.environ["BENCH_BODY"]).read_text("utf-8")


async def produce(enqueue: Enqueue, begin: Callable[[], Awaitable[None]] | None = None) -> None:
    """Listen until cancelled; the ready line says where."""
    if begin is not None:
        await begin()
    carried = body()

    async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            queue, count = line.decode().split()
            began = time.perf_counter()
            await enqueue(queue, carried, int(count))
            writer.write(f"{time.perf_counter() - began}\n".encode())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(told, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"event": "ready", "port": port}), flush=True)
    await server.serve_forever()
