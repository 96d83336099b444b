"""
What the members of one commit share: the connection, the journal's head, counts and news. `writer.py` runs it.

The book lives as long as the store and is changed only by batches that are on disk. It holds nothing that another node
could make untrue: what several nodes count together has a row of each node, so that none waits for another's.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hub.clock import Clock
from hub.journal import START, Entry, Head, chain
from hub.store.database import Connection, Cursor, Database
from hub.store.news import Noted
from hub.store.statements import Prepared, Statements, Values

_VIETNAM = 7 * 3600
_DAY = 86_400


def day_of(moment: float) -> str:
    """Return the calendar day of *moment* (Unix seconds) in Vietnam, `yyyy-mm-dd`: quotas and validity count by it."""
    return datetime.fromtimestamp(moment + _VIETNAM, UTC).strftime("%Y-%m-%d")


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

    def head_in(self, connection: Connection) -> Head:
        """Read where this process's chain of the journal ends."""
        statement = self.statements.journal_head
        row = connection.execute(statement.sql, statement.order({"chain": self.chain})).fetchone()
        return Head(row[0], row[1]) if row else START

    def batch(self, connection: Connection) -> "Batch":
        return Batch(self, connection)


class Batch:
    """One transaction. Members write through `run`, and leave to `finish` what is written once for all of them."""

    __slots__ = ("_book", "_connection", "_entries", "_head", "_sent", "_waiting", "moved", "news", "now", "say")

    def __init__(self, book: Book, connection: Connection) -> None:
        self._book = book
        self._connection = connection
        self._head = book.head
        self._entries: list[tuple[Any, ...]] = []
        self._sent: Counter[tuple[str, str]] = Counter()
        self._waiting: dict[str, int] = {}
        self.moved: Counter[str] = Counter()
        """By agency: how many durable calls began to wait, less how many stopped."""
        self.news = Noted()
        """What other nodes want to hear of this batch, after its commit."""
        self.now = float(book.clock.now())
        self.say = book.statements

    def run(self, statement: Prepared, values: Values) -> Cursor:
        return self._connection.execute(statement.sql, statement.order(values))

    def run_many(self, statement: Prepared, rows: list[dict[str, Any]]) -> int:
        """Run *statement* for each of *rows*; return how many rows of the table it met in all."""
        return self._connection.executemany(statement.sql, [statement.order(row) for row in rows]).rowcount

    def write(self, entry: Entry) -> None:
        """Add *entry* to the journal, in this commit."""
        self._head = head = chain(self._head, entry)
        self._entries.append((self._book.chain, head.seq, *entry, head.hash))

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
            self._waiting[agency] = int(self.run(self.say.waiting, {"agency": agency}).fetchone()[0])
        return self._waiting[agency] + self.moved[agency]

    def backlog_bound(self, agency: str) -> int | None:
        return self._book.backlog_calls.get(agency)

    def queue_up(self, agency: str, order_key: str) -> None:
        """Let the calls of one order key be numbered in the order in which they become visible, on whichever node."""
        if self.say.queue_up is not None:
            self.run(self.say.queue_up, {"key": f"{agency} {order_key}"})

    def finish(self) -> None:
        if self._entries:
            self._connection.executemany(self.say.insert_entry.sql, self._entries)
        node = self._book.node
        for (agency, day), count in sorted(self._sent.items()):
            self.run(self.say.add_sent, {"agency": agency, "day": day, "node": node, "sent": count})
        for agency, count in sorted(self.moved.items()):
            if count:
                self.run(self.say.add_waiting, {"agency": agency, "node": node, "calls": count})
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
