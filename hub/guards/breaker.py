"""
The breaker guard: spares an operation that keeps failing, and finds out with few exchanges when it works again.

One circuit per operation, because one that fails says nothing of the others; a route has one circuit for its gateway.
An open circuit lets one probe through when its time is over, then 1, 2 and 4 exchanges at once, then all. Next: `rate.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Annotated

from pydantic import Field

from connectors.kit.outcomes import Answered, InDoubt, Outcome, Unavailable
from hub.clock import Clock
from hub.guards.guard import Wait, Wanted, cut_short
from hub.guards.written import Count, Moment

SHORTEST = 5.0
"""Seconds that a circuit stays open the first time; each failed probe doubles it."""
LONGEST = 120.0
_JITTER = 0.1
_LEAST, _MOST = 5, 20
"""Exchanges that are judged: at least five, so that a lane with one call in ten seconds still acts; at most the last twenty."""
_WINDOW = 60.0
_WINDOW_TIMEOUTS = 5.0
"""How old they may be: a minute, or five times `call_timeout` where that is longer."""
_STEPS = (1, 2, 4)
"""Exchanges at once after a probe that was answered, each step as often as it allows at once, before the circuit closes."""
_LOST = 1.5
"""Times `call_timeout` after which a permit that never came back counts as failed, or its circuit would wait for ever."""
_RISK = 900.0
"""
Seconds after which a call is risked as a probe though the harmless operation does not prove the ground: that one may be
what is broken, and must not keep the others shut.
"""
CLOSED, PROBING, OPEN = 0.0, 1.0, 2.0
"""Values of `hub_breaker_state`."""
GATEWAY = ""
"""The one circuit of a route."""


@dataclass(slots=True)
class _Circuit:
    """One operation. `opened_until` is None while it is closed."""

    recent: list[tuple[Moment, bool]] = field(default_factory=list)
    """Moment and failure of the last exchanges, oldest first."""
    opened_until: Moment | None = None
    level: Count = 0
    cause: str = ""
    step: Annotated[int, Field(ge=0, lt=len(_STEPS))] | None = None
    """Index into `_STEPS` once a probe was answered."""
    out: dict[int, Moment] = field(default_factory=dict)
    """Permits granted since its time was over, and when, oldest first: the probe, then those of the steps."""
    risked_at: Moment = 0.0
    """When a call of its own last failed."""
    failures: Count = 0
    """Since the probe was answered."""
    successes: Count = 0


@dataclass(slots=True)
class BreakerState:
    """What all nodes share of a breaker: its circuits by operation."""

    circuits: dict[str, _Circuit] = field(default_factory=dict)


class Breaker:
    """Circuits of one lane, or the one of a route (*route*: then only the road itself counts)."""

    def __init__(
        self, clock: Clock, random: Random, call_timeout: float, *, route: bool = False, probe_operation: str = ""
    ) -> None:
        """*probe_operation* is harmless: it tries the ground for the others, so that nobody's call is risked for that."""
        self._clock = clock
        self._random = random
        self._timeout = call_timeout
        self._window = max(_WINDOW, _WINDOW_TIMEOUTS * call_timeout)
        self._route = route
        self._probe_operation = probe_operation
        self.state = BreakerState()

    def load(self, state: BreakerState) -> None:
        """Go on from *state*."""
        self.state = state

    def admit(self, wanted: Wanted) -> Wait | None:
        circuit = self.state.circuits.get(self._key(wanted.operation))
        if circuit is None or circuit.opened_until is None:
            return None
        now = self._clock.monotonic()
        oldest = next(iter(circuit.out.values()), now)
        if circuit.opened_until <= now and now - oldest >= _LOST * self._timeout:
            self._open(circuit, circuit.cause)
        if circuit.opened_until > now:
            return Wait("breaker", circuit.opened_until - now, circuit.cause, self._route)
        if len(circuit.out) >= (1 if circuit.step is None else _STEPS[circuit.step]):
            return Wait("breaker", None, circuit.cause, self._route)
        if circuit.step is None and self._harmlessly(circuit, wanted, now):
            return Wait("breaker", None, circuit.cause, self._route, probe=self._probe_operation)
        return None

    def _harmlessly(self, circuit: _Circuit, wanted: Wanted, now: float) -> bool:
        """Return whether the ground has to be tried by another operation than *wanted*."""
        if not self._probe_operation or wanted.harmless or wanted.operation == self._probe_operation:
            return False
        return now - circuit.risked_at < _RISK

    def probing(self, wanted: Wanted) -> bool:
        """Return whether a permit for *wanted* would be a probe now, of its own circuit or for the others."""
        circuit = self.state.circuits.get(self._key(wanted.operation))
        if circuit is not None and circuit.opened_until is not None and circuit.step is None:
            return True
        return wanted.operation == self._probe_operation and any(self._untried())

    def granted(self, number: int, wanted: Wanted) -> bool:
        circuit = self.state.circuits.get(self._key(wanted.operation))
        if circuit is None or circuit.opened_until is None:
            return False
        circuit.out[number] = self._clock.monotonic()
        return circuit.step is None

    def released(self, number: int, wanted: Wanted, outcome: Outcome | str, seconds: float) -> None:
        key = self._key(wanted.operation)
        failed = self._failed(outcome, seconds)
        circuit = self.state.circuits.get(key)
        if circuit is None:
            if failed is None:
                return
            circuit = self.state.circuits[key] = _Circuit()
        if circuit.opened_until is not None:
            self._try_out(circuit, number, failed, outcome)
        elif failed is not None:
            self._count(circuit, failed, outcome)
        if failed is not None and wanted.operation == self._probe_operation:
            self._tried_for_others(failed)

    def view(self) -> Iterator[tuple[str, float, str, float]]:
        """Yield operation, state (closed 0, probing 1, open 2), cause and seconds left of each circuit that has counted."""
        now = self._clock.monotonic()
        for operation, circuit in self.state.circuits.items():
            if circuit.opened_until is None:
                yield operation, CLOSED, "", 0.0
            elif circuit.opened_until > now:
                yield operation, OPEN, circuit.cause, circuit.opened_until - now
            else:
                yield operation, PROBING, circuit.cause, 0.0

    def open(self, operation: str) -> Wait | None:
        """Return how long *operation* is still spared, as far as time alone tells; changes nothing."""
        circuit = self.state.circuits.get(self._key(operation))
        if circuit is None or circuit.opened_until is None:
            return None
        left = circuit.opened_until - self._clock.monotonic()
        return Wait("breaker", left, circuit.cause, self._route) if left > 0 else None

    def close(self) -> None:
        """Close every circuit, as a person says who knows better."""
        self.state.circuits.clear()

    def _key(self, operation: str) -> str:
        return GATEWAY if self._route else operation

    def _failed(self, outcome: Outcome | str, seconds: float) -> bool | None:
        """Say whether *outcome* is a failure, a success, or says nothing about what this breaker guards."""
        if self._route:
            if isinstance(outcome, Unavailable) and outcome.of_the_road:
                return True
            # A reply of whatever kind came over the gateway. A time-out may be the agency's: it says nothing.
            return None if isinstance(outcome, str | InDoubt) else False
        if isinstance(outcome, Answered):
            return False
        if isinstance(outcome, Unavailable):
            return True
        if isinstance(outcome, InDoubt):
            return None if cut_short(outcome, seconds, self._timeout) else True
        return None

    def _count(self, circuit: _Circuit, failed: bool, outcome: Outcome | str) -> None:
        now = self._clock.monotonic()
        circuit.recent.append((now, failed))
        del circuit.recent[:-_MOST]
        while circuit.recent[0][0] < now - self._window:
            del circuit.recent[0]
        if not failed or len(circuit.recent) < _LEAST:
            return
        if sum(bad for _, bad in circuit.recent) >= _too_many(len(circuit.recent)):
            circuit.level = 0
            self._open(circuit, getattr(outcome, "cause", ""))

    def _try_out(self, circuit: _Circuit, number: int, failed: bool | None, outcome: Outcome | str) -> None:
        if circuit.out.pop(number, None) is None:
            return  # it left before the circuit opened, and says nothing about what came of it since
        if failed is None:
            return  # what proved nothing is followed by another
        if circuit.step is None:
            circuit.failures = circuit.successes = 0
        circuit.failures += failed
        circuit.successes += not failed
        if failed and circuit.failures > circuit.successes:
            self._open(circuit, getattr(outcome, "cause", "") or circuit.cause)
        elif circuit.step is None:
            circuit.step, circuit.level = 0, 0
        elif not failed and circuit.successes >= sum(_STEPS[: circuit.step + 1]) + 1:
            self._next_step(circuit)

    def _next_step(self, circuit: _Circuit) -> None:
        assert circuit.step is not None  # noqa: S101 - only called in a step; narrows the type
        if circuit.step + 1 < len(_STEPS):
            circuit.step += 1
            return
        circuit.opened_until, circuit.step, circuit.level = None, None, 0
        circuit.out.clear()
        circuit.recent.clear()

    def _open(self, circuit: _Circuit, cause: str, *, risked: bool = True) -> None:
        asked = min(LONGEST, SHORTEST * 2.0 ** min(circuit.level, 10)) * (1 + _JITTER * self._random.random())
        circuit.level += 1
        circuit.opened_until = self._clock.monotonic() + asked
        if risked:
            circuit.risked_at = self._clock.monotonic()
        circuit.step = None
        circuit.out.clear()
        circuit.recent.clear()
        circuit.cause = cause

    def _untried(self) -> Iterator[_Circuit]:
        """Yield the circuits whose time is over and whose ground nobody has tried yet."""
        now = self._clock.monotonic()
        for circuit in self.state.circuits.values():
            if circuit.opened_until is not None and circuit.opened_until <= now and circuit.step is None:
                yield circuit

    def _tried_for_others(self, failed: bool) -> None:
        """The harmless operation tried the ground: the circuits that waited for it go on, or stay open for longer."""
        for circuit in self._untried():
            if not failed:
                circuit.step, circuit.failures, circuit.successes = 0, 0, 1
            elif not circuit.out:
                self._open(circuit, circuit.cause, risked=False)


def _too_many(seen: int) -> float:
    """
    Return how many failures among *seen* exchanges open a circuit: half of twenty, all of five.

    Half of five would be three, which chance alone brings about every few seconds at an agency that fails one time in
    three: its partial failure would become a whole one.
    """
    return seen / 2 + (_MOST - seen) / 6
