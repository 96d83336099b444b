"""
A reply that came while its connection was idle answered the next request on it: one citizen's record for another's.
And an agency that sent nothing but interim replies had them read for as long as it liked, eight megabytes at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from connectors.kit.connection import INTERIM_REPLIES
from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.http import HttpSender
from connectors.kit.outcomes import InDoubt, Outcome

OWN = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown"
FOREIGN = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nforeign"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

Speak = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Agency:
    """Counts its connections; *says* is what it writes at each request, *late* what it writes after a moment."""

    def __init__(self) -> None:
        self.url = ""
        self.says = OWN
        self.late = b""
        self.connections = 0
        self.wrote_late = asyncio.Event()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(self.says)
                await writer.drain()
                if self.late:
                    await asyncio.sleep(0.02)
                    writer.write(self.late)
                    await writer.drain()
                    self.wrote_late.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def _sending() -> AsyncIterator[tuple[Agency, Callable[[], Awaitable[WireReply | Outcome]]]]:
    agency, sender = Agency(), HttpSender()
    server = await asyncio.start_server(agency.connected, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

    async def send() -> WireReply | Outcome:
        return await sender.send(WireRequest("GET", url, {}, b"", False), timeout=5.0, reply_bytes=1000)

    yield agency, send
    await sender.close()
    server.close()


def body(reply: WireReply | Outcome) -> bytes:
    assert isinstance(reply, WireReply), reply
    return reply.body


@pytest.mark.parametrize("late", [FOREIGN, FOREIGN[:20], CONTINUE, b"\r\n", b"\x00"])
async def test_what_comes_while_nothing_is_asked_ends_the_connection(late: bytes) -> None:
    async with _sending() as (agency, send):
        agency.late = late
        for _ in range(3):
            agency.wrote_late.clear()
            assert body(await send()) == b"own"
            await agency.wrote_late.wait()
            await asyncio.sleep(0.02)
        assert agency.connections == 3


async def test_two_replies_in_one_piece_are_one_answer_and_the_end() -> None:
    async with _sending() as (agency, send):
        agency.says = OWN + FOREIGN
        assert [body(await send()) for _ in range(3)] == [b"own"] * 3
        assert agency.connections == 3


async def test_an_honest_connection_is_kept_interim_replies_included() -> None:
    async with _sending() as (agency, send):
        agency.says = CONTINUE * INTERIM_REPLIES + OWN
        assert [body(await send()) for _ in range(5)] == [b"own"] * 5
        assert agency.connections == 1


async def test_interim_replies_without_end_are_doubt_soon() -> None:
    async with _sending() as (agency, send):
        agency.says = CONTINUE * 400_000
        began = asyncio.get_running_loop().time()
        assert await send() == InDoubt("malformed")
        assert asyncio.get_running_loop().time() - began < 1.0
