"""
The hold guard: stops a lane, or one of its operations, until a moment, and lets one probe go first afterwards.

A lane holds itself when the agency says `Busy`, breaks its contract five times in a row on one operation, or is closed
by its own hours; the credentials and operators hold it from outside. Next: `breaker.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from connectors.kit.hours import Hours
from connectors.kit.outcomes import Answered, Broken, Busy, Outcome
from hub.clock import Clock
from hub.guards.guard import STALE, UNSENT, HoldCause, Wait, Wanted, cut_short
from hub.guards.written import Count, Moment

SHORTEST = 1.0
"""Seconds: an agency that says `Retry-After: 0` still wants us to stop."""
LONGEST = 900.0
"""Seconds: no header may stop a lane for longer than 15 minutes."""
_DOUBLING_LONGEST = 60.0
_JITTER = 0.1
"""Holds last up to a tenth longer, never shorter, so that nodes and lanes do not return in one wave."""
_BROKEN_IN_A_ROW = 5
_BROKEN_SECONDS = 60.0
_WITH_PROBE = frozenset({HoldCause.BUSY, HoldCause.AUTH, HoldCause.CONTRACT})


ALWAYS_OPEN = Hours()
_MINUTE = 60.0
"""Hours are written in minutes, so they are looked up once in each."""


@dataclass(slots=True)
class _Stop:
    operation: str
    """Empty: the whole lane."""
    cause: HoldCause
    until: Moment | None
    """Monotonic seconds; None: until somebody resumes."""
    probe: Count | None = None
    """Permit that tries the ground after the hold; nothing else goes until it is back."""


@dataclass(slots=True)
class HoldState:
    """What all nodes share of the holds."""

    stops: list[_Stop] = field(default_factory=list)
    """One for each operation and cause."""
    was_stopped: bool = False
    """True from a stop of the whole lane until the first permit after it; who reads it puts it back."""
    broken: dict[str, Count] = field(default_factory=dict)
    """Replies in a row that broke the contract, by operation."""
    busy: Count = 0
    """Stops in a row for a `Busy` that named no seconds: each is twice as long."""
    contract: dict[str, Count] = field(default_factory=dict)
    """Stops in a row for broken replies, by operation."""


class Hold:
    """Holds of one lane, or of one route (*route*: then only a gateway's throttle counts)."""

    def __init__(
        self,
        clock: Clock,
        random: Random,
        call_timeout: float = 0.0,
        *,
        route: bool = False,
        hours: Hours = ALWAYS_OPEN,
    ) -> None:
        self._clock = clock
        self._timeout = call_timeout
        self._random = random
        self._route = route
        self._hours = hours or None
        self._closed_until = 0.0
        self._minute = -1.0
        self.state = HoldState()

    def load(self, state: HoldState) -> None:
        """Go on from *state*."""
        self.state = state

    def stop(self, cause: HoldCause, seconds: float | None, operation: str = "") -> None:
        """Stop the lane, or one *operation*, for *seconds* from now (None: until `resume`); never shortens a hold."""
        until = None if seconds is None else self._clock.monotonic() + seconds
        known = self._known(cause, operation)
        if known and (known.until is None or (until is not None and until <= known.until)):
            return
        if known:
            self.state.stops.remove(known)
        self.state.stops.append(_Stop(operation, cause, until))

    def resume(self, cause: HoldCause | None = None) -> None:
        """End every hold, or those of one *cause*, and forget what led to them; the agency's own hours stay."""
        state = self.state
        state.stops = [stop for stop in state.stops if cause not in (None, stop.cause)]
        if cause in (None, HoldCause.BUSY):
            state.busy = 0
        if cause in (None, HoldCause.CONTRACT):
            state.contract.clear()
            state.broken.clear()

    def admit(self, wanted: Wanted) -> Wait | None:
        longest = self._longest(wanted)
        if longest is not None and longest.whole and not self._probe_is_out():
            self.state.was_stopped = True
        return longest

    def probing(self, wanted: Wanted) -> bool:
        """Return whether a permit for *wanted* would be a probe now."""
        return bool(self.state.stops) and any(stop.operation in ("", wanted.operation) for stop, _ in self._standing())

    def _longest(self, wanted: Wanted) -> Wait | None:
        closed = self._closed()
        if not self.state.stops and not closed:
            return None
        longest = Wait("hold", closed, HoldCause.MAINTENANCE.value) if closed else None
        for stop, left in self._standing():
            if stop.operation not in ("", wanted.operation):
                continue
            if left == 0.0 and stop.probe is None:
                continue
            seconds = None if left == 0.0 else left
            if longest is None or (longest.seconds is not None and (seconds is None or seconds > longest.seconds)):
                longest = Wait("hold", seconds, stop.cause.value, whole=not stop.operation)
        return longest

    def granted(self, number: int, wanted: Wanted) -> bool:
        if not self.state.stops:
            return False
        probe = False
        for stop, _ in self._standing():
            if stop.operation in ("", wanted.operation):
                stop.probe = number
                probe = True
        return probe

    def released(self, number: int, wanted: Wanted, outcome: Outcome | str, seconds: float) -> None:
        probed = [stop for stop in self.state.stops if stop.probe == number]
        for stop in probed:
            stop.probe = None
            # A probe that was unsent, stale, or cut by a caller in a hurry proved nothing: the next permit is the probe.
            told = outcome not in (UNSENT, STALE) and not cut_short(outcome, seconds, self._timeout)
            if told and stop.until is not None:
                self.state.stops.remove(stop)
        if isinstance(outcome, Busy):
            if outcome.route == self._route:
                self._busy(outcome)
            return
        if isinstance(outcome, Answered):
            self._forget(wanted.operation, [stop.cause for stop in probed])
        elif isinstance(outcome, Broken) and outcome.sent and not self._route:
            self._count_broken(wanted.operation, again=any(stop.cause is HoldCause.CONTRACT for stop in probed))

    def stopped(self, operation: str) -> Wait | None:
        """Return the longest hold in the way of *operation*; asked for each call at the door. Changes nothing."""
        seconds = self._closed()
        longest = Wait("hold", seconds, HoldCause.MAINTENANCE.value) if seconds else None
        if not self.state.stops:
            return longest
        now = self._clock.monotonic()
        for stop in self.state.stops:
            if stop.operation and stop.operation != operation:
                continue
            if stop.until is None:
                return Wait("hold", None, stop.cause.value, whole=not stop.operation)
            if stop.until - now > seconds:
                seconds = stop.until - now
                longest = Wait("hold", seconds, stop.cause.value, whole=not stop.operation)
        return longest

    def view(self) -> Iterator[tuple[str, HoldCause, float | None]]:
        """Yield operation (empty: all), cause and seconds left (None: until resumed) of each hold in force."""
        if closed := self._closed():
            yield "", HoldCause.MAINTENANCE, closed
        for stop, left in self._standing():
            if left != 0.0:
                yield stop.operation, stop.cause, left

    def _probe_is_out(self) -> bool:
        return any(stop.probe is not None for stop in self.state.stops)

    def _closed(self) -> float:
        """Return the seconds until the agency opens by its own hours; 0.0 when it is open."""
        if self._hours is None:
            return 0.0
        now = self._clock.now()
        if now // _MINUTE != self._minute:
            self._minute = now // _MINUTE
            self._closed_until = now + self._hours.closed(now)
        return max(0.0, self._closed_until - now)

    def _standing(self) -> Iterator[tuple[_Stop, float | None]]:
        """Yield each stop with its seconds left; 0 means over, and the probe goes next or is under way."""
        now = self._clock.monotonic()
        for stop in list(self.state.stops):
            left = None if stop.until is None else max(0.0, stop.until - now)
            if left == 0.0 and stop.cause not in _WITH_PROBE:
                self.state.stops.remove(stop)
                continue
            yield stop, left

    def _busy(self, outcome: Busy) -> None:
        known = self._known(HoldCause.BUSY)
        held = known is not None and (known.until is None or known.until > self._clock.monotonic())
        if outcome.retry_after is not None:
            asked = min(LONGEST, max(SHORTEST, outcome.retry_after))
        elif held:
            return  # several were in flight when the first Busy came: one stop, not eight doublings
        else:
            asked = min(_DOUBLING_LONGEST, 2.0 ** min(self.state.busy, 10))
            self.state.busy += 1
        self.stop(HoldCause.BUSY, min(LONGEST, asked * (1 + _JITTER * self._random.random())))

    def _count_broken(self, operation: str, *, again: bool) -> None:
        self.state.broken[operation] = self.state.broken.get(operation, 0) + 1
        if not again and self.state.broken[operation] < _BROKEN_IN_A_ROW:
            return
        level = self.state.contract.get(operation, 0)
        self.state.contract[operation] = level + 1
        self.state.broken[operation] = 0
        asked = min(LONGEST, _BROKEN_SECONDS * 2.0 ** min(level, 10))
        self.stop(HoldCause.CONTRACT, asked * (1 + _JITTER * self._random.random()), operation)

    def _forget(self, operation: str, causes: list[HoldCause]) -> None:
        self.state.broken.pop(operation, None)
        self.state.busy = 0
        if HoldCause.CONTRACT in causes:
            self.state.contract.pop(operation, None)

    def _known(self, cause: HoldCause, operation: str = "") -> _Stop | None:
        for stop in self.state.stops:
            if stop.cause is cause and stop.operation == operation:
                return stop
        return None
