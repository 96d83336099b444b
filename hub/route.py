"""
A route: the road that a lane takes to its agency, with the contract of a gateway that several lanes may share.

A lane without a gateway has a road of its own, which knows no bounds but the lane's and is only ever held.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from connectors.kit.manifest import Contract
from connectors.kit.operation import NoRecord, Operation
from hub.clock import Clock
from hub.coordination.in_process import InProcess
from hub.guards.bounds import Bounds


@dataclass(frozen=True, slots=True)
class Route:
    """One gateway."""

    name: str
    calls_per_second: float
    calls_at_once: int
    calls_per_day: int | None = None
    calls_per_minute: float | None = None


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


def one_process(
    clock: Clock,
    random: Random,
    bounds: Mapping[str, Bounds],
    routes: Mapping[str, Route] | None = None,
    route_of: Mapping[str, str] | None = None,
) -> InProcess:
    """
    Return the coordination of a hub of one node.

    *bounds* by agency; *route_of* names the route of each agency that has one.

    Raises:
        KeyError: An agency's route is not in *routes*.
    """
    over = dict(route_of or {})
    known = dict(routes or {})
    return InProcess(
        clock,
        random,
        bounds,
        {
            name: Bounds(
                known[name].calls_per_second,
                known[name].calls_at_once,
                max(bounds[agency].call_timeout for agency, road in over.items() if road == name),
                known[name].calls_per_day,
                known[name].calls_per_minute,
            )
            for name in set(over.values())
        },
        over,
    )
