"""A lane that is told to stop stops, returns with one probe, and never stops for longer than somebody asked."""

from random import Random

import pytest

from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome, Result
from hub.call import Class
from hub.clock import VirtualClock
from hub.guards.guard import STALE, UNSENT, HoldCause, Wait, Wanted
from hub.guards.hold import Hold

LOOKUP = Wanted("lookup_citizen", Class.NORMAL)
OTHER = Wanted("file_dossier", Class.NORMAL)
OK = Answered(Result.OK)


class Lane:
    """A hold guard with somebody who uses it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.guard = Hold(self.clock, Random(7))
        self.number = 0

    def wait(self, wanted: Wanted = LOOKUP) -> Wait | None:
        return self.guard.admit(wanted)

    def seconds(self, wanted: Wanted = LOOKUP) -> float:
        wait = self.wait(wanted)
        assert wait is not None
        assert wait.seconds is not None
        return wait.seconds

    def grant(self, wanted: Wanted = LOOKUP) -> int:
        assert self.guard.admit(wanted) is None
        self.number += 1
        self.probe = self.guard.granted(self.number, wanted)
        return self.number

    def end(self, number: int, outcome: Outcome | str, wanted: Wanted = LOOKUP) -> None:
        self.guard.released(number, wanted, outcome, 0.1)

    def exchange(self, outcome: Outcome | str, wanted: Wanted = LOOKUP) -> None:
        self.end(self.grant(wanted), outcome, wanted)


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [(0, 1, 1.1), (0.2, 1, 1.1), (30, 30, 33), (900, 900, 900), (1e9, 900, 900), (1e300, 900, 900)],
)
def test_a_hold_lasts_what_the_agency_asked_within_one_second_and_fifteen_minutes(
    asked: float, least: float, most: float
) -> None:
    lane = Lane()
    lane.exchange(Busy(asked))
    assert least <= lane.seconds() <= most


def test_without_a_header_the_hold_doubles_from_one_second_to_a_minute() -> None:
    lane = Lane()
    held = []
    for _ in range(9):
        lane.exchange(Busy(None))
        held.append(lane.seconds())
        lane.clock.advance(held[-1])
    assert [round(seconds / 1.1) <= 2**k <= round(seconds, 6) for k, seconds in enumerate(held[:6])] == [True] * 6
    assert all(60 <= seconds <= 66 for seconds in held[6:])


def test_a_good_answer_ends_the_doubling() -> None:
    lane = Lane()
    for outcome in (Busy(None), Busy(None), Busy(None), OK, Busy(None)):
        lane.clock.advance(100)
        lane.exchange(outcome)
    assert lane.seconds() <= 1.1


def test_several_refusals_in_flight_count_once() -> None:
    lane = Lane()
    numbers = [lane.grant() for _ in range(8)]
    for number in numbers:
        lane.end(number, Busy(None))
    assert lane.seconds() <= 1.1


def test_a_later_shorter_wish_never_shortens_a_hold() -> None:
    lane = Lane()
    first, second = lane.grant(), lane.grant()
    lane.end(first, Busy(100))
    lane.end(second, Busy(5))
    assert lane.seconds() >= 100


def test_an_answer_that_was_in_flight_does_not_end_the_hold() -> None:
    lane = Lane()
    first, second = lane.grant(), lane.grant()
    lane.end(first, Busy(100))
    lane.end(second, OK)
    assert lane.seconds() >= 100


def test_after_the_hold_one_probe_goes_and_the_rest_waits_for_it() -> None:
    lane = Lane()
    lane.exchange(Busy(10))
    lane.clock.advance(11)
    probe = lane.grant()
    assert lane.probe
    assert lane.wait() == Wait("hold", None, "busy")
    lane.end(probe, OK)
    assert lane.wait() is None
    lane.grant()
    assert not lane.probe


@pytest.mark.parametrize("proves_nothing", [UNSENT, STALE])
def test_a_probe_that_proved_nothing_is_followed_by_another(proves_nothing: str) -> None:
    lane = Lane()
    lane.exchange(Busy(10))
    lane.clock.advance(11)
    lane.exchange(proves_nothing)
    assert lane.probe
    lane.grant()
    assert lane.probe
    assert lane.wait() is not None


def test_a_probe_that_times_out_ends_a_busy_hold() -> None:
    """Busy asked for quiet and got it; what a time-out means is the breaker's business."""
    lane = Lane()
    lane.exchange(Busy(10))
    lane.clock.advance(11)
    lane.exchange(InDoubt("timeout"))
    assert lane.wait() is None


def test_five_broken_replies_in_a_row_hold_that_operation_alone() -> None:
    lane = Lane()
    for _ in range(5):
        assert lane.wait() is None
        lane.exchange(Broken("no row"))
    assert lane.seconds() >= 60
    assert lane.wait() == Wait("hold", lane.seconds(), "contract", whole=False)
    assert lane.wait(OTHER) is None


def test_a_good_answer_between_broken_ones_starts_the_count_again() -> None:
    lane = Lane()
    for outcome in (*[Broken("no row")] * 4, OK, *[Broken("no row")] * 4):
        lane.exchange(outcome)
    assert lane.wait() is None


def test_requests_that_could_not_be_written_never_hold_an_operation() -> None:
    """Else one caller's bad data would stop everybody."""
    lane = Lane()
    for _ in range(20):
        lane.exchange(Broken("mapping", sent=False))
    assert lane.wait() is None


def test_a_contract_hold_doubles_while_the_probe_is_broken_too() -> None:
    lane = Lane()
    for _ in range(5):
        lane.exchange(Broken("no row"))
    lane.clock.advance(lane.seconds())
    lane.exchange(Broken("no row"))
    assert 120 <= lane.seconds() <= 132


def test_an_operators_hold_lasts_until_resumed_and_needs_no_probe() -> None:
    lane = Lane()
    lane.guard.stop(HoldCause.OPERATOR, None)
    lane.clock.advance(1e6)
    assert lane.wait() == Wait("hold", None, "operator")
    lane.guard.resume()
    lane.grant()
    assert not lane.probe


def test_the_longest_of_several_holds_is_told() -> None:
    lane = Lane()
    lane.guard.stop(HoldCause.MAINTENANCE, 50)
    lane.guard.stop(HoldCause.AUTH, 20)
    assert lane.wait() == Wait("hold", 50, "maintenance")
    lane.clock.advance(60)
    lane.grant()
    assert lane.probe, "after an auth hold one call tries the credentials first"


def test_a_gateways_throttle_holds_the_route_and_not_the_lane() -> None:
    lane, route = Lane(), Hold(VirtualClock(), Random(1), route=True)
    route.released(1, LOOKUP, Busy(5, route=True), 0.1)
    lane.exchange(Busy(5, route=True))
    assert route.admit(LOOKUP) is not None
    assert lane.wait() is None


def test_a_probe_cut_by_a_caller_in_a_hurry_has_proved_nothing() -> None:
    clock = VirtualClock()
    guard = Hold(clock, Random(7), call_timeout=20)
    guard.stop(HoldCause.BUSY, 5)
    clock.advance(5)
    guard.granted(1, LOOKUP)
    guard.released(1, LOOKUP, InDoubt("deadline"), 0.02)
    assert guard.probing(LOOKUP), "the next one is the probe"
    guard.granted(2, LOOKUP)
    guard.released(2, LOOKUP, InDoubt("timeout"), 20.0)
    assert not guard.probing(LOOKUP), "a whole time-out is for the breaker"
