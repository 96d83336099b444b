"""A caller that speaks ASGI by hand."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from hub.web.doors import Doors

KEY = "counter-key"
PURPOSE = 'officer="cb-102", unit="H32", intake="TN-000-1"'


class Knock:
    """Speaks ASGI by hand, to see what a door reads and when."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self.read = 0
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.reading: Callable[[], Awaitable[None]] | None = None
        """What this caller does before it takes the next of the answer."""

    async def __call__(
        self,
        path: str,
        chunks: Sequence[dict[str, Any]],
        *headers: tuple[bytes, bytes],
        method: str = "POST",
        stays: asyncio.Event | None = None,
        query: str = "",
    ) -> "Knock":
        """Send *chunks*, then go away; with *stays*, only once that is set."""
        waiting = list(chunks)

        async def receive() -> MutableMapping[str, Any]:
            self.read += 1
            if not waiting and stays is not None:
                await stays.wait()
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.status, self.headers = message["status"], dict(message["headers"])
            else:
                self.body += message["body"]
                if self.reading is not None:
                    await self.reading()

        base = [
            (b"authorization", f"Bearer {KEY}".encode()),
            (b"content-type", b"application/json"),
            (b"hub-purpose", PURPOSE.encode()),
        ]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [*base, *headers],
        }
        await self._doors(scope, receive, send)
        return self
