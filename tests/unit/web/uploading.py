"""One body on its way to the bulk door, sent piece by piece, and what is heard of it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from hub.web.doors import Doors

PATH = "/v1/calls/police:batch"
BATCH = "01990a5e-0000-7cc3-98c4-dc0c0c07398f"
GOOD = {"citizen_id": "000180000011"}


def line(number: int, **changes: Any) -> bytes:
    given = {"operation": "file_person", "request": GOOD, "idempotency_key": f"k{number}"} | changes
    return json.dumps({name: value for name, value in given.items() if value is not None}).encode() + b"\n"


class Upload:
    """One body on its way, sent piece by piece, and what is heard of it."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.pieces: list[bytes] = []
        self.taken = 0
        """Pieces of the body that the door asked for."""
        self.reading: Callable[[], Awaitable[None]] | None = None
        """What the caller does before it takes the next piece of the answer."""
        self.kept = True

    async def __call__(
        self,
        body: Iterable[bytes] | AsyncIterator[bytes],
        *headers: tuple[bytes, bytes],
        key: str = "counter-key",
        path: str = PATH,
        media: bytes = b"application/x-ndjson",
        leaves: bool = False,
    ) -> "Upload":
        """Send *body*; with *leaves*, go away where it ends, in the middle of the request."""
        pieces = body if isinstance(body, AsyncIterator) else _slowly(body)

        async def receive() -> MutableMapping[str, Any]:
            piece = await anext(pieces, None)
            if piece is None:
                return {"type": "http.disconnect"} if leaves else {"type": "http.request", "more_body": False}
            self.taken += 1
            return {"type": "http.request", "body": piece, "more_body": True}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.status, self.headers = message["status"], dict(message["headers"])
                return
            if self.reading is not None:
                await self.reading()
            if self.kept:
                self.pieces.append(message["body"])

        given = [(b"authorization", f"Bearer {key}".encode()), (b"content-type", media), *headers]
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": given}
        await self._doors(scope, receive, send)
        return self

    @property
    def said(self) -> list[Any]:
        return [json.loads(text) for text in b"".join(self.pieces).splitlines()]

    @property
    def problem(self) -> Any:
        return json.loads(b"".join(self.pieces))


async def _slowly(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
