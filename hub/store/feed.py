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

from sqlalchemy import ColumnElement, and_, bindparam, literal_column, or_, select, union_all

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
    dossier: str | None = None
    told: bytes = b""
    """Of what an agency told: JSON `{value, refs}`."""
    model: str | None = None
    """Of what an agency told: canonical name of `value`, None where it carries none."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a caller is told of: everything of some agencies, single notices of others, at wish of one dossier only."""

    agencies: Collection[str]
    notices: Collection[str] = ()
    """As keys name them: `tax.tax_notice_received`."""
    dossier: str | None = None

    @property
    def empty(self) -> bool:
        """True: nothing is told."""
        return not (self.agencies or self.notices)


class KeptFeed(Protocol):
    """Every method raises `hub.errors.StoreUnavailable` when the store did not answer."""

    async def marks(self, after: int, limit: int) -> Sequence[Mark]:
        """List what was written after number *after*, of all callers, in the order of numbers."""
        ...

    async def newest(self, until: float) -> int:
        """Return the highest number written at or before *until* (Unix seconds), 0 if there is none."""
        ...

    async def told(self, caller: str, reach: Reach, after: int, upto: int, limit: int) -> Sequence[Noticed]:
        """
        Return what *caller* is told within *reach*, numbered above *after* and at most *upto*, in order.

        That is what is its own, and what is nobody's in particular.
        """
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
        "bytes": json.dumps(said).encode(), "model": None,
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
        shown = ("seq", "id", "agency", "notice", "call", "received_at", "bytes", "dossier", "model")
        asked = [notices.c[name] for name in shown]
        place = and_(notices.c.seq > bindparam("after"), notices.c.seq <= bindparam("upto"))
        name = notices.c.agency.op("||")(fixed(".")).op("||")(notices.c.notice)
        within = or_(among(notices.c.agency, "agencies"), among(name, "notices"))

        def told(*whose: ColumnElement[bool]) -> Prepared:
            """Each arm walks an index of its own in the order of numbers, so that neither is sorted whole."""
            arms = [
                select(*asked)
                .where(one, place, within)
                .order_by(notices.c.seq)
                .limit(bindparam("limit"))
                .subquery(f"arm{number}")
                for number, one in enumerate(whose)
            ]
            told = union_all(*(select(arm) for arm in arms)).subquery("told")
            same = (
                (calls.c.id == told.c.call)
                & (told.c.notice == fixed(CALL_SETTLED))
                & (calls.c.state == fixed("answered"))
                & (calls.c.ended_at == told.c.received_at)
                & (calls.c.answer_size <= literal_column(str(SMALL_BYTES)))
            )
            answer = (bodies.c.call == calls.c.id) & (bodies.c.side == fixed("answer"))
            return statements.prepare(
                select(*told.c, bodies.c.bytes.label("answer"))
                .select_from(told.outerjoin(calls, same).outerjoin(bodies, answer))
                .order_by(told.c.seq)
                .limit(bindparam("limit"))
            )

        mine, of_all = notices.c.caller == bindparam("caller"), notices.c.caller.is_(None)
        self.told: Prepared = told(mine, of_all)
        self.told_of_dossier: Prepared = told(and_(notices.c.dossier == bindparam("dossier"), or_(mine, of_all)))


def acknowledge(batch: Batch, say: FeedStatements, caller: str, agency: str, seq: int) -> None:
    """Move a cursor forward."""
    cursor = {"caller": caller, "agency": agency}
    row = batch.run(say.cursor, cursor).fetchone()
    if row is None or row[0] < seq:
        batch.run(say.put_cursor, cursor | {"seq": seq, "moved_at": batch.now})


def to_noticed(row: Sequence[Any]) -> Noticed:
    """Make what is told from a row of `FeedStatements.told`."""
    seq, id_, agency, notice, call, at, said, dossier, model, answer = row
    if notice == CALL_SETTLED:
        return Noticed(seq, id_, agency, notice, call, at, json.loads(bytes(said)), answer, dossier)
    return Noticed(seq, id_, agency, notice, call, at, {}, None, dossier, bytes(said), model)
