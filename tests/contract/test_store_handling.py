"""Promises of a store about how agencies handle dossiers: every step counts once, in the commit of what says it."""

from dataclasses import replace
from typing import Any

from sqlalchemy import func, select

from hub.call import Call, State
from hub.errors import BacklogFull
from hub.handled import Handled
from hub.store.deciding import Act, Fate
from hub.store.handling import Counts, Period
from hub.store.notices import Arrival
from hub.store.protocol import Leased, Settled
from hub.store.schema import metadata
from tests.contract.conftest import AGENCY, BOUND, Bench
from tests.contract.test_store_retention import one_pass

DAY = 86_400.0
CODE = "H32-260315-00001"
PROCEDURE = "1.001776"


def received(bench: Bench, code: str = CODE, **more: Any) -> Handled:
    now = bench.clock.now()
    facts: dict[str, Any] = {"procedure": PROCEDURE, "due_at": now + 5 * DAY, "at": now}
    return Handled("received", code, **(facts | more))


async def filed(bench: Bench, code: str = CODE, **more: Any) -> tuple[Leased, Handled]:
    """Let the hub take a dossier on and send it."""
    handled = received(bench, code, **more)
    return await bench.sending(handled=handled), handled


async def forwarded(bench: Bench, code: str = CODE, **more: Any) -> Leased:
    leased, handled = await filed(bench, code, **more)
    await bench.answered(leased, handled=replace(handled, step="forwarded"))
    return leased


async def told(bench: Bench, handled: Handled, unique: str | None = None) -> bool:
    arrival = Arrival(
        f"n-{bench.clock.now()}-{unique}", AGENCY, "result_returned", unique, None, b"{}", handled=handled
    )
    (new,) = await bench.store.notices.take([arrival])
    return bool(new)


async def counts(bench: Bench, begin: float | None = None, **more: Any) -> Counts:
    """Count what happened since *begin*, or ever; of one procedure."""
    now = bench.clock.now()
    period = Period([AGENCY], 0.0 if begin is None else begin, now + 1, now, **more)
    found = await bench.store.handling.counts(period)
    assert [(agency, procedure) for agency, procedure, _ in found] in ([], [(AGENCY, PROCEDURE)])
    return Counts(*found[0][2]) if found else Counts()


async def test_a_dossier_is_received_when_it_is_on_record_and_forwarded_when_the_agency_has_it(bench: Bench) -> None:
    leased, handled = await filed(bench)
    assert await counts(bench) == Counts(received=1)
    bench.clock.advance(DAY)
    await bench.answered(leased, handled=replace(handled, step="forwarded"))
    assert await counts(bench) == Counts(received=1, forwarded=1)
    assert await counts(bench, bench.clock.now() - 1) == Counts(forwarded=1), "each step counts when it happened"


async def test_what_is_refused_or_not_recorded_is_not_counted(bench: Bench) -> None:
    leased, handled = await filed(bench)
    ok = replace(handled, step="forwarded")
    await bench.settle(leased, State.ANSWERED, "answered", answer=b"{}", result="refused", handled=ok)
    for number in range(BOUND):
        await bench.accepted(order_key=f"{number}")
    try:
        await bench.accepted(handled=received(bench, "H32-2"))
    except BacklogFull:
        pass
    assert await counts(bench) == Counts(received=1)


async def test_a_dossier_that_was_pending_or_in_doubt_is_forwarded_when_that_ends(bench: Bench) -> None:
    first, handled = await filed(bench)
    ok = replace(handled, step="forwarded")
    await bench.settle(first, State.ANSWERED, "answered", answer=b"{}", result="pending", handled=ok)
    assert await counts(bench) == Counts(received=1)
    second, handled = await filed(bench, "H32-2")
    await bench.settle(second, State.IN_DOUBT, "in_doubt", cause="timeout")
    late = await bench.answered(second, handled=replace(handled, step="forwarded"))
    assert late is Settled.LATE_EVIDENCE
    third, _ = await filed(bench, "H32-3")
    await bench.settle(third, State.IN_DOUBT, "in_doubt", cause="timeout")
    assert await bench.decided(third, Act.DONE, answer=b"{}") is Fate.MOVED
    assert await counts(bench) == Counts(received=3, forwarded=2)


async def test_what_is_written_again_counts_once(bench: Bench) -> None:
    leased = await forwarded(bench)
    bench.clock.advance(DAY)
    handled = received(bench)
    again: Call = bench.call(handled=handled, idempotency_key="k", fingerprint="f")
    await bench.store.accept(again, b"{}")
    await bench.store.accept(replace(again, id="another"), b"{}")
    await bench.answered(leased, handled=replace(handled, step="forwarded"))
    ended = Handled("ended", CODE, at=bench.clock.now(), ending="result")
    assert await told(bench, ended, "A")
    assert not await told(bench, ended, "A")
    assert await told(bench, ended), "a notice that cannot be known again is about the same dossier all the same"
    assert await counts(bench) == Counts(received=1, forwarded=1, returned=1, on_time=1)


async def test_two_of_one_commit_may_be_about_one_dossier(bench: Bench) -> None:
    calls = [(bench.call(handled=received(bench)), b"{}") for _ in range(3)]
    await bench.store.batches.accept(calls)
    assert await counts(bench) == Counts(received=1)


async def test_on_time_is_until_the_promised_moment_and_late_after_it(bench: Bench) -> None:
    due = bench.clock.now() + DAY
    for code in ("H32-1", "H32-2", "H32-3"):
        await forwarded(bench, code, due_at=due if code != "H32-3" else None)
    bench.clock.advance(3 * DAY)
    assert await counts(bench) == Counts(received=3, forwarded=3, overdue=2)
    await told(bench, Handled("ended", "H32-1", at=due, ending="result"))
    await told(bench, Handled("ended", "H32-2", at=due + 1, ending="no_result"))
    await told(bench, Handled("ended", "H32-3", ending="result"))
    assert await counts(bench) == Counts(received=3, forwarded=3, returned=3, on_time=1, late=1)


async def test_a_second_notice_of_the_same_end_moves_nothing(bench: Bench) -> None:
    await forwarded(bench)
    await told(bench, Handled("ended", CODE, ending="sent_back"))
    begun = bench.clock.now()
    bench.clock.advance(3 * DAY)
    await told(bench, Handled("ended", CODE, ending="sent_back"))
    assert await counts(bench, begun + DAY) == Counts()


async def test_only_what_the_agency_has_is_overdue(bench: Bench) -> None:
    refused, _ = await filed(bench)
    await bench.settle(refused, State.ANSWERED, "answered", answer=b"{}", result="refused")
    await filed(bench, "H32-2")
    await forwarded(bench, "H32-3")
    bench.clock.advance(9 * DAY)
    assert await counts(bench) == Counts(received=3, forwarded=1, overdue=1)


async def test_the_last_promise_counts_and_one_that_was_said_before_does_not_come_back(bench: Bench) -> None:
    await forwarded(bench)
    begun = bench.clock.now()
    bench.clock.advance(4 * DAY)
    later = Handled("moved", CODE, due_at=begun + 10 * DAY)
    await told(bench, later)
    await told(bench, Handled("moved", CODE, due_at=begun + 1 * DAY, at=begun + 2 * DAY))
    await told(bench, Handled("moved", "H32-unknown", due_at=begun))
    bench.clock.advance(4 * DAY)
    await told(bench, Handled("ended", CODE, ending="result"))
    assert (await counts(bench)).on_time == 1


async def test_a_supplement_that_is_taken_on_moves_the_promise(bench: Bench) -> None:
    await forwarded(bench)
    bench.clock.advance(4 * DAY)
    moved = Handled("moved", CODE, due_at=bench.clock.now() + 9 * DAY, at=bench.clock.now())
    await bench.accepted(operation="file_supplement", handled=moved)
    bench.clock.advance(4 * DAY)
    assert (await counts(bench)).overdue == 0


async def test_what_was_sent_back_and_is_filed_again_is_at_work_again(bench: Bench) -> None:
    await forwarded(bench)
    bench.clock.advance(DAY)
    await told(bench, Handled("ended", CODE, ending="sent_back"))
    assert await counts(bench) == Counts(received=1, forwarded=1, sent_back=1)
    bench.clock.advance(DAY)
    await forwarded(bench)
    assert await counts(bench) == Counts(received=1, forwarded=1)


async def test_an_answer_that_comes_after_the_result_reopens_nothing(bench: Bench) -> None:
    leased, handled = await filed(bench)
    bench.clock.advance(DAY)
    await told(bench, Handled("ended", CODE, ending="result"))
    await bench.answered(leased, handled=replace(handled, step="forwarded"))
    assert await counts(bench) == Counts(received=1, forwarded=1, returned=1, on_time=1)


async def test_a_result_that_is_refused_is_not_returned_and_a_withdrawal_is_no_return(bench: Bench) -> None:
    await forwarded(bench)
    bench.clock.advance(DAY)
    await told(bench, Handled("ended", CODE, ending="result"))
    refusal = await bench.sending(operation="refuse_result", order_key="r")
    bench.clock.advance(60)
    await bench.answered(refusal, handled=Handled("reopened", CODE, at=bench.clock.now()))
    assert await counts(bench) == Counts(received=1, forwarded=1)
    withdrawal = await bench.sending(operation="withdraw_dossier", order_key="w")
    await bench.answered(withdrawal, handled=Handled("ended", CODE, at=bench.clock.now(), ending="withdrawn"))
    assert await counts(bench) == Counts(received=1, forwarded=1, withdrawn=1)


async def test_a_notice_about_a_dossier_that_was_never_received_counts_nothing(bench: Bench) -> None:
    await told(bench, Handled("ended", "H32-unknown", ending="result"))
    assert await counts(bench) == Counts()


async def test_a_moment_that_is_still_to_come_is_now(bench: Bench) -> None:
    await forwarded(bench)
    await told(bench, Handled("ended", CODE, at=bench.clock.now() + 99 * DAY, ending="result"))
    assert (await counts(bench)).on_time == 1


async def test_one_procedure_and_some_agencies_are_counted(bench: Bench) -> None:
    await forwarded(bench)
    await forwarded(bench, "H32-2", procedure="1.000001")
    assert (await counts(bench, procedure=PROCEDURE)).received == 1
    now = bench.clock.now()
    assert await bench.store.handling.counts(Period(["police"], 0.0, now + 1, now)) == []
    found = await bench.store.handling.counts(Period([AGENCY, "police"], 0.0, now + 1, now))
    assert [procedure for _, procedure, _ in found] == ["1.000001", PROCEDURE]


async def test_it_is_kept_longer_than_calls_and_goes_when_nothing_was_heard_of_it_for_long(bench: Bench) -> None:
    await forwarded(bench)
    bench.clock.advance(400 * DAY)
    await told(bench, Handled("ended", CODE, ending="result"))
    bench.clock.advance(300 * DAY)
    await one_pass(bench, filings=31, notices=31, dossiers=365)
    assert (await counts(bench)).late == 1
    bench.clock.advance(100 * DAY)
    await one_pass(bench, dossiers=365)
    counted = bench.store._book.statements.prepare(select(func.count()).select_from(metadata.tables["dossiers"]))
    assert (await bench.store._read(bench.store._reader.rows, counted))[0][0] == 0
