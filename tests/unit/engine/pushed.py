"""A stage for pushing: a store in memory, the feed, receivers that answer as told, and virtual time."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.outcomes import Outcome, Unavailable
from hub.call import Call, Class, Kind, Purpose, uuid7
from hub.clock import VirtualClock, run_virtual
from hub.errors import StoreUnavailable
from hub.feed import Feed
from hub.guards.retry import Waits
from hub.outside import Outside
from hub.pushing.delivery import Around
from hub.pushing.pusher import Pusher
from hub.pushing.signing import Signing
from hub.store.feed import Reach
from hub.store.sqlite import SqliteStore
from hub.store.subscriptions import Subscription
from hub.web.notices import event
from monitoring.events import Silent

CALLER = "one-stop"
KEY = "a key of the hub that nobody guesses"
OK = WireReply(204, {}, b"")


def status(number: int, **headers: str) -> WireReply:
    return WireReply(number, {name.replace("_", "-"): text for name, text in headers.items()}, b"")


class Log(Silent):
    """Counts what was told of pushing."""

    def __init__(self) -> None:
        self.pushed: Counter[tuple[str, str, str]] = Counter()
        self.faults: list[BaseException] = []

    def push(self, subscription: str, caller: str, outcome: str, cause: str) -> None:
        self.pushed[caller, outcome, cause] += 1

    def fault(self, what: str, error: BaseException) -> None:
        self.faults.append(error)


@dataclass
class Receiver:
    """Where events arrive. *answers* says what becomes of each; it may take its time."""

    clock: VirtualClock
    answers: Callable[[WireRequest], WireReply | Outcome | Awaitable[WireReply | Outcome]] = lambda request: OK
    came: list[tuple[float, WireRequest]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    def ids(self) -> list[str]:
        return [request.headers["webhook-id"] for _, request in self.came]


class _Sender:
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def send(self, request: WireRequest, *, timeout: float, reply_bytes: int) -> WireReply | Outcome:  # noqa: ASYNC109 - see Sender
        receiver = self._receiver
        receiver.came.append((receiver.clock.now(), request))
        receiver.at_once += 1
        receiver.most_at_once = max(receiver.most_at_once, receiver.at_once)
        try:
            async with asyncio.timeout(timeout):
                reply = receiver.answers(request)
                return reply if isinstance(reply, WireReply) or not isinstance(reply, Awaitable) else await reply
        except TimeoutError:
            return Unavailable("timeout")
        finally:
            receiver.at_once -= 1

    async def close(self) -> None: ...


class Asked:
    """Passes on what is asked of a part of the store, and counts it: each is one statement."""

    def __init__(self, kept: Any) -> None:
        self._kept = kept
        self.count = 0
        self.sick = False
        self.failing: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.count += 1
        return self._refuse if self.sick or name in self.failing else getattr(self._kept, name)

    async def _refuse(self, *_: object) -> None:
        raise StoreUnavailable


class Node:
    """One process: a feed and what pushes."""

    def __init__(self, world: "World", name: str) -> None:
        self.feed = Feed(world.told, world.clock, lambda what, error: None)
        around = Around(
            kept=world.kept, feed=self.feed, connect=lambda url: _Sender(world.receivers[url]),
            fault=Outside.receivers(["*.centre.example"]).fault, reach=world.reached, body=event,
            signing=Signing(KEY), waits=Waits(Random(1)), clock=world.clock, node=name, busy=lambda: world.busy,
            observer=world.log,
        )  # fmt: skip
        self.pusher = Pusher(around)


class World:
    """Everything a test needs."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.store = SqliteStore.in_memory(clock, backlog_calls={"npsp": 100_000, "tax": 100_000})
        self.told: Any = Asked(self.store.feed)
        self.kept: Any = Asked(self.store.subscriptions)
        self.log = Log()
        self.reach: Mapping[str, list[str]] = defaultdict(lambda: ["npsp", "tax"])
        self.receivers: dict[str, Receiver] = defaultdict(lambda: Receiver(clock))
        self.busy = False
        self.nodes: list[Node] = []
        self._count = 0

    def reached(self, caller: str, agencies: Collection[str], dossier: str | None) -> Reach:
        return Reach([one for one in self.reach[caller] if not agencies or one in agencies], (), dossier)

    def node(self, name: str = "hub") -> Node:
        """Start a node."""
        node = Node(self, name)
        node.pusher.start()
        self.nodes.append(node)
        return node

    def asked(self) -> int:
        """Return how many statements were run."""
        return int(self.told.count + self.kept.count)

    async def subscribed(self, url: str = "https://a.centre.example/", **changes: Any) -> tuple[str, Receiver]:
        self._count += 1
        facts: dict[str, Any] = {
            "id": f"sub-{self._count}", "caller": CALLER, "url": url, "agencies": (), "dossier": None,
            "made_at": self.clock.now(), "seq": 0,
        }  # fmt: skip
        row = Subscription(**(facts | changes))
        assert await self.store.subscriptions.add(row, 1000)
        return row.id, self.receivers[url]

    async def settled(self, agency: str = "npsp", caller: str = CALLER, dossier: str | None = "D-1") -> str:
        """Settle a call, and return its id."""
        self._count += 1
        now, number = self.clock.now(), self._count
        call = Call(
            id=uuid7(now, lambda size: number.to_bytes(size, "big")), agency=agency, kind=Kind.FILING, caller=caller,
            operation="file", cls=Class.BULK, interactive=False, deadline=now + 9e6, purpose=Purpose(dossier=dossier),
            fingerprint="f", accepted_at=now, due_at=now, step="file",
        )  # fmt: skip
        await self.store.accept(call, b"{}")
        await self.store.cancel(call.id, caller)
        for node in self.nodes:
            node.feed.stir()
        return call.id

    async def row(self, of: str) -> Subscription:
        return next(row for row, _ in await self.store.subscriptions.all() if row.id == of)

    async def end(self) -> None:
        for node in self.nodes:
            await node.pusher.stop()
            await node.feed.stop()
        await self.store.close()


def play(scenario: Callable[[World], Awaitable[None]]) -> None:
    """Run *scenario* in virtual time."""

    async def run() -> None:
        world = World(clock)
        try:
            await scenario(world)
        finally:
            await world.end()
        assert world.log.faults == []

    clock = VirtualClock()
    run_virtual(run(), clock)
