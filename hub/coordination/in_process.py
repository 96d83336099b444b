"""
Permits for one process: the guards in memory, nothing between a wish and its answer. Read `protocol.py` first.
"""

import asyncio
import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random

from connectors.kit.outcomes import Outcome
from hub.clock import Clock
from hub.coordination.protocol import ROUTE, Pace
from hub.guards.bounds import Bounds, Guards
from hub.guards.guard import HoldCause, Permit, Wait, Wanted

_YIELD = 0.001
"""Seconds that are left to the lane that has waited longest for its route; then it wants nothing any more."""
_LEAST = 1e-6


class _Road:
    """The guards of one route, and what its lanes take of it. A lane without a route has a road of its own."""

    def __init__(self, guards: Guards, clock: Clock) -> None:
        self.guards = guards
        self.lanes: list[str] = []
        self.waiting: dict[str, None] = {}
        """Lanes that this route made wait, longest first: in this order they are woken, and served."""
        self.sated: dict[str, None] = {}
        """Lanes that have their part of it, and wait until there is more than the others may need."""
        self._clock = clock
        self._out: Counter[str] = Counter()
        """Exchanges under way by lane, those included that were cut and may go on at their agency."""
        self._cut: list[tuple[float, str]] = []
        """When those are taken to be over, and of which lane they are."""
        self._called: str | None = None
        """The lane whose turn it is, if it wants it before `_called_until`."""
        self._called_until = 0.0

    def most(self) -> int:
        """Return how many permits one lane may have: one is left for each other lane, up to half of all."""
        assert self.guards.concurrency is not None  # noqa: S101 - asked of routes with a contract; narrows the type
        at_once = self.guards.concurrency.limit
        return max(1, at_once - min(len(self.lanes) - 1, at_once // 2))

    def turn(self, lane: str, wake: Callable[[str], None]) -> Wait | None:
        """Return the wait of a *lane* that would leave no room for others, or that others have waited for longer than."""
        if wait := self._has_its_part(lane):
            self.sated[lane] = None
            return wait
        now = self._clock.monotonic()
        if self._called is not None and now >= self._called_until:
            self.waiting.pop(self._called, None)  # it wants nothing any more
            self._called = None
        first = next(iter(self.waiting), lane)
        if first == lane:
            return None
        if self._called is None:
            self._called, self._called_until = first, now + _YIELD
            wake(first)
        self.waiting.setdefault(lane)
        return Wait("turn", max(_LEAST, self._called_until - now))

    def gone(self, lane: str) -> None:
        """Note that *lane* does not wait for this route: it was served, or something else is in its way."""
        self.waiting.pop(lane, None)
        self.sated.pop(lane, None)
        if self._called == lane:
            self._called = None

    def took(self, lane: str) -> None:
        """Note that an exchange of *lane* is under way."""
        self.gone(lane)
        self._out[lane] += 1

    def gave_back(self, lane: str, lingers: float) -> None:
        """Note that an exchange of *lane* is over, though it occupies the gateway for *lingers* seconds more."""
        self._out[lane] -= 1
        self.lingers(lane, lingers)

    def lingers(self, lane: str, seconds: float) -> None:
        """Note that the gateway is occupied for *seconds* by what *lane* does not wait for any more."""
        if seconds > 0 and self.guards.concurrency is not None:
            self.guards.concurrency.occupy(seconds)
            self._out[lane] += 1
            heapq.heappush(self._cut, (self._clock.monotonic() + seconds, lane))

    def _has_its_part(self, lane: str) -> Wait | None:
        slots = self.guards.concurrency
        if slots is None or len(self.lanes) == 1:
            return None
        now = self._clock.monotonic()
        while self._cut and self._cut[0][0] <= now:
            self._out[heapq.heappop(self._cut)[1]] -= 1
        if self._out[lane] <= 0:
            return None
        without = sum(self._out[other] <= 0 for other in self.lanes)
        if slots.limit - slots.in_use > min(without, slots.limit // 2):
            return None
        return Wait("concurrency", self._cut[0][0] - now if self._cut else None)


class InProcess:
    """Implements `Coordination` for a hub of one node."""

    def __init__(
        self,
        clock: Clock,
        random: Random,
        lanes: Mapping[str, Bounds],
        routes: Mapping[str, Bounds | None] | None = None,
        route_of: Mapping[str, str] | None = None,
    ) -> None:
        """
        Make guards for *lanes* and for the *routes* that *route_of* sends them over.

        A route whose bounds are None only ever holds; a lane that *route_of* does not name has a road of its own.
        """
        self._lanes = {name: Guards(clock, random, bounds) for name, bounds in lanes.items()}
        self._routes = {
            name: _Road(Guards(clock, random, bounds, route=True), clock) for name, bounds in (routes or {}).items()
        }
        self._shared = dict(route_of or {})
        self._over: dict[str, _Road] = {}
        for name in lanes:
            road = self._routes[self._shared[name]] if name in self._shared else None
            self._over[name] = road or _Road(Guards(clock, random, None, route=True), clock)
            self._over[name].lanes.append(name)
        self._doors = {name: asyncio.Lock() for name in lanes}
        """Of each lane: held by who waits until its first byte may leave."""
        self._clock = clock
        self._wake: dict[str, Callable[[], None]] = {}
        self._granted: dict[int, tuple[Permit, Wanted]] = {}
        self._number = 0

    async def claim(self, lane: str, wanted: Sequence[Wanted]) -> Sequence[Permit | Wait]:
        return [self._claim(lane, wish) for wish in wanted]

    def _claim(self, lane: str, wish: Wanted) -> Permit | Wait:
        own, road = self._lanes[lane], self._over[lane]
        if wait := own.admit(wish):
            road.gone(lane)
            return wait
        if wait := road.guards.admit(wish):
            road.waiting.setdefault(lane)
            own.hold.was_stopped = own.hold.was_stopped or (wait.guard == "hold" and wait.whole)
            return wait
        if wait := road.turn(lane, self._wake_up):
            return wait
        self._number += 1
        road.took(lane)
        probe = own.probing(wish) or road.guards.probing(wish)
        paying = replace(wish, probe=True) if probe else wish
        own.granted(self._number, paying)
        road.guards.granted(self._number, paying)
        permit = Permit(self._number, lane, wish.operation, wish.cls, probe)
        self._granted[permit.id] = (permit, paying)
        return permit

    async def leave(self, permit: Permit, within: float) -> bool:
        both = self._lanes[permit.lane], self._over[permit.lane].guards
        for guards in both:
            guards.ready(permit.id)
        door = self._doors[permit.lane]
        if door.locked() or _leave_in(both):
            # One of a lane at a time, first come, first served. Nobody has a place kept: neither one that it would not
            # live to take, nor one at the gateway for which it would still have to wait at its agency's door.
            try:
                async with asyncio.timeout(within if within < math.inf else None), door:
                    while wait := _leave_in(both):  # noqa: ASYNC110 - time alone opens it
                        await asyncio.sleep(max(_LEAST, wait))
            except TimeoutError:
                return False
        for guards in both:
            guards.leave()
        return True

    async def release(self, permit: Permit, outcome: Outcome | str, seconds: float) -> None:
        granted = self._granted.pop(permit.id, None)
        if granted is None:
            return
        own, road = self._lanes[permit.lane], self._over[permit.lane]
        own.released(permit, granted[1], outcome, seconds)
        road.guards.released(permit, granted[1], outcome, seconds)
        road.gave_back(permit.lane, own.concurrency.lingers(outcome, seconds) if own.concurrency else 0.0)
        # Who waited longest for the route is woken first, and asks first.
        for name in dict.fromkeys((*road.waiting, *road.sated, permit.lane)):
            self._wake_up(name)

    async def hold(self, name: str, cause: HoldCause, seconds: float | None, operation: str = "") -> None:
        self._guards(name).hold.stop(cause, seconds, operation)
        self._stir(name)

    async def resume(self, name: str, cause: HoldCause | None = None) -> None:
        for guards in self._own_road(name):
            guards.hold.resume(cause)
            if cause is None and guards.breaker is not None:
                guards.breaker.close()
        self._stir(name)

    async def lower(self, name: str, calls_at_once: int | None, calls_per_second: float | None) -> None:
        guards = self._guards(name)
        if guards.concurrency is not None:
            guards.concurrency.lower(calls_at_once)
        if guards.rate is not None:
            guards.rate.lower(calls_per_second)
        self._stir(name)

    async def stop_retries(self, stopped: bool) -> None:
        for name, guards in self._lanes.items():
            if guards.budget is not None:
                guards.budget.stopped = stopped
            self._wake_up(name)

    async def restore(self, lane: str, occupied: Sequence[float], sent_today: int) -> None:
        own, road = self._lanes[lane], self._over[lane]
        for seconds in occupied:
            if own.concurrency is not None:
                own.concurrency.occupy(seconds)
            road.lingers(lane, seconds)
        for guards in (own, road.guards):
            if guards.day is not None:
                guards.day.restore(sent_today)

    def out(self) -> int:
        """Return how many permits are not back yet."""
        return len(self._granted)

    def subscribe(self, lane: str, wake: Callable[[], None]) -> None:
        self._wake[lane] = wake

    def stopped(self, name: str, operation: str) -> Wait | None:
        stop = self._guards(name).stopped(operation)
        over = self._over[name].guards.stopped(operation) if name in self._over else None
        if stop is None or over is None:
            return stop or over
        return max(stop, over, key=lambda one: math.inf if one.seconds is None else one.seconds)

    def pace(self, lane: str) -> Pace:
        own, road = self._lanes[lane], self._over[lane]
        at_once, per_second, ramping = 1, math.inf, False
        p95 = own.deadline.slowest() if own.deadline is not None else 0.0
        if own.concurrency is not None:
            at_once, ramping = own.concurrency.limit, own.concurrency.ramping
        if road.guards.concurrency is not None:
            at_once = min(at_once, road.most())
        for guards in (own, road.guards):
            for rate in (guards.rate, guards.minute):
                per_second = min(per_second, rate.limit) if rate else per_second
        return Pace(at_once, per_second, p95, ramping)

    def watch(self, name: str) -> Mapping[str, float]:
        numbers = dict(self._guards(name).numbers())
        for guards in self._own_road(name):
            for _, cause, left in guards.hold.view():
                key = f"hold_seconds/{cause.value}"
                numbers[key] = max(numbers.get(key, 0.0), math.inf if left is None else left)
        return numbers

    def moved(self, lane: str) -> tuple[str, float]:
        own = self._lanes[lane].concurrency
        return (own.moved, self._clock.monotonic() - own.moved_at) if own is not None else ("", 0.0)

    def _own_road(self, name: str) -> Iterator[Guards]:
        """Give the guards of *name*, and those of the road that a lane shares with nobody."""
        yield self._guards(name)
        if name in self._over and name not in self._shared:
            yield self._over[name].guards

    def _guards(self, name: str) -> Guards:
        return self._routes[name.removeprefix(ROUTE)].guards if name.startswith(ROUTE) else self._lanes[name]

    def _stir(self, name: str) -> None:
        lanes = self._routes[name.removeprefix(ROUTE)].lanes if name.startswith(ROUTE) else [name]
        for lane in lanes:
            self._wake_up(lane)

    def _wake_up(self, lane: str) -> None:
        if wake := self._wake.get(lane):
            wake()


def _leave_in(both: tuple[Guards, Guards]) -> float:
    return max(guards.leaves_in() for guards in both)
