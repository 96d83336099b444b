"""
From settings to a hub: agencies, store, coordination, lanes, engine, doors. `serve.py` runs it.

Read `build` from top to bottom to see what the hub is made of; nothing is made anywhere else.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Any

from connectors.kit.fetching import Fetcher
from connectors.kit.manifest import Contract, Inbound
from hub.app.file_sources import links_of, sources_of, unlinked
from hub.app.findings import Findings
from hub.app.inboxes import notices_of, questions_of, speaking
from hub.app.installed import Installed, install
from hub.app.nodes import Bearable, Group, Hearing, group_of
from hub.app.opening import admin_key, jitter, open_store, redis_address, store_address
from hub.app.polls import polls_of, unscheduled
from hub.app.pushing import pushing
from hub.app.restoring import check_copy, restore
from hub.app.watching import Memory
from hub.app.watching_store import StoreWatch
from hub.arriving import Arriving
from hub.call import Class, uuid7
from hub.clock import Clock, SharedClock
from hub.coordination.in_process import InProcess
from hub.coordination.protocol import ROUTE, Coordination
from hub.dispatcher import Dispatcher
from hub.errors import StoreUnavailable
from hub.feed import Feed
from hub.fetched import FetchedPages
from hub.fetching import Fetching
from hub.files import Files
from hub.heartbeat import Heartbeat
from hub.inbound import InboundGuard
from hub.lane import Lane
from hub.masking import masked_store
from hub.orders import Allowed, Orders
from hub.polling import Polling
from hub.pressure import Pressure
from hub.pushing.pusher import Pusher
from hub.reaching import Reaching
from hub.retention import Retention
from hub.route import Route, bounds_of, bounds_of_routes
from hub.security.access import Access
from hub.security.identity import Identity
from hub.security.quotas import Quotas
from hub.settings import POSTGRESQL, Settings
from hub.shedding import Shedding
from hub.store.backup import copied_at
from hub.store.persons import Needing, Persons
from hub.store.protocol import Occupied
from hub.store.sql_store import SqlStore
from hub.surroundings import Surroundings
from hub.waiters import Waiters
from hub.web.admin import Office, admin
from hub.web.answers import AnswerDoors
from hub.web.batch import BatchDoor
from hub.web.batch_results import BatchResults
from hub.web.calls import CallDoors, Locks
from hub.web.dead_notices import NoticeOffice
from hub.web.doors import Doors
from hub.web.files import FileDoors
from hub.web.inbound import InboundDoors
from hub.web.lanes import LaneOffice
from hub.web.named_files import NamedFiles
from hub.web.notices import NoticeDoors
from hub.web.openapi import openapi
from hub.web.operations import AgencyFacts, operations
from hub.web.persons import CallOffice
from hub.web.polls import PollOffice
from hub.web.problems import PROBLEMS
from hub.web.subscriptions import SubscriptionDoors
from monitoring.events import Observer
from monitoring.health import Readiness
from monitoring.metrics import Metrics

STOP_GRACE = 5.0
"""Seconds beyond the longest exchange for which a stop waits."""


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


def build(settings: Settings, environ: Mapping[str, str], clock: Clock, observer: Observer, metrics: Metrics) -> Hub:
    """
    Make a hub; nothing is served or sent yet.

    Raises:
        FilesRefused: Every fault of settings and connectors.
        StoreInUse: Another process serves this store.
    """
    links = links_of(settings, environ, clock)
    installed = install(settings, environ, clock.now, links.to)
    sources = sources_of(settings, installed)
    contracts = {name: one.contract for name, one in installed.items()}
    address = store_address(settings, environ)
    shared = SharedClock(clock)
    clock = shared if address.startswith(POSTGRESQL) else clock
    pressure = Pressure(clock, store_bytes=settings.hub.store_bytes)
    store = open_store(settings, address, environ, clock, observer, installed, pressure.committed)
    store_watch = StoreWatch(store, pressure, metrics.store_size)
    node, bounds = settings.hub.node, bearable_of(settings, installed)
    group = None
    if clock is shared:
        group = group_of(store, node, clock, bounds, redis_address(settings, environ), observer)
    identity = Identity(store.registers, clock, os.urandom, installed.keys())
    feed = Feed(store.feed, clock, observer.fault)
    files = Files(store.files, lambda: uuid7(clock.now(), os.urandom), file_bytes=settings.hub.file_bytes)
    surroundings = Surroundings(
        store=store,
        coordination=group.permits if group is not None else in_one_process(clock, bounds),
        clock=clock,
        random=jitter(),
        observer=observer,
        people=identity.people,
        node=node,
        new_id=lambda: uuid7(clock.now(), os.urandom),
        waiters=Waiters(feed.stir),
        files=files,
    )
    roads = {one.route.name: one.route for one in installed.values() if one.route is not None}
    routes = {
        name: Route(name, road.kind, road.contract, surroundings, road.tokens, road.bearer)
        for name, road in roads.items()
    }
    lanes = {
        name: Lane(one.agency, surroundings, routes[one.route.name] if one.route is not None else None)
        for name, one in installed.items()
    }
    orders = Orders(store.orders, surroundings.coordination, clock, observer, _orderable(settings, contracts))
    memory = Memory()
    shedding = Shedding(
        clock,
        late_seconds=settings.hub.late_seconds,
        queued_bytes=settings.hub.queued_bytes,
        memory_bytes=settings.hub.memory_bytes or memory.allowed(),
    )
    kept_days = min(settings.retention.lookups_days, settings.retention.filings_days)
    dispatcher = Dispatcher(lanes, surroundings, shedding, tuple(routes.values()), pressure, 86_400.0 * kept_days)
    retention = Retention(
        store.retention, settings.retention, lambda: pressure.troubled, clock, surroundings.random, observer
    )
    heartbeat = hearing = None
    if group is not None:
        heartbeat = Heartbeat(
            store, group.epochs, group.permits, shared, observer, node, version(), dispatcher.node_died
        )
        hearing = Hearing(store, dispatcher, orders, identity, observer)
    asked_of_us = _asked_of_us(installed)
    inbound = InboundGuard(asked_of_us, clock, shedding, observer)
    arriving = Arriving(
        speaking(installed),
        store.notices,
        surroundings.new_id,
        observer,
        files.keep,
        tell=feed.stir,
        stir=dispatcher.heard_of,
    )
    polling = Polling(
        polls_of(installed, lanes, settings), store.polls, FetchedPages(arriving, store.notices), surroundings
    )

    facts = {name: _facts(one) for name, one in installed.items()}
    offered = {name: one.operations for name, one in facts.items()}
    access = Access(identity, clock, {name: _needs(one) for name, one in installed.items()})
    locks = Locks(identity.caller_of, access.check, Quotas(clock).take)
    told = {name: one.notices for name, one in facts.items() if one.notices}
    reaching = Reaching(identity, offered, told)
    named = NamedFiles(files, reaching, offered, unlinked(settings, installed))
    file_doors = FileDoors(
        files,
        named,
        Fetching(
            {name: source for name, (source, _) in sources.items()},
            files,
            surroundings.coordination,
            store.note,
            clock,
            file_bytes=settings.hub.file_bytes,
        ),
        links,
        locks,
        dispatcher.admit_file,
        store.note,
        file_bytes=settings.hub.file_bytes,
    )
    calls = CallDoors(
        dispatcher,
        store.find,
        locks,
        offered,
        observer,
        named,
        request_bytes=settings.hub.request_bytes,
        random_bytes=os.urandom,
    )
    batch = BatchDoor(
        dispatcher,
        locks,
        offered,
        observer,
        named,
        request_bytes=settings.hub.request_bytes,
        random_bytes=os.urandom,
        new_id=surroundings.new_id,
    )
    checks = {"store": store_watch.well} | ({"nodes": heartbeat.well} if heartbeat is not None else {})
    readiness = Readiness(checks, clock.monotonic)
    questions = {name: one.questions for name, one in facts.items()}
    titles = {name: one.title for name, one in facts.items()}
    document = openapi(offered, titles, PROBLEMS, version(), told, questions)
    listed = operations(facts, dispatcher.watch)
    copied = copied_at(path) if (path := settings.store_file()) is not None else None
    nodes = heartbeat.nodes if heartbeat is not None else list
    findings = Findings(pressure, clock, copied, group, nodes, unscheduled(installed, settings))
    pusher, subscribing = pushing(settings, environ, surroundings, store, feed, reaching, shedding)
    office = Office(
        key=admin_key(settings, environ),
        about=partial(about, settings, installed, pressure),
        identity=identity,
        registers=store.registers,
        calls=CallOffice(
            store.find,
            store.persons,
            dispatcher.decide,
            {name: one.connector.operations for name, one in installed.items()},
            NoticeOffice(store.notices.dead, arriving.again),
            dispatcher.looks_up_from,
        ),
        note=store.note,
        metrics=lambda: _counted(dispatcher, store.persons, metrics, observer, pusher),
        lanes=LaneOffice(
            orders,
            surroundings.coordination,
            dispatcher.watch,
            store.backlog,
            contracts,
            {name: tuple(one.connector.operations) for name, one in installed.items()},
            dispatcher.routes,
            store.persons.needing,
        ),
        nodes=nodes,
        observer=observer,
        findings=findings.all,
        subscribing=subscribing,
        polls=PollOffice(polling.rows, polling.run_now),
    )
    return Hub(
        installed=installed,
        coordination=surroundings.coordination,
        group=group,
        heartbeat=heartbeat,
        hearing=hearing,
        store=store,
        copied=copied,
        clock=clock,
        findings=findings,
        identity=identity,
        orders=orders,
        dispatcher=dispatcher,
        polling=polling,
        feed=feed,
        readiness=readiness,
        shedding=shedding,
        memory=memory,
        store_watch=store_watch,
        retention=retention,
        inbound=inbound,
        fetchers=[fetcher for _, fetcher in sources.values()],
        pusher=pusher,
        arriving=arriving,
        public=Doors(
            calls,
            readiness,
            observer,
            batch=batch,
            batch_results=BatchResults(store.batches),
            files=file_doors,
            notices=NoticeDoors(feed, reaching),
            answers=AnswerDoors(
                store.notices.published,
                questions,
                locks.count,
                request_bytes=settings.hub.request_bytes,
                left=observer.answers_left,
            ),
            inbound=InboundDoors(
                arriving,
                inbound,
                asked_of_us,
                observer,
                clock.monotonic,
                lambda: pressure.check(Class.NORMAL, interactive=False),
            ),
            operations=listed,
            openapi=document,
            subscriptions=SubscriptionDoors(subscribing, locks.count),
        ),
        operators=admin(office),
        patience=max((one.call_timeout for one in contracts.values()), default=0.0) + STOP_GRACE,
    )


def bearable_of(settings: Settings, installed: Mapping[str, Installed]) -> Bearable:
    """Return what lanes may do, and the routes that agencies share."""
    routes = {name: route.contract for name, route in settings.routes.items()}
    lanes = {name: bounds_of(one.contract, one.connector.operations) for name, one in installed.items()}
    over = route_of(settings)
    return Bearable(lanes, bounds_of_routes(lanes, routes, over), over)


def in_one_process(clock: Clock, bearable: Bearable) -> InProcess:
    """Return what grants permits where one process serves the store."""
    return InProcess(clock, jitter(), bearable.lanes, bearable.routes, bearable.route_of)


def route_of(settings: Settings) -> dict[str, str]:
    """Return the route of each agency that shares one."""
    return {name: entry.route for name, entry in settings.agencies.items() if entry.route is not None}


def about(settings: Settings, installed: Mapping[str, Installed], pressure: Pressure) -> dict[str, Any]:
    """Return what operators are told about this hub and its store."""
    return {
        "version": version(),
        "node": settings.hub.node,
        "agencies": list(installed),
        "store": masked_store(settings),
        "store_bytes": pressure.used_bytes,
        "store_most_bytes": pressure.most_bytes,
        "store_trouble": pressure.reason,
    }


def version() -> str:
    """Return the version of this distribution; `0` when it runs from a folder that was never installed."""
    try:
        return version_of("lienthong")
    except PackageNotFoundError:
        return "0"


def _orderable(settings: Settings, contracts: Mapping[str, Contract]) -> dict[str, Allowed]:
    """Return the contract of every lane and of every route that a lane takes, by its name in the coordination."""
    used = set(route_of(settings).values())
    return {**contracts, **{ROUTE + name: settings.routes[name].contract for name in used}}


def _facts(one: Installed) -> AgencyFacts:
    facts = one.connector.manifest.connector
    callable_ = {name: operation for name, operation in one.connector.operations.items() if operation.kind != "login"}
    notices, questions = notices_of(one), questions_of(one)
    return AgencyFacts(facts.title, facts.title_vi, facts.maturity, one.contract, callable_, notices, questions)


def _asked_of_us(installed: Mapping[str, Installed]) -> dict[str, Inbound]:
    manifests = {name: one.connector.manifest for name, one in installed.items()}
    return {name: manifest.inbound for name, manifest in manifests.items() if manifest.inbound is not None}


def _needs(one: Installed) -> Mapping[str, frozenset[str]]:
    return {name: operation.needs for name, operation in one.connector.operations.items()}


async def _counted(
    dispatcher: Dispatcher, persons: Persons, metrics: Metrics, observer: Observer, pusher: Pusher | None
) -> bytes:
    lanes = dispatcher.watch()  # tells the observer, and so the metrics, how every lane is now
    try:
        needing = await persons.needing()
    except StoreUnavailable as error:  # what was last counted stays; the other metrics are needed now more than ever
        observer.fault("needing", error)
    else:
        for name in lanes.keys() | needing.keys():
            metrics.needing(name, *needing.get(name, Needing()))
        if pusher is not None:
            metrics.pushing(pusher.oldest_ages(), await pusher.dead_events())
    return metrics.exposition()
