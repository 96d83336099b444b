"""
From settings to agencies: each entry finds its connector, lowers its contract, follows its references and is bound.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from connectors.kit.binding import BoundAgency
from connectors.kit.connector import Connector
from connectors.kit.exchange import Sender
from connectors.kit.files import Link, example_link
from connectors.kit.manifest import Contract
from connectors.kit.registry import bind, find_connectors, load_connector
from connectors.kit.roads import OverXRoad
from connectors.kit.tokens import Dressed
from hub.app.roads import InstalledRoute, install_routes, road_of, sender_of, taken_headers
from hub.references import NotFollowed, follow
from hub.route_tables import XRoadRoute
from hub.settings import AgencyEntry, Settings
from mappings.errors import FileFault, FilesRefused, MappingFailed

HANOI = timezone(timedelta(hours=7))


@dataclass(frozen=True, slots=True)
class Installed:
    """One agency of this installation, ready for a lane."""

    name: str
    connector: Connector
    contract: Contract
    """The connector's, lowered by the agency's entry."""
    agency: BoundAgency
    settings: Mapping[str, str]
    """References followed: holds secrets. Never print it."""
    route: InstalledRoute | None = None
    """The road it shares with others; None: it has one of its own."""


def connector_folder(name: str, entry: AgencyEntry, settings: Settings) -> Path:
    """
    Return the folder of the connector that the agency *name* names: an installed one, else one of `[hub] connectors`.

    Raises:
        FilesRefused: There is no such connector, the nearest is named; or it is data that brings code.
    """
    folders = known_connectors(settings)
    wanted = entry.connector or name
    if wanted in folders:
        refuse_code([wanted], folders)
        return folders[wanted]
    near = difflib.get_close_matches(wanted, folders, 1, 0.6)
    advice = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(folders)}"
    raise FilesRefused([FileFault("hub.toml", f"agencies.{name}.connector", f"`{wanted}` is no connector; {advice}")])


def refuse_code(names: Iterable[str], folders: Mapping[str, Path]) -> None:
    """
    Refuse those connectors *names* of *folders* that are not installed and bring code: what lies beside is data.

    Raises:
        FilesRefused: Every such connector at once.
    """
    installed = find_connectors()
    says = "hooks come only with installed packages; take hooks.py out, or install the connector"
    faults = [
        FileFault(f"{name}/hooks.py", "", says)
        for name in names
        if name not in installed and name in folders and (folders[name] / "hooks.py").exists()
    ]
    if faults:
        raise FilesRefused(faults)


def known_connectors(settings: Settings) -> dict[str, Path]:
    """
    Return name and folder of every connector that an agency may name: installed ones, and those of `[hub] connectors`.

    Raises:
        FilesRefused: `[hub] connectors` is no folder.
    """
    return _beside(settings) | dict(find_connectors())


def _beside(settings: Settings) -> dict[str, Path]:
    if not settings.hub.connectors:
        return {}
    place = settings.path(settings.hub.connectors)
    if not place.is_dir():
        says = f"`{settings.hub.connectors}` is no folder; name one that holds connector folders, or leave the key out"
        raise FilesRefused([FileFault("hub.toml", "hub.connectors", says)])
    return {folder.name: folder for folder in sorted(place.iterdir()) if (folder / "manifest.toml").is_file()}


def codes_of(settings: Settings) -> Path | None:
    """
    Return the folder of code tables that stand in for shared ones; None: the shared ones are used.

    Raises:
        FilesRefused: `[hub] codes` is no folder.
    """
    if not settings.hub.codes:
        return None
    place = settings.path(settings.hub.codes)
    if not place.is_dir():
        says = f"`{settings.hub.codes}` is no folder; name one that holds code tables, or leave the key out"
        raise FilesRefused([FileFault("hub.toml", "hub.codes", says)])
    return place


def install(
    settings: Settings,
    environ: Mapping[str, str],
    now: Callable[[], float],
    link_to: Callable[[str], Link] = lambda _: example_link,
) -> dict[str, Installed]:
    """
    Bind every agency of *settings*; *now* gives Unix seconds, *link_to* what makes links for an agency. Must run where the event loop will run.

    Raises:
        FilesRefused: Every fault of all routes and agencies at once.
    """
    installed: dict[str, Installed] = {}
    faults: list[FileFault] = []
    routes = install_routes(settings, environ, now, faults)
    connectors: dict[Path, Connector] = {}
    for name, entry in settings.agencies.items():
        try:
            folder = connector_folder(name, entry, settings)
            if folder not in connectors:
                connectors[folder] = load_connector(folder, today=lambda: today(now()), codes=codes_of(settings))
            route = routes[entry.route] if entry.route is not None else None
            installed[name] = _install(name, entry, connectors[folder], settings, environ, now, route, link_to(name))
        except FilesRefused as refused:
            faults += refused.faults
    if faults:
        raise FilesRefused(list(dict.fromkeys(faults)))
    return installed


def today(now: float) -> date:
    """Return the day in Viet Nam at *now*, Unix seconds."""
    return datetime.fromtimestamp(now, HANOI).date()


def _install(
    name: str,
    entry: AgencyEntry,
    connector: Connector,
    settings: Settings,
    environ: Mapping[str, str],
    now: Callable[[], float],
    route: InstalledRoute | None,
    link: Link,
) -> Installed:
    faults: list[FileFault] = []
    values = followed(name, entry, environ, settings, faults)
    contract = connector.manifest.contract
    try:
        contract = contract.lowered(entry.contract, key=f"agencies.{name}.contract")
    except FilesRefused as refused:
        faults += refused.faults
    sender: Sender = sender_of(settings, entry.ca_file, f"agencies.{name}.ca_file", faults)
    if route is not None and route.bearer is not None:
        sender = Dressed(sender, route.bearer)
    elif route is not None and isinstance(route.table, XRoadRoute):
        sender = OverXRoad(sender, now)
    try:
        road = road_of(name, entry, route, connector)
    except FilesRefused as refused:
        faults += refused.faults
        road = None
    try:
        agency = bind(
            connector,
            name=name,
            base_url=entry.base_url,
            settings=values,
            sender=sender,
            now=now,
            contract=contract,
            link=link,
            road=road,
        )
        faults += taken_headers(route, agency) if route is not None else []
    except FilesRefused as refused:
        raise FilesRefused([*faults, *refused.faults]) from None
    except MappingFailed as failed:  # a setting that the handshake does not know
        wrong = [
            FileFault("hub.toml", f"agencies.{name}.{fault.place.partition('.')[2]}", fault.rule)
            for fault in failed.faults
        ]
        raise FilesRefused([*faults, *wrong]) from None
    if faults:
        raise FilesRefused(faults)
    return Installed(name, connector, contract, agency, values, route)


def followed(
    name: str, entry: AgencyEntry, environ: Mapping[str, str], settings: Settings, faults: list[FileFault]
) -> dict[str, str]:
    """Return the settings of an entry with references followed; what leads nowhere is added to *faults*."""
    values = {}
    for key, text in entry.settings.items():
        try:
            values[key] = follow(text, environ, settings.folder)
        except NotFollowed as lost:
            faults.append(FileFault("hub.toml", f"agencies.{name}.{key}", str(lost)))
            values[key] = text
    return values


def plain_settings(installed: Mapping[str, Installed]) -> dict[str, frozenset[str]]:
    """Return, per agency, the settings that its connector declares as not secret: what may be printed."""
    return {
        name: frozenset(key for key, setting in one.connector.manifest.settings.items() if not setting.secret)
        for name, one in installed.items()
    }
