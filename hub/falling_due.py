"""
What falls due in the store and is done by one node at a time: polls, runs of comparing. Whose it is, its row's lease says.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Generic, TypeVar

from hub.errors import StoreUnavailable
from hub.lane import Lane
from hub.surroundings import Surroundings

SWEEP = 60.0
"""Seconds between looks that nothing gave reason for: another node may have died, or an operator have asked elsewhere."""
_PAUSE = 5.0
"""Seconds before something is looked at again that ended by a fault of ours or of the store."""

Key = TypeVar("Key", bound=Hashable)


class FallingDue(Generic[Key]):
    """Looks again and again for what is due, and does each once at a time at this node."""

    def __init__(self, name: str, look: Callable[[], Awaitable[float]], surroundings: Surroundings) -> None:
        """*look* begins what is due, and returns after how many seconds to look again; *name*: what its faults are told as."""
        self._name = name
        self._look = look
        self._around = surroundings
        self._rests: dict[Key, float] = {}
        """Of what failed by a fault of ours: until when it is left alone."""
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._follower = asyncio.get_running_loop().create_task(self._follow())

    async def stop(self, release: Callable[[list[Key]], Awaitable[None]]) -> None:
        """Begin nothing more, end what runs, and *release* its leases, so that others may go on. Idempotent."""
        if self._follower is None:
            return
        tasks, running = [self._follower, *self._running.values()], list(self._running)
        self._follower = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._running.clear()  # one that had not even begun ends without a word
        try:
            await release(running)
        except StoreUnavailable as error:  # the leases end by themselves
            self._around.observer.fault(self._name, error)

    def stir(self) -> None:
        """Look now: something may have fallen due."""
        self._news.set()

    def runs(self, key: Key) -> bool:
        """Say whether it is being done here."""
        return key in self._running

    def rests_until(self, key: Key) -> float:
        """Return until when it is left alone, Unix seconds."""
        return self._rests.get(key, 0.0)

    def begin(self, key: Key, work: Callable[[], Awaitable[None]]) -> None:
        """Do *work*; if it fails by a fault of ours, it rests for a while and stops no other."""
        self._rests.pop(key, None)
        self._running[key] = asyncio.get_running_loop().create_task(self._run(key, work))

    async def _run(self, key: Key, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # one that fails must not be the end of the others
            self._around.observer.fault(self._name, error)
            self._rests[key] = self._around.clock.now() + _PAUSE
        finally:
            self._running.pop(key, None)
            self._news.set()

    async def _follow(self) -> None:
        while True:
            self._news.clear()
            try:
                wait = await self._look()
            except StoreUnavailable:
                wait = _PAUSE
            except Exception as error:  # else nothing would fall due at this node any more
                self._around.observer.fault(self._name, error)
                wait = _PAUSE
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()


def lease_seconds(lane: Lane) -> float:
    """Return for how long the row is leased of which a look-up of the hub's own goes through *lane*."""
    return lane.own.seconds + lane.contract.call_timeout + 30.0
