"""Lanes share nothing but the store; and whatever fails, an agency never receives more than its contract."""

import asyncio
from itertools import pairwise
from random import Random

import pytest

from connectors.kit.outcomes import Busy, InDoubt, Unavailable
from hub.call import Class, State
from hub.coordination.protocol import HoldCause
from hub.errors import HubError
from tests.unit.engine.stage import OK, World, play


def test_a_dead_agency_does_not_slow_the_others() -> None:
    async def scenario(world: World) -> None:
        world.agencies["a"].otherwise = lambda _: (99, OK)
        for _ in range(40):
            await world.file("file_paper", agency="a")
        hanging = [asyncio.create_task(world.ask(agency="a")) for _ in range(40)]
        await asyncio.sleep(1)
        for _ in range(50):
            began = world.clock.monotonic()
            await world.ask(agency="b")
            assert world.clock.monotonic() - began < 0.06
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)

    play(scenario, names=("a", "b"))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_the_contract_holds_and_repeats_stay_within_their_budget(seed: int) -> None:
    async def scenario(world: World) -> None:
        random = Random(seed)
        agency = world.agency

        def moody(_: str) -> tuple[float, object]:
            outcome = random.choice([OK, OK, OK, Unavailable("connect"), InDoubt("reset"), Busy(1.0), Busy(None)])
            return random.choice([0.01, 0.3, 2.0, 30.0]), outcome

        agency.otherwise = moody  # type: ignore[assignment]

        async def call() -> None:
            try:
                if random.random() < 0.5:
                    world.hub.admit(
                        "agency", "lookup_citizen", Class.NORMAL, ("one_stop", "u1"), interactive=True, seconds=20
                    )
                    await world.ask(wait=20.0, cls=random.choice(list(Class)))
                else:
                    await world.file("upsert_paper", code=str(random.random()))
            except HubError:
                pass

        began, accepted, tasks = world.clock.monotonic(), 300, []
        for _ in range(accepted):
            tasks.append(asyncio.create_task(call()))
            await asyncio.sleep(random.expovariate(4.0))
        await asyncio.gather(*tasks)
        await asyncio.sleep(300)
        moments = [one.at for one in agency.arrivals]
        assert agency.most_here <= 3
        for window in (1.0, 10.0, 60.0):
            for moment in moments:
                assert sum(moment <= other < moment + window for other in moments) <= max(1, 5 * window)
        steps = {(one.sources["call.id"], one.operation) for one in agency.arrivals}
        repeats = len([one for one in agency.arrivals if not one.operation.startswith("lookup_paper")]) - len(
            [step for step in steps if step[1] != "lookup_paper"]
        )
        minutes = (world.clock.monotonic() - began) / 60
        assert repeats <= 0.1 * accepted + 10 + minutes

    play(scenario, calls_at_once=3, calls_per_second=5.0, queue_calls=20)


def test_after_an_outage_the_backlog_drains_in_order_of_acceptance() -> None:
    async def scenario(world: World) -> None:
        await world.coordination.hold("agency", HoldCause.OPERATOR, None)
        tickets = [await world.file("file_paper", code=str(number)) for number in range(200)]
        await asyncio.sleep(3600)
        assert world.agency.arrivals == []
        await world.coordination.resume("agency")
        await asyncio.sleep(30)
        assert [one.sources["call.id"] for one in world.agency.arrivals] == [ticket.call for ticket in tickets]
        assert [(await world.state(ticket))[0] for ticket in tickets] == [State.ANSWERED] * 200

    play(scenario, calls_at_once=2)


def test_ten_thousand_waiting_calls_and_one_slot_lose_no_wake_up() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.001, OK)
        asked = [asyncio.create_task(world.ask(wait=120.0)) for _ in range(10_000)]
        replies = await asyncio.gather(*asked)
        assert len(replies) == 10_000
        moments = [one.at for one in world.agency.arrivals]
        assert max(after - before for before, after in pairwise(moments)) < 0.005, (
            "a slot that is free is taken at once"
        )
        assert world.agency.most_here == 1

    play(scenario, calls_at_once=1, queue_calls=20_000)


def test_operators_see_each_lane_in_the_words_of_the_metrics() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (5.0, OK)
        asked = [asyncio.create_task(world.ask()) for _ in range(5)]
        await asyncio.sleep(1)
        view = world.hub.watch()["agency"]
        assert view.numbers["concurrency_in_use"] == 2
        assert view.numbers["queue_calls/normal/interactive"] == 3
        assert view.numbers["predicted_wait_seconds/normal"] > 0
        assert (view.held, view.unwritten, view.log_in_needed) == ("", 0, False)
        assert world.log.numbers["agency"] == dict(view.numbers)
        await asyncio.gather(*asked)

    play(scenario, calls_at_once=2)
