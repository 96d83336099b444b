"""Files go through the hub in parts: stored before what names them is settled, put in while a request is sent."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from itertools import count
from typing import Any

import pytest
from pydantic import BaseModel

from connectors.kit.exchange import Sources, WireRequest
from connectors.kit.outcomes import Answered, Outcome, Result, StaleCredentials
from hub.call import State
from hub.clock import VirtualClock
from hub.errors import HubStopping, RequestInvalid, RequestTooLarge, StoreUnavailable
from hub.files import AT_ONCE, MOST_NAMED, Files, Gone, of_agency
from hub.media_type import media_type_of
from hub.store.files import PART_BYTES, StoredFile
from hub.store.sqlite import SqliteStore
from mappings.values_files import write_content
from tests.unit.engine.stage import CALLER, OK, World, play

SCAN = b"%PDF-1.7 invented"
ID = sha256(SCAN).hexdigest()
WITH_A_FILE = Answered(Result.OK, files={ID: SCAN})


async def pieces(content: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for place in range(0, len(content), size):
        yield content[place : place + size]


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    store = SqliteStore.in_memory(VirtualClock(), backlog_calls={})
    yield store
    await store.close()


@pytest.fixture
def files(store: SqliteStore) -> Files:
    numbers = count()
    return Files(store.files, lambda: f"u{next(numbers)}", file_bytes=3 * PART_BYTES)


@pytest.mark.parametrize("size", [1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES])
@pytest.mark.parametrize("piece", [999, 65_536, 10 * PART_BYTES])
async def test_what_comes_in_pieces_of_any_size_is_read_as_it_was(files: Files, size: int, piece: int) -> None:
    content = (bytes(range(250)) * (size // 250 + 1))[:size]
    stored = await files.take(pieces(content, piece), CALLER)
    assert (stored.id, stored.size) == (sha256(content).hexdigest(), size)
    parts = [part async for part in files.read(stored)]
    assert b"".join(parts) == content
    assert {len(part) for part in parts[:-1]} <= {PART_BYTES}


async def test_one_byte_more_than_a_file_may_have_is_refused(files: Files) -> None:
    with pytest.raises(RequestTooLarge):
        await files.take(pieces(bytes(3 * PART_BYTES + 1)), CALLER)


async def test_nothing_more_is_read_while_the_store_writes(store: SqliteStore) -> None:
    """Whoever sends faster than the store writes waits; and however many send, few parts wait for it."""
    gate, waiting, most, read = asyncio.Event(), 0, 0, 0

    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(store.files, name)

        async def begin(self, upload: str, part: bytes) -> None:
            nonlocal waiting, most
            waiting += 1
            most = max(most, waiting)
            await gate.wait()
            waiting -= 1
            await store.files.begin(upload, part)

    async def coming() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(2):
            read += 1
            yield bytes(PART_BYTES)

    numbers = count()
    slow: Any = Slow()
    files = Files(slow, lambda: f"u{next(numbers)}", file_bytes=1 << 30)
    uploads = [asyncio.create_task(files.take(coming(), CALLER)) for _ in range(10)]
    for _ in range(50):
        await asyncio.sleep(0)
    assert (most, read) == (AT_ONCE, 10)
    gate.set()
    assert len({one.id for one in await asyncio.gather(*uploads)}) == 1


async def test_what_an_agency_sent_is_kept_once_for_each_who_may_read_it(files: Files, store: SqliteStore) -> None:
    await files.keep({ID: SCAN}, CALLER)
    await files.keep({ID: SCAN}, CALLER)
    await files.keep({ID: SCAN}, of_agency("police"))
    for holders in ([CALLER], [of_agency("police")], None):
        assert await files.find(ID, holders) == StoredFile(ID, "u0", len(SCAN), "application/pdf")
    assert await store.files.part("u1", 0) is None


async def test_each_place_that_names_no_file_of_the_caller_is_told(files: Files) -> None:
    await files.keep({ID: SCAN}, CALLER)
    await files.check([("/scan", ID)], [CALLER])
    with pytest.raises(RequestInvalid) as refused:
        await files.check([("/scan", ID), ("/pages/0", "0" * 64), ("/pages/1", "1" * 64)], [CALLER])
    assert [fault.pointer for fault in refused.value.faults] == ["/pages/0", "/pages/1"]
    with pytest.raises(RequestInvalid):
        await files.check([("/scan", ID)], ["other"])


async def test_a_request_that_names_more_files_than_can_be_looked_for_is_refused(files: Files) -> None:
    await files.keep({ID: SCAN}, CALLER)
    await files.check([(f"/pages/{number}", ID) for number in range(MOST_NAMED)], [CALLER])
    with pytest.raises(RequestInvalid) as refused:
        await files.check([(f"/pages/{number}", ID) for number in range(MOST_NAMED + 1)], [CALLER])
    assert [fault.pointer for fault in refused.value.faults] == [f"/pages/{MOST_NAMED}"]


async def test_one_that_is_removed_while_it_is_read_is_not_taken_for_whole(files: Files, store: SqliteStore) -> None:
    stored = await files.take(pieces(bytes(2 * PART_BYTES)), CALLER)
    reading = files.read(stored)
    assert await anext(reading) == bytes(PART_BYTES)
    await store.files.drop(stored.upload)
    with pytest.raises(Gone):
        await anext(reading)


@pytest.mark.parametrize(
    ("first", "media_type"),
    [
        (b"%PDF-1.4\n", "application/pdf"),
        (b"\x00" * 500 + b"%PDF-1.4", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n\x00", "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"II*\x00\x08", "image/tiff"),
        (b"PK\x03\x04\x14\x00 a.txt", "application/zip"),
        (
            b"PK\x03\x04\x14\x00[Content_Types].xml PK\x03\x04word/document.xml",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (
            b"PK\x03\x04\x14\x00[Content_Types].xml PK\x03\x04xl/workbook.xml",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        (b'\xef\xbb\xbf<?xml version="1.0"?>', "application/xml"),
        ("Đơn đề nghị".encode(), "text/plain"),
        ("Đơn".encode()[:1], "text/plain"),
        (b"<html><script>alert(1)</script>", "text/plain"),
        (b"\x00\x01\x02", "application/octet-stream"),
        (b"\xff\xfe\x00", "application/octet-stream"),
    ],
)
def test_the_content_says_what_kind_it_is(first: bytes, media_type: str) -> None:
    assert media_type_of(first) == media_type


# --- With calls -------------------------------------------------------------------------------------------------------


def test_what_comes_with_an_answer_is_there_before_the_answer_is() -> None:
    async def scenario(world: World) -> None:
        seen: list[object] = []

        async def settling() -> None:
            seen.append(await world.store.files.find(ID, [CALLER]))

        world.store.before["settle"] = settling
        world.agency.will["lookup_citizen"].append((0.1, WITH_A_FILE))
        assert (await world.ask()).state is State.ANSWERED
        assert seen != [None]
        assert await world.around.files.find(ID, ["other"]) is None

    play(scenario)


def test_an_answer_whose_file_cannot_be_stored_yet_is_settled_when_it_is() -> None:
    async def scenario(world: World) -> None:
        failures = 3

        async def sick() -> None:
            nonlocal failures
            failures -= 1
            if failures >= 0:
                raise StoreUnavailable

        world.store.files.before["begin"] = sick
        world.agency.will["file_paper"].append((0.1, WITH_A_FILE))
        ticket = await world.file()
        await asyncio.sleep(0.2)
        assert (await world.state(ticket))[0] is State.SENDING
        await asyncio.sleep(60)
        assert (await world.state(ticket))[0] is State.ANSWERED
        assert await world.around.files.find(ID, [CALLER]) is not None
        assert len(world.agency.arrivals) == 1

    play(scenario)


def carrying(world: World, file: str) -> list[bytes]:
    """Let the agency's requests carry *file*; return the bodies that will be sent."""
    bodies: list[bytes] = []
    render, send = world.agency.render, world.agency.send

    def rendered(operation: str, request: BaseModel, sources: Sources, *, mask: bool = False) -> WireRequest:
        wire = render(operation, request, sources, mask=mask)
        return replace(wire, body=f'{{"a":"{write_content(file)}"}}'.encode(), files=(file,))

    async def sent(operation: str, wire: WireRequest, *, timeout: float) -> Outcome | StaleCredentials:  # noqa: ASYNC109
        assert wire.streamed is not None
        bodies.append(b"".join([piece async for piece in wire.streamed.pieces()]))
        return await send(operation, wire, timeout=timeout)

    agency: Any = world.agency
    agency.render, agency.send = rendered, sent
    return bodies


def test_a_file_that_a_request_names_is_put_in_while_it_is_sent() -> None:
    async def scenario(world: World) -> None:
        await world.around.files.keep({ID: SCAN}, CALLER)
        bodies = carrying(world, ID)
        world.agency.will["file_paper"].append((0.1, OK))
        assert (await world.file(wait=5.0)).state is State.ANSWERED
        assert bodies == [b'{"a":"JVBERi0xLjcgaW52ZW50ZWQ="}']

    play(scenario)


def test_a_hub_that_stops_or_whose_store_is_sick_takes_no_file() -> None:
    async def scenario(world: World) -> None:
        world.hub.admit_file()
        world.pressure.committed(9.0, None)
        world.pressure.committed(9.0, None)
        with pytest.raises(StoreUnavailable):
            world.hub.admit_file()
        await world.hub.stop(1.0)
        with pytest.raises(HubStopping):
            world.hub.admit_file()

    play(scenario)


@pytest.mark.parametrize("stored", [False, True])
def test_a_file_that_is_gone_or_too_large_sends_nothing_and_shows_the_call_to_a_person(stored: bool) -> None:
    async def scenario(world: World) -> None:
        if stored:
            await world.around.files.keep({ID: SCAN}, CALLER)
        bodies = carrying(world, ID)
        ticket = await world.file()
        await asyncio.sleep(1)
        assert (await world.state(ticket))[0] is State.DEAD
        assert bodies == []
        assert world.coordination.watch("agency")["concurrency_in_use"] == 0

    play(scenario, request_bytes=20)
