"""What was accepted is sent, answered or shown to a person, whatever happens in between."""

import asyncio
from itertools import pairwise

import pytest

from connectors.kit.outcomes import Answered, Broken, Busy, Result, Unavailable
from hub.call import Class, State, made_at, uuid7
from hub.dispatcher import Dispatcher
from hub.errors import BacklogFull, CallGone, CallNotCancellable, CallUnknown, IdempotencyConflict, StoreUnavailable
from hub.store.deciding import Act
from hub.store.protocol import Sought
from tests.unit.engine.stage import CALLER, OK, Paper, World, play

EXISTS = Answered(Result.EXISTS)


def test_a_filing_is_on_disk_before_its_ticket_and_is_sent_without_anybody_waiting() -> None:
    async def scenario(world: World) -> None:
        ticket = await world.file()
        assert ticket.state is State.QUEUED
        assert await world.store.get(ticket.call, CALLER) is not None
        await asyncio.sleep(1)
        reply = await world.hub.wait_for(ticket.call, CALLER, 0)
        assert (reply.state, reply.answer) == (State.ANSWERED, b'{"result":"ok","value":null,"reason":null}')
        assert reply.answered_at is not None

    play(scenario)


def test_a_filing_with_wait_hears_the_answer_or_gets_its_ticket() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_paper"].extend([(1.0, OK), (8.0, OK)])
        assert (await world.file(wait=5.0)).state is State.ANSWERED
        began = world.clock.monotonic()
        reply = await world.file(wait=5.0)
        assert reply.state is State.SENDING
        assert world.clock.monotonic() - began == pytest.approx(5, abs=0.01)
        assert (await world.hub.wait_for(reply.call, CALLER, 30)).state is State.ANSWERED

    play(scenario)


def test_a_look_up_may_be_left_with_the_hub_too() -> None:
    async def scenario(world: World) -> None:
        ticket = await world.ask(wait=None)
        assert ticket.state is State.QUEUED
        assert (await world.hub.wait_for(ticket.call, CALLER, 10)).state is State.ANSWERED

    play(scenario)


def test_the_same_key_is_filed_once_and_hears_the_same_answer() -> None:
    async def scenario(world: World) -> None:
        first = await world.file(idempotency_key="k", wait=5.0)
        second = await world.file(idempotency_key="k", wait=5.0)
        assert (first.call, first.answer) == (second.call, second.answer)
        assert len(world.agency.arrivals) == 1
        with pytest.raises(IdempotencyConflict):
            await world.file(code="H32-2", idempotency_key="k")

    play(scenario)


def test_waiting_callers_of_one_call_all_hear_and_a_stranger_hears_nothing() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_paper"].append((3.0, OK))
        ticket = await world.file()
        waiting = [asyncio.create_task(world.hub.wait_for(ticket.call, CALLER, 30)) for _ in range(5)]
        with pytest.raises(CallUnknown):
            await world.hub.wait_for(ticket.call, "somebody_else", 30)
        assert {reply.state for reply in await asyncio.gather(*waiting)} == {State.ANSWERED}

    play(scenario)


def test_unavailable_is_tried_again_later_and_later_and_then_shown_to_a_person() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.1, Unavailable("connect"))
        ticket = await world.file()
        await asyncio.sleep(5 * 86_400)
        assert await world.state(ticket) == (State.DEAD, "connect")
        moments = [one.at for one in world.agency.arrivals]
        gaps = [after - before for before, after in pairwise(moments)]
        assert len(moments) == 12
        assert (await world.call(ticket)).attempts == 12
        assert gaps[0] < gaps[3] < gaps[10]

    play(scenario)


def test_an_agency_that_comes_back_gets_what_was_kept_for_it() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_paper"].extend([(0.1, Unavailable("connect"))] * 4)
        reply = await world.file(wait=None)
        assert (await world.hub.wait_for(reply.call, CALLER, 120)).state is State.QUEUED
        await asyncio.sleep(600)
        assert (await world.state(reply))[0] is State.ANSWERED

    play(scenario)


def test_busy_costs_no_attempt() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_paper"].extend([(0.1, Busy(3))] * 3)
        reply = await world.file()
        await asyncio.sleep(60)
        call = await world.call(reply)
        assert (call.state, call.attempts, call.exchange_no) == (State.ANSWERED, 0, 4)
        moments = [one.at for one in world.agency.arrivals]
        assert all(after - before >= 3 for before, after in pairwise(moments))

    play(scenario)


def test_a_durable_call_past_its_deadline_is_shown_to_a_person_and_never_sent() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.1, Busy(100))
        first = await world.file()
        late = await world.file(deadline=20.0)
        waiting = asyncio.create_task(world.hub.wait_for(late.call, CALLER, 120))
        await asyncio.sleep(200)
        assert await world.state(late) == (State.DEAD, "deadline")
        assert (await waiting).cause == "deadline"
        assert (await world.state(first))[0] is State.QUEUED

    play(scenario, calls_at_once=1)


def test_unreadable_answers_leave_a_filing_in_doubt_unless_it_was_refused_before_processing() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_blindly"].extend(
            [(0.1, Broken("mapping")), (0.1, Broken("http_400", refused_before_processing=True))]
        )
        doubtful = await world.file("file_blindly", wait=5.0)
        refused = await world.file("file_blindly", wait=5.0)
        assert (doubtful.state, doubtful.cause) == (State.IN_DOUBT, "contract:mapping")
        assert (refused.state, refused.cause) == (State.DEAD, "contract:http_400")

    play(scenario)


def test_a_filing_that_cannot_be_written_dies_unsent_and_costs_no_day_quota() -> None:
    async def scenario(world: World) -> None:
        world.agency.unwritable.add("file_paper")
        reply = await world.file(wait=5.0)
        assert (reply.state, reply.cause) == (State.DEAD, "request:mapping")
        assert world.agency.arrivals == []

    play(scenario)


def test_five_broken_replies_hold_the_operation_and_leave_the_rest_of_it_queued() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda name: (0.1, Broken("no row") if name == "file_blindly" else OK)
        tickets = [await world.file("file_blindly") for _ in range(9)]
        await asyncio.sleep(10)
        states = [(await world.state(ticket))[0] for ticket in tickets]
        assert states == [State.IN_DOUBT] * 5 + [State.QUEUED] * 4
        assert (await world.file("file_surely", wait=5.0)).state is State.ANSWERED, "other operations go on"
        assert ("agency", "contract") in world.log.holds
        world.agency.otherwise = lambda _: (0.1, OK)
        await asyncio.sleep(120)
        assert [(await world.state(ticket))[0] for ticket in tickets[5:]] == [State.ANSWERED] * 4

    play(scenario, calls_at_once=1)


def test_calls_of_a_held_operation_do_not_stand_in_the_way_of_others() -> None:
    """More of them than a node leases ahead."""

    async def scenario(world: World) -> None:
        for _ in range(5):
            world.agency.will["file_blindly"].append((0.01, Broken("no row")))
        for _ in range(40):
            await world.file("file_blindly")
        await asyncio.sleep(5)
        assert len(world.agency.arrivals) <= 6, "five, and one that was on the wire with the fifth"
        assert (await world.file("file_surely", wait=5.0)).state is State.ANSWERED

    play(scenario, calls_at_once=2)


def test_an_existing_record_is_updated_in_the_same_attempt() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["upsert_paper"].append((0.1, EXISTS))
        reply = await world.file("upsert_paper", wait=5.0)
        assert reply.state is State.ANSWERED
        assert world.agency.sent() == ["upsert_paper", "update_paper"]
        call = await world.call(reply)
        assert (call.attempts, call.exchange_no, call.step) == (0, 2, "update_paper")
        assert [one.request for one in world.agency.arrivals] == [Paper(code="H32-1")] * 2
        assert world.coordination.watch("agency")["retry_budget"] == 10, "a further step is no repeat"

    play(scenario)


def test_a_further_step_goes_before_those_who_wait() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["upsert_paper"].append((1.0, EXISTS))
        first = await world.file("upsert_paper")
        for _ in range(5):
            await world.file("file_paper")
        await world.hub.wait_for(first.call, CALLER, 30)
        assert world.agency.sent().index("update_paper") <= 2, "at most the one that took the slot while we wrote"

    play(scenario, calls_at_once=1)


def test_a_failed_further_step_is_repeated_by_itself() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["upsert_paper"].append((0.1, EXISTS))
        world.agency.will["update_paper"].append((0.1, Unavailable("connect")))
        await world.file("upsert_paper")
        await asyncio.sleep(5)
        assert world.agency.sent() == ["upsert_paper", "update_paper", "update_paper"]

    play(scenario)


def test_calls_of_one_key_go_one_at_a_time_in_order_of_acceptance() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.5, OK)
        world.agency.will["file_ordered"].append((0.5, Unavailable("connect")))
        tickets = [await world.file("file_ordered", code="A") for _ in range(3)]
        other = await world.file("file_ordered", code="B")
        await asyncio.sleep(30)
        arrived = [one.sources["call.id"] for one in world.agency.arrivals]
        mine = [call for call in arrived if call != other.call]
        assert mine == [tickets[0].call, tickets[0].call, tickets[1].call, tickets[2].call]
        assert arrived.index(other.call) <= 1, "another key waits for nobody"

    play(scenario)


def test_a_dead_call_holds_its_own_key_until_a_person_decides() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_ordered"].append((0.1, Broken("http_400", refused_before_processing=True)))
        first, second = [await world.file("file_ordered", code="A") for _ in range(2)]
        await asyncio.sleep(30)
        assert [(await world.state(one))[0] for one in (first, second)] == [State.DEAD, State.QUEUED]
        await world.decide(first, Act.REPLAY)
        await asyncio.sleep(1)
        assert [(await world.state(one))[0] for one in (first, second)] == [State.ANSWERED] * 2

    play(scenario)


def test_a_queued_call_can_be_taken_back_and_a_sending_one_cannot() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (5.0, OK)
        first, second = await world.file(), await world.file()
        await asyncio.sleep(1)
        with pytest.raises(CallNotCancellable):
            await world.hub.cancel(first.call, CALLER)
        with pytest.raises(CallUnknown):
            await world.hub.cancel(second.call, "somebody_else")
        waiting = asyncio.create_task(world.hub.wait_for(second.call, CALLER, 60))
        await asyncio.sleep(0)
        assert (await world.hub.cancel(second.call, CALLER)).state is State.CANCELLED
        assert (await waiting).state is State.CANCELLED
        await asyncio.sleep(20)
        assert len(world.agency.arrivals) == 1

    play(scenario, calls_at_once=1)


def test_a_full_backlog_is_refused_and_for_a_moment_without_asking_the_store() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.1, Busy(60))
        for _ in range(5):
            await world.file()
        with pytest.raises(BacklogFull):
            await world.file()
        asked = world.store.asked.total()
        with pytest.raises(BacklogFull):
            world.hub.admit("agency", "file_paper", Class.NORMAL, ("one_stop", "u1"), interactive=False, seconds=1e6)
        assert world.store.asked.total() == asked

    play(scenario, backlog_calls=5)


def test_no_more_than_twice_the_limit_is_leased_ahead() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (1.0, OK)
        for _ in range(50):
            await world.file()
        most = 0
        while len(world.agency.arrivals) < 50:
            most = max(most, world.lane._line.count(interactive=False))
            await asyncio.sleep(0.05)
        assert most <= 6
        await asyncio.sleep(2)
        assert {record.call.state for record in await world.store.find(Sought())} == {State.ANSWERED}
        assert world.agency.most_here == 3

    play(scenario, calls_at_once=3)


def test_leases_are_renewed_while_a_long_hold_lasts() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_paper"].append((0.1, Busy(600)))
        tickets = [await world.file() for _ in range(3)]
        await asyncio.sleep(500)
        assert world.store.asked["renew"] >= 10
        await asyncio.sleep(300)
        assert [(await world.state(ticket))[0] for ticket in tickets] == [State.ANSWERED] * 3
        assert len(world.agency.arrivals) == 4

    play(scenario, calls_at_once=1)


def test_an_idle_hub_leaves_its_store_in_peace() -> None:
    async def scenario(world: World) -> None:
        await asyncio.sleep(600)
        assert world.store.asked.total() / 600 < 2, "statements a second, 25 lanes"
        assert world.store.asked.total() > 0

    play(scenario, names=tuple(f"agency_{number}" for number in range(25)))


def test_a_filing_whose_end_cannot_be_written_is_said_to_be_in_doubt_until_it_is() -> None:
    async def scenario(world: World) -> None:
        async def down() -> None:
            raise StoreUnavailable

        world.store.before["settle"] = down
        reply = await world.file(wait=5.0)
        assert (reply.state, reply.cause) == (State.IN_DOUBT, "unwritten")
        assert (await world.hub.wait_for(reply.call, CALLER, 0)).state is State.IN_DOUBT
        del world.store.before["settle"]
        await asyncio.sleep(11)
        assert (await world.hub.wait_for(reply.call, CALLER, 0)).state is State.ANSWERED
        assert len(world.agency.arrivals) == 1

    play(scenario)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_of_sending_that_gave_no_clear_answer_is_never_sent_twice(when: str) -> None:
    async def scenario(world: World) -> None:
        failures = 1

        async def once() -> None:
            nonlocal failures
            failures -= 1
            if failures >= 0:
                raise StoreUnavailable

        getattr(world.store, when)["begin"] = once
        reply = await world.file()
        await asyncio.sleep(60)
        assert (await world.state(reply))[0] is State.ANSWERED
        assert len(world.agency.arrivals) == 1

    play(scenario)


def test_a_lease_that_is_lost_is_not_used() -> None:
    """Another node took the call while it waited in our line."""

    async def scenario(world: World) -> None:
        world.agency.will["lookup_citizen"].append((5.0, OK))
        looking = asyncio.create_task(world.ask())
        await asyncio.sleep(0.1)
        ticket = await world.file()
        await asyncio.sleep(0.1)
        await world.store.give_back("node", [ticket.call])
        (taken,) = await world.store.lease("agency", "other", {Class.NORMAL: 1}, 60.0)
        assert taken.call.id == ticket.call
        await looking
        await asyncio.sleep(5)
        assert world.agency.sent("file_paper") == []
        assert (await world.state(ticket))[0] is State.QUEUED

    play(scenario, calls_at_once=1)


def test_a_long_backlog_of_an_operation_that_is_stopped_costs_the_store_nothing_and_lets_the_others_by() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda name: (0.1, Unavailable("connect") if name == "file_blindly" else OK)
        stopped = [await world.file("file_blindly", code=str(number)) for number in range(200)]
        await asyncio.sleep(60)
        before = world.store.asked["lease"] + world.store.asked["give_back"]
        ticket = await world.file("file_surely")
        await asyncio.sleep(5)
        assert (await world.state(ticket))[0] is State.ANSWERED
        await asyncio.sleep(60)
        assert world.store.asked["lease"] + world.store.asked["give_back"] - before < 40
        world.agency.otherwise = lambda _: (0.1, OK)
        await asyncio.sleep(7200)
        assert [(await world.state(one))[0] for one in stopped] == [State.ANSWERED] * 200

    play(scenario)


def test_a_call_that_may_have_been_removed_is_gone_and_a_young_one_unknown() -> None:
    async def scenario(world: World) -> None:
        hub = Dispatcher(world.lanes, world.around, kept_seconds=30 * 86_400.0)
        now = world.clock.now()
        for age, problem in ((31, CallGone), (29, CallUnknown)):
            with pytest.raises(problem):
                await hub.wait_for(uuid7(now - age * 86_400, bytes), CALLER, 0.0)
        with pytest.raises(CallUnknown):
            await hub.wait_for("no id of ours", CALLER, 0.0)
        assert made_at(uuid7(now, bytes)) == pytest.approx(now, abs=0.001)

    play(scenario)
