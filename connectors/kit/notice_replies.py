"""
What an agency is answered, in its own words: `replies` of a notice, compiled once, as JSON, XML or SOAP.

Their envelope tells how it ended, so a reply from a template is HTTP 200, but for `busy`, which any client understands.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from lxml import etree
from pydantic import BaseModel
from pydantic_core import to_json

from connectors.kit.exchange import Sources, WireReply
from connectors.kit.files import Link, linked
from connectors.kit.inbox import Way
from connectors.kit.manifest import NoticeTable
from connectors.kit.wrap import PAYLOAD, REASON, compiled
from connectors.kit.wsdl import ENVELOPES, SoapOperation
from mappings import engine
from mappings.addresses import Told
from mappings.errors import Fault, MappingFailed
from mappings.paths import Layout, clark
from mappings.values_files import LINK

Media: TypeAlias = Literal["json", "xml"]

STATUSES: Mapping[Way, int] = {"taken": 200, "seen": 200, "refused": 422, "denied": 401, "busy": 503}
"""Of a reply that no template writes."""
_WORDS: Mapping[Way, str] = {
    "taken": "Đã nhận / taken",
    "seen": "Đã nhận trước đó / taken before",
    "refused": "Không xử lý được / not understood",
    "denied": "Không xác thực được / sender not known",
    "busy": "Quá nhiều yêu cầu, gửi lại sau / too many requests, come again",
}
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BODY_TYPES: Mapping[Media, str] = {"json": "application/json; charset=utf-8", "xml": "application/xml; charset=utf-8"}


class Replies:
    """The replies to one notice. Safe to share."""

    def __init__(
        self,
        table: NoticeTable,
        sends: engine.Mapping | None,
        media: Media,
        soap: SoapOperation | None,
        told: Told | None = None,
    ) -> None:
        """*told* brings addresses in an answer to the levels of the agency."""
        written: dict[Way, Any] = dict(table.replies)
        if table.kind == "question" and soap is None:
            written.setdefault("taken", PAYLOAD)
        if "taken" in written:
            written.setdefault("seen", written["taken"])  # what came twice is taken, whatever it is called here
        self._fill = {way: compiled(template) for way, template in written.items()}
        self._with_payload = frozenset(way for way, template in written.items() if holds_payload(template))
        self._sends, self._media, self._soap, self._told = sends, media, soap, told

    def reply(
        self,
        way: Way,
        settings: Sources,
        link: Link,
        *,
        reason: str = "",
        answer: BaseModel | None = None,
        retry_after: float = 0.0,
    ) -> WireReply:
        """See `inbox.Inbox.reply`; *link* makes the address of a file that *answer* names."""
        fill = self._fill.get(way)
        headers = later(way, retry_after)
        if fill is None:
            return self._plain(way, reason, headers)
        sources = {**settings, REASON: reason}
        faults: list[Fault] = []
        payload = self._payload(answer, sources, link) if way in self._with_payload else None
        content = fill(payload, sources, faults)
        if faults:
            raise MappingFailed(faults)
        status = STATUSES["busy"] if way == "busy" else 200
        if self._soap is not None:
            return enveloped(self._soap.version, status, self._message(content), headers)
        if self._media == "json":
            body = to_json(content)
        else:
            root = content if isinstance(content, etree._Element) else _root(content)
            body = etree.tostring(root, encoding="utf-8", xml_declaration=True)
        return WireReply(status, {"content-type": _BODY_TYPES[self._media], **headers}, body)

    def _plain(self, way: Way, reason: str, headers: Mapping[str, str]) -> WireReply:
        if self._soap is None:
            body = to_json({"result": way, "reason": reason or _WORDS[way]})
            return WireReply(STATUSES[way], {"content-type": _BODY_TYPES["json"], **headers}, body)
        if way in ("taken", "seen"):
            return enveloped(self._soap.version, 200, self._message({}), headers)
        return soap_fault(self._soap.version, way, reason, headers)

    def _payload(self, answer: BaseModel | None, sources: Sources, link: Link) -> Any:
        if self._sends is None or not isinstance(answer, self._sends.canonical):
            wanted = self._sends.canonical_name if self._sends else "a question's answer"
            raise MappingFailed([Fault(PAYLOAD, f"is no {wanted}")])
        written = self._sends.write(self._told.value(answer) if self._told is not None else answer, sources)
        return linked(written, link) if LINK in self._sends.files else written

    def _message(self, content: Any) -> etree._Element | None:
        layout = self._soap.returns if self._soap else None
        if layout is None:
            return None
        return content if isinstance(content, etree._Element) else _filled(etree.Element(layout.tag), content, layout)


def later(way: Way, seconds: float) -> Mapping[str, str]:
    """Return the header that says after how many *seconds* to come again; none but for `busy`."""
    return {"retry-after": str(max(1, math.ceil(seconds)))} if way == "busy" else {}


def holds_payload(template: Any) -> bool:
    """Say whether *template* has a place for the published answer."""
    if isinstance(template, Mapping):
        template = list(template.values())
    return any(map(holds_payload, template)) if isinstance(template, list | tuple) else template == PAYLOAD


def soap_fault(version: str, way: Way, reason: str, headers: Mapping[str, str]) -> WireReply:
    """Return the fault by which an envelope of *version* says *way*."""
    space, ours = ENVELOPES[version], way == "busy"
    fault = etree.Element(clark("Fault", space), nsmap={"s": space})
    says = _text(reason or _WORDS[way])
    if version == "1.1":
        etree.SubElement(fault, "faultcode").text = "s:Server" if ours else "s:Client"
        etree.SubElement(fault, "faultstring").text = says
    else:
        code = etree.SubElement(fault, clark("Code", space))
        etree.SubElement(code, clark("Value", space)).text = "s:Receiver" if ours else "s:Sender"
        text = etree.SubElement(etree.SubElement(fault, clark("Reason", space)), clark("Text", space))
        text.set("{http://www.w3.org/XML/1998/namespace}lang", "vi")
        text.text = says
    return enveloped(version, STATUSES["busy"] if ours else 500, fault, headers)


def enveloped(version: str, status: int, content: etree._Element | None, headers: Mapping[str, str]) -> WireReply:
    """Return *content* in an envelope of SOAP *version*."""
    space = ENVELOPES[version]
    envelope = etree.Element(clark("Envelope", space), nsmap={"s": space})
    body = etree.SubElement(envelope, clark("Body", space))
    if content is not None:
        body.append(content)
    kind = "text/xml; charset=utf-8" if version == "1.1" else "application/soap+xml; charset=utf-8"
    text = etree.tostring(envelope, encoding="utf-8", xml_declaration=True)
    return WireReply(status, {"content-type": kind, **headers}, text)


def _root(content: Mapping[str, Any]) -> etree._Element:
    (name, inside), *_ = content.items()  # one: a rule of the manifest
    if isinstance(inside, etree._Element) and etree.QName(inside).localname == name.rpartition("}")[2]:
        return inside
    return _filled(etree.Element(name), inside, None)


def _filled(element: etree._Element, content: Any, layout: Layout | None) -> etree._Element:
    """Put *content* into *element*: a table as children in the contract's order, an element as it is, the rest as text."""
    if isinstance(content, etree._Element):
        element.append(content)
    elif isinstance(content, Mapping):
        known = [child.name for child in layout.children] if layout else []
        order = sorted(content, key=lambda name: known.index(name) if name in known else len(known))
        for name in order:
            below = next((child for child in layout.children if child.name == name), None) if layout else None
            tag = below.tag if below else name if name.startswith("{") else clark(name, etree.QName(element).namespace)
            items = content[name] if isinstance(content[name], list) else [content[name]]
            for item in items:
                if isinstance(item, etree._Element) and etree.QName(item).localname == name.rpartition("}")[2]:
                    element.append(item)
                else:
                    _filled(etree.SubElement(element, tag), item, below)
    elif content is not None:
        element.text = _text(("true" if content else "false") if isinstance(content, bool) else str(content))
    return element


def _text(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)
