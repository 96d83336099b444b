"""
The concurrency guard: how many exchanges an agency has at one moment, those included that we gave up on but it may not.

The contract is the ceiling. Below it the limit moves by epoch-AIMD: it is cut when the agency answers at half its usual
speed or cuts us off, and rises by one while all of it is used. Every exchange counts and no window is ever thrown away,
so it acts at one call in three seconds too. Figures: docs/decisions/0021. Next: `deadline.py`.
"""

import heapq
import math
from dataclasses import dataclass, field
from statistics import median
from typing import Annotated, NamedTuple

from pydantic import Field

from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome
from hub.clock import Clock
from hub.guards.guard import CUT, Wait, Wanted, cut_short
from hub.guards.written import Moment, Seconds, Slots

GHOST = 1.5
"""Times `call_timeout` that an exchange without an end is taken to occupy its agency (timeout and half as much)."""
_FIRST = 4
"""Where the limit begins, under the ceiling: an agency that nobody has tried is not met with everything at once."""
_EPOCH = 10
"""Exchanges between two decisions, and no sooner than one takes: fewer say nothing, more take too long at one a second."""
_SLOW = 2.0
"""Times its usual median at which an agency counts as overloaded."""
_CUT = 0.7
_USED = 0.8
"""Part of the limit that must have been used before it rises: what nobody wanted proves nothing."""
_QUIET = 2
"""Exchanges at once, itself included, among which one shows how fast the agency is when nothing presses it."""
_USUAL = 20
"""How many such exchanges the usual median is taken of."""
_PLATEAU = 60.0
_PLATEAU_LONGEST = 900.0
"""Seconds for which a limit stays below the number at which the agency said `Busy`; doubled when it says so there again."""
_OVERLOADED = frozenset({"http_503"})


class _Left(NamedTuple):
    """An exchange that is under way, as it was when it left."""

    at: Moment
    at_once: Slots
    """Exchanges under way, itself included: until it is refused, some of the others may have ended."""
    quiet: bool
    """Whether next to nothing else was under way."""


@dataclass(slots=True)
class ConcurrencyState:
    """What all nodes share of the slots, and of what moves their limit."""

    limit: Annotated[float, Field(ge=1.0, le=1e6)]
    epoch_began: Moment
    moved_at: Moment
    moved: str = "start"
    """Why the limit last moved, in a few words for an operator."""
    lowered: Annotated[Slots, Field(ge=1)] | None = None
    """Calls at once that an operator lowered it to."""
    ramp: Annotated[float, Field(ge=0.0)] = math.inf
    in_use: Slots = 0
    ghosts: list[Moment] = field(default_factory=list)
    out: dict[int, _Left] = field(default_factory=dict)
    usual: list[Seconds] = field(default_factory=list)
    """Seconds of the last exchanges that nothing else pressed, oldest first."""
    first: set[int] = field(default_factory=set)
    left: Slots = _EPOCH
    provisional: list[Seconds] = field(default_factory=list)
    """
    Seconds of the ten exchanges that left first: what counts as usual until there were quiet ones. (Those that come
    back first are the quick ones, and would make any agency look slow afterwards.)
    """
    epoch: list[Seconds] = field(default_factory=list)
    peak: Slots = 0
    cut_at: Moment = -math.inf
    plateau: Annotated[float, Field(ge=0.0)] = math.inf
    """Below the number at which the agency last said `Busy`; the limit stays there for a while."""
    plateau_until: Moment = 0.0
    plateau_seconds: Seconds = _PLATEAU


_NEVER = _Left(0.0, 0, quiet=False)


class Concurrency:
    """At most *calls_at_once*; an exchange that timed out keeps a ghost slot until 1.5 x *call_timeout* after it left."""

    def __init__(self, clock: Clock, calls_at_once: int, call_timeout: float, *, adaptive: bool = True) -> None:
        """
        *adaptive* is False for a route: agencies of different speed share it, so its times say nothing, and how long a
        cut exchange lingers there is known to its lane.
        """
        self._clock = clock
        self._ceiling = calls_at_once
        self._most = calls_at_once
        self._timeout = call_timeout
        self._adaptive = adaptive
        now = clock.monotonic()
        limit = float(min(calls_at_once, _FIRST) if adaptive else calls_at_once)
        self.state = ConcurrencyState(limit, epoch_began=now, moved_at=now)

    def load(self, state: ConcurrencyState) -> None:
        """Go on from *state*, within the contract of this node."""
        self.state = state
        self._most = min(state.lowered or self._ceiling, self._ceiling)
        if not self._adaptive:
            state.limit = float(self._ceiling)

    @property
    def limit(self) -> int:
        """Most exchanges at once at this moment. Ghosts do not count against it, only against the contract."""
        return max(1, int(min(self.state.limit, self.state.ramp, self._most)))

    @property
    def in_use(self) -> int:
        """Slots taken, ghosts included; may exceed the limit after a restart with a lowered contract."""
        self._lay()
        return self.state.in_use + len(self.state.ghosts)

    @property
    def usual(self) -> float | None:
        """Median seconds of an exchange when nothing presses the agency; None while too few were seen."""
        if len(self.state.usual) >= _EPOCH or (self.state.usual and self._ceiling <= _QUIET):
            return median(self.state.usual)
        return median(self.state.provisional) if len(self.state.provisional) >= _EPOCH else None

    def occupy(self, seconds: float) -> None:
        """Take a slot for *seconds* without a permit: an exchange that a dead process left on the wire."""
        if seconds > 0:
            heapq.heappush(self.state.ghosts, self._clock.monotonic() + seconds)

    def lingers(self, outcome: Outcome | str, seconds: float) -> float:
        """Return for how long an exchange of *seconds* that ended so may still go on at its agency; 0.0 or less: it is over."""
        return self._timeout * GHOST - seconds if isinstance(outcome, InDoubt) and outcome.cause in CUT else 0.0

    def lower(self, calls_at_once: int | None) -> None:
        """Keep to *calls_at_once*, as an operator says; None: to the contract again. Never rises above the contract."""
        before, self.state.lowered = self._most, calls_at_once
        self.load(self.state)
        if self._most != before:
            self._note("an operator lifted it" if calls_at_once is None else "an operator lowered it")

    def restart(self) -> None:
        """Begin with one exchange and rise with each that is answered: what waits behind a stop must not come as a wave."""
        if self._adaptive:
            self.state.ramp = 1.0
            self._note("ramp after a stop")

    @property
    def ramping(self) -> bool:
        """True while the limit rises again after a stop."""
        return self.state.ramp < min(self.state.limit, self._most)

    def admit(self, wanted: Wanted) -> Wait | None:  # noqa: ARG002 - all wishes share the slots
        if self.in_use >= self._most:  # as the agency counts
            return Wait("concurrency", self.state.ghosts[0] - self._clock.monotonic() if self.state.ghosts else None)
        return None if self.state.in_use < self.limit else Wait("concurrency", None)

    def granted(self, number: int, wanted: Wanted) -> bool:  # noqa: ARG002 - see Guard
        state = self.state
        state.in_use += 1
        state.peak = max(state.peak, state.in_use)
        if state.left > 0:
            state.left -= 1
            state.first.add(number)
        state.out[number] = _Left(self._clock.monotonic(), state.in_use, self._is_quiet())
        return False

    def released(self, number: int, wanted: Wanted, outcome: Outcome | str, seconds: float) -> None:
        state = self.state
        state.in_use -= 1
        left = state.out.pop(number, _NEVER)
        first = number in state.first
        state.first.discard(number)
        if not self._adaptive:
            return
        self.occupy(self.lingers(outcome, seconds))
        replied = isinstance(outcome, Answered) or (isinstance(outcome, Broken) and outcome.sent)
        if first and replied:
            state.provisional.append(seconds)
        elif first:
            state.left += 1  # it told nothing: another takes its place
        # What left before the last cut says nothing of the limit since; a spared operation that still hangs is no news.
        if self._refused(outcome) and left.at > state.cut_at and not wanted.probe:
            self._cut(outcome, max(left.at_once, state.in_use + 1))
        if replied:
            self._learn(seconds, left.quiet)
            self._rise_on_the_ramp()
        elif self._timed_out(outcome, seconds) and not wanted.probe:
            self._learn(seconds, quiet=False)

    def _is_quiet(self) -> bool:
        """Return whether an exchange that leaves now shows how fast the agency is when nothing of ours presses it."""
        if self.in_use == 1:
            return True  # also while no more is allowed: an agency that is slower for good must not stay judged by its past
        # Few at once because we allow no more would show an overloaded agency as its usual self.
        return self.in_use <= _QUIET and (int(self.state.limit) > _QUIET or self._ceiling <= _QUIET)

    def _timed_out(self, outcome: Outcome | str, seconds: float) -> bool:
        """
        Say whether the exchange was cut after a telling time: then it counts as a slow one, no more and no less.

        Cutting the limit at each would leave an agency that loses one call in fifteen with half of what it can do.
        """
        if not isinstance(outcome, InDoubt) or outcome.cause not in CUT:
            return False
        return not cut_short(outcome, seconds, self._timeout)

    def _refused(self, outcome: Outcome | str) -> bool:
        """Say whether the agency itself refused for want of room; a gateway that throttles says nothing of that."""
        if isinstance(outcome, Busy):
            return not outcome.route
        return isinstance(outcome, InDoubt) and outcome.cause in _OVERLOADED

    def _rise_on_the_ramp(self) -> None:
        if self.state.ramp < math.inf:
            self.state.ramp = self.state.ramp + 1.0 if self.ramping else math.inf

    def _learn(self, seconds: float, quiet: bool) -> None:
        if quiet:
            self.state.usual.append(seconds)
            del self.state.usual[:-_USUAL]
        epoch = self.state.epoch
        epoch.append(seconds)
        if len(epoch) >= _EPOCH:
            middle = median(epoch)
            if self._clock.monotonic() - self.state.epoch_began >= middle:
                self._decide(middle)

    def _decide(self, middle: float) -> None:
        usual, state = self.usual, self.state
        if usual is not None and middle > _SLOW * usual and state.limit > 1:
            state.limit = max(1.0, state.limit * max(_CUT, _SLOW * usual / middle))
            self._note(f"slow: half of the calls took over {middle:.2g} s, usual are {usual:.2g} s")
        elif state.peak >= _USED * int(state.limit) and state.limit < self._highest():
            state.limit = min(self._highest(), state.limit + 1.0)
            self._note("all of it was used")
        self._new_epoch()

    def _highest(self) -> float:
        """Return how far the limit may rise now."""
        plateau = self.state.plateau if self._clock.monotonic() < self.state.plateau_until else math.inf
        return min(float(self._ceiling), plateau)

    def _cut(self, outcome: Outcome | str, at_once: int) -> None:
        """Cut, at most once in the time of an exchange: an agency that refuses fast would be cut to one within a second."""
        now = self._clock.monotonic()
        if now - self.state.cut_at < (self.usual or self._timeout / 4):
            return
        if isinstance(outcome, Busy):
            self._stay_below(at_once, now)
        self.state.cut_at = now
        self.state.limit = max(1.0, self.state.limit * _CUT)
        self.state.ramp = max(1.0, self.state.ramp * _CUT)
        self._note(f"cut: {getattr(outcome, 'cause', '')}")
        self._new_epoch()

    def _stay_below(self, at_once: int, now: float) -> None:
        """Remember that *at_once* were too many; an agency that says so again at about as many is believed for longer."""
        if now < self.state.plateau_until:
            self.state.plateau = max(1.0, min(self.state.plateau, at_once - 1.0))
            return
        again = at_once <= self.state.plateau + 1.0 < math.inf
        self.state.plateau_seconds = min(_PLATEAU_LONGEST, 2.0 * self.state.plateau_seconds) if again else _PLATEAU
        self.state.plateau = max(1.0, at_once - 1.0)
        self.state.plateau_until = now + self.state.plateau_seconds

    def _new_epoch(self) -> None:
        self.state.epoch.clear()
        self.state.epoch_began = self._clock.monotonic()
        self.state.peak = self.state.in_use

    def _note(self, why: str) -> None:
        self.state.moved, self.state.moved_at = why, self._clock.monotonic()

    def _lay(self) -> None:
        ghosts = self.state.ghosts
        if ghosts:
            now = self._clock.monotonic()
            while ghosts and ghosts[0] <= now:
                heapq.heappop(ghosts)
