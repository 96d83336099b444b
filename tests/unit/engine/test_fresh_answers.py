"""What was answered lately is given again while it is fresh, and never takes more room than it may."""

import asyncio

import pytest

from connectors.kit.outcomes import Answered, Result
from hub.call import Purpose
from hub.clock import VirtualClock
from hub.fresh_answers import FreshAnswers
from hub.store.protocol import Shared
from tests.unit.engine.flying import FOUND, asking, rows
from tests.unit.engine.stage import World, play


def answer(name: str) -> Shared:
    return Shared(name, b"{}", "ok", "", 1.0)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def test_an_answer_is_fresh_for_its_seconds_whatever_the_wall_clock_does(clock: VirtualClock) -> None:
    fresh = FreshAnswers(clock)
    fresh.keep("a", answer("1"), 60.0, 10)
    clock.step_wall(86_400)
    clock.advance(59.9)
    assert fresh.get("a") == answer("1")
    clock.advance(0.1)
    assert fresh.get("a") is None
    assert (len(fresh), fresh.bytes) == (0, 0), "and takes no room any more"


def test_the_last_answer_counts(clock: VirtualClock) -> None:
    fresh = FreshAnswers(clock)
    fresh.keep("a", answer("1"), 60.0, 10)
    fresh.keep("a", answer("2"), 60.0, 30)
    assert fresh.get("a") == answer("2")
    assert (len(fresh), fresh.bytes) == (1, 30)


def test_who_was_not_asked_for_longest_goes_first(clock: VirtualClock) -> None:
    fresh = FreshAnswers(clock, most=3)
    for name in "abc":
        fresh.keep(name, answer(name), 60.0, 10)
    assert fresh.get("a") is not None
    fresh.keep("d", answer("d"), 60.0, 10)
    assert [name for name in "abcd" if fresh.get(name)] == ["a", "c", "d"]


def test_bytes_are_bounded_and_what_is_larger_than_all_is_not_kept(clock: VirtualClock) -> None:
    fresh = FreshAnswers(clock, most_bytes=100)
    for name in "abc":
        fresh.keep(name, answer(name), 60.0, 40)
    assert ([name for name in "abc" if fresh.get(name)], fresh.bytes) == (["b", "c"], 80)
    fresh.keep("b", answer("large"), 60.0, 101)
    assert ([name for name in "abc" if fresh.get(name)], fresh.bytes) == (["c"], 40), "nor what it replaces"


def test_an_answer_is_given_again_while_it_is_fresh_and_says_how_old_it_is() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_price"].append((1.0, FOUND))
        first = await asking(world, "lookup_price")
        assert (first.fresh_as_of, first.answered_at) == (None, world.clock.now())
        await asyncio.sleep(59)
        again = await asking(world, "lookup_price", caller="tax_desk", purpose=Purpose("o2", "u2", "H32-9"))
        assert (again.answer, again.fresh_as_of, again.answered_at) == (
            first.answer,
            first.answered_at,
            world.clock.now(),
        )
        second = (await rows(world))[1]
        assert (second.call.caller, second.call.purpose.officer, second.result) == ("tax_desk", "o2", "ok")
        entry = [row.entry for row in await world.store.journal()][-1]
        assert (entry.event, entry.detail) == ("answered", f"0 followed {first.call}")
        await asyncio.sleep(1)
        await asking(world, "lookup_price")
        assert len(world.agency.arrivals) == 2, "a minute is over"

    play(scenario)


@pytest.mark.parametrize("outcome", [Answered(Result.REFUSED), Answered(Result.PENDING)])
def test_only_what_was_found_or_not_found_is_kept(outcome: Answered) -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_price"].extend([(0.1, outcome), (0.1, Answered(Result.NOT_FOUND))])
        for _ in range(3):
            await asking(world, "lookup_price")
        assert len(world.agency.arrivals) == 2

    play(scenario)


def test_a_fresh_answer_is_of_one_question() -> None:
    async def scenario(world: World) -> None:
        await asking(world, "lookup_price")
        await asking(world, "lookup_price", citizen="000123456780")
        assert len(world.agency.arrivals) == 2

    play(scenario)
