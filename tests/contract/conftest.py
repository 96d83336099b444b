"""What the contract suites share: a store in each of its forms, under a clock that tests move."""

import itertools
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench.servers import Redis
from hub.call import Call, Class, Kind, Purpose, State, uuid7
from hub.clock import VirtualClock
from hub.store.deciding import Act, Decision, Fate
from hub.store.migrate import migrate
from hub.store.postgres import PostgresStore
from hub.store.protocol import Leased, Record, Settled, Settlement
from hub.store.sql_store import SqlStore
from hub.store.sqlite import SqliteStore
from tests.contract.groups import Nodes

AGENCY = "npsp"
NODE = "node-1"
BOUND = 64


@dataclass
class Bench:
    """One store, its clock, and short words for what tests do with them."""

    store: SqlStore
    clock: VirtualClock
    backlog_calls: dict[str, int]
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def call(self, **changes: Any) -> Call:
        """Return a new durable filing."""
        now = self.clock.now()
        number = next(self.numbers)
        values: dict[str, Any] = {
            "id": uuid7(now, lambda size: number.to_bytes(size, "big")), "agency": AGENCY, "operation": "file_dossier",
            "kind": Kind.FILING, "cls": Class.NORMAL, "interactive": False, "caller": "onestop",
            "purpose": Purpose("officer-7", "unit-1", "H32.1-261123-0001", None, "1.000001"),
            "fingerprint": f"{number:064x}", "accepted_at": now, "deadline": now + 7 * 86_400, "due_at": now,
            "step": "file_dossier",
        }  # fmt: skip
        return Call(**(values | changes))

    def lookup(self, **changes: Any) -> Call:
        """Return a new interactive look-up."""
        values: dict[str, Any] = {
            "agency": "police", "operation": "lookup_citizen", "step": "lookup_citizen", "kind": Kind.LOOKUP,
            "cls": Class.COUNTER, "interactive": True, "repeat_safe": True, "deadline": self.clock.now() + 30,
        }  # fmt: skip
        return self.call(**(values | changes))

    async def accepted(self, **changes: Any) -> Call:
        return (await self.store.accept(self.call(**changes), b'{"code":"H32"}')).call

    async def opened(self, **changes: Any) -> Call:
        call = self.lookup(**changes)
        assert await self.store.open(call, NODE, "d" * 64, 120) == 1
        return call

    async def leased(self, want: int = 1, ttl: float = 60.0, node: str = NODE, agency: str = AGENCY) -> list[Leased]:
        return list(await self.store.lease(agency, node, dict.fromkeys(Class, want), ttl))

    async def sending(self, **changes: Any) -> Leased:
        """Accept, lease and begin one call."""
        call = await self.accepted(**changes)
        (leased,) = [one for one in await self.leased(want=100) if one.call.id == call.id]
        assert await self.store.begin(call.id, leased.call.fence, NODE) == 1
        return leased

    async def doubtful(self, **changes: Any) -> Leased:
        leased = await self.sending(**changes)
        assert await self.settle(leased, State.IN_DOUBT, "in_doubt", cause="timeout") is Settled.APPLIED
        return leased

    async def settle(self, of: Leased | Call, state: State, outcome: str, number: int = 1, **more: Any) -> Settled:
        call = of.call if isinstance(of, Leased) else of
        fence = more.pop("fence", call.fence)
        return await self.store.settle(Settlement(call.id, fence, number, state, outcome, **more))

    async def answered(self, of: Leased | Call, number: int = 1, **more: Any) -> Settled:
        return await self.settle(of, State.ANSWERED, "answered", number, answer=b'{"result":"ok"}', result="ok", **more)

    async def decided(self, of: Leased | Call | str, act: Act, **more: Any) -> Fate:
        call = of if isinstance(of, str) else of.call.id if isinstance(of, Leased) else of.id
        (told,) = await self.store.persons.decide([call], Decision(act, "cb-014", "đã gọi điện hỏi", **more))
        return told.fate

    async def record(self, of: Leased | Call) -> Record:
        record = await self.store.get(of.call.id if isinstance(of, Leased) else of.id)
        assert record is not None
        return record

    async def state(self, of: Leased | Call) -> State:
        return (await self.record(of)).call.state

    async def events(self) -> list[str]:
        return [row.entry.event for row in await self.store.journal()]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the tables of today and nothing in them: to make them takes longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "hub.db"
    migrate(path)
    return path


@pytest.fixture(params=["memory", "file", "postgres"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """A store in memory (the fake that ships), one in a file, one in PostgreSQL: all keep every promise."""
    clock = VirtualClock()
    backlog_calls = {AGENCY: BOUND, "police": BOUND}
    store: SqlStore
    if request.param == "memory":
        store = SqliteStore.in_memory(clock, backlog_calls=backlog_calls)
    elif request.param == "postgres":
        dsn = request.getfixturevalue("database")
        store = PostgresStore.connect(dsn, NODE, clock, backlog_calls=backlog_calls)
    else:
        shutil.copy(request.getfixturevalue("migrated"), tmp_path / "hub.db")
        store = SqliteStore.open_file(tmp_path / "hub.db", clock, backlog_calls=backlog_calls)
    yield Bench(store, clock, backlog_calls)
    await store.close()


@pytest.fixture
def clock() -> VirtualClock:
    """The clock of coordination that a test moves."""
    clock = VirtualClock()
    clock.advance(100)
    return clock


@pytest.fixture
async def nodes(redis_server: Redis, clock: VirtualClock) -> AsyncIterator[Nodes]:
    """Nodes that count together in a real Redis, under the test's clock."""
    nodes = Nodes(redis_server.address(), clock)
    yield nodes
    await nodes.aclose()
