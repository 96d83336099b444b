"""A door with an engine that does what a test tells it, and two ways to knock: a client, and raw ASGI."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Annotated, Any, cast

import httpx2
import pytest
from pydantic import BaseModel, ConfigDict, Field

from connectors.kit.manifest import Inbound
from hub.arriving import Arriving, Speaking
from hub.call import Call, Class, Kind, Purpose, Reply, State, Submission
from hub.clock import VirtualClock
from hub.errors import AuthDenied, CallUnknown, HubError, PurposeMissing, StoreUnavailable
from hub.feed import Feed
from hub.files import Files
from hub.inbound import InboundGuard
from hub.outside import Outside
from hub.pushing.signing import Signing
from hub.pushing.subscribing import Subscribing
from hub.reaching import Reaching
from hub.security.identity import Caller
from hub.security.links import Links
from hub.security.quotas import Left
from hub.security.sealing import Sealing
from hub.shedding import Shedding
from hub.store.files import StoredFile
from hub.store.protocol import Record, Sought
from hub.store.registers import CallerRow
from hub.store.sqlite import SqliteStore
from hub.turn import Payer
from hub.web.answers import AnswerDoors, Asked
from hub.web.batch import BatchDoor
from hub.web.batch_results import BatchResults
from hub.web.calls import CallDoors, Locks
from hub.web.doors import Doors
from hub.web.files import FileDoors
from hub.web.handling import Counting, HandlingDoor
from hub.web.inbound import InboundDoors
from hub.web.named_files import NamedFiles
from hub.web.notices import NoticeDoors
from hub.web.seals import SealDoor
from hub.web.subscriptions import SubscriptionDoors
from mappings.canonical.complaints import ForwardedFeedback
from mappings.canonical.dossier import DossierQuery
from mappings.canonical.kinds import FileRef, FileUrl
from monitoring.events import Silent
from monitoring.health import Readiness
from tests.speaking import KEY as KEY_OF_AGENCY
from tests.speaking import Numbers, Spoken
from tests.unit.web.knocking import KEY, PURPOSE, Knock

ID = "01990a5e-8c1b-7cc3-98c4-dc0c0c07398f"
BATCH = "01990a5e-0000-7cc3-98c4-dc0c0c07398f"
FILE_BYTES = 1_000_000
NOON = 1_795_410_000.0
"""Noon of 23 November 2026 in Vietnam, for what counts by days."""
__all__ = ["KEY", "PURPOSE", "Knock"]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


KEY_OF_SEALS = "key-of-the-tests"


class Place(Strict):
    province: Annotated[str | None, Field(max_length=2)] = None


class Query(Strict):
    """Whom to look up."""

    citizen_id: Annotated[str, Field(pattern=r"^\d{12}$", description="Citizen id (số định danh)")]
    count: int = 0
    ratio: float = 0.0
    places: tuple[Place, ...] = ()
    numbers: tuple[int, ...] = ()
    notes: dict[str, str] = {}


class Paper(Strict):
    """What names files."""

    scan: FileRef | None = None
    pages: tuple[FileUrl, ...] = ()


class Person(Strict):
    """A person."""

    full_name: str


class Operation(Strict):
    model_config = ConfigDict(strict=True, frozen=True, arbitrary_types_allowed=True)
    kind: str
    personal_data: bool
    request: type[BaseModel]
    answer: type[BaseModel] | None

    def untold(self, request: BaseModel) -> list[tuple[str, str]]:
        """The agency cannot be told of a person of whom only zeros are known."""
        return [("/citizen_id", "says nobody")] if getattr(request, "citizen_id", "") == "0" * 12 else []


class FakeEngine:
    """Remembers what it was asked, and answers as told."""

    def __init__(self) -> None:
        self.refusal: Exception | None = None
        self.reply = Reply(
            ID, State.ANSWERED, b'{"result":"ok","value":{"full_name":"MAU"},"reason":null}', 1_795_400_000.5
        )
        self.hang: Callable[[], Awaitable[None]] | None = None
        self.admitted: list[tuple[Any, ...]] = []
        self.submitted: list[Submission] = []
        self.waited: list[tuple[str, str, float]] = []
        self.groups: list[list[Submission]] = []
        self.becomes: Callable[[Sequence[Submission]], Sequence[Reply | HubError]] | None = None
        self.accepted = 0
        self.records: list[Record] = []
        self.sought: list[Sought] = []

    def admit(
        self, agency: str, operation: str, cls: Class, payer: Payer, *, interactive: bool, seconds: float
    ) -> None:
        self.admitted.append((agency, operation, cls, interactive, seconds))
        if self.refusal is not None:
            raise self.refusal

    async def submit(self, submission: Submission) -> Reply:
        self.submitted.append(submission)
        if self.hang is not None:
            await self.hang()
        return self.reply

    async def submit_all(self, submissions: Sequence[Submission]) -> Sequence[Reply | HubError]:
        """Accept all of a group, unless a test says what becomes of it."""
        self.groups.append(list(submissions))
        if self.hang is not None:
            await self.hang()
        if self.becomes is not None:
            return self.becomes(submissions)
        return [Reply(f"{ID[:-6]}{self.number():06d}", State.QUEUED) for _ in submissions]

    def number(self) -> int:
        self.accepted += 1
        return self.accepted

    async def wait_for(
        self, call_id: str, caller: str, seconds: float, *, agency: str | None = None, through_pending: bool = False
    ) -> Reply:
        self._of(agency)
        self.waited.append((call_id, caller, seconds))
        return self.reply

    async def cancel(self, call_id: str, caller: str, *, agency: str | None = None) -> Reply:
        self._of(agency)
        if self.refusal is not None:
            raise self.refusal
        return Reply(call_id, State.CANCELLED)

    def _of(self, agency: str | None) -> None:
        if agency not in (None, "police"):
            raise CallUnknown

    async def find(self, sought: Sought) -> Sequence[Record]:
        self.sought.append(sought)
        return self.records


def caller_of(key: str) -> Caller | None:
    return {
        KEY: Caller("counter", frozenset({"*"}), Class.COUNTER),
        "bulk-key": Caller("mover", frozenset({"*"}), Class.BULK),
        "opening-key": Caller("inspector", frozenset({"police.sealed"}), Class.NORMAL),
        "one-notice-key": Caller("clerk", frozenset({"land.dossier_progressed"}), Class.NORMAL),
    }.get(key)


def check(caller: Caller, agency: str, operation: str, personal: bool, purpose: Purpose) -> None:
    if caller.name == "mover" and operation == "lookup_person":
        raise AuthDenied
    if personal and purpose.officer is None:
        raise PurposeMissing


class Quota:
    """Says what a test tells it is left."""

    def __init__(self) -> None:
        self.left = Left(0.0, 999, 10)
        self.taken: list[str] = []

    def take(self, caller: Caller) -> Left:
        self.taken.append(caller.name)
        return self.left


@pytest.fixture
def quota() -> Quota:
    return Quota()


@pytest.fixture
def refused() -> list[tuple[str, ...]]:
    """What the doors told the observer of calls that they refused."""
    return []


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def faults() -> list[BaseException]:
    return []


@pytest.fixture
def store_is() -> dict[str, Exception | None]:
    """Set `store_is["sick"]` to what the store raises."""
    return {"sick": None}


@pytest.fixture
async def store_of_calls() -> AsyncIterator[SqliteStore]:
    """What the doors read that ask a store themselves: batches and the feed."""
    store = SqliteStore.in_memory(VirtualClock(), backlog_calls={"police": 10_000, "tax": 10})
    yield store
    await store.close()


@pytest.fixture
async def feed(store_of_calls: SqliteStore) -> AsyncIterator[Feed]:
    feed = Feed(store_of_calls.feed, VirtualClock(), lambda what, error: None)
    yield feed
    await feed.stop()


class FakeFetching:
    """Remembers what is to be fetched, and stores a small file in its place."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.asked: list[tuple[str, str, str]] = []

    async def fetch(self, agency: str, url: str, caller: str) -> StoredFile:
        self.asked.append((agency, url, caller))

        async def content() -> AsyncIterator[bytes]:
            yield b"%PDF-1.7 fetched"

        return await self._files.take(content(), caller)


@pytest.fixture
def files(store_of_calls: SqliteStore) -> Files:
    numbers = itertools.count()
    return Files(store_of_calls.files, lambda: f"upload-{next(numbers):04}", file_bytes=FILE_BYTES)


@pytest.fixture
def link_clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def links(link_clock: VirtualClock) -> Links:
    return Links("signing-key-of-the-tests", "https://hub.example/", 7, link_clock)


@pytest.fixture
def fetching(files: Files) -> FakeFetching:
    return FakeFetching(files)


@pytest.fixture
def spoken() -> Spoken:
    """The words of the one agency that calls."""
    return Spoken()


@pytest.fixture
def came() -> list[tuple[str, ...]]:
    """What the observer was told of what agencies sent: agency, notice, decision."""
    return []


@pytest.fixture
def inbound(
    spoken: Spoken,
    came: list[tuple[str, ...]],
    store_of_calls: SqliteStore,
    feed: Feed,
    faults: list[BaseException],
    store_is: dict[str, Exception | None],
    files: Files,
) -> InboundDoors:
    class Watching(Silent):
        def inbound(self, agency: str, notice: str, decision: str) -> None:
            came.append((agency, notice, decision))

        def fault(self, what: str, error: BaseException) -> None:
            faults.append(error)

    clock = VirtualClock()
    numbers = itertools.count(1)
    contracts = {
        "land": Inbound(calls_per_second=500.0, calls_at_once=2, call_timeout=0.5, request_bytes=1_000_000),
    }
    arriving = Arriving(
        {"land": Speaking(spoken, {}, frozenset({KEY_OF_AGENCY}))},
        store_of_calls.notices,
        lambda: f"notice-{next(numbers)}",
        Watching(),
        files.keep,
        Sealing(KEY_OF_SEALS),
        tell=feed.stir,
    )
    guard = InboundGuard(contracts, clock, Shedding(clock), Watching())
    clock.advance(1000)  # long after the start; no time passes from now on, so a burst is all there is

    def bear() -> None:
        if isinstance(store_is["sick"], StoreUnavailable):
            raise store_is["sick"]

    return InboundDoors(arriving, guard, contracts, Watching(), clock.monotonic, bear)


@pytest.fixture
def doors(
    engine: FakeEngine,
    quota: Quota,
    faults: list[BaseException],
    refused: list[tuple[str, ...]],
    store_is: dict[str, Exception | None],
    store_of_calls: SqliteStore,
    feed: Feed,
    files: Files,
    links: Links,
    fetching: "FakeFetching",
    inbound: InboundDoors,
) -> Doors:
    class Listener(Silent):
        def fault(self, what: str, error: BaseException) -> None:
            faults.append(error)

        def admission(self, agency: str, cls: str, decision: str, reason: str) -> None:
            refused.append((agency, cls, decision, reason))

    async def store() -> None:
        if store_is["sick"] is not None:
            raise store_is["sick"]

    offered = {
        "police": {
            "lookup_person": Operation(kind=Kind.LOOKUP, personal_data=True, request=Query, answer=Person),
            "file_person": Operation(kind=Kind.FILING, personal_data=False, request=Query, answer=None),
            "file_paper": Operation(kind=Kind.FILING, personal_data=False, request=Paper, answer=None),
            "file_voice": Operation(kind=Kind.FILING, personal_data=False, request=ForwardedFeedback, answer=None),
            "file_link": Operation(kind=Kind.FILING, personal_data=False, request=Paper, answer=None),
            "lookup_place": Operation(kind=Kind.LOOKUP, personal_data=False, request=Query, answer=Place),
        },
        "tax": {},
        "land": {},
    }
    locks = Locks(caller_of, check, quota.take, Sealing(KEY_OF_SEALS))
    reaching = Reaching(_Registered(), offered, {"land": ["dossier_progressed", "bell_rung"]})
    named = NamedFiles(files, reaching, offered, {("police", "file_link")})
    calls = CallDoors(
        engine,
        engine.find,
        locks,
        offered,
        Listener(),
        named,
        request_bytes=1_000_000,
        random_bytes=lambda count: b"\x07" * count,
    )
    readiness = Readiness({"store": store}, lambda: 0.0)
    file_doors = FileDoors(
        files,
        named,
        cast(Any, fetching),
        links,
        locks,
        lambda: engine.admit("", "", Class.NORMAL, ("", ""), interactive=False, seconds=0.0),
        store_of_calls.note,
        file_bytes=FILE_BYTES,
    )
    batch = BatchDoor(
        engine,
        locks,
        offered,
        Listener(),
        named,
        request_bytes=1_000_000,
        random_bytes=lambda count: b"\x07" * count,
        new_id=lambda: BATCH,
    )
    return Doors(
        calls,
        readiness,
        Listener(),
        batch=batch,
        batch_results=BatchResults(store_of_calls.batches),
        files=file_doors,
        notices=NoticeDoors(feed, reaching),
        answers=AnswerDoors(
            store_of_calls.notices.published,
            {
                "land": {
                    "number_asked": Asked(Numbers, hands_out=True),
                    "procedures_asked": Asked(DossierQuery, hands_out=False),
                }
            },
            locks.count,
            request_bytes=1_000_000,
            left=lambda agency, question, left: None,
        ),
        inbound=inbound,
        operations=lambda: b'{"operations":[]}',
        openapi=b"{}",
        seals=SealDoor(locks, locks.sealing, store_of_calls.note),
        handling=HandlingDoor(Counting(store_of_calls.handling, ["land"], lambda: NOON), reaching, locks.count),
        subscriptions=SubscriptionDoors(
            Subscribing(
                store_of_calls.subscriptions,
                feed,
                reaching,
                Outside.receivers(["*.centre.example", "10.0.0.0/8"]),
                Signing("k" * 40),
                None,
                VirtualClock(),
                (f"01990a5e-8c1b-7cc3-98c4-{number:012x}" for number in itertools.count()).__next__,
            ),
            locks.count,
        ),
    )


class _Registered:
    """Callers with a key, as operators registered them."""

    def callers(self) -> list[CallerRow]:
        return []


@pytest.fixture
async def client(doors: Doors) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=doors)
    headers = {"authorization": f"Bearer {KEY}", "hub-purpose": PURPOSE}
    async with httpx2.AsyncClient(transport=transport, base_url="http://hub.example", headers=headers) as client:
        yield client


@pytest.fixture
def record() -> Callable[..., Record]:
    def make(state: State, result: str | None = None) -> Record:
        call = Call(
            id=ID, agency="police", operation="file_person", kind=Kind.FILING, cls=Class.NORMAL, interactive=False, caller="counter",
            purpose=Purpose(dossier="000.1"), fingerprint="f", accepted_at=1_795_400_000.0, deadline=0.0, due_at=0.0, step="file_person", state=state,
        )  # fmt: skip
        return Record(call, None, result, "", None)

    return make


@pytest.fixture
def knock(doors: Doors) -> Knock:
    return Knock(doors)
