"""
One listener: a bound socket, a uvicorn server that leaves signals alone, and connections that may not dawdle.

uvicorn bounds neither the size nor the time of a request's head, nor how long a body may come that was answered
already; `BoundedProtocol` does, so that a connection that sends bytes for ever costs 64 KiB and a minute.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 30.0
REST_SECONDS = 60.0
"""How long the rest of a body may take that was answered before it had come: as long as one that is waited for."""
KEEP_ALIVE_SECONDS = 65
"""Longer than the minute after which balancers close their side, so that they never write into a closing connection."""
LAST_SECONDS = 3
"""How long responses that are ready may take to leave once the hub has stopped."""
BACKLOG = 2048


class _OnePiece:
    """
    A transport that sends the head of a reply together with the first of its body, when that follows at once.

    uvicorn writes them apart: two calls of the kernel and two packets for each reply, a tenth of what a refusal costs.
    """

    __slots__ = ("_head", "_loop", "_transport", "get_extra_info", "is_closing", "pause_reading", "resume_reading")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(b"HTTP/1.1 ") and data.endswith(b"\r\n\r\n"):
            self._head = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def _flush(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        self._flush()
        self._transport.close()


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 by httptools, with bounds on the head of a request, and on the rest of one that is answered already."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._in_head = True
        self._in_body = False
        self._begun_before = True
        """Whether the head that is under way began before the piece that is read now."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_OnePiece(transport, self.loop))  # type: ignore[arg-type]  # all that uvicorn asks of one
        self._await(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_wait()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._in_head = True  # again, when one piece brings several
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = self._begun_before = False
        self._in_body = True
        self._end_wait()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        self._end_wait()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body:  # nobody reads it any more, so nobody else would ever end a caller that drips
            self._await(REST_SECONDS)

    def data_received(self, data: bytes) -> None:
        self._begun_before = True
        self._in_head = not self._in_body
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._await(HEAD_SECONDS)
        if self._begun_before:
            self._head_bytes += len(data)  # all of it: the head is still not whole
        if self._head_bytes > HEAD_BYTES:
            self.send_400_response("The head of this request is larger than 64 KiB.")

    def _await(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(seconds, self._too_slow)

    def _end_wait(self) -> None:
        self._head_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()


class _Server(uvicorn.Server):
    """A server that somebody else starts and stops: two of them share one process and one pair of signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listener:
    """Serves one ASGI application at one address. The address is taken at once, so port 0 can be told before serving."""

    def __init__(self, app: Any, address: str) -> None:
        """
        Take *address*, `host:port`.

        Raises:
            OSError: It is in use, or not of this machine.
        """
        host, _, port = address.rpartition(":")
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        self._socket = socket.create_server((host.strip("[]"), int(port)), family=family, backlog=BACKLOG)
        self._server = _Server(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=LAST_SECONDS,
            )
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """`host:port` as it is, with the port that was taken."""
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if self._socket.family == socket.AF_INET6 else f"{host}:{port}"

    def start(self) -> None:
        """Begin to serve; must be called on the loop."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """Take no more connections, let responses under way leave for three seconds, and close the rest. Idempotent."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()
