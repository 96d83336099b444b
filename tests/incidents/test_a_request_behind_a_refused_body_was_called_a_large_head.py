"""
An agency that was told to come again before its large body had been read sent the next request on the same connection.
What the hub then read in one piece was the end of that body and the beginning of the next head. All of it was counted
as head, so a request that might have been taken was answered with 400 and its connection cut.
"""

import asyncio
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from hub.app.listening import HEAD_BYTES, BoundedProtocol

REST = 3 * HEAD_BYTES
HEAD = b"POST / HTTP/1.1\r\nHost: hub.example\r\nContent-Length: %d\r\n\r\n" % REST
NEXT = b"GET / HTTP/1.1\r\nHost: hub.example\r\n"


async def answers_at_once(_: Any, __: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"no"})


class Wire:
    """A transport to which a test hands pieces as a busy loop finds them."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None: ...

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def heard(wire: Wire) -> list[str]:
    for _ in range(20):
        await asyncio.sleep(0)
    return [line.decode() for line in wire.written.split(b"\r\n") if b"HTTP/1.1" in line]


async def test_the_end_of_a_body_is_no_part_of_the_head_behind_it() -> None:
    config = uvicorn.Config(answers_at_once, ws="none", lifespan="off", log_config=None)
    protocol, wire = BoundedProtocol(config, ServerState(), {}), Wire()
    protocol.connection_made(wire)
    protocol.data_received(HEAD)
    assert len(await heard(wire)) == 1
    protocol.data_received(bytes(REST) + NEXT)
    protocol.data_received(b"\r\n")
    assert len(await heard(wire)) == 2
    assert b" 400 " not in wire.written
    protocol.connection_lost(None)


async def test_a_head_behind_a_body_is_bounded_all_the_same() -> None:
    config = uvicorn.Config(answers_at_once, ws="none", lifespan="off", log_config=None)
    protocol, wire = BoundedProtocol(config, ServerState(), {}), Wire()
    protocol.connection_made(wire)
    protocol.data_received(HEAD)
    await heard(wire)
    protocol.data_received(bytes(REST) + NEXT + b"X: ")
    protocol.data_received(b"x" * (HEAD_BYTES + 1))
    assert b" 400 " in wire.written
    protocol.connection_lost(None)
