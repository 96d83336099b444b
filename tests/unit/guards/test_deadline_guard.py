"""What would come too late does not leave; an estimate that stops everybody is measured again, and fades."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome, Result, Unavailable
from hub.call import Class
from hub.clock import VirtualClock
from hub.guards.deadline import Deadline
from hub.guards.guard import STALE, UNSENT, Wait, Wanted

OK = Answered(Result.OK)
NOT_SENT = Wait("deadline", None, "deadline", whole=False)


def wish(left: float | None, budget: float = 100.0, operation: str = "lookup_citizen") -> Wanted:
    return Wanted(operation, Class.COUNTER, left=left, budget=budget)


class Lane:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.guard = Deadline(self.clock)

    def took(
        self, seconds: float, outcome: Outcome | str = OK, *, count: int = 1, operation: str = "lookup_citizen"
    ) -> "Lane":
        for number in range(count):
            self.guard.released(number, wish(None, operation=operation), outcome, seconds)
        return self

    def sends(self, left: float | None, budget: float = 100.0) -> bool:
        """Ask for one exchange, and make it if it may go."""
        wanted = wish(left, budget)
        if self.guard.admit(wanted) is not None:
            return False
        self.guard.granted(1, wanted)
        return True


def test_an_agency_that_nobody_has_seen_is_asked() -> None:
    assert Lane().sends(0.001)


def test_who_has_less_time_than_nineteen_of_twenty_calls_take_is_told_now() -> None:
    lane = Lane().took(1.0, count=36).took(8.0, count=4)
    lane.sends(0.1)  # one probe has just gone
    assert lane.guard.admit(wish(7.9)) == NOT_SENT
    assert lane.guard.admit(wish(8.0)) is None
    assert lane.guard.p95("lookup_citizen") == 8.0


def test_one_slow_call_in_forty_hides_nothing_from_the_others() -> None:
    lane = Lane().took(1.0, count=39).took(30.0)
    assert lane.guard.admit(wish(1.0)) is None


def test_nobody_waits_for_a_durable_call_so_it_always_goes() -> None:
    lane = Lane().took(50.0, count=40)
    assert all(lane.sends(None) for _ in range(20))


def test_half_of_a_callers_patience_is_always_enough() -> None:
    """An agency of which one exchange in fifteen times out would be asked nothing by callers who wait that long."""
    lane = Lane().took(30.0, count=40)
    lane.sends(1.0, budget=30.0)
    assert lane.guard.admit(wish(15.0, budget=30.0)) is None
    assert lane.guard.admit(wish(14.9, budget=30.0)) == NOT_SENT


def test_a_stopped_estimate_lets_one_probe_through_in_five_seconds_or_one_p95() -> None:
    lane = Lane().took(3.0, count=40)
    assert lane.sends(0.5)
    sent = 0
    for _ in range(240):
        lane.clock.advance(0.125)
        sent += lane.sends(0.5)
    assert sent == 6, "one in five seconds"
    lane = Lane().took(12.0, count=40)
    sent = sum(lane.sends(0.5) for _ in range(480) if lane.clock.advance(0.125) is None)
    assert sent == 5, "one in twelve"


def test_what_is_not_heard_of_fades_by_a_tenth_in_ten_seconds() -> None:
    lane = Lane().took(20.0, count=40)
    lane.clock.advance(10)
    assert lane.guard.p95("lookup_citizen") == pytest.approx(18.0)
    lane.clock.advance(50)
    assert lane.guard.slowest() == pytest.approx(20 * 0.9**6)


def test_after_the_agency_recovered_its_callers_are_served_within_one_probe_interval() -> None:
    """The self-lock: an estimate above everybody's time is never measured again, and so stays."""
    lane = Lane().took(60.0, count=40)
    began = lane.clock.monotonic()
    fresh: list[bool] = []
    pressed: list[bool] = []
    while lane.clock.monotonic() < began + 10:
        lane.clock.advance(0.1)
        for left, goes in ((10.0, fresh), (2.0, pressed)):  # one who just came, and one who has waited in the line
            goes.append(lane.sends(left, budget=10.0))
            if goes[-1]:
                lane.took(0.3)
    assert all(fresh)
    assert all(pressed[50:]), "after five seconds the estimate is that of now"


def test_only_replies_and_exchanges_cut_while_waiting_for_one_tell_the_time() -> None:
    lane = Lane()
    for nothing in (UNSENT, STALE, Busy(3), Unavailable("connect"), Broken("x", sent=False)):
        lane.took(9.0, nothing, count=40)
    assert lane.guard.p95("lookup_citizen") == 0.0
    for telling in (OK, InDoubt("timeout"), Broken("x")):
        lane = Lane().took(9.0, telling, count=40)
        assert lane.guard.p95("lookup_citizen") == 9.0


def test_each_operation_has_its_own_time_and_the_slowest_is_the_lanes() -> None:
    lane = Lane().took(9.0, count=40, operation="file_dossier").took(0.5, count=40)
    assert lane.guard.admit(wish(0.6)) is None
    assert lane.guard.slowest() == 9.0


def test_what_is_older_than_five_minutes_does_not_count() -> None:
    lane = Lane().took(30.0, count=10)
    lane.clock.advance(301)
    lane.took(1.0)
    assert lane.guard.p95("lookup_citizen") == 1.0


@pytest.mark.parametrize("seen", [False, True])
def test_a_caller_whose_time_is_over_already_is_not_served_and_breaks_nothing(seen: bool) -> None:
    """Its timer may fire a moment after the lane looks."""
    lane = Lane()
    if seen:
        lane.took(1.0, count=5)
        lane.sends(0.1)
    assert lane.guard.admit(wish(-0.001)) == NOT_SENT


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["took", "ask", "wait"]),
            st.floats(0.001, 90),
            st.floats(-1, 60),
        ),
        max_size=120,
    )
)
def test_whatever_came_before_a_probe_goes_within_one_interval(story: list[tuple[str, float, float]]) -> None:
    lane = Lane()
    for what, seconds, left in story:
        if what == "took":
            lane.took(seconds)
        elif what == "ask":
            lane.sends(left)
        else:
            lane.clock.advance(seconds)
    longest = max(5.0, *(seconds for _, seconds, _ in story), 5.0)
    lane.clock.advance(longest + 1e-6)
    assert lane.sends(0.001), "the most hurried caller of all"


def test_a_wait_that_was_cut_before_the_estimate_says_nothing_of_it() -> None:
    lane = Lane().took(10.0, count=40).took(0.02, InDoubt("deadline"), count=40)
    assert lane.guard.p95("lookup_citizen") == 10.0
    lane.took(20.0, InDoubt("timeout"), count=10)
    assert lane.guard.p95("lookup_citizen") == 20.0
