"""An operator's word counts at once, outlives the process, and never lets more through than the contract."""

import asyncio
from random import Random
from typing import Any

import pytest

from connectors.kit.outcomes import Busy, Unavailable
from hub.call import Class, State
from hub.clock import VirtualClock
from hub.coordination.in_process import InProcess
from hub.coordination.protocol import HoldCause, Permit, Wait, Wanted
from hub.errors import HubError, LaneHeld, OperationUnknown, RequestInvalid, StoreUnavailable
from hub.guards.bounds import Bounds
from hub.orders import Orders
from hub.route_tables import RouteContract
from hub.store.orders import EVERYTHING, OrderKind
from hub.store.sqlite import SqliteStore
from monitoring.events import Silent
from tests.unit.engine.stage import OK, World, play

BY, WHY = "operator", "công an đề nghị dừng"
LIMITS, RETRIES = OrderKind.LIMITS, OrderKind.RETRIES


def ordering(world: World) -> Orders:
    """Return who hears the operators of *world*."""
    contracts = {name: agency.contract for name, agency in world.agencies.items()}
    return Orders(world.store._store.orders, world.coordination, world.clock, world.log, contracts)


def sent(world: World) -> int:
    return len(world.agency.arrivals)


def test_a_held_lane_sends_nothing_and_goes_on_when_it_is_resumed() -> None:
    async def scenario(world: World) -> None:
        orders = ordering(world)
        await orders.hold("agency", None, BY, WHY)
        tickets = [await world.file("file_ordered", code=str(number)) for number in range(5)]
        with pytest.raises(LaneHeld):
            world.hub.admit("agency", "lookup_citizen", Class.COUNTER, ("one_stop", "u1"), interactive=True, seconds=30)
        await asyncio.sleep(3 * 86_400)
        assert sent(world) == 0
        assert await orders.resume("agency", BY, "")
        await asyncio.sleep(10)
        assert [(await world.state(ticket))[0] for ticket in tickets] == [State.ANSWERED] * 5
        assert await orders.resume("agency", BY, "") is False

    play(scenario)


def test_a_hold_outlives_the_process_and_its_end_too() -> None:
    async def scenario(world: World) -> None:
        await ordering(world).hold("agency", None, BY, WHY)
        again = world.again()
        orders = ordering(again)
        await orders.load()
        await again.hub.start()
        ticket = await again.file("file_ordered")
        await asyncio.sleep(1000)
        assert sent(again) == 0
        assert [(order.given_by, order.reason) for order in orders.in_force()] == [(BY, WHY)]
        await orders.resume("agency", BY, "")
        await asyncio.sleep(10)
        assert (await again.state(ticket))[0] is State.ANSWERED
        await again.hub.stop(60)
        third = ordering(world.again())
        await third.load()
        assert third.in_force() == []

    play(scenario, start=False)


def test_a_timed_hold_goes_on_after_a_restart_for_what_is_left_of_it() -> None:
    async def scenario(world: World) -> None:
        await ordering(world).hold("agency", 100.0, BY, WHY)
        world.clock.advance(60)
        soon = world.again()
        await ordering(soon).load()
        assert soon.coordination.stopped("agency", "").seconds == pytest.approx(40)  # type: ignore[union-attr]
        world.clock.advance(41)
        late = world.again()
        orders = ordering(late)
        await orders.load()
        assert late.coordination.stopped("agency", "") is None
        assert orders.in_force() == []

    play(scenario, start=False)


def test_a_timed_hold_is_no_order_any_more_when_its_time_is_over() -> None:
    async def scenario(world: World) -> None:
        orders = ordering(world)
        await orders.hold("agency", 60.0, BY, WHY)
        await asyncio.sleep(61)
        assert orders.in_force() == []
        assert await orders.resume("agency", BY, "") is False

    play(scenario)


@pytest.mark.parametrize("first", [None, 3600.0])
def test_a_shorter_hold_takes_the_place_of_a_longer_one(first: float | None) -> None:
    async def scenario(world: World) -> None:
        orders = ordering(world)
        await orders.hold("agency", first, BY, WHY)
        await orders.hold("agency", 60.0, BY, WHY)
        ticket = await world.file("file_ordered")
        await asyncio.sleep(59)
        assert sent(world) == 0
        await asyncio.sleep(10)
        assert (await world.state(ticket))[0] is State.ANSWERED

    play(scenario)


def test_resuming_leaves_the_holds_that_are_not_the_operators_unless_all_are_meant() -> None:
    async def scenario(world: World) -> None:
        orders = ordering(world)
        world.agency.will["file_ordered"].append((0.0, Busy(600.0)))
        await world.file("file_ordered")
        await asyncio.sleep(1)
        await orders.hold("agency", None, BY, WHY)
        await world.file("file_ordered", code="another")
        await orders.resume("agency", BY, "")
        await asyncio.sleep(300)
        assert sent(world) == 1, "the agency itself asked for ten minutes"
        assert await orders.resume("agency", BY, "police called: all is well", everything=True)
        await asyncio.sleep(5)
        assert sent(world) == 3, "the one that was told to wait goes with the other"

    play(scenario)


@pytest.mark.parametrize("operation", ["", "lookup_citizen"])
def test_who_waits_when_a_lane_is_held_until_somebody_resumes_it_hears_so_at_once(operation: str) -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (5.0, OK)
        under_way = asyncio.create_task(world.ask("count_once"))
        waits = asyncio.create_task(world.ask(wait=100.0))
        await asyncio.sleep(1)
        began = world.clock.monotonic()
        if operation:
            await world.coordination.hold("agency", HoldCause.OPERATOR, None, operation)
        else:
            await ordering(world).hold("agency", None, BY, WHY)
        with pytest.raises(LaneHeld) as refused:
            await waits
        assert world.clock.monotonic() - began < 0.1
        assert refused.value.retry_after == 60.0
        assert (await under_way).state is State.ANSWERED

    play(scenario, calls_at_once=1)


def test_resuming_all_closes_breakers() -> None:
    async def scenario(world: World) -> None:
        orders = ordering(world)
        world.agency.otherwise = lambda _: (0.0, Unavailable("connect"))
        for number in range(10):
            await world.file("file_ordered", code=str(number))
        await asyncio.sleep(20)
        assert world.coordination.watch("agency")["breaker_state/file_ordered"] > 0
        await orders.resume("agency", BY, "", everything=True)
        assert "breaker_state/file_ordered" not in world.coordination.watch("agency")

    play(scenario)


async def busily(world: World, calls: int = 12) -> tuple[int, float]:
    """File so many papers that take a second each; return the most that were under way at once, and how long all took."""
    world.agency.otherwise = lambda _: (1.0, OK)
    world.agency.most_here, began = 0, world.clock.monotonic()
    replies = await asyncio.gather(*(world.file("file_ordered", code=str(one), wait=100.0) for one in range(calls)))
    assert {reply.state for reply in replies} == {State.ANSWERED}
    return world.agency.most_here, world.clock.monotonic() - began


def test_a_lowered_lane_keeps_to_it_until_it_is_lifted() -> None:
    async def scenario(world: World) -> None:
        orders = ordering(world)
        await orders.lower("agency", 2, None, BY, WHY)
        assert (await busily(world))[0] == 2
        await orders.lower("agency", None, 0.5, BY, "")
        order = orders.of("agency", LIMITS)
        assert order is not None
        assert (order.calls_at_once, order.calls_per_second) == (2, 0.5), "what is not named stays"
        at_once, seconds = await busily(world)
        assert at_once <= 2
        assert seconds >= 11 / 0.5
        assert await orders.lift("agency", BY, "")
        assert (await busily(world))[0] == 4
        assert await orders.lift("agency", BY, "") is False

    play(scenario)


def test_a_lane_that_was_lowered_is_lowered_after_a_restart() -> None:
    async def scenario(world: World) -> None:
        await ordering(world).lower("agency", 1, None, BY, WHY)
        again = world.again()
        await ordering(again).load()
        await again.hub.start()
        assert (await busily(again))[0] == 1
        await again.hub.stop(60)

    play(scenario, start=False)


def test_nobody_raises_a_lane_above_its_contract() -> None:
    async def scenario(world: World) -> None:
        orders = ordering(world)
        with pytest.raises(RequestInvalid) as told:
            await orders.lower("agency", 4, 1000.0, BY, "")
        assert [(fault.pointer, fault.rule) for fault in told.value.faults] == [
            ("/calls_at_once", "must be below the contract, which allows 4"),
            ("/calls_per_second", "must be below the contract, which allows 1000"),
        ]
        with pytest.raises(RequestInvalid):
            await orders.lower("agency", None, None, BY, "")
        assert orders.in_force() == []
        assert (await busily(world))[0] == 4

    play(scenario)


def test_while_retries_are_stopped_nothing_is_repeated_and_first_tries_go() -> None:
    async def scenario(world: World) -> None:
        orders = ordering(world)
        world.agency.will["file_ordered"].append((0.0, Unavailable("connect")))
        repeating = await world.file("file_ordered")
        await orders.stop_retries(BY, "bão")
        await asyncio.sleep(3600)
        assert sent(world) == 1
        world.agency.will["lookup_citizen"].append((0.0, Unavailable("connect")))
        began = world.clock.monotonic()
        with pytest.raises(HubError):
            await world.ask()
        assert world.clock.monotonic() - began < 1, "who waits is told at once"
        first = await world.file("file_paper")
        await asyncio.sleep(10)
        assert (await world.state(first))[0] is State.ANSWERED
        assert await orders.allow_retries(BY, "")
        await asyncio.sleep(600)
        assert (await world.state(repeating))[0] is State.ANSWERED
        assert await orders.allow_retries(BY, "") is False

    play(scenario)


def test_retries_stay_stopped_after_a_restart() -> None:
    async def scenario(world: World) -> None:
        await ordering(world).stop_retries(BY, "bão")
        again = world.again()
        orders = ordering(again)
        await orders.load()
        again.agency.will["file_ordered"].append((0.0, Unavailable("connect")))
        await again.hub.start()
        await again.file("file_ordered")
        await asyncio.sleep(3600)
        assert sent(again) == 1
        assert orders.of(EVERYTHING, RETRIES) is not None
        await again.hub.stop(60)

    play(scenario, start=False)


@pytest.mark.parametrize("name", ["nobody", "route/nowhere"])
def test_who_names_no_lane_hears_which_there_are(name: str) -> None:
    async def scenario(world: World) -> None:
        orders = ordering(world)
        for asked in (
            orders.hold(name, None, BY, WHY),
            orders.resume(name, BY, ""),
            orders.lower(name, 1, None, BY, ""),
            orders.lift(name, BY, ""),
        ):
            with pytest.raises(OperationUnknown) as told:
                await asked
            assert "this hub has none" in told.value.detail if "/" in name else "agency, other" in told.value.detail
            assert name not in told.value.detail

    play(scenario, names=("agency", "other"))


def test_an_order_about_an_agency_that_is_gone_counts_again_when_it_returns_and_can_be_taken_back() -> None:
    async def scenario(world: World) -> None:
        await ordering(world).hold("other", None, BY, WHY)
        without = world.again()
        kept = without.store._store.orders
        alone = Orders(
            kept, without.coordination, without.clock, without.log, {"agency": without.agencies["agency"].contract}
        )
        await alone.load()
        assert [order.scope for order in alone.in_force()] == ["other"]
        assert without.coordination.stopped("other", "") is None
        await ordering(world.again()).load()
        assert await alone.resume("other", BY, "")
        assert alone.in_force() == []

    play(scenario, names=("agency", "other"), start=False)


def test_the_observer_hears_of_holds_and_of_their_end() -> None:
    async def scenario(world: World) -> None:
        told: list[tuple[str, str, float | None]] = []
        world.log.hold = lambda *hold: told.append(hold)  # type: ignore[method-assign]
        orders = ordering(world)
        await orders.hold("agency", 60.0, BY, WHY)
        await orders.hold("agency", None, BY, WHY)
        await world.coordination.hold("agency", HoldCause.AUTH, 900)
        await orders.resume("agency", BY, "")
        await orders.resume("agency", BY, "", everything=True)
        assert told == [
            ("agency", "operator", 60.0),
            ("agency", "operator", None),
            ("agency", "operator", 0.0),
            ("agency", "auth", 0.0),
        ]

    play(scenario)


def test_what_the_store_did_not_take_does_not_count() -> None:
    async def scenario(world: World) -> None:
        orders = ordering(world)

        async def sick(*_: Any) -> None:
            raise StoreUnavailable

        for name in ("give", "take_back"):
            setattr(world.store._store.orders, name, sick)
        for asked in (
            orders.hold("agency", None, BY, WHY),
            orders.lower("agency", 1, None, BY, ""),
            orders.stop_retries(BY, "bão"),
        ):
            with pytest.raises(StoreUnavailable):
                await asked
        assert orders.in_force() == []
        assert (await busily(world))[0] == 4

    play(scenario)


async def test_a_route_is_ordered_about_like_a_lane_and_its_lanes_obey() -> None:
    clock = VirtualClock()
    lanes = {name: Bounds(1000, 4, 10) for name in ("a", "b")}
    group = InProcess(clock, Random(3), lanes, {"lgsp": Bounds(1000, 4, 10)}, dict.fromkeys(lanes, "lgsp"))
    store = SqliteStore.in_memory(clock, backlog_calls={})
    log = Routes()
    contract = RouteContract(calls_per_second=1000.0, calls_at_once=4)
    orders = Orders(store.orders, group, clock, log, {"route/lgsp": contract})
    clock.advance(1)
    await orders.hold("route/lgsp", None, BY, WHY)
    for lane in lanes:
        (wait,) = await group.claim(lane, [Wanted("x", Class.NORMAL)])
        assert isinstance(wait, Wait)
        assert wait.cause == "operator"
        assert "hold_seconds/operator" not in group.watch(lane), "a red route is one cause, not twenty"
    await orders.resume("route/lgsp", BY, "")
    await orders.lower("route/lgsp", 1, None, BY, "")
    granted = [(await group.claim(lane, [Wanted("x", Class.NORMAL)]))[0] for lane in ("a", "b")]
    assert [isinstance(one, Permit) for one in granted] == [True, False]
    assert log.told == [("lgsp", "operator", None), ("lgsp", "operator", 0.0)]
    await store.close()


class Routes(Silent):
    """Keeps what is told of routes."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, float | None]] = []

    def route_hold(self, route: str, cause: str, seconds: float | None) -> None:
        self.told.append((route, cause, seconds))
