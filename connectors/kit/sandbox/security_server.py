"""
A security server of X-Road in front of played agencies: it wants to know who asks which service, and passes it on.

It is both servers in one, ours and the agency's, and speaks for either. Replies that an agency wrote come back with the
ids that the protocol for REST asks for; over SOAP a status that is none of SOAP becomes a fault, as it does there.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from lxml import etree
from pydantic_core import to_json

from connectors.kit.roads import ANY
from connectors.kit.sandbox.faults import Fault
from connectors.kit.sandbox.gateway import Door
from connectors.kit.sandbox.wire import Reply, Request
from connectors.kit.texts import Unreadable, parse_xml
from connectors.kit.xroad import OURS, THEIRS

_JSON, _XML = "application/json;charset=utf-8", "text/xml; charset=utf-8"
_HEADER = "{http://schemas.xmlsoap.org/soap/envelope/}Header"
_BODY = "{http://schemas.xmlsoap.org/soap/envelope/}Body"
_WORDS: Mapping[str, tuple[str, str]] = {
    "500": (f"{THEIRS}.DatabaseError", "Error accessing database (serverconf)"),
    "502": (f"{OURS}.NetworkError", "Could not connect to any target host ([https://10.0.0.9:5500/])"),
    "504": (f"{OURS}.IOError", "Read timed out"),
}
"""What it says when one of these faults strikes it."""
_NO_REST: Final = "Error parsing the client's REST request: the request format is not that of r1"
_NO_SOAP: Final = "Malformed SOAP message: header missing"


class SecurityServer(Door):
    """One security server that all agencies of a route are reached by."""

    async def _answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        soap = self.route.kind == "xroad_soap"
        asked = _asked_in_soap(request) if soap else _asked_in_rest(request)
        if asked is None:
            no_message = ("Client.InvalidSoap", _NO_SOAP) if soap else ("Client.BadRequest", _NO_REST)
            return await self._refuse(request, writer, "", *no_message)
        client, service, rest = asked
        if client != self.route.client:
            says = f"Client 'SUBSYSTEM:{client}' not found"
            return await self._refuse(request, writer, "", f"{OURS}.UnknownMember", says)
        name = self._agency_of(service)
        if name is None:
            return await self._refuse(request, writer, "", f"{THEIRS}.UnknownService", f"Unknown service: {service}")
        agency = self._agencies[name]
        path = rest.removeprefix(self.route.agencies[name]) or "/"
        inner = replace(request, path=path, body=_without_header(request.body) if soap else request.body)
        passing: Any = _Passing(writer, soap=soap, service=service, asked=request.headers.get("x-road-id", ""))

        async def behind(inner: Request, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> bool:
            return await agency.answer(inner, reader, passing)

        return await self._play(
            inner, reader, writer, name, xml=agency.xml, reply=lambda: agency.reply(inner), behind=behind
        )

    def _agency_of(self, service: str) -> str | None:
        for name, services in self.route.services.items():
            known = {services.whole, *services.by_operation.values()} - {""}
            if service in known or any(_fits(one, service) for one in known if ANY in one):
                return name
        return None

    def _says(self, fault: Fault, *, xml: bool) -> Reply | None:
        if fault.fault == "429":  # what stands before it says so, in no words of X-Road
            wait = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
            return Reply(429, b"<html><body>Too Many Requests</body></html>", "text/html; charset=utf-8", wait)
        told = _WORDS.get(fault.fault)
        return None if told is None else soap_fault(*told) if xml else rest_fault(*told)

    async def _refuse(
        self, request: Request, writer: asyncio.StreamWriter, operation: str, code: str, says: str
    ) -> bool:
        reply = soap_fault(code, says) if self.route.kind == "xroad_soap" else rest_fault(code, says)
        return await self._say(request, writer, operation or "refused", reply.status, reply, code)


def rest_fault(code: str, says: str) -> Reply:
    """Return a fault of a security server as the protocol for REST writes it."""
    body = to_json({"type": code, "message": says, "detail": "00000000-0000-4000-8000-000000000000"})
    return Reply(400 if code.startswith("Client.") else 500, body, _JSON, {"X-Road-Error": code})


def soap_fault(code: str, says: str) -> Reply:
    """Return the same as the protocol for SOAP writes it."""
    text = (
        '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><SOAP-ENV:Fault>'
        f"<faultcode>{code}</faultcode><faultstring>{escape(says)}</faultstring><faultactor/></SOAP-ENV:Fault>"
        "</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
    return Reply(500, text.encode(), _XML)


class _Passing:
    """A writer through which an agency answers, and which makes of its replies what the security servers make of them."""

    def __init__(self, writer: asyncio.StreamWriter, *, soap: bool, service: str, asked: str) -> None:
        self._writer = writer
        self._soap = soap
        self._headers = f"X-Road-Id: {asked}\r\nX-Road-Service: {quote(service)}\r\n".encode()
        self._begun = self._swallow = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def write(self, data: bytes) -> None:
        """Write *data*, the first of which begins with the status line."""
        if self._begun:
            if not self._swallow:
                self._writer.write(data)
            return
        self._begun = True
        line, _, rest = data.partition(b"\r\n")
        status, phrase = line[9:12].decode(), line[13:].decode()
        if not self._soap:
            self._writer.write(line + b"\r\n" + self._headers + rest)
        elif status in ("200", "500"):
            self._writer.write(data)
        else:  # a server passes on no other status of a SOAP service
            self._swallow = True
            says = f"Server responded with error {status}: {phrase}"
            self._writer.write(soap_fault(f"{THEIRS}.ServiceFailed.HttpError", says).wire)


def _asked_in_rest(request: Request) -> tuple[str, str, str] | None:
    """Return client, service and the rest of the path; None: it is no message."""
    client = request.headers.get("x-road-client", "")
    empty, version, *parts = request.path.split("/")
    if empty or version != "r1" or len(parts) < 5 or not client or not all(parts[:5]):
        return None
    return client, "/".join(parts[:5]), "/" + "/".join(parts[5:])


def _asked_in_soap(request: Request) -> tuple[str, str, str] | None:
    try:
        root = parse_xml(request.body, {})
    except Unreadable:
        return None
    header, body = root.find(_HEADER), root.find(_BODY)
    version = header.findtext("{*}protocolVersion") if header is not None else None
    if (
        header is None
        or body is None
        or version != "4.0"
        or not request.headers.get("content-type", "").startswith("text/xml")
    ):
        return None
    client, service = (
        "/".join(part.text or "" for part in header.iterfind(f"{{*}}{name}/*")) for name in ("client", "service")
    )
    if header.findtext("{*}service/{*}serviceCode") != etree.QName(body[0]).localname:
        return None
    return client, service, request.path


def _without_header(body: bytes) -> bytes:
    root = parse_xml(body, {})
    header = root.find(_HEADER)
    if header is not None:
        root.remove(header)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def _fits(pattern: str, service: str) -> bool:
    parts, asked = pattern.split("/"), service.split("/")
    return len(parts) == len(asked) and all(one in (ANY, other) for one, other in zip(parts, asked, strict=True))
