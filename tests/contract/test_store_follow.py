"""Promises of a store: what another call's exchange answered is on record for each call that hears it."""

from typing import Any

from hub.call import Call, Class, Purpose, State
from hub.errors import IdempotencyConflict
from hub.journal import first_break
from hub.store.protocol import Follower, Shared, Sought


def shared(leader: Call, **changes: Any) -> Shared:
    values: dict[str, Any] = {
        "call": leader.id, "answer": b'{"result":"ok"}', "result": "ok", "cause": "found", "answered_at": 1.0,
    }  # fmt: skip
    return Shared(**(values | changes))


def follower(bench: Any, **changes: Any) -> Follower:
    return Follower(bench.lookup(**changes), "f" * 64, 77)


async def test_a_follower_is_there_as_answered_with_who_and_why(bench: Any) -> None:
    leader = await bench.opened()
    purpose = Purpose("officer-9", "unit-2", None, "TN-9", "1.000002")
    one = follower(bench, caller="tax-desk", cls=Class.BULK, purpose=purpose, traceparent="00-1-2-01")
    bench.clock.advance(3)
    assert list(await bench.store.follow(shared(leader), [one])) == [None]
    record = await bench.record(one.call)
    assert (record.call.state, record.result, record.cause) == (State.ANSWERED, "ok", "found")
    assert (record.call.caller, record.call.cls, record.call.purpose) == ("tax-desk", Class.BULK, purpose)
    assert (record.call.exchange_no, record.call.attempts, record.call.fence) == (0, 0, 0)
    assert (record.answer, record.answered_at) == (None, bench.clock.now()), "its body is not kept"
    entry = (await bench.store.journal())[-1].entry
    assert (entry.event, entry.call, entry.detail) == ("answered", one.call.id, f"0 followed {leader.id}")
    assert (entry.caller, entry.officer, entry.unit) == ("tax-desk", "officer-9", "unit-2")
    assert (entry.agency, entry.operation) == ("police", "lookup_citizen")
    assert entry.purpose == "intake=TN-9 procedure=1.000002"
    assert first_break(await bench.store.journal()) is None


async def test_followers_make_no_exchange_and_count_for_no_day(bench: Any) -> None:
    leader = await bench.opened()
    began = bench.clock.now()
    await bench.store.follow(shared(leader), [follower(bench) for _ in range(5)])
    assert await bench.store.sent_on_day("police", "2026-11-23") == 1
    assert [one.call_id for one in await bench.store.occupied(began - 1)] == [leader.id]
    assert await bench.store.backlog("police") == 0


async def test_many_are_written_together_and_found_by_their_own_callers_alone(bench: Any) -> None:
    leader = await bench.opened()
    many = [follower(bench, caller=f"caller-{number % 2}") for number in range(600)]
    assert list(await bench.store.follow(shared(leader), many)) == [None] * 600
    assert len(await bench.store.find(Sought(caller="caller-0", limit=1000))) == 300
    assert await bench.store.get(many[0].call.id, "caller-1") is None
    assert first_break(await bench.store.journal(limit=9999)) is None


async def test_a_key_of_another_request_keeps_one_out_and_no_other(bench: Any) -> None:
    earlier = await bench.opened(idempotency_key="k")
    leader = await bench.opened()
    three = [follower(bench), follower(bench, idempotency_key="k"), follower(bench, idempotency_key="k2")]
    first, conflict, third = await bench.store.follow(shared(leader), three)
    assert (first, third) == (None, None)
    assert isinstance(conflict, IdempotencyConflict)
    assert conflict.call == earlier.id
    assert await bench.store.get(three[1].call.id) is None
    assert await bench.state(three[2].call) is State.ANSWERED


async def test_a_key_follows_the_newer_call_of_the_same_request(bench: Any) -> None:
    leader = await bench.opened(idempotency_key="k", fingerprint="f")
    two = [follower(bench, idempotency_key="k", fingerprint="f") for _ in range(2)]
    assert list(await bench.store.follow(shared(leader), two)) == [None, None]
    (found,) = await bench.store.find(Sought(key="k"))
    assert found.call.id == two[1].call.id


async def test_what_the_answer_made_known_is_remembered_for_each_dossier(bench: Any) -> None:
    leader = await bench.opened()
    with_dossier = follower(bench, purpose=Purpose("o", "u", "D2"))
    without = follower(bench, purpose=Purpose("o", "u", None, "TN-1"))
    await bench.store.follow(shared(leader, refs={"code": "theirs"}), [with_dossier, without])
    assert await bench.store.remembered("D2", "police") == {"code": "theirs"}
    assert await bench.store.remembered(without.call.id, "police") == {"code": "theirs"}


async def test_a_crash_leaves_followers_as_they_are(bench: Any) -> None:
    leader, one = await bench.opened(), follower(bench)
    await bench.store.follow(shared(leader), [one])
    await bench.store.recover("node-1")
    assert await bench.state(leader) is State.EXPIRED
    assert await bench.state(one.call) is State.ANSWERED
    assert await bench.store.cancel(one.call.id, "onestop") is State.ANSWERED
