"""
Who may send now: permits for lanes and their routes, shared by all nodes.

In one process `in_process.py` answers from the guards in memory; over several nodes the same promises are kept by a
shared server. A permit is granted by every guard of lane and route, or by none, and is released exactly once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from connectors.kit.outcomes import Outcome
from hub.guards.guard import STALE, UNSENT, HoldCause, Permit, Wait, Wanted

__all__ = ["STALE", "UNSENT", "Coordination", "HoldCause", "Permit", "Wait", "Wanted"]


class Coordination(Protocol):
    """Implementations pass `tests/contract/test_coordination.py`."""

    async def claim(self, lane: str, wanted: Sequence[Wanted]) -> Sequence[Permit | Wait]:
        """Answer each wish in order: a permit granted by all guards of lane and route, or the wait."""
        ...

    async def release(self, permit: Permit, outcome: Outcome | str, seconds: float) -> None:
        """
        Give a permit back with how its exchange ended, UNSENT or STALE. *seconds* is the exchange's duration.

        Given back once more, it changes nothing.
        """
        ...

    async def hold(self, lane: str, cause: HoldCause, seconds: float | None, operation: str = "") -> None:
        """Stop a lane, or one *operation* of it, for *seconds*, or until `resume` when None; never shortens a hold."""
        ...

    async def resume(self, lane: str) -> None:
        """End every hold of a lane; holds of its route stay."""
        ...

    async def restore(self, lane: str, occupied: Sequence[float], sent_today: int) -> None:
        """Take over what a dead process left: slots for so many seconds each, and the day's count."""
        ...

    def subscribe(self, lane: str, wake: Callable[[], None]) -> None:
        """Call *wake*, which must return at once, whenever a lane that was told to wait may have reason to ask again."""
        ...

    def held(self, lane: str, operation: str) -> Wait | None:
        """Return the hold that stands in the way of *operation* as far as this node knows, without I/O."""
        ...

    def watch(self, lane: str) -> Mapping[str, float]:
        """Return the lane's guards as numbers by metric name, labels after slashes: `rate_limit`, `hold_seconds/busy`..."""
        ...
