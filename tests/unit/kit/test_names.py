"""Name resolution of a lane: bounded, remembered, and never in anybody else's threads."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from connectors.kit.names import Address, Names, NotResolved

HERE = Address(socket.AF_INET, "127.0.0.1", 80)


class NameServer:
    """Answers, fails or hangs, as told."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails = False
        self.release = threading.Event()
        self.release.set()

    def __call__(self, host: str, port: int, **_: Any) -> Sequence[tuple[Any, ...]]:
        self.asked += 1
        self.release.wait(5)
        if self.fails:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.fixture
def server() -> Iterator[NameServer]:
    server = NameServer()
    yield server
    server.release.set()


async def test_a_name_is_asked_once_while_its_answer_is_fresh(server: NameServer) -> None:
    names = Names(server)
    assert await names.addresses("agency.example", 80) == [HERE]
    assert await names.addresses("agency.example", 80) == [HERE]
    assert server.asked == 1
    names.close()


async def test_calls_at_once_share_one_look_up(server: NameServer) -> None:
    names = Names(server)
    answers = await asyncio.gather(*(names.addresses("agency.example", 80) for _ in range(20)))
    assert answers == [[HERE]] * 20
    assert server.asked == 1
    names.close()


async def test_a_failing_look_up_falls_back_to_the_last_good_address(server: NameServer) -> None:
    names = Names(server, fresh=60)
    await names.addresses("agency.example", 80)
    server.fails = True
    names.doubt()
    assert await names.addresses("agency.example", 80) == [HERE]
    assert server.asked == 2
    names.close()


async def test_a_hanging_look_up_costs_patience_once_and_then_nothing(server: NameServer) -> None:
    names = Names(server, patience=0.02)
    await names.addresses("agency.example", 80)
    server.release.clear()
    names.doubt()
    assert await names.addresses("agency.example", 80) == [HERE]
    started = asyncio.get_running_loop().time()
    assert await names.addresses("agency.example", 80) == [HERE]
    assert asyncio.get_running_loop().time() - started < 0.02
    server.release.set()
    names.close()


async def test_an_unknown_name_is_waited_for_only_so_long(server: NameServer) -> None:
    server.release.clear()
    names = Names(server, longest_wait=0.02)
    with pytest.raises(NotResolved, match="no answer in time"):
        await names.addresses("agency.example", 80)
    server.release.set()
    names.close()


async def test_a_caller_who_gives_up_does_not_spoil_the_look_up_for_others(server: NameServer) -> None:
    server.release.clear()
    names = Names(server)
    one, other = (asyncio.ensure_future(names.addresses("agency.example", 80)) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    server.release.set()
    assert await other == [HERE]
    assert server.asked == 1
    names.close()


async def test_doubt_makes_the_next_connection_ask_again(server: NameServer) -> None:
    names = Names(server)
    await names.addresses("agency.example", 80)
    names.doubt()
    await names.addresses("agency.example", 80)
    assert server.asked == 2
    names.close()


async def test_a_name_that_cannot_be_encoded_is_not_resolved() -> None:
    names = Names()
    with pytest.raises(NotResolved):
        await names.addresses("a" * 70 + ".example", 80)
    names.close()


async def test_one_lane_with_dead_names_does_not_delay_another(server: NameServer) -> None:
    server.release.clear()
    dead = Names(server, longest_wait=5)
    stuck = [asyncio.ensure_future(dead.addresses(f"dead-{n}.example", 80)) for n in range(8)]
    await asyncio.sleep(0)
    healthy = Names(NameServer())
    assert await asyncio.wait_for(healthy.addresses("agency.example", 80), 1) == [HERE]
    for waiting in stuck:
        waiting.cancel()
    server.release.set()
    await asyncio.gather(*stuck, return_exceptions=True)
    dead.close()
    healthy.close()
