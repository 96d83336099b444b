"""
A blank line after a request, which HTTP tells servers to ignore, was taken for the head of the next one: after thirty
seconds without the rest of it the connection was closed, and with it went the answer that its caller still waited for.
And a reply that nobody read lay in memory for as long as its caller kept the connection.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hub.app import listening
from hub.app.listening import Listener

REQUEST = b"GET / HTTP/1.1\r\nHost: hub.example\r\n"
LARGE = b"x" * 20_000_000


@pytest.fixture
async def wire(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setattr(listening, "HEAD_SECONDS", 0.05)
    monkeypatch.setattr(listening, "KEEP_ALIVE_SECONDS", 0.1)
    monkeypatch.setattr(listening, "REST_SECONDS", 0.1)
    waited = asyncio.Event()

    async def answers_late(scope: Any, _: Any, send: Any) -> None:
        body = LARGE if scope["path"] == "/large" else b"ok"
        if scope["path"] == "/":
            await waited.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    listener = Listener(answers_late, "127.0.0.1:0")
    listener.start()
    host, port = listener.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    yield reader, writer, waited, listener._server.server_state.connections
    writer.close()
    await listener.stop()


@pytest.mark.parametrize("more", [b"\r\n", b"\r\n\r\n\r\n", b"GET /small HT"])
async def test_what_follows_a_request_does_not_cut_its_answer(wire: Any, more: bytes) -> None:
    """Whatever it is has its time from when the answer is out."""
    reader, writer, waited, _ = wire
    async with asyncio.timeout(5):
        writer.write(REQUEST + b"\r\n")
        asyncio.get_running_loop().call_later(0.02, writer.write, more)
        asyncio.get_running_loop().call_later(0.3, waited.set)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
        assert await reader.read() == b"", "and then it is cut"


@pytest.mark.parametrize("last", [b"", b"Connection: close\r\n"])
async def test_a_reply_that_nobody_reads_is_let_go(wire: Any, last: bytes) -> None:
    _, writer, _, connections = wire
    writer.transport.pause_reading()
    writer.write(REQUEST.replace(b"/ ", b"/large ") + last + b"\r\n")
    async with asyncio.timeout(5):
        while not connections:  # noqa: ASYNC110 - no event of ours
            await asyncio.sleep(0)
        while connections:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.01)


async def test_a_reply_that_is_read_slowly_comes_whole(wire: Any) -> None:
    reader, writer, *_ = wire
    writer.write(REQUEST.replace(b"/ ", b"/large ") + b"\r\n")
    async with asyncio.timeout(10):
        await reader.readuntil(b"\r\n\r\n")
        for part in range(20):
            assert await reader.readexactly(len(LARGE) // 20) == LARGE[: len(LARGE) // 20], part
            await asyncio.sleep(0.03)
        assert await reader.read() == b""
