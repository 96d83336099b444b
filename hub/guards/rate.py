"""
The rate guards: calls in a window (GCRA) and calls a calendar day. Next: `concurrency.py`.

GCRA keeps one number: the moment at which the next call is due if every call so far had kept its distance. No window
can be straddled, nothing is sampled, and it works at one call in five seconds.
"""

import math
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from connectors.kit.outcomes import Busy, Outcome
from hub.call import Class
from hub.clock import Clock
from hub.guards.guard import UNSENT, Wait, Wanted
from hub.guards.written import Count, Moment, Seconds

MARGIN = 0.9
"""Part of the contract that is used: the way to the agency jitters, and it counts at its own door."""
_BURST = 0.1
"""Part of the contract that may come at once where no margin is kept."""
_CUT = 0.7
_RECOVERED_A_SECOND = 0.05 / 60
_LEAST = 0.05
_EPSILON = 1e-9
_LEFT_OUT = 0.1
"""Of a call, left to the jitter of the way: with a burst that fills a window exactly, one more would just fit into it."""


@dataclass(slots=True)
class Spacing:
    """The arithmetic of GCRA: one number, asked and moved. Seconds everywhere; *interval* stands between two calls."""

    due: Moment
    """The moment before which no call may go that is not part of a burst."""

    def early(self, now: float, interval: float, burst: float) -> float:
        """Return how much too early a call would be now, when *burst* may come at once; 0 or less: it may go."""
        return self.due - (burst - 1.0) * interval - now

    def take(self, now: float, interval: float) -> None:
        """Note that a call goes now."""
        self.due = max(self.due, now) + interval

    def change(self, now: float, interval: float, burst: float) -> None:
        """Keep no longer distances than *interval* and *burst* ask for."""
        self.due = min(self.due, now + burst * interval)

    def give_back(self, interval: float) -> None:
        """Note that a call which was taken did not go."""
        self.due -= interval


@dataclass(slots=True)
class RateState:
    """What all nodes share of a rate."""

    spacing: Spacing
    part_at: Moment
    part: Annotated[float, Field(ge=_LEAST, le=1.0)] = 1.0
    """Of the full rate: what a `Busy` that named no seconds left of it, at `part_at`."""
    left: Spacing = field(default_factory=lambda: Spacing(-math.inf))
    lowered: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    """Calls a second that an operator lowered it to."""
    charged: dict[int, tuple[Seconds, Moment]] = field(default_factory=dict)
    """Of each permit: the distance it was charged, and when."""


class Rate:
    """
    *margin* x *calls* in *seconds*, in the long run; of what the margin leaves, as much at once as no window notices.

    Charged when a permit is granted, and looked at once more when its first byte leaves (`leave`): a record that took
    long to write must not let calls go together that were granted one after the other.

    That of a *route* is cut by its gateway's own `Busy` only: an agency behind it must not slow the others.
    """

    def __init__(
        self,
        clock: Clock,
        calls: float,
        seconds: float = 1.0,
        *,
        margin: float = MARGIN,
        route: bool = False,
        together: float = 1.0,
    ) -> None:
        """*together*: how many may come at once though the window then holds more; of what we send, never more than one."""
        self._clock = clock
        self._together = together
        self._route = route
        self._margin = margin
        self._seconds = seconds
        self._contract = calls / seconds
        self._full, self._burst = self._within(self._contract)
        # A process that starts may follow one that has died after its last call: it keeps its distance to that one.
        now = clock.monotonic()
        self.state = RateState(Spacing(now + self._burst / self._full), now)

    def load(self, state: RateState) -> None:
        """Go on from *state*, keeping within the contract of this node."""
        self.state = state
        self._full, self._burst = self._within(min(state.lowered or self._contract, self._contract))

    @property
    def limit(self) -> float:
        """Calls a second at this moment: lower for a while after a `Busy` that named no seconds."""
        state = self.state
        return self._full * min(1.0, state.part + _RECOVERED_A_SECOND * (self._clock.monotonic() - state.part_at))

    def lower(self, calls_per_second: float | None) -> None:
        """Keep to *calls_per_second* as if that were the contract; None: to the contract again. Never rises above it."""
        self.state.lowered = calls_per_second
        self.load(self.state)
        for spacing in (self.state.spacing, self.state.left):
            spacing.change(self._clock.monotonic(), 1.0 / self.limit, self._burst)

    def _within(self, calls_per_second: float) -> tuple[float, float]:
        """
        Return the rate and the burst that keep within *calls_per_second* at the agency's door.

        With a burst of b, GCRA lets floor(b + rate x seconds) calls into a window; that is to be the whole contract. A
        smaller burst leaves an agency idle that is pressed by few at once: with 12 calls a second, eight at once and
        0.8 s each, a burst of one serves 90 % of what one of two serves 95 %.
        """
        full, most = self._margin * calls_per_second, calls_per_second * self._seconds
        left = math.floor(most) + 1.0 - full * self._seconds - _LEFT_OUT
        return full, max(self._together, _BURST * most * (self._margin >= 1.0), left)

    def admit(self, wanted: Wanted) -> Wait | None:  # noqa: ARG002 - all wishes are one rate
        early = self.state.spacing.early(self._clock.monotonic(), 1.0 / self.limit, self._burst)
        return None if early <= _EPSILON else Wait("rate", early)

    def granted(self, number: int, wanted: Wanted) -> bool:  # noqa: ARG002 - see Guard
        now = self._clock.monotonic()
        interval = 1.0 / self.limit
        self.state.charged[number] = (interval, now)
        self.state.spacing.take(now, interval)
        return False

    def ready(self, number: int) -> None:
        """
        Note that permit *number* is at the door: what it was charged stays, whether it leaves or can no longer wait.

        Given back, it would bring another to the end of the row at the door, where callers in a hurry wait in vain.
        """
        self.state.charged[number] = (0.0, self.state.charged[number][1])

    def leaves_in(self) -> float:
        """Return the seconds after which the first byte of a granted call may leave."""
        early = self.state.left.early(self._clock.monotonic(), 1.0 / self.limit, self._burst)
        return early if early > _EPSILON else 0.0

    def leave(self) -> None:
        """Note that a call leaves now."""
        self.state.left.take(self._clock.monotonic(), 1.0 / self.limit)

    def released(self, number: int, wanted: Wanted, outcome: Outcome | str, seconds: float) -> None:  # noqa: ARG002 - see Guard
        state = self.state
        interval, at = state.charged.pop(number, (0.0, state.part_at))
        if outcome == UNSENT:
            state.spacing.give_back(interval)
        elif isinstance(outcome, Busy) and self._route and not outcome.route:
            return
        elif isinstance(outcome, Busy) and outcome.retry_after is None and at > state.part_at:
            # Calls granted before the last cut say nothing about the cut rate.
            state.part = max(_LEAST, _CUT * self.limit / self._full)
            state.part_at = self._clock.monotonic()


_DAY = 86_400
_ICT = 7 * 3600
"""Viet Nam keeps +07:00 all year; agencies count their days by it."""
_SHARE = {Class.COUNTER: 1.0, Class.NORMAL: 0.95, Class.BULK: 0.8}
"""Part of the day's calls after which a class stops, so that the last ones are for people who stand there."""


@dataclass(slots=True)
class DayState:
    """What all nodes share of a day's count."""

    today: Count
    used: Count = 0
    granted_on: dict[int, Count] = field(default_factory=dict)


class Day:
    """At most *calls_per_day* in a calendar day (+07:00), never paced."""

    def __init__(self, clock: Clock, calls_per_day: int) -> None:
        self._clock = clock
        self._most = calls_per_day
        self.state = DayState(self._day())

    def load(self, state: DayState) -> None:
        """Go on from *state*."""
        self.state = state

    def restore(self, used: int) -> None:
        """Add what the store counted for today before this process began."""
        self._turn()
        self.state.used += used

    @property
    def remaining(self) -> int:
        """Calls left today for class `counter`."""
        self._turn()
        return max(0, self._most - self.state.used)

    def admit(self, wanted: Wanted) -> Wait | None:
        self._turn()
        if self.state.used < self._most * _SHARE[wanted.cls]:
            return None
        midnight = (self.state.today + 1) * _DAY - _ICT - self._clock.now()
        # Counted by wall time: if it steps, the lane must not sleep on for a day that is over.
        return Wait("day", min(midnight, 900.0), whole=wanted.cls is Class.COUNTER)

    def granted(self, number: int, wanted: Wanted) -> bool:  # noqa: ARG002 - see Guard
        self._turn()
        self.state.used += 1
        self.state.granted_on[number] = self.state.today
        return False

    def released(self, number: int, wanted: Wanted, outcome: Outcome | str, seconds: float) -> None:  # noqa: ARG002 - see Guard
        if self.state.granted_on.pop(number, -1) == self.state.today and outcome == UNSENT:
            self.state.used -= 1

    def _day(self) -> int:
        return int((self._clock.now() + _ICT) // _DAY)

    def _turn(self) -> None:
        if (today := self._day()) != self.state.today:
            self.state.today, self.state.used = today, 0
