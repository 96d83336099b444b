"""A gateway's token is fetched once for all its lanes, outside of every permit, and its trouble is one cause and not twenty."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome, Result, StaleCredentials, Unavailable
from hub.call import State
from hub.coordination.protocol import HoldCause
from hub.errors import CallExpired, LaneHeld
from tests.unit.engine.roads import Roads
from tests.unit.engine.stage import OK, play

REFUSED = Answered(Result.REFUSED)


def drive(scenario: Callable[[Any], Awaitable[None]], names: tuple[str, ...] = ("a", "b"), **given: Any) -> None:
    play(scenario, world=Roads, names=names, **given)


async def many(world: Roads, *agencies: str, each: int = 6) -> list[Any]:
    """Let look-ups and filings go to *agencies* at once, and return their replies."""
    looked = [world.ask(agency=name) for name in agencies for _ in range(each)]
    filed = [world.file(agency=name, wait=20.0, code=f"{name}{n}") for name in agencies for n in range(each)]
    return list(await asyncio.gather(*looked, *filed))


def test_many_first_calls_of_all_lanes_fetch_one_token_and_none_leaves_without_it() -> None:
    async def scenario(world: Roads) -> None:
        world.lgsp.seconds = 3.0
        asked = asyncio.create_task(many(world, "a", "b"))
        await asyncio.sleep(2)
        assert world.coordination.out() == 0, "no permit is kept waiting for a token"
        assert [agency.arrivals for agency in world.agencies.values()] == [[], []]
        assert {reply.state for reply in await asked} == {State.ANSWERED}
        assert len(world.lgsp.asked) == 1
        assert world.lgsp.turned_away == []

    drive(scenario)


def test_a_route_that_nobody_uses_fetches_nothing() -> None:
    async def scenario(world: Roads) -> None:
        await asyncio.sleep(7200)
        assert world.lgsp.asked == []
        await world.ask(agency="a")
        await asyncio.sleep(90_000)
        assert len(world.lgsp.asked) == 1, "nor does one that has been used"

    drive(scenario)


def test_a_token_that_ends_in_mid_flight_is_renewed_once_and_nobody_notices() -> None:
    async def scenario(world: Roads) -> None:
        await many(world, "a", "b")
        world.lgsp.expire()
        world.lgsp.seconds = 2.0
        replies = await many(world, "a", "b")
        assert {reply.state for reply in replies} == {State.ANSWERED}
        assert len(world.lgsp.asked) == 2
        assert 2 <= len(world.lgsp.turned_away) <= 8, "only what was on the wire when it ended"
        assert {(await world.call(reply)).attempts for reply in replies} == {0}
        for name in ("a", "b"):
            assert world.coordination.watch(name)["retry_budget"] == 10
        assert ("lookup_citizen", "stale", "auth", "wso2_900901") in world.log.exchanges
        assert (world.log.holds, world.log.route_holds) == ([], [])

    drive(scenario)


def test_a_token_is_renewed_before_it_ends_and_no_call_waits_for_it() -> None:
    async def scenario(world: Roads) -> None:
        world.lgsp.seconds, world.lgsp.life = 5.0, 600.0
        await world.ask(agency="a")
        # This gateway, unlike WSO2, gives a new one to whoever asks.
        fetch = world.lgsp.fetch

        async def fresh(*, timeout: float) -> Any:  # noqa: ASYNC109
            world.lgsp.expire()
            return await fetch(timeout=timeout)

        world.lgsp.fetch = fresh  # type: ignore[method-assign]
        world.lgsp.takes = lambda *_: True  # type: ignore[method-assign]  # the old token stays good
        for _ in range(1000):
            began = world.clock.monotonic()
            await world.ask(agency="a")
            assert world.clock.monotonic() - began < 0.06
            await asyncio.sleep(2)
        assert 3 <= len(world.lgsp.asked) <= 5, "once in nine minutes"

    drive(scenario)


def test_asking_early_for_a_token_that_stays_the_same_is_not_repeated() -> None:
    """WSO2 gives the same token to all who ask while it is good."""

    async def scenario(world: Roads) -> None:
        world.lgsp.life = 600.0
        for _ in range(3000):
            await world.ask(agency="a")
            await asyncio.sleep(1.2)
        lives = world.clock.monotonic() / world.lgsp.life
        assert len(world.lgsp.asked) <= 2 * lives + 2, "once before the end and once at it"
        assert world.lgsp.turned_away.count("a") <= lives + 1

    drive(scenario)


@pytest.mark.parametrize("life", [0.0, 0.5, 3.0])
def test_a_life_that_is_too_short_to_use_makes_no_storm(life: float) -> None:
    async def scenario(world: Roads) -> None:
        world.lgsp.life = life
        world.lgsp.takes = lambda *_: True  # type: ignore[method-assign]  # only the clock of the token door is off
        for _ in range(600):
            await world.ask(agency="a")
            await asyncio.sleep(0.1)
        assert len(world.lgsp.asked) <= 2 * 90 / 5 + 2

    drive(scenario)


@pytest.mark.parametrize("told", [REFUSED, Broken("token")])
def test_a_key_that_is_refused_holds_the_route_longer_each_time_and_nothing_dies(told: Outcome) -> None:
    async def scenario(world: Roads) -> None:
        world.lgsp.will.extend([(0.1, told)] * 4)
        tickets = [await world.file(agency=name) for name in ("a", "b")]
        for name in ("a", "b"):
            with pytest.raises(LaneHeld):
                await world.ask(agency=name)
        assert world.held() == "auth"
        await asyncio.sleep(1200)
        gaps = [after - before for before, after in pairwise(world.lgsp.asked)]
        assert [60 * 2**k <= gap <= 67 * 2**k for k, gap in enumerate(gaps)] == [True] * 4
        assert [(await world.state(ticket))[0] for ticket in tickets] == [State.ANSWERED] * 2
        assert set(world.log.route_holds) == {("lgsp", "auth")}
        assert world.log.holds == [], "one cause, not one for each lane"

    drive(scenario)


@pytest.mark.parametrize("failure", [Unavailable("dns"), InDoubt("http_502"), Busy(None)])
def test_a_door_that_does_not_answer_is_tried_again_soon(failure: Outcome) -> None:
    async def scenario(world: Roads) -> None:
        world.lgsp.will.extend([(0.1, failure)] * 3)
        began = world.clock.monotonic()
        assert (await world.ask(agency="a")).state is State.ANSWERED
        gaps = [after - before for before, after in pairwise(world.lgsp.asked)]
        assert [2**k <= gap <= 1.2 * 2**k + 0.2 for k, gap in enumerate(gaps)] == [True] * 3
        assert world.clock.monotonic() - began < 9

    drive(scenario)


def test_a_throttled_door_is_asked_again_when_it_says() -> None:
    async def scenario(world: Roads) -> None:
        world.lgsp.will.append((0.1, Busy(20.0, "wso2_900800", route=True)))
        assert (await world.ask(agency="a")).state is State.ANSWERED
        first, second = world.lgsp.asked
        assert 20 <= second - first <= 22.5

    drive(scenario)


def test_a_hanging_door_holds_its_own_route_and_no_other() -> None:
    async def scenario(world: Roads) -> None:
        await world.ask(agency="c")
        world.lgsp.will.extend([(1e6, OK)] * 50)
        tickets = [await world.file(agency="a", code=str(n)) for n in range(20)]
        hanging = [asyncio.create_task(world.ask(agency=name, wait=90.0)) for name in ("a", "b") for _ in range(20)]
        await asyncio.sleep(5)
        for _ in range(200):
            for name in ("c", "d"):
                began = world.clock.monotonic()
                await world.ask(agency=name)
                assert world.clock.monotonic() - began < 0.06
        world.lgsp.will.clear()
        for reply in await asyncio.gather(*hanging):
            assert reply.state is State.ANSWERED
        await asyncio.sleep(5)
        assert [(await world.state(ticket))[0] for ticket in tickets] == [State.ANSWERED] * 20
        ends = [row for row in world.log.exchanges if row[0] == "token"]
        assert ends[0] == ("token", "answered", "auth", "")
        assert ("token", "in_doubt", "auth", "timeout") in ends

    drive(scenario, names=("a", "b", "c", "d"))


@pytest.mark.parametrize("told", [(1e6, OK), (0.1, REFUSED), (0.1, Unavailable("connect"))])
def test_a_door_in_trouble_slows_no_lane_whose_token_is_still_good(told: tuple[float, Outcome]) -> None:
    async def scenario(world: Roads) -> None:
        world.lgsp.life = 600.0
        await world.ask(agency="a")
        world.lgsp.will.extend([told] * 100)
        await asyncio.sleep(545)
        for _ in range(40):
            began = world.clock.monotonic()
            await world.ask(agency="a")
            assert world.clock.monotonic() - began < 0.06
            await asyncio.sleep(1)
        assert len(world.lgsp.asked) >= 2, "it was tried"
        assert world.log.route_holds == []
        await asyncio.sleep(30)
        with pytest.raises((LaneHeld, CallExpired)):
            await world.ask(agency="a", wait=5.0)
        await asyncio.sleep(15)
        assert set(world.log.route_holds) == {("lgsp", "auth")}, "now the token has ended"
        world.lgsp.will.clear()
        ticket = await world.file(agency="b")
        await asyncio.sleep(300)
        assert (await world.state(ticket))[0] is State.ANSWERED

    drive(scenario)


def test_a_token_that_is_refused_again_holds_the_route_until_a_good_one_comes() -> None:
    async def scenario(world: Roads) -> None:
        world.lgsp.never = {"a", "b"}
        tickets = [await world.file(agency=name, code=f"{name}{n}") for name in ("a", "b") for n in range(5)]
        await asyncio.sleep(5)
        assert world.held() == "auth"
        sent = len(world.lgsp.turned_away)
        assert sent <= 16, "what both lanes had on the wire, and each of these once more"
        assert len(world.lgsp.asked) == 2
        await asyncio.sleep(600)
        assert len(world.lgsp.turned_away) - sent <= 16, "then a probe or two at each end of a hold"
        assert {await world.state(ticket) for ticket in tickets} == {(State.QUEUED, "wso2_900901")}
        world.lgsp.never = set()
        await asyncio.sleep(1800)
        assert {(await world.state(ticket))[0] for ticket in tickets} == {State.ANSWERED}
        assert {(await world.call(ticket)).attempts for ticket in tickets} == {0}

    drive(scenario)


def test_a_good_token_that_one_agency_does_not_take_holds_that_lane_alone() -> None:
    async def scenario(world: Roads) -> None:
        await many(world, "a", "b", each=2)
        world.lgsp.never = {"b"}
        ticket = await world.file(agency="b")
        for _ in range(1200):
            began = world.clock.monotonic()
            assert (await world.ask(agency="a")).state is State.ANSWERED
            assert world.clock.monotonic() - began < 0.5, "at most the time of a new token"
            await asyncio.sleep(1)
        assert world.log.route_holds == []
        assert set(world.log.holds) == {("b", "auth")}
        assert len(world.lgsp.asked) <= 4
        world.lgsp.never = set()
        await asyncio.sleep(1000)
        assert (await world.state(ticket))[0] is State.ANSWERED

    drive(scenario)


def test_a_fresh_token_that_one_agency_does_not_take_is_tried_by_another_before_all_are_stopped() -> None:
    """From the first day on, one agency that takes no token must not stop nineteen others."""

    async def scenario(world: Roads) -> None:
        world.lgsp.never = {"a"}
        blocked = [await world.file(agency="a", code=f"a{n}") for n in range(5)]
        for _ in range(600):
            assert (await world.ask(agency="b")).state is State.ANSWERED
            await asyncio.sleep(1)
        assert world.log.route_holds == []
        assert set(world.log.holds) == {("a", "auth")}
        assert {(await world.state(ticket))[0] for ticket in blocked} == {State.QUEUED}

    drive(scenario)


def test_a_lane_that_held_the_route_lets_another_try_the_next_token() -> None:
    async def scenario(world: Roads) -> None:
        world.lgsp.never = {"a"}
        blocked = [await world.file(agency="a", code=f"a{n}") for n in range(5)]
        await asyncio.sleep(7)
        assert world.held() == "auth", "nobody else had anything to send"
        tickets = [await world.file(agency="b", code=f"b{n}") for n in range(5)]
        await asyncio.sleep(90)
        assert world.held() == ""
        assert {(await world.state(ticket))[0] for ticket in tickets} == {State.ANSWERED}
        for _ in range(600):
            assert (await world.ask(agency="b")).state is State.ANSWERED
            await asyncio.sleep(1)
        assert world.log.route_holds == [("lgsp", "auth")], "once"
        assert ("a", "auth") in world.log.holds
        assert {(await world.state(ticket))[0] for ticket in blocked} == {State.QUEUED}

    drive(scenario)


def test_a_log_in_that_the_gateway_stops_renews_the_token_and_not_the_session() -> None:
    async def scenario(world: Roads) -> None:
        await world.ask(agency="a")
        world.lgsp.expire()
        assert (await world.ask(agency="b")).state is State.ANSWERED
        assert world.lgsp.turned_away == ["b"]
        assert len(world.lgsp.asked) == 2
        assert [len(agency.log_ins) for agency in world.agencies.values()] == [1, 1]
        assert (world.log.holds, world.log.route_holds) == ([], [])

    drive(scenario, log_in=True)


def test_a_session_that_ends_under_a_good_token_is_the_lanes_own() -> None:
    async def scenario(world: Roads) -> None:
        await many(world, "a", "b", each=2)
        world.agencies["a"].good = "s2"
        world.agencies["a"].sessions.append((0.1, {"auth.session": "s2"}))
        assert {reply.state for reply in await many(world, "a", "b")} == {State.ANSWERED}
        assert len(world.lgsp.asked) == 1
        assert [len(agency.log_ins) for agency in world.agencies.values()] == [2, 1]

    drive(scenario, log_in=True)


def test_a_token_and_a_session_that_end_together_hold_nothing() -> None:
    async def scenario(world: Roads) -> None:
        await world.ask(agency="a")
        world.lgsp.expire()
        world.agencies["a"].good = "s2"
        world.agencies["a"].sessions.append((0.1, {"auth.session": "s2"}))
        assert (await world.ask(agency="a")).state is State.ANSWERED
        assert (world.log.holds, world.log.route_holds) == ([], [])

    drive(scenario, log_in=True)


def test_a_refused_token_that_comes_again_is_not_fetched_for_every_call() -> None:
    """A gateway of two nodes, one of which has not heard of the token yet."""

    async def scenario(world: Roads) -> None:
        takes, calls = world.lgsp.takes, iter(range(10_000))

        def every_other(agency: str, wire: Any) -> bool:
            return takes(agency, wire) and next(calls) % 2 == 0

        world.lgsp.takes = every_other  # type: ignore[method-assign]
        for _ in range(300):
            assert (await world.ask(agency="a", wait=90.0)).state is State.ANSWERED
        assert len(world.lgsp.asked) <= 15

    drive(scenario)


def test_a_fault_of_the_kit_is_told_and_tried_again() -> None:
    async def scenario(world: Roads) -> None:
        async def broken(*, timeout: float) -> Any:  # noqa: ASYNC109
            raise RuntimeError("a fault of ours")

        fetch, world.lgsp.fetch = world.lgsp.fetch, broken  # type: ignore[method-assign]
        with pytest.raises(LaneHeld):
            await world.ask(agency="a")
        assert [type(error) for error in world.log.faults] == [RuntimeError]
        world.lgsp.fetch = fetch  # type: ignore[method-assign]
        await world.coordination.resume("route/lgsp")
        assert (await world.ask(agency="a")).state is State.ANSWERED

    drive(scenario)


def test_a_person_who_resumes_a_route_has_the_token_fetched_at_once() -> None:
    async def scenario(world: Roads) -> None:
        world.lgsp.will.append((0.1, REFUSED))
        ticket = await world.file(agency="a")
        await asyncio.sleep(1)
        assert world.held() == "auth"
        await world.coordination.resume("route/lgsp")
        await asyncio.sleep(1)
        assert (await world.state(ticket))[0] is State.ANSWERED
        assert len(world.lgsp.asked) == 2

    drive(scenario)


def test_a_route_that_a_person_stopped_fetches_nothing_and_sends_nothing() -> None:
    async def scenario(world: Roads) -> None:
        await world.coordination.hold("route/lgsp", HoldCause.OPERATOR, None)
        ticket = await world.file(agency="a")
        with pytest.raises(LaneHeld):
            await world.ask(agency="b", wait=20.0)
        await asyncio.sleep(3600)
        assert world.lgsp.asked == []
        await world.coordination.resume("route/lgsp")
        await asyncio.sleep(1)
        assert (await world.state(ticket))[0] is State.ANSWERED

    drive(scenario)


def test_a_hub_that_stops_waits_for_no_token_door() -> None:
    async def scenario(world: Roads) -> None:
        world.lgsp.will.append((1e6, OK))
        await world.file(agency="a")
        await asyncio.sleep(1)
        began = world.clock.monotonic()
        await world.hub.stop(5.0)
        assert world.clock.monotonic() - began < 6
        assert world.lgsp.closed

    drive(scenario)


def test_operators_see_the_token_s_state_and_never_the_token() -> None:
    async def scenario(world: Roads) -> None:
        def view() -> Any:
            return next(iter(world.hub.routes()))

        assert (view().token, view().token_seconds) == ("none", None)
        await world.ask(agency="a")
        seen = view()
        assert (seen.name, seen.kind, seen.token, seen.lanes) == ("lgsp", "lgsp", "valid", ("a", "b"))
        assert 3590 < seen.token_seconds <= 3600
        assert "t1" not in repr(seen)
        world.lgsp.expire()
        world.lgsp.will.extend([(0.1, REFUSED)] * 9)
        with pytest.raises(LaneHeld):
            await world.ask(agency="a")
        assert (view().token, view().token_seconds, view().held) == ("refused", None, "auth")

    drive(scenario)


def test_fixed_credentials_of_an_agency_are_not_the_routes() -> None:
    async def scenario(world: Roads) -> None:
        await world.ask(agency="b")
        world.agencies["a"].otherwise = lambda _: (0.1, StaleCredentials("http_401"))
        with pytest.raises(LaneHeld):
            await world.ask(agency="a")
        assert world.log.holds == [("a", "auth")]
        assert (await world.ask(agency="b")).state is State.ANSWERED
        assert len(world.lgsp.asked) == 1

    drive(scenario)
