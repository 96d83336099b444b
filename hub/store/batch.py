"""
What the members of one commit share: the connection, the journal's head, counts and news. `writer.py` runs it.

The book lives as long as the store and is changed only by batches that are on disk. It holds nothing that another node
could make untrue: what several nodes count together has a row of each node, so that none waits for another's.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hub.call import Call
from hub.clock import Clock
from hub.journal import START, Entry, Head, chain
from hub.store.database import Connection, Cursor, Database
from hub.store.news import Noted
from hub.store.prepared import Prepared, Values
from hub.store.statements import CALL_COLUMNS, KEY, STANDING, Statements

_VIETNAM = 7 * 3600
_DAY = 86_400


def day_of(moment: float) -> str:
    """Return the calendar day of *moment* (Unix seconds) in Vietnam, `yyyy-mm-dd`: quotas and validity count by it."""
    return datetime.fromtimestamp(moment + _VIETNAM, UTC).strftime("%Y-%m-%d")


_ID = STANDING.index("id")
_KEY_PLACES = [2 + CALL_COLUMNS.index(name) for name in KEY]
"""Where `Statements.by_keys` has them, after number and end."""


def key_of(call: Call) -> tuple[Any, ...]:
    """Return what makes a request the same call again."""
    return tuple(getattr(call, name) for name in KEY)


class Days:
    """Forms `day_of` once a day: asked for at every call, it costs more than a look into a register."""

    def __init__(self) -> None:
        self._known = (0, "")

    def of(self, moment: float) -> str:
        """Return `day_of` *moment*."""
        number = int((moment + _VIETNAM) // _DAY)
        if self._known[0] != number:
            self._known = (number, day_of(moment))
        return self._known[1]


class Book:
    """What one batch leaves to the next. Reloaded whenever the writer opens another connection."""

    def __init__(
        self,
        database: Database,
        statements: Statements,
        clock: Clock,
        backlog_calls: Mapping[str, int],
        *,
        chain: str,
        node: str = "",
    ) -> None:
        self.database = database
        self.statements = statements
        self.clock = clock
        self.backlog_calls = backlog_calls
        self.chain = chain
        """The chain of the journal that this process continues, alone."""
        self.node = node
        """Whose rows of the common counts this process writes; empty where it is alone with them."""
        self.head: Head = START
        self.days = Days()
        self.last_leased: dict[tuple[str, str], str] = {}
        """By agency and class: the payer with whom the last lease ended. The next begins with whoever follows."""

    def connect(self) -> Connection:
        connection: Connection = self.database.connect()
        self.head = self.head_in(connection)
        return connection

    def head_in(self, connection: Connection, of: str = "") -> Head:
        """Read where this process's chain of the journal ends, or that *of* another node."""
        statement = self.statements.journal_head
        row = connection.execute(statement.sql, statement.order({"chain": of or self.chain})).fetchone()
        return Head(row[0], row[1]) if row else START

    def batch(self, connection: Connection, about: Sequence[object] = ()) -> "Batch":
        return Batch(self, connection, about)


class Batch:
    """
    One transaction. What members write goes out together: a statement for the rows of all of them costs half.

    `later` is written before anything that `run` asks. What members read of single calls they ask through `standing` and
    `by_key`; where each question is a journey to a server, one fetches what all of them will ask, when they say it
    beforehand (*about*: the id of a call to move, a `Call` to come, or a tuple of such). It holds until a member writes of the same call.
    """

    __slots__ = (
        "_book", "_connection", "_entries", "_foreseen", "_head", "_later", "_notices", "_orders", "_said", "_sent", "_touched", "_waiting", "moved",
        "news", "now", "say",
    )  # fmt: skip

    def __init__(self, book: Book, connection: Connection, about: Sequence[object] = ()) -> None:
        self._book = book
        self._connection = connection
        self._head = book.head
        self._entries: list[tuple[Any, ...]] = []
        self._notices: list[tuple[Any, ...]] = []
        self._said: set[tuple[str, ...]] = set()
        self._sent: Counter[tuple[str, str]] = Counter()
        self._waiting: dict[str, int] = {}
        self._later: dict[Prepared, list[tuple[Any, ...]]] = {}
        self._orders: set[str] = set()
        self._touched: set[object] = set()
        self.moved: Counter[str] = Counter()
        """By agency: how many durable calls began to wait, less how many stopped."""
        self.news = Noted()
        """What other nodes want to hear of this batch, after its commit."""
        self.now = float(book.clock.now())
        self.say = book.statements
        self._foreseen = self._foresee(about)

    def run(self, statement: Prepared, values: Values) -> Cursor:
        """Run *statement* after all that was to be written `later`."""
        self._flush()
        return self._connection.execute(statement.sql, statement.order(values))

    def run_many(self, statement: Prepared, rows: list[dict[str, Any]]) -> None:
        """Run *statement* for each of *rows*, likewise."""
        self._flush()
        self._connection.executemany(statement.sql, [statement.order(row) for row in rows])

    def later(self, statement: Prepared, values: Values, of: str) -> None:
        """
        Write one row of the call *of*, before anything is read that it could change. It must meet exactly one row.

        Each guard was decided on a row that this transaction has locked; one that fails after all fails the batch.
        """
        self._touched.add(of)
        self._later.setdefault(statement, []).append(statement.order(values))

    def standing(self, call_id: str) -> Any:
        """Return the row of a call as `rows.Standing` has it, locked until the commit; None when there is none."""
        return self._look(call_id, self.say.standing, {"call": call_id})

    def by_key(self, call: Call) -> Any:
        """Return number, end and columns of the call that holds the idempotency key of *call*; None when none does."""
        key = key_of(call)
        return self._look(key, self.say.by_idempotency, dict(zip(KEY, key, strict=True)))

    def take_key(self, call: Call) -> None:
        """Note that who holds the idempotency key of *call* changes in this batch."""
        self.touch(key_of(call))

    def touch(self, at: object) -> None:
        """Note that what was foreseen of *at*, the id of a call, is not true any more."""
        self._touched.add(at)

    def _look(self, at: object, statement: Prepared, values: Values) -> Any:
        if at in self._touched:
            return self.run(statement, values).fetchone()
        if at in self._foreseen:
            return self._foreseen[at]
        return self._connection.execute(statement.sql, statement.order(values)).fetchone()

    def _foresee(self, about: Sequence[object]) -> dict[object, Any]:
        about = [one for said in about for one in (said if isinstance(said, tuple) else (said,))]
        ids = [one for one in about if isinstance(one, str)]
        keys = [key_of(one) for one in about if isinstance(one, Call) and one.idempotency_key is not None]
        found: dict[object, Any] = {}
        if ids and self.say.standings is not None:
            found |= dict.fromkeys(ids)
            rows = self._connection.execute(self.say.standings.sql, self.say.standings.order({"calls": ids}))
            found |= {row[_ID]: row for row in rows}
        if keys and self.say.by_keys is not None:
            found |= dict.fromkeys(keys)
            columns = dict(zip(KEY, map(list, zip(*keys, strict=True)), strict=True))
            rows = self._connection.execute(self.say.by_keys.sql, self.say.by_keys.order(columns))
            found |= {tuple(row[place] for place in _KEY_PLACES): row for row in rows}
        return found

    def _flush(self) -> None:
        if not self._later:
            return
        if self._orders and self.say.queue_up is not None:  # in an order, so that no two nodes wait for each other
            self._connection.execute(self.say.queue_up.sql, self.say.queue_up.order({"keys": sorted(self._orders)}))
            self._orders = set()
        waiting, self._later = self._later, {}
        for statement, rows in waiting.items():
            met = self._write_rows(statement, rows)
            if met != len(rows):
                raise RuntimeError(f"{len(rows)} guarded changes met {met} rows")

    def _write_rows(self, statement: Prepared, rows: list[tuple[Any, ...]]) -> int:
        if len(rows) == 1:
            return self._connection.execute(statement.sql, rows[0]).rowcount
        if statement.together is None:
            return self._connection.executemany(statement.sql, rows).rowcount
        return self._connection.execute(statement.together, (statement.rows_as_json(rows),)).rowcount

    @property
    def chain(self) -> str:
        """The chain of the journal that this process writes."""
        return self._book.chain

    def write(self, entry: Entry, of: str = "") -> None:
        """Add *entry* to the journal, in this commit: to the chain *of* another node if it is gone for certain."""
        if of in ("", self.chain):
            self._head = head = chain(self._head, entry)
        else:
            head = chain(self._book.head_in(self._connection, of), entry)
        self._entries.append((of or self.chain, head.seq, *entry, head.hash))

    def tell(self, notice: dict[str, Any]) -> None:
        """Add *notice*, a row without its number, to the feed of its caller, in this commit."""
        self._notices.append(self.say.insert_notice.order(notice))

    def first_to_say(self, *what: str) -> bool:
        """Say whether no member of this batch said the same; what `tell` is given cannot be asked for before the end."""
        before = len(self._said)
        self._said.add(what)
        return len(self._said) > before

    def one_at_a_time(self, keys: Iterable[str]) -> None:
        """Let only one node at a time go on that names one of *keys*, until its commit: the next sees what it did."""
        if self.say.queue_up is not None and (held := sorted(set(keys))):
            self.run(self.say.queue_up, {"keys": held})

    def sent(self, agency: str, moment: float, count: int = 1) -> None:
        """Count an exchange begun at *moment* for the agency's day; -1 takes one back that was not sent."""
        self._sent[agency, self._book.days.of(moment)] += count

    @property
    def last_leased(self) -> dict[tuple[str, str], str]:
        """Return where leases left off; only a matter of whose turn is next, so a batch that fails may leave it moved."""
        return self._book.last_leased

    def backlog(self, agency: str) -> int:
        """Count durable calls of *agency* that wait, with what this batch did so far; others count when committed."""
        if agency not in self._waiting:
            asked = self.say.waiting
            row = self._connection.execute(asked.sql, asked.order({"agency": agency})).fetchone()
            self._waiting[agency] = int(row[0])
        return self._waiting[agency] + self.moved[agency]

    def backlog_bound(self, agency: str) -> int | None:
        return self._book.backlog_calls.get(agency)

    def queue_up(self, agency: str, order_key: str) -> None:
        """Let the calls of one order key be numbered in the order in which they become visible, on whichever node."""
        self._orders.add(f"{agency} {order_key}")  # held from before any row is written until the commit

    def finish(self) -> None:
        self._flush()
        if self._entries:
            self._write_rows(self.say.insert_entry, self._entries)
        node = self._book.node
        for (agency, day), count in sorted(self._sent.items()):
            self.run(self.say.add_sent, {"agency": agency, "day": day, "node": node, "sent": count})
        for agency, count in sorted(self.moved.items()):
            if count:
                self.run(self.say.add_waiting, {"agency": agency, "node": node, "calls": count})
        if self._notices:  # numbered last: what is shown in the order of numbers must be on disk soon after
            self._write_rows(self.say.insert_notice, self._notices)
        if self.say.notify is not None:
            for payload in self.news.payloads(node):
                self.run(self.say.notify, {"payload": payload})

    def keep(self) -> None:
        self._book.head = self._head

    def landed(self, connection: Connection) -> bool:
        """
        Compare the journal's head with what this batch wrote.

        A batch without an entry (leases alone) counts as not written: leases that were end by themselves.
        """
        return bool(self._entries) and self._book.head_in(connection) == self._head
