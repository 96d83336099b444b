"""A hub that dies at any moment loses nothing, sends nothing twice that may not be, and keeps within the contract."""

import asyncio

import pytest

from connectors.kit.outcomes import InDoubt
from hub.call import Class, State
from hub.coordination.protocol import HoldCause
from hub.errors import OperationUnknown
from hub.store.protocol import Sought
from tests.unit.engine.stage import CALLER, OK, Log, World, play


async def die(world: World) -> World:
    """Drop the hub where it stands, as a killed process does, and start its next life."""
    mine = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for lane in world.lanes.values():
        lane._granting._stopped = True
        for timer in (
            lane._sweeper,
            lane._granting._alarm,
            lane.backlog._due,
            lane.backlog._renewal,
            lane.asking_after._timer,
        ):
            if timer is not None:
                timer.cancel()
    world.store.cut = True
    for task in mine:
        task.cancel()
    await asyncio.gather(*mine, return_exceptions=True)
    world.store.cut = False
    life = world.again()
    await life.hub.start()
    return life


@pytest.mark.parametrize(
    ("operation", "state"),
    [("file_blindly", State.IN_DOUBT), ("file_ordered", State.QUEUED), ("file_paper", State.IN_DOUBT)],
)
def test_what_was_on_the_wire_is_in_doubt_unless_a_repeat_is_safe(operation: str, state: State) -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (8.0, OK)
        ticket = await world.file(operation)
        await asyncio.sleep(1)
        life = await die(world)
        assert (await world.state(ticket))[0] is state
        await asyncio.sleep(60)
        assert world.agency.sent(operation) == [operation] * (2 if state is State.QUEUED else 1)
        await life.hub.stop(0)

    play(scenario)


def test_what_waited_is_sent_by_the_next_life() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (2.0, OK)
        tickets = [await world.file("file_ordered", code=str(number)) for number in range(12)]
        await asyncio.sleep(3)
        life = await die(world)
        await asyncio.sleep(120)
        assert [(await world.state(ticket))[0] for ticket in tickets] == [State.ANSWERED] * 12
        await life.hub.stop(0)

    play(scenario, calls_at_once=2)


def test_slots_that_a_dead_life_left_occupied_stay_occupied() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (9.0, OK)
        for number in range(3):
            await world.file("file_ordered", code=str(number))
        await asyncio.sleep(1)
        assert len(world.agency.arrivals) == 3
        died = world.clock.monotonic()
        life = await die(world)
        await asyncio.sleep(60)
        later = [one.at for one in world.agency.arrivals[3:]]
        assert len(later) == 3
        assert min(later) >= died - 1 + 15
        await life.hub.stop(0)

    play(scenario, calls_at_once=3)


def test_the_days_count_survives() -> None:
    async def scenario(world: World) -> None:
        for _ in range(7):
            await world.ask()
        life = await die(world)
        assert life.coordination.watch("agency")["day_quota_remaining"] == 93
        world.agency.unwritable.add("file_paper")
        await life.file(wait=2.0)
        assert life.coordination.watch("agency")["day_quota_remaining"] == 93
        await life.hub.stop(0)

    play(scenario, calls_per_day=100)


def test_the_rate_survives() -> None:
    """A process that crashes in a loop sends no more than one that lives."""

    async def scenario(world: World) -> None:
        life = world
        for pause in [0.3, 1.3] * 10:
            await life.file("file_ordered", code="x")
            await asyncio.sleep(pause)
            life = await die(life)
        moments = [one.at for one in world.agency.arrivals]
        for moment in moments:
            assert sum(moment <= other < moment + 5 for other in moments) <= 5
        assert len(moments) >= 3
        await life.hub.stop(0)

    play(scenario, calls_per_second=1.0)


def test_a_graceful_stop_gives_back_what_was_not_sent() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (4.0, OK)
        tickets = [await world.file() for _ in range(5)]
        await asyncio.sleep(1)
        await world.hub.stop(30)
        states = [(await world.state(ticket))[0] for ticket in tickets]
        assert states == [State.ANSWERED, *[State.QUEUED] * 4]
        leased = await world.store.lease("agency", "another_node", {Class.NORMAL: 10}, 60.0)
        assert len(leased) == 4, "no lease stands in the way of another node"

    play(scenario, calls_at_once=1)


def test_what_is_cut_by_an_impatient_stop_is_found_as_after_a_crash() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (9.0, OK)
        ticket = await world.file("file_blindly")
        await asyncio.sleep(1)
        await world.hub.stop(2)
        assert (await world.state(ticket))[0] is State.SENDING
        life = world.again()
        await life.hub.start()
        assert (await world.state(ticket))[0] is State.IN_DOUBT
        await life.hub.stop(0)

    play(scenario)


def test_another_node_takes_over_what_a_dead_one_left() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (9.0, OK)
        tickets = [await world.file("file_ordered", code=str(number)) for number in range(3)]
        await asyncio.sleep(1)
        world.node = "other"
        life = await die(world)
        assert life.node == "other"
        await asyncio.sleep(400)
        assert [(await world.state(ticket))[0] for ticket in tickets] == [State.ANSWERED] * 3
        await life.hub.stop(0)

    play(scenario, calls_at_once=1)


def test_calls_of_an_agency_that_was_taken_out_wait_for_it_and_disturb_nobody() -> None:
    async def scenario(world: World) -> None:
        await world.coordination.hold("b", HoldCause.OPERATOR, None)
        waiting = [await world.file("file_ordered", agency="b", code=str(number)) for number in range(20)]
        await world.hub.stop(0.0)
        without = World(world.clock, world.store, {"a": world.agencies["a"]}, Log(), life=2)
        await without.hub.start()
        assert (await without.file("file_paper", agency="a", wait=5.0, idempotency_key="x")).state is State.ANSWERED
        assert (await without.hub.wait_for(waiting[0].call, CALLER, 1.0)).state is State.QUEUED
        await without.hub.cancel(waiting[1].call, CALLER)
        with pytest.raises(OperationUnknown):
            await without.file("file_paper", agency="b", idempotency_key="y")
        await asyncio.sleep(600)
        assert [(await without.state(ticket))[0] for ticket in waiting].count(State.QUEUED) == 19
        assert set(without.coordination.watch("a")) >= {"concurrency_in_use"}
        await without.hub.stop(1.0)
        back = World(world.clock, world.store, world.agencies, Log(), life=3)
        await back.hub.start()
        await asyncio.sleep(60)
        assert [(await back.state(ticket))[0] for ticket in waiting].count(State.ANSWERED) == 19
        await back.hub.stop(1.0)

    play(scenario, names=("a", "b"))


@pytest.mark.parametrize("step", range(40))
@pytest.mark.parametrize("kind", ["look_up", "filing"])
def test_a_caller_cancelled_at_any_step_leaves_no_permit_turn_or_call_behind(kind: str, step: int) -> None:
    """Every await of a call is a step of the loop: cancel at each of them."""

    async def scenario(world: World) -> None:
        await asyncio.sleep(1)  # a hub that has just started keeps its distance to the one before it
        world.agency.will["lookup_citizen"].extend([(0.0, InDoubt("reset")), (0.0, OK)])
        asked = asyncio.create_task(world.ask() if kind == "look_up" else world.file("upsert_paper", wait=5.0))
        for _ in range(step):
            await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await asyncio.sleep(60)
        numbers = world.coordination.watch("agency")
        assert world.coordination.out() == 0
        assert numbers["concurrency_in_use"] == 0
        assert len(world.lane._line) == 0
        assert world.lane._turns == {}
        for record in await world.store.find(Sought()):
            assert record.call.state in (State.ANSWERED, State.EXPIRED, State.CANCELLED)
        assert (await world.ask()).state is State.ANSWERED

    play(scenario, calls_at_once=1)


@pytest.mark.parametrize("step", range(0, 60, 2))
def test_a_hub_cut_at_any_step_gives_every_permit_back_and_the_next_life_finishes(step: int) -> None:
    async def scenario(world: World) -> None:
        await asyncio.sleep(1)
        asked = asyncio.create_task(world.ask())
        ticket = await world.file("upsert_paper")
        for _ in range(step):
            await asyncio.sleep(0)
        await world.hub.stop(0)
        await asyncio.gather(asked, return_exceptions=True)
        assert asked.done()
        assert world.coordination.out() == 0
        life = world.again()
        await life.hub.start()
        reply = await life.hub.wait_for(ticket.call, CALLER, 120)
        assert reply.state is State.ANSWERED
        for record in await world.store.find(Sought()):
            assert record.call.state in (State.ANSWERED, State.EXPIRED)
        await life.hub.stop(0)

    play(scenario, calls_at_once=1)
