"""
What is asked of the tables about what needs a person. Implements `persons.Persons`, for whatever store it belongs to: it
is given how that one reads and writes.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select

from hub.call import NEVER, State
from hub.journal import Entry
from hub.store.deciding import Decided, DecidingStatements, Decision, decide
from hub.store.persons import Case, Exchanged, InTheWay, Mark, Needing, Reference, Stuck, Toll, Which
from hub.store.prepared import Prepared
from hub.store.rows import WIDTH, to_record
from hub.store.schema import (
    DECIDED,
    KEY_HOLDERS,
    bodies,
    calls,
    dead_notices,
    exchanges,
    fixed,
    holds_key,
    is_asked_after,
    journal,
    needs_person,
    references,
)
from hub.store.statements import CALL_COLUMNS, Statements
from hub.store.tables import Tables

SLICE = 2000
"""Calls that are counted in one question: some 5 ms, so that a hundred thousand keep nobody else from reading."""


class PersonStatements:
    """What is asked for persons, compiled once; searches when they are first made."""

    def __init__(self, statements: Statements) -> None:
        self._prepare = statements.prepare
        self._searches: dict[tuple[object, ...], Prepared] = {}
        self.needing = self._prepare(
            select(calls.c.agency, calls.c.state, func.count())
            .where(needs_person)
            .group_by(calls.c.agency, calls.c.state)
        )
        left = and_(is_asked_after, calls.c.state == fixed("answered"), calls.c.due_at >= bindparam("never"))
        self.left_pending = self._prepare(
            select(calls.c.agency, func.count()).where(left, calls.c.agency > fixed("")).group_by(calls.c.agency)
        )
        dead = select(dead_notices.c.agency, func.count()).group_by(dead_notices.c.agency)
        self.dead_notices = self._prepare(dead)
        columns = [calls.c[name] for name in (*CALL_COLUMNS, "result", "cause", "ended_at", "seq")]
        self._stuck = select(*columns)
        more = [calls.c[name] for name in ("request_digest", "request_size")]
        self.call = self._prepare(select(*columns, *more).where(calls.c.id == bindparam("call")))
        self.request = self._prepare(
            select(bodies.c.bytes).where(bodies.c.call == bindparam("call"), bodies.c.side == fixed("request"))
        )
        self.exchanges = self._prepare(
            select(*(exchanges.c[name] for name in Exchanged._fields))
            .where(exchanges.c.call == bindparam("call"))
            .order_by(exchanges.c.no)
        )
        self.references = self._prepare(
            select(*(references.c[name] for name in Reference._fields))
            .where(references.c.dossier == bindparam("dossier"), references.c.agency == bindparam("agency"))
            .order_by(references.c.known_at, references.c.ours)
        )
        self.decisions = self._prepare(
            select(*(journal.c[name] for name in Entry._fields))
            .where(journal.c.event == fixed(DECIDED), journal.c.call == bindparam("call"))
            .order_by(journal.c.at, journal.c.seq)
        )
        of_key = and_(calls.c.agency == bindparam("agency"), calls.c.order_key == bindparam("order_key"), holds_key)
        self.in_the_way = self._prepare(
            select(calls.c.id, calls.c.state, calls.c.cause)
            .where(of_key, calls.c.seq < bindparam("seq"))
            .order_by(calls.c.seq)
            .limit(1)
        )
        self.holds_up = self._prepare(
            select(func.count()).select_from(calls).where(of_key, calls.c.seq > bindparam("seq"))
        )

    def next_agency(self, state: State) -> Prepared:
        """Return the question which agency comes after another among those with calls in *state*."""
        return self._made(
            ("next", state),
            lambda: (
                select(calls.c.agency)
                .where(_in(state), calls.c.agency > bindparam("after"))
                .order_by(calls.c.agency)
                .limit(1)
            ),
        )

    def page(self, state: State, given: frozenset[str], *, first: bool) -> Prepared:
        """Return the question for a page of one agency; unless it is the *first*, after `due_at` and `seq`."""
        return self._made(("page", state, given, first), lambda: _walked(self._stuck, state, given | {"agency"}, first))

    def slice(self, state: State, *, first: bool) -> Prepared:
        """Return the question for what is counted of one agency, in the order of its pages."""
        counted = select(calls.c.cause, calls.c.ended_at, calls.c.due_at, calls.c.seq)
        return self._made(("slice", state, first), lambda: _walked(counted, state, frozenset({"agency"}), first))

    def _made(self, name: tuple[object, ...], statement: Callable[[], Any]) -> Prepared:
        if name not in self._searches:
            self._searches[name] = self._prepare(statement())
        return self._searches[name]


def _walked(asked: Select[Any], state: State, given: frozenset[str], first: bool) -> Select[Any]:
    """Return *asked* for a stretch of the index over those that need a person: from its end, or from a mark on."""
    on = and_(
        calls.c.due_at <= bindparam("due_at"),
        or_(calls.c.due_at < bindparam("due_at"), calls.c.seq < bindparam("seq")),
    )
    tests = [_in(state), *_tests(given), *([] if first else [on])]
    return asked.where(*tests).order_by(calls.c.due_at.desc(), calls.c.seq.desc()).limit(bindparam("limit"))


def _in(state: State) -> ColumnElement[bool]:
    return calls.c.state == fixed(state.value)  # a constant, so that the index over those that need a person is used


def _tests(given: frozenset[str]) -> list[ColumnElement[bool]]:
    tests: dict[str, ColumnElement[bool]] = {
        "agency": calls.c.agency == bindparam("agency"),
        "cause": calls.c.cause == bindparam("cause"),
        "since": calls.c.ended_at >= bindparam("since"),
    }
    return [test for name, test in tests.items() if name in given]


class SqlPersons:
    """The `Persons` of one store."""

    def __init__(self, tables: Tables) -> None:
        self._say = PersonStatements(tables.statements)
        self._deciding = DecidingStatements(tables.statements)
        self._rows, self._write, self._read = tables.rows, tables.write, tables.read

    async def needing(self) -> dict[str, Needing]:
        found: dict[str, Needing] = {}
        for agency, state, count in await self._read(self._rows, self._say.needing, {}):
            known = found.get(agency, Needing())
            found[agency] = known._replace(**{"dead" if state == State.DEAD else "in_doubt": count})
        for agency, count in await self._read(self._rows, self._say.left_pending, {"never": NEVER}):
            found[agency] = found.get(agency, Needing())._replace(pending=count)
        for agency, count in await self._read(self._rows, self._say.dead_notices, {}):
            known = found.get(agency, Needing())
            found[agency] = known._replace(dead=known.dead + count)
        return found

    async def tolls(self, which: Which) -> Sequence[Toll]:
        found: Counter[tuple[str, str]] = Counter()
        agency = which.agency or await self._read(self._next, which, "")
        while agency is not None:
            values: dict[str, Any] = {"agency": agency, "limit": SLICE}
            while True:
                question = self._say.slice(which.state, first="seq" not in values)
                rows = await self._read(self._rows, question, values)
                found.update((agency, row[0]) for row in rows if _counts(which, row[0], row[1]))
                if len(rows) < SLICE:
                    break
                values |= {"due_at": rows[-1][2], "seq": rows[-1][3]}
            agency = None if which.agency else await self._read(self._next, which, agency)
        order = sorted(found.items(), key=lambda one: (one[0][0], -one[1], one[0][1]))
        return [Toll(agency, cause, count) for (agency, cause), count in order]

    async def page(self, which: Which, limit: int, after: Mark | None = None) -> Sequence[Stuck]:
        found: Sequence[Stuck] = await self._read(self._page, which, limit, after)
        return found

    async def case(self, call: str) -> Case | None:
        case: Case | None = await self._read(self._case, call)
        return case

    async def decide(self, of: Sequence[str], decision: Decision) -> Sequence[Decided]:
        decided: Sequence[Decided] = await self._write("decide", decide, self._deciding, of, decision)
        return decided

    def _page(self, which: Which, limit: int, after: Mark | None) -> list[Stuck]:
        given = _given(which)
        found: list[Stuck] = []
        agency = which.agency or (after.agency if after else self._next(which, ""))
        while agency is not None:
            values = given | {"agency": agency, "limit": limit - len(found)}
            if after is not None:
                values |= {"due_at": after.due_at, "seq": after.seq}
            question = self._say.page(which.state, frozenset(given), first=after is None)
            found += [_stuck(row) for row in self._rows(question, values)]
            after = None
            agency = None if which.agency or len(found) >= limit else self._next(which, agency)
        return found

    def _next(self, which: Which, after: str) -> str | None:
        rows = self._rows(self._say.next_agency(which.state), {"after": after})
        return rows[0][0] if rows else None

    def _case(self, call: str) -> Case | None:
        rows = self._rows(self._say.call, {"call": call})
        if not rows:
            return None
        row = rows[0]
        record = to_record(row, None)
        ended_at, seq, digest, size = row[WIDTH + 2 :]
        of = record.call
        request = self._rows(self._say.request, {"call": call})
        about = {"dossier": of.purpose.dossier or call, "agency": of.agency}
        key = {"agency": of.agency, "order_key": of.order_key, "seq": seq}
        before = self._rows(self._say.in_the_way, key) if of.order_key is not None else []
        holds = of.order_key is not None and of.state in KEY_HOLDERS
        behind = self._rows(self._say.holds_up, key)[0][0] if holds else 0
        return Case(
            record,
            ended_at,
            request[0][0] if request else None,
            digest,
            size,
            [Exchanged(*one) for one in self._rows(self._say.exchanges, {"call": call})],
            [Reference(*one) for one in self._rows(self._say.references, about)],
            [Entry(*one) for one in self._rows(self._say.decisions, {"call": call})],
            InTheWay(*before[0]) if before and of.state is State.QUEUED else None,
            behind,
        )


def _counts(which: Which, cause: str, ended_at: float | None) -> bool:
    return which.cause in (None, cause) and (which.since is None or (ended_at or 0.0) >= which.since)


def _given(which: Which) -> dict[str, Any]:
    filters = {"agency": which.agency, "cause": which.cause, "since": which.since}
    return {name: value for name, value in filters.items() if value is not None}


def _stuck(row: Sequence[Any]) -> Stuck:
    record = to_record(row, None)
    ended_at, seq = row[WIDTH + 2 : WIDTH + 4]
    return Stuck(record, ended_at or record.call.due_at, Mark(record.call.agency, record.call.due_at, seq))
