"""
The other side's door: handshakes computed again from first principles, and sessions that are issued and run out.
"""

import base64
import binascii
import hashlib
import hmac
import random
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from connectors.kit.sandbox.wire import Request

Settings: TypeAlias = Mapping[str, str]
CLOCK_WINDOW_SECONDS = 300.0
"""How far the caller's clock may be off: the real window is unknown, five minutes is assumed."""
SESSION_SECONDS = 1800.0
"""How long a session lives unless the play says otherwise; the real life is unknown, half an hour is assumed."""


def _c06(request: Request, settings: Settings, now: float) -> bool:
    """Accept `Basic user:hash` whose hash is SHA-256 of path, user, timestamp and secret, made within five minutes."""
    stated = request.headers.get((settings.get("timestamp_header") or "timestamp").lower(), "")
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if not stated.isdigit() or scheme != "Basic":
        return False
    per_second = 1 if settings.get("timestamp_unit") == "s" else 1000
    if abs(int(stated) / per_second - now) > CLOCK_WINDOW_SECONDS:
        return False
    digest = hashlib.sha256()
    for part in (settings["service_path"], settings["user_name"], stated, settings["secret_key"]):
        digest.update(part.encode())
    try:
        shown = base64.b64decode(credentials, validate=True)
    except binascii.Error:
        return False
    if not hmac.compare_digest(shown, f"{settings['user_name']}:{digest.hexdigest()}".encode()):
        return False
    expected = {
        (settings.get("x_road_client_header") or "X-Road-Client").lower(): settings.get("x_road_client"),
        (settings.get("api_key_header") or "ApiKey").lower(): settings.get("api_key"),
    }
    return all(request.headers.get(name) == value for name, value in expected.items() if value)


def _bearer(request: Request, _settings: Settings, _now: float) -> bool:
    """Accept whatever comes as `Bearer <token>` (RFC 6750); whether the token is good is a matter of sessions."""
    return request.headers.get("authorization", "").startswith("Bearer ")


def _basic(request: Request, settings: Settings, _now: float) -> bool:
    """Accept the user name and the password of the settings, in UTF-8 (RFC 7617)."""
    expected = base64.b64encode(f"{settings['user_name']}:{settings['password']}".encode()).decode()
    return hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Basic {expected}".encode())


CHECKS: MappingProxyType[str, Callable[[Request, Settings, float], bool]] = MappingProxyType(
    {"c06": _c06, "bearer": _bearer, "basic": _basic}
)
"""How a played agency checks each handshake of the kit."""


class Sessions:
    """Sessions that one played agency has issued."""

    def __init__(self, chance: random.Random, *, seconds: float = SESSION_SECONDS) -> None:
        self._chance = chance
        self._seconds = seconds
        self._until: dict[str, float] = {}

    def issue(self, now: float) -> str:
        """Return a new session, good from *now*."""
        session = f"{self._chance.getrandbits(128):032x}"
        self._until[session] = now + self._seconds
        return session

    def good(self, shown: Sequence[str], now: float) -> bool:
        """Say whether everything *shown* is a session of ours that has not run out."""
        return bool(shown) and all(self._until.get(session, 0.0) > now for session in shown)

    def expire(self) -> int:
        """End all sessions; returns how many were good for anything."""
        ended = len(self._until)
        self._until.clear()
        return ended
