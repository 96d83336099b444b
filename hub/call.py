"""
A call: one request by a caller for one operation, and the moves it may make. Start here, then `store/protocol.py`.

Everything here is frozen data; `dispatcher.py` moves it and the store keeps it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from types import MappingProxyType
from typing import Final, NamedTuple
from uuid import UUID, uuid5

from pydantic import BaseModel

from hub.handled import Handled


class State(StrEnum):
    """Where a call stands (design section 5)."""

    QUEUED = "queued"
    """Accepted, waiting for a permit: in the lane's memory (interactive) or in the store (durable)."""
    SENDING = "sending"
    """Recorded as leaving; an exchange is on the wire or about to be."""
    ANSWERED = "answered"
    """The agency's answer is settled: ok, not_found, refused or pending."""
    IN_DOUBT = "in_doubt"
    """A filing was sent and its outcome is unknown: verified by look-up, late evidence or a person."""
    DEAD = "dead"
    """Will not be tried again without a person."""
    EXPIRED = "expired"
    """An interactive call whose time ran out. Durable calls never expire; they die with cause `deadline`."""
    CANCELLED = "cancelled"
    """Taken back by its caller while still queued, or discarded by a person when it was dead."""


MOVES: MappingProxyType[State | None, frozenset[State]] = MappingProxyType(
    {
        # Accepted; opened as it leaves; answered by the exchange of another call, which it followed.
        None: frozenset({State.QUEUED, State.SENDING, State.ANSWERED}),
        # In doubt without an exchange: only in a restored copy of a store, since it may have been sent after the copy.
        State.QUEUED: frozenset({State.SENDING, State.EXPIRED, State.CANCELLED, State.DEAD, State.IN_DOUBT}),
        State.SENDING: frozenset({State.ANSWERED, State.IN_DOUBT, State.DEAD, State.QUEUED, State.EXPIRED}),
        State.IN_DOUBT: frozenset({State.ANSWERED, State.QUEUED, State.DEAD}),
        State.DEAD: frozenset({State.QUEUED, State.CANCELLED}),  # sent again, or discarded: by a person only
        State.ANSWERED: frozenset({State.ANSWERED}),  # only from result `pending`
        State.EXPIRED: frozenset(),
        State.CANCELLED: frozenset(),
    }
)
"""Every allowed move; None: not in the store yet. Total: each state has a row, and no move is made that is not here."""

BUILT_IN = "hub"
"""The caller of what the hub itself asks: polls, reconciliation, trying whether an agency answers. No key opens it."""

NEVER = 32_503_680_000.0
"""The year 3000: due moment of a call that only a person moves."""

PENDING: Final = "pending"
"""Result of an answer whose end is not known yet: the only one after which another may come."""

WAITING = frozenset({State.QUEUED, State.SENDING})
"""States in which a caller may still hear back without anybody's help."""


class Kind(StrEnum):
    """What an operation does to the agency."""

    LOOKUP = "lookup"
    FILING = "filing"


class Class(StrEnum):
    """Whose turn it is when a lane is short: `counter` means a citizen stands there."""

    COUNTER = "counter"
    NORMAL = "normal"
    BULK = "bulk"


class Purpose(NamedTuple):
    """Why personal data is accessed, and for whom. Officer and unit are ids of the registers."""

    officer: str | None = None
    unit: str | None = None
    dossier: str | None = None
    intake: str | None = None
    procedure: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request by a caller for one operation, as the store keeps it. Moments are Unix seconds."""

    id: str
    """UUIDv7, canonical text."""
    agency: str
    operation: str
    kind: Kind
    cls: Class
    interactive: bool
    """True: waits in memory, may be shed, ends `expired`. False: durable, recorded before its 202."""
    caller: str
    purpose: Purpose
    fingerprint: str
    """SHA-256 (hex) of the canonical JSON of the validated request and the dossier."""
    accepted_at: float
    deadline: float
    due_at: float
    """Not before this moment: acceptance, or the end of the wait after a failed attempt."""
    step: str
    """The operation whose exchange comes next: `operation` itself, or what `then` names."""
    repeat_safe: bool = False
    """From the manifest: a repeat does no harm. Decides what a crash while sending means."""
    order_key: str | None = None
    """Value of `order_by`: calls of one agency with the same key go one at a time, in order of acceptance."""
    idempotency_key: str | None = None
    traceparent: str | None = None
    state: State = State.QUEUED
    fence: int = 0
    """Rises with every lease; a settle under an older fence is late."""
    attempts: int = 0
    """Exchanges that ended `Unavailable` or `InDoubt`."""
    exchange_no: int = 0
    """Rises in the commit that writes `sending`."""
    batch: str | None = None
    """Id of the batch its caller handed it in with; None: it came alone."""
    handled: Handled | None = None
    """What is counted once it is on record; of one that is read back, nothing."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What a door hands to the dispatcher: a validated request, and how its caller wants to be served."""

    agency: str
    operation: str
    caller: str
    cls: Class
    request: BaseModel
    request_json: bytes
    """The request as canonical JSON, what a durable call keeps and what its fingerprint is made of."""
    purpose: Purpose
    wait: float | None
    """Seconds the caller waits for the answer; None: it wants a ticket at once (`respond-async`)."""
    deadline: float | None = None
    """`Hub-Deadline` in seconds from now; None: 30 s for interactive, 7 days for durable calls."""
    idempotency_key: str | None = None
    traceparent: str | None = None
    batch: str | None = None
    """Id of the batch it came with; None: it came alone."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a caller hears about a call. `answer` is JSON `{result, value, reason}` as bytes once there is one."""

    call: str
    state: State
    answer: bytes | None = None
    answered_at: float | None = None
    cause: str = ""
    """Why a call that is not answered stands where it stands, e.g. `timeout`, `deadline`."""
    fresh_as_of: float | None = None
    """When the agency said so, where that was before `answered_at`: for another call, which this one followed."""


def made_at(call_id: str) -> float:
    """Return when the id of a call was made, Unix seconds: what `uuid7` put into it. Infinite for what is no such id."""
    try:
        return int(call_id[:8] + call_id[9:13], 16) / 1000
    except ValueError:
        return inf


def uuid7(now: float, random_bytes: Callable[[int], bytes]) -> str:
    """Return a UUIDv7 (RFC 9562 section 5.7) for *now* in Unix seconds, with 10 bytes taken from *random_bytes*."""
    value = (int(now * 1000) & (1 << 48) - 1) << 80 | int.from_bytes(random_bytes(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def exchange_id(call: str, number: int) -> str:
    """
    Return the id by which an agency knows exchange *number* of *call*: a UUIDv5 in the name space of the call.

    Nothing keeps it: whoever has the exchange's row can say it, and who has an agency's log can find the row.
    """
    return str(uuid5(UUID(call), str(number)))
