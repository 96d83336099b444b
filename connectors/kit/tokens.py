"""
The token of a gateway (LGSP): asked for by client credentials, worn by every exchange that takes its road.

Pure but for the sender it is given: `LgspTokens.fetch` asks once and says what came of it. When to ask, and what a
refusal means for the lanes, is the hub's business; connectors know nothing of any of this. Read `exchange.py` first.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol
from urllib.parse import urlencode

from pydantic_core import to_json

from connectors.kit.exchange import Sender, WireReply, WireRequest
from connectors.kit.gateway import fault_in, meaning
from connectors.kit.outcomes import Answered, Broken, Busy, Outcome, Result, StaleCredentials
from connectors.kit.statuses import by_status
from connectors.kit.texts import Unreadable, parse_json
from mappings.errors import Fault

REPLY_BYTES = 64 * 1024
"""Largest reply to a request for a token; a signed one (JWT) with many scopes has a few KiB."""
_ICT = timezone(timedelta(hours=7))
_MILLISECONDS = 100_000_000_000
"""An `expiryDate` from here on counts milliseconds: in seconds it would be the year 5138."""
_REFUSALS = (400, 401, 403)
"""Statuses by which a token door says that it does not take the credentials (RFC 6749 section 5.2)."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a gateway gave."""

    value: str = field(repr=False)
    seconds: float | None
    """How long it is good from the request on, as far as the gateway said so; None: until it is refused."""


class Tokens(Protocol):
    """Where the tokens of one route come from. Implemented by `LgspTokens`."""

    async def fetch(self, *, timeout: float) -> Token | Outcome:  # noqa: ASYNC109 - handed to the sender
        """
        Ask once for a token, within *timeout* seconds. Never raises but on cancellation.

        `Answered` with result `refused` means that the gateway knows us and says no.
        """
        ...

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        ...


class LgspTokens:
    """Asks the token door of an LGSP. Give it a sender of its own: a door that hangs must not slow anything else."""

    def __init__(
        self,
        url: str,
        key: str,
        secret: str,
        partner: Mapping[str, str] | None,
        sender: Sender,
        now: Callable[[], float],
    ) -> None:
        """*partner*: see `token_request`; *now* gives Unix seconds."""
        self._request = token_request(url, key, secret, partner)
        self._sender = sender
        self._now = now

    async def fetch(self, *, timeout: float) -> Token | Outcome:  # noqa: ASYNC109 - handed to the sender
        """See `Tokens.fetch`."""
        reply = await self._sender.send(self._request, timeout=timeout, reply_bytes=REPLY_BYTES)
        return read_token(reply, self._now()) if isinstance(reply, WireReply) else reply

    async def close(self) -> None:
        """See `Tokens.close`."""
        await self._sender.close()


def token_request(url: str, key: str, secret: str, partner: Mapping[str, str] | None = None) -> WireRequest:
    """
    Return the request for a token: Basic over *key* and *secret*.

    *partner*: AccessKey, SecretKey, AppName, PartnerCode and PartnerCodeCus, for the header `lgspaccesstoken` that some
    provinces want besides.
    """
    headers = {
        "Authorization": "Basic " + _base64(f"{key}:{secret}".encode()),
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    if partner is not None:
        headers["lgspaccesstoken"] = _base64(to_json(partner))
    # A fresh connection: between two tokens lies an hour, and no kept connection lives that long.
    return WireRequest("POST", url, headers, urlencode({"grant_type": "client_credentials"}).encode(), True)


def read_token(reply: WireReply, now: float) -> Token | Outcome:
    """
    Return the token in *reply*, which came at *now* (Unix seconds), or what it means that there is none.

    Strict about the token, which goes into a header; a life that is missing or cannot be understood is unknown, since
    a token that works for an unknown time is worth more than none.
    """
    try:
        content = parse_json(reply.body, reply.headers)
    except Unreadable as error:
        return _no_token(reply, None, now) or Broken("unreadable", (Fault("body", error.rule),))
    refusal = _no_token(reply, content, now)
    if refusal is not None:
        return refusal
    if not isinstance(content, dict):
        return Broken("token", (Fault("body", "is no JSON object"),))
    place = "access_token" if "access_token" in content else "token"
    value = content.get(place)
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable() or " " in value:
        return Broken("token", (Fault(place, "is missing, or is no text that a header can hold"),))
    kind = content.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return Broken("token", (Fault("token_type", "is not Bearer, the only kind that the hub can show"),))
    return Token(value, _life(content, now))


def _no_token(reply: WireReply, content: object, now: float) -> Outcome | None:
    """Return what *reply* means when it brings no token; None: it is a success."""
    fault = fault_in(content) if isinstance(content, dict) else None
    told = meaning(fault, reply.headers, now) if fault and fault.row else None
    if told is None:
        told = by_status(reply.status, reply.headers, now=now, knows_us=True)
    if isinstance(told, StaleCredentials) or (reply.status in _REFUSALS and not isinstance(told, Busy)):
        return Answered(Result.REFUSED)
    return told


def _life(content: Mapping[str, object], now: float) -> float | None:
    seconds = _number(content.get("expires_in"))
    if seconds is not None:
        return seconds if seconds >= 0 else None  # below 0: it never ends
    until = content.get("expiryDate")
    moment = _number(until)
    if moment is not None:
        return max(0.0, (moment / 1000 if moment >= _MILLISECONDS else moment) - now)
    try:
        read = datetime.fromisoformat(until) if isinstance(until, str) else None
    except ValueError:
        return None
    if read is None:
        return None
    return max(0.0, (read if read.tzinfo else read.replace(tzinfo=_ICT)).astimezone(UTC).timestamp() - now)


def _number(value: object) -> float | None:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return float(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


class Bearer:
    """The token that the exchanges of one route wear now, and in which header."""

    def __init__(self, header: str) -> None:
        self.header = header
        self.value = ""
        """Set by whoever keeps the token; empty until there was one."""

    def dressed(self, wire: WireRequest) -> WireRequest | None:
        """Return *wire* with the token, or None when it has that header already: one of both would get lost."""
        if any(name.lower() == self.header.lower() for name in wire.headers):
            return None
        return replace(wire, headers={**wire.headers, self.header: f"Bearer {self.value}"})


class Dressed:
    """A sender that puts the route's token on whatever it carries, log-ins included. Implements `exchange.Sender`."""

    def __init__(self, sender: Sender, bearer: Bearer) -> None:
        self._sender = sender
        self._bearer = bearer

    async def send(self, request: WireRequest, *, timeout: float, reply_bytes: int) -> WireReply | Outcome:  # noqa: ASYNC109 - see Sender
        """See `exchange.Sender.send`; a request that wears another's credentials in the same header is not sent."""
        dressed = self._bearer.dressed(request)
        if dressed is None:
            advice = Fault(self._bearer.header, "is written by the connector too; set token_header of the route")
            return Broken("header", (advice,), sent=False)
        return await self._sender.send(dressed, timeout=timeout, reply_bytes=reply_bytes)

    async def close(self) -> None:
        """See `exchange.Sender.close`."""
        await self._sender.close()
