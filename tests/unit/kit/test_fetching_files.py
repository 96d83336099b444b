"""A file is fetched from addresses that are allowed when they are connected to, in one step, of bounded size and time."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from connectors.kit.fetching import Fetcher, NotFetched
from tests.unit.kit.test_http import Peer, request_of, serving

HERE = ("127.0.0.1",)


def saying(answer: bytes) -> Peer:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(answer)
        await writer.drain()

    return peer


class Leads:
    """A name server that leads every name to *addresses*, and tells how often it was asked."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked = 0

    def __call__(self, host: str, port: int, **_: Any) -> Sequence[tuple[Any, ...]]:
        self.asked += 1
        families = {address: socket.AF_INET6 if ":" in address else socket.AF_INET for address in self.addresses}
        return [(family, socket.SOCK_STREAM, 6, "", (address, port)) for address, family in families.items()]


async def fetched(
    url: str, *, may: Callable[[str], bool] = lambda _: True, leads: Leads | None = None, most: int = 1000
) -> bytes:
    fetcher = Fetcher(may, look_up=leads or Leads(*HERE))
    try:
        return b"".join([piece async for piece in fetcher.fetch(url, seconds=0.5, most=most)])
    finally:
        await fetcher.close()


async def cause_of(url: str, **more: Any) -> str:
    with pytest.raises(NotFetched) as failed:
        await fetched(url, **more)
    return failed.value.cause


async def test_a_file_comes_as_it_is() -> None:
    zipped = b"\x1f\x8b not unpacked"
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(zipped) + zipped
    async with serving(saying(answer)) as (url, _):
        assert await fetched(url) == zipped


async def test_one_without_a_length_likewise() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    async with serving(saying(answer)) as (url, _):
        assert await fetched(url) == b"abcde"
        assert await cause_of(url, most=4) == "too_large"


async def test_no_redirect_is_followed() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/latest/meta-data\r\nContent-Length: 0\r\n\r\n"
    async with serving(saying(answer)) as (url, arrivals):
        assert await cause_of(url) == "redirect"
        assert arrivals.connections == 1


async def test_what_is_not_there_is_told() -> None:
    async with serving(saying(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) as (url, _):
        assert await cause_of(url) == "http_404"


async def test_one_that_says_that_it_is_too_large_is_not_read() -> None:
    async with serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n")) as (url, _):
        assert await cause_of(url) == "too_large"


async def test_one_that_breaks_off_is_none() -> None:
    async with serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")) as (url, _):
        assert await cause_of(url) == "truncated"


async def test_one_that_drips_is_cut() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with serving(drip) as (url, _):
        assert await cause_of(url) == "timeout"


@pytest.mark.parametrize("host", ["files.example", "127.0.0.1", "2130706433", "127.1", "0x7f.0.0.1"])
async def test_an_address_that_may_not_be_connected_to_is_not_however_it_is_written(host: str) -> None:
    asked: list[str] = []

    def may(address: str) -> bool:
        asked.append(address)
        return False

    async with serving(saying(b"")) as (url, arrivals):
        cause = await cause_of(url.replace("127.0.0.1", host), may=may)
        assert cause == "forbidden" or (cause == "address" and not asked), "not even taken for an address"
        assert set(asked) <= {"127.0.0.1"}
        assert arrivals.connections == 0


async def test_among_several_addresses_only_those_that_may_be_are_tried() -> None:
    async with serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as (url, _):
        leads = Leads("169.254.169.254", "127.0.0.1")
        named = url.replace("127.0.0.1", "files.example")
        assert await fetched(named, leads=leads, may=lambda address: address == "127.0.0.1") == b"ok"
        leads = Leads("169.254.169.254", "10.0.0.1")
        assert await cause_of(named, leads=leads, may=lambda _: False) == "forbidden"


async def test_a_name_is_looked_up_once_and_what_was_looked_at_is_connected_to() -> None:
    leads = Leads("127.0.0.1")

    def may(address: str) -> bool:
        leads.addresses = ("169.254.169.254",)  # as a name server does that means harm
        return address == "127.0.0.1"

    async with serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as (url, _):
        assert await fetched(url.replace("127.0.0.1", "files.example"), leads=leads, may=may) == b"ok"
        assert leads.asked == 1


async def test_a_host_that_is_away_is_told() -> None:
    async with serving(saying(b"")) as (url, _):
        pass
    assert await cause_of(url) == "connect"
