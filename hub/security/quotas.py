"""
How many calls a minute a caller may make, as its entry in the register says. Asked at the door, in memory.

The arithmetic is that of the lanes' rate guard (`hub/guards/rate.py`). A caller that was quiet may send a sixth of its
minute at once, and then one call at a time, evenly.
"""

from math import ceil
from typing import Final, NamedTuple

from hub.clock import Clock
from hub.guards.rate import Spacing
from hub.security.identity import Caller

WINDOW: Final = 60
"""Seconds for which a quota counts."""
_AT_ONCE: Final = 1 / 6
_EPSILON: Final = 1e-9


class Left(NamedTuple):
    """What a caller may still send, as a reply tells it."""

    over: float
    """Seconds after which the next call may come, when this one may not; else 0."""
    calls: int
    """Calls that may come at once."""
    seconds: int
    """Spread over so many seconds, these calls are never refused; with none left, when the next may come."""


class Quotas:
    """The quotas of all callers. One process counts what comes to it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._paces: dict[str, Spacing] = {}

    def take(self, caller: Caller) -> Left:
        """Count a call of *caller*, or say that it may not come; a call that may not come is not counted."""
        now = self._clock.monotonic()
        pace = self._paces.get(caller.name)
        if pace is None:
            pace = self._paces[caller.name] = Spacing(now)
        interval = WINDOW / caller.calls_per_minute
        burst = max(1.0, _AT_ONCE * caller.calls_per_minute)
        early = pace.early(now, interval, burst)
        if early > _EPSILON:
            return Left(early, 0, ceil(early))
        pace.take(now, interval)
        early = pace.early(now, interval, burst)
        if early > _EPSILON:
            return Left(0.0, 0, ceil(early))
        calls = 1 + int((_EPSILON - early) / interval)
        return Left(0.0, calls, ceil(calls * interval))
