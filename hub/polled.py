"""
What one run of a poll does: page after page, or what is listed one by one. `polling.py` says when; next `store/polls.py`.

A fetch is a call of the hub's own (caller `hub`) through the agency's lane at bulk class: it waits its turn, pays from
the contract and is recorded like any other. What came is one commit: its notices, the cursor behind it, and the calls
that acknowledge or refuse it. A node that dies before it leaves nothing but the same to fetch again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from pydantic import BaseModel
from pydantic_core import to_json

from connectors.kit.inbox import Fetched, Notice, Poison, Told
from connectors.kit.operation import request_from
from hub.call import Call, Class, Purpose
from hub.errors import HubError, Refusal, StoreUnavailable
from hub.lane import Lane
from hub.listing import around, behind, field_of, for_a_person, key_of, listed, not_given, nothing, once_each, said
from hub.store.batch import Batch
from hub.store.polls import KeptPolls, Page, PollRow, Run
from hub.surroundings import Surroundings
from mappings.errors import MappingFailed

MOST_PAGES = 100
"""Pages of one run; then others may have the lane, and the next run goes on."""
MOST_RUNS = 8
"""
Runs in a row that fail, from the first thing they fetch on, until that is kept for a person and the list goes on: with
waits that double, most of an hour where `every` is ten minutes. An outage is mostly over by then; and a record that only
ever breaks keeps those behind it no longer.
"""
_SWEEP = 60.0
"""Seconds after which a poll is run again whose lane is stopped for nobody knows how long."""
_RETRY = 60.0
"""Seconds after a run that brought no answer; doubled with each, and never more than `every`."""
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
    def first(self) -> str:
        """The operation with which a run begins."""
        return self.notice.listed_by or self.notice.fetched_by or ""

    @property
    def size(self) -> int | None:
        """How many notices a page holds, or how many of each list are fetched; None: it is not said."""
        page = self.lane.operations[self.first].page
        return page.size if page is not None else None

    @property
    def goes_on(self) -> bool:
        """Whether what it lists never gets shorter, so that the list is asked for from behind the last one on."""
        page = self.lane.operations[self.first].page
        return self.notice.listed_by is not None and page is not None and page.after is not None

    @property
    def purpose(self) -> Purpose:
        """Why and for whom the hub asks."""
        return Purpose(self.officer, self.unit, procedure=POLL)

    def full(self, fetched: Fetched) -> bool:
        """Say whether there may be more: the page holds as many records as were asked for."""
        told = getattr(fetched.read, "told", ())
        return self.size is not None and len(told) + len(fetched.poison) >= self.size


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


@dataclass(slots=True)
class _Going:
    """A run under way, and how far it has come."""

    poll: Poll
    row: PollRow
    ttl: float
    cursor: str | None
    taken: int = 0
    end: tuple[str, str] = ("answered", "")
    """Outcome and cause: something did not come, and the run went on."""

    @property
    def moved(self) -> bool:
        return self.cursor != self.row.cursor


class Sorting(Protocol):
    """Knows whose notices are and what they must agree with."""

    async def sort(self, agency: str, notice: str, fetched: Fetched) -> Sorted:
        """
        Say what of a page is taken, and how all of it is kept.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        ...


class PollRuns:
    """Runs polls. Every run returns how it ended; None: another node has taken over."""

    def __init__(self, kept: KeptPolls, sorting: Sorting, surroundings: Surroundings) -> None:
        self._kept = kept
        self._sorting = sorting
        self._around = surroundings

    async def run(self, poll: Poll, row: PollRow, ttl: float) -> Run | None:
        """
        Fetch what there is of *poll*, leased as *row* for *ttl* seconds at a time.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        run = self._pages if poll.notice.listed_by is None else self._one_by_one
        going = _Going(poll, row, ttl, row.cursor)
        try:
            return await run(going)
        except StoreUnavailable:
            raise
        except HubError as error:
            return self._ended(going, error.code, error.detail)

    async def _pages(self, going: _Going) -> Run | None:
        """Fetch page after page while they are full."""
        poll = going.poll
        for _ in range(MOST_PAGES):
            if run := self._stopped(going, poll.first):
                return run
            before = going.cursor
            fetched = await poll.lane.own.page(poll.notice, before, poll.purpose)
            if fetched.read is None:
                return self._ended(going, "refused", said(fetched))
            if not await self._take(going, fetched, fetched.next or before):
                return None
            if not poll.full(fetched) or going.cursor == before:
                break
        return self._ended(going, *going.end)

    async def _one_by_one(self, going: _Going) -> Run | None:
        """
        Fetch what is listed, each in an exchange and a commit of its own. The cursor is the last one that was asked for.

        A queue is listed once a run, and the next run goes on behind it: what stays in the list, because its
        acknowledgement is late or it cannot be had, is neither all that is ever fetched nor what is tried first. A list
        that never gets shorter is followed while its pages are full; see `_asked` for what does not come.
        """
        poll = going.poll
        for _ in range(MOST_PAGES if poll.goes_on else 1):
            if run := self._stopped(going, poll.first):
                return run
            found = await listed(poll.lane, poll.notice, poll.purpose, going.cursor if poll.goes_on else None)
            if found.refused is not None:
                return self._ended(going, "refused", found.refused)
            wanted = (behind if poll.goes_on else around)(once_each(found.requests), going.cursor)
            for request in wanted[: poll.size]:
                if run := self._stopped(going, poll.notice.fetched_by or ""):
                    return run
                came = await self._asked(going, request)
                if not await self._take(going, came, field_of(request) if poll.goes_on else key_of(request)):
                    return None
            if not wanted or len(found.requests) < (poll.size or 0):
                break
        return self._ended(going, *going.end)

    async def _asked(self, going: _Going, request: BaseModel) -> Fetched:
        """
        Return what came of one that is listed, or what stands for it.

        What a queue does not give keeps no other waiting: it is listed again. What a list that never gets shorter does not
        give is kept for a person, if that is for good; else the run ends before it and the next one begins with it, but
        for `MOST_RUNS` at most.

        Raises:
            HubError: The run ends here, and why.
        """
        poll = going.poll
        try:
            fetched = await poll.lane.own.page(poll.notice, None, poll.purpose, request)
        except Refusal:  # nothing goes now
            raise
        except HubError as error:
            if not poll.goes_on:
                going.end = error.code, error.detail
                return nothing(poll.notice)
            if going.moved or going.row.failures + 1 < MOST_RUNS:
                raise
            return for_a_person(poll.notice, request, f"could not be had, the last time because of {error.code}")
        if poll.goes_on:
            why = not_given(fetched)
            return fetched if why is None else for_a_person(poll.notice, request, why)
        if fetched.read is None:
            going.end = "refused", said(fetched)
            return nothing(poll.notice)
        return fetched

    async def _take(self, going: _Going, fetched: Fetched, cursor: str | None) -> bool:
        """Keep what came and the *cursor* behind it, and let the agency know; False: another node has taken over."""
        poll = going.poll
        found = await self._sorting.sort(*poll.key, fetched)
        calls = self._answers(poll, found)
        new = await self._kept.took(Page(*poll.key, going.row.fence, cursor, found.keep, calls), going.ttl)
        if new is None:
            return False
        found.kept()
        if calls:
            poll.lane.backlog.more(Class.BULK)
        going.cursor = cursor
        going.taken += new
        return True

    def _stopped(self, going: _Going, operation: str) -> Run | None:
        """Form the end of a run whose lane is stopped: nothing is sent to find out that nothing can be sent."""
        stop = self._around.coordination.stopped(going.poll.lane.name, operation)
        if stop is None:
            return None
        wait = min(going.poll.every, max(stop.seconds or _SWEEP, 1.0))
        return self._ended(going, "held", stop.cause or stop.guard, wait)

    def _ended(self, going: _Going, outcome: str, cause: str, wait: float | None = None) -> Run:
        """Form the end of a run: the next one is after *wait* seconds, else by `every`, or sooner if it brought no answer."""
        poll, row = going.poll, going.row
        failures = self._failures(going, outcome)
        if wait is None:
            wait = min(poll.every, _RETRY * 2 ** min(failures - 1, 20)) if failures else poll.every
        wait *= 1 - _JITTER + 2 * _JITTER * self._around.random.random()
        due_at = self._around.clock.now() + wait
        return Run(*poll.key, row.fence, due_at, row.due_at, outcome, cause, going.taken, failures)

    @staticmethod
    def _failures(going: _Going, outcome: str) -> int:
        """Count the runs in a row that failed; where the list goes on, those that came no further and were not held."""
        goes_on, before = going.poll.goes_on, going.row.failures
        if outcome == "held":
            return before if goes_on else 0
        return 0 if outcome == "answered" else 1 if goes_on and going.moved else before + 1

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
                calls.append(poll.lane.own.call(operation or "", request, purpose, seconds=seconds, key=key))
        return calls
