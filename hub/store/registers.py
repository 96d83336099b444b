"""
What `hub.security.identity` may ask of a store: the registers of callers, officers and units, and their changes.

Each change is one commit with its journal entry. `SqlStore.registers` is one.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any, Protocol

from pydantic_core import to_json

from hub.call import Class
from hub.journal import Entry
from hub.store.batch import Batch
from hub.store.prepared import Prepared
from hub.store.statements import Statements


@dataclass(frozen=True, slots=True)
class CallerRow:
    """A system that may ask, with the SHA-256 (hex) of its key; the key itself is nowhere."""

    name: str
    key_digest: str
    allowed: tuple[str, ...]
    """`*`, names of agencies, or `agency.operation`."""
    top_class: Class
    enabled: bool
    added_at: float
    calls_per_minute: int


@dataclass(frozen=True, slots=True)
class OfficerLine:
    """One line of the register of officers: in which unit, on which days, and the account at one agency."""

    officer: str
    unit: str
    valid_from: str
    """First day, `yyyy-mm-dd`."""
    valid_to: str
    """Last day, `yyyy-mm-dd`; empty while open."""
    agency: str
    """Empty: the line says only that the officer belongs to the unit."""
    account: str
    name: str = ""
    """The name under which that agency has the account; empty where it asks for none."""


@dataclass(frozen=True, slots=True)
class UnitLine:
    """One line of the register of units: on which days it exists, and its code at one agency."""

    unit: str
    valid_from: str
    valid_to: str
    agency: str
    code: str


class Registers(Protocol):
    """Every method raises `hub.errors.StoreUnavailable` when the store did not answer."""

    async def callers(self) -> Sequence[CallerRow]: ...
    async def officers(self) -> Sequence[OfficerLine]: ...
    async def units(self) -> Sequence[UnitLine]: ...

    async def put_caller(self, row: CallerRow, event: str, by: str) -> None:
        """Add or replace a caller; *event* and *by* (who did it) go to the journal."""
        ...

    async def replace_officers(self, lines: Sequence[OfficerLine], by: str) -> None:
        """Make *lines* the whole register; the journal keeps their number and digest."""
        ...

    async def replace_units(self, lines: Sequence[UnitLine], by: str) -> None:
        """Make *lines* the whole register; the journal keeps their number and digest."""
        ...


class RegisterStatements:
    """What the registers ask, compiled once."""

    def __init__(self, statements: Statements) -> None:
        self.all = {table: statements.all_of(table) for table in ("callers", "officers", "units")}
        self.clear = {table: statements.clear(table) for table in ("officers", "units")}
        self.fill = {table: statements.fill(table) for table in ("officers", "units")}
        self.put_caller: Prepared = statements.replace("callers")


def put_caller(batch: Batch, say: RegisterStatements, row: CallerRow, event: str, by: str) -> None:
    """Write a caller and its journal entry."""
    allowed = " ".join(row.allowed)
    batch.run(say.put_caller, asdict(row) | {"allowed": allowed, "top_class": row.top_class.value})
    batch.news.registers()
    may = f"{row.name} may call {allowed}, at most {row.top_class.value}, {row.calls_per_minute} calls a minute"
    batch.write(Entry(batch.now, event, caller=by, detail=may))


def replace_lines(batch: Batch, say: RegisterStatements, table: str, lines: Sequence[Any], by: str) -> None:
    """Write a whole register and its journal entry."""
    batch.run(say.clear[table], {})
    rows = [asdict(line) | {"line": number} for number, line in enumerate(lines, 1)]
    if rows:
        batch.run_many(say.fill[table], rows)
    batch.news.registers()
    digest = hashlib.sha256(to_json([astuple(line) for line in lines])).hexdigest()
    batch.write(Entry(batch.now, f"{table}_imported", caller=by, detail=f"{len(lines)} lines, sha256 {digest}"))


def to_caller(row: Sequence[Any]) -> CallerRow:
    """Make a caller from a row of the table."""
    name, digest, allowed, top_class, enabled, added_at, calls_per_minute = row
    return CallerRow(name, digest, tuple(allowed.split()), Class(top_class), bool(enabled), added_at, calls_per_minute)
