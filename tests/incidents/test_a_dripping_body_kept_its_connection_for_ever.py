"""
A request that was refused before its body had come kept its connection for as long as the caller dripped bytes, and so
did blank lines between requests. And requests sent in one go were refused when together they exceeded what one head may.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hub.app import listening
from hub.app.listening import Listener

REQUEST = b"GET /livez HTTP/1.1\r\nHost: hub.example\r\n\r\n"


async def answers_at_once(_: Any, __: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"no"})


@pytest.fixture
async def wire() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    listener = Listener(answers_at_once, "127.0.0.1:0")
    listener.start()
    host, port = listener.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    yield reader, writer
    writer.close()
    await listener.stop()


async def drip(writer: asyncio.StreamWriter, byte: bytes) -> None:
    while not writer.is_closing():
        writer.write(byte)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("head", "byte"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n", b"x"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (REQUEST, b"\r\n"),
    ],
)
async def test_who_has_its_answer_and_still_drips_is_cut(
    wire: Any, head: bytes, byte: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "REST_SECONDS", 0.1)
    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.1)
    reader, writer = wire
    writer.write(head)
    dripping = asyncio.create_task(drip(writer, byte))
    try:
        async with asyncio.timeout(5):
            assert (await reader.readuntil(b"no")).startswith(b"HTTP/1.1 401")
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await reader.readexactly(1)
    finally:
        dripping.cancel()


async def test_a_body_that_comes_in_time_keeps_its_connection(wire: Any) -> None:
    reader, writer = wire
    writer.write(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n")
    async with asyncio.timeout(5):
        await reader.readuntil(b"no")
        writer.write(b"body" + REQUEST)
        await reader.readuntil(b"no")


async def test_many_requests_in_one_go_are_no_large_head(wire: Any) -> None:
    reader, writer = wire
    many = 3 * listening.HEAD_BYTES // len(REQUEST)
    writer.write(REQUEST * many + REQUEST[:-2])
    async with asyncio.timeout(5):
        for _ in range(many):
            assert (await reader.readuntil(b"no")).startswith(b"HTTP/1.1 401")
        writer.write(b"\r\n")
        await reader.readuntil(b"no")
