"""
The traps into which systems like this one fall, by number, and the tests that keep us out of each.

The numbers are those of the study of overload control that the design builds on. A test that is renamed or taken out is
noticed here. What concerns Redis or several nodes has no row yet: 21 to 25, and parts of 8, 9, 19, 20, 26 and 27.
"""

import re
from pathlib import Path

import pytest

from tests.simulation.scenarios import SCENARIOS as BANDS

TESTS = Path(__file__).parents[1]
SCENARIOS = "simulation/test_scenarios.py::"
TRAPS: dict[int, tuple[str, ...]] = {
    1: (f"{SCENARIOS}1.2x, long line",),
    2: (f"{SCENARIOS}outage of 60 s at 0.8x, stalled", f"{SCENARIOS}outage of 60 s at 0.5x, stalled"),
    3: (
        f"{SCENARIOS}steady 2x, ceiling 2x too high",
        "unit/guards/test_adaptive_limit.py::test_persistent_overload_does_not_make_the_limit_drift_up",
    ),
    4: (
        f"{SCENARIOS}slow, capacity / 4 in the middle",
        "unit/guards/test_adaptive_limit.py::test_it_acts_at_one_call_in_three_seconds_up",
        "unit/guards/test_adaptive_limit.py::test_it_acts_at_one_call_in_three_seconds_down",
    ),
    5: (
        f"{SCENARIOS}collapsed limit",
        "unit/guards/test_adaptive_limit.py::test_noise_alone_does_not_make_it_collapse",
    ),
    6: (f"{SCENARIOS}429 above 8", "unit/engine/test_durable_calls.py::test_busy_costs_no_attempt"),
    7: (
        "unit/kit/test_statuses.py::test_every_form_of_retry_after_is_read",
        "unit/guards/test_hold_guard.py::test_a_hold_lasts_what_the_agency_asked_within_one_second_and_fifteen_minutes",
    ),
    8: ("unit/guards/test_retry_guard.py::test_repeats_stay_within_a_tenth_of_the_calls_ten_and_one_a_minute",),
    9: (
        "unit/guards/test_breaker_guard.py::test_a_probe_that_never_comes_back_counts_as_failed",
        "unit/guards/test_breaker_guard.py::test_a_probe_that_proved_nothing_is_followed_by_another_at_once",
        "unit/guards/test_breaker_guard.py::test_one_call_in_ten_minutes_closes_it",
    ),
    10: (
        "unit/guards/test_breaker_guard.py::test_one_failing_operation_opens_no_other",
        f"{SCENARIOS}one operation hangs",
    ),
    11: ("unit/guards/test_breaker_guard.py::test_the_window_is_five_timeouts_where_an_agency_is_slow",),
    12: (
        "simulation/test_traps.py::test_half_of_the_lanes_in_a_black_hole_do_not_touch_the_other_half",
        "unit/engine/test_lanes_together.py::test_a_dead_agency_does_not_slow_the_others",
    ),
    13: ("unit/kit/test_http.py::test_the_pool_never_makes_an_exchange_wait",),
    14: ("unit/kit/test_http.py::test_the_pool_never_makes_an_exchange_wait",),
    15: (
        "unit/engine/test_every_await.py::test_an_interactive_caller_may_leave_at_any_await",
        "unit/engine/test_crashes.py::test_a_caller_cancelled_at_any_step_leaves_no_permit_turn_or_call_behind",
        "contract/test_coordination.py::test_a_permit_given_back_twice_counts_once",
    ),
    16: (f"{SCENARIOS}bulk flood beside the counter", f"{SCENARIOS}one caller floods another"),
    17: (
        f"{SCENARIOS}counter flood beside bulk",
        "unit/engine/test_line.py::test_a_full_lane_is_shared_60_30_10_and_two_thirds_of_each_by_those_who_wait",
    ),
    18: (
        "unit/engine/test_line.py::test_a_class_that_was_idle_has_not_saved_up_turns",
        f"{SCENARIOS}slow calls against quick ones",
    ),
    19: ("unit/engine/test_durable_calls.py::test_a_lease_that_is_lost_is_not_used",),
    20: (
        "integration/test_store_crash.py::test_a_process_killed_at_a_commit_boundary_leaves_what_design_says",
        "integration/test_hub_crashes.py::test_a_filing_that_may_not_be_repeated_is_in_doubt_and_stays_with_a_person",
    ),
    26: (
        "simulation/test_traps.py::test_one_slot_serves_a_long_line_without_a_pause",
        "unit/engine/test_lanes_together.py::test_ten_thousand_waiting_calls_and_one_slot_lose_no_wake_up",
    ),
    27: (
        "unit/store/test_store_trouble.py::test_a_full_disk_is_told_and_what_was_told_before_is_kept",
        "integration/test_store_killed.py::test_what_was_told_outlives_every_kill",
    ),
    28: ("unit/kit/test_binding.py::test_a_large_reply_is_read_in_a_thread_of_this_agency",),
    29: (
        "unit/kit/test_http.py::test_a_slow_drip_ends_with_the_time_and_closes_the_connection",
        "unit/kit/test_http.py::test_a_huge_answer_is_doubt_and_its_connection_is_closed_early",
    ),
    30: (
        "unit/kit/test_http.py::test_no_time_left_means_nothing_is_sent",
        "unit/guards/test_deadline_guard.py::test_a_caller_whose_time_is_over_already_is_not_served_and_breaks_nothing",
    ),
    31: (
        "simulation/test_traps.py::test_a_limit_lowered_with_twenty_in_flight_converges_and_counts_right",
        "unit/guards/test_adaptive_limit.py::test_lowered_from_twenty_to_two_with_twenty_out_nothing_goes_until_one_is_left",
    ),
    32: ("unit/bench/test_congestion_figures.py::test_latency_counts_from_the_scheduled_moment",),
    33: (
        f"{SCENARIOS}answers slower than any patience",
        "unit/guards/test_deadline_guard.py::test_after_the_agency_recovered_its_callers_are_served_within_one_probe_interval",
    ),
    34: (
        f"{SCENARIOS}steady 2x",
        f"{SCENARIOS}capacity / 4 in the middle",
        f"{SCENARIOS}slow 2x",
        f"{SCENARIOS}429 above 8",
    ),
}
NEXT = frozenset({21, 22, 23, 24, 25})
"""Of several nodes and Redis alone."""


@pytest.mark.parametrize("test", sorted({test for tests in TRAPS.values() for test in tests}))
def test_what_keeps_us_out_of_a_trap_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    if name.startswith("test_"):
        assert re.search(rf"\bdef {name}\b", (TESTS / file).read_text("utf-8")), f"{test} is gone"
    else:
        assert name in BANDS, f"scenario {name} is gone"


def test_every_trap_has_a_row_or_waits_for_several_nodes() -> None:
    assert set(TRAPS) | NEXT == set(range(1, 35))
    assert not set(TRAPS) & NEXT
