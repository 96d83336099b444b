"""Promises of a store that was put back: what may have been sent since the copy is in doubt, once, and on record."""

from typing import Any

from hub.call import Kind, State
from hub.journal import first_break
from hub.store.batch import day_of
from hub.store.deciding import Act, Fate
from hub.store.protocol import Recovered
from tests.contract.conftest import AGENCY, NODE, Bench

LOOKUP: dict[str, Any] = {
    "operation": "lookup_citizen", "step": "lookup_citizen", "kind": Kind.LOOKUP, "repeat_safe": True,
}  # fmt: skip


async def one_of_every_sort(bench: Bench) -> dict[str, str]:
    """Return ids of calls by what they were in the copy."""
    calls = {}
    calls["answered"] = (answered := await bench.sending()).call.id
    await bench.answered(answered)
    calls["in doubt"] = (await bench.doubtful()).call.id
    calls["dead"] = (dead := await bench.sending()).call.id
    await bench.settle(dead, State.DEAD, "unavailable", cause="attempts")
    calls["sending filing"] = (await bench.sending()).call.id
    calls["sending repeat-safe filing"] = (await bench.sending(repeat_safe=True)).call.id
    calls["sending look-up"] = (await bench.sending(**LOOKUP)).call.id
    calls["look-up somebody waited for"] = (await bench.opened()).id
    calls["queued look-up"] = (await bench.accepted(**LOOKUP)).id
    calls["queued filing"] = (await bench.accepted()).id
    calls["queued repeat-safe filing"] = (await bench.accepted(repeat_safe=True)).id
    calls["leased filing"] = (await bench.accepted()).id
    await bench.leased(want=3, node="node-2")
    return calls


async def test_filings_that_waited_are_in_doubt_and_look_ups_go_on(bench: Bench) -> None:
    calls = await one_of_every_sort(bench)
    bench.clock.advance(1)
    restored = await bench.store.restore(bench.clock.now(), {})
    assert restored.moved == Recovered(expired=1, queued=1, in_doubt=5, dead=0)
    records = {what: await bench.store.get(id_) for what, id_ in calls.items()}
    assert {what: (one.call.state, one.cause) for what, one in records.items() if one is not None} == {
        "answered": (State.ANSWERED, ""),
        "in doubt": (State.IN_DOUBT, "timeout"),
        "dead": (State.DEAD, "attempts"),
        "sending filing": (State.IN_DOUBT, "restored"),
        "sending repeat-safe filing": (State.IN_DOUBT, "restored"),
        "sending look-up": (State.QUEUED, "crash"),
        "look-up somebody waited for": (State.EXPIRED, "crash"),
        "queued look-up": (State.QUEUED, ""),
        "queued filing": (State.IN_DOUBT, "restored"),
        "queued repeat-safe filing": (State.IN_DOUBT, "restored"),
        "leased filing": (State.IN_DOUBT, "restored"),
    }
    assert await bench.store.backlog(AGENCY) == 2
    bench.clock.advance(1000)
    assert {one.call.id for one in await bench.leased(want=9)} == {calls["sending look-up"], calls["queued look-up"]}
    assert first_break(await bench.store.journal()) is None


async def test_what_is_in_doubt_since_then_is_verified_or_decided_like_any_doubt(bench: Bench) -> None:
    call = await bench.accepted()
    bench.clock.advance(1)
    await bench.store.restore(bench.clock.now(), {})
    (due,) = await bench.store.asking_due(AGENCY, bench.clock.now(), 9)
    assert due.call.id == call.id
    begun = await bench.store.begin_asking(call.id, NODE)
    assert begun is not None
    fence, number = begun
    assert await bench.settle(call, State.IN_DOUBT, "unavailable", number, fence=fence, due_at=bench.clock.now())
    assert await bench.decided(call.id, Act.NOT_DONE) is Fate.MOVED
    assert [one.call.id for one in await bench.leased()] == [call.id]


async def test_what_a_lost_node_says_later_is_refused(bench: Bench) -> None:
    leased = await bench.sending()
    bench.clock.advance(1)
    await bench.store.restore(bench.clock.now(), {})
    assert await bench.store.begin(leased.call.id, leased.call.fence, NODE) is None
    assert await bench.store.renew(NODE, [leased.call.id], 60) == []


async def test_it_is_done_once_and_stands_in_the_journal(bench: Bench) -> None:
    await bench.accepted()
    bench.clock.advance(1)
    moment = bench.clock.now()
    bench.clock.advance(3600)
    assert (await bench.store.restore(moment, {AGENCY: 7})).moved == Recovered(in_doubt=1)
    last = (await bench.store.journal())[-1]
    assert (last.entry.event, last.entry.detail) == (
        "restored", f"copy of {moment:.3f}; 1 filings in doubt; counted for today: {AGENCY} 7",
    )  # fmt: skip
    new = await bench.accepted()
    again = await bench.store.restore(moment, {AGENCY: 7})
    assert (again.moved, again.newest) == (None, bench.clock.now())
    assert await bench.state(new) is State.QUEUED
    assert await bench.store.sent_on_day(AGENCY, day_of(bench.clock.now())) == 7


async def test_a_store_that_was_used_after_the_moment_is_left_as_it_is(bench: Bench) -> None:
    call = await bench.accepted()
    assert (await bench.store.restore(bench.clock.now() - 1, {AGENCY: 7})).moved is None
    assert await bench.state(call) is State.QUEUED
    assert await bench.store.sent_on_day(AGENCY, day_of(bench.clock.now())) == 0


async def test_an_empty_store_can_be_restored(bench: Bench) -> None:
    assert (await bench.store.restore(bench.clock.now(), {})).moved == Recovered()


async def test_a_store_has_a_name_that_it_keeps_until_a_copy_of_it_is_served(bench: Bench) -> None:
    name = await bench.store.name(0x1F)
    assert (name, await bench.store.name(0x2E)) == ("1f", "1f"), "whoever comes later does not give it another"
    await bench.accepted()
    bench.clock.advance(1)
    await bench.store.restore(bench.clock.now(), {})
    assert await bench.store.name(0x2E) == "2e", "a copy in the place of a lost store must not go on from its counts"
