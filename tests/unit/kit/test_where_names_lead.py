"""A sender that may not connect everywhere asks about every numeric address, whatever name led to it."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from connectors.kit.exchange import WireReply
from connectors.kit.http import HttpSender
from connectors.kit.outcomes import Unavailable
from tests.unit.kit.test_http import OK, post, request_of, serving


def leading_to(*addresses: str) -> Callable[..., list[tuple[Any, ...]]]:
    """Return a look-up by which every name leads to *addresses*."""

    def look_up(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    return look_up


async def plays_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(OK)
    await writer.drain()


async def test_a_name_that_leads_where_none_may_is_not_connected_to() -> None:
    async with serving(plays_ok) as (url, arrivals):
        port = url.rpartition(":")[2]
        sender = HttpSender(look_up=leading_to("127.0.0.1"), may_connect=lambda address: not address.startswith("127."))
        ended = await sender.send(post(f"http://inside.example:{port}"), timeout=5, reply_bytes=1000)
        assert ended == Unavailable("forbidden")
        assert arrivals.connections == 0
        await sender.close()


async def test_of_several_addresses_only_those_are_tried_that_may_be() -> None:
    async with serving(plays_ok) as (url, arrivals):
        port = url.rpartition(":")[2]
        look_up = leading_to("169.254.169.254", "127.0.0.1")
        sender = HttpSender(look_up=look_up, may_connect=lambda address: address == "127.0.0.1")
        reply = await sender.send(post(f"http://inside.example:{port}"), timeout=5, reply_bytes=1000)
        assert isinstance(reply, WireReply)
        assert arrivals.connections == 1
        await sender.close()


async def test_a_numeric_address_is_asked_about_too_though_nobody_looks_it_up() -> None:
    async with serving(plays_ok) as (url, arrivals):
        sender = HttpSender(may_connect=lambda address: False)
        assert await sender.send(post(url), timeout=5, reply_bytes=1000) == Unavailable("forbidden")
        assert arrivals.connections == 0
        await sender.close()
