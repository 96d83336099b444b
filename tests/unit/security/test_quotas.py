"""A caller makes as many calls a minute as its entry says, and knows at each one how many are left."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.call import Class
from hub.clock import VirtualClock
from hub.security.identity import Caller
from hub.security.quotas import Quotas


def caller(calls_per_minute: int, name: str = "onestop") -> Caller:
    return Caller(name, frozenset({"*"}), Class.COUNTER, calls_per_minute)


def let_in(quotas: Quotas, clock: VirtualClock, who: Caller, seconds: float, every: float) -> list[float]:
    """Let *who* come *every* so many seconds; return when its calls came in."""
    moments = []
    end = clock.monotonic() + seconds
    while clock.monotonic() < end:
        if not quotas.take(who).over:
            moments.append(clock.monotonic())
        clock.advance(every)
    return moments


@settings(deadline=None)
@given(quota=st.sampled_from([1, 6, 60, 600, 6000]), every=st.sampled_from([0.01, 0.1, 1.0, 7.0]))
def test_no_minute_holds_more_than_the_quota_and_a_sixth(quota: int, every: float) -> None:
    clock = VirtualClock()
    moments = let_in(Quotas(clock), clock, caller(quota), 150.0, every)
    for began in moments[:: max(1, len(moments) // 50)]:
        assert sum(1 for moment in moments if began <= moment < began + 60.0) <= quota + max(1, quota / 6)


def test_a_caller_that_keeps_its_quota_is_never_refused() -> None:
    clock = VirtualClock()
    assert len(let_in(Quotas(clock), clock, caller(60), 600.0, 1.0)) == 600


def test_after_a_quiet_time_a_sixth_may_come_at_once() -> None:
    clock = VirtualClock()
    quotas = Quotas(clock)
    told = [quotas.take(caller(60)) for _ in range(11)]
    assert [left.calls for left in told] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]
    assert [left.seconds for left in told] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 1]
    assert [bool(left.over) for left in told] == [False] * 10 + [True]


@pytest.mark.parametrize("quota", [1, 5, 60, 6000])
def test_whoever_spreads_what_is_left_as_told_is_never_refused(quota: int) -> None:
    clock = VirtualClock()
    quotas = Quotas(clock)
    left = quotas.take(caller(quota))
    for _ in range(200):
        clock.advance(left.seconds / max(1, left.calls))
        left = quotas.take(caller(quota))
        assert not left.over


def test_a_refused_call_is_not_counted_and_comes_in_after_the_seconds_told() -> None:
    clock = VirtualClock()
    quotas = Quotas(clock)
    quotas.take(caller(2))
    for _ in range(50):
        left = quotas.take(caller(2))
    assert left.over == pytest.approx(30.0)
    assert (left.calls, left.seconds) == (0, 30)
    clock.advance(left.over)
    assert not quotas.take(caller(2)).over


def test_one_caller_takes_nothing_from_another() -> None:
    clock = VirtualClock()
    quotas = Quotas(clock)
    while not quotas.take(caller(60, "mover")).over:
        pass
    assert quotas.take(caller(60, "onestop")).calls == 9


def test_a_new_quota_counts_from_the_next_call_on() -> None:
    clock = VirtualClock()
    quotas = Quotas(clock)
    while not quotas.take(caller(6)).over:
        pass
    clock.advance(1.0)
    assert quotas.take(caller(6000)).calls == pytest.approx(99, abs=2)
    while not quotas.take(caller(6000)).over:
        pass
    assert quotas.take(caller(6)).over
    clock.advance(20.0)
    assert not quotas.take(caller(6)).over
