"""
The agency of `durability.py`: answers every POST at once, as the sample says, and counts them.

`python -m bench.loopback <folder of the sample> <folder of the log-in's sample>`. The kit's sandbox plays what an agency
says and checks; where only the asking side is measured, it would take more of the machine than what is measured.
`GET /arrived` says how many requests have come, log-ins apart.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import cast

LOG_IN = b"POST /mapi/login "
_LENGTH = b"content-length:"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n"


def whole(body: bytes) -> bytes:
    """Return *body* as a reply, ready to be written."""
    return _HEAD % len(body) + body


class Agency:
    """What all connections to it share."""

    def __init__(self, reply: bytes, logged_in: bytes) -> None:
        self._reply = whole(reply)
        self._logged_in = whole(logged_in)
        self.arrived = 0

    def answer(self, head: bytes) -> bytes:
        """Return the reply to the request that begins with *head*, and count it."""
        if head.startswith(LOG_IN):
            return self._logged_in
        if head.startswith(b"GET "):
            return whole(b"%d" % self.arrived)
        self.arrived += 1
        return self._reply


class Door(asyncio.Protocol):
    """One kept connection, one request at a time."""

    def __init__(self, agency: Agency) -> None:
        self._agency = agency
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by descent

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(_LENGTH)
        length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) >= end + 4 + length:
            self._transport.write(self._agency.answer(self._buffer[:64]))
            self._buffer = b""


async def play(agency: Agency) -> None:
    """Listen until cancelled; the ready line says where."""
    server = await asyncio.get_running_loop().create_server(lambda: Door(agency), "127.0.0.1", 0, backlog=2048)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(json.dumps({"event": "ready", "url": url}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    replies = [(Path(folder) / "reply.agency.json").read_bytes() for folder in sys.argv[1:3]]
    uvloop.run(play(Agency(*replies)))
