"""Promises of a store about what it removes: what ended long ago goes, bit by bit; what may still matter stays."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from hub.call import Call, Kind, State
from hub.clock import VirtualClock, run_virtual
from hub.journal import CUT, first_break, first_break_kept
from hub.store.dead_notices import Found, Raw, WhichDead
from hub.store.deciding import Act, Fate
from hub.store.notices import Arrival
from hub.store.protocol import Sought
from hub.store.retention import MOST_CALLS, MOST_ROWS, Place, Until
from hub.store.schema import metadata
from hub.store.sqlite import SqliteStore
from tests.contract.conftest import AGENCY, BOUND, NODE, Bench

DAY = 86_400.0
EVERY = 3600.0


def until(bench: Bench, **days: float) -> Until:
    """Return the moments of so many days ago; a thousand where nothing is said."""
    names = ("lookups", "filings", "notices", "references", "journal", "files", "dossiers")
    return Until(*(bench.clock.now() - DAY * days.get(name, 1000.0) for name in names))


async def one_pass(bench: Bench, **days: float) -> list[int]:
    """Make a whole pass; return what each step removed."""
    bench.clock.advance(EVERY)
    number = await bench.store.retention.begin(EVERY)
    assert number is not None
    steps: list[int] = []
    place: Place | None = Place()
    while place is not None:
        swept = await bench.store.retention.sweep(number, place, until(bench, **days))
        steps.append(swept.removed)
        place = swept.next
        assert len(steps) < 10_000, "a pass comes to an end"
    return steps


async def kept(bench: Bench) -> set[str]:
    return {record.call.id for record in await bench.store.find(Sought(limit=1000))}


async def rows(bench: Bench, table: str) -> int:
    counted = bench.store._book.statements.prepare(select(func.count()).select_from(metadata.tables[table]))
    return int((await bench.store._read(bench.store._reader.rows, counted))[0][0])


async def test_what_ended_long_ago_is_removed_with_its_bodies_and_exchanges(bench: Bench) -> None:
    old = await bench.sending()
    await bench.answered(old)
    bench.clock.advance(400 * DAY)
    young = await bench.sending()
    await bench.answered(young)
    assert sum(await one_pass(bench, filings=365)) == 1
    assert await kept(bench) == {young.call.id}
    assert await bench.store.get(old.call.id) is None
    assert (await rows(bench, "bodies"), await rows(bench, "exchanges")) == (2, 1)
    assert first_break(await bench.store.journal()) is None, "of what is gone the journal still tells"


async def test_look_ups_and_filings_are_kept_for_their_own_time(bench: Bench) -> None:
    filing = await bench.sending()
    await bench.answered(filing)
    lookup = await bench.opened()
    await bench.answered(lookup)
    bench.clock.advance(40 * DAY)
    await one_pass(bench, lookups=30, filings=365)
    assert await kept(bench) == {filing.call.id}


async def test_what_waits_for_anything_or_anybody_stays_whatever_its_age(bench: Bench) -> None:
    queued = await bench.accepted()
    sending = await bench.sending()
    doubtful = await bench.doubtful()
    dead = await bench.sending()
    await bench.settle(dead, State.DEAD, "unavailable", cause="attempts")
    pending = await bench.sending()
    await bench.settle(pending, State.ANSWERED, "answered", answer=b"{}", result="pending")
    bench.clock.advance(900 * DAY)
    held = await rows(bench, "bodies"), await rows(bench, "exchanges")
    await one_pass(bench, lookups=1, filings=31)
    assert (await rows(bench, "bodies"), await rows(bench, "exchanges")) == held
    assert await kept(bench) == {queued.id, *(one.call.id for one in (sending, doubtful, dead, pending))}


async def test_a_filing_that_was_taken_back_goes_like_any_that_ended(bench: Bench) -> None:
    cancelled = await bench.accepted()
    await bench.store.cancel(cancelled.id, "onestop")
    doubtful = await bench.doubtful()
    assert await bench.decided(doubtful, Act.GIVE_UP) is Fate.MOVED
    bench.clock.advance(40 * DAY)
    await one_pass(bench, filings=31)
    assert await kept(bench) == {doubtful.call.id}, "a dead letter can be sent again, until a person ends it for good"


async def test_a_step_removes_few_rows_and_a_pass_all(bench: Bench) -> None:
    for _ in range(2 * MOST_CALLS + 7):
        await bench.answered(await bench.opened())
    bench.clock.advance(2 * DAY)
    steps = await one_pass(bench, lookups=1)
    assert max(steps) == MOST_CALLS
    assert sum(steps) == 2 * MOST_CALLS + 7
    assert await rows(bench, "exchanges") == 0


async def test_only_one_node_makes_a_pass_and_the_next_waits_for_its_time(bench: Bench) -> None:
    bench.clock.advance(EVERY)
    first = await bench.store.retention.begin(EVERY)
    assert first is not None
    assert await bench.store.retention.begin(EVERY) is None
    bench.clock.advance(EVERY - 1)
    assert (await bench.store.retention.sweep(first, Place(), until(bench))).next is not None
    bench.clock.advance(EVERY - 1)
    assert await bench.store.retention.begin(EVERY) is None, "it goes on, step by step"


async def test_a_pass_whose_node_stood_still_is_taken_over_and_stops(bench: Bench) -> None:
    first = await bench.store.retention.begin(EVERY)
    assert first is not None
    await bench.answered(await bench.opened())
    bench.clock.advance(2 * DAY)
    assert await bench.store.retention.begin(EVERY) == first + 1
    swept = await bench.store.retention.sweep(first, Place(), until(bench, lookups=1))
    assert (swept.removed, swept.next) == (0, None)
    assert len(await kept(bench)) == 1


async def test_a_reference_stays_as_long_as_its_dossier_lives(bench: Bench) -> None:
    filed = await bench.sending()
    await bench.answered(filed, refs={"receipt": "R-1"})
    alone = await bench.opened()
    await bench.answered(alone, refs={"receipt": "R-2"})
    dossier = filed.call.purpose.dossier
    assert dossier is not None
    bench.clock.advance(800 * DAY)
    await one_pass(bench, lookups=30, filings=1000, references=700)
    assert await bench.store.remembered(dossier, AGENCY) == {"receipt": "R-1"}, "a call of it is kept"
    await one_pass(bench, lookups=30, filings=365, references=900)
    assert await bench.store.remembered(dossier, AGENCY) == {"receipt": "R-1"}, "it is not old enough"
    await one_pass(bench, lookups=30, filings=365, references=700)
    assert await bench.store.remembered(dossier, AGENCY) == {}


async def test_what_agencies_told_goes_after_its_time_and_the_newest_keeps_its_number(bench: Bench) -> None:
    notices = bench.store.notices
    for number in range(2):
        await notices.take([Arrival(f"n{number}", AGENCY, "rung", "A" if number else None, None, b"{}")])
    await notices.dead.keep(Raw("old", AGENCY, "rung", {}, {}, b"1"), Found("mapping"))
    await notices.dead.keep(Raw("again", AGENCY, "rung", {}, {}, b"2"), Found("mapping"))
    bench.clock.advance(80 * DAY)
    await notices.dead.keep(Raw("ignored", AGENCY, "rung", {}, {}, b"2"), Found("mapping"))
    bench.clock.advance(20 * DAY)
    await one_pass(bench, notices=90)
    assert await rows(bench, "notices") == 1
    assert [one.id for one in await notices.dead.page(WhichDead(), 9)] == ["again"], "the agency sent it again"


async def test_an_item_that_was_handed_out_stays_as_long_as_references_do(bench: Bench) -> None:
    published = bench.store.notices.published
    await published.publish(AGENCY, "asked", "onestop", b"{}", ['"1"', '"2"'])
    await published.asked(AGENCY, "asked", ["A"])
    bench.clock.advance(100 * DAY)
    await one_pass(bench, notices=90, references=101)
    assert await published.asked(AGENCY, "asked", ["A"]) == (['"1"'], 1)
    bench.clock.advance(10 * DAY)
    await one_pass(bench, notices=90, references=101)
    assert await rows(bench, "handouts") == 1, "what nobody has yet is not of any age"


async def test_a_key_whose_call_is_gone_makes_a_new_call(bench: Bench) -> None:
    first = await bench.sending(idempotency_key="k", fingerprint="f")
    await bench.answered(first)
    bench.clock.advance(31 * DAY - EVERY - 1)
    await one_pass(bench, filings=31)
    assert await kept(bench) == {first.call.id}
    bench.clock.advance(DAY)
    await one_pass(bench, filings=31)
    assert await kept(bench) == set()
    again = await bench.store.accept(bench.call(idempotency_key="k", fingerprint="f"), b"{}")
    assert again.new


async def test_a_journal_that_was_cut_says_where_it_begins_and_stays_a_chain(bench: Bench) -> None:
    for _ in range(MOST_ROWS):
        await bench.answered(await bench.opened())
    before = await bench.store.journal()
    bench.clock.advance(400 * DAY)
    young = await bench.opened()
    await one_pass(bench, journal=365)
    left = await bench.store.journal()
    assert left[0] == before[-1], "the last that was to go stays, for its hash"
    assert [row.entry.call for row in left if row.entry.event == "sending"] == [young.id]
    assert {row.entry.event for row in left[1:]} == {"sending", CUT}
    assert first_break_kept(left) is None
    assert first_break_kept(left[1:]) == left[1].seq, "what was cut off without saying so shows"
    forged = [*left[:2], left[2]._replace(entry=left[2].entry._replace(detail="begins with 1")), *left[3:]]
    assert first_break_kept(forged) == left[2].seq
    await one_pass(bench, journal=365)
    assert [row.seq for row in await bench.store.journal()] == [row.seq for row in left], "nothing more to cut"


async def test_a_journal_that_was_never_cut_is_verified_from_its_first_entry(bench: Bench) -> None:
    await bench.accepted()
    whole = await bench.store.journal()
    assert first_break_kept(whole) is None
    assert first_break_kept([]) is None
    changed = [whole[0]._replace(entry=whole[0].entry._replace(caller="somebody"))]
    assert first_break_kept(changed) == 1


Deed = tuple[str, bool, float]
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["leave", "answer", "pend", "doubt", "die", "decide", "cancel", "expire"]),
        st.booleans(),
        st.floats(0, 40),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(DEEDS)
def test_whatever_happened_only_what_is_over_and_old_enough_goes(deeds: Sequence[Deed]) -> None:
    """The rule said once more, over records: states that end, ends that are old, nothing undecided, no key that counts."""
    clock = VirtualClock()

    async def scenario() -> None:
        bench = Bench(SqliteStore.in_memory(clock, backlog_calls={AGENCY: BOUND, "police": BOUND}), clock, {})
        ended: dict[str, tuple[Call, str, float]] = {}
        for deed, filing, days in deeds:
            call, what = await _live(bench, deed, filing)
            ended[call.id] = (call, what, clock.now())
            clock.advance(days * DAY)
        await one_pass(bench, lookups=20, filings=31)
        left = await kept(bench)
        for call, what, at in ended.values():
            age = (clock.now() - at) / DAY
            over = what in ("answer", "cancel", "expire")
            goes = over and age >= (31 if call.kind is Kind.FILING else 20)
            assert (call.id not in left) is goes, (what, call.kind, age)
        assert first_break(await bench.store.journal(limit=10_000)) is None
        counted = len([one for one in ended.values() if one[1] == "leave" and not one[0].interactive])
        assert await bench.store.backlog(AGENCY) == counted
        await bench.store.close()

    run_virtual(scenario(), clock)


async def _live(bench: Bench, deed: str, filing: bool) -> tuple[Call, str]:
    """Let one call live until *deed*; return it with what became of it."""
    if not filing:
        call = await bench.opened()
        end: dict[str, Any] = {"answer": (State.ANSWERED, "answered"), "expire": (State.EXPIRED, "in_doubt")}
        if deed not in end:
            return call, "leave"
        result = {"answer": b"{}", "result": "ok"} if deed == "answer" else {}
        await bench.settle(call, *end[deed], **result)
        return call, deed
    call = await bench.accepted(idempotency_key=str(next(bench.numbers)))
    if deed == "cancel":
        await bench.store.cancel(call.id, "onestop")
        return call, deed
    if deed in ("leave", "expire"):
        return call, "leave"
    leased = {one.call.id: one for one in await bench.store.lease(AGENCY, NODE, {call.cls: 100}, 60.0)}[call.id]
    await bench.store.begin(call.id, leased.call.fence, NODE)
    if deed == "answer":
        await bench.answered(leased)
    elif deed == "pend":
        await bench.settle(leased, State.ANSWERED, "answered", answer=b"{}", result="pending")
    elif deed == "die":
        await bench.settle(leased, State.DEAD, "unavailable", cause="attempts")
    else:
        await bench.settle(leased, State.IN_DOUBT, "in_doubt", cause="timeout")
        if deed == "decide":
            await bench.decided(call.id, Act.GIVE_UP)
    return replace(call, interactive=False), deed
