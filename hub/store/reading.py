"""Questions to the store that change nothing. Each is a function over a connection, run beside the writer."""

import sqlite3
from collections.abc import Collection, Sequence
from types import MappingProxyType
from typing import Any

from hub.journal import Chained, Entry
from hub.store.protocol import Leased, Occupied, Record, Sought
from hub.store.rows import to_call, to_record
from hub.store.statements import Prepared, Statements, Values, listed


class Reader:
    """Answers from what is committed. One thread at a time."""

    def __init__(self, connection: sqlite3.Connection, statements: Statements) -> None:
        self.connection = connection
        self._say = statements
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

    def in_doubt_due(self, agency: str, not_after: float, limit: int, now: float) -> Sequence[Leased]:
        values = {"agency": agency, "not_after": not_after, "limit": limit, "now": now}
        return [Leased(to_call(row), row[-1], now) for row in self._run(self._say.in_doubt_due, values)]

    def occupied(self, since: float) -> Sequence[Occupied]:
        return [Occupied(*row) for row in self._run(self._say.occupied, {"since": since})]

    def sent_on_day(self, agency: str, day: str) -> int:
        row = self._run(self._say.sent_on_day, {"agency": agency, "day": day}).fetchone()
        return 0 if row is None else int(row[0])

    def next_due(self, agency: str, now: float, after: float, without: Collection[str]) -> float | None:
        asked = {"agency": agency, "now": now, "after": after, "without": listed(without)}
        row = self._run(self._say.next_due, asked).fetchone()
        return None if row is None else float(row[0])

    def remembered(self, dossier: str, agency: str) -> dict[str, str]:
        return dict(self._run(self._say.remembered, {"dossier": dossier, "agency": agency}).fetchall())

    def entries(self, after: int, limit: int) -> Sequence[Chained]:
        rows = self._run(self._say.entries, {"after": after, "limit": limit})
        return [Chained(row[0], Entry(*row[1:-1]), row[-1]) for row in rows]

    def rows(self, statement: Prepared, values: Values = MappingProxyType({})) -> list[tuple[Any, ...]]:
        return self._run(statement, values).fetchall()

    def close(self) -> None:
        self.connection.close()

    def _run(self, statement: Prepared, values: Values) -> sqlite3.Cursor:
        return self.connection.execute(statement.sql, statement.order(values))
