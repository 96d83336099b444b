"""
What callers publish to answer agencies' questions: the newest of each counts. A list may be handed out item by item.

An item answers one asker for good: whoever asks again by the same key gets the same, and nobody else ever does.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from hub.journal import Entry
from hub.store.batch import Batch
from hub.store.schema import handouts, published
from hub.store.statements import Statements
from hub.store.tables import Tables

ASKED = "question_answered"
"""Event of the journal entry of each answer."""


class Answer(NamedTuple):
    """What a caller published."""

    caller: str
    at: float
    """When, Unix seconds."""
    value: bytes | None
    """Canonical JSON; None: whoever asked knows this edition already."""


class Handed(NamedTuple):
    """Items that were handed out, in the order of their keys, and how many are left."""

    items: Sequence[str]
    """Each as JSON."""
    left: int


class Published:
    """Answers of one store. Every method raises `hub.errors.StoreUnavailable` when the store did not answer."""

    def __init__(self, tables: Tables) -> None:
        self._say = PublishedStatements(tables.statements)
        self._rows, self._write, self._read = tables.rows, tables.write, tables.read

    async def publish(
        self, agency: str, question: str, caller: str, value: bytes, items: Sequence[str] | None = None
    ) -> float:
        """
        Let *value* answer *question* from now on; return the moment, Unix seconds. With a journal entry.

        *items* are those of its list, as JSON, where each is for one asker: what nobody has yet of an earlier list is
        forgotten, and what somebody has stays theirs, though it stands in the new one.
        """
        at: float = await self._write("publish", publish, self._say, agency, question, caller, value, items)
        return at

    async def answer(self, agency: str, question: str, known: float = 0.0) -> Answer | None:
        """Return what answers *question*, without its value if it was published at *known*; None: nothing was."""
        answer: Answer | None = await self._read(self._answer, agency, question, known)
        return answer

    async def left(self, agency: str, question: str) -> int:
        """Return how many items nobody has yet."""
        rows = await self._read(self._rows, self._say.left, {"agency": agency, "question": question})
        return int(rows[0][0])

    async def asked(self, agency: str, question: str, keys: Sequence[str] | None = None) -> Handed | None:
        """
        Write into the journal that an agency asked; with *keys*, hand out an item for each, the same for the same key.

        None: there are not enough items left, so none was handed out.
        """
        handed: Handed | None = await self._write("question", asked, self._say, agency, question, keys)
        return handed

    def _answer(self, agency: str, question: str, known: float) -> Answer | None:
        place = {"agency": agency, "question": question}
        rows = self._rows(self._say.about, place)
        if not rows:
            return None
        if rows[0][1] == known:
            return Answer(rows[0][0], rows[0][1], None)
        caller, at, value = self._rows(self._say.whole, place)[0]
        return Answer(caller, at, bytes(value))


class PublishedStatements:
    """What is asked, compiled once."""

    def __init__(self, statements: Statements) -> None:
        prepare = statements.prepare
        this = [published.c[name] == bindparam(name) for name in ("agency", "question")]
        self.about = prepare(select(published.c.caller, published.c.published_at).where(*this))
        self.whole = prepare(select(published.c.caller, published.c.published_at, published.c.bytes).where(*this))
        self.put = statements.replace("published")
        of = [handouts.c[name] == bindparam(name) for name in ("agency", "question")]
        free = handouts.c.unique_key.is_(None)
        self.forget = prepare(delete(handouts).where(*of, free))
        dialect_insert = sqlite.insert if statements.dialect.name == "sqlite" else postgresql.insert
        columns = ("agency", "question", "item", "place")
        self.add = statements.for_many(
            dialect_insert(handouts).values({name: bindparam(name) for name in columns}).on_conflict_do_nothing()
        )
        self.held = prepare(select(handouts.c.item).where(*of, handouts.c.unique_key == bindparam("key")))
        self.next = prepare(
            select(handouts.c.item).where(*of, free).order_by(handouts.c.place).limit(bindparam("want"))
        )
        self.hand = prepare(
            update(handouts)
            .where(*of, handouts.c.item == bindparam("one"), free)
            .values(unique_key=bindparam("key"), handed_at=bindparam("now"))
        )
        self.left = prepare(select(func.count()).select_from(handouts).where(*of, free))


def publish(
    batch: Batch,
    say: PublishedStatements,
    agency: str,
    question: str,
    caller: str,
    value: bytes,
    items: Sequence[str] | None,
) -> float:
    """Let *value* be what answers."""
    place = {"agency": agency, "question": question}
    batch.one_at_a_time([f"question {agency} {question}"])
    row = batch.run(say.about, place).fetchone()
    at = batch.now if row is None else max(batch.now, row[1] + 0.001)  # by its moment an edition is known
    batch.run(say.put, place | {"caller": caller, "published_at": at, "bytes": value})
    if items is not None:
        batch.run(say.forget, place)
        batch.run_many(say.add, [place | {"item": item, "place": number} for number, item in enumerate(items)])
    batch.write(Entry(batch.now, "answer_published", caller=caller, agency=agency, operation=question))
    return at


def asked(
    batch: Batch, say: PublishedStatements, agency: str, question: str, keys: Sequence[str] | None
) -> Handed | None:
    """Note that an agency asked, and hand out what it is owed."""
    place = {"agency": agency, "question": question}
    items: dict[str, str] = {}
    left = 0
    if keys is not None:
        batch.one_at_a_time([f"question {agency} {question}"])
        for key in dict.fromkeys(keys):
            held = batch.run(say.held, place | {"key": key}).fetchone()
            if held is not None:
                items[key] = held[0]
        new = [key for key in dict.fromkeys(keys) if key not in items]
        free = [row[0] for row in batch.run(say.next, place | {"want": len(new)})] if new else []
        if len(free) < len(new):
            return None
        for key, item in zip(new, free, strict=True):
            batch.run(say.hand, place | {"one": item, "key": key, "now": batch.now})
            items[key] = item
        left = int(batch.run(say.left, place).fetchone()[0])
    batch.write(Entry(batch.now, ASKED, agency=agency, operation=question))
    return Handed([items[key] for key in keys or ()], left)
