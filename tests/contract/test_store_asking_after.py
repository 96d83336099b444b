"""Promises of a store about answers that are pending: who asks after them, when, and what ends them."""

from typing import Any

from hub.call import NEVER, Purpose, State
from hub.store.feed import Reach
from hub.store.persons import Needing
from hub.store.protocol import Leased, Settled
from tests.contract.conftest import NODE

FIRST = b'{"result":"pending","value":{"link":"1"},"reason":null}'


async def pending(bench: Any, due_in: float = 60.0, **changes: Any) -> Leased:
    """Return a filing whose answer is pending and that falls due in so many seconds."""
    leased: Leased = await bench.sending(**changes)
    due_at = bench.clock.now() + due_in
    more = {"answer": FIRST, "result": "pending", "due_at": due_at}
    assert await bench.settle(leased, State.ANSWERED, "answered", **more) is Settled.APPLIED
    return leased


async def asked(bench: Any, of: Leased, outcome: str = "answered", **more: Any) -> Settled:
    """Ask after *of*, and learn that it is still pending."""
    fence, number = await bench.store.begin_asking(of.call.id, NODE, "lookup_payment")
    bench.clock.advance(1)
    return await bench.settle(of, State.ANSWERED, outcome, number, fence=fence, result="pending", **more)


async def due(bench: Any, seconds: float = 0.0) -> list[str]:
    found = await bench.store.asking_due("npsp", bench.clock.now() + seconds, 9)
    return [one.call.id for one in found]


async def test_pending_falls_due_like_doubt_and_brings_request_and_answer(bench: Any) -> None:
    began = bench.clock.now()
    later, sooner = await pending(bench, 60), await pending(bench, 30)
    doubt = await bench.sending()
    await bench.settle(doubt, State.IN_DOUBT, "in_doubt", due_at=began + 45)
    assert await due(bench, 20) == []
    assert await due(bench, 60) == [sooner.call.id, doubt.call.id, later.call.id]
    first, second, _ = await bench.store.asking_due("npsp", began + 60, 9)
    assert (first.request, first.answer, first.since) == (b'{"code":"H32"}', FIRST, began)
    assert (first.call.state, second.answer) == (State.ANSWERED, None)


async def test_one_asking_at_a_time_and_what_stays_pending_keeps_its_answer(bench: Any) -> None:
    of = await pending(bench)
    begun = await bench.store.begin_asking(of.call.id, NODE, "lookup_payment")
    assert begun is not None
    assert await bench.store.begin_asking(of.call.id, "node-2", "lookup_payment") is None
    assert await due(bench, 60) == []
    fence, number = begun
    at = bench.clock.now() + 120
    answered_at = (await bench.record(of)).answered_at
    bench.clock.advance(5)
    more = {"fence": fence, "result": "pending", "due_at": at, "cause": "timeout"}
    assert await bench.settle(of, State.ANSWERED, "in_doubt", number, **more) is Settled.APPLIED
    record = await bench.record(of)
    assert (record.answer, record.result, record.cause, record.answered_at) == (
        FIRST,
        "pending",
        "timeout",
        answered_at,
    )
    assert record.call.due_at == at
    assert await due(bench, 120) == [of.call.id]
    assert await bench.store.begin_asking(of.call.id, "node-2") is not None, "its lease is over"


async def test_the_end_of_what_was_pending_is_told_and_what_stays_pending_is_not(bench: Any) -> None:
    of = await pending(bench)
    await asked(bench, of, due_at=bench.clock.now() + 9)
    fence, number = await bench.store.begin_asking(of.call.id, NODE, "lookup_payment")
    assert await bench.answered(of, number, fence=fence, refs={"receipt": "R-1"}) is Settled.APPLIED
    told = await bench.store.feed.told("onestop", Reach(["npsp"], []), 0, 99, 99)
    assert [one.data["result"] for one in told] == ["pending", "ok"]
    assert len({one.id for one in told}) == 2
    assert await bench.store.remembered("H32.1-261123-0001", "npsp") == {"receipt": "R-1"}
    assert await due(bench, 1e6) == []
    assert (await bench.events())[-4:] == ["asking", "answered", "asking", "answered"]


async def test_a_late_end_is_refused_once_a_newer_asking_began(bench: Any) -> None:
    of = await pending(bench)
    fence, number = await bench.store.begin_asking(of.call.id, NODE)
    bench.clock.advance(600)
    assert await bench.store.begin_asking(of.call.id, "node-2") is not None
    assert await bench.answered(of, number, fence=fence) is Settled.REFUSED
    assert (await bench.record(of)).result == "pending"


async def test_what_was_heard_makes_it_fall_due_at_once_whenever_it_was_to(bench: Any) -> None:
    of = await pending(bench)
    await asked(bench, of, due_at=NEVER)
    assert await bench.store.persons.needing() == {"npsp": Needing(pending=1)}
    assert await bench.store.ask_now(of.call.id) == "npsp"
    assert await due(bench) == [of.call.id]
    assert await bench.store.persons.needing() == {}


async def test_what_is_heard_during_an_asking_outlasts_it(bench: Any) -> None:
    of = await pending(bench)
    fence, number = await bench.store.begin_asking(of.call.id, NODE)
    bench.clock.advance(1)
    assert await bench.store.ask_now(of.call.id) == "npsp"
    bench.clock.advance(1)
    more = {"fence": fence, "result": "pending", "due_at": bench.clock.now() + 480}
    assert await bench.settle(of, State.ANSWERED, "answered", number, **more) is Settled.APPLIED
    assert await due(bench) == [of.call.id]
    await asked(bench, of, due_at=bench.clock.now() + 480)
    assert await due(bench) == [], "once"


async def test_only_what_is_pending_is_asked_after_at_once(bench: Any) -> None:
    doubt, answered, looked_up = await bench.doubtful(), await bench.sending(purpose=Purpose()), await bench.opened()
    await bench.answered(answered)
    await bench.settle(looked_up, State.ANSWERED, "answered", answer=b"1", result="pending")
    for call in (doubt.call.id, answered.call.id, looked_up.id, "unknown"):
        assert await bench.store.ask_now(call) is None
    assert await bench.store.asking_due("police", 1e12, 9) == [], "of an interactive call no request is kept"


async def test_an_asking_cut_by_a_crash_is_made_again(bench: Any) -> None:
    of = await pending(bench, 0.0)
    fence, number = await bench.store.begin_asking(of.call.id, NODE)
    assert await due(bench) == []
    await bench.store.recover(NODE)
    assert await due(bench) == [of.call.id]
    assert await bench.answered(of, number, fence=fence) is Settled.REFUSED
