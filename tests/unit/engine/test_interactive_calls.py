"""A caller who waits hears back in bounded time, and what left is on record before it left."""

import asyncio

import pytest

from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Reason, Result, Unavailable
from hub.call import Class, Reply, State
from hub.errors import (
    AgencyBroken,
    AgencyUnavailable,
    CallExpired,
    HubError,
    HubStopping,
    LaneFull,
    LaneHeld,
    LaneWaitTooLong,
    OperationUnknown,
    RequestInvalid,
    StoreUnavailable,
)
from hub.store.protocol import Sought
from hub.turn import Turn
from tests.unit.engine.stage import OK, Query, World, play


def test_an_answer_comes_back_and_the_call_is_settled() -> None:
    async def scenario(world: World) -> None:
        reason = Reason("00", "found", "Có", "Found")
        world.agency.will["lookup_citizen"].append((0.2, Answered(Result.OK, Query(citizen_id="000999888777"), reason)))
        reply = await world.ask()
        assert reply.state is State.ANSWERED
        assert reply.answer == (
            b'{"result":"ok","value":{"citizen_id":"000999888777"},'
            b'"reason":{"agency_code":"00","code":"found","vi":"C\xc3\xb3","en":"Found"}}'
        )
        assert reply.answered_at == world.clock.now()
        assert (await world.state(reply))[0] is State.ANSWERED
        assert world.log.ended[reply.call][0] == "answered"
        assert world.log.exchanges == [("lookup_citizen", "answered", "agency", "found")]

    play(scenario)


def test_a_call_is_recorded_as_sending_before_its_first_byte() -> None:
    async def scenario(world: World) -> None:
        seen: list[State] = []
        send = world.agency.send

        async def spy(*args, **kwargs):  # type: ignore[no-untyped-def]
            (record,) = await world.store.find(Sought())
            seen.append(record.call.state)
            return await send(*args, **kwargs)

        world.agency.send = spy  # type: ignore[method-assign]
        await world.ask()
        assert seen == [State.SENDING]

    play(scenario)


def test_sources_are_constant_per_call_and_new_per_exchange() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_citizen"].append((0.1, Unavailable("connect")))
        reply = await world.ask()
        first, second = world.agency.arrivals
        for name in ("call.id", "call.reference", "call.accepted_at", "call.dossier", "officer.account", "unit.code"):
            assert first.sources[name] == second.sources[name]
        assert first.sources["call.id"] == reply.call
        assert first.sources["officer.account"] == "agency-o1"
        assert first.sources["exchange.id"] != second.sources["exchange.id"]
        assert str(first.sources["exchange.at"]).endswith("+07:00")

    play(scenario)


@pytest.mark.parametrize("usual", [None, 1.0])
def test_who_waits_for_a_hanging_agency_hears_at_its_deadline_and_the_exchange_is_cut(usual: float | None) -> None:
    async def scenario(world: World) -> None:
        if usual:
            world.agency.will["lookup_citizen"].extend([(usual, OK)] * 3)
            for _ in range(3):
                await world.ask()
        world.agency.will["lookup_citizen"].append((99, OK))
        began = world.clock.monotonic()
        with pytest.raises(CallExpired) as told:
            await world.ask(deadline=3.0)
        assert world.clock.monotonic() - began == pytest.approx(3, abs=0.3)
        assert told.value.call
        await asyncio.sleep(0.1 if usual else 5.0)  # three times the usual, or what is taken for it
        assert await world.state(told.value.call) == (State.EXPIRED, "timeout")
        assert world.coordination.watch("agency")["concurrency_in_use"] == 1
        await asyncio.sleep(12.1)
        assert world.coordination.watch("agency")["concurrency_in_use"] == 0

    play(scenario)


def test_an_answer_that_comes_when_its_caller_has_gone_leaves_no_ghost() -> None:
    """Callers with a second each would else take every slot of an agency that answers after two."""

    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (2.0, OK)
        calls = []
        for _ in range(20):
            with pytest.raises(CallExpired) as told:
                await world.ask(deadline=1.0)
            calls.append(told.value.call or "")
        await asyncio.sleep(2.0)
        assert world.coordination.watch("agency")["concurrency_in_use"] == 0
        assert {await world.state(call) for call in calls} == {(State.ANSWERED, "")}, "as the agency did"
        assert {world.log.ended[call] for call in calls} == {("expired", "answered_late")}, "and as its caller heard"
        assert (await world.ask(wait=9.0)).state is State.ANSWERED

    play(scenario)


def test_a_deadline_counts_the_time_in_the_line() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (4.0, OK)
        asked = [asyncio.create_task(world.ask(wait=5.0)) for _ in range(3)]
        ends = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(end).__name__ for end in ends] == ["Reply", "CallExpired", "CallExpired"]
        assert len(world.agency.arrivals) == 2, "the third's time ran out in the line"

    play(scenario, calls_at_once=1)


@pytest.mark.parametrize("failure", [Unavailable("connect"), InDoubt("reset")])
def test_a_failed_look_up_is_tried_up_to_three_times(failure: Unavailable | InDoubt) -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_citizen"].extend([(0.1, failure), (0.1, failure)])
        for _ in range(6):  # enough good answers that the operation is not spared
            assert (await world.ask()).state is State.ANSWERED
        world.agency.will["lookup_citizen"].extend([(0.1, failure)] * 3)
        with pytest.raises(HubError) as told:
            await world.ask()
        assert isinstance(told.value, AgencyUnavailable if isinstance(failure, Unavailable) else CallExpired)
        assert len(world.agency.arrivals) == 11
        assert told.value.call
        assert (await world.state(told.value.call))[0] is State.EXPIRED
        assert (await world.call(told.value.call)).attempts == 3

    play(scenario)


def test_a_look_up_that_is_not_repeat_safe_is_never_repeated_after_doubt() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["count_once"].append((0.1, InDoubt("reset")))
        with pytest.raises(CallExpired):
            await world.ask("count_once")
        assert len(world.agency.arrivals) == 1

    play(scenario)


def test_an_unreadable_reply_is_told_as_such_and_not_repeated() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_citizen"].append((0.1, Broken("mapping")))
        with pytest.raises(AgencyBroken) as told:
            await world.ask()
        assert told.value.call
        assert await world.state(told.value.call) == (State.DEAD, "contract:mapping")
        assert len(world.agency.arrivals) == 1

    play(scenario)


def test_a_request_that_cannot_be_written_names_its_places_and_costs_nothing() -> None:
    async def scenario(world: World) -> None:
        world.agency.unwritable.add("lookup_citizen")
        for _ in range(7):
            with pytest.raises(RequestInvalid) as told:
                await world.ask()
        assert [fault.pointer for fault in told.value.faults] == ["MaCanBo"]
        world.agency.unwritable.clear()
        assert (await world.ask()).state is State.ANSWERED, "no hold, no rate, no slot was used up"
        assert len(world.agency.arrivals) == 1

    play(scenario)


def test_busy_holds_the_lane_and_the_call_goes_first_when_it_ends() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_citizen"].append((0.1, Busy(5)))
        began = world.clock.monotonic()
        assert (await world.ask()).state is State.ANSWERED
        assert 5.1 <= world.clock.monotonic() - began <= 6
        first, second = world.agency.arrivals
        assert second.at - first.at >= 5.1
        assert world.log.holds == [("agency", "busy")]

    play(scenario)


def test_a_hold_longer_than_the_caller_can_wait_is_said_at_once() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_citizen"].append((0.1, Busy(200)))
        began = world.clock.monotonic()
        with pytest.raises(LaneHeld) as told:
            await world.ask()
        assert world.clock.monotonic() - began < 0.2
        assert told.value.retry_after is not None
        assert 200 <= told.value.retry_after <= 220
        with pytest.raises(LaneHeld):
            world.hub.admit("agency", "lookup_citizen", Class.COUNTER, ("one_stop", "u1"), interactive=True, seconds=30)
        world.hub.admit("agency", "file_paper", Class.COUNTER, ("one_stop", "u1"), interactive=False, seconds=1e6)

    play(scenario)


def test_callers_in_the_line_hear_at_once_of_a_hold_that_outlasts_them() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_citizen"].append((1.0, Busy(100)))
        asked = [asyncio.create_task(world.ask(wait=20.0)) for _ in range(4)]
        began = world.clock.monotonic()
        ends = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(end) for end in ends] == [LaneHeld] * 4
        assert world.clock.monotonic() - began < 1.1
        assert len(world.agency.arrivals) == 1

    play(scenario, calls_at_once=1)


def test_a_full_line_refuses_with_the_seconds_it_needs() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (1.0, OK)
        asked, waits = [], []
        for _ in range(60):
            try:
                world.hub.admit(
                    "agency", "lookup_citizen", Class.NORMAL, ("one_stop", "u1"), interactive=True, seconds=30
                )
                asked.append(asyncio.create_task(world.ask()))
                await asyncio.sleep(0.001)
            except LaneFull as full:
                waits.append(full.retry_after or 0.0)
        assert min(waits) >= 1
        assert len(asked) == 12, "two on the wire, ten in the line"
        assert world.log.admissions["refused", "lane.full"] == 48
        assert {reply.state for reply in await asyncio.gather(*asked)} == {State.ANSWERED}

    play(scenario, calls_at_once=2, queue_calls=10, call_timeout=2.0)


def test_a_wait_longer_than_the_call_can_bear_is_refused_at_the_door() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (2.0, OK)
        asked = [asyncio.create_task(world.ask()) for _ in range(9)]
        await asyncio.sleep(0.01)
        with pytest.raises(LaneWaitTooLong) as told:
            world.hub.admit("agency", "lookup_citizen", Class.NORMAL, ("one_stop", "u1"), interactive=True, seconds=5)
        assert told.value.retry_after is not None
        assert told.value.retry_after > 5
        world.hub.admit(
            "agency", "lookup_citizen", Class.COUNTER, ("one_stop", "u1"), interactive=True, seconds=5
        )  # another row, and first
        await asyncio.gather(*asked)

    play(scenario, calls_at_once=1)


def test_refusing_asks_no_store() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_citizen"].append((0.1, Busy(500)))
        with pytest.raises(LaneHeld):
            await world.ask()
        before = world.store.asked.total()
        for _ in range(100):
            with pytest.raises(LaneHeld):
                world.hub.admit(
                    "agency", "lookup_citizen", Class.NORMAL, ("one_stop", "u1"), interactive=True, seconds=30
                )
        assert world.store.asked.total() == before

    play(scenario)


def test_an_unknown_agency_or_operation_and_the_log_in_are_refused() -> None:
    async def scenario(world: World) -> None:
        for agency, operation in (("nobody", "lookup_citizen"), ("agency", "lookup_nobody"), ("agency", "log_in")):
            with pytest.raises(OperationUnknown):
                world.hub.admit(agency, operation, Class.NORMAL, ("one_stop", "u1"), interactive=True, seconds=30)

    play(scenario, log_in=True)


def test_a_caller_who_leaves_the_line_leaves_nothing_behind() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (1.0, OK)
        first, second = (asyncio.create_task(world.ask()) for _ in range(2))
        await asyncio.sleep(0.5)
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        await asyncio.sleep(5)
        assert len(world.agency.arrivals) == 1
        assert sorted(state for state, _ in world.log.ended.values()) == ["answered", "cancelled"]
        assert len(await world.store.find(Sought())) == 1

    play(scenario, calls_at_once=1)


def test_an_exchange_whose_caller_left_is_finished_and_recorded() -> None:
    async def scenario(world: World) -> None:
        asked = asyncio.create_task(world.ask())
        world.agency.will["lookup_citizen"].append((1.0, OK))
        await asyncio.sleep(0.5)
        asked.cancel()
        await asyncio.sleep(1)
        (record,) = await world.store.find(Sought())
        assert record.call.state is State.ANSWERED

    play(scenario)


def test_who_leaves_when_the_answer_is_there_has_been_answered() -> None:
    async def scenario(world: World) -> None:
        answer = world.lane.answer

        def left_before_it_hears(turn: Turn, reply: Reply) -> None:
            answer(turn, reply)
            asked.cancel()

        world.lane.answer = left_before_it_hears  # type: ignore[method-assign]
        asked = asyncio.create_task(world.ask())
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert [state for state, _ in world.log.ended.values()] == ["answered"], "once"

    play(scenario)


def test_a_caller_who_leaves_between_two_attempts_is_not_tried_for_again() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_citizen"].append((0.1, Unavailable("connect")))
        asked = asyncio.create_task(world.ask())
        await asyncio.sleep(0.12)
        asked.cancel()
        await asyncio.sleep(5)
        assert len(world.agency.arrivals) == 1
        (record,) = await world.store.find(Sought())
        assert record.call.state in (State.CANCELLED, State.EXPIRED)

    play(scenario)


def test_a_store_that_cannot_record_sends_nothing() -> None:
    async def scenario(world: World) -> None:
        async def down() -> None:
            raise StoreUnavailable

        world.store.before["open"] = down
        with pytest.raises(StoreUnavailable):
            await world.ask()
        assert world.agency.arrivals == []
        del world.store.before["open"]
        assert (await world.ask()).state is State.ANSWERED

    play(scenario)


def test_an_answer_that_cannot_be_recorded_reaches_its_caller_all_the_same() -> None:
    async def scenario(world: World) -> None:
        async def down() -> None:
            raise StoreUnavailable

        world.store.before["settle"] = down
        reply = await world.ask()
        assert reply.state is State.ANSWERED
        assert (await world.state(reply))[0] is State.SENDING
        del world.store.before["settle"]
        await asyncio.sleep(11)
        assert (await world.state(reply))[0] is State.ANSWERED

    play(scenario)


def test_a_lane_whose_ends_cannot_be_written_grants_nothing_more() -> None:
    async def scenario(world: World) -> None:
        async def down() -> None:
            raise StoreUnavailable

        world.store.before["settle"] = down
        ends = await asyncio.gather(*(world.ask(wait=2.0) for _ in range(40)), return_exceptions=True)
        # Those on the wire when it became known still end: never more than twice what may be there at once.
        assert 3 <= len(world.agency.arrivals) <= 6
        assert sum(isinstance(end, CallExpired) for end in ends) == 40 - len(world.agency.arrivals)
        del world.store.before["settle"]
        await asyncio.sleep(11)
        assert (await world.ask()).state is State.ANSWERED

    play(scenario, calls_at_once=3)


def test_a_stopping_hub_refuses_and_lets_what_is_under_way_end() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (3.0, OK)
        asked = asyncio.create_task(world.ask())
        await asyncio.sleep(1)
        stopping = asyncio.create_task(world.hub.stop(30))
        await asyncio.sleep(0)
        with pytest.raises(HubStopping):
            world.hub.admit("agency", "lookup_citizen", Class.NORMAL, ("one_stop", "u1"), interactive=True, seconds=30)
        with pytest.raises(HubStopping):
            await world.ask()
        await stopping
        assert (await asked).state is State.ANSWERED
        assert world.agency.closed

    play(scenario)


def test_a_hub_that_must_stop_tells_those_who_still_wait() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (9.0, OK)
        asked = [asyncio.create_task(world.ask()) for _ in range(3)]
        await asyncio.sleep(1)
        await world.hub.stop(2)
        ends = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(end) for end in ends] == [HubStopping] * 3

    play(scenario, calls_at_once=2)


def test_a_caller_whose_time_ran_out_while_the_store_was_silent_is_not_tried_for_again() -> None:
    async def scenario(world: World) -> None:
        async def down() -> None:
            raise StoreUnavailable

        world.store.before["settle"] = down
        world.agency.will["lookup_citizen"].append((0.1, Unavailable("connect")))
        began = world.clock.monotonic()
        with pytest.raises(CallExpired):
            await world.ask(wait=3.0)
        assert world.clock.monotonic() - began == pytest.approx(3.25, abs=0.1)
        del world.store.before["settle"]
        await asyncio.sleep(20)
        assert len(world.agency.arrivals) == 1
        (record,) = await world.store.find(Sought())
        assert record.call.state is State.EXPIRED

    play(scenario)


def test_a_burst_that_the_agency_works_off_in_time_is_answered_to_the_last_call() -> None:
    """Sixty at once, ten a second, ten seconds of patience: nobody waits in vain, so nobody is told so."""

    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.4, OK)
        for _ in range(20):
            await world.ask()

        async def one() -> State:
            world.hub.admit(
                "agency", "lookup_citizen", Class.NORMAL, ("one_stop", "u1"), interactive=True, seconds=10.0
            )
            return (await world.ask(wait=10.0)).state

        assert await asyncio.gather(*(one() for _ in range(60))) == [State.ANSWERED] * 60

    play(scenario, calls_at_once=4, queue_calls=100)
