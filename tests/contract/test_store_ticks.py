"""What one tick of the loop brings goes out together, and is decided as if each had come alone, one after the other."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from hub.call import Class, Purpose, State
from hub.errors import IdempotencyConflict
from hub.journal import first_break
from hub.store.protocol import Settled, Settlement

NODE = "node-1"
ODD = ("Nguyễn Văn Ảnh", "quotes \" and \\ and '", "{}", "$1 %s ?", "line\nbreak\ttab", "😀", "")


async def test_a_life_of_many_calls_takes_one_commit_for_each_step(bench: Any) -> None:
    commits: list[str] = []
    bench.store._line.writer._failpoint = commits.append
    calls = [bench.call(idempotency_key=f"k{number}") for number in range(8)]
    await asyncio.gather(*(bench.store.accept(call, b"{}") for call in calls))
    leased = await bench.leased(want=8)
    begun = await asyncio.gather(*(bench.store.begin(one.call.id, one.call.fence, NODE) for one in leased))
    assert begun == [1] * 8
    settled = await asyncio.gather(*(bench.answered(one) for one in leased))
    assert settled == [Settled.APPLIED] * 8
    assert [moment for moment in commits if moment.endswith("before_commit")] == [
        f"{step}.before_commit" for step in ("accept", "lease", "begin", "settle")
    ]
    assert await bench.store.backlog("npsp") == 0
    assert first_break(await bench.store.journal()) is None


async def test_whatever_a_call_holds_is_read_as_it_was_written(bench: Any) -> None:
    calls = [
        bench.call(
            caller=text or "onestop", order_key=text, traceparent=text, idempotency_key=f"{text}{number}",
            purpose=Purpose(text, text, text or None, None, text), deadline=bench.clock.now() + 0.1 + number / 3,
        )
        for number, text in enumerate(ODD)
    ]  # fmt: skip
    bodies = [bytes([number]) * number for number in range(len(ODD))]
    await asyncio.gather(*(bench.store.accept(call, body) for call, body in zip(calls, bodies, strict=True)))
    for call in calls:
        assert (await bench.record(call)).call == call
    leased = {one.call.id: one for one in await bench.leased(want=20)}
    assert [leased[call.id].request for call in calls] == bodies
    assert first_break(await bench.store.journal()) is None


async def test_one_key_that_comes_twice_in_a_tick_is_one_call(bench: Any) -> None:
    first, second = bench.call(idempotency_key="k", fingerprint="f"), bench.call(idempotency_key="k", fingerprint="f")
    other = bench.call(idempotency_key="k", fingerprint="g")
    ended: list[Any] = await asyncio.gather(
        *(bench.store.accept(call, b"{}") for call in (first, second, other)), return_exceptions=True
    )
    assert [one.call.id for one in ended[:2]] == [first.id, first.id]
    assert isinstance(ended[2], IdempotencyConflict)


async def test_of_two_that_would_send_one_call_in_a_tick_one_does(bench: Any) -> None:
    await bench.accepted()
    (leased,) = await bench.leased()
    call = leased.call
    assert await asyncio.gather(*(bench.store.begin(call.id, call.fence, NODE) for _ in range(3))) == [1, None, None]


async def test_of_two_ends_of_one_exchange_in_a_tick_the_first_counts(bench: Any) -> None:
    leased = await bench.sending()
    settlement = Settlement(leased.call.id, leased.call.fence, 1, State.ANSWERED, "answered", answer=b"{}", result="ok")
    late = replace(settlement, state=State.DEAD, outcome="broken")
    assert await asyncio.gather(bench.store.settle(settlement), bench.store.settle(late)) == [
        Settled.APPLIED,
        Settled.REFUSED,
    ]
    assert await bench.state(leased) is State.ANSWERED


async def test_a_call_that_is_cancelled_and_leased_in_a_tick_is_not_sent(bench: Any) -> None:
    call = await bench.accepted()
    cancelled, leased = await asyncio.gather(
        bench.store.cancel(call.id, "onestop"), bench.store.lease("npsp", NODE, {Class.NORMAL: 1}, 60.0)
    )
    assert cancelled is State.CANCELLED
    assert list(leased) == []


async def test_a_call_that_is_accepted_and_cancelled_in_a_tick_never_counts(bench: Any) -> None:
    call = bench.call()
    accepted, cancelled = await asyncio.gather(bench.store.accept(call, b"{}"), bench.store.cancel(call.id, "onestop"))
    assert accepted.new
    assert cancelled is State.CANCELLED
    assert await bench.store.backlog("npsp") == 0


@pytest.mark.parametrize("state", [State.ANSWERED, State.QUEUED, State.IN_DOUBT])
async def test_a_call_that_ends_and_is_asked_for_in_a_tick_is_seen_in_its_new_state(bench: Any, state: State) -> None:
    leased = await bench.sending()
    _, seen = await asyncio.gather(
        bench.settle(leased, state, "answered"), bench.store.cancel(leased.call.id, "onestop")
    )
    assert seen is (State.CANCELLED if state is State.QUEUED else state)


async def test_a_call_that_is_given_back_and_begun_in_a_tick_is_not_sent(bench: Any) -> None:
    commits: list[str] = []
    bench.store._line.writer._failpoint = commits.append
    await bench.accepted()
    (leased,) = await bench.leased()
    commits.clear()
    _, begun = await asyncio.gather(
        bench.store.give_back(NODE, [leased.call.id]), bench.store.begin(leased.call.id, leased.call.fence, NODE)
    )
    assert begun is None
    assert commits == [f"{name}.{side}_commit" for side in ("before", "after") for name in ("begin", "give_back")]
