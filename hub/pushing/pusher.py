"""
One node's part in pushing: which subscriptions are its own, and a lane for each. `lane.py` does the work.

All leases of a node are renewed, and free ones taken, by one statement now and then: a hundred idle subscriptions cost as
much as one. A node that dies renews nothing, and the others take what it pushed.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Final

from hub.errors import HubError
from hub.pushing.delivery import Around
from hub.pushing.lane import PushLane

BEAT: Final = 5.0
"""Seconds between renewals; so late another node hears what a person ordered."""
TTL: Final = 30.0
"""Seconds for which a lease holds: several beats, and a delivery that was begun just before."""
TAKE: Final = 16
"""Taken at once, so that nodes that start together share what there is."""
SOON: Final = 0.5
"""Seconds until the next beat when there may be more to take."""


@dataclass(slots=True)
class _Running:
    lane: PushLane
    task: asyncio.Task[None]


class Pusher:
    """Pushes from `start` to `stop`."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._running: dict[str, _Running] = {}
        self._stirred = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to take subscriptions and to push them."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Push no more, and let other nodes go on at once. What is on the wire is delivered again. Idempotent."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        await self._end(list(self._running))
        try:
            await self._around.kept.release(self._around.node)
        except HubError as error:
            self._around.observer.fault("push", error)

    def stir(self) -> None:
        """A subscription was made, removed or ordered something here: look at once."""
        self._stirred.set()

    def oldest_ages(self) -> dict[str, float]:
        """Return by caller how many seconds ago that happened which it was not told yet, of what this node pushes."""
        ages: dict[str, float] = {}
        for one in self._running.values():
            ages[one.lane.caller] = max(ages.get(one.lane.caller, 0.0), one.lane.oldest_age())
        return ages

    async def dead_events(self) -> dict[str, int]:
        """
        Count dead events by caller.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        counted: Counter[str] = Counter()
        for row, dead in await self._around.kept.all():
            counted[row.caller] += dead
        return dict(counted)

    async def _run(self) -> None:
        while True:
            self._stirred.clear()
            pause = BEAT
            try:
                pause = SOON if await self._beat() else BEAT
            except Exception as error:  # whatever it was: who does not renew pushes nothing any more
                self._around.observer.fault("push", error)
            try:
                async with asyncio.timeout(pause):
                    await self._stirred.wait()
            except TimeoutError:
                pass

    async def _beat(self) -> bool:
        """Renew, take, begin and end lanes; return whether there may be more to take."""
        lease_end = self._around.clock.monotonic() + TTL
        rows = {row.id: row for row in await self._around.kept.lease(self._around.node, TTL, TAKE)}
        await self._end([one for one, running in self._running.items() if one not in rows or running.task.done()])
        begun = 0
        for id_, row in rows.items():
            if id_ in self._running:
                self._running[id_].lane.renewed(row, lease_end)
                continue
            lane = PushLane(row, self._around, lease_end)
            self._running[id_] = _Running(lane, asyncio.get_running_loop().create_task(lane.run()))
            begun += 1
        return begun >= TAKE

    async def _end(self, ids: list[str]) -> None:
        ended = [self._running.pop(one).task for one in ids]
        for task in ended:
            task.cancel()
        for result in await asyncio.gather(*ended, return_exceptions=True):
            if isinstance(result, Exception):  # of ours: the lane begins anew with this beat
                self._around.observer.fault("push", result)
