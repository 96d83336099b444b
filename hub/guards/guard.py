"""
What a guard is, and the few words that guards, coordination and lanes share. Next: `hold.py`, then `bounds.py`.

A guard is a pure object under an injected clock: no I/O, no tasks, no locks. It says yes or *wait*, is told of every
permit that was granted and of how each ended, and never sees a call. All that it remembers is one dataclass, `state`,
which `load` changes for another: so several nodes can go on from what one of them wrote down.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from connectors.kit.outcomes import InDoubt, Outcome
from hub.call import Class


class HoldCause(StrEnum):
    """Why a lane or route is stopped until a moment."""

    BUSY = "busy"
    AUTH = "auth"
    CONTRACT = "contract"
    MAINTENANCE = "maintenance"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One exchange that waits: what it is, and whether it repeats a step (repeats pay from the retry budget)."""

    operation: str
    cls: Class
    repeat: bool = False
    left: float | None = None
    """Seconds for which its caller still waits; None: nobody waits."""
    budget: float = 0.0
    """Seconds for which that caller was ready to wait in all."""
    probe: bool = False
    """Set when it is granted: it tries the ground after a hold or for an open breaker, and pays whatever it sends."""
    harmless: bool = False
    """Nothing is lost if it fails: it may try the ground after a stop itself, as a log-in must."""


class Wait(NamedTuple):
    """No permit now: which guard said so, and after how many seconds it makes sense to ask again."""

    guard: str
    """`hold`, `breaker`, `rate`, `day`, `concurrency`, `retry` or `deadline`; `turn`: another lane of the route,
    or another node, goes first; `coordination`: nobody can say, because the nodes' common memory cannot be reached."""
    seconds: float | None
    """None: only a release or a resume can change the answer."""
    cause: str = ""
    whole: bool = True
    """False: another wish of the same lane (another operation, class, or a first try) may hear better."""
    probe: str = ""
    """Operation with which the lane should try the ground itself, since nobody's call must be risked for that."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one exchange now. Release it exactly once, whatever happens."""

    id: int
    lane: str
    operation: str
    cls: Class
    probe: bool = False
    """True for the first exchange after a hold or an open breaker."""


UNSENT = "unsent"
"""Outcome of a permit that was not used: slot, rate and day are refunded."""

STALE = "stale"
"""Outcome of an exchange whose credentials were refused: it counts against rate and day, and proves nothing else."""


_CUT_BY_US = frozenset({"timeout", "deadline", "cut"})
CUT = _CUT_BY_US | {"http_504"}
"""Causes of `InDoubt` after which the agency may still be at work."""
_TELLING = 0.25
"""Part of `call_timeout` after which a cut exchange says something about the agency."""


def cut_short(outcome: Outcome | str, seconds: float, call_timeout: float) -> bool:
    """Say whether an exchange was cut so soon, by a caller in a hurry, that it says nothing about its agency."""
    return isinstance(outcome, InDoubt) and outcome.cause in _CUT_BY_US and seconds < _TELLING * call_timeout


class Guard(Protocol):
    """One rule of a lane or of its route. Every guard of `hub/guards/` has this skeleton and no other entrance."""

    def admit(self, wanted: Wanted) -> Wait | None:
        """Return None if this guard allows *wanted* now; changes nothing that a later `admit` could notice."""
        ...

    def granted(self, number: int, wanted: Wanted) -> bool:
        """Note that permit *number* was granted by all guards; return True if this guard makes it a probe."""
        ...

    def released(self, number: int, wanted: Wanted, outcome: Outcome | str, seconds: float) -> None:
        """Note that permit *number* came back, exactly once, with how its exchange of *seconds* ended."""
        ...
