"""
The guards of one lane or one route, put together from what its contract allows. Read `guard.py` first.

Order: hold, breaker, rate, day, concurrency, retry, deadline. A lane and its route are asked together (`admit` of both,
then `granted` of both), so that a permit is granted by all guards or touches none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from connectors.kit.hours import Hours
from connectors.kit.outcomes import Outcome
from hub.clock import Clock
from hub.guards.breaker import Breaker, BreakerState
from hub.guards.concurrency import Concurrency, ConcurrencyState
from hub.guards.deadline import Deadline
from hub.guards.guard import Guard, Permit, Wait, Wanted
from hub.guards.hold import Hold, HoldState
from hub.guards.rate import Day, DayState, Rate, RateState
from hub.guards.retry import BudgetState, RetryBudget


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a contract allows in total, over all nodes. A route may leave minute and day out; nothing else has a default."""

    calls_per_second: float
    calls_at_once: int
    call_timeout: float
    """Seconds from name resolution to the last byte; of a route, the longest of its lanes."""
    calls_per_day: int | None = None
    calls_per_minute: float | None = None
    """What a gateway counts by the minute, beside the seconds: routes only."""
    closed: tuple[str, ...] = ()
    """Hours and days on which nothing is sent, as `connectors/kit/hours.py` reads them."""
    part: float = 1.0
    """Of what all nodes may repeat, while each keeps to its share of the rest."""
    probe: str = ""
    """Harmless operation that asks for nothing, with which the lane tries the ground for others; empty: there is none."""


@dataclass(slots=True)
class GuardsState:
    """What all nodes share of one lane or route: all of its guards but `deadline`. None: it has no such guard."""

    hold: HoldState
    breaker: BreakerState | None = None
    rate: RateState | None = None
    minute: RateState | None = None
    day: DayState | None = None
    concurrency: ConcurrencyState | None = None
    budget: BudgetState | None = None


class Guards:
    """Every guard of one lane or route: all of them allow, or none is touched."""

    def __init__(
        self,
        clock: Clock,
        random: Random,
        bounds: Bounds | None,
        *,
        route: bool = False,
        here: Clock | None = None,
    ) -> None:
        """
        Make the guards for *bounds*; None is a route that has no contract of its own and is only ever held.

        *here* is the clock of what this node alone keeps, where *clock* is that of several nodes.
        """
        timeout = bounds.call_timeout if bounds else 0.0
        self.hold = Hold(clock, random, timeout, route=route, hours=Hours(bounds.closed if bounds else ()))
        self.breaker = self.rate = self.minute = self.day = self.concurrency = self.budget = self.deadline = None
        if bounds is not None:
            self.breaker = Breaker(clock, random, timeout, route=route, probe_operation=bounds.probe)
            self.rate = Rate(clock, bounds.calls_per_second, route=route)
            if bounds.calls_per_minute is not None:
                self.minute = Rate(clock, bounds.calls_per_minute, 60.0, route=route)
            self.day = Day(clock, bounds.calls_per_day) if bounds.calls_per_day is not None else None
            self.concurrency = Concurrency(clock, bounds.calls_at_once, timeout, adaptive=not route)
        if bounds is not None and not route:
            self.budget = RetryBudget(clock, bounds.part)
            self.deadline = Deadline(here or clock)
        shared = (self.hold, self.breaker, self.rate, self.minute, self.day, self.concurrency, self.budget)
        self._shared: tuple[Guard, ...] = tuple(guard for guard in shared if guard is not None)
        self._all: tuple[Guard, ...] = (*self._shared, self.deadline) if self.deadline else self._shared
        self._rates = tuple(rate for rate in (self.rate, self.minute) if rate is not None)

    def state(self) -> GuardsState:
        """Return what all nodes share of these guards: not a copy."""
        return GuardsState(
            self.hold.state,
            self.breaker.state if self.breaker else None,
            self.rate.state if self.rate else None,
            self.minute.state if self.minute else None,
            self.day.state if self.day else None,
            self.concurrency.state if self.concurrency else None,
            self.budget.state if self.budget else None,
        )

    def load(self, state: GuardsState) -> None:
        """Go on from *state*. A guard that it knows nothing of, because its contract is newer, stays as it is."""
        self.hold.load(state.hold)
        if self.breaker and state.breaker:
            self.breaker.load(state.breaker)
        for rate, known in ((self.rate, state.rate), (self.minute, state.minute)):
            if rate and known:
                rate.load(known)
        if self.day and state.day:
            self.day.load(state.day)
        if self.concurrency and state.concurrency:
            self.concurrency.load(state.concurrency)
        if self.budget and state.budget:
            self.budget.load(state.budget)

    def admit(self, wanted: Wanted) -> Wait | None:
        """Return the first guard's wait, or None when all allow *wanted*."""
        for guard in self._all:
            if wait := guard.admit(wanted):
                return wait
        return None

    def probing(self, wanted: Wanted) -> bool:
        """Return whether a permit for *wanted* would be a probe now."""
        return self.hold.probing(wanted) or (self.breaker is not None and self.breaker.probing(wanted))

    def granted(self, number: int, wanted: Wanted) -> None:
        """Tell every guard that nodes share of permit *number*."""
        held = self.hold.state
        if held.was_stopped and self.concurrency is not None:
            self.concurrency.restart()
        held.was_stopped = False
        for guard in self._shared:
            guard.granted(number, wanted)

    def released(self, permit: Permit, wanted: Wanted, outcome: Outcome | str, seconds: float) -> None:
        """Tell every guard that nodes share how *permit*'s exchange ended."""
        for guard in self._shared:
            guard.released(permit.id, wanted, outcome, seconds)

    def ready(self, number: int) -> None:
        """Note that permit *number* is at the door."""
        for rate in self._rates:
            rate.ready(number)

    def leaves_in(self) -> float:
        """Return the seconds after which the first byte of a granted exchange may leave."""
        return max((rate.leaves_in() for rate in self._rates), default=0.0)

    def leave(self) -> None:
        """Note that an exchange leaves now."""
        for rate in self._rates:
            rate.leave()

    def stopped(self, operation: str) -> Wait | None:
        """Return the longest stop in the way of *operation*: a hold or an open breaker. Changes nothing."""
        spared = self.breaker.open(operation) if self.breaker else None
        held = self.hold.stopped(operation)
        if spared is None or held is None:
            return spared or held
        return held if held.seconds is None or held.seconds > (spared.seconds or 0.0) else spared

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
        if self.deadline:
            yield "p95_seconds", self.deadline.slowest()
        for operation, state, _, _ in self.breaker.view() if self.breaker else ():
            yield f"breaker_state/{operation}", state
