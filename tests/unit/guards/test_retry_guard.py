"""Repeats are spaced, spread and few, whatever fails."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kit.outcomes import Answered, Busy, InDoubt, Result
from hub.call import Class
from hub.clock import VirtualClock
from hub.guards.guard import UNSENT, Wait, Wanted
from hub.guards.retry import DURABLE_ATTEMPTS, STOPPED, RetryBudget, Waits

FIRST = Wanted("file_dossier", Class.NORMAL)
REPEAT = Wanted("file_dossier", Class.NORMAL, repeat=True)


def test_durable_waits_grow_from_a_second_to_a_day_and_outlast_two_days() -> None:
    waits = Waits(Random(1))
    plan = [waits.after(attempts, interactive=False) for attempts in range(1, DURABLE_ATTEMPTS)]
    assert plan == sorted(plan)
    assert 0.5 <= plan[0] <= 1
    assert 43_200 <= plan[-1] <= 86_400
    assert sum(plan) > 24 * 3600


def test_interactive_waits_fit_into_a_counters_patience() -> None:
    waits = Waits(Random(1))
    assert all(0.05 <= waits.after(attempts, interactive=True) <= 2 for attempts in range(1, 9))


def test_the_same_seed_gives_the_same_waits_and_two_seeds_do_not_meet() -> None:
    first, again, other = (Waits(Random(seed)).after(4, interactive=False) for seed in (1, 1, 2))
    assert first == again != other


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 20)), max_size=200))
def test_repeats_stay_within_a_tenth_of_the_calls_ten_and_one_a_minute(pattern: list[tuple[bool, bool, float]]) -> None:
    clock = VirtualClock()
    guard = RetryBudget(clock)
    firsts = repeats = 0
    for number, (repeat, succeeds, passed) in enumerate(pattern):
        clock.advance(passed)
        wanted = REPEAT if repeat else FIRST
        if guard.admit(wanted) is not None:
            continue
        guard.granted(number, wanted)
        guard.released(number, wanted, Answered(Result.OK) if succeeds else InDoubt("timeout"), 1.0)
        repeats += repeat
        firsts += not repeat
    assert repeats <= 0.1 * firsts + 10 + clock.monotonic() / 60 + 1e-6


def test_an_empty_budget_says_when_the_next_repeat_may_go_and_never_stops_first_tries() -> None:
    guard = RetryBudget(VirtualClock())
    for number in range(10):
        guard.granted(number, REPEAT)
    wait = guard.admit(REPEAT)
    assert wait is not None
    assert wait.seconds == pytest.approx(60)
    assert not wait.whole
    assert guard.admit(FIRST) is None


def test_an_unsent_repeat_is_refunded() -> None:
    guard = RetryBudget(VirtualClock())
    for number in range(10):
        guard.granted(number, REPEAT)
    guard.released(9, REPEAT, UNSENT, 0.0)
    assert guard.admit(REPEAT) is None


def test_the_wait_for_the_next_repeat_comes_to_an_end_however_the_numbers_round() -> None:
    clock = VirtualClock()
    clock.advance(1000.0)
    budget = RetryBudget(clock)
    for number in range(300):
        clock.advance(0.1 + number / 7)
        while budget.admit(REPEAT) is None:
            budget.granted(number, REPEAT)
        wait = budget.admit(REPEAT)
        assert wait is not None
        assert wait.seconds is not None
        clock.advance(wait.seconds)
        assert budget.admit(REPEAT) is None, "a wait too short to move the clock would be told again and again"


def test_probes_go_on_debt_and_repeats_wait_until_it_is_paid() -> None:
    """Who may try the ground is decided by hold and breaker; the budget only hears of it."""
    clock = VirtualClock()
    guard = RetryBudget(clock)
    for number in range(13):
        guard.granted(number, REPEAT)  # as a probe is told to the guards, whatever it sends
    assert guard.left == -3.0
    assert guard.admit(FIRST) is None
    wait = guard.admit(REPEAT)
    assert wait is not None
    assert wait.seconds == pytest.approx(240)
    clock.advance(240.001)
    assert guard.admit(REPEAT) is None


def test_a_thousand_probes_of_a_busy_day_do_not_keep_repeats_waiting_for_another() -> None:
    clock = VirtualClock()
    guard = RetryBudget(clock)
    for number in range(10_000):
        clock.advance(1)
        guard.granted(number, REPEAT)
        guard.released(number, REPEAT, Busy(1.0), 0.05)
    wait = guard.admit(REPEAT)
    assert wait is not None
    assert wait.seconds is not None
    assert wait.seconds <= 11 * 60
    clock.advance(wait.seconds + 0.001)
    assert guard.admit(REPEAT) is None


def test_while_an_operator_has_stopped_all_retries_no_repeat_goes_and_first_tries_do() -> None:
    guard = RetryBudget(VirtualClock())
    guard.stop(True)
    wait = guard.admit(REPEAT)
    assert wait == Wait("retry", None, STOPPED, whole=False)
    assert guard.admit(FIRST) is None
    guard.stop(False)
    assert guard.admit(REPEAT) is None


def test_a_first_try_that_succeeds_earns_a_tenth_of_a_repeat_and_a_repeat_earns_nothing() -> None:
    guard = RetryBudget(VirtualClock())
    for number in range(10):
        guard.granted(number, REPEAT)
    guard.released(1, REPEAT, Answered(Result.OK), 0.1)
    assert guard.left == 0.0
    for number in range(5):
        guard.released(number, FIRST, Answered(Result.OK), 0.1)
        guard.released(number, FIRST, InDoubt("timeout"), 0.1)
    assert guard.left == pytest.approx(0.5)
