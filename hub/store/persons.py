"""
What the engine and the doors may ask of a store about what needs a person: calls in doubt, and dead letters.

`deciding.py` is the law of a decision; `asking.py` asks the tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from hub.call import State
from hub.journal import Entry
from hub.store.deciding import Decided, Decision
from hub.store.protocol import Record


@dataclass(frozen=True, slots=True)
class Which:
    """Which calls are meant: those in *state*, `in_doubt` or `dead`, for which every given field matches."""

    state: State
    agency: str | None = None
    cause: str | None = None
    since: float | None = None
    """Only those that came to stand there at this moment or later, Unix seconds."""


class Mark(NamedTuple):
    """Where a page ends."""

    agency: str
    due_at: float
    seq: int


class Stuck(NamedTuple):
    """A call that needs a person, or that the hub still looks up."""

    record: Record
    since: float
    """When it came to stand there."""
    mark: Mark


class Toll(NamedTuple):
    """How many calls of one agency came to stand there for one cause."""

    agency: str
    cause: str
    calls: int


class Needing(NamedTuple):
    """How much of one agency needs a person."""

    dead: int = 0
    """Calls and dead notices together."""
    in_doubt: int = 0
    pending: int = 0
    """Answers that are pending and that nobody asks after any more."""


class Exchanged(NamedTuple):
    """One exchange of a call."""

    no: int
    step: str
    """The operation that went out: of a verification, the look-up."""
    node: str
    sent_at: float
    outcome: str | None
    """None: still on the wire, as far as anybody knows."""
    cause: str | None
    seconds: float | None


class Reference(NamedTuple):
    """What an agency calls a thing of ours."""

    ours: str
    theirs: str
    call: str
    """Which call brought it."""
    known_at: float


class InTheWay(NamedTuple):
    """The call of the same order key that has to be settled first."""

    call: str
    state: str
    cause: str


@dataclass(frozen=True, slots=True)
class Case:
    """All that is kept of one call."""

    record: Record
    since: float | None
    """When it came to stand where it stands, if that lasts."""
    request: bytes | None
    """Canonical request as JSON: personal data. None: it was not kept."""
    digest: str
    """SHA-256 of the request in hex."""
    size: int
    exchanges: Sequence[Exchanged]
    references: Sequence[Reference]
    decisions: Sequence[Entry]
    """Entries of the journal: who decided (`caller`), when, what and why (`detail`)."""
    in_the_way: InTheWay | None
    """The oldest call of the same order key that stands before it."""
    holds_up: int
    """How many younger calls of the same order key wait for it."""


class Persons(Protocol):
    """Every method raises `hub.errors.StoreUnavailable` when the store did not answer."""

    async def needing(self) -> dict[str, Needing]:
        """Count by agency; one that is not there needs nobody. Reads an index, not the calls: for every scrape."""
        ...

    async def tolls(self, which: Which) -> Sequence[Toll]:
        """
        Count *which* by agency and cause, the most frequent cause of each agency first.

        Reads each of those calls, a slice at a time: what moves meanwhile may be counted or not.
        """
        ...

    async def page(self, which: Which, limit: int, after: Mark | None = None) -> Sequence[Stuck]:
        """
        List *which* by agency: those that nothing but a person can move first, then the newest.

        *after*: the mark of the last one of the page before. A call that is moved meanwhile changes no other's place.
        """
        ...

    async def case(self, call: str) -> Case | None:
        """Return all that is kept of one call, None when there is no such call."""
        ...

    async def decide(self, of: Sequence[str], decision: Decision) -> Sequence[Decided]:
        """
        Carry out *decision* for each call, all in one commit with what the journal says of it.

        A call that is sent again keeps its place among those of its order key, and its attempts begin anew.
        """
        ...
