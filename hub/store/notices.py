"""
What agencies tell us, as the store keeps it: each record once, in the feed of whom it concerns. Next: `dead_notices.py`.

A push is written in one commit or not at all. By what a notice names (`references`, or a dossier of ours) it finds the
call it belongs to, and so its dossier and its caller.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from sqlalchemy import and_, bindparam, literal_column, select

from hub.call import BUILT_IN
from hub.errors import BacklogFull
from hub.handled import Handled
from hub.journal import Entry
from hub.store import handling
from hub.store.accepting import remember
from hub.store.batch import Batch
from hub.store.dead_notices import DeadNotices, DeadStatements, Found, Raw
from hub.store.dead_notices import keep as keep_dead
from hub.store.prepared import Prepared
from hub.store.published import Published
from hub.store.schema import bodies, calls, fixed, notices, references
from hub.store.statements import Statements
from hub.store.tables import Tables

FULL_SECONDS = 600.0
"""After how long to come again when a person has to make room first."""
TAKEN = "notice_taken"
"""Event of the journal entry that is written with each notice."""


@dataclass(frozen=True, slots=True)
class Owner:
    """What a notice belongs to."""

    dossier: str | None
    caller: str | None
    """Who made the call, or the newest one with this dossier; None: nobody but the hub itself."""
    call: str
    """Id of the call that brought the reference, or of the newest filing with this dossier; empty: it is not kept any more."""
    operation: str = ""
    pending: bool = False
    """The call was answered with `pending`: the hub asks on, and this may be the moment to ask."""
    request: bytes | None = None
    """Canonical request of the call as JSON; None: it was not kept."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One record of a push, to be kept."""

    id: str
    agency: str
    notice: str
    unique: str | None
    """What makes it the same when it comes again; None: it is new each time."""
    model: str | None
    """Canonical name of its value."""
    data: bytes
    """JSON `{value, refs}`."""
    refs: Mapping[str, str] = field(default_factory=dict)
    owner: Owner | None = None
    handled: Handled | None = None
    """What it says of the handling of a dossier, counted once."""


class KeptNotices(Protocol):
    """Every method raises `hub.errors.StoreUnavailable` when the store did not answer; then nothing was kept."""

    @property
    def dead(self) -> DeadNotices:
        """What could not be taken."""
        ...

    @property
    def published(self) -> Published:
        """What callers published to answer agencies' questions."""
        ...

    async def take(self, arrivals: Sequence[Arrival], dead: str | None = None, by: str = "") -> Sequence[bool]:
        """
        Keep all *arrivals* in one commit with their references and journal entries; say of each whether it is new.

        What came before under the same `unique` is not kept again. *dead* is the id of the dead notice that was read
        again *by* whom: it ends in the same commit.
        """
        ...

    def keeping(self, arrivals: Sequence[Arrival], dead: tuple[Raw, Found] | None) -> Callable[[Batch], Sequence[bool]]:
        """
        Return what keeps *arrivals*, and what could not be taken, as a part of a commit that writes more than these.

        It says of each arrival whether it is new, and raises `BacklogFull`, before anything is written, when the agency's
        share of dead notices is full.
        """
        ...

    async def whose(self, agency: str, refs: Mapping[str, str], dossiers: Sequence[str]) -> Owner | None:
        """
        Find the call to which a notice of *agency* belongs: by one of *refs*, in order, else by one of *dossiers*.

        A reference counts if the agency's word was remembered under the same name, a dossier if a call named it.
        """
        ...


class SqlNotices:
    """The `KeptNotices` of one store."""

    def __init__(self, tables: Tables) -> None:
        self._say = NoticeStatements(tables.statements)
        self._dead = DeadStatements(tables.statements)
        self._rows, self._write, self._read = tables.rows, tables.write, tables.read
        self.dead = DeadNotices(tables)
        self.published = Published(tables)

    async def take(self, arrivals: Sequence[Arrival], dead: str | None = None, by: str = "") -> Sequence[bool]:
        new: Sequence[bool] = await self._write("take_notices", take, self._say, arrivals, self._dead, dead, by)
        return new

    def keeping(self, arrivals: Sequence[Arrival], dead: tuple[Raw, Found] | None) -> Callable[[Batch], Sequence[bool]]:
        def keep(batch: Batch) -> Sequence[bool]:
            if dead is not None and not keep_dead(batch, self._dead, *dead):
                raise BacklogFull(f"{dead[0].agency} has as many dead notices as are kept", retry_after=FULL_SECONDS)
            return take(batch, self._say, arrivals, self._dead, None, "")

        return keep

    async def whose(self, agency: str, refs: Mapping[str, str], dossiers: Sequence[str]) -> Owner | None:
        owner: Owner | None = await self._read(self._whose, agency, refs, dossiers)
        return owner

    def _whose(self, agency: str, refs: Mapping[str, str], dossiers: Sequence[str]) -> Owner | None:
        for ours, theirs in refs.items():
            found = self._rows(self._say.referred, {"agency": agency, "ours": ours, "theirs": theirs})
            if found:
                return self._referred(agency, *found[0])
        for dossier in dossiers:
            owner = self._of_dossier(agency, dossier)
            if owner is not None:
                return owner
        return None

    def _referred(self, agency: str, dossier: str, call: str) -> Owner:
        """Return whose a reference is: of the call that brought it or, where that is the hub's own or gone, of its dossier."""
        rows = self._rows(self._say.call, {"call": call})
        if not rows:
            return self._of_dossier(agency, dossier) or Owner(dossier if dossier != call else None, None, "")
        owner = _owner(_Call(*rows[0]))
        if owner.caller is not None or owner.dossier is None:
            return owner
        others = self._of_dossier(agency, owner.dossier)
        return replace(owner, caller=others.caller if others is not None else None)

    def _of_dossier(self, agency: str, dossier: str) -> Owner | None:
        for statement in (self._say.filed, self._say.named):
            rows = self._rows(statement, {"dossier": dossier, "agency": agency})
            if rows:
                owner = _owner(_Call(*rows[0]))
                return owner if statement is self._say.filed else Owner(dossier, owner.caller, "")
        return None


class _Call(NamedTuple):
    id: str
    caller: str
    dossier: str | None
    operation: str
    state: str
    result: str | None
    request: bytes | None


def _owner(call: _Call) -> Owner:
    return Owner(
        call.dossier,
        None if call.caller == BUILT_IN else call.caller,
        call.id,
        call.operation,
        (call.state, call.result) == ("answered", "pending"),
        call.request,
    )


class NoticeStatements:
    """What is asked, compiled once."""

    def __init__(self, statements: Statements) -> None:
        prepare = statements.prepare
        same = (notices.c[name] == bindparam(name) for name in ("agency", "notice", "unique_key"))
        self.known: Prepared = prepare(select(notices.c.seq).where(*same))
        by_theirs = (references.c[name] == bindparam(name) for name in ("agency", "ours", "theirs"))
        self.referred: Prepared = prepare(
            select(references.c.dossier, references.c.call)
            .where(*by_theirs)
            .order_by(references.c.known_at.desc())
            .limit(literal_column("1"))
        )
        columns = [calls.c[name] for name in ("id", "caller", "dossier", "operation", "state", "result")]
        request = and_(bodies.c.call == calls.c.id, bodies.c.side == fixed("request"))
        call = select(*columns, bodies.c.bytes).select_from(calls.outerjoin(bodies, request))
        self.call: Prepared = prepare(call.where(calls.c.id == bindparam("call")))
        newest = call.where(calls.c.dossier == bindparam("dossier"), calls.c.caller != fixed(BUILT_IN))
        newest = newest.order_by(calls.c.seq.desc()).limit(literal_column("1"))
        filing = and_(calls.c.agency == bindparam("agency"), calls.c.kind == fixed("filing"))
        self.filed: Prepared = prepare(newest.where(filing))
        self.named: Prepared = prepare(newest)


def take(
    batch: Batch,
    say: NoticeStatements,
    arrivals: Sequence[Arrival],
    dead_say: DeadStatements,
    dead: str | None,
    by: str,
) -> list[bool]:
    """Keep what is new of *arrivals*."""
    batch.one_at_a_time(f"notice {one.agency} {one.notice} {one.unique}" for one in arrivals if one.unique is not None)
    new = [_take(batch, say, one) for one in arrivals]
    if any(new):
        batch.news.ended(arrivals[0].id)  # so that whoever listens at another node is told at once
    if dead is not None:
        batch.run(dead_say.drop, {"id": dead})
        batch.write(Entry(batch.now, "notice_replayed", caller=by, detail=dead))
    return new


def _take(batch: Batch, say: NoticeStatements, one: Arrival) -> bool:
    if one.unique is not None:
        key = {"agency": one.agency, "notice": one.notice, "unique_key": one.unique}
        if not batch.first_to_say(*key.values()) or batch.run(say.known, key).fetchone() is not None:
            return False
    owner = one.owner or Owner(None, None, "")
    batch.tell(
        {
            "id": one.id, "agency": one.agency, "notice": one.notice, "unique_key": one.unique,
            "dossier": owner.dossier, "caller": owner.caller, "call": owner.call or None, "received_at": batch.now,
            "bytes": one.data, "model": one.model,
        }
    )  # fmt: skip
    if owner.dossier is not None:
        remember(batch, owner.call or one.id, owner.dossier, one.agency, one.refs)
    handling.keep(batch, one.agency, one.id, one.handled)
    why = f"dossier={owner.dossier}" if owner.dossier is not None else None
    batch.write(
        Entry(
            batch.now, TAKEN, owner.call or None, owner.caller, agency=one.agency, operation=one.notice, purpose=why,
            detail=one.id,
        )
    )  # fmt: skip
    return True
