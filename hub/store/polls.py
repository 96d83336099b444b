"""
How far each poll has come: one row of an agency's notice, its cursor, and which node fetches just now. `hub.polling` runs it.

What a page brought and the cursor after it are one commit, under the fence of whoever fetched: a node that was slow, or
that is dead, moves nothing.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from sqlalchemy import and_, bindparam, null, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from hub.call import Call
from hub.errors import BacklogFull, IdempotencyConflict
from hub.journal import Entry
from hub.store.accepting import BACKLOG_RETRY_AFTER, accept
from hub.store.batch import Batch
from hub.store.schema import polls
from hub.store.statements import Statements
from hub.store.tables import Tables


class PollRow(NamedTuple):
    """A poll as it stands. Moments are Unix seconds."""

    agency: str
    notice: str
    cursor: str | None
    """After which notice the next page begins, in the agency's words; None: from the first."""
    moved_at: float | None
    """When the cursor last moved."""
    due_at: float
    fence: int
    lease_node: str | None
    lease_until: float | None
    last_at: float | None
    """When it was last run to its end; None: never."""
    outcome: str
    """How that ended: `answered`, an outcome or the code of a problem, `held`; empty: it never ran."""
    cause: str
    taken: int
    """New notices of that run."""
    failures: int
    """Runs in a row that brought no answer."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one page of a poll brought, to be written in one commit."""

    agency: str
    notice: str
    fence: int
    cursor: str | None
    """Where the next page begins."""
    keep: Callable[[Batch], int]
    """Writes the notices into the commit and says how many were new; raises a `HubError` before anything is written."""
    calls: Sequence[tuple[Call, bytes]] = field(default=())
    """Durable calls that acknowledge or refuse them, with their requests; one that is on record already stays as it is."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended."""

    agency: str
    notice: str
    fence: int
    due_at: float
    """When it is run again."""
    was_due: float
    """When it was due that was run: an operator may have wanted it once more meanwhile."""
    outcome: str
    cause: str = ""
    taken: int = 0
    failures: int = 0


class KeptPolls(Protocol):
    """Every method raises `hub.errors.StoreUnavailable` when the store did not answer."""

    async def plan(self, new: Sequence[tuple[str, str, float]], node: str) -> None:
        """Make the rows that are missing, each due at its moment; what a former life of *node* fetched is free again."""
        ...

    async def all(self) -> Sequence[PollRow]:
        """List every poll, by agency and notice."""
        ...

    async def lease(self, agency: str, notice: str, node: str, ttl: float) -> PollRow | None:
        """Take a poll that is due for *ttl* seconds, its fence raised. None: it is not due, or another node fetches."""
        ...

    async def took(self, page: Page, ttl: float) -> int | None:
        """
        Write a page, its cursor and its calls in one commit, and go on for *ttl* seconds; return how many were new.

        None: another node has taken over, and nothing was written.

        Raises:
            BacklogFull: There is no room for the calls; nothing was written.
        """
        ...

    async def ended(self, run: Run) -> bool:
        """Write how a run ended, and let whoever is there when it falls due take it. False: another has taken over."""
        ...

    async def release(self, node: str, of: Collection[tuple[str, str]]) -> None:
        """Let others go on with what *node* fetches, which stops."""
        ...

    async def run_now(self, agency: str, notice: str, by: str) -> bool:
        """Let a poll fall due at once, as an operator (*by*) wants; False: there is no such poll."""
        ...


class SqlPolls:
    """The `KeptPolls` of one store."""

    def __init__(self, tables: Tables) -> None:
        self._say = PollStatements(tables.statements)
        self._rows, self._write, self._read = tables.rows, tables.write, tables.read

    async def plan(self, new: Sequence[tuple[str, str, float]], node: str) -> None:
        await self._write("plan_polls", plan, self._say, new, node)

    async def all(self) -> Sequence[PollRow]:
        return [PollRow(*row) for row in await self._read(self._rows, self._say.all, {})]

    async def lease(self, agency: str, notice: str, node: str, ttl: float) -> PollRow | None:
        row: PollRow | None = await self._write("lease_poll", lease, self._say, agency, notice, node, ttl)
        return row

    async def took(self, page: Page, ttl: float) -> int | None:
        new: int | None = await self._write("take_page", took, self._say, page, ttl)
        return new

    async def ended(self, run: Run) -> bool:
        written: bool = await self._write("end_poll", ended, self._say, run)
        return written

    async def release(self, node: str, of: Collection[tuple[str, str]]) -> None:
        await self._write("release_polls", release, self._say, node, of)

    async def run_now(self, agency: str, notice: str, by: str) -> bool:
        found: bool = await self._write("run_poll_now", run_now, self._say, agency, notice, by)
        return found


class PollStatements:
    """What is asked of the table, compiled once."""

    def __init__(self, statements: Statements) -> None:
        prepare = statements.prepare
        columns = [polls.c[name] for name in PollRow._fields]
        this = and_(polls.c.agency == bindparam("of_agency"), polls.c.notice == bindparam("of_notice"))
        free = or_(polls.c.lease_node.is_(None), polls.c.lease_until <= bindparam("now"))
        mine = and_(this, polls.c.fence == bindparam("was_fence"))
        dialect_insert = sqlite.insert if statements.dialect.name == "sqlite" else postgresql.insert
        first: dict[str, Any] = {
            "agency": bindparam("agency"),
            "notice": bindparam("notice"),
            "due_at": bindparam("due_at"),
        }
        empty: dict[str, Any] = {name: bindparam(name) for name in ("fence", "outcome", "cause", "taken", "failures")}
        self.all = prepare(select(*columns).order_by(polls.c.agency, polls.c.notice))
        self.put = prepare(dialect_insert(polls).values(first | empty).on_conflict_do_nothing())
        self.one = prepare(select(*columns).where(this).with_for_update())
        self.due = prepare(select(*columns).where(this, free, polls.c.due_at <= bindparam("now")).with_for_update())
        self.lease = prepare(
            update(polls)
            .where(mine)
            .values(fence=bindparam("fence"), lease_node=bindparam("node"), lease_until=bindparam("until"))
        )
        self.move = prepare(
            update(polls).where(mine).values(cursor=bindparam("cursor"), moved_at=bindparam("moved_at"))
        )
        self.renew = prepare(update(polls).where(mine).values(lease_until=bindparam("until")))
        told = ("due_at", "outcome", "cause", "taken", "failures", "last_at")
        self.end = prepare(
            update(polls).where(mine).values({name: bindparam(name) for name in told} | {"lease_node": null()})
        )
        self.drop = prepare(update(polls).where(polls.c.lease_node == bindparam("node")).values(lease_node=null()))
        self.drop_one = prepare(
            update(polls).where(this, polls.c.lease_node == bindparam("node")).values(lease_node=null())
        )
        self.run_now = prepare(update(polls).where(this).values(due_at=bindparam("due_at")))


def _of(agency: str, notice: str) -> dict[str, Any]:
    return {"of_agency": agency, "of_notice": notice}


def plan(batch: Batch, say: PollStatements, new: Sequence[tuple[str, str, float]], node: str) -> None:
    """Make rows that are missing."""
    batch.run(say.drop, {"node": node})
    empty = {"fence": 0, "outcome": "", "cause": "", "taken": 0, "failures": 0}
    for agency, notice, due_at in new:
        batch.run(say.put, empty | {"agency": agency, "notice": notice, "due_at": due_at})


def lease(batch: Batch, say: PollStatements, agency: str, notice: str, node: str, ttl: float) -> PollRow | None:
    """Take a poll that is due and free."""
    of = _of(agency, notice)
    found = batch.run(say.due, of | {"now": batch.now}).fetchone()
    if found is None:
        return None
    row = PollRow(*found)
    until = batch.now + ttl
    batch.run(say.lease, of | {"was_fence": row.fence, "fence": row.fence + 1, "node": node, "until": until})
    return row._replace(fence=row.fence + 1, lease_node=node, lease_until=until)


def took(batch: Batch, say: PollStatements, page: Page, ttl: float) -> int | None:
    """Write a page, under the fence of who fetched it."""
    row = _still(batch, say, page.agency, page.notice, page.fence)
    if row is None:
        return None
    bound = batch.backlog_bound(page.agency) or 0
    if page.calls and batch.backlog(page.agency) + len(page.calls) > bound:
        raise BacklogFull(f"{bound} calls wait for {page.agency}", retry_after=BACKLOG_RETRY_AFTER)
    new = page.keep(batch)
    for call, request in page.calls:
        try:
            accept(batch, call, request)
        except IdempotencyConflict:  # it was acknowledged in other words, which stand
            continue
    of = _of(page.agency, page.notice) | {"was_fence": page.fence}
    if page.cursor != row.cursor:
        batch.run(say.move, of | {"cursor": page.cursor, "moved_at": batch.now})
    batch.run(say.renew, of | {"until": batch.now + ttl})
    return new


def ended(batch: Batch, say: PollStatements, run: Run) -> bool:
    """Write how a run ended; one that an operator wanted meanwhile stays due."""
    row = _still(batch, say, run.agency, run.notice, run.fence)
    if row is None:
        return False
    told = {"outcome": run.outcome, "cause": run.cause, "taken": run.taken, "failures": run.failures}
    of = _of(run.agency, run.notice) | {"was_fence": run.fence}
    due_at = run.due_at if row.due_at == run.was_due else row.due_at
    batch.run(say.end, of | told | {"due_at": due_at, "last_at": batch.now})
    return True


def release(batch: Batch, say: PollStatements, node: str, of: Collection[tuple[str, str]]) -> None:
    """End the leases of *node* that are *of* these polls."""
    for agency, notice in of:
        batch.run(say.drop_one, _of(agency, notice) | {"node": node})


def run_now(batch: Batch, say: PollStatements, agency: str, notice: str, by: str) -> bool:
    """Let a poll fall due."""
    met = batch.run(say.run_now, _of(agency, notice) | {"due_at": batch.now}).rowcount == 1
    if met:
        batch.write(Entry(batch.now, "poll_wanted", caller=by, agency=agency, operation=notice))
    return met


def _still(batch: Batch, say: PollStatements, agency: str, notice: str, fence: int) -> PollRow | None:
    found = batch.run(say.one, _of(agency, notice)).fetchone()
    return PollRow(*found) if found is not None and found[PollRow._fields.index("fence")] == fence else None
