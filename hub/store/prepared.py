"""
One statement, compiled once to SQL text and order of parameters, for one row or for many at once. Next: `statements.py`.

SQLAlchemy writes the text for the dialect; the writer runs it on the driver itself, which costs a tenth of running it
through SQLAlchemy. Values go in by name, as a mapping.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Dialect, LargeBinary
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql.expression import ClauseElement

Values = Mapping[str, Any]


class Prepared:
    """
    SQL text of the driver, and how to put named values in the order of its parameters.

    It is compiled when it is first used: a store has two hundred statements, and a command or a test runs a few of them.
    """

    def __init__(self, statement: ClauseElement, dialect: Dialect, *, together: bool = False) -> None:
        self._statement = statement
        self._dialect = dialect
        self._many = together

    @cached_property
    def _compiled(self) -> Any:
        return self._statement.compile(dialect=self._dialect)

    @cached_property
    def sql(self) -> str:
        """The text, for one row."""
        return str(self._compiled)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The parameters in their order."""
        return tuple(self._compiled.positiontup or ())

    @cached_property
    def order(self) -> Callable[[Values], tuple[Any, ...]]:
        """Puts named values in the order of the parameters."""
        written = {name: value for name, value in self._compiled.params.items() if value is not None}
        return _in_order(self.names, written)

    @cached_property
    def together(self) -> str | None:
        """The same for many rows, given as one JSON text: `rows_as_json`. None where it is run row by row."""
        if not self._many:
            return None
        return _over_rows(self.sql, [one.compile(dialect=self._dialect) for one in self._types()])

    @cached_property
    def _packed(self) -> tuple[bool, ...]:
        return tuple(isinstance(one, LargeBinary) for one in self._types())

    def _types(self) -> list[Any]:
        return [self._compiled.binds[name].type for name in self.names]

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


def sqlite_dialect() -> Dialect:
    """Return the dialect whose text the standard library's driver takes."""
    return sqlite.dialect(paramstyle="qmark")


def postgres_dialect() -> Dialect:
    """Return the dialect whose text a raw cursor of psycopg takes: `$1`, given once however often it is used."""
    dialect: Dialect = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    return dialect
