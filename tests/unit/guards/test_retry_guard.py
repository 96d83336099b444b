"""Repeats are spaced, spread and few, whatever fails."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kit.outcomes import Answered, InDoubt, Result
from hub.call import Class
from hub.clock import VirtualClock
from hub.guards.guard import UNSENT, Wanted
from hub.guards.retry import DURABLE_ATTEMPTS, RetryBudget, Waits

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
