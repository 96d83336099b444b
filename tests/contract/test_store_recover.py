"""Promises of a store: what a crash leaves, by design section 5."""

from typing import Any

import pytest

from hub.call import Kind, State
from hub.store.protocol import Recovered, Settled


async def test_an_interactive_lookup_left_sending_is_expired(bench: Any) -> None:
    call = await bench.opened()
    assert await bench.store.recover("node-1") == Recovered(expired=1)
    record = await bench.record(call)
    assert (record.call.state, record.cause) == (State.EXPIRED, "crash")


async def test_an_interactive_row_left_queued_is_expired(bench: Any) -> None:
    call = await bench.opened()
    await bench.settle(call, State.QUEUED, "busy")
    assert await bench.store.recover("node-1") == Recovered(expired=1)
    assert await bench.store.begin(call.id, call.fence, "node-1") is None


async def test_a_durable_lookup_left_sending_is_queued(bench: Any) -> None:
    leased = await bench.sending(kind=Kind.LOOKUP)
    assert await bench.store.recover("node-1") == Recovered(queued=1)
    (again,) = await bench.leased()
    assert again.call.id == leased.call.id
    assert again.call.attempts == 0


async def test_a_repeat_safe_filing_left_sending_is_queued(bench: Any) -> None:
    await bench.sending(repeat_safe=True)
    assert await bench.store.recover("node-1") == Recovered(queued=1)
    assert await bench.store.backlog("npsp") == 1


async def test_any_other_filing_left_sending_is_in_doubt(bench: Any) -> None:
    leased = await bench.sending(repeat_safe=False)
    assert await bench.store.recover("node-1") == Recovered(in_doubt=1)
    assert await bench.state(leased) is State.IN_DOUBT
    assert [one.call.id for one in await bench.store.asking_due("npsp", bench.clock.now(), 9)] == [leased.call.id]
    assert await bench.store.backlog("npsp") == 0


async def test_accepted_calls_outlive_a_crash_and_their_leases_end_with_it(bench: Any) -> None:
    call = await bench.accepted()
    (before,) = await bench.leased(ttl=1000)
    assert await bench.store.recover("node-1") == Recovered()
    assert await bench.store.begin(call.id, before.call.fence, "node-1") is None
    assert [one.call.id for one in await bench.leased()] == [call.id]


async def test_calls_of_another_live_node_are_left_alone(bench: Any) -> None:
    leased = await bench.sending()
    await bench.opened()
    assert await bench.store.recover("node-2") == Recovered()
    assert await bench.state(leased) is State.SENDING


async def test_calls_of_another_node_are_taken_over_when_their_lease_ends(bench: Any) -> None:
    await bench.sending(repeat_safe=True)
    await bench.opened()
    bench.clock.advance(211)
    assert await bench.store.recover("node-2", starting=False) == Recovered(queued=1, expired=1)


async def test_a_running_node_does_not_take_its_own_calls_for_those_of_a_former_life(bench: Any) -> None:
    leased = await bench.sending()
    assert await bench.store.recover("node-1", starting=False) == Recovered()
    assert await bench.answered(leased) is Settled.APPLIED


async def test_recovering_twice_changes_nothing_more(bench: Any) -> None:
    await bench.sending(repeat_safe=True)
    await bench.store.recover("node-1")
    assert await bench.store.recover("node-1") == Recovered()


async def test_the_settle_of_a_former_life_is_refused_once_the_call_goes_again(bench: Any) -> None:
    leased = await bench.sending(repeat_safe=True)
    await bench.store.recover("node-1")
    assert await bench.answered(leased) is Settled.REFUSED
    (again,) = await bench.leased()
    await bench.store.begin(again.call.id, again.call.fence, "node-1")
    assert await bench.answered(leased) is Settled.REFUSED
    assert await bench.answered(again, number=2) is Settled.APPLIED


async def _crash(bench: Any) -> Recovered:
    (leased,) = await bench.leased()
    await bench.store.begin(leased.call.id, leased.call.fence, "node-1")
    recovered: Recovered = await bench.store.recover("node-1")
    return recovered


async def test_more_than_twenty_exchanges_without_a_settle_are_dead(bench: Any) -> None:
    call = await bench.accepted(repeat_safe=True)
    for _ in range(20):
        assert await _crash(bench) == Recovered(queued=1)
    assert await _crash(bench) == Recovered(dead=1)
    record = await bench.record(call)
    assert (record.call.state, record.cause) == (State.DEAD, "crash_loop")


async def test_one_settle_ends_the_count_of_a_crash_loop(bench: Any) -> None:
    await bench.accepted(repeat_safe=True)
    for _ in range(20):
        await _crash(bench)
    (leased,) = await bench.leased()
    number = await bench.store.begin(leased.call.id, leased.call.fence, "node-1")
    await bench.settle(leased, State.QUEUED, "unavailable", number, due_at=bench.clock.now())
    assert await _crash(bench) == Recovered(queued=1)


async def test_what_a_crash_cut_still_occupies_its_agency(bench: Any) -> None:
    leased = await bench.sending(repeat_safe=True)
    lookup = await bench.opened()
    await bench.store.recover("node-1")
    assert {one.call_id for one in await bench.store.occupied(bench.clock.now() - 1)} == {leased.call.id, lookup.id}
    assert await bench.store.sent_on_day("police", "2026-11-23") == 1


@pytest.mark.parametrize("outcome", ["answered", "unavailable"])
async def test_a_verification_cut_by_a_crash_is_made_again(bench: Any, outcome: str) -> None:
    leased = await bench.doubtful()
    fence, number = await bench.store.begin_asking(leased.call.id, "node-1")
    await bench.store.recover("node-1")
    to = State.ANSWERED if outcome == "answered" else State.IN_DOUBT
    assert await bench.settle(leased, to, outcome, number, fence=fence) is Settled.REFUSED
    assert await bench.store.begin_asking(leased.call.id, "node-1") is not None


async def test_a_look_up_whose_caller_waited_at_a_node_that_is_dead_ends_with_it(bench: Any) -> None:
    on_the_wire, between = await bench.opened(), await bench.opened()
    await bench.settle(between, State.QUEUED, "busy")
    filing, durable = await bench.sending(), await bench.sending(kind=Kind.LOOKUP)
    assert await bench.store.inherit("node-2") == 0
    assert await bench.state(on_the_wire) is State.SENDING
    assert await bench.store.inherit("node-1") == 0
    for call in (on_the_wire, between):
        record = await bench.record(call)
        assert (record.call.state, record.cause) == (State.EXPIRED, "crash")
    assert [await bench.state(one) for one in (filing, durable)] == [State.SENDING] * 2, "until their lease has ended"
    assert await bench.answered(on_the_wire) is Settled.REFUSED, "should it live after all"
