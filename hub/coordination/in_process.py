"""
Permits for one process: the roads in memory, nothing between a wish and its answer. Read `protocol.py` and `road.py` first.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from random import Random

from connectors.kit.outcomes import Outcome
from hub.clock import Clock
from hub.coordination.protocol import HoldCause, Permit, Wait, Wanted
from hub.coordination.road import Road
from hub.coordination.roads import Roads
from hub.guards.bounds import Bounds

_LEAST = 1e-6


class InProcess(Roads):
    """Implements `Coordination` for a hub of one node."""

    def __init__(
        self,
        clock: Clock,
        random: Random,
        lanes: Mapping[str, Bounds],
        routes: Mapping[str, Bounds | None] | None = None,
        route_of: Mapping[str, str] | None = None,
    ) -> None:
        """Make guards for *lanes* and for the *routes* that *route_of* sends them over; see `Roads`."""

        def pave(name: str, lanes: Mapping[str, Bounds], bounds: Bounds | None) -> Road:
            return Road(clock, random, lanes, bounds, name=name)

        super().__init__(pave, lanes, routes, route_of)
        self._over = {lane: self.over(lane) for lane in lanes}
        self._doors = {name: asyncio.Lock() for name in lanes}
        """Of each lane: held by who waits until its first byte may leave."""

    @property
    def reaches(self) -> bool:
        return True

    async def start(self) -> None:
        return

    async def aclose(self) -> None:
        return

    async def claim(self, lane: str, wanted: Sequence[Wanted]) -> Sequence[Permit | Wait]:
        return [self._claim(lane, wish) for wish in wanted]

    def _claim(self, lane: str, wish: Wanted) -> Permit | Wait:
        road = self._over[lane]
        answer = road.claim(lane, wish, lane)
        if isinstance(answer, Permit):
            road.began(answer, wish)
        while road.calls:
            self.wake(road.calls.pop())
        return answer

    async def leave(self, permit: Permit, within: float) -> bool:
        road, lane = self._over[permit.lane], permit.lane
        road.ready(permit)
        door = self._doors[lane]
        if door.locked() or road.leaves_in(lane):
            # One of a lane at a time, first come, first served. Nobody has a place kept: neither one that it would not
            # live to take, nor one at the gateway for which it would still have to wait at its agency's door.
            try:
                async with asyncio.timeout(within if within < math.inf else None), door:
                    while wait := road.leaves_in(lane):  # noqa: ASYNC110 - time alone opens it
                        await asyncio.sleep(max(_LEAST, wait))
            except TimeoutError:
                return False
        road.leave(permit)
        return True

    async def release(self, permit: Permit, outcome: Outcome | str, seconds: float) -> None:
        road = self._over[permit.lane]
        if not road.release(permit, outcome, seconds):
            return
        road.ended(permit, outcome, seconds)
        # Who waited longest for the route is woken first, and asks first.
        for name in dict.fromkeys((*road.line.state.waiting, *road.shared.sated, permit.lane)):
            self.wake(name)

    async def hold(self, name: str, cause: HoldCause, seconds: float | None, operation: str = "") -> None:
        self.over(name).hold(name, cause, seconds, operation)
        self._stir(name)

    async def resume(self, name: str, cause: HoldCause | None = None) -> None:
        self.over(name).resume(name, cause)
        self._stir(name)

    async def lower(self, name: str, calls_at_once: int | None, calls_per_second: float | None) -> None:
        self.over(name).lower(name, calls_at_once, calls_per_second)
        self._stir(name)

    async def stop_retries(self, stopped: bool) -> None:
        for road in self.roads.values():
            road.stop_retries(stopped)
            for lane in road.lanes:
                self.wake(lane)

    async def restore(self, lane: str, occupied: Sequence[float], sent_today: int) -> None:
        self._over[lane].restore(lane, occupied, sent_today)

    def out(self) -> int:
        """Return how many permits are not back yet."""
        return sum(len(road.shared.granted) for road in self.roads.values())

    def _stir(self, name: str) -> None:
        for lane in self.lanes_of(name):
            self.wake(lane)
