"""
Answers of one lane that may be given again while they are fresh, as `fresh` of a manifest says. Used by `single_flight.py`.

Kept in memory alone, never of personal data, and never more than the bounds below: whoever was not asked for longest goes
first. A hub that restarts asks the agency again.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from hub.clock import Clock
from hub.store.protocol import Shared

_BYTES = 8 << 20
"""Ours: of one lane, so that twenty-five of them stay below 200 MiB whatever their agencies answer."""
_ANSWERS = 4096
"""Ours: so that small answers, whose objects weigh more than their bytes (0.9 KiB each, measured), add 4 MiB at most."""


@dataclass(frozen=True, slots=True)
class _Kept:
    shared: Shared
    until: float
    """Monotonic."""
    size: int


class FreshAnswers:
    """What one lane's agency said lately, by what it was asked."""

    def __init__(self, clock: Clock, *, most_bytes: int = _BYTES, most: int = _ANSWERS) -> None:
        self._clock = clock
        self._most_bytes = most_bytes
        self._most = most
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """What is kept, questions included."""
        return self._bytes

    def get(self, key: Hashable) -> Shared | None:
        """Return the answer to what *key* asks, if it is still fresh."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until <= self._clock.monotonic():
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept.shared

    def keep(self, key: Hashable, shared: Shared, seconds: float, size: int) -> None:
        """Keep *shared* for *seconds*; *size* is the length of what was asked and answered."""
        self._drop(key)
        if size > self._most_bytes:
            return
        self._kept[key] = _Kept(shared, self._clock.monotonic() + seconds, size)
        self._bytes += size
        while self._bytes > self._most_bytes or len(self._kept) > self._most:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= kept.size
