"""A real socket under the doors: kept connections, unread bodies, and heads that never end."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from hub.app import listening
from hub.app.listening import BoundedProtocol, Listener
from hub.errors import LaneFull
from hub.web.doors import Doors
from hub.web.replies import disconnected

HEAD = b"POST /v1/calls/police/lookup_place HTTP/1.1\r\nHost: hub.example\r\nAuthorization: Bearer counter-key\r\nContent-Type: application/json\r\n"
BODY = b'{"citizen_id":"000180000011"}'
GOOD = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


@pytest.fixture
async def listener(doors: Doors) -> AsyncIterator[Listener]:
    listener = Listener(doors, "127.0.0.1:0")
    listener.start()
    yield listener
    await listener.stop()


class Wire:
    """A connection spoken to byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> tuple[int, bytes]:
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        return int(head.split()[1]), await self.reader.readexactly(int(lines[b"content-length"]))


@pytest.fixture
async def wire(listener: Listener) -> AsyncIterator[Wire]:
    host, port = listener.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    yield Wire(reader, writer)
    writer.close()


async def test_port_0_is_told_as_the_port_that_was_taken(listener: Listener) -> None:
    assert int(listener.address.rpartition(":")[2]) > 0


class Pieces:
    """A transport that keeps what is written to it, piece by piece."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.begun = asyncio.Event()
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self.begun.set()

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@pytest.mark.parametrize("last", [b"", b"Connection: close\r\n"])
async def test_a_reply_leaves_in_one_piece(doors: Doors, engine: Any, last: bytes) -> None:
    """Two pieces are two calls of the kernel and two packets, for every reply."""
    engine.refusal = LaneFull(retry_after=1.0)
    protocol = BoundedProtocol(uvicorn.Config(doors, ws="none", lifespan="off", log_config=None), ServerState(), {})
    pieces = Pieces()
    protocol.connection_made(pieces)
    protocol.data_received(HEAD + last + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
    await asyncio.wait_for(pieces.begun.wait(), 5)
    (piece,) = pieces.written
    head, _, body = piece.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert json.loads(body)["code"] == "lane.full"
    assert pieces.closed == bool(last)
    protocol.connection_lost(None)


async def test_a_head_without_a_body_does_not_wait_for_one() -> None:
    """A stream begins long before its first event."""
    follows = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await follows.wait()
        await send({"type": "http.response.body", "body": b"ok"})

    listener = Listener(slow, "127.0.0.1:0")
    listener.start()
    host, port = listener.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nHost: hub.example\r\n\r\n")
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).startswith(b"HTTP/1.1 200 ")
    follows.set()
    assert await asyncio.wait_for(reader.readexactly(2), 5) == b"ok"
    writer.write(b"HEAD / HTTP/1.1\r\nHost: hub.example\r\nConnection: close\r\n\r\n")
    rest = await asyncio.wait_for(reader.read(), 5)
    assert rest.startswith(b"HTTP/1.1 200 ")
    assert rest.endswith(b"\r\n\r\n")
    writer.close()
    await listener.stop()


async def test_who_reads_nothing_of_a_long_reply_is_cut_and_its_writer_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch or a stream whose reader hangs would otherwise be written for ever."""
    monkeypatch.setattr(listening, "UNREAD_SECONDS", 0.05)
    ended = asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.ensure_future(disconnected(receive))
        while not gone.done():
            await send({"type": "http.response.body", "body": b"a" * 65536, "more_body": True})
        ended.set()

    listener = Listener(endless, "127.0.0.1:0")
    listener.start()
    host, port = listener.address.split(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.write(b"GET / HTTP/1.1\r\nHost: hub.example\r\n\r\n")
    await asyncio.wait_for(ended.wait(), 20)
    writer.close()
    await listener.stop()


async def test_a_refusal_answers_before_a_20_mb_body_and_the_connection_lives_on(wire: Wire, engine: Any) -> None:
    engine.refusal = LaneFull(retry_after=1.0)
    wire.writer.write(HEAD + b"Content-Length: 20000000\r\n\r\n")
    status, body = await asyncio.wait_for(wire.answer(), 5)
    assert (status, json.loads(body)["code"]) == (503, "lane.full")
    for _ in range(20):
        wire.writer.write(b"a" * 1_000_000)
        await wire.writer.drain()
    engine.refusal = None
    wire.writer.write(GOOD)
    status, body = await asyncio.wait_for(wire.answer(), 5)
    assert (status, json.loads(body)["state"]) == (200, "answered")


async def test_a_refusal_while_the_body_already_flows_keeps_the_connection_too(wire: Wire, engine: Any) -> None:
    engine.refusal = LaneFull(retry_after=1.0)
    wire.writer.write(HEAD + b"Content-Length: 20000000\r\n\r\n" + b"a" * 20_000_000)
    assert (await asyncio.wait_for(wire.answer(), 5))[0] == 503
    engine.refusal = None
    wire.writer.write(GOOD)
    assert (await asyncio.wait_for(wire.answer(), 5))[0] == 200


async def test_a_body_over_the_limit_is_refused_unread_and_the_connection_lives_on(wire: Wire) -> None:
    wire.writer.write(HEAD + b"Content-Length: 2000000\r\n\r\n")
    status, body = await asyncio.wait_for(wire.answer(), 5)
    assert (status, json.loads(body)["code"]) == (413, "request.too_large")
    wire.writer.write(b"a" * 2_000_000 + GOOD)
    assert (await asyncio.wait_for(wire.answer(), 5))[0] == 200


async def test_requests_sent_in_one_go_are_answered_in_order(wire: Wire) -> None:
    wire.writer.write(GOOD * 5)
    for _ in range(5):
        assert (await asyncio.wait_for(wire.answer(), 5))[0] == 200


async def test_a_head_that_never_ends_is_cut(wire: Wire) -> None:
    wire.writer.write(b"GET / HTTP/1.1\r\nX: " + b"a" * (listening.HEAD_BYTES + 1))
    status, _ = await asyncio.wait_for(wire.answer(), 5)
    assert status == 400
    assert await asyncio.wait_for(wire.reader.read(), 5) == b""


async def test_a_connection_that_says_nothing_is_closed(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.05)
    listener = Listener(doors, "127.0.0.1:0")
    listener.start()
    host, port = listener.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    await listener.stop()


@pytest.mark.parametrize("after", [b"", b"a" * 20], ids=["its body came", "its body came after the answer"])
async def test_an_idle_connection_is_closed(
    doors: Doors, engine: Any, after: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "KEEP_ALIVE_SECONDS", 0.05)
    engine.refusal = LaneFull(retry_after=1.0)
    listener = Listener(doors, "127.0.0.1:0")
    listener.start()
    host, port = listener.address.split(":")
    wire = Wire(*await asyncio.open_connection(host, int(port)))
    wire.writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(after))
    assert (await asyncio.wait_for(wire.answer(), 5))[0] == 503
    wire.writer.write(after)
    assert await asyncio.wait_for(wire.reader.read(), 5) == b""
    wire.writer.close()
    await listener.stop()


async def test_who_is_still_answered_is_not_idle(doors: Doors, engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither after an answer before, nor while another request waits behind it."""
    monkeypatch.setattr(listening, "KEEP_ALIVE_SECONDS", 0.05)
    answering, go_on = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        answering.set()
        await go_on.wait()

    listener = Listener(doors, "127.0.0.1:0")
    listener.start()
    host, port = listener.address.split(":")
    wire = Wire(*await asyncio.open_connection(host, int(port)))
    wire.writer.write(GOOD)
    assert (await asyncio.wait_for(wire.answer(), 5))[0] == 200
    engine.hang = hang
    wire.writer.write(GOOD + GOOD)
    await asyncio.wait_for(answering.wait(), 5)
    asyncio.get_running_loop().call_later(0.2, go_on.set)
    for _ in range(2):
        assert (await asyncio.wait_for(wire.answer(), 5))[0] == 200
    wire.writer.close()
    await listener.stop()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused_and_closed(wire: Wire, sent: bytes) -> None:
    wire.writer.write(sent)
    said = await asyncio.wait_for(wire.reader.read(), 5)
    assert said.startswith(b"HTTP/1.1 40")
