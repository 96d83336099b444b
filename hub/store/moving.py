"""
Moves of a call between its states, each decided on the row as it stands now. Read `hub.call.MOVES` first.

`judge` is the whole law of a settle: what is current, what is late evidence, what is refused. Every move passes
`move`, which refuses what is not as it was read, keeps the count of the backlog, and tells the feed of its caller.
"""

from collections.abc import Sequence
from typing import Any

from hub.call import MOVES, PENDING, WAITING, Kind, State
from hub.store import handling
from hub.store.accepting import OUTLASTS, begun, remember
from hub.store.batch import Batch
from hub.store.feed import settled
from hub.store.protocol import Settled, Settlement
from hub.store.rows import Standing, digest_of, said_of_row


def standing(batch: Batch, call_id: str) -> Standing | None:
    """Return where the call stands now."""
    row = batch.standing(call_id)
    return None if row is None else Standing(*row)


def renew(batch: Batch, node: str, calls: Sequence[str], ttl: float) -> Sequence[str]:
    """Extend leases of *node* that have not ended."""
    values: dict[str, Any] = {"node": node, "now": batch.now, "until": batch.now + ttl}
    for call in calls:
        batch.touch(call)
    return [call for call in calls if batch.run(batch.say.renew, values | {"call": call}).rowcount == 1]


def give_back(batch: Batch, node: str, calls: Sequence[str], due_at: float | None = None) -> None:
    """End leases of calls that were not sent; with *due_at*, they are not ready before that moment."""
    for call in calls:
        batch.touch(call)
        if due_at is None:
            for agency, cls in batch.run(batch.say.give_back, {"call": call, "node": node}).fetchall():
                batch.news.ready(agency, cls)
        else:
            batch.run(batch.say.postpone, {"call": call, "node": node, "due": due_at})


def begin(batch: Batch, call_id: str, fence: int, node: str) -> int | None:
    """Write that the call leaves, if it is still this node's to send."""
    row = standing(batch, call_id)
    if row is None or row.state != State.QUEUED or row.fence != fence:
        return None
    lease_ended = row.lease_until is None or row.lease_until <= batch.now
    if row.lease_node not in (None, node) or (lease_ended and not row.interactive):
        return None
    return _begin(batch, row, batch.say.begin, {"node": node})


def begin_asking(batch: Batch, call_id: str, node: str, step: str | None = None) -> tuple[int, int] | None:
    """Write that an exchange leaves which asks by *step* after the call: in doubt, or with an answer that is `pending`."""
    row = standing(batch, call_id)
    if row is None or not (row.state == State.IN_DOUBT or is_pending(row)):
        return None
    if row.lease_node is not None and (row.lease_until or 0.0) > batch.now:
        return None
    asks = row._replace(step=step or row.step)
    number = _begin(batch, asks, batch.say.ask, {"node": node, "until": batch.now + OUTLASTS})
    return row.fence + 1, number


def _begin(batch: Batch, row: Standing, statement: Any, values: dict[str, Any]) -> int:
    number = row.exchange_no + 1
    guard = {"at": row.seq, "was_fence": row.fence, "was_state": row.state, "no": number}
    batch.later(statement, guard | values, row.id)
    begun(batch, row.id, number, row.agency, row.step, values["node"])
    event = "sending" if row.state == State.QUEUED else "asking" if row.state == State.ANSWERED else "verifying"
    batch.write(said_of_row(row, batch.now, event, str(number)))
    return number


def is_pending(row: Standing) -> bool:
    """Say whether the call has an answer whose end is not known yet."""
    return row.state == State.ANSWERED and row.result == PENDING


def ask_now(batch: Batch, call_id: str) -> str | None:
    """Let a durable call whose answer is pending fall due at once, also while it is asked after."""
    row = standing(batch, call_id)
    if row is None or row.interactive or not is_pending(row):
        return None
    guard = {"at": row.seq, "was_fence": row.fence, "was_state": row.state}
    batch.later(batch.say.ask_now, guard | {"due_at": batch.now}, row.id)
    return row.agency


def judge(row: Standing, settlement: Settlement) -> Settled:
    """Decide what a settle may do to the call as it stands."""
    was, to = State(row.state), settlement.state
    current = (row.fence, row.exchange_no) == (settlement.fence, settlement.exchange_no)
    if was is State.SENDING:
        return Settled.APPLIED if current and allowed(row, to) else Settled.REFUSED
    if was is State.IN_DOUBT:
        if settlement.exchange_no == row.doubt_no:
            return Settled.LATE_EVIDENCE if allowed(row, to) else Settled.REFUSED
        inconclusive = to is State.IN_DOUBT
        return Settled.APPLIED if current and (inconclusive or allowed(row, to)) else Settled.REFUSED
    if was is State.ANSWERED:
        return Settled.APPLIED if current and allowed(row, to) else Settled.REFUSED
    return Settled.REFUSED


def allowed(row: Standing, to: State) -> bool:
    """Say whether the table of moves, and what the call is, let it go to *to*."""
    if to not in MOVES[State(row.state)]:
        return False
    if to is State.EXPIRED:
        return bool(row.interactive)
    if to is State.IN_DOUBT:
        return row.kind == Kind.FILING
    if row.state == State.ANSWERED:
        return is_pending(row)
    return True


def settle(batch: Batch, settlement: Settlement) -> Settled:
    """Apply how an exchange ended."""
    row = standing(batch, settlement.call_id)
    if row is None:
        return Settled.REFUSED
    same = (row.fence, row.settled_no, row.state)
    if same == (settlement.fence, settlement.exchange_no, settlement.state):
        return Settled.APPLIED  # told twice, because the first commit gave no clear answer
    verdict = judge(row, settlement)
    if verdict is Settled.REFUSED:
        return verdict
    late = verdict is Settled.LATE_EVIDENCE
    if is_pending(row) and settlement.result == PENDING:
        _stays_pending(batch, row, settlement)
    else:
        move(batch, row, settlement.state, **_changes(batch, row, settlement, late))
    ending = {"outcome": settlement.outcome, "cause": settlement.cause, "seconds": settlement.seconds}
    batch.later(batch.say.end_exchange, ending | {"of_call": row.id, "of_no": settlement.exchange_no}, row.id)
    _keep(batch, row, settlement)
    if settlement.state is State.ANSWERED and settlement.result == "ok":
        handling.keep(batch, row.agency, row.id, settlement.handled)
    if settlement.outcome == "unsent":
        begun_at = batch.run(batch.say.sent_at, {"of_call": row.id, "of_no": settlement.exchange_no}).fetchone()[0]
        batch.sent(row.agency, begun_at, -1)
    detail = f"{settlement.exchange_no} {settlement.outcome} {settlement.cause}".rstrip()
    event = f"late_evidence {settlement.state}" if late else str(settlement.state)
    batch.write(said_of_row(row, batch.now, event, detail))
    return verdict


def _changes(batch: Batch, row: Standing, settlement: Settlement, late: bool) -> dict[str, Any]:
    """Return what a settle changes besides the state."""
    to, answer = settlement.state, settlement.answer
    changes: dict[str, Any] = {
        "fence": row.fence + late,  # a verification that is still on the wire must not speak after the evidence
        "attempts": row.attempts + settlement.attempt,
        "settled_no": max(row.settled_no, settlement.exchange_no),
        "cause": settlement.cause,
        "result": settlement.result,
        "ended_at": batch.now,
    }
    if answer is not None:
        changes |= {"answer_digest": digest_of(answer), "answer_size": len(answer)}
    if to is State.QUEUED:
        due_at = row.due_at if settlement.due_at is None else settlement.due_at
        changes |= {"due_at": due_at, "step": settlement.step or row.step, "ended_at": None}
        changes["lease_node"] = row.lease_node if row.interactive else None
    elif to is State.ANSWERED and settlement.due_at is not None:
        changes["due_at"] = settlement.due_at
    elif to is State.IN_DOUBT:
        changes["due_at"] = batch.now if settlement.due_at is None else settlement.due_at
        changes["doubt_no"] = row.doubt_no or settlement.exchange_no
        changes["ended_at"] = row.ended_at or batch.now
    return changes


def _stays_pending(batch: Batch, row: Standing, settlement: Settlement) -> None:
    """Write when it is asked after next: at once, if somebody wanted to know while it was on the wire."""
    began = batch.run(batch.say.sent_at, {"of_call": row.id, "of_no": settlement.exchange_no}).fetchone()[0]
    planned = row.due_at if settlement.due_at is None else settlement.due_at
    changes: dict[str, Any] = {"due_at": row.due_at if began < row.due_at <= batch.now else planned}
    changes |= {"cause": settlement.cause, "settled_no": max(row.settled_no, settlement.exchange_no)}
    guard = {"at": row.seq, "was_fence": row.fence, "was_state": row.state}
    batch.later(batch.say.ask_again, guard | changes, row.id)


def _keep(batch: Batch, row: Standing, settlement: Settlement) -> None:
    if settlement.answer is not None and not row.interactive:
        batch.later(batch.say.put_body, {"call": row.id, "side": "answer", "bytes": settlement.answer}, row.id)
    remember(batch, row.id, row.dossier, row.agency, settlement.refs)


def end(batch: Batch, call_id: str, state: State, cause: str) -> bool:
    """End a call that is not on the wire."""
    row = standing(batch, call_id)
    if row is None or row.state not in (State.QUEUED, State.IN_DOUBT) or not allowed(row, state):
        return False
    if state not in (State.EXPIRED, State.DEAD):
        return False
    move(batch, row, state, cause=cause, ended_at=batch.now, fence=row.fence + 1)
    batch.write(said_of_row(row, batch.now, state, cause))
    return True


def cancel(batch: Batch, call_id: str, caller: str) -> State | None:
    """Take a queued call back for its caller."""
    row = standing(batch, call_id)
    if row is None or row.caller != caller:
        return None
    if row.state != State.QUEUED:
        return State(row.state)
    move(batch, row, State.CANCELLED, ended_at=batch.now, fence=row.fence + 1)
    batch.write(said_of_row(row, batch.now, State.CANCELLED))
    return State.CANCELLED


def move(batch: Batch, row: Standing, to: State, **changes: Any) -> None:
    """Write *row* in state *to* with *changes*, if it is still as read; what lasts of a durable call is told its caller."""
    values: dict[str, Any] = {
        "at": row.seq, "was_fence": row.fence, "was_state": row.state, "state": to.value, "fence": row.fence,
        "attempts": row.attempts, "due_at": row.due_at, "deadline": row.deadline, "step": row.step, "cause": "",
        "result": None, "ended_at": None, "settled_no": row.settled_no, "doubt_no": None, "lease_node": None,
        "answer_digest": None, "answer_size": None,
    }  # fmt: skip
    values.update(changes)
    batch.later(batch.say.move, values, row.id)
    if not row.interactive:
        batch.moved[row.agency] += (to in WAITING) - (row.state in WAITING)
        if to not in WAITING and (to.value, values["result"]) != (row.state, row.result):
            batch.tell(settled(row, values, batch.now))
        _note(batch, row, to, values["due_at"])


def _note(batch: Batch, row: Standing, to: State, due_at: float) -> None:
    """Tell other nodes. Whoever waits for an interactive call waits where it is sent, and needs no news."""
    if to is State.QUEUED and due_at <= batch.now:
        batch.news.ready(row.agency, row.cls)
    if to not in WAITING:
        batch.news.ended(row.id)
    if to is State.IN_DOUBT:
        batch.news.doubt(row.agency)
