"""
What a person may do with a call in doubt or with a dead letter: five acts, one move each. Read `hub.call.MOVES` first.

Every decision is one commit with its journal entry, which says who decided, what and why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import bindparam, update

from hub.call import Class, State
from hub.store.accepting import remember
from hub.store.batch import Batch
from hub.store.handling import confirmed
from hub.store.moving import move, standing
from hub.store.prepared import Prepared
from hub.store.rows import Standing, digest_of, said_of_row
from hub.store.schema import DECIDED, calls
from hub.store.statements import Statements

REPLAY_SECONDS = 7 * 86_400.0
"""A call that a person sends again gets as long as one that is new."""
REPLAY_ROOM = 0.8
"""Part of a backlog up to which replays may fill it: the rest is for what is filed now, as with the day's calls."""


class Act(StrEnum):
    """What a person may decide."""

    DONE = "done"
    """The agency has it: the call is answered, by the person's word."""
    NOT_DONE = "not_done"
    """The agency does not have it: the call is sent again."""
    GIVE_UP = "give_up"
    """Nobody can say: the call becomes a dead letter."""
    REPLAY = "replay"
    """Send a dead letter again, as bulk."""
    DISCARD = "discard"
    """End a dead letter for good; what stood behind it may go."""


class Turning(NamedTuple):
    """The one move of an act."""

    was: State
    to: State
    cause: str
    """What the call says of itself afterwards."""


TURNINGS: MappingProxyType[Act, Turning] = MappingProxyType(
    {
        Act.DONE: Turning(State.IN_DOUBT, State.ANSWERED, "confirmed"),
        Act.NOT_DONE: Turning(State.IN_DOUBT, State.QUEUED, "sent_again"),
        Act.GIVE_UP: Turning(State.IN_DOUBT, State.DEAD, "given_up"),
        Act.REPLAY: Turning(State.DEAD, State.QUEUED, "replayed"),
        Act.DISCARD: Turning(State.DEAD, State.CANCELLED, "discarded"),
    }
)
"""Total: each act has its row, and each move is one of `hub.call.MOVES`."""

BY_PERSON = frozenset(turning.cause for turning in TURNINGS.values() if turning.to is State.QUEUED)
"""Causes of a queued call that a person sent again and that has not left since: it pays from no budget of retries."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided, and why."""

    act: Act
    by: str
    """Who, as the journal will say."""
    reason: str
    """Why, in that person's words; never a citizen's data."""
    answer: bytes | None = None
    """Of `done`: what its caller hears, JSON `{result, value, reason}`."""
    refs: Mapping[str, str] = field(default_factory=dict)
    """Of `done`: our key -> the agency's, remembered as if the agency had answered."""


class Fate(StrEnum):
    """What became of one call that was decided about."""

    MOVED = "moved"
    MOVED_MEANWHILE = "moved_meanwhile"
    """It no longer stands where this act begins: an answer, a look-up or somebody else was first."""
    NOT_ALLOWED = "not_allowed"
    """It cannot be sent again: its request was not kept, or its agency has left the settings."""
    NO_ROOM = "no_room"
    """The backlog of its agency is filled as far as replays may fill it; try again when some have gone."""
    UNKNOWN = "unknown"


class Decided(NamedTuple):
    """What became of one call, and where it is now."""

    call: str
    fate: Fate
    state: State | None = None
    agency: str = ""
    operation: str = ""


class DecidingStatements:
    """What only a decision asks of the table, compiled once."""

    def __init__(self, statements: Statements) -> None:
        self.make_bulk: Prepared = statements.prepare(
            update(calls).where(calls.c.seq == bindparam("at")).values({"class": bindparam("to_class")})
        )


def decide(batch: Batch, say: DecidingStatements, of: Sequence[str], decision: Decision) -> list[Decided]:
    """Carry out *decision* for each call of *of*; what cannot be moved is told, and keeps nothing from the others."""
    return [_decide(batch, say, call, decision) for call in of]


def _decide(batch: Batch, say: DecidingStatements, call: str, decision: Decision) -> Decided:
    row = standing(batch, call)
    if row is None:
        return Decided(call, Fate.UNKNOWN)
    was, to, cause = TURNINGS[decision.act]
    fate = _fate(batch, row, was, to, decision.act)
    if fate is not Fate.MOVED:
        return Decided(call, fate, State(row.state), row.agency, row.operation)
    changes: dict[str, Any] = {"fence": row.fence + 1, "settled_no": row.exchange_no, "ended_at": batch.now}
    changes |= {"cause": cause, "due_at": batch.now}
    if to is State.QUEUED:
        again = {"attempts": 0, "deadline": batch.now + REPLAY_SECONDS, "step": row.operation, "ended_at": None}
        changes |= again
    if decision.answer is not None:
        changes |= {"result": "ok", "answer_digest": digest_of(decision.answer), "answer_size": len(decision.answer)}
        batch.run(batch.say.put_body, {"call": row.id, "side": "answer", "bytes": decision.answer})
    if decision.act is Act.REPLAY:
        batch.run(say.make_bulk, {"at": row.seq, "to_class": Class.BULK.value})
    move(batch, row, to, **changes)
    remember(batch, row.id, row.dossier, row.agency, decision.refs)
    if decision.act is Act.DONE:
        confirmed(batch, row.id)
    said = said_of_row(row, batch.now, DECIDED, f"{decision.act}: {decision.reason}")
    batch.write(said._replace(caller=decision.by))
    return Decided(call, Fate.MOVED, to, row.agency, row.operation)


def _fate(batch: Batch, row: Standing, was: State, to: State, act: Act) -> Fate:
    if row.state != was:
        return Fate.MOVED_MEANWHILE
    if to is not State.QUEUED:
        return Fate.MOVED
    bound = batch.backlog_bound(row.agency)
    if row.interactive or bound is None:
        return Fate.NOT_ALLOWED
    if act is Act.REPLAY and batch.backlog(row.agency) >= REPLAY_ROOM * bound:
        return Fate.NO_ROOM
    return Fate.MOVED
