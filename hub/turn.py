"""
A call in its lane's memory: what waits in `line.py`, and what an exchange is made of.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from pydantic import BaseModel

from connectors.kit.inbox import Fetched
from connectors.kit.outcomes import Answered
from hub.call import Call, Class, Reply
from hub.guards.guard import Wanted

Payer: TypeAlias = tuple[str, str]
"""Caller and unit: between these a lane is shared fairly. A unit that is not named is a unit of its own."""


Wish: TypeAlias = tuple[str, Class, bool]
"""Operation, class, and whether it repeats what was sent before: what guards stop or let go alike, whoever asks."""


@dataclass(slots=True)
class Fetches:
    """One page of notices that a call brings, or a list of what another is to be asked for."""

    notice: str | None
    """None: it lists, and is read like any look-up."""
    cursor: str | None = None
    """After which notice it begins; None: from the first."""
    key: Mapping[str, str] = field(default_factory=dict)
    """What is asked for, where it was listed."""
    brought: Fetched | None = None
    """What came, once it did."""


class Place(Enum):
    """Where a turn is. Only one part of the lane may move it at a time, and this says which."""

    LINE = "line"
    CLAIMING = "claiming"
    WIRE = "wire"
    PAUSE = "pause"
    """Interactive, between two attempts."""
    FOLLOWS = "follows"
    """Interactive, waiting for the answer to another call that asks the same (`single_flight.py`)."""
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
    budget: float = 0.0
    """Seconds for which that caller was ready to wait in all."""
    place: Place = Place.LINE
    joined: int = 0
    """Rises with every turn that joins the line: who came first."""
    since: float = 0.0
    """Monotonic: when it last joined the line."""
    stands: float = 0.0
    """The same, or the end of the last stop since: nobody stands in a queue because a lane is held."""
    charged: float = 0.0
    """Seconds at the agency that were guessed when it left, and are put right when it is back."""
    repeat: bool = False
    """The next exchange sends again what was sent before, and pays from the retry budget."""
    asks_after: bool = False
    """The next exchange looks up whether an `in_doubt` filing was done, or how what was `pending` ended."""
    pending_since: float | None = None
    """Of an answer that is `pending`: when it came, Unix seconds. The next exchange looks up how it ended."""
    fetches: Fetches | None = None
    """
    What an agency has to tell is looked up, one page of it. Of one that asks after a call: what it says is told as this
    notice.
    """
    once: bool = False
    """The hub's own look-up, which goes once, whatever comes of it: the next one is soon enough."""
    recorded: bool = False
    """An interactive call that the store knows."""
    stale: int = 0
    """Exchanges in a row that ended with credentials refused."""
    turned_away: int = 0
    """Likewise, with the token of the route refused by its gateway."""
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

    @property
    def wish(self) -> Wish:
        """Return what its next exchange is to the guards that stop some exchanges and not others."""
        return self.call.step, self.call.cls, self.repeat

    @property
    def payer(self) -> Payer:
        return self.call.caller, self.call.purpose.unit or ""

    def wanted(self, now: float) -> Wanted:
        """Return the wish for this turn's next exchange at *now*, monotonic seconds."""
        left = self.until - now if self.interactive else None
        return Wanted(self.call.step, self.call.cls, self.repeat, left, self.budget)
