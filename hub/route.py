"""
A route: the road that lanes take to their agencies, with the contract and the token of a gateway that they share.

A lane without a gateway has a road of its own, which knows no bounds but the lane's and is only ever held. Next:
`token.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from connectors.kit.manifest import Contract
from connectors.kit.operation import NoRecord, Operation
from connectors.kit.tokens import Bearer, Tokens
from hub.coordination.protocol import ROUTE, HoldCause
from hub.guards.bounds import Bounds
from hub.route_tables import RouteContract
from hub.surroundings import Surroundings
from hub.token import REFUSED, RouteToken, pause


@dataclass(frozen=True, slots=True)
class RouteView:
    """A route as operators may see it."""

    name: str
    kind: str
    contract: RouteContract
    held: str
    """Cause of the hold in force, or empty."""
    held_seconds: float | None
    """Seconds left of it; None when only an operator can say, and when there is none."""
    token: str | None
    """`none`, `valid` or `refused`; None when this kind of route has no token."""
    token_seconds: float | None
    lanes: tuple[str, ...]
    numbers: Mapping[str, float]
    """By metric name, labels after slashes, as `Coordination.watch` gives them."""


class Route:
    """One gateway. Made before the loop runs; lanes join it when they are made."""

    def __init__(
        self,
        name: str,
        kind: str,
        contract: RouteContract,
        surroundings: Surroundings,
        tokens: Tokens | None = None,
        bearer: Bearer | None = None,
    ) -> None:
        """*tokens* and *bearer*: where its token comes from and what its exchanges wear; both or none."""
        self.name = name
        self.address = f"{ROUTE}{name}"
        """Its name in coordination."""
        self._lanes: dict[str, Callable[[], None]] = {}
        self.token = RouteToken(name, tokens, bearer, surroundings, self._lanes) if tokens and bearer else None
        """None: exchanges need none."""
        self.knows_us_by_id = kind.startswith("xroad_")
        """Whether it tells who we are by an id that all its lanes show: it refuses all of them, or none."""
        self._kind = kind
        self._contract = contract
        self._around = surroundings
        self._refusals = 0

    def join(self, lane: str, stir: Callable[[], None]) -> None:
        """Take *lane*, which looks again whenever *stir* is called."""
        self._lanes[lane] = stir

    def view(self) -> RouteView:
        """Return the route as it is."""
        stop = self._around.coordination.stopped(self.address, "")
        state, left = self.token.state if self.token else (None, None)
        return RouteView(
            self.name,
            self._kind,
            self._contract,
            (stop.cause or stop.guard) if stop else "",
            stop.seconds if stop else None,
            state.value if state else None,
            left,
            tuple(self._lanes),
            self._around.coordination.watch(self.address),
        )

    def tell_hold(self) -> None:
        """Tell the observer of the hold that an exchange has just brought upon the route."""
        stop = self._around.coordination.stopped(self.address, "")
        if stop is not None and stop.guard == "hold":
            self._around.observer.route_hold(self.name, stop.cause, stop.seconds)

    async def refused(self) -> None:
        """Note that a gateway without a token does not know us: hold, cause `auth`, for longer each time."""
        stop = self._around.coordination.stopped(self.address, "")
        if stop is not None and stop.cause == HoldCause.AUTH:
            return  # others that were under way hear the same
        wait = pause(REFUSED, self._refusals, self._around.random)
        self._refusals += 1
        await self._around.coordination.hold(self.address, HoldCause.AUTH, wait)
        self._around.observer.route_hold(self.name, HoldCause.AUTH.value, wait)

    def proved(self) -> None:
        """Note that the gateway let somebody through."""
        self._refusals = 0

    async def stop(self) -> None:
        """Let go of the token."""
        if self.token is not None:
            await self.token.stop()


def bounds_of(contract: Contract, operations: Mapping[str, Operation] = MappingProxyType({})) -> Bounds:
    """Return what *contract* allows, as the guards want it; *operations* may hold one that is harmless to try."""
    return Bounds(
        contract.calls_per_second,
        contract.calls_at_once,
        contract.call_timeout,
        contract.calls_per_day,
        closed=contract.closed,
        probe=next((name for name, known in operations.items() if _tries_ground(known)), ""),
    )


def _tries_ground(operation: Operation) -> bool:
    """Say whether the hub may ask this by itself: harmless, about nobody, and nothing to fill in."""
    return (
        operation.probe and operation.kind == "lookup" and operation.request is NoRecord and not operation.personal_data
    )


def bounds_of_routes(
    bounds: Mapping[str, Bounds], routes: Mapping[str, RouteContract], route_of: Mapping[str, str]
) -> dict[str, Bounds]:
    """
    Return what the routes that lanes take can bear. *bounds* by agency; *route_of* names the route of each that has one.

    Raises:
        KeyError: An agency's route is not in *routes*.
    """
    return {
        name: Bounds(
            routes[name].calls_per_second,
            routes[name].calls_at_once,
            max(bounds[agency].call_timeout for agency, road in route_of.items() if road == name),
            routes[name].calls_per_day,
            routes[name].calls_per_minute,
        )
        for name in set(route_of.values())
    }
