"""
What a road adds to every request that takes it: partner headers (NDXP), or client, service and ids (X-Road).

Connectors know nothing of it: the hub gives a bound agency its road, and `binding.py` lets the road write last. What a
gateway's token adds comes later still, when the request leaves (`tokens.py`). Facts: PR-REST 1.0 and PR-MESS 4.0.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol
from urllib.parse import quote

from lxml import etree

from connectors.kit import xroad
from connectors.kit.exchange import Sender, Sources, WireReply, WireRequest
from connectors.kit.outcomes import Busy, Outcome
from connectors.kit.statuses import by_status
from connectors.kit.wsdl import ENVELOPES
from mappings.errors import Fault, MappingFailed

ANY: Final = "*"
"""Stands for the element of the body in the id of a SOAP service: X-Road wants both to be the same."""
COUNTRY: Final = "VN"
"""Begins the id of a person who asks, as PR-REST recommends."""
_MESSAGE, _IDENTIFIERS = "http://x-road.eu/xsd/xroad.xsd", "http://x-road.eu/xsd/identifiers"
_PARTS = ("xRoadInstance", "memberClass", "memberCode", "subsystemCode")
_SERVICE = (*_PARTS, "serviceCode", "serviceVersion")
_MEMBERS_SERVICE = tuple(part for part in _SERVICE if part != "subsystemCode")
"""Of a service that its member has without a subsystem, as four parts show, or `*` in the place of the fourth."""
_ENVELOPE = re.compile(
    rb'<(?P<prefix>[\w.-]+):Envelope xmlns:(?P=prefix)="(?P<space>[^"]+)"[^>]*>\s*'
    rb"(?P<body><(?P=prefix):Body>\s*<(?:[\w.-]+:)?(?P<element>[\w.-]+))"
)
"""The beginning of a SOAP message without a header, as `soap.py` writes it."""
_SAFE: Final = "@._-~"


class Road(Protocol):
    """What one agency's requests get from the road that they take. Bound to that agency; holds no secret to show."""

    @property
    def headers(self) -> frozenset[str]:
        """Names, lower-cased, of the headers that it writes: neither a connector nor a token may write one of them."""
        ...

    @property
    def sources(self) -> frozenset[str]:
        """What of a call it sends: two calls that differ in one of these are two exchanges."""
        ...

    def path(self, operation: str) -> str:
        """Return what stands between the agency's `base_url` and the address of *operation*; empty: nothing."""
        ...

    def dressed(self, operation: str, wire: WireRequest, sources: Sources) -> WireRequest:
        """
        Return *wire* with what the road adds.

        Raises:
            MappingFailed: It cannot be added; the place is named.
        """
        ...


class PartnerHeaders:
    """Headers that are the same for every request to one agency. Implements `Road`."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)
        self.headers = frozenset(name.lower() for name in headers)
        self.sources: frozenset[str] = frozenset()

    def path(self, operation: str) -> str:  # noqa: ARG002 - see Road
        """See `Road.path`."""
        return ""

    def dressed(self, operation: str, wire: WireRequest, sources: Sources) -> WireRequest:  # noqa: ARG002 - see Road
        """See `Road.dressed`."""
        return replace(wire, headers={**wire.headers, **self._headers})


@dataclass(frozen=True, slots=True)
class Services:
    """Ids of the services of one agency: `INSTANCE/CLASS/MEMBER/SUBSYSTEM/SERVICE`, for SOAP also with `/VERSION`."""

    whole: str
    """Of every operation that has none of its own; empty: each has."""
    by_operation: Mapping[str, str]

    def of(self, operation: str) -> str:
        """Return the id of the service that *operation* calls; empty when none is given."""
        return self.by_operation.get(operation, self.whole)


_ASKED_BY = frozenset({"officer.account", "officer.id", "call.dossier"})


def _user(sources: Sources) -> str:
    asked = sources.get("officer.account") or sources.get("officer.id")
    return f"{COUNTRY}{asked}" if asked else ""


class XRoadRest:
    """The X-Road protocol for REST: who asks in headers, which service in the address. Implements `Road`."""

    headers = frozenset({"x-road-client", "x-road-id", "x-road-userid", "x-road-issue"})
    sources = _ASKED_BY

    def __init__(self, client: str, services: Services) -> None:
        """*client*: our own id, `INSTANCE/CLASS/MEMBER` or with `/SUBSYSTEM`."""
        self._client = _encoded(client)
        self._services = services

    def path(self, operation: str) -> str:
        """See `Road.path`."""
        return f"/r1/{_encoded(self._services.of(operation))}"

    def dressed(self, operation: str, wire: WireRequest, sources: Sources) -> WireRequest:  # noqa: ARG002 - see Road
        """See `Road.dressed`."""
        said = {
            "X-Road-Client": self._client,
            "X-Road-Id": sources.get("exchange.id") or "",
            "X-Road-UserId": quote(_user(sources), safe=_SAFE),
            "X-Road-Issue": quote(sources.get("call.dossier") or "", safe=_SAFE),
        }
        return replace(wire, headers={**wire.headers, **{name: value for name, value in said.items() if value}})


class XRoadSoap:
    """The X-Road message protocol for SOAP: who asks whom in the header of the envelope. Implements `Road`."""

    headers: frozenset[str] = frozenset()
    sources = _ASKED_BY

    def __init__(self, client: str, services: Services) -> None:
        """*client*: our own id, `INSTANCE/CLASS/MEMBER` or with `/SUBSYSTEM`."""
        self._client = client.split("/")
        self._services = services

    def path(self, operation: str) -> str:  # noqa: ARG002 - see Road
        """See `Road.path`."""
        return ""

    def dressed(self, operation: str, wire: WireRequest, sources: Sources) -> WireRequest:
        """See `Road.dressed`. The content type becomes that of SOAP 1.1, since X-Road takes no other."""
        found = _ENVELOPE.search(wire.body)
        if found is None or found["space"].decode() != ENVELOPES["1.1"]:
            raise MappingFailed([Fault("", "is no message of SOAP 1.1, and X-Road takes no other on this route")])
        service = self._services.of(operation).split("/")
        parts = _MEMBERS_SERVICE if len(service) == len(_PARTS) or service[len(_PARTS) - 1] == ANY else _SERVICE
        service = [found["element"].decode() if part == ANY else part for part in service]
        try:
            header = self._header(dict(zip(parts, service, strict=False)), sources, found["prefix"].decode())
        except ValueError:
            rule = "holds a character that XML does not allow; correct the officer's account, or the dossier's code"
            raise MappingFailed([Fault("officer.account", rule)]) from None
        body = wire.body[: found.start("body")] + header + wire.body[found.start("body") :]
        kept = {name: value for name, value in wire.headers.items() if name.lower() != "content-type"}
        return replace(wire, body=body, headers={**kept, "Content-Type": "text/xml; charset=utf-8"})

    def _header(self, service: Mapping[str, str], sources: Sources, prefix: str) -> bytes:
        spaces = {prefix: ENVELOPES["1.1"], "xroad": _MESSAGE, "id": _IDENTIFIERS}
        header = etree.Element(f"{{{ENVELOPES['1.1']}}}Header", nsmap=spaces)
        kind = "SUBSYSTEM" if len(self._client) == len(_PARTS) else "MEMBER"
        _identifier(header, "client", kind, dict(zip(_PARTS, self._client, strict=False)))
        _identifier(header, "service", "SERVICE", service)
        said = {
            "id": sources.get("exchange.id") or "",
            "userId": _user(sources),
            "issue": sources.get("call.dossier") or "",
            "protocolVersion": "4.0",
        }
        for name, value in said.items():
            if value:
                etree.SubElement(header, f"{{{_MESSAGE}}}{name}").text = value
        return etree.tostring(header)


class OverXRoad:
    """
    A sender on a route of X-Road. Implements `exchange.Sender`.

    A service's own status comes with X-Road-Id over REST, and is a fault over SOAP; so a bare "too much" was said by the
    security server, or by what stands before it, and holds the route.
    """

    def __init__(self, sender: Sender, now: Callable[[], float]) -> None:
        """*now* gives Unix seconds."""
        self._sender = sender
        self._now = now

    async def send(self, request: WireRequest, *, timeout: float, reply_bytes: int) -> WireReply | Outcome:  # noqa: ASYNC109 - see Sender
        """See `exchange.Sender.send`."""
        reply = await self._sender.send(request, timeout=timeout, reply_bytes=reply_bytes)
        if not isinstance(reply, WireReply) or reply.headers.keys() & {xroad.ID, xroad.HEADER}:
            return reply
        told = by_status(reply.status, reply.headers, now=self._now(), knows_us=False)
        return replace(told, cause="xroad_busy", route=True) if isinstance(told, Busy) else reply

    async def close(self) -> None:
        """See `exchange.Sender.close`."""
        await self._sender.close()


def _identifier(header: etree._Element, name: str, kind: str, parts: Mapping[str, str]) -> None:
    made = etree.SubElement(header, f"{{{_MESSAGE}}}{name}")
    made.set(f"{{{_IDENTIFIERS}}}objectType", kind)
    for part, value in parts.items():
        etree.SubElement(made, f"{{{_IDENTIFIERS}}}{part}").text = value


def _encoded(identifier: str) -> str:
    return "/".join(quote(part, safe="") for part in identifier.split("/"))
