"""
The operators' doors to lanes and routes: how each one is, and what is ordered about it. `admin.py` puts them on.

`GET /lanes` · `POST /lanes/{name}/hold` · `POST .../resume` · `PUT|DELETE .../limits`, the same five for `/routes` ·
`GET|PUT /retries` · `GET /orders`
"""

import math
import unicodedata
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from hub.coordination.protocol import ROUTE, Coordination
from hub.errors import RequestFault, RequestInvalid
from hub.orders import Orders
from hub.store.orders import EVERYTHING, Order, OrderKind
from hub.store.persons import Needing
from hub.web.operations import SHOWN, LaneState, RouteState
from hub.web.replies import moment

OPERATOR = "operator"
"""Who ordered something, or changed a register, in the journal: as long as operators share one key."""
_YEAR = 366 * 86_400.0
_LEAST_A_SECOND = 0.01
"""One call in 100 seconds: whoever wants less wants none."""

Doors: TypeAlias = dict[tuple[str, str], Callable[..., Awaitable[Any]]]
"""Method and path -> door. All are coroutines: FastAPI runs others in threads, where the engine must not be touched."""


def _legible(text: str) -> str:
    """Return *text* as it may be shown on a terminal: nothing in it moves a cursor or turns the writing round."""
    text = unicodedata.normalize("NFC", text)
    if not text.isprintable():
        raise PydanticCustomError("legible", "is one line of text, without control characters")
    return text


Words: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_legible)]
Reason: TypeAlias = Annotated[Words, Field(min_length=1, description="Why, for who reads it later; nobody's data")]
Maybe: TypeAlias = Annotated[Words, Field(description="Why; may be left out")]


class Wanted(BaseModel):
    """What an operator sends to a door: unknown keys are faults."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NewHold(Wanted):
    """A hold: nothing is sent while it lasts."""

    seconds: float | None = Field(None, gt=0, le=_YEAR, description="For how long; null: until somebody resumes")
    reason: Reason


class Resumption(Wanted):
    """The end of the operator's hold, or of everything that stops a lane."""

    everything: bool = Field(False, description="End holds of other causes too, and close breakers")
    reason: Maybe = ""


_PLAINLY = Resumption()
"""What is wanted when nothing is said."""


class NewLimits(Wanted):
    """How far below its contract a lane or route is kept. What is left out stays as it was."""

    calls_at_once: int | None = Field(None, ge=1, description="Calls under way at one moment")
    calls_per_second: float | None = Field(None, ge=_LEAST_A_SECOND, allow_inf_nan=False, description="Calls a second")
    reason: Maybe = ""


class NewRetries(Wanted):
    """Whether all lanes have to stop repeating."""

    stopped: bool = Field(description="true: no lane repeats anything")
    reason: Maybe = ""


class LaneSeen(LaneState, Protocol):
    """What operators are told of a lane beyond what callers are; `hub.lane.LaneView` is one."""

    @property
    def log_in_needed(self) -> bool: ...
    @property
    def unwritten(self) -> int: ...
    @property
    def moved(self) -> str: ...
    @property
    def moved_seconds(self) -> float: ...


@dataclass(frozen=True, slots=True)
class LaneOffice:
    """What these doors open onto. Mappings are by agency."""

    orders: Orders
    coordination: Coordination
    seen: Callable[[], Mapping[str, LaneSeen]]
    backlog: Callable[[str], Awaitable[int]]
    contracts: Mapping[str, BaseModel]
    operations: Mapping[str, Collection[str]]
    routes: Callable[[], Sequence[RouteState]]
    needing: Callable[[], Awaitable[Mapping[str, Needing]]]
    """How many calls of each agency need a person."""


def lane_doors(office: LaneOffice) -> Doors:
    """Return all of them."""
    orders = office.orders

    async def lanes() -> list[dict[str, Any]]:
        needing = await office.needing()
        return [await _lane(office, name, lane, needing.get(name, Needing())) for name, lane in office.seen().items()]

    async def routes() -> list[dict[str, Any]]:
        return [_route(orders, route) for route in office.routes()]

    async def ordered() -> list[dict[str, Any]]:
        return [shown(order) for order in orders.in_force()]

    def retries_now() -> dict[str, Any]:
        order = orders.of(EVERYTHING, OrderKind.RETRIES)
        return {"stopped": order is not None, "order": order and shown(order)}

    async def retries() -> dict[str, Any]:
        return retries_now()

    async def set_retries(wanted: NewRetries) -> dict[str, Any]:
        if wanted.stopped and not wanted.reason:
            raise RequestInvalid(faults=[RequestFault("/reason", "says why they are stopped")])
        if wanted.stopped:
            await orders.stop_retries(OPERATOR, wanted.reason)
        else:
            await orders.allow_retries(OPERATOR, wanted.reason)
        return retries_now()

    return {
        ("GET", "/lanes"): lanes,
        ("GET", "/routes"): routes,
        ("GET", "/orders"): ordered,
        ("GET", "/retries"): retries,
        ("PUT", "/retries"): set_retries,
        **_ordering(office, "/lanes/{name}", ""),
        **_ordering(office, "/routes/{name}", ROUTE),
    }


def _ordering(office: LaneOffice, path: str, prefix: str) -> Doors:
    """Return the doors that order something about one lane or route; *prefix* begins its name in the coordination."""
    orders = office.orders

    async def hold(name: str, wanted: NewHold) -> dict[str, Any]:
        return shown(await orders.hold(prefix + name, wanted.seconds, OPERATOR, wanted.reason))

    async def resume(name: str, wanted: Resumption = _PLAINLY) -> dict[str, Any]:
        ended = await orders.resume(prefix + name, OPERATOR, wanted.reason, everything=wanted.everything)
        return {"resumed": ended, **_still(office, prefix + name)}

    async def lower(name: str, wanted: NewLimits) -> dict[str, Any]:
        limits = (wanted.calls_at_once, wanted.calls_per_second)
        return shown(await orders.lower(prefix + name, *limits, OPERATOR, wanted.reason))

    async def lift(name: str, reason: Maybe = "") -> dict[str, Any]:
        return {"lifted": await orders.lift(prefix + name, OPERATOR, reason)}

    return {
        ("POST", f"{path}/hold"): hold,
        ("POST", f"{path}/resume"): resume,
        ("PUT", f"{path}/limits"): lower,
        ("DELETE", f"{path}/limits"): lift,
    }


def _still(office: LaneOffice, name: str) -> dict[str, Any]:
    """Tell what stops a lane or route all the same, and of which route it is that its lane cannot end it."""
    if name not in office.orders.names:  # its order was about something that is no longer in the settings
        return {"held": "", "held_seconds": None, "route": None}
    lane = office.seen().get(name)
    if lane is not None and lane.route is not None and lane.route.held:
        return {"held": lane.route.held, "held_seconds": lane.route.held_seconds, "route": lane.route.name}
    stop = office.coordination.stopped(name, "")
    return {"held": stop.cause if stop else "", "held_seconds": stop.seconds if stop else None, "route": None}


async def _lane(office: LaneOffice, name: str, lane: LaneSeen, needing: Needing) -> dict[str, Any]:
    route = lane.route
    return {
        "agency": name,
        "held": lane.held,
        "held_seconds": lane.held_seconds,
        **_ordered(office.orders, name),
        "route": route.name if route else None,
        "route_held": route.held if route else "",
        "route_held_seconds": route.held_seconds if route else None,
        "stopped": _stopped(office, name),
        "log_in_needed": lane.log_in_needed,
        "unwritten": lane.unwritten,
        "backlog": await office.backlog(name),
        "in_doubt": needing.in_doubt,
        "dead_letters": needing.dead,
        "contract": office.contracts[name].model_dump(mode="json", include=set(SHOWN)),
        "moved": lane.moved,
        "moved_seconds": lane.moved_seconds,
        "numbers": _numbers(lane.numbers),
    }


def _route(orders: Orders, route: RouteState) -> dict[str, Any]:
    return {
        "route": route.name,
        "kind": route.kind,
        "held": route.held,
        "held_seconds": route.held_seconds,
        **_ordered(orders, ROUTE + route.name),
        "token": route.token,
        "token_seconds": route.token_seconds,
        "lanes": list(route.lanes),
        "contract": route.contract.model_dump(mode="json"),
        "numbers": _numbers(route.numbers),
    }


def _ordered(orders: Orders, name: str) -> dict[str, Any]:
    hold, lowered = (orders.of(name, kind) for kind in (OrderKind.HOLD, OrderKind.LIMITS))
    return {"hold": hold and shown(hold), "lowered": lowered and shown(lowered)}


def _numbers(numbers: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no infinity: null is until somebody resumes."""
    return {key: None if value == math.inf else value for key, value in numbers.items()}


def _stopped(office: LaneOffice, name: str) -> list[dict[str, Any]]:
    """Tell of each single operation that is held or spared: the rest of its lane goes on."""
    stops = ((operation, office.coordination.stopped(name, operation)) for operation in office.operations[name])
    return [
        {"operation": operation, "guard": stop.guard, "cause": stop.cause, "seconds": stop.seconds}
        for operation, stop in stops
        if stop is not None and not stop.whole
    ]


def shown(order: Order) -> dict[str, Any]:
    """Return an order as JSON; the moments are ISO 8601 with +07:00."""
    return {
        "scope": order.scope,
        "kind": order.kind.value,
        "by": order.given_by,
        "at": moment(order.given_at),
        "until": moment(order.until) if order.until is not None else None,
        "reason": order.reason,
        "calls_at_once": order.calls_at_once,
        "calls_per_second": order.calls_per_second,
    }
