"""A stage with gateways: agencies `a` and `b` behind LGSP `lgsp`, `c` behind another, any other name on a road of its own."""

import asyncio
from collections import deque
from collections.abc import Mapping
from random import Random
from typing import Any

from connectors.kit.exchange import WireRequest
from connectors.kit.outcomes import Outcome, StaleCredentials
from connectors.kit.tokens import Bearer, Token
from hub.clock import VirtualClock
from hub.coordination.in_process import InProcess
from hub.guards.bounds import Bounds
from hub.lane import Lane
from hub.route import Route, bounds_of_routes
from hub.route_tables import RouteContract
from tests.unit.engine.stage import ScriptedAgency, World

ROUTE_OF = {"a": "lgsp", "b": "lgsp", "c": "ndxp"}
STALE = StaleCredentials("wso2_900901", route=True)


class Gateway:
    """One LGSP: plays `will` in order, each (seconds, told), then gives the same token to all while it is good."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.bearer = Bearer("Authorization")
        self.will: deque[tuple[float, Outcome | Token]] = deque()
        self.seconds = 0.1
        self.life = 3600.0
        self.asked: list[float] = []
        self.turned_away: list[str] = []
        """Lanes whose exchange was refused for its token, in order."""
        self.never: set[str] = set()
        """Agencies for which it takes no token at all."""
        self.closed = False
        self._token = ""
        self._number = 0
        self._until = 0.0

    async def fetch(self, *, timeout: float) -> Token | Outcome:  # noqa: ASYNC109
        self.asked.append(self.clock.monotonic())
        seconds, told = self.will.popleft() if self.will else (self.seconds, None)
        await asyncio.sleep(seconds)  # it may hang for longer than it is given
        if told is not None:
            return told
        if self._until <= self.clock.monotonic():
            self._number += 1
            self._token, self._until = f"t{self._number}", self.clock.monotonic() + self.life
        return Token(self._token, float(int(self._until - self.clock.monotonic())))

    async def close(self) -> None:
        self.closed = True

    def expire(self) -> None:
        """End the token that is out, as an administrator may."""
        self._until = 0.0

    def takes(self, agency: str, wire: WireRequest) -> bool:
        """Whether an exchange of *agency* that wears the route's token is let through."""
        dressed = self.bearer.dressed(wire)
        good = self._until > self.clock.monotonic() and agency not in self.never
        if good and dressed is not None and dressed.headers["Authorization"] == f"Bearer {self._token}":
            return True
        self.turned_away.append(agency)
        return False


class Roads(World):
    """A hub whose lanes share gateways."""

    CONTRACT = RouteContract(calls_per_second=1000.0, calls_at_once=8, calls_per_day=None)

    def __post_init__(self) -> None:
        names = dict.fromkeys(ROUTE_OF[name] for name in self.agencies if name in ROUTE_OF)
        self.gateways = {name: Gateway(self.clock) for name in names}
        self._made: dict[str, Route] = {}
        for agency in self.agencies.values():
            if agency.name in ROUTE_OF:
                put_behind(agency, self.gateways[ROUTE_OF[agency.name]])
        super().__post_init__()

    @property
    def lgsp(self) -> Gateway:
        return self.gateways["lgsp"]

    def coordinate(self, random: Random, bounds: Mapping[str, Bounds]) -> InProcess:
        over = {name: ROUTE_OF[name] for name in bounds if name in ROUTE_OF}
        routes = bounds_of_routes(bounds, dict.fromkeys(over.values(), self.CONTRACT), over)
        return InProcess(self.clock, random, bounds, routes, over)

    def lane_of(self, agency: ScriptedAgency) -> Lane:
        name = ROUTE_OF.get(agency.name)
        if name is None:
            return Lane(agency, self.around)
        if name not in self._made:
            gateway = self.gateways[name]
            self._made[name] = Route(name, "lgsp", self.CONTRACT, self.around, gateway, gateway.bearer)
            self.routes.append(self._made[name])
        return Lane(agency, self.around, self._made[name])

    def held(self, name: str = "lgsp") -> str:
        """Return the cause for which a route is held, or nothing."""
        return next(view.held for view in self.hub.routes() if view.name == name)


class ById(Roads):
    """The same hub with gateways that want no token, and tell who we are by an id of the route: X-Road."""

    def lane_of(self, agency: ScriptedAgency) -> Lane:
        name = ROUTE_OF.get(agency.name)
        if name is None:
            return Lane(agency, self.around)
        if name not in self._made:
            self.gateways[name].takes = lambda *_: True  # type: ignore[method-assign]
            self._made[name] = Route(name, "xroad_rest", self.CONTRACT, self.around)
            self.routes.append(self._made[name])
        return Lane(agency, self.around, self._made[name])


def put_behind(agency: ScriptedAgency, gateway: Gateway) -> None:
    """Let whatever goes to *agency*, log-ins included, pass *gateway* first."""
    send, log_in = agency.send, agency.log_in

    async def through(operation: str, wire: WireRequest, *, timeout: float) -> Any:  # noqa: ASYNC109
        return await send(operation, wire, timeout=timeout) if gateway.takes(agency.name, wire) else STALE

    async def logged_in(sources: Any, *, timeout: float) -> Any:  # noqa: ASYNC109
        wire = WireRequest("POST", "log_in", {}, b"", False)
        return await log_in(sources, timeout=timeout) if gateway.takes(agency.name, wire) else STALE

    agency.send, agency.log_in = through, logged_in  # type: ignore[method-assign]  # a gateway stands in the way
