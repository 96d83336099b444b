"""
The only place that speaks HTTP to an agency: bytes out, bytes or an outcome back. Read `exchange.py` first.

Every failure becomes an outcome by one table, `CAUSES`, and one question: may a byte of the request have left us?
If not, nothing can have been processed (`Unavailable`). If so, anything may have happened (`InDoubt`).
"""

import asyncio
import io
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from types import MappingProxyType

import aiohttp
from aiohttp import client_exceptions
from aiohttp import http_exceptions as parsing
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from connectors.kit.connection import AskedOnly
from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.names import LookUp, Names, NotResolved
from connectors.kit.outcomes import Broken, InDoubt, Outcome, Unavailable
from mappings.errors import Fault


class NotAllowed(OSError):
    """This address may not be connected to. Look at the list of hosts in the settings."""


CAUSES: MappingProxyType[type[BaseException], str] = MappingProxyType(
    {
        aiohttp.ClientError: "connection",
        aiohttp.ClientResponseError: "malformed",
        aiohttp.ContentTypeError: "malformed",
        aiohttp.WSServerHandshakeError: "malformed",
        aiohttp.ClientHttpProxyError: "proxy",
        aiohttp.TooManyRedirects: "redirect",
        aiohttp.ClientConnectionError: "connection",
        aiohttp.ClientConnectionResetError: "reset",
        aiohttp.ClientOSError: "reset",
        aiohttp.ClientConnectorError: "connect",
        aiohttp.ClientConnectorDNSError: "dns",
        aiohttp.ClientProxyConnectionError: "proxy",
        client_exceptions.UnixClientConnectorError: "connect",
        aiohttp.ServerConnectionError: "connection",
        aiohttp.ServerDisconnectedError: "closed",
        aiohttp.ServerTimeoutError: "timeout",
        aiohttp.ConnectionTimeoutError: "timeout",
        aiohttp.SocketTimeoutError: "timeout",
        aiohttp.ServerFingerprintMismatch: "tls",
        aiohttp.ClientPayloadError: "truncated",
        aiohttp.UploadAbortedError: "upload",
        aiohttp.InvalidURL: "address",
        aiohttp.InvalidUrlClientError: "address",
        aiohttp.RedirectClientError: "redirect",
        aiohttp.NonHttpUrlClientError: "address",
        aiohttp.InvalidUrlRedirectClientError: "redirect",
        aiohttp.NonHttpUrlRedirectClientError: "redirect",
        aiohttp.ClientSSLError: "tls",
        aiohttp.ClientConnectorSSLError: "tls",
        aiohttp.ClientConnectorCertificateError: "certificate",
        parsing.HttpProcessingError: "malformed",
        NotResolved: "dns",
        NotAllowed: "forbidden",
        TimeoutError: "timeout",
        ssl.SSLCertVerificationError: "certificate",
        ssl.SSLError: "tls",
        socket.gaierror: "dns",
        ConnectionError: "reset",
        OSError: "connection",
        UnicodeEncodeError: "header",
        UnicodeError: "address",
        ValueError: "header",
        Exception: "fault",
    }
)
"""Why an exchange failed, by exception, nearest class first. Holds every class that aiohttp's client can raise."""

_STREAMED_BYTES = 1 << 20
"""Bodies above this are written piece by piece; in one piece they would hold the loop."""


def cause_of(error: BaseException) -> str:
    """Return what `CAUSES` calls *error*."""
    inner = getattr(
        error, "os_error", None
    )  # aiohttp takes an address that is not allowed for one that does not answer
    return CAUSES[
        next(kind for kind in type(inner if isinstance(inner, NotAllowed) else error).__mro__ if kind in CAUSES)
    ]


def sockets(may_connect: Callable[[str], bool] | None) -> Callable[[aiohttp.AddrInfoType], socket.socket] | None:
    """
    Return what makes sockets for those numeric addresses alone that *may_connect* lets pass; None: for all.

    The address that is judged is the one that is connected to, whatever name led to it and however it was written.
    """
    if may_connect is None:
        return None

    def make(address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, where = address
        if not may_connect(str(where[0])):
            raise NotAllowed("this address may not be connected to")  # one text, so that it is seen among several
        return socket.socket(family, kind, protocol)

    return make


def outcome_of(error: BaseException, *, sent: bool) -> Outcome:
    """Return how an exchange ended that *error* cut short; *sent* says whether a byte may have left."""
    cause = cause_of(error)
    if sent:
        return InDoubt(cause)
    if cause == "header":
        # No retry mends a header that cannot be written, so the call must not wait for one.
        return Broken("header", (Fault("header", "holds a character that HTTP forbids"),), sent=False)
    return Unavailable(cause)


class HttpSender:
    """Carries the exchanges of one lane. Implements `exchange.Sender`; must be used on one event loop."""

    def __init__(
        self,
        *,
        ca_file: Path | None = None,
        look_up: LookUp = socket.getaddrinfo,
        may_connect: Callable[[str], bool] | None = None,
    ) -> None:
        """
        Make a sender that trusts the machine's authorities, or only those in *ca_file* (PEM).

        *may_connect* is asked of each numeric address before it is connected to, once its name has been looked up.

        Raises:
            OSError: *ca_file* cannot be read or holds no certificate.
        """
        self._tls = True if ca_file is None else ssl.create_default_context(cafile=str(ca_file))
        self._names = Names(look_up)
        self._may_connect = may_connect
        self._kept: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._closed = False

    async def send(self, request: WireRequest, *, timeout: float, reply_bytes: int) -> WireReply | Outcome:  # noqa: ASYNC109 - see Sender
        """See `exchange.Sender.send`."""
        if self._closed or timeout <= 0:
            return Unavailable("closed" if self._closed else "timeout")
        attempt = _Attempt()
        try:
            async with asyncio.timeout(timeout):
                return await self._exchange(request, reply_bytes, attempt)
        except Exception as error:  # of any kind: once bytes have left, even a fault of ours is doubt
            if not attempt.sent:
                self._names.doubt()
            return outcome_of(error, sent=attempt.sent)

    async def close(self) -> None:
        """See `exchange.Sender.close`."""
        self._closed = True
        for session in (self._kept, self._fresh):
            if session is not None:
                await session.close()
        self._names.close()

    async def _exchange(self, request: WireRequest, reply_bytes: int, attempt: "_Attempt") -> WireReply | Outcome:
        session = self._session(fresh=request.fresh_connection)
        body: bytes | AsyncIterator[bytes] | io.BytesIO = request.body
        if request.streamed is not None:
            body = request.streamed.pieces()
        elif len(request.body) > _STREAMED_BYTES:
            body = io.BytesIO(request.body)
        response = await session.request(
            request.method,
            request.url,
            headers=request.headers,
            data=body or None,
            allow_redirects=False,
            middlewares=(attempt,),
        )
        content: bytes | None = None
        try:
            content = await _read(response, reply_bytes)
        finally:
            if content is None:
                response.close()  # the rest of the reply is never read, so the connection cannot be kept
        if content is None:
            return InDoubt("too_large")
        return WireReply(response.status, {name.lower(): value for name, value in response.headers.items()}, content)

    def _session(self, *, fresh: bool) -> aiohttp.ClientSession:
        session = self._fresh if fresh else self._kept
        if session is None:
            connector = aiohttp.TCPConnector(
                limit=0,  # the lane's permits are the only queue
                ssl=self._tls,
                force_close=fresh,
                resolver=LaneResolver(self._names),
                use_dns_cache=False,  # `Names` keeps what is better than a cache: the last good answer
                socket_factory=sockets(self._may_connect),
            )
            # aiohttp has no public way to say which connections it makes; tests/incidents pins this one.
            kind: type[ResponseHandler] = AskedOnly
            connector._factory = partial(kind, loop=asyncio.get_running_loop())
            session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "lienthong"},
                timeout=aiohttp.ClientTimeout(),  # none: `send` bounds the whole exchange, and knows the phase
            )
            # aiohttp sends a GET, PUT or DELETE again by itself when a kept connection turns out closed: two
            # arrivals for one permit. It has no public switch; tests/unit/kit/test_http.py pins this one.
            session._retry_connection = False
            if fresh:
                self._fresh = session
            else:
                self._kept = session
        return session


class _Attempt:
    """Rides along as middleware to learn, when an exchange fails, whether a byte of it may have left."""

    __slots__ = ("_request",)

    def __init__(self) -> None:
        self._request: aiohttp.ClientRequest | None = None

    @property
    def sent(self) -> bool:
        # aiohttp creates the response object when it hands the first bytes to the transport: before that there is
        # no connection yet, or the headers were refused.
        return self._request is not None and self._request.response is not None

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        self._request = request
        return await handler(request)


class LaneResolver(AbstractResolver):
    """Shows `Names` to aiohttp."""

    def __init__(self, names: Names) -> None:
        self._names = names

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - we ask for no particular one
    ) -> list[ResolveResult]:
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        addresses = await self._names.addresses(host, port)
        return [
            ResolveResult(hostname=host, host=known.host, port=known.port, family=known.family, proto=0, flags=numeric)
            for known in addresses
        ]

    async def close(self) -> None:
        """Nothing of its own: the sender closes `Names`."""


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """Return the body, or None as soon as it is known to exceed *limit* bytes, decompressed."""
    if (response.content_length or 0) > limit:
        return None
    parts: list[bytes] = []
    size = 0
    while part := await response.content.readany():
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class CannedSender:
    """
    A sender without a network: *answer* gets each request and returns the reply or the outcome.

    `sent` lists what was sent, in order. Ships with the package so that connector authors can test without a sandbox.
    """

    def __init__(self, answer: Callable[[WireRequest], WireReply | Outcome]) -> None:
        self.sent: list[WireRequest] = []
        self._answer = answer
        self._closed = False

    async def send(self, request: WireRequest, *, timeout: float, reply_bytes: int) -> WireReply | Outcome:  # noqa: ASYNC109 - see Sender
        """See `exchange.Sender.send`; *timeout* only has to be positive."""
        if self._closed or timeout <= 0:
            return Unavailable("closed" if self._closed else "timeout")
        self.sent.append(request)
        reply = self._answer(request)
        if isinstance(reply, WireReply):
            if len(reply.body) > reply_bytes:
                return InDoubt("too_large")
            return WireReply(reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.body)
        return reply

    async def close(self) -> None:
        """See `exchange.Sender.close`."""
        self._closed = True
