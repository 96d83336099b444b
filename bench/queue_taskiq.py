"""
The exchange of `durability.py` as a task of taskiq: a stream of Redis, acknowledged when the work is done.

Worker: `taskiq worker bench.queue_taskiq:broker`. Producer: `python -m bench.queue_taskiq`, see `producing.py`. Set up to
be as fast as it can: one session of aiohttp, no dependency injection, no parsing of parameters, uvloop where it is there.
"""

import asyncio
import os

import aiohttp
from taskiq import TaskiqEvents, TaskiqState
from taskiq_redis import RedisStreamBroker

from bench.producing import HELD, WORK, produce

AT_ONCE = int(os.environ["BENCH_AT_ONCE"])
AGENCY = os.environ["BENCH_AGENCY"]
HEADERS = {"Content-Type": "application/json"}

broker = RedisStreamBroker(os.environ["BENCH_BROKER"], WORK, AT_ONCE + 2, consumer_id="0")


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def begin(state: TaskiqState) -> None:
    state.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def end(state: TaskiqState) -> None:
    await state.http.close()


@broker.task("file")
async def file(body: str) -> None:
    """Send *body* to the agency; fails if it does not answer 200."""
    async with broker.state.http.post(AGENCY, data=body.encode(), headers=HEADERS) as reply:
        await reply.read()
        reply.raise_for_status()


async def enqueue(queue: str, body: str, count: int) -> None:
    """Put *count* tasks into *queue*, as many at once as it is told, each awaited until Redis has it on disk."""
    held = file.kicker().with_labels(queue_name=HELD)
    numbers = iter(range(count))

    async def work() -> None:
        for _ in numbers:
            await (held if queue == HELD else file).kiq(body)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    import uvloop

    uvloop.run(produce(enqueue, begin=broker.startup))
