"""
Comparing, day by day, what was filed with what agencies have, and at wish filing again what they lack. Next: `comparing.py`.

A run is a row of the store (`store/reconciling.py`): one node at a time walks the filings of its day, looks each up
through the agency's lane at bulk class, as a call of the hub's own, and writes a stretch at once. A node that dies leaves
a stretch to walk again. Of what differs nothing is ever overwritten, and nothing is filed again unless a person wants it.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from hashlib import sha256

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from connectors.kit.operation import follow_up_request
from hub.answers import value_of
from hub.call import BUILT_IN, Call, Class, Purpose, State, uuid7
from hub.comparing import Compared, Judged, Said, judge
from hub.errors import CallExpired, HubError, LaneHeld, LaneOpen, LaneWaitTooLong, StoreUnavailable
from hub.exchanges import own_keys
from hub.falling_due import SWEEP, FallingDue, lease_seconds
from hub.lane import Lane
from hub.store.reconciled import (
    MISSING,
    OPEN,
    QUIET,
    SUPERSEDED,
    TOLD,
    UNKNOWN,
    UNTOLD,
    WHOLE,
    Found,
    Lapse,
    Line,
    Place,
    Run,
    Stretch,
)
from hub.store.reconciling import Day, Filing, KeptReconciling
from hub.surroundings import ICT, Surroundings
from mappings.errors import MappingFailed

RECONCILE = "reconcile"
"""What stands for the procedure in the purpose of the hub's own look-ups."""
SCHEDULE = "schedule"
"""Who wanted a run that fell due by itself."""
REST = 600.0
"""Seconds for which a run rests at most before it tries whether its lane goes again."""
LONGEST = 86_400.0
"""Seconds after which a run that cannot go on has ended all the same."""
AT_ONCE = 8
"""Look-ups of a run under way at most: a quarter of what the agency bears at once, or as many."""
NO_TURN = "no_turn"
"""Why a run rests whose look-ups cannot leave."""
_FILING_SECONDS = 7 * 86_400.0
_ANSWERED_AS_FILED = frozenset({"ok", "pending"})


@dataclass(frozen=True, slots=True)
class Reconciled:
    """An agency whose filings can be compared."""

    lane: Lane
    operations: Mapping[str, Compared]
    at: float | None = None
    """Seconds after midnight (+07:00) at which the day before is compared; None: only when somebody wants it."""
    officer: str | None = None
    unit: str | None = None


class Reconciling:
    """The runs of one hub, at one node."""

    def __init__(self, agencies: Iterable[Reconciled], kept: KeptReconciling, surroundings: Surroundings) -> None:
        self.agencies: Mapping[str, Reconciled] = {one.lane.name: one for one in agencies}
        self._kept = kept
        self._around = surroundings
        self._clock = surroundings.clock
        self._planned: set[str] = set()
        """Runs of the schedule that are known to be made."""
        self._due: FallingDue[str] = FallingDue(RECONCILE, self._look, surroundings)

    async def start(self) -> None:
        """
        Begin to make runs as they fall due.

        Raises:
            StoreUnavailable: The store did not answer; nothing was begun.
        """
        if self.agencies:
            await self._kept.release(self._around.node)
            self._due.start()

    async def stop(self) -> None:
        """Make runs no more; what is under way is left to others."""
        await self._due.stop(lambda _: self._kept.release(self._around.node))

    async def want(self, agency: str, day: date, by: str, *, operation: str = "", files: bool = False) -> Run:
        """
        Have *day* of *agency* compared as soon as its lane lets it, and with *files* what is missing filed again.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        now = self._clock.now()
        run = Run(self._around.new_id(), agency, day.isoformat(), operation, files, by, now, now)
        await self._kept.want(run)
        self._due.stir()
        return run

    # --- When --------------------------------------------------------------------------------------------------------

    async def _look(self) -> float:
        """Begin what is due and nobody walks; return after how long to look again."""
        wait, now = SWEEP, self._clock.now()
        await self._plan(now)
        for run in await self._kept.open():
            if run.agency not in self.agencies or self._due.runs(run.id):
                continue
            at = max(run.due_at, self._due.rests_until(run.id))
            if run.lease_node not in (None, self._around.node) and run.lease_until is not None:
                at = max(at, run.lease_until)
            if at > now:
                wait = min(wait, at - now)
                continue
            self._due.begin(run.id, partial(self._run, run))
        return wait

    async def _plan(self, now: float) -> None:
        """Make the runs whose moment has come; of those that were missed while no hub ran, the last."""
        for name, one in self.agencies.items():
            if one.at is None:
                continue
            day = datetime.fromtimestamp(now - one.at, ICT).date() - timedelta(1)
            id_ = f"{name}.{day.isoformat()}"  # the same at every node: made once
            if id_ not in self._planned:
                await self._kept.want(Run(id_, name, day.isoformat(), "", False, SCHEDULE, now, now))
                self._planned.add(id_)

    async def _run(self, run: Run) -> None:
        agency = self.agencies[run.agency]
        ttl = lease_seconds(agency.lane)
        leased = await self._kept.lease(run.id, self._around.node, ttl)
        if leased is not None:
            await self._walk(agency, leased, ttl)

    async def _end(self, run: Run, outcome: str, cause: str = "", rest: float | None = None) -> None:
        """End *run*, or let it rest for so many seconds, unless it has gone on for too long already."""
        now, at = self._clock.now(), Place(run.id, run.fence)
        if rest is not None and now < run.wanted_at + LONGEST:
            await self._kept.lapsed(Lapse(at, outcome, cause, now + max(1.0, min(rest, REST))))
        elif await self._kept.lapsed(Lapse(at, outcome, cause)):
            self._around.observer.reconciled(run.agency, run.day, outcome, cause)

    # --- What --------------------------------------------------------------------------------------------------------

    async def _walk(self, agency: Reconciled, run: Run, ttl: float) -> None:
        """Compare stretch after stretch of the day, from where the run stands."""
        lane = agency.lane
        names = [name for name in agency.operations if run.operation in ("", name)]
        first, last = ids_of(run.day)
        last = min(last, _least_id(run.wanted_at))  # what is filed again meanwhile is of no stretch of this run
        size = max(1, min(AT_ONCE, lane.contract.calls_at_once // 4))
        day, place = Day(run.agency, names, first, last, size), run.place
        while filings := await self._kept.filings(day, place):
            for name in {one.look_up.name for one in map(agency.operations.__getitem__, names) if one.look_up}:
                stop = self._around.coordination.stopped(lane.name, name)
                if stop is not None:  # nothing is sent to find out that nothing can be sent
                    await self._end(run, "held", stop.cause or stop.guard, stop.seconds or REST)
                    return
            judged = await self._judged(agency, filings)
            filings = filings[: _had_their_turn(judged)]
            if not filings:
                await self._end(run, "held", NO_TURN, REST)
                return
            place = filings[-1].call.id
            pairs = [(filing, one) for filing, one in zip(filings, judged, strict=False) if one is not None]
            lines = [self._line(agency, run, filing, one) for filing, one in pairs if one.verdict not in QUIET]
            verdicts = [(filing.call.operation, one.verdict) for filing, one in pairs]
            stretch = Stretch(Place(run.id, run.fence), place, verdicts, lines)
            try:
                made = await self._kept.took(stretch, ttl)
            except StoreUnavailable:
                raise
            except HubError as error:  # no room for what is to be filed again
                await self._end(run, "held", error.code, error.retry_after or REST)
                return
            if made is None:
                return
            if made:
                lane.backlog.more(Class.BULK)
        await self._end(run, WHOLE)

    async def _judged(self, agency: Reconciled, filings: Sequence[Filing]) -> list[Judged | None]:
        """Say of each how it stands; one that meets no store lets none of the others go on alone."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._judge(agency, one)) for one in filings]
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _judge(self, agency: Reconciled, filing: Filing) -> Judged | None:
        """Say how *filing* stands at its agency; None: nothing should be there."""
        try:
            return await self._stands(agency, filing)
        except StoreUnavailable:
            raise
        except Exception as error:  # a fault of ours, which would keep the others of its day from being compared
            self._around.observer.fault(RECONCILE, error)
            return Judged(UNKNOWN, "fault")

    async def _stands(self, agency: Reconciled, filing: Filing) -> Judged | None:
        call, this = filing.call, agency.operations[filing.call.operation]
        if call.state is not State.ANSWERED:
            return None if call.state is State.CANCELLED else Judged(OPEN, call.state.value)
        if filing.result not in _ANSWERED_AS_FILED:
            return None
        if this.look_up is None:
            return await self._told(this, filing)
        try:
            asked = await self._asked(this, filing)
        except (MappingFailed, ValidationError):  # its request is gone, or is of another version of the model
            return Judged(UNKNOWN, "request")
        if asked is None:
            return Judged(UNKNOWN, "request")
        sent, request = asked
        if await self._superseded(agency, this.look_up.name, filing, request):
            return Judged(SUPERSEDED)
        purpose = Purpose(agency.officer, agency.unit, call.purpose.dossier, call.purpose.intake, RECONCILE)
        try:
            reply = await agency.lane.own.record(this.look_up.name, request, purpose)
        except StoreUnavailable:
            raise
        except HubError as error:
            return Judged(UNKNOWN, NO_TURN if _no_turn(error) else error.code)
        if reply.answer is None:
            return Judged(UNKNOWN, reply.cause)
        told = from_json(reply.answer)
        code = (told["reason"] or {}).get("code", "")
        said = Said(told["result"], value_of(reply.answer, this.look_up.answer), code)
        return judge(this, filing.result, await self._moved_on(agency, this, filing, sent), said)

    async def _told(self, this: Compared, filing: Filing) -> Judged:
        if filing.call.purpose.dossier is None:  # a notice finds its call by that
            return Judged(UNKNOWN, "dossier")
        return Judged(TOLD if await self._kept.told(filing, this.told_by) else UNTOLD)

    async def _asked(self, this: Compared, filing: Filing) -> tuple[BaseModel, BaseModel] | None:
        """Return what was filed, and what its look-up asks; None: it is not kept."""
        if filing.request is None:
            return None
        call, operation = filing.call, this.operation
        sent = operation.request.model_validate_json(filing.request)
        answer = value_of(filing.answer, operation.answer) if filing.answer is not None else None
        known = await self._around.store.remembered(call.purpose.dossier or call.id, call.agency)
        return sent, follow_up_request(operation, this.why, sent, {**known, **own_keys(operation, call, sent)}, answer)

    async def _superseded(self, agency: Reconciled, look_up: str, filing: Filing, request: BaseModel) -> bool:
        """Say whether a later filing is about the same record: its look-up asks the same."""
        if filing.call.purpose.dossier is None:
            return False
        alike = [name for name, one in agency.operations.items() if one.look_up and one.look_up.name == look_up]
        for later in await self._kept.newer(filing, alike):
            try:
                asked = await self._asked(agency.operations[later.call.operation], later)
            except (MappingFailed, ValidationError):
                continue
            if asked is not None and asked[1] == request:
                return True
        return False

    async def _moved_on(self, agency: Reconciled, this: Compared, filing: Filing, sent: BaseModel) -> BaseModel:
        """Return *sent* as other filings about the same dossier left it: a step of its processing says where it stands now."""
        fields = {name for name in this.agrees if name in type(sent).model_fields}
        others = [
            name
            for name, one in agency.lane.operations.items()
            if one.kind == "filing" and name not in agency.operations
        ]
        if not fields or not others or filing.call.purpose.dossier is None:
            return sent
        now: dict[str, object] = {}
        for later in await self._kept.newer(filing, others):  # the newest first
            if later.call.state is not State.ANSWERED or later.request is None:
                continue
            try:
                said = agency.lane.operations[later.call.operation].request.model_validate_json(later.request)
            except ValidationError:
                continue
            for name in fields & type(said).model_fields.keys() - now.keys():
                value = getattr(said, name)
                if value is not None and isinstance(value, type(getattr(sent, name))):
                    now[name] = value
        return sent.model_copy(update=now) if now else sent

    def _line(self, agency: Reconciled, run: Run, filing: Filing, judged: Judged) -> Found:
        """Return what is kept of one that is not the same and, where a person wants it, what files it again."""
        call, this = filing.call, agency.operations[filing.call.operation]
        line = Line(
            run.id, call.id, call.operation, call.purpose.dossier, judged.verdict, judged.cause, judged.fields
        )  # fmt: skip
        if judged.verdict != MISSING or not run.files:
            return Found(line)
        refusal = "filed_before" if call.caller == BUILT_IN else this.not_again
        if refusal or filing.request is None:
            return Found(line._replace(cause=refusal))
        return Found(line, self._again(agency, call, filing.request))

    def _again(self, agency: Reconciled, call: Call, request: bytes) -> tuple[Call, bytes]:
        """Return the call that files once more what *call* did, for the same officer, unit and dossier."""
        sent = agency.lane.operations[call.operation].request.model_validate_json(request)
        key = sha256(f"{RECONCILE} {call.id}".encode()).hexdigest()
        return agency.lane.own.call(call.operation, sent, call.purpose, seconds=_FILING_SECONDS, key=key)


def _had_their_turn(judged: Sequence[Judged | None]) -> int:
    """Return how many came before the first whose look-up could not leave: the day's calls are used up, or others go first."""
    return next((n for n, one in enumerate(judged) if one is not None and one.cause == NO_TURN), len(judged))


def _no_turn(error: HubError) -> bool:
    """Say whether a look-up ended so because it could not leave, or met an agency that is busy."""
    held = isinstance(error, LaneHeld | LaneOpen | LaneWaitTooLong)
    return held or (isinstance(error, CallExpired) and not error.detail)


def ids_of(day: str) -> tuple[str, str]:
    """Return the least id that a call of *day* can have, and the least of the day after."""
    midnight = datetime.combine(date.fromisoformat(day), datetime.min.time(), ICT)
    return _least_id(midnight.timestamp()), _least_id((midnight + timedelta(1)).timestamp())


def _least_id(moment: float) -> str:
    """Return the least id that a call made at *moment* can have."""
    return uuid7(moment, bytes)
