"""Breakers that a harmless operation tries out, those of routes, and any mixture: none is ever stuck."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from connectors.kit.outcomes import Broken, Busy, InDoubt, Outcome, Unavailable
from hub.guards.breaker import CLOSED, OPEN, SHORTEST
from hub.guards.guard import STALE, UNSENT, Wait
from tests.unit.guards.test_breaker_guard import DOWN, OK, Lane, wish

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
