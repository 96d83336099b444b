"""
How a part of a store, such as its files or its polls, reads and writes its tables. `sql_store.py` makes one for all parts.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from hub.store.prepared import Prepared
from hub.store.statements import Statements

Rows: TypeAlias = Callable[[Prepared, Mapping[str, Any]], Sequence[Any]]
"""Runs a question on the connection for reading, and returns all its rows. In the thread of `Tables.read` only."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one store, for its parts."""

    statements: Statements
    rows: Rows
    write: Callable[..., Awaitable[Any]]
    """Runs a function as the member of a commit: name of the failpoint, function, and what it takes after the batch."""
    read: Callable[..., Awaitable[Any]]
    """Runs a function, and what it takes, where `rows` may be asked."""
