"""
A gateway in front of played agencies, as a WSO2 platform is (LGSP, NDXP): a token door, and a way through for whoever
shows a good token. Next: `server.py`; the other kind is in `security_server.py`.

It gives the same token to all who ask while it is good, as WSO2 does, and refuses in WSO2's own words: XML before an
agency that speaks SOAP, JSON before one that speaks JSON.
"""

import asyncio
import base64
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from pydantic_core import from_json, to_json

from connectors.kit.roads import Services
from connectors.kit.sandbox.arrivals import Arrivals
from connectors.kit.sandbox.faults import Fault, FaultBook, perform
from connectors.kit.sandbox.wire import Listener, Reply, Request

TOKEN = "token"  # noqa: S105 - the name of a door
"""Name of the token door among the operations of a gateway; the others are its agencies."""
TOKEN_SECONDS = 3600.0
"""How long a token lives unless the play says otherwise: what WSO2 gives when nobody changed it."""
_JSON, _XML = "application/json; charset=utf-8", "application/xml; charset=utf-8"
_WORDS: Mapping[int, tuple[str, str, str]] = {
    404: ("apimanager", "Not Found", "The requested resource is not available."),
    900800: ("apimanager/throttling", "Message throttled out", "You have exceeded your quota"),
    900901: ("apimanager/security", "Invalid Credentials", "Make sure you have given the correct access token"),
    900902: ("apimanager/security", "Missing Credentials", "Make sure your request has the token's header"),
    900903: ("apimanager/security", "Access Token Expired", "Renew the access token and try again"),
    900908: ("apimanager/security", "Resource forbidden", "The application has no subscription for this API"),
}
"""What it says, by code: namespace, message, description."""


@dataclass(slots=True)
class PlayedRoute:
    """One gateway to be played."""

    name: str
    """The route's name in `hub.toml`."""
    agencies: Mapping[str, str]
    """The agencies behind it, and the path at which each is found, such as `/police`."""
    consumer_key: str = ""
    consumer_secret: str = field(default="", repr=False)
    partner: Mapping[str, str] | None = None
    """What the header `lgspaccesstoken` must say; None: it is not looked at."""
    token_header: str = "Authorization"  # noqa: S105 - the name of a header
    token_seconds: float = TOKEN_SECONDS
    kind: str = "lgsp"
    """As in `hub.toml`."""
    headers: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    """Headers that it wants to see, by agency: NDXP."""
    client: str = ""
    """The only client that it knows: X-Road."""
    services: Mapping[str, Services] = field(default_factory=dict)
    """Ids of services by agency: X-Road."""
    port: int = 0
    """Port to listen on; 0: any that is free."""
    base_url: str = ""
    """Where it is played; filled by `Sandbox.start`."""


class Behind(Protocol):
    """An agency behind the gateway; `server.py` has it."""

    @property
    def xml(self) -> bool: ...
    async def answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool: ...
    def reply(self, request: Request) -> Reply: ...


class Door:
    """What every gateway has: a listener, faults of its own, and a way to the agencies behind it."""

    def __init__(
        self,
        route: PlayedRoute,
        agencies: Mapping[str, Behind],
        arrivals: Arrivals,
        now: Callable[[], float],
        chance: random.Random,
    ) -> None:
        self.route = route
        self.faults = FaultBook(chance)
        self.listener = Listener(self._answer)
        self._agencies = agencies
        self._arrivals = arrivals
        self._now = now
        self._chance = chance

    def expire(self) -> int:
        """End the token that is out before its time; returns how many were good for anything."""
        return 0

    async def _answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        raise NotImplementedError

    async def _play(
        self,
        request: Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        operation: str,
        *,
        xml: bool,
        reply: Callable[[], Reply],
        behind: Callable[[Request, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]] | None = None,
    ) -> bool:
        fault = self.faults.strike(operation)
        if fault is None and behind is not None:
            return await behind(request, reader, writer)
        if fault is None:
            writer.write(reply().wire)
            return request.keep
        if said := self._says(fault, xml=xml):
            return await self._say(request, writer, operation, said.status, said, f"fault:{fault.fault}")
        self._log(operation, f"fault:{fault.fault}", fault.happens)
        return await perform(fault, request, reply, reader, writer)

    async def _say(
        self, request: Request, writer: asyncio.StreamWriter, operation: str, status: int, reply: Reply, told: str = ""
    ) -> bool:
        self._log(operation, told or str(status), processed=False)
        writer.write(Reply(status, reply.body, reply.content_type, reply.headers).wire)
        return request.keep

    def _says(self, fault: Fault, *, xml: bool) -> Reply | None:
        """Return what it says in its own words when *fault* strikes; None: it has none for that."""
        raise NotImplementedError

    def _log(self, operation: str, outcome: str, processed: bool) -> None:
        self._arrivals.add(self._now(), self.route.name, operation, "", outcome, processed)


class Gateway(Door):
    """One WSO2 platform: its door, its tokens and its faults."""

    def __init__(
        self,
        route: PlayedRoute,
        agencies: Mapping[str, Behind],
        arrivals: Arrivals,
        now: Callable[[], float],
        chance: random.Random,
    ) -> None:
        super().__init__(route, agencies, arrivals, now, chance)
        self._token = ""
        self._until = 0.0
        self._ended: set[str] = set()

    def expire(self) -> int:
        """See `Door.expire`."""
        good = self._until > self._now()
        self._until = 0.0
        return int(good)

    async def _answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if request.path == f"/{TOKEN}":
            return await self._play(request, reader, writer, TOKEN, xml=False, reply=lambda: self._give(request))
        name, inner = self._through(request)
        if inner is None:
            return await self._say(request, writer, name, 404, _fault(404, xml=False))
        agency = self._agencies[name]
        code = self._refusal(name, request)
        if code:
            status = 403 if code == 900908 else 401
            return await self._say(request, writer, name, status, _fault(code, xml=agency.xml), str(code))
        return await self._play(
            inner, reader, writer, name, xml=agency.xml, reply=lambda: agency.reply(inner), behind=agency.answer
        )

    def _says(self, fault: Fault, *, xml: bool) -> Reply | None:
        return replace(_fault(900800, xml=xml, fault=fault), status=429) if fault.fault == "429" else None

    def _through(self, request: Request) -> tuple[str, Request | None]:
        """Return the agency that *request* is for, and the request as it comes out behind the gateway."""
        for name, path in self.route.agencies.items():
            if request.path == path or request.path.startswith(f"{path}/"):
                rest = request.path.removeprefix(path) or "/"
                mine = {header.lower() for header in self.route.headers.get(name, {})}  # not for the agency to see
                headers = {header: value for header, value in request.headers.items() if header not in mine}
                return name, replace(request, path=rest, headers=headers)
        return "", None

    def _refusal(self, agency: str, request: Request) -> int:
        """Return the code by which the token that *request* shows is refused; 0: it is good, and so is what it needs besides."""
        shown = request.headers.get(self.route.token_header.lower(), "")
        scheme, _, token = shown.partition(" ")
        if scheme != "Bearer" or not token:
            return 900902
        if token == self._token:
            wanted = self.route.headers.get(agency, {}).items()
            shows = all(request.headers.get(header.lower()) == value for header, value in wanted)
            return 900903 if self._until <= self._now() else 0 if shows else 900908
        return 900903 if token in self._ended else 900901

    def _give(self, request: Request) -> Reply:
        """Return the answer of the token door."""
        if not self._knows(request):
            self._log(TOKEN, "refused", processed=False)
            told = {"error": "invalid_client", "error_description": "A valid OAuth client could not be found"}
            return Reply(401, to_json(told), _JSON)
        now = self._now()
        if self._until <= now:
            self._ended |= {self._token} if self._token else set()
            self._token = f"{self._chance.getrandbits(128):032x}"
            self._until = now + self.route.token_seconds
        self._log(TOKEN, "ok", processed=True)
        given = {
            "access_token": self._token,
            "scope": "am_application_scope default",
            "token_type": "Bearer",
            "expires_in": int(self._until - now),
        }
        return Reply(200, to_json(given), _JSON)

    def _knows(self, request: Request) -> bool:
        route = self.route
        expected = "Basic " + base64.b64encode(f"{route.consumer_key}:{route.consumer_secret}".encode()).decode()
        if request.method != "POST" or request.headers.get("authorization") != expected:
            return False
        if request.body != b"grant_type=client_credentials":
            return False
        if route.partner is None:
            return True
        try:
            return bool(from_json(base64.b64decode(request.headers.get("lgspaccesstoken", ""))) == route.partner)
        except ValueError:
            return False


def _fault(code: int, *, xml: bool, fault: Fault | None = None) -> Reply:
    namespace, message, description = _WORDS[code]
    wait = {"Retry-After": fault.retry_after} if fault and fault.retry_after is not None else {}
    if not xml:
        body = to_json({"fault": {"code": code, "message": message, "description": description}})
        return Reply(0, body, _JSON, wait)
    text = (
        f'<am:fault xmlns:am="http://wso2.org/{namespace}"><am:code>{code}</am:code>'
        f"<am:message>{message}</am:message><am:description>{description}</am:description></am:fault>"
    )
    return Reply(0, text.encode(), _XML, wait)
