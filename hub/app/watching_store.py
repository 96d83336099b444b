"""
Watching the store: how long a commit has been under way, whether a sick store takes records again, and how large it is.

What is seen goes to `hub/pressure.py`, which decides who is refused because of it, and to the metrics.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from hub.errors import StoreUnavailable
from hub.pressure import Pressure
from hub.store.room import Room
from monitoring.health import Unwell

LOOK_EVERY: Final = 0.5
"""Seconds between two looks; while the store is sick, each second one is a trial."""
WEIGH_EVERY: Final = 20
"""Looks between two at how large the store is."""
PROVEN_SECONDS: Final = 10.0
"""A commit that is so young shows that the store works: readiness need not try it."""


class Watched(Protocol):
    """What is asked of a store."""

    def waiting_seconds(self) -> float:
        """Return for how long nothing was committed though something waits to be."""
        ...

    async def try_out(self) -> None:
        """Write something and take it out again."""
        ...

    async def room(self) -> Room:
        """Return how large the store is."""
        ...


class StoreWatch:
    """One store, watched for *pressure*; *sized* hears the bytes that are used, and the most that may be."""

    def __init__(self, store: Watched, pressure: Pressure, sized: Callable[[int, int], None]) -> None:
        self._store = store
        self._pressure = pressure
        self._sized = sized
        self._trial: asyncio.Task[None] | None = None
        self._weighing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        looks = 0
        while True:
            self._pressure.waits(self._store.waiting_seconds())
            if looks % 2 == 0 and self._pressure.troubled:
                self._trial = _unless_under_way(self._trial, self.try_out)
            if looks % WEIGH_EVERY == 0:
                self._weighing = _unless_under_way(self._weighing, self.weigh)
            looks += 1
            await asyncio.sleep(LOOK_EVERY)

    async def try_out(self) -> None:
        """Find out whether the store takes records; what it says, *pressure* hears from the store's own line."""
        try:
            await self._store.try_out()
        except StoreUnavailable:
            return
        self._pressure.proved()

    async def weigh(self) -> None:
        """Find out how large the store is; one that does not say is as large as before."""
        try:
            self._pressure.weigh(await self._store.room())
        except StoreUnavailable:
            return
        self._sized(self._pressure.used_bytes, self._pressure.most_bytes)

    async def well(self) -> None:
        """
        Return when this process may be given work, as far as its store goes.

        Raises:
            Unwell: It may not, and why.
        """
        if not self._pressure.reason and self._pressure.quiet_seconds > PROVEN_SECONDS:
            await self.try_out()
        if self._pressure.reason:
            raise Unwell(self._pressure.reason)


def _unless_under_way(
    task: asyncio.Task[None] | None, work: Callable[[], Coroutine[Any, Any, None]]
) -> asyncio.Task[None]:
    """Begin *work*, unless the one begun before still waits for the store: a store that hangs is not asked again."""
    if task is not None and not task.done():
        return task
    return asyncio.get_running_loop().create_task(work())
