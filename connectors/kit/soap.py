"""
SOAP 1.1 and 1.2, document/literal: an envelope around what the mapping wrote, and the way back out of one.

The WSDL is read once (`wsdl.py`); an exchange costs one pass of lxml each way and no zeep.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from lxml import etree

from connectors.kit.answers import Signs
from connectors.kit.auth import Placed
from connectors.kit.contract import Check, drift
from connectors.kit.exchange import Sources, WireReply
from connectors.kit.gateway import fault_in, overheard
from connectors.kit.manifest import OperationTable
from connectors.kit.places import text_at
from connectors.kit.reading import Reading, Written
from connectors.kit.texts import Tree, Unreadable, parse_xml
from connectors.kit.wsdl import ENVELOPES, SoapOperation
from connectors.kit.xroad import fault_named
from mappings.paths import read_place

_VERSIONS: Mapping[str, str] = {namespace: version for version, namespace in ENVELOPES.items()}
_END = b"</s:Body></s:Envelope>"


class Soap:
    """One SOAP operation, ready to write and read."""

    def __init__(self, operation: OperationTable, soap: SoapOperation, contract: Check | None) -> None:
        self._soap = soap
        self._contract = contract
        self._code = read_place(operation.code.at) if operation.code else None
        self._says = read_place(operation.says) if operation.says else None
        self._begin = (
            f'<?xml version="1.0" encoding="utf-8"?>\n<s:Envelope xmlns:s="{ENVELOPES[soap.version]}"><s:Body>'.encode()
        )
        self._headers = _headers(soap)

    def write(self, payload: Any, sources: Sources, placed: Placed, *, shown: bool = False) -> Written:  # noqa: ARG002 - see Wire
        """See `reading.Wire.write`."""
        content = etree.Element(self._soap.sends.tag) if payload is None else payload
        body = b"".join((self._begin, etree.tostring(content, encoding="utf-8", xml_declaration=False), _END))
        # What the manifest puts wins: one agency wants application/xml where SOAP 1.1 says text/xml.
        given = {name.lower() for name in placed.headers}
        headers = {name: value for name, value in self._headers.items() if name.lower() not in given} | dict(
            placed.headers
        )
        return Written("POST", f"?{urlencode(placed.query)}" if placed.query else "", headers, body)

    def read(self, reply: WireReply) -> Reading:
        """See `reading.Wire.read`."""
        try:
            root = parse_xml(reply.body, reply.headers)
        except Unreadable:
            if reading := overheard(reply):
                return reading
            raise
        if fault := fault_in(root):
            return fault.reading(root, reply.status)
        name = etree.QName(root)
        if name.localname != "Envelope" or name.namespace not in _VERSIONS:
            raise Unreadable("is XML, but no SOAP envelope")
        body = root.find(f"{{{name.namespace}}}Body")
        if body is None:
            raise Unreadable("is a SOAP envelope without a body")
        content = body[0] if len(body) else None
        if content is not None and content.tag == f"{{{name.namespace}}}Fault":
            signs = _fault(content, reply.status)
            road = fault_named(signs.code, signs.says)
            return road.reading(content, reply.status) if road else Reading(content, signs)
        code = text_at(content, self._code) if self._code and content is not None else None
        says = text_at(content, self._says) if self._says and content is not None else None
        return Reading(content, Signs(reply.status, code, says))

    def drift(self, tree: Tree) -> tuple[str, ...]:
        """See `reading.Wire.drift`."""
        return drift(self._contract, tree)


def _headers(soap: SoapOperation) -> Mapping[str, str]:
    if soap.version == "1.2":
        return {"Content-Type": f'application/soap+xml; charset=utf-8; action="{soap.action}"'}
    return {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{soap.action}"'}


def _fault(fault: etree._Element, status: int) -> Signs:
    """Code and text of a fault; of 1.2 the innermost subcode, where agencies put their own codes. Prefixes are dropped."""
    code, text = fault.findtext("{*}faultcode"), fault.findtext("{*}faultstring")
    if code is None:
        values = [element.text for element in fault.iterfind("{*}Code//{*}Value")]
        code, text = (values[-1] if values else None), fault.findtext("{*}Reason/{*}Text")
    return Signs(status, (code or "").strip().rpartition(":")[2], text, fault=True)
