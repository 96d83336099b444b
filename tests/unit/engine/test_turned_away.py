"""A refused token is renewed, or is the lane's trouble, or the route's: which of these, witnesses decide and not guesses."""

from typing import Any

import pytest

from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Result, StaleCredentials, Unavailable
from hub.clock import VirtualClock
from hub.turned_away import WITNESS, Trouble, TurnedAway, let_through


@pytest.fixture
def clock() -> VirtualClock:
    clock = VirtualClock()
    clock.advance(1000)
    return clock


@pytest.fixture
def away(clock: VirtualClock) -> TurnedAway:
    away = TurnedAway(clock)
    away.another()
    return away


def refused(away: TurnedAway, lane: str, *, again: bool = False, alone: bool = False) -> Trouble:
    return away.refused(lane, again=again, alone=alone)


def test_a_first_refusal_may_be_an_old_token(away: TurnedAway, clock: VirtualClock) -> None:
    assert refused(away, "a") is Trouble.OLD
    away.served("b")
    clock.advance(4000)
    assert refused(away, "a") is Trouble.OLD


def test_the_only_lane_of_a_route_needs_no_witness(away: TurnedAway) -> None:
    assert refused(away, "a", again=True, alone=True) is Trouble.ROUTE


def test_a_lane_refused_twice_waits_for_another_to_try(away: TurnedAway, clock: VirtualClock) -> None:
    assert refused(away, "a", again=True) is Trouble.WAIT
    assert away.waits("a")
    assert not away.waits("b")
    assert refused(away, "a", again=True) is Trouble.KNOWN, "what it had on the wire says nothing new"
    clock.advance(WITNESS)
    assert not away.waits("a"), "nobody else had anything to send"
    assert refused(away, "a") is Trouble.ROUTE


def test_a_witness_that_is_refused_too_speaks_against_the_route(away: TurnedAway) -> None:
    refused(away, "a", again=True)
    assert refused(away, "b") is Trouble.ROUTE
    away.another()
    assert away.waits("b"), "the next token is for others to try"
    assert not away.waits("a")


def test_a_witness_that_is_served_speaks_against_the_lane(away: TurnedAway) -> None:
    refused(away, "a", again=True)
    assert away.served("b"), "and now it may go again"
    assert not away.waits("a")
    assert refused(away, "a") is Trouble.LANE


def test_a_lane_under_suspicion_never_stops_the_route(away: TurnedAway, clock: VirtualClock) -> None:
    away.served("b")
    assert refused(away, "a", again=True) is Trouble.LANE
    away.another()
    assert refused(away, "a") is Trouble.OLD, "but it may have the token renewed"
    assert refused(away, "a", again=True) is Trouble.LANE
    assert not away.served("a")
    away.another()
    assert refused(away, "a", again=True) is Trouble.WAIT, "until it has been served itself"


@pytest.mark.parametrize(
    ("outcome", "through"),
    [
        (Answered(Result.REFUSED), True),
        (Busy(1.0), True),
        (Busy(1.0, "wso2_900800", route=True), True),
        (Broken("no_row"), True),
        (Broken("mapping", sent=False), False),
        (StaleCredentials("http_401"), True),
        (StaleCredentials("wso2_900901", route=True), False),
        (Unavailable("connect"), False),
        (InDoubt("timeout"), False),
        (None, False),
    ],
)
def test_only_what_was_said_behind_the_gateway_bears_a_token_out(outcome: Any, through: bool) -> None:
    assert let_through(outcome) is through


def test_what_was_waited_for_long_ago_is_forgotten(away: TurnedAway, clock: VirtualClock) -> None:
    refused(away, "a", again=True)
    clock.advance(4000)
    assert refused(away, "b") is Trouble.OLD
