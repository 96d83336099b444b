"""
What agencies told and could not be taken, kept with its raw body until a person reads it again or ends it. Bounded.

An agency that sends the same again and again has one row that counts; one whose share is full hears that we are busy,
so that nothing is lost: it still has what it wanted to tell.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, delete, func, insert, literal_column, select, update

from hub.journal import Entry
from hub.store.batch import Batch
from hub.store.prepared import Prepared
from hub.store.rows import digest_of
from hub.store.schema import dead_notices
from hub.store.statements import Statements
from hub.store.tables import Tables

MOST_DEAD = 10_000
"""Dead notices of one agency."""
MOST_DEAD_BYTES = 256 << 20
"""Bytes of their bodies together."""

_SHOWN = ("id", "agency", "notice", "cause", "came_at", "last_at", "times", "digest", "size", "faults", "seq")
_WHOLE = (*_SHOWN, "headers", "query", "body")


@dataclass(frozen=True, slots=True)
class Raw:
    """What came, as it came."""

    id: str
    agency: str
    notice: str
    """Empty where not even that could be read."""
    headers: Mapping[str, str]
    """Names lower-cased; what proves who sent it is left out."""
    query: Mapping[str, str]
    body: bytes
    asked: bytes = b""
    """What was asked for, where one is fetched at a time: the same body in answer to something else is another one."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong with it."""

    cause: str
    """`mapping`: it does not fit what we know of this notice; `agrees`: it contradicts the call it belongs to."""
    faults: Sequence[tuple[str, str]] = ()
    """Places and rules, never values."""


class DeadNotice(NamedTuple):
    """One of them, without what came."""

    id: str
    agency: str
    notice: str
    cause: str
    came_at: float
    last_at: float
    """When the agency last sent the same, Unix seconds."""
    times: int
    """How often it did."""
    digest: str
    """SHA-256 in hex of what was asked for, where one is fetched at a time, and of the body."""
    size: int
    faults: Sequence[tuple[str, str]]
    seq: int
    """Its place in a list: a page ends with one."""


class DeadToll(NamedTuple):
    """How many of one agency there are for one cause."""

    agency: str
    cause: str
    notices: int


@dataclass(frozen=True, slots=True)
class WhichDead:
    """Which are meant: those for which every given field matches."""

    agency: str | None = None
    cause: str | None = None
    since: float | None = None
    """Only those that came at this moment or later, Unix seconds."""


class DeadNotices:
    """Those of one store. Every method raises `hub.errors.StoreUnavailable` when the store did not answer."""

    def __init__(self, tables: Tables) -> None:
        self._say = DeadStatements(tables.statements)
        self._rows, self._write, self._read = tables.rows, tables.write, tables.read

    async def keep(self, raw: Raw, found: Found) -> bool:
        """Keep what came, with a journal entry; False: the agency's share is full, and nothing was kept."""
        kept: bool = await self._write("keep_dead_notice", keep, self._say, raw, found)
        return kept

    async def page(self, which: WhichDead, limit: int, before: int | None = None) -> Sequence[DeadNotice]:
        """List *which*, the newest first; *before*: `seq` of the last one of the page before."""
        filters = {"agency": which.agency, "cause": which.cause, "since": which.since, "before": before}
        given = {name: value for name, value in filters.items() if value is not None}
        return [_dead(row) for row in await self._read(self._rows, self._say.page(given), given | {"limit": limit})]

    async def tolls(self, which: WhichDead) -> Sequence[DeadToll]:
        """Count *which* by agency and cause."""
        filters = {"agency": which.agency, "cause": which.cause, "since": which.since}
        given = {name: value for name, value in filters.items() if value is not None}
        return [DeadToll(*row) for row in await self._read(self._rows, self._say.tolls(given), given)]

    async def get(self, dead: str) -> tuple[DeadNotice, Raw] | None:
        """Return one with what came, None when there is no such one."""
        rows = await self._read(self._rows, self._say.one, {"id": dead})
        if not rows:
            return None
        shown, (headers, query, body) = _dead(rows[0]), rows[0][len(_SHOWN) :]
        return shown, Raw(shown.id, shown.agency, shown.notice, json.loads(headers), json.loads(query), bytes(body))

    async def among(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those of *ids* that are of dead notices."""
        found: frozenset[str] = await self._read(self._among, ids)
        return found

    async def still(self, dead: str, found: Found, by: str) -> None:
        """Write what is wrong with it today: somebody had it read again."""
        await self._write("still_dead_notice", still, self._say, dead, found, by)

    async def discard(self, dead: Sequence[str], by: str, reason: str) -> Sequence[bool]:
        """End them for good, what came included; say of each whether there was one."""
        gone: Sequence[bool] = await self._write("discard_dead_notices", discard, self._say, dead, by, reason)
        return gone

    def _among(self, ids: Sequence[str]) -> frozenset[str]:
        return frozenset(one for one in ids if self._rows(self._say.here, {"id": one}))


class DeadStatements:
    """What is asked, compiled once; searches when they are first made."""

    def __init__(self, statements: Statements) -> None:
        self._prepare = statements.prepare
        self._made: dict[tuple[object, ...], Prepared] = {}
        this = dead_notices.c.id == bindparam("id")
        of_agency = dead_notices.c.agency == bindparam("agency")
        same = (dead_notices.c[name] == bindparam(name) for name in ("agency", "notice", "digest"))
        self.same = self._prepare(select(dead_notices.c.id).where(*same))
        self.share = self._prepare(select(func.count(), func.sum(dead_notices.c.size)).where(of_agency))
        columns = [column.name for column in dead_notices.c if column.name != "seq"]
        self.put = self._prepare(insert(dead_notices).values({name: bindparam(name) for name in columns}).inline())
        wrong: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("cause", "faults")}
        once_more = {"times": dead_notices.c.times + literal_column("1"), "last_at": bindparam("now")}
        self.again = self._prepare(update(dead_notices).where(this).values(wrong | once_more))
        self.still = self._prepare(update(dead_notices).where(this).values(wrong))
        self.drop = self._prepare(delete(dead_notices).where(this))
        self.here = self._prepare(select(dead_notices.c.id).where(this))
        self.one = self._prepare(select(*(dead_notices.c[name] for name in _WHOLE)).where(this))

    def page(self, given: Mapping[str, Any]) -> Prepared:
        """Return the question for a page by the filters in *given*."""
        shown = select(*(dead_notices.c[name] for name in _SHOWN)).where(*_tests(given))
        return self._kept(("page", *given), shown.order_by(dead_notices.c.seq.desc()).limit(bindparam("limit")))

    def tolls(self, given: Mapping[str, Any]) -> Prepared:
        """Return the question how many there are by the filters in *given*."""
        by = (dead_notices.c.agency, dead_notices.c.cause)
        return self._kept(
            ("tolls", *given), select(*by, func.count()).where(*_tests(given)).group_by(*by).order_by(*by)
        )

    def _kept(self, name: tuple[object, ...], statement: Any) -> Prepared:
        if name not in self._made:
            self._made[name] = self._prepare(statement)
        return self._made[name]


def _tests(given: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    tests: dict[str, ColumnElement[bool]] = {
        "agency": dead_notices.c.agency == bindparam("agency"),
        "cause": dead_notices.c.cause == bindparam("cause"),
        "since": dead_notices.c.last_at >= bindparam("since"),
        "before": dead_notices.c.seq < bindparam("before"),
    }
    return [test for name, test in tests.items() if name in given]


def keep(batch: Batch, say: DeadStatements, raw: Raw, found: Found) -> bool:
    """Keep what came, or count it where it came before."""
    digest = digest_of(raw.asked + raw.body)
    batch.one_at_a_time([f"dead {raw.agency}"])
    wrong = {"new_cause": found.cause, "new_faults": _faults(found)}
    row = batch.run(say.same, {"agency": raw.agency, "notice": raw.notice, "digest": digest}).fetchone()
    if row is not None:
        batch.run(say.again, wrong | {"id": row[0], "now": batch.now})
        return True
    count, size = batch.run(say.share, {"agency": raw.agency}).fetchone()
    if count >= MOST_DEAD or int(size or 0) + len(raw.body) > MOST_DEAD_BYTES:
        return False
    batch.run(
        say.put,
        {
            "id": raw.id, "agency": raw.agency, "notice": raw.notice, "cause": found.cause, "came_at": batch.now,
            "last_at": batch.now, "times": 1, "digest": digest, "size": len(raw.body),
            "headers": json.dumps(dict(raw.headers)), "query": json.dumps(dict(raw.query)), "faults": _faults(found),
            "body": raw.body,
        },
    )  # fmt: skip
    batch.write(Entry(batch.now, "notice_refused", agency=raw.agency, operation=raw.notice, detail=raw.id))
    return True


def still(batch: Batch, say: DeadStatements, dead: str, found: Found, by: str) -> None:
    """Write what is wrong with it today."""
    batch.run(say.still, {"id": dead, "new_cause": found.cause, "new_faults": _faults(found)})
    batch.write(Entry(batch.now, "notice_read_again", caller=by, detail=f"{dead} {found.cause}"))


def discard(batch: Batch, say: DeadStatements, dead: Sequence[str], by: str, reason: str) -> list[bool]:
    """End them for good."""
    gone = [batch.run(say.drop, {"id": one}).rowcount == 1 for one in dead]
    for one, there in zip(dead, gone, strict=True):
        if there:
            batch.write(Entry(batch.now, "notice_discarded", caller=by, detail=f"{one}: {reason}"))
    return gone


def _faults(found: Found) -> str:
    return json.dumps([[place, rule] for place, rule in found.faults], ensure_ascii=False)


def _dead(row: Sequence[Any]) -> DeadNotice:
    shown = dict(zip(_SHOWN, row, strict=False))
    faults = [(place, rule) for place, rule in json.loads(shown.pop("faults"))]
    return DeadNotice(**shown, faults=faults)
