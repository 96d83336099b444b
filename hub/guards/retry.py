"""
The retry guard: how long a call waits before its next attempt, and a budget so that repeats never storm.

The only place that uses tenacity: its deterministic waits. Jitter comes from our own source, because the library's
random waits use the global one.
"""

from dataclasses import dataclass
from random import Random
from typing import Annotated

from pydantic import Field
from tenacity import RetryCallState, Retrying
from tenacity.wait import wait_base, wait_chain, wait_exponential, wait_fixed

from connectors.kit.outcomes import Answered, Outcome
from hub.clock import Clock
from hub.guards.guard import UNSENT, Wait, Wanted
from hub.guards.written import Moment

DURABLE_ATTEMPTS = 12
INTERACTIVE_ATTEMPTS = 3
_DURABLE = wait_chain(
    *(wait_fixed(seconds) for seconds in (1, 5, 30, 300, 1800, 3600, 7200, 14_400, 28_800, 43_200, 86_400))
)
"""Eleven waits between twelve attempts: two days and three hours, longer than a weekend outage needs to be noticed."""
_INTERACTIVE = wait_exponential(multiplier=0.1, min=0.1, max=2)


class Waits:
    """Seconds before the next attempt. One per lane, drawing jitter from the *random* it is given."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._durable = _planned(_DURABLE, DURABLE_ATTEMPTS)
        self._interactive = _planned(_INTERACTIVE, INTERACTIVE_ATTEMPTS)

    def after(self, attempts: int, *, interactive: bool) -> float:
        """Return the seconds to wait once *attempts* (at least 1) have failed: between half and all of the plan."""
        plan = self._interactive if interactive else self._durable
        planned = plan[min(max(attempts, 1), len(plan)) - 1]
        return planned * (0.5 + 0.5 * self._random.random())


def _planned(waits: wait_base, attempts: int) -> tuple[float, ...]:
    state = RetryCallState(Retrying(), None, (), {})
    planned = []
    for attempt in range(1, attempts):
        state.attempt_number = attempt
        planned.append(float(waits(state)))
    return tuple(planned)


STOPPED = "retries_stopped"
"""Cause of the wait while an operator has stopped all retries."""
_CAP = 10.0
_DEBT = 10.0
"""Most that probes may owe: an agency that says `Busy` all day is asked a thousand times, and its repeats go next morning."""
_EARNED = 0.1
_A_SECOND = 1 / 60
_EPSILON = 1e-9
"""Of a repeat: what rounding may lack. Without it a wait can come out too short to move a clock, and never end."""


@dataclass(slots=True)
class BudgetState:
    """What all nodes share of a retry budget."""

    at: Moment
    tokens: Annotated[float, Field(ge=-_DEBT, le=_CAP)] = _CAP
    stopped: bool = False


class RetryBudget:
    """Every repeat costs 1 of at most 10; a first try that succeeds earns 0.1, and each minute 1."""

    def __init__(self, clock: Clock, part: float = 1.0) -> None:
        """
        *part*: of what the minutes bring to all nodes together. A node that has only a part of it begins with nothing:
        what the others have left, it does not know.
        """
        self._clock = clock
        self._cap = _CAP * part
        self._a_second = _A_SECOND * part
        self.state = BudgetState(clock.monotonic(), self._cap if part == 1.0 else 0.0)

    def load(self, state: BudgetState) -> None:
        """Go on from *state*."""
        self.state = state

    def stop(self, stopped: bool) -> None:
        """Let no repeat go at all while *stopped*, as an operator says."""
        self.state.stopped = stopped

    @property
    def left(self) -> float:
        """Repeats that may go now; below 0 while probes are owed, which pay but are never kept waiting by it."""
        now = self._clock.monotonic()
        self.state.tokens = min(self._cap, self.state.tokens + (now - self.state.at) * self._a_second)
        self.state.at = now
        return self.state.tokens

    def admit(self, wanted: Wanted) -> Wait | None:
        if not wanted.repeat:
            return None
        if self.state.stopped:
            return Wait("retry", None, STOPPED, whole=False)
        if self.left >= 1.0 - _EPSILON:
            return None
        return Wait("retry", (1.0 - self.left) / self._a_second, whole=False)

    def granted(self, number: int, wanted: Wanted) -> bool:  # noqa: ARG002 - see Guard
        if wanted.repeat or wanted.probe:
            self.state.tokens = max(-_DEBT, self.left - 1.0)
        return False

    def released(self, number: int, wanted: Wanted, outcome: Outcome | str, seconds: float) -> None:  # noqa: ARG002 - see Guard
        pays = wanted.repeat or wanted.probe
        if pays and outcome == UNSENT:
            self.state.tokens = min(self._cap, self.left + 1.0)
        elif not pays and isinstance(outcome, Answered):
            self.state.tokens = min(self._cap, self.left + _EARNED)
