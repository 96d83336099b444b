"""A played agency bears what it is told to, and does not notice that a caller hung up."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from bench.agencies import Agency, Bears, Exchange, Times, written
from hub.clock import VirtualClock, run_virtual

TWO = Bears("hub/tax", workers=2, seconds=1.0, sigma=0.0)


class Caller:
    """Whoever waits at the door: hears numbers, negative for 429."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def write(self, number: int, *, ok: bool) -> None:
        self.heard.append(number if ok else -number)


def played(scene: Coroutine[Any, Any, None], clock: VirtualClock) -> None:
    run_virtual(scene, clock)


def ask(agency: Agency, caller: Caller, *numbers: int) -> list[Exchange]:
    exchanges = [Exchange(number, agency.now(), caller) for number in numbers]
    for exchange in exchanges:
        agency.asked(exchange)
    return exchanges


def test_an_agency_answers_as_many_at_once_as_it_has_workers() -> None:
    clock, caller = VirtualClock(), Caller()

    async def scene() -> None:
        agency = Agency(TWO, clock.monotonic)
        ask(agency, caller, 1, 2, 3, 4, 5)
        await asyncio.sleep(1.5)
        assert sorted(caller.heard) == [1, 2]
        await asyncio.sleep(2)
        assert [(one.number, one.how, one.left) for one in agency.log] == [
            (1, "answered", 1.0), (2, "answered", 1.0), (3, "answered", 2.0), (4, "answered", 2.0), (5, "answered", 3.0),
        ]  # fmt: skip

    played(scene(), clock)


def test_what_a_caller_hung_up_on_is_worked_through_all_the_same() -> None:
    clock, gone, next_one = VirtualClock(), Caller(), Caller()

    async def scene() -> None:
        agency = Agency(TWO, clock.monotonic)
        left = ask(agency, gone, 1, 2, 3, 4)
        await asyncio.sleep(0.5)
        for exchange in left:
            exchange.cut(clock.monotonic())
        ask(agency, next_one, 5)
        await asyncio.sleep(2.0)
        assert next_one.heard == []  # both workers still had four abandoned requests before it
        await asyncio.sleep(1.0)
        assert (gone.heard, next_one.heard) == ([], [5])
        assert [one.how for one in agency.log] == ["cut"] * 4 + ["answered"]

    played(scene(), clock)


def test_an_agency_that_is_down_answers_nothing_and_then_works_through_what_came() -> None:
    clock, caller = VirtualClock(), Caller()

    async def scene() -> None:
        agency = Agency(TWO, clock.monotonic)
        ask(agency, caller, 1)
        await asyncio.sleep(0.5)
        agency.misbehave(down=True)
        ask(agency, caller, 2, 3)
        await asyncio.sleep(10)
        assert caller.heard == []
        agency.misbehave()
        assert caller.heard == [1]
        await asyncio.sleep(1.5)
        assert sorted(caller.heard) == [1, 2, 3]

    played(scene(), clock)


def test_a_black_hole_forgets_what_it_was_asked() -> None:
    clock, caller = VirtualClock(), Caller()

    async def scene() -> None:
        agency = Agency(TWO, clock.monotonic)
        agency.misbehave(dark=True)
        ask(agency, caller, 1)
        await asyncio.sleep(5)
        agency.misbehave()
        ask(agency, caller, 2)
        await asyncio.sleep(5)
        assert caller.heard == [2]
        assert [one.how for one in agency.log] == ["open", "answered"]

    played(scene(), clock)


def test_one_more_at_once_than_it_takes_is_refused_soon() -> None:
    clock, caller = VirtualClock(), Caller()

    async def scene() -> None:
        agency = Agency(TWO, clock.monotonic)
        agency.misbehave(most=2)
        ask(agency, caller, 1, 2, 3)
        await asyncio.sleep(0.5)
        assert caller.heard == [-3]
        await asyncio.sleep(1)
        assert sorted(caller.heard) == [-3, 1, 2]

    played(scene(), clock)


@pytest.mark.parametrize("by_number", [True, False])
def test_any_two_hundred_times_of_service_take_their_mean_together(by_number: bool) -> None:
    times = Times(Bears("hub/tax", 8, 0.8, 0.6, by_number))
    block = [times.of(number) for number in range(200)]
    assert sum(block) / 200 == pytest.approx(0.8)
    assert max(block) > 4 * min(block)


def test_hub_and_gateway_meet_the_same_times() -> None:
    ours, theirs = (Times(Bears(f"{system}/tax", 8, 0.8, 0.6)) for system in ("hub", "gateway"))
    assert [ours.of(0) for _ in range(300)] == [theirs.of(0) for _ in range(300)]


def test_the_same_request_takes_the_same_time_where_runs_are_compared_in_pairs() -> None:
    times = Times(Bears("hub/tax", 8, 0.8, 0.6, by_number=True))
    assert [times.of(number) for number in range(50)] == [times.of(5_000_000 + number) for number in range(50)]


def test_every_number_is_a_code_of_its_own() -> None:
    assert [written(number) for number in (0, 123, 9_123_456)] == ["0.000000", "0.000123", "9.123456"]
