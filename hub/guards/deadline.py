"""
The deadline guard: no exchange leaves whose answer would most likely come too late. Next: `retry.py`.

It compares the time that a caller still has with the live p95 of its operation. Without it a line that is pressed spends
its permits on calls whose callers have gone by the time the answer is here (docs/decisions/0021).
"""

from collections import deque

from connectors.kit.outcomes import Answered, Broken, InDoubt, Outcome
from hub.clock import Clock
from hub.guards.guard import Wait, Wanted

_LAST = 40
_SECONDS = 300.0
"""Exchanges that count: the last forty, none older than five minutes."""
_FADING = 0.9
_FADES_EVERY = 10.0
"""Without news the estimate shrinks by a tenth every ten seconds: an agency that was slow once must not stay judged so."""
_PROBE_EVERY = 5.0
ENOUGH = 0.5
"""
Part of its caller's whole patience that is always enough. Else an agency of which one exchange in fifteen runs into the
time-out would be asked nothing any more by callers who wait as long as that time-out, though it answers nearly all.
"""


class _Seen:
    __slots__ = ("at", "p95", "probed_at", "recent")

    def __init__(self) -> None:
        self.recent: deque[tuple[float, float]] = deque(maxlen=_LAST)
        self.p95 = 0.0
        self.at = 0.0
        self.probed_at = float("-inf")


class Deadline:
    """Live p95 of each operation of one lane. Knows this process's exchanges only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._operations: dict[str, _Seen] = {}

    def p95(self, operation: str) -> float:
        """Return the seconds in which 95 % of the exchanges of *operation* were lately answered; 0.0 when none was seen."""
        seen = self._operations.get(operation)
        if seen is None:
            return 0.0
        faded: float = _FADING ** max(0.0, (self._clock.monotonic() - seen.at) / _FADES_EVERY)
        return seen.p95 * faded

    def slowest(self) -> float:
        """Return the largest p95 of all operations, in seconds."""
        return max((self.p95(operation) for operation in self._operations), default=0.0)

    def admit(self, wanted: Wanted) -> Wait | None:
        if wanted.left is None or wanted.left >= self._needs(wanted) or self._may_probe(wanted):
            return None
        return Wait("deadline", None, "deadline", whole=False)

    def granted(self, number: int, wanted: Wanted) -> bool:  # noqa: ARG002 - see Guard
        if wanted.left is not None and wanted.left < self._needs(wanted):
            self._operations[wanted.operation].probed_at = self._clock.monotonic()
        return False

    def released(self, number: int, wanted: Wanted, outcome: Outcome | str, seconds: float) -> None:  # noqa: ARG002 - see Guard
        """A reply tells how long the agency takes, and a failed wait for one that was longer than the estimate; nothing else."""
        seen = self._operations.setdefault(wanted.operation, _Seen())
        replied = isinstance(outcome, Answered) or (isinstance(outcome, Broken) and outcome.sent)
        if not replied and not (isinstance(outcome, InDoubt) and seconds > self.p95(wanted.operation)):
            return
        now = self._clock.monotonic()
        seen.recent.append((now, seconds))
        while seen.recent[0][0] < now - _SECONDS:
            seen.recent.popleft()
        ordered = sorted(took for _, took in seen.recent)
        seen.p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        seen.at = now

    def _needs(self, wanted: Wanted) -> float:
        return min(self.p95(wanted.operation), ENOUGH * wanted.budget)

    def _may_probe(self, wanted: Wanted) -> bool:
        """An estimate that stops every call would never be measured again."""
        seen = self._operations.get(wanted.operation)
        return seen is not None and self._clock.monotonic() - seen.probed_at >= max(_PROBE_EVERY, seen.p95)
