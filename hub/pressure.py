"""
What a sick store means at the doors: who is refused before a byte of a body is read, and why. Next: `retention.py`.

A store that fails refuses everybody, since nothing leaves unrecorded; one whose commits are slow refuses bulk, then
normal, then the counter; one that is full takes no more durable calls. The line of the store tells it how commits went,
`app/watching_store.py` how long one has been under way, how full the store is, and whether a trial was written. Nothing
here waits: at a door it costs one look into a set.
"""

from typing import Final

from hub.call import Class
from hub.clock import Clock
from hub.errors import StoreUnavailable
from hub.store.room import Room

SLOW_SECONDS: Final = (0.5, 1.0, 5.0)
"""Seconds of a commit from which bulk, normal and the counter are refused: a call needs three commits, one after another."""
PART: Final = 0.8
"""Of what the disk could hold: how large a store may grow, where the settings name no number."""
UNKNOWN_BYTES: Final = 100 << 30
"""The same where neither the settings nor the store know a number."""
_BEYOND: Final = 1.1
"""Times the bound above which look-ups, whose rows are small, are refused too."""
_RELIEF: Final = 0.98
"""Part of the bound below which a store must fall again before it takes durable calls."""
_AGAIN: Final = 5.0
_FULL_AGAIN: Final = 60.0
"""`Retry-After`: a disk that is full is emptied by retention or by a person, and neither takes a second."""
_REFUSED: Final = (
    frozenset[Class](),
    frozenset({Class.BULK}),
    frozenset({Class.BULK, Class.NORMAL}),
    frozenset(Class),
)


class Pressure:
    """How the store of this process is."""

    def __init__(self, clock: Clock, *, store_bytes: int | None = None) -> None:
        """*store_bytes*: how large the store may grow; None: a part of what its disk could hold."""
        self._clock = clock
        self._store_bytes = store_bytes
        self._last = (0.0, 0.0)
        self._told_at = clock.monotonic()
        self._waits = 0.0
        self._failed: StoreUnavailable | None = None
        self._full = False
        self._refused = _REFUSED[0]
        self._level = 0
        self.used_bytes = 0
        """What the store held when somebody last looked."""
        self.most_bytes = store_bytes or UNKNOWN_BYTES
        """How much it may hold."""

    def check(self, cls: Class, *, interactive: bool) -> None:
        """
        Return if the store may be asked to record a call of *cls*.

        Raises:
            StoreUnavailable: It may not, with the reason and the seconds after which it may at the earliest.
        """
        if self._failed is not None:
            raise StoreUnavailable(self._failed.detail, retry_after=_AGAIN)
        if self._full and (not interactive or self.used_bytes > _BEYOND * self.most_bytes):
            raise StoreUnavailable(self.reason, retry_after=_FULL_AGAIN)
        if cls in self._refused:
            raise StoreUnavailable(self._slow, retry_after=max(_AGAIN, 2 * self._seconds))

    @property
    def reason(self) -> str:
        """Why this process should be given no work, or empty: what an operator reads at `/readyz`."""
        if self._failed is not None:
            return self._failed.detail
        if self._level > 1:
            return self._slow
        if self._full:
            return f"full: {self.used_bytes:,} of {self.most_bytes:,} bytes are used"
        return ""

    @property
    def troubled(self) -> bool:
        """Whether commits fail or are slow: somebody should try whether they still do, since those refused do not."""
        return self._failed is not None or self._level > 0

    @property
    def quiet_seconds(self) -> float:
        """For how long nothing was heard of a commit."""
        return self._clock.monotonic() - self._told_at

    def committed(self, seconds: float, outage: StoreUnavailable | None) -> None:
        """A commit ended after *seconds*; *outage* is what a member of it was told that was not written."""
        self._last = (self._last[1], seconds)
        self._told_at = self._clock.monotonic()
        self._waits = 0.0
        if outage is not None:
            self._failed = outage
        self._decide()

    def waits(self, seconds: float) -> None:
        """Nothing was committed for *seconds*, though something waits to be."""
        self._waits = seconds
        self._decide()

    def proved(self) -> None:
        """A trial was written: the store takes records again. Other commits do not show it, since some write nothing."""
        self._failed = None

    def weigh(self, room: Room) -> None:
        """Note how large the store is."""
        self.used_bytes = room.used
        self.most_bytes = self._store_bytes or (UNKNOWN_BYTES if room.capacity is None else int(PART * room.capacity))
        self._full = room.used > self.most_bytes * (_RELIEF if self._full else 1.0)

    @property
    def _slow(self) -> str:
        return f"slow: a commit takes {self._seconds:.1f} s"

    @property
    def _seconds(self) -> float:
        """Two commits in a row or one that has not ended: a disk may stand still for a moment, and then not for minutes."""
        return max(min(self._last), self._waits)

    def _decide(self) -> None:
        seconds = self._seconds
        self._level = sum(seconds >= threshold for threshold in SLOW_SECONDS)
        self._refused = _REFUSED[self._level]
