"""Rows of the tables as objects: a `Call`, and `Standing`, on which a move is decided. `statements.py` says the order."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from hub.call import Call, Class, Kind, Purpose, State
from hub.journal import Entry
from hub.store.protocol import Record


class Standing(NamedTuple):
    """Where a call stands in the table just now."""

    seq: int
    id: str
    state: str
    fence: int
    exchange_no: int
    settled_no: int
    doubt_no: int | None
    interactive: int
    kind: str
    repeat_safe: int
    agency: str
    operation: str
    step: str
    caller: str
    officer: str | None
    unit: str | None
    dossier: str | None
    intake: str | None
    procedure: str | None
    result: str | None
    attempts: int
    due_at: float
    deadline: float
    ended_at: float | None
    lease_node: str | None
    lease_until: float | None
    cls: str


def to_call(row: Sequence[Any], raised: int = 0) -> Call:
    """Make a call from a row that begins with `statements.CALL_COLUMNS`, its fence *raised* since it was read."""
    id_, agency, operation, kind, cls, interactive, caller, officer, unit, dossier, intake, procedure, *rest = row
    fingerprint, accepted_at, deadline, due_at, step, repeat_safe, order_key, key, trace, state, *numbers = rest
    return Call(
        id_, agency, operation, Kind(kind), Class(cls), bool(interactive), caller,
        Purpose(officer, unit, dossier, intake, procedure),
        fingerprint, accepted_at, deadline, due_at, step, bool(repeat_safe), order_key, key, trace, State(state),
        numbers[0] + raised, numbers[1], numbers[2],
    )  # fmt: skip


def to_record(row: Sequence[Any], answer: bytes | None) -> Record:
    """Make a record from a row of `CALL_COLUMNS`, result, cause and moment of the end."""
    call = to_call(row)
    result, cause, ended_at = row[25:28]
    return Record(call, answer, result, cause, ended_at if call.state is State.ANSWERED else None)


def from_call(call: Call, digest: str, size: int) -> dict[str, Any]:
    """Make the row of a new call."""
    purpose = call.purpose
    return {
        "id": call.id, "agency": call.agency, "operation": call.operation, "kind": call.kind.value,
        "class": call.cls.value,
        "interactive": call.interactive, "caller": call.caller, "officer": purpose.officer, "unit": purpose.unit,
        "dossier": purpose.dossier, "intake": purpose.intake, "procedure": purpose.procedure,
        "fingerprint": call.fingerprint, "accepted_at": call.accepted_at, "deadline": call.deadline,
        "due_at": call.due_at, "step": call.step, "repeat_safe": call.repeat_safe, "order_key": call.order_key,
        "idempotency_key": call.idempotency_key, "traceparent": call.traceparent, "state": "queued",
        "fence": call.fence, "attempts": call.attempts, "exchange_no": call.exchange_no, "settled_no": 0,
        "doubt_no": None, "lease_node": None, "lease_until": None, "cause": "", "result": None, "ended_at": None,
        "payer": f"{call.caller} {purpose.unit or ''}",  # no caller's name holds a space
        "request_digest": digest, "request_size": size, "answer_digest": None, "answer_size": None,
    }  # fmt: skip


def digest_of(body: bytes) -> str:
    """Return what is kept of a body that is not kept: SHA-256 in hex."""
    return sha256(body).hexdigest()


def said_of(call: Call, at: float, event: str, detail: str = "") -> Entry:
    """Form the journal entry of a new call."""
    purpose = call.purpose
    why = _purpose(purpose.dossier, purpose.intake, purpose.procedure)
    return Entry(
        at, event, call.id, call.caller, purpose.officer, purpose.unit, call.agency, call.operation, why, detail
    )


def said_of_row(row: Standing, at: float, event: str, detail: str = "") -> Entry:
    """Form the journal entry of a move."""
    why = _purpose(row.dossier, row.intake, row.procedure)
    return Entry(at, event, row.id, row.caller, row.officer, row.unit, row.agency, row.operation, why, detail)


def _purpose(dossier: str | None, intake: str | None, procedure: str | None) -> str:
    given = (("dossier", dossier), ("intake", intake), ("procedure", procedure))
    return " ".join(f"{name}={value}" for name, value in given if value)
