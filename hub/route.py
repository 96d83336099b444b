"""
A route: the road that a lane takes to its agency, with the contract of a gateway that several lanes may share.

A lane without a gateway has a road of its own, which knows no bounds but the lane's and is only ever held.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from connectors.kit.manifest import Contract
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


def bounds_of(contract: Contract) -> Bounds:
    """Return what *contract* allows, as the guards want it."""
    return Bounds(contract.calls_per_second, contract.calls_at_once, contract.call_timeout, contract.calls_per_day)


def one_process(
    clock: Clock,
    random: Random,
    contracts: Mapping[str, Contract],
    routes: Mapping[str, Route] | None = None,
    route_of: Mapping[str, str] | None = None,
) -> InProcess:
    """
    Return the coordination of a hub of one node.

    *contracts* by agency; *route_of* names the route of each agency that has one.

    Raises:
        KeyError: An agency's route is not in *routes*.
    """
    over = dict(route_of or {})
    known = dict(routes or {})
    return InProcess(
        clock,
        random,
        {agency: bounds_of(contract) for agency, contract in contracts.items()},
        {
            name: Bounds(
                known[name].calls_per_second,
                known[name].calls_at_once,
                max(contracts[agency].call_timeout for agency, road in over.items() if road == name),
                known[name].calls_per_day,
            )
            for name in set(over.values())
        },
        over,
    )
