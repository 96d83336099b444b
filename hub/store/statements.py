"""
Every statement that is run for a call, for one dialect. Read `schema.py` and `prepared.py` first.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Dialect,
    Table,
    Text,
    UpdateBase,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.expression import ClauseElement
from sqlalchemy.sql.util import ClauseAdapter

from hub.store.prepared import Prepared
from hub.store.schema import (
    bodies,
    calls,
    dossiers,
    exchanges,
    fixed,
    holds_key,
    is_asked_after,
    is_leaving,
    is_ready,
    journal,
    metadata,
    notices,
    quota_days,
    references,
    waiting,
)

CHANNEL = "lienthong"
"""Where nodes on one PostgreSQL tell each other what they committed."""


def _p(name: str) -> ColumnElement[Any]:
    return bindparam(name)


_NOTHING: ColumnElement[int] = literal_column("0")
_ONE: ColumnElement[int] = literal_column("1")
_BEGINNING: ColumnElement[float] = literal_column("0.0")
"""No moment lies before."""


def _insert(table: Table, leave_out: tuple[str, ...] = ()) -> UpdateBase:
    values = {column.name: _p(column.name) for column in table.c if column.name not in leave_out}
    return insert(table).values(values).inline()  # nobody asks for the number it got


def _free(now: ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(calls.c.lease_node.is_(None), calls.c.lease_until <= now)


def _body_of(side: str) -> ColumnElement[bool]:
    return and_(bodies.c.call == calls.c.id, bodies.c.side == fixed(side))


def _due_of_payer(payer: ColumnElement[Any], now: ColumnElement[Any]) -> ColumnElement[bool]:
    """
    Match what is due of *payer*, so that only the index over payers serves, in whose order it is asked for.

    With the payer given as equal to one, the index over all that is due in the lane would do as well for a planner that
    takes what waits for few, and each lease would read the whole backlog.
    """
    place = tuple_(calls.c.payer, calls.c.due_at)
    return and_(place >= tuple_(payer, _BEGINNING), place <= tuple_(payer, now))


def _same_key(of: Any) -> ColumnElement[bool]:
    """
    Match what makes two requests one call: the columns named by `KEY` in *of*.

    The caller is compared so that no index over callers serves: for a young table the planner takes that one, and reads
    all calls of the caller for each that comes.
    """
    plain = (calls.c[name] == of[name] for name in KEY if name != "caller")
    return and_(*plain, calls.c.caller.op("||")(fixed("")) == of["caller"])


def listed(names: Collection[str]) -> str:
    """Return *names* as the text that `among` looks into: a list has no place among parameters compiled once."""
    return "," + "".join(f"{name}," for name in names)


def among(column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Say whether *column* is one of the names `listed` in *parameter*."""
    escaped = func.replace(column, "_", "!_")  # `_` would stand for any letter
    pattern = fixed("%,").op("||")(escaped).op("||")(fixed(",%"))
    return _p(parameter).like(pattern, escape="!")


def _not_stopped() -> ColumnElement[bool]:
    return ~among(calls.c.step, "without")


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
    "idempotency_key", "traceparent", "state", "fence", "attempts", "exchange_no", "batch",
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
        self._handling()

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
        keys = func.unnest(cast(_p("keys"), postgresql.ARRAY(Text))).column_valued("key")
        queue_up = select(func.pg_advisory_xact_lock(func.hashtextextended(keys, literal_column("0"))))
        self.queue_up = self.prepare(queue_up) if self._shared else None
        self.forget_key = self.prepare(update(calls).where(calls.c.seq == _p("at")).values(idempotency_key=null()))

    def _moving(self) -> None:
        standing = select(*(calls.c[name] for name in STANDING))
        self.standing = self.prepare(standing.where(calls.c.id == _p("call")).with_for_update())
        by_number = calls.c.seq + _NOTHING  # the few are sorted: in the order of an index would be all calls, filtered
        any_of = standing.where(calls.c.id == func.any(_p("calls"))).order_by(by_number).with_for_update()
        self.standings = self.prepare(any_of) if self._shared else None
        free_of_others = standing.with_for_update(skip_locked=True)
        of_class = and_(calls.c.agency == _p("agency"), calls.c["class"] == _p("class"))
        self.leasable = self.prepare(
            select(*(calls.c[name] for name in CALL_COLUMNS), calls.c.cause, calls.c.seq, bodies.c.bytes)
            .select_from(calls.join(bodies, _body_of("request")))
            .where(is_ready, of_class, _due_of_payer(_p("payer"), _p("now")))
            .where(_free(_p("now")), _not_stopped(), _first_of_its_key())
            .order_by(calls.c.payer, calls.c.due_at, calls.c.seq)
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
        self.ask = self.for_many(
            guarded.values(
                exchange_no=_p("no"), fence=calls.c.fence + _ONE, lease_node=_p("node"), lease_until=_p("until")
            )
        )
        changing = ("state", "fence", "attempts", "due_at", "deadline", "step", "cause", "result", "ended_at")
        more = ("settled_no", "doubt_no", "lease_node", "answer_digest", "answer_size")
        self.move = self.for_many(guarded.values({name: _p(name) for name in changing + more}))
        self.ask_again = self.for_many(
            guarded.values({name: _p(name) for name in ("due_at", "cause", "settled_no")} | {"lease_node": null()})
        )
        self.ask_now = self.for_many(guarded.values(due_at=_p("due_at")))
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
        self.drop_leases, self.drop_askings = (
            self.prepare(update(calls).where(calls.c.seq.in_(of_node.where(which))).values(**dropped).returning(*whose))
            for which in (is_ready, is_asked_after)
        )
        self.cut_exchanges = self.prepare(
            update(exchanges)
            .where(exchanges.c.call == _p("of_call"), exchanges.c.outcome.is_(None))
            .values(outcome=fixed("in_doubt"), cause=fixed("crash"))
        )

    def _sharing(self) -> None:
        """Statements whose rows one batch writes together, at its end."""
        self.insert_entry = self.for_many(_insert(journal))
        self.insert_notice = self.for_many(_insert(notices, leave_out=("seq",)))
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
        self.put_reference = self.prepare(self._upsert(references, {"known_at": _p("known_at")}))

    def _handling(self) -> None:
        """Statements about how agencies handle dossiers: each may come twice, or late, and then changes nothing."""
        newest = (postgresql.insert if self._shared else sqlite.insert)(dossiers)
        newest = newest.values({column.name: _p(column.name) for column in dossiers.c})
        now, was = newest.excluded, dossiers.c
        newer = and_(now.due_at.is_not(None), now.due_said_at >= was.due_said_at)
        again = and_(now.forwarded_at.is_not(None), was.ended_at < now.received_at)  # it was filed after its end
        self.put_dossier = self.prepare(
            newest.on_conflict_do_update(
                index_elements=list(dossiers.primary_key.columns),
                set_={
                    "procedure": now.procedure,
                    "call": now.call,
                    "forwarded_at": func.coalesce(was.forwarded_at, now.forwarded_at),
                    "due_at": case((newer, now.due_at), else_=was.due_at),
                    "due_said_at": case((newer, now.due_said_at), else_=was.due_said_at),
                    "ended_at": case((again, null()), else_=was.ended_at),
                    "ending": case((again, null()), else_=was.ending),
                },
            )
        )
        this = and_(was.agency == _p("of_agency"), was.dossier == _p("of_dossier"))
        self.move_dossier = self.prepare(
            update(dossiers).where(this, was.due_said_at <= _p("at")).values(due_at=_p("due_at"), due_said_at=_p("at"))
        )
        self.end_dossier = self.prepare(
            update(dossiers)
            .where(this, or_(was.ended_at.is_(None), and_(was.ended_at <= _p("at"), was.ending != _p("ending"))))
            .values(ended_at=_p("at"), ending=_p("ending"))
        )
        self.reopen_dossier = self.prepare(
            update(dossiers).where(this, was.ended_at <= _p("at")).values(ended_at=null(), ending=null())
        )
        self.confirm_dossier = self.prepare(
            update(dossiers).where(was.call == _p("of_call"), was.forwarded_at.is_(None)).values(forwarded_at=_p("at"))
        )

    def _reading(self) -> None:
        server: ColumnElement[float] = literal_column("extract(epoch FROM clock_timestamp())::float8")
        self.time = self.prepare(select(server)) if self.dialect.name == "postgresql" else None
        record = [calls.c[name] for name in CALL_COLUMNS]
        extra = [calls.c.result, calls.c.cause, calls.c.ended_at]
        self.record = self.prepare(
            select(*record, *extra, bodies.c.bytes)
            .select_from(calls.outerjoin(bodies, _body_of("answer")))
            .where(calls.c.id == _p("call"))
        )
        answer = bodies.alias("answer")
        answered = and_(answer.c.call == calls.c.id, answer.c.side == fixed("answer"))
        self.asking_due = self.prepare(
            select(*record, calls.c.ended_at, bodies.c.bytes, answer.c.bytes)
            .select_from(calls.join(bodies, _body_of("request")).outerjoin(answer, answered))
            .where(is_asked_after, calls.c.agency == _p("agency"))
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
            select(references.c.ours, references.c.theirs)
            .where(references.c.dossier == _p("dossier"), references.c.agency == _p("agency"))
            .order_by(references.c.known_at, references.c.call)  # ids grow with time: of one moment too
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
