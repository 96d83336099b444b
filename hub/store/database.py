"""
What differs between the databases in which a store may lie: said once by `sqlite.py`, once by `postgres.py`.

Everything else of the store is written once and runs on either: statements compiled for the dialect, on a connection
with the surface that both drivers have.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Dialect

if TYPE_CHECKING:
    from hub.store.room import Room

SINGLE = "main"
"""Name of the journal's chain where one process writes it, and of the chain of stores older than chains by node."""


class StoreInUse(Exception):
    """Another process serves this store. Its text says which, and what to do."""


class StoreUnusable(Exception):
    """No store can be here as things stand. Its text says why, and what to do."""


class Cursor(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """What both drivers can do. Outside of BEGIN and COMMIT each statement is a commit of its own."""

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Cursor: ...
    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> Cursor: ...
    def close(self) -> None: ...


class Database(Protocol):
    """One place for calls, and how its driver speaks."""

    dialect: Dialect
    begin: str
    """Begins a transaction that writes."""
    failed: type[Exception]
    """Every error of the driver: the store did not answer, unless it is one of the two below."""
    refused: tuple[type[Exception], ...]
    """The row itself is at fault; it would be refused at any time."""
    again: tuple[type[Exception], ...]
    """Two nodes were in each other's way: the same member, run once more, sees what the other one did."""

    def connect(self) -> Any:
        """Open a connection that writes."""
        ...

    def connect_to_read(self) -> Any:
        """Open a connection that changes nothing."""
        ...

    def in_transaction(self, connection: Any, /) -> bool:
        """Say whether a transaction is open, sound or failed."""
        ...

    def lost(self, connection: Any, /) -> bool:
        """Say whether nothing can come of *connection* any more, so that only another one may bring an answer."""
        ...

    def meets_all(self, error: Exception) -> bool:
        """Say whether every member would meet *error*: running them one by one would fail each in turn."""
        ...

    def room(self, connection: Any) -> "Room":
        """Return how large the store is, asked over *connection*."""
        ...

    def says(self, error: Exception) -> str:
        """Return what the driver complains of, without any value of a row."""
        ...
