"""
What agencies do not push is fetched: each notice with `from`, by `every`, by one node at a time. Next: `store/polls.py`.

A fetch is a call of the hub's own (caller `hub`) through the agency's lane at bulk class: it waits its turn, pays from
the contract and is recorded like any other. A page that came is one commit: its notices, the cursor behind it, and the
calls that acknowledge it. A node that dies before it leaves nothing but a page to fetch again.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from pydantic_core import to_json

from connectors.kit.inbox import Fetched, Notice, Poison, Told
from connectors.kit.operation import request_from
from connectors.kit.outcomes import Answered
from hub.call import Call, Class, Purpose
from hub.errors import HubError, StoreUnavailable
from hub.lane import Lane
from hub.store.batch import Batch
from hub.store.polls import KeptPolls, Page, PollRow, Run
from hub.surroundings import Surroundings
from mappings.errors import MappingFailed

SWEEP = 60.0
"""Seconds between looks that nothing gave reason for: another node may have died, or an operator have asked elsewhere."""
SPREAD = 60.0
"""Seconds after a start over which polls are spread that fell due while nobody ran them. Each is run once, not once a miss."""
MOST_PAGES = 100
"""Pages of one run; then others may have the lane, and the next run goes on."""
_RETRY = 60.0
"""Seconds after a run that brought no answer; doubled with each, and never more than `every`."""
_PAUSE = 5.0
"""Seconds before a poll is looked at again that ended by a fault of ours or of the store."""
_ANSWERING_SECONDS = 7 * 86_400.0
"""How long the hub tries to acknowledge, like any filing."""
_JITTER = 0.05
POLL = "poll"
"""What stands for the procedure in the purpose of the hub's own calls."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Poll:
    """A notice that is fetched."""

    lane: Lane
    notice: Notice
    every: float
    """Seconds between two runs."""
    officer: str | None = None
    unit: str | None = None

    @property
    def key(self) -> Key:
        """Agency and notice."""
        return self.lane.name, self.notice.name

    @property
    def purpose(self) -> Purpose:
        """Why and for whom the hub asks."""
        return Purpose(self.officer, self.unit, procedure=POLL)

    def full(self, fetched: Fetched) -> bool:
        """Say whether there may be more: the page holds as many records as were asked for."""
        page = self.lane.operations[self.notice.fetched_by or ""].page
        told = getattr(fetched.read, "told", ())
        return page is not None and len(told) + len(fetched.poison) >= page.size


@dataclass(frozen=True, slots=True)
class Sorted:
    """A page, sorted into what is taken and what is not."""

    keep: Callable[[Batch], int]
    """Writes all of it into a commit: see `store.polls.Page`."""
    taken: Sequence[tuple[Told, str | None]] = ()
    """Records that are taken, each with the dossier it belongs to; one that came before is among them."""
    refused: Sequence[Poison] = ()
    """Records that are kept for a person."""
    kept: Callable[[], None] = field(default=lambda: None)
    """To be called after the commit: whoever wants to know hears of it."""


class Sorting(Protocol):
    """Knows whose notices are and what they must agree with."""

    async def sort(self, agency: str, notice: str, fetched: Fetched) -> Sorted:
        """
        Say what of a page is taken, and how all of it is kept.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        ...


class Polling:
    """The polls of one hub, at one node."""

    def __init__(self, polls: Iterable[Poll], kept: KeptPolls, sorting: Sorting, surroundings: Surroundings) -> None:
        self._polls: Mapping[Key, Poll] = {poll.key: poll for poll in polls}
        self._kept = kept
        self._sorting = sorting
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
            run = await self._pages(poll, row, ttl) if row is not None else None
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
        return poll.lane.fetch_seconds + poll.lane.contract.call_timeout + 30.0

    def _ended(self, poll: Poll, row: PollRow, outcome: str, cause: str, taken: int, wait: float | None = None) -> Run:
        """Form the end of a run: the next one is after *wait* seconds, else by `every`, or sooner if it brought no answer."""
        failures = 0 if outcome in ("answered", "held") else row.failures + 1
        if wait is None:
            wait = min(poll.every, _RETRY * 2 ** min(failures - 1, 20)) if failures else poll.every
        wait *= 1 - _JITTER + 2 * _JITTER * self._around.random.random()
        due_at = self._clock.now() + wait
        return Run(*poll.key, row.fence, due_at, row.due_at, outcome, cause, taken, failures)

    # --- What --------------------------------------------------------------------------------------------------------

    async def _pages(self, poll: Poll, row: PollRow, ttl: float) -> Run | None:
        """Fetch page after page while they are full; None: another node has taken over."""
        cursor, taken = row.cursor, 0
        operation = poll.notice.fetched_by or ""
        for _ in range(MOST_PAGES):
            stop = self._around.coordination.stopped(poll.lane.name, operation)
            if stop is not None:  # nothing is sent to find out that nothing can be sent
                wait = min(poll.every, max(stop.seconds or SWEEP, 1.0))
                return self._ended(poll, row, "held", stop.cause or stop.guard, taken, wait)
            try:
                fetched = await poll.lane.fetch(poll.notice, cursor, poll.purpose)
                if fetched.read is None:
                    said = fetched.outcome.reason if isinstance(fetched.outcome, Answered) else None
                    return self._ended(poll, row, "refused", said.code if said else "", taken)
                found = await self._sorting.sort(*poll.key, fetched)
                following = fetched.next or cursor
                calls = self._answers(poll, found)
                page = Page(*poll.key, row.fence, following, found.keep, calls)
                new = await self._kept.took(page, ttl)
            except StoreUnavailable:
                raise
            except HubError as error:
                return self._ended(poll, row, error.code, error.detail, taken)
            if new is None:
                return None
            taken += new
            found.kept()
            if calls:
                poll.lane.backlog.more(Class.BULK)
            if not poll.full(fetched) or following == cursor:
                break
            cursor = following
        return self._ended(poll, row, "answered", "", taken)

    def _answers(self, poll: Poll, found: Sorted) -> list[tuple[Call, bytes]]:
        """Return the calls that tell the agency what we took, and what we could not read."""
        notice = poll.notice
        taken = [(told.refs, told, told.unique, dossier) for told, dossier in found.taken]
        refused = [(one.refs, None, to_json(dict(one.refs)).decode(), None) for one in found.refused]
        calls = []
        for operation, records in ((notice.acknowledged_by, taken), (notice.refused_by, refused)):
            for refs, told, same, dossier in records if operation is not None else ():
                try:
                    wanted = poll.lane.operations[operation or ""].request
                    request = request_from(wanted, refs, told.value if told is not None else None)
                except MappingFailed as failed:
                    self._around.observer.fault("acknowledge", failed)
                    continue
                # The same notice fetched again is acknowledged by the same call, whatever became of that.
                key = sha256(f"{notice.name} {same}".encode()).hexdigest() if same is not None else None
                purpose = poll.purpose._replace(dossier=dossier)
                seconds = _ANSWERING_SECONDS
                calls.append(poll.lane.own_call(operation or "", request, purpose, seconds=seconds, key=key))
        return calls
