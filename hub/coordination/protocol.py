"""
Who may send now: permits for lanes and their routes, shared by all nodes.

In one process `in_process.py` answers from the guards in memory; over several nodes the same promises are kept by a
shared server. A permit is granted by every guard of lane and route, or by none, and is released exactly once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from connectors.kit.outcomes import Outcome
from hub.call import Class


class HoldCause(StrEnum):
    """Why a lane or route is stopped until a moment."""

    BUSY = "busy"
    AUTH = "auth"
    CONTRACT = "contract"
    MAINTENANCE = "maintenance"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one exchange now. Release it exactly once, whatever happens."""

    id: int
    lane: str
    operation: str
    cls: Class
    probe: bool = False
    """True for the first exchange after a hold or an open breaker."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One exchange that waits: what it is, and whether it repeats a step (repeats pay from the retry budget)."""

    operation: str
    cls: Class
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """No permit now: which guard said so, and after how many seconds it makes sense to ask again."""

    guard: str
    """`hold`, `breaker`, `rate`, `day`, `concurrency` or `retry`."""
    seconds: float | None
    """None: only a release or a resume can change the answer."""
    cause: str = ""


UNSENT = "unsent"
"""Outcome of a permit that was not used: slot and rate are refunded."""


class Coordination(Protocol):
    """Implementations pass `tests/contract/test_coordination.py`."""

    async def claim(self, lane: str, wanted: Sequence[Wanted]) -> Sequence[Permit | Wait]:
        """Answer each wish in order: a permit granted by all guards of lane and route, or the wait."""
        ...

    async def release(self, permit: Permit, outcome: Outcome | str, seconds: float) -> None:
        """Give a permit back with how its exchange ended, or UNSENT. *seconds* is the exchange's duration."""
        ...

    async def hold(self, lane: str, cause: HoldCause, seconds: float | None) -> None:
        """Stop a lane for *seconds*, or until `resume` when None."""
        ...

    async def resume(self, lane: str) -> None:
        """End every hold of a lane."""
        ...

    def watch(self, lane: str) -> "Mapping[str, object]":
        """Return the lane's guards as numbers for metrics, `readyz` and operators: limit, in_use, hold, breaker..."""
        ...
