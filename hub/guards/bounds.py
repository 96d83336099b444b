"""
The guards of one lane or one route, put together from what its contract allows. Read `guard.py` first.

Order: hold, rate, day, concurrency, retry. The breaker stands between hold and rate once there is one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from connectors.kit.outcomes import Outcome
from hub.clock import Clock
from hub.guards.concurrency import Concurrency
from hub.guards.guard import Guard, Permit, Wait, Wanted
from hub.guards.hold import Hold
from hub.guards.rate import Day, Rate
from hub.guards.retry import RetryBudget


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a contract allows in total, over all nodes. A route may leave the day out; nothing else has a default."""

    calls_per_second: float
    calls_at_once: int
    call_timeout: float
    """Seconds from name resolution to the last byte; of a route, the longest of its lanes."""
    calls_per_day: int | None = None


class Guards:
    """Every guard of one lane or route: all of them allow, or none is touched."""

    def __init__(self, clock: Clock, random: Random, bounds: Bounds | None, *, route: bool = False) -> None:
        """Make the guards for *bounds*; None is a route that has no contract of its own and is only ever held."""
        self.hold = Hold(clock, random, route=route)
        self.rate = self.day = self.concurrency = self.budget = None
        if bounds is not None:
            self.rate = Rate(clock, bounds.calls_per_second)
            self.day = Day(clock, bounds.calls_per_day) if bounds.calls_per_day is not None else None
            self.concurrency = Concurrency(clock, bounds.calls_at_once, bounds.call_timeout)
            self.budget = None if route else RetryBudget(clock)
        self._all: tuple[Guard, ...] = tuple(
            guard for guard in (self.hold, self.rate, self.day, self.concurrency, self.budget) if guard is not None
        )

    def admit(self, wanted: Wanted) -> Wait | None:
        """Return the first guard's wait, or None when all allow *wanted*."""
        for guard in self._all:
            if wait := guard.admit(wanted):
                return wait
        return None

    def granted(self, number: int, wanted: Wanted) -> bool:
        """Tell every guard of permit *number*; True if one of them makes it a probe."""
        probe = False
        for guard in self._all:
            probe = guard.granted(number, wanted) or probe
        return probe

    def released(self, permit: Permit, wanted: Wanted, outcome: Outcome | str, seconds: float) -> None:
        """Tell every guard how *permit*'s exchange ended."""
        for guard in self._all:
            guard.released(permit.id, wanted, outcome, seconds)

    def numbers(self) -> Iterator[tuple[str, float]]:
        """Yield the guards' numbers by metric name, labels after slashes."""
        if self.rate:
            yield "rate_limit", self.rate.limit
        if self.concurrency:
            yield "concurrency_limit", float(self.concurrency.limit)
            yield "concurrency_in_use", float(self.concurrency.in_use)
        if self.day:
            yield "day_quota_remaining", float(self.day.remaining)
        if self.budget:
            yield "retry_budget", self.budget.left
