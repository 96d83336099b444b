"""
What a killed node had on the wire kept its slots for a minute after the agency was done with it, since that was how long
a record may take to be committed; but it is committed before anything leaves. After a few kills a lane had no slot left.
"""

from collections.abc import AsyncIterator

import pytest

from bench.servers import Redis
from hub.clock import VirtualClock
from hub.coordination.protocol import Permit, Wait
from tests.contract.groups import WIDE, Nodes, ask, permit, several

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
