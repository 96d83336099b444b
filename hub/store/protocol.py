"""
What the engine may ask of a store. Read `schema.py` for the tables and `writer.py` for how commits are grouped.

A store promises: what `accept` returned is on disk; at most one node holds a call at a time; what a late or fenced
settle says is never applied over newer truth. Every method raises `StoreUnavailable` when the store did not answer;
then nothing of that method was applied, or it will be found applied on reading back.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from hub.call import Call, Class, State
from hub.errors import IdempotencyConflict
from hub.handled import Handled

if TYPE_CHECKING:
    from hub.store.batches import KeptBatches
    from hub.store.persons import Persons


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of an `accept`."""

    call: Call
    new: bool
    """False: the same caller sent the same key and the same request before; `call` is that call, in any state."""


@dataclass(frozen=True, slots=True)
class Leased:
    """A durable call this node may send until `until` (store clock), with its canonical request as JSON bytes."""

    call: Call
    request: bytes
    until: float
    by_person: bool = False
    """A person sends it again, and it has not left since: it pays from no budget of retries."""
    since: float | None = None
    """Of one that is asked after: when it came to be in doubt, or pending. Unix seconds."""
    answer: bytes | None = None
    """Of one that is pending: what its caller was answered so far."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an exchange ended for its call, applied in one commit with its exchange row."""

    call_id: str
    fence: int
    exchange_no: int
    state: State
    outcome: str
    """Name of the outcome class in snake_case: `answered`, `busy`, `unavailable`, `in_doubt`, `broken`, `unsent`, `stale`."""
    cause: str = ""
    seconds: float = 0.0
    attempt: bool = False
    """True adds one to `attempts`."""
    due_at: float | None = None
    """When `state` is queued: not before this moment. When it is in doubt or pending: when it is asked after."""
    step: str | None = None
    """When `state` is queued: the operation whose exchange comes next, if it changes."""
    answer: bytes | None = None
    """Reply to the caller as JSON `{result, value, reason}`; kept for durable calls, digest and size otherwise."""
    result: str | None = None
    refs: dict[str, str] = field(default_factory=dict)
    """Our key -> their key, remembered in `references` with the call's dossier."""
    handled: Handled | None = None
    """What is counted of its dossier, if the agency says that it did what was asked."""


@dataclass(frozen=True, slots=True)
class Shared:
    """An answer that other calls hear without an exchange of their own."""

    call: str
    """Whose exchange brought it."""
    answer: bytes
    """JSON `{result, value, reason}`."""
    result: str
    cause: str
    answered_at: float
    """When the agency said so."""
    refs: Mapping[str, str] = field(default_factory=dict)
    """Our key -> their key, remembered with the dossier of each call that hears it."""


@dataclass(frozen=True, slots=True)
class Follower:
    """An interactive look-up that hears a `Shared` answer, with digest and size of its own request."""

    call: Call
    digest: str
    size: int


class Settled(StrEnum):
    """What became of a settle."""

    APPLIED = "applied"
    LATE_EVIDENCE = "late_evidence"
    """Old fence, but the call was `in_doubt` by this same exchange: applied and journaled."""
    REFUSED = "refused"
    """Old fence and a newer exchange began, or the move is not allowed: nothing changed."""


@dataclass(frozen=True, slots=True)
class Record:
    """A call as its caller sees it: the call, its answer if any, and when it was answered."""

    call: Call
    answer: bytes | None
    result: str | None
    cause: str
    answered_at: float | None


@dataclass(frozen=True, slots=True)
class Occupied:
    """An exchange that may still occupy the agency: unsettled, or cut, and younger than 1.5 x call_timeout."""

    call_id: str
    agency: str
    sent_at: float


@dataclass(frozen=True, slots=True)
class Recovered:
    """What `recover` did with the rows a dead node left `sending`, and with interactive rows left `queued`."""

    expired: int = 0
    queued: int = 0
    in_doubt: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Sought:
    """Filter of `find`: every given field must match."""

    caller: str | None = None
    agency: str | None = None
    dossier: str | None = None
    key: str | None = None
    state: State | None = None
    limit: int = 100
    before: str | None = None
    """Only calls with a smaller id (older): the id of the last row of the page before."""


@dataclass(frozen=True, slots=True)
class News:
    """What another node on the same store committed."""

    ready: Mapping[str, frozenset[Class]] = field(default_factory=dict)
    """By agency: classes of which durable calls may be leased that could not be before."""
    ended: tuple[str, ...] = ()
    """Ids of durable calls that are neither queued nor on the wire any more: whoever waits for one reads it."""
    doubt: frozenset[str] = frozenset()
    """Agencies with another call in doubt."""
    orders: bool = False
    """What operators ordered changed."""
    registers: bool = False
    """Callers, officers or units changed."""
    missed: bool = False
    """Nobody knows what was told before this moment: look at everything. Said whenever listening begins, or begins anew."""


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A process that serves this store, as it last said. Moments are Unix seconds of the clock that it goes by."""

    node: str
    started_at: float
    seen_at: float
    epoch: int
    """Of the coordination, as the node last knew it."""
    reaches: bool
    """Whether it reaches Redis."""
    version: str
    members: str = ""
    """While each node keeps to its share: with whom this one shares."""


class Store(Protocol):
    """Durable truth about calls. Implementations pass `tests/contract/test_store_*.py`."""

    @property
    def batches(self) -> "KeptBatches":
        """Durable calls that were handed in together."""
        ...

    @property
    def persons(self) -> "Persons":
        """What needs a person, and what is decided about it."""
        ...

    async def accept(self, call: Call, request: bytes) -> Accepted:
        """
        Record a durable call, with its request body, before its 202. Returns after the commit.

        The same (caller, agency, operation, idempotency key) with the same fingerprint attaches to the existing call.

        Raises:
            hub.errors.IdempotencyConflict: The same key came with another request.
            hub.errors.BacklogFull: The agency's backlog is at *its* bound (given to the constructor per agency).
        """
        ...

    async def open(self, call: Call, node: str, digest: str, size: int) -> int:
        """Insert an interactive call as `sending`, exchange 1, leased by *node*, keeping only digest and size; return 1."""
        ...

    async def follow(self, shared: Shared, followers: Sequence[Follower]) -> Sequence[IdempotencyConflict | None]:
        """
        Insert *followers* as `answered` in one commit, each with a row and a journal entry that names the other call.

        No exchange is recorded and none is counted for the day. Return for each None, or what kept it from being
        recorded, and so from hearing: the same key came with another request.
        """
        ...

    async def lease(
        self, agency: str, node: str, want: Mapping[Class, int], ttl: float, without: Collection[str] = ()
    ) -> Sequence[Leased]:
        """
        Take due durable calls of *agency* for *ttl* seconds: of each class up to *want*, at most one per order key.

        In a class it goes round the payers, oldest call first, from lease to lease: nobody gives a second one before
        each who has any that is ready gave one. Fewer of a class than wanted means that no more of it is ready.

        A key whose older call is queued, sending, in doubt or dead gives nothing newer. Each lease raises the fence.
        Calls whose next step is one of *without* stay where they are: what is stopped must not be taken and given back
        again and again, however much of it there is.
        """
        ...

    async def renew(self, node: str, calls: Sequence[str], ttl: float) -> Sequence[str]:
        """Extend leases; return the ids that are still this node's."""
        ...

    async def give_back(self, node: str, calls: Sequence[str], due_at: float | None = None) -> None:
        """
        End leases of calls that were not sent; their attempts stay.

        They are ready again at once, or not before *due_at*: calls of an operation that is held for a while must not
        fill what a node leases ahead, or the other operations of the lane would wait with them.
        """
        ...

    async def begin(self, call_id: str, fence: int, node: str) -> int | None:
        """
        Write `sending` and an exchange row, only if the call is still queued under *fence*; return the exchange number.

        None: somebody else moved it; give the permit back unsent. Also serves an interactive call between attempts.
        """
        ...

    async def begin_asking(self, call_id: str, node: str, step: str | None = None) -> tuple[int, int] | None:
        """
        Record an exchange that asks after a call, raising its fence; return (fence, exchange number).

        None: it is neither in doubt nor pending any more, or another node asks. *step* is the look-up that goes out, for
        who reads later what was done; None: nothing does.
        """
        ...

    async def settle(self, settlement: Settlement) -> Settled:
        """Apply how an exchange ended, in one commit with its exchange row, references, answer and journal entry."""
        ...

    async def end(self, call_id: str, state: State, cause: str) -> bool:
        """End a call that has no exchange on the wire: `expired`, `dead`; False if it moved meanwhile."""
        ...

    async def cancel(self, call_id: str, caller: str) -> State | None:
        """Cancel if queued and not interactive-in-flight; return the state it is in afterwards, None if unknown to *caller*."""
        ...

    async def get(self, call_id: str, caller: str | None = None) -> Record | None:
        """Read one call; with *caller*, only its own."""
        ...

    async def find(self, sought: Sought) -> Sequence[Record]:
        """List calls, newest first, without their answers: `get` brings one."""
        ...

    async def asking_due(self, agency: str, not_after: float, limit: int) -> Sequence[Leased]:
        """
        List durable calls that are in doubt, or whose answer is `pending`, and that fall due until *not_after*.

        Those that fell due first come first; none that somebody asks after just now.
        """
        ...

    async def ask_now(self, call_id: str) -> str | None:
        """
        Let a durable call whose answer is `pending` fall due at once, whenever it was to; return its agency, else None.

        One that is being asked after falls due again as soon as that look-up has ended without telling its end.
        """
        ...

    async def recover(self, node: str, *, starting: bool = True) -> Recovered:
        """
        Apply the crash rules of design section 5 to rows with ended leases and, when *starting*, to rows of *node*.

        A node that runs asks with `starting=False`, or it would take its own calls for those of a former life.
        """
        ...

    async def occupied(self, since: float) -> Sequence[Occupied]:
        """List exchanges begun after *since* that may still run at their agency, to rebuild ghost slots."""
        ...

    async def sent_on_day(self, agency: str, day: str) -> int:
        """Count exchanges begun on *day* (`yyyy-mm-dd`, +07:00) for the day quota."""
        ...

    async def backlog(self, agency: str) -> int:
        """Count durable calls of *agency* that are queued or sending."""
        ...

    async def next_due(self, agency: str, after: float = 0.0, without: Collection[str] = ()) -> float | None:
        """
        Return the earliest due_at later than *after* of calls that `lease` could give then, or None.

        Calls that somebody has leased do not count. *without*: as for `lease`.
        """
        ...

    async def remembered(self, dossier: str, agency: str) -> Mapping[str, str]:
        """Return what `refs` of settlements said of *dossier* (of a call without one: its id): our key -> their key."""
        ...

    def listen(self, heard: Callable[[News], None]) -> None:
        """
        Call *heard* in the running loop with what other nodes commit from now on, never with what this one does.

        Where nobody else writes the store, it is never called. To be asked for once.
        """
        ...

    async def time(self) -> float:
        """Return the time of the store in Unix seconds: the database server's, where several nodes share one."""
        ...

    async def beat(self, mine: NodeRow) -> Sequence[NodeRow]:
        """Write that this node lives, at this moment whatever `seen_at` says; return what all nodes wrote last."""
        ...

    async def depart(self, node: str) -> None:
        """Forget *node*, which stops in order."""
        ...

    async def inherit(self, dead: str) -> int:
        """
        Let calls be leased again that *dead* had leased and not sent; return how many.

        Their fences rise: should it live after all, it finds that they are no longer its own. Interactive look-ups end
        with it, as nobody hears their answers. What else it was sending stays as it is until the lease ends; then
        `recover` knows what to do.
        """
        ...

    async def close(self) -> None: ...
