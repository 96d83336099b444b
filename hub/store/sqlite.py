"""
The embedded store: one SQLite file, or memory alone. Both forms pass one contract suite, with `postgres.py`.

A file is written by a thread of its own and read by another; memory is written in the loop itself, so that whole
scenarios run under a virtual clock. A file is served by one process: a second one is refused.
"""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy.schema import CreateIndex, CreateTable

from hub.clock import Clock
from hub.store.batch import Book
from hub.store.database import SINGLE, StoreInUse
from hub.store.migrate import migrate
from hub.store.prepared import sqlite_dialect
from hub.store.reading import Reader
from hub.store.room import Room, room_in_memory, room_of_file
from hub.store.schema import metadata
from hub.store.sql_store import OnCommit, SqlStore
from hub.store.statements import Statements
from hub.store.writer import Failpoint, Line, ThreadedLine, Watch, Writer

_BUSY_SECONDS = 5.0
_OF_THE_DISK = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CORRUPT})
_WAL_BYTES = 64 * 1024 * 1024


class Sqlite:
    """SQLite in *path*, or in memory. Implements `database.Database`."""

    begin = "BEGIN IMMEDIATE"
    failed: type[Exception] = sqlite3.Error
    refused: tuple[type[Exception], ...] = (sqlite3.IntegrityError,)
    again: tuple[type[Exception], ...] = ()

    def __init__(self, path: Path | None) -> None:
        self.dialect = sqlite_dialect()
        self._path = path
        self._memory = None if path is not None else _in_memory()

    def connect(self) -> sqlite3.Connection:
        if self._path is None:
            return self._kept()
        connection = _connect(self._path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # WAL with NORMAL would lose the last commits when power fails
        connection.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}")
        connection.execute("PRAGMA cache_size=-32000")
        return connection

    def connect_to_read(self) -> sqlite3.Connection:
        if self._path is None:
            return self._kept()
        connection = _connect(self._path)
        connection.execute("PRAGMA query_only=ON")
        return connection

    def in_transaction(self, connection: sqlite3.Connection) -> bool:
        return connection.in_transaction

    def lost(self, _connection: sqlite3.Connection, /) -> bool:
        return False

    def meets_all(self, error: Exception) -> bool:
        """A full disk does not: it may have room for the small ones."""
        return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_DISK

    def room(self, connection: sqlite3.Connection) -> Room:
        return room_in_memory(connection) if self._path is None else room_of_file(connection, self._path)

    def says(self, error: Exception) -> str:
        return str(error)

    def _kept(self) -> sqlite3.Connection:
        if self._memory is None:
            raise sqlite3.ProgrammingError("there is no store in memory")
        return self._memory


class SqliteStore(SqlStore):
    """A store in one file or in memory. Make it with `open_file` or `in_memory`."""

    @classmethod
    def open_file(
        cls,
        path: Path,
        clock: Clock,
        *,
        backlog_calls: Mapping[str, int],
        failpoint: Failpoint | None = None,
        on_commit: OnCommit | None = None,
        watch: Watch | None = None,
    ) -> "SqliteStore":
        """
        Open *path* for serving, making or migrating it when needed; blocks for some 100 ms then.

        *backlog_calls* holds, by agency, how many durable calls may wait; it is read at each accept.

        Raises:
            StoreInUse: Another process has it open.
        """
        release = _own(path)
        try:
            migrate(path)
            database = Sqlite(path)
            book = Book(database, Statements(database.dialect), clock, backlog_calls, chain=SINGLE)
            writer = Writer(book, failpoint)
            writer.connection()
            reader = Reader(database, book.statements, SINGLE)
        except BaseException:
            release()
            raise
        return cls(ThreadedLine(writer, clock, on_commit=on_commit, watch=watch), book, reader, release=release)

    @classmethod
    def in_memory(
        cls,
        clock: Clock,
        *,
        backlog_calls: Mapping[str, int],
        failpoint: Failpoint | None = None,
        on_commit: OnCommit | None = None,
        watch: Watch | None = None,
    ) -> "SqliteStore":
        """Return an empty store that lives and dies with the process and uses no thread: for tests and simulations."""
        database = Sqlite(None)
        book = Book(database, Statements(database.dialect), clock, backlog_calls, chain=SINGLE)
        line = Line(Writer(book, failpoint), clock, on_commit=on_commit, watch=watch)
        line.writer.connection()
        return cls(line, book, Reader(database, book.statements, SINGLE))


def _own(path: Path) -> Callable[[], None]:
    """Take the exclusive right to serve *path*, a lock on a small file beside it; return what gives it back, as death does."""
    lock = _connect(path.with_name(path.name + ".lock"), patience=0)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        lock.close()
        raise StoreInUse(
            f"{path} is in use. Another process serves this file. Stop it first, or speak to its admin door: "
            "commands do so while it runs."
        ) from None
    return lock.close


def _connect(path: Path, patience: float | None = None) -> sqlite3.Connection:
    seconds = _BUSY_SECONDS if patience is None else patience
    return sqlite3.connect(path, isolation_level=None, timeout=seconds, check_same_thread=False)


def _in_memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _make_tables(connection)
    return connection


def _make_tables(connection: sqlite3.Connection) -> None:
    dialect = sqlite_dialect()
    for table in metadata.sorted_tables:
        connection.execute(str(CreateTable(table).compile(dialect=dialect)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(str(CreateIndex(index).compile(dialect=dialect)))
