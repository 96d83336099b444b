"""
How a played agency misbehaves: which faults there are, when one strikes, and what it looks like on the wire.

`happens` in `FAULTS` says whether the agency had done the work before things went wrong: that is what makes doubt.
"""

import asyncio
import random
import unicodedata
from collections.abc import Callable
from types import MappingProxyType
from typing import Literal, TypeAlias

from lxml import etree
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import from_json, to_json

from connectors.kit.sandbox.wire import Reply, Request, reset

Name: TypeAlias = Literal[
    "latency", "hang", "reset_before", "reset_after", "429", "500", "502", "503", "504", "html_200", "soap_fault_200",
    "soap_fault_500", "truncated", "wrong_charset", "added_element", "big_body", "slow_drip", "expired_session", "close_idle",
]  # fmt: skip

FAULTS: MappingProxyType[str, bool] = MappingProxyType(
    {
        "latency": True,
        "hang": False,
        "reset_before": False,
        "reset_after": True,
        "429": False,
        "500": False,
        "502": True,
        "503": False,
        "504": True,
        "html_200": False,
        "soap_fault_200": False,
        "soap_fault_500": False,
        "truncated": True,
        "wrong_charset": True,
        "added_element": True,
        "big_body": True,
        "slow_drip": True,
        "expired_session": True,
        "close_idle": True,
    }
)
"""Every fault, and whether the request is processed unless told otherwise. 502 and 504: gateways give up on work done."""


_SHOWING = (
    "latency",
    "truncated",
    "wrong_charset",
    "added_element",
    "big_body",
    "slow_drip",
    "expired_session",
    "close_idle",
)
"""Faults that need the agency's own answer to be shown."""


class Fault(BaseModel):
    """A way to misbehave and when. Given as JSON to the control endpoint, or as it is to `Sandbox.misbehave`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: Name = Field(description="What goes wrong", examples=["reset_after"])
    rate: float = Field(1.0, gt=0, le=1, description="Share of requests that it strikes", examples=[0.1])
    count: int | None = Field(
        None, ge=1, description="How many requests it strikes at most; none: no end", examples=[3]
    )
    operation: str | None = Field(None, description="The only operation that it strikes", examples=["file_dossier"])
    seconds: float = Field(
        1.0, ge=0, le=86_400, description="Delay of latency, drip and idle close; end of a hang", examples=[0.5]
    )
    retry_after: str | None = Field(None, description="Header Retry-After of 429 and 503, as it stands", examples=["5"])
    processed: bool | None = Field(
        None, description="Whether the work is done all the same; none: as usual for the fault", examples=[True]
    )
    bytes: int = Field(100_000_000, ge=1, description="Size of big_body", examples=[100_000_000])

    @model_validator(mode="after")
    def _has_an_answer(self) -> "Fault":
        if self.processed is False and self.fault in _SHOWING:
            raise ValueError(f"{self.fault} shows the agency's own answer, so the request is always processed")
        return self

    @property
    def happens(self) -> bool:
        """Whether the agency processes the request that this strikes."""
        return FAULTS[self.fault] if self.processed is None else self.processed


class FaultBook:
    """The faults now on for one agency. The first that strikes wins."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._on: list[tuple[Fault, int | None]] = []

    def add(self, fault: Fault) -> None:
        self._on.append((fault, fault.count))

    def clear(self) -> None:
        self._on.clear()

    @property
    def on(self) -> list[Fault]:
        """What is on, each with the count that is left."""
        return [fault.model_copy(update={"count": left}) for fault, left in self._on]

    def strike(self, operation: str) -> Fault | None:
        """Say which fault, if any, strikes a request for *operation* that has just arrived."""
        for index, (fault, left) in enumerate(self._on):
            if fault.operation not in (None, operation) or (fault.rate < 1 and self._chance.random() >= fault.rate):
                continue
            if left == 1:
                del self._on[index]
            elif left is not None:
                self._on[index] = (fault, left - 1)
            return fault
        return None


HTML = (
    "<!DOCTYPE html><html><head><title>Thông báo</title></head><body><h1>Hệ thống đang bảo trì</h1>"
    "<p>Vui lòng quay lại sau.</p></body></html>"
)
SOAP_FAULT = (
    '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>'
    "<faultcode>s:Server</faultcode><faultstring>Lỗi hệ thống</faultstring></s:Fault></s:Body></s:Envelope>"
)
_HTML = "text/html; charset=utf-8"
_XML = "text/xml; charset=utf-8"


def instead(fault: Fault) -> Reply | None:
    """Return the reply that *fault* puts in place of the agency's own, if it does."""
    wait = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
    if fault.fault in ("429", "500", "502", "503", "504"):
        return Reply(int(fault.fault), HTML.encode(), _HTML, wait)
    if fault.fault == "html_200":
        return Reply(200, HTML.encode(), _HTML)
    if fault.fault in ("soap_fault_200", "soap_fault_500"):
        return Reply(int(fault.fault[-3:]), SOAP_FAULT.encode(), _XML)
    return None


def distorted(fault: Fault, reply: Reply) -> Reply:
    """Return *reply* as *fault* bends it; most faults leave it as it is."""
    if fault.fault == "wrong_charset":
        return Reply(reply.status, _windows(reply.body), reply.content_type, reply.headers)
    if fault.fault == "added_element":
        return Reply(reply.status, _grown(reply.body), reply.content_type, reply.headers)
    return reply


def _windows(body: bytes) -> bytes:
    text = body.decode()
    if text.isascii():
        return text.encode("utf-16")
    # windows-1258 writes most tones as marks after the letter, hence NFD; what it lacks altogether becomes "?"
    return unicodedata.normalize("NFD", text).encode("cp1258", "replace")


def _grown(body: bytes) -> bytes:
    if body.lstrip()[:1] == b"<":
        root = etree.fromstring(body)
        inner = root if len(root) == 0 else root[-1]
        while len(inner) and inner.tag.endswith(("}Envelope", "}Body")):
            inner = inner[0]
        etree.SubElement(inner, etree.QName(etree.QName(inner).namespace, "ThemMoi")).text = "1"
        return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    tree = from_json(body)
    return to_json(tree | {"ThemMoi": "1"}) if isinstance(tree, dict) else body


async def perform(
    fault: Fault,
    request: Request,
    reply: Callable[[], Reply],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> bool:
    """Answer *request* the way *fault* does; calls *reply* if and when the work is done. Says whether to keep the connection."""
    if fault.fault == "latency":
        await asyncio.sleep(fault.seconds)
    own = reply() if fault.happens else None
    if fault.fault in ("reset_before", "reset_after"):
        reset(writer)
        return False
    if fault.fault == "hang":
        await _until_gone(reader, fault.seconds)
        return False
    answer = instead(fault)
    if answer is None:
        assert own is not None  # noqa: S101 - `Fault` refuses to show an answer that was never made
        answer = distorted(fault, own)
    if fault.fault == "truncated":
        writer.write(answer.head(len(answer.body)) + answer.body[: len(answer.body) // 2])
        return False
    if fault.fault == "big_body":
        await _big(answer, fault.bytes, writer)
        return False
    if fault.fault == "slow_drip":
        await _drip(answer, fault.seconds, writer)
        return False
    writer.write(answer.wire)
    if fault.fault == "close_idle":
        await asyncio.sleep(fault.seconds)
        return False
    return request.keep


async def _until_gone(reader: asyncio.StreamReader, seconds: float) -> None:
    try:
        await asyncio.wait_for(reader.read(1), seconds)
    except TimeoutError:
        pass


async def _big(answer: Reply, size: int, writer: asyncio.StreamWriter) -> None:
    writer.write(answer.head(None))
    piece = b"%x\r\n" % 0x10000 + b" " * 0x10000 + b"\r\n"
    writer.write(b"%x\r\n" % len(answer.body) + answer.body + b"\r\n")
    for _ in range(size // 0x10000):
        writer.write(piece)
        await writer.drain()  # never more than a piece or two in memory
    writer.write(b"0\r\n\r\n")


async def _drip(answer: Reply, seconds: float, writer: asyncio.StreamWriter) -> None:
    writer.write(answer.head(len(answer.body)))
    for at in range(len(answer.body)):
        writer.write(answer.body[at : at + 1])
        await writer.drain()
        await asyncio.sleep(seconds)
