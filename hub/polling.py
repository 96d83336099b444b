"""
What agencies do not push is fetched: each notice with `from`, by `every`, by one node at a time. Next: `polled.py`.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from hub.errors import StoreUnavailable
from hub.polled import POLL, Key, Poll, PollRuns, Sorting
from hub.store.polls import KeptPolls, PollRow
from hub.surroundings import Surroundings

SWEEP = 60.0
"""Seconds between looks that nothing gave reason for: another node may have died, or an operator have asked elsewhere."""
SPREAD = 60.0
"""Seconds after a start over which polls are spread that fell due while nobody ran them. Each is run once, not once a miss."""
_PAUSE = 5.0
"""Seconds before a poll is looked at again that ended by a fault of ours or of the store."""


class Polling:
    """The polls of one hub, at one node."""

    def __init__(self, polls: Iterable[Poll], kept: KeptPolls, sorting: Sorting, surroundings: Surroundings) -> None:
        self._polls: Mapping[Key, Poll] = {poll.key: poll for poll in polls}
        self._kept = kept
        self._runs = PollRuns(kept, sorting, surroundings)
        self._around = surroundings
        self._clock = surroundings.clock
        self._began = 0.0
        self._not_before: dict[Key, float] = {}
        """Of those that fell due before this node began."""
        self._rests: dict[Key, float] = {}
        """Of those that failed by a fault of ours."""
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """
        Begin to run polls as they fall due.

        Raises:
            StoreUnavailable: The store did not answer; nothing was begun.
        """
        if not self._polls:
            return
        now = self._began = self._clock.now()
        self._not_before = {
            key: now + self._around.random.random() * min(SPREAD, poll.every) for key, poll in self._polls.items()
        }
        await self._kept.plan([(*key, at) for key, at in self._not_before.items()], self._around.node)
        self._follower = asyncio.get_running_loop().create_task(self._follow())

    async def stop(self) -> None:
        """Run nothing more; what is being fetched is left to others."""
        if self._follower is None:
            return
        tasks = [self._follower, *self._running.values()]
        running = list(self._running)
        self._follower = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self._kept.release(self._around.node, running)
        except StoreUnavailable as error:  # the leases end by themselves
            self._around.observer.fault("polls", error)

    def stir(self) -> None:
        """Look whether a poll is due: an operator wants one."""
        self._news.set()

    async def run_now(self, agency: str, notice: str, by: str) -> bool:
        """
        Run a poll as soon as its lane lets it, for an operator; False: there is no such poll.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        if (agency, notice) not in self._polls:
            return False
        if not await self._kept.run_now(agency, notice, by):  # no hub ever ran since it is in the settings
            await self._kept.plan([(agency, notice, self._clock.now())], self._around.node)
            await self._kept.run_now(agency, notice, by)
        self.stir()
        return True

    async def rows(self) -> Sequence[tuple[Poll, PollRow | None]]:
        """
        Return every poll as it stands; None: it was never planned.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        rows = {(row.agency, row.notice): row for row in await self._kept.all()}
        return [(poll, rows.get(key)) for key, poll in sorted(self._polls.items())]

    # --- When --------------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            self._news.clear()
            try:
                wait = await self._look()
            except StoreUnavailable:
                wait = _PAUSE
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _look(self) -> float:
        """Begin what is due and nobody runs; return after how long to look again."""
        wait, now = SWEEP, self._clock.now()
        for row in await self._kept.all():
            key = (row.agency, row.notice)
            if key not in self._polls or key in self._running:
                continue
            at = max(row.due_at, self._rests.get(key, 0.0))
            if row.due_at <= self._began:
                at = max(at, self._not_before[key])
            if row.lease_node is not None and row.lease_until is not None:
                at = max(at, row.lease_until)
            if at > now:
                wait = min(wait, at - now)
                continue
            self._running[key] = asyncio.get_running_loop().create_task(self._run(self._polls[key]))
        return wait

    async def _run(self, poll: Poll) -> None:
        try:
            ttl = self._ttl(poll)
            row = await self._kept.lease(*poll.key, self._around.node, ttl)
            run = await self._runs.run(poll, row, ttl) if row is not None else None
            if run is not None and await self._kept.ended(run):
                self._around.observer.polled(*poll.key, run.outcome, run.cause, run.taken)
        except Exception as error:  # one poll that fails must not be the end of the others
            self._around.observer.fault(POLL, error)
            self._rests[poll.key] = self._clock.now() + _PAUSE
        finally:
            self._running.pop(poll.key, None)
            self._news.set()

    @staticmethod
    def _ttl(poll: Poll) -> float:
        return poll.lane.own.seconds + poll.lane.contract.call_timeout + 30.0
