"""Every store keeps what agencies tell once, finds whose it is, and lets nobody have another's item."""

import asyncio
from typing import Any

import pytest

from hub.call import BUILT_IN, Purpose, State
from hub.store import dead_notices
from hub.store.dead_notices import Found, Raw, WhichDead
from hub.store.feed import Noticed, Reach
from hub.store.notices import Arrival, Owner
from hub.store.protocol import Settlement
from tests.contract.conftest import AGENCY, Bench

ALL = 10**9
DOSSIER = "H32.1-261123-0001"


def arrival(number: int = 1, unique: str | None = None, **changes: Any) -> Arrival:
    facts: dict[str, Any] = {
        "id": f"notice-{number}", "agency": AGENCY, "notice": "dossier_progressed", "unique": unique,
        "model": "ProcessingStep@1", "data": b'{"value":{"status":"processing"},"refs":{}}',
    }  # fmt: skip
    return Arrival(**(facts | changes))


async def told(bench: Bench, caller: str = "onestop", **reach: Any) -> list[Noticed]:
    return list(await bench.store.feed.told(caller, Reach(**({"agencies": [AGENCY]} | reach)), 0, ALL, 100))


async def test_what_an_agency_tells_is_offered_to_every_caller_that_reaches_it(bench: Bench) -> None:
    assert await bench.store.notices.take([arrival()]) == [True]
    for caller in ("onestop", "another"):
        (one,) = await told(bench, caller)
        assert (one.id, one.notice, one.model, one.call, one.dossier) == (
            "notice-1", "dossier_progressed", "ProcessingStep@1", None, None,
        )  # fmt: skip
        assert one.told == b'{"value":{"status":"processing"},"refs":{}}'
    assert await told(bench, agencies=["police"]) == []
    assert [one.id for one in await told(bench, agencies=[], notices=[f"{AGENCY}.dossier_progressed"])] == ["notice-1"]
    assert await told(bench, agencies=[], notices=[f"{AGENCY}.dossier_returned"]) == []


async def test_what_belongs_to_a_caller_is_told_to_that_one(bench: Bench) -> None:
    await bench.store.notices.take([arrival(owner=Owner(DOSSIER, "onestop", ""))])
    assert [one.dossier for one in await told(bench)] == [DOSSIER]
    assert await told(bench, "another") == []


async def test_calls_and_notices_stand_in_one_order_and_are_filtered_by_dossier(bench: Bench) -> None:
    for number in range(1, 4):
        call = await bench.accepted(purpose=Purpose(dossier="H32-2"))
        await bench.store.cancel(call.id, "onestop")
        await bench.store.notices.take([arrival(number, owner=Owner(DOSSIER, None, ""))])
    events = await told(bench)
    assert [one.notice for one in events] == ["call.settled", "dossier_progressed"] * 3
    assert [one.seq for one in events] == sorted(one.seq for one in events)
    assert [one.id for one in await told(bench, dossier=DOSSIER)] == ["notice-1", "notice-2", "notice-3"]
    assert [one.notice for one in await told(bench, dossier="H32-2")] == ["call.settled"] * 3
    half = await bench.store.feed.told("onestop", Reach([AGENCY]), events[1].seq, events[4].seq, 2)
    assert [one.seq for one in half] == [events[2].seq, events[3].seq]


async def test_the_same_notice_is_kept_once(bench: Bench) -> None:
    first = [arrival(1, "A"), arrival(2, "B"), arrival(3, "B"), arrival(4)]
    assert await bench.store.notices.take(first) == [True, True, False, True]
    assert await bench.store.notices.take([arrival(5, "A"), arrival(6, "C")]) == [False, True]
    assert await bench.store.notices.take([arrival(7, "A", notice="dossier_returned")]) == [True]
    assert await bench.store.notices.take([arrival(8, "A", agency="police")]) == [True]
    assert [one.id for one in await told(bench)] == ["notice-1", "notice-2", "notice-4", "notice-6", "notice-7"]


async def test_the_same_notice_of_one_tick_is_kept_once(bench: Bench) -> None:
    took = await asyncio.gather(*(bench.store.notices.take([arrival(number, "A")]) for number in range(20)))
    assert sum(new for (new,) in took) == 1
    assert len(await told(bench)) == 1


async def test_each_notice_is_in_the_journal_without_what_it_says(bench: Bench) -> None:
    await bench.store.notices.take([arrival(1, "A", owner=Owner(DOSSIER, "onestop", "call-1")), arrival(2, "A")])
    (entry,) = [row.entry for row in await bench.store.journal()]
    assert (entry.event, entry.agency, entry.operation) == ("notice_taken", AGENCY, "dossier_progressed")
    assert (entry.call, entry.caller, entry.purpose, entry.detail) == (
        "call-1", "onestop", f"dossier={DOSSIER}", "notice-1",
    )  # fmt: skip


# --- Whose it is -----------------------------------------------------------------------------------------------------


async def test_a_reference_leads_to_the_call_that_brought_it(bench: Bench) -> None:
    leased = await bench.sending()
    await bench.answered(leased, refs={"slip": "BN-1"})
    owner = await bench.store.notices.whose(AGENCY, {"slip": "BN-1"}, [])
    assert owner == Owner(DOSSIER, "onestop", leased.call.id, "file_dossier", False, b'{"code":"H32"}')
    assert await bench.store.notices.whose(AGENCY, {"receipt": "BN-1"}, []) is None
    assert await bench.store.notices.whose(AGENCY, {"slip": "BN-2"}, []) is None
    assert await bench.store.notices.whose("police", {"slip": "BN-1"}, []) is None


async def test_a_dossier_paid_for_twice_keeps_both_references(bench: Bench) -> None:
    first, second = await bench.sending(), await bench.sending()
    await bench.answered(first, refs={"payment": "P1"})
    bench.clock.advance(1)
    await bench.answered(second, refs={"payment": "P2"})
    for theirs, leased in (("P1", first), ("P2", second)):
        owner = await bench.store.notices.whose(AGENCY, {"payment": theirs}, [])
        assert owner is not None
        assert owner.call == leased.call.id
    assert await bench.store.remembered(DOSSIER, AGENCY) == {"payment": "P2"}, "the newest is the one that is sent"


async def test_a_look_up_that_reads_a_reference_does_not_take_it_over(bench: Bench) -> None:
    filing, later = await bench.sending(), await bench.sending()
    await bench.answered(filing, refs={"slip": "BN-1"})
    await bench.answered(later, refs={"slip": "BN-1"})
    owner = await bench.store.notices.whose(AGENCY, {"slip": "BN-1"}, [])
    assert owner is not None
    assert owner.call == filing.call.id


async def test_a_dossier_of_ours_leads_to_its_newest_filing_at_this_agency(bench: Bench) -> None:
    await bench.accepted(caller="first")
    newest = await bench.accepted(caller="second")
    await bench.accepted(agency="police", caller="third")
    owner = await bench.store.notices.whose(AGENCY, {}, ["unknown", DOSSIER])
    assert owner is not None
    assert (owner.call, owner.caller, owner.dossier) == (newest.id, "second", DOSSIER)


async def test_a_dossier_filed_elsewhere_leads_to_its_caller_and_to_no_call(bench: Bench) -> None:
    await bench.accepted(agency="police")
    assert await bench.store.notices.whose(AGENCY, {}, [DOSSIER]) == Owner(DOSSIER, "onestop", "")


async def test_what_only_the_hub_itself_asked_for_is_nobodys(bench: Bench) -> None:
    leased = await bench.sending(caller=BUILT_IN)
    await bench.answered(leased, refs={"slip": "BN-1"})
    owner = await bench.store.notices.whose(AGENCY, {"slip": "BN-1"}, [])
    assert owner is not None
    assert (owner.caller, owner.dossier) == (None, DOSSIER)
    await bench.accepted(caller="onestop")
    owner = await bench.store.notices.whose(AGENCY, {"slip": "BN-1"}, [])
    assert owner is not None
    assert (owner.caller, owner.call) == ("onestop", leased.call.id)


async def test_a_call_without_a_dossier_is_found_by_its_reference(bench: Bench) -> None:
    leased = await bench.sending(purpose=Purpose())
    await bench.answered(leased, refs={"slip": "BN-1"})
    owner = await bench.store.notices.whose(AGENCY, {"slip": "BN-1"}, [])
    assert owner is not None
    assert (owner.dossier, owner.caller, owner.call) == (None, "onestop", leased.call.id)


async def test_a_call_that_is_pending_is_told_as_such(bench: Bench) -> None:
    leased = await bench.sending()
    await bench.store.settle(pending(leased))
    owner = await bench.store.notices.whose(AGENCY, {}, [DOSSIER])
    assert owner is not None
    assert owner.pending


def pending(leased: Any) -> Any:
    return Settlement(
        leased.call.id, leased.call.fence, 1, State.ANSWERED, "answered", answer=b'{"result":"pending"}',
        result="pending",
    )  # fmt: skip


async def test_what_a_notice_brings_is_remembered_for_its_dossier(bench: Bench) -> None:
    await bench.accepted()
    owner = await bench.store.notices.whose(AGENCY, {}, [DOSSIER])
    await bench.store.notices.take([arrival(1, refs={"receipt": "BL-9"}, owner=owner), arrival(2, refs={"stray": "1"})])
    assert await bench.store.remembered(DOSSIER, AGENCY) == {"receipt": "BL-9"}
    again = await bench.store.notices.whose(AGENCY, {"receipt": "BL-9"}, [])
    assert again is not None
    assert again.dossier == DOSSIER


# --- What could not be taken -----------------------------------------------------------------------------------------


def raw(number: int = 1, body: bytes = b"<bad/>", **changes: Any) -> Raw:
    facts: dict[str, Any] = {"agency": AGENCY, "notice": "dossier_progressed", "headers": {"a": "b"}, "query": {}}
    return Raw(id=f"dead-{number}", body=body, **(facts | changes))


MAPPING = Found("mapping", [("told[0]/handler", "is missing")])


async def test_what_cannot_be_taken_is_kept_with_what_came(bench: Bench) -> None:
    assert await bench.store.notices.dead.keep(raw(), MAPPING)
    (one,) = await bench.store.notices.dead.page(WhichDead(), 10)
    assert (one.id, one.agency, one.cause, one.faults, one.size, one.times) == (
        "dead-1", AGENCY, "mapping", [("told[0]/handler", "is missing")], 6, 1,
    )  # fmt: skip
    got = await bench.store.notices.dead.get("dead-1")
    assert got is not None
    assert got[1] == raw()
    assert await bench.store.notices.dead.get("dead-2") is None
    assert (await bench.store.persons.needing())[AGENCY].dead == 1
    assert await bench.events() == ["notice_refused"]


async def test_the_same_bad_answer_to_another_question_is_another_row(bench: Bench) -> None:
    for number, asked in enumerate((b"100001", b"100002", b"100001")):
        assert await bench.store.notices.dead.keep(raw(number, query={"id": asked.decode()}, asked=asked), MAPPING)
    found = await bench.store.notices.dead.page(WhichDead(), 10)
    assert [(one.id, one.times) for one in found] == [("dead-1", 1), ("dead-0", 2)]


async def test_the_same_bad_push_again_and_again_is_one_row_that_counts(bench: Bench) -> None:
    for number in range(5):
        bench.clock.advance(1)
        assert await bench.store.notices.dead.keep(raw(number), MAPPING)
    (one,) = await bench.store.notices.dead.page(WhichDead(), 10)
    assert (one.id, one.times, one.last_at - one.came_at) == ("dead-0", 5, 4.0)
    assert await bench.events() == ["notice_refused"]


async def test_a_full_share_takes_no_more_and_leaves_other_agencies_theirs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_notices, "MOST_DEAD", 2)
    kept = [await bench.store.notices.dead.keep(raw(number, b"%d" % number), MAPPING) for number in range(3)]
    assert kept == [True, True, False]
    assert await bench.store.notices.dead.keep(raw(8, b"8", agency="police"), MAPPING)
    monkeypatch.setattr(dead_notices, "MOST_DEAD", 100)
    monkeypatch.setattr(dead_notices, "MOST_DEAD_BYTES", 100)
    assert not await bench.store.notices.dead.keep(raw(9, b"9" * 99), MAPPING)


async def test_they_are_listed_newest_first_by_page_and_counted_by_cause(bench: Bench) -> None:
    for number in range(5):
        cause = "agrees" if number % 2 else "mapping"
        await bench.store.notices.dead.keep(raw(number, b"%d" % number), Found(cause))
    first = await bench.store.notices.dead.page(WhichDead(), 3)
    rest = await bench.store.notices.dead.page(WhichDead(), 3, first[-1].seq)
    assert [one.id for one in (*first, *rest)] == [f"dead-{number}" for number in (4, 3, 2, 1, 0)]
    assert [one.id for one in await bench.store.notices.dead.page(WhichDead(AGENCY, "agrees"), 9)] == [
        "dead-3",
        "dead-1",
    ]
    assert await bench.store.notices.dead.page(WhichDead("police"), 9) == []
    assert await bench.store.notices.dead.page(WhichDead(since=bench.clock.now() + 1), 9) == []
    assert await bench.store.notices.dead.tolls(WhichDead()) == [(AGENCY, "agrees", 2), (AGENCY, "mapping", 3)]


async def test_one_that_is_taken_ends_in_the_commit_that_keeps_it(bench: Bench) -> None:
    await bench.store.notices.dead.keep(raw(), MAPPING)
    await bench.store.notices.dead.still("dead-1", Found("agrees", [("amount", "is not what the call said")]), "cb-014")
    (one,) = await bench.store.notices.dead.page(WhichDead(), 9)
    assert (one.cause, one.faults) == ("agrees", [("amount", "is not what the call said")])
    assert await bench.store.notices.take([arrival()], "dead-1", "cb-014") == [True]
    assert await bench.store.notices.dead.page(WhichDead(), 9) == []
    entries = [row.entry for row in await bench.store.journal()]
    assert [one.event for one in entries] == ["notice_refused", "notice_read_again", "notice_taken", "notice_replayed"]
    assert (entries[-1].caller, entries[-1].detail) == ("cb-014", "dead-1")


async def test_one_that_is_discarded_leaves_who_and_why(bench: Bench) -> None:
    await bench.store.notices.dead.keep(raw(), MAPPING)
    assert await bench.store.notices.dead.discard(["dead-1", "dead-2"], "cb-014", "thử") == [True, False]
    assert await bench.store.notices.dead.get("dead-1") is None
    entry = (await bench.store.journal())[-1].entry
    assert (entry.event, entry.caller, entry.detail) == ("notice_discarded", "cb-014", "dead-1: thử")


# --- Questions -------------------------------------------------------------------------------------------------------


async def test_the_newest_answer_counts_and_its_edition_is_known_by_its_moment(bench: Bench) -> None:
    published = bench.store.notices.published
    assert await published.answer(AGENCY, "number_asked") is None
    first = await published.publish(AGENCY, "number_asked", "onestop", b'"1"')
    second = await published.publish(AGENCY, "number_asked", "another", b'"2"')
    assert second > first
    assert await published.answer(AGENCY, "number_asked", first) == ("another", second, b'"2"')
    assert await published.answer(AGENCY, "number_asked", second) == ("another", second, None)
    assert [row.entry.caller for row in await bench.store.journal()] == ["onestop", "another"]


async def test_each_asker_is_handed_an_item_for_good(bench: Bench) -> None:
    published = bench.store.notices.published
    await published.publish(AGENCY, "number_asked", "onestop", b"{}", ['"01"', '"02"', '"03"'])
    asked = [await published.asked(AGENCY, "number_asked", keys) for keys in (["A"], ["B", "A"], ["A"])]
    assert asked == [(['"01"'], 2), (['"02"', '"01"'], 1), (['"01"'], 1)]
    assert await published.asked(AGENCY, "number_asked", ["C", "D"]) is None, "all or none"
    assert await published.asked(AGENCY, "number_asked", ["C"]) == (['"03"'], 0)
    assert await published.asked(AGENCY, "number_asked", ["D"]) is None
    assert await published.asked(AGENCY, "number_asked", ["A", "B"]) == (['"01"', '"02"'], 0)
    assert await published.left(AGENCY, "number_asked") == 0


async def test_no_item_is_handed_out_twice_though_it_is_published_again(bench: Bench) -> None:
    published = bench.store.notices.published
    await published.publish(AGENCY, "number_asked", "onestop", b"{}", ['"01"', '"02"'])
    assert await published.asked(AGENCY, "number_asked", ["A"]) == (['"01"'], 1)
    await published.publish(AGENCY, "number_asked", "onestop", b"{}", ['"01"', '"09"'])
    assert await published.asked(AGENCY, "number_asked", ["B"]) == (['"09"'], 0), "what is no longer offered is gone"
    assert await published.asked(AGENCY, "number_asked", ["A"]) == (['"01"'], 0)


async def test_askers_of_one_tick_get_items_of_their_own(bench: Bench) -> None:
    published = bench.store.notices.published
    await published.publish(AGENCY, "number_asked", "onestop", b"{}", [f'"{number}"' for number in range(10)])
    handed = await asyncio.gather(*(published.asked(AGENCY, "number_asked", [f"k{number}"]) for number in range(12)))
    items = [one.items[0] for one in handed if one is not None]
    assert len(items) == len(set(items)) == 10
    assert handed.count(None) == 2
