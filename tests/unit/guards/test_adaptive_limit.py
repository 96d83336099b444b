"""The limit of exchanges at once follows what an agency bears: down when it is pressed, up when it is not, and never away."""

import heapq
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome, Result, Unavailable
from hub.call import Class
from hub.clock import VirtualClock
from hub.guards.concurrency import Concurrency
from hub.guards.guard import STALE, UNSENT, Wanted

CALL = Wanted("lookup_citizen", Class.NORMAL)
OK = Answered(Result.OK)


class Lane:
    """A guard with an agency of *workers*, in front of which calls come at *rate* a second and wait for a permit."""

    def __init__(
        self, ceiling: int, *, workers: int, seconds: float, rate: float, seed: int = 1, call_timeout: float = 30.0
    ) -> None:
        self.clock = VirtualClock()
        self.guard = Concurrency(self.clock, ceiling, call_timeout)
        self.workers = workers
        self.seconds = seconds
        self.rate = rate
        self.random = Random(seed)
        self.service: Callable[[], float] = self.lognormal
        self.waiting = 0
        self.number = 0
        self.free: list[float] = []
        """When each worker is free; the agency takes in everything and works first come, first served."""
        self.ends: list[tuple[float, float, int]] = []
        self.next_call = 0.0
        self.limits: list[int] = []
        self.answered = 0

    def lognormal(self) -> float:
        return self.seconds * self.random.lognormvariate(-0.18, 0.6)

    def run(self, seconds: float) -> "Lane":
        end = self.clock.monotonic() + seconds
        while (now := self._next_moment()) < end:
            self.clock.advance(now - self.clock.monotonic())
            while self.ends and self.ends[0][0] <= now:
                _, began, number = heapq.heappop(self.ends)
                self.answered += 1
                self.guard.released(number, CALL, OK, now - began)
            while self.next_call <= now:
                self.waiting = min(self.waiting + 1, 200)
                self.next_call += self.random.expovariate(self.rate)
            while self.waiting and self.guard.admit(CALL) is None:
                self._send(now)
            self.limits.append(self.guard.limit)
        self.clock.advance(end - self.clock.monotonic())
        return self

    def _next_moment(self) -> float:
        return max(self.clock.monotonic(), min(self.next_call, self.ends[0][0] if self.ends else self.next_call))

    def _send(self, now: float) -> None:
        self.waiting -= 1
        self.number += 1
        self.guard.granted(self.number, CALL)
        self.free = sorted(max(now, moment) for moment in self.free)[-self.workers :]
        self.free += [now] * (self.workers - len(self.free))
        done = min(self.free) + self.service()
        self.free[self.free.index(min(self.free))] = done
        heapq.heappush(self.ends, (done, now, self.number))


# --- Bounds ----------------------------------------------------------------------------------------------------------


class AnyOrder(RuleBasedStateMachine):
    """Whatever is granted, ends, is cut, lowered or restarted: never above the contract, never below one, never less than none."""

    CEILING = 7

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.guard = Concurrency(self.clock, self.CEILING, call_timeout=20)
        self.out: list[int] = []
        self.number = 0

    @rule(most=st.integers(1, 9))
    def ask(self, most: int) -> None:
        for _ in range(most):
            if self.guard.admit(CALL) is None:
                self.number += 1
                self.guard.granted(self.number, CALL)
                self.out.append(self.number)

    @rule(
        which=st.integers(0, 20),
        outcome=st.sampled_from(
            [OK, OK, Busy(None), Busy(3, route=True), InDoubt("timeout"), InDoubt("http_503"), Unavailable("connect"),
             Broken("x"), Broken("x", sent=False), UNSENT, STALE]
        ),
        seconds=st.sampled_from([0.01, 1.0, 19.0, 40.0]),
    )  # fmt: skip
    def end(self, which: int, outcome: Outcome | str, seconds: float) -> None:
        if self.out:
            self.guard.released(self.out.pop(which % len(self.out)), CALL, outcome, seconds)

    @rule(calls=st.sampled_from([None, 1, 2, 5, 50]))
    def lower(self, calls: int | None) -> None:
        self.guard.lower(calls)

    @rule()
    def restart(self) -> None:
        self.guard.restart()

    @rule(seconds=st.sampled_from([0.1, 5.0, 31.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def within_bounds(self) -> None:
        assert 1 <= self.guard.limit <= self.CEILING
        assert len(self.out) <= self.guard.in_use <= self.CEILING
        assert len(self.out) <= self.CEILING

    def teardown(self) -> None:
        for number in self.out:
            self.guard.released(number, CALL, OK, 1.0)
        self.clock.advance(31)
        assert self.guard.in_use == 0
        assert self.guard.admit(CALL) is None


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_a_new_lane_begins_with_four_at_once_or_its_contract() -> None:
    assert [Concurrency(VirtualClock(), ceiling, 20).limit for ceiling in (1, 3, 4, 50)] == [1, 3, 4, 4]


def test_lowered_from_twenty_to_two_with_twenty_out_nothing_goes_until_one_is_left() -> None:
    clock = VirtualClock()
    guard = Concurrency(clock, 20, call_timeout=20)
    guard.state.limit = 20.0
    for number in range(20):
        guard.granted(number, CALL)
    guard.lower(2)
    assert (guard.limit, guard.in_use) == (2, 20)
    for number in range(20):
        assert guard.admit(CALL) is not None
        guard.released(number, CALL, OK, 1.0)
        assert guard.in_use == 19 - number
        if guard.in_use >= 2:
            assert guard.admit(CALL) is not None
        else:
            break
    assert guard.admit(CALL) is None
    for number in range(19, 20):
        guard.released(number, CALL, OK, 1.0)
    assert guard.in_use == 0
    guard.lower(None)
    assert guard.limit > 2, "lifted, it is where it was"


def test_lowered_or_not_it_never_rises_above_the_contract() -> None:
    guard = Concurrency(VirtualClock(), 3, 20)
    guard.lower(50)
    assert guard.limit == 3


def test_ghosts_count_against_the_contract_and_not_against_the_limit() -> None:
    """Else a few time-outs of a slow agency would leave nothing of a limit that was cut because of them."""
    clock = VirtualClock()
    guard = Concurrency(clock, 6, call_timeout=20)
    for number in range(4):
        guard.granted(number, CALL)
    for number in range(4):
        guard.released(number, CALL, InDoubt("timeout"), 20.0)
    assert (guard.in_use, guard.limit) == (4, 4)
    for number in (5, 6):
        assert guard.admit(CALL) is None
        guard.granted(number, CALL)
    assert guard.in_use == 6
    assert guard.admit(CALL) is not None, "six is the contract"
    clock.advance(10)
    assert guard.in_use == 2


# --- Following the agency --------------------------------------------------------------------------------------------


def test_persistent_overload_does_not_make_the_limit_drift_up() -> None:
    """Twice what the agency can do, for twenty minutes, under a contract that promises five times what it can do."""
    lane = Lane(40, workers=8, seconds=0.8, rate=20).run(300)
    early = max(lane.limits)
    lane.limits.clear()
    before = lane.answered
    lane.run(1200)
    assert max(lane.limits) <= max(early, 20)
    assert lane.answered - before >= 0.95 * 1200 * 8 / 0.8, "and what it can do is done"


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_does_not_make_it_collapse(seed: int) -> None:
    lane = Lane(10, workers=10, seconds=0.8, rate=0.7 * 10 / 0.8, seed=seed).run(1800)
    assert min(lane.limits[len(lane.limits) // 10 :]) >= 5
    assert sum(lane.limits) / len(lane.limits) >= 8


@pytest.mark.parametrize("seed", range(3))
def test_cut_to_one_it_grows_again_at_seventy_per_cent(seed: int) -> None:
    lane = Lane(10, workers=10, seconds=0.8, rate=0.7 * 10 / 0.8, seed=seed).run(300)
    lane.guard.state.limit = 1.0
    lane.run(120)
    assert lane.guard.limit >= 7


@pytest.mark.parametrize("limit", [1.0, 1.4, 1.96, 2.8, 3.43, 3.9, 5.6, 6.86])
def test_it_rises_from_wherever_a_cut_has_left_it(limit: float) -> None:
    """Two whole exchanges are all that 2.8 allows: they are all of it."""
    lane = Lane(10, workers=10, seconds=0.5, rate=100)
    lane.guard.state.limit = limit
    lane.run(60)
    assert lane.guard.limit >= 8


def test_it_acts_at_one_call_in_three_seconds_up() -> None:
    lane = Lane(12, workers=12, seconds=20.0, rate=0.4, call_timeout=60.0).run(900)
    assert lane.guard.limit >= 6, "eight are under way all the time"


def test_it_acts_at_one_call_in_three_seconds_down() -> None:
    lane = Lane(12, workers=12, seconds=20.0, rate=0.3, call_timeout=120.0).run(1200)
    before = lane.guard.limit
    assert before >= 6
    lane.workers, lane.free = 2, []
    lane.run(1800)
    assert lane.guard.limit <= before - 2
    lane.workers = 12
    lane.limits.clear()
    lane.run(1800)
    assert lane.guard.limit >= 6, "and up again"


def test_what_nobody_uses_does_not_rise() -> None:
    lane = Lane(50, workers=50, seconds=0.1, rate=1).run(600)
    assert max(lane.limits) == 4


def test_an_agency_that_became_slower_for_good_gets_its_calls_again() -> None:
    """A limit pinned to a speed that is gone for ever would leave one exchange of twenty for ever."""
    lane = Lane(20, workers=20, seconds=0.5, rate=20).run(600)
    lane.seconds = 2.0
    lane.rate = 6.0
    lane.run(900)
    lane.limits.clear()
    lane.run(600)
    assert sum(lane.limits) / len(lane.limits) >= 8, "twelve are wanted"


def test_two_at_once_because_no_more_are_allowed_do_not_pass_for_an_agency_at_rest() -> None:
    clock = VirtualClock()
    guard = Concurrency(clock, 20, call_timeout=60)

    def exchange(number: int, seconds: float) -> None:
        guard.granted(number, CALL)
        guard.granted(number + 1, CALL)
        clock.advance(seconds)
        for one in (number, number + 1):
            guard.released(one, CALL, OK, seconds)

    for number in range(0, 40, 2):
        exchange(number, 1.0)
    usual = guard.usual
    for number in range(100, 300, 2):
        guard.state.limit = 2.9
        guard.granted(number + 50_000, CALL)  # a third is always there, so that none is alone
        guard.granted(number, CALL)
        clock.advance(9.0)
        guard.released(number, CALL, OK, 9.0)
        guard.released(number + 50_000, CALL, UNSENT, 0.0)
    assert guard.usual == usual == 1.0


# --- Cuts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "seconds", "cut"),
    [
        (Busy(None), 0.1, True),
        (Busy(None, route=True), 0.1, False),
        (InDoubt("timeout"), 20.0, False),
        (InDoubt("http_503"), 0.1, True),
        (InDoubt("http_504"), 1.0, False),
        (InDoubt("reset"), 0.1, False),
        (Unavailable("connect"), 0.1, False),
        (UNSENT, 0.0, False),
        (STALE, 0.1, False),
    ],
    ids=str,
)
def test_only_what_tells_of_too_much_cuts_the_limit(outcome: Outcome | str, seconds: float, cut: bool) -> None:
    clock = VirtualClock()
    clock.advance(100)
    guard = Concurrency(clock, 4, call_timeout=20)
    guard.granted(1, CALL)
    guard.released(1, CALL, outcome, seconds)
    assert guard.limit == (2 if cut else 4)


@pytest.mark.parametrize(("lost", "cut"), [(1, False), (6, True)])
def test_a_time_out_counts_as_one_slow_exchange_and_no_more(lost: int, cut: bool) -> None:
    """Cut at each, an agency that loses one call in fifteen was left with half of what it can do."""
    clock = VirtualClock()
    clock.advance(100)
    guard = Concurrency(clock, 4, call_timeout=20)
    for round_ in range(2):
        for number in range(10):
            guard.granted(number, CALL)
            hangs = round_ == 1 and number < lost
            clock.advance(20.0 if hangs else 1.0)
            guard.released(number, CALL, InDoubt("timeout") if hangs else OK, 20.0 if hangs else 1.0)
    assert guard.limit == (2 if cut else 4)


# --- The ramp --------------------------------------------------------------------------------------------------------


def test_after_a_stop_it_rises_by_one_with_each_answer() -> None:
    clock = VirtualClock()
    guard = Concurrency(clock, 4, call_timeout=20)
    guard.restart()
    widths = []
    number = 0
    for _ in range(3):
        out = []
        while guard.admit(CALL) is None:
            number += 1
            guard.granted(number, CALL)
            out.append(number)
        widths.append(len(out))
        for one in out:
            guard.released(one, CALL, OK, 0.1)
    assert widths == [1, 2, 4]
    assert not guard.ramping


def test_a_ramp_that_is_told_to_slow_down_goes_back() -> None:
    clock = VirtualClock()
    clock.advance(100)
    guard = Concurrency(clock, 20, call_timeout=20)
    guard.state.limit = 20.0
    guard.restart()
    for number in range(9):
        guard.granted(number, CALL)
        guard.released(number, CALL, OK, 0.1)
    assert guard.limit == 10
    guard.granted(99, CALL)
    guard.released(99, CALL, Busy(None), 0.1)
    assert guard.limit == 7
    assert guard.ramping


def test_a_route_keeps_to_its_contract_and_learns_nothing_from_agencies_of_different_speed() -> None:
    clock = VirtualClock()
    guard = Concurrency(clock, 20, 20, adaptive=False)
    guard.restart()
    for number in range(100):
        guard.granted(number, CALL)
        guard.released(number, CALL, Busy(None), 0.1)
    assert (guard.limit, guard.ramping) == (20, False)


def test_a_round_that_is_told_to_slow_down_together_is_one_message() -> None:
    """Six at once were too many. That five, four, ... were left of them when each was told so means nothing."""
    clock = VirtualClock()
    clock.advance(100)
    guard = Concurrency(clock, 8, call_timeout=20)
    guard.state.limit = 8.0
    for number in range(6):
        guard.granted(number, CALL)
    for number in range(6):
        clock.advance(2.0)
        guard.released(number, CALL, Busy(5.0), 2.0 * (number + 1))
    assert guard.limit == 5
    assert guard.state.plateau == 5.0
