"""
Whose trouble it is when a gateway refuses a token: nobody's, the lane's or the route's. Pure; `token.py` acts on it.

A token that ended is renewed. One that is refused although it is new may be bad, or good for all but one agency; then
another lane is the witness, so that one agency without a subscription cannot stop nineteen others.
"""

from enum import Enum

from connectors.kit.outcomes import Answered, Broken, Busy, Outcome, StaleCredentials
from hub.clock import Clock

WITNESS = 5.0
"""Seconds for which a lane that was refused twice waits for another to try the same token."""
_NEW = 60.0
"""Seconds after which a token is old enough to have ended, whatever life it was given."""


def let_through(outcome: Outcome | StaleCredentials | None) -> bool:
    """Return whether *outcome* proves that the gateway took the token, whatever was said behind it."""
    match outcome:
        case Answered() | Busy():  # a gateway throttles those whom it knows
            return True
        case Broken(sent=sent):
            return sent
        case StaleCredentials(route=route):
            return not route
    return False


class Trouble(Enum):
    """What a refusal means."""

    KNOWN = "known"
    """It was said before: the call goes again."""
    OLD = "old"
    """The token may have ended: get another."""
    WAIT = "wait"
    """The lane waits for a witness."""
    LANE = "lane"
    """Others are served with this token."""
    ROUTE = "route"
    """Two lanes were refused a new token, or the only one that has anything to send."""


class TurnedAway:
    """Remembers which lanes of one route were served with its token, and which were not."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._came = 0.0
        self._served = False
        """A lane was served with the present token."""
        self._suspects: set[str] = set()
        """Lanes that were refused a token with which others were served: they never stop the route."""
        self._waiting = ""
        """The lane that was refused twice and waits for a witness."""
        self._until = 0.0

    def another(self) -> bool:
        """Note that another token came; return whether a lane leaves it to the others for `WITNESS` seconds."""
        self._came = self._clock.monotonic()
        self._served = False
        self._until = self._came + WITNESS
        return bool(self._waiting)

    def waits(self, lane: str) -> bool:
        """Return whether *lane* leaves it to the others to try this token."""
        return lane == self._waiting and self._clock.monotonic() < self._until

    def served(self, lane: str) -> bool:
        """Note that *lane* was served; return whether one that waited for that may go again."""
        self._served = True
        self._suspects.discard(lane)
        waited, self._waiting = self._waiting, ""
        self._suspects |= {waited} - {lane, ""}
        return bool(waited)

    def refused(self, lane: str, *, again: bool, alone: bool) -> Trouble:
        """
        Judge the refusal of *lane*.

        *again*: the same call was refused before; *alone*: the route has no other lane.
        """
        if self.waits(lane):
            return Trouble.KNOWN
        suspect = lane in self._suspects
        if (self._served and (again or suspect)) or (again and suspect):
            self._suspects.add(lane)
            return Trouble.LANE
        if self._waiting and not self._served and self._clock.monotonic() < max(self._came, self._until) + _NEW:
            self._waiting = lane
            return Trouble.ROUTE
        if not again:
            return Trouble.OLD
        self._waiting = lane
        if alone:
            return Trouble.ROUTE
        self._until = self._clock.monotonic() + WITNESS
        return Trouble.WAIT
