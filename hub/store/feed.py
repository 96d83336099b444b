"""
The feed of each caller: what it is told, in one order, for as long as the store keeps it. `hub.feed` follows it.

A row is written in the commit that makes it true, so nothing is told that did not happen, and nothing that happened is
left out. Rows are numbered as they are written; where several nodes write, a number may become visible after a higher
one, so whoever follows the feed must not pass a gap that is young (`hub/feed.py`).
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sqlalchemy import bindparam, literal_column, select

from hub.store.batch import Batch
from hub.store.prepared import Prepared
from hub.store.rows import Standing
from hub.store.schema import bodies, calls, cursors, fixed, notices
from hub.store.statements import Statements, among

CALL_SETTLED = "call.settled"
SMALL_BYTES = 16 * 1024
"""Answers up to this size are told with what happened; a longer one is read where the call is."""


class Mark(NamedTuple):
    """A place in the feed: its number, when it was written (Unix seconds), and whose it is."""

    seq: int
    at: float
    caller: str | None


@dataclass(frozen=True, slots=True)
class Noticed:
    """One thing a caller is told."""

    seq: int
    id: str
    """The same however often it is told."""
    agency: str
    notice: str
    """Its name, such as `call.settled`."""
    call: str | None
    at: float
    """When it happened, in Unix seconds."""
    data: Mapping[str, Any]
    """Of `call.settled`: `state`, `result` and `cause` as they were then."""
    answer: bytes | None
    """Of `call.settled`: the agency's answer, if it is at most `SMALL_BYTES` and still the last one."""


class KeptFeed(Protocol):
    """Every method raises `hub.errors.StoreUnavailable` when the store did not answer."""

    async def marks(self, after: int, limit: int) -> Sequence[Mark]:
        """List what was written after number *after*, of all callers, in the order of numbers."""
        ...

    async def newest(self, until: float) -> int:
        """Return the highest number written at or before *until* (Unix seconds), 0 if there is none."""
        ...

    async def told(
        self, caller: str, agencies: Collection[str], after: int, upto: int, limit: int
    ) -> Sequence[Noticed]:
        """Return what *caller* is told of *agencies*, numbered above *after* and at most *upto*, in order."""
        ...

    async def acknowledge(self, caller: str, agency: str, seq: int) -> None:
        """Note that *caller* has dealt with everything of *agency* up to number *seq*; never takes it back."""
        ...

    async def acknowledged(self, caller: str, agency: str) -> int:
        """Return the number up to which *caller* has dealt with everything of *agency*."""
        ...


def settled(row: Standing, changed: Mapping[str, Any], at: float) -> dict[str, Any]:
    """Form the row that tells a caller of a lasting state: *row* as it was, and what is *changed* of it."""
    said = {"state": changed["state"], "result": changed["result"], "cause": changed["cause"]}
    return {
        # Each lasting state of a call is entered under another fence.
        "id": f"{row.id}-{changed['fence']}", "agency": row.agency, "notice": CALL_SETTLED, "unique_key": None,
        "dossier": row.dossier, "caller": row.caller, "call": row.id, "received_at": at,
        "bytes": json.dumps(said).encode(),
    }  # fmt: skip


class FeedStatements:
    """What is asked of the feed, compiled once."""

    def __init__(self, statements: Statements) -> None:
        whose = (cursors.c.caller == bindparam("caller"), cursors.c.agency == bindparam("agency"))
        self.cursor: Prepared = statements.prepare(select(cursors.c.seq).where(*whose))
        self.put_cursor: Prepared = statements.replace("cursors")
        marks = select(notices.c.seq, notices.c.received_at, notices.c.caller)
        self.marks: Prepared = statements.prepare(
            marks.where(notices.c.seq > bindparam("after")).order_by(notices.c.seq).limit(bindparam("limit"))
        )
        self.newest: Prepared = statements.prepare(
            select(notices.c.seq)
            .where(notices.c.received_at <= bindparam("until"))
            .order_by(notices.c.seq.desc())
            .limit(1)
        )
        same = (
            (calls.c.id == notices.c.call)
            & (calls.c.state == fixed("answered"))
            & (calls.c.ended_at == notices.c.received_at)
            & (calls.c.answer_size <= literal_column(str(SMALL_BYTES)))
        )
        answer = (bodies.c.call == calls.c.id) & (bodies.c.side == fixed("answer"))
        shown = ("seq", "id", "agency", "notice", "call", "received_at", "bytes")
        self.told: Prepared = statements.prepare(
            select(*(notices.c[name] for name in shown), bodies.c.bytes.label("answer"))
            .select_from(notices.outerjoin(calls, same).outerjoin(bodies, answer))
            .where(notices.c.caller == bindparam("caller"), among(notices.c.agency, "agencies"))
            .where(notices.c.seq > bindparam("after"), notices.c.seq <= bindparam("upto"))
            .order_by(notices.c.seq)
            .limit(bindparam("limit"))
        )


def acknowledge(batch: Batch, say: FeedStatements, caller: str, agency: str, seq: int) -> None:
    """Move a cursor forward."""
    cursor = {"caller": caller, "agency": agency}
    row = batch.run(say.cursor, cursor).fetchone()
    if row is None or row[0] < seq:
        batch.run(say.put_cursor, cursor | {"seq": seq, "moved_at": batch.now})


def to_noticed(row: Sequence[Any]) -> Noticed:
    """Make what is told from a row of `FeedStatements.told`."""
    seq, id_, agency, notice, call, at, data, answer = row
    return Noticed(seq, id_, agency, notice, call, at, json.loads(bytes(data)), answer)
