"""Promises of a store: how calls enter it, attach to earlier ones, are found and taken back."""

import asyncio
from typing import Any

import pytest

from hub.call import Kind, Purpose, State
from hub.errors import BacklogFull, IdempotencyConflict, Internal
from hub.store.deciding import Act
from hub.store.protocol import Settled, Sought


async def test_what_was_accepted_is_read_back_as_it_was(bench: Any) -> None:
    call = bench.call(order_key="H32", idempotency_key="k", traceparent="00-1-2-01", repeat_safe=True)
    accepted = await bench.store.accept(call, b"{}")
    assert accepted.new
    assert accepted.call == call
    assert (await bench.record(call)).call == call


async def test_an_interactive_call_is_there_as_sending_with_its_first_exchange(bench: Any) -> None:
    call = await bench.opened()
    assert await bench.state(call) is State.SENDING
    assert (await bench.record(call)).call.exchange_no == 1
    assert [one.call_id for one in await bench.store.occupied(bench.clock.now() - 1)] == [call.id]


async def test_the_same_key_and_request_attach_in_any_state(bench: Any) -> None:
    async def again() -> tuple[bool, str, State]:
        accepted = await bench.store.accept(bench.call(idempotency_key="k", fingerprint="f"), b"{}")
        return accepted.new, accepted.call.id, accepted.call.state

    first = await bench.accepted(idempotency_key="k", fingerprint="f")
    assert await again() == (False, first.id, State.QUEUED)
    (leased,) = await bench.leased()
    await bench.store.begin(first.id, leased.call.fence, "node-1")
    assert await again() == (False, first.id, State.SENDING)
    await bench.settle(leased, State.IN_DOUBT, "in_doubt")
    assert await again() == (False, first.id, State.IN_DOUBT)
    await bench.store.end(first.id, State.DEAD, "person")
    assert await again() == (False, first.id, State.DEAD)


async def test_two_accepts_of_one_tick_under_one_key_are_one_call(bench: Any) -> None:
    calls = [bench.call(idempotency_key="k", fingerprint="f") for _ in range(2)]
    both = await asyncio.gather(*(bench.store.accept(call, b"{}") for call in calls))
    assert [one.new for one in both] == [True, False]
    assert both[0].call.id == both[1].call.id


async def test_the_same_key_with_another_request_is_a_conflict(bench: Any) -> None:
    first = await bench.accepted(idempotency_key="k")
    with pytest.raises(IdempotencyConflict) as caught:
        await bench.accepted(idempotency_key="k")
    assert caught.value.call == first.id


@pytest.mark.parametrize("other", [{"caller": "tax-desk"}, {"agency": "police"}, {"operation": "file_progress"}])
async def test_a_key_is_of_one_caller_agency_and_operation(bench: Any, other: dict[str, str]) -> None:
    await bench.accepted(idempotency_key="k")
    assert (await bench.store.accept(bench.call(idempotency_key="k", **other), b"{}")).new


async def test_a_filings_key_holds_thirty_days_after_its_end(bench: Any) -> None:
    first = await bench.sending(idempotency_key="k", fingerprint="f")
    await bench.answered(first)
    bench.clock.advance(30 * 86_400 - 1)
    assert not (await bench.store.accept(bench.call(idempotency_key="k", fingerprint="f"), b"{}")).new
    bench.clock.advance(1)
    assert (await bench.store.accept(bench.call(idempotency_key="k", fingerprint="g"), b"{}")).new


async def test_the_key_of_a_filing_that_needs_a_person_never_lapses(bench: Any) -> None:
    await bench.doubtful(idempotency_key="k", fingerprint="f")
    bench.clock.advance(365 * 86_400)
    assert not (await bench.store.accept(bench.call(idempotency_key="k", fingerprint="f"), b"{}")).new


async def test_a_lookups_key_holds_while_in_flight_and_sixty_seconds(bench: Any) -> None:
    kind = {"kind": Kind.LOOKUP, "idempotency_key": "k", "repeat_safe": True}
    first = await bench.sending(**kind)
    bench.clock.advance(50)
    with pytest.raises(IdempotencyConflict):
        await bench.accepted(**kind)
    await bench.answered(first)
    bench.clock.advance(59)
    with pytest.raises(IdempotencyConflict):
        await bench.accepted(**kind)
    bench.clock.advance(1)
    assert (await bench.store.accept(bench.call(**kind), b"{}")).new


async def test_an_interactive_lookup_may_ask_the_same_again_under_its_key(bench: Any) -> None:
    """Its answer was not kept, so nothing is attached to; the key still forbids another question."""
    await bench.opened(idempotency_key="k", fingerprint="f")
    second = await bench.opened(idempotency_key="k", fingerprint="f")
    (found,) = await bench.store.find(Sought(key="k"))
    assert found.call.id == second.id
    with pytest.raises(IdempotencyConflict):
        await bench.opened(idempotency_key="k", fingerprint="g")


async def test_a_full_backlog_refuses_and_stores_nothing(bench: Any) -> None:
    for _ in range(bench.backlog_calls["npsp"]):
        await bench.accepted()
    with pytest.raises(BacklogFull) as caught:
        await bench.accepted()
    assert caught.value.retry_after
    assert await bench.store.backlog("npsp") == bench.backlog_calls["npsp"] == len(await bench.store.find(Sought()))
    assert (await bench.store.accept(bench.call(agency="police"), b"{}")).new, "another agency has its own backlog"


async def test_the_bound_holds_within_one_commit_too(bench: Any) -> None:
    calls = [bench.call() for _ in range(bench.backlog_calls["npsp"] + 3)]
    ended = await asyncio.gather(*(bench.store.accept(call, b"{}") for call in calls), return_exceptions=True)
    assert sum(isinstance(one, BacklogFull) for one in ended) == 3


async def test_a_lowered_bound_counts_at_once(bench: Any) -> None:
    await bench.accepted()
    bench.backlog_calls["npsp"] = 1
    with pytest.raises(BacklogFull):
        await bench.accepted()


async def test_no_bound_means_refused_never_unbounded(bench: Any) -> None:
    with pytest.raises(Internal):
        await bench.accepted(agency="unheard-of")


async def test_a_call_that_attaches_needs_no_room(bench: Any) -> None:
    await bench.accepted(idempotency_key="k", fingerprint="f")
    bench.backlog_calls["npsp"] = 1
    assert not (await bench.store.accept(bench.call(idempotency_key="k", fingerprint="f"), b"{}")).new


async def test_the_backlog_counts_what_waits(bench: Any) -> None:
    first, second = await bench.sending(), await bench.accepted()
    assert await bench.store.backlog("npsp") == 2
    await bench.settle(first, State.IN_DOUBT, "in_doubt")
    await bench.store.cancel(second.id, "onestop")
    assert await bench.store.backlog("npsp") == 0
    await bench.decided(first, Act.NOT_DONE)
    assert await bench.store.backlog("npsp") == 1


async def test_interactive_calls_do_not_fill_the_backlog(bench: Any) -> None:
    await bench.opened()
    assert await bench.store.backlog("police") == 0


async def test_bodies_of_durable_calls_are_kept(bench: Any) -> None:
    leased = await bench.sending()
    assert leased.request == b'{"code":"H32"}'
    await bench.answered(leased)
    assert (await bench.record(leased)).answer == b'{"result":"ok"}'


async def test_of_an_interactive_lookup_no_body_is_kept(bench: Any) -> None:
    call = await bench.opened()
    assert await bench.answered(call) is Settled.APPLIED
    record = await bench.record(call)
    assert (record.answer, record.result, record.answered_at) == (None, "ok", bench.clock.now())


async def test_a_queued_call_is_cancelled_by_its_caller_alone(bench: Any) -> None:
    call = await bench.accepted()
    assert await bench.store.cancel(call.id, "tax-desk") is None
    assert await bench.store.cancel(call.id, "onestop") is State.CANCELLED
    assert await bench.store.cancel(call.id, "onestop") is State.CANCELLED
    assert await bench.leased() == []


async def test_a_leased_call_that_is_cancelled_does_not_begin(bench: Any) -> None:
    call = await bench.accepted()
    (leased,) = await bench.leased()
    await bench.store.cancel(call.id, "onestop")
    assert await bench.store.begin(call.id, leased.call.fence, "node-1") is None


async def test_a_call_on_the_wire_is_not_cancelled(bench: Any) -> None:
    leased = await bench.sending()
    assert await bench.store.cancel(leased.call.id, "onestop") is State.SENDING
    assert await bench.state(leased) is State.SENDING


async def test_a_caller_reads_only_its_own(bench: Any) -> None:
    call = await bench.accepted()
    assert await bench.store.get(call.id, "tax-desk") is None
    assert await bench.store.get(call.id, "onestop") is not None
    assert await bench.store.get("no such id") is None


async def test_calls_are_found_by_every_filter_newest_first(bench: Any) -> None:
    first = await bench.accepted(idempotency_key="k1", purpose=Purpose(dossier="D1"))
    second = await bench.accepted(purpose=Purpose(dossier="D2"), caller="tax-desk")
    third = await bench.opened(purpose=Purpose(dossier="D1"))

    async def found(**filters: Any) -> list[str]:
        return [record.call.id for record in await bench.store.find(Sought(**filters))]

    assert await found() == [third.id, second.id, first.id]
    assert await found(limit=1) == [third.id]
    assert await found(before=third.id) == [second.id, first.id]
    assert await found(dossier="D1") == [third.id, first.id]
    assert await found(caller="tax-desk") == [second.id]
    assert await found(key="k1") == [first.id]
    assert await found(agency="police") == [third.id]
    assert await found(state=State.SENDING) == [third.id]
    assert await found(dossier="D1", caller="onestop", state=State.QUEUED, agency="npsp", key="k1") == [first.id]


async def test_acceptance_is_journaled_with_who_and_why(bench: Any) -> None:
    call = await bench.accepted()
    (row,) = await bench.store.journal()
    entry = row.entry
    assert (entry.event, entry.call, entry.caller) == ("accepted", call.id, "onestop")
    assert (entry.officer, entry.unit, entry.operation) == ("officer-7", "unit-1", "file_dossier")
    assert entry.purpose == "dossier=H32.1-261123-0001 procedure=1.000001"
