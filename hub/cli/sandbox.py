"""
`hub sandbox`: play agencies from their samples, each on a port of its own, with faults on demand.
"""

import asyncio
import os
import random
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from connectors.kit.binding import shown_settings
from connectors.kit.http import CannedSender
from connectors.kit.manifest import load_manifest
from connectors.kit.outcomes import Unavailable
from connectors.kit.registry import bind, load_connector
from connectors.kit.roads import Services
from connectors.kit.sandbox.gateway import TOKEN_SECONDS, PlayedRoute
from connectors.kit.sandbox.server import Play, Sandbox, serve_sandbox
from hub.app.installed import connector_folder, followed
from hub.app.roads import TOKEN_KEYS, follow_key
from hub.cli.output import AsJson, fail, say, show_json
from hub.cli.settings import Config, connectors_for, read_settings
from hub.route_tables import KINDS, PARTNER, DirectRoute, LgspRoute, NdxpRoute, XRoadRoute
from hub.settings import AgencyEntry, Settings
from mappings.errors import FileFault, FilesRefused

DUTY = ("cb-014", "mot-cua-01")
"""Officer and unit on whose behalf the hub itself asks a played agency: those of the registers in the guide."""
AGENCY_NAME = r"[a-z][a-z0-9_]*"
"""What hub.toml takes as the name of an agency or a route."""
Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="Connectors to play, or `agency=connector` for each of several agencies of one kind;"
        " without any, every agency of hub.toml."
    ),
]
ControlPort = Annotated[int, typer.Option(help="Port of the control door, which turns faults on; 0: any that is free.")]
RouteName = Annotated[
    str | None, typer.Option("--route", help="Play a gateway of this name in front of them: an LGSP with a token door.")
]
RouteKind = Annotated[
    str, typer.Option("--kind", help=f"What that gateway is: {', '.join(KINDS[1:])}.", show_default=True)
]
TokenSeconds = Annotated[float, typer.Option(min=0.1, help="How long a token of the LGSP lives.")]
Seed = Annotated[int | None, typer.Option(help="Makes faults by rate repeatable.")]


def sandbox(
    names: Names = None,
    *,
    route: RouteName = None,
    kind: RouteKind = "lgsp",
    token_seconds: TokenSeconds = TOKEN_SECONDS,
    config: Config = None,
    control_port: ControlPort = 0,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Play agencies until Ctrl-C, and print the lines of hub.toml that lead to them."""
    if names:
        plays = played_by_name(names, config)
        routes = [invented_route(route, plays, kind)] if route else []
    elif route:
        fail("name the agencies behind the gateway, such as `hub sandbox --route lgsp police npsp`.")
    else:
        plays, routes = _played_by_settings(config)
    for one in routes:
        one.token_seconds = token_seconds
    chance = random.Random(secrets.randbits(64) if seed is None else seed)  # noqa: S311 - decides faults, guards nothing

    def ready(sandbox: Sandbox) -> None:
        if as_json:
            shown = {"control": sandbox.control_url, "plays": sandbox.plays_shown(), "routes": sandbox.routes_shown()}
            show_json(shown)
        else:
            say(snippet(plays, routes))
            say(f"# faults on demand: {sandbox.control_url}/faults/<agency or route>   Ctrl-C ends it")
            if any(load_manifest(play.connector).notices for play in plays):
                say(f"# to let one call the hub: POST {sandbox.control_url}/tell/<agency>, see connectors/README.md")

    try:
        playing = serve_sandbox(
            plays, now=time.time, chance=chance, control_port=control_port, routes=routes, ready=ready
        )
        asyncio.run(playing)
    except KeyboardInterrupt:
        say("sandbox ended")


def played_by_name(names: list[str], config: Path | None = None) -> list[Play]:
    """Return plays of the connectors called *names*, each of which may be `agency=connector`, with invented settings."""
    agencies = [name.partition("=")[::2] for name in names]
    wanted = {agency: connector or agency for agency, connector in agencies}
    folders = connectors_for(wanted.values(), config)
    unknown = [connector for connector in wanted.values() if connector not in folders]
    if unknown:
        fail(f"{', '.join(unknown)}: no such connector; there are {', '.join(folders)}.")
    if misnamed := [agency for agency in wanted if re.fullmatch(AGENCY_NAME, agency) is None]:
        fail(f"{', '.join(misnamed)}: no name for an agency; take small letters, such as `tax_dossiers=department`.")
    if len(wanted) < len(agencies):
        fail("two agencies have one name; give each its own, such as `department_justice=department`.")
    return [
        Play(agency, folders[connector], invented_settings(folders[connector], "" if agency == connector else agency))
        for agency, connector in wanted.items()
    ]


def invented_settings(folder: Path, agency: str = "") -> dict[str, str]:
    """
    Return a value for every setting that the connector in *folder* declares: its default, else an invented one.

    What an agency must show to be believed is invented in any case: the sandbox plays it both ways. *agency* stands in
    invented values, so that several agencies of one connector cannot be taken for each other.
    """
    manifest = load_manifest(folder)
    shown = shown_settings(manifest)
    apart = f"{agency}-" if agency else ""
    return {
        key: f"sandbox-{apart}{key}".replace("_", "-") if setting.default is None or key in shown else setting.default
        for key, setting in manifest.settings.items()
    }


def invented_route(name: str, plays: list[Play], kind: str = "lgsp") -> PlayedRoute:
    """Return a gateway called *name* in front of *plays*, with an invented key; its token leaves their headers alone."""
    if re.fullmatch(AGENCY_NAME, name) is None or name in {play.name for play in plays}:
        fail(f"{name} is no name for a route; take small letters, such as `lgsp`, and not an agency's name.")
    if kind not in KINDS[1:]:
        fail(f"{kind} is no kind of gateway; take one of {', '.join(KINDS[1:])}.")
    if kind.startswith("xroad_"):
        return _invented_security_server(name, plays, kind)
    route = PlayedRoute(
        name, {play.name: f"/{play.name}" for play in plays}, "sandbox-key", "sandbox-secret", kind=kind
    )
    if any("authorization" in _headers(play) for play in plays):
        route.token_header = "LGSP-Authorization"  # noqa: S105 - the name of a header
    if kind == "ndxp":
        route.headers = {
            play.name: {"ApiKey": "sandbox-api-key"} | ({} if "dstcode" in _headers(play) else {"dstcode": play.name})
            for play in plays
        }
    return route


def _invented_security_server(name: str, plays: list[Play], kind: str) -> PlayedRoute:
    protocol = kind.removeprefix("xroad_")
    for play in plays:
        if load_manifest(play.connector).connector.protocol != protocol:
            fail(f"{play.name} does not speak {protocol}, so it cannot be played behind a gateway of kind {kind}.")
    last = "*" if protocol == "soap" else "api"
    services = {play.name: Services(f"VN/GOV/SANDBOX/{play.name}/{last}", {}) for play in plays}
    agencies = {play.name: "" for play in plays}
    return PlayedRoute(name, agencies, kind=kind, client="VN/GOV/000.00.00.H32/mot-cua", services=services)


def _headers(play: Play) -> frozenset[str]:
    connector = load_connector(play.connector)
    agency = bind(
        connector,
        name=play.name,
        base_url="http://localhost",
        settings=play.settings,
        sender=CannedSender(lambda _: Unavailable("closed")),
        now=time.time,
        contract=connector.manifest.contract,
    )
    return agency.headers


def snippet(plays: list[Play], routes: Sequence[PlayedRoute] = ()) -> str:
    """Return the part of hub.toml that leads to *plays* over *routes*, which must have been started."""
    lines: list[str] = []
    for route in routes:
        lines += [f"[routes.{route.name}]", f'kind = "{route.kind}"']
        if route.client:
            lines += [f'client = "{route.client}"']
        else:
            lines += [f'token_url = "{route.base_url}/token"']
            lines += [f'consumer_key = "{route.consumer_key}"', f'consumer_secret = "{route.consumer_secret}"']
            lines += [f'token_header = "{route.token_header}"']
            lines += [f'api_key = "{key}"' for key in dict.fromkeys(one["ApiKey"] for one in route.headers.values())]
        lines += ["contract = { calls_per_second = 30, calls_at_once = 20 }", ""]
    road = {name: route.name for route in routes for name in route.agencies}
    for play in plays:
        manifest = load_manifest(play.connector)
        lines += [f"[agencies.{play.name}]"]
        lines += [f'route = "{road[play.name]}"'] if play.name in road else []
        lines += [f'connector = "{play.connector.name}"'] if play.connector.name != play.name else []
        lines += [f'base_url = "{play.base_url}"']
        for route in routes:
            if services := route.services.get(play.name):
                lines += [f'xroad_service = "{services.whole}"']
            if destination := route.headers.get(play.name, {}).get("dstcode"):
                lines += [f'ndxp_destination = "{destination}"']
        declared = manifest.settings
        lines += [f'{key} = "{value}"' for key, value in play.settings.items() if value != declared[key].default]
        if any(notice.fetched_by for notice in manifest.notices.values()):
            lines += [f'scheduled_as = {{ officer = "{DUTY[0]}", unit = "{DUTY[1]}" }}']
        lines += [""]
    return "\n".join(lines)


def _played_by_settings(config: Path | None) -> tuple[list[Play], list[PlayedRoute]]:
    settings = read_settings(config)
    if not settings.agencies:
        fail("hub.toml has no [agencies.<name>] yet; play a connector by name, such as `hub sandbox police npsp`.")
    plays: list[Play] = []
    faults: list[FileFault] = []
    for name, entry in settings.agencies.items():
        try:
            folder = connector_folder(name, entry, settings)
        except FilesRefused as refused:
            faults += refused.faults
            continue
        defaults = {
            key: setting.default
            for key, setting in load_manifest(folder).settings.items()
            if setting.default is not None
        }
        plays.append(
            Play(
                name, folder, defaults | followed(name, entry, os.environ, settings, faults), port=_port(entry.base_url)
            )
        )
    routes = _routes_by_settings(settings, faults)
    if faults:
        raise FilesRefused(faults)
    return plays, routes


def _routes_by_settings(settings: Settings, faults: list[FileFault]) -> list[PlayedRoute]:
    """Return the gateways that agencies of *settings* take, where their entries look for them if that is this machine."""
    routes = []
    for name, route in settings.routes.items():
        behind = {agency: entry for agency, entry in settings.agencies.items() if entry.route == name}
        if not behind or isinstance(route, DirectRoute):
            continue
        if isinstance(route, XRoadRoute):
            services = {
                agency: Services(entry.xroad_service or "", entry.xroad_services or {})
                for agency, entry in behind.items()
            }
            port = next((found for entry in behind.values() if (found := _port(entry.base_url))), 0)
            agencies = dict.fromkeys(behind, "")
            routes.append(
                PlayedRoute(name, agencies, kind=route.kind, client=route.client, services=services, port=port)
            )
        else:
            routes.append(_token_route(name, route, behind, settings, faults))
    return routes


def _token_route(
    name: str,
    route: LgspRoute | NdxpRoute,
    behind: Mapping[str, AgencyEntry],
    settings: Settings,
    faults: list[FileFault],
) -> PlayedRoute:
    keys = {key: follow_key(name, route, key, os.environ, settings, faults) for key in TOKEN_KEYS}
    paths = {agency: urlsplit(entry.base_url).path.rstrip("/") or f"/{agency}" for agency, entry in behind.items()}
    partner = {said: keys[key] for said, key in PARTNER.items()} if route.access_key is not None else None
    headers: dict[str, dict[str, str]] = {}
    if isinstance(route, NdxpRoute):
        api_key = follow_key(name, route, "api_key", os.environ, settings, faults)
        for agency, entry in behind.items():
            said = {
                "X-Road-Client": route.x_road_client,
                "ApiKey": api_key,
                route.destination_header: entry.ndxp_destination,
            }
            headers[agency] = {header: value for header, value in said.items() if value}
    return PlayedRoute(
        name,
        paths,
        keys["consumer_key"],
        keys["consumer_secret"],
        partner,
        route.token_header,
        kind=route.kind,
        headers=headers,
        port=_port(route.token_url),
    )


def _port(base_url: str) -> int:
    """The port of an address on this machine, so that the hub finds the sandbox where hub.toml says; else a free one."""
    host, _, port = base_url.partition("://")[2].partition("/")[0].rpartition(":")
    return int(port) if host in ("127.0.0.1", "localhost") and port.isdigit() else 0
