"""
Permits for one process: the guards in memory, nothing between a wish and its answer. Read `protocol.py` first.
"""

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
"""Seconds a lane that has just had a permit leaves to another lane of its route that waits for one."""


class _Road:
    """The guards of one route, and what its lanes take of it. A lane without a route has a road of its own."""

    def __init__(self, guards: Guards) -> None:
        self.guards = guards
        self.lanes: list[str] = []
        self.out: Counter[str] = Counter()
        """Permits out, by lane."""
        self.waiting: dict[str, None] = {}
        """Lanes that this route made wait, longest first, so that a release of another lane wakes them."""
        self.last = ""
        """The lane that had the last permit."""

    def most(self) -> int:
        """Return how many permits one lane may have: one is left for each other lane, up to half of all."""
        assert self.guards.concurrency is not None  # noqa: S101 - asked of routes with a contract; narrows the type
        at_once = self.guards.concurrency.limit
        return max(1, at_once - min(len(self.lanes) - 1, at_once // 2))

    def turn(self, lane: str) -> Wait | None:
        """Return the wait of a *lane* that would take more of a shared route than leaves room for the others."""
        if self.guards.concurrency is not None and len(self.lanes) > 1 and self.out[lane] >= self.most():
            return Wait("concurrency", None)
        if self.last == lane and any(other != lane for other in self.waiting):
            return Wait("turn", _YIELD)
        return None


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
            name: _Road(Guards(clock, random, bounds, route=True)) for name, bounds in (routes or {}).items()
        }
        self._shared = dict(route_of or {})
        self._over: dict[str, _Road] = {}
        for name in lanes:
            road = self._routes[self._shared[name]] if name in self._shared else None
            self._over[name] = road or _Road(Guards(clock, random, None, route=True))
            self._over[name].lanes.append(name)
        self._clock = clock
        self._wake: dict[str, Callable[[], None]] = {}
        self._granted: dict[int, tuple[Permit, Wanted]] = {}
        self._number = 0

    async def claim(self, lane: str, wanted: Sequence[Wanted]) -> Sequence[Permit | Wait]:
        return [self._claim(lane, wish) for wish in wanted]

    def _claim(self, lane: str, wish: Wanted) -> Permit | Wait:
        own, road = self._lanes[lane], self._over[lane]
        if wait := own.admit(wish):
            road.waiting.pop(lane, None)
            return wait
        if wait := road.guards.admit(wish) or road.turn(lane):
            if wait.guard == "turn":
                other = next(other for other in road.waiting if other != lane)
                del road.waiting[other]  # it asks now, or wants nothing any more: it may not hold us up twice
                self._wake_up(other)
            road.waiting.setdefault(lane)
            own.hold.was_stopped = own.hold.was_stopped or (wait.guard == "hold" and wait.whole)
            return wait
        self._number += 1
        road.waiting.pop(lane, None)
        road.last = lane
        road.out[lane] += 1
        probe = own.probing(wish) or road.guards.probing(wish)
        paying = replace(wish, probe=True) if probe else wish
        own.granted(self._number, paying)
        road.guards.granted(self._number, paying)
        permit = Permit(self._number, lane, wish.operation, wish.cls, probe)
        self._granted[permit.id] = (permit, paying)
        return permit

    async def release(self, permit: Permit, outcome: Outcome | str, seconds: float) -> None:
        granted = self._granted.pop(permit.id, None)
        if granted is None:
            return
        own, road = self._lanes[permit.lane], self._over[permit.lane]
        road.out[permit.lane] -= 1
        own.released(permit, granted[1], outcome, seconds)
        road.guards.released(permit, granted[1], outcome, seconds)
        # Who waited longest for the route is woken first, and asks first.
        for name in [*road.waiting, *(() if permit.lane in road.waiting else (permit.lane,))]:
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
        for guards in (self._lanes[lane], self._over[lane].guards):
            if guards.concurrency:
                for seconds in occupied:
                    guards.concurrency.occupy(seconds)
            if guards.day:
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
