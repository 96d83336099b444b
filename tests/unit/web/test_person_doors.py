"""What operators see of doubts and dead letters at the admin doors, and what they may decide there."""

import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import httpx2
import pytest
from pydantic import Field

from hub.arriving import Arriving, Speaking
from hub.call import NEVER, Call, Class, Kind, Purpose, State, exchange_id, uuid7
from hub.clock import VirtualClock
from hub.security.sealing import Sealing
from hub.store.deciding import Decided, Decision
from hub.store.protocol import Leased, Settlement
from hub.store.sqlite import SqliteStore
from hub.web.admin import Office, admin
from hub.web.dead_notices import NoticeOffice
from hub.web.lanes import LaneOffice
from hub.web.persons import CallOffice
from hub.web.polls import PollOffice
from hub.web.replies import moment
from mappings.canonical.shape import Canonical, personal, told
from monitoring.events import Silent
from tests.speaking import Spoken, body, pushed, step
from tests.unit.engine.stage import operation

SECRET = "000085000001"


class Form(Canonical):
    code: str = told("Code of the dossier (mã hồ sơ)", "H32-1")
    citizen_id: str = personal("Citizen id (số định danh)", SECRET)
    pages: int = Field(1)


OPERATIONS = {
    "npsp": {
        "file_form": operation("file_form", "filing", Form, then={"in_doubt": "lookup_form"}, ref={"receipt": None}),
        "lookup_form": operation("lookup_form", "lookup", Form),
    }
}


class Doors:
    """The admin doors over a store in memory, and short words for what stands in it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.store = SqliteStore.in_memory(self.clock, backlog_calls={"npsp": 100})
        self.decided: list[Decision] = []
        self._ids = itertools.count(1)
        nothing = cast(Any, None)
        self.begins_at = 0.0
        self.spoken = Spoken()
        self.arriving = Arriving(
            {"npsp": Speaking(self.spoken, {})},
            self.store.notices,
            lambda: f"notice-{next(self._ids)}",
            Silent(),
            nothing,
            Sealing(""),
        )
        notices = NoticeOffice(self.store.notices.dead, self.arriving.again, self.arriving.asked_for)
        calls = CallOffice(
            self.store.find,
            self.store.persons,
            self._decide,
            OPERATIONS,
            notices,
            lambda agency: {"npsp": self.begins_at}[agency],
        )
        app = admin(
            Office(
                "key",
                dict,
                nothing,
                nothing,
                calls,
                nothing,
                nothing,
                LaneOffice(*[nothing] * 8),
                list,
                Silent(),
                nothing,
                PollOffice(nothing, nothing),
            )
        )
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app),
            base_url="http://hub/admin/v1",
            headers={"authorization": "Bearer key"},
        )
        self._number = 0

    async def _decide(self, of: Sequence[str], decision: Decision) -> Sequence[Decided]:
        self.decided.append(decision)
        return await self.store.persons.decide(of, decision)

    async def stuck(self, state: State, cause: str = "timeout", **changes: Any) -> str:
        now = self.clock.now()
        self._number += 1
        number = self._number
        call = Call(
            id=uuid7(now, lambda size: number.to_bytes(size, "big")), agency="npsp", operation="file_form",
            kind=Kind.FILING, cls=Class.NORMAL, interactive=False, caller="onestop",
            purpose=Purpose("cb-014", "H32", "H32-1"), fingerprint=f"{number}", accepted_at=now, deadline=now + 99,
            due_at=now, step="file_form",
        )  # fmt: skip
        await self.store.accept(
            replace(call, **changes), b'{"code":"H32-1","citizen_id":"%b","pages":2}' % SECRET.encode()
        )
        (leased,) = await self.store.lease("npsp", "node-1", {Class.NORMAL: 1}, 60)
        await self.settle(leased, state, cause)
        return call.id

    async def settle(self, of: Leased, state: State, cause: str) -> None:
        number = await self.store.begin(of.call.id, of.call.fence, "node-1")
        assert number is not None
        due_at = NEVER if cause == "differs" else self.clock.now() + 15
        await self.store.settle(
            Settlement(of.call.id, of.call.fence, number, state, "in_doubt", cause, 10.0, due_at=due_at)
        )


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    doors = Doors()
    yield doors
    await doors.http.aclose()
    await doors.store.close()


async def test_a_hub_that_has_just_begun_says_when_it_looks_first(doors: Doors) -> None:
    """It waits until what an earlier process sent must have ended: for a minute and a half nobody saw why."""
    call = await doors.stuck(State.IN_DOUBT)
    doors.begins_at = doors.clock.now() + 90
    listed, shown = (await doors.http.get("/doubts")).json(), (await doors.http.get(f"/doubts/{call}")).json()
    assert listed["calls"][0]["next_look_up"] == shown["next_look_up"] == moment(doors.clock.now() + 90)
    doors.begins_at = doors.clock.now() + 3
    assert (await doors.http.get("/doubts")).json()["calls"][0]["next_look_up"] == moment(doors.clock.now() + 15)


async def test_doubts_are_listed_with_who_looks_next(doors: Doors) -> None:
    planned = await doors.stuck(State.IN_DOUBT)
    left = await doors.stuck(State.IN_DOUBT, "differs")
    await doors.stuck(State.DEAD)
    told = (await doors.http.get("/doubts")).json()
    assert [(one["call"], one["cause"], one["next_look_up"], one["look_up"]) for one in told["calls"]] == [
        (left, "differs", "person", "lookup_form"),
        (planned, "timeout", moment(doors.clock.now() + 15), "lookup_form"),
    ]
    assert told["after"] is None
    assert {one["dossier"] for one in told["calls"]} == {"H32-1"}


async def test_a_case_shows_what_an_agency_must_be_told_and_nothing_personal(doors: Doors) -> None:
    call = await doors.stuck(State.IN_DOUBT)
    reply = await doors.http.get(f"/doubts/{call}")
    case = reply.json()
    assert SECRET not in reply.text
    assert case["sent"]["request"] == {"code": "H32-1", "citizen_id": "•••", "pages": 2}
    assert (case["sent"]["bytes"], len(case["sent"]["digest"])) == (54, 64)
    assert case["our_reference"] == call.replace("-", "")
    (made,) = case["made"]
    assert made["id"] == exchange_id(call, 1)
    assert (made["operation"], made["node"], made["outcome"], made["cause"], made["seconds"]) == (
        "file_form", "node-1", "in_doubt", "timeout", 10.0,
    )  # fmt: skip
    assert (case["dossier"], case["decisions"], case["in_the_way"], case["holds_up"]) == ("H32-1", [], None, 0)
    unknown = await doors.http.get("/dead/01990a5e-8c1b-7cc3-98c4-dc0c0c07398f")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "call.unknown")


async def test_a_request_that_todays_model_cannot_read_is_not_shown(doors: Doors) -> None:
    call = await doors.stuck(State.IN_DOUBT, operation="lookup_form")  # a name whose model would read it
    body = "UPDATE bodies SET bytes = '{\"citizen_id\":7}'"
    doors.store._book.connect().execute(body)
    case = (await doors.http.get(f"/doubts/{call}")).json()
    assert case["sent"]["request"] is None
    assert case["sent"]["bytes"] == 54


async def test_a_filing_that_was_done_is_answered_and_the_journal_says_on_whose_word(doors: Doors) -> None:
    call = await doors.stuck(State.IN_DOUBT)
    body = {"outcome": "done", "by": "cb-014", "reason": "gọi điện hỏi chị Không", "refs": {"receipt": "000-7"}}
    told = (await doors.http.post(f"/doubts/{call}", json=body)).json()
    assert told == {"call": call, "became": "moved", "state": "answered"}
    case = (await doors.http.get(f"/doubts/{call}")).json()
    assert [(one["by"], one["what"]) for one in case["decisions"]] == [("cb-014", "done: gọi điện hỏi chị Không")]
    assert [(one["ours"], one["theirs"]) for one in case["references"]] == [("receipt", "000-7")]
    record = await doors.store.get(call)
    assert record is not None
    assert record.answer is not None
    assert b'"code":"confirmed"' in record.answer
    again = (await doors.http.post(f"/doubts/{call}", json=body)).json()
    assert again == {"call": call, "became": "moved_meanwhile", "state": "answered"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"outcome": "done", "reason": "x"}, "/by"),
        ({"outcome": "done", "by": "  ", "reason": "x"}, "/by"),
        ({"outcome": "done", "by": "cb-014"}, "/reason"),
        ({"outcome": "done", "by": "cb-014", "reason": "a\x1b[2Jb"}, "/reason"),
        ({"outcome": "replay", "by": "cb-014", "reason": "x"}, "/outcome"),
        ({"outcome": "done", "by": "cb-014", "reason": "x", "refs": {"number": "1"}}, "/refs/number"),
        ({"outcome": "done", "by": "cb-014", "reason": "x", "refs": {"receipt": ""}}, "/refs/receipt"),
        ({"outcome": "not_done", "by": "cb-014", "reason": "x", "refs": {"receipt": "1"}}, "/refs"),
        ({"outcome": "done", "by": "cb-014", "reason": "x", "because": "y"}, "/because"),
    ],
)
async def test_a_resolution_that_is_none_changes_nothing(doors: Doors, body: dict[str, Any], pointer: str) -> None:
    call = await doors.stuck(State.IN_DOUBT)
    reply = await doors.http.post(f"/doubts/{call}", json=body)
    assert reply.status_code == 400
    assert [fault["pointer"] for fault in reply.json()["errors"]] == [pointer]
    assert doors.decided == []


async def test_an_agencys_names_of_references_are_told_to_who_guesses(doors: Doors) -> None:
    call = await doors.stuck(State.IN_DOUBT)
    body = {"outcome": "done", "by": "cb-014", "reason": "x", "refs": {"number": "1"}}
    (fault,) = (await doors.http.post(f"/doubts/{call}", json=body)).json()["errors"]
    assert fault["rule"] == "is no reference of this agency; it remembers receipt"


async def test_dead_letters_are_replayed_a_page_at_a_time_and_each_one_told(doors: Doors) -> None:
    dead = [await doors.stuck(State.DEAD) for _ in range(3)]
    doubt = await doors.stuck(State.IN_DOUBT)
    body = {"calls": [*dead, doubt, "unknown"], "reason": "agency is back"}
    told = (await doors.http.post("/dead/replay", json=body)).json()["calls"]
    assert [(one["became"], one["state"]) for one in told] == [
        *[("moved", "queued")] * 3, ("moved_meanwhile", "in_doubt"), ("unknown", None),
    ]  # fmt: skip
    assert doors.decided[0].by == "operator"
    many = {"calls": ["x"] * 501, "reason": "x"}
    assert (await doors.http.post("/dead/replay", json=many)).json()["errors"][0]["pointer"] == "/calls"
    assert (await doors.http.post("/dead/replay", json={"calls": [], "reason": "x"})).status_code == 400


async def test_dead_letters_are_discarded_with_a_reason_only(doors: Doors) -> None:
    call = await doors.stuck(State.DEAD)
    assert (await doors.http.post("/dead/discard", json={"calls": [call]})).status_code == 400
    body = {"calls": [call], "reason": "filed on paper", "by": "cb-014"}
    assert (await doors.http.post("/dead/discard", json=body)).json()["calls"][0]["state"] == "cancelled"
    case = (await doors.http.get(f"/dead/{call}")).json()
    assert (case["cause"], case["decisions"][0]["what"]) == ("discarded", "discard: filed on paper")


async def test_pages_follow_one_another_and_are_filtered(doors: Doors) -> None:
    dead = [await doors.stuck(State.DEAD, cause) for cause in ("connect", "deadline", "connect")]
    first = (await doors.http.get("/dead", params={"limit": 2})).json()
    second = (await doors.http.get("/dead", params={"limit": 2, "after": first["after"]})).json()
    assert [one["call"] for page in (first, second) for one in page["calls"]] == dead[::-1]
    assert second["after"] is None
    some = (await doors.http.get("/dead", params={"cause": "deadline"})).json()["calls"]
    assert [one["call"] for one in some] == [dead[1]]
    tolls = (await doors.http.get("/dead/tolls")).json()
    assert tolls == [
        {"agency": "npsp", "cause": "connect", "calls": 2, "notices": 0},
        {"agency": "npsp", "cause": "deadline", "calls": 1, "notices": 0},
    ]  # fmt: skip
    tomorrow = datetime.fromtimestamp(doors.clock.now() + 86_400, UTC).isoformat()
    assert (await doors.http.get("/dead", params={"since": tomorrow})).json()["calls"] == []
    assert (await doors.http.get("/dead/tolls", params={"since": tomorrow})).json() == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [({"after": "1~x~npsp"}, "?after"), ({"after": "1"}, "?after"), ({"since": "2026-11-27"}, "/since"), ({"limit": 501}, "/limit")],
)  # fmt: skip
async def test_a_page_that_is_none_is_told(doors: Doors, query: dict[str, Any], pointer: str) -> None:
    reply = await doors.http.get("/dead", params=query)
    assert (reply.status_code, [fault["pointer"] for fault in reply.json()["errors"]]) == (400, [pointer])


async def test_nobody_looks_or_decides_without_the_admin_key(doors: Doors) -> None:
    call = await doors.stuck(State.DEAD)
    locked = {"authorization": "Bearer counter-key"}
    for path in ("/dead", "/doubts", f"/dead/{call}", "/dead/tolls"):
        assert (await doors.http.get(path, headers=locked)).status_code == 401
    for path in ("/dead/replay", "/dead/discard", f"/doubts/{call}"):
        assert (await doors.http.post(path, json={"calls": [call], "reason": "x"}, headers=locked)).status_code == 401
    assert doors.decided == []


async def test_dead_notices_are_listed_shown_counted_and_nothing_of_what_came_is(doors: Doors) -> None:
    call = await doors.stuck(State.DEAD, "connect")
    bad = step("A", handler=SECRET) | {"value": {"handler": SECRET}}
    assert (await doors.arriving.push("npsp", "dossier_progressed", pushed(body(bad)))).way == "refused"
    page = await doors.http.get("/dead")
    (one,) = page.json()["notices"]
    assert (one["agency"], one["notice"], one["cause"], one["times"]) == ("npsp", "dossier_progressed", "mapping", 1)
    assert [call] == [dead["call"] for dead in page.json()["calls"]]
    shown = await doors.http.get(f"/dead/{one['dead_notice']}")
    assert {fault["place"] for fault in shown.json()["faults"]} == {
        "told[0]/dossier", "told[0]/processed_at", "told[0]/status",
    }  # fmt: skip
    assert SECRET not in page.text + shown.text
    assert (await doors.http.get("/dead/tolls")).json() == [
        {"agency": "npsp", "cause": "connect", "calls": 1, "notices": 0},
        {"agency": "npsp", "cause": "mapping", "calls": 0, "notices": 1},
    ]
    assert (await doors.http.get("/dead", params={"what": "notices"})).json()["calls"] == []
    assert (await doors.http.get("/dead", params={"what": "calls"})).json()["notices"] == []
    before = {"notices_after": 0}
    assert (await doors.http.get("/dead", params=before)).json()["notices"] == []


async def test_calls_and_notices_are_decided_about_in_one_request(doors: Doors) -> None:
    call = await doors.stuck(State.DEAD, "connect")
    bad = step("A")
    del bad["value"]["handler"]
    for content in (body(bad), b"{"):
        await doors.arriving.push("npsp", "dossier_progressed", pushed(content))
    broken, missing = [one["dead_notice"] for one in (await doors.http.get("/dead")).json()["notices"]]
    doors.spoken.mended = True
    wanted = {"calls": [broken, call, missing], "reason": "mapping mended", "by": "cb-014"}
    told = (await doors.http.post("/dead/replay", json=wanted)).json()
    assert [(one["call"], one["became"]) for one in told["calls"]] == [(call, "moved")]
    assert [(one["notice"], one["became"]) for one in told["notices"]] == [(broken, "still_dead"), (missing, "taken")]
    assert told["notices"][0]["faults"] == [{"place": "body", "rule": "is no JSON with records"}]
    told = (await doors.http.post("/dead/discard", json=wanted | {"calls": [broken, missing]})).json()
    assert [(one["notice"], one["became"]) for one in told["notices"]] == [(broken, "discarded")]
    assert [one["became"] for one in told["calls"]] == ["unknown"]
    assert (await doors.http.get("/dead")).json()["notices"] == []
