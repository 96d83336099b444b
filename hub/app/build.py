"""
From settings to a hub: agencies, store, coordination, lanes, engine, doors. `serve.py` runs it.

Read `build` from top to bottom to see what the hub is made of; nothing is made anywhere else.
"""

import os
from collections.abc import Mapping
from functools import partial

from hub.app.facts import asked_of_us, bearable_of, facts_of, handling_agencies, needs_of, orderable
from hub.app.file_sources import links_of, sources_of, unlinked
from hub.app.findings import Findings
from hub.app.hub import Hub
from hub.app.inboxes import speaking
from hub.app.installed import install
from hub.app.nodes import Hearing, group_of
from hub.app.opening import admin_key, jitter, open_store, redis_address, store_address
from hub.app.polls import polls_of, unscheduled
from hub.app.pushing import pushing
from hub.app.reconciling import reconciled_of, uncompared
from hub.app.sealing import sealing_of
from hub.app.telling import about, counted, version
from hub.app.watching import Memory
from hub.app.watching_store import StoreWatch
from hub.arriving import Arriving
from hub.call import Class, uuid7
from hub.clock import Clock, SharedClock
from hub.coordination.in_process import InProcess
from hub.dispatcher import Dispatcher
from hub.feed import Feed
from hub.fetched import FetchedPages
from hub.fetching import Fetching
from hub.files import Files
from hub.handling import Handling
from hub.heartbeat import Heartbeat
from hub.inbound import InboundGuard
from hub.lane import Lane
from hub.orders import Orders
from hub.polling import Polling
from hub.pressure import Pressure
from hub.reaching import Reaching
from hub.reconciling import Reconciling
from hub.retention import Retention
from hub.route import Route
from hub.security.access import Access
from hub.security.identity import Identity
from hub.security.quotas import Quotas
from hub.settings import POSTGRESQL, Settings
from hub.shedding import Shedding
from hub.store.backup import copied_at
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
from hub.web.handling import Counting, HandlingDoor
from hub.web.inbound import InboundDoors
from hub.web.lanes import LaneOffice
from hub.web.named_files import NamedFiles
from hub.web.notices import NoticeDoors
from hub.web.openapi import openapi
from hub.web.operations import operations
from hub.web.persons import CallOffice
from hub.web.polls import PollOffice
from hub.web.problems import PROBLEMS
from hub.web.reconciling import ReconcilingOffice
from hub.web.seals import SealDoor
from hub.web.subscriptions import SubscriptionDoors
from monitoring.events import Observer
from monitoring.health import Readiness
from monitoring.metrics import Metrics

STOP_GRACE = 5.0
"""Seconds beyond the longest exchange for which a stop waits."""


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
    sealing = sealing_of(settings, environ, installed)
    surroundings = Surroundings(
        store=store,
        coordination=group.permits
        if group is not None
        else InProcess(clock, jitter(), bounds.lanes, bounds.routes, bounds.route_of),
        clock=clock,
        random=jitter(),
        observer=observer,
        people=identity.people,
        node=node,
        new_id=lambda: uuid7(clock.now(), os.urandom),
        waiters=Waiters(feed.stir),
        files=files,
        sealing=sealing,
        handling=Handling(handling_agencies(installed)),
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
    orders = Orders(store.orders, surroundings.coordination, clock, observer, orderable(settings, contracts))
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
    asked = asked_of_us(installed)
    inbound = InboundGuard(asked, clock, shedding, observer)
    arriving = Arriving(
        speaking(installed),
        store.notices,
        surroundings.new_id,
        observer,
        files.keep,
        sealing,
        tell=feed.stir,
        stir=dispatcher.heard_of,
        handling=surroundings.handling,
    )
    for lane in lanes.values():
        lane.listen(arriving.keep)
    polling = Polling(
        polls_of(installed, lanes, settings), store.polls, FetchedPages(arriving, store.notices), surroundings
    )

    reconciling = Reconciling(reconciled_of(installed, lanes, settings), store.reconciling, surroundings)

    facts = {name: facts_of(one) for name, one in installed.items()}
    offered = {name: one.operations for name, one in facts.items()}
    access = Access(identity, clock, {name: needs_of(one) for name, one in installed.items()})
    locks = Locks(identity.caller_of, access.check, Quotas(clock).take, sealing)
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
    findings = Findings(
        pressure, clock, copied, group, nodes, [*unscheduled(installed, settings), *uncompared(installed, settings)]
    )
    counting = Counting(store.handling, surroundings.handling.agencies, clock.now)
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
            NoticeOffice(store.notices.dead, arriving.again, arriving.asked_for),
            dispatcher.looks_up_from,
        ),
        note=store.note,
        metrics=lambda: counted(dispatcher, store.persons, metrics, observer, pusher, store.reconciling.latest),
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
        counting=counting,
        reconciling=ReconcilingOffice(
            {name: one.operations for name, one in reconciling.agencies.items()},
            reconciling.want,
            store.reconciling.runs,
            store.reconciling.run,
            store.reconciling.lines,
            clock.now,
        ),
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
        reconciling=reconciling,
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
                asked,
                observer,
                clock.monotonic,
                lambda: pressure.check(Class.NORMAL, interactive=False),
            ),
            operations=listed,
            openapi=document,
            subscriptions=SubscriptionDoors(subscribing, locks.count),
            seals=SealDoor(locks, sealing, store.note),
            handling=HandlingDoor(counting, reaching, locks.count),
        ),
        operators=admin(office),
        patience=max((one.call_timeout for one in contracts.values()), default=0.0) + STOP_GRACE,
    )
