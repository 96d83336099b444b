"""
Every statement that is run for a call, compiled once to SQL text and order of parameters. Read `schema.py` first.

SQLAlchemy writes the text for the dialect; the writer runs it on the driver itself, which costs a tenth of running it
through SQLAlchemy. Values go in by name, as a mapping.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any

from pydantic_core import to_json
from sqlalchemy import (
    ColumnElement,
    Dialect,
    LargeBinary,
    Table,
    Text,
    UpdateBase,
    and_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql.expression import ClauseElement
from sqlalchemy.sql.util import ClauseAdapter

from hub.store.schema import (
    bodies,
    calls,
    exchanges,
    fixed,
    holds_key,
    is_leaving,
    is_ready,
    journal,
    metadata,
    quota_days,
    references,
    waiting,
)

Values = Mapping[str, Any]


class Prepared:
    """SQL text of the driver, and how to put named values in the order of its parameters."""

    __slots__ = ("_packed", "names", "order", "sql", "together")

    def __init__(self, statement: ClauseElement, dialect: Dialect, *, together: bool = False) -> None:
        compiled = statement.compile(dialect=dialect)
        self.sql = str(compiled)
        self.names: tuple[str, ...] = tuple(compiled.positiontup or ())  # type: ignore[attr-defined]
        written = {name: value for name, value in compiled.params.items() if value is not None}
        self.order: Callable[[Values], tuple[Any, ...]] = _in_order(self.names, written)
        self.together: str | None = None
        """The same for many rows, given as one JSON text: `rows_as_json`. None where it is run row by row."""
        self._packed: tuple[bool, ...] = ()
        if together:
            types = [compiled.binds[name].type for name in self.names]  # type: ignore[attr-defined]
            self._packed = tuple(isinstance(one, LargeBinary) for one in types)
            self.together = _over_rows(self.sql, [one.compile(dialect=dialect) for one in types])

    def rows_as_json(self, rows: Sequence[tuple[Any, ...]]) -> str:
        """Return *rows*, each in the order of the parameters, as `together` takes them."""
        if any(self._packed):
            rows = [
                tuple(rf"\x{value.hex()}" if packed else value for value, packed in zip(row, self._packed, strict=True))
                for row in rows
            ]
        names = _PLACES[: len(self.names)]
        return to_json([dict(zip(names, row, strict=True)) for row in rows]).decode()


_PLACES = [f"p{number}" for number in range(1, 100)]


def _over_rows(sql: str, types: Sequence[str]) -> str:
    """Make a statement over one row, with parameters `$1` to `$n`, one over many rows in a single parameter."""
    columns = ", ".join(f"{place} {kind}" for place, kind in zip(_PLACES, types, strict=False))
    rows = f"FROM json_to_recordset($1::json) AS given({columns})"
    one = re.sub(r"\$(\d+)", r"given.p\1", sql)
    if one.startswith("INSERT"):
        head, _, values = one.partition(" VALUES ")
        return f"{head} SELECT {values.strip()[1:-1]} {rows}"
    head, where, rest = one.partition("WHERE")
    return f"{head} {rows} {where}{rest}"


def _in_order(names: tuple[str, ...], written: Values) -> Callable[[Values], tuple[Any, ...]]:
    """Return what puts named values in order. *written* are constants SQLAlchemy made parameters of by itself."""
    if written:
        return lambda values: tuple({**written, **values}[name] for name in names)
    if not names:
        return lambda _: ()
    if len(names) == 1:
        return lambda values: (values[names[0]],)
    return itemgetter(*names)


CHANNEL = "lienthong"
"""Where nodes on one PostgreSQL tell each other what they committed."""


def sqlite_dialect() -> Dialect:
    """Return the dialect whose text the standard library's driver takes."""
    return sqlite.dialect(paramstyle="qmark")


def postgres_dialect() -> Dialect:
    """Return the dialect whose text a raw cursor of psycopg takes: `$1`, given once however often it is used."""
    dialect: Dialect = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    return dialect


def _p(name: str) -> ColumnElement[Any]:
    return bindparam(name)


_NOTHING: ColumnElement[int] = literal_column("0")
_ONE: ColumnElement[int] = literal_column("1")


def _insert(table: Table, leave_out: tuple[str, ...] = ()) -> UpdateBase:
    values = {column.name: _p(column.name) for column in table.c if column.name not in leave_out}
    return insert(table).values(values).inline()  # nobody asks for the number it got


def _free(now: ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(calls.c.lease_node.is_(None), calls.c.lease_until <= now)


def _body_of(side: str) -> ColumnElement[bool]:
    return and_(bodies.c.call == calls.c.id, bodies.c.side == fixed(side))


def _same_key(of: Any) -> ColumnElement[bool]:
    """
    Match what makes two requests one call: the columns named by `KEY` in *of*.

    The caller is compared so that no index over callers serves: for a young table the planner takes that one, and reads
    all calls of the caller for each that comes.
    """
    plain = (calls.c[name] == of[name] for name in KEY if name != "caller")
    return and_(*plain, calls.c.caller.op("||")(fixed("")) == of["caller"])


def listed(steps: Collection[str]) -> str:
    """Return *steps* as the text that `_not_stopped` looks into: a list has no place among parameters compiled once."""
    return "," + "".join(f"{step}," for step in steps)


def _not_stopped() -> ColumnElement[bool]:
    escaped = func.replace(calls.c.step, "_", "!_")  # `_` would stand for any letter
    pattern = fixed("%,").op("||")(escaped).op("||")(fixed(",%"))
    return _p("without").not_like(pattern, escape="!")


def _first_of_its_key() -> ColumnElement[bool]:
    older = calls.alias("older")
    in_the_way = ClauseAdapter(older).traverse(holds_key)
    return or_(
        calls.c.order_key.is_(None),
        ~select(older.c.seq)
        .where(older.c.agency == calls.c.agency, older.c.order_key == calls.c.order_key, older.c.seq < calls.c.seq)
        .where(in_the_way)
        .exists(),
    )


CALL_COLUMNS = (
    "id", "agency", "operation", "kind", "class", "interactive", "caller", "officer", "unit", "dossier", "intake",
    "procedure", "fingerprint", "accepted_at", "deadline", "due_at", "step", "repeat_safe", "order_key",
    "idempotency_key", "traceparent", "state", "fence", "attempts", "exchange_no",
)  # fmt: skip
"""What makes a `hub.call.Call`, in the order `rows.to_call` reads."""

KEY = ("caller", "agency", "operation", "idempotency_key")
"""What makes two requests one call."""

STANDING = (
    "seq", "id", "state", "fence", "exchange_no", "settled_no", "doubt_no", "interactive", "kind", "repeat_safe",
    "agency", "operation", "step", "caller", "officer", "unit", "dossier", "intake", "procedure", "result", "attempts",
    "due_at", "deadline", "ended_at", "lease_node", "lease_until", "class",
)  # fmt: skip
"""What a move is decided on, in the order of `rows.Standing`."""


class Statements:
    """All statements, for one dialect. Compiling takes some 30 ms, once per store."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._shared = dialect.name == "postgresql"
        """Several nodes write here, and wait for or hear of each other."""
        self._accepting()
        self._moving()
        self._sharing()
        self._reading()

    def prepare(self, statement: ClauseElement) -> Prepared:
        return Prepared(statement, self.dialect)

    def for_many(self, statement: ClauseElement) -> Prepared:
        """Prepare what is written for many calls of one batch: on a server, as one statement for all of them."""
        return Prepared(statement, self.dialect, together=self._shared)

    def _accepting(self) -> None:
        self.insert_call = self.for_many(_insert(calls, leave_out=("seq",)))
        self.insert_body = self.prepare(_insert(bodies))
        self.insert_exchange = self.for_many(
            insert(exchanges).values(
                {name: _p(name) for name in ("call", "no", "agency", "step", "node", "sent_at")} | {"outcome": null()}
            )
        )
        by_key = _same_key({name: _p(name) for name in KEY})
        columns = [calls.c[name] for name in ("seq", "ended_at", *CALL_COLUMNS)]
        self.by_idempotency = self.prepare(select(*columns).where(by_key))
        lists = (cast(_p(name), postgresql.ARRAY(Text)) for name in KEY)
        asked = func.unnest(*lists).table_valued(*KEY, name="asked").render_derived()
        by_keys = select(*columns).join(asked, _same_key(asked.c))
        self.by_keys = self.prepare(by_keys) if self._shared else None
        key = func.hashtextextended(_p("key"), literal_column("0"))
        self.queue_up = self.prepare(select(func.pg_advisory_xact_lock(key))) if self._shared else None
        self.forget_key = self.prepare(update(calls).where(calls.c.seq == _p("at")).values(idempotency_key=null()))

    def _moving(self) -> None:
        standing = select(*(calls.c[name] for name in STANDING))
        self.standing = self.prepare(standing.where(calls.c.id == _p("call")).with_for_update())
        any_of = standing.where(calls.c.id == func.any(_p("calls"))).order_by(calls.c.seq).with_for_update()
        self.standings = self.prepare(any_of) if self._shared else None
        free_of_others = standing.with_for_update(skip_locked=True)
        of_class = and_(calls.c.agency == _p("agency"), calls.c["class"] == _p("class"))
        self.leasable = self.prepare(
            select(*(calls.c[name] for name in CALL_COLUMNS), calls.c.seq, bodies.c.bytes)
            .select_from(calls.join(bodies, _body_of("request")))
            .where(is_ready, of_class, calls.c.payer == _p("payer"), calls.c.due_at <= _p("now"))
            .where(_free(_p("now")), _not_stopped(), _first_of_its_key())
            .order_by(calls.c.due_at, calls.c.seq)
            .limit(_p("want"))
            .with_for_update(of=calls, skip_locked=True)
        )
        self.next_payer = self.prepare(
            select(calls.c.payer)
            .where(is_ready, of_class, calls.c.payer > _p("after"))
            .order_by(calls.c.payer)
            .limit(1)
        )
        guarded = update(calls).where(
            calls.c.seq == _p("at"), calls.c.fence == _p("was_fence"), calls.c.state == _p("was_state")
        )
        self.take_lease = self.for_many(
            guarded.values(fence=calls.c.fence + _ONE, lease_node=_p("node"), lease_until=_p("until"))
        )
        mine = and_(calls.c.id == _p("call"), calls.c.lease_node == _p("node"))
        self.renew = self.prepare(
            update(calls).where(mine, calls.c.lease_until > _p("now")).values(lease_until=_p("until"))
        )
        dropped = {"lease_node": null(), "fence": calls.c.fence + _ONE}
        whose = (calls.c.agency, calls.c["class"])
        self.give_back = self.prepare(update(calls).where(mine, is_ready).values(**dropped).returning(*whose))
        self.postpone = self.prepare(update(calls).where(mine, is_ready).values(**dropped, due_at=_p("due")))
        self.begin = self.for_many(
            guarded.values(state=fixed("sending"), exchange_no=_p("no"), lease_node=_p("node"), doubt_no=null())
        )
        self.verify = self.for_many(
            guarded.values(
                exchange_no=_p("no"), fence=calls.c.fence + _ONE, lease_node=_p("node"), lease_until=_p("until")
            )
        )
        changing = ("state", "fence", "attempts", "due_at", "deadline", "step", "cause", "result", "ended_at")
        more = ("settled_no", "doubt_no", "lease_node", "answer_digest", "answer_size")
        self.move = self.for_many(guarded.values({name: _p(name) for name in changing + more}))
        self.sent_at = self.prepare(
            select(exchanges.c.sent_at).where(exchanges.c.call == _p("of_call"), exchanges.c.no == _p("of_no"))
        )
        self.end_exchange = self.for_many(
            update(exchanges)
            .where(exchanges.c.call == _p("of_call"), exchanges.c.no == _p("of_no"))
            .values(outcome=_p("outcome"), cause=_p("cause"), seconds=_p("seconds"))
        )
        self.crashed = self.prepare(free_of_others.where(is_leaving, calls.c.lease_node == _p("node")))
        self.lapsed = self.prepare(free_of_others.where(is_leaving, calls.c.lease_until <= _p("now")))
        of_node = select(calls.c.seq).where(calls.c.lease_node == _p("of_node")).with_for_update(skip_locked=True)
        self.drop_leases, self.drop_verifications = (
            self.prepare(update(calls).where(calls.c.seq.in_(of_node.where(which))).values(**dropped).returning(*whose))
            for which in (is_ready, calls.c.state == fixed("in_doubt"))
        )
        self.cut_exchanges = self.prepare(
            update(exchanges)
            .where(exchanges.c.call == _p("of_call"), exchanges.c.outcome.is_(None))
            .values(outcome=fixed("in_doubt"), cause=fixed("crash"))
        )

    def _sharing(self) -> None:
        """Statements whose rows one batch writes together, at its end."""
        self.insert_entry = self.for_many(_insert(journal))
        self.journal_head = self.prepare(
            select(journal.c.seq, journal.c.hash)
            .where(journal.c.chain == _p("chain"))
            .order_by(journal.c.seq.desc())
            .limit(1)
        )
        self.add_sent = self.prepare(self._upsert(quota_days, {"sent": quota_days.c.sent + _p("sent")}))
        self.add_waiting = self.prepare(self._upsert(waiting, {"calls": waiting.c.calls + _p("calls")}))
        self.waiting = self.prepare(
            select(func.coalesce(func.sum(waiting.c.calls), _NOTHING)).where(waiting.c.agency == _p("agency"))
        )
        notify = select(func.pg_notify(fixed(CHANNEL), _p("payload")))
        self.notify = self.prepare(notify) if self._shared else None
        self.put_body = self.prepare(self._upsert(bodies))
        self.put_reference = self.prepare(self._upsert(references))

    def _reading(self) -> None:
        record = [calls.c[name] for name in CALL_COLUMNS]
        extra = [calls.c.result, calls.c.cause, calls.c.ended_at]
        self.record = self.prepare(
            select(*record, *extra, bodies.c.bytes)
            .select_from(calls.outerjoin(bodies, _body_of("answer")))
            .where(calls.c.id == _p("call"))
        )
        self.in_doubt_due = self.prepare(
            select(*record, bodies.c.bytes)
            .select_from(calls.join(bodies, _body_of("request")))
            .where(calls.c.state == fixed("in_doubt"), calls.c.agency == _p("agency"))
            .where(calls.c.due_at <= _p("not_after"), _free(_p("now")))
            .order_by(calls.c.due_at, calls.c.seq)
            .limit(_p("limit"))
        )
        may_run = or_(exchanges.c.outcome.is_(None), exchanges.c.outcome == fixed("in_doubt"))
        self.occupied = self.prepare(
            select(exchanges.c.call, exchanges.c.agency, exchanges.c.sent_at)
            .where(exchanges.c.sent_at > _p("since"), may_run)
            .order_by(exchanges.c.sent_at)
        )
        self.sent_on_day = self.prepare(
            select(func.coalesce(func.sum(quota_days.c.sent), _NOTHING)).where(
                quota_days.c.agency == _p("agency"), quota_days.c.day == _p("day")
            )
        )
        self.next_due = self.prepare(
            select(calls.c.due_at)
            .where(is_ready, calls.c.agency == _p("agency"), calls.c.due_at > _p("after"))
            .where(_free(_p("now")), _not_stopped(), _first_of_its_key())
            .order_by(calls.c.due_at, calls.c.seq)
            .limit(1)
        )
        self.remembered = self.prepare(
            select(references.c.ours, references.c.theirs).where(
                references.c.dossier == _p("dossier"), references.c.agency == _p("agency")
            )
        )
        self.entries = self.prepare(
            select(*journal.c)
            .where(journal.c.chain == _p("chain"), journal.c.seq > _p("after"))
            .order_by(journal.c.seq)
            .limit(_p("limit"))
        )
        self.next_chain = self.prepare(
            select(journal.c.chain).where(journal.c.chain > _p("after")).order_by(journal.c.chain).limit(1)
        )

    def find(self, given: frozenset[str]) -> Prepared:
        """Return the search by the filters in *given*: names of `protocol.Sought`."""
        page = calls.alias("page")
        tests: dict[str, ColumnElement[bool]] = {
            "caller": calls.c.caller == _p("caller"),
            "agency": calls.c.agency == _p("agency"),
            "dossier": calls.c.dossier == _p("dossier"),
            "key": calls.c.idempotency_key == _p("key"),
            "state": calls.c.state == _p("state"),
            "before": calls.c.seq < select(page.c.seq).where(page.c.id == _p("before")).scalar_subquery(),
        }
        columns = [calls.c[name] for name in (*CALL_COLUMNS, "result", "cause", "ended_at")]
        chosen = [test for name, test in tests.items() if name in given]
        return self.prepare(select(*columns).where(*chosen).order_by(calls.c.seq.desc()).limit(_p("limit")))

    def all_of(self, table: str) -> Prepared:
        """Return the reading of a whole register."""
        columns = metadata.tables[table].c
        return self.prepare(select(*columns).order_by(next(iter(columns))))

    def clear(self, table: str) -> Prepared:
        return self.prepare(delete(metadata.tables[table]))

    def fill(self, table: str) -> Prepared:
        return self.prepare(_insert(metadata.tables[table]))

    def replace(self, table: str) -> Prepared:
        return self.prepare(self._upsert(metadata.tables[table]))

    def _upsert(self, table: Table, changed: dict[str, Any] | None = None) -> UpdateBase:
        """Return an insert that replaces the row of the same primary key, or changes only *changed* of it."""
        dialect_insert = postgresql.insert if self._shared else sqlite.insert
        statement = dialect_insert(table).values({column.name: _p(column.name) for column in table.c})
        rest = [column.name for column in table.c if not column.primary_key]
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_=changed or {name: statement.excluded[name] for name in rest},
        )
