"""
Calls that a caller hands in together: taken on in one commit, and read by page. (`batch.py` is what a commit shares.)

`SqliteStore.batches` is the embedded one. A batch is no more than its id on each of its calls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import bindparam, func, literal_column, select

from hub.call import Call, State
from hub.errors import BacklogFull, HubError, IdempotencyConflict
from hub.store.accepting import accept as accept_one
from hub.store.batch import Batch
from hub.store.feed import SMALL_BYTES
from hub.store.prepared import Prepared
from hub.store.protocol import Accepted, Record
from hub.store.rows import to_record
from hub.store.schema import bodies, calls, fixed
from hub.store.statements import CALL_COLUMNS, Statements
from hub.store.tables import Rows


@dataclass(frozen=True, slots=True)
class Part:
    """Which calls of a batch: one caller's, at one agency."""

    caller: str
    agency: str
    batch: str
    state: State | None = None
    after: str | None = None
    """Only calls accepted after this one, by its id."""
    limit: int = 100


class KeptBatches(Protocol):
    """Every method raises `hub.errors.StoreUnavailable` when the store did not answer."""

    async def accept(self, calls: Sequence[tuple[Call, bytes]]) -> Sequence[Accepted | HubError]:
        """
        Record durable calls of one agency, with their requests, in their order and in one commit.

        Return for each what became of it, as `Store.accept` would say or raise: `IdempotencyConflict` is of one call
        alone; after the first `BacklogFull` every later call that is new is refused likewise, so that none passes another.
        """
        ...

    async def page(self, part: Part) -> Sequence[Record]:
        """Return calls of a batch in order of acceptance, each with its answer if that is at most `feed.SMALL_BYTES`."""
        ...

    async def counts(self, part: Part) -> Mapping[State, int]:
        """Count the calls of a batch by state; `state`, `after` and `limit` of *part* are not looked at."""
        ...


class BatchStatements:
    """What is asked of batches, compiled once."""

    def __init__(self, statements: Statements) -> None:
        whose = [calls.c[name] == bindparam(name) for name in ("caller", "agency", "batch")]
        self.counts: Prepared = statements.prepare(
            select(calls.c.state, func.count()).where(*whose).group_by(calls.c.state)
        )
        last = calls.alias("last")
        after = select(last.c.seq).where(last.c.id == bindparam("after")).scalar_subquery()
        small = (
            (bodies.c.call == calls.c.id)
            & (bodies.c.side == fixed("answer"))
            & (calls.c.answer_size <= literal_column(str(SMALL_BYTES)))
        )
        page = (
            select(*(calls.c[name] for name in (*CALL_COLUMNS, "result", "cause", "ended_at")), bodies.c.bytes)
            .select_from(calls.outerjoin(bodies, small))
            .where(*whose, calls.c.seq > func.coalesce(after, literal_column("0")))
            .order_by(calls.c.seq)
            .limit(bindparam("limit"))
        )
        self.page: Prepared = statements.prepare(page)
        self.page_in_state: Prepared = statements.prepare(page.where(calls.c.state == bindparam("state")))


def accept(batch: Batch, calls: Sequence[tuple[Call, bytes]]) -> list[Accepted | HubError]:
    """Record calls in their order; once the backlog is full, only what is on record already is found."""
    for agency, order_key in sorted({(call.agency, call.order_key) for call, _ in calls if call.order_key}):
        batch.queue_up(agency, order_key)  # all, and always in this order: two nodes must not wait for each other
    return [_accept(batch, call, request) for call, request in calls]


def _accept(batch: Batch, call: Call, request: bytes) -> Accepted | HubError:
    try:
        return accept_one(batch, call, request)
    except (IdempotencyConflict, BacklogFull) as refusal:  # raised before anything of it was written
        return refusal


def page(rows: Rows, say: BatchStatements, part: Part) -> list[Record]:
    """Read one page."""
    asked = {"caller": part.caller, "agency": part.agency, "batch": part.batch, "limit": part.limit}
    asked["after"] = part.after or ""
    if part.state is None:
        found = rows(say.page, asked)
    else:
        found = rows(say.page_in_state, asked | {"state": part.state.value})
    return [to_record(row, row[-1]) for row in found]


def counts(rows: Rows, say: BatchStatements, part: Part) -> dict[State, int]:
    """Count by state."""
    found = rows(say.counts, {"caller": part.caller, "agency": part.agency, "batch": part.batch})
    return {State(state): int(count) for state, count in found}
