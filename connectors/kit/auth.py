"""
How we prove to an agency who we are: named handshakes, and the placing of sessions and keys that `[auth] put` names.

A handshake is a pure function of settings and the moment. Sessions (`[auth] login`) are kept by the lane and arrive
here as sources `auth.<name>`. Read `exchange.py` first.
"""

import base64
import difflib
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from connectors.kit.exchange import Sources
from mappings.errors import Fault, MappingFailed

Settings = Mapping[str, str]
"""Values of `[settings.<name>]` for one agency; a setting that is not given is absent or empty."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """One way of proving who we are, by headers."""

    settings: tuple[str, ...]
    """Settings that must have a value."""
    optional: tuple[str, ...]
    """Settings that may have one."""
    make: Callable[[Settings, float], Mapping[str, str]]
    before: str = ""
    """What stands before a value that `[auth] put` places in the header Authorization."""

    def headers(self, settings: Settings, now: float) -> Mapping[str, str]:
        """
        Return the headers to send at *now* (Unix seconds).

        Raises:
            MappingFailed: Settings without a value, or with one that the scheme does not know; each is named.
        """
        missing = [Fault(f"settings.{name}", "has no value") for name in self.settings if not settings.get(name)]
        if missing:
            raise MappingFailed(missing)
        return self.make(settings, now)


def handshake(scheme: str) -> Handshake:
    """
    Return the handshake that a manifest names as `[auth] scheme`.

    Raises:
        ValueError: There is no such scheme; the text names the nearest.
    """
    found = HANDSHAKES.get(scheme)
    if found is None:
        near = difflib.get_close_matches(scheme, HANDSHAKES, n=1, cutoff=0.4)
        advice = f"did you mean {near[0]!r}?" if near else f"known schemes: {', '.join(sorted(HANDSHAKES))}"
        raise ValueError(f"no handshake {scheme!r}: {advice}")
    return found


@dataclass(frozen=True, slots=True)
class Placed:
    """Where `[auth] put` puts its values: headers and query parameters by name, body places by path."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, str]


def placed(put: Mapping[str, str], sources: Sources, *, before: str = "") -> Placed:
    """
    Return the values that *put* (`"header:X" = "auth.session"`, `"query:key" = "settings.key"`) places.

    *before* stands before the one in the header Authorization: see `Handshake.before`.

    Raises:
        MappingFailed: Sources without a value; each is named with its place.
    """
    into: dict[str, dict[str, str]] = {"header": {}, "query": {}, "body": {}}
    faults: list[Fault] = []
    for place, source in put.items():
        value = source[1:] if source.startswith("=") else sources.get(source)
        side, marked, name = place.partition(":")
        if value is None:
            faults.append(Fault(place, f"{source} has no value"))
        elif marked and side in ("header", "query"):
            into[side][name] = (before if name.lower() == "authorization" else "") + value
        else:
            into["body"][place] = value
    if faults:
        raise MappingFailed(faults)
    return Placed(into["header"], into["query"], into["body"])


def same(given: str, expected: str) -> bool:
    """Compare two secrets in a time that tells nothing about where they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())


_C06_MOMENTS = MappingProxyType({"": 1000, "ms": 1000, "s": 1})
"""Units of the Timestamp header by setting `timestamp_unit`: one client was seen with milliseconds, one with seconds."""


def _c06(settings: Settings, now: float) -> Mapping[str, str]:
    """
    National population database: Basic over SHA-256 of service path, user, moment and secret.

    `service_path` is the path agreed with C06, not the address we call; a slash more or less breaks the hash.
    """
    unit = settings.get("timestamp_unit") or ""
    faults = [] if unit in _C06_MOMENTS else [Fault("settings.timestamp_unit", "is neither 'ms' nor 's'")]
    if settings.get("esb_source", "") not in ("", "yes", "no"):
        faults.append(Fault("settings.esb_source", "is neither 'yes' nor 'no'"))
    if faults:
        raise MappingFailed(faults)
    moment = str(int(now * _C06_MOMENTS[unit]))
    user = settings["user_name"]
    digest = hashlib.sha256((settings["service_path"] + user + moment + settings["secret_key"]).encode()).hexdigest()
    headers = {
        settings.get("timestamp_header") or "Timestamp": moment,
        "Authorization": "Basic " + base64.b64encode(f"{user}:{digest}".encode()).decode(),
    }
    for name, setting in (("X-Road-Client", "x_road_client"), ("ApiKey", "api_key")):
        if value := settings.get(setting):
            headers[settings.get(f"{setting}_header") or name] = value
    if settings.get("esb_source") == "yes":
        headers |= {"ESB_SOURCE_TYPE": user, "ESB_SOURCE_USERNAME": user}
    return headers


def _basic(settings: Settings, _now: float) -> Mapping[str, str]:
    """User name and password as they are (RFC 7617), in UTF-8."""
    if ":" in settings["user_name"]:
        raise MappingFailed([Fault("settings.user_name", "holds a colon, which ends the name in this handshake")])
    shown = f"{settings['user_name']}:{settings['password']}".encode()
    return {"Authorization": "Basic " + base64.b64encode(shown).decode()}


HANDSHAKES: MappingProxyType[str, Handshake] = MappingProxyType(
    {
        "c06": Handshake(
            settings=("service_path", "user_name", "secret_key"),
            optional=(
                "timestamp_unit",
                "timestamp_header",
                "x_road_client",
                "x_road_client_header",
                "api_key",
                "api_key_header",
                "esb_source",
            ),
            make=_c06,
        ),
        "bearer": Handshake(settings=(), optional=(), make=lambda _settings, _now: {}, before="Bearer "),
        "basic": Handshake(settings=("user_name", "password"), optional=(), make=_basic),
    }
)
"""Every handshake of the kit, by the name that manifests use."""
