"""
The engine's front: takes calls from the doors, lets callers wait, and starts and stops the lanes. Next: `lane.py`.

It decides nothing about agencies; each lane does that for itself.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from math import inf
from typing import TypeVar

from connectors.kit.operation import Operation
from hub.call import PENDING, WAITING, Call, Class, Kind, Reply, State, Submission, made_at
from hub.errors import (
    BacklogFull,
    CallGone,
    CallNotCancellable,
    CallUnknown,
    HubError,
    HubStopping,
    OperationUnknown,
    Refusal,
    StoreUnavailable,
)
from hub.lane import Lane, LaneView
from hub.pressure import Pressure
from hub.route import Route, RouteView
from hub.shedding import Shedding
from hub.store.deciding import TURNINGS, Decided, Decision, Fate
from hub.store.protocol import Accepted, News, Occupied, Record, Recovered
from hub.surroundings import Surroundings, moment
from hub.turn import Payer, Turn

T = TypeVar("T")

INTERACTIVE_SECONDS = 30.0
"""How long an interactive call waits when its caller does not say."""
LONGEST_SECONDS = 120.0
DURABLE_SECONDS = 7 * 86_400.0
_SWEEP = 10.0
"""Seconds between looks for what another node left behind on the wire when it died."""
_STOPPING_RETRY = 5.0
_TOGETHER = 50
"""Calls that one commit decides about: 500 at once would keep every lane from its records while they are written."""
_RECORD_SECONDS = 15.0
"""
How long a caller waits for its call to be recorded. Then it is refused, though nobody knows: under its key it may ask again.
"""


class Dispatcher:
    """One hub's engine. The doors know nothing else of it."""

    def __init__(
        self,
        lanes: Mapping[str, Lane],
        surroundings: Surroundings,
        shedding: Shedding | None = None,
        routes: Sequence[Route] = (),
        pressure: Pressure | None = None,
        kept_seconds: float = inf,
    ) -> None:
        """
        Take *lanes* by agency, each made with the same *surroundings*, and the *routes* that some of them share.

        *shedding* is told by somebody how the process is, and *pressure* how its store is. A call
        older than *kept_seconds* that is not there may have been there.
        """
        self._lanes = lanes
        self._routes = routes
        self._shedding = shedding or Shedding(surroundings.clock)
        self._pressure = pressure or Pressure(surroundings.clock)
        self._kept_seconds = kept_seconds
        self._recording = 0
        """Bytes of requests that the store has not taken yet."""
        self._store = surroundings.store
        self._clock = surroundings.clock
        self._observer = surroundings.observer
        self._waiters = surroundings.waiters
        self._around = surroundings
        self._stopping = False
        self._asking: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self, occupied: Sequence[Occupied] = ()) -> Recovered:
        """
        Apply the crash rules to what an earlier process left, rebuild slots and day counts, and start every lane.

        *occupied*: places of which the store does not know that they may be taken.

        Raises:
            StoreUnavailable: The store did not answer; nothing was started.
        """
        recovered = await self._store.recover(self._around.node)
        longest = max((lane.asking_after.patience for lane in self._lanes.values()), default=0.0)
        taken = [*occupied, *await self._store.occupied(self._clock.now() - longest)]
        today = moment(self._clock.now())[:10]
        for name, lane in self._lanes.items():
            await lane.start(taken, await self._store.sent_on_day(name, today))
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())
        return recovered

    async def stop(self, patience: float) -> None:
        """Refuse what comes, let what is under way end for *patience* seconds; the rest is left as after a crash."""
        self._stopping = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        await asyncio.gather(*self._asking)
        await asyncio.gather(*(lane.stop(patience) for lane in self._lanes.values()))
        await asyncio.gather(*(route.stop() for route in self._routes))

    def admit(
        self, agency: str, operation: str, cls: Class, payer: Payer, *, interactive: bool, seconds: float
    ) -> None:
        """
        Let a call of *payer* in, or refuse it, before its body is read; touches no store. *seconds* is how long it can wait.

        Raises:
            OperationUnknown: No such agency or operation.
            Refusal: `HubStopping`, `HubOverloaded`, `StoreUnavailable`, `LaneHeld`, `LaneOpen`, `LaneFull`, `LaneWaitTooLong` or `BacklogFull`,
                with `retry_after`.
        """
        lane, _ = self._find(agency, operation)
        try:
            if self._stopping:
                raise HubStopping(retry_after=_STOPPING_RETRY)
            self._shedding.check(cls)
            self._pressure.check(cls, interactive=interactive)
            lane.admission.check(operation, cls, payer, interactive=interactive, seconds=seconds)
        except Refusal as refusal:
            self._observer.admission(agency, cls.value, "refused", refusal.code)
            raise
        self._observer.admission(agency, cls.value, "accepted", "")

    def admit_file(self) -> None:
        """
        Let a file in, which is stored for good, or refuse it before its body is read.

        Raises:
            Refusal: `HubStopping`, `HubOverloaded` or `StoreUnavailable`, with `retry_after`.
        """
        if self._stopping:
            raise HubStopping(retry_after=_STOPPING_RETRY)
        self._shedding.check(Class.NORMAL)
        self._pressure.check(Class.NORMAL, interactive=False)

    async def submit(self, submission: Submission) -> Reply:
        """
        Carry out a call: a look-up that somebody waits for until it is answered or refused, any other once it is on disk.

        Cancelled, an interactive call that has not left is taken back; every other goes on.

        Raises:
            HubError: An interactive call ended without an answer, or a durable one was not accepted.
        """
        lane, operation = self._find(submission.agency, submission.operation)
        if self._stopping:
            raise HubStopping(retry_after=_STOPPING_RETRY)
        if operation.kind == "lookup" and submission.wait is not None:
            return await self._interactive(lane, operation, submission, submission.wait)
        return await self._durable(lane, operation, submission)

    async def submit_all(self, submissions: Sequence[Submission]) -> Sequence[Reply | HubError]:
        """
        Take durable calls to one agency on, in their order and in one commit; say of each where it stands, or why not.

        After one that met a full backlog every later one that is new is refused likewise: none passes another.

        Raises:
            Refusal: `HubStopping` or `StoreUnavailable`: none is known to be taken on. Those with a key may come again.
        """
        if self._stopping:
            raise HubStopping(retry_after=_STOPPING_RETRY)
        calls = []
        for one in submissions:
            lane, operation = self._find(one.agency, one.operation)
            seconds = one.deadline or DURABLE_SECONDS
            calls.append((self._call(one, operation, seconds, interactive=False), one.request_json))
        if not calls:
            return []
        size = sum(len(request) for _, request in calls)
        became = await self._recorded(lane, size, self._store.batches.accept(calls))
        for cls in {one.call.cls for one in became if isinstance(one, Accepted) and one.new}:
            lane.backlog.more(cls)
        if any(isinstance(one, BacklogFull) for one in became):
            lane.admission.backlog_full()
        return [Reply(one.call.id, one.call.state) if isinstance(one, Accepted) else one for one in became]

    async def wait_for(
        self, call_id: str, caller: str, seconds: float, *, agency: str | None = None, through_pending: bool = False
    ) -> Reply:
        """
        Return where a call stands, after waiting up to *seconds* while it is queued or sending.

        *through_pending*: likewise, while an answer is pending that was when the waiting began; one that becomes pending
        meanwhile is an answer.

        Raises:
            CallUnknown: No such call of this caller; with *agency*, no such call to it.
            CallGone: Likewise, and it is so old that it may have been removed.
        """
        end = self._clock.monotonic() + min(seconds, LONGEST_SECONDS)
        while True:
            with self._waiters.waiting(call_id) as news:
                record = await self._record(call_id, caller, agency)
                left = end - self._clock.monotonic()
                through_pending = through_pending and _asked_after(record)
                stands = record.call.state not in WAITING and not through_pending
                if stands or left <= 0 or self._unwritten(record.call):
                    break
                done, _ = await asyncio.wait({news}, timeout=left)
                if done and (reply := news.result()) is not None:
                    return reply
        if self._unwritten(record.call):
            return Reply(call_id, State.IN_DOUBT, cause="unwritten")
        return Reply(call_id, record.call.state, record.answer, record.answered_at, record.cause)

    async def ask_now(self, call_id: str) -> bool:
        """
        Ask its agency at once how a call ended whose answer is pending: something was heard of it. False: there is no such.

        Raises:
            StoreUnavailable: Nobody knows; it is asked after when that falls due.
        """
        agency = await self._store.ask_now(call_id)
        lane = self._lanes.get(agency) if agency is not None else None
        if lane is not None and self._sweeper is not None and not self._stopping:
            lane.asking_after.due(0.0)
            lane.asking_after.due(lane.contract.call_timeout)  # when one that is on the wire has ended, wherever it was
        return agency is not None

    def heard_of(self, call_id: str) -> None:
        """Do as `ask_now`, and let nobody wait for it."""
        task = asyncio.get_running_loop().create_task(self._ask_now(call_id))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask_now(self, call_id: str) -> None:
        try:
            await self.ask_now(call_id)
        except StoreUnavailable as error:  # it is asked after when that falls due
            self._observer.fault("ask_now", error)

    async def cancel(self, call_id: str, caller: str, *, agency: str | None = None) -> Reply:
        """
        Take back a call that is still queued.

        Raises:
            CallUnknown, CallGone: As for `wait_for`.
            CallNotCancellable: It is no longer queued.
        """
        if agency is not None:
            await self._record(call_id, caller, agency)
        state = await self._store.cancel(call_id, caller)
        if state is None:
            raise CallUnknown
        if state is not State.CANCELLED:
            raise CallNotCancellable(f"It is {state.value}.", call=call_id)
        for lane in self._lanes.values():
            lane.drop(call_id)
        reply = Reply(call_id, State.CANCELLED)
        self._waiters.wake(call_id, reply)
        return reply

    async def decide(self, of: Sequence[str], decision: Decision) -> Sequence[Decided]:
        """
        Carry out what a person decided about the calls *of*, and let lanes and waiting callers hear of it.

        A call that is sent again takes its turn in its lane like any other. Over a store whose hub does not run it
        waits for the next start.

        Raises:
            StoreUnavailable: Some may have been moved; asked again, those are told as moved meanwhile.
        """
        told: list[Decided] = []
        for start in range(0, len(of), _TOGETHER):
            part = await self._store.persons.decide(of[start : start + _TOGETHER], decision)
            for one in part:
                if one.fate is Fate.MOVED and one.state is not None:
                    self._decided(one, one.state, TURNINGS[decision.act].cause)
            told += part
        return told

    def _decided(self, one: Decided, state: State, cause: str) -> None:
        lane = self._lanes.get(one.agency)
        if lane is not None and self._sweeper is not None and not self._stopping:
            lane.drop(one.call)  # a look-up after it that has not left
            lane.backlog.more()  # it may go itself, or what stood behind it
        if state is not State.QUEUED:
            self._observer.call_ended(one.call, one.agency, one.operation, state.value, cause, 0.0, "")
            self._waiters.wake(one.call, None)

    def watch(self) -> Mapping[str, LaneView]:
        """Return every lane as it is, and tell the observer its numbers."""
        views = {name: lane.view() for name, lane in self._lanes.items()}
        for name, view in views.items():
            self._observer.lane(name, dict(view.numbers))
        for route in self.routes():
            self._observer.route(route.name, dict(route.numbers))
        return views

    def heard(self, news: News) -> None:
        """Do what another node's commit gives reason for: calls to lease, callers to tell, doubts to look up."""
        for agency, lane in self._lanes.items():
            classes = set(Class) if news.missed else news.ready.get(agency, ())
            for cls in classes:
                lane.backlog.more(cls)
            if news.missed or agency in news.doubt:
                lane.asking_after.due(lane.asking_after.patience)
        for call_id in news.ended:
            for lane in self._lanes.values():
                lane.drop(call_id)
            self._waiters.wake(call_id, None)
        for call_id in self._waiters.waited_for() if news.missed else ():
            self._waiters.wake(
                call_id, None
            )  # who waits looks; what waits here stays, and its fence tells whether it may go

    def looks_up_from(self, agency: str) -> float:
        """Return before which moment (Unix seconds) this process looks up no doubt of *agency*; 0.0: it knows none such."""
        lane = self._lanes.get(agency)
        return lane.asking_after.begins_at if lane is not None else 0.0

    def node_died(self) -> None:
        """What a dead node had leased may be leased again."""
        for lane in self._lanes.values():
            lane.backlog.more()

    def queued_bytes(self) -> int:
        """Return how many bytes of requests wait in all lines, and for the store."""
        return self._recording + sum(lane.queued_bytes() for lane in self._lanes.values())

    def routes(self) -> Sequence[RouteView]:
        """Return every shared route as it is."""
        return [route.view() for route in self._routes]

    # --- Two ways to be served ---------------------------------------------------------------------------------------

    async def _interactive(self, lane: Lane, operation: Operation, submission: Submission, wait: float) -> Reply:
        seconds = min(submission.deadline or LONGEST_SECONDS, wait or INTERACTIVE_SECONDS, LONGEST_SECONDS)
        call = self._call(submission, operation, seconds, interactive=True)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        until = self._clock.monotonic() + seconds
        turn = Turn(call, submission.request, submission.request_json, until, future, budget=seconds)
        lane.join(turn)
        try:
            return await future
        except asyncio.CancelledError:
            lane.leave(turn)
            raise

    async def _durable(self, lane: Lane, operation: Operation, submission: Submission) -> Reply:
        call = self._call(submission, operation, submission.deadline or DURABLE_SECONDS, interactive=False)
        try:
            request = submission.request_json
            accepted = await self._recorded(lane, len(request), self._store.accept(call, request))
        except BacklogFull:
            lane.admission.backlog_full()
            raise
        if accepted.new:
            lane.backlog.more(call.cls)
        if accepted.new and submission.wait is None:
            return Reply(accepted.call.id, accepted.call.state)
        # A call that was there already may have ended: its caller hears what a GET would tell.
        return await self.wait_for(accepted.call.id, submission.caller, submission.wait or 0.0)

    async def _recorded(self, lane: Lane, size: int, record: Awaitable[T]) -> T:
        """
        Wait until *record*, of calls to *lane* with *size* bytes of requests, is on disk; not for longer than callers do.

        Raises:
            StoreUnavailable: Nobody knows yet whether it is.
        """
        self._recording += size
        try:
            async with asyncio.timeout(_RECORD_SECONDS):
                return await record
        except (asyncio.CancelledError, TimeoutError) as ended:
            lane.backlog.more()  # it may be on disk all the same: this asks behind it, in the store's own line
            if isinstance(ended, TimeoutError):
                says = "nobody knows yet whether this is on record"
                raise StoreUnavailable(says, retry_after=_RECORD_SECONDS) from None
            raise
        finally:
            self._recording -= size

    def _call(self, submission: Submission, operation: Operation, seconds: float, *, interactive: bool) -> Call:
        now = self._clock.now()
        fingerprint = sha256(submission.request_json)
        fingerprint.update((submission.purpose.dossier or "").encode())
        call = Call(
            id=self._around.new_id(),
            agency=submission.agency,
            operation=submission.operation,
            kind=Kind(operation.kind),
            cls=submission.cls,
            interactive=interactive,
            caller=submission.caller,
            purpose=submission.purpose,
            fingerprint=fingerprint.hexdigest(),
            accepted_at=now,
            deadline=now + seconds,
            due_at=now,
            step=submission.operation,
            repeat_safe=operation.repeat_safe,
            order_key=operation.order_key(submission.request),
            idempotency_key=submission.idempotency_key,
            traceparent=submission.traceparent,
            batch=submission.batch,
        )
        handled = None if interactive else self._around.handling.taken_on(call, submission.request)
        return call if handled is None else replace(call, handled=handled)

    def _find(self, agency: str, operation: str) -> tuple[Lane, Operation]:
        lane = self._lanes.get(agency)
        known = lane.operations.get(operation) if lane is not None else None
        if lane is None or known is None or known.kind == "login":
            raise OperationUnknown
        return lane, known

    async def _record(self, call_id: str, caller: str, agency: str | None) -> Record:
        record = await self._store.get(call_id, caller)
        if record is None and self._kept_seconds < self._clock.now() - made_at(call_id):
            raise CallGone
        if record is None or agency not in (None, record.call.agency):
            raise CallUnknown
        return record

    def _unwritten(self, call: Call) -> bool:
        """Return whether a filing's exchange ended and the store does not know yet how."""
        return call.kind is Kind.FILING and call.state is State.SENDING and call.id in self._lanes[call.agency].settling

    async def _sweep(self) -> None:
        """Take over what other nodes left behind when they died."""
        while True:
            await asyncio.sleep(_SWEEP * (0.9 + 0.2 * self._around.random.random()))
            try:
                left = await self._store.recover(self._around.node, starting=False)
            except StoreUnavailable as error:
                self._observer.fault("recover", error)
                continue
            if left.queued or left.in_doubt:
                for lane in self._lanes.values():
                    lane.backlog.more()
                    lane.asking_after.due(lane.asking_after.patience)


def _asked_after(record: Record) -> bool:
    """Return whether another answer may come after the one that *record* has."""
    call = record.call
    return call.state is State.ANSWERED and record.result == PENDING and not call.interactive
