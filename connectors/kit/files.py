"""
Files on the wire: what comes in place of the marks that `mappings/values_files.py` writes. Read `exchange.py` first.

A link takes the place of its mark before the payload is signed. A content does while the body is being sent, piece by
piece, so that a hundred megabytes cost the memory of one piece; whoever signs or looks at the body before sees the mark.
"""

import base64
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, TypeAlias
from urllib.parse import quote

from lxml import etree

from connectors.kit.exchange import Streamed, WireRequest
from mappings.errors import Fault, MappingFailed
from mappings.values_files import CONTENT_MARK, LINK_MARK, MARK_BEGINS

Link: TypeAlias = Callable[[str], str]
"""Makes the address under which an agency fetches the file with this id for a time."""
Read: TypeAlias = Callable[[str], AsyncIterator[bytes]]
"""Gives the content of the file with this id in pieces of any size."""

_MARKS = re.compile(CONTENT_MARK.pattern.encode())
_QUOTED_MARK = quote(MARK_BEGINS).encode()
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{2,}={0,2}")


def example_link(file: str) -> str:
    """Return what stands for a link where there is no hub to fetch from, as in samples."""
    return f"https://hub.example/files/{file}"


def linked(payload: Any, link: Link) -> Any:
    """Return *payload*, JSON values or an element, with links in place of their marks; an element is changed."""
    if isinstance(payload, etree._Element):
        for element in payload.iter():
            if element.text and LINK_MARK.search(element.text):
                element.text = _linked(element.text, link)
        return payload
    if isinstance(payload, dict):
        return {key: linked(inner, link) for key, inner in payload.items()}
    if isinstance(payload, list):
        return [linked(inner, link) for inner in payload]
    return _linked(payload, link) if isinstance(payload, str) else payload


def _linked(text: str, link: Link) -> str:
    return LINK_MARK.sub(lambda mark: link(mark[1]), text)


def marked(payload: Any, wire: WireRequest) -> WireRequest:
    """
    Return *wire*, which carries *payload*, with the ids of the files whose contents have to be put into its body.

    Raises:
        MappingFailed: A mark is hidden in another encoding, such as a form's, where no content could be put.
    """
    files = tuple(found[1].decode() for found in _MARKS.finditer(wire.body))
    whole = sorted(files) == sorted(_marks_in(payload))
    if not whole or _QUOTED_MARK in wire.body or _QUOTED_MARK in wire.url.encode():
        rule = "a file in base64 stands only in a JSON or XML body, and inside no other encoding: send a link instead"
        raise MappingFailed([Fault("", rule)])
    return replace(wire, files=files)


def _marks_in(payload: Any) -> Iterator[str]:
    if isinstance(payload, etree._Element):
        for element in payload.iter():
            yield from CONTENT_MARK.findall(element.text or "")
    elif isinstance(payload, dict | list):
        for inner in payload.values() if isinstance(payload, dict) else payload:
            yield from _marks_in(inner)
    elif isinstance(payload, str):
        yield from CONTENT_MARK.findall(payload)


def filled(wire: WireRequest, sizes: Mapping[str, int], read: Read, request_bytes: int) -> WireRequest:
    """
    Return *wire* with a body into which the contents of its files are put while it is sent.

    *sizes*: bytes of each of its files; *request_bytes*: how long a body the agency takes.

    Raises:
        MappingFailed: It would be longer.
    """
    parts = _MARKS.split(wire.body)  # what stands between marks, and ids, in turn
    length = sum(map(len, parts[::2])) + sum(4 * -(-sizes[one.decode()] // 3) for one in parts[1::2])
    if length > request_bytes:
        rule = f"the request, with its files, is larger than the {request_bytes} bytes that the agency takes"
        raise MappingFailed([Fault("", rule)])

    async def pieces() -> AsyncIterator[bytes]:
        for number, part in enumerate(parts):
            if number % 2 == 0:
                yield part
                continue
            async for piece in encoded(read(part.decode())):
                yield piece

    headers = {name: value for name, value in wire.headers.items() if name.lower() != "content-length"}
    return replace(wire, headers={**headers, "Content-Length": str(length)}, streamed=Streamed(length, pieces))


async def encoded(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Give *content* in base64; pieces are cut where three bytes make four letters."""
    rest = b""
    async for piece in content:
        piece = rest + piece if rest else piece
        whole = len(piece) - len(piece) % 3
        rest = piece[whole:]
        yield base64.b64encode(memoryview(piece)[:whole])
    if rest:
        yield base64.b64encode(rest)


def as_recorded(wire: WireRequest, recorded: bytes) -> bytes:
    """Return the body of *wire* with the contents put in that a *recorded* body of the same request holds."""
    wanted = set(wire.files)
    held: dict[str, bytes] = {}
    for found in _BASE64.finditer(recorded) if wanted else ():
        if len(found[0]) % 4 == 0 and (file := sha256(base64.b64decode(found[0])).hexdigest()) in wanted:
            held[file] = found[0]
    return _MARKS.sub(lambda mark: held.get(mark[1].decode(), mark[0]), wire.body)


def contents(files: Mapping[str, bytes | None]) -> Mapping[str, bytes]:
    """
    Return *files*, found by a mapping in what an agency sent: id -> content.

    Raises:
        MappingFailed: Where a content should stand, the agency sent a mark of ours.
    """
    held = {file: content for file, content in files.items() if content is not None}
    if len(held) != len(files):
        raise MappingFailed([Fault("", "holds a mark of ours where base64 of a file is needed")])
    return held
