"""Promises of a store about comparing days: one node at a time, a stretch is one commit, and nothing is filed again twice."""

from datetime import date
from typing import Any

import pytest

from hub.call import Call, Class, Purpose, State
from hub.errors import BacklogFull
from hub.reconciling import ids_of
from hub.store.notices import Arrival, Owner
from hub.store.reconciled import DIFFERS, MISSING, SAME, Found, Lapse, Line, Place, Run, Stretch
from hub.store.reconciling import FILED, KEPT_RUNS, Day, Filing
from tests.contract.conftest import AGENCY, BOUND, NODE, Bench

DAY = 86_400.0


async def wanted(bench: Bench, id_: str = "run-1", due_in: float = 0.0, **more: Any) -> Run:
    now = bench.clock.now()
    run = Run(id_, AGENCY, "2026-03-15", "", True, "operator", now, now + due_in)._replace(**more)
    assert await bench.store.reconciling.want(run)
    return run


async def leased(bench: Bench, id_: str = "run-1", node: str = NODE, ttl: float = 60.0) -> Run:
    run = await bench.store.reconciling.lease(id_, node, ttl)
    assert run is not None
    return run


async def the_run(bench: Bench) -> Run:
    (run,) = await bench.store.reconciling.runs()
    return run


def again(bench: Bench, **changes: Any) -> tuple[Call, bytes]:
    return bench.call(caller="hub", cls=Class.BULK, **changes), b"{}"


def line(call: str = "c-1", verdict: str = MISSING, **more: Any) -> Line:
    return Line("", call, "file_dossier", "H32-1", verdict)._replace(**more)


def stretch(run: Run, *lines: Found, verdicts: int = 1, after: str = "c-9") -> Stretch:
    return Stretch(Place(run.id, run.fence), after, [("file_dossier", SAME)] * verdicts, lines)


async def test_a_run_is_made_once_and_is_leased_when_due_by_one_node(bench: Bench) -> None:
    run = await wanted(bench, due_in=30)
    assert not await bench.store.reconciling.want(run._replace(files=False))
    assert await the_run(bench) == run
    assert await bench.store.reconciling.lease(run.id, NODE, 60) is None
    bench.clock.advance(30)
    first = await leased(bench)
    assert await bench.store.reconciling.lease(run.id, "node-2", 60) is None
    bench.clock.advance(60)
    second = await leased(bench, node="node-2")
    assert second.fence == first.fence + 1
    assert await bench.store.reconciling.took(stretch(first), 60) is None, "who was overtaken writes nothing"
    assert not await bench.store.reconciling.lapsed(Lapse(Place(run.id, first.fence), "answered"))
    assert (await the_run(bench)).place == ""


async def test_a_stretch_its_counts_its_lines_and_what_is_filed_again_are_one_commit(bench: Bench) -> None:
    await wanted(bench)
    run = await leased(bench)
    call, request = again(bench, idempotency_key="k")
    differs = line("c-2", DIFFERS, fields=(("status", "received", "finished"),))
    made = await bench.store.reconciling.took(
        stretch(run, Found(line(), (call, request)), Found(differs), verdicts=2), 60
    )
    assert made == {"c-1": call.id}
    after = await the_run(bench)
    assert (after.place, after.counts) == ("c-9", {"file_dossier": {SAME: 2}})
    missing, other = await bench.store.reconciling.lines(run.id)
    assert (missing.verdict, missing.filed) == (MISSING, call.id)
    assert other == differs._replace(run=run.id)
    assert await bench.state(call) is State.QUEUED
    (entry,) = [row.entry for row in await bench.store.journal() if row.entry.event == FILED]
    assert (entry.caller, entry.call, entry.detail) == ("operator", call.id, "c-1")
    await bench.store.reconciling.took(stretch(await leased_on(bench, run), after="c-99"), 60)
    assert (await the_run(bench)).counts == {"file_dossier": {SAME: 3}}


async def leased_on(bench: Bench, run: Run) -> Run:
    return (await the_run(bench))._replace(fence=run.fence)


async def test_what_was_filed_again_is_not_filed_again_by_another_run_nor_in_other_words(bench: Bench) -> None:
    await wanted(bench)
    run = await leased(bench)
    first, request = again(bench, idempotency_key="k")
    await bench.store.reconciling.took(stretch(run, Found(line(), (first, request))), 60)
    await wanted(bench, "run-2")
    second = await leased(bench, "run-2")
    same, _ = again(bench, idempotency_key="k", fingerprint=first.fingerprint)
    other, _ = again(bench, idempotency_key="k")
    found = (Found(line("c-1"), (same, request)), Found(line("c-2"), (other, request)))
    made = await bench.store.reconciling.took(stretch(second, *found), 60)
    assert made == {"c-1": first.id, "c-2": first.id}
    assert await bench.store.get(same.id) is None
    assert await bench.store.get(other.id) is None
    assert (await bench.events()).count(FILED) == 1


async def test_without_room_for_what_is_filed_again_nothing_is_written(bench: Bench) -> None:
    await wanted(bench)
    run = await leased(bench)
    for _ in range(BOUND):
        await bench.accepted()
    call, request = again(bench)
    with pytest.raises(BacklogFull):
        await bench.store.reconciling.took(stretch(run, Found(line(), (call, request))), 60)
    assert (await the_run(bench)).place == ""
    assert await bench.store.reconciling.lines(run.id) == []


async def test_a_run_rests_and_goes_on_or_has_ended(bench: Bench) -> None:
    await wanted(bench)
    run = await leased(bench)
    at = bench.clock.now() + 600
    assert await bench.store.reconciling.lapsed(Lapse(Place(run.id, run.fence), "held", "busy", at))
    assert await bench.store.reconciling.lease(run.id, NODE, 60) is None
    bench.clock.advance(600)
    assert [one.id for one in await bench.store.reconciling.open()] == [run.id]
    run = await leased(bench)
    assert await bench.store.reconciling.lapsed(Lapse(Place(run.id, run.fence), "answered"))
    ended = await the_run(bench)
    assert (ended.ended_at, ended.outcome, ended.cause) == (bench.clock.now(), "answered", "")
    assert await bench.store.reconciling.open() == []
    assert await bench.store.reconciling.lease(run.id, NODE, 60) is None
    assert await bench.store.reconciling.run(run.id) == ended
    assert await bench.store.reconciling.run("run-2") is None


async def test_the_last_run_of_each_agency_that_came_to_its_end_is_known(bench: Bench) -> None:
    for id_, agency, outcome in (
        ("1", AGENCY, "answered"),
        ("2", "police", "answered"),
        ("3", AGENCY, "answered"),
        ("4", AGENCY, "held"),
    ):
        bench.clock.advance(1)
        await wanted(bench, id_, agency=agency)
        run = await leased(bench, id_)
        await bench.store.reconciling.lapsed(Lapse(Place(id_, run.fence), outcome))
    await wanted(bench, "5")
    bench.clock.advance(1)
    await wanted(bench, "6", operation="file_dossier")
    run = await leased(bench, "6")
    await bench.store.reconciling.lapsed(Lapse(Place("6", run.fence), "answered"))
    assert [run.id for run in await bench.store.reconciling.latest()] == ["3", "2"]


async def test_a_node_that_stops_or_begins_anew_lets_others_go_on(bench: Bench) -> None:
    await wanted(bench)
    await leased(bench)
    await bench.store.reconciling.release("node-2")
    assert await bench.store.reconciling.lease("run-1", "node-2", 60) is None
    await bench.store.reconciling.release(NODE)
    await leased(bench, node="node-2")


async def test_the_last_runs_of_an_agency_are_kept_with_their_lines(bench: Bench) -> None:
    await wanted(bench, "other", agency="police")
    for number in range(KEPT_RUNS + 2):
        bench.clock.advance(1)
        await wanted(bench, f"run-{number}")
        run = await leased(bench, f"run-{number}")
        await bench.store.reconciling.took(stretch(run, Found(line())), 60)
        await bench.store.reconciling.lapsed(Lapse(Place(run.id, run.fence), "answered"))
    kept = await bench.store.reconciling.runs(AGENCY)
    assert [kept[0].id, len(kept)] == [f"run-{KEPT_RUNS + 1}", KEPT_RUNS + 1]
    assert await bench.store.reconciling.lines("run-0") == []
    assert len(await bench.store.reconciling.lines("run-2")) == 1
    assert len(await bench.store.reconciling.runs("police")) == 1


async def test_what_is_wanted_and_not_made_yet_is_dropped_for_no_other(bench: Bench) -> None:
    for number in range(KEPT_RUNS + 2):
        bench.clock.advance(1)
        await wanted(bench, f"run-{number}")
    assert len(await bench.store.reconciling.open()) == KEPT_RUNS + 2


async def test_the_filings_of_a_day_are_walked_in_order_and_of_nobody_elses(bench: Bench) -> None:
    today = date.fromisoformat("2026-03-16")
    bench.clock.advance(_moment("2026-03-15") - bench.clock.now() + 1)
    await bench.accepted(purpose=Purpose(dossier="before"))
    bench.clock.advance(DAY)
    first = await bench.accepted()
    await bench.accepted(operation="file_progress")
    await bench.opened()
    await bench.accepted(agency="police")
    bench.clock.advance(DAY - 2)
    last = await bench.accepted()
    bench.clock.advance(2)
    await bench.accepted()
    day = Day(AGENCY, ["file_dossier"], *ids_of(today.isoformat()), 1)
    (one,) = await bench.store.reconciling.filings(day, "")
    assert (one.call, one.request, one.answer, one.result) == (first, b'{"code":"H32"}', None, None)
    (two,) = await bench.store.reconciling.filings(day, first.id)
    assert two.call == last
    assert await bench.store.reconciling.filings(day, last.id) == []


def _moment(day: str) -> float:
    return int(ids_of(day)[0].replace("-", "")[:12], 16) / 1000


async def found(bench: Bench, call: Call) -> Filing:
    day = Day(AGENCY, ["file_dossier"], "", "g", 100)
    return next(one for one in await bench.store.reconciling.filings(day, "") if one.call.id == call.id)


async def test_what_was_filed_later_about_a_dossier_counts_if_it_may_have_arrived(bench: Bench) -> None:
    first = await bench.sending()
    await bench.answered(first)
    filing = await found(bench, first.call)
    operations = ["file_dossier", "update_dossier"]
    cancelled = await bench.accepted()
    await bench.store.cancel(cancelled.id, "onestop")
    refused = await bench.sending()
    await bench.settle(refused, State.ANSWERED, "answered", answer=b"{}", result="refused")
    dead = await bench.sending()
    await bench.settle(dead, State.DEAD, "broken", cause="request:mapping")
    await bench.accepted(purpose=Purpose(dossier="another"))
    await bench.accepted(operation="file_progress")
    assert await bench.store.reconciling.newer(filing, operations) == []
    queued = await bench.accepted(operation="update_dossier")
    done = await bench.sending()
    await bench.answered(done)
    assert [one.call.id for one in await bench.store.reconciling.newer(filing, operations)] == [done.call.id, queued.id]


async def test_a_notice_that_belongs_to_a_filing_is_known(bench: Bench) -> None:
    first = await bench.sending()
    filing = await found(bench, first.call)
    dossier = first.call.purpose.dossier

    async def told(notice: str, call: str, dossier: str | None = dossier) -> bool:
        owner = Owner(dossier, "onestop", call)
        await bench.store.notices.take([Arrival(f"n-{notice}-{call}", AGENCY, notice, None, None, b"{}", {}, owner)])
        return await bench.store.reconciling.told(filing, ["order_tracked"])

    assert not await told("order_tracked", "another")
    assert not await told("order_lost", first.call.id)
    assert await told("order_tracked", first.call.id)
