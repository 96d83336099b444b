"""While an agency asks us to stop, nothing reaches it; afterwards one call tries the ground before the others follow."""

import asyncio
from itertools import pairwise

import pytest

from connectors.kit.outcomes import Broken, Busy, Outcome, Unavailable
from hub.call import Class, Reply, State
from hub.coordination.protocol import HoldCause, Wait
from hub.errors import LaneHeld
from hub.turn import Turn
from tests.unit.engine.stage import OK, World, play


def moments(world: World) -> list[float]:
    return [one.at for one in world.agency.arrivals]


@pytest.mark.parametrize(("said", "least", "most"), [(30.0, 30.0, 33.0), (0.0, 1.0, 1.1), (86_400.0, 900.0, 990.0)])
def test_a_hold_lasts_as_long_as_the_agency_says_within_bounds(said: float, least: float, most: float) -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_ordered"].append((0.1, Busy(said)))
        tickets = [await world.file("file_ordered", code=str(number)) for number in range(10)]
        await asyncio.sleep(2000)
        stopped, went_on = moments(world)[:2]
        assert least - 0.001 <= went_on - stopped - 0.1 <= most + 0.06
        assert [(await world.state(ticket))[0] for ticket in tickets] == [State.ANSWERED] * 10
        assert [(await world.call(ticket)).attempts for ticket in tickets] == [0] * 10, (
            "being told to wait is no attempt"
        )

    play(scenario, calls_at_once=1)


def test_a_busy_agency_that_does_not_say_how_long_is_left_alone_for_longer_each_time() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_ordered"].extend([(0.0, Busy(None))] * 9)
        ticket = await world.file("file_ordered")
        full = world.coordination.watch("agency")["rate_limit"]
        await asyncio.sleep(400)
        at = moments(world)
        gaps = [after - before for before, after in pairwise(at)]
        assert [round(gap / 1.05) for gap in gaps] == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60], rel=0.1)
        call = await world.call(ticket)
        assert (call.state, call.attempts, call.exchange_no) == (State.ANSWERED, 0, 10)
        cut = world.coordination.watch("agency")["rate_limit"]
        assert cut < 0.5 * full, "nine times x 0.7, less what grew back"
        await asyncio.sleep(60)
        assert world.coordination.watch("agency")["rate_limit"] == pytest.approx(cut + 0.05 * full, rel=0.01)

    play(scenario)


def test_one_probe_goes_first_after_a_hold_and_the_rest_follow_its_success() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_ordered"].append((0.0, Busy(5.0)))
        await world.file("file_ordered")
        await asyncio.sleep(1)
        for number in range(8):
            await world.file("file_ordered", code=str(number))
        looking = [asyncio.create_task(world.ask(wait=20.0)) for _ in range(4)]
        first = iter([2.0])
        world.agency.otherwise = lambda _: (next(first, 0.05), OK)
        await asyncio.sleep(20)
        _, probe, *rest = moments(world)
        assert len(rest) == 12
        assert min(rest) >= probe + 2.0, "while the probe is out, nothing else goes"
        assert min(rest) <= probe + 2.1
        await asyncio.gather(*looking)

    play(scenario, calls_at_once=4, calls_per_second=1000.0)


@pytest.mark.parametrize("again", [Busy(5.0), Busy(None)])
def test_a_probe_that_is_told_to_wait_holds_the_lane_again(again: Outcome) -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.0, again)
        for number in range(20):
            await world.file("file_ordered", code=str(number))
        await asyncio.sleep(60)
        at = moments(world)
        flight = sum(moment < at[0] + 0.01 for moment in at)
        assert flight <= 4, "those that were granted before the first answer"
        assert len(at) - flight <= 12, "then one at a time, one for each hold"

    play(scenario, calls_at_once=4)


def test_nobody_is_let_in_who_could_not_outlast_the_hold() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_ordered"].append((0.0, Busy(60.0)))
        await world.file("file_ordered")
        await asyncio.sleep(1)
        with pytest.raises(LaneHeld) as told:
            world.hub.admit("agency", "lookup_citizen", Class.COUNTER, ("one_stop", "u1"), interactive=True, seconds=30)
        assert told.value.retry_after == pytest.approx(60, abs=8)
        await asyncio.sleep(40)
        world.hub.admit("agency", "lookup_citizen", Class.COUNTER, ("one_stop", "u1"), interactive=True, seconds=30)
        assert (await world.ask()).state is State.ANSWERED
        await asyncio.sleep(1)
        assert len(moments(world)) == 3

    play(scenario)


@pytest.mark.parametrize("at_once", [1, 3])
def test_after_five_unreadable_answers_an_operation_gets_no_further_permit(at_once: int) -> None:
    """Those that were on the wire with the fifth may still arrive."""

    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda name: (0.1, Broken("no_row") if name == "file_blindly" else OK)
        for _ in range(30):
            await world.file("file_blindly")
        await asyncio.sleep(50)
        assert 5 <= len(world.agency.sent("file_blindly")) <= 5 + at_once - 1
        assert len(world.agency.arrivals) == len(world.agency.sent("file_blindly")), (
            "and nothing else was sent for them"
        )
        assert (await world.file("file_surely", wait=5.0)).state is State.ANSWERED
        await asyncio.sleep(20)
        before = len(world.agency.sent("file_blindly"))
        await asyncio.sleep(100)
        assert len(world.agency.sent("file_blindly")) - before <= 1, "a probe that fails holds for twice as long"

    play(scenario, calls_at_once=at_once)


def test_an_answer_between_unreadable_ones_forgets_them() -> None:
    async def scenario(world: World) -> None:
        for _ in range(5):
            world.agency.will["file_blindly"].extend([(0.0, Broken("no_row"))] * 4 + [(0.0, OK)])
        for _ in range(25):
            await world.file("file_blindly", wait=5.0)
        assert len(world.agency.arrivals) == 25
        assert world.log.holds == []

    play(scenario)


def test_seven_days_of_being_told_to_wait_end_with_a_person() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.1, Busy(900.0))
        ticket = await world.file("file_ordered")
        await asyncio.sleep(7 * 86_400 - 1000)
        assert (await world.state(ticket))[0] is State.QUEUED
        await asyncio.sleep(2100)
        assert await world.state(ticket) == (State.DEAD, "deadline")
        assert (await world.call(ticket)).attempts == 0

    play(scenario)


def test_waiting_for_the_next_attempt_never_outlasts_the_deadline() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.1, Unavailable("connect"))
        ticket = await world.file("file_ordered", deadline=3600.0)
        await asyncio.sleep(3700)
        assert await world.state(ticket) == (State.DEAD, "deadline")
        assert (await world.call(ticket)).attempts < 12

    play(scenario)


def test_each_call_goes_again_when_it_falls_due_and_not_when_another_does() -> None:
    """One timer serves a lane; what falls due behind the next one must not wait for the sweep."""

    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.1, Unavailable("connect"))
        tickets = []
        for operation in ("file_ordered", "upsert_paper", "update_paper"):  # each fails too seldom to be spared
            tickets.append(await world.file(operation))
            await asyncio.sleep(0.7)
        await asyncio.sleep(60)
        for ticket in tickets:
            at = [one.at for one in world.agency.arrivals if one.sources["call.id"] == ticket.call]
            waits = [after - before - 0.1 for before, after in pairwise(at)]
            assert len(waits) >= 3
            for wait, planned in zip(waits, (1, 5, 30), strict=False):
                assert planned / 2 <= wait <= planned + 0.1

    play(scenario)


def test_a_long_line_of_a_stopped_operation_is_not_looked_through_for_each_exchange_of_another() -> None:
    """Else two thousand who wait for one operation cost every other exchange a tenth of a second."""

    async def scenario(world: World) -> None:
        await world.coordination.hold("agency", HoldCause.CONTRACT, 60.0, "lookup_citizen")
        waiting = [asyncio.create_task(world.ask(wait=100.0)) for _ in range(300)]
        await asyncio.sleep(1)
        looked, stays = 0, world.lane._granting._stays

        def counted(turn: Turn, wait: Wait) -> bool:
            nonlocal looked
            looked += 1
            return stays(turn, wait)

        world.lane._granting._stays = counted  # type: ignore[method-assign]
        for _ in range(100):
            await world.ask("verify_citizen")
        assert looked <= 3 * 100, "the first of them each time, and not three hundred"
        assert {(await task).state for task in waiting} == {State.ANSWERED}

    play(scenario, queue_calls=400, queue_seconds=120.0)


def test_all_who_cannot_outlast_the_stop_of_their_operation_hear_at_once_also_when_it_gets_longer() -> None:
    async def scenario(world: World) -> None:
        asked: list[asyncio.Task[Reply]] = []
        await world.coordination.hold("agency", HoldCause.CONTRACT, 20.0, "lookup_citizen")
        for patience in (10.0, 25.0, 50.0):
            asked += [asyncio.create_task(world.ask(wait=patience)) for _ in range(3)]
            await asyncio.sleep(0.1)
        assert [task.done() for task in asked] == [True] * 3 + [False] * 6
        await world.coordination.hold("agency", HoldCause.CONTRACT, 40.0, "lookup_citizen")
        await asyncio.sleep(0.1)
        assert [task.done() for task in asked] == [True] * 6 + [False] * 3
        asked.append(asyncio.create_task(world.ask(wait=10.0)))
        await asyncio.sleep(0.1)
        assert asked[-1].done(), "and who comes meanwhile"
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(one) for one in told] == [LaneHeld] * 6 + [Reply] * 3 + [LaneHeld]

    play(scenario, queue_seconds=120.0)
