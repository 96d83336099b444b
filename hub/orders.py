"""
What operators order: lanes and routes that are held or kept below their contract, and the stop of all retries.

An order is on disk, with its entry in the journal, before it counts; then the coordination hears of it at once, and
again at every start: a hold that an agency asked for outlives the process. `store/orders.py` keeps them.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Protocol

from hub.clock import Clock
from hub.coordination.protocol import ROUTE, Coordination, HoldCause
from hub.errors import OperationUnknown, RequestFault, RequestInvalid
from hub.store.orders import EVERYTHING, KeptOrders, Order, OrderKind
from monitoring.events import Observer

HELD = "hold_seconds/"
"""Begins the names of the numbers that tell of holds."""


class Allowed(Protocol):
    """What the contract of a lane or route allows; both kinds of contract are such."""

    @property
    def calls_at_once(self) -> int: ...
    @property
    def calls_per_second(self) -> float: ...


class Orders:
    """The orders in force. Names are those of the coordination: an agency for its lane, `route/<name>` for a route."""

    def __init__(
        self,
        kept: KeptOrders,
        coordination: Coordination,
        clock: Clock,
        observer: Observer,
        contracts: Mapping[str, Allowed],
    ) -> None:
        """*contracts* by name: every lane and route that can be ordered about."""
        self._kept = kept
        self._coordination = coordination
        self._clock = clock
        self._observer = observer
        self._contracts = contracts
        self._orders: dict[tuple[str, OrderKind], Order] = {}
        self._changing = asyncio.Lock()  # what is in memory must follow the store in its order

    async def load(self) -> None:
        """
        Read what was ordered before, and apply it, before anything is sent.

        An order about an agency or route that is no longer there is kept, and counts again when it returns.
        """
        for order in await self._kept.in_force():
            self._orders[order.scope, order.kind] = order
            if order.scope == EVERYTHING or order.scope in self._contracts:
                await self._apply(order)

    async def reload(self) -> None:
        """Do as operators ordered meanwhile at another node, or as stands in the store after it was away."""
        async with self._changing:
            before = dict(self._orders)
            self._orders.clear()
            await self.load()
            for (scope, kind), order in before.items():
                if (scope, kind) not in self._orders and (scope == EVERYTHING or scope in self._contracts):
                    await self._undo(order)

    def in_force(self) -> list[Order]:
        """Return every order whose time is not over, by scope."""
        now = self._clock.now()
        self._orders = {key: one for key, one in self._orders.items() if one.until is None or one.until > now}
        return [self._orders[key] for key in sorted(self._orders)]

    def of(self, scope: str, kind: OrderKind) -> Order | None:
        """Return the order of *kind* that is in force for *scope*."""
        return next((one for one in self.in_force() if (one.scope, one.kind) == (scope, kind)), None)

    @property
    def names(self) -> Collection[str]:
        """Every lane and route that can be ordered about."""
        return self._contracts.keys()

    # --- Hold and resume ---------------------------------------------------------------------------------------------

    async def hold(self, name: str, seconds: float | None, by: str, reason: str) -> Order:
        """
        Send nothing to a lane or over a route for *seconds*, or until `resume` when None; takes the place of an earlier hold.

        Raises:
            OperationUnknown: There is no such lane or route.
        """
        async with self._changing:
            self._must_have(name)
            earlier, now = self.of(name, OrderKind.HOLD), self._clock.now()
            order = Order(name, OrderKind.HOLD, by, now, reason, None if seconds is None else now + seconds)
            await self._give(order)
            if earlier and order.until is not None and (earlier.until is None or earlier.until > order.until):
                await self._coordination.resume(name, HoldCause.OPERATOR)  # it never shortens a hold by itself
            await self._apply(order)
            return order

    async def resume(self, name: str, by: str, reason: str, *, everything: bool = False) -> bool:
        """
        End the operator's hold of a lane or route; False if there was none.

        With *everything*, end its other holds too and close its breakers, as who knows that the agency is well again.

        Raises:
            OperationUnknown: There is no such lane or route, and no order about one.
        """
        async with self._changing:
            held = self.of(name, OrderKind.HOLD) is not None
            if not held:
                self._must_have(name)
            if not held and not everything:
                return False
            what = "every hold ended, breakers closed: " if everything else ""
            await self._take_back(name, OrderKind.HOLD, by, f"{what}{reason}")
            if name in self._contracts:
                before = self._causes(name)
                await self._coordination.resume(name, None if everything else HoldCause.OPERATOR)
                for cause in before - self._causes(name):
                    self._tell(name, cause, 0.0)
            return True

    # --- Lower and lift ----------------------------------------------------------------------------------------------

    async def lower(
        self, name: str, calls_at_once: int | None, calls_per_second: float | None, by: str, reason: str
    ) -> Order:
        """
        Keep a lane or route below its contract until `lift`; what is None stays as it was ordered before, if it was.

        Raises:
            OperationUnknown: There is no such lane or route.
            RequestInvalid: Nothing is given, or something that is not below what the contract allows.
        """
        async with self._changing:
            self._must_have(name)
            faults = list(_not_below(self._contracts[name], calls_at_once, calls_per_second))
            if faults:
                raise RequestInvalid(faults=faults)
            earlier = self.of(name, OrderKind.LIMITS)
            order = Order(
                name,
                OrderKind.LIMITS,
                by,
                self._clock.now(),
                reason,
                calls_at_once=calls_at_once or (earlier.calls_at_once if earlier else None),
                calls_per_second=calls_per_second or (earlier.calls_per_second if earlier else None),
            )
            await self._give(order)
            await self._apply(order)
            return order

    async def lift(self, name: str, by: str, reason: str) -> bool:
        """
        Let a lane or route go as far as its contract again; False if it was not lowered.

        Raises:
            OperationUnknown: There is no such lane or route, and no order about one.
        """
        async with self._changing:
            if self.of(name, OrderKind.LIMITS) is None:
                self._must_have(name)
                return False
            await self._take_back(name, OrderKind.LIMITS, by, reason)
            if name in self._contracts:
                await self._coordination.lower(name, None, None)
            return True

    # --- Retries -----------------------------------------------------------------------------------------------------

    async def stop_retries(self, by: str, reason: str) -> Order:
        """Let no lane repeat anything until `allow_retries`."""
        async with self._changing:
            order = Order(EVERYTHING, OrderKind.RETRIES, by, self._clock.now(), reason)
            await self._give(order)
            await self._apply(order)
            return order

    async def allow_retries(self, by: str, reason: str) -> bool:
        """Let lanes repeat again; False if nobody had stopped them."""
        async with self._changing:
            if self.of(EVERYTHING, OrderKind.RETRIES) is None:
                return False
            await self._take_back(EVERYTHING, OrderKind.RETRIES, by, reason)
            await self._coordination.stop_retries(False)
            return True

    # --- Inside ------------------------------------------------------------------------------------------------------

    def _must_have(self, name: str) -> None:
        if name in self._contracts:
            return
        routes = name.startswith(ROUTE)
        known = sorted(one.removeprefix(ROUTE) for one in self._contracts if one.startswith(ROUTE) is routes)
        what = "route that agencies share" if routes else "agency"
        raise OperationUnknown(f"There is no such {what}; this hub has {', '.join(known) or 'none'}.")

    async def _give(self, order: Order) -> None:
        await self._kept.give(order)
        self._orders[order.scope, order.kind] = order

    async def _take_back(self, scope: str, kind: OrderKind, by: str, why: str) -> None:
        await self._kept.take_back(scope, kind, by, why)
        self._orders.pop((scope, kind), None)

    async def _apply(self, order: Order) -> None:
        if order.kind is OrderKind.HOLD:
            seconds = None if order.until is None else max(0.0, order.until - self._clock.now())
            await self._coordination.hold(order.scope, HoldCause.OPERATOR, seconds)
            self._tell(order.scope, HoldCause.OPERATOR, seconds)
        elif order.kind is OrderKind.LIMITS:
            await self._coordination.lower(order.scope, order.calls_at_once, order.calls_per_second)
        else:
            await self._coordination.stop_retries(True)

    async def _undo(self, order: Order) -> None:
        if order.kind is OrderKind.HOLD:
            await self._coordination.resume(order.scope, HoldCause.OPERATOR)
            self._tell(order.scope, HoldCause.OPERATOR, 0.0)
        elif order.kind is OrderKind.LIMITS:
            await self._coordination.lower(order.scope, None, None)
        else:
            await self._coordination.stop_retries(False)

    def _causes(self, name: str) -> set[str]:
        return {key.removeprefix(HELD) for key in self._coordination.watch(name) if key.startswith(HELD)}

    def _tell(self, name: str, cause: str, seconds: float | None) -> None:
        if name.startswith(ROUTE):
            self._observer.route_hold(name.removeprefix(ROUTE), cause, seconds)
        else:
            self._observer.hold(name, cause, seconds)


def _not_below(contract: Allowed, calls_at_once: int | None, calls_per_second: float | None) -> list[RequestFault]:
    if calls_at_once is None and calls_per_second is None:
        return [RequestFault("", "give `calls_at_once`, `calls_per_second` or both")]
    faults = []
    for name, given in (("calls_at_once", calls_at_once), ("calls_per_second", calls_per_second)):
        allowed = getattr(contract, name)
        if given is not None and given >= allowed:
            faults.append(RequestFault(f"/{name}", f"must be below the contract, which allows {allowed:g}"))
    return faults
