"""
What installed agencies and settings say, in the words of the parts that `build.py` makes: bounds, operations, needs.
"""

from collections.abc import Mapping

from connectors.kit.manifest import Contract, Inbound
from hub.app.inboxes import notices_of, questions_of
from hub.app.installed import Installed
from hub.app.nodes import Bearable
from hub.coordination.protocol import ROUTE
from hub.handling import handles
from hub.orders import Allowed
from hub.route import bounds_of, bounds_of_routes
from hub.settings import Settings
from hub.web.operations import AgencyFacts


def bearable_of(settings: Settings, installed: Mapping[str, Installed]) -> Bearable:
    """Return what lanes may do, and the routes that agencies share."""
    routes = {name: route.contract for name, route in settings.routes.items()}
    lanes = {name: bounds_of(one.contract, one.connector.operations) for name, one in installed.items()}
    over = route_of(settings)
    return Bearable(lanes, bounds_of_routes(lanes, routes, over), over)


def route_of(settings: Settings) -> dict[str, str]:
    """Return the route of each agency that shares one."""
    return {name: entry.route for name, entry in settings.agencies.items() if entry.route is not None}


def orderable(settings: Settings, contracts: Mapping[str, Contract]) -> dict[str, Allowed]:
    """Return the contract of every lane and of every route that a lane takes, by its name in the coordination."""
    used = set(route_of(settings).values())
    return {**contracts, **{ROUTE + name: settings.routes[name].contract for name in used}}


def facts_of(one: Installed) -> AgencyFacts:
    """Return what callers may know of an agency: its operations, without the log-in, its notices and its questions."""
    facts = one.connector.manifest.connector
    callable_ = {name: operation for name, operation in one.connector.operations.items() if operation.kind != "login"}
    notices, questions = notices_of(one), questions_of(one)
    return AgencyFacts(facts.title, facts.title_vi, facts.maturity, one.contract, callable_, notices, questions)


def asked_of_us(installed: Mapping[str, Installed]) -> dict[str, Inbound]:
    """Return how much each agency may ask of us that may ask anything."""
    manifests = {name: one.connector.manifest for name, one in installed.items()}
    return {name: manifest.inbound for name, manifest in manifests.items() if manifest.inbound is not None}


def needs_of(one: Installed) -> Mapping[str, frozenset[str]]:
    """Return by operation the sources that only a call's purpose and the registers can fill."""
    return {name: operation.needs for name, operation in one.connector.operations.items()}


def handling_agencies(installed: Mapping[str, Installed]) -> list[str]:
    """Return the agencies to which dossiers move, and which tell when they are done: their handling is counted."""
    return [name for name, one in installed.items() if handles(one.connector.operations, notices_of(one))]
