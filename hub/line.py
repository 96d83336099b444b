"""
The line in front of one agency: who goes next. Next: `lane.py`, which takes from it.

Interactive and durable calls of each class stand in rows of their own. Rows take turns by their shares, so that no
class starves another, and a row without calls gives its turns away. Within a row it is first come, first served.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from pydantic import BaseModel

from connectors.kit.outcomes import Answered
from hub.call import Call, Class, Reply
from hub.guards.guard import Wanted


class Place(Enum):
    """Where a turn is. Only one part of the lane may move it at a time, and this says which."""

    LINE = "line"
    CLAIMING = "claiming"
    WIRE = "wire"
    PAUSE = "pause"
    """Interactive, between two attempts."""
    GONE = "gone"


@dataclass(slots=True, eq=False)
class Turn:
    """A call in its lane's memory: interactive until somebody answers it, durable while this node leases it."""

    call: Call
    request: BaseModel
    raw: bytes
    """The request as canonical JSON."""
    until: float
    """Monotonic: the deadline of an interactive call, the end of the lease of a durable one."""
    future: asyncio.Future[Reply] | None = None
    """Where the caller of an interactive call waits."""
    place: Place = Place.LINE
    repeat: bool = False
    """The next exchange sends again what was sent before, and pays from the retry budget."""
    verifies: bool = False
    """The next exchange looks up whether an `in_doubt` filing was done."""
    recorded: bool = False
    """An interactive call that the store knows."""
    stale: int = 0
    """Exchanges in a row that ended with credentials refused."""
    before: str = ""
    """The step before this one, whose manifest entry names this one under `then`."""
    answer: Answered | None = None
    """What the step before answered, to fill the next step's request."""
    overhead: float = 0.0
    """Seconds spent in the hub that were neither waiting nor agency."""
    timer: asyncio.TimerHandle | None = None
    cause: str = ""
    """How the last exchange failed, for the refusal if there is no time for another."""

    @property
    def interactive(self) -> bool:
        return self.future is not None

    def wanted(self) -> Wanted:
        return Wanted(self.call.step, self.call.cls, self.repeat)


SHARES: MappingProxyType[tuple[Class, bool], float] = MappingProxyType(
    {
        (Class.COUNTER, True): 40.0,
        (Class.COUNTER, False): 20.0,
        (Class.NORMAL, True): 20.0,
        (Class.NORMAL, False): 10.0,
        (Class.BULK, True): 7.0,
        (Class.BULK, False): 3.0,
    }
)
"""Share of each (class, interactive): 60/30/10 for the classes, and two thirds of each for people who wait."""


@dataclass(slots=True)
class _Row:
    share: float
    spent: float = 0.0
    """Exchanges taken, divided by the share: the row that has had least goes next."""
    turns: OrderedDict[str, Turn] = field(default_factory=OrderedDict)


class Line:
    """Turns that wait for a permit, by call id. A call stands in it once."""

    def __init__(self) -> None:
        self._rows = {key: _Row(share) for key, share in SHARES.items()}
        self._now = 0.0

    def __len__(self) -> int:
        return sum(len(row.turns) for row in self._rows.values())

    def __iter__(self) -> Iterator[Turn]:
        for row in self._rows.values():
            yield from list(row.turns.values())

    def count(self, *, interactive: bool) -> int:
        """Return how many interactive, or durable, calls wait."""
        return sum(len(row.turns) for (_, waits), row in self._rows.items() if waits is interactive)

    def counts(self) -> Iterator[tuple[Class, bool, int]]:
        """Yield class, interactive, and how many wait."""
        for (cls, interactive), row in self._rows.items():
            yield cls, interactive, len(row.turns)

    def join(self, turn: Turn, *, head: bool = False) -> None:
        """Let *turn* wait, last in its row or first."""
        row = self._row(turn)
        if not row.turns:
            row.spent = max(row.spent, self._now)  # a row that was empty has not saved anything up
        turn.place = Place.LINE
        row.turns[turn.call.id] = turn
        if head:
            row.turns.move_to_end(turn.call.id, last=False)

    def take(self) -> Turn | None:
        """Take out the turn that goes next, or None; it is `CLAIMING` until it is sent or put back."""
        best: _Row | None = None
        for row in self._rows.values():
            if row.turns and (best is None or row.spent < best.spent):
                best = row
        if best is None:
            return None
        turn = best.turns.popitem(last=False)[1]
        turn.place = Place.CLAIMING
        return turn

    def put_back(self, turn: Turn) -> None:
        """Return *turn*, which got no permit, to the head of its row; if its caller has left meanwhile, forget it."""
        if turn.place is not Place.CLAIMING:
            return
        row = self._row(turn)
        turn.place = Place.LINE
        row.turns[turn.call.id] = turn
        row.turns.move_to_end(turn.call.id, last=False)

    def send(self, turn: Turn) -> None:
        """Note that *turn* got its permit; its row has had its turn."""
        row = self._row(turn)
        self._now = max(self._now, row.spent)
        row.spent += 1.0 / row.share
        turn.place = Place.WIRE

    def leave(self, turn: Turn) -> bool:
        """Take *turn* out, wherever it stands; False if it is not in the line."""
        if self._row(turn).turns.get(turn.call.id) is not turn:
            return False
        del self._row(turn).turns[turn.call.id]
        turn.place = Place.GONE
        return True

    def _row(self, turn: Turn) -> _Row:
        return self._rows[turn.call.cls, turn.interactive]
