"""What every `Sender` promises, run over each implementation."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from connectors.kit.exchange import Sender, WireReply, WireRequest
from connectors.kit.http import CannedSender, HttpSender
from connectors.kit.outcomes import Busy, InDoubt, Unavailable

Answer = Callable[[WireRequest], WireReply]


class Harness:
    """A sender, and a way to say what the agency answers."""

    def __init__(self, sender: Sender, url: str, answer: Callable[[Answer], None]) -> None:
        self.sender = sender
        self.answer_with = answer
        self.url = url

    def request(self, body: bytes = b"{}", *, method: str = "POST", fresh: bool = False) -> WireRequest:
        return WireRequest(method, self.url, {"Content-Type": "application/json", "X-Mark": "7"}, body, fresh)


async def over_http(told: list[Answer]) -> tuple[Sender, str, Callable[[], Awaitable[None]]]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                start, *lines = head.strip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path, _ = start.split(" ")
                reply = told[-1](WireRequest(method, path, headers, body, False))
                writer.write(b"HTTP/1.1 %d Any\r\nContent-Length: %d\r\n" % (reply.status, len(reply.body)))
                writer.writelines(f"{name}: {value}\r\n".encode() for name, value in reply.headers.items())
                writer.write(b"\r\n" + reply.body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)

    async def stop() -> None:
        server.close()

    return HttpSender(), f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/service", stop


@pytest.fixture(params=["http", "canned"])
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    told: list[Answer] = []
    if request.param == "http":
        sender, url, stop = await over_http(told)
        yield Harness(sender, url, told.append)
        await sender.close()
        await stop()
    else:

        def answer(wire: WireRequest) -> WireReply:
            return told[-1](wire)

        yield Harness(CannedSender(answer), "http://agency.example/service", told.append)


async def test_a_reply_arrives_whole_with_header_names_in_lower_case(harness: Harness) -> None:
    harness.answer_with(lambda _: WireReply(201, {"Retry-After": "5", "X-Mixed": "A"}, "đã nhận".encode()))
    reply = await harness.sender.send(harness.request(), timeout=2, reply_bytes=1000)
    assert isinstance(reply, WireReply)
    assert (reply.status, reply.body) == (201, "đã nhận".encode())
    assert (reply.headers["retry-after"], reply.headers["x-mixed"]) == ("5", "A")


async def test_the_request_arrives_as_it_was_rendered(harness: Harness) -> None:
    seen: list[WireRequest] = []

    def answer(wire: WireRequest) -> WireReply:
        seen.append(wire)
        return WireReply(200, {}, b"")

    harness.answer_with(answer)
    await harness.sender.send(harness.request("{'tên': 'Ví Dụ'}".encode(), method="PUT"), timeout=2, reply_bytes=10)
    [wire] = seen
    assert (wire.method, wire.body) == ("PUT", "{'tên': 'Ví Dụ'}".encode())
    assert {name.lower(): value for name, value in wire.headers.items()}["x-mark"] == "7"


async def test_an_empty_reply_is_a_reply(harness: Harness) -> None:
    harness.answer_with(lambda _: WireReply(204, {}, b""))
    reply = await harness.sender.send(harness.request(), timeout=2, reply_bytes=10)
    assert isinstance(reply, WireReply)
    assert (reply.status, reply.body) == (204, b"")


async def test_a_reply_of_just_the_limit_is_taken_and_one_byte_more_is_doubt(harness: Harness) -> None:
    harness.answer_with(lambda _: WireReply(200, {}, b"x" * 1000))
    assert isinstance(await harness.sender.send(harness.request(), timeout=2, reply_bytes=1000), WireReply)
    assert await harness.sender.send(harness.request(), timeout=2, reply_bytes=999) == InDoubt("too_large")


async def test_no_redirect_is_followed(harness: Harness) -> None:
    harness.answer_with(lambda _: WireReply(302, {"Location": "/elsewhere"}, b""))
    reply = await harness.sender.send(harness.request(method="GET"), timeout=2, reply_bytes=10)
    assert isinstance(reply, WireReply)
    assert reply.status == 302


@pytest.mark.parametrize("status", [200, 400, 429, 500, 503])
async def test_judging_a_status_is_left_to_others(harness: Harness, status: int) -> None:
    harness.answer_with(lambda _: WireReply(status, {}, b"<html/>"))
    reply = await harness.sender.send(harness.request(), timeout=2, reply_bytes=10)
    assert isinstance(reply, WireReply)
    assert reply.status == status


async def test_a_fresh_connection_changes_nothing_in_the_answer(harness: Harness) -> None:
    harness.answer_with(lambda wire: WireReply(200, {}, wire.body))
    reply = await harness.sender.send(harness.request(b"filing", fresh=True), timeout=2, reply_bytes=10)
    assert isinstance(reply, WireReply)
    assert reply.body == b"filing"


async def test_without_time_nothing_is_sent(harness: Harness) -> None:
    harness.answer_with(lambda _: pytest.fail("sent"))
    assert await harness.sender.send(harness.request(), timeout=0, reply_bytes=10) == Unavailable("timeout")


async def test_a_closed_sender_sends_nothing_and_may_be_closed_again(harness: Harness) -> None:
    harness.answer_with(lambda _: WireReply(200, {}, b""))
    await harness.sender.send(harness.request(), timeout=2, reply_bytes=10)
    await harness.sender.close()
    await harness.sender.close()
    assert await harness.sender.send(harness.request(), timeout=2, reply_bytes=10) == Unavailable("closed")


async def test_a_canned_sender_hands_out_outcomes_and_remembers_what_was_sent() -> None:
    sender = CannedSender(lambda _: Busy(3.0))
    wire = WireRequest("POST", "http://agency.example/", {}, b"1", False)
    assert await sender.send(wire, timeout=1, reply_bytes=1) == Busy(3.0)
    assert sender.sent == [wire]
