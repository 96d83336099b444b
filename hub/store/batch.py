"""
What the members of one commit share: the connection, the journal's head, day counts and backlogs. `writer.py` runs it.

The book lives as long as the store and is changed only by batches that are on disk.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from hub.clock import Clock
from hub.journal import START, Entry, Head, chain
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
        statements: Statements,
        clock: Clock,
        backlog_calls: Mapping[str, int],
        open_connection: Callable[[], sqlite3.Connection],
    ) -> None:
        self.statements = statements
        self.clock = clock
        self.backlog_calls = backlog_calls
        self.head: Head = START
        self.backlog: Counter[str] = Counter()
        self._open = open_connection
        self.days = Days()
        self.last_leased: dict[tuple[str, str], str] = {}
        """By agency and class: the payer with whom the last lease ended. The next begins with whoever follows."""

    def connect(self) -> sqlite3.Connection:
        connection = self._open()
        self.head = journal_head(connection, self.statements)
        self.backlog = Counter()
        for statement in self.statements.backlogs:
            for agency, count in connection.execute(statement.sql):
                self.backlog[agency] += count
        return connection

    def batch(self, connection: sqlite3.Connection) -> "Batch":
        return Batch(self, connection)


class Batch:
    """One transaction. Members write through `run`, and leave to `finish` what is written once for all of them."""

    __slots__ = ("_book", "_connection", "_entries", "_head", "_notices", "_sent", "moved", "now", "say")

    def __init__(self, book: Book, connection: sqlite3.Connection) -> None:
        self._book = book
        self._connection = connection
        self._head = book.head
        self._entries: list[tuple[Any, ...]] = []
        self._notices: list[dict[str, Any]] = []
        self._sent: Counter[tuple[str, str]] = Counter()
        self.moved: Counter[str] = Counter()
        """By agency: how many durable calls began to wait, less how many stopped."""
        self.now = float(book.clock.now())
        self.say = book.statements

    def run(self, statement: Prepared, values: Values) -> sqlite3.Cursor:
        return self._connection.execute(statement.sql, statement.order(values))

    def run_many(self, statement: Prepared, rows: list[dict[str, Any]]) -> None:
        self._connection.executemany(statement.sql, [statement.order(row) for row in rows])

    def write(self, entry: Entry) -> None:
        """Add *entry* to the journal, in this commit."""
        self._head = head = chain(self._head, entry)
        self._entries.append((head.seq, *entry, head.hash))

    def tell(self, notice: dict[str, Any]) -> None:
        """Add *notice*, a row without its number, to the feed of its caller, in this commit."""
        self._notices.append(notice)

    def sent(self, agency: str, moment: float, count: int = 1) -> None:
        """Count an exchange begun at *moment* for the agency's day; -1 takes one back that was not sent."""
        self._sent[agency, self._book.days.of(moment)] += count

    @property
    def last_leased(self) -> dict[tuple[str, str], str]:
        """Return where leases left off; only a matter of whose turn is next, so a batch that fails may leave it moved."""
        return self._book.last_leased

    def backlog(self, agency: str) -> int:
        """Count durable calls of *agency* that wait, with what this batch did so far."""
        return self._book.backlog[agency] + self.moved[agency]

    def backlog_bound(self, agency: str) -> int | None:
        return self._book.backlog_calls.get(agency)

    def finish(self) -> None:
        if self._entries:
            self._connection.executemany(self.say.insert_entry.sql, self._entries)
        if self._notices:  # numbered last: what is shown in the order of numbers must be on disk soon after
            self.run_many(self.say.insert_notice, self._notices)
        for (agency, day), count in self._sent.items():
            self.run(self.say.add_sent, {"agency": agency, "day": day, "sent": count})

    def keep(self) -> None:
        self._book.head = self._head
        self._book.backlog.update(self.moved)

    def landed(self, connection: sqlite3.Connection) -> bool:
        """
        Compare the journal's head with what this batch wrote.

        A batch without an entry (leases alone) counts as not written: leases that were end by themselves.
        """
        landed = bool(self._entries) and journal_head(connection, self.say) == self._head
        if landed:  # connecting has loaded what this batch did; keeping it must not count it twice
            self.moved.clear()
        return landed


def journal_head(connection: sqlite3.Connection, statements: Statements) -> Head:
    """Read where the journal ends."""
    statement = statements.journal_head
    row = connection.execute(statement.sql, statement.order({})).fetchone()
    return Head(row[0], row[1]) if row else START
