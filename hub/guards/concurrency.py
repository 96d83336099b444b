"""
The concurrency guard: how many exchanges an agency has at one moment, those included that we gave up on but it may not.

Next: `retry.py`.
"""

import heapq

from connectors.kit.outcomes import InDoubt, Outcome
from hub.clock import Clock
from hub.guards.guard import Wait, Wanted

GHOST = 1.5
"""Times `call_timeout` that an exchange without an end is taken to occupy its agency (timeout and half as much)."""
CUT = frozenset({"timeout", "deadline", "cut", "http_504"})
"""Causes of `InDoubt` after which the agency may still be at work."""


class Concurrency:
    """At most *calls_at_once*; an exchange that timed out keeps a ghost slot until 1.5 x *call_timeout* after it left."""

    def __init__(self, clock: Clock, calls_at_once: int, call_timeout: float) -> None:
        self._clock = clock
        self._ceiling = calls_at_once
        self._ghost_seconds = GHOST * call_timeout
        self._in_use = 0
        self._ghosts: list[float] = []

    @property
    def limit(self) -> int:
        """Most exchanges at once at this moment."""
        return self._ceiling

    @property
    def in_use(self) -> int:
        """Slots taken, ghosts included; may exceed the limit after a restart with a lowered contract."""
        self._lay()
        return self._in_use + len(self._ghosts)

    def occupy(self, seconds: float) -> None:
        """Take a slot for *seconds* without a permit: an exchange that a dead process left on the wire."""
        if seconds > 0:
            heapq.heappush(self._ghosts, self._clock.monotonic() + seconds)

    def admit(self, wanted: Wanted) -> Wait | None:  # noqa: ARG002 - all wishes share the slots
        if self.in_use < self.limit:
            return None
        return Wait("concurrency", self._ghosts[0] - self._clock.monotonic() if self._ghosts else None)

    def granted(self, number: int, wanted: Wanted) -> bool:  # noqa: ARG002 - see Guard
        self._in_use += 1
        return False

    def released(self, number: int, wanted: Wanted, outcome: Outcome | str, seconds: float) -> None:  # noqa: ARG002 - see Guard
        self._in_use -= 1
        if isinstance(outcome, InDoubt) and outcome.cause in CUT:
            self.occupy(self._ghost_seconds - seconds)

    def _lay(self) -> None:
        now = self._clock.monotonic()
        while self._ghosts and self._ghosts[0] <= now:
            heapq.heappop(self._ghosts)
