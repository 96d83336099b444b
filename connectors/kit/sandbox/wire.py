"""
HTTP/1.1 as the played agencies speak it, on raw streams so that they can misbehave. Next: `faults.py`.

Only what is needed: content-length and chunked bodies, kept connections, and limits that keep a wild peer harmless.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote

HEAD_BYTES = 64 * 1024
BODY_BYTES = 64 * 1024 * 1024
"""Largest request taken: well above the 10 MiB that the hub itself takes, so that its own limit is what shows."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, read whole. Header names are lower-cased."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    keep: bool
    """Whether the peer wants the connection kept."""


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, ready to be written; `wire` is made once, so samples cost nothing per request."""

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    wire: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "wire", self.head(len(self.body)) + self.body)

    def head(self, length: int | None) -> bytes:
        """Return status line and headers; without *length* the body follows in chunks."""
        framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        lines = [f"HTTP/1.1 {self.status} {_phrase(self.status)}", f"Content-Type: {self.content_type}", framing]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode()


class Malformed(Exception):
    """The peer does not speak HTTP/1.1, or too much of it. The connection is closed after a 400."""


Answer: TypeAlias = Callable[[Request, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]
"""Writes the reply to one request and says whether the connection stays open."""

REFUSED = Reply(400, b"malformed request\n", "text/plain")


class Listener:
    """Accepts connections on one loopback port and hands each request to *answer*."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._idle: set[asyncio.StreamWriter] = set()

    async def start(self, host: str, port: int) -> str:
        """Listen (port 0: any free one) and return the base URL."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=HEAD_BYTES, backlog=1024)
        address = self._server.sockets[0].getsockname()
        return f"http://{address[0]}:{address[1]}"

    def close_idle(self) -> int:
        """Close every kept connection on which nothing is under way; returns how many."""
        idle = list(self._idle)
        for writer in idle:
            writer.close()
        return len(idle)

    async def stop(self) -> None:
        """Stop listening and cut what is open."""
        if self._server is not None:
            self._server.close()
        for writer in self._open.values():
            writer.transport.abort()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine always runs in one
        self._open[task] = writer
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the peer went away, or the sandbox stops: either way nobody listens
        except Malformed:
            writer.write(REFUSED.wire)
        finally:
            del self._open[task]
            self._idle.discard(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        keep = True
        while keep:
            self._idle.add(writer)
            head = await _head(reader)
            self._idle.discard(writer)
            if head is None:
                return
            keep = await self._answer(await _request(head, reader), reader, writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """Cut the connection with a TCP reset, not with an end of stream."""
    peer = writer.get_extra_info("socket")
    if peer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _head(reader: asyncio.StreamReader) -> str | None:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError as cut:
        if cut.partial:
            raise
        return None
    except asyncio.LimitOverrunError:
        raise Malformed from None


async def _request(head: str, reader: asyncio.StreamReader) -> Request:
    start, *lines = head[:-4].split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Malformed
        headers[name.lower()] = value.strip()
    try:
        method, target, version = start.split(" ")
        length = int(headers.get("content-length", 0))
    except ValueError:
        raise Malformed from None
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunks(reader)
    elif 0 <= length <= BODY_BYTES:
        body = await reader.readexactly(length) if length else b""
    else:
        raise Malformed
    path, _, query = target.partition("?")
    keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    return Request(method, unquote(path), dict(parse_qsl(query)) if query else {}, headers, body, keep)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        try:
            length = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        except ValueError:
            raise Malformed from None
        size += length
        if length < 0 or size > BODY_BYTES:
            raise Malformed
        parts.append((await reader.readexactly(length + 2))[:-2])
        if length == 0:
            return b"".join(parts)
