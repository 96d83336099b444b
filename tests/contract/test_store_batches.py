"""Every store takes calls on together, in their order, and shows them by page to their caller alone."""

import asyncio
from typing import Any

import pytest

from hub.call import Call, Class, State
from hub.errors import BacklogFull, IdempotencyConflict
from hub.store.batches import Part
from hub.store.feed import SMALL_BYTES
from hub.store.protocol import Accepted
from tests.contract.conftest import AGENCY, BOUND, NODE, Bench

BATCH = "01990a5e-0000-7cc3-98c4-dc0c0c07398f"
OTHER = "01990a5e-1111-7cc3-98c4-dc0c0c07398f"
BODY = b'{"code":"H32"}'


def part(**changes: Any) -> Part:
    return Part(**({"caller": "onestop", "agency": AGENCY, "batch": BATCH} | changes))


async def handed_in(bench: Bench, count: int, **changes: Any) -> list[Call]:
    """Hand in *count* calls together; return those that were taken on."""
    calls = [(bench.call(**({"batch": BATCH} | changes)), BODY) for _ in range(count)]
    became = await bench.store.batches.accept(calls)
    return [one.call for one in became if isinstance(one, Accepted)]


async def test_what_is_handed_in_together_is_on_disk_in_its_order(bench: Bench) -> None:
    calls = await handed_in(bench, 5)
    assert len(calls) == 5
    records = await bench.store.batches.page(part())
    assert [one.call for one in records] == calls
    assert {one.call.batch for one in records} == {BATCH}
    leased = await bench.store.lease(AGENCY, NODE, {Class.NORMAL: 9}, 60.0)
    assert [one.call.id for one in leased] == [one.id for one in calls]
    assert {one.request for one in leased} == {BODY}
    assert await bench.events() == ["accepted"] * 5


async def test_nothing_is_handed_in_by_nobody(bench: Bench) -> None:
    assert await bench.store.batches.accept([]) == []
    assert await bench.store.batches.page(part()) == []
    assert await bench.store.batches.counts(part()) == {}


async def test_a_key_that_stands_twice_in_one_batch_is_one_call(bench: Bench) -> None:
    one, other = (bench.call(batch=BATCH, idempotency_key="k", fingerprint="f") for _ in range(2))
    conflict = bench.call(batch=BATCH, idempotency_key="k", fingerprint="g")
    last = bench.call(batch=BATCH, idempotency_key="k2")
    became = await bench.store.batches.accept([(call, BODY) for call in (one, other, conflict, last)])
    assert became[0] == Accepted(one, new=True)
    assert became[1] == Accepted(one, new=False)
    assert isinstance(became[2], IdempotencyConflict)
    assert became[2].call == one.id
    assert became[3] == Accepted(last, new=True)
    assert [record.call.id for record in await bench.store.batches.page(part())] == [one.id, last.id]


async def test_what_is_handed_in_again_attaches_in_any_state_also_over_the_bound(bench: Bench) -> None:
    keys = [{"idempotency_key": f"k{number}", "fingerprint": "f", "batch": BATCH} for number in range(BOUND + 2)]
    became = await bench.store.batches.accept([(bench.call(**key), BODY) for key in keys])
    assert sum(isinstance(one, Accepted) for one in became) == BOUND
    assert [type(one) for one in became[BOUND:]] == [BacklogFull, BacklogFull]
    assert await bench.store.backlog(AGENCY) == BOUND
    (leased,) = await bench.leased(1)
    assert await bench.store.begin(leased.call.id, leased.call.fence, NODE) == 1
    await bench.answered(leased)

    again = await bench.store.batches.accept([(bench.call(**key), BODY) for key in keys])
    assert [one.new for one in again if isinstance(one, Accepted)] == [False] * BOUND + [True]
    first = again[0]
    assert isinstance(first, Accepted)
    assert first.call.state is State.ANSWERED
    assert isinstance(again[-1], BacklogFull)


async def test_two_uploads_under_one_batch_at_once_are_one_batch(bench: Bench) -> None:
    lots = await asyncio.gather(*(handed_in(bench, 10) for _ in range(2)))
    records = await bench.store.batches.page(part())
    assert {one.call.id for one in records} == {call.id for lot in lots for call in lot}


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
async def test_pages_follow_one_another_without_a_gap_or_a_double(bench: Bench, limit: int) -> None:
    calls = await handed_in(bench, 7)
    seen: list[str] = []
    after = None
    while records := await bench.store.batches.page(part(after=after, limit=limit)):
        assert len(records) <= limit
        seen += [one.call.id for one in records]
        after = seen[-1]
    assert seen == [call.id for call in calls]


async def test_states_are_counted_and_sought_and_a_move_between_pages_hides_nothing(bench: Bench) -> None:
    calls = await handed_in(bench, 4)
    (leased,) = await bench.leased(1)
    assert await bench.store.begin(leased.call.id, leased.call.fence, NODE) == 1
    await bench.answered(leased)
    await bench.store.cancel(calls[1].id, "onestop")
    assert await bench.store.batches.counts(part()) == {State.ANSWERED: 1, State.CANCELLED: 1, State.QUEUED: 2}
    queued = await bench.store.batches.page(part(state=State.QUEUED))
    assert [one.call.id for one in queued] == [call.id for call in calls[2:]]
    first, *_ = await bench.store.batches.page(part(limit=1))
    assert (first.call.state, first.answer, first.result) == (State.ANSWERED, b'{"result":"ok"}', "ok")
    assert first.answered_at == bench.clock.now()


async def test_a_long_answer_is_left_to_the_call_itself(bench: Bench) -> None:
    await handed_in(bench, 2)
    answers = [b'{"value":"%b"}' % (b"a" * (SMALL_BYTES - 12)), b'{"value":"%b"}' % (b"a" * (SMALL_BYTES - 11))]
    for leased, answer in zip(await bench.leased(2), answers, strict=True):
        assert await bench.store.begin(leased.call.id, leased.call.fence, NODE) == 1
        await bench.settle(leased, State.ANSWERED, "answered", answer=answer, result="ok")
    small, large = await bench.store.batches.page(part())
    assert (small.answer, large.answer) == (answers[0], None)
    assert (await bench.record(large.call)).answer == answers[1]


async def test_a_batch_is_its_callers_and_its_agencys_alone(bench: Bench) -> None:
    await handed_in(bench, 1)
    await handed_in(bench, 2, caller="other")
    await handed_in(bench, 3, agency="police")
    await handed_in(bench, 4, batch=OTHER)
    await handed_in(bench, 5, batch=None)
    for changes, count in (({}, 1), ({"caller": "other"}, 2), ({"agency": "police"}, 3), ({"batch": OTHER}, 4)):
        assert len(await bench.store.batches.page(part(**changes))) == count
        assert sum((await bench.store.batches.counts(part(**changes))).values()) == count
