"""A road that loads what another wrote behaves as that one from then on; lost permits come back by themselves."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.kit.outcomes import Answered, Result, Unavailable
from hub.call import Class
from hub.clock import VirtualClock
from hub.coordination.protocol import HoldCause, Permit, Wait, Wanted
from hub.coordination.road import Road
from hub.guards.bounds import Bounds
from tests.unit.coordination.roads import (
    BOUNDS,
    LANES,
    NAMES,
    OUTCOMES,
    ROAD,
    SEQUENCES,
    Claim,
    Even,
    Leave,
    Order,
    Pass,
    Release,
)

CALL = Wanted("look", Class.NORMAL)
LIVES = 75.0


def road(clock: VirtualClock, lanes: dict[str, Bounds] | None = None) -> Road:
    return Road(clock, Even(), BOUNDS if lanes is None else lanes, ROAD, name="lgsp")


class Driven:
    """A road, and what is out of it."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.road = road(clock)
        self.out: list[Permit] = []

    def do(self, step: Any) -> Any:
        """Do one step; return everything that can be seen of it."""
        road = self.road
        if isinstance(step, Claim):
            answer = road.claim(step.lane, step.wish, f"{step.lane}/{step.node}", step.node, LIVES)
            if isinstance(answer, Permit):
                self.out.append(answer)
            calls = tuple(road.calls)
            road.calls.clear()
            return answer, calls
        if isinstance(step, Leave) and self.out:
            permit = self.out[step.which % len(self.out)]
            road.ready(permit)
            wait = road.leaves_in(permit.lane)
            if not wait:
                road.leave(permit, LIVES)
            return wait
        if isinstance(step, Release) and self.out:
            return road.release(self.out.pop(step.which % len(self.out)), step.outcome, step.seconds)
        if isinstance(step, Order):
            getattr(road, step.what)(*step.arguments)
        lost = road.expire()
        self.out = [permit for permit in self.out if permit not in lost]
        return lost, self.seen()

    def seen(self) -> Any:
        names = [dict(self.road.watch(name)) for name in NAMES]
        stops = [self.road.stopped(name, operation) for name in NAMES for operation in ("look", "file")]
        return names, stops, [self.road.pace(lane) for lane in LANES], [self.road.moved(lane) for lane in LANES]


@given(SEQUENCES, st.lists(st.booleans(), min_size=80, max_size=80))
@settings(max_examples=150)
def test_a_road_goes_on_from_what_was_written_as_if_nothing_had_been(steps: list[Any], rewritten: list[bool]) -> None:
    clock = VirtualClock()
    one, other = Driven(clock), Driven(clock)
    for step, again in zip(steps, rewritten, strict=False):
        if isinstance(step, Pass):
            clock.advance(step.seconds)
        if again:
            written = other.road.state()
            other.road = road(clock)
            other.road.load(written)
            assert other.road.state() == written, "nothing is lost, and nothing changes by being read"
        assert one.do(step) == other.do(step)
        assert one.road.state() == other.road.state()


def test_a_lost_permit_frees_its_slot_and_is_not_refunded() -> None:
    clock = VirtualClock()
    made = road(clock, {"a": Bounds(1000, 2, 10, calls_per_day=100)})
    clock.advance(1)
    assert isinstance(made.claim("a", CALL, "a/n1", "n1", LIVES), Permit)
    clock.advance(LIVES - 1)
    assert made.expire() == []
    clock.advance(1)
    assert [permit.lane for permit in made.expire()] == ["a"]
    assert made.watch("a")["concurrency_in_use"] == 0
    assert made.watch("a")["day_quota_remaining"] == 99
    assert made.expire() == []


def test_a_permit_that_left_lives_for_as_long_again() -> None:
    clock = VirtualClock()
    made = road(clock)
    clock.advance(200)
    permit = made.claim("a", CALL, "a/n1", "n1", LIVES)
    assert isinstance(permit, Permit)
    clock.advance(LIVES - 1)
    made.ready(permit)
    made.leave(permit, LIVES)
    clock.advance(LIVES - 1)
    assert made.expire() == []
    assert made.release(permit, OUTCOMES[0], 1.0)


def test_a_probe_that_never_comes_back_counts_as_failed() -> None:
    clock = VirtualClock()
    made = road(clock)
    clock.advance(200)
    for _ in range(5):
        permit = made.claim("a", CALL, "a/n1", "n1", LIVES)
        assert isinstance(permit, Permit)
        made.release(permit, Unavailable("mapped"), 0.1)
        clock.advance(1)
    clock.advance(6)
    probe = made.claim("a", CALL, "a/n1", "n1", LIVES)
    assert isinstance(probe, Permit)
    assert probe.probe
    clock.advance(LIVES)
    (lost,) = made.expire()
    assert lost == probe
    refused = made.claim("a", CALL, "a/n2", "n2", LIVES)
    assert isinstance(refused, Wait)
    assert (refused.guard, refused.seconds and refused.seconds > 5) == ("breaker", True)


def test_a_lane_that_only_another_node_has_is_kept_for_it() -> None:
    clock = VirtualClock()
    both, one = road(clock), road(clock, {"a": BOUNDS["a"]})
    both.hold("b", HoldCause.OPERATOR, None)
    one.load(both.state())
    one.hold("a", HoldCause.AUTH, 60)
    both.load(one.state())
    assert both.stopped("a", "look") == Wait("hold", 60, "auth")
    assert both.stopped("b", "look") == Wait("hold", None, "operator")


def test_a_node_with_a_smaller_contract_keeps_within_its_own() -> None:
    """While agencies' entries change, nodes differ."""
    clock = VirtualClock()
    wide, narrow = road(clock, {"a": Bounds(100, 8, 10)}), road(clock, {"a": Bounds(10, 2, 10)})
    out = []
    for _ in range(4):
        clock.advance(1)
        out.append(wide.claim("a", CALL, "a/n1", "n1", LIVES))
    assert all(isinstance(one, Permit) for one in out)
    narrow.load(wide.state())
    clock.advance(1)
    assert isinstance(narrow.claim("a", CALL, "a/n2", "n2", LIVES), Wait)
    assert (narrow.pace("a").at_once, narrow.pace("a").per_second) == (2, 9)
    for one in out:
        assert isinstance(one, Permit)
        assert narrow.release(one, Answered(Result.OK), 0.1)
    assert narrow.watch("a")["concurrency_in_use"] == 0


def test_what_is_no_state_is_refused() -> None:
    with pytest.raises(ValidationError):
        road(VirtualClock()).load(b'{"road":{}}')
