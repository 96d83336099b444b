"""
What a hub of several nodes has besides: permits that all nodes count together, and a heart-beat. `build.py` asks for it.

With PostgreSQL a hub may always have several nodes; without Redis each keeps to its share of every contract.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from hub.app.opening import jitter
from hub.clock import Clock
from hub.coordination.epochs import WINDOW, Epochs, Share
from hub.coordination.in_redis import InRedis
from hub.coordination.protocol import Coordination, Switches
from hub.coordination.shares import InShares
from hub.coordination.switching import Switching
from hub.dispatcher import Dispatcher
from hub.errors import StoreUnavailable
from hub.guards.bounds import Bounds
from hub.guards.concurrency import GHOST
from hub.orders import Orders
from hub.security.identity import Identity
from hub.store.protocol import News, Occupied
from hub.store.sql_store import SqlStore
from hub.surroundings import moment
from monitoring.events import Observer

_MINUTE = 60.0
_READ_PAUSE = 1.0
_NAME_BITS = 62
"""Of a store's name: no two draw the same, and a database keeps it as one number."""


@dataclass(frozen=True, slots=True)
class Bearable:
    """What the contracts of all nodes together allow, as guards want it."""

    lanes: Mapping[str, Bounds]
    routes: Mapping[str, Bounds]
    route_of: Mapping[str, str]

    def window(self) -> float:
        """Return the seconds of the longest window that a contract counts by."""
        by_minute = any(bounds.calls_per_minute is not None for bounds in self.routes.values())
        return _MINUTE if by_minute else WINDOW


class Left:
    """What is on the way, and was sent today, by all nodes: from the store, where each exchange is before it leaves."""

    def __init__(self, store: SqlStore, bearable: Bearable, clock: Clock) -> None:
        self._store = store
        self._bearable = bearable
        self._clock = clock
        self._also: list[Occupied] = []

    def also(self, occupied: Sequence[Occupied]) -> None:
        """Count what is on no record: what agencies may have got before this store was put in the place of a lost one."""
        self._also = list(occupied)

    async def behind(self, lanes: Sequence[str]) -> Mapping[str, tuple[Sequence[float], int]]:
        """Return by lane for how many seconds each slot is still taken, and how many exchanges began today."""
        now = self._clock.now()
        lasts = {lane: GHOST * self._bearable.lanes[lane].call_timeout for lane in lanes}
        recorded = await self._store.occupied(now - max(lasts.values(), default=0.0))
        occupied = [one for one in (*recorded, *self._also) if now - one.sent_at < lasts.get(one.agency, 0.0)]
        today = moment(now)[:10]
        return {
            lane: (
                [one.sent_at + lasts[lane] - now for one in occupied if one.agency == lane],
                await self._store.sent_on_day(lane, today),
            )
            for lane in lanes
        }


@dataclass(frozen=True, slots=True)
class Group:
    """What the nodes agree on, and this node's permits that follow from it."""

    epochs: Epochs
    permits: Switching
    left: Left


def group_of(store: SqlStore, node: str, clock: Clock, bearable: Bearable, redis: str, observer: Observer) -> Group:
    """
    Return what a node needs to be one of several; it grants nothing before its heart beats.

    *redis*: the address of the Redis in which they count together; empty: each keeps to its share.
    """
    epochs = Epochs(clock, node, bearable.window())
    left = Left(store, bearable, clock)

    async def keep_to(share: Share) -> Coordination:
        own = InShares(clock, jitter(), bearable.lanes, bearable.routes, bearable.route_of, share)
        for lane, (occupied, sent) in (await left.behind(list(bearable.lanes))).items():
            await own.restore(lane, occupied, -(-sent // share.of))
        return own

    async def ordering(switches: Switches) -> None:
        await permits.order(switches)

    shared = None
    if redis:
        shared = InRedis(
            redis, node, clock, jitter(), bearable.lanes, bearable.routes, bearable.route_of,
            restoring=left.behind, ordering=ordering, store=lambda: store.name(jitter().getrandbits(_NAME_BITS)),
            strange=lambda key, error: observer.fault(f"state of {key} in redis", error),
        )  # fmt: skip
    permits = Switching(epochs, shared, keep_to, clock)
    return Group(epochs, permits, left)


class Hearing:
    """Hears what other nodes commit, and sees that this one does accordingly."""

    def __init__(
        self, store: SqlStore, dispatcher: Dispatcher, orders: Orders, identity: Identity, observer: Observer
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._readings: dict[str, Callable[[], Awaitable[None]]] = {"orders": orders.reload, "registers": identity.load}
        self._observer = observer
        self._stale: set[str] = set()
        self._reading: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen from now on."""
        self._store.listen(self._heard)

    async def stop(self) -> None:
        """Read nothing more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _heard(self, news: News) -> None:
        self._dispatcher.heard(news)
        self._stale |= {what for what in self._readings if news.missed or getattr(news, what)}
        if self._stale and (self._reading is None or self._reading.done()):
            self._reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        """Read what changed until it has been read: what another node ordered must count here too."""
        while self._stale:
            what = self._stale.pop()
            try:
                await self._readings[what]()
            except StoreUnavailable as error:
                self._observer.fault(what, error)
                self._stale.add(what)
                await asyncio.sleep(_READ_PAUSE)
