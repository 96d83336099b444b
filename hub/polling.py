"""
What agencies do not push is fetched: each notice with `from`, by `every`, by one node at a time. Next: `polled.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from hub.falling_due import SWEEP, FallingDue, lease_seconds
from hub.polled import POLL, Key, Poll, PollRuns, Sorting
from hub.store.polls import KeptPolls, PollRow
from hub.surroundings import Surroundings

SPREAD = 60.0
"""Seconds after a start over which polls are spread that fell due while nobody ran them. Each is run once, not once a miss."""


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
        self._due: FallingDue[Key] = FallingDue(POLL, self._look, surroundings)

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
        self._due.start()

    async def stop(self) -> None:
        """Run nothing more; what is being fetched is left to others."""
        await self._due.stop(lambda running: self._kept.release(self._around.node, running))

    def stir(self) -> None:
        """Look whether a poll is due: an operator wants one."""
        self._due.stir()

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

    async def _look(self) -> float:
        """Begin what is due and nobody runs; return after how long to look again."""
        wait, now = SWEEP, self._clock.now()
        for row in await self._kept.all():
            key = (row.agency, row.notice)
            if key not in self._polls or self._due.runs(key):
                continue
            at = max(row.due_at, self._due.rests_until(key))
            if row.due_at <= self._began:
                at = max(at, self._not_before[key])
            if row.lease_node is not None and row.lease_until is not None:
                at = max(at, row.lease_until)
            if at > now:
                wait = min(wait, at - now)
                continue
            self._due.begin(key, partial(self._run, self._polls[key]))
        return wait

    async def _run(self, poll: Poll) -> None:
        ttl = lease_seconds(poll.lane)
        row = await self._kept.lease(*poll.key, self._around.node, ttl)
        run = await self._runs.run(poll, row, ttl) if row is not None else None
        if run is not None and await self._kept.ended(run):
            self._around.observer.polled(*poll.key, run.outcome, run.cause, run.taken)
