"""
Removing what has been kept for long enough, a few rows a commit, so that no lane waits for it. `hub/retention.py` drives it.

One step looks through a stretch of one table and removes what it may. Calls are walked in the order of their acceptance:
an index over their ends would cost every call something, and the walk costs nobody anything. One node works at a time:
a pass has a number, kept in a row of `cursors`, and each step renews it or learns that another node has begun the next.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, literal_column, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.expression import ClauseElement

from hub.call import BUILT_IN
from hub.journal import CUT, Chained, Entry, cut_at
from hub.store.batch import Batch, day_of
from hub.store.files import FileStatements
from hub.store.files import sweep as sweep_files
from hub.store.prepared import Prepared
from hub.store.schema import (
    bodies,
    calls,
    cursors,
    dead_notices,
    dossiers,
    exchanges,
    fixed,
    handouts,
    journal,
    nodes,
    notices,
    quota_days,
    references,
)
from hub.store.statements import Statements

MOST_CALLS = 50
"""Calls of one step: with bodies and exchanges some 200 rows."""
MOST_ROWS = 200
STRETCH = 1000
"""Rows of `calls` that one step looks through."""
PASSES = {"caller": BUILT_IN, "agency": "/retention"}
"""The row of `cursors` that counts passes. No agency has such a name."""


@dataclass(frozen=True, slots=True)
class Until:
    """Moments (Unix seconds): what ended, came or was written before them is removed."""

    lookups: float
    filings: float
    notices: float
    references: float
    journal: float
    files: float
    dossiers: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pass stands: in which table, and after what."""

    table: str = "calls"
    seq: int = 0
    name: str = ""
    """Of a dossier or, in the journal, of the chain that is looked at; empty: before the first, or this node's own."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one step did."""

    removed: int
    """Calls, references, notices, items, files or entries."""
    next: Place | None
    """Where the next step begins; None: the pass is over, or no longer this node's."""


class Kept(Protocol):
    """What `hub.retention` may ask of a store. Every method raises `StoreUnavailable` when the store did not answer."""

    async def begin(self, every: float) -> int | None:
        """Begin a pass, and return its number, unless one went on within the last *every* seconds, here or elsewhere."""
        ...

    async def sweep(self, number: int, place: Place, until: Until) -> Swept:
        """Take one step of pass *number*, in one commit."""
        ...


class Keeping:
    """`Kept`, for whatever store runs *write* as one member of a commit."""

    def __init__(self, statements: Statements, write: Callable[..., Any]) -> None:
        self._say = RetentionStatements(statements)
        self._write = write

    async def begin(self, every: float) -> int | None:
        number: int | None = await self._write("begin_retention", begin, self._say, every)
        return number

    async def sweep(self, number: int, place: Place, until: Until) -> Swept:
        swept: Swept = await self._write("retention", sweep, self._say, number, place, until)
        return swept


class RetentionStatements:
    """What is asked, compiled once."""

    def __init__(self, statements: Statements) -> None:
        self._prepare = statements.prepare
        dialect_insert = sqlite.insert if statements.dialect.name == "sqlite" else postgresql.insert
        this_row = and_(cursors.c.caller == bindparam("caller"), cursors.c.agency == bindparam("agency"))
        first: dict[str, Any] = {name: bindparam(name) for name in ("caller", "agency", "seq", "moved_at")}
        self.first_pass = self._say(dialect_insert(cursors).values(first).on_conflict_do_nothing())
        self.begin = self._say(
            update(cursors)
            .where(this_row, cursors.c.moved_at <= bindparam("before"))
            .values(seq=cursors.c.seq + bindparam("one"), moved_at=bindparam("now"))
        )
        self.number = self._say(select(cursors.c.seq).where(this_row))
        self.go_on = self._say(
            update(cursors).where(this_row, cursors.c.seq == bindparam("number")).values(moved_at=bindparam("now"))
        )
        self._of_calls()
        self._of_others()
        self.node = self._say(select(nodes.c.node).where(nodes.c.node == bindparam("of_node")))
        alone = func.pg_try_advisory_xact_lock(func.hashtextextended(bindparam("name"), literal_column("0")))
        self.take_name = None if statements.dialect.name == "sqlite" else self._say(select(alone))
        self.files = FileStatements(statements)

    def _say(self, statement: ClauseElement) -> Prepared:
        return self._prepare(statement)

    def _of_calls(self) -> None:
        after = calls.c.seq > bindparam("after")
        self.next_call = self._say(select(calls.c.seq, calls.c.accepted_at).where(after).order_by(calls.c.seq).limit(1))
        self.old_calls = self._say(
            select(calls.c.seq, calls.c.id)
            .where(after, calls.c.seq <= bindparam("upto"), _is_over())
            .order_by(calls.c.seq)
            .limit(bindparam("most"))
        )
        self.drop_call = self._say(delete(calls).where(calls.c.seq == bindparam("at"), _is_over()))
        self.drop_parts = tuple(
            self._say(delete(table).where(table.c.call == bindparam("call"))) for table in (bodies, exchanges)
        )

    def _of_others(self) -> None:
        self.next_dossiers = self._say(
            select(references.c.dossier)
            .where(references.c.dossier > bindparam("after"))
            .distinct()
            .order_by(references.c.dossier)
            .limit(bindparam("most"))
        )
        lives = select(calls.c.seq).where(calls.c.dossier == references.c.dossier).exists()
        self.drop_references = self._say(
            delete(references).where(
                references.c.dossier > bindparam("after"),
                references.c.dossier <= bindparam("upto"),
                references.c.known_at <= bindparam("before"),
                ~lives,
            )
        )
        self.first_notices = self._say(
            select(notices.c.seq, notices.c.received_at).order_by(notices.c.seq).limit(bindparam("most"))
        )
        self.last_notice = self._say(select(func.max(notices.c.seq)))
        self.drop_notice = self._say(delete(notices).where(notices.c.seq == bindparam("at")))
        of_chain = journal.c.chain == bindparam("chain")
        first_dead = select(dead_notices.c.seq, dead_notices.c.last_at).order_by(dead_notices.c.seq)
        self.first_dead = self._say(first_dead.where(dead_notices.c.seq > bindparam("after")).limit(bindparam("most")))
        self.drop_dead = self._say(delete(dead_notices).where(dead_notices.c.seq == bindparam("at")))
        self.drop_handouts = self._say(delete(handouts).where(handouts.c.handed_at <= bindparam("before")))
        quiet = [or_(moment.is_(None), moment <= bindparam("before")) for moment in _MOMENTS]
        old_dossiers = select(dossiers.c.agency, dossiers.c.dossier).where(*quiet).order_by(dossiers.c.received_at)
        this_dossier = tuple_(dossiers.c.agency, dossiers.c.dossier)
        self.drop_dossiers = self._say(delete(dossiers).where(this_dossier.in_(old_dossiers.limit(bindparam("most")))))
        entries = [column for column in journal.c if column.name != "chain"]
        self.first_entries = self._say(
            select(*entries).where(of_chain).order_by(journal.c.seq).limit(bindparam("most"))
        )
        self.drop_entries = self._say(delete(journal).where(of_chain, journal.c.seq < bindparam("at")))
        self.drop_days = self._say(delete(quota_days).where(quota_days.c.day < bindparam("day")))


_MOMENTS = (dossiers.c.received_at, dossiers.c.forwarded_at, dossiers.c.ended_at)


def _is_over() -> ColumnElement[bool]:
    """
    Return what makes a call removable: it ended long ago, and nobody has to hear of it, decide or be asked again.

    A dead letter may be sent again as long as no person has ended it for good.
    """
    state, result = calls.c.state, calls.c.result
    ended = or_(
        state == fixed("expired"),
        state == fixed("cancelled"),
        and_(state == fixed("answered"), or_(result.is_(None), result != fixed("pending"))),
    )
    old = or_(
        and_(calls.c.kind == fixed("lookup"), calls.c.ended_at <= bindparam("lookups")),
        and_(calls.c.kind == fixed("filing"), calls.c.ended_at <= bindparam("filings")),
    )
    return and_(ended, old)


def begin(batch: Batch, say: RetentionStatements, every: float) -> int | None:
    """Begin a pass unless one went on a moment ago."""
    batch.run(say.first_pass, PASSES | {"seq": 0, "moved_at": 0.0})
    asked = PASSES | {"before": batch.now - every, "now": batch.now, "one": 1}
    if batch.run(say.begin, asked).rowcount != 1:
        return None
    return int(batch.run(say.number, PASSES).fetchone()[0])


def sweep(batch: Batch, say: RetentionStatements, number: int, place: Place, until: Until) -> Swept:
    """Take one step, if pass *number* is still the last that began."""
    if batch.run(say.go_on, PASSES | {"number": number, "now": batch.now}).rowcount != 1:
        return Swept(0, None)
    return _STEPS[place.table](batch, say, place, until)


def _calls(batch: Batch, say: RetentionStatements, place: Place, until: Until) -> Swept:
    ended = {"lookups": until.lookups, "filings": until.filings}
    first = batch.run(say.next_call, {"after": place.seq}).fetchone()
    if first is None or first[1] > max(ended.values()):  # a call ends after it was accepted
        return Swept(0, Place("references"))
    upto = first[0] - 1 + STRETCH
    asked = ended | {"after": place.seq, "upto": upto, "most": MOST_CALLS}
    found = batch.run(say.old_calls, asked).fetchall()
    gone = [id_ for seq, id_ in found if batch.run(say.drop_call, ended | {"at": seq}).rowcount == 1]
    if gone:
        for statement in say.drop_parts:
            batch.run_many(statement, [{"call": id_} for id_ in gone])
    return Swept(len(gone), replace(place, seq=found[-1][0] if len(found) == MOST_CALLS else upto))


def _references(batch: Batch, say: RetentionStatements, place: Place, until: Until) -> Swept:
    asked = {"after": place.name, "most": MOST_ROWS // 4}
    dossiers = [row[0] for row in batch.run(say.next_dossiers, asked)]
    if not dossiers:
        return Swept(0, Place("notices"))
    where = {"after": place.name, "upto": dossiers[-1], "before": until.references}
    return Swept(batch.run(say.drop_references, where).rowcount, replace(place, name=dossiers[-1]))


def _notices(batch: Batch, say: RetentionStatements, place: Place, until: Until) -> Swept:
    """The newest stays in any case: whoever follows the feed sees by its number that nothing is missing."""
    first = batch.run(say.first_notices, {"most": MOST_ROWS}).fetchall()
    newest = batch.run(say.last_notice, {}).fetchone()[0]
    old = [{"at": seq} for seq, received_at in first if received_at <= until.notices and seq != newest]
    if old:
        batch.run_many(say.drop_notice, old)
    return Swept(len(old), place if len(old) == MOST_ROWS else Place("dead_notices"))


def _dead_notices(batch: Batch, say: RetentionStatements, place: Place, until: Until) -> Swept:
    """What no person decided about for so long, counted from when the agency last sent the same."""
    rows = batch.run(say.first_dead, {"after": place.seq, "most": MOST_ROWS}).fetchall()
    old = [{"at": seq} for seq, last_at in rows if last_at <= until.notices]
    if old:
        batch.run_many(say.drop_dead, old)
    return Swept(len(old), replace(place, seq=rows[-1][0]) if len(rows) == MOST_ROWS else Place("handouts"))


def _handouts(batch: Batch, say: RetentionStatements, _: Place, until: Until) -> Swept:
    """Numbers that agencies were given belong to dossiers, as references do."""
    return Swept(batch.run(say.drop_handouts, {"before": until.references}).rowcount, Place("dossiers"))


def _dossiers(batch: Batch, say: RetentionStatements, place: Place, until: Until) -> Swept:
    """How a dossier was handled that nothing was heard of for so long."""
    removed = batch.run(say.drop_dossiers, {"before": until.dossiers, "most": MOST_ROWS}).rowcount
    return Swept(removed, place if removed == MOST_ROWS else Place("files"))


def _files(batch: Batch, say: RetentionStatements, place: Place, until: Until) -> Swept:
    removed = sweep_files(batch, say.files, until.files)
    return Swept(removed, place if removed else Place("journal"))


def _journal(batch: Batch, say: RetentionStatements, place: Place, until: Until) -> Swept:
    """This node's own chain, then one chain a step: those of nodes that are gone, which nobody else would ever cut."""
    chain, removed, more = place.name or batch.chain, 0, False
    if not place.name or _is_gone(batch, say, chain):
        removed, more = _cut(batch, say, chain, until.journal)
    if more:
        return Swept(removed, place)
    following = batch.run(batch.say.next_chain, {"after": place.name}).fetchone()
    return Swept(removed, Place("quota_days") if following is None else Place("journal", name=following[0]))


def _cut(batch: Batch, say: RetentionStatements, chain: str, before: float) -> tuple[int, bool]:
    """
    Cut entries off the beginning of *chain*; return how many, and whether there may be more.

    The last old one stays, and a new entry names it: the chain begins there.
    """
    rows = batch.run(say.first_entries, {"chain": chain, "most": MOST_ROWS + 1}).fetchall()
    first = [Chained(row[0], Entry(*row[1:-1]), row[-1]) for row in rows]
    old = next((number for number, row in enumerate(first) if row.entry.at > before), len(first))
    if old < 2:
        return 0, False
    beginning = first[old - 1]
    batch.run(say.drop_entries, {"chain": chain, "at": beginning.seq})
    batch.write(Entry(batch.now, CUT, caller=BUILT_IN, detail=cut_at(beginning)), chain)
    return old - 1, old == len(first)


def _is_gone(batch: Batch, say: RetentionStatements, node: str) -> bool:
    """
    Say whether nobody writes the chain of *node*, nor can before this commit: it said nothing for long, and has no process.

    Whoever serves under its name holds a lock on it for as long as he lives; who wants to meanwhile waits for this commit.
    """
    if node == batch.chain or say.take_name is None:
        return False
    if batch.run(say.node, {"of_node": node}).fetchone() is not None:
        return False
    return bool(batch.run(say.take_name, {"name": f"node {node}"}).fetchone()[0])


def _days(batch: Batch, say: RetentionStatements, _: Place, until: Until) -> Swept:
    """Counts of days past serve nobody but who wonders about last month."""
    return Swept(batch.run(say.drop_days, {"day": day_of(min(until.lookups, until.filings))}).rowcount, None)


_STEPS: dict[str, Callable[[Batch, RetentionStatements, Place, Until], Swept]] = {
    "calls": _calls,
    "references": _references,
    "notices": _notices,
    "dead_notices": _dead_notices,
    "handouts": _handouts,
    "dossiers": _dossiers,
    "files": _files,
    "journal": _journal,
    "quota_days": _days,
}
