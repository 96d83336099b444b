"""An agency asks no more of us than its manifest says, whatever it does, and what it takes is nobody else's."""

from collections import deque
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kit.manifest import Inbound
from hub.clock import VirtualClock
from hub.guards.guard import Wait
from hub.inbound import InboundGuard, InboundPermit
from hub.shedding import Shedding
from monitoring.events import Silent


class Doorkeeper(Silent):
    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    def inbound(self, agency: str, notice: str, decision: str) -> None:
        self.told.append((agency, notice, decision))


def contract(calls_per_second: float = 100.0, calls_at_once: int = 100) -> Inbound:
    return Inbound(
        calls_per_second=calls_per_second, calls_at_once=calls_at_once, call_timeout=30.0, request_bytes=1000
    )


def guard(clock: VirtualClock, observer: Silent | None = None, **contracts: Inbound) -> InboundGuard:
    made = InboundGuard(contracts, clock, Shedding(clock), observer or Silent())
    clock.advance(1000)  # long after the start
    return made


def let_in(got: InboundPermit | Wait) -> InboundPermit:
    assert isinstance(got, InboundPermit), got
    return got


def waits(got: InboundPermit | Wait) -> Wait:
    assert isinstance(got, Wait)
    return got


STEPS = st.lists(st.tuples(st.floats(0, 2), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=30)
"""Seconds that pass, requests that come then, permits given back before them."""


@settings(deadline=None)
@given(rate=st.sampled_from([0.2, 1.0, 3.0, 25.0]), at_once=st.integers(1, 12), steps=STEPS)
def test_no_pattern_exceeds_rate_or_calls_at_once(
    rate: float, at_once: int, steps: Sequence[tuple[float, int, int]]
) -> None:
    clock = VirtualClock()
    inbound = guard(clock, tax=contract(rate, at_once))
    held: deque[InboundPermit] = deque()
    moments: list[float] = []
    for seconds, come, go in steps:
        clock.advance(seconds)
        for _ in range(min(go, len(held))):
            held.popleft().release()
        for _ in range(come):
            got = inbound.admit("tax", "dossier_progressed")
            if isinstance(got, InboundPermit):
                got.arrived()
                held.append(got)
                moments.append(clock.monotonic())
            else:
                assert got.seconds is not None
                assert got.seconds > 0
        assert inbound.under_way("tax") == len(held) <= at_once
    burst = max(at_once, 0.1 * rate)
    for first, began in enumerate(moments):
        for last in range(first, len(moments)):
            assert last - first + 1 <= burst + rate * (moments[last] - began) + 1e-6


def test_an_agency_that_keeps_its_rate_is_never_refused() -> None:
    clock = VirtualClock()
    inbound = guard(clock, tax=contract(5.0, 1))
    for _ in range(200):
        with let_in(inbound.admit("tax", "dossier_progressed")):
            clock.advance(0.2)


def test_whoever_waits_as_long_as_told_comes_in() -> None:
    clock = VirtualClock()
    inbound = guard(clock, tax=contract(0.5, 1))
    let_in(inbound.admit("tax", "dossier_progressed")).release()
    wait = waits(inbound.admit("tax", "dossier_progressed"))
    assert (wait.guard, wait.seconds) == ("rate", pytest.approx(2.0))
    clock.advance(wait.seconds or 0.0)
    let_in(inbound.admit("tax", "dossier_progressed"))


def test_a_permit_is_given_back_once_however_often_it_is_released() -> None:
    clock = VirtualClock()
    inbound = guard(clock, tax=contract(calls_at_once=2))
    first = let_in(inbound.admit("tax", "n"))
    let_in(inbound.admit("tax", "n"))
    for _ in range(3):
        first.release()
    assert inbound.under_way("tax") == 1
    let_in(inbound.admit("tax", "n"))
    assert waits(inbound.admit("tax", "n")).guard == "concurrency"


def test_a_permit_comes_back_though_its_request_failed() -> None:
    clock = VirtualClock()
    inbound = guard(clock, tax=contract(calls_at_once=1))
    with pytest.raises(ValueError, match="mapping"), let_in(inbound.admit("tax", "n")):
        raise ValueError("mapping")
    assert inbound.under_way("tax") == 0


def test_a_flood_of_one_agency_takes_nothing_from_another() -> None:
    clock = VirtualClock()
    inbound = guard(clock, tax=contract(1.0, 1), npsp=contract(1.0, 1))
    let_in(inbound.admit("tax", "n"))
    for _ in range(1000):
        waits(inbound.admit("tax", "n"))
    let_in(inbound.admit("npsp", "n"))


def test_what_agencies_send_is_shed_with_normal_and_not_with_bulk() -> None:
    clock = VirtualClock()
    shedding = Shedding(clock)
    inbound = InboundGuard({"tax": contract()}, clock, shedding, Silent())
    clock.advance(1000)
    for _ in range(3):
        shedding.lag(0.1)
    let_in(inbound.admit("tax", "n"))
    for _ in range(3):
        shedding.lag(0.5)
    wait = waits(inbound.admit("tax", "n"))
    assert wait.guard == "overload"
    assert wait.seconds
    assert inbound.under_way("tax") == 1


def test_every_decision_is_told() -> None:
    clock = VirtualClock()
    keeper = Doorkeeper()
    inbound = guard(clock, keeper, tax=contract(1.0, 1), npsp=contract(50.0, 1))
    let_in(inbound.admit("tax", "result_returned")).release()
    inbound.admit("tax", "result_returned")
    inbound.admit("npsp", "dossier_progressed")
    inbound.admit("npsp", "dossier_progressed")
    assert keeper.told == [
        ("tax", "result_returned", "accepted"),
        ("tax", "result_returned", "rate"),
        ("npsp", "dossier_progressed", "accepted"),
        ("npsp", "dossier_progressed", "concurrency"),
    ]
