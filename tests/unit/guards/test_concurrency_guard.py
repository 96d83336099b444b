"""An agency never has more of our exchanges at once than it allows, those included that only it still works on."""

import pytest

from connectors.kit.outcomes import Answered, InDoubt, Outcome, Result, Unavailable
from hub.call import Class
from hub.clock import VirtualClock
from hub.guards.concurrency import Concurrency
from hub.guards.guard import UNSENT, Wait, Wanted

CALL = Wanted("lookup_citizen", Class.NORMAL)


def full(clock: VirtualClock) -> Concurrency:
    guard = Concurrency(clock, 3, call_timeout=20)
    for number in range(3):
        assert guard.admit(CALL) is None
        guard.granted(number, CALL)
    return guard


def test_the_contract_is_the_most_at_once() -> None:
    guard = full(VirtualClock())
    assert guard.admit(CALL) == Wait("concurrency", None)
    assert guard.in_use == 3


@pytest.mark.parametrize("outcome", [Answered(Result.OK), Unavailable("connect"), InDoubt("reset"), UNSENT])
def test_an_ended_exchange_frees_its_slot(outcome: Outcome | str) -> None:
    guard = full(VirtualClock())
    guard.released(1, CALL, outcome, 2.0)
    assert guard.admit(CALL) is None


def test_a_cut_exchange_keeps_its_slot_until_one_and_a_half_times_the_timeout() -> None:
    clock = VirtualClock()
    guard = full(clock)
    clock.advance(5)
    guard.released(1, CALL, InDoubt("timeout"), 4.0)
    assert guard.admit(CALL) == Wait("concurrency", 26.0)
    clock.advance(25.9)
    assert guard.admit(CALL) is not None
    clock.advance(0.1)
    assert guard.admit(CALL) is None


def test_exchanges_of_a_dead_process_still_occupy_their_agency() -> None:
    clock = VirtualClock()
    guard = Concurrency(clock, 2, call_timeout=20)
    for seconds in (10.0, 30.0, 30.0, -5.0):
        guard.occupy(seconds)
    assert guard.in_use == 3, "one more than the limit, after the contract was lowered"
    clock.advance(10)
    assert guard.admit(CALL) == Wait("concurrency", 20.0)
    clock.advance(20)
    assert guard.in_use == 0
