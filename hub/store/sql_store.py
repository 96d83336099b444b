"""
A store in a database of SQL: implements `protocol.Store` for SQLite and PostgreSQL alike. The rules are in
`accepting.py`, `moving.py` and `recovering.py`; `sqlite.py` and `postgres.py` put a store together.

What is written goes through one line to one connection, what is read through another.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from hub.call import Call, Class, State
from hub.errors import HubError, IdempotencyConflict, Internal, StoreUnavailable
from hub.journal import Chained, Head
from hub.store import accepting, batches, feed, leasing, moving, naming, nodes, orders, recovering, registers, restoring
from hub.store.asking import SqlPersons
from hub.store.batch import Book
from hub.store.batches import BatchStatements, Part
from hub.store.feed import FeedStatements, Mark, Noticed, Reach, to_noticed
from hub.store.files import SqlFiles
from hub.store.handling import SqlHandling
from hub.store.naming import NamingStatements
from hub.store.nodes import NodeStatements
from hub.store.notices import SqlNotices
from hub.store.orders import Order, OrderKind, OrderStatements
from hub.store.polls import SqlPolls
from hub.store.prepared import Prepared, Values
from hub.store.protocol import (
    Accepted,
    Follower,
    Leased,
    News,
    NodeRow,
    Occupied,
    Record,
    Recovered,
    Settled,
    Settlement,
    Shared,
    Sought,
)
from hub.store.reading import Reader
from hub.store.reconciling import SqlReconciling
from hub.store.registers import CallerRow, OfficerLine, RegisterStatements, UnitLine, to_caller
from hub.store.restoring import Restored, RestoringStatements
from hub.store.retention import Keeping
from hub.store.room import Room, TrialStatements, try_out
from hub.store.statements import listed
from hub.store.subscriptions import SqlSubscriptions
from hub.store.tables import Tables
from hub.store.writer import RETRY_AFTER, Line, ThreadedLine

T = TypeVar("T")


OnCommit = Callable[[float, int], None]


class Listener(Protocol):
    """Hears what other nodes commit. `listening.Listener` is one."""

    def start(self, loop: asyncio.AbstractEventLoop, heard: Callable[[News], None]) -> None: ...
    def stop(self) -> None: ...


class SqlStore:
    """A store over one database. `SqliteStore` and `PostgresStore` say how to make one."""

    def __init__(
        self,
        line: Line,
        book: Book,
        reader: Reader,
        *,
        release: Callable[[], None] = lambda: None,
        listener: Listener | None = None,
    ) -> None:
        self._line = line
        self._book = book
        self._reader = reader
        self._release = release
        self._listener = listener
        self._readers = ThreadPoolExecutor(1, "store-reader") if isinstance(line, ThreadedLine) else None
        self._nodes = NodeStatements(book.statements)
        self._trial = TrialStatements(book.statements)
        self.retention = Keeping(book.statements, self._write)
        """Removes what has been kept for long enough; `hub.retention` says when."""
        self.registers = SqlRegisters(self)
        """Callers, officers and units; `hub.security.identity` keeps them in memory."""
        self.orders = SqlOrders(self)
        """What operators ordered; `hub.orders` sees that it is kept."""
        tables = Tables(book.statements, reader.rows, self._write, self._read)
        self.persons = SqlPersons(tables)
        """What needs a person, and what is decided about it."""
        self.batches = SqlBatches(self)
        """Durable calls that were handed in together."""
        self.polls = SqlPolls(tables)
        """How far each poll has come; `hub.polling` runs them."""
        self.feed = SqlFeed(self)
        """What callers are told; `hub.feed` follows it."""
        self.files = SqlFiles(tables)
        """Documents, whole and in parts."""
        self.subscriptions = SqlSubscriptions(tables)
        """Who is pushed it; `hub.pushing` does."""
        self.notices = SqlNotices(tables)
        """What agencies tell and ask; `hub.arriving` takes it."""
        self.handling = SqlHandling(tables)
        """How agencies handle dossiers, counted."""
        self.reconciling = SqlReconciling(tables)
        """Comparing what was filed with what agencies have; `hub.reconciling` does."""

    async def accept(self, call: Call, request: bytes) -> Accepted:
        return await self._write("accept", accepting.accept, call, request, about=call)

    async def open(self, call: Call, node: str, digest: str, size: int) -> int:
        return await self._write("open", accepting.open_, call, node, digest, size, about=call)

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
        return await self._write("begin", moving.begin, call_id, fence, node, about=call_id)

    async def begin_asking(self, call_id: str, node: str, step: str | None = None) -> tuple[int, int] | None:
        return await self._write("begin_asking", moving.begin_asking, call_id, node, step, about=call_id)

    async def ask_now(self, call_id: str) -> str | None:
        return await self._write("ask_now", moving.ask_now, call_id, about=call_id)

    async def settle(self, settlement: Settlement) -> Settled:
        return await self._write("settle", moving.settle, settlement, about=settlement.call_id)

    async def end(self, call_id: str, state: State, cause: str) -> bool:
        return await self._write("end", moving.end, call_id, state, cause, about=call_id)

    async def cancel(self, call_id: str, caller: str) -> State | None:
        return await self._write("cancel", moving.cancel, call_id, caller, about=call_id)

    async def recover(self, node: str, *, starting: bool = True) -> Recovered:
        return await self._write("recover", recovering.recover, node, starting)

    async def restore(self, moment: float, sent: Mapping[str, int]) -> Restored:
        """
        Move what waited at *moment*, when this copy was made; *sent*: how many each agency may have got today since.

        Nothing is done when the store was used after that moment.
        """
        say = RestoringStatements(self._book.statements)
        return await self._write("restore", restoring.restore, say, moment, sent)

    async def name(self, fresh: int) -> str:
        """Return the name of this store, the same for all its nodes: the number *fresh* where it has none yet."""
        return await self._write("name", naming.name, NamingStatements(self._book.statements), fresh)

    async def note(self, event: str, by: str, detail: str) -> None:
        """Write an entry of the journal about the store as a whole."""
        await self._write("note", restoring.note, event, by, detail)

    async def room(self) -> Room:
        """Return how large the store is, and how large its disk would let it grow."""
        return await self._read(self._reader.room)

    async def try_out(self) -> None:
        """Write something and take it out again; returns when the disk has it."""
        await self._write("try_out", try_out, self._trial)

    def waiting_seconds(self) -> float:
        """Return for how long nothing was committed though something waits to be; 0 when nothing waits."""
        return self._line.waiting_seconds()

    async def get(self, call_id: str, caller: str | None = None) -> Record | None:
        return await self._read(self._reader.get, call_id, caller)

    async def find(self, sought: Sought) -> Sequence[Record]:
        return await self._read(self._reader.find, sought)

    async def asking_due(self, agency: str, not_after: float, limit: int) -> Sequence[Leased]:
        return await self._read(self._reader.asking_due, agency, not_after, limit, self._book.clock.now())

    async def occupied(self, since: float) -> Sequence[Occupied]:
        return await self._read(self._reader.occupied, since)

    async def sent_on_day(self, agency: str, day: str) -> int:
        return await self._read(self._reader.sent_on_day, agency, day)

    async def next_due(self, agency: str, after: float = 0.0, without: Collection[str] = ()) -> float | None:
        return await self._read(self._reader.next_due, agency, self._book.clock.now(), after, tuple(without))

    async def remembered(self, dossier: str, agency: str) -> Mapping[str, str]:
        return await self._read(self._reader.remembered, dossier, agency)

    async def backlog(self, agency: str) -> int:
        return await self._read(self._reader.backlog, agency)

    async def journal(self, after: int = 0, limit: int = 1000, chain: str | None = None) -> Sequence[Chained]:
        """Read entries numbered above *after* of one chain of the journal, oldest first; without a name, of its own."""
        return await self._read(self._reader.entries, after, limit, chain)

    async def chains(self) -> Mapping[str, Head]:
        """Return where each chain of the journal ends: one of each node that ever wrote this store."""
        return await self._read(self._reader.chains)

    def listen(self, heard: Callable[[News], None]) -> None:
        if self._listener is not None:
            self._listener.start(asyncio.get_running_loop(), heard)

    async def time(self) -> float:
        return await self._read(self._reader.time, self._book.clock.now())

    async def beat(self, mine: NodeRow) -> Sequence[NodeRow]:
        return await self._write("beat", nodes.beat, self._nodes, mine)

    async def nodes(self) -> Sequence[NodeRow]:
        """Return what all nodes wrote last, without writing anything."""
        return [nodes.to_node(row) for row in await self._read(self._reader.rows, self._nodes.all)]

    async def depart(self, node: str) -> None:
        await self._write("depart", nodes.depart, self._nodes, node)

    async def inherit(self, dead: str) -> int:
        return await self._write("inherit", recovering.inherit, dead)

    async def close(self) -> None:
        """Write what waits, close every connection and let others serve the store. Idempotent."""
        if self._listener is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._listener.stop)
        await self._line.close()
        if self._readers is not None:
            self._readers.shutdown()
        self._reader.close()
        self._release()

    def _write(self, name: str, act: Callable[..., T], *args: Any, about: object = None) -> "asyncio.Future[T]":
        return self._line.do(name, act, *args, about=about)

    async def _read(self, ask: Callable[..., T], *args: Any) -> T:
        try:
            if self._readers is None:
                return ask(*args)
            return await asyncio.get_running_loop().run_in_executor(self._readers, ask, *args)
        except self._reader.database.refused as error:  # it would be refused at any time: nobody should ask again
            raise Internal(f"the store refused a question: {type(error).__name__}") from None
        except (self._reader.database.failed, OSError, RuntimeError) as error:
            raise StoreUnavailable(
                f"the store did not answer: {type(error).__name__}", retry_after=RETRY_AFTER
            ) from None


class SqlRegisters:
    """The registers of a store. Implements `registers.Registers`."""

    def __init__(self, store: SqlStore) -> None:
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
        return await self._store._read(self._store._reader.rows, self._say.all[table])


class SqlOrders:
    """The orders of a store. Implements `orders.KeptOrders`."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._say = OrderStatements(store._book.statements)

    async def in_force(self) -> Sequence[Order]:
        return await self._store._write("orders_in_force", orders.in_force, self._say)

    async def give(self, order: Order) -> None:
        await self._store._write("give_order", orders.give, self._say, order)

    async def take_back(self, scope: str, kind: OrderKind, by: str, why: str) -> None:
        await self._store._write("take_order_back", orders.take_back, self._say, scope, kind, by, why)


class SqlBatches:
    """The batches of a store. Implements `batches.KeptBatches`."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._say = BatchStatements(store._book.statements)

    async def accept(self, calls: Sequence[tuple[Call, bytes]]) -> Sequence[Accepted | HubError]:
        return await self._store._write("accept_batch", batches.accept, calls, about=tuple(call for call, _ in calls))

    async def page(self, part: Part) -> Sequence[Record]:
        return await self._store._read(lambda: batches.page(self._store._reader.rows, self._say, part))

    async def counts(self, part: Part) -> Mapping[State, int]:
        return await self._store._read(lambda: batches.counts(self._store._reader.rows, self._say, part))


class SqlFeed:
    """The feed of a store. Implements `feed.KeptFeed`."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._say = FeedStatements(store._book.statements)

    async def marks(self, after: int, limit: int) -> Sequence[Mark]:
        return [Mark(*row) for row in await self._rows(self._say.marks, {"after": after, "limit": limit})]

    async def newest(self, until: float) -> int:
        rows = await self._rows(self._say.newest, {"until": until})
        return int(rows[0][0]) if rows else 0

    async def told(self, caller: str, reach: Reach, after: int, upto: int, limit: int) -> Sequence[Noticed]:
        asked: dict[str, Any] = {"agencies": listed(reach.agencies), "notices": listed(reach.notices)}
        asked |= {"caller": caller, "dossier": reach.dossier, "after": after, "upto": upto, "limit": limit}
        statement = self._say.told if reach.dossier is None else self._say.told_of_dossier
        return [to_noticed(row) for row in await self._rows(statement, asked)]

    async def acknowledge(self, caller: str, agency: str, seq: int) -> None:
        await self._store._write("acknowledge", feed.acknowledge, self._say, caller, agency, seq)

    async def acknowledged(self, caller: str, agency: str) -> int:
        rows = await self._rows(self._say.cursor, {"caller": caller, "agency": agency})
        return int(rows[0][0]) if rows else 0

    async def _rows(self, statement: Prepared, values: Values) -> Sequence[Any]:
        return await self._store._read(self._store._reader.rows, statement, values)
