"""What `HttpSender` promises about every way in which a network and an agency can fail."""

import asyncio
import gzip
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import http_exceptions

from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.http import CAUSES, HttpSender, outcome_of
from connectors.kit.outcomes import ROAD, Broken, InDoubt, Unavailable

HERE = Path(__file__).parent
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Arrivals:
    """A server that plays *peer* on each connection and counts connections and requests."""

    def __init__(self, peer: Peer) -> None:
        self.connections = 0
        self.closed = asyncio.Event()
        self._peer = peer

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._peer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.closed.set()
            writer.close()


@asynccontextmanager
async def serving(peer: Peer, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, Arrivals]]:
    arrivals = Arrivals(peer)
    server = await asyncio.start_server(arrivals.connected, "127.0.0.1", 0, ssl=tls, backlog=300)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}/service", arrivals
    finally:
        server.close()


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    sender = HttpSender()
    yield sender
    await sender.close()


def post(url: str, body: bytes = b"<a/>", *, fresh: bool = False, method: str = "POST", **headers: str) -> WireRequest:
    return WireRequest(method, url, headers, body, fresh)


async def request_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.split(b":")[1]))
    return head


def reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the peer gets a TCP reset and not an end of stream."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def answering(reply: bytes, *, times: int = 1_000) -> Peer:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(times):
            await request_of(reader)
            writer.write(reply)
            await writer.drain()

    return peer


def every_class(of: type[BaseException]) -> Iterator[type[BaseException]]:
    for below in of.__subclasses__():
        yield below
        yield from every_class(below)


class TestTheTable:
    def test_every_exception_of_the_library_has_a_row_of_its_own(self) -> None:
        missing = {kind.__name__ for kind in every_class(aiohttp.ClientError) if kind not in CAUSES}
        assert missing == set(), f"the library grew exceptions without a row in CAUSES: {missing}"

    @pytest.mark.parametrize(
        "error",
        [
            TimeoutError(),
            OSError(),
            ConnectionResetError(),
            ssl.SSLError(),
            UnicodeError("idna"),
            socket.gaierror(),
        ],
    )
    def test_what_failed_before_a_byte_left_is_unavailable_and_after_it_is_doubt(self, error: Exception) -> None:
        assert isinstance(outcome_of(error, sent=False), Unavailable)
        assert isinstance(outcome_of(error, sent=True), InDoubt)

    def test_only_causes_of_the_way_itself_are_the_roads(self) -> None:
        unsent = {
            outcome.cause
            for kind in CAUSES
            if isinstance(outcome := outcome_of(kind.__new__(kind), sent=False), Unavailable)
        }
        others = {"address", "fault", "forbidden", "header", "malformed", "redirect", "truncated", "upload"}
        assert unsent - others == ROAD, "a new cause is the road's or is not: say which"

    def test_a_header_that_cannot_be_written_is_broken_and_unsent(self) -> None:
        outcome = outcome_of(ValueError("Newline"), sent=False)
        assert isinstance(outcome, Broken)
        assert not outcome.sent

    @pytest.mark.parametrize(
        "kind", [http_exceptions.BadHttpMessage, http_exceptions.TransferEncodingError, RuntimeError, AssertionError]
    )
    def test_exceptions_that_the_table_does_not_name_fall_to_the_nearest_row(self, kind: type[Exception]) -> None:
        assert isinstance(outcome_of(kind("x"), sent=True), InDoubt)
        assert isinstance(outcome_of(kind("x"), sent=False), Unavailable)


class TestBeforeAByteLeft:
    async def test_a_closed_port_is_unavailable(self, sender: HttpSender) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        assert await sender.send(post(f"http://127.0.0.1:{port}/"), timeout=2, reply_bytes=100) == Unavailable(
            "connect"
        )

    async def test_a_name_without_address_is_unavailable(self) -> None:
        def nothing(*_: Any, **__: Any) -> Any:
            raise socket.gaierror(-2, "Name or service not known")

        sender = HttpSender(look_up=nothing)
        assert await sender.send(post("http://agency.example/"), timeout=2, reply_bytes=100) == Unavailable("dns")
        await sender.close()

    async def test_a_name_server_that_hangs_is_unavailable_when_the_time_is_up(self) -> None:
        release = threading.Event()
        sender = HttpSender(look_up=lambda *_, **__: release.wait(5) and [])  # type: ignore[arg-type, return-value]
        assert await sender.send(post("http://agency.example/"), timeout=0.05, reply_bytes=100) == Unavailable(
            "timeout"
        )
        release.set()
        await sender.close()

    @pytest.mark.parametrize(
        "url", ["http://", "ftp://agency.example/", "http://exa mple/", "http://" + "a" * 70 + ".example/"]
    )
    async def test_an_address_that_is_none_is_unavailable(self, sender: HttpSender, url: str) -> None:
        assert isinstance(await sender.send(post(url), timeout=2, reply_bytes=100), Unavailable)

    async def test_a_tls_handshake_that_hangs_is_unavailable_though_the_connection_stands(
        self, sender: HttpSender
    ) -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async with serving(silent) as (url, arrivals):
            outcome = await sender.send(post(url.replace("http:", "https:")), timeout=0.1, reply_bytes=100)
            assert outcome == Unavailable("timeout")
            assert arrivals.connections == 1

    async def test_a_certificate_nobody_vouches_for_is_unavailable(self, sender: HttpSender) -> None:
        async with serving(answering(OK), tls=server_tls()) as (url, _):
            assert await sender.send(post(url), timeout=2, reply_bytes=100) == Unavailable("certificate")

    async def test_plain_text_where_tls_is_expected_is_unavailable(self, sender: HttpSender) -> None:
        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await reader.read()

        async with serving(plain) as (url, _):
            assert await sender.send(post(url.replace("http:", "https:")), timeout=2, reply_bytes=100) == Unavailable(
                "tls"
            )

    @pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\0b"])
    async def test_a_header_with_a_forbidden_character_never_leaves(self, sender: HttpSender, value: str) -> None:
        async with serving(answering(OK)) as (url, _):
            outcome = await sender.send(
                WireRequest("POST", url, {"X-Name": value}, b"", False), timeout=2, reply_bytes=100
            )
            assert isinstance(outcome, Broken)
            assert not outcome.sent
            assert value not in str(outcome)

    async def test_no_time_left_means_nothing_is_sent(self, sender: HttpSender) -> None:
        async with serving(answering(OK)) as (url, arrivals):
            assert await sender.send(post(url), timeout=0, reply_bytes=100) == Unavailable("timeout")
            assert arrivals.connections == 0


class TestAfterAByteMayHaveLeft:
    async def test_a_reset_before_the_answer_is_doubt(self, sender: HttpSender) -> None:
        async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await request_of(reader)
            reset(writer)

        async with serving(resetting) as (url, _):
            assert await sender.send(post(url), timeout=2, reply_bytes=100) == InDoubt("reset")

    @pytest.mark.parametrize("method", ["POST", "GET"])
    async def test_a_clean_close_before_the_answer_is_doubt(self, sender: HttpSender, method: str) -> None:
        async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await request_of(reader)

        async with serving(closing) as (url, _):
            outcome = await sender.send(post(url, b"", method=method), timeout=2, reply_bytes=100)
            assert outcome == InDoubt("closed")

    async def test_silence_is_doubt_when_the_time_is_up(self, sender: HttpSender) -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async with serving(silent) as (url, arrivals):
            assert await sender.send(post(url), timeout=0.1, reply_bytes=100) == InDoubt("timeout")
            await asyncio.wait_for(arrivals.closed.wait(), 2)

    async def test_a_request_of_which_only_a_part_left_is_doubt(self, sender: HttpSender) -> None:
        async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(1_000)
            reset(writer)

        async with serving(half) as (url, _):
            outcome = await sender.send(post(url, b"x" * 30_000_000), timeout=5, reply_bytes=100)
            assert isinstance(outcome, InDoubt)

    async def test_a_truncated_answer_is_doubt(self, sender: HttpSender) -> None:
        async with serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nonly this", times=1)) as (url, _):
            assert await sender.send(post(url), timeout=2, reply_bytes=100) == InDoubt("truncated")

    @pytest.mark.parametrize(
        "reply",
        [
            b"\x16\x03\x01nonsense\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"h" * 100_000 + b"\r\n\r\n",
        ],
    )
    async def test_an_answer_that_is_no_http_is_doubt(self, sender: HttpSender, reply: bytes) -> None:
        async with serving(answering(reply, times=1)) as (url, _):
            assert await sender.send(post(url), timeout=2, reply_bytes=100) == InDoubt("malformed")

    async def test_a_chunk_that_cannot_be_read_is_doubt(self, sender: HttpSender) -> None:
        reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"
        async with serving(answering(reply, times=1)) as (url, _):
            assert isinstance(await sender.send(post(url), timeout=2, reply_bytes=100), InDoubt)

    async def test_a_slow_drip_ends_with_the_time_and_closes_the_connection(self, sender: HttpSender) -> None:
        async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await request_of(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not writer.is_closing():
                writer.write(b".")
                await writer.drain()
                await asyncio.sleep(0.01)

        async with serving(dripping) as (url, arrivals):
            assert await sender.send(post(url), timeout=0.15, reply_bytes=2_000) == InDoubt("timeout")
            await asyncio.wait_for(arrivals.closed.wait(), 2)


class TestSizes:
    async def test_a_huge_answer_is_doubt_and_its_connection_is_closed_early(self, sender: HttpSender) -> None:
        written = 0

        async def huge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal written
            await request_of(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
            for _ in range(1_600):  # 100 MB
                writer.write(piece)
                await writer.drain()
                written += 0x10000

        async with serving(huge) as (url, arrivals):
            assert await sender.send(post(url), timeout=10, reply_bytes=1_000_000) == InDoubt("too_large")
            await asyncio.wait_for(arrivals.closed.wait(), 2)
            assert written < 20_000_000

    async def test_an_announced_huge_answer_is_not_read_at_all(self, sender: HttpSender) -> None:
        async with serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")) as (url, _):
            assert await sender.send(post(url), timeout=2, reply_bytes=1_000) == InDoubt("too_large")

    async def test_the_limit_holds_for_what_comes_out_of_compression(self, sender: HttpSender) -> None:
        bomb = gzip.compress(b"\0" * 50_000_000)
        reply = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb
        async with serving(answering(reply)) as (url, _):
            assert await sender.send(post(url), timeout=5, reply_bytes=100_000) == InDoubt("too_large")

    async def test_a_compressed_answer_arrives_readable(self, sender: HttpSender) -> None:
        packed = gzip.compress("Nguyễn Thị Ví Dụ".encode() * 100)
        reply = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
        async with serving(answering(reply)) as (url, _):
            outcome = await sender.send(post(url), timeout=5, reply_bytes=100_000)
            assert isinstance(outcome, WireReply)
            assert outcome.body == "Nguyễn Thị Ví Dụ".encode() * 100

    async def test_a_large_request_arrives_whole(self, sender: HttpSender) -> None:
        got = 0

        async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal got
            got = len((await request_of(reader)).split(b"\r\n\r\n", 1)[1])
            writer.write(OK)

        async with serving(counting) as (url, _):
            assert isinstance(await sender.send(post(url, b"d" * 5_000_000), timeout=5, reply_bytes=100), WireReply)
        assert got == 5_000_000


class TestConnections:
    async def test_a_connection_is_kept_for_the_next_exchange(self, sender: HttpSender) -> None:
        async with serving(answering(OK)) as (url, arrivals):
            for _ in range(3):
                assert isinstance(await sender.send(post(url), timeout=2, reply_bytes=100), WireReply)
            assert arrivals.connections == 1

    async def test_a_filing_that_may_not_be_repeated_gets_a_fresh_connection(self, sender: HttpSender) -> None:
        async with serving(answering(OK)) as (url, arrivals):
            await sender.send(post(url), timeout=2, reply_bytes=100)
            await sender.send(post(url, fresh=True), timeout=2, reply_bytes=100)
            await sender.send(post(url, fresh=True), timeout=2, reply_bytes=100)
            await sender.send(post(url), timeout=2, reply_bytes=100)
            assert arrivals.connections == 3

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
    async def test_nothing_is_sent_again_silently_on_a_kept_connection_that_closes(
        self, sender: HttpSender, method: str
    ) -> None:
        """The library would re-send a GET, PUT or DELETE by itself: two arrivals for one permit."""
        arrived = 0

        async def closes_at_the_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal arrived
            for reply in (OK, b""):
                await request_of(reader)
                arrived += 1
                writer.write(reply)

        async with serving(closes_at_the_second) as (url, arrivals):
            assert isinstance(await sender.send(post(url, b"", method=method), timeout=2, reply_bytes=100), WireReply)
            assert await sender.send(post(url, b"", method=method), timeout=2, reply_bytes=100) == InDoubt("closed")
            assert (arrived, arrivals.connections) == (2, 1)

    async def test_the_pool_never_makes_an_exchange_wait(self, sender: HttpSender) -> None:
        together = asyncio.Event()
        waiting = 0

        async def rendezvous(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal waiting
            await request_of(reader)
            waiting += 1
            if waiting == 150:
                together.set()
            await together.wait()
            writer.write(OK)

        async with serving(rendezvous) as (url, _):
            outcomes = await asyncio.gather(*(sender.send(post(url), timeout=5, reply_bytes=100) for _ in range(150)))
            assert all(isinstance(outcome, WireReply) for outcome in outcomes)

    async def test_cancelling_an_exchange_closes_its_connection(self, sender: HttpSender) -> None:
        reached = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await request_of(reader)
            reached.set()
            await reader.read()

        async with serving(silent) as (url, arrivals):
            exchange = asyncio.ensure_future(sender.send(post(url), timeout=5, reply_bytes=100))
            await reached.wait()
            exchange.cancel()
            with pytest.raises(asyncio.CancelledError):
                await exchange
            await asyncio.wait_for(arrivals.closed.wait(), 2)

    async def test_cookies_are_not_kept(self, sender: HttpSender) -> None:
        heads = []

        async def with_cookie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for _ in range(2):
                heads.append(await request_of(reader))
                writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n")

        async with serving(with_cookie) as (url, _):
            for _ in range(2):
                await sender.send(post(url), timeout=2, reply_bytes=100)
        assert len(heads) == 2
        assert all(b"cookie:" not in head.lower() for head in heads)

    async def test_a_proxy_of_the_environment_is_ignored(
        self, sender: HttpSender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        async with serving(answering(OK)) as (url, _):
            assert isinstance(await sender.send(post(url), timeout=2, reply_bytes=100), WireReply)

    async def test_names_of_the_lane_are_used_and_asked_again_after_a_failed_connection(self) -> None:
        asked = 0

        def look_up(host: str, port: int, **_: Any) -> Any:
            nonlocal asked
            asked += 1
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        sender = HttpSender(look_up=look_up)
        async with serving(answering(OK, times=1)) as (url, _):
            named = url.replace("127.0.0.1", "agency.example")
            assert isinstance(await sender.send(post(named), timeout=2, reply_bytes=100), WireReply)
            assert isinstance(await sender.send(post(named, fresh=True), timeout=2, reply_bytes=100), WireReply)
            assert asked == 1
        assert await sender.send(post(named, fresh=True), timeout=2, reply_bytes=100) == Unavailable("connect")
        await sender.send(post(named, fresh=True), timeout=2, reply_bytes=100)
        assert asked == 2
        await sender.close()


class TestTls:
    async def test_an_agency_vouched_for_by_the_given_file_is_trusted(self) -> None:
        sender = HttpSender(ca_file=HERE / "loopback-cert.pem")
        async with serving(answering(OK), tls=server_tls()) as (url, _):
            assert isinstance(await sender.send(post(url), timeout=2, reply_bytes=100), WireReply)
        await sender.close()

    def test_a_file_that_holds_no_certificate_is_refused_at_once(self) -> None:
        with pytest.raises(OSError):  # noqa: PT011 - ssl.SSLError without a stable text
            HttpSender(ca_file=HERE / "test_http.py")


def server_tls() -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(HERE / "loopback-cert.pem", HERE / "loopback-key.pem")
    return tls
