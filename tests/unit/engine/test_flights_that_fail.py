"""A leader that ends without an answer: who shares its error, who goes on, and who hears nothing without a record."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Result, StaleCredentials, Unavailable
from hub.call import Class, Reply, State
from hub.coordination.protocol import HoldCause, Permit, Wait, Wanted
from hub.errors import (
    AgencyBroken,
    AgencyUnavailable,
    CallExpired,
    HubError,
    HubStopping,
    IdempotencyConflict,
    LaneFull,
    LaneHeld,
    LaneOpen,
    LaneWaitTooLong,
    RequestInvalid,
    StoreUnavailable,
)
from tests.unit.engine.flying import TOGETHER, asking, calls_of, errors, nothing_flies, occupied, rows
from tests.unit.engine.stage import OK, World, play


@pytest.mark.parametrize(
    ("outcome", "error", "exchanges"),
    [
        (Broken("mapping"), AgencyBroken, 1),
        (Unavailable("connect"), AgencyUnavailable, 3),
        (InDoubt("reset"), CallExpired, 3),
        (Answered(Result.EXISTS), AgencyBroken, 1),
    ],
)
def test_an_error_that_would_have_met_the_followers_is_shared(outcome: Any, error: type, exchanges: int) -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.5, outcome)
        asked = [asking(world) for _ in range(4)]
        ends = await asyncio.gather(*asked, return_exceptions=True)
        assert errors(ends) == [error] * 4
        assert len(calls_of(ends)) == 4, "each names its own call"
        assert len(world.agency.arrivals) == exchanges
        assert len({world.log.ended[call or ""][0] for call in calls_of(ends)}) == 1
        assert len(await rows(world)) == 1, "the others had no access to anything"
        nothing_flies(world)

    play(scenario)


def test_a_request_that_cannot_be_written_is_told_to_all_with_its_places() -> None:
    async def scenario(world: World) -> None:
        world.agency.unwritable.add(TOGETHER)
        ends = await asyncio.gather(*(asking(world) for _ in range(3)), return_exceptions=True)
        assert errors(ends) == [RequestInvalid] * 3
        assert {end.faults[0].pointer for end in ends if isinstance(end, HubError)} == {"MaCanBo"}
        assert len(calls_of(ends)) == 3

    play(scenario)


def test_followers_stay_while_their_leader_is_sent_again() -> None:
    async def scenario(world: World) -> None:
        for failure in (Unavailable("connect"), InDoubt("reset"), Busy(2.0)):
            world.agency.arrivals.clear()
            world.agency.will[TOGETHER].append((0.5, failure))
            replies = await asyncio.gather(*(asking(world) for _ in range(3)))
            assert {reply.state for reply in replies} == {State.ANSWERED}
            assert len(world.agency.arrivals) == 2

    play(scenario)


def test_followers_stay_while_the_lane_logs_in_again() -> None:
    async def scenario(world: World) -> None:
        await world.ask()
        world.agency.good = "s2"
        world.agency.sessions.append((0.1, {"auth.session": "s2"}))
        replies = await asyncio.gather(*(asking(world) for _ in range(3)))
        assert {reply.state for reply in replies} == {State.ANSWERED}
        assert len(world.agency.sent(TOGETHER)) == 2

    play(scenario, log_in=True)


def test_a_hold_ends_those_at_once_whose_time_it_outlasts_and_keeps_the_others() -> None:
    async def scenario(world: World) -> None:
        world.agency.will[TOGETHER].append((0.5, Busy(10.0)))
        asked = [asking(world, wait=5.0), asking(world, wait=60.0), asking(world, wait=6.0), asking(world, wait=50.0)]
        ends = await asyncio.gather(asked[0], asked[2], return_exceptions=True)
        assert errors(ends) == [LaneHeld] * 2
        assert len(calls_of(ends)) == 2
        assert world.clock.monotonic() < 1000.6
        replies = await asyncio.gather(asked[1], asked[3])
        assert {reply.state for reply in replies} == {State.ANSWERED}
        assert len(world.agency.arrivals) == 2

    play(scenario)


def test_a_hold_does_not_end_who_follows_what_is_on_the_wire() -> None:
    async def scenario(world: World) -> None:
        world.agency.will[TOGETHER].append((2.0, OK))
        asked = [asking(world, wait=5.0) for _ in range(3)]
        world.agency.will["lookup_citizen"].append((0.5, Busy(100.0)))
        busy = asyncio.create_task(world.ask())
        await asyncio.sleep(0.1)
        behind = [asyncio.create_task(world.ask("verify_citizen")) for _ in range(2)]
        ends = await asyncio.gather(busy, *behind, return_exceptions=True)
        assert errors(ends) == [LaneHeld] * 3, "who stands in the line is told at once"
        assert {reply.state for reply in await asyncio.gather(*asked)} == {State.ANSWERED}

    play(scenario, calls_at_once=2)


def test_a_held_operation_tells_each_follower_by_its_own_time() -> None:
    async def scenario(world: World) -> None:
        await occupied(world, 1.0)
        asked = [asking(world, wait=5.0), asking(world, wait=6.0), asking(world, wait=60.0)]
        await asyncio.sleep(0.1)
        await world.coordination.hold("agency", HoldCause.CONTRACT, 20.0, TOGETHER)
        ends = await asyncio.gather(asked[0], asked[1], return_exceptions=True)
        assert errors(ends) == [LaneHeld] * 2
        assert world.clock.monotonic() < 1001.1
        assert (await asked[2]).state is State.ANSWERED
        assert len(world.agency.sent(TOGETHER)) == 1

    play(scenario, calls_at_once=1)


def sparing(world: World, first_try: float = 0.0) -> None:
    """Let the lane's retry budget be empty for 50 seconds, and the normal class wait for *first_try* from now."""
    claim, now = world.coordination.claim, world.clock.monotonic()

    async def stingy(lane: str, wanted: Sequence[Wanted]) -> Sequence[Permit | Wait]:
        passed = world.clock.monotonic() - now
        if wanted[0].repeat and passed < 50:
            return [Wait("retry", 50 - passed, whole=False)]
        if wanted[0].cls is Class.NORMAL and passed < first_try:
            return [Wait("day", first_try - passed, whole=False)]
        return await claim(lane, wanted)

    world.coordination.claim = stingy  # type: ignore[method-assign]


def test_who_cannot_wait_for_its_leaders_next_attempt_hears_at_once_and_the_others_stay() -> None:
    async def scenario(world: World) -> None:
        sparing(world)
        world.agency.will[TOGETHER].append((0.5, Unavailable("connect")))
        asked = [asking(world, wait=seconds) for seconds in (100.0, 10.0, 80.0)]
        with pytest.raises(AgencyUnavailable) as told:
            await asked[1]
        assert world.clock.monotonic() < 1001
        assert world.log.ended[told.value.call or ""][0] == "expired"
        assert {reply.state for reply in await asyncio.gather(asked[0], asked[2])} == {State.ANSWERED}
        assert len(world.agency.arrivals) == 2

    play(scenario)


def test_who_follows_a_first_attempt_is_not_told_that_another_may_not_repeat() -> None:
    """The bulk call was on the wire once and waits for the budget; a normal one stands beside it, and has its first try."""

    async def scenario(world: World) -> None:
        sparing(world, first_try=2.0)
        world.agency.will[TOGETHER].append((0.5, Unavailable("connect")))
        bulk = asking(world, cls=Class.BULK, wait=100.0)
        await asyncio.sleep(0.1)
        normal = [asking(world, wait=10.0) for _ in range(2)]
        assert {reply.state for reply in await asyncio.gather(*normal)} == {State.ANSWERED}
        assert world.clock.monotonic() < 1003
        assert (await bulk).state is State.ANSWERED

    play(scenario, calls_at_once=1)


def test_who_was_in_the_row_of_a_displaced_leader_shares_its_refusal_and_nobody_else() -> None:
    async def scenario(world: World) -> None:
        await occupied(world, 3.0)
        leader, follower, elsewhere = asking(world), asking(world), asking(world, caller="tax_desk")
        await asyncio.sleep(0.1)
        (turn,) = [one for one in world.lane._line if one.call.operation == TOGETHER and one.call.caller != "tax_desk"]
        assert world.lane._line.leave(turn)
        world.lane.endings.unsent(turn, State.EXPIRED, "displaced", LaneFull(retry_after=3.0, call=turn.call.id))
        ends = await asyncio.gather(leader, follower, return_exceptions=True)
        assert errors(ends) == [LaneFull] * 2
        assert len(calls_of(ends)) == 2
        assert {end.retry_after for end in ends if isinstance(end, HubError)} == {3.0}
        assert (await elsewhere).state is State.ANSWERED

    play(scenario, calls_at_once=1)


@pytest.mark.parametrize("mine", [{"caller": "tax_desk"}, {"cls": Class.COUNTER}], ids=str)
def test_who_would_have_stood_elsewhere_is_not_displaced_with_a_leader_that_came_back(mine: dict[str, Any]) -> None:
    async def scenario(world: World) -> None:
        world.agency.will[TOGETHER].append((0.5, Busy(2.0)))
        leader = asking(world)
        await asyncio.sleep(0.1)
        beside, others = asking(world), [asking(world, **mine) for _ in range(2)]
        await asyncio.sleep(1)
        turn = next(one for one in world.lane._line if one.call.exchange_no == 1)
        assert world.lane._line.leave(turn)
        world.lane.endings.unsent(turn, State.EXPIRED, "displaced", LaneFull(retry_after=3.0, call=turn.call.id))
        ends = await asyncio.gather(leader, beside, *others, return_exceptions=True)
        assert errors(ends) == [LaneFull, LaneFull, Reply, Reply]
        assert len(world.agency.arrivals) == 2

    play(scenario, calls_at_once=1)


@pytest.mark.parametrize("error", [LaneWaitTooLong, LaneOpen])
def test_a_leader_shed_for_want_of_time_leaves_an_heir(error: type[HubError]) -> None:
    async def scenario(world: World) -> None:
        await occupied(world, 3.0)
        leader, follower = asking(world, wait=4.0), asking(world)
        await asyncio.sleep(0.1)
        (turn,) = [one for one in world.lane._line if one.call.operation == TOGETHER]
        assert world.lane._line.leave(turn)
        await asyncio.sleep(1)
        world.lane.endings.unsent(turn, State.EXPIRED, "shed", error(call=turn.call.id))
        (heir,) = [one for one in world.lane._line if one.call.operation == TOGETHER]
        assert heir.stands == pytest.approx(1000.01, abs=0.01), "it has waited since it came"
        ends = await asyncio.gather(leader, follower, return_exceptions=True)
        assert errors(ends) == [error, Reply]

    play(scenario, calls_at_once=1)


def test_an_heir_of_who_was_to_be_sent_goes_before_who_stands_in_the_line() -> None:
    async def scenario(world: World) -> None:
        await asking(world, citizen="000000000001", idempotency_key="k")
        await occupied(world, 1.0)
        leader, follower = asking(world, idempotency_key="k"), asking(world)
        crowd = [asyncio.create_task(world.ask("verify_citizen")) for _ in range(3)]
        ends = await asyncio.gather(leader, follower, return_exceptions=True)
        assert errors(ends) == [IdempotencyConflict, Reply]
        await asyncio.gather(*crowd)
        assert world.agency.sent()[1:] == ["lookup_citizen", TOGETHER, *["verify_citizen"] * 3]

    play(scenario, calls_at_once=1)


def test_without_a_record_a_follower_hears_nothing() -> None:
    async def scenario(world: World) -> None:
        async def down() -> None:
            raise StoreUnavailable(retry_after=5.0)

        world.store.before["follow"] = down
        ends = await asyncio.gather(*(asking(world) for _ in range(3)), return_exceptions=True)
        assert errors(ends) == [Reply, StoreUnavailable, StoreUnavailable]
        assert len(calls_of(ends)) == 3
        assert len(await rows(world)) == 1
        assert len(world.log.faults) == 1

    play(scenario)


def test_who_leaves_while_its_row_is_written_has_been_answered() -> None:
    async def scenario(world: World) -> None:
        async def slow() -> None:
            await asyncio.sleep(0.5)

        world.store.before["follow"] = slow
        leader, follower = asking(world), asking(world)
        await leader
        await asyncio.sleep(0.1)
        follower.cancel()
        await asyncio.sleep(1)
        assert [state for state, _ in world.log.ended.values()] == ["answered"] * 2
        assert [record.call.state for record in await rows(world)] == [State.ANSWERED] * 2

    play(scenario)


def test_a_store_that_cannot_record_the_leader_is_not_asked_once_more_for_each_follower() -> None:
    async def scenario(world: World) -> None:
        async def down() -> None:
            raise StoreUnavailable

        world.store.before["open"] = down
        ends = await asyncio.gather(*(asking(world) for _ in range(4)), return_exceptions=True)
        assert errors(ends) == [StoreUnavailable] * 4
        assert world.store.asked["open"] == 1
        assert world.agency.arrivals == []

    play(scenario)


def test_who_follows_hears_though_the_leaders_own_end_is_not_written() -> None:
    async def scenario(world: World) -> None:
        async def down() -> None:
            raise StoreUnavailable

        world.store.before["settle"] = down
        ends = await asyncio.gather(*(asking(world) for _ in range(2)), return_exceptions=True)
        assert errors(ends) == [Reply, Reply]
        del world.store.before["settle"]
        await asyncio.sleep(11)
        assert [record.call.state for record in await rows(world)] == [State.ANSWERED] * 2
        nothing_flies(world)

    play(scenario)


def test_a_hub_that_must_stop_tells_followers_too() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (9.0, OK)
        asked = [asking(world) for _ in range(3)] + [asking(world, citizen=str(number)) for number in (1, 1, 2, 2)]
        await asyncio.sleep(1)
        await world.hub.stop(2)
        ends = await asyncio.gather(*asked, return_exceptions=True)
        assert errors(ends) == [HubStopping] * 7
        assert len(calls_of(ends)) == 7

    play(scenario, calls_at_once=2)


def test_a_hub_that_stops_while_its_store_is_slow_tells_followers_at_once() -> None:
    async def scenario(world: World) -> None:
        async def slow() -> None:
            await asyncio.sleep(100)

        world.store.before["settle"] = slow
        world.agency.will[TOGETHER].append((0.5, Unavailable("connect")))
        leader, follower = asking(world), asking(world)
        await asyncio.sleep(1)
        await world.hub.stop(1)
        began = world.clock.monotonic()
        with pytest.raises(HubStopping):
            await follower
        assert world.clock.monotonic() == began
        with pytest.raises(CallExpired):
            await leader

    play(scenario)


def test_a_session_that_is_refused_twice_holds_the_lane_for_all() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.1, StaleCredentials())
        ends = await asyncio.gather(*(asking(world, wait=20.0) for _ in range(3)), return_exceptions=True)
        assert errors(ends) == [LaneHeld] * 3
        assert len(calls_of(ends)) == 3

    play(scenario)
