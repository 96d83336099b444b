"""
A land register asked for three lists, one after the other as each was answered: the third was told that we are busy,
though its contract is twenty a second and eight at once. An agency that is refused does not always come again.
"""

from connectors.kit.manifest import load_manifest
from connectors.kit.registry import find_connectors
from hub.clock import VirtualClock
from hub.guards.guard import Wait
from hub.inbound import InboundGuard
from hub.shedding import Shedding
from monitoring.events import Silent

ANSWERED = 0.002
"""Seconds that an answer takes."""


def land_register(clock: VirtualClock) -> tuple[InboundGuard, int, float]:
    inbound = load_manifest(find_connectors()["land_vbdlis"]).inbound
    assert inbound is not None
    guard = InboundGuard({"land": inbound}, clock, Shedding(clock), Silent())
    clock.advance(60)
    return guard, inbound.calls_at_once, inbound.calls_per_second


def test_as_many_as_may_be_under_way_together_may_also_come_one_after_the_other() -> None:
    clock = VirtualClock()
    guard, at_once, _ = land_register(clock)
    for number in range(at_once):
        permit = guard.admit("land", "procedures_asked")
        assert not isinstance(permit, Wait), f"refused after {number}"
        clock.advance(ANSWERED)
        permit.release()


def test_whoever_goes_on_without_a_pause_gets_its_rate_and_no_more() -> None:
    clock = VirtualClock()
    guard, at_once, a_second = land_register(clock)
    taken, seconds = 0, 10.0
    for _ in range(round(seconds / ANSWERED)):
        permit = guard.admit("land", "procedures_asked")
        clock.advance(ANSWERED)
        if not isinstance(permit, Wait):
            taken += 1
            permit.release()
    assert a_second * seconds - 1 <= taken <= a_second * seconds + at_once
