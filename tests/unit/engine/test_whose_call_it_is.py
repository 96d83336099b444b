"""A call is found at its own agency and by its own caller, and nowhere else."""

import asyncio

import pytest

from hub.call import State
from hub.errors import CallUnknown
from tests.unit.engine.stage import CALLER, OK, World, play


def test_a_call_is_unknown_at_another_agency() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (5.0, OK)
        ticket = await world.file()
        for ask in (
            world.hub.wait_for(ticket.call, CALLER, 60, agency="tax"),
            world.hub.cancel(ticket.call, CALLER, agency="tax"),
            world.hub.wait_for(ticket.call, "somebody_else", 60, agency="police"),
        ):
            began = world.clock.monotonic()
            with pytest.raises(CallUnknown):
                await ask
            assert world.clock.monotonic() == began, "nobody waits for what is not his"
        assert (await world.hub.wait_for(ticket.call, CALLER, 60, agency="police")).state is State.ANSWERED

    play(scenario, names=("police", "tax"))


def test_a_call_is_taken_back_at_its_own_agency() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (5.0, OK)
        await world.file()
        second = await world.file()
        await asyncio.sleep(1)
        with pytest.raises(CallUnknown):
            await world.hub.cancel(second.call, CALLER, agency="tax")
        assert (await world.state(second))[0] is State.QUEUED
        assert (await world.hub.cancel(second.call, CALLER, agency="police")).state is State.CANCELLED

    play(scenario, names=("police", "tax"), calls_at_once=1)
