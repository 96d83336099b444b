"""A hub at the end of its own strength says so at the door, counts it, and touches neither lane nor store for it."""

import asyncio

import pytest

from hub.call import Class
from hub.errors import HubOverloaded
from tests.unit.engine.stage import OK, Query, World, play


def knock(world: World, cls: Class, operation: str = "lookup_citizen") -> None:
    interactive = operation.startswith("lookup")
    world.hub.admit("agency", operation, cls, ("one_stop", "u1"), interactive=interactive, seconds=30)


def test_a_late_loop_refuses_bulk_whatever_it_is_and_the_counter_is_served() -> None:
    async def scenario(world: World) -> None:
        for _ in range(3):
            world.shedding.lag(0.1)
        asked = world.store.asked.copy()
        for operation in ("lookup_citizen", "file_paper"):
            with pytest.raises(HubOverloaded) as refused:
                knock(world, Class.BULK, operation)
            assert refused.value.retry_after
        assert world.store.asked == asked
        assert world.log.admissions["refused", "hub.overloaded"] == 2
        knock(world, Class.COUNTER)
        assert (await world.ask(cls=Class.COUNTER)).answer is not None

    play(scenario)


def test_the_bytes_that_wait_in_all_lines_are_what_is_weighed() -> None:
    async def scenario(world: World) -> None:
        for agency in world.agencies.values():
            agency.otherwise = lambda _: (5.0, OK)
        request = Query(citizen_id="0" * 92)  # 109 bytes of JSON
        asked = [
            asyncio.ensure_future(world.hub.submit(world.submission("lookup_citizen", request, agency=name)))
            for name in world.agencies
            for _ in range(10)
        ]
        await asyncio.sleep(1.0)
        waiting = sum(len(lane._line) for lane in world.lanes.values())
        assert waiting == 12, "four of ten are on the wire to each of two agencies"
        assert world.hub.queued_bytes() == waiting * len(request.model_dump_json())
        world.shedding.weigh(queued=world.hub.queued_bytes(), memory=0)
        with pytest.raises(HubOverloaded):
            knock(world, Class.COUNTER)
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        assert world.hub.queued_bytes() == 0
        world.shedding.weigh(queued=world.hub.queued_bytes(), memory=0)
        knock(world, Class.BULK)

    play(scenario, names=("agency", "other"))
