"""
The doors at which agencies call: `POST /in/{agency}/{notice}` (`GET` too for a question), and the same of `/in/{agency}/soap`.

The agency's contract with us (`[inbound]`) stands before the first byte of a body. Whatever the answer is, an agency
hears it in its own envelope; only an address that leads nowhere, or another method, is a problem like everywhere else.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl

from connectors.kit.exchange import WireReply
from connectors.kit.inbox import Inbox, WireNotice
from connectors.kit.manifest import Inbound
from hub.arriving import AGAIN_SECONDS, Answered, Arriving
from hub.errors import MethodNotAllowed, OperationUnknown, RequestInvalid, RequestTooLarge, StoreUnavailable
from hub.guards.guard import Wait
from hub.inbound import InboundGuard, InboundPermit
from hub.web.bodies import read_body
from hub.web.replies import Header, Receive, Scope, Send
from monitoring.events import Observer

SOAP: Final = "soap"
"""Last step of the address for SOAP; no notice has this name, since each has two words."""
DRAINED_BYTES: Final = 64 << 20
"""Up to this much of an unread body is let through and dropped to keep its connection; beyond, the connection ends."""
CLOSE: Final[Header] = (b"connection", b"close")
_OURS: Final = frozenset({"content-length", "connection", "transfer-encoding"})
_HOST: Final = re.compile(r"[A-Za-z0-9.\-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


class InboundDoors:
    """Everything under `/in`. *contracts* are by agency."""

    def __init__(
        self,
        arriving: Arriving,
        guard: InboundGuard,
        contracts: Mapping[str, Inbound],
        observer: Observer,
        monotonic: Callable[[], float],
        bear: Callable[[], None] = lambda: None,
    ) -> None:
        """*bear* raises `StoreUnavailable` while the store should be given nothing more."""
        self._bear = bear
        self._arriving = arriving
        self._guard = guard
        self._contracts = contracts
        self._observer = observer
        self._monotonic = monotonic

    async def lead(self, steps: list[str], method: str, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Answer a request to `/in/` and *steps*.

        Raises:
            OperationUnknown: No agency speaks to us there.
            MethodNotAllowed: The address is there, for another method.
        """
        agency, notice = steps if len(steps) == 2 else ("", "")
        inbox = self._arriving.inbox(agency)
        if inbox is None or agency not in self._contracts:
            raise OperationUnknown("No agency tells us anything here.")
        if notice == SOAP:
            await self._soap(inbox, agency, method, scope, receive, send)
            return
        if notice not in inbox.notices:
            raise OperationUnknown("This agency has no such notice.")
        question = inbox.notices[notice].kind == "question"
        if method != "POST" and not (question and method == "GET"):  # a list is asked for by its address alone
            raise MethodNotAllowed("GET, POST" if question else "POST")
        await self._push(agency, notice, scope, receive, send)

    async def _soap(self, inbox: Inbox, agency: str, method: str, scope: Scope, receive: Receive, send: Send) -> None:
        wsdl = inbox.wsdl(_address(scope))
        if wsdl is None:
            raise OperationUnknown("This agency speaks no SOAP to us.")
        if method == "POST":
            await self._push(agency, None, scope, receive, send)
        elif method != "GET":
            raise MethodNotAllowed("GET, POST")
        elif scope["query_string"].lower() != b"wsdl":
            raise OperationUnknown("`?wsdl` gives the description; messages are posted here.")
        else:
            await _send(send, WireReply(200, {"content-type": "text/xml; charset=utf-8"}, wsdl), ())

    async def _push(self, agency: str, notice: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        length, close = _length(scope)
        name = notice or ""
        inbox = self._arriving.inbox(agency)
        if inbox is not None and notice is not None and inbox.denies(notice, _headers(scope), _query(scope)):
            self._observer.inbound(agency, notice, "denied")  # before it costs the agency anything of its contract
            await _send(send, self._arriving.answered(agency, notice, "denied").reply, close)
            return
        permit = self._guard.admit(agency, notice or SOAP)
        if isinstance(permit, Wait):
            busy = self._arriving.answered(agency, name, "busy", retry_after=permit.seconds or AGAIN_SECONDS)
            await _send(send, busy.reply, close)
            return
        with permit:
            begun = self._monotonic()
            answered, size, close = await self._taken(agency, notice, scope, receive, length, close, permit)
            self._observer.inbound(agency, answered.notice or SOAP, answered.way)
            self._observer.arrived(agency, answered.notice or SOAP, answered.way, size, self._monotonic() - begun)
            await _send(send, answered.reply, close)

    async def _taken(
        self,
        agency: str,
        notice: str | None,
        scope: Scope,
        receive: Receive,
        length: int | None,
        close: tuple[Header, ...],
        permit: InboundPermit,
    ) -> tuple[Answered, int, tuple[Header, ...]]:
        """Read the body and take it, all within `call_timeout`; of what is cut short nothing is told but `busy`."""
        contract, name, size = self._contracts[agency], notice or "", 0
        try:
            self._bear()
            async with asyncio.timeout(contract.call_timeout) as limit:
                permit.give_up = lambda: limit.reschedule(0.0)
                body = await read_body(receive, contract.request_bytes, length)
                permit.arrived()
                size, close = len(body), ()
                came = WireNotice(_headers(scope), _query(scope), body)
                return await self._arriving.push(agency, notice, came), size, close
        except RequestTooLarge:
            reason = f"the message is larger than {contract.request_bytes} bytes"
            return self._arriving.answered(agency, name, "refused", reason=reason), size, close
        except StoreUnavailable as away:
            seconds = away.retry_after or AGAIN_SECONDS
            return self._arriving.answered(agency, name, "busy", retry_after=seconds), size, close
        except (TimeoutError, RequestInvalid):
            busy = self._arriving.answered(agency, name, "busy", retry_after=AGAIN_SECONDS)
            return busy, size, close if size else (CLOSE,)


def _length(scope: Scope) -> tuple[int | None, tuple[Header, ...]]:
    """Return what `Content-Length` promises, and what an answer says that leaves the body unread."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = int(value) if value.isdigit() and len(value) < 16 else DRAINED_BYTES + 1
            return length, () if length <= DRAINED_BYTES else (CLOSE,)
    chunked = any(name == b"transfer-encoding" for name, _ in scope["headers"])
    return None, (CLOSE,) if chunked else ()  # who sends in chunks need not come to an end


def _headers(scope: Scope) -> dict[str, str]:
    """Return headers by lower-cased name; one that stands twice is joined, so that neither of both counts alone."""
    return _joined((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"])


def _query(scope: Scope) -> dict[str, str]:
    try:
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=50)
    except ValueError:  # too many of them: whatever has to be there is not
        return {}
    return _joined(pairs)


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _address(scope: Scope) -> str:
    """Return the address at which the agency found us."""
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    host = hosts[0] if len(hosts) == 1 and _HOST.fullmatch(hosts[0]) else "localhost"
    return f"{scope.get('scheme', 'http')}://{host}{scope['path']}"


async def _send(send: Send, reply: WireReply, more: tuple[Header, ...]) -> None:
    headers = [(b"content-length", b"%d" % len(reply.body)), *more]
    headers += [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in reply.headers.items()
        if name.lower() not in _OURS
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
