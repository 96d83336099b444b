"""
The embedded store: one SQLite file, or memory alone. Implements `protocol.Store`; the rules are in `accepting.py`,
`moving.py` and `recovering.py`, and hold for both forms, which pass one contract suite.

A file is written by a thread of its own and read by another; memory is written in the loop itself, so that whole
scenarios run under a virtual clock. A file is served by one process: a second one is refused.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.schema import CreateIndex, CreateTable

from hub.call import Call, Class, State
from hub.clock import Clock
from hub.errors import IdempotencyConflict, StoreUnavailable
from hub.journal import Chained
from hub.store import accepting, leasing, moving, orders, recovering, registers, restoring
from hub.store.batch import Book
from hub.store.migrate import migrate
from hub.store.orders import Order, OrderKind, OrderStatements
from hub.store.protocol import (
    Accepted,
    Follower,
    Leased,
    Occupied,
    Record,
    Recovered,
    Settled,
    Settlement,
    Shared,
    Sought,
)
from hub.store.reading import Reader
from hub.store.registers import CallerRow, OfficerLine, RegisterStatements, UnitLine, to_caller
from hub.store.restoring import Restored, RestoringStatements
from hub.store.retention import Keeping
from hub.store.room import Room, TrialStatements, room_in_memory, room_of_file, try_out
from hub.store.schema import metadata
from hub.store.statements import Statements, sqlite_dialect
from hub.store.writer import RETRY_AFTER, Failpoint, Line, ThreadedLine, Watch, Writer

T = TypeVar("T")

_BUSY_SECONDS = 5.0
_WAL_BYTES = 64 * 1024 * 1024
DURABLE_SECONDS = 7 * 86_400.0
"""A replayed call gets this long again when nobody says otherwise."""

OnCommit = Callable[[float, int], None]


class StoreInUse(Exception):
    """Another process serves this file. Stop it first, or speak to its admin door: commands do so while it runs."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is in use. {' '.join((type(self).__doc__ or '').split())}")


class SqliteStore:
    """A store in one file or in memory. Make it with `open_file` or `in_memory`."""

    def __init__(self, line: Line, book: Book, reader: Reader, own: "_Own") -> None:
        self._line = line
        self._book = book
        self._reader = reader
        self._own = own
        self._trial = TrialStatements(book.statements)
        self._readers = ThreadPoolExecutor(1, "store-reader") if own.threaded else None
        self.retention = Keeping(book.statements, self._write)
        """Removes what has been kept for long enough; `hub.retention` says when."""
        self.registers = SqliteRegisters(self)
        """Callers, officers and units; `hub.security.identity` keeps them in memory."""
        self.orders = SqliteOrders(self)
        """What operators ordered; `hub.orders` sees that it is kept."""

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
        own = _Own(path)
        try:
            migrate(path)
            statements = Statements(sqlite_dialect())
            book = Book(statements, clock, backlog_calls, lambda: _connect(path))
            writer = Writer(book, failpoint)
            writer.connection()
            reader = Reader(_connect_to_read(path), statements)
        except BaseException:
            own.release()
            raise
        return cls(ThreadedLine(writer, clock, on_commit=on_commit, watch=watch), book, reader, own)

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
        statements = Statements(sqlite_dialect())
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        _make_tables(connection)
        book = Book(statements, clock, backlog_calls, lambda: connection)
        line = Line(Writer(book, failpoint), clock, on_commit=on_commit, watch=watch)
        line.writer.connection()
        return cls(line, book, Reader(connection, statements), _Own(None))

    async def accept(self, call: Call, request: bytes) -> Accepted:
        return await self._write("accept", accepting.accept, call, request)

    async def open(self, call: Call, node: str, digest: str, size: int) -> int:
        return await self._write("open", accepting.open_, call, node, digest, size)

    async def follow(self, shared: Shared, followers: Sequence[Follower]) -> Sequence[IdempotencyConflict | None]:
        return await self._write("follow", accepting.follow, shared, followers)

    async def lease(
        self, agency: str, node: str, want: Mapping[Class, int], ttl: float, without: Collection[str] = ()
    ) -> Sequence[Leased]:
        return await self._write("lease", leasing.lease, agency, node, want, ttl, tuple(without))

    async def renew(self, node: str, calls: Sequence[str], ttl: float) -> Sequence[str]:
        return await self._write("renew", moving.renew, node, calls, ttl)

    async def give_back(self, node: str, calls: Sequence[str], due_at: float | None = None) -> None:
        await self._write("give_back", moving.give_back, node, calls, due_at)

    async def begin(self, call_id: str, fence: int, node: str) -> int | None:
        return await self._write("begin", moving.begin, call_id, fence, node)

    async def begin_verification(self, call_id: str, node: str) -> tuple[int, int] | None:
        return await self._write("begin_verification", moving.begin_verification, call_id, node)

    async def settle(self, settlement: Settlement) -> Settled:
        return await self._write("settle", moving.settle, settlement)

    async def end(self, call_id: str, state: State, cause: str) -> bool:
        return await self._write("end", moving.end, call_id, state, cause)

    async def cancel(self, call_id: str, caller: str) -> State | None:
        return await self._write("cancel", moving.cancel, call_id, caller)

    async def decide(self, call_id: str, state: State, by: str, seconds: float = DURABLE_SECONDS) -> bool:
        """
        Move a dead or doubtful call as the person *by* says: `queued` sends it again, within *seconds* from now.

        False: it moved meanwhile, or this move is not allowed.
        """
        deadline = self._book.clock.now() + seconds
        return await self._write("decide", moving.decide, call_id, state, by, deadline)

    async def recover(self, node: str, *, starting: bool = True) -> Recovered:
        return await self._write("recover", recovering.recover, node, starting)

    async def restore(self, moment: float, sent: Mapping[str, int]) -> Restored:
        """
        Move what waited at *moment*, when this copy was made; *sent*: how many each agency may have got today since.

        Nothing is done when the store was used after that moment.
        """
        say = RestoringStatements(self._book.statements)
        return await self._write("restore", restoring.restore, say, moment, sent)

    async def note(self, event: str, by: str, detail: str) -> None:
        """Write an entry of the journal about the store as a whole."""
        await self._write("note", restoring.note, event, by, detail)

    async def get(self, call_id: str, caller: str | None = None) -> Record | None:
        return await self._read(self._reader.get, call_id, caller)

    async def find(self, sought: Sought) -> Sequence[Record]:
        return await self._read(self._reader.find, sought)

    async def in_doubt_due(self, agency: str, not_after: float, limit: int) -> Sequence[Leased]:
        return await self._read(self._reader.in_doubt_due, agency, not_after, limit, self._book.clock.now())

    async def occupied(self, since: float) -> Sequence[Occupied]:
        return await self._read(self._reader.occupied, since)

    async def sent_on_day(self, agency: str, day: str) -> int:
        return await self._read(self._reader.sent_on_day, agency, day)

    async def next_due(self, agency: str, after: float = 0.0, without: Collection[str] = ()) -> float | None:
        return await self._read(self._reader.next_due, agency, self._book.clock.now(), after, tuple(without))

    async def remembered(self, dossier: str, agency: str) -> Mapping[str, str]:
        return await self._read(self._reader.remembered, dossier, agency)

    async def backlog(self, agency: str) -> int:
        return self._book.backlog[agency]

    async def journal(self, after: int = 0, limit: int = 1000) -> Sequence[Chained]:
        """Read journal entries numbered above *after*, oldest first."""
        return await self._read(self._reader.entries, after, limit)

    async def room(self) -> Room:
        """Return how large the store is, and how large its disk would let it grow."""
        path, connection = self._own.path, self._reader.connection
        return await self._read(lambda: room_in_memory(connection) if path is None else room_of_file(connection, path))

    async def try_out(self) -> None:
        """Write something and take it out again; returns when the disk has it."""
        await self._write("try_out", try_out, self._trial)

    def waiting_seconds(self) -> float:
        """Return for how long nothing was committed though something waits to be; 0 when nothing waits."""
        return self._line.waiting_seconds()

    async def close(self) -> None:
        """Write what waits, close the file and let others open it. Idempotent."""
        await self._line.close()
        if self._readers is not None:
            self._readers.shutdown()
        self._reader.close()
        self._own.release()

    def _write(self, name: str, act: Callable[..., T], *args: Any) -> "asyncio.Future[T]":
        return self._line.do(name, act, *args)

    async def _read(self, ask: Callable[..., T], *args: Any) -> T:
        try:
            if self._readers is None:
                return ask(*args)
            return await asyncio.get_running_loop().run_in_executor(self._readers, ask, *args)
        except (sqlite3.Error, OSError, RuntimeError) as error:
            raise StoreUnavailable(
                f"the store did not answer: {type(error).__name__}", retry_after=RETRY_AFTER
            ) from None


class SqliteRegisters:
    """The registers of a store. Implements `registers.Registers`."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._say = RegisterStatements(store._book.statements)

    async def callers(self) -> Sequence[CallerRow]:
        return [to_caller(row) for row in await self._all("callers")]

    async def officers(self) -> Sequence[OfficerLine]:
        return [OfficerLine(*row[1:]) for row in await self._all("officers")]

    async def units(self) -> Sequence[UnitLine]:
        return [UnitLine(*row[1:]) for row in await self._all("units")]

    async def put_caller(self, row: CallerRow, event: str, by: str) -> None:
        await self._store._write("put_caller", registers.put_caller, self._say, row, event, by)

    async def replace_officers(self, lines: Sequence[OfficerLine], by: str) -> None:
        await self._store._write("replace_officers", registers.replace_lines, self._say, "officers", lines, by)

    async def replace_units(self, lines: Sequence[UnitLine], by: str) -> None:
        await self._store._write("replace_units", registers.replace_lines, self._say, "units", lines, by)

    async def _all(self, table: str) -> Sequence[Any]:
        return await self._store._read(self._store._reader.register, self._say.all[table])


class SqliteOrders:
    """The orders of a store. Implements `orders.KeptOrders`."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._say = OrderStatements(store._book.statements)

    async def in_force(self) -> Sequence[Order]:
        return await self._store._write("orders_in_force", orders.in_force, self._say)

    async def give(self, order: Order) -> None:
        await self._store._write("give_order", orders.give, self._say, order)

    async def take_back(self, scope: str, kind: OrderKind, by: str, why: str) -> None:
        await self._store._write("take_order_back", orders.take_back, self._say, scope, kind, by, why)


class _Own:
    """Exclusive right to serve a file, kept as a lock on a small file beside it; the system frees it at any death."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.threaded = path is not None
        self._lock: sqlite3.Connection | None = None
        if path is None:
            return
        lock = sqlite3.connect(
            path.with_name(path.name + ".lock"), isolation_level=None, timeout=0, check_same_thread=False
        )
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            lock.close()
            raise StoreInUse(path) from None
        self._lock = lock

    def release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # WAL with NORMAL would lose the last commits when power fails
    connection.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}")
    connection.execute("PRAGMA cache_size=-32000")
    return connection


def _connect_to_read(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False)
    connection.execute("PRAGMA query_only=ON")
    return connection


def _make_tables(connection: sqlite3.Connection) -> None:
    dialect = sqlite_dialect()
    for table in metadata.sorted_tables:
        connection.execute(str(CreateTable(table).compile(dialect=dialect)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(str(CreateIndex(index).compile(dialect=dialect)))
