"""Promises of a store to the person who is needed: all is found, all that is known is shown, each decision is signed."""

from typing import Any

import pytest

from hub.call import NEVER, Class, Purpose, State
from hub.journal import first_break
from hub.store.deciding import TURNINGS, Act, Decision, Fate
from hub.store.persons import InTheWay, Needing, Toll, Which
from hub.store.protocol import Settled

DEAD, DOUBTS = Which(State.DEAD), Which(State.IN_DOUBT)


async def died(bench: Any, cause: str = "connect", **changes: Any) -> str:
    leased = await bench.sending(**changes)
    await bench.settle(leased, State.DEAD, "unavailable", cause=cause, attempt=True)
    return str(leased.call.id)


async def paged(bench: Any, which: Which, size: int) -> list[str]:
    found: list[str] = []
    after = None
    while page := await bench.store.persons.page(which, size, after):
        assert len(page) <= size
        found += [one.record.call.id for one in page]
        after = page[-1].mark
    return found


async def test_who_needs_a_person_is_counted_by_agency(bench: Any) -> None:
    assert await bench.store.persons.needing() == {}
    await died(bench)
    await bench.doubtful()
    await bench.doubtful()
    lookup = await bench.opened()
    await bench.settle(lookup, State.DEAD, "broken", cause="contract:json")
    await bench.answered(await bench.sending())
    assert await bench.store.persons.needing() == {"npsp": Needing(1, 2), "police": Needing(1, 0)}


async def test_the_toll_is_told_by_agency_and_cause_the_most_frequent_first(bench: Any) -> None:
    for cause in ("connect", "deadline", "deadline"):
        await died(bench, cause)
    lookup = await bench.opened()
    await bench.settle(lookup, State.DEAD, "broken", cause="contract:json")
    assert list(await bench.store.persons.tolls(DEAD)) == [
        Toll("npsp", "deadline", 2), Toll("npsp", "connect", 1), Toll("police", "contract:json", 1),
    ]  # fmt: skip
    assert list(await bench.store.persons.tolls(Which(State.DEAD, "npsp", "connect"))) == [Toll("npsp", "connect", 1)]
    assert list(await bench.store.persons.tolls(DOUBTS)) == []


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_pages_hold_each_dead_letter_once_by_agency_and_the_newest_first(bench: Any, size: int) -> None:
    npsp = []
    for number in range(5):
        npsp.append(await died(bench))
        bench.clock.advance(number % 2)  # some at the same moment
    lookups = [await bench.opened() for _ in range(2)]
    for lookup in lookups:
        await bench.settle(lookup, State.DEAD, "broken")
    await bench.doubtful()
    assert await paged(bench, DEAD, size) == [*reversed(npsp), *(one.id for one in reversed(lookups))]
    assert await paged(bench, Which(State.DEAD, "police"), size) == [one.id for one in reversed(lookups)]


async def test_a_page_is_followed_by_the_right_one_though_its_calls_have_moved(bench: Any) -> None:
    calls = [await died(bench) for _ in range(6)]
    persons = bench.store.persons
    page = await persons.page(DEAD, 3)
    of = [one.record.call.id for one in page]
    await persons.decide(of, Decision(Act.REPLAY, "cb-014", "x"))
    await bench.store.end(of[0], State.DEAD, "deadline")
    assert [one.record.call.id for one in await persons.page(DEAD, 9, page[-1].mark)] == list(reversed(calls[:3]))


async def test_pages_are_of_one_cause_and_since_a_moment(bench: Any) -> None:
    await died(bench, "deadline")
    bench.clock.advance(60)
    then = bench.clock.now()
    late = await died(bench, "deadline")
    other = await died(bench, "connect")
    assert await paged(bench, Which(State.DEAD, since=then), 9) == [other, late]
    assert await paged(bench, Which(State.DEAD, "npsp", "deadline", then), 9) == [late]
    assert await paged(bench, Which(State.DEAD, "npsp", "dead"), 9) == []


async def test_doubts_that_only_a_person_can_settle_come_first(bench: Any) -> None:
    planned = await bench.doubtful()
    left = await bench.sending()
    await bench.settle(left, State.IN_DOUBT, "in_doubt", due_at=NEVER)
    newer = await bench.doubtful()
    page = await bench.store.persons.page(DOUBTS, 9)
    assert [one.record.call.id for one in page] == [left.call.id, newer.call.id, planned.call.id]
    assert page[0].since == bench.clock.now()


async def test_a_case_holds_all_that_is_kept_of_a_call(bench: Any) -> None:
    persons = bench.store.persons
    leased = await bench.doubtful(step="file_dossier")
    began = bench.clock.now()
    bench.clock.advance(90)
    fence, number = await bench.store.begin_asking(leased.call.id, "node-2", "lookup_dossier")
    await bench.settle(
        leased, State.IN_DOUBT, "answered", number, fence=fence, cause="differs", seconds=0.5,
        due_at=NEVER, refs={"receipt": "000-7"},
    )  # fmt: skip
    case = await persons.case(leased.call.id)
    assert (case.record.call.state, case.record.cause, case.since) == (State.IN_DOUBT, "differs", began)
    assert (case.request, case.size) == (b'{"code":"H32"}', 14)
    assert [(one.no, one.step, one.node, one.outcome, one.cause) for one in case.exchanges] == [
        (1, "file_dossier", "node-1", "in_doubt", "timeout"),
        (2, "lookup_dossier", "node-2", "answered", "differs"),
    ]
    assert [(one.sent_at, one.seconds) for one in case.exchanges] == [(began, 0.0), (began + 90, 0.5)]
    assert [(one.ours, one.theirs, one.call) for one in case.references] == [("receipt", "000-7", leased.call.id)]
    assert case.decisions == []
    assert await persons.case("unknown") is None
    lookup = await bench.opened()
    assert (await persons.case(lookup.id)).request is None


async def test_a_call_that_waits_names_the_one_that_has_to_be_settled_first(bench: Any) -> None:
    stuck = await died(bench, order_key="D1")
    await bench.accepted(order_key="D1", agency="police")
    second, third = [await bench.accepted(order_key="D1") for _ in range(2)]
    free = await bench.accepted(order_key="D2")
    cases = {call: await bench.store.persons.case(call) for call in (stuck, second.id, third.id, free.id)}
    assert [case.in_the_way for case in cases.values()] == [None, *[InTheWay(stuck, "dead", "connect")] * 2, None]
    assert [case.holds_up for case in cases.values()] == [2, 1, 0, 0]
    await bench.decided(stuck, Act.DISCARD)
    assert (await bench.store.persons.case(second.id)).in_the_way is None
    assert (await bench.store.persons.case(stuck)).holds_up == 0
    assert [one.call.id for one in await bench.leased(want=9) if one.call.order_key == "D1"] == [second.id]


async def test_a_discarded_call_is_over_for_good(bench: Any) -> None:
    call = await died(bench, idempotency_key="k", fingerprint="f")
    assert await bench.decided(call, Act.DISCARD) is Fate.MOVED
    record = await bench.store.get(call)
    assert (record.call.state, record.cause) == (State.CANCELLED, "discarded")
    assert [await bench.decided(call, act) for act in Act] == [Fate.MOVED_MEANWHILE] * len(Act)
    again = await bench.store.accept(bench.call(idempotency_key="k", fingerprint="f"), b"{}")
    assert (again.new, again.call.id) == (False, call), "the same key is still the same call"
    assert await bench.store.persons.needing() == {}


async def test_what_is_in_doubt_is_not_discarded_before_it_is_resolved(bench: Any) -> None:
    leased = await bench.doubtful()
    assert await bench.decided(leased, Act.DISCARD) is Fate.MOVED_MEANWHILE
    assert await bench.decided(leased, Act.REPLAY) is Fate.MOVED_MEANWHILE
    assert await bench.decided(leased, Act.GIVE_UP) is Fate.MOVED
    record = await bench.record(leased)
    assert (record.call.state, record.cause) == (State.DEAD, "given_up")
    assert await bench.decided(leased, Act.DISCARD) is Fate.MOVED


async def test_a_persons_word_answers_a_filing_and_is_remembered(bench: Any) -> None:
    leased = await bench.doubtful()
    assert await bench.decided(leased, Act.DONE, answer=b'{"result":"ok"}', refs={"receipt": "000-9"}) is Fate.MOVED
    record = await bench.record(leased)
    assert (record.call.state, record.answer, record.result) == (State.ANSWERED, b'{"result":"ok"}', "ok")
    assert record.answered_at == bench.clock.now()
    assert await bench.store.remembered("H32.1-261123-0001", "npsp") == {"receipt": "000-9"}
    assert await bench.answered(leased) is Settled.REFUSED, "what comes later does not change it"


@pytest.mark.parametrize("act", [Act.NOT_DONE, Act.REPLAY])
async def test_what_a_person_sends_again_is_the_same_call_and_no_repeat_of_ours(bench: Any, act: Act) -> None:
    leased = await bench.sending(idempotency_key="k")
    was = TURNINGS[act].was
    await bench.settle(leased, was, "unavailable", attempt=True)
    assert await bench.decided(leased, act) is Fate.MOVED
    (again,) = await bench.leased()
    assert (again.call.id, again.call.idempotency_key, again.call.attempts) == (leased.call.id, "k", 0)
    assert again.call.cls is (Class.BULK if act is Act.REPLAY else Class.NORMAL)
    assert again.by_person
    await bench.store.give_back("node-1", [again.call.id])
    (again,) = await bench.leased()
    assert again.by_person, "it has not left yet"
    number = await bench.store.begin(again.call.id, again.call.fence, "node-1")
    await bench.settle(again, State.QUEUED, "busy", number, due_at=bench.clock.now())
    (again,) = await bench.leased()
    assert not again.by_person, "from here on it is we who repeat"


async def test_replays_leave_room_for_what_is_filed_now(bench: Any) -> None:
    dead = [await died(bench) for _ in range(4)]
    bench.backlog_calls["npsp"] = 5  # four fifths of it are four
    await bench.accepted()
    told = await bench.store.persons.decide(dead, Decision(Act.REPLAY, "cb-014", "x"))
    assert [one.fate for one in told] == [Fate.MOVED] * 3 + [Fate.NO_ROOM]
    assert (await bench.accepted()).state is State.QUEUED


async def test_what_cannot_be_sent_again_is_told_and_keeps_nothing_from_the_others(bench: Any) -> None:
    lookup = await bench.opened()
    await bench.settle(lookup, State.DEAD, "broken")
    dead = await died(bench)
    gone = await died(bench)
    queued = await bench.accepted()
    told = await bench.store.persons.decide(
        [lookup.id, "unknown", queued.id, dead], Decision(Act.REPLAY, "cb-014", "x")
    )
    assert [one.fate for one in told] == [Fate.NOT_ALLOWED, Fate.UNKNOWN, Fate.MOVED_MEANWHILE, Fate.MOVED]
    assert [one.state for one in told] == [State.DEAD, None, State.QUEUED, State.QUEUED]
    del bench.backlog_calls["npsp"]  # the agency has left the settings: nothing would ever send it
    assert await bench.decided(gone, Act.REPLAY) is Fate.NOT_ALLOWED
    assert await bench.decided(gone, Act.DISCARD) is Fate.MOVED


async def test_the_journal_says_who_decided_what_and_why(bench: Any) -> None:
    leased = await bench.doubtful()
    await bench.decided(leased, Act.NOT_DONE)
    await bench.leased()
    await bench.store.end(leased.call.id, State.DEAD, "deadline")
    await bench.decided(leased, Act.REPLAY)
    await bench.decided(leased, Act.DISCARD)  # too late
    case = await bench.store.persons.case(leased.call.id)
    assert [(one.event, one.caller, one.detail, one.at) for one in case.decisions] == [
        ("decided", "cb-014", f"{act}: đã gọi điện hỏi", bench.clock.now()) for act in ("not_done", "replay")
    ]
    assert first_break(await bench.store.journal()) is None


async def test_a_decision_does_not_outrun_its_journal_entry(bench: Any) -> None:
    leased = await bench.doubtful()
    insert = bench.store._book.statements.insert_entry
    bench.store._book.statements.insert_entry.sql, kept = "INSERT INTO nowhere VALUES (1)", insert.sql
    with pytest.raises(Exception, match="did not write"):
        await bench.decided(leased, Act.DONE, answer=b"1", refs={"receipt": "1"})
    insert.sql = kept
    assert await bench.state(leased) is State.IN_DOUBT
    assert await bench.store.remembered("H32.1-261123-0001", "npsp") == {}


async def test_a_call_without_a_dossier_keeps_its_references_by_itself(bench: Any) -> None:
    leased = await bench.doubtful(purpose=Purpose("officer-7", "unit-1", None, "TN-1", None))
    await bench.decided(leased, Act.DONE, answer=b"1", refs={"receipt": "000-1"})
    assert [one.theirs for one in (await bench.store.persons.case(leased.call.id)).references] == ["000-1"]
