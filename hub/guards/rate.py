"""
The rate guards: calls in a window (GCRA) and calls a calendar day. Next: `concurrency.py`.

GCRA keeps one number: the moment at which the next call is due if every call so far had kept its distance. No window
can be straddled, nothing is sampled, and it works at one call in five seconds.
"""

import math

from connectors.kit.outcomes import Busy, Outcome
from hub.call import Class
from hub.clock import Clock
from hub.guards.guard import UNSENT, Wait, Wanted

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


class Spacing:
    """The arithmetic of GCRA: one number, asked and moved. Seconds everywhere; *interval* stands between two calls."""

    __slots__ = ("_due",)

    def __init__(self, due: float) -> None:
        """*due* is the moment before which no call may go that is not part of a burst."""
        self._due = due

    def early(self, now: float, interval: float, burst: float) -> float:
        """Return how much too early a call would be now, when *burst* may come at once; 0 or less: it may go."""
        return self._due - (burst - 1.0) * interval - now

    def take(self, now: float, interval: float) -> None:
        """Note that a call goes now."""
        self._due = max(self._due, now) + interval

    def change(self, now: float, interval: float, burst: float) -> None:
        """Keep no longer distances than *interval* and *burst* ask for."""
        self._due = min(self._due, now + burst * interval)

    def give_back(self, interval: float) -> None:
        """Note that a call which was taken did not go."""
        self._due -= interval


class Rate:
    """
    *margin* x *calls* in *seconds*, in the long run; of what the margin leaves, as much at once as no window notices.

    Charged when a permit is granted, and looked at once more when its first byte leaves (`leave`): a record that took
    long to write must not let calls go together that were granted one after the other.

    That of a *route* is cut by its gateway's own `Busy` only: an agency behind it must not slow the others.
    """

    def __init__(
        self, clock: Clock, calls: float, seconds: float = 1.0, *, margin: float = MARGIN, route: bool = False
    ) -> None:
        self._clock = clock
        self._route = route
        self._margin = margin
        self._seconds = seconds
        self._contract = calls / seconds
        self._full, self._burst = self._within(self._contract)
        self._part = 1.0
        self._part_at = clock.monotonic()
        # A process that starts may follow one that has died after its last call: it keeps its distance to that one.
        self._spacing = Spacing(clock.monotonic() + self._burst / self._full)
        self._left = Spacing(-math.inf)
        self._charged: dict[int, tuple[float, float]] = {}

    @property
    def limit(self) -> float:
        """Calls a second at this moment: lower for a while after a `Busy` that named no seconds."""
        passed = self._clock.monotonic() - self._part_at
        return self._full * min(1.0, self._part + _RECOVERED_A_SECOND * passed)

    def lower(self, calls_per_second: float | None) -> None:
        """Keep to *calls_per_second* as if that were the contract; None: to the contract again. Never rises above it."""
        self._full, self._burst = self._within(min(calls_per_second or self._contract, self._contract))
        for spacing in (self._spacing, self._left):
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
        return full, max(1.0, _BURST * most * (self._margin >= 1.0), left)

    def admit(self, wanted: Wanted) -> Wait | None:  # noqa: ARG002 - all wishes are one rate
        early = self._spacing.early(self._clock.monotonic(), 1.0 / self.limit, self._burst)
        return None if early <= _EPSILON else Wait("rate", early)

    def granted(self, number: int, wanted: Wanted) -> bool:  # noqa: ARG002 - see Guard
        now = self._clock.monotonic()
        interval = 1.0 / self.limit
        self._charged[number] = (interval, now)
        self._spacing.take(now, interval)
        return False

    def ready(self, number: int) -> None:
        """
        Note that permit *number* is at the door: what it was charged stays, whether it leaves or can no longer wait.

        Given back, it would bring another to the end of the row at the door, where callers in a hurry wait in vain.
        """
        self._charged[number] = (0.0, self._charged[number][1])

    def leaves_in(self) -> float:
        """Return the seconds after which the first byte of a granted call may leave."""
        early = self._left.early(self._clock.monotonic(), 1.0 / self.limit, self._burst)
        return early if early > _EPSILON else 0.0

    def leave(self) -> None:
        """Note that a call leaves now."""
        self._left.take(self._clock.monotonic(), 1.0 / self.limit)

    def released(self, number: int, wanted: Wanted, outcome: Outcome | str, seconds: float) -> None:  # noqa: ARG002 - see Guard
        interval, at = self._charged.pop(number, (0.0, self._part_at))
        if outcome == UNSENT:
            self._spacing.give_back(interval)
        elif isinstance(outcome, Busy) and self._route and not outcome.route:
            return
        elif isinstance(outcome, Busy) and outcome.retry_after is None and at > self._part_at:
            # Calls granted before the last cut say nothing about the cut rate.
            self._part = max(_LEAST, _CUT * self.limit / self._full)
            self._part_at = self._clock.monotonic()


_DAY = 86_400
_ICT = 7 * 3600
"""Viet Nam keeps +07:00 all year; agencies count their days by it."""
_SHARE = {Class.COUNTER: 1.0, Class.NORMAL: 0.95, Class.BULK: 0.8}
"""Part of the day's calls after which a class stops, so that the last ones are for people who stand there."""


class Day:
    """At most *calls_per_day* in a calendar day (+07:00), never paced."""

    def __init__(self, clock: Clock, calls_per_day: int) -> None:
        self._clock = clock
        self._most = calls_per_day
        self._today = self._day()
        self._used = 0
        self._granted_on: dict[int, int] = {}

    def restore(self, used: int) -> None:
        """Add what the store counted for today before this process began."""
        self._turn()
        self._used += used

    @property
    def remaining(self) -> int:
        """Calls left today for class `counter`."""
        self._turn()
        return max(0, self._most - self._used)

    def admit(self, wanted: Wanted) -> Wait | None:
        self._turn()
        if self._used < self._most * _SHARE[wanted.cls]:
            return None
        midnight = (self._today + 1) * _DAY - _ICT - self._clock.now()
        # Counted by wall time: if it steps, the lane must not sleep on for a day that is over.
        return Wait("day", min(midnight, 900.0), whole=wanted.cls is Class.COUNTER)

    def granted(self, number: int, wanted: Wanted) -> bool:  # noqa: ARG002 - see Guard
        self._turn()
        self._used += 1
        self._granted_on[number] = self._today
        return False

    def released(self, number: int, wanted: Wanted, outcome: Outcome | str, seconds: float) -> None:  # noqa: ARG002 - see Guard
        if self._granted_on.pop(number, -1) == self._today and outcome == UNSENT:
            self._used -= 1

    def _day(self) -> int:
        return int((self._clock.now() + _ICT) // _DAY)

    def _turn(self) -> None:
        if (today := self._day()) != self._today:
            self._today, self._used = today, 0
