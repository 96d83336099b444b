"""
What callers of one flow heard, and when: the only figures that count. Next: `simulation.py`, which puts all together.

Only answers within the deadline are good. Moments are seconds since the simulation began.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from hub.errors import HubError


class Hearing:
    """Offered, admitted, refused and answered calls of one flow."""

    def __init__(self, clock: Callable[[], float], deadline: float) -> None:
        self.now = clock
        self._deadline = deadline
        self._offered: list[float] = []
        self.admitted_calls = 0
        self.at_the_door: Counter[str] = Counter()
        """Refusals by admission, which cost nobody any time, by code."""
        self.later: Counter[str] = Counter()
        """Refusals of calls that had been let in, by code."""
        self._refused_after: list[float] = []
        self._good: list[tuple[float, float]] = []
        """Of each good answer: when it came, and after how many seconds."""
        self.late_answers = 0
        self._tickets: dict[str, float] = {}

    # --- Told --------------------------------------------------------------------------------------------------------

    def offered(self, at: float) -> None:
        self._offered.append(at)

    def admitted(self) -> None:
        self.admitted_calls += 1

    def turned_away(self, error: HubError) -> None:
        """Admission refused."""
        self._refused_after.append(0.0)
        self.at_the_door[error.code] += 1

    def refused(self, at: float, error: HubError) -> None:
        """A call that had been let in came to nothing."""
        self._refused_after.append(self.now() - at)
        self.later[error.code] += 1

    def answered(self, at: float) -> None:
        now = self.now()
        if now - at <= self._deadline + 1e-6:
            self._good.append((now, now - at))
        else:
            self.late_answers += 1

    def ticket(self, call: str, at: float) -> None:
        """A durable call was accepted."""
        self._tickets[call] = at

    def ended(self, call: str, *, answered: bool) -> bool:
        """A durable call came to an end; False if it is none of ours."""
        at = self._tickets.pop(call, None)
        if at is not None and answered:
            self._settled(at, self.now())
        return at is not None

    def _settled(self, at: float, now: float) -> None:
        if now - at <= self._deadline:
            self._good.append((now, now - at))
        else:
            self.late_answers += 1

    # --- Asked -------------------------------------------------------------------------------------------------------

    def offered_between(self, begin: float, end: float) -> int:
        return sum(begin <= at < end for at in self._offered)

    def good_between(self, begin: float, end: float) -> int:
        """Return how many good answers came in that time."""
        return sum(begin <= at < end for at, _ in self._good)

    def served(self, begin: float = 0.0, end: float = float("inf")) -> float:
        """Return which part of those who asked from *begin* to *end* got a good answer."""
        served = sum(begin <= at - seconds < end for at, seconds in self._good)
        return served / max(1, self.offered_between(begin, end))

    @property
    def offered_calls(self) -> int:
        return len(self._offered)

    @property
    def good_calls(self) -> int:
        return len(self._good)

    @property
    def open_tickets(self) -> int:
        """Durable calls that have not come to an end."""
        return len(self._tickets)

    def latency(self, part: float) -> float:
        """Return the seconds within which that *part* of the good answers came."""
        return quantile([seconds for _, seconds in self._good], part)

    def time_to_refusal(self, part: float) -> float:
        """Return the seconds within which that *part* of those who were refused heard so."""
        return quantile(self._refused_after, part)


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value below which *part* of *values* lie; 0 when there are none."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))] if values else 0.0
