"""What is the gateway's is the route's, once; what is an agency's stays with its lane, though both share a road."""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

import pytest

from connectors.kit.outcomes import Busy, InDoubt, Outcome, StaleCredentials, Unavailable
from hub.call import State
from hub.coordination.protocol import HoldCause
from hub.errors import HubError, LaneHeld
from tests.unit.engine.roads import Roads
from tests.unit.engine.stage import OK, play

THROTTLED = Busy(30.0, "wso2_900800", route=True)


def drive(scenario: Callable[[Any], Awaitable[None]], names: tuple[str, ...] = ("a", "b", "d"), **given: Any) -> None:
    play(scenario, world=Roads, names=names, **given)


async def tell(world: Roads, agency: str, outcome: Outcome | StaleCredentials) -> None:
    """Let one filing of *agency* end with *outcome*."""
    world.agencies[agency].will["file_ordered"].append((0.0, outcome))
    await world.file("file_ordered", agency=agency)
    await asyncio.sleep(0.5)


def test_a_throttling_gateway_stops_all_its_lanes_and_shows_as_one_cause() -> None:
    async def scenario(world: Roads) -> None:
        await tell(world, "a", THROTTLED)
        for name in ("a", "b"):
            with pytest.raises(LaneHeld):
                await world.ask(agency=name, wait=5.0)
        assert (await world.ask(agency="d")).state is State.ANSWERED
        views = world.hub.watch()
        for name in ("a", "b"):
            assert views[name].held == "busy"
            assert views[name].route.held == "busy"
            assert views[name].route.name == "lgsp"
            assert not [number for number in world.log.numbers[name] if number.startswith("hold_seconds")]
        assert views["d"].route is None
        assert 28 < world.log.numbers["route/lgsp"]["hold_seconds/busy"] <= 33
        assert (world.log.holds, world.log.route_holds) == ([], [("lgsp", "busy")])
        await asyncio.sleep(40)
        assert (await world.ask(agency="b")).state is State.ANSWERED
        assert world.hub.watch()["b"].held == ""

    drive(scenario)


@pytest.mark.parametrize("outcome", [Busy(30.0), Busy(30.0, "wso2_700700"), StaleCredentials("wso2_900908")])
def test_an_agency_s_own_trouble_holds_its_lane_and_not_the_route(outcome: Outcome) -> None:
    async def scenario(world: Roads) -> None:
        await tell(world, "a", outcome)
        with pytest.raises(LaneHeld):
            await world.ask(agency="a", wait=5.0)
        assert (await world.ask(agency="b")).state is State.ANSWERED
        views = world.hub.watch()
        assert (bool(views["a"].held), views["a"].route.held) == (True, "")
        assert views["b"].held == ""
        assert [name for name, _ in world.log.holds] == ["a"]
        assert world.log.route_holds == []

    drive(scenario)


def test_an_agency_that_slows_us_down_does_not_slow_the_others_on_its_road() -> None:
    async def scenario(world: Roads) -> None:
        full = world.coordination.watch("route/lgsp")["rate_limit"]
        await tell(world, "a", Busy(None))
        assert world.coordination.watch("a")["rate_limit"] < 0.8 * full
        assert world.coordination.watch("route/lgsp")["rate_limit"] == full
        await asyncio.sleep(10)
        await tell(world, "b", Busy(None, "wso2_900800", route=True))
        assert world.coordination.watch("route/lgsp")["rate_limit"] < 0.8 * full

    drive(scenario)


@pytest.mark.parametrize(
    ("agency", "outcome", "blame"),
    [
        ("a", Unavailable("connect"), "route"),
        ("a", Unavailable("dns"), "route"),
        ("a", Unavailable("certificate"), "route"),
        ("a", Unavailable("wso2_303001"), "agency"),
        ("a", Unavailable("wso2_101503"), "agency"),
        ("a", Unavailable("address"), "agency"),
        ("a", InDoubt("reset"), "agency"),
        ("a", THROTTLED, "route"),
        ("d", Unavailable("connect"), "agency"),
        ("d", THROTTLED, "route"),
    ],
)
def test_who_is_to_blame_is_told_by_how_far_it_got(agency: str, outcome: Outcome, blame: str) -> None:
    async def scenario(world: Roads) -> None:
        await tell(world, agency, outcome)
        assert next(row[2] for row in world.log.exchanges if row[0] == "file_ordered") == blame

    drive(scenario)


def test_a_lane_with_a_road_of_its_own_is_throttled_alone_and_shows_it_itself() -> None:
    async def scenario(world: Roads) -> None:
        await tell(world, "d", THROTTLED)
        views = world.hub.watch()
        assert (views["d"].held, views["d"].route, views["a"].held) == ("busy", None, "")
        assert world.log.holds == [("d", "busy")]
        assert 28 < world.log.numbers["d"]["hold_seconds/busy"] <= 33

    drive(scenario)


def test_a_token_refused_on_a_road_without_one_is_the_lane_s_own_credentials() -> None:
    async def scenario(world: Roads) -> None:
        await tell(world, "d", StaleCredentials("wso2_900901", route=True))
        assert world.log.holds == [("d", "auth")]

    drive(scenario)


def test_an_operator_stops_and_resumes_a_route_with_all_its_lanes() -> None:
    async def scenario(world: Roads) -> None:
        await world.coordination.hold("route/lgsp", HoldCause.OPERATOR, None)
        tickets = [await world.file(agency=name) for name in ("a", "b")]
        await asyncio.sleep(600)
        assert world.agencies["a"].arrivals == world.agencies["b"].arrivals == []
        assert [view.held for view in world.hub.routes()] == ["operator"]
        world.hub.watch()
        assert world.log.numbers["route/lgsp"]["hold_seconds/operator"] == inf
        await world.coordination.resume("route/lgsp")
        await asyncio.sleep(1)
        assert [(await world.state(ticket))[0] for ticket in tickets] == [State.ANSWERED] * 2

    drive(scenario)


def test_one_lane_of_a_route_never_takes_more_than_the_route_may_bear() -> None:
    async def scenario(world: Roads) -> None:
        for agency in world.agencies.values():
            agency.otherwise = lambda _: (1.0, OK)
        asked = [asyncio.create_task(world.ask(agency=name, wait=60.0)) for name in ("a", "b") for _ in range(40)]
        most = 0
        while not all(task.done() for task in asked):
            await asyncio.sleep(0.1)
            most = max(most, sum(world.agencies[name].now_here for name in ("a", "b")))
        assert most == 8, "eight at once over both, though each lane may have six"
        assert {task.result().state for task in asked} == {State.ANSWERED}

    drive(scenario, calls_at_once=6)


def test_whatever_ends_on_a_shared_road_every_call_is_accounted_for() -> None:
    async def scenario(world: Roads) -> None:
        ends = [OK, THROTTLED, Busy(1.0), Unavailable("connect"), StaleCredentials("wso2_900901", route=True), OK, OK]
        for number, name in enumerate(("a", "b")):
            agency = world.agencies[name]
            turns = iter(range(number, 10_000))
            agency.otherwise = lambda _, turns=turns: (0.2, ends[next(turns) % len(ends)])  # type: ignore[misc]
        tickets = [await world.file("file_ordered", agency=name, code=str(n)) for n in range(30) for name in ("a", "b")]
        for name in ("a", "b"):
            try:
                await world.ask(agency=name, wait=100.0)
            except HubError:
                pass
        await asyncio.sleep(2 * 86_400)
        assert {(await world.state(ticket))[0] for ticket in tickets} == {State.ANSWERED}

    drive(scenario)
