"""
What arrived at the played agencies, as they saw it: the evidence by which tests judge the hub from outside.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass

KEPT = 100_000
"""Arrivals remembered per sandbox; the counts of what was processed are never dropped."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request at an agency's door."""

    no: int
    at: float
    """Unix seconds."""
    agency: str
    operation: str
    """Empty when the request fits no operation."""
    key: str
    """Value of the identity: a dossier code, a citizen id."""
    outcome: str
    """A result (`ok`, `not_found`, `exists`, `unknown`, `refused`, `invalid`, `login`), or `fault:<name>`."""
    processed: bool
    """Whether the agency did what was asked, whatever it then said."""
    at_once: int
    """Requests under way at the agency when this one came, itself included; 0 for what a gateway answered itself."""


@dataclass(frozen=True, slots=True)
class Telling:
    """One push that a played agency made, and what the hub answered."""

    no: int
    at: float
    """Unix seconds at which the answer was there."""
    agency: str
    notice: str
    sample: str
    status: int
    """0: no answer came, and `answer` says why."""
    answer: str
    """The body as text."""


class Arrivals:
    """The log of all agencies of one sandbox, in order of arrival; what they told the hub is in a log beside it."""

    def __init__(self) -> None:
        self._log: deque[Arrival] = deque(maxlen=KEPT)
        self._told: deque[Telling] = deque(maxlen=KEPT)
        self._processed: Counter[tuple[str, str, str]] = Counter()
        self._no = 0

    def add(
        self, at: float, agency: str, operation: str, key: str, outcome: str, processed: bool, at_once: int = 0
    ) -> None:
        self._no += 1
        self._log.append(Arrival(self._no, at, agency, operation, key, outcome, processed, at_once))
        if processed:
            self._processed[agency, operation, key] += 1

    def told(self, at: float, agency: str, notice: str, sample: str, status: int, answer: str) -> Telling:
        """Remember a push that an agency made."""
        self._no += 1
        telling = Telling(self._no, at, agency, notice, sample, status, answer)
        self._told.append(telling)
        return telling

    def of(self, agency: str | None = None, *, after: int = 0) -> Iterator[Arrival]:
        """Give arrivals at *agency* (None: at all) numbered above *after*."""
        return (one for one in self._log if one.no > after and agency in (None, one.agency))

    def processed(self, agency: str, operation: str, key: str) -> int:
        """Return how often *operation* was done for *key*: more than once is a filing done twice."""
        return self._processed[agency, operation, key]

    def shown(self, agency: str | None = None, *, after: int = 0) -> dict[str, object]:
        """Return log and counts as JSON-able data."""
        counts = [
            {"agency": where, "operation": operation, "key": key, "count": count}
            for (where, operation, key), count in self._processed.items()
            if agency in (None, where)
        ]
        told = [asdict(one) for one in self._told if one.no > after and agency in (None, one.agency)]
        return {"arrivals": [asdict(one) for one in self.of(agency, after=after)], "processed": counts, "told": told}

    def clear(self) -> None:
        self._log.clear()
        self._told.clear()
        self._processed.clear()
