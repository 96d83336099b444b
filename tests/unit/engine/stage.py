"""A stage for the engine: an agency that plays what it is told, a store in memory, and virtual time."""

import asyncio
import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from random import Random
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict

from connectors.kit.exchange import Sources, WireRequest
from connectors.kit.inbox import Fetched, Inbox, Understood
from connectors.kit.manifest import Contract
from connectors.kit.operation import NoRecord, Operation
from connectors.kit.outcomes import Answered, InDoubt, Outcome, Result, StaleCredentials
from hub.call import Call, Class, Purpose, Reply, State, Submission, uuid7
from hub.clock import VirtualClock, run_virtual
from hub.coordination.in_process import InProcess
from hub.dispatcher import Dispatcher
from hub.feed import Feed
from hub.files import Files
from hub.guards.bounds import Bounds
from hub.lane import Lane
from hub.pressure import Pressure
from hub.route import Route, bounds_of
from hub.security.sealing import Sealing
from hub.shedding import Shedding
from hub.store.deciding import Act, Decision, Fate
from hub.store.sqlite import SqliteStore
from hub.surroundings import Surroundings
from hub.waiters import Waiters
from mappings.errors import Fault, MappingFailed
from monitoring.events import Silent

T = TypeVar("T")
OK = Answered(Result.OK)
CALLER = "one_stop"


class Query(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    citizen_id: str


class Paper(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    code: str
    title: str = "Giấy tờ"


class PaperQuery(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    code: str


def operation(name: str, kind: str, request: type[BaseModel], **given: Any) -> Operation:
    """Return an operation as the registry makes it, without the parts that only a connector uses."""
    facts: dict[str, Any] = {
        "answer": None, "sends": None, "returns": None, "personal_data": False, "repeat_safe": kind != "filing",
        "order_by": None, "fresh": None, "probe": False, "every": None, "then": {}, "then_requests": {}, "agrees": (),
        "sees_writes": False, "ref": {}, "judge": None, "unwrap": None, "wire": None,
    }  # fmt: skip
    return Operation(name=name, kind=cast(Any, kind), request=request, **{**facts, **given})


OPERATIONS = {
    one.name: one
    for one in (
        operation("lookup_citizen", "lookup", Query),
        operation("verify_citizen", "lookup", Query),
        operation("count_once", "lookup", Query, repeat_safe=False),
        operation("lookup_together", "lookup", Query, personal_data=True, alike=("officer.account",)),
        operation("lookup_price", "lookup", Query, alike=(), fresh=60.0),
        operation("lookup_paper", "lookup", PaperQuery, agrees=("code", "title")),
        operation("look_up_surely", "lookup", PaperQuery, agrees=("code", "title"), sees_writes=True),
        operation("file_paper", "filing", Paper, then={"in_doubt": "lookup_paper"}, then_requests={"in_doubt": PaperQuery}),
        operation("file_surely", "filing", Paper, then={"in_doubt": "look_up_surely"}, then_requests={"in_doubt": PaperQuery}),
        operation("file_blindly", "filing", Paper),
        operation("file_ordered", "filing", Paper, repeat_safe=True, order_by="code"),
        operation("update_paper", "filing", Paper, repeat_safe=True),
        operation(
            "upsert_paper", "filing", Paper, repeat_safe=True,
            then={"exists": "update_paper", "in_doubt": "lookup_paper"},
            then_requests={"exists": Paper, "in_doubt": PaperQuery},
        ),
    )
}  # fmt: skip
LOG_IN = operation("log_in", "login", Query)
HARMLESS = operation("list_codes", "lookup", NoRecord, probe=True)

CONTRACT: dict[str, Any] = {
    "calls_per_second": 1000.0, "calls_at_once": 4, "call_timeout": 10.0, "request_bytes": 1 << 20, "calls_per_day": 1_000_000,
    "queue_calls": 50, "queue_seconds": 60.0, "backlog_calls": 1000, "reply_bytes": 1 << 20,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Arrival:
    """What reached the agency: when, which operation, with which canonical request and sources."""

    at: float
    operation: str
    request: Any
    sources: Mapping[str, str | None]


class ScriptedAgency:
    """Plays `will[operation]` in order, each (seconds, outcome), then `otherwise`. Remembers every arrival."""

    def __init__(
        self, name: str, clock: VirtualClock, *, log_in: bool = False, harmless: bool = False, **contract: Any
    ) -> None:
        """*harmless*: it has an operation that may be used to try the ground."""
        self.name = name
        self.operations: Mapping[str, Operation] = (
            OPERATIONS | ({"log_in": LOG_IN} if log_in else {}) | ({"list_codes": HARMLESS} if harmless else {})
        )
        self.contract = Contract(**{**CONTRACT, **contract})
        self.clock = clock
        self.will: dict[str, deque[tuple[float, Outcome | StaleCredentials]]] = defaultdict(deque)
        self.otherwise: Callable[[str], tuple[float, Outcome | StaleCredentials]] = lambda _: (0.05, OK)
        self.sessions: deque[tuple[float, Mapping[str, str] | Outcome]] = deque()
        self.good: str | None = None
        """The session that the agency accepts; None: any."""
        self.unwritable: set[str] = set()
        self.inbox: Inbox | None = None
        self.pages: dict[str | None, Fetched] = {}
        """What polls bring, by cursor."""
        self.arrivals: list[Arrival] = []
        self.log_ins: list[float] = []
        self.now_here = 0
        self.most_here = 0
        self.closed = False

    def render(self, operation: str, request: BaseModel, sources: Sources, *, mask: bool = False) -> WireRequest:
        if operation in self.unwritable:
            raise MappingFailed([Fault("MaCanBo", "officer.account has no value")])
        assert isinstance(request, self.operations[operation].request)
        return WireRequest("POST", operation, {}, b"", False, masked=(request, sources))

    async def send(self, operation: str, wire: WireRequest, *, timeout: float) -> Outcome | StaleCredentials:  # noqa: ASYNC109
        request, sources = cast(tuple[BaseModel, Sources], wire.masked)
        self.arrivals.append(Arrival(self.clock.monotonic(), operation, request, sources))
        if self.good is not None and sources.get("auth.session") != self.good:
            return StaleCredentials()
        planned = self.will[operation]
        seconds, outcome = planned.popleft() if planned else self.otherwise(operation)
        self.now_here += 1
        self.most_here = max(self.most_here, self.now_here)
        try:
            await asyncio.sleep(min(seconds, timeout))
        finally:
            self.now_here -= 1
        return InDoubt("timeout") if seconds > timeout else outcome

    async def log_in(self, sources: Sources, *, timeout: float) -> Mapping[str, str] | Outcome:  # noqa: ASYNC109
        self.log_ins.append(self.clock.monotonic())
        seconds, told = self.sessions.popleft() if self.sessions else (0.1, {"auth.session": "s1"})
        await asyncio.sleep(min(seconds, timeout))
        if seconds > timeout:
            return InDoubt("timeout")
        if isinstance(told, Mapping):
            self.good = told["auth.session"]
        return told

    async def fetch(self, notice: str, wire: WireRequest, *, timeout: float) -> Fetched:  # noqa: ASYNC109
        """Send, and bring the page that `pages[cursor]` holds, where the answer is ok."""
        _, sources = cast(tuple[BaseModel, Sources], wire.masked)
        outcome = await self.send(wire.url, wire, timeout=timeout)
        if not isinstance(outcome, Answered) or outcome.result is not Result.OK:
            return Fetched(outcome)
        return replace(self.pages.get(sources["page.after"], Fetched(outcome, Understood(notice, ()))), outcome=outcome)

    async def close(self) -> None:
        self.closed = True

    def sent(self, *operations: str) -> list[str]:
        """Return what arrived, in order, of *operations* or of all."""
        return [one.operation for one in self.arrivals if not operations or one.operation in operations]


class Log(Silent):
    """Keeps what the engine told."""

    def __init__(self) -> None:
        self.ended: dict[str, tuple[str, str]] = {}
        self.exchanges: list[tuple[str, str, str, str]] = []
        self.faults: list[BaseException] = []
        self.holds: list[tuple[str, str]] = []
        self.route_holds: list[tuple[str, str]] = []
        self.admissions: Counter[tuple[str, str]] = Counter()
        self.numbers: dict[str, dict[str, float]] = {}
        self.overheads: list[float] = []

    def admission(self, agency: str, cls: str, decision: str, reason: str) -> None:
        self.admissions[decision, reason] += 1

    def exchange(
        self,
        call: str,
        agency: str,
        operation: str,
        outcome: str,
        blame: str,
        cause: str,
        seconds: float,
        traceparent: str,
    ) -> None:
        self.exchanges.append((operation, outcome, blame, cause))

    def call_ended(
        self, call: str, agency: str, operation: str, state: str, cause: str, overhead: float, traceparent: str
    ) -> None:
        earlier = self.ended.get(call, ("", ""))[0]
        assert earlier in ("", "in_doubt", "dead"), "only doubt and death are not the end"
        self.ended[call] = (state, cause)
        self.overheads.append(overhead)

    def hold(self, agency: str, cause: str, seconds: float | None) -> None:
        self.holds.append((agency, cause))

    def route_hold(self, route: str, cause: str, seconds: float | None) -> None:
        self.route_holds.append((route, cause))

    def lane(self, agency: str, numbers: dict[str, float]) -> None:
        self.numbers[agency] = numbers

    def route(self, route: str, numbers: dict[str, float]) -> None:
        self.numbers[f"route/{route}"] = numbers

    def fault(self, what: str, error: BaseException) -> None:
        self.faults.append(error)


@dataclass
class World:
    """A hub with one scripted agency, or several."""

    clock: VirtualClock
    store: Any
    agencies: dict[str, ScriptedAgency]
    log: Log = field(default_factory=Log)
    node: str = "node"
    life: int = 1

    def __post_init__(self) -> None:
        random = Random(self.life)  # another life makes other ids, though it may begin in the same millisecond
        bounds = {name: bounds_of(agency.contract, agency.operations) for name, agency in self.agencies.items()}
        self.coordination = self.coordinate(random, bounds)
        self.feed = Feed(self.store.feed, self.clock, self.log.fault)
        self.around = Surroundings(
            self.store, self.coordination, self.clock, random, self.log, people, self.node,
            lambda: uuid7(self.clock.now(), random.randbytes), Waiters(self.feed.stir),
            Files(self.store.files, lambda: uuid7(self.clock.now(), random.randbytes), file_bytes=1_000_000),
            Sealing("key-of-the-tests"),
        )  # fmt: skip
        self.routes: list[Route] = []
        self.lanes = {name: self.lane_of(agency) for name, agency in self.agencies.items()}
        self.shedding = Shedding(self.clock, queued_bytes=1000)
        self.pressure = Pressure(self.clock)
        self.hub = Dispatcher(self.lanes, self.around, self.shedding, self.routes, self.pressure)
        self.agency = next(iter(self.agencies.values()))
        self.lane = next(iter(self.lanes.values()))
        self._keys = itertools.count()

    def coordinate(self, random: Random, bounds: Mapping[str, Bounds]) -> InProcess:
        """Make what grants permits. Overridden where lanes share a route."""
        return InProcess(self.clock, random, bounds)

    def lane_of(self, agency: ScriptedAgency) -> Lane:
        """Make a lane. Overridden likewise."""
        return Lane(agency, self.around)

    def again(self) -> "World":
        """Return the next life of this hub: the same store and agencies, nothing in memory."""
        life = type(self)(self.clock, self.store, self.agencies, Log(), self.node, self.life + 1)
        life._keys = self._keys
        return life

    def submission(self, operation: str, request: BaseModel, **given: Any) -> Submission:
        filing = self.agency.operations[operation].kind == "filing"
        facts: dict[str, Any] = {
            "agency": self.agency.name, "caller": CALLER, "cls": Class.NORMAL,
            "purpose": Purpose("o1", "u1", "H32-1"), "wait": None if filing else 30.0,
            "idempotency_key": f"k{next(self._keys)}" if filing else None,
        }  # fmt: skip
        return Submission(
            operation=operation, request=request, request_json=request.model_dump_json().encode(), **{**facts, **given}
        )

    async def ask(self, operation: str = "lookup_citizen", **given: Any) -> Reply:
        """Look somebody up and wait."""
        return await self.hub.submit(self.submission(operation, Query(citizen_id="000123456789"), **given))

    async def file(self, operation: str = "file_paper", code: str = "H32-1", **given: Any) -> Reply:
        """File something: a ticket, unless *wait* is given."""
        return await self.hub.submit(self.submission(operation, Paper(code=code), **given))

    async def state(self, reply: Reply | str) -> tuple[State, str]:
        """Return state and cause of a call as the store has it."""
        record = await self.store.get(reply if isinstance(reply, str) else reply.call)
        assert record is not None
        return record.call.state, record.cause

    async def decide(self, reply: Reply | str, act: Act, **more: Any) -> Fate:
        """Let a person decide about a call, and say what became of it."""
        call = reply if isinstance(reply, str) else reply.call
        (told,) = await self.hub.decide([call], Decision(act, "cb-014", "đã gọi điện hỏi", **more))
        return told.fate

    async def call(self, reply: Reply | str) -> Call:
        record = await self.store.get(reply if isinstance(reply, str) else reply.call)
        return cast(Call, record.call)


def people(call: Call, agency: str, day: date) -> Mapping[str, str | None]:
    return {
        "officer.id": call.purpose.officer,
        "officer.account": f"{agency}-{call.purpose.officer}",
        "unit.id": "u1",
        "unit.code": "H32",
    }


def play(
    scenario: Callable[[Any], Awaitable[T]],
    *,
    names: tuple[str, ...] = ("agency",),
    start: bool = True,
    world: type[World] = World,
    **given: Any,
) -> T:
    """Run *scenario* with a started hub, stop it, and make sure that nothing of it was left over."""
    clock = VirtualClock()
    clock.advance(1000)

    async def run() -> T:
        agencies = {name: ScriptedAgency(name, clock, **given) for name in names}
        store = SqliteStore.in_memory(
            clock, backlog_calls={name: one.contract.backlog_calls for name, one in agencies.items()}
        )
        life = world(clock, Flaky(store), agencies)
        if start:
            await life.hub.start()
        result = await scenario(life)
        if start:
            await life.hub.stop(60.0)
            assert life.coordination.out() == 0, "every permit came back"
            assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
        await store.close()
        return result

    return run_virtual(run(), clock)


class Flaky:
    """A store that fails, waits or is watched where a test says so."""

    def __init__(self, store: Any) -> None:
        """Take a store, or a part of one."""
        self._store = store
        self._parts: dict[str, Flaky] = {}
        self.before: dict[str, Callable[[], Awaitable[None]]] = {}
        self.after: dict[str, Callable[[], Awaitable[None]]] = {}
        self.asked: Counter[str] = Counter()
        self.cut = False
        """A process that was killed writes nothing more."""

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name in ("batches", "feed", "files", "polls"):
            part = self._parts.setdefault(name, Flaky(method))
            part.cut = self.cut
            return part
        if not callable(method):
            return method

        async def asked(*args: Any, **kwargs: Any) -> Any:
            if self.cut:
                raise asyncio.CancelledError
            self.asked[name] += 1
            if name in self.before:
                await self.before[name]()
            result = await method(*args, **kwargs)
            if name in self.after:
                await self.after[name]()
            return result

        return asked
