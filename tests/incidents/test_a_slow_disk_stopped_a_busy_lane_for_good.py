"""
Calls that a slow disk kept leave one after the other. Who could not wait for its place gave its charge back: the next
came at once, and stood at the end of the same row. With callers in a hurry nothing reached the agency any more, for as
long as they came.
"""

import asyncio

import pytest

from tests.unit.engine.stage import World, play


@pytest.mark.parametrize(
    ("per_second", "at_once", "wait", "stall"), [(1.0, 8, 5.0, 5.0), (2.0, 8, 3.0, 4.0), (10.0, 16, 2.0, 3.0)]
)
def test_after_a_slow_disk_a_pressed_lane_sends_again_what_its_contract_allows(
    per_second: float, at_once: int, wait: float, stall: float
) -> None:
    """Twice as many call as may go, before and after."""

    async def scenario(world: World) -> None:
        asked = []

        async def press(seconds: float) -> float:
            before = len(world.agency.arrivals)
            for _ in range(int(2 * per_second * seconds)):
                asked.append(asyncio.create_task(world.ask(wait=wait)))
                await asyncio.sleep(0.5 / per_second)
            return (len(world.agency.arrivals) - before) / seconds

        await press(30)
        disk = asyncio.Event()
        world.store.before["open"] = disk.wait
        await press(stall)
        del world.store.before["open"]
        disk.set()
        await press(10)
        sent = await press(60)
        await asyncio.gather(*asked, return_exceptions=True)
        assert sent >= 0.85 * per_second

    play(scenario, calls_per_second=per_second, calls_at_once=at_once)
