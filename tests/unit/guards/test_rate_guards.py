"""No window of the agency's clock ever sees more than its contract; a day is a day at +07:00."""

import math
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kit.outcomes import Answered, Busy, Result
from hub.call import Class
from hub.clock import VirtualClock
from hub.guards.guard import UNSENT, Wanted
from hub.guards.rate import Day, Rate

CALL = Wanted("lookup_citizen", Class.NORMAL)
OK = Answered(Result.OK)


def sent(guard: Rate, clock: VirtualClock, seconds: float) -> list[float]:
    """Send as fast as *guard* lets us for *seconds*; return the moments."""
    moments: list[float] = []
    end = clock.monotonic() + seconds
    while clock.monotonic() < end:
        if wait := guard.admit(CALL):
            assert wait.seconds is not None
            clock.advance(wait.seconds)
            continue
        guard.granted(len(moments), CALL)
        guard.released(len(moments), CALL, OK, 0.0)
        moments.append(clock.monotonic())
    return moments


@settings(deadline=None)
@given(rate=st.sampled_from([0.2, 0.5, 1, 3, 5, 10, 17.5, 50, 300]), idle=st.floats(0, 30))
def test_no_second_and_no_minute_holds_more_than_the_contract(rate: float, idle: float) -> None:
    clock = VirtualClock()
    guard = Rate(clock, rate)
    clock.advance(idle)
    moments = sent(guard, clock, max(3.0, 12 / rate))
    for window in (1.0, 60.0):
        most = max(sum(1 for other in moments if moment <= other < moment + window) for moment in moments)
        assert most <= max(1.0, rate * window)


@pytest.mark.parametrize(("rate", "at_once"), [(0.5, 1), (1, 1), (5, 1), (10, 1), (12, 2), (50, 5)])
def test_what_the_margin_leaves_of_a_second_may_come_at_once(rate: float, at_once: int) -> None:
    clock = VirtualClock()
    guard = Rate(clock, rate)
    clock.advance(60)
    moments = sent(guard, clock, 1.0)
    assert sum(moment == moments[0] for moment in moments) == at_once
    assert len(moments) == max(1, int(rate)), "and the first second holds the whole contract"


@given(rate=st.sampled_from([1, 5, 12, 50]), kept=st.lists(st.floats(0, 3), min_size=20, max_size=60))
def test_calls_that_were_kept_on_their_way_do_not_leave_together(rate: float, kept: list[float]) -> None:
    clock = VirtualClock()
    guard = Rate(clock, rate)
    clock.advance(60)
    began = clock.monotonic()
    granted = [began + number / (0.9 * rate) for number in range(len(kept))]
    ready = sorted(moment + late for moment, late in zip(granted, kept, strict=True))
    left = []
    for moment in ready:
        clock.advance(max(0.0, moment - clock.monotonic()))
        clock.advance(guard.leaves_in())
        guard.leave()
        left.append(clock.monotonic())
    for window in (1.0, 60.0):
        most = max(sum(1 for other in left if moment <= other < moment + window - 1e-6) for moment in left)
        assert most <= max(1.0, rate * window)


def test_a_call_that_was_not_kept_leaves_at_once() -> None:
    clock = VirtualClock()
    guard = Rate(clock, 12)
    for _ in range(200):
        if wait := guard.admit(CALL):
            assert wait.seconds is not None
            clock.advance(wait.seconds)
        guard.granted(1, CALL)
        clock.advance(0.001)
        assert guard.leaves_in() <= 0.001
        guard.leave()


@pytest.mark.parametrize("rate", [0.3, 1, 20, 200])
def test_nine_tenths_of_the_contract_are_reached(rate: float) -> None:
    clock = VirtualClock()
    seconds = 100 / rate
    assert len(sent(Rate(clock, rate), clock, seconds)) == pytest.approx(90, abs=3)


@pytest.mark.parametrize("then", [None, 1.0, 5.0])
def test_a_lane_that_is_lifted_does_not_keep_the_distance_of_before(then: float | None) -> None:
    """Lowered to a call in a hundred seconds, and lifted after one."""
    clock = VirtualClock()
    guard = Rate(clock, 10.0)
    clock.advance(60)
    guard.lower(0.01)
    assert len(sent(guard, clock, 1.0)) == 1
    guard.lower(then)
    moments = sent(guard, clock, 10.0)
    assert len(moments) == pytest.approx(9.0 * (then or 10.0), abs=2)


@settings(deadline=None)
@given(
    changes=st.lists(
        st.tuples(st.sampled_from([None, 0.01, 0.5, 3.0, 9.0]), st.sampled_from([0.0, 0.05, 0.3, 2.0])), max_size=20
    ),
    rate=st.sampled_from([5, 10, 100]),
)
def test_however_often_an_operator_changes_the_rate_the_contract_is_kept(
    changes: list[tuple[float | None, float]], rate: float
) -> None:
    clock = VirtualClock()
    guard = Rate(clock, rate)
    clock.advance(60)
    moments = sent(guard, clock, 0.5)
    for calls_per_second, seconds in changes:
        guard.lower(calls_per_second)
        moments += sent(guard, clock, seconds)
    for moment in moments:
        assert sum(1 for other in moments if moment <= other < moment + 1.0 - 1e-6) <= rate


@settings(deadline=None)
@given(rate=st.sampled_from([5, 50, 100]), part=st.floats(0.01, 0.99), idle=st.floats(0, 30))
def test_no_second_holds_more_than_an_operator_lowered_it_to(rate: float, part: float, idle: float) -> None:
    clock = VirtualClock()
    guard = Rate(clock, rate)
    guard.lower(rate * part)
    clock.advance(idle)
    moments = sent(guard, clock, max(2.0, 12 / (rate * part)))
    for window in (1.0, 60.0):
        most = max(sum(1 for other in moments if moment <= other < moment + window) for moment in moments)
        assert most <= math.ceil(rate * part * window)


def test_lowering_never_raises_above_the_contract_and_ends_when_it_is_lifted() -> None:
    guard = Rate(VirtualClock(), 10)
    for asked, kept in ((20.0, 9.0), (5.0, 4.5), (None, 9.0)):
        guard.lower(asked)
        assert guard.limit == pytest.approx(kept)


def test_a_process_that_just_started_gets_no_burst() -> None:
    clock = VirtualClock()
    guard = Rate(clock, 100)
    moments = sent(guard, clock, 0.05)
    assert moments[0] == pytest.approx(1 / 90), "its predecessor may have sent a moment ago"
    assert len(moments) <= 5


@pytest.mark.parametrize(
    ("route", "of_the_gateway", "cut"),
    [(False, False, True), (False, True, True), (True, False, False), (True, True, True)],
)
def test_a_route_slows_down_for_its_gateway_and_not_for_one_agency(
    route: bool, of_the_gateway: bool, cut: bool
) -> None:
    clock = VirtualClock()
    guard = Rate(clock, 10.0, route=route)
    clock.advance(1)
    guard.granted(1, CALL)
    guard.released(1, CALL, Busy(None, route=of_the_gateway), 0.1)
    assert (guard.limit < 9.0) is cut


def test_an_unsent_permit_costs_nothing() -> None:
    clock = VirtualClock()
    guard = Rate(clock, 1)
    clock.advance(2)
    for number in range(5):
        assert guard.admit(CALL) is None
        guard.granted(number, CALL)
        guard.released(number, CALL, UNSENT, 0.0)
    assert guard.admit(CALL) is None


def test_busy_without_seconds_cuts_the_rate_once_a_round_and_it_comes_back_slowly() -> None:
    clock = VirtualClock()
    guard = Rate(clock, 100)
    clock.advance(1)
    for number in range(4):
        guard.granted(number, CALL)
    for number in range(4):
        guard.released(number, CALL, Busy(None), 0.1)
    assert guard.limit == pytest.approx(63)
    clock.advance(120)
    assert guard.limit == pytest.approx(72)
    clock.advance(3600)
    assert guard.limit == pytest.approx(90)


@given(
    rate=st.sampled_from([3, 10, 100, 300]),
    lowered=st.sampled_from([0.1, 0.5, 1, 4, 20, 60, 200]),
    idle=st.floats(0, 30),
)
def test_a_lowered_lane_keeps_to_what_the_operator_said_in_every_second(
    rate: float, lowered: float, idle: float
) -> None:
    clock = VirtualClock()
    guard = Rate(clock, rate)
    clock.advance(idle)
    guard.lower(lowered)
    moments = sent(guard, clock, max(3.0, 12 / lowered))
    most = max(sum(1 for other in moments if moment <= other < moment + 1.0) for moment in moments)
    assert most <= max(1.0, min(lowered, rate))


def test_a_lane_is_never_raised_above_its_contract_and_goes_back_to_it() -> None:
    clock = VirtualClock()
    guard = Rate(clock, 10)
    guard.lower(1000)
    assert guard.limit == pytest.approx(9)
    guard.lower(2)
    assert guard.limit == pytest.approx(1.8)
    guard.lower(None)
    assert guard.limit == pytest.approx(9)


@given(calls=st.sampled_from([1, 6, 60, 600]), idle=st.floats(0, 200))
def test_a_gateway_that_counts_by_the_minute_never_counts_too_many(calls: float, idle: float) -> None:
    """Wherever its minutes begin: most gateways count in fixed windows."""
    clock = VirtualClock()
    guard = Rate(clock, calls, 60.0)
    clock.advance(idle)
    moments = sent(guard, clock, max(200.0, 200.0 / calls))
    most = max(sum(1 for other in moments if moment <= other < moment + 60.0) for moment in moments)
    assert most <= calls
    if calls >= 60:
        assert len(moments) >= 0.85 * calls * 200 / 60, "and nine tenths of it are used"


def test_busy_with_seconds_leaves_the_rate_to_the_hold() -> None:
    clock = VirtualClock()
    guard = Rate(clock, 100)
    clock.advance(1)
    guard.granted(1, CALL)
    guard.released(1, CALL, Busy(30), 0.1)
    assert guard.limit == pytest.approx(90)


def test_a_rate_that_is_always_refused_never_reaches_zero() -> None:
    clock = VirtualClock()
    guard = Rate(clock, 100)
    for number in range(50):
        clock.advance(1)
        guard.granted(number, CALL)
        guard.released(number, CALL, Busy(None), 0.1)
    assert guard.limit >= 4.5


def at(text: str) -> VirtualClock:
    return VirtualClock(datetime.fromisoformat(text).timestamp())


def use(guard: Day, calls: int, cls: Class = Class.COUNTER) -> int:
    """Return how many of *calls* the guard let through."""
    through = 0
    for number in range(calls):
        if guard.admit(Wanted("x", cls)) is None:
            guard.granted(number, Wanted("x", cls))
            guard.released(number, Wanted("x", cls), OK, 0.1)
            through += 1
    return through


def test_the_last_calls_of_a_day_are_for_people_at_the_counter() -> None:
    guard = Day(at("2026-11-23T09:00:00+07:00"), 100)
    assert use(guard, 200, Class.BULK) == 80
    assert use(guard, 200, Class.NORMAL) == 15
    assert use(guard, 200, Class.COUNTER) == 5
    assert guard.remaining == 0


def test_a_day_ends_at_midnight_in_viet_nam() -> None:
    clock = at("2026-11-23T23:59:50+07:00")
    guard = Day(clock, 10)
    assert use(guard, 20) == 10
    wait = guard.admit(CALL)
    assert wait is not None
    assert wait.seconds == pytest.approx(10)
    clock.advance(10)
    assert use(guard, 20) == 10


def test_what_the_store_counted_before_a_restart_counts() -> None:
    guard = Day(at("2026-11-23T09:00:00+07:00"), 10)
    guard.restore(7)
    assert use(guard, 20) == 3


def test_a_permit_of_yesterday_refunds_nothing_today() -> None:
    clock = at("2026-11-23T23:59:59+07:00")
    guard = Day(clock, 10)
    guard.granted(1, CALL)
    clock.advance(2)
    guard.released(1, CALL, UNSENT, 0.0)
    assert guard.remaining == 10


def test_a_step_of_the_wall_clock_never_makes_a_lane_sleep_for_long() -> None:
    clock = at("2026-11-23T00:00:01+07:00")
    guard = Day(clock, 1)
    use(guard, 1)
    wait = guard.admit(CALL)
    assert wait is not None
    assert wait.seconds is not None
    assert wait.seconds <= 900
