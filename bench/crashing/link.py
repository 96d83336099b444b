"""A way to a server of this machine that may be cut for one of those who use it, while the others still reach it."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from bench.servers import free_port

_CHUNK = 64 * 1024


class Link:
    """Forwards connections to *port* of the loopback, from `async with` on, until it is cut."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._port = free_port()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    def address(self) -> str:
        """Return where it is entered, as `hub.redis` takes it."""
        return f"redis://127.0.0.1:{self._port}/0"

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()

    async def mend(self) -> None:
        """Let connections through from now on."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self._port)

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
            both = {writer, back}
            self._writers |= both
            await asyncio.gather(_pour(reader, back), _pour(there, writer))
            self._writers -= both


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on what comes until either side ends, and end the other then."""
    with contextlib.suppress(OSError):
        while chunk := await source.read(_CHUNK):
            target.write(chunk)
            await target.drain()
    target.transport.abort()
