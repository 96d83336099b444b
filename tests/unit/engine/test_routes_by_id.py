"""A security server knows us by one id for all lanes of the route: it refuses all of them, or none."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from connectors.kit.outcomes import StaleCredentials
from hub.call import State
from hub.errors import LaneHeld
from tests.unit.engine.roads import ById
from tests.unit.engine.stage import play

UNKNOWN = StaleCredentials("xroad_UnknownMember", route=True)


def drive(scenario: Callable[[Any], Awaitable[None]]) -> None:
    play(scenario, world=ById, names=("a", "b", "d"))


async def refuse(world: ById, times: int) -> None:
    """Let the next *times* exchanges of `a` be refused, and one be asked for."""
    world.agencies["a"].will["file_ordered"].extend([(0.0, UNKNOWN)] * times)
    await world.file("file_ordered", agency="a")
    await asyncio.sleep(0.5)


def test_a_client_that_is_not_known_holds_the_route_once_and_nothing_dies() -> None:
    async def scenario(world: ById) -> None:
        await refuse(world, 1)
        assert world.held() == "auth"
        assert (world.log.route_holds, world.log.holds) == ([("lgsp", "auth")], [])
        with pytest.raises(LaneHeld):
            await world.ask(agency="b", wait=5.0)
        assert world.agencies["b"].arrivals == [], "another lane has the same id to show"
        assert (await world.ask(agency="d")).state is State.ANSWERED
        await asyncio.sleep(80)
        assert len(world.agencies["a"].arrivals) == 2, "when the hold ends the same call goes again, and is answered"
        assert (await world.ask(agency="b")).state is State.ANSWERED

    drive(scenario)


def test_the_hold_grows_while_nobody_is_let_in_and_starts_anew_after_that() -> None:
    async def scenario(world: ById) -> None:
        await refuse(world, 3)
        await asyncio.sleep(1000)
        came = [one.at for one in world.agencies["a"].arrivals]
        gaps = [after - before for before, after in pairwise(came)]
        assert len(gaps) == 3
        assert 60 <= gaps[0] <= 75
        assert gaps[1] >= 1.7 * gaps[0]
        assert gaps[2] >= 1.7 * gaps[1]
        await refuse(world, 1)
        await asyncio.sleep(90)
        assert world.held() == ""

    drive(scenario)


def test_many_that_are_refused_at_once_count_as_one() -> None:
    async def scenario(world: ById) -> None:
        for name in ("a", "b"):
            world.agencies[name].will["file_ordered"].extend([(0.5, UNKNOWN)] * 4)
        for number in range(8):
            await world.file("file_ordered", f"H32-{number}", agency="ab"[number % 2])
        await asyncio.sleep(2)
        assert sum(len(world.agencies[name].arrivals) for name in ("a", "b")) > 2, "they were under way together"
        assert world.log.route_holds == [("lgsp", "auth")]
        world.agencies["a"].will.clear()
        world.agencies["b"].will.clear()
        await asyncio.sleep(80)
        assert world.held() == "", "the first hold, not the eighth"

    drive(scenario)


def test_an_agency_that_does_not_let_us_in_holds_its_own_lane() -> None:
    async def scenario(world: ById) -> None:
        world.agencies["a"].otherwise = lambda _: (0.0, StaleCredentials("xroad_AccessDenied"))
        with pytest.raises(LaneHeld):
            await world.ask(agency="a", wait=5.0)
        assert (world.held(), [name for name, _ in world.log.holds]) == ("", ["a"])
        assert (await world.ask(agency="b")).state is State.ANSWERED

    drive(scenario)
