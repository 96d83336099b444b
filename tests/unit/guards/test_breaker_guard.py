"""An operation that keeps failing is spared, found out about with few exchanges, and never forgotten in between."""

from random import Random

import pytest

from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome, Result, Unavailable
from hub.call import Class
from hub.clock import VirtualClock
from hub.guards.breaker import CLOSED, LONGEST, OPEN, PROBING, SHORTEST, Breaker
from hub.guards.guard import STALE, UNSENT, Wait, Wanted

TIMEOUT = 10.0
OK = Answered(Result.OK)
DOWN = Unavailable("connect")


def wish(operation: str = "lookup_citizen", **given: bool) -> Wanted:
    return Wanted(operation, Class.NORMAL, **given)


class Lane:
    """A breaker with somebody who uses it."""

    def __init__(self, *, route: bool = False, probe: str = "") -> None:
        self.clock = VirtualClock()
        self.guard = Breaker(self.clock, Random(7), TIMEOUT, route=route, probe_operation=probe)
        self.number = 0

    def wait(self, operation: str = "lookup_citizen") -> Wait | None:
        return self.guard.admit(wish(operation))

    def grant(self, operation: str = "lookup_citizen") -> int:
        assert self.wait(operation) is None
        self.number += 1
        self.guard.granted(self.number, wish(operation))
        return self.number

    def end(
        self, number: int, outcome: Outcome | str, operation: str = "lookup_citizen", seconds: float = TIMEOUT
    ) -> None:
        self.guard.released(number, wish(operation), outcome, seconds)

    def exchange(
        self, outcome: Outcome | str, operation: str = "lookup_citizen", seconds: float = TIMEOUT, count: int = 1
    ) -> None:
        for _ in range(count):
            self.end(self.grant(operation), outcome, operation, seconds)

    def state(self, operation: str = "lookup_citizen") -> float:
        return next((state for name, state, _, _ in self.guard.view() if name == operation), CLOSED)

    def open(self, operation: str = "lookup_citizen") -> "Lane":
        self.exchange(DOWN, operation, count=5)
        assert self.state(operation) == OPEN
        return self

    def over(self, operation: str = "lookup_citizen") -> "Lane":
        """Let the time pass for which the circuit is open."""
        wait = self.wait(operation)
        assert wait is not None
        assert wait.seconds is not None
        self.clock.advance(wait.seconds)
        return self

    def closes(self, operation: str = "lookup_citizen", most: int = 12) -> int:
        """Return how many good answers, one after another, close the circuit."""
        for count in range(most):
            if self.state(operation) == CLOSED:
                return count
            self.exchange(OK, operation)
        raise AssertionError("it does not close")


# --- Opening ---------------------------------------------------------------------------------------------------------


def test_five_failures_are_enough_however_seldom_calls_come() -> None:
    lane = Lane()
    for _ in range(4):
        lane.exchange(DOWN)
        lane.clock.advance(14)
    assert lane.wait() is None
    lane.exchange(DOWN)
    wait = lane.wait()
    assert wait is not None
    assert (wait.guard, wait.cause, wait.whole) == ("breaker", "connect", False)
    assert wait.seconds is not None
    assert SHORTEST <= wait.seconds <= 1.1 * SHORTEST


def test_half_of_the_last_twenty_open_it_and_nine_do_not() -> None:
    lane = Lane()
    for _ in range(40):
        lane.exchange(OK)
        lane.exchange(OK)
        lane.exchange(DOWN)
    assert lane.wait() is None, "a third"
    lane.exchange(OK, count=20)
    lane.exchange(DOWN, count=9)
    assert lane.wait() is None, "nine of twenty"
    lane.exchange(DOWN)
    assert lane.wait() is not None


def test_four_failures_of_five_do_not_open_it() -> None:
    """Half of five would be three, which chance brings about all the time."""
    lane = Lane()
    lane.exchange(OK)
    lane.exchange(DOWN, count=4)
    assert lane.state() == CLOSED


def test_an_agency_that_fails_one_time_in_three_is_seldom_spared() -> None:
    """At one call a second: a partial failure must not become a whole one."""
    random, spared = Random(5), 0
    lane = Lane()
    for _ in range(2000):
        lane.clock.advance(1)
        if lane.wait() is not None:
            spared += 1
        else:
            lane.exchange(DOWN if random.random() < 1 / 3 else OK)
    assert spared <= 0.2 * 2000


def test_what_is_older_than_a_minute_or_five_timeouts_is_forgotten() -> None:
    lane = Lane()
    for _ in range(30):
        lane.exchange(DOWN)
        lane.clock.advance(15.1)
    assert lane.wait() is None, "never five within a minute"


def test_the_window_is_five_timeouts_where_an_agency_is_slow() -> None:
    lane = Lane()
    lane.guard = Breaker(lane.clock, Random(7), call_timeout=60)
    for _ in range(4):
        lane.exchange(DOWN)
        lane.clock.advance(70)
    lane.exchange(DOWN)
    assert lane.wait() is not None, "five in 280 seconds of 300"


@pytest.mark.parametrize(
    "says_nothing",
    [Busy(5), Busy(None), Broken("no_row"), Broken("mapping", sent=False), UNSENT, STALE],
    ids=lambda outcome: str(outcome)[:12],
)
def test_busy_unreadable_unsent_and_stale_neither_open_nor_close(says_nothing: Outcome | str) -> None:
    lane = Lane()
    lane.exchange(says_nothing, count=50)
    assert lane.state() == CLOSED
    lane.exchange(DOWN, count=4)
    lane.exchange(says_nothing, count=50)
    assert lane.state() == CLOSED
    lane.exchange(DOWN)
    assert lane.state() == OPEN, "five failures, whatever came between"


@pytest.mark.parametrize("result", list(Result))
def test_a_business_no_is_an_answer(result: Result) -> None:
    """What an agency refuses or does not find comes with HTTP 4xx at some of them."""
    lane = Lane()
    lane.exchange(Answered(result), count=50)
    assert lane.state() == CLOSED


def test_a_cut_by_a_hurried_caller_says_nothing() -> None:
    lane = Lane()
    lane.exchange(InDoubt("timeout"), seconds=0.24 * TIMEOUT, count=50)
    assert lane.state() == CLOSED
    lane.exchange(InDoubt("timeout"), seconds=0.5 * TIMEOUT, count=5)
    assert lane.state() == OPEN


@pytest.mark.parametrize("cause", ["http_502", "http_503", "http_504", "reset", "truncated"])
def test_what_the_agency_itself_cuts_counts_however_soon(cause: str) -> None:
    """A gateway that says 504 after a second is not a caller in a hurry."""
    lane = Lane()
    lane.exchange(InDoubt(cause), seconds=0.1, count=5)
    assert lane.state() == OPEN


def test_one_failing_operation_opens_no_other() -> None:
    lane = Lane()
    for _ in range(20):
        lane.exchange(OK, "verify_citizen")
        if lane.wait() is None:
            lane.exchange(DOWN)
    assert lane.state() == OPEN
    assert lane.wait("verify_citizen") is None
    assert lane.guard.open("verify_citizen") is None
    assert lane.guard.open("lookup_citizen") is not None


def test_what_left_before_it_opened_says_nothing_afterwards() -> None:
    lane = Lane()
    early = [lane.grant() for _ in range(20)]
    lane.open().over()
    for number in early:
        lane.end(number, DOWN)
    assert lane.wait() is None, "the probe may still go"
    lane.grant()
    for number in early:
        lane.end(number, OK)
    assert lane.state() == PROBING, "and only it tells"


# --- Half-open -------------------------------------------------------------------------------------------------------


def test_one_probe_goes_then_one_two_and_four_at_once_then_all() -> None:
    lane = Lane().open().over()
    probe = lane.grant()
    assert lane.wait() == Wait("breaker", None, "connect", whole=False)
    lane.end(probe, OK)
    widths = []
    while lane.state() != CLOSED:
        out = []
        while lane.wait() is None and len(out) < 20:
            out.append(lane.grant())
        widths.append(len(out))
        lane.end(out[0], OK)
        for number in out[1:]:
            lane.end(number, OK)
    assert widths == [1, 2, 4]
    assert [lane.grant() for _ in range(50)], "closed"


def test_only_the_first_exchange_after_the_stop_is_a_probe() -> None:
    lane = Lane()
    assert not lane.guard.probing(wish())
    lane.open().over()
    assert lane.guard.probing(wish())
    lane.exchange(OK)
    assert not lane.guard.probing(wish())


def test_each_failed_probe_doubles_the_time_up_to_two_minutes() -> None:
    lane = Lane().open()
    spared = []
    for _ in range(8):
        wait = lane.wait()
        assert wait is not None
        assert wait.seconds is not None
        spared.append(wait.seconds)
        lane.over().exchange(DOWN)
    for seconds, planned in zip(spared, (5, 10, 20, 40, 80, 120, 120, 120), strict=True):
        assert planned <= seconds <= 1.1 * planned
    assert spared[-1] <= 1.1 * LONGEST
    lane.over()
    lane.closes()
    lane.open()
    assert lane.guard.open("lookup_citizen").seconds <= 1.1 * SHORTEST, "once closed, it begins anew"  # type: ignore[union-attr]


def test_circuits_that_opened_together_do_not_return_together() -> None:
    lane = Lane()
    names = [f"lookup_{number}" for number in range(10)]
    for name in names:
        lane.open(name)
    assert len({lane.guard.open(name).seconds for name in names}) == 10  # type: ignore[union-attr]


@pytest.mark.parametrize("proves_nothing", [UNSENT, STALE, Busy(3), Broken("no_row")], ids=str)
def test_a_probe_that_proved_nothing_is_followed_by_another_at_once(proves_nothing: Outcome | str) -> None:
    lane = Lane().open().over()
    for _ in range(30):
        lane.exchange(proves_nothing)
    assert lane.state() == PROBING
    lane.closes()


def test_a_probe_cut_by_a_hurried_caller_is_followed_by_another() -> None:
    lane = Lane().open().over()
    lane.exchange(InDoubt("timeout"), seconds=1.0)
    assert lane.guard.probing(wish())
    lane.exchange(InDoubt("cut"), seconds=9.0)
    assert lane.state() == OPEN, "one that waited long enough is a failure"


def test_a_probe_that_never_comes_back_counts_as_failed() -> None:
    lane = Lane().open().over()
    lost = lane.grant()
    lane.clock.advance(1.4 * TIMEOUT)
    assert lane.wait() == Wait("breaker", None, "connect", whole=False)
    lane.clock.advance(0.1 * TIMEOUT + 1e-6)
    wait = lane.wait()
    assert wait is not None
    assert wait.seconds is not None, "spared again, for twice as long"
    assert wait.seconds >= 2 * SHORTEST
    lane.over()
    lane.end(lost, OK)
    assert lane.guard.probing(wish()), "and when it comes back after all, nobody waits for it"
    lane.closes()


def test_an_exchange_of_a_later_step_that_never_comes_back_does_not_keep_it_half_open() -> None:
    lane = Lane().open().over()
    lane.exchange(OK)
    lane.grant()
    assert lane.wait() is not None
    lane.clock.advance(1.5 * TIMEOUT)
    lane.over()
    lane.closes()


def test_one_call_in_ten_minutes_closes_it() -> None:
    lane = Lane().open()
    for _ in range(8):
        lane.clock.advance(600)
        lane.exchange(OK)
    assert lane.state() == CLOSED


def test_a_failure_among_good_answers_does_not_begin_all_over_but_more_of_them_than_answers_do() -> None:
    lane = Lane().open().over()
    for outcome in (OK, OK, DOWN, OK, OK, DOWN, OK, OK, OK, OK):
        lane.exchange(outcome)
    assert lane.state() == CLOSED
    lane.open().over()
    lane.exchange(OK)
    lane.exchange(DOWN)
    lane.exchange(DOWN)
    assert lane.state() == OPEN


def test_a_person_who_knows_better_closes_it_and_what_is_out_does_no_harm() -> None:
    lane = Lane().open().over()
    probe = lane.grant()
    lane.guard.close()
    lane.end(probe, DOWN)
    assert lane.wait() is None
