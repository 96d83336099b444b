"""Each subscription is pushed by one node at a time, passed on when that one dies, and costs next to nothing while idle."""

import asyncio
import json

from hub.pushing.pusher import BEAT, TTL
from tests.unit.engine.pushed import World, play


def test_what_a_dead_node_pushed_another_goes_on_with_where_it_stood() -> None:
    async def scenario(world: World) -> None:
        _, receiver = await world.subscribed()
        first = world.node("first")
        await asyncio.sleep(1)
        second = world.node("second")
        before = [await world.settled() for _ in range(5)]
        await asyncio.sleep(60)
        assert [json.loads(request.body)["subject"] for _, request in receiver.came] == before
        assert second.pusher.oldest_ages() == {}, "the other has nothing to push"
        assert first.pusher._task is not None
        first.pusher._task.cancel()  # it renews nothing any more, as one that was killed, and sends nothing
        await first.pusher._end(list(first.pusher._running))
        after = [await world.settled() for _ in range(5)]
        await asyncio.sleep(TTL + BEAT + 1)
        assert [json.loads(request.body)["subject"] for _, request in receiver.came] == before + after

    play(scenario)


def test_a_node_that_cannot_renew_its_lease_sends_nothing_when_another_may() -> None:
    async def scenario(world: World) -> None:
        _, receiver = await world.subscribed()
        cut_off = world.node("cut_off")
        await asyncio.sleep(1)
        assert cut_off.pusher._task is not None
        cut_off.pusher._task.cancel()  # its lanes go on, and hear nothing of their leases
        await asyncio.sleep(TTL + 1)
        await world.settled()
        await asyncio.sleep(10)
        assert receiver.came == []
        world.node("well")
        await asyncio.sleep(10)
        assert len(receiver.came) == 1

    play(scenario)


def test_a_node_that_stops_hands_over_at_once() -> None:
    async def scenario(world: World) -> None:
        _, receiver = await world.subscribed()
        first = world.node("first")
        await asyncio.sleep(1)
        world.node("second")
        await asyncio.sleep(1)
        await first.pusher.stop()
        await world.settled()
        await asyncio.sleep(BEAT + 1)
        assert len(receiver.came) == 1

    play(scenario)


def test_nodes_that_start_together_share_what_there_is() -> None:
    async def scenario(world: World) -> None:
        for number in range(64):
            await world.subscribed(f"https://r{number}.centre.example/")
        one, other = world.node("one"), world.node("other")
        await asyncio.sleep(20)
        shares = [len(node.pusher._running) for node in (one, other)]
        assert sum(shares) == 64
        assert min(shares) >= 16

    play(scenario)


def test_a_hundred_idle_subscriptions_cost_less_than_half_a_statement_a_second() -> None:
    async def scenario(world: World) -> None:
        for number in range(100):
            await world.subscribed(f"https://r{number}.centre.example/")
        world.node()
        await world.settled()
        await asyncio.sleep(60)
        asked = world.asked()
        await asyncio.sleep(600)
        assert 0 < world.asked() - asked <= 0.5 * 600

    play(scenario)
