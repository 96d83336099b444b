"""
From settings to a hub: agencies, store, coordination, lanes, engine, doors. `serve.py` runs it.

Read `build` from top to bottom to see what the hub is made of; nothing is made anywhere else.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from random import Random
from typing import Any

from connectors.kit.manifest import Contract, Inbound
from hub.app.failpoints import failpoint
from hub.app.installed import Installed, install
from hub.app.watching import Memory
from hub.call import uuid7
from hub.clock import Clock
from hub.coordination.in_process import InProcess
from hub.coordination.protocol import ROUTE
from hub.dispatcher import Dispatcher
from hub.inbound import InboundGuard
from hub.lane import Lane
from hub.orders import Allowed, Orders
from hub.references import NotFollowed, follow
from hub.route import Route, bounds_of, one_process
from hub.security.access import Access
from hub.security.identity import Identity
from hub.security.quotas import Quotas
from hub.settings import POSTGRESQL, SQLITE, Settings, masked_store
from hub.shedding import Shedding
from hub.store.postgres import PostgresStore
from hub.store.sql_store import SqlStore
from hub.store.sqlite import SqliteStore
from hub.surroundings import Surroundings
from hub.waiters import Waiters
from hub.web.admin import Office, admin
from hub.web.calls import CallDoors, Locks
from hub.web.doors import Doors
from hub.web.lanes import LaneOffice
from hub.web.openapi import openapi
from hub.web.operations import AgencyFacts, operations
from hub.web.problems import PROBLEMS
from mappings.errors import FileFault, FilesRefused
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
    identity: Identity
    orders: Orders
    dispatcher: Dispatcher
    readiness: Readiness
    shedding: Shedding
    memory: Memory
    inbound: InboundGuard
    public: Doors
    operators: Any
    """ASGI application of the admin listener."""
    patience: float
    """Seconds a stop waits for what is on the wire."""

    async def start(self) -> None:
        """Read what operators registered and ordered, apply the crash rules, and start every lane."""
        await self.load()
        await self.dispatcher.start()

    async def load(self) -> None:
        """Read what operators registered and ordered: all that a hub needs whose doors are used while it does not run."""
        await self.identity.load()
        await self.orders.load()

    async def stop(self, patience: float) -> None:
        """Refuse what comes, let what is on the wire end for *patience* seconds, and close everything."""
        await self.dispatcher.stop(patience)
        await self.close()

    async def close(self) -> None:
        """Close connections and store of a hub that was stopped, or never started."""
        for one in self.installed.values():
            await one.agency.close()
            if one.route is not None and one.route.tokens is not None:
                await one.route.tokens.close()
        await self.store.close()


def build(settings: Settings, environ: Mapping[str, str], clock: Clock, observer: Observer, metrics: Metrics) -> Hub:
    """
    Make a hub; nothing is served or sent yet.

    Raises:
        FilesRefused: Every fault of settings and connectors.
        StoreInUse: Another process serves this store.
    """
    installed = install(settings, environ, clock.now)
    contracts = {name: one.contract for name, one in installed.items()}
    store = open_store(settings, environ, clock, observer, installed)
    identity = Identity(store.registers, clock, os.urandom, installed.keys())
    surroundings = Surroundings(
        store=store,
        coordination=coordination(settings, clock, installed),
        clock=clock,
        random=Random(secrets.randbits(128)),  # noqa: S311 - jitter, not secrets
        observer=observer,
        people=identity.people,
        node=settings.hub.node,
        new_id=lambda: uuid7(clock.now(), os.urandom),
        waiters=Waiters(),
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
    orders = Orders(store.orders, surroundings.coordination, clock, observer, _bearable(settings, contracts))
    memory = Memory()
    shedding = Shedding(
        clock,
        late_seconds=settings.hub.late_seconds,
        queued_bytes=settings.hub.queued_bytes,
        memory_bytes=settings.hub.memory_bytes or memory.allowed(),
    )
    dispatcher = Dispatcher(lanes, surroundings, shedding, tuple(routes.values()))
    inbound = InboundGuard(_asked_of_us(installed), clock, shedding, observer)

    facts = {name: _facts(one) for name, one in installed.items()}
    offered = {name: one.operations for name, one in facts.items()}
    access = Access(identity, clock, {name: _needs(one) for name, one in installed.items()})
    calls = CallDoors(
        dispatcher,
        store.find,
        Locks(identity.caller_of, access.check, Quotas(clock).take),
        offered,
        observer,
        request_bytes=settings.hub.request_bytes,
        random_bytes=os.urandom,
    )
    readiness = Readiness(
        {"store": partial(store.give_back, settings.hub.node, ())}, clock.monotonic
    )  # an empty commit
    document = openapi(offered, {name: one.title for name, one in facts.items()}, PROBLEMS, version())
    listed = operations(facts, dispatcher.watch)
    office = Office(
        key=admin_key(settings, environ),
        about=about(settings, installed),
        identity=identity,
        registers=store.registers,
        find=store.find,
        get=store.get,
        metrics=lambda: _counted(dispatcher, metrics),
        lanes=LaneOffice(
            orders,
            surroundings.coordination,
            dispatcher.watch,
            store.backlog,
            contracts,
            {name: tuple(one.connector.operations) for name, one in installed.items()},
            dispatcher.routes,
        ),
        observer=observer,
    )
    return Hub(
        installed=installed,
        store=store,
        identity=identity,
        orders=orders,
        dispatcher=dispatcher,
        readiness=readiness,
        shedding=shedding,
        memory=memory,
        inbound=inbound,
        public=Doors(calls, readiness, observer, operations=listed, openapi=document),
        operators=admin(office),
        patience=max((one.call_timeout for one in contracts.values()), default=0.0) + STOP_GRACE,
    )


def open_store(
    settings: Settings, environ: Mapping[str, str], clock: Clock, observer: Observer, installed: Mapping[str, Installed]
) -> SqlStore:
    """
    Open the store: a file for this process alone, PostgreSQL under the name of this node.

    Raises:
        StoreInUse: Another process serves the file, or the database under the same name.
        StoreUnavailable: PostgreSQL does not answer.
        FilesRefused: The folder is missing, the reference leads nowhere, or a failpoint is set outside of tests.
    """
    try:
        address = follow(settings.hub.store, environ, settings.folder)
    except NotFollowed as lost:
        raise _refused("hub.store", str(lost)) from None
    common: dict[str, Any] = {
        "backlog_calls": {name: one.contract.backlog_calls for name, one in installed.items()},
        "failpoint": failpoint(environ),
        "on_commit": observer.commit,
    }
    if address.startswith(POSTGRESQL):
        return PostgresStore.connect(address, settings.hub.node, clock, **common)
    if not address.startswith(SQLITE):
        raise _refused("hub.store", f"leads to no address of a store; one begins with {SQLITE} or {POSTGRESQL}")
    path = settings.path(address.removeprefix(SQLITE))
    if not path.parent.is_dir():
        raise _refused("hub.store", f"lies in {path.parent}, which is no folder; create it")
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # it will hold personal data: nobody else may read it
    return SqliteStore.open_file(path, clock, **common)


def coordination(settings: Settings, clock: Clock, installed: Mapping[str, Installed]) -> InProcess:
    """Return what grants permits in one process, with the routes that agencies share."""
    routes = {name: route.contract for name, route in settings.routes.items()}
    bounds = {name: bounds_of(one.contract, one.connector.operations) for name, one in installed.items()}
    return one_process(clock, Random(secrets.randbits(128)), bounds, routes, route_of(settings))  # noqa: S311 - jitter, not secrets


def route_of(settings: Settings) -> dict[str, str]:
    """Return the route of each agency that shares one."""
    return {name: entry.route for name, entry in settings.agencies.items() if entry.route is not None}


def admin_key(settings: Settings, environ: Mapping[str, str]) -> str:
    """
    Return the key of the admin doors: as the settings say, else one kept beside the file of the store, made when missing.

    Raises:
        FilesRefused: The settings name a key that cannot be found, or none where the store is no file.
    """
    if settings.hub.admin_key:
        try:
            return follow(settings.hub.admin_key, environ, settings.folder)
        except NotFollowed as lost:
            raise _refused("hub.admin_key", str(lost)) from None
    store = settings.store_file()
    if store is None:
        raise _refused(
            "hub.admin_key",
            "is not set, and a key is made only beside an SQLite store; set the same one for every node",
        )
    file = admin_key_file(store)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text("utf-8").strip()
    with os.fdopen(descriptor, "w") as fresh:
        key = "lta_" + secrets.token_urlsafe(32)
        fresh.write(key + "\n")
    return key


def admin_key_file(store: Path) -> Path:
    """Return where the admin key lies when the settings name none: beside *store*, readable by the user of the hub only."""
    return store.with_name(store.name + ".admin-key")


def about(settings: Settings, installed: Mapping[str, Installed]) -> dict[str, Any]:
    """Return what operators are told about this hub."""
    return {
        "version": version(), "node": settings.hub.node, "agencies": list(installed), "store": masked_store(settings),
    }  # fmt: skip


def _refused(key: str, says: str) -> FilesRefused:
    return FilesRefused([FileFault("hub.toml", key, says)])


def version() -> str:
    """Return the version of this distribution; `0` when it runs from a folder that was never installed."""
    try:
        return version_of("lienthong")
    except PackageNotFoundError:
        return "0"


def _bearable(settings: Settings, contracts: Mapping[str, Contract]) -> dict[str, Allowed]:
    """Return the contract of every lane and of every route that a lane takes, by its name in the coordination."""
    used = set(route_of(settings).values())
    return {**contracts, **{ROUTE + name: settings.routes[name].contract for name in used}}


def _facts(one: Installed) -> AgencyFacts:
    facts = one.connector.manifest.connector
    callable_ = {name: operation for name, operation in one.connector.operations.items() if operation.kind != "login"}
    return AgencyFacts(facts.title, facts.title_vi, facts.maturity, one.contract, callable_)


def _asked_of_us(installed: Mapping[str, Installed]) -> dict[str, Inbound]:
    manifests = {name: one.connector.manifest for name, one in installed.items()}
    return {name: manifest.inbound for name, manifest in manifests.items() if manifest.inbound is not None}


def _needs(one: Installed) -> Mapping[str, frozenset[str]]:
    return {name: operation.needs for name, operation in one.connector.operations.items()}


def _counted(dispatcher: Dispatcher, metrics: Metrics) -> bytes:
    dispatcher.watch()  # tells the observer, and so the metrics, how every lane is now
    return metrics.exposition()
