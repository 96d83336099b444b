"""
The traps into which systems like this one fall, by number, and the tests that keep us out of each.

The numbers are those of the study of overload control that the design builds on. A test that is renamed or taken out is
noticed here. What concerns Redis or several nodes has no row yet: 21 to 25, and parts of 8, 9, 19, 20, 26 and 27.
"""

from importlib import import_module

import pytest

from tests.simulation.ablations import ABLATIONS
from tests.simulation.scenarios import SCENARIOS as SCENARIO_BY_NAME

SCENARIOS = "simulation/test_scenarios.py::"
WITHOUT = "simulation/test_ablations.py::"
"""Then a guard: without it a scenario breaks, so that it, and nothing else, is what keeps us out."""
TRAPS: dict[int, tuple[str, ...]] = {
    1: (
        f"{SCENARIOS}1.2x, long line",
        f"{WITHOUT}what a standing queue changes",
        f"{WITHOUT}newest first",
        f"{WITHOUT}early shedding",
        f"{WITHOUT}deadline",
        "unit/engine/test_interactive_calls.py::test_a_burst_that_the_agency_works_off_in_time_is_answered_to_the_last_call",
        "unit/guards/test_deadline_guard.py::test_who_has_less_time_than_nineteen_of_twenty_calls_take_is_told_now",
        "unit/engine/test_room.py::test_newest_first_while_more_come_than_go",
    ),
    2: (
        f"{SCENARIOS}outage of 60 s at 0.8x, stalled",
        f"{SCENARIOS}outage of 60 s at 0.5x, stalled",
        f"{SCENARIOS}outage of 15 s at 0.8x, stalled",
    ),
    3: (
        f"{SCENARIOS}steady 2x, ceiling 2x too high",
        "unit/guards/test_adaptive_limit.py::test_persistent_overload_does_not_make_the_limit_drift_up",
    ),
    4: (
        f"{SCENARIOS}slow, capacity / 4 in the middle",
        "unit/guards/test_adaptive_limit.py::test_it_acts_at_one_call_in_three_seconds_up",
        "unit/guards/test_adaptive_limit.py::test_it_acts_at_one_call_in_three_seconds_down",
        f"{SCENARIOS}slow 2x",
    ),
    5: (
        f"{SCENARIOS}collapsed limit",
        "unit/guards/test_adaptive_limit.py::test_noise_alone_does_not_make_it_collapse",
        "unit/guards/test_adaptive_limit.py::test_cut_to_one_it_grows_again_at_seventy_per_cent",
        "unit/guards/test_adaptive_limit.py::test_it_rises_from_wherever_a_cut_has_left_it",
        "unit/guards/test_adaptive_limit.py::test_an_agency_that_became_slower_for_good_gets_its_calls_again",
    ),
    6: (
        f"{SCENARIOS}429 above 8",
        "unit/engine/test_durable_calls.py::test_busy_costs_no_attempt",
        f"{SCENARIOS}429 above 8, with Retry-After",
        f"{WITHOUT}hold",
        f"{WITHOUT}plateau after Busy",
        "contract/test_coordination.py::test_a_busy_agency_is_left_alone_and_then_asked_once",
        "unit/engine/test_holds.py::test_a_probe_that_is_told_to_wait_holds_the_lane_again",
    ),
    7: (
        "unit/kit/test_statuses.py::test_every_form_of_retry_after_is_read",
        "unit/guards/test_hold_guard.py::test_a_hold_lasts_what_the_agency_asked_within_one_second_and_fifteen_minutes",
        "unit/engine/test_holds.py::test_a_hold_lasts_as_long_as_the_agency_says_within_bounds",
    ),
    8: (
        f"{WITHOUT}retry budget",
        f"{WITHOUT}stop of all retries",
        "unit/guards/test_retry_guard.py::test_repeats_stay_within_a_tenth_of_the_calls_ten_and_one_a_minute",
        "unit/guards/test_retry_guard.py::test_a_thousand_probes_of_a_busy_day_do_not_keep_repeats_waiting_for_another",
        "unit/engine/test_lanes_together.py::test_whatever_happens_the_contract_holds_and_repeats_stay_within_their_budget",
    ),
    9: (
        "unit/guards/test_breaker_guard.py::test_a_probe_that_never_comes_back_counts_as_failed",
        "unit/guards/test_breaker_guard.py::test_a_probe_that_proved_nothing_is_followed_by_another_at_once",
        "unit/guards/test_breaker_guard.py::test_one_call_in_ten_minutes_closes_it",
        "unit/guards/test_breaker_any_mixture.py::TestAnyMixture",
        "unit/guards/test_breaker_any_mixture.py::TestAnyMixtureWithAHarmlessOperation",
        "unit/guards/test_breaker_guard.py::test_an_exchange_of_a_later_step_that_never_comes_back_does_not_keep_it_half_open",
        "unit/engine/test_trying_the_ground.py::test_a_try_that_cannot_leave_does_not_keep_the_lane_spinning",
        "unit/engine/test_trying_the_ground.py::test_a_log_in_that_was_spared_is_tried_again_though_nothing_else_can_be_sent_before_it",
        "contract/test_coordination_guards.py::test_one_probe_finds_out_whether_it_works_again",
    ),
    10: (
        "unit/guards/test_breaker_guard.py::test_one_failing_operation_opens_no_other",
        f"{SCENARIOS}one operation hangs",
        f"{SCENARIOS}one operation fails",
        f"{WITHOUT}breaker",
        f"{WITHOUT}breaker of a failing operation",
        "unit/guards/test_breaker_guard.py::test_busy_unreadable_unsent_and_stale_neither_open_nor_close",
        "unit/guards/test_breaker_any_mixture.py::test_a_harmless_operation_that_is_what_is_broken_does_not_keep_the_others_shut",
        "contract/test_coordination_guards.py::test_a_failing_operation_is_spared_and_the_others_go_on",
    ),
    11: ("unit/guards/test_breaker_guard.py::test_the_window_is_five_timeouts_where_an_agency_is_slow",),
    12: (
        "simulation/test_traps.py::test_half_of_the_lanes_in_a_black_hole_do_not_touch_the_other_half",
        "unit/engine/test_lanes_together.py::test_a_dead_agency_does_not_slow_the_others",
        "contract/test_shared_routes.py::test_exchanges_that_time_out_in_one_lane_leave_room_for_the_others",
    ),
    13: (
        "unit/kit/test_http.py::TestConnections::test_the_pool_never_makes_an_exchange_wait",
        "unit/engine/test_lanes_together.py::test_ten_thousand_waiting_calls_and_one_slot_lose_no_wake_up",
    ),
    14: (
        "unit/kit/test_http.py::TestConnections::test_the_pool_never_makes_an_exchange_wait",
        "unit/kit/test_http.py::TestConnections::test_cancelling_an_exchange_closes_its_connection",
    ),
    15: (
        "unit/engine/test_every_await.py::test_an_interactive_caller_may_leave_at_any_await",
        "unit/engine/test_crashes.py::test_a_caller_cancelled_at_any_step_leaves_no_permit_turn_or_call_behind",
        "contract/test_coordination.py::test_a_permit_given_back_twice_counts_once",
        "unit/engine/test_every_await.py::test_a_call_taken_back_at_any_await_is_sent_or_cancelled_and_never_both",
        "unit/engine/test_every_await.py::test_a_caller_may_leave_at_any_await_while_its_lane_comes_back_from_a_stop",
        "unit/engine/test_fair_row.py::test_no_permit_of_a_payer_stays_counted",
        "contract/test_shared_routes.py::test_lanes_of_a_route_lose_no_permit_whatever_comes",
    ),
    16: (
        f"{SCENARIOS}bulk flood beside the counter",
        f"{SCENARIOS}one caller floods another",
        f"{WITHOUT}fair order of callers",
        f"{WITHOUT}fair order of units",
        f"{WITHOUT}displacement",
        f"{WITHOUT}a quarter of the line",
        f"{WITHOUT}half of the permits",
        "unit/engine/test_room.py::test_a_call_at_the_counter_takes_the_place_of_the_youngest_bulk_call",
        "unit/engine/test_room.py::test_alone_a_payer_may_fill_the_line_and_beside_others_a_quarter_of_it",
        "unit/engine/test_fair_row.py::test_a_hundred_thousand_calls_of_one_do_not_starve_the_one_call_of_another",
        "unit/engine/test_fair_row.py::test_a_caller_with_a_thousand_units_goes_round_once_before_any_of_them_is_served_twice",
        "simulation/test_traps.py::test_one_filing_is_not_kept_waiting_by_ten_thousand_of_another_caller",
        "contract/test_store_lanes.py::test_each_payer_gives_a_call_before_anybody_gives_a_second",
    ),
    17: (
        f"{SCENARIOS}counter flood beside bulk",
        f"{WITHOUT}class shares, ranks instead",
        f"{WITHOUT}class shares, equal ones instead",
        "unit/engine/test_line.py::test_a_full_lane_is_shared_60_30_10_and_two_thirds_of_each_by_those_who_wait",
        "unit/engine/test_fair_row.py::test_a_wrong_guess_at_the_start_does_not_put_the_counter_behind_a_backlog",
    ),
    18: (
        "unit/engine/test_line.py::test_a_class_that_was_idle_has_not_saved_up_turns",
        f"{SCENARIOS}slow calls against quick ones",
        "unit/engine/test_fair_row.py::test_a_payer_who_was_away_has_saved_up_nothing",
        "unit/engine/test_fair_row.py::test_a_payer_who_comes_new_begins_at_the_present_and_is_served_at_once",
        "unit/engine/test_fair_row.py::test_a_call_that_took_a_minute_is_put_right_when_it_is_back",
    ),
    19: (
        f"{WITHOUT}ghost slots",
        "unit/engine/test_durable_calls.py::test_a_lease_that_is_lost_is_not_used",
        "contract/test_store_settle.py::test_a_late_settle_is_refused",
        "contract/test_store_lanes.py::test_a_lease_that_ended_passes_on_and_the_first_may_no_longer_begin",
        "unit/guards/test_adaptive_limit.py::test_ghosts_count_against_the_contract_and_not_against_the_limit",
    ),
    20: (
        "integration/test_store_crash.py::test_a_process_killed_at_a_commit_boundary_leaves_what_design_says",
        "integration/test_hub_crashes.py::test_a_filing_that_may_not_be_repeated_is_in_doubt_and_stays_with_a_person",
        "unit/engine/test_crashes.py::test_what_was_on_the_wire_is_in_doubt_unless_a_repeat_is_safe",
        "unit/engine/test_crashes.py::test_a_hub_cut_at_any_step_gives_every_permit_back_and_the_next_life_finishes",
    ),
    26: (
        "simulation/test_traps.py::test_one_slot_serves_a_long_line_without_a_pause",
        "unit/engine/test_lanes_together.py::test_ten_thousand_waiting_calls_and_one_slot_lose_no_wake_up",
        "contract/test_shared_routes.py::test_a_lane_that_waited_longest_is_woken_first",
        "contract/test_shared_routes.py::test_lanes_that_share_a_narrow_rate_take_turns",
    ),
    27: (
        "unit/store/test_store_trouble.py::test_a_full_disk_is_told_and_what_was_told_before_is_kept",
        "integration/test_store_killed.py::test_what_was_told_outlives_every_kill",
        "unit/store/test_store_trouble.py::test_a_reading_that_takes_long_stops_no_writing",
        "unit/store/test_writer.py::test_a_second_process_may_not_serve_the_same_file",
    ),
    28: (
        "unit/kit/test_binding.py::test_a_large_reply_is_read_in_a_thread_of_this_agency",
        "contract/test_connectors_samples.py::test_no_contract_is_fetched_when_a_connector_is_loaded_or_used",
    ),
    29: (
        "unit/kit/test_http.py::TestAfterAByteMayHaveLeft::test_a_slow_drip_ends_with_the_time_and_closes_the_connection",
        "unit/kit/test_http.py::TestSizes::test_a_huge_answer_is_doubt_and_its_connection_is_closed_early",
        "incidents/test_a_dripping_body_kept_its_connection_for_ever.py::test_who_has_its_answer_and_still_drips_is_cut",
    ),
    30: (
        "unit/kit/test_http.py::TestBeforeAByteLeft::test_no_time_left_means_nothing_is_sent",
        "unit/guards/test_deadline_guard.py::test_a_caller_whose_time_is_over_already_is_not_served_and_breaks_nothing",
        "unit/engine/test_interactive_calls.py::test_a_deadline_counts_the_time_in_the_line",
        "unit/engine/test_durable_calls.py::test_a_durable_call_past_its_deadline_is_shown_to_a_person_and_never_sent",
    ),
    31: (
        "simulation/test_traps.py::test_a_limit_lowered_with_twenty_in_flight_converges_and_counts_right",
        "unit/guards/test_adaptive_limit.py::test_lowered_from_twenty_to_two_with_twenty_out_nothing_goes_until_one_is_left",
        "contract/test_coordination_guards.py::test_a_lane_lowered_with_permits_out_converges_and_counts_right",
        "unit/engine/test_crashes.py::test_calls_of_an_agency_that_was_taken_out_wait_for_it_and_disturb_nobody",
    ),
    32: (
        "unit/bench/test_congestion_figures.py::test_latency_counts_from_the_scheduled_moment",
        "unit/bench/test_congestion_figures.py::test_every_call_is_in_exactly_one_heap",
        "unit/bench/test_congestion_figures.py::test_as_many_calls_are_offered_as_planned_at_random_moments",
    ),
    33: (
        f"{SCENARIOS}answers slower than any patience",
        "unit/guards/test_deadline_guard.py::test_after_the_agency_recovered_its_callers_are_served_within_one_probe_interval",
        "unit/guards/test_deadline_guard.py::test_whatever_came_before_a_probe_goes_within_one_interval",
    ),
    34: (
        f"{SCENARIOS}steady 2x",
        f"{WITHOUT}adaptive limit",
        f"{SCENARIOS}capacity / 4 in the middle",
        f"{SCENARIOS}slow 2x",
        f"{SCENARIOS}429 above 8",
    ),
}
NEXT = frozenset({21, 22, 23, 24, 25})
"""Of several nodes and Redis alone."""


@pytest.mark.parametrize("test", sorted({test for tests in TRAPS.values() for test in tests}))
def test_what_keeps_us_out_of_a_trap_is_there(test: str) -> None:
    file, *path = test.split("::")
    if test.startswith(SCENARIOS):
        assert path[0] in SCENARIO_BY_NAME, f"scenario {path[0]} is gone"
        return
    if test.startswith(WITHOUT):
        assert path[0] in ABLATIONS, f"the guard {path[0]} is not taken away any more"
        return
    found: object = import_module(f"tests.{file.removesuffix('.py').replace('/', '.')}")
    for name in path:
        found = getattr(found, name, None)
    assert callable(found), f"{test} is gone"
    assert path[-1].startswith(("test_", "Test")), f"{test} is none that runs"


def test_every_trap_has_a_row_or_waits_for_several_nodes() -> None:
    assert set(TRAPS) | NEXT == set(range(1, 35))
    assert not set(TRAPS) & NEXT
