"""
Who is pushed what callers are told: subscriptions, how far each has come, and events that could not be delivered.

A subscription is pushed by one node at a time: its row holds the lease, and where it stands. What is pushed is the feed
(`feed.py`); of an event that died only its number is kept here, so that retention has one place to remove content from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    delete,
    false,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    update,
)

from hub.journal import Entry
from hub.store.batch import Batch
from hub.store.prepared import Prepared
from hub.store.schema import dead_events, subscriptions
from hub.store.statements import Statements
from hub.store.tables import Tables

MOST_DEAD = 1000
"""Dead events of one list. One dies in a day at the soonest."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a caller wants to be pushed, and how that goes."""

    id: str
    caller: str
    url: str
    agencies: tuple[str, ...]
    """Of these alone; empty: of all that the caller's key reaches."""
    dossier: str | None
    """Of this one alone."""
    made_at: float
    """Unix seconds, as all moments here."""
    seq: int
    """Number in the feed up to which everything was delivered, or died."""
    attempts: int = 0
    """So often the event that follows was tried in vain."""
    failing_since: float | None = None
    due_at: float = 0.0
    """Not before."""
    cause: str = ""
    """Of the last failure."""
    stopped: bool = False
    """The receiver said that it is gone: nothing is sent before the subscription is resumed."""
    orders: int = 0
    """Rises when a person resumes it or sends dead events again: whoever pushes it looks anew."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a subscription stands; fields as those of `Subscription`."""

    seq: int
    attempts: int = 0
    failing_since: float | None = None
    due_at: float = 0.0
    cause: str = ""
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """An event that was tried in vain for as long as events are."""

    seq: int
    """Its number in the feed."""
    id: str
    """Its `webhook-id`."""
    agency: str
    notice: str
    call: str | None
    died_at: float
    attempts: int
    cause: str
    again: bool = False
    """It is to be sent again, once."""


class KeptSubscriptions(Protocol):
    """Every method raises `hub.errors.StoreUnavailable` when the store did not answer. *caller* None: whosever it is."""

    async def add(self, row: Subscription, most: int) -> bool:
        """Record a new one; False if its caller has *most* already."""
        ...

    async def all(self, caller: str | None = None) -> Sequence[tuple[Subscription, int]]:
        """List them in the order in which they were made, each with the number of its dead events."""
        ...

    async def remove(self, of: str, caller: str | None, by: str) -> bool:
        """Delete one with its dead events; False if there is none. *by* is written into the journal."""
        ...

    async def resume(self, of: str, caller: str | None, by: str) -> bool:
        """Let one go on at once, whatever it waited for; False if there is none."""
        ...

    async def dead(self, of: str, caller: str | None = None) -> Sequence[DeadEvent] | None:
        """List its dead events, oldest first, at most `MOST_DEAD`; None if there is no such subscription."""
        ...

    async def replay(self, of: str, seq: int | None, caller: str | None, by: str) -> int | None:
        """Have a dead event (None: all) sent again, once; return how many. None if there is no such subscription."""
        ...

    async def discard(self, of: str, seq: int, caller: str | None, by: str) -> int | None:
        """Forget a dead event; return how many were, None if there is no such subscription."""
        ...

    async def lease(self, node: str, ttl: float, most: int) -> Sequence[Subscription]:
        """Renew what *node* pushes for *ttl* seconds, take up to *most* that nobody does, and return all of it."""
        ...

    async def release(self, node: str) -> None:
        """Let others push at once what *node* pushed."""
        ...

    async def move(self, of: str, node: str, to: Progress) -> bool:
        """Note where one stands; False when *node* does not push it any more."""
        ...

    async def bury(self, of: str, node: str, to: Progress, dead: DeadEvent) -> bool:
        """The same, and in the same commit that an event died."""
        ...

    async def tried_again(self, of: str, seq: int, cause: str | None) -> None:
        """A dead event was sent again: it is forgotten, or stays dead because of *cause*."""
        ...


_ROW = [one.name for one in fields(Subscription)]
_DEAD = [one.name for one in fields(DeadEvent)]
_MOVING = [one.name for one in fields(Progress)]
_BEGINNING: ColumnElement[float] = literal_column("0.0")


class SubscriptionStatements:
    """What is asked of them, compiled once."""

    def __init__(self, statements: Statements) -> None:
        say = statements.prepare
        this = subscriptions.c.id == bindparam("of")
        shown = [subscriptions.c[name] for name in _ROW]
        mine = and_(this, subscriptions.c.node == bindparam("by_node"))
        self.add: Prepared = statements.fill("subscriptions")
        dead = select(func.count()).where(dead_events.c.subscription == subscriptions.c.id).scalar_subquery()
        self.all: Prepared = say(select(*shown, dead).order_by(subscriptions.c.id))
        self.of_caller: Prepared = say(
            select(*shown, dead).where(subscriptions.c.caller == bindparam("caller")).order_by(subscriptions.c.id)
        )
        self.caller: Prepared = say(select(subscriptions.c.caller).where(this))
        self.remove: Prepared = say(delete(subscriptions).where(this))
        self.remove_dead: Prepared = say(delete(dead_events).where(dead_events.c.subscription == bindparam("of")))
        ordered = {"orders": subscriptions.c.orders + literal_column("1")}
        self.order: Prepared = say(update(subscriptions).where(this).values(ordered))
        self.resume: Prepared = say(
            update(subscriptions).where(this).values(
                ordered | {"stopped": false(), "attempts": literal_column("0"), "failing_since": null(), "due_at": _BEGINNING}
            )
        )  # fmt: skip
        free = (
            select(subscriptions.c.id)
            .where(~subscriptions.c.stopped, subscriptions.c.lease_until <= bindparam("now"))
            .order_by(subscriptions.c.id)
            .limit(bindparam("most"))
            .with_for_update(skip_locked=True)
        )
        taken = and_(subscriptions.c.id.in_(free), subscriptions.c.lease_until <= bindparam("now"))
        self.lease: Prepared = say(
            update(subscriptions)
            .where(~subscriptions.c.stopped, or_(subscriptions.c.node == bindparam("by_node"), taken))
            .values(node=bindparam("by_node"), lease_until=bindparam("until"))
            .returning(*shown)
        )
        self.release: Prepared = say(
            update(subscriptions)
            .where(subscriptions.c.node == bindparam("by_node"))
            .values(node=null(), lease_until=_BEGINNING)
        )
        self.move: Prepared = say(
            update(subscriptions).where(mine).values({name: bindparam(name) for name in _MOVING})
        )  # fmt: skip
        self.bury: Prepared = statements.replace("dead_events")
        self.dead: Prepared = say(
            select(*(dead_events.c[name] for name in _DEAD))
            .where(dead_events.c.subscription == bindparam("of"))
            .order_by(dead_events.c.seq)
            .limit(bindparam("limit"))
        )
        whole = dead_events.c.subscription == bindparam("of")
        one = and_(whole, dead_events.c.seq == bindparam("at"))
        self.replay: Prepared = say(update(dead_events).where(one).values(again=true()))
        self.replay_all: Prepared = say(update(dead_events).where(whole).values(again=true()))
        self.discard: Prepared = say(delete(dead_events).where(one))
        self.failed_again: Prepared = say(
            update(dead_events).where(one).values(again=false(), cause=bindparam("why"))
        )  # fmt: skip


def add(batch: Batch, say: SubscriptionStatements, row: Subscription, most: int) -> bool:
    """Record *row* unless its caller has as many as it may."""
    if len(batch.run(say.of_caller, {"caller": row.caller}).fetchall()) >= most:
        return False
    values = {name: getattr(row, name) for name in _ROW} | {"agencies": " ".join(row.agencies)}
    batch.run(say.add, values | {"node": None, "lease_until": 0.0})
    _note(batch, "subscribed", row.id, row.caller)
    return True


def remove(batch: Batch, say: SubscriptionStatements, of: str, caller: str | None, by: str) -> bool:
    """Delete one."""
    if not _exists(batch, say, of, caller):
        return False
    batch.run(say.remove_dead, {"of": of})
    batch.run(say.remove, {"of": of})
    _note(batch, "unsubscribed", of, by)
    return True


def resume(batch: Batch, say: SubscriptionStatements, of: str, caller: str | None, by: str) -> bool:
    """Let one go on."""
    if not _exists(batch, say, of, caller):
        return False
    batch.run(say.resume, {"of": of})
    _note(batch, "subscription_resumed", of, by)
    return True


def replay(
    batch: Batch, say: SubscriptionStatements, of: str, seq: int | None, caller: str | None, by: str
) -> int | None:
    """Mark dead events as to be sent again."""
    if not _exists(batch, say, of, caller):
        return None
    marked = batch.run(say.replay_all, {"of": of}) if seq is None else batch.run(say.replay, {"of": of, "at": seq})
    count = marked.rowcount
    if count:
        batch.run(say.order, {"of": of})
        _note(batch, "events_replayed", f"{of}: {'all' if seq is None else seq}", by)
    return count


def discard(batch: Batch, say: SubscriptionStatements, of: str, seq: int, caller: str | None, by: str) -> int | None:
    """Forget a dead event."""
    if not _exists(batch, say, of, caller):
        return None
    count = batch.run(say.discard, {"of": of, "at": seq}).rowcount
    if count:
        _note(batch, "event_discarded", f"{of}: {seq}", by)
    return count


def lease(batch: Batch, say: SubscriptionStatements, node: str, ttl: float, most: int) -> list[Subscription]:
    """Renew, take and read, in one statement."""
    asked = {"by_node": node, "now": batch.now, "until": batch.now + ttl, "most": most}
    return sorted((_row(row) for row in batch.run(say.lease, asked)), key=lambda row: row.id)


def release(batch: Batch, say: SubscriptionStatements, node: str) -> None:
    """Give up all of *node*."""
    batch.run(say.release, {"by_node": node})


def move(
    batch: Batch, say: SubscriptionStatements, of: str, node: str, to: Progress, dead: DeadEvent | None = None
) -> bool:
    """Note where one stands, and what died on the way."""
    where = {name: getattr(to, name) for name in _MOVING}
    if batch.run(say.move, where | {"of": of, "by_node": node}).rowcount != 1:
        return False
    if dead is not None:
        batch.run(say.bury, {name: getattr(dead, name) for name in _DEAD} | {"subscription": of})
    if to.stopped:
        _note(batch, "subscription_stopped", of, None, to.cause)
    return True


def tried_again(batch: Batch, say: SubscriptionStatements, of: str, seq: int, cause: str | None) -> None:
    """Forget a dead event that was delivered, or keep it."""
    if cause is None:
        batch.run(say.discard, {"of": of, "at": seq})
    else:
        batch.run(say.failed_again, {"of": of, "at": seq, "why": cause})


def _exists(batch: Batch, say: SubscriptionStatements, of: str, caller: str | None) -> bool:
    row = batch.run(say.caller, {"of": of}).fetchone()
    return row is not None and caller in (None, row[0])


def _note(batch: Batch, event: str, what: str, by: str | None, more: str = "") -> None:
    batch.write(Entry(batch.now, event, caller=by, detail=f"{what} {more}".rstrip()))


def _row(row: Sequence[Any]) -> Subscription:
    told = dict(zip(_ROW, row, strict=False))
    told["agencies"] = tuple(told["agencies"].split())
    told["stopped"] = bool(told["stopped"])
    return Subscription(**told)


class SqlSubscriptions:
    """`KeptSubscriptions` of one store."""

    def __init__(self, tables: Tables) -> None:
        self._say = SubscriptionStatements(tables.statements)
        self._rows, self._write, self._read = tables.rows, tables.write, tables.read

    async def add(self, row: Subscription, most: int) -> bool:
        return bool(await self._write("subscribe", add, self._say, row, most))

    async def all(self, caller: str | None = None) -> Sequence[tuple[Subscription, int]]:
        asked = (self._say.all, {}) if caller is None else (self._say.of_caller, {"caller": caller})
        return [(_row(row), int(row[-1])) for row in await self._read(self._rows, *asked)]

    async def remove(self, of: str, caller: str | None, by: str) -> bool:
        return bool(await self._write("unsubscribe", remove, self._say, of, caller, by))

    async def resume(self, of: str, caller: str | None, by: str) -> bool:
        return bool(await self._write("resume_subscription", resume, self._say, of, caller, by))

    async def dead(self, of: str, caller: str | None = None) -> Sequence[DeadEvent] | None:
        whose = await self._read(self._rows, self._say.caller, {"of": of})
        if not whose or caller not in (None, whose[0][0]):
            return None
        rows = await self._read(self._rows, self._say.dead, {"of": of, "limit": MOST_DEAD})
        return [DeadEvent(**dict(zip(_DEAD, row, strict=True)) | {"again": bool(row[-1])}) for row in rows]

    async def replay(self, of: str, seq: int | None, caller: str | None, by: str) -> int | None:
        count: int | None = await self._write("replay_events", replay, self._say, of, seq, caller, by)
        return count

    async def discard(self, of: str, seq: int, caller: str | None, by: str) -> int | None:
        count: int | None = await self._write("discard_event", discard, self._say, of, seq, caller, by)
        return count

    async def lease(self, node: str, ttl: float, most: int) -> Sequence[Subscription]:
        leased: Sequence[Subscription] = await self._write("lease_subscriptions", lease, self._say, node, ttl, most)
        return leased

    async def release(self, node: str) -> None:
        await self._write("release_subscriptions", release, self._say, node)

    async def move(self, of: str, node: str, to: Progress) -> bool:
        return bool(await self._write("move_subscription", move, self._say, of, node, to))

    async def bury(self, of: str, node: str, to: Progress, dead: DeadEvent) -> bool:
        return bool(await self._write("bury_event", move, self._say, of, node, to, dead))

    async def tried_again(self, of: str, seq: int, cause: str | None) -> None:
        await self._write("tried_again", tried_again, self._say, of, seq, cause)
