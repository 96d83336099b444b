"""
Whether the nodes share permits through Redis or each keeps to its share: a state of the whole group, agreed in its table.

Every node writes a line about itself every three seconds and reads those of the others. The group passes through four
phases, one after the other, and an epoch is the number of such steps. A step is taken by whoever sees first that it is
due; the next one only when every live node has taken the last. Whoever sees a newer epoch stops granting by the old one
at once. So no two nodes ever grant by different rules, and a node that lost Redis alone grants nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from hub.clock import Clock

BEAT = 3.0
"""Seconds between two lines of one node."""
FRESH = 8.0
"""Seconds after its last line for which a node may grant: less than `DEAD`, so that nobody takes its place before."""
DEAD = 12.0
"""Seconds without a line after which the others take a node for dead."""
WINDOW = 1.0
"""Seconds that a contract counts by, if it does not count by the minute."""
JOINING = 0
"""Epoch of a node that has not seen the others yet."""
_PHASES = 4
_SPARE = 1_000_000
"""Steps that a group may have taken more than minutes have passed; a first cycle is numbered by its minute."""


class Phase(IntEnum):
    """What the group does in an epoch, by the rest of the epoch's number divided by four."""

    REDIS = 0
    """Permits are shared through Redis."""
    LEAVING = 1
    """No node reaches Redis: nobody grants until all know."""
    SHARES = 2
    """Each node grants its share of what every contract allows."""
    RETURNING = 3
    """All reach Redis again: nobody grants until all know."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a node last wrote about itself."""

    node: str
    epoch: int
    reaches: bool
    """Whether it reaches Redis."""
    members: str
    """In `Phase.SHARES`: the nodes it shares with, as `names` writes them."""
    age: float
    """Seconds since it was written, by the store's clock."""


@dataclass(frozen=True, slots=True)
class Share:
    """This node's place among those that share: *rank* from 0, of *of* nodes."""

    rank: int
    of: int


def names(nodes: Sequence[str]) -> str:
    """Return *nodes* as all of them write the same set."""
    return " ".join(sorted(nodes))


class Epochs:
    """One node's view of the group. Pure: told of the lines after each beat, it says what to write and whether to grant."""

    def __init__(self, clock: Clock, node: str, window: float = WINDOW) -> None:
        """*window*: seconds by which the longest window of any contract is over, so that two epochs share none."""
        self.epoch = JOINING
        self.members = ""
        self._clock = clock
        self._node = node
        self._window = window
        self._asked_at = self._beat_at = float("-inf")
        self._whole_since: float | None = None
        self._agreed = False

    @property
    def phase(self) -> Phase:
        """What the group does, as far as this node knows."""
        return Phase(self.epoch % _PHASES)

    @property
    def cycle(self) -> int:
        """Return how often the group has left Redis and come back: what Redis held before counts no more."""
        return self.epoch // _PHASES

    def before_beat(self) -> None:
        """Note that this node's line is about to be written; after a long silence it joins anew."""
        self._asked_at = self._clock.monotonic()
        if self._asked_at - self._beat_at > FRESH:  # the others may take it for dead
            self._take(JOINING)

    def heard(self, lines: Sequence[Line], *, reaches: bool) -> bool:
        """
        Take in all *lines*, this node's own included; True: it has something to write at once.

        *reaches*: whether this node reaches Redis now.
        """
        before = self.epoch, self.members
        now, self._beat_at = self._clock.monotonic(), self._asked_at
        lines = [line for line in lines if JOINING <= line.epoch <= self._most()]
        others = [line for line in lines if line.node != self._node and line.age <= DEAD]
        if self.epoch == JOINING:
            self._take(self._joined(lines, [line for line in others if line.epoch != JOINING]))
        top = max((line.epoch for line in others), default=0)
        if top > self.epoch:
            self._take(top)
        live = [line for line in others if line.epoch != JOINING]
        whole = all(line.epoch == self.epoch for line in live)
        if self.phase is Phase.SHARES and not self.members:
            self.members = names([self._node, *(line.node for line in live)])
        self._agreed = whole and (self.phase is not Phase.SHARES or all(line.members == self.members for line in live))
        self._whole_since = (self._whole_since if self._whole_since is not None else now) if whole else None
        if whole:
            self._take(self._next(others, reaches, now))
        return (self.epoch, self.members) != before

    def grants(self) -> bool:
        """Return whether this node may grant now, by the rules of its phase."""
        fresh = self._clock.monotonic() - self._beat_at <= FRESH
        return fresh and self._agreed and self.phase in (Phase.REDIS, Phase.SHARES)

    def share(self) -> Share:
        """Return this node's share; asked in `Phase.SHARES`."""
        members = self.members.split()
        return Share(members.index(self._node), len(members))

    def _most(self) -> int:
        """Return the highest epoch that can be: who writes more than that is broken, and must not take the others along."""
        return _PHASES * int(self._clock.now() // 60) + _SPARE

    def _joined(self, lines: Sequence[Line], live: Sequence[Line]) -> int:
        """Return the epoch with which a node begins that knows nothing yet."""
        top = max((line.epoch for line in live), default=JOINING)
        if top != JOINING:
            return top
        last = max((line.epoch for line in lines), default=JOINING)
        if last == JOINING:  # a cycle that has never been: nothing in Redis can be of it
            return _PHASES * int(self._clock.now() // 60) + Phase.REDIS
        cycle, phase = divmod(last, _PHASES)
        if phase == Phase.REDIS:
            return last
        # All who had shares are gone; what they sent may still be on the way.
        return _PHASES * (cycle + (phase == Phase.RETURNING)) + Phase.RETURNING

    def _next(self, others: Sequence[Line], reaches: bool, now: float) -> int:
        """Return the epoch that is due now that every live node has taken this one."""
        someone = reaches or any(line.reaches for line in others)
        everyone = reaches and all(line.reaches for line in others)
        assert self._whole_since is not None  # noqa: S101 - asked when it is whole; narrows the type
        waited = now - self._whole_since > self._window
        match self.phase:
            case Phase.REDIS:
                return self.epoch if someone else self.epoch + 1
            case Phase.LEAVING:
                if everyone:
                    return self.epoch + 2
                return self.epoch + 1 if waited else self.epoch
            case Phase.SHARES:
                if everyone:
                    return self.epoch + 1
                strangers = names([self._node, *(line.node for line in others)]) != self.members
                return self.epoch + 3 if strangers or not self._may_agree(others) else self.epoch
            case Phase.RETURNING:
                if not someone:
                    return self.epoch + 2
                return self.epoch + 1 if waited else self.epoch

    def _may_agree(self, others: Sequence[Line]) -> bool:
        """Return False when another sees other members: a line without any is that of one which has not looked yet."""
        return all(line.members in ("", self.members) for line in others)

    def _take(self, epoch: int) -> None:
        if epoch != self.epoch:
            self.epoch = epoch
            self.members = ""
            self._whole_since = None
            self._agreed = False
