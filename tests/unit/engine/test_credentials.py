"""A session is opened once for all calls, on a permit of its own, and a wrong password never locks an account."""

import asyncio
from itertools import pairwise
from types import MappingProxyType

import pytest

from connectors.kit.outcomes import Answered, Busy, InDoubt, Result, StaleCredentials, Unavailable
from hub.call import State
from hub.errors import LaneHeld
from tests.unit.engine.stage import OK, World, play

REFUSED = Answered(Result.REFUSED)


def test_many_first_calls_log_in_once() -> None:
    async def scenario(world: World) -> None:
        await asyncio.gather(*(world.ask() for _ in range(20)))
        assert len(world.agency.log_ins) == 1
        assert {one.sources["auth.session"] for one in world.agency.arrivals} == {"s1"}

    play(scenario, log_in=True)


def test_logging_in_needs_no_second_slot() -> None:
    async def scenario(world: World) -> None:
        assert (await world.ask()).state is State.ANSWERED
        world.agency.good = "s2"
        world.agency.sessions.append((0.1, {"auth.session": "s2"}))
        assert (await world.ask()).state is State.ANSWERED

    play(scenario, log_in=True, calls_at_once=1)


def test_a_session_that_ends_is_renewed_once_and_nobody_notices() -> None:
    async def scenario(world: World) -> None:
        await world.ask()
        world.agency.good = "s2"
        world.agency.sessions.append((1.0, {"auth.session": "s2"}))
        looked = [world.ask() for _ in range(6)]
        filed = [world.file(wait=20.0) for _ in range(6)]
        replies = await asyncio.gather(*looked, *filed)
        assert {reply.state for reply in replies} == {State.ANSWERED}
        assert len(world.agency.log_ins) == 2
        assert {(await world.call(reply)).attempts for reply in replies} == {0}
        assert world.coordination.watch("agency")["retry_budget"] == 10
        assert ("lookup_citizen", "stale", "auth", "login") in world.log.exchanges

    play(scenario, log_in=True)


def test_a_refused_log_in_holds_the_lane_longer_each_time_and_nothing_dies() -> None:
    async def scenario(world: World) -> None:
        world.agency.sessions.extend([(0.1, REFUSED)] * 4)
        ticket = await world.file()
        with pytest.raises(LaneHeld):
            await world.ask()
        await asyncio.sleep(1200)
        assert len(world.agency.log_ins) == 5
        gaps = [after - before for before, after in pairwise(world.agency.log_ins)]
        assert [60 * 2**k <= gap <= 67 * 2**k for k, gap in enumerate(gaps)] == [True] * 4
        assert (await world.state(ticket))[0] is State.ANSWERED
        assert ("agency", "auth") in world.log.holds

    play(scenario, log_in=True)


@pytest.mark.parametrize("failure", [Unavailable("connect"), InDoubt("timeout"), Busy(None)])
def test_a_log_in_that_does_not_come_through_is_tried_again_soon(failure: Unavailable | InDoubt | Busy) -> None:
    async def scenario(world: World) -> None:
        world.agency.sessions.extend([(0.1, failure)] * 2)
        assert (await world.ask()).state is State.ANSWERED
        assert len(world.agency.log_ins) == 3
        assert world.clock.monotonic() < 1000 + 10

    play(scenario, log_in=True)


def test_a_session_that_is_refused_at_its_first_use_holds_the_lane() -> None:
    async def scenario(world: World) -> None:
        world.agency.sessions.extend([(0.1, MappingProxyType({"auth.session": "bad"}))] * 50)
        ticket = await world.file()
        send = world.agency.send

        async def never(operation, wire, *, timeout):  # type: ignore[no-untyped-def]  # noqa: ASYNC109
            await send(operation, wire, timeout=timeout)
            return StaleCredentials()

        world.agency.send = never  # type: ignore[method-assign]
        await asyncio.sleep(1800)
        assert len(world.agency.log_ins) <= 8, "half an hour"
        assert await world.state(ticket) == (State.QUEUED, "login")

    play(scenario, log_in=True)


def test_fixed_credentials_that_are_refused_hold_the_lane_until_they_are_right() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.1, StaleCredentials("http_401"))
        with pytest.raises(LaneHeld):
            await world.ask()
        ticket = await world.file()
        await asyncio.sleep(30)
        assert len(world.agency.arrivals) == 1
        world.agency.otherwise = lambda _: (0.1, OK)
        await world.coordination.resume("agency")
        await asyncio.sleep(1)
        assert (await world.state(ticket))[0] is State.ANSWERED

    play(scenario)
