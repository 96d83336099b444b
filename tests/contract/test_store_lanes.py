"""Promises of a store: leases, order, fences, and what a lane reads to begin its day."""

from random import Random
from typing import Any

import pytest

from hub.call import Class, Kind, Purpose, State
from hub.store.deciding import Act, Fate
from hub.store.protocol import Settled


async def test_due_calls_are_leased_oldest_first_and_once(bench: Any) -> None:
    calls = [await bench.accepted() for _ in range(3)]
    first = await bench.leased(want=2)
    assert [one.call.id for one in first] == [call.id for call in calls[:2]]
    assert [one.call.id for one in await bench.leased(want=9)] == [calls[2].id]
    assert first[0].until == bench.clock.now() + 60


async def of_unit(bench: Any, unit: str | None, count: int, **changes: Any) -> list[str]:
    purpose = Purpose("officer-7", unit, "H32.1-261123-0001", None, "1.000001")
    return [(await bench.accepted(purpose=purpose, **changes)).id for _ in range(count)]


async def test_each_payer_gives_a_call_before_anybody_gives_a_second(bench: Any) -> None:
    many = await of_unit(bench, "unit-1", 50)
    few = [*await of_unit(bench, "unit-2", 1), *await of_unit(bench, None, 1)]
    other = await of_unit(bench, "unit-1", 1, caller="archive")
    leased = {one.call.id for one in await bench.leased(want=8)}
    assert leased == {*many[:5], *few, *other}


async def test_a_round_goes_on_where_the_last_lease_ended(bench: Any) -> None:
    units = [f"unit-{number}" for number in range(9)]
    for unit in units:
        await of_unit(bench, unit, 5)
    served = [one.call.purpose.unit for _ in range(12) for one in await bench.leased(want=3)]
    assert served == units * 4


async def test_each_class_is_leased_by_itself(bench: Any) -> None:
    bulk = await of_unit(bench, "unit-1", 20, cls=Class.BULK)
    (counter,) = await of_unit(bench, "unit-1", 1, cls=Class.COUNTER)
    leased = await bench.store.lease("npsp", "node-1", {Class.COUNTER: 4, Class.BULK: 2}, 60.0)
    assert [one.call.id for one in leased] == [counter, *bulk[:2]]
    assert [one.call.id for one in await bench.store.lease("npsp", "node-1", {Class.BULK: 1}, 60.0)] == bulk[2:3]


@pytest.mark.parametrize("seed", range(20))
async def test_fewer_than_wanted_means_that_no_more_is_ready(bench: Any, seed: int) -> None:
    """Whoever is behind: payers whose calls are due later, leased, held back by their key, or not there any more."""
    chance = Random(seed)
    ready: set[str] = set()
    for number in range(40):
        unit, key = f"unit-{chance.randrange(7)}", chance.choice([None, None, f"key-{chance.randrange(5)}"])
        due = bench.clock.now() + chance.choice([0.0, 0.0, 50.0])
        (call,) = await of_unit(bench, unit, 1, due_at=due, order_key=key and f"{key}-{number}")
        ready |= {call} if due <= bench.clock.now() else set()
    while True:
        want = chance.randrange(1, 9)
        leased = [one.call.id for one in await bench.leased(want=want)]
        assert ready.issuperset(leased)
        assert len(leased) == min(want, len(ready))
        ready -= set(leased)
        if not leased:
            break


async def test_the_next_due_is_asked_for_after_a_moment(bench: Any) -> None:
    now = bench.clock.now()
    for seconds in (0.0, 10.0, 20.0):
        await bench.accepted(due_at=now + seconds)
    assert [await bench.store.next_due("npsp", after) for after in (0.0, now, now + 10, now + 20)] == [
        now, now + 10, now + 20, None,
    ]  # fmt: skip


async def test_interactive_calls_are_never_leased(bench: Any) -> None:
    call = await bench.opened(agency="npsp")
    assert await bench.leased() == []
    await bench.settle(call, State.QUEUED, "busy", due_at=bench.clock.now())
    assert await bench.leased() == []


async def test_a_call_is_not_leased_before_it_is_due(bench: Any) -> None:
    call = await bench.accepted(due_at=bench.clock.now() + 10)
    assert await bench.leased() == []
    assert await bench.store.next_due("npsp") == bench.clock.now() + 10
    bench.clock.advance(10)
    assert [one.call.id for one in await bench.leased()] == [call.id]
    assert await bench.store.next_due("npsp") is None


async def test_a_lease_that_ended_passes_on_and_the_first_may_no_longer_begin(bench: Any) -> None:
    call = await bench.accepted()
    (first,) = await bench.leased(ttl=60, node="node-1")
    bench.clock.advance(60)
    (second,) = await bench.leased(ttl=60, node="node-2")
    assert second.call.fence > first.call.fence
    assert await bench.store.begin(call.id, first.call.fence, "node-1") is None
    assert await bench.store.begin(call.id, second.call.fence, "node-2") == 1


async def test_a_lease_that_ended_does_not_begin_even_if_nobody_took_it(bench: Any) -> None:
    call = await bench.accepted()
    (leased,) = await bench.leased(ttl=60)
    bench.clock.advance(60)
    assert await bench.store.begin(call.id, leased.call.fence, "node-1") is None


async def test_renewed_leases_hold_and_lost_ones_are_told(bench: Any) -> None:
    first, second = await bench.accepted(), await bench.accepted()
    await bench.leased(want=2, ttl=60)
    bench.clock.advance(40)
    assert await bench.store.renew("node-1", [first.id, "unknown"], 60) == [first.id]
    bench.clock.advance(40)
    assert await bench.store.renew("node-1", [first.id, second.id], 60) == [first.id]
    assert [one.call.id for one in await bench.leased(node="node-2", want=9)] == [second.id]


async def test_a_call_given_back_is_ready_at_once_with_its_attempts(bench: Any) -> None:
    call = await bench.accepted()
    (first,) = await bench.leased()
    await bench.store.give_back("node-2", [call.id])
    assert await bench.leased() == [], "only the node that holds a lease gives it back"
    await bench.store.give_back("node-1", [call.id])
    assert await bench.store.begin(call.id, first.call.fence, "node-1") is None
    (second,) = await bench.leased()
    assert (second.call.id, second.call.attempts) == (call.id, 0)


async def test_a_call_given_back_until_later_waits_for_it(bench: Any) -> None:
    call = await bench.accepted()
    await bench.leased()
    await bench.store.give_back("node-1", [call.id], bench.clock.now() + 30)
    assert await bench.leased() == []
    bench.clock.advance(30)
    assert [one.call.id for one in await bench.leased()] == [call.id]


async def test_a_call_begins_once_under_one_lease(bench: Any) -> None:
    leased = await bench.sending()
    assert await bench.store.begin(leased.call.id, leased.call.fence, "node-1") is None
    assert (await bench.record(leased)).call.exchange_no == 1


async def test_another_node_does_not_begin_what_is_leased_here(bench: Any) -> None:
    call = await bench.accepted()
    (leased,) = await bench.leased()
    assert await bench.store.begin(call.id, leased.call.fence, "node-2") is None


async def test_an_interactive_call_begins_again_between_attempts(bench: Any) -> None:
    call = await bench.opened()
    await bench.settle(call, State.QUEUED, "unavailable", attempt=True)
    assert await bench.store.begin(call.id, call.fence, "node-1") == 2
    assert await bench.answered(call, number=2) is Settled.APPLIED


async def test_calls_of_one_order_key_go_one_at_a_time_in_order_of_acceptance(bench: Any) -> None:
    file = await bench.accepted(order_key="D1", operation="file_dossier")
    step = await bench.accepted(order_key="D1", operation="file_progress")
    other = await bench.accepted(order_key="D2")
    free = await bench.accepted()
    leased = await bench.leased(want=9)
    assert [one.call.id for one in leased] == [file.id, other.id, free.id]
    assert await bench.leased(want=9) == []
    assert await bench.store.next_due("npsp") is None, "what an older call holds back is not due"
    await bench.store.begin(file.id, leased[0].call.fence, "node-1")
    assert await bench.leased(want=9) == []
    await bench.answered(leased[0])
    assert [one.call.id for one in await bench.leased(want=9)] == [step.id]


async def test_an_order_key_is_of_one_agency(bench: Any) -> None:
    await bench.accepted(order_key="D1")
    await bench.accepted(order_key="D1", agency="police")
    assert len(await bench.leased(agency="npsp")) == len(await bench.leased(agency="police")) == 1


async def test_an_older_call_that_waits_for_later_holds_its_key(bench: Any) -> None:
    older = await bench.sending(order_key="D1")
    await bench.accepted(order_key="D1")
    await bench.settle(older, State.QUEUED, "busy", due_at=bench.clock.now() + 100)
    assert await bench.leased(want=9) == []
    assert await bench.store.next_due("npsp") == bench.clock.now() + 100


@pytest.mark.parametrize("state", [State.IN_DOUBT, State.DEAD])
async def test_a_call_that_needs_a_person_holds_its_own_key_only(bench: Any, state: State) -> None:
    stuck = await bench.sending(order_key="D1")
    await bench.accepted(order_key="D1")
    free = await bench.accepted(order_key="D2")
    await bench.settle(stuck, state, "in_doubt")
    assert [one.call.id for one in await bench.leased(want=9)] == [free.id]


@pytest.mark.parametrize("end", [State.ANSWERED, State.CANCELLED])
async def test_a_call_that_ended_frees_its_key(bench: Any, end: State) -> None:
    if end is State.ANSWERED:
        await bench.answered(await bench.sending(order_key="D1"))
    else:
        await bench.store.cancel((await bench.accepted(order_key="D1")).id, "onestop")
    younger = await bench.accepted(order_key="D1")
    assert [one.call.id for one in await bench.leased(want=9)] == [younger.id]


async def test_a_replay_keeps_its_old_place(bench: Any) -> None:
    stuck = await bench.sending(order_key="D1")
    younger = await bench.accepted(order_key="D1")
    await bench.settle(stuck, State.DEAD, "unavailable", attempt=True)
    bench.clock.advance(1000)
    assert await bench.decided(stuck, Act.REPLAY) is Fate.MOVED
    (leased,) = await bench.leased(want=9)
    assert (leased.call.id, leased.call.attempts) == (stuck.call.id, 0)
    assert leased.call.deadline == bench.clock.now() + 7 * 86_400
    assert leased.by_person
    await bench.store.begin(leased.call.id, leased.call.fence, "node-1")
    await bench.answered(leased, number=2)
    assert [one.call.id for one in await bench.leased(want=9)] == [younger.id]


async def test_days_are_counted_by_vietnams_calendar(bench: Any) -> None:
    midnight = 1_795_366_800.0  # 2026-11-23 00:00 +07:00
    bench.clock.step_wall(midnight - 0.5 - bench.clock.now())
    await bench.opened()
    bench.clock.advance(0.5)
    await bench.opened()
    await bench.opened()
    assert await bench.store.sent_on_day("police", "2026-11-22") == 1
    assert await bench.store.sent_on_day("police", "2026-11-23") == 2
    assert await bench.store.sent_on_day("npsp", "2026-11-23") == 0


async def test_an_exchange_that_was_not_sent_is_not_counted_for_the_day(bench: Any) -> None:
    leased = await bench.sending()
    day = "2026-11-23"
    assert await bench.store.sent_on_day("npsp", day) == 1
    bench.clock.advance(2 * 86_400)
    await bench.settle(leased, State.QUEUED, "unsent")
    assert await bench.store.sent_on_day("npsp", day) == 0


async def test_exchanges_that_may_still_run_occupy_their_agency(bench: Any) -> None:
    began = bench.clock.now()
    on_the_wire = await bench.sending()
    cut = await bench.doubtful()
    await bench.answered(await bench.sending())
    await bench.settle(await bench.sending(), State.QUEUED, "unavailable")
    assert {one.call_id for one in await bench.store.occupied(began - 1)} == {on_the_wire.call.id, cut.call.id}
    assert all((one.agency, one.sent_at) == ("npsp", began) for one in await bench.store.occupied(began - 1))
    assert await bench.store.occupied(began) == []


async def test_an_interactive_lookup_cut_at_its_deadline_still_occupies(bench: Any) -> None:
    call = await bench.opened()
    assert await bench.settle(call, State.EXPIRED, "in_doubt", cause="deadline") is Settled.APPLIED
    assert [one.call_id for one in await bench.store.occupied(bench.clock.now() - 1)] == [call.id]


async def test_a_durable_lookup_is_leased_like_a_filing(bench: Any) -> None:
    call = await bench.accepted(kind=Kind.LOOKUP)
    assert [one.call.kind for one in await bench.leased()] == [call.kind]


async def test_what_is_stopped_stays_in_the_store_and_lets_the_others_by(bench: Any) -> None:
    stopped = [await bench.accepted(step="file_dossier", operation="file_dossier") for _ in range(3)]
    (other,) = [await bench.accepted(step="filexdossier", operation="filexdossier")]  # `_` is no wildcard
    leased = await bench.store.lease("npsp", "node-1", {Class.NORMAL: 9}, 60.0, ["file_dossier", "lookup_dossier"])
    assert [one.call.id for one in leased] == [other.id]
    assert await bench.store.next_due("npsp", 0.0, ["file_dossier"]) is None
    assert await bench.store.next_due("npsp") == stopped[0].due_at
    assert {one.call.id for one in await bench.store.lease("npsp", "node-1", {Class.NORMAL: 9}, 60.0)} == {
        call.id for call in stopped
    }
