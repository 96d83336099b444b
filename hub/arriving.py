"""
What an agency tells or asks us, from the bytes that came to its reply: read, kept in one commit, then answered.

`web/inbound.py` brings it, `connectors.kit.inbox` knows the agency's words, `store/notices.py` keeps it. Whatever the
agency is told is true: `taken` and `seen` after the commit, `refused` when what came is kept for a person, `busy` when
nothing was kept, so that it comes again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from connectors.kit.exchange import WireReply
from connectors.kit.inbox import Inbox, Notice, NotTaken, Told, Understood, Way, WireNotice, reason_of
from connectors.kit.operation import Operation, differing
from connectors.kit.texts import LARGE
from hub.asked import Questions
from hub.errors import StoreUnavailable
from hub.files import of_agency
from hub.handling import Handling
from hub.security.sealing import Sealing
from hub.store.dead_notices import Found, Raw
from hub.store.notices import FULL_SECONDS, Arrival, KeptNotices, Owner
from mappings.canonical import MASK, canonical_name
from mappings.canonical.shape import is_personal, sealed_paths
from mappings.errors import Fault, MappingFailed
from monitoring.events import Observer

T = TypeVar("T")
Stir = Callable[[str], None]
"""Told the id of a call whose answer was `pending` when a notice about it came: this is the moment to ask again."""
KeepFiles: TypeAlias = Callable[[Mapping[str, bytes], str], Awaitable[None]]
"""Stores contents (id -> bytes) for a holder: `Files.keep`."""
AGAIN_SECONDS: Final = 5.0
"""After how long to come again when the store did not answer and gave no number."""
MAPPING: Final = "mapping"
AGREES: Final = "agrees"
_LONG_ENOUGH: Final = 8
"""Signs of a secret that is taken out of a body; a shorter one may stand there for something else."""
_SECRET_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})
_OURS: Final = ("dossier", "code")
"""Fields of a value that may hold the code of a dossier of ours."""


@dataclass(frozen=True, slots=True)
class Speaking:
    """An agency that may call us."""

    inbox: Inbox
    operations: Mapping[str, Operation]
    secrets: frozenset[str] = frozenset()
    """Values of its secret settings: what holds one of them is not kept."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of what an agency told, and whose it is."""

    told: Told
    arrival: Arrival
    faults: tuple[Fault, ...] = ()
    """Where it contradicts the call it belongs to: then it is not taken."""


@dataclass(frozen=True, slots=True)
class Kept:
    """All records of a push are on disk: of each, whether it is new."""

    new: Sequence[bool]

    @property
    def way(self) -> Way:
        """How the push ends for the agency: `seen` when it brought nothing new."""
        return "taken" if any(self.new) or not self.new else "seen"


@dataclass(frozen=True, slots=True)
class Answered:
    """What an agency is answered."""

    notice: str
    """Which of its notices it was; empty where not even that could be read."""
    way: Way
    reply: WireReply


@dataclass(frozen=True, slots=True)
class Reread:
    """What became of a dead notice that was read again."""

    became: str
    """`taken`, `seen`, `still_dead`, or `unknown`."""
    faults: Sequence[tuple[str, str]] = ()


class Arriving:
    """What all agencies tell and ask, at one node."""

    def __init__(
        self,
        agencies: Mapping[str, Speaking],
        store: KeptNotices,
        new_id: Callable[[], str],
        observer: Observer,
        keep_files: KeepFiles,
        sealing: Sealing,
        *,
        tell: Callable[[], None] = lambda: None,
        stir: Stir = lambda _: None,
        handling: Handling | None = None,
    ) -> None:
        """
        *keep_files* stores what came inside notices, before the notices that name it.

        *tell* is called when something new is on disk, *stir* when it is about a call that is pending.
        """
        self._agencies = agencies
        self._store = store
        self._new_id = new_id
        self._observer = observer
        self._keep_files = keep_files
        self._sealing = sealing
        self._tell = tell
        self._stir = stir
        self._handling = handling or Handling()
        self._questions = Questions(store.published)
        self._threads: dict[str, ThreadPoolExecutor] = {}
        self._closed = False

    def inbox(self, agency: str) -> Inbox | None:
        """Return how *agency* speaks to us; None: it does not, or there is no such agency."""
        speaking = self._agencies.get(agency)
        return speaking.inbox if speaking is not None else None

    async def push(self, agency: str, notice: str | None, came: WireNotice) -> Answered:
        """
        Take what *agency* sent to the address of *notice*; None: to the one for SOAP.

        Raises:
            KeyError: The agency has no such notice.
            StoreUnavailable: The hub stops; nothing was read.
        """
        inbox = self._agencies[agency].inbox
        read = await self._in_thread(
            agency, len(came.body), lambda: inbox.read(notice, came) if notice is not None else inbox.read_soap(came)
        )
        try:
            if isinstance(read, Understood) and inbox.notices[read.notice].kind == "question":
                return await self._answer(agency, read)
            return await self.take(agency, read, came)
        except StoreUnavailable as away:
            return self.answered(agency, read.notice, "busy", retry_after=away.retry_after or AGAIN_SECONDS)

    async def take(self, agency: str, read: Understood | NotTaken, came: WireNotice) -> Answered:
        """
        Keep what was *read* of what *came*, or what came itself where it cannot be taken.

        Raises:
            StoreUnavailable: The store did not answer; nothing was kept.
        """
        kept, cause = (await self.keep(agency, read), AGREES) if isinstance(read, Understood) else (read, MAPPING)
        if isinstance(kept, Kept):
            return self.answered(agency, read.notice, kept.way)
        if kept.way == "denied":
            return self.answered(agency, read.notice, "denied")
        known = self._agencies[agency].inbox.notices.get(read.notice)
        if known is None or known.kind == "notice":  # of a question nothing is kept: it is asked again
            found = Found(cause, [(fault.place, fault.rule) for fault in kept.faults])
            if not await self._store.dead.keep(self.raw(agency, read.notice, came), found):
                return self.answered(agency, read.notice, "busy", retry_after=FULL_SECONDS)
        return self.answered(agency, read.notice, "refused", reason=reason_of(kept.faults))

    async def keep(
        self, agency: str, read: Understood, dead: str | None = None, by: str = "", came_at: float | None = None
    ) -> Kept | NotTaken:
        """
        Find whose each record is, see that it agrees with the call it belongs to, and keep all of them or none.

        *dead* and *by*: as of `KeptNotices.take`; *came_at*: when it came that is read again.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        found = await self.find(agency, read, came_at)
        faults = tuple(fault for one in found for fault in one.faults)
        if faults:
            return NotTaken(read.notice, "refused", faults)
        await self.keep_files(found)
        new = await self._store.take([one.arrival for one in found], dead, by)
        self.kept(found, new)
        return Kept(new)

    async def find(self, agency: str, read: Understood, came_at: float | None = None) -> list[Record]:
        """
        Find whose each record is, and whether it agrees with the call it belongs to.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        speaking = self._agencies[agency]
        notice = speaking.inbox.notices[read.notice]
        found: list[Record] = []
        for place, told in enumerate(read.told):
            dossiers = _dossiers(told)
            named = told.refs or dossiers
            owner = await self._store.whose(agency, told.refs, dossiers) if named else None
            wrong = _disagreements(speaking.operations, notice.agrees, told, owner)
            faults = [Fault(f"told[{place}]/{path}" if len(read.told) > 1 else path, rule) for path, rule in wrong]
            found.append(Record(told, self._arrival(agency, read.notice, told, owner, came_at), tuple(faults)))
        return found

    async def keep_files(self, found: Sequence[Record]) -> None:
        """
        Store the files that came with records, for whose these are: what a notice names must be there when it is told.

        Raises:
            StoreUnavailable: The store did not answer; doing it again changes nothing.
        """
        for one in found:
            if one.told.files:
                caller = one.arrival.owner.caller if one.arrival.owner is not None else None
                await self._keep_files(one.told.files, caller or of_agency(one.arrival.agency))

    def kept(self, found: Sequence[Record], new: Sequence[bool]) -> None:
        """Let everybody hear of records that are on disk, and of each whether it is new."""
        if any(new):
            self._tell()
        for one in found:
            owner = one.arrival.owner
            if owner is not None and owner.pending and not self._notice(one).asked_after:  # else asking leads to asking
                self._stir(owner.call)
            if one.told.drift:
                self._observer.drift(one.arrival.agency, one.arrival.notice, one.told.drift)

    def _notice(self, record: Record) -> Notice:
        return self._agencies[record.arrival.agency].inbox.notices[record.arrival.notice]

    async def again(self, dead: str, by: str) -> Reread:
        """
        Read a dead notice with today's mapping, as if it came now from who sent it then.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        got = await self._store.dead.get(dead)
        if got is None or got[1].agency not in self._agencies:
            return Reread("unknown")
        raw = got[1]
        inbox = self._agencies[raw.agency].inbox
        body = self._sealing.opened_whole(raw.agency, raw.body)
        came = WireNotice(raw.headers, raw.query, body or b"")
        read = (
            await self._in_thread(raw.agency, len(raw.body), lambda: _read_again(inbox, raw.notice, came))
            if body is not None
            else NotTaken(raw.notice, "refused", (Fault("body", "is sealed with another key than `hub.sealing_key`"),))
        )
        cause, kept = (
            MAPPING,
            read if isinstance(read, NotTaken) else await self.keep(raw.agency, read, dead, by, got[0].came_at),
        )
        if isinstance(kept, Kept):
            return Reread(kept.way)
        if kept is not read:
            cause = AGREES
        faults = [(fault.place, fault.rule) for fault in kept.faults]
        await self._store.dead.still(dead, Found(cause, faults), by)
        return Reread("still_dead", faults)

    def answered(self, agency: str, notice: str, way: Way, *, reason: str = "", retry_after: float = 0.0) -> Answered:
        """Return that *agency* is answered this *way*, in its own words."""
        reply = self._agencies[agency].inbox.reply(notice, way, reason=reason, retry_after=retry_after)
        return Answered(notice, way, reply)

    def close(self) -> None:
        """Read nothing more that takes a thread. Idempotent."""
        self._closed = True
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)

    # --- Inside ------------------------------------------------------------------------------------------------------

    async def _answer(self, agency: str, read: Understood) -> Answered:
        inbox = self._agencies[agency].inbox
        question = inbox.notices[read.notice]
        found = await self._questions.answer(agency, question, [told.unique for told in read.told])
        if found.left is not None:
            self._observer.answers_left(agency, read.notice, found.left)
        if found.answer is None:
            return self.answered(agency, read.notice, "refused", reason=found.reason)
        answer = found.answer
        try:
            reply = await self._in_thread(agency, found.size, lambda: inbox.reply(read.notice, "taken", answer=answer))
        except MappingFailed as failed:
            self._observer.fault("answer", failed)
            return self.answered(agency, read.notice, "refused", reason=reason_of(failed.faults))
        return Answered(read.notice, "taken", reply)

    def _arrival(self, agency: str, notice: str, told: Told, owner: Owner | None, came_at: float | None) -> Arrival:
        kept = self._sealing.sealed(agency, told.value) if told.value is not None else None
        value = b"null" if kept is None else kept.__pydantic_serializer__.to_json(kept)
        return Arrival(
            self._new_id(), agency, notice, told.unique, canonical_name(type(told.value)) if told.value else None,
            b'{"value":%b,"refs":%b}' % (value, to_json(dict(told.refs))), told.refs, owner,
            self._handling.told(agency, notice, told.value, came_at),
        )  # fmt: skip

    def raw(self, agency: str, notice: str, came: WireNotice, asked: bytes = b"") -> Raw:
        """
        Return what is kept of a push, without what proves who sent it: that is not asked for when it is read again.

        *asked*: what was asked for, where it was fetched. Sealed whole where the agency tells something of this name, or of
        any, that has to be.
        """
        secrets = self._agencies[agency].secrets
        body = came.body
        for secret in secrets:
            if len(secret) >= _LONG_ENOUGH:
                body = body.replace(secret.encode(), MASK.encode())

        def harmless(named: Mapping[str, str]) -> dict[str, str]:
            return {
                name: text
                for name, text in named.items()
                if name not in _SECRET_HEADERS and not any(secret in text for secret in secrets)
            }

        notices = self._agencies[agency].inbox.notices
        models = [one.model for one in ([notices[notice]] if notice in notices else notices.values()) if one.model]
        if any(map(sealed_paths, models)):
            body = self._sealing.whole(agency, body)
        return Raw(self._new_id(), agency, notice, harmless(came.headers), harmless(came.query), body, asked)

    def asked_for(self, raw: Raw) -> Mapping[str, str]:
        """Return the key by which *raw* was fetched, where one is fetched at a time; what of it is personal is left out."""
        speaking = self._agencies.get(raw.agency)
        notice = speaking.inbox.notices.get(raw.notice) if speaking is not None else None
        if speaking is None or notice is None or notice.listed_by is None:
            return {}
        asked = speaking.operations[notice.fetched_by or ""].request
        open_ = {name for name in asked.model_fields if not is_personal(asked, name)}
        return {name: text for name, text in raw.query.items() if name in open_}

    async def _in_thread(self, agency: str, size: int, work: Callable[[], T]) -> T:
        """Do *work*, in the thread of this agency when it is about many bytes, so that it holds up nobody else."""
        if size <= LARGE:
            return work()
        if self._closed:
            raise StoreUnavailable("the hub stops", retry_after=AGAIN_SECONDS)
        threads = self._threads.get(agency)
        if threads is None:
            threads = self._threads[agency] = ThreadPoolExecutor(1, f"{agency}-inbox")
        return await asyncio.get_running_loop().run_in_executor(threads, work)


def _read_again(inbox: Inbox, notice: str, came: WireNotice) -> Understood | NotTaken:
    if notice and notice not in inbox.notices:
        return NotTaken(notice, "refused", (Fault("", "is no notice of this agency any more"),))
    return inbox.read_again(notice, came)


def _dossiers(told: Told) -> list[str]:
    fields = {} if told.value is None else vars(told.value)  # a model is slow to say that it has no such field
    named = [told.refs.get(name) or fields.get(name) for name in _OURS]
    return [name for name in dict.fromkeys(named) if isinstance(name, str) and name]


def _disagreements(
    operations: Mapping[str, Operation], fields: Sequence[str], told: Told, owner: Owner | None
) -> list[tuple[str, str]]:
    """Return what contradicts the call, by field; a notice that has to agree and belongs to no call agrees with none."""
    if not fields:
        return []
    sent = _sent(operations, owner)
    if owner is None or sent is None or told.value is None:
        return [("", "belongs to no call whose request is known here")]
    return [(path, "is not what the call said") for path in differing(fields, *sent, told.value)]


def _sent(operations: Mapping[str, Operation], owner: Owner | None) -> tuple[Operation, BaseModel] | None:
    operation = operations.get(owner.operation) if owner is not None else None
    if owner is None or owner.request is None or operation is None:
        return None
    try:
        return operation, operation.request.model_validate_json(owner.request)
    except ValidationError:  # written under a model of another version
        return None
