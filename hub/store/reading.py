"""Questions to the store that change nothing. Each is a function over a connection, run beside the writer."""

from collections.abc import Collection, Sequence
from types import MappingProxyType
from typing import Any

from hub.journal import Chained, Entry, Head
from hub.store.database import Connection, Cursor, Database
from hub.store.prepared import Prepared, Values
from hub.store.protocol import Leased, Occupied, Record, Sought
from hub.store.room import Room
from hub.store.rows import WIDTH, to_call, to_record
from hub.store.statements import Statements, listed


class Reader:
    """Answers from what is committed; *chain* is that of the journal which is read unless another is named. One thread at a time."""

    def __init__(self, database: Database, statements: Statements, chain: str) -> None:
        self.database = database
        self._say = statements
        self._chain = chain
        self._connection: Connection | None = database.connect_to_read()
        self._searches: dict[frozenset[str], Prepared] = {}

    def get(self, call_id: str, caller: str | None) -> Record | None:
        row = self._run(self._say.record, {"call": call_id}).fetchone()
        if row is None:
            return None
        record = to_record(row, row[-1])
        return record if caller is None or record.call.caller == caller else None

    def find(self, sought: Sought) -> Sequence[Record]:
        filters = {
            "caller": sought.caller,
            "agency": sought.agency,
            "dossier": sought.dossier,
            "key": sought.key,
            "state": None if sought.state is None else sought.state.value,
            "before": sought.before,
        }
        given = {name: value for name, value in filters.items() if value is not None}
        names = frozenset(given)
        if names not in self._searches:
            self._searches[names] = self._say.find(names)
        rows = self._run(self._searches[names], given | {"limit": sought.limit})
        return [to_record(row, None) for row in rows]

    def asking_due(self, agency: str, not_after: float, limit: int, now: float) -> Sequence[Leased]:
        values = {"agency": agency, "not_after": not_after, "limit": limit, "now": now}
        found = self._run(self._say.asking_due, values)
        return [
            Leased(to_call(row), request, now, since=since, answer=answer)
            for row in found
            for since, request, answer in [row[WIDTH:]]
        ]

    def occupied(self, since: float) -> Sequence[Occupied]:
        return [Occupied(*row) for row in self._run(self._say.occupied, {"since": since})]

    def sent_on_day(self, agency: str, day: str) -> int:
        return int(self._run(self._say.sent_on_day, {"agency": agency, "day": day}).fetchone()[0])

    def backlog(self, agency: str) -> int:
        return int(self._run(self._say.waiting, {"agency": agency}).fetchone()[0])

    def next_due(self, agency: str, now: float, after: float, without: Collection[str]) -> float | None:
        asked = {"agency": agency, "now": now, "after": after, "without": listed(without)}
        row = self._run(self._say.next_due, asked).fetchone()
        return None if row is None else float(row[0])

    def remembered(self, dossier: str, agency: str) -> dict[str, str]:
        return dict(self._run(self._say.remembered, {"dossier": dossier, "agency": agency}).fetchall())

    def entries(self, after: int, limit: int, chain: str | None) -> Sequence[Chained]:
        asked = {"chain": self._chain if chain is None else chain, "after": after, "limit": limit}
        return [Chained(row[1], Entry(*row[2:-1]), row[-1]) for row in self._run(self._say.entries, asked)]

    def time(self, here: float) -> float:
        """Return the server's time; without a server, *here*."""
        asked = self._say.time
        return here if asked is None else float(self._run(asked, {}).fetchone()[0])

    def chains(self) -> dict[str, Head]:
        """Step from name to name: the journal may be long, and its chains are few."""
        heads: dict[str, Head] = {}
        after = ""
        while (row := self._run(self._say.next_chain, {"after": after}).fetchone()) is not None:
            after = row[0]
            heads[after] = Head(*self._run(self._say.journal_head, {"chain": after}).fetchone())
        return heads

    def room(self) -> Room:
        """Return how large the store is."""
        if self._connection is None:
            self._connection = self.database.connect_to_read()
        return self.database.room(self._connection)

    def rows(self, statement: Prepared, values: Values = MappingProxyType({})) -> list[tuple[Any, ...]]:
        return self._run(statement, values).fetchall()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _run(self, statement: Prepared, values: Values) -> Cursor:
        """Ask, over another connection where the last one was lost: a question can be asked twice."""
        kept = self._connection
        try:
            return self._ask(statement, values)
        except self.database.failed:
            if self._connection is None or not self.database.lost(self._connection):
                raise
            self.close()
            if kept is None:
                raise
        return self._ask(statement, values)

    def _ask(self, statement: Prepared, values: Values) -> Cursor:
        if self._connection is None:
            self._connection = self.database.connect_to_read()
        return self._connection.execute(statement.sql, statement.order(values))
