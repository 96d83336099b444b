"""
What `hub.orders` may ask of a store: to keep what operators ordered, so that a restart does not undo it.

Each order is one row, and each change one commit with its journal entry. `SqlStore.orders` is one.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Protocol

from sqlalchemy import bindparam, delete

from hub.journal import Entry
from hub.store.batch import Batch
from hub.store.prepared import Prepared
from hub.store.schema import orders
from hub.store.statements import Statements

EVERYTHING = "*"
"""Scope of an order that counts for every lane."""


class OrderKind(StrEnum):
    """What an operator may order."""

    HOLD = "hold"
    """Send nothing to this lane, or over this route."""
    LIMITS = "limits"
    """Stay below what the contract allows."""
    RETRIES = "retries"
    """Repeat nothing, in any lane."""


@dataclass(frozen=True, slots=True)
class Order:
    """One order in force. There is one of each kind for a scope: a new one takes its place."""

    scope: str
    """An agency for its lane, `route/<name>`, or `EVERYTHING`."""
    kind: OrderKind
    given_by: str
    given_at: float
    """Unix seconds."""
    reason: str
    """Why, in the operator's words; never a citizen's data."""
    until: float | None = None
    """Unix seconds; None: until it is taken back."""
    calls_at_once: int | None = None
    """Of `limits`: at most so many; None: as the contract says."""
    calls_per_second: float | None = None
    """Of `limits`, likewise."""


class KeptOrders(Protocol):
    """Every method raises `hub.errors.StoreUnavailable` when the store did not answer."""

    async def in_force(self) -> Sequence[Order]:
        """Forget the orders whose time is over, and return the others."""
        ...

    async def give(self, order: Order) -> None:
        """Keep *order* in the place of an earlier one of its scope and kind; the journal says who gave it, and why."""
        ...

    async def take_back(self, scope: str, kind: OrderKind, by: str, why: str) -> None:
        """End an order, if it is there; the journal says who did (*by*), and *why*."""
        ...


_GIVEN = {OrderKind.HOLD: "held", OrderKind.LIMITS: "lowered", OrderKind.RETRIES: "retries_stopped"}
_TAKEN_BACK = {OrderKind.HOLD: "resumed", OrderKind.LIMITS: "lifted", OrderKind.RETRIES: "retries_allowed"}
"""Events of the journal."""


class OrderStatements:
    """What is asked of the table, compiled once."""

    def __init__(self, statements: Statements) -> None:
        of_kind = (orders.c.scope == bindparam("scope"), orders.c.kind == bindparam("kind"))
        self.all: Prepared = statements.all_of("orders")
        self.put: Prepared = statements.replace("orders")
        self.drop: Prepared = statements.prepare(delete(orders).where(*of_kind))
        self.drop_ended: Prepared = statements.prepare(delete(orders).where(orders.c.until <= bindparam("now")))


def in_force(batch: Batch, say: OrderStatements) -> list[Order]:
    """Delete what has ended by itself, without an entry: its end stands in the entry that began it. Return the rest."""
    batch.run(say.drop_ended, {"now": batch.now})
    return [Order(scope, OrderKind(kind), *rest) for scope, kind, *rest in batch.run(say.all, {})]


def give(batch: Batch, say: OrderStatements, order: Order) -> None:
    """Write an order and its journal entry."""
    batch.run(say.put, asdict(order) | {"kind": order.kind.value})
    batch.news.orders()
    batch.write(_said(batch, _GIVEN[order.kind], order.scope, order.given_by, f"{_terms(order)}: {order.reason}"))


def take_back(batch: Batch, say: OrderStatements, scope: str, kind: OrderKind, by: str, why: str) -> None:
    """Delete an order, and write the journal entry."""
    batch.run(say.drop, {"scope": scope, "kind": kind.value})
    batch.news.orders()
    batch.write(_said(batch, _TAKEN_BACK[kind], scope, by, why))


def _terms(order: Order) -> str:
    if order.kind is OrderKind.LIMITS:
        values = {"calls_at_once": order.calls_at_once, "calls_per_second": order.calls_per_second}
        return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)
    return "until taken back" if order.until is None else f"for {order.until - order.given_at:.0f} s"


def _said(batch: Batch, event: str, scope: str, by: str, detail: str) -> Entry:
    lane = scope if scope != EVERYTHING and "/" not in scope else None
    whose = "" if lane or scope == EVERYTHING else f"{scope}: "
    return Entry(batch.now, event, caller=by, agency=lane, detail=f"{whose}{detail}".removesuffix(": "))
