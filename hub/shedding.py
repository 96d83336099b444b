"""
Self-protection: whose calls this process refuses when it is itself what is slow. Next: `inbound.py`.

A loop that runs late sheds bulk, then normal and what agencies send us; the counter always comes in. Too many bytes
that wait, or too much memory, refuse all but the counter, and a tenth above that everybody: a process that was killed
serves nobody. `app/watching.py` tells it how things are; at a door it costs one look into a set.
"""

from collections import deque
from math import inf
from typing import Final

from hub.call import Class
from hub.clock import Clock
from hub.errors import HubOverloaded

LATE_SECONDS: Final = 0.05
"""Lag (p99 of the last second) above which bulk is shed; normal too above four times as much."""
_TIMES: Final = (1, 4)
_WINDOW: Final = 1.0
_HUNDREDTH: Final = 0.01 * _WINDOW
_STOPS: Final = 3
_STOPS_SECONDS: Final = 3.0
"""So many timers must have been late within so long: one stop is over when it is seen, and refusing helps nobody."""
_CALM: Final = 2.0
"""Seconds for which the lag must stay below half of what shed a class, before that class comes in again."""
_MOST_CALM: Final = 30.0
_SOON: Final = 30.0
"""Seconds: whoever sheds again so soon let in too early, and waits twice as long the next time."""
_RELIEF: Final = 0.9
"""Part of a cap below which bytes and memory must fall again."""
_BEYOND: Final = 1.1
"""Times a cap above which the counter is refused too."""
_FULL_SECONDS: Final = 10.0
"""`Retry-After` while bytes or memory are too many: calls have to be answered first."""
_SHED: Final = (
    frozenset[Class](),
    frozenset({Class.BULK}),
    frozenset({Class.BULK, Class.NORMAL}),
    frozenset(Class),
)
"""Who is refused at each level. Lag leads to the third at most, a cap to the third and the fourth."""


class Shedding:
    """One process's view of itself."""

    def __init__(
        self,
        clock: Clock,
        *,
        late_seconds: float = LATE_SECONDS,
        queued_bytes: float = inf,
        memory_bytes: float = inf,
    ) -> None:
        """*queued_bytes* caps the requests that wait in all lines together, *memory_bytes* what the process occupies."""
        self._clock = clock
        self._thresholds = tuple(late_seconds * times for times in _TIMES)
        self._queued_bytes = queued_bytes
        self._memory_bytes = memory_bytes
        self._seen: deque[tuple[float, float]] = deque()
        self._late = 0
        self._full = 0
        self._calm = _CALM
        self._calm_since: float | None = None
        self._let_in_at = -inf
        self._refused = _SHED[0]
        self._why = ""
        self._seconds = 0.0

    def check(self, cls: Class) -> None:
        """
        Return if a call of *cls* may come in; what an agency sends counts as normal.

        Raises:
            HubOverloaded: It may not, with the reason and the seconds after which it may at the earliest.
        """
        if cls in self._refused:
            raise HubOverloaded(self._why, retry_after=self._seconds)

    @property
    def full(self) -> bool:
        """Whether bytes or memory are above their caps, or have not fallen far enough again."""
        return self._full > 0

    def lag(self, seconds: float) -> None:
        """The loop ran a timer *seconds* late. Tell it often: a stop between two timers is not seen."""
        now = self._clock.monotonic()
        self._seen.append((now, seconds))
        while len(self._seen) > _STOPS and self._seen[0][0] <= now - _STOPS_SECONDS:
            self._seen.popleft()  # never below three: a loop that takes seconds for each round is late too
        level = sum(self._later_than(threshold) for threshold in self._thresholds)
        if level > self._late:
            if self._late == 0:
                self._calm = min(_MOST_CALM, 2 * self._calm) if now - self._let_in_at < _SOON else _CALM
            self._late, self._calm_since = level, None
        elif self._late and self._later_than(self._thresholds[self._late - 1] / 2):
            self._calm_since = None
        elif self._late and self._calm_since is None:
            self._calm_since = now
        elif self._calm_since is not None and now - self._calm_since >= self._calm:
            self._late, self._calm_since, self._let_in_at = self._late - 1, None, now
        self._decide()

    def weigh(self, *, queued: int, memory: int) -> None:
        """Note how many bytes of requests wait in all lines, and how many the process occupies (0: unknown)."""
        part = max(queued / self._queued_bytes, memory / self._memory_bytes)
        if part > (_BEYOND * _RELIEF if self._full == 3 else _BEYOND):
            self._full = 3
        elif part > (_RELIEF if self._full else 1.0):
            self._full = 2
        else:
            self._full = 0
        self._decide()

    def _later_than(self, threshold: float) -> bool:
        """
        Return whether more than a hundredth of those who came in the last second waited longer than *threshold*.

        A timer that was late by L stands for everybody who came while the loop did not look: of them, those of the
        first L - threshold seconds waited longer. Counted by timers, stops of a second in all would be a few of forty.
        """
        beyond = [(at, late - threshold) for at, late in self._seen if late > threshold]
        since = self._clock.monotonic() - _WINDOW
        return len(beyond) >= _STOPS and sum(seconds for at, seconds in beyond if at > since) > _HUNDREDTH

    def _decide(self) -> None:
        self._refused = _SHED[max(self._late, self._full)]
        if self._full:
            self._why, self._seconds = "full", _FULL_SECONDS
        elif self._late:
            self._why, self._seconds = "late", _WINDOW + self._calm
