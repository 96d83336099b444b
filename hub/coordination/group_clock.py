"""
The time of a group of nodes: that of its Redis, kept steady where somebody sets that machine's clock. Next: `shared_road.py`.

Between two answers of Redis a node goes by its own monotonic clock, and so it notices when Redis's has been set: it then
shifts the zero of the road's time, which is part of the state, and every node goes on as if nothing had been.
"""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import Field, TypeAdapter

from hub.clock import Clock

_SET = 1.0
"""Seconds by which Redis's clock may seem to differ from what a node expects before it counts as set anew."""
_DRIFT = 1e-3
"""Part by which two clocks may run apart: twice what a machine that is kept on time ever corrects."""

_LONGEST = 100 * 366 * 86_400.0
"""Seconds that no road has lasted, and that no clock of a machine has shown more than thrice of."""
_Wall: TypeAlias = Annotated[float, Field(ge=-_LONGEST, le=3 * _LONGEST, allow_inf_nan=False)]


@dataclass(slots=True)
class ClockState:
    """What all nodes share of a road's time."""

    zero: _Wall
    """What Redis's clock would have shown when the road's monotonic time was 0, had it always been as it is now."""
    wall: _Wall
    """What Redis's clock did show then, in Unix seconds; no other road state began in that microsecond."""
    at: Annotated[float, Field(ge=0.0, le=_LONGEST, allow_inf_nan=False)] = 0.0
    """The road's monotonic time when its state was last set: it is not earlier now."""


_WRITTEN = TypeAdapter(ClockState)


class GroupClock:
    """Implements `Clock` for the guards of one road. Without I/O: `follow` is told what Redis answered."""

    def __init__(self, here: Clock) -> None:
        self._here = here
        self.state = ClockState(0.0, 0.0)
        self._offset = 0.0
        self._low, self._high = 0.0, 0.0
        """Bounds of the road's time less this node's: what an answer cannot tell is when on its way it was made."""
        self._at: float | None = None
        """When this node last heard of it; None: never."""

    def now(self) -> float:
        return self.state.wall + self.monotonic()

    def monotonic(self) -> float:
        return self._here.monotonic() + self._offset

    def begin(self, server: float, asked: float, answered: float) -> None:
        """Begin the time of a new state. All that counts is given in seconds; the last two by this node's own clock."""
        self._at = None
        self.follow(ClockState(server, server), server, asked, answered)

    def follow(self, state: ClockState, server: float, asked: float, answered: float) -> None:
        """Go on by *state*; Redis's clock showed *server* at some time between *asked* and *answered*."""
        if state.wall != self.state.wall:
            self._at = None
        self.state = state
        seen = server - state.zero
        low, high = seen - answered, seen - asked
        may_differ = _SET + _DRIFT * (answered - (self._at or 0.0))
        if self._at is not None and (low - self._high > may_differ or self._low - high > may_differ):
            if answered + self._offset + may_differ >= state.at:
                self._shift((asked + answered) / 2 + self._offset, server)
                low, high = self._low, self._high
            # Else others have gone on meanwhile: it was this machine that stood still.
        elif seen + may_differ < state.at:
            self._shift(state.at, server)
            low, high = state.at - answered, state.at - asked
        elif self._at is not None:
            apart = _DRIFT * (answered - self._at)
            nearer = max(low, self._low - apart), min(high, self._high + apart)
            low, high = nearer if nearer[0] <= nearer[1] else (low, high)
        self._low, self._high, self._at = low, high, answered
        self._offset = (low + high) / 2

    def written(self) -> bytes:
        """Return the state as it is to be set now."""
        self.state.at = self.monotonic()
        return _WRITTEN.dump_json(self.state)

    def _shift(self, to: float, server: float) -> None:
        """Let the road's time be *to* while Redis's clock shows *server*."""
        self.state.zero = server - to


def read(written: bytes) -> ClockState:
    """
    Return the state that `written` gave.

    Raises:
        pydantic.ValidationError: These bytes are no such state.
    """
    return _WRITTEN.validate_json(written)
