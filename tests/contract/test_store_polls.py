"""Promises of a store about polls: one node at a time, and a page, its cursor and its answers in one commit."""

from typing import Any

import pytest

from hub.call import Call, Class, State
from hub.errors import BacklogFull
from hub.store.batch import Batch
from hub.store.polls import Page, PollRow, Run
from tests.contract.conftest import BOUND, NODE

POLL = ("npsp", "step_listed")
REQUEST = b"{}"


async def planned(bench: Any, due_in: float = 0.0) -> None:
    await bench.store.polls.plan([(*POLL, bench.clock.now() + due_in)], NODE)


async def leased(bench: Any, node: str = NODE, ttl: float = 60.0) -> PollRow:
    row = await bench.store.polls.lease(*POLL, node, ttl)
    assert row is not None
    return PollRow(*row)


def note(bench: Any, *ids: str) -> Any:
    """Return what writes a notice for each of *ids* into a commit."""

    def keep(batch: Batch) -> int:
        for one in ids:
            batch.tell(
                {
                    "id": one, "agency": "npsp", "notice": "step_listed", "unique_key": one, "dossier": None,
                    "caller": "onestop", "call": None, "received_at": batch.now, "bytes": b"{}", "model": None,
                }
            )  # fmt: skip
        return len(ids)

    return keep


def answer(bench: Any, **changes: Any) -> Call:
    call: Call = bench.call(caller="hub", cls=Class.BULK, operation="confirm_step", step="confirm_step", **changes)
    return call


async def the_row(bench: Any) -> PollRow:
    (row,) = await bench.store.polls.all()
    return PollRow(*row)


async def test_a_poll_is_planned_once_and_keeps_what_it_knows(bench: Any) -> None:
    await planned(bench, 30)
    row = await the_row(bench)
    assert (row.cursor, row.due_at, row.outcome, row.last_at) == (None, bench.clock.now() + 30, "", None)
    await planned(bench, 99)
    assert await the_row(bench) == row


async def test_it_is_leased_when_due_by_one_node_and_by_another_when_that_one_is_gone(bench: Any) -> None:
    await planned(bench, 30)
    assert await bench.store.polls.lease(*POLL, NODE, 60) is None
    bench.clock.advance(30)
    first = await leased(bench)
    assert await bench.store.polls.lease(*POLL, "node-2", 60) is None
    bench.clock.advance(60)
    second = await leased(bench, "node-2")
    assert second.fence == first.fence + 1
    assert await bench.store.polls.lease("npsp", "unknown", NODE, 60) is None


async def test_a_page_its_cursor_and_its_answers_are_one_commit(bench: Any) -> None:
    await planned(bench)
    row = await leased(bench)
    calls = ((answer(bench, idempotency_key="a"), REQUEST), (answer(bench, idempotency_key="b"), REQUEST))
    page = Page(*POLL, row.fence, "78", note(bench, "n1", "n2"), calls)
    assert await bench.store.polls.took(page, 60) == 2
    after = await the_row(bench)
    assert (after.cursor, after.moved_at) == ("78", bench.clock.now())
    assert [mark.caller for mark in await bench.store.feed.marks(0, 9)] == ["onestop"] * 2
    assert [await bench.state(call) for call, _ in calls] == [State.QUEUED] * 2
    assert {one.call.caller for one in await bench.leased(9)} == {"hub"}


async def test_who_was_overtaken_writes_nothing(bench: Any) -> None:
    await planned(bench)
    row = await leased(bench, ttl=1)
    bench.clock.advance(1)
    await leased(bench, "node-2")
    call = answer(bench)
    page = Page(*POLL, row.fence, "78", note(bench, "n1"), ((call, REQUEST),))
    assert await bench.store.polls.took(page, 60) is None
    assert not await bench.store.polls.ended(Run(*POLL, row.fence, 0.0, row.due_at, "answered"))
    assert (await the_row(bench)).cursor is None
    assert await bench.store.feed.marks(0, 9) == []
    assert await bench.store.get(call.id) is None


async def test_without_room_for_its_answers_a_page_is_not_taken(bench: Any) -> None:
    await planned(bench)
    row = await leased(bench)
    for _ in range(BOUND):
        await bench.accepted()
    page = Page(*POLL, row.fence, "78", note(bench, "n1"), ((answer(bench), REQUEST),))
    with pytest.raises(BacklogFull):
        await bench.store.polls.took(page, 60)
    assert (await the_row(bench)).cursor is None
    assert await bench.store.feed.marks(0, 9) == []


async def test_what_is_acknowledged_already_is_not_acknowledged_again_nor_in_other_words(bench: Any) -> None:
    await planned(bench)
    row = await leased(bench)
    first = answer(bench, idempotency_key="k")
    await bench.store.polls.took(Page(*POLL, row.fence, "1", note(bench), ((first, REQUEST),)), 60)
    same = answer(bench, idempotency_key="k", fingerprint=first.fingerprint)
    other = answer(bench, idempotency_key="k")
    page = Page(*POLL, row.fence, "2", note(bench, "n1"), ((same, REQUEST), (other, REQUEST)))
    assert await bench.store.polls.took(page, 60) == 1
    assert await bench.store.get(same.id) is None
    assert await bench.store.get(other.id) is None
    assert (await the_row(bench)).cursor == "2"


async def test_a_page_renews_the_lease(bench: Any) -> None:
    await planned(bench)
    row = await leased(bench, ttl=10)
    bench.clock.advance(9)
    await bench.store.polls.took(Page(*POLL, row.fence, "1", note(bench)), 10)
    bench.clock.advance(9)
    assert await bench.store.polls.lease(*POLL, "node-2", 60) is None


async def test_the_end_of_a_run_says_how_it_ended_and_when_the_next_one_is(bench: Any) -> None:
    await planned(bench)
    row = await leased(bench)
    at = bench.clock.now() + 600
    assert await bench.store.polls.ended(Run(*POLL, row.fence, at, row.due_at, "unavailable", "connect", 3, 2))
    after = await the_row(bench)
    assert (after.due_at, after.outcome, after.cause, after.taken, after.failures, after.lease_node) == (
        at, "unavailable", "connect", 3, 2, None,
    )  # fmt: skip
    assert after.last_at == bench.clock.now()
    assert await bench.store.polls.lease(*POLL, NODE, 60) is None
    bench.clock.advance(600)
    assert (await leased(bench)).fence == row.fence + 1


async def test_an_operator_lets_it_fall_due_at_once_even_while_it_is_run(bench: Any) -> None:
    await planned(bench, 600)
    assert await bench.store.polls.run_now(*POLL, "operator")
    assert not await bench.store.polls.run_now("npsp", "unknown", "operator")
    row = await leased(bench)
    bench.clock.advance(5)
    assert await bench.store.polls.run_now(*POLL, "operator")
    await bench.store.polls.ended(Run(*POLL, row.fence, bench.clock.now() + 600, row.due_at, "answered"))
    assert (await leased(bench)).fence == row.fence + 1
    assert await bench.events() == ["poll_wanted"] * 2


async def test_what_a_node_leaves_is_free_at_its_next_start_and_when_it_stops(bench: Any) -> None:
    await planned(bench)
    await leased(bench)
    await bench.store.polls.release("node-2", [POLL])
    assert await bench.store.polls.lease(*POLL, "node-2", 60) is None, "only its own"
    await bench.store.polls.release(NODE, [POLL])
    await leased(bench, "node-2")
    await planned(bench)
    assert await bench.store.polls.lease(*POLL, NODE, 60) is None
    await bench.store.polls.plan([], "node-2")
    await leased(bench)
