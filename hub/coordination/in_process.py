"""
Permits for one process: the guards in memory, nothing between a wish and its answer. Read `protocol.py` first.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random

from connectors.kit.outcomes import Outcome
from hub.clock import Clock
from hub.guards.bounds import Bounds, Guards
from hub.guards.guard import HoldCause, Permit, Wait, Wanted


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
        self._routes = {name: Guards(clock, random, bounds, route=True) for name, bounds in (routes or {}).items()}
        roads = route_of or {}
        self._over = {
            name: self._routes[roads[name]] if name in roads else Guards(clock, random, None, route=True)
            for name in lanes
        }
        self._wake: dict[str, Callable[[], None]] = {}
        self._granted: dict[int, tuple[Permit, Wanted]] = {}
        self._starved: dict[Guards, dict[str, None]] = {guards: {} for guards in self._over.values()}
        """Lanes that a route made wait, so that a release of another lane wakes them."""
        self._number = 0

    async def claim(self, lane: str, wanted: Sequence[Wanted]) -> Sequence[Permit | Wait]:
        return [self._claim(lane, wish) for wish in wanted]

    def _claim(self, lane: str, wish: Wanted) -> Permit | Wait:
        own, route = self._lanes[lane], self._over[lane]
        if wait := own.admit(wish):
            return wait
        if wait := route.admit(wish):
            self._starved[route][lane] = None
            return wait
        self._number += 1
        probe = own.granted(self._number, wish)
        probe = route.granted(self._number, wish) or probe
        permit = Permit(self._number, lane, wish.operation, wish.cls, probe)
        self._granted[permit.id] = (permit, wish)
        return permit

    async def release(self, permit: Permit, outcome: Outcome | str, seconds: float) -> None:
        granted = self._granted.pop(permit.id, None)
        if granted is None:
            return
        own, route = self._lanes[permit.lane], self._over[permit.lane]
        own.released(permit, granted[1], outcome, seconds)
        route.released(permit, granted[1], outcome, seconds)
        self._wake_up(permit.lane, route)

    async def hold(self, lane: str, cause: HoldCause, seconds: float | None, operation: str = "") -> None:
        self._lanes[lane].hold.stop(cause, seconds, operation)

    async def resume(self, lane: str) -> None:
        self._lanes[lane].hold.resume()
        self._wake_up(lane, self._over[lane])

    async def restore(self, lane: str, occupied: Sequence[float], sent_today: int) -> None:
        for guards in (self._lanes[lane], self._over[lane]):
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

    def held(self, lane: str, operation: str) -> Wait | None:
        longest: Wait | None = None
        for guards in (self._lanes[lane], self._over[lane]):
            for stopped, cause, left in guards.hold.view():
                if stopped in ("", operation) and (
                    longest is None or (left or math.inf) > (longest.seconds or math.inf)
                ):
                    longest = Wait("hold", left, cause.value, whole=not stopped)
        return longest

    def watch(self, lane: str) -> Mapping[str, float]:
        numbers = dict(self._lanes[lane].numbers())
        for guards in (self._lanes[lane], self._over[lane]):
            for _, cause, left in guards.hold.view():
                name = f"hold_seconds/{cause.value}"
                numbers[name] = max(numbers.get(name, 0.0), math.inf if left is None else left)
        return numbers

    def _wake_up(self, lane: str, route: Guards) -> None:
        starved = self._starved[route]
        waiting = [lane, *(name for name in starved if name != lane)]
        starved.clear()
        for name in waiting:
            if wake := self._wake.get(name):
                wake()
