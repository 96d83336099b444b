"""
What an agency sees at its own door: when each exchange came, how long it was there, and which call it was for.

Contracts are judged here, not where the hub counts: an exchange that we cut may go on, so it is there until
1.5 x call_timeout after it came.
"""

from collections import Counter
from collections.abc import Sequence

_WINDOW = 1.0
"""Seconds: the shortest window in which a rate contract is judged."""

_ROUNDING = 1e-6
"""Seconds: hub and door add the same numbers in another order."""


class Door:
    """Arrivals and departures of one agency, in seconds since it was made."""

    def __init__(self, ghost_seconds: float) -> None:
        self._ghost_seconds = ghost_seconds
        self.came: list[float] = []
        self._left: list[float] = []
        self.calls: Counter[tuple[str, str]] = Counter()
        """Exchanges by call and operation: all but the first of each are repeats."""
        self._again: list[float] = []
        """When the repeats came."""
        self.by_operation: Counter[str] = Counter()

    def enter(self, at: float, call: str, operation: str) -> int:
        """Note an arrival; return its number."""
        self.came.append(at)
        self._left.append(at + self._ghost_seconds - _ROUNDING)
        if self.calls[call, operation]:
            self._again.append(at)
        self.calls[call, operation] += 1
        self.by_operation[operation] += 1
        return len(self.came) - 1

    def leave(self, number: int, at: float, *, cut: bool) -> None:
        """Note that exchange *number* ended; one that was *cut* goes on here until its ghost time is over."""
        if not cut:
            self._left[number] = at

    @property
    def repeats(self) -> int:
        """Exchanges that sent a step of a call again."""
        return len(self._again)

    def repeats_between(self, begin: float, end: float) -> int:
        """Return how many repeats came from *begin* until before *end*."""
        return sum(begin <= at < end for at in self._again)

    def most_at_once(self) -> int:
        """Return the most exchanges that were here at one moment."""
        changes = [(at, 1) for at in self.came] + [(at, -1) for at in self._left]
        here = most = 0
        for _, change in sorted(changes):  # who leaves at a moment makes room for who comes then
            here += change
            most = max(most, here)
        return most

    def excess(self, calls_per_second: float) -> float:
        """Return by how many exchanges the fullest window of a second or more was over its contract."""
        return max(_excess_of_long(self.came, calls_per_second), _excess_of_second(self.came, calls_per_second), 0.0)

    def between(self, begin: float, end: float) -> int:
        """Return how many came from *begin* until before *end*."""
        return sum(begin <= at < end for at in self.came)


def _excess_of_long(came: Sequence[float], rate: float) -> float:
    """Windows from one arrival to another, a second or more apart: Kadane's walk over both ends."""
    worst, best_begin, begin = 0.0, float("inf"), 0
    for end, at in enumerate(came):
        while begin < end and at - came[begin] >= _WINDOW:
            best_begin = min(best_begin, begin - rate * came[begin])
            begin += 1
        worst = max(worst, end + 1 - rate * at - best_begin)
    return worst


def _excess_of_second(came: Sequence[float], rate: float) -> float:
    worst, begin = 0.0, 0
    for end, at in enumerate(came):
        while at - came[begin] > _WINDOW:
            begin += 1
        worst = max(worst, end + 1 - begin - rate * _WINDOW)
    return worst
