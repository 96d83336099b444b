"""
The exchange of `durability.py` as a task of Celery on Redis, acknowledged when the work is done.

Worker: `celery -A bench.queue_celery worker`. Producer: `python -m bench.queue_celery`, see `producing.py`. Set up to be as
fast as it can: no results, no events, and one kept connection of the standard library's client for each process or
thread, which costs half of what urllib3 does
and a tenth of what `requests` does.
"""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from celery import Celery

from bench.producing import WORK, produce

THREADS = int(os.environ.get("BENCH_CELERY_THREADS", "1"))
"""Of the producer."""
AGENCY = urlsplit(os.environ["BENCH_AGENCY"])
HEADERS = {"Content-Type": "application/json"}

app = Celery("bench", broker=os.environ["BENCH_BROKER"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_pool_limit=THREADS + 2,
    broker_transport_options={"visibility_timeout": 3600},
    task_acks_late=True,
    task_create_missing_queues=True,
    task_default_queue=WORK,
    task_ignore_result=True,
    worker_prefetch_multiplier=int(os.environ.get("BENCH_CELERY_PREFETCH", "4")),
)
_kept = threading.local()


@app.task(name="file")
def file(body: str) -> None:
    """Send *body* to the agency; fails if it does not answer 200."""
    try:
        _send(body)
    except (OSError, HTTPException):  # the connection was closed since: once more on a fresh one
        _kept.connection = None
        _send(body)


def _send(body: str) -> None:
    connection: HTTPConnection | None = getattr(_kept, "connection", None)
    if connection is None:
        connection = _kept.connection = HTTPConnection(AGENCY.hostname or "", AGENCY.port)
    connection.request("POST", AGENCY.path, body.encode(), HEADERS)
    reply = connection.getresponse()
    reply.read()
    if reply.status != 200:
        raise RuntimeError(f"the agency answered {reply.status}")


async def enqueue(queue: str, body: str, count: int) -> None:
    """Put *count* tasks into *queue*, each awaited until Redis has it on disk."""
    numbers = iter(range(count))

    def work() -> None:
        for _ in numbers:
            file.apply_async((body,), queue=queue)

    with ThreadPoolExecutor(THREADS) as threads:
        running = asyncio.get_running_loop()
        await asyncio.gather(*(running.run_in_executor(threads, work) for _ in range(THREADS)))


if __name__ == "__main__":
    asyncio.run(produce(enqueue))
