"""
What a killed node had on the wire kept its slots for a minute after the agency was done with it, since that was how long
a record may take to be committed; but it is committed before anything leaves. After a few kills a lane had no slot left.
What it was granted and had not used yet kept a slot as long: a lane that went one call at a time stood still meanwhile.
"""

import math
from collections.abc import AsyncIterator

import pytest

from bench.servers import Redis
from hub.clock import VirtualClock
from hub.coordination.in_redis import InRedis
from hub.coordination.protocol import Permit, Wait
from tests.contract.groups import WIDE, Nodes, ask, permit, several, until

DONE = 1.5 * WIDE.call_timeout
ANSWER = 2.0
"""Seconds that the answer may take which lets an exchange leave."""


@pytest.fixture
async def nodes(redis_server: Redis) -> AsyncIterator[Nodes]:
    clock = VirtualClock()
    clock.advance(100)
    nodes = Nodes(redis_server.address(), clock)
    yield nodes
    await nodes.aclose()


async def test_the_slots_of_a_killed_node_are_free_when_the_agency_is_done_with_what_it_sent(nodes: Nodes) -> None:
    killed, other = await several(nodes, 2)
    for _ in range(WIDE.calls_at_once):
        assert await killed.leave(await permit(killed), 1.0)
        nodes.clock.advance(0.01)
    nodes.clock.advance(DONE - 1)
    assert isinstance(await ask(other), Wait), "the agency may still work on it"
    nodes.clock.advance(1 + ANSWER)
    assert isinstance(await ask(other), Permit)


@pytest.mark.parametrize("whose", ["another", "its own"], ids=["another node", "its former life"])
async def test_a_slot_that_a_node_was_granted_as_it_died_is_free_soon_after_that_is_known(
    nodes: Nodes, whose: str
) -> None:
    killed, other = await several(nodes, 2)
    for _ in range(WIDE.calls_at_once):
        await permit(killed)
        nodes.clock.advance(0.01)
    reborn = other if whose == "another" else await nodes.join({"a": WIDE}, name="n0")
    nodes.clock.advance(12)
    assert isinstance(await ask(reborn), Wait)
    reborn.bury("n0")
    await until(lambda: ending(reborn) <= DONE + ANSWER)
    nodes.clock.advance(DONE + ANSWER)
    assert isinstance(await ask(reborn), Permit)


async def test_one_that_lives_after_all_sends_what_its_slot_still_holds_and_nothing_beyond_it(nodes: Nodes) -> None:
    frozen, other = await several(nodes, 2)
    early, late = await permit(frozen), await permit(frozen)
    other.bury("n0")
    await until(lambda: ending(other) <= DONE + ANSWER)
    assert await frozen.leave(early, 1.0)
    nodes.clock.advance(DONE + ANSWER)
    assert not await frozen.leave(late, 1.0)


async def test_who_is_alive_loses_nothing_when_another_of_a_name_like_its_own_is_dead(nodes: Nodes) -> None:
    one, other = await several(nodes, 2)
    held = await permit(one)
    other.bury("n")
    other.bury("n0-x")
    await ask(other)
    nodes.clock.advance(DONE + ANSWER + 10)
    assert await one.leave(held, 1.0)


def ending(node: InRedis) -> float:
    """Return for how many seconds at most a slot is still kept, as far as *node* knows."""
    road = node._of("a").road
    ends = [one.until for one in road.shared.granted.values()] or [math.inf]  # it has not looked yet
    return max(ends) - road._clock.monotonic()
