"""What an agency counts at its own door, whatever callers do: never more than its contract, per second, at once, per day."""

import asyncio
import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kit.outcomes import Answered, Busy, InDoubt, Result, Unavailable
from hub.call import Class, State
from hub.errors import HubError
from hub.route_tables import RouteContract
from tests.unit.engine.roads import Roads
from tests.unit.engine.stage import OK, World, play

OUTCOMES = (OK, OK, OK, Answered(Result.NOT_FOUND), Unavailable("connect"), InDoubt("reset"), Busy(2.0), Busy(None))
ARRIVAL = st.tuples(
    st.sampled_from(["look up", "file", "restart"]) | st.sampled_from(["look up", "file"]),
    st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.3, 1.0, 4.0]),
    st.sampled_from([0.0, 0.02, 0.5, 3.0, 99.0]),
    st.sampled_from(OUTCOMES),
)


def over(moments: list[float], per_second: float) -> list[tuple[float, int]]:
    """Return each window, from any arrival to any later one and at least a second long, that holds too many."""
    found = []
    for first, began in enumerate(moments):
        for last in range(first, len(moments)):
            window = max(1.0, moments[last] - began)
            if last - first + 1 > per_second * window + 1:
                found.append((began, last - first + 1))
    return found


def test_the_count_at_the_door_sees_one_too_many() -> None:
    assert over([0.0, 0.2, 0.4, 5.0], 2.0) == []
    assert over([0.0, 0.2, 0.4, 0.6], 2.0) == [(0.0, 4)]


@pytest.mark.parametrize("kept", ["open", "begin"])
def test_what_a_slow_disk_kept_does_not_reach_the_agency_together(kept: str) -> None:
    """Permits go out one after the other; the records of ten of them are written at one moment."""

    async def scenario(world: World) -> None:
        disk = asyncio.Event()
        world.store.before[kept] = disk.wait
        asked = [asyncio.create_task(world.ask() if kept == "open" else world.file(code=str(n))) for n in range(30)]
        await asyncio.sleep(5)
        disk.set()
        await asyncio.sleep(10)
        await asyncio.gather(*asked)
        moments = [one.at for one in world.agency.arrivals]
        assert len(moments) == 30
        assert over(moments, 5.0) == []
        assert moments[9] - moments[0] == pytest.approx(9 / 4.5, abs=0.5), "and they are not kept for longer than that"

    play(scenario, calls_per_second=5.0, calls_at_once=10)


class Narrow(Roads):
    CONTRACT = RouteContract(calls_per_second=3.0, calls_at_once=20, calls_per_day=None)


@pytest.mark.parametrize("per_second", [1.0, 2.0, 20.0])
@pytest.mark.parametrize("waits", [(20.0,), (3.0, 20.0)])
def test_what_a_slow_disk_kept_is_not_too_much_for_a_gateway_or_an_agency_behind_it(
    per_second: float, waits: tuple[float, ...]
) -> None:
    """Each lane and their gateway keep their distances, also where some callers do not live to see their turn."""

    async def scenario(world: Roads) -> None:
        asked = []
        for stall in (0.5, 3.0, 6.0):
            disk = asyncio.Event()
            world.store.before["open"] = disk.wait
            for number in range(int(6 * stall)):
                wait = waits[number % len(waits)]
                asked.append(asyncio.create_task(world.ask(agency="ab"[number // 2 % 2], wait=wait)))
                await asyncio.sleep(1 / 6)
            disk.set()
            await asyncio.sleep(2.0)
        await asyncio.gather(*asked, return_exceptions=True)
        doors = [[one.at for one in agency.arrivals] for agency in world.agencies.values()]
        assert over(sorted(itertools.chain(*doors)), 3.0) == []
        assert [over(door, per_second) for door in doors] == [[], []]
        assert min(map(len, doors)) > 10, "and they leave all the same"

    play(scenario, names=("a", "b"), world=Narrow, calls_per_second=per_second, calls_at_once=10)


@given(
    plan=st.lists(ARRIVAL, min_size=5, max_size=40),
    per_second=st.sampled_from([0.5, 3.0, 20.0]),
    at_once=st.sampled_from([1, 3]),
)
@settings(max_examples=40, deadline=None)
def test_no_pattern_of_calls_faults_and_restarts_exceeds_the_contract(
    plan: list[Any], per_second: float, at_once: int
) -> None:
    async def scenario(world: World) -> None:
        life = world
        script = iter([(seconds, outcome) for _, _, seconds, outcome in plan])
        world.agency.otherwise = lambda _: next(script, (0.05, OK))
        asked: list[asyncio.Task[Any]] = []
        for number, (what, pause, _, _) in enumerate(plan):
            await asyncio.sleep(pause)
            if what == "restart":
                await life.hub.stop(0)
                life = life.again()
                await life.hub.start()
            elif what == "file":
                await life.file("upsert_paper", code=str(number))
            else:
                asked.append(asyncio.create_task(life.ask(wait=20.0)))
        await asyncio.gather(*asked, return_exceptions=True)
        await asyncio.sleep(60)
        await life.hub.stop(0)
        assert over([one.at for one in world.agency.arrivals], per_second) == []
        assert world.agency.most_here <= at_once
        assert life.coordination.out() == 0

    play(scenario, calls_per_second=per_second, calls_at_once=at_once)


def test_an_exchange_that_was_cut_counts_as_being_there_until_the_agency_must_be_done() -> None:
    """Also over a restart: three that hang leave no room before 1.5 times the timeout has passed."""

    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (99.0, OK)
        asked = [asyncio.create_task(world.ask(deadline=2.0)) for _ in range(3)]
        await asyncio.gather(*asked, return_exceptions=True)
        sent = [one.at for one in world.agency.arrivals]
        assert len(sent) == 3
        await world.hub.stop(0)
        life = world.again()
        await life.hub.start()
        world.agency.otherwise = lambda _: (0.1, OK)
        assert (await life.ask()).state is State.ANSWERED
        assert world.agency.arrivals[3].at >= min(sent) + 14.999
        await life.hub.stop(0)

    play(scenario, calls_at_once=3)


def test_the_days_last_calls_are_kept_for_those_who_stand_at_the_counter() -> None:
    async def scenario(world: World) -> None:
        served: dict[Class, int] = {}
        for cls in (Class.BULK, Class.NORMAL, Class.COUNTER):
            before = len(world.agency.arrivals)
            ends = [await asyncio.gather(world.ask(cls=cls, wait=5.0), return_exceptions=True) for _ in range(100)]
            refused = [end for (end,) in ends if isinstance(end, HubError)]
            assert all(end.status == 503 and end.retry_after for end in refused)
            served[cls] = len(world.agency.arrivals) - before
            assert len(refused) == 100 - served[cls]
        assert served == {Class.BULK: 80, Class.NORMAL: 15, Class.COUNTER: 5}
        assert len(world.agency.arrivals) == 100
        left = [await world.file("file_ordered", code=str(number)) for number in range(5)]
        midnight = 86_400 - (world.clock.now() + 7 * 3600) % 86_400
        await asyncio.sleep(midnight - 1)
        assert len(world.agency.arrivals) == 100, "not one more that day"
        await asyncio.sleep(1000)
        assert [(await world.state(ticket))[0] for ticket in left] == [State.ANSWERED] * 5

    play(scenario, calls_per_day=100)


def test_a_class_whose_day_is_over_asks_the_store_for_nothing() -> None:
    """However many calls of it wait for midnight: they are not taken up and put down again one after the other."""

    async def scenario(world: World) -> None:
        left = [await world.file("update_paper", code=str(number), cls=Class.BULK) for number in range(500)]
        await asyncio.sleep(60)
        before = Counter(world.store.asked)
        midnight = 86_400 - (world.clock.now() + 7 * 3600) % 86_400
        await asyncio.sleep(7200)
        assert midnight > 7200
        asked = Counter(world.store.asked) - before
        assert (asked["give_back"], len(world.agency.arrivals)) == (0, 400)
        assert asked["lease"] < 2.5 * 7200 / 60, "no more than it looks in any case"
        assert (await world.file("update_paper", wait=5.0)).state is State.ANSWERED, "another class goes on"
        await asyncio.sleep(midnight - 7200 + 1000)
        assert [(await world.state(ticket))[0] for ticket in left] == [State.ANSWERED] * 500

    play(scenario, calls_per_day=500)


@pytest.mark.parametrize("operation", ["lookup_citizen", "count_once"])
@pytest.mark.parametrize("dead", [True, False])
def test_an_agency_that_fails_is_not_stormed_by_repeats(operation: str, dead: bool) -> None:
    """Repeats of a step: at most a tenth of the calls accepted, and ten, and one a minute."""

    async def scenario(world: World) -> None:
        fates = itertools.cycle([OK, *[Unavailable("connect")] * 9] if dead else [OK, OK, OK, Unavailable("connect")])
        world.agency.otherwise = lambda _: (0.01, next(fates))
        began, calls = world.clock.monotonic(), 400
        for _ in range(calls):
            await asyncio.gather(world.ask(operation, wait=5.0), return_exceptions=True)
            await asyncio.sleep(1)
        minutes = (world.clock.monotonic() - began) / 60
        repeats = Counter(one.sources["call.id"] for one in world.agency.arrivals)
        assert sum(repeats.values()) - len(repeats) <= 0.1 * calls + 10 + minutes
        assert sum(repeats.values()) > len(repeats)

    play(scenario)
