"""After an outage few exchanges find out whether an agency works again, and none of them is a filing that could be in doubt."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from connectors.kit.outcomes import Busy, InDoubt, Outcome, Unavailable
from hub.call import BUILT_IN, Class, State
from hub.coordination.protocol import HoldCause
from hub.errors import AgencyUnavailable, CallExpired, LaneOpen
from hub.exchanges import Ended
from hub.guards.retry import DURABLE_ATTEMPTS
from hub.store.protocol import Sought
from hub.turn import Turn
from tests.unit.engine.stage import OK, Paper, World, play

DOWN = Unavailable("connect")


async def outage(
    world: World, outcome: Outcome = DOWN, *, seconds: float = 0.05, operation: str = "file_ordered"
) -> None:
    """Let *operation* fail until it is spared."""
    world.agency.otherwise = lambda _: (seconds, outcome)
    for number in range(5):
        await world.file(operation, code=f"outage-{number}")
    await asyncio.sleep(5 * seconds + 2)
    for _ in range(2_000):
        if world.coordination.stopped("agency", operation) is not None:
            return
        await asyncio.sleep(0.1)  # it is tried again just now
    raise AssertionError(f"{operation} is not spared")


def times(world: World, operation: str) -> list[float]:
    return [one.at for one in world.agency.arrivals if one.operation == operation]


def test_an_outage_is_found_over_by_the_harmless_look_up_and_no_filing_is_risked_for_it() -> None:
    async def scenario(world: World) -> None:
        await outage(world)
        before = len(times(world, "file_ordered"))
        await asyncio.sleep(100)
        assert len(times(world, "file_ordered")) == before
        tried = times(world, "list_codes")
        gaps = [after - earlier for earlier, after in pairwise(tried)]
        assert len(tried) == 4, "after 5, 10, 20 and 40 seconds"
        assert all(planned <= gap <= 1.2 * planned + 0.1 for gap, planned in zip(gaps, (10, 20, 40), strict=True))
        world.agency.otherwise = lambda _: (0.05, OK)
        await asyncio.sleep(120)
        assert len(times(world, "list_codes")) == 5
        assert times(world, "file_ordered")[before] > times(world, "list_codes")[-1]
        assert not [one for one in world.log.ended.values() if one[0] != "answered" and one != ("expired", "connect")]

    play(scenario, harmless=True, calls_at_once=1)


def test_what_tries_the_ground_is_recorded_like_any_call_and_belongs_to_the_hub() -> None:
    async def scenario(world: World) -> None:
        await outage(world)
        world.agency.otherwise = lambda _: (0.05, OK)
        await asyncio.sleep(10)
        (record,) = await world.store.find(Sought(caller=BUILT_IN))
        call = record.call
        assert (call.operation, call.state, call.interactive) == ("list_codes", State.ANSWERED, True)
        assert (call.exchange_no, call.attempts) == (1, 0)
        assert call.purpose.officer is None, "nobody asked, and it is about nobody"
        assert ("list_codes", "answered", "agency", "") in world.log.exchanges
        assert world.log.ended[call.id] == ("answered", "")

    play(scenario, harmless=True)


def test_a_try_that_fails_is_made_once_and_pays_from_the_retry_budget() -> None:
    async def scenario(world: World) -> None:
        await outage(world)
        await world.hub.cancel((await world.file("file_surely")).call, "one_stop")
        left = world.coordination.watch("agency")["retry_budget"]
        await asyncio.sleep(4.5)
        assert len(times(world, "list_codes")) == 1
        assert world.coordination.watch("agency")["retry_budget"] < left - 0.8
        (record,) = await world.store.find(Sought(caller=BUILT_IN))
        assert (record.call.state, record.call.exchange_no) == (State.EXPIRED, 1)

    play(scenario, harmless=True)


def test_what_an_operator_lets_go_again_goes_at_once_and_not_when_its_time_would_have_been_over() -> None:
    async def scenario(world: World) -> None:
        await outage(world)
        await asyncio.sleep(50)
        world.agency.otherwise = lambda _: (0.05, OK)
        await world.coordination.hold("agency", HoldCause.OPERATOR, None, "file_paper")
        held = await world.file("file_paper")
        await asyncio.sleep(1)
        before = len(world.agency.arrivals)
        await world.coordination.resume("agency")
        await asyncio.sleep(1)
        assert await world.state(held) == (State.ANSWERED, "")
        assert len(world.agency.arrivals) == before + 6, "and the five that were spared"

    play(scenario, harmless=True, calls_at_once=1)


def test_nothing_is_tried_when_nothing_waits() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.05, DOWN)
        for _ in range(3):
            with pytest.raises((AgencyUnavailable, LaneOpen)):
                await world.ask(wait=3.0)
        assert world.coordination.stopped("agency", "lookup_citizen") is not None
        await asyncio.sleep(3600)
        assert times(world, "list_codes") == []

    play(scenario, harmless=True)


@pytest.mark.parametrize("stop", ["route", "day", "harmless"])
def test_a_try_that_cannot_leave_does_not_keep_the_lane_spinning(stop: str) -> None:
    """It would be asked for again by the call that needs it, be turned away again, and so on without a pause."""

    async def scenario(world: World) -> None:
        await outage(world)
        if stop == "route":
            world.coordination.over("agency").guards.hold.stop(HoldCause.BUSY, 600.0)
        elif stop == "day":
            world.coordination.over("agency").lanes["agency"].guards.day.restore(1_000_000)  # type: ignore[union-attr]
        else:  # the harmless look-up itself is spared, and for longer than a try may wait
            for _ in range(3):
                world.coordination.over("agency").lanes["agency"].guards.breaker._open(
                    _circuit(world, "list_codes"), "connect"
                )  # type: ignore[union-attr]
        asked = 0
        claim = world.coordination.claim

        async def counted(*args: object) -> object:
            nonlocal asked
            asked += 1
            assert asked < 2000, "the lane spins"
            return await claim(*args)  # type: ignore[arg-type]

        world.coordination.claim = counted  # type: ignore[method-assign, assignment]
        await asyncio.sleep(300)
        assert asked < 1500
        world.agency.otherwise = lambda _: (0.05, OK)
        await asyncio.sleep(600)
        if stop != "day":
            assert (await world.file("file_ordered", code="later", wait=60.0)).state is State.ANSWERED

    play(scenario, harmless=True)


def _circuit(world: World, operation: str) -> object:
    circuits = world.coordination.over("agency").lanes["agency"].guards.breaker.state.circuits  # type: ignore[union-attr]
    return circuits.setdefault(operation, type(circuits["file_ordered"])())


def test_a_log_in_that_was_spared_is_tried_again_though_nothing_else_can_be_sent_before_it() -> None:
    async def scenario(world: World) -> None:
        world.agency.sessions.extend([(0.05, DOWN)] * 6)
        ticket = await world.file("file_paper")
        await asyncio.sleep(600)
        assert await world.state(ticket) == (State.ANSWERED, "")

    play(scenario, harmless=True, log_in=True)


def test_a_caller_whose_time_ends_while_the_ground_is_tried_hears_and_leaves_nothing_behind() -> None:
    async def scenario(world: World) -> None:
        await outage(world, InDoubt("timeout"), seconds=99.0)
        await asyncio.sleep(6)
        with pytest.raises((CallExpired, LaneOpen)):
            await world.ask("lookup_citizen", wait=4.0, cls=Class.COUNTER)
        await asyncio.sleep(1)
        assert world.lane._line.count(interactive=True) <= 1, "the try itself may wait"

    play(scenario, harmless=True)


@pytest.mark.parametrize("outcome", [DOWN, InDoubt("timeout")], ids=["unavailable", "in doubt"])
def test_a_probe_is_nobodys_attempt_and_never_the_last_one(outcome: Outcome) -> None:
    """Filings of a week-long outage must not die because they were the ones that tried the ground."""

    async def scenario(world: World) -> None:
        submission = world.submission("file_ordered", Paper(code="H32-1"))
        call = world.hub._call(submission, world.agency.operations["file_ordered"], 7 * 86_400.0, interactive=False)
        turn = Turn(replace(call, attempts=DURABLE_ATTEMPTS - 1), submission.request, b"{}", 99.0)
        decide = world.lane.endings._decide
        said = decide(turn, Ended(outcome, 1, 12, 0.1, probe=True)).verdict
        assert (said.state, said.attempt) == (State.QUEUED, False)
        said = decide(turn, Ended(outcome, 1, 12, 0.1)).verdict
        assert (said.state, said.attempt) == (State.DEAD if outcome is DOWN else State.IN_DOUBT, True)

    play(scenario, start=False)


def test_without_a_harmless_look_up_a_filing_that_is_not_repeat_safe_tries_the_ground_one_at_a_time() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.05, InDoubt("reset"))
        tickets = [await world.file("file_blindly", code=str(number)) for number in range(20)]
        await asyncio.sleep(600)
        states = [(await world.state(ticket))[0] for ticket in tickets]
        risked = states.count(State.IN_DOUBT)
        assert states.count(State.QUEUED) == 20 - risked
        assert risked <= 4 + 5 + 8, "those on the wire when it opened, and one for each time it was over"
        assert len(world.agency.arrivals) == risked

    play(scenario)


def test_a_busy_agency_ends_the_try_without_a_verdict_and_it_is_made_again() -> None:
    async def scenario(world: World) -> None:
        await outage(world)
        world.agency.otherwise = lambda name: (0.05, Busy(20.0) if name == "list_codes" else OK)
        await asyncio.sleep(60)
        world.agency.otherwise = lambda _: (0.05, OK)
        await asyncio.sleep(120)
        assert len(times(world, "list_codes")) <= 6
        assert world.coordination.stopped("agency", "file_ordered") is None
        assert (await world.file("file_ordered", code="later", wait=30.0)).state is State.ANSWERED

    play(scenario, harmless=True)
