"""
From settings to routes: references followed, a token door with a sender of its own. Used by `installed.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connectors.kit.binding import BoundAgency
from connectors.kit.http import HttpSender
from connectors.kit.tokens import Bearer, LgspTokens, Tokens
from hub.references import NotFollowed, follow
from hub.settings import PARTNER, LgspRoute, RouteContract, Settings
from mappings.errors import FileFault

TOKEN_KEYS = ("consumer_key", "consumer_secret", *PARTNER.values())


@dataclass(frozen=True, slots=True)
class InstalledRoute:
    """One route of this installation, before there is an engine."""

    name: str
    kind: str
    contract: RouteContract
    tokens: Tokens | None
    """Where its tokens come from; None: it wants none."""
    bearer: Bearer | None
    """What its exchanges wear; None likewise."""


def install_routes(
    settings: Settings, environ: Mapping[str, str], now: Callable[[], float], faults: list[FileFault]
) -> dict[str, InstalledRoute]:
    """Return every route of *settings*; what is wrong with one is added to *faults*, and then it has no token."""
    return {
        name: _with_token(name, route, settings, environ, now, faults)
        if isinstance(route, LgspRoute)
        else InstalledRoute(name, route.kind, route.contract, None, None)
        for name, route in settings.routes.items()
    }


def _with_token(
    name: str,
    route: LgspRoute,
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
    return InstalledRoute(name, route.kind, route.contract, tokens, Bearer(route.token_header))


def follow_key(
    name: str, route: LgspRoute, key: str, environ: Mapping[str, str], settings: Settings, faults: list[FileFault]
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


def taken_header(route: InstalledRoute, agency: BoundAgency) -> FileFault | None:
    """Return what is wrong when *agency*'s connector itself writes the header in which *route*'s token stands."""
    if route.bearer is None or route.bearer.header.lower() not in agency.headers:
        return None
    says = (
        f"`{route.bearer.header}` is written by the connector of agency `{agency.name}` too; set token_header to another "
        "one, in which the gateway looks for the token"
    )
    return FileFault("hub.toml", f"routes.{route.name}.token_header", says)
