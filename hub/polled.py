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
from pydantic_core import from_json, to_json

from connectors.kit.inbox import Fetched, Notice, Poison, Told
from connectors.kit.operation import listed_requests, request_from
from connectors.kit.outcomes import Answered, Result
from hub.answers import value_of
from hub.call import Call, Class, Purpose
from hub.errors import HubError, Refusal, StoreUnavailable
from hub.lane import Lane
from hub.store.batch import Batch
from hub.store.polls import KeptPolls, Page, PollRow, Run
from hub.surroundings import Surroundings
from mappings.errors import MappingFailed

MOST_PAGES = 100
"""Pages of one run; then others may have the lane, and the next run goes on."""
_SWEEP = 60.0
"""Seconds after which a poll is run again whose lane is stopped for nobody knows how long."""
_RETRY = 60.0
"""Seconds after a run that brought no answer; doubled with each, and never more than `every`."""
_ANSWERING_SECONDS = 7 * 86_400.0
"""How long the hub tries to acknowledge, like any filing."""
_JITTER = 0.05
POLL = "poll"
"""What stands for the procedure in the purpose of the hub's own calls."""
_EMPTY = (Result.NOT_FOUND.value, Result.REFUSED.value)

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
        """How many notices a page holds, or how many of what is listed are fetched in a run; None: it is not said."""
        page = self.lane.operations[self.first].page
        return page.size if page is not None else None

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
        try:
            return await run(poll, row, ttl)
        except StoreUnavailable:
            raise
        except HubError as error:
            return self._ended(poll, row, error.code, error.detail)

    async def _pages(self, poll: Poll, row: PollRow, ttl: float) -> Run | None:
        """Fetch page after page while they are full."""
        cursor, taken = row.cursor, 0
        for _ in range(MOST_PAGES):
            if run := self._stopped(poll, row, poll.first, taken):
                return run
            try:
                fetched = await poll.lane.own.page(poll.notice, cursor, poll.purpose)
                if fetched.read is None:
                    return self._ended(poll, row, "refused", _said(fetched), taken)
                following = fetched.next or cursor
                new = await self._take(poll, row, fetched, following, ttl)
            except StoreUnavailable:
                raise
            except HubError as error:
                return self._ended(poll, row, error.code, error.detail, taken)
            if new is None:
                return None
            taken += new
            if not poll.full(fetched) or following == cursor:
                break
            cursor = following
        return self._ended(poll, row, "answered", "", taken)

    async def _one_by_one(self, poll: Poll, row: PollRow, ttl: float) -> Run | None:
        """
        Fetch what is listed, each in an exchange and a commit of its own. One that cannot be had keeps no other waiting.

        The cursor is the last one that was asked for, and the next run goes on behind it: what stays in the list, because
        its acknowledgement is late or it cannot be had, is neither all that is ever fetched nor what is tried first.
        """
        if run := self._stopped(poll, row, poll.first, 0):
            return run
        answer = from_json(listing := await poll.lane.own.listing(poll.notice, poll.purpose))
        if answer["result"] in _EMPTY:
            refused = answer["result"] == Result.REFUSED.value
            return self._ended(poll, row, *(("refused", answer["reason"]["code"]) if refused else ("answered", "")))
        fetching = poll.lane.operations[poll.notice.fetched_by or ""]
        listed = value_of(listing, poll.lane.operations[poll.first].answer)
        try:
            every = listed_requests(listed, fetching.request) if listed is not None else []
            wanted = list({key_of(one): one for one in every}.values())  # what is listed twice is there once
        except MappingFailed as failed:
            return self._ended(poll, row, "agency.broken", str(failed.faults[0]))
        taken, failed_with, told = 0, "", ""
        fetched: Fetched | None
        for request in behind(wanted, row.cursor)[: poll.size]:
            if run := self._stopped(poll, row, fetching.name, taken):
                return run
            try:
                fetched = await poll.lane.own.page(poll.notice, None, poll.purpose, request)
                if fetched.read is None:
                    failed_with, told = "refused", _said(fetched)
            except Refusal:  # nothing goes now
                raise
            except HubError as error:
                fetched, failed_with, told = None, error.code, error.detail
            if fetched is not None and fetched.read is not None:
                new = await self._take(poll, row, fetched, key_of(request), ttl)
            else:
                new = await self._kept.took(Page(*poll.key, row.fence, key_of(request), lambda _: 0), ttl)
            if new is None:
                return None
            taken += new
        return self._ended(poll, row, failed_with or "answered", told, taken)

    async def _take(self, poll: Poll, row: PollRow, fetched: Fetched, cursor: str | None, ttl: float) -> int | None:
        """Keep what came, and let the agency know; return how many notices were new, None if another node took over."""
        found = await self._sorting.sort(*poll.key, fetched)
        calls = self._answers(poll, found)
        new = await self._kept.took(Page(*poll.key, row.fence, cursor, found.keep, calls), ttl)
        if new is None:
            return None
        found.kept()
        if calls:
            poll.lane.backlog.more(Class.BULK)
        return new

    def _stopped(self, poll: Poll, row: PollRow, operation: str, taken: int) -> Run | None:
        """Form the end of a run whose lane is stopped: nothing is sent to find out that nothing can be sent."""
        stop = self._around.coordination.stopped(poll.lane.name, operation)
        if stop is None:
            return None
        wait = min(poll.every, max(stop.seconds or _SWEEP, 1.0))
        return self._ended(poll, row, "held", stop.cause or stop.guard, taken, wait)

    def _ended(
        self, poll: Poll, row: PollRow, outcome: str, cause: str, taken: int = 0, wait: float | None = None
    ) -> Run:
        """Form the end of a run: the next one is after *wait* seconds, else by `every`, or sooner if it brought no answer."""
        failures = 0 if outcome in ("answered", "held") else row.failures + 1
        if wait is None:
            wait = min(poll.every, _RETRY * 2 ** min(failures - 1, 20)) if failures else poll.every
        wait *= 1 - _JITTER + 2 * _JITTER * self._around.random.random()
        due_at = self._around.clock.now() + wait
        return Run(*poll.key, row.fence, due_at, row.due_at, outcome, cause, taken, failures)

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


def key_of(request: BaseModel) -> str:
    """Return what tells one request from the others of its list."""
    return to_json(request, exclude_none=True).decode()


def behind(listed: Sequence[BaseModel], cursor: str | None) -> Sequence[BaseModel]:
    """Return all of *listed*, those behind *cursor* first; as they are when it is not among them."""
    place = next((number for number, one in enumerate(listed) if key_of(one) == cursor), None)
    return listed if place is None else [*listed[place + 1 :], *listed[: place + 1]]


def _said(fetched: Fetched) -> str:
    reason = fetched.outcome.reason if isinstance(fetched.outcome, Answered) else None
    return reason.code if reason else ""
