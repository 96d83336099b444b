"""
Comparing what was filed on a day with what its agency has: one row a run, and a line for what is not the same. `hub.reconciling` runs it.

What a stretch of the day brought, what is filed again for it, and the place behind it are one commit, under the fence of
whoever looked: a node that was slow, or that is dead, moves nothing, and nothing is filed again twice.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, literal_column, null, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from hub.call import Call
from hub.errors import BacklogFull, IdempotencyConflict
from hub.journal import Entry
from hub.store.accepting import BACKLOG_RETRY_AFTER, accept
from hub.store.batch import Batch
from hub.store.reconciled import LINE, QUIET, RUN, WHOLE, Lapse, Line, Place, Run, Stretch
from hub.store.rows import said_of, to_call
from hub.store.schema import bodies, calls, fixed, notices, reconciled, reconciliations
from hub.store.statements import CALL_COLUMNS, Statements, among, listed
from hub.store.tables import Tables

KEPT_RUNS = 60
"""Runs of an agency that are kept when they have ended, newest first: two months of a daily one."""
MOST_LINES = 10_000
"""Lines of a run that are kept; more are counted, and what is filed again for one is in the journal."""
FILED = "filed_again"
"""Event of the journal: what an agency did not have was filed again. Its `detail` names the first call."""


class Filing(NamedTuple):
    """A durable filing, as it stands."""

    call: Call
    result: str | None
    request: bytes | None
    """Canonical request as JSON; None: it is not kept any more."""
    answer: bytes | None
    seq: int
    """In which order filings were accepted."""


@dataclass(frozen=True, slots=True)
class Day:
    """Which filings of an agency are walked: accepted from the moment of the first id until before that of the last."""

    agency: str
    operations: Collection[str]
    first: str
    """Least id (UUIDv7) of the day."""
    last: str
    limit: int


class KeptReconciling(Protocol):
    """Every method raises `hub.errors.StoreUnavailable` when the store did not answer."""

    async def want(self, run: Run) -> bool:
        """Make a run, and forget the oldest of its agency; False: there is one of this id already."""
        ...

    async def runs(self, agency: str | None = None) -> Sequence[Run]:
        """List runs, newest first."""
        ...

    async def run(self, run: str) -> Run | None:
        """Return one run; None: it is not kept."""
        ...

    async def latest(self) -> Sequence[Run]:
        """List of each agency the last run of all its operations that came to the end of its day."""
        ...

    async def open(self) -> Sequence[Run]:
        """List runs that have not come to their end."""
        ...

    async def lines(self, run: str) -> Sequence[Line]:
        """List what was not the same, in the order of filing."""
        ...

    async def lease(self, run: str, node: str, ttl: float) -> Run | None:
        """Take a run that is due for *ttl* seconds, its fence raised. None: it is not due, ended, or another node has it."""
        ...

    async def took(self, stretch: Stretch, ttl: float) -> Mapping[str, str] | None:
        """
        Write a stretch of a run, and go on for *ttl* seconds; return the calls that were made, by those they are for.

        None: another node has taken over, and nothing was written.

        Raises:
            BacklogFull: There is no room for what is filed again; nothing was written.
        """
        ...

    async def lapsed(self, lapse: Lapse) -> bool:
        """Write that a run came to its end, or rests until it falls due again. False: another has taken over."""
        ...

    async def release(self, node: str) -> None:
        """Let others go on with what *node* runs, which stops or has begun anew."""
        ...

    async def filings(self, day: Day, after: str) -> Sequence[Filing]:
        """List filings of a day in the order of their ids, beginning behind *after*."""
        ...

    async def newer(self, filing: Filing, operations: Collection[str]) -> Sequence[Filing]:
        """List what was filed after *filing* by *operations* about the same dossier, and may have arrived."""
        ...

    async def told(self, filing: Filing, by: Collection[str]) -> bool:
        """Say whether a notice, one of *by*, came that belongs to *filing*."""
        ...


class SqlReconciling:
    """The `KeptReconciling` of one store."""

    def __init__(self, tables: Tables) -> None:
        self._say = ReconcilingStatements(tables.statements)
        self._rows, self._write, self._read = tables.rows, tables.write, tables.read

    async def want(self, run: Run) -> bool:
        new: bool = await self._write("want_reconciliation", want, self._say, run)
        return new

    async def runs(self, agency: str | None = None) -> Sequence[Run]:
        rows = await self._read(self._rows, self._say.runs, {})
        return [run for row in rows if agency in (None, (run := to_run(row)).agency)]

    async def run(self, run: str) -> Run | None:
        rows = await self._read(self._rows, self._say.look, {"of_run": run})
        return to_run(rows[0]) if rows else None

    async def latest(self) -> Sequence[Run]:
        return [to_run(row) for row in await self._read(self._rows, self._say.latest, {})]

    async def open(self) -> Sequence[Run]:
        return [to_run(row) for row in await self._read(self._rows, self._say.open, {})]

    async def lines(self, run: str) -> Sequence[Line]:
        return [to_line(row) for row in await self._read(self._rows, self._say.lines, {"of_run": run})]

    async def lease(self, run: str, node: str, ttl: float) -> Run | None:
        leased: Run | None = await self._write("lease_reconciliation", lease, self._say, run, node, ttl)
        return leased

    async def took(self, stretch: Stretch, ttl: float) -> Mapping[str, str] | None:
        made: Mapping[str, str] | None = await self._write("take_stretch", took, self._say, stretch, ttl)
        return made

    async def lapsed(self, lapse: Lapse) -> bool:
        written: bool = await self._write("end_reconciliation", lapsed, self._say, lapse)
        return written

    async def release(self, node: str) -> None:
        await self._write("release_reconciliations", release, self._say, node)

    async def filings(self, day: Day, after: str) -> Sequence[Filing]:
        asked = {"agency": day.agency, "operations": listed(day.operations), "first": day.first, "last": day.last}
        rows = await self._read(self._rows, self._say.filings, asked | {"after": after, "limit": day.limit})
        return [_to_filing(row) for row in rows]

    async def newer(self, filing: Filing, operations: Collection[str]) -> Sequence[Filing]:
        call = filing.call
        asked = {"agency": call.agency, "operations": listed(operations), "dossier": call.purpose.dossier}
        rows = await self._read(self._rows, self._say.newer, asked | {"seq": filing.seq})
        return [_to_filing(row) for row in rows]

    async def told(self, filing: Filing, by: Collection[str]) -> bool:
        call = filing.call
        asked = {"agency": call.agency, "notices": listed(by), "dossier": call.purpose.dossier, "call": call.id}
        return bool(await self._read(self._rows, self._say.told, asked))


class ReconcilingStatements:
    """What is asked, compiled once."""

    def __init__(self, statements: Statements) -> None:
        prepare = statements.prepare
        insert = sqlite.insert if statements.dialect.name == "sqlite" else postgresql.insert
        runs, lines = reconciliations.c, reconciled.c
        all_runs = select(*(runs[name] for name in RUN))
        this = runs.id == bindparam("of_run")
        mine = runs.lease_node == bindparam("node")
        free = or_(runs.lease_node.is_(None), mine, runs.lease_until <= bindparam("now"))
        is_open = runs.ended_at.is_(None)
        self.put = prepare(insert(reconciliations).values(_bound(RUN)).on_conflict_do_nothing())
        self.runs = prepare(all_runs.order_by(runs.wanted_at.desc(), runs.id.desc()))
        self.open = prepare(all_runs.where(is_open).order_by(runs.due_at))
        self.look = prepare(all_runs.where(this))
        other = reconciliations.alias("other")
        whole = [(of.outcome == fixed(WHOLE)) & (of.operation == fixed("")) for of in (runs, other.c)]
        newest = select(func.max(other.c.ended_at)).where(other.c.agency == runs.agency, whole[1]).scalar_subquery()
        self.latest = prepare(all_runs.where(whole[0], runs.ended_at == newest).order_by(runs.agency))
        self.old = prepare(
            select(runs.id)
            .where(
                runs.agency == bindparam("agency"), ~is_open
            )  # what somebody wants and nobody made is dropped by none
            .order_by(runs.wanted_at.desc(), runs.id.desc())
            .offset(literal_column(str(KEPT_RUNS)))
            .limit(literal_column("100"))
        )
        self.drop_run = prepare(delete(reconciliations).where(this))
        self.drop_lines = prepare(delete(reconciled).where(lines.run == bindparam("of_run")))
        self.one = prepare(all_runs.where(this).with_for_update())
        self.due = prepare(all_runs.where(this, is_open, free, runs.due_at <= bindparam("now")).with_for_update())
        mine = and_(this, runs.fence == bindparam("was_fence"))
        self.lease = prepare(
            update(reconciliations)
            .where(mine)
            .values(fence=bindparam("fence"), lease_node=bindparam("node"), lease_until=bindparam("until"))
        )
        moved: dict[str, Any] = {name: bindparam(name) for name in ("place", "counts", "lease_until")}
        self.move = prepare(update(reconciliations).where(mine).values(moved))
        ended: dict[str, Any] = {name: bindparam(name) for name in ("ended_at", "due_at", "outcome", "cause")}
        self.end = prepare(update(reconciliations).where(mine).values(ended | {"lease_node": null()}))
        self.drop = prepare(
            update(reconciliations).where(runs.lease_node == bindparam("node")).values(lease_node=null())
        )
        line = insert(reconciled).values(_bound(LINE))
        told = {name: line.excluded[name] for name in LINE if name not in ("run", "call")}
        self.put_line = prepare(line.on_conflict_do_update(index_elements=[lines.run, lines.call], set_=told))
        self.lines = prepare(
            select(*(lines[name] for name in LINE)).where(lines.run == bindparam("of_run")).order_by(lines.call)
        )
        self._of_calls(statements)

    def _of_calls(self, statements: Statements) -> None:
        request, answer = bodies.alias("request"), bodies.alias("answer")
        filing = (
            select(*(calls.c[name] for name in (*CALL_COLUMNS, "result", "seq")), request.c.bytes, answer.c.bytes)
            .select_from(
                calls.outerjoin(
                    request, and_(request.c.call == calls.c.id, request.c.side == fixed("request"))
                ).outerjoin(answer, and_(answer.c.call == calls.c.id, answer.c.side == fixed("answer")))
            )
            .where(calls.c.agency == bindparam("agency"), calls.c.kind == fixed("filing"), ~calls.c.interactive)
            .where(among(calls.c.operation, "operations"))
        )
        within = (calls.c.id >= bindparam("first"), calls.c.id < bindparam("last"), calls.c.id > bindparam("after"))
        self.filings = statements.prepare(filing.where(*within).order_by(calls.c.id).limit(bindparam("limit")))
        same = (calls.c.dossier == bindparam("dossier"), calls.c.seq > bindparam("seq"), _may_have_arrived())
        self.newer = statements.prepare(filing.where(*same).order_by(calls.c.seq.desc()).limit(literal_column("20")))
        belongs = (notices.c[name] == bindparam(name) for name in ("agency", "dossier", "call"))
        self.told = statements.prepare(
            select(notices.c.seq).where(*belongs, among(notices.c.notice, "notices")).limit(literal_column("1"))
        )


def _may_have_arrived() -> ColumnElement[bool]:
    state, result = calls.c.state, calls.c.result
    under_way = or_(*(state == fixed(word) for word in ("queued", "sending", "in_doubt")))
    taken = or_(*(func.coalesce(result, fixed("ok")) == fixed(word) for word in ("ok", "pending")))
    return or_(under_way, and_(state == fixed("answered"), taken))


def _bound(names: Sequence[str]) -> dict[str, Any]:
    return {name: bindparam(name) for name in names}


def _to_filing(row: Sequence[Any]) -> Filing:
    width = len(CALL_COLUMNS)
    result, seq, request, answer = row[width : width + 4]
    return Filing(to_call(row), result, request, answer, seq)


def to_run(row: Sequence[Any]) -> Run:
    """Make a run from a row of `RUN`."""
    run = dict(zip(RUN, row, strict=True))
    return Run(**(run | {"files": bool(run["files"]), "counts": json.loads(run["counts"])}))


def to_line(row: Sequence[Any]) -> Line:
    """Make a line from a row of `LINE`."""
    line = dict(zip(LINE, row, strict=True))
    return Line(**(line | {"fields": tuple(tuple(one) for one in json.loads(line["fields"]))}))


def want(batch: Batch, say: ReconcilingStatements, run: Run) -> bool:
    """Make a run."""
    row = {name: getattr(run, name) for name in RUN} | {"counts": json.dumps(dict(run.counts))}
    if batch.run(say.put, row).rowcount != 1:
        return False
    for (old,) in batch.run(say.old, {"agency": run.agency}).fetchall():
        batch.run(say.drop_lines, {"of_run": old})
        batch.run(say.drop_run, {"of_run": old})
    what = f"{run.day}{' and file again what is missing' if run.files else ''}"
    batch.write(
        Entry(
            batch.now, "reconciliation_wanted", caller=run.wanted_by, agency=run.agency,
            operation=run.operation or None, detail=what,
        )
    )  # fmt: skip
    return True


def lease(batch: Batch, say: ReconcilingStatements, run: str, node: str, ttl: float) -> Run | None:
    """Take a run that is due and free."""
    found = batch.run(say.due, {"of_run": run, "now": batch.now, "node": node}).fetchone()
    if found is None:
        return None
    row, until = to_run(found), batch.now + ttl
    values = {"of_run": run, "was_fence": row.fence, "fence": row.fence + 1, "node": node, "until": until}
    batch.run(say.lease, values)
    return row._replace(fence=row.fence + 1, lease_node=node, lease_until=until)


def took(batch: Batch, say: ReconcilingStatements, stretch: Stretch, ttl: float) -> dict[str, str] | None:
    """Write a stretch, under the fence of who walked it."""
    run = _still(batch, say, stretch.at)
    if run is None:
        return None
    again = [line.again for line in stretch.lines if line.again is not None]
    bound = batch.backlog_bound(run.agency) or 0
    if again and batch.backlog(run.agency) + len(again) > bound:
        raise BacklogFull(f"{bound} calls wait for {run.agency}", retry_after=BACKLOG_RETRY_AFTER)
    made: dict[str, str] = {}
    for line in stretch.lines:
        if line.again is None:
            continue
        call, request = line.again
        try:  # its key is made of the first call's id: never twice
            accepted = accept(batch, call, request)
        except IdempotencyConflict as earlier:  # it was filed again in other words, which stand
            made[line.line.call] = earlier.call or ""
            continue
        made[line.line.call] = accepted.call.id
        if accepted.new:
            entry = said_of(call, batch.now, FILED, line.line.call)
            batch.write(entry._replace(caller=run.wanted_by))
    room = MOST_LINES - sum(n for some in run.counts.values() for verdict, n in some.items() if verdict not in QUIET)
    for one in stretch.lines[: max(0, room)]:
        line_ = one.line._replace(run=run.id, filed=made.get(one.line.call))
        row = line_._asdict() | {"fields": json.dumps(line_.fields)}
        batch.run(say.put_line, row)
    counts = {operation: dict(some) for operation, some in run.counts.items()}
    for operation, verdict in stretch.verdicts:
        some = counts.setdefault(operation, {})
        some[verdict] = some.get(verdict, 0) + 1
    values = {"place": stretch.after, "counts": json.dumps(counts), "lease_until": batch.now + ttl}
    batch.run(say.move, {"of_run": run.id, "was_fence": run.fence} | values)
    return made


def lapsed(batch: Batch, say: ReconcilingStatements, lapse: Lapse) -> bool:
    """Write how a run ended, or when it goes on."""
    run = _still(batch, say, lapse.at)
    if run is None:
        return False
    goes_on = lapse.due_at is not None
    values = {
        "ended_at": None if goes_on else batch.now, "due_at": lapse.due_at if goes_on else run.due_at,
        "outcome": lapse.outcome, "cause": lapse.cause,
    }  # fmt: skip
    batch.run(say.end, {"of_run": run.id, "was_fence": run.fence} | values)
    return True


def release(batch: Batch, say: ReconcilingStatements, node: str) -> None:
    """End the leases of *node*."""
    batch.run(say.drop, {"node": node})


def _still(batch: Batch, say: ReconcilingStatements, at: Place) -> Run | None:
    found = batch.run(say.one, {"of_run": at.run}).fetchone()
    run = to_run(found) if found is not None else None
    return run if run is not None and run.fence == at.fence and run.ended_at is None else None
