"""Promises of a store: what a settle may change, what it may not, and what becomes of doubt."""

import itertools
from typing import Any

import pytest

from hub.call import MOVES, Kind, Purpose, State
from hub.journal import first_break
from hub.store.protocol import Settled, Settlement

LASTING = [State.ANSWERED, State.IN_DOUBT, State.DEAD, State.EXPIRED, State.CANCELLED]


async def test_a_settle_writes_answer_references_and_end_together(bench: Any) -> None:
    leased = await bench.sending()
    bench.clock.advance(2)
    assert await bench.answered(leased, refs={"dossier": "G22.99-1"}, seconds=1.5) is Settled.APPLIED
    record = await bench.record(leased)
    assert (record.call.state, record.result, record.answered_at) == (State.ANSWERED, "ok", bench.clock.now())
    assert await bench.store.remembered("H32.1-261123-0001", "npsp") == {"dossier": "G22.99-1"}
    assert await bench.events() == ["accepted", "sending", "answered"]


async def test_references_of_a_call_without_dossier_are_kept_under_its_id(bench: Any) -> None:
    leased = await bench.sending(purpose=Purpose())
    await bench.answered(leased, refs={"payment": "P1"})
    assert await bench.store.remembered(leased.call.id, "npsp") == {"payment": "P1"}


async def test_a_newer_reference_replaces_the_older(bench: Any) -> None:
    await bench.answered(await bench.sending(), refs={"dossier": "old"})
    await bench.answered(await bench.sending(), refs={"dossier": "new"})
    assert await bench.store.remembered("H32.1-261123-0001", "npsp") == {"dossier": "new"}


async def test_a_settle_told_twice_is_applied_once(bench: Any) -> None:
    """A commit that gave no clear answer is tried again by the engine."""
    leased = await bench.sending()
    assert await bench.settle(leased, State.QUEUED, "unavailable", attempt=True) is Settled.APPLIED
    assert await bench.settle(leased, State.QUEUED, "unavailable", attempt=True) is Settled.APPLIED
    assert (await bench.record(leased)).call.attempts == 1


async def test_a_late_settle_is_refused(bench: Any) -> None:
    """A newer exchange began: the older one may not speak any more."""
    leased = await bench.sending()
    await bench.settle(leased, State.QUEUED, "unavailable", due_at=bench.clock.now())
    (again,) = await bench.leased()
    await bench.store.begin(again.call.id, again.call.fence, "node-1")
    assert await bench.answered(leased) is Settled.REFUSED
    assert await bench.state(leased) is State.SENDING
    assert await bench.answered(again, number=2) is Settled.APPLIED


async def test_a_settle_under_a_foreign_fence_is_refused(bench: Any) -> None:
    leased = await bench.sending()
    assert await bench.answered(leased, fence=leased.call.fence + 1) is Settled.REFUSED
    assert await bench.answered(leased, number=2) is Settled.REFUSED
    assert await bench.store.settle(Settlement("unknown", 0, 1, State.ANSWERED, "answered")) is Settled.REFUSED


async def test_late_evidence_ends_doubt_and_is_journaled(bench: Any) -> None:
    leased = await bench.sending(repeat_safe=False)
    await bench.store.recover("node-1")
    assert await bench.state(leased) is State.IN_DOUBT
    assert await bench.answered(leased) is Settled.LATE_EVIDENCE
    assert await bench.state(leased) is State.ANSWERED
    assert (await bench.events())[-1] == "late_evidence answered"


async def test_late_evidence_beats_a_verification_that_is_on_the_wire(bench: Any) -> None:
    leased = await bench.doubtful()
    begun = await bench.store.begin_asking(leased.call.id, "node-1")
    assert begun is not None
    fence, number = begun
    assert await bench.answered(leased) is Settled.LATE_EVIDENCE
    assert await bench.settle(leased, State.DEAD, "answered", number, fence=fence) is Settled.REFUSED
    assert await bench.state(leased) is State.ANSWERED


async def test_late_evidence_that_nothing_was_sent_queues_again(bench: Any) -> None:
    leased = await bench.doubtful()
    assert await bench.settle(leased, State.QUEUED, "unavailable", due_at=bench.clock.now()) is Settled.LATE_EVIDENCE
    assert [one.call.id for one in await bench.leased()] == [leased.call.id]


async def test_evidence_of_an_exchange_before_the_doubtful_one_is_refused(bench: Any) -> None:
    leased = await bench.sending()
    await bench.settle(leased, State.QUEUED, "unavailable", due_at=bench.clock.now())
    (again,) = await bench.leased()
    await bench.store.begin(again.call.id, again.call.fence, "node-1")
    await bench.settle(again, State.IN_DOUBT, "in_doubt", number=2)
    assert await bench.answered(leased, number=1) is Settled.REFUSED
    assert await bench.state(leased) is State.IN_DOUBT


async def test_a_call_queued_again_keeps_what_the_settle_says(bench: Any) -> None:
    leased = await bench.sending()
    later = bench.clock.now() + 40
    await bench.settle(leased, State.QUEUED, "answered", due_at=later, step="update_dossier", cause="exists")
    record = await bench.record(leased)
    assert (record.call.due_at, record.call.step, record.cause) == (later, "update_dossier", "exists")
    assert record.call.attempts == 0
    bench.clock.advance(40)
    (again,) = await bench.leased()
    assert again.call.step == "update_dossier"


async def test_a_call_queued_again_without_a_moment_goes_to_the_head(bench: Any) -> None:
    first = await bench.sending()
    bench.clock.advance(1)
    await bench.accepted()
    await bench.settle(first, State.QUEUED, "stale")
    assert [one.call.id for one in await bench.leased(want=1)] == [first.call.id]


async def test_attempts_rise_only_when_the_settle_says_so(bench: Any) -> None:
    leased = await bench.sending()
    await bench.settle(leased, State.IN_DOUBT, "in_doubt", attempt=True)
    assert (await bench.record(leased)).call.attempts == 1


async def test_only_interactive_calls_expire(bench: Any) -> None:
    durable, interactive = await bench.sending(), await bench.opened()
    assert await bench.settle(durable, State.EXPIRED, "in_doubt") is Settled.REFUSED
    assert await bench.settle(interactive, State.EXPIRED, "in_doubt") is Settled.APPLIED
    waiting = await bench.accepted()
    assert not await bench.store.end(waiting.id, State.EXPIRED, "deadline")
    assert await bench.store.end(waiting.id, State.DEAD, "deadline")
    assert (await bench.record(waiting)).cause == "deadline"


async def test_lookups_are_never_in_doubt(bench: Any) -> None:
    interactive, durable = await bench.opened(), await bench.sending(kind=Kind.LOOKUP)
    assert await bench.settle(interactive, State.IN_DOUBT, "in_doubt") is Settled.REFUSED
    assert await bench.settle(durable, State.IN_DOUBT, "in_doubt") is Settled.REFUSED


async def test_what_is_on_the_wire_is_not_ended(bench: Any) -> None:
    leased = await bench.sending()
    assert not await bench.store.end(leased.call.id, State.DEAD, "deadline")
    assert not await bench.store.end("unknown", State.DEAD, "deadline")


async def test_pending_is_answered_once_more_and_final_answers_never(bench: Any) -> None:
    leased = await bench.sending()
    await bench.settle(leased, State.ANSWERED, "answered", answer=b"1", result="pending")
    begun = await bench.store.begin_asking(leased.call.id, "node-1")
    assert begun is not None
    fence, number = begun
    settled = await bench.settle(leased, State.ANSWERED, "answered", number, fence=fence, answer=b"2", result="ok")
    assert settled is Settled.APPLIED
    record = await bench.record(leased)
    assert (record.answer, record.result) == (b"2", "ok")
    assert await bench.store.begin_asking(leased.call.id, "node-1") is None


async def test_doubt_due_is_listed_oldest_first_with_its_request(bench: Any) -> None:
    now = bench.clock.now()
    first, second = await bench.sending(), await bench.sending()
    await bench.settle(second, State.IN_DOUBT, "in_doubt", due_at=now + 10)
    await bench.settle(first, State.IN_DOUBT, "in_doubt", due_at=now + 20)
    assert await bench.store.asking_due("npsp", now + 9, 9) == []
    due = await bench.store.asking_due("npsp", now + 20, 9)
    assert [one.call.id for one in due] == [second.call.id, first.call.id]
    assert due[0].request == b'{"code":"H32"}'
    assert len(await bench.store.asking_due("npsp", now + 20, 1)) == 1
    assert await bench.store.asking_due("police", now + 20, 9) == []


async def test_one_verification_at_a_time(bench: Any) -> None:
    leased = await bench.doubtful()
    assert await bench.store.begin_asking(leased.call.id, "node-1") == (leased.call.fence + 1, 2)
    assert await bench.store.begin_asking(leased.call.id, "node-2") is None
    assert await bench.store.asking_due("npsp", bench.clock.now(), 9) == []
    bench.clock.advance(600)
    assert await bench.store.begin_asking(leased.call.id, "node-2") is not None


async def test_a_verification_that_finds_nothing_out_leaves_the_doubt(bench: Any) -> None:
    leased = await bench.doubtful()
    later = bench.clock.now() + 60
    fence, number = await bench.store.begin_asking(leased.call.id, "node-1")
    settled = await bench.settle(leased, State.IN_DOUBT, "unavailable", number, fence=fence, due_at=later)
    assert settled is Settled.APPLIED
    assert (await bench.record(leased)).call.due_at == later
    fence, number = await bench.store.begin_asking(leased.call.id, "node-1")
    assert await bench.answered(leased, number, fence=fence) is Settled.APPLIED
    assert await bench.state(leased) is State.ANSWERED


async def test_only_what_is_in_doubt_is_verified(bench: Any) -> None:
    leased = await bench.sending()
    assert await bench.store.begin_asking(leased.call.id, "node-1") is None
    assert await bench.store.begin_asking("unknown", "node-1") is None


@pytest.mark.parametrize(("was", "to"), [*itertools.product([State.SENDING, *LASTING], State)])
async def test_a_settle_moves_only_as_the_table_of_moves_allows(bench: Any, was: State, to: State) -> None:
    """Every pair of states: an exchange that is still the call's own may do what the table says, and nothing else."""
    interactive = State.EXPIRED in (was, to)
    of = await bench.opened() if interactive else await bench.sending()
    if was is State.CANCELLED:
        await bench.settle(of, State.QUEUED, "unsent")
        await bench.store.cancel((of if interactive else of.call).id, "onestop")
    elif was is not State.SENDING:
        applied = await bench.settle(of, was, "answered" if was is State.ANSWERED else "in_doubt", result="ok")
        if applied is Settled.REFUSED:
            assert (interactive, was) == (True, State.IN_DOUBT)
            return
    settled = await bench.settle(of, to, "answered", cause="second")
    state = await bench.state(of)
    by_a_person_only = was is State.DEAD
    if was is to and was not in (State.SENDING, State.CANCELLED):
        assert (settled, state) == (Settled.APPLIED, was), "told twice"
        assert (await bench.record(of)).cause != "second"
    elif to in MOVES[was] and not by_a_person_only and not (interactive and to is State.IN_DOUBT):
        assert settled is (Settled.LATE_EVIDENCE if was is State.IN_DOUBT else Settled.APPLIED)
        assert state is to
    else:
        assert settled is Settled.REFUSED
        assert state is was


async def test_the_journal_of_all_moves_is_one_sound_chain(bench: Any) -> None:
    await bench.answered(await bench.sending())
    await bench.doubtful()
    await bench.store.recover("node-1")
    await bench.opened()
    rows = await bench.store.journal()
    assert len(rows) == 7
    assert first_break(rows) is None
    assert first_break(await bench.store.journal(after=3)) is not None, "a part needs the head before it"
