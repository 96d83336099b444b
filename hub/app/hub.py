"""
One hub with all its parts: in which order they start, and stop. `build.py` makes it, `serve.py` runs it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.kit.fetching import Fetcher
from hub.app.findings import Findings
from hub.app.installed import Installed
from hub.app.nodes import Group, Hearing
from hub.app.restoring import check_copy, restore
from hub.app.watching import Memory
from hub.app.watching_store import StoreWatch
from hub.arriving import Arriving
from hub.clock import Clock
from hub.coordination.protocol import Coordination
from hub.dispatcher import Dispatcher
from hub.feed import Feed
from hub.heartbeat import Heartbeat
from hub.inbound import InboundGuard
from hub.orders import Orders
from hub.polling import Polling
from hub.pushing.pusher import Pusher
from hub.reconciling import Reconciling
from hub.retention import Retention
from hub.security.identity import Identity
from hub.shedding import Shedding
from hub.store.protocol import Occupied
from hub.store.sql_store import SqlStore
from hub.web.doors import Doors
from monitoring.health import Readiness


@dataclass(frozen=True, slots=True)
class Hub:
    """All parts of one hub, ready to be started."""

    installed: Mapping[str, Installed]
    store: SqlStore
    copied: float | None
    """When the store was copied, if it is a copy that was not served yet."""
    clock: Clock
    findings: Findings
    coordination: Coordination
    group: Group | None
    heartbeat: Heartbeat | None
    """None: this process is the only one on its store."""
    hearing: Hearing | None
    identity: Identity
    orders: Orders
    dispatcher: Dispatcher
    polling: Polling
    reconciling: Reconciling
    feed: Feed
    readiness: Readiness
    shedding: Shedding
    memory: Memory
    store_watch: StoreWatch
    retention: Retention
    inbound: InboundGuard
    fetchers: Sequence[Fetcher]
    pusher: Pusher | None
    """None: the settings list nobody to push to."""
    arriving: Arriving
    public: Doors
    operators: Any
    """ASGI application of the admin listener."""
    patience: float
    """Seconds a stop waits for what is on the wire."""

    async def start(self, after_restore: float | None = None) -> None:
        """
        Read what operators registered and ordered, apply the crash rules, and start every lane.

        *after_restore*: the store is a copy, made at that moment (Unix seconds).

        Raises:
            FilesRefused: It is no such copy, or one and nobody says so.
        """
        check_copy(self.copied, after_restore)
        if self.heartbeat is not None:
            await self.heartbeat.set_clock()
        occupied: Sequence[Occupied] = ()
        if after_restore is not None:  # first: it gives the store another name, by which its nodes count together
            if self.group is not None:
                await self.group.permits.try_out()  # once served, a copy is none: what cannot start must not begin to
            occupied = await restore(self.store, self.installed, after_restore, self.clock.now())
            if self.group is not None:
                self.group.left.also(occupied)
        await self.coordination.start()
        await self.load()
        await self.dispatcher.start(occupied)
        await self.polling.start()
        await self.reconciling.start()
        if self.heartbeat is not None and self.hearing is not None:
            await self.heartbeat.start()
            self.hearing.start()
        self.retention.start()
        self.findings.serve()
        if self.pusher is not None:
            self.pusher.start()

    async def load(self) -> None:
        """Read what operators registered and ordered: all that a hub needs whose doors are used while it does not run."""
        await self.identity.load()
        await self.orders.load()
        await self.store_watch.weigh()
        if self.heartbeat is not None:
            await self.heartbeat.look()

    async def stop(self, patience: float) -> None:
        """Refuse what comes, let what is on the wire end for *patience* seconds, and close everything."""
        await self.retention.stop()
        if self.pusher is not None:
            await self.pusher.stop()
        await self.polling.stop()
        await self.reconciling.stop()
        await self.feed.stop()
        await self.dispatcher.stop(patience)
        if self.heartbeat is not None and self.hearing is not None:
            await self.hearing.stop()
            await self.heartbeat.stop()
        await self.close()

    async def close(self) -> None:
        """Close connections and store of a hub that was stopped, or never started."""
        self.arriving.close()
        for one in self.installed.values():
            await one.agency.close()
            if one.route is not None and one.route.tokens is not None:
                await one.route.tokens.close()
        for fetcher in self.fetchers:
            await fetcher.close()
        await self.coordination.aclose()
        await self.store.close()
