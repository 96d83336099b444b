"""A file inside a request is a mark until the bytes leave; inside an answer it is taken out before the value is used."""

import asyncio
import base64
import tracemalloc
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from typing import Annotated

import pytest
from lxml import etree
from pydantic_core import from_json, to_json

from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.files import as_recorded, contents, encoded, filled, linked, marked
from connectors.kit.http import HttpSender
from connectors.kit.outcomes import InDoubt
from mappings.canonical.kinds import FileRef, FileUrl, Line
from mappings.canonical.shape import Canonical, personal
from mappings.engine import compile_mapping
from mappings.errors import FilesRefused, MappingFailed
from mappings.language import MappingFile
from mappings.mapping import Mapping
from mappings.slots import Form
from mappings.values import converter
from mappings.values_files import write_content, write_link
from tests.unit.kit.test_http import OK, post, request_of, serving

SCAN = b"%PDF-1.7 \x00\xff invented"
ID = sha256(SCAN).hexdigest()
OTHER = sha256(b"another").hexdigest()
MANY = 10**9


class Paper(Canonical):
    """A paper with a file."""

    name: Annotated[Line, personal("Name", "Đơn")]
    scan: Annotated[FileRef | None, personal("The file", ID)] = None
    url: Annotated[FileUrl | None, personal("Where it is", "https://files.example/1")] = None
    pages: Annotated[tuple[FileRef, ...], personal("Pages", [ID])] = ()


def mapping(form: Form = "json", **fields: object) -> Mapping:
    root = "{urn:a}Giay" if form == "xml" else ""
    file = MappingFile.model_validate({"canonical": "Paper@1", "agency": root, "fields": {"name": "Ten", **fields}})
    return compile_mapping(
        file, name="m", form=form, canonical={"Paper@1": Paper}, converters=converter, codes={}, nested={}
    )


IN_BASE64 = {"scan": {"at": "Tep", "as": "file base64"}}
BY_LINK = {"url": {"at": "DuongDan", "as": "file link"}}


async def read(file: str) -> AsyncIterator[bytes]:
    content = {ID: SCAN, OTHER: b"another"}[file]
    for place in range(0, len(content), 7):
        yield content[place : place + 7]


async def whole(wire: WireRequest) -> bytes:
    assert wire.streamed is not None
    body = b"".join([piece async for piece in wire.streamed.pieces()])
    assert len(body) == wire.streamed.length == int(wire.headers["Content-Length"])
    return body


def wire_of(body: bytes, url: str = "http://agency.example/p") -> WireRequest:
    return WireRequest("POST", url, {"content-length": "1"}, body, True)


# --- Writing ----------------------------------------------------------------------------------------------------------


async def test_a_json_body_leaves_with_the_content_where_the_mark_stood() -> None:
    payload = mapping(**IN_BASE64, **{"pages[]": {"at": "Trang[]", "as": "file base64"}}).write(
        Paper(name="Đơn", scan=ID, pages=(OTHER, ID)), {}
    )
    wire = marked(payload, wire_of(to_json({"data": payload})))
    assert wire.files == (ID, OTHER, ID)
    body = await whole(filled(wire, {ID: len(SCAN), OTHER: 7}, read, MANY))
    scan, other = base64.b64encode(SCAN).decode(), base64.b64encode(b"another").decode()
    assert from_json(body) == {"data": {"Ten": "Đơn", "Tep": scan, "Trang": [other, scan]}}


async def test_an_xml_body_likewise() -> None:
    payload = mapping("xml", **IN_BASE64).write(Paper(name="Đơn", scan=ID), {})
    wire = marked(payload, wire_of(etree.tostring(payload, encoding="utf-8")))
    body = etree.fromstring(await whole(filled(wire, {ID: len(SCAN)}, read, MANY)))
    assert base64.b64decode(body.findtext("{urn:a}Tep") or body.findtext("Tep") or "") == SCAN


@pytest.mark.parametrize("size", [1, 2, 3, 4, 262_143, 262_144, 600_001])
@pytest.mark.parametrize("piece", [1000, 262_144])
async def test_base64_of_pieces_is_base64_of_the_whole(size: int, piece: int) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    content = content[:size]

    async def pieces() -> AsyncIterator[bytes]:
        for place in range(0, size, piece):
            yield content[place : place + piece]

    assert b"".join([one async for one in encoded(pieces())]) == base64.b64encode(content)


async def test_a_body_that_is_too_long_with_its_files_is_refused_before_anything_leaves() -> None:
    wire = marked({"a": write_content(ID)}, wire_of(to_json({"a": write_content(ID)})))
    length = len('{"a":""}') + len(base64.b64encode(SCAN))
    assert filled(wire, {ID: len(SCAN)}, read, length).streamed is not None
    with pytest.raises(MappingFailed, match="larger than"):
        filled(wire, {ID: len(SCAN)}, read, length - 1)


@pytest.mark.parametrize(
    "write",
    [
        lambda mark: wire_of(base64.b64encode(mark.encode())),
        lambda mark: wire_of(b"a=%EF%B7%90file+base64+"),
        lambda mark: wire_of(b"{}", "http://agency.example/p?a=%EF%B7%90file"),
        lambda mark: wire_of(to_json([mark, mark])),
    ],
)
def test_a_mark_in_another_encoding_is_refused(write: Callable[[str], WireRequest]) -> None:
    with pytest.raises(MappingFailed, match="send a link"):
        marked({"a": write_content(ID)}, write(write_content(ID)))


def test_a_link_takes_the_place_of_its_mark_and_an_address_stays() -> None:
    def link(file: str) -> str:
        return f"https://hub.example/files/{file}?until=1&for=npsp"

    made = mapping(**BY_LINK)
    assert linked(made.write(Paper(name="a", url=ID), {}), link)["DuongDan"] == link(ID)
    assert linked(made.write(Paper(name="a", url="https://x.example/1"), {}), link)["DuongDan"] == "https://x.example/1"
    nested = linked([{"a": [write_link(ID), 3, None]}], link)
    assert nested == [{"a": [link(ID), 3, None]}]
    element = linked(mapping("xml", **BY_LINK).write(Paper(name="a", url=ID), {}), link)
    assert link(ID).replace("&", "&amp;").encode() in etree.tostring(element)


def test_a_recorded_body_fills_the_marks_of_a_sample() -> None:
    wire = marked({"a": write_content(ID)}, wire_of(to_json({"a": write_content(ID)})))
    recorded = to_json({"a": base64.b64encode(SCAN).decode(), "b": "aGVsbG8="})
    assert as_recorded(wire, recorded) == to_json({"a": base64.b64encode(SCAN).decode()})
    assert as_recorded(wire, b"{}") == wire.body


# --- Reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [lambda text: text, lambda text: "\n".join([text[:8], text[8:]])])
def test_a_content_is_taken_out_and_its_id_is_the_value(broken: Callable[[str], str]) -> None:
    found = mapping(**IN_BASE64).read({"Ten": "a", "Tep": broken(base64.b64encode(SCAN).decode())})
    assert found is not None
    assert found.value == Paper(name="a", scan=ID)
    assert contents(found.files) == {ID: SCAN}


def test_every_content_of_a_list_is_taken_out() -> None:
    made = mapping(**{"pages[]": {"at": "Trang[]", "as": "file base64"}})
    found = made.read({"Ten": "a", "Trang": [base64.b64encode(one).decode() for one in (SCAN, b"another", SCAN)]})
    assert found is not None
    assert found.value == Paper(name="a", pages=(ID, OTHER, ID))
    assert contents(found.files) == {ID: SCAN, OTHER: b"another"}


@pytest.mark.parametrize("wrong", ["%%%", "aGVsbG8", 7, ["aGVsbG8="]])
def test_what_is_no_base64_is_a_fault_that_repeats_nothing(wrong: object) -> None:
    with pytest.raises(MappingFailed) as failed:
        mapping(**IN_BASE64).read({"Ten": "a", "Tep": wrong})
    assert [fault.place for fault in failed.value.faults] == ["Tep"]
    assert "aGVs" not in str(failed.value)


def test_what_is_written_is_read_again_but_no_agency_may_send_our_mark() -> None:
    made = mapping(**IN_BASE64)
    value = Paper(name="a", scan=ID)
    found = made.read(made.write(value, {}))
    assert found is not None
    assert found.value == value == made.normal(value)
    with pytest.raises(MappingFailed, match="mark of ours"):
        contents(found.files)


def test_no_text_of_a_caller_holds_a_mark() -> None:
    with pytest.raises(ValueError, match="control character"):
        Paper(name=write_content(ID))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"scan": "Tep"}, "file base64"),
        ({"scan": {"at": "Tep", "as": "md5"}}, "file base64"),
        ({"name": {"at": "Ten", "as": "file link"}}, "holds no file"),
    ],
)
def test_a_line_that_would_send_an_id_is_refused_when_it_is_loaded(fields: dict[str, object], says: str) -> None:
    with pytest.raises(FilesRefused, match=says):
        mapping(**fields)


def test_an_id_is_not_sent_where_the_mapping_knows_only_addresses() -> None:
    made = mapping(url="DuongDan")
    assert made.write(Paper(name="a", url="https://x.example/1"), {})["DuongDan"] == "https://x.example/1"
    with pytest.raises(MappingFailed, match="send an address"):
        made.write(Paper(name="a", url=ID), {})


# --- On the wire ------------------------------------------------------------------------------------------------------


async def test_many_megabytes_leave_in_the_memory_of_a_few_pieces() -> None:
    size, came = 64 << 20, 0

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"chunked" not in head.lower()
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        while came < length:
            piece = await reader.read(1 << 16)
            assert piece
            came += len(piece)
        writer.write(OK)
        await writer.drain()

    async def zeros(_: str) -> AsyncIterator[bytes]:
        for _ in range(size >> 18):
            yield bytes(1 << 18)

    sender = HttpSender()
    async with serving(peer) as (url, _arrivals):
        wire = marked({"a": write_content(ID)}, post(url, to_json({"a": write_content(ID)})))
        tracemalloc.start()
        try:
            reply = await sender.send(filled(wire, {ID: size}, zeros, MANY), timeout=60, reply_bytes=1000)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            await sender.close()
    assert isinstance(reply, WireReply), reply
    assert came == len('{"a":""}') + 4 * -(-size // 3)
    assert peak < 8 << 20


async def test_a_content_that_ends_too_soon_is_doubt_and_never_a_whole_request() -> None:
    whole_requests = 0

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal whole_requests
        await request_of(reader)
        whole_requests += 1

    async def gone(_: str) -> AsyncIterator[bytes]:
        yield b"some"
        raise RuntimeError("gone")

    sender = HttpSender()
    async with serving(peer) as (url, _arrivals):
        wire = marked({"a": write_content(ID)}, post(url, to_json({"a": write_content(ID)})))
        outcome = await sender.send(filled(wire, {ID: 1 << 20}, gone, MANY), timeout=5, reply_bytes=1000)
        await sender.close()
    assert isinstance(outcome, InDoubt)
    assert whole_requests == 0
