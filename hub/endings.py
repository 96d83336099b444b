"""
What becomes of a call after each exchange: settled in the store, then answered, queued again, verified or given up.

`verdicts.py` decides, pure; this acts: it writes the settlement, and only then does anybody hear.
"""

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from connectors.kit.operation import agrees
from connectors.kit.outcomes import Answered, Broken, Busy, Outcome, StaleCredentials
from hub.answers import answer_json, verified_json
from hub.call import NEVER, PENDING, Call, Kind, Reply, State
from hub.errors import AgencyUnavailable, HubError, LaneFull, StoreUnavailable
from hub.exchanges import Ended, own_keys
from hub.guards.retry import Waits
from hub.refusals import by_outcome
from hub.store.protocol import Settled, Settlement
from hub.surroundings import Surroundings
from hub.turn import Place, Turn
from hub.verdicts import Again, Verdict, asked_after, blamed, name_of, verdict, verified

if TYPE_CHECKING:
    from hub.lane import Lane


@dataclass(frozen=True, slots=True)
class _Decided:
    """A verdict with its moment: what is written, and what is done once it is."""

    verdict: Verdict
    outcome: Outcome | StaleCredentials | None
    wait: float
    """Seconds before the call goes again, or is asked after."""
    reply: Reply
    own: bool
    """It ends without an answer because its own time is over or its caller left: that says nothing about others."""


def _result(turn: Turn, decided: _Decided, answered: Answered | None) -> str | None:
    """Return the result that is settled: of a verified filing, that it was done."""
    if decided.verdict.pending:
        return PENDING
    if answered is None or decided.reply.answer is None:
        return None
    return "ok" if turn.asks_after and turn.pending_since is None else answered.result.value


class Endings:
    """Acts on the ends of one lane's exchanges."""

    def __init__(self, lane: "Lane", surroundings: Surroundings) -> None:
        self._lane = lane
        self._around = surroundings
        self._waiters = surroundings.waiters
        self._waits = Waits(surroundings.random)

    async def settle(self, turn: Turn, ended: Ended) -> None:
        """Write how *turn*'s exchange ended, and act on it once it is written."""
        decided = self._decide(turn, ended)
        self._tell(turn, decided, ended.seconds)
        answered = ended.outcome if isinstance(ended.outcome, Answered) else None
        settlement = Settlement(
            turn.call.id,
            ended.fence,
            ended.exchange_no,
            decided.verdict.state,
            decided.verdict.outcome,
            decided.verdict.cause,
            ended.seconds,
            attempt=decided.verdict.attempt,
            due_at=self._due_at(turn, decided),
            step=decided.verdict.step,
            answer=decided.reply.answer,
            result=_result(turn, decided, answered),
            refs={**self._given(turn, decided.verdict.state), **(answered.refs if answered else {})},
            handled=self._around.handling.answered(turn.call, turn.request) if answered is not None else None,
        )
        if answered is not None:
            self._lane.flights.answered(turn, decided.reply, answered)  # first, so that one commit writes all
        files = answered.files if answered and decided.reply.answer and not self._proves(turn) else {}
        written = partial(self._written, turn, decided, ended.exchange_no)
        if not await self._lane.settling.write(settlement, written, files, turn.call.caller):
            self._unwritten(turn, decided)

    def _given(self, turn: Turn, state: State) -> dict[str, str]:
        """Keys of ours that the agency may know from now on: of what was sent, unless it goes again."""
        if state in (State.QUEUED, State.EXPIRED):
            return {}
        return own_keys(self._lane.operations[turn.call.step], turn.call, turn.request)

    def not_recorded(self, turn: Turn, error: StoreUnavailable) -> None:
        """`sending` could not be written, or nobody knows whether it was: nothing was sent, and the store shall say so."""
        call = turn.call
        self._around.observer.fault("record", error)
        if turn.asks_after:
            self._lane.forget(turn)
            self._lane.asking_after.due(self._lane.asking_after.patience)
            return
        state = State.EXPIRED if turn.interactive else State.QUEUED
        unsent = Settlement(
            call.id, call.fence, call.exchange_no + 1, state, "unsent", "store", due_at=self._around.clock.now()
        )
        self._lane.fail(turn, StoreUnavailable(retry_after=1.0, call=call.id))
        self._lane.settling.keep(unsent, partial(self._returned, turn))

    def unsent(self, turn: Turn, state: State, cause: str, error: HubError | None = None) -> None:
        """End an interactive call that is not on the wire."""
        if turn.recorded:
            self._lane.spawn(self._end(turn.call, state, cause))
        if error is not None:
            self._lane.fail(turn, error, own=not isinstance(error, AgencyUnavailable | LaneFull))
        self._lane.forget(turn)
        self._ended(turn.call, state, cause, turn.overhead)

    def followed(self, turn: Turn, reply: Reply, seconds: float, cause: str) -> None:
        """Tell an interactive caller the answer to another call, now that its own is on record; that took *seconds*."""
        self._lane.answer(turn, reply)
        self._lane.forget(turn)
        self._ended(turn.call, State.ANSWERED, cause, seconds)

    async def die(self, call: Call, cause: str) -> None:
        """End a durable call that cannot be sent any more; a person sees it."""
        await self._end(call, State.DEAD, cause)
        self._ended(call, State.DEAD, cause, 0.0)
        self._waiters.wake(call.id, Reply(call.id, State.DEAD, cause=cause))

    # --- Deciding ----------------------------------------------------------------------------------------------------

    def _decide(self, turn: Turn, ended: Ended) -> _Decided:
        call, outcome = turn.call, ended.outcome
        operation = self._lane.operations[call.step]
        if outcome is None:
            left = turn.future is not None and turn.future.cancelled()
            state = State.EXPIRED if turn.interactive else State.QUEUED
            said = Verdict(state, "unsent", "left" if left else "deadline", "hub", again=Again.HELD)
            if turn.asks_after:
                pending = turn.pending_since is not None
                said = replace(
                    said, state=turn.call.state, again=Again.SPACED if pending else Again.LATER, pending=pending
                )
        elif turn.asks_after:
            filed = self._lane.operations[turn.before]
            same = self._same(turn, outcome)
            if turn.pending_since is not None:
                said = asked_after(outcome, differs=bool(operation.agrees) and not same)
            else:
                asked_on = (
                    filed.then.get("pending") == turn.call.step
                )  # it can be asked on: by the same, which needs no answer
                said = verified(outcome, agrees=same, sees_writes=operation.sees_writes, asked_on=asked_on)
        elif isinstance(outcome, Answered) and self._proves(turn):
            said = verified(outcome, agrees=self._same(turn, outcome), sees_writes=False)
        else:
            # One that tried the ground for everybody is no attempt, and so never the last one either.
            judged = replace(call, attempts=call.attempts - 1) if ended.probe and not turn.interactive else call
            said = verdict(outcome, judged, repeat_safe=operation.repeat_safe, then=operation.then)
        if self._lane.route is not None:
            said = blamed(said, outcome)
        if ended.probe:
            said = replace(said, attempt=False)
        wait = self._wait(turn, said, ended)
        tried_out = said.state is State.EXPIRED and outcome is not None
        if turn.interactive and said.state is State.QUEUED:
            said = self._still_worth_it(turn, said, wait)
        over = turn.until <= self._around.clock.monotonic()
        own = said.state is State.EXPIRED and (over or not tried_out)
        return _Decided(said, outcome, wait, self._reply(turn, said, outcome), own)

    def _proves(self, turn: Turn) -> bool:
        """
        Whether its exchange only proves that the agency has what was filed: the filing is in doubt, or exists already.

        What such a look-up finds is compared and not shown: who may file a thing may not be one who may read it.
        """
        if turn.asks_after:
            return turn.pending_since is None
        return turn.call.kind is Kind.FILING and self._lane.operations[turn.call.step].kind == "lookup"

    def _same(self, turn: Turn, outcome: Outcome | StaleCredentials) -> bool:
        """Whether a look-up found what was sent."""
        found = outcome.value if isinstance(outcome, Answered) else None
        operations = self._lane.operations
        filed = operations[turn.before or turn.call.operation]
        return agrees(operations[turn.call.step], filed, turn.request, found)

    def _wait(self, turn: Turn, said: Verdict, ended: Ended) -> float:
        call, lane = turn.call, self._lane
        match said.again:
            case Again.HELD:
                if not turn.interactive and said.state is State.QUEUED:
                    return 0.0  # it stands in the line until the hold ends, which a person may do before its time
                stop = self._around.coordination.stopped(lane.name, call.step)
                return (stop.seconds or 0.0) if stop else 0.0
            case Again.SPACED:
                since = self._around.clock.now() if turn.pending_since is None else turn.pending_since
                step = turn.before or call.step if turn.asks_after else call.step
                return lane.asking_after.wait_of(replace(call, step=step), pending_since=since)
            case Again.LATER:
                tried = ended.exchange_no if turn.asks_after else call.attempts + 1
                return self._waits.after(tried, interactive=turn.interactive)
            case Again.NEXT:
                return 0.0
        if said.state is State.IN_DOUBT and not turn.asks_after:
            return max(0.0, lane.asking_after.wait_of(replace(call, state=State.IN_DOUBT)) - ended.seconds)
        return NEVER if said.state is State.IN_DOUBT or said.pending else 0.0

    def _still_worth_it(self, turn: Turn, said: Verdict, wait: float) -> Verdict:
        """An interactive call goes again only if somebody still listens and there is time."""
        if turn.once and said.again is not Again.NEXT:  # the next one is soon enough
            return replace(said, state=State.EXPIRED, again=None)
        if turn.until <= self._around.clock.monotonic() + wait:
            return replace(said, state=State.EXPIRED, again=None)
        if turn.future is not None and turn.future.done():
            return replace(said, state=State.EXPIRED, cause="left", again=None)
        return said

    def _reply(self, turn: Turn, said: Verdict, outcome: Outcome | StaleCredentials | None) -> Reply:
        stays = said.pending and turn.pending_since is not None  # it has an answer already, the first one
        if said.state is State.ANSWERED and isinstance(outcome, Answered) and not stays:
            proven = self._proves(turn)
            answer = verified_json(outcome.result, had_already=not turn.asks_after) if proven else answer_json(outcome)
            return Reply(turn.call.id, State.ANSWERED, answer, self._around.clock.now())
        return Reply(turn.call.id, said.state, cause=said.cause)

    def _due_at(self, turn: Turn, decided: _Decided) -> float | None:
        now = self._around.clock.now()
        if decided.verdict.state is State.QUEUED:
            return min(now + decided.wait, max(now, turn.call.deadline))
        asked = decided.verdict.state is State.IN_DOUBT or decided.verdict.pending
        return min(now + decided.wait, NEVER) if asked else None

    # --- Acting ------------------------------------------------------------------------------------------------------

    def _written(self, turn: Turn, decided: _Decided, exchange_no: int, settled: Settled) -> None:
        if settled is Settled.REFUSED:  # somebody knows better: what the store says is true
            self._hear(turn, decided)
            self._lane.forget(turn)
            self._waiters.wake(turn.call.id, None)
            self._lane.backlog.more()
        elif decided.verdict.state is State.QUEUED:
            self._go_again(turn, decided, exchange_no)
        elif turn.asks_after and decided.verdict.again is Again.NEXT:
            self._lane.rejoin(turn, head=True)
            return
        else:
            said = decided.verdict
            told = turn.future is not None and turn.future.done() and not turn.future.cancelled()
            self._hear(turn, decided)
            self._lane.forget(turn)
            doubtful = said.state is State.IN_DOUBT
            if doubtful or said.pending:
                self._lane.asking_after.due(decided.wait)
            if not doubtful and turn.call.order_key is not None:
                self._lane.backlog.more()  # the next of its key may go
            if turn.asks_after and turn.fetches is not None:
                self._lane.heard(turn.fetches.brought)
            if turn.pending_since is not None:  # it is counted as answered since its first answer
                if not said.pending:
                    self._waiters.wake(turn.call.id, decided.reply)
            elif not (doubtful and turn.asks_after):  # else nothing has changed for anybody
                # What the agency said is on record; to its caller, who has heard that its time is over, it was no answer.
                late = told and said.state is State.ANSWERED
                ended = (State.EXPIRED, "answered_late") if late else (said.state, said.cause)
                self._ended(turn.call, *ended, turn.overhead)
                self._waiters.wake(turn.call.id, decided.reply)
        if turn.asks_after:
            self._lane.asking_after.ended()
        self._lane.stir()

    def _go_again(self, turn: Turn, decided: _Decided, exchange_no: int) -> None:
        said, call = decided.verdict, turn.call
        if turn.future is not None and turn.future.done():  # its caller went while this was written
            self.unsent(turn, State.EXPIRED, "left")
            return
        if turn.asks_after or (
            not turn.interactive and (said.again is not Again.NEXT or turn.until <= self._around.clock.monotonic())
        ):
            self._lane.forget(turn)
            self._lane.backlog.due(decided.wait)
            return
        if said.step is not None and isinstance(decided.outcome, Answered):
            turn.before, turn.answer, turn.repeat = call.step, decided.outcome, False
        elif said.repeat:
            turn.repeat = True
        turn.cause = said.cause
        turn.call = replace(
            call,
            state=State.QUEUED,
            step=said.step or call.step,
            attempts=call.attempts + said.attempt,
            exchange_no=exchange_no,
        )
        self._lane.flights.returned(turn)
        if said.again is Again.LATER:
            turn.place = Place.PAUSE
            asyncio.get_running_loop().call_later(decided.wait, self._lane.rejoin, turn)
        else:
            self._lane.rejoin(turn, head=True)

    def _hear(self, turn: Turn, decided: _Decided) -> None:
        """Tell the caller of an interactive call that ended."""
        if not turn.interactive or decided.verdict.state is State.QUEUED:
            return
        if decided.verdict.state is State.ANSWERED:
            self._lane.answer(turn, decided.reply)
        else:
            self._lane.fail(turn, by_outcome(decided.outcome, turn.call.id, decided.wait), own=decided.own)

    def _unwritten(self, turn: Turn, decided: _Decided) -> None:
        """The store does not answer: a look-up's caller hears all the same, a filing's hears that it is in doubt."""
        self._hear(turn, decided)
        if turn.call.kind is Kind.FILING:
            self._waiters.wake(turn.call.id, Reply(turn.call.id, State.IN_DOUBT, cause="unwritten"))
        elif decided.verdict.state is State.ANSWERED:
            self._waiters.wake(turn.call.id, decided.reply)

    def _returned(self, turn: Turn, settled: Settled) -> None:
        """A call whose `sending` was in question is known to be unsent."""
        if turn.interactive:
            return
        if settled is Settled.REFUSED:  # it was never written, so the lease is still ours
            self._lane.spawn(self._lane.backlog.give_back([turn], self._around.clock.now()))
        else:
            self._lane.backlog.more()

    async def _end(self, call: Call, state: State, cause: str) -> None:
        try:
            if state is State.CANCELLED:
                await self._around.store.cancel(call.id, call.caller)
            else:
                await self._around.store.end(call.id, state, cause)
        except StoreUnavailable as error:  # found and ended at the next start
            self._around.observer.fault("end", error)

    # --- Telling -----------------------------------------------------------------------------------------------------

    def _tell(self, turn: Turn, decided: _Decided, seconds: float) -> None:
        observer, call, outcome, name = self._around.observer, turn.call, decided.outcome, self._lane.name
        if outcome is None:
            return
        said = decided.verdict
        observer.exchange(
            call.id, name, call.step, name_of(outcome), said.blame, said.cause, seconds, call.traceparent or ""
        )
        if isinstance(outcome, Answered):
            self._lane.admission.learn(outcome, seconds)
            if outcome.drift:
                observer.drift(name, call.step, outcome.drift)
        elif isinstance(outcome, (Busy, Broken)):
            self._tell_hold(outcome, call.step)

    def _tell_hold(self, outcome: Busy | Broken, step: str) -> None:
        route, lane, coordination = self._lane.route, self._lane.name, self._around.coordination
        if route is not None and isinstance(outcome, Busy) and outcome.route:
            route.tell_hold()
            return
        stop = coordination.stopped(lane, step)
        if stop and f"hold_seconds/{stop.cause}" in coordination.watch(lane):  # else its route stands in the way
            self._around.observer.hold(lane, stop.cause, stop.seconds)

    def _ended(self, call: Call, state: State, cause: str, overhead: float) -> None:
        self._around.observer.call_ended(
            call.id, call.agency, call.operation, state.value, cause, overhead, call.traceparent or ""
        )
