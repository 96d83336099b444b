"""
A file that had not come within ten minutes was given up, and the parts that had come stayed in the store for a day: the
cancellation that ends the wait was taken for no failure. Eight uploads that never end filled a gigabyte in an hour.
"""

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import pytest

from hub.clock import VirtualClock
from hub.files import Files
from hub.store.files import PART_BYTES
from hub.store.sqlite import SqliteStore


@pytest.mark.parametrize("parts", [1, 2])
async def test_what_came_of_a_file_that_is_given_up_is_removed(parts: int) -> None:
    store = SqliteStore.in_memory(VirtualClock(), backlog_calls={})
    numbers, stuck = count(), asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield bytes(parts * PART_BYTES)
        stuck.set()
        await asyncio.Event().wait()

    files = Files(store.files, lambda: f"u{next(numbers)}", file_bytes=10 * PART_BYTES)
    coming = asyncio.create_task(files.take(endless(), "one-stop"))
    await stuck.wait()
    assert await store.files.part("u0", parts - 1) is not None
    coming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await coming
    assert await store.files.part("u0", 0) is None
    await store.close()
