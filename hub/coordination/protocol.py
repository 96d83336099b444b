"""
Who gets a permit: the guards of lanes and routes, seen from the lanes. One process or many, the promises are the same.

A permit is granted by all guards of lane and route, or by none. It is given back exactly once, with how its exchange
ended or UNSENT. Implementations never raise for what an agency does. Operators and handshakes name a lane by its
agency, or a route as `route/<name>`; calls are only ever claimed for lanes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from connectors.kit.outcomes import Outcome
from hub.guards.guard import STALE, UNSENT, HoldCause, Permit, Wait, Wanted

__all__ = ["ROUTE", "STALE", "UNSENT", "Coordination", "HoldCause", "Pace", "Permit", "Switches", "Wait", "Wanted"]

ROUTE = "route/"
"""Begins the name of a route where a lane's may stand too; no agency's name holds a slash."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a lane may go at this moment, as far as this node knows."""

    at_once: int
    """Most exchanges at once, the ramp after a stop included."""
    per_second: float
    p95: float
    """Seconds in which 95 % of the slowest operation's exchanges were lately answered; 0.0 when none was seen."""
    ramping: bool
    """True while the lane rises again after a stop: who stands at the counter goes first."""


class Switches(Protocol):
    """What an operator can do to lanes and routes."""

    async def hold(self, name: str, cause: HoldCause, seconds: float | None, operation: str = "") -> None:
        """Stop a lane, one *operation* of it, or a route, for *seconds*, or until `resume` when None; never shortens a hold."""
        ...

    async def lower(self, name: str, calls_at_once: int | None, calls_per_second: float | None) -> None:
        """Keep a lane or route below its contract until told otherwise; None lifts either. Never raises above the contract."""
        ...

    async def stop_retries(self, stopped: bool) -> None:
        """Let no lane repeat anything while *stopped*, from the next claim on, on all nodes."""
        ...


class Coordination(Switches, Protocol):
    """Implementations pass `tests/contract/test_coordination.py`."""

    @property
    def reaches(self) -> bool:
        """Whether permits can be had at all: False while the nodes' common memory cannot be reached from here."""
        ...

    async def start(self) -> None:
        """
        Begin. Called once, before anything is claimed; `aclose` ends it.

        Raises:
            RedisEvicts: The nodes' common memory may forget permits; the error says what to set.
        """
        ...

    async def aclose(self) -> None:
        """Stop. Permits that are out are not given back."""
        ...

    async def claim(self, lane: str, wanted: Sequence[Wanted]) -> Sequence[Permit | Wait]:
        """Answer each wish in order: a permit granted by all guards of lane and route, or the wait."""
        ...

    async def leave(self, permit: Permit, within: float) -> bool:
        """
        Wait until the first byte of *permit*'s exchange may leave; asked once, when all else is ready.

        Nearly always at once. Exchanges that were granted one after the other, and were all kept by a slow disk, must
        not reach the agency together. False: it could not leave *within* so many seconds, or the permit counts as lost
        since the nodes' common memory was, or since it took too long; then nothing may be sent.
        """
        ...

    async def release(self, permit: Permit, outcome: Outcome | str, seconds: float) -> None:
        """
        Give a permit back with how its exchange ended, UNSENT or STALE. *seconds* is the exchange's duration.

        Given back once more, it changes nothing.
        """
        ...

    async def resume(self, name: str, cause: HoldCause | None = None) -> None:
        """End the holds of a lane or route, or those of one *cause*, and close its breakers; without a cause all of them."""
        ...

    async def restore(self, lane: str, occupied: Sequence[float], sent_today: int) -> None:
        """
        Take over what a dead process left: slots for so many seconds each, and the day's count.

        Where other nodes may be under way this does nothing: they know, or the record is read when there is need.
        """
        ...

    def subscribe(self, lane: str, wake: Callable[[], None]) -> None:
        """Call *wake*, which must return at once, whenever a lane that was told to wait may have reason to ask again."""
        ...

    def stopped(self, name: str, operation: str) -> Wait | None:
        """Return the longest hold or open breaker in the way of *operation*, of lane and route, without I/O."""
        ...

    def pace(self, lane: str) -> Pace:
        """Return how fast *lane* may go now, without I/O: order and admission plan by it."""
        ...

    def watch(self, name: str) -> Mapping[str, float]:
        """
        Return the guards of a lane or route as numbers by metric name, labels after slashes: `hold_seconds/busy`...

        A lane's numbers do not hold those of its route: a red route shows as one cause.
        """
        ...

    def moved(self, lane: str) -> tuple[str, float]:
        """Return why the lane's concurrency limit last moved, in a few words, and how many seconds ago."""
        ...
