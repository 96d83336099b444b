"""An operation that keeps failing is spared, found out about with few exchanges, and never forgotten in between."""

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

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


# --- A harmless operation --------------------------------------------------------------------------------------------


def test_a_harmless_operation_is_asked_for_instead_of_a_call() -> None:
    lane = Lane(probe="list_codes").open("file_dossier").over("file_dossier")
    wait = lane.wait("file_dossier")
    assert wait == Wait("breaker", None, "connect", whole=False, probe="list_codes")
    assert lane.guard.probing(wish("list_codes")), "it pays like any probe"
    assert lane.wait("list_codes") is None


def test_its_answer_lets_the_calls_of_all_who_waited_go_on_step_by_step() -> None:
    lane = Lane(probe="list_codes").open("file_dossier").open("lookup_citizen")
    lane.clock.advance(6)
    lane.exchange(OK, "list_codes")
    for operation in ("file_dossier", "lookup_citizen"):
        number = lane.grant(operation)
        assert not lane.guard.probing(wish(operation))
        assert lane.wait(operation) == Wait("breaker", None, "connect", whole=False)
        lane.end(number, OK, operation)
        lane.closes(operation)
    assert not lane.guard.probing(wish("list_codes"))


def test_its_failure_spares_those_who_waited_for_twice_as_long() -> None:
    lane = Lane(probe="list_codes").open("file_dossier").over("file_dossier")
    lane.exchange(DOWN, "list_codes")
    wait = lane.wait("file_dossier")
    assert wait is not None
    assert wait.seconds is not None
    assert wait.seconds >= 2 * SHORTEST


def test_it_tells_nothing_of_circuits_that_are_still_open() -> None:
    lane = Lane(probe="list_codes").open("file_dossier")
    lane.exchange(OK, "list_codes")
    assert lane.state("file_dossier") == OPEN


def test_a_log_in_tries_the_ground_itself_because_nothing_can_be_sent_before_it() -> None:
    lane = Lane(probe="list_codes").open("log_in").over("log_in")
    assert lane.guard.admit(wish("log_in", harmless=True)) is None


def test_a_harmless_operation_that_is_what_is_broken_does_not_keep_the_others_shut() -> None:
    lane = Lane(probe="list_codes").open("file_dossier")
    began, risked = lane.clock.monotonic(), []
    while lane.clock.monotonic() < began + 4000:
        wait = lane.wait("file_dossier")
        if wait is None:
            risked.append(lane.clock.monotonic())
            lane.exchange(DOWN, "file_dossier")
        elif wait.seconds is not None:
            lane.clock.advance(wait.seconds)
        elif (blocked := lane.wait("list_codes")) is None:
            lane.exchange(DOWN, "list_codes")
        else:
            lane.clock.advance(blocked.seconds or 1.0)
    assert 3 <= len(risked) <= 4, "one call in fifteen minutes"
    while lane.wait("file_dossier") is not None:
        lane.clock.advance(1)
    lane.closes("file_dossier")


# --- Routes ----------------------------------------------------------------------------------------------------------


def test_a_route_has_one_circuit_and_only_the_road_counts() -> None:
    route = Lane(route=True)
    for outcome in (InDoubt("timeout"), InDoubt("reset"), Unavailable("101503"), Busy(5), Broken("no_row")):
        route.exchange(outcome, "x", count=20)
        assert route.wait("y") is None, outcome
    route = Lane(route=True)
    for operation in "abcde":
        route.exchange(DOWN, operation)
    wait = route.wait("f")
    assert wait is not None
    assert wait.whole, "the gateway itself cannot be reached, so nobody's call can go"


def test_any_reply_over_a_gateway_proves_it() -> None:
    for reply in (OK, Busy(5), Broken("no_row"), Unavailable("101503")):
        route = Lane(route=True)
        for operation in "abcde":
            route.exchange(DOWN, operation)
        route.over("f")
        route.exchange(reply, "f")
        assert not route.guard.probing(wish("f"))


# --- Never stuck -----------------------------------------------------------------------------------------------------


class AnyMixture(RuleBasedStateMachine):
    """Whatever ends, is lost or never comes back in whatever order: an agency that answers again is used again."""

    OPERATIONS = ("lookup_citizen", "file_dossier", "list_codes")
    PROBE = ""

    def __init__(self) -> None:
        super().__init__()
        self.lane = Lane(probe=self.PROBE)
        self.out: list[tuple[int, str]] = []

    @rule(operation=st.sampled_from(OPERATIONS))
    def ask(self, operation: str) -> None:
        if self.lane.wait(operation) is None:
            self.out.append((self.lane.grant(operation), operation))

    @rule(
        which=st.integers(0, 50),
        outcome=st.sampled_from([OK, DOWN, DOWN, InDoubt("timeout"), InDoubt("cut"), Busy(None), Broken("x")]),
        seconds=st.sampled_from([0.1, 2.0, 9.0]),
    )
    def end(self, which: int, outcome: Outcome, seconds: float) -> None:
        if self.out:
            number, operation = self.out.pop(which % len(self.out))
            self.lane.end(number, outcome, operation, seconds)

    @rule(which=st.integers(0, 50), word=st.sampled_from([UNSENT, STALE]))
    def take_back(self, which: int, word: str) -> None:
        if self.out:
            number, operation = self.out.pop(which % len(self.out))
            self.lane.end(number, word, operation, 0.0)

    @rule(which=st.integers(0, 50))
    def lose(self, which: int) -> None:
        if self.out:
            self.out.pop(which % len(self.out))

    @rule(operation=st.sampled_from(OPERATIONS), answers=st.integers(0, 4))
    def half_open(self, operation: str, answers: int) -> None:
        for outcome in [DOWN] * 5 + [OK] * answers:
            wait = self.lane.wait(operation)
            if wait is not None and wait.seconds is not None:
                self.lane.over(operation)
            if self.lane.wait(operation) is None:
                self.lane.exchange(outcome, operation)

    @rule(seconds=st.sampled_from([0.5, 5.0, 16.0, 130.0, 1000.0]))
    def pass_time(self, seconds: float) -> None:
        self.lane.clock.advance(seconds)

    def teardown(self) -> None:
        """The agency works again, and one call comes every two minutes: within half an hour all is closed."""
        for operation in self.OPERATIONS:
            for _ in range(15):
                self.lane.clock.advance(120)
                wait = self.lane.wait(operation)
                if wait is not None and wait.probe:
                    if self.lane.wait(wait.probe) is None:
                        self.lane.exchange(OK, wait.probe)
                    wait = self.lane.wait(operation)
                if wait is None:
                    self.lane.exchange(OK, operation)
            assert self.lane.state(operation) == CLOSED
            assert self.lane.wait(operation) is None


class AnyMixtureWithAHarmlessOperation(AnyMixture):
    PROBE = "list_codes"


TestAnyMixture = AnyMixture.TestCase
TestAnyMixtureWithAHarmlessOperation = AnyMixtureWithAHarmlessOperation.TestCase
TestAnyMixture.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestAnyMixtureWithAHarmlessOperation.settings = TestAnyMixture.settings
