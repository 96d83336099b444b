"""What was answered lately is given again while it is fresh, and never takes more room than it may."""

import pytest

from hub.clock import VirtualClock
from hub.fresh_answers import FreshAnswers
from hub.store.protocol import Shared


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
