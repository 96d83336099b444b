"""
How agencies handle dossiers: a row of each dossier at each agency, written in the commit of what it is about, and counted.

A row outlives the bodies of calls and notices. It holds a code, a procedure and moments, and of a dossier that goes round
twice its last end; whatever is written again changes nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sqlalchemy import ColumnElement, and_, bindparam, case, func, select

from hub.handled import Handled
from hub.store.batch import Batch
from hub.store.schema import dossiers, fixed
from hub.store.statements import Statements, among, listed
from hub.store.tables import Tables


class Counts(NamedTuple):
    """Dossiers of one procedure at one agency. All but `overdue` are of a period, that is of now."""

    received: int = 0
    """The hub took them on."""
    forwarded: int = 0
    """The agency said that it has them."""
    returned: int = 0
    """The agency was done with them, with a result or without."""
    sent_back: int = 0
    """The agency gave them back, to be mended and filed again."""
    withdrawn: int = 0
    on_time: int = 0
    """Returned until the moment that was promised for them."""
    late: int = 0
    """Returned after it. What was promised for no moment is neither."""
    overdue: int = 0
    """The agency has them and has not ended them, though they were promised for a moment that has passed."""

    def plus(self, other: "Counts") -> "Counts":
        """Return the sum of both."""
        return Counts(*(one + two for one, two in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class Period:
    """Which dossiers are counted: what happened from `begin` until before `end`, Unix seconds."""

    agencies: Collection[str]
    begin: float
    end: float
    now: float
    """What was promised for a moment before is overdue."""
    procedure: str | None = None


class KeptHandling(Protocol):
    """Raises `hub.errors.StoreUnavailable` when the store did not answer."""

    async def counts(self, period: Period) -> Sequence[tuple[str, str, Counts]]:
        """Count by agency and procedure, in their order; those of which nothing happened are left out."""
        ...


class SqlHandling:
    """The `KeptHandling` of one store."""

    def __init__(self, tables: Tables) -> None:
        self._say = CountStatements(tables.statements)
        self._rows, self._read = tables.rows, tables.read

    async def counts(self, period: Period) -> Sequence[tuple[str, str, Counts]]:
        found: Sequence[tuple[str, str, Counts]] = await self._read(self._counts, period)
        return found

    def _counts(self, period: Period) -> list[tuple[str, str, Counts]]:
        asked: dict[str, Any] = {"agencies": listed(period.agencies)}
        within = asked | {"begin": period.begin, "end": period.end}
        sums: dict[tuple[str, str], Counts] = {}

        def add(row: Sequence[Any], counts: Counts) -> None:
            key = (row[0], row[1])
            if period.procedure in (None, key[1]):
                sums[key] = sums.get(key, Counts()).plus(counts)

        for row in self._rows(self._say.received, within):
            add(row, Counts(received=int(row[2])))
        for row in self._rows(self._say.forwarded, within):
            add(row, Counts(forwarded=int(row[2])))
        for row in self._rows(self._say.ended, within):
            add(row, _ended(row[2], row[3], int(row[4])))
        for row in self._rows(self._say.overdue, asked | {"now": period.now}):
            add(row, Counts(overdue=int(row[2])))
        return [(agency, procedure, counts) for (agency, procedure), counts in sorted(sums.items())]


_ON_TIME, _LATE = "on_time", "late"


def _ended(ending: str, kept: str, count: int) -> Counts:
    if ending == "sent_back":
        return Counts(sent_back=count)
    if ending == "withdrawn":
        return Counts(withdrawn=count)
    return Counts(returned=count, on_time=count * (kept == _ON_TIME), late=count * (kept == _LATE))


class CountStatements:
    """What is counted, compiled once; each question has an index of its own over moments."""

    def __init__(self, statements: Statements) -> None:
        by = (dossiers.c.agency, dossiers.c.procedure)
        theirs = among(dossiers.c.agency, "agencies")

        def within(moment: ColumnElement[Any]) -> ColumnElement[bool]:
            return and_(moment >= bindparam("begin"), moment < bindparam("end"), theirs)

        def counted(where: ColumnElement[bool], *more: ColumnElement[Any]) -> Any:
            return statements.prepare(select(*by, *more, func.count()).where(where).group_by(*by, *more))

        kept = case(
            (dossiers.c.due_at.is_(None), fixed("")),
            (dossiers.c.ended_at <= dossiers.c.due_at, fixed(_ON_TIME)),
            else_=fixed(_LATE),
        )
        self.received = counted(within(dossiers.c.received_at))
        self.forwarded = counted(within(dossiers.c.forwarded_at))
        self.ended = counted(within(dossiers.c.ended_at), dossiers.c.ending, kept)
        at_work = and_(dossiers.c.forwarded_at.is_not(None), dossiers.c.ended_at.is_(None))
        self.overdue = counted(and_(at_work, dossiers.c.due_at < bindparam("now"), theirs))


def keep(batch: Batch, agency: str, call: str, handled: Handled | None) -> None:
    """Write what *call*, or the notice of that id, says of a dossier at *agency*."""
    if handled is None or not handled.dossier:
        return
    at = batch.now if handled.at is None else min(handled.at, batch.now)
    this = {"of_agency": agency, "of_dossier": handled.dossier, "at": at}
    match handled.step:
        case "received" | "forwarded":
            row = {
                "agency": agency, "dossier": handled.dossier, "procedure": handled.procedure, "call": call,
                "received_at": at, "forwarded_at": batch.now if handled.step == "forwarded" else None,
                "due_at": handled.due_at, "due_said_at": at, "ended_at": None, "ending": None,
            }  # fmt: skip
            batch.later(batch.say.put_dossier, row, call)
        case "moved":
            batch.run(batch.say.move_dossier, this | {"due_at": handled.due_at})
        case "ended":
            batch.run(batch.say.end_dossier, this | {"ending": handled.ending})
        case "reopened":
            batch.run(batch.say.reopen_dossier, this)


def confirmed(batch: Batch, call: str) -> None:
    """A person says that the agency has what *call* filed."""
    batch.run(batch.say.confirm_dossier, {"of_call": call, "at": batch.now})
