"""
The store that several nodes share: PostgreSQL, over psycopg. It passes the contract suite of `sqlite.py`.

A node writes over one connection, in a thread of its own, reads over a second and listens on a third. The first holds a
lock on the node's name for as long as it lives: nobody else writes under that name, and a connection that takes the lock
again knows that whatever its predecessor was committing has come to an end.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper

from hub.clock import Clock
from hub.errors import StoreUnavailable
from hub.store.batch import Book
from hub.store.database import StoreInUse, StoreUnusable
from hub.store.listening import Listener
from hub.store.migrate import migrate_postgres
from hub.store.prepared import postgres_dialect
from hub.store.reading import Reader
from hub.store.room import Room
from hub.store.sql_store import OnCommit, SqlStore
from hub.store.statements import CHANNEL, Statements
from hub.store.writer import RETRY_AFTER, Failpoint, ThreadedLine, Watch, Writer

RV = TypeVar("RV")

_CONNECT_SECONDS = 3
_ANSWER_SECONDS = 5.0
"""A server that says nothing for so long is taken for gone: also one that is frozen, which its machine does not notice."""
_SESSION = {
    "statement_timeout": "4s",  # below the client's own patience: the server's word is clearer
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "4s",  # a node that stops in the middle must not keep what others need
    "tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "2",
    "jit": "off",  # no statement here is large enough to be worth compiling
    # Every question has its index; a plan made while a table was small must not read all of it when it is large.
    "enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
}  # fmt: skip
_SET = (
    "SELECT " + ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SESSION.items())
    + ", set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'"
    " ELSE current_setting('synchronous_commit') END, false)"
)  # fmt: skip
_ORDERED = "SET enable_sort = off"
"""
For who writes: what is asked in an order has an index in that order. A planner that takes what waits for few, as it does
while a backlog is young, would rather read all of it and sort, for every lease.
"""
_OWN = "SELECT pg_advisory_lock(hashtextextended($1, 0))"
_END_FORMER = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2"
_QUOTED = re.compile(r'"[^"]*"')
_WHO = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"


class PostgresConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that gives up waiting after `_ANSWER_SECONDS`, and is closed then."""

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> psycopg.Cursor[tuple[Any, ...]]:
        cursor = self.cursor()
        cursor.executemany(sql, rows)
        return cursor

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        try:
            return super().wait(gen, interval, _ANSWER_SECONDS if timeout is None else timeout)
        except errors.OperationalError as error:
            if error.sqlstate is None:  # no word of the server's: an answer that comes later would be nobody's
                self.close()
            raise


class Postgres:
    """PostgreSQL at *dsn*, written under the name of *node*. Implements `database.Database`."""

    begin = "BEGIN ISOLATION LEVEL READ COMMITTED"
    failed: type[Exception] = psycopg.Error
    refused: tuple[type[Exception], ...] = (errors.IntegrityError, errors.DataError)
    again: tuple[type[Exception], ...] = (errors.UniqueViolation, errors.DeadlockDetected, errors.SerializationFailure)

    def __init__(self, dsn: str, node: str) -> None:
        self.dialect = postgres_dialect()
        self._dsn = dsn
        self._node = node
        self._former: tuple[int, Any] | None = None

    def connect(self) -> PostgresConnection:
        connection = self.open("writes")
        try:
            connection.execute(_ORDERED)
            if self._former is not None:
                connection.execute(_END_FORMER, self._former)
            connection.execute(_OWN, (f"node {self._node}",))
            self._former = connection.execute(_WHO).fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def connect_to_read(self) -> PostgresConnection:
        connection = self.open("reads")
        connection.execute("SET default_transaction_read_only = on")
        return connection

    def open(self, what: str) -> PostgresConnection:
        """Open a connection and say in it how long anything may take. *what* it is for shows in `pg_stat_activity`."""
        connection = PostgresConnection.connect(
            self._dsn, autocommit=True, cursor_factory=psycopg.RawCursor, connect_timeout=_CONNECT_SECONDS,
            application_name=f"lienthong {self._node} {what}", keepalives=1, keepalives_idle=5, keepalives_interval=2,
            keepalives_count=2, tcp_user_timeout=8000, client_encoding="utf8",
        )  # fmt: skip
        connection.adapters.register_dumper(int, Int8Dumper)  # one width, so that a statement is prepared once
        try:
            connection.execute(_SET)
        except BaseException:
            connection.close()
            raise
        return connection

    def in_transaction(self, connection: PostgresConnection) -> bool:
        return connection.info.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)

    def lost(self, connection: PostgresConnection) -> bool:
        return connection.closed or connection.broken

    def meets_all(self, _error: Exception, /) -> bool:
        """A connection that is lost says so itself; whatever else fails is the matter of one member."""
        return False

    def room(self, connection: PostgresConnection) -> Room:
        """Nobody but its own machine knows how much room a server has: `hub.store_bytes` says how much it may take."""
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        return Room(int(row[0]) if row else 0, None)

    def says(self, error: Exception) -> str:
        """Return state and message without the detail, in which PostgreSQL quotes the row."""
        if isinstance(error, psycopg.Error) and error.sqlstate:
            return f"{error.sqlstate} {error.diag.message_primary}"
        return f"{type(error).__name__}: the server does not answer"


class PostgresStore(SqlStore):
    """A store that several nodes share. Make it with `connect`."""

    @classmethod
    def connect(
        cls,
        dsn: str,
        node: str,
        clock: Clock,
        *,
        backlog_calls: Mapping[str, int],
        failpoint: Failpoint | None = None,
        on_commit: OnCommit | None = None,
        watch: Watch | None = None,
    ) -> "PostgresStore":
        """
        Open the database *dsn* for serving as *node*, making or migrating its tables when needed.

        Raises:
            StoreInUse: Another process serves it under the same name.
            StoreUnusable: *dsn* is no address, or the database is none that a hub can use.
            StoreUnavailable: The server does not answer, or lets nobody in under this address.
        """
        _check_address(dsn)
        try:
            migrate_postgres(dsn)
            database = Postgres(dsn, node)
            book = Book(database, Statements(database.dialect), clock, backlog_calls, chain=node, node=node)
            writer = Writer(book, failpoint)
            writer.connection()
            reader = Reader(database, book.statements, node)
        except errors.LockNotAvailable:
            raise StoreInUse(
                f"A process named {node} serves this store already. Give each its own name: set `hub.node` in hub.toml, "
                "or HUB__HUB__NODE."
            ) from None
        except psycopg.Error as error:
            told = _told(error, dsn)
            raise StoreUnavailable(f"PostgreSQL does not let us in: {told}", retry_after=RETRY_AFTER) from None
        listener = Listener(lambda: database.open("listens"), CHANNEL, node)
        return cls(ThreadedLine(writer, clock, on_commit=on_commit, watch=watch), book, reader, listener=listener)


def _check_address(dsn: str) -> None:
    """
    Refuse what PostgreSQL would refuse by quoting it: a password that is not encoded ends up where host or port stand.

    Raises:
        StoreUnusable: *dsn* is no address. Nothing of it is told.
    """
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
    except psycopg.Error:
        parts = {"port": "none"}
    ports = parts.get("port", "").split(",")
    strayed = any(sign in parts.get(name, "") for name, sign in (("host", "@"), ("dbname", "@"), ("dbname", "/")))
    if strayed or not all(port.isdecimal() or not port for port in ports):
        raise StoreUnusable(
            "`hub.store` leads to no address that PostgreSQL understands; percent-encode @ : / # % in the password, "
            "as %40 %3A %2F %23 %25."
        )


def _told(error: psycopg.Error, dsn: str) -> str:
    """Return the first line of *error*, without a value of the address that it finds invalid, and without the password."""
    told = str(error).partition("\n")[0]
    if "invalid" in told:
        told = _QUOTED.sub("…", told, count=1)
    password = str(conninfo_to_dict(dsn).get("password") or "")
    return told.replace(password, "…") if password else told
