"""
One listener: a bound socket, a uvicorn server that leaves signals alone, and connections that may not dawdle.

uvicorn bounds neither the size nor the time of a request's head, nor how long a body may come that was answered
already, nor how long its connection is idle then, nor how long a reply may lie unread; `BoundedProtocol` does, so that a connection
that sends bytes for ever costs 64 KiB and a minute, and one that reads none costs its reply for two.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 30.0
UNREAD_SECONDS = 60.0
"""How long a caller may read nothing of a reply that is still being written, before its connection is cut."""
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

    def abort(self) -> None:
        self._transport.abort()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()


class _Patience:
    """
    Calls *lost* when a wait takes too long.

    Its timer is left alone when a wait ends, and set anew when it goes off too early: starting and stopping one for each
    request is a part of what a refusal costs.
    """

    __slots__ = ("_loop", "_lost", "_timer", "_timer_at", "_until")

    def __init__(self, loop: asyncio.AbstractEventLoop, lost: Callable[[], None]) -> None:
        self._loop = loop
        self._lost = lost
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._until: float | None = None

    def begin(self, seconds: float) -> None:
        """Wait for so long from now on; a wait that is under way goes on."""
        if self._until is None:
            self._until = self._loop.time() + seconds
            if self._timer is None or self._timer_at > self._until:
                self._set(self._until)

    def end(self) -> None:
        """What was waited for is there."""
        self._until = None

    def close(self) -> None:
        """Never call *lost* again."""
        self._until = None
        if self._timer is not None:
            self._timer.cancel()

    def _set(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = moment
        self._timer = self._loop.call_at(moment, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._until is None:
            return
        if self._loop.time() < self._until:
            self._set(self._until)
        else:
            self._until = None
            self._lost()


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 by httptools, with bounds on all that a caller may let the hub wait for."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._head_bytes = 0
        self._patience = _Patience(self.loop, self._too_slow)
        self._in_head = True
        self._in_body = False
        self._begun_before = True
        """Whether the head that is under way began before the piece that is read now."""
        self._unread = -1
        """Bytes of replies that had not left when they were last looked at."""
        self._reading = _Patience(self.loop, self._unread_too_long)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_OnePiece(transport, self.loop))  # type: ignore[arg-type]  # all that uvicorn asks of one
        self._patience.begin(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.close()
        self._reading.close()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self._reading.begin(UNREAD_SECONDS)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._reading.end()
        super().resume_writing()

    def on_message_begin(self) -> None:
        self._in_head = True  # again, when one piece brings several
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = self._begun_before = False
        self._in_body = True
        self._head_bytes = 0
        self._patience.end()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        self._patience.end()
        super().on_message_complete()
        if self.cycle.response_complete:  # it was waited for until now, so the connection is idle only from here
            self._patience.begin(KEEP_ALIVE_SECONDS)

    def on_response_complete(self) -> None:
        if self._in_body or self.transport.is_closing():
            # Nobody reads it any more, so nobody else would ever end a caller that drips.
            self._patience.begin(REST_SECONDS)
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.flow.resume_reading()  # all that uvicorn does here, but for a count that nobody reads and its own timer
        if not self._in_body:
            self._patience.begin(HEAD_SECONDS if self._in_head else KEEP_ALIVE_SECONDS)

    def data_received(self, data: bytes) -> None:
        if not (self._in_head or self._in_body):
            self._patience.end()  # it was idle
        self._begun_before = not self._in_body  # what ends a body is no part of the head behind it
        self._in_head = not self._in_body
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:  # whoever waits for an answer is not to lose it
            self._patience.begin(HEAD_SECONDS)
        if self._begun_before:
            self._head_bytes += len(data)  # all of it: the head is still not whole
        if self._head_bytes > HEAD_BYTES:
            self.send_400_response("The head of this request is larger than 64 KiB.")

    def _unread_too_long(self) -> None:
        """Cut the connection: whoever writes this reply waits for its reader, and would wait for ever."""
        self.transport.abort()

    def _too_slow(self) -> None:
        """Close once all replies have left, and at once if nothing of them leaves: they lie in memory until then."""
        unread = self.transport.get_write_buffer_size()
        if self.transport.is_closing() and unread == self._unread:
            self.transport.abort()
            return
        self._unread = unread
        self.transport.close()
        self._patience.begin(REST_SECONDS)


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
