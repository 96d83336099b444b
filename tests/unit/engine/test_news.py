"""What other nodes commit, as the engine of this one hears of it: calls to lease, callers to tell, and nothing forgotten."""

import asyncio
from dataclasses import replace
from typing import Any

from hub.call import Class, State
from hub.coordination.protocol import HoldCause
from hub.store.protocol import News
from tests.unit.engine.stage import CALLER, World, play


async def held(world: Any) -> None:
    await world.coordination.hold("agency", HoldCause.OPERATOR, None)


def test_what_waits_here_stays_when_news_were_missed() -> None:
    """Let go of, it would wait for the end of its lease."""

    async def scenario(world: World) -> None:
        await held(world)
        ticket = await world.file()
        waiting = asyncio.create_task(world.hub.wait_for(ticket.call, CALLER, 60.0))
        await asyncio.sleep(1)
        world.hub.heard(News(missed=True))
        await asyncio.sleep(1)
        assert not waiting.done(), "nothing has become of it yet"
        await world.coordination.resume("agency")
        began = world.clock.now()
        assert (await waiting).state is State.ANSWERED
        assert world.clock.now() - began < 5

    play(scenario)


def test_a_caller_hears_of_what_ended_while_news_were_missed() -> None:
    async def scenario(world: World) -> None:
        await held(world)
        ticket = await world.file()
        waiting = asyncio.create_task(world.hub.wait_for(ticket.call, CALLER, 60.0))
        await asyncio.sleep(1)
        await world.store.cancel(ticket.call, CALLER)  # as another node does
        world.hub.heard(News(missed=True))
        await asyncio.sleep(0.01)
        assert waiting.done()
        assert (await waiting).state is State.CANCELLED

    play(scenario)


def test_a_call_that_another_node_took_on_is_leased_when_it_says_so() -> None:
    async def scenario(world: World) -> None:
        ticket = await world.file()
        await world.hub.wait_for(ticket.call, CALLER, 60.0)
        record = await world.store.get(ticket.call)
        assert record is not None
        new = replace(
            record.call, id=world.around.new_id(), state=State.QUEUED, due_at=world.clock.now(),
            deadline=world.clock.now() + 600, idempotency_key=None, fence=0, attempts=0, exchange_no=0,
        )  # fmt: skip
        await world.store.accept(new, await requested(world, ticket.call))
        await asyncio.sleep(5)
        assert (await world.store.get(new.id)).call.state is State.QUEUED, "nobody has said anything"
        world.hub.heard(News(ready={"agency": frozenset({Class.NORMAL})}))
        assert (await world.hub.wait_for(new.id, CALLER, 5.0)).state is State.ANSWERED

    play(scenario)


async def requested(world: Any, call: str) -> bytes:
    case = await world.store.persons.case(call)
    assert case is not None
    request: bytes = case.request
    return request


def test_a_call_that_ended_elsewhere_leaves_the_line_and_its_caller_hears() -> None:
    async def scenario(world: World) -> None:
        await held(world)
        ticket = await world.file()
        waiting = asyncio.create_task(world.hub.wait_for(ticket.call, CALLER, 60.0))
        await asyncio.sleep(1)
        assert world.lane._line.count(interactive=False) == 1
        await world.store.cancel(ticket.call, CALLER)
        world.hub.heard(News(ended=(ticket.call,)))
        await asyncio.sleep(0.01)
        assert (await waiting).state is State.CANCELLED
        assert world.lane._line.count(interactive=False) == 0

    play(scenario)
