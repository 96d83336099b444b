"""
All roads of this node, each under one key: the name of its route, or of the lane that it belongs to alone.

What is answered without I/O is answered here, for every implementation alike. Next: `in_process.py`, `in_redis.py`.
"""

from collections.abc import Callable, Iterator, Mapping

from hub.coordination.protocol import ROUTE, Pace, Wait
from hub.coordination.road import Road
from hub.guards.bounds import Bounds

Paving = Callable[[str, Mapping[str, Bounds], Bounds | None], Road]
"""Makes the road of a route's name (empty: a lane's own), for its lanes, under its own bounds."""


class Roads:
    """The roads by key, by lane and by the names that operators use; and whom to wake."""

    def __init__(
        self,
        pave: Paving,
        lanes: Mapping[str, Bounds],
        routes: Mapping[str, Bounds | None] | None = None,
        route_of: Mapping[str, str] | None = None,
    ) -> None:
        """A route whose bounds are None only ever holds; a lane that *route_of* does not name has a road of its own."""
        over = dict(route_of or {})
        self.roads = {
            ROUTE + route: pave(route, {lane: lanes[lane] for lane in lanes if over.get(lane) == route}, bounds)
            for route, bounds in (routes or {}).items()
        }
        self.key_of = {lane: ROUTE + over[lane] if lane in over else lane for lane in lanes}
        """The key of the road of each lane."""
        self.roads |= {lane: pave("", {lane: lanes[lane]}, None) for lane in lanes if lane not in over}
        self._wake: dict[str, Callable[[], None]] = {}

    def over(self, name: str) -> Road:
        """
        Return the road of a lane, or of a route's name in the coordination.

        Raises:
            KeyError: There is no such lane or route.
        """
        return self.roads[self.key_of.get(name, name)]

    def lanes_of(self, name: str) -> Iterator[str]:
        """Give the lane of that name, or every lane of that route."""
        return iter(self.roads[name].lanes) if name.startswith(ROUTE) else iter((name,))

    def subscribe(self, lane: str, wake: Callable[[], None]) -> None:
        self._wake[lane] = wake

    def wake(self, lane: str) -> None:
        """Tell *lane* that it may have reason to ask again."""
        if wake := self._wake.get(lane):
            wake()

    def stopped(self, name: str, operation: str) -> Wait | None:
        return self.over(name).stopped(name, operation)

    def pace(self, lane: str) -> Pace:
        return self.over(lane).pace(lane)

    def watch(self, name: str) -> Mapping[str, float]:
        return self.over(name).watch(name)

    def moved(self, lane: str) -> tuple[str, float]:
        return self.over(lane).moved(lane)
