"""Traps that need more than one agency's traffic (numbers as in the list of traps): each is one named test."""

import asyncio

import pytest

from hub.call import Class
from tests.simulation.agency import FILE, Ability, Outage, Sick
from tests.simulation.simulation import Plan, World, simulate, simulate_all
from tests.simulation.traffic import Flow

SEEDS = (1, 2, 3, 4, 5)
_LONG = 2_000
"""Calls in the line of a lane with one slot."""


@pytest.mark.parametrize("seed", SEEDS)
def test_half_of_the_lanes_in_a_black_hole_do_not_touch_the_other_half(seed: int) -> None:  # 12
    hole = Outage(20.0, 1000.0, Sick.BLACK_HOLE)
    flows = (Flow(1.4),)

    def plans(outages: tuple[Outage, ...]) -> dict[str, Plan]:
        small = {"workers": 2, "mean": 0.8}
        plan, ill = (
            Plan(Ability(**small), flows, {"calls_at_once": 2}, seconds=60.0),
            Plan(Ability(**small, outages=outages), flows, {"calls_at_once": 2}, seconds=60.0),
        )
        return {f"agency{number}": ill if number % 2 else plan for number in range(10)}

    calm, stormy = simulate_all(plans(()), seed), simulate_all(plans((hole,)), seed)
    for name in list(calm)[::2]:
        assert stormy[name].served() == calm[name].served() >= 0.97
        assert stormy[name].hearings[0].latency(0.99) <= 1.1 * calm[name].hearings[0].latency(0.99)
    for name in list(calm)[1::2]:
        assert stormy[name].served(30, 60) == 0.0
        assert stormy[name].excess_at_once <= 0


def test_one_slot_serves_a_long_line_without_a_pause() -> None:  # 26
    plan = Plan(
        Ability(workers=1, mean=0.01, sigma=0.0),
        (Flow(0.0, callers=("a", "b"), deadline=120.0, at_once=_LONG),),
        {"calls_at_once": 1, "calls_per_second": 10_000.0, "queue_calls": _LONG},
        seconds=60.0,
    )

    def no_admission(world: World) -> None:
        """All come in one moment: nothing has been seen by which to predict a wait, and none of them is to be refused."""
        world.traffic["agency"].unasked = True

    run = simulate(plan, 1, meddle=no_admission)
    assert len(run.agency.door.came) >= 0.999 * _LONG
    gaps = [after - before for before, after in zip(run.agency.door.came, run.agency.door.came[1:], strict=False)]
    assert max(gaps) < 0.011, "a slot that is free is taken at once"


@pytest.mark.parametrize(
    ("of_many", "of_one"), [(Class.NORMAL, Class.NORMAL), (Class.BULK, Class.BULK), (Class.BULK, Class.COUNTER)]
)
def test_one_filing_is_not_kept_waiting_by_ten_thousand_of_another_caller(of_many: Class, of_one: Class) -> None:  # 16
    plan = Plan(
        Ability(),
        (
            Flow(0.0, "many", of_many, ("ministry",), operation=FILE, at_once=10_000),
            Flow(0.0, "one", of_one, ("commune",), operation=FILE, deadline=5.0, begins=10.0, at_once=1),
        ),
        seconds=60.0,
    )
    run = simulate(plan, 1)
    assert run.hearing("one").good_calls == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_the_counter_keeps_its_p99_under_a_hundred_times_as_many_filings(seed: int) -> None:
    counter = Flow(2.0, "counter", Class.COUNTER)
    flood = Flow(200.0, "flood", Class.NORMAL, ("ministry",), operation=FILE, begins=30.0, ends=60.0)
    calm, flooded = (simulate(Plan(Ability(), flows, seconds=120.0), seed) for flows in ((counter,), (counter, flood)))
    assert flooded.hearing("counter").served() >= 0.99
    assert flooded.hearing("counter").latency(0.99) <= 1.2 * calm.hearing("counter").latency(0.99) + 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_a_limit_lowered_with_twenty_in_flight_converges_and_counts_right(seed: int) -> None:  # 31
    plan = Plan(Ability(workers=20), (Flow(50.0),), {"calls_at_once": 20}, seconds=90.0)

    def lower(world: World) -> None:
        def to(calls_at_once: int | None) -> None:
            task = asyncio.ensure_future(world.coordination.lower("agency", calls_at_once, None))
            task.add_done_callback(lambda done: done.result())

        loop = asyncio.get_running_loop()
        loop.call_later(30.0, to, 2)
        loop.call_later(60.0, to, None)

    run = simulate(plan, seed, meddle=lower)
    assert min(run.in_use) >= 0
    assert max(run.in_use[5:29]) > 2
    assert max(run.in_use[40:59]) <= 2, "what was in flight ended, and only two went on"
    assert run.goodput(40, 60) <= 0.15, "two of twenty"
    assert max(run.in_use[80:]) > 2, "and back"
