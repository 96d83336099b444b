"""Every store tells each caller each lasting state of its durable calls, once, in order, and nobody else's."""

from typing import Any

import pytest

from hub.call import State
from hub.store.deciding import Act, Fate
from hub.store.feed import SMALL_BYTES, Mark, Noticed, Reach
from tests.contract.conftest import AGENCY, BOUND, NODE, Bench

ALL = 10**9


async def told(bench: Bench, after: int = 0, upto: int = ALL, limit: int = 100, **changes: Any) -> list[Noticed]:
    asked = {"caller": "onestop", "agencies": [AGENCY, "police"]} | changes
    return list(await bench.store.feed.told(asked["caller"], Reach(asked["agencies"]), after, upto, limit))


async def test_an_answer_is_told_with_its_value_while_it_is_the_last(bench: Bench) -> None:
    leased = await bench.sending()
    assert await told(bench) == []
    await bench.answered(leased)
    (one,) = await told(bench)
    assert (one.agency, one.notice, one.call, one.at) == (AGENCY, "call.settled", leased.call.id, bench.clock.now())
    assert one.data == {"state": "answered", "result": "ok", "cause": ""}
    assert one.answer == b'{"result":"ok"}'


async def test_a_long_answer_is_told_without_its_value(bench: Bench) -> None:
    leased = await bench.sending()
    await bench.settle(leased, State.ANSWERED, "answered", answer=b"a" * (SMALL_BYTES + 1), result="ok")
    (one,) = await told(bench)
    assert (one.data["state"], one.answer) == ("answered", None)


async def test_every_lasting_state_is_told_once_with_an_id_of_its_own(bench: Bench) -> None:
    doubtful = await bench.doubtful()
    bench.clock.advance(1)
    started = await bench.store.begin_asking(doubtful.call.id, NODE)
    assert started is not None
    await bench.settle(doubtful, State.IN_DOUBT, "unavailable", started[1], fence=started[0])  # nothing is new
    assert await bench.decided(doubtful.call.id, Act.GIVE_UP) is Fate.MOVED
    assert await bench.decided(doubtful.call.id, Act.REPLAY) is Fate.MOVED
    await bench.store.end(doubtful.call.id, State.DEAD, "deadline")
    assert await bench.decided(doubtful.call.id, Act.REPLAY) is Fate.MOVED
    await bench.store.cancel(doubtful.call.id, "onestop")
    events = await told(bench)
    assert [one.data["state"] for one in events] == ["in_doubt", "dead", "dead", "cancelled"]
    assert [one.data["cause"] for one in events] == ["timeout", "given_up", "deadline", ""]
    assert len({one.id for one in events}) == 4
    assert [one.answer for one in events] == [None] * 4


async def test_late_evidence_is_told_after_the_doubt(bench: Bench) -> None:
    doubtful = await bench.doubtful()
    bench.clock.advance(5)
    await bench.answered(doubtful)
    doubt, answer = await told(bench)
    assert (doubt.data["state"], doubt.answer) == ("in_doubt", None)
    assert (answer.data["state"], answer.answer) == ("answered", b'{"result":"ok"}')
    assert answer.seq > doubt.seq


async def test_what_was_pending_is_told_again_when_it_ends(bench: Bench) -> None:
    leased = await bench.sending()
    await bench.settle(leased, State.ANSWERED, "answered", answer=b'{"result":"pending"}', result="pending")
    bench.clock.advance(60)
    started = await bench.store.begin_asking(leased.call.id, NODE)
    assert started is not None
    await bench.answered(leased, started[1], fence=started[0])
    pending, ok = await told(bench)
    assert (pending.data["result"], pending.answer) == ("pending", None), "its answer is not the last one any more"
    assert (ok.data["result"], ok.answer) == ("ok", b'{"result":"ok"}')


async def test_a_repeat_and_a_settle_that_is_refused_tell_nothing(bench: Bench) -> None:
    leased = await bench.sending()
    await bench.answered(leased)
    await bench.answered(leased)
    await bench.settle(leased, State.DEAD, "broken")
    assert len(await told(bench)) == 1


async def test_what_goes_on_and_what_is_waited_for_is_not_told(bench: Bench) -> None:
    leased = await bench.sending()
    await bench.settle(leased, State.QUEUED, "busy")
    interactive = await bench.opened()
    await bench.answered(interactive)
    assert await told(bench) == []


async def test_the_crash_rules_tell_of_what_they_leave_in_doubt(bench: Bench) -> None:
    leased = await bench.sending()
    await bench.store.recover(NODE)
    (one,) = await told(bench)
    assert (one.call, one.data["state"], one.data["cause"]) == (leased.call.id, "in_doubt", "crash")


async def test_a_caller_is_told_of_its_own_calls_and_of_the_agencies_it_asks_for(bench: Bench) -> None:
    mine, other = await bench.accepted(), await bench.accepted(caller="other")
    police = await bench.accepted(agency="police")
    like_it = await bench.accepted(agency="police", operation="x")
    for call in (mine, other, police, like_it):
        await bench.store.cancel(call.id, call.caller)
    assert [one.call for one in await told(bench)] == [mine.id, police.id, like_it.id]
    assert [one.call for one in await told(bench, agencies=["police"])] == [police.id, like_it.id]
    assert [one.call for one in await told(bench, caller="other")] == [other.id]
    assert await told(bench, agencies=["p_lice", "%", ""]) == []
    assert await told(bench, agencies=[]) == []


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_it_is_read_from_any_place_by_page(bench: Bench, limit: int) -> None:
    for _ in range(5):
        await bench.store.cancel((await bench.accepted()).id, "onestop")
    whole = await told(bench)
    assert [one.seq for one in whole] == sorted(one.seq for one in whole)
    read: list[Noticed] = []
    while page := await told(bench, read[-1].seq if read else 0, limit=limit):
        read += page
    assert read == whole
    assert await told(bench, whole[0].seq, whole[2].seq) == whole[1:3]


async def test_marks_are_of_all_callers_and_the_newest_is_found_by_its_age(bench: Bench) -> None:
    assert await bench.store.feed.newest(bench.clock.now()) == 0
    assert await bench.store.feed.marks(0, 10) == []
    began = bench.clock.now()
    for caller in ("onestop", "other", "onestop"):
        await bench.store.cancel((await bench.accepted(caller=caller)).id, caller)
        bench.clock.advance(10)
    marks = list(await bench.store.feed.marks(0, 10))
    assert [(mark.at - began, mark.caller) for mark in marks] == [(0, "onestop"), (10, "other"), (20, "onestop")]
    assert [mark.seq for mark in marks] == [marks[0].seq, marks[0].seq + 1, marks[0].seq + 2], (
        "one store leaves no gaps"
    )
    assert await bench.store.feed.marks(marks[0].seq, 1) == [marks[1]]
    assert await bench.store.feed.newest(began + 15) == marks[1].seq
    assert await bench.store.feed.newest(began - 1) == 0
    assert isinstance(marks[0], Mark)


async def test_a_cursor_is_one_callers_at_one_agency_and_never_moves_back(bench: Bench) -> None:
    feed = bench.store.feed
    assert await feed.acknowledged("onestop", AGENCY) == 0
    for seq, stands in ((7, 7), (9, 9), (8, 9), (9, 9)):
        await feed.acknowledge("onestop", AGENCY, seq)
        assert await feed.acknowledged("onestop", AGENCY) == stands
    assert await feed.acknowledged("other", AGENCY) == 0
    assert await feed.acknowledged("onestop", "police") == 0


async def test_what_was_not_committed_is_not_told(bench: Bench) -> None:
    """A refusal in the same commit neither tells anything nor costs a number that others wait for."""
    for _ in range(BOUND):
        await bench.accepted()
    (leased,) = await bench.leased(1)
    assert await bench.store.end(leased.call.id, State.QUEUED, "no move") is False
    assert await bench.store.end(leased.call.id, State.EXPIRED, "not of durable calls") is False
    assert await bench.store.feed.marks(0, 10) == []
