"""
From settings to routes: references followed, a token door with a sender of its own, and what each agency's requests wear.

Used by `installed.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from connectors.kit.binding import BoundAgency
from connectors.kit.connector import Connector
from connectors.kit.http import HttpSender
from connectors.kit.roads import ANY, PartnerHeaders, Road, Services, XRoadRest, XRoadSoap
from connectors.kit.tokens import Bearer, LgspTokens, Tokens
from hub.references import NotFollowed, follow
from hub.route_tables import PARTNER, LgspRoute, NdxpRoute, Route, RouteContract, TokenRoute, XRoadRoute
from hub.settings import AgencyEntry, Settings
from mappings.errors import FileFault, FilesRefused
from mappings.paths import nearest

TOKEN_KEYS = ("consumer_key", "consumer_secret", *PARTNER.values())


@dataclass(frozen=True, slots=True)
class InstalledRoute:
    """One route of this installation, before there is an engine."""

    name: str
    table: Route
    """As `hub.toml` says, references not followed."""
    tokens: Tokens | None = None
    """Where its tokens come from; None: it wants none."""
    bearer: Bearer | None = None
    """What its exchanges wear; None likewise."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What every request on it says besides, references followed: may hold a key."""

    @property
    def kind(self) -> str:
        """How it is taken."""
        return self.table.kind

    @property
    def contract(self) -> RouteContract:
        """How much it can bear."""
        return self.table.contract


def install_routes(
    settings: Settings, environ: Mapping[str, str], now: Callable[[], float], faults: list[FileFault]
) -> dict[str, InstalledRoute]:
    """Return every route of *settings*; what is wrong with one is added to *faults*, and then it has no token."""
    return {
        name: _with_token(name, route, settings, environ, now, faults)
        if isinstance(route, LgspRoute | NdxpRoute)
        else InstalledRoute(name, route)
        for name, route in settings.routes.items()
    }


def _with_token(
    name: str,
    route: LgspRoute | NdxpRoute,
    settings: Settings,
    environ: Mapping[str, str],
    now: Callable[[], float],
    faults: list[FileFault],
) -> InstalledRoute:
    values = {key: follow_key(name, route, key, environ, settings, faults) for key in TOKEN_KEYS}
    # Either all five of a partner's keys are there, or none.
    partner = {said: values[key] for said, key in PARTNER.items()} if route.access_key is not None else None
    sender = sender_of(settings, route.ca_file, f"routes.{name}.ca_file", faults)
    tokens = LgspTokens(route.token_url, values["consumer_key"], values["consumer_secret"], partner, sender, now)
    headers = {}
    if isinstance(route, NdxpRoute):
        api_key = follow_key(name, route, "api_key", environ, settings, faults)
        headers = {key: value for key, value in (("X-Road-Client", route.x_road_client), ("ApiKey", api_key)) if value}
    return InstalledRoute(name, route, tokens, Bearer(route.token_header), headers)


def road_of(name: str, entry: AgencyEntry, route: InstalledRoute | None, connector: Connector) -> Road | None:
    """
    Return what requests to the agency *name* get from *route*; None: nothing.

    Raises:
        FilesRefused: Its entry lacks what this kind of road needs, or gives what only another kind needs.
    """
    table = route.table if route is not None else None
    faults = list(_needless(name, entry, table))
    if isinstance(table, XRoadRoute):
        faults += _services_faults(name, entry, table.kind, connector)
    if faults:
        raise FilesRefused(faults)
    if isinstance(table, XRoadRoute):
        services = Services(entry.xroad_service or "", entry.xroad_services or {})
        return (XRoadRest if table.kind == "xroad_rest" else XRoadSoap)(table.client, services)
    headers = dict(route.headers) if route is not None else {}
    if isinstance(table, NdxpRoute) and entry.ndxp_destination is not None:
        headers[table.destination_header] = entry.ndxp_destination
    return PartnerHeaders(headers) if headers else None


def _needless(name: str, entry: AgencyEntry, table: Route | None) -> list[FileFault]:
    """What *entry* says that has no meaning on its road: somebody expects something that will not happen."""
    kind = "ndxp" if isinstance(table, NdxpRoute) else "X-Road" if isinstance(table, XRoadRoute) else ""
    given = {
        "ndxp_destination": ("ndxp", entry.ndxp_destination is not None),
        "xroad_service": ("X-Road", entry.xroad_service is not None),
        "xroad_services": ("X-Road", entry.xroad_services is not None),
    }
    return [
        FileFault("hub.toml", f"agencies.{name}.{key}", f"has a meaning over a route of {wanted} only; take it out")
        for key, (wanted, there) in given.items()
        if there and kind != wanted
    ]


def _services_faults(name: str, entry: AgencyEntry, kind: str, connector: Connector) -> list[FileFault]:
    operations, protocol = connector.manifest.operations, connector.manifest.connector.protocol
    own = entry.xroad_services or {}
    faults = []
    if protocol != kind.removeprefix("xroad_"):
        says = f"has kind `{kind}`, and connector `{connector.name}` speaks {protocol}; take a route of kind `xroad_{protocol}`"
        faults.append(FileFault("hub.toml", f"agencies.{name}.route", says))
    for operation in own:
        if operation not in operations:
            says = f"is no operation of connector `{connector.name}`{nearest(operation, operations)}"
            faults.append(FileFault("hub.toml", f"agencies.{name}.xroad_services.{operation}", says))
    lacking = [operation for operation in operations if operation not in own]
    if entry.xroad_service is None and lacking:
        says = f"is missing; write the id of its service, which {', '.join(lacking)} use on this route"
        faults.append(FileFault("hub.toml", f"agencies.{name}.xroad_service", says))
    ids = {"xroad_service": entry.xroad_service or ""} | {
        f"xroad_services.{operation}": given for operation, given in own.items()
    }
    for key, given in ids.items():
        if kind == "xroad_rest" and (ANY in given or given.count("/") > 4):
            says = "has `*` or a version, which only SOAP knows; write INSTANCE/CLASS/MEMBER/SUBSYSTEM/SERVICE"
            faults.append(FileFault("hub.toml", f"agencies.{name}.{key}", says))
    return faults


def follow_key(
    name: str, route: TokenRoute, key: str, environ: Mapping[str, str], settings: Settings, faults: list[FileFault]
) -> str:
    """Return the value of *key*, its reference followed; empty when it is not given, or leads nowhere as *faults* says."""
    try:
        return follow(getattr(route, key) or "", environ, settings.folder)
    except NotFollowed as lost:
        faults.append(FileFault("hub.toml", f"routes.{name}.{key}", str(lost)))
        return ""


def sender_of(settings: Settings, ca_file: str | None, key: str, faults: list[FileFault]) -> HttpSender:
    """Return a new sender that trusts what is in *ca_file*; if that cannot be read, *key* is named in *faults*."""
    try:
        return HttpSender(ca_file=settings.path(ca_file) if ca_file else None)
    except OSError as error:
        says = f"cannot be read as PEM ({type(error).__name__}); name the file of the authority"
        faults.append(FileFault("hub.toml", key, says))
        return HttpSender()


def taken_headers(route: InstalledRoute, agency: BoundAgency) -> list[FileFault]:
    """Return what is wrong when *agency*'s connector itself writes a header in which *route* has something to say."""
    faults = []
    if route.bearer is not None and route.bearer.header.lower() in agency.headers:
        says = (
            f"`{route.bearer.header}` is written by the connector of agency `{agency.name}` too; set token_header to "
            "another one, in which the gateway looks for the token"
        )
        faults.append(FileFault("hub.toml", f"routes.{route.name}.token_header", says))
    for header in sorted(agency.road.headers & agency.headers) if agency.road else ():
        says = f"writes the header `{header}`, as its connector does; leave that setting of the agency empty"
        faults.append(FileFault("hub.toml", f"routes.{route.name} with agencies.{agency.name}", says))
    return faults
