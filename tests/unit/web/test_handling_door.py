"""Callers count how agencies handled dossiers: of agencies that their key names, as JSON or CSV, and never a dossier."""

import csv
import io
from dataclasses import replace
from typing import Any, cast

import httpx2
import pytest

from hub.call import Call, Class, Kind, Purpose
from hub.client import HubClient, Problem
from hub.handled import Handled
from hub.store.notices import Arrival
from hub.store.sqlite import SqliteStore
from hub.web.admin import Office, admin
from hub.web.handling import Counting
from hub.web.lanes import LaneOffice
from hub.web.persons import CallOffice
from monitoring.events import Silent
from tests.unit.web.conftest import KEY, NOON

CODE = "000.00.14.H32-260315-00001"


@pytest.fixture
async def handled(store_of_calls: SqliteStore) -> None:
    """One dossier that the land office has, late; at noon of 23 November 2026, as far as counting goes."""
    taken = Handled("received", CODE, "1.001776", NOON - 3600, NOON - 7200)
    call = Call(
        "c-1", "land", "file_dossier", Kind.FILING, Class.NORMAL, False, "one_stop", Purpose(), "f", NOON, NOON + 9, NOON,
        "file_dossier", handled=taken,
    )  # fmt: skip
    store_of_calls._book.clock = cast(Any, Noon())
    store_of_calls._book.backlog_calls = {"land": 9, "police": 9}
    await store_of_calls.accept(call, b"{}")
    other = replace(taken, dossier="H32-2")
    await store_of_calls.accept(replace(call, id="c-2", agency="police", handled=other), b"{}")
    ended = Handled("ended", CODE, at=NOON - 60, ending="result")
    await store_of_calls.notices.take([Arrival("n-1", "land", "result_returned", None, None, b"{}", handled=ended)])


class Noon:
    def now(self) -> float:
        return NOON

    def monotonic(self) -> float:
        return 0.0


async def test_what_happened_in_a_period_is_counted_by_agency_and_procedure(client: Any, handled: None) -> None:
    reply = await client.get("/v1/handling")
    assert reply.status_code == 200
    told = reply.json()
    assert (told["from"], told["to"]) == ("2026-11-01", "2026-11-23")
    (row,) = told["counts"]
    assert row == {
        "agency": "land", "procedure": "1.001776", "received": 1, "forwarded": 0, "returned": 1, "sent_back": 0,
        "withdrawn": 0, "on_time": 0, "late": 1, "overdue": 0,
    }  # fmt: skip
    assert CODE not in reply.text
    before = await client.get("/v1/handling?from=2026-10-01&to=2026-11-22")
    assert before.json()["counts"] == []
    assert (await client.get("/v1/handling?agency=land&procedure=1.000001")).json()["counts"] == []


async def test_who_accepts_csv_gets_a_table(client: Any, handled: None) -> None:
    reply = await client.get("/v1/handling?agency=land", headers={"accept": "text/csv"})
    assert reply.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(reply.text))
    assert (row["agency"], row["procedure"], row["late"], row["on_time"]) == ("land", "1.001776", "1", "0")
    empty = await client.get("/v1/handling?from=2025-01-01&to=2025-01-01", headers={"accept": "text/csv"})
    assert empty.text.startswith("agency,procedure,received")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("agency=unknown", 404, "operation.unknown"),
        ("agency=tax", 403, "auth.denied"),
        ("from=2026-11-24", 400, "request.invalid"),
        ("from=2025-11-01", 400, "request.invalid"),
        ("from=20261101", 400, "request.invalid"),
        ("to=2026-02-30", 400, "request.invalid"),
        ("to=9999-12-31&from=9999-12-31", 400, "request.invalid"),
        ("person=1", 400, "request.invalid"),
    ],
)
async def test_what_cannot_be_counted_is_refused(client: Any, query: str, status: int, code: str) -> None:
    reply = await client.get(f"/v1/handling?{query}")
    assert (reply.status_code, reply.json()["code"]) == (status, code)


async def test_only_callers_count_and_only_by_reading(client: Any) -> None:
    assert (await client.get("/v1/handling", headers={"authorization": "Bearer nobody"})).status_code == 401
    assert (await client.post("/v1/handling")).status_code == 405


async def test_the_typed_client_counts(doors: Any, handled: None) -> None:
    async with HubClient("http://hub", KEY, transport=httpx2.ASGITransport(app=doors)) as hub:
        (row,) = await hub.handling(agency="land")
        assert (row.agency, row.returned, row.late) == ("land", 1, 1)
        assert await hub.handling(procedure="1.000001") == []
        with pytest.raises(Problem, match="auth"):
            await hub.handling(agency="tax")


async def test_operators_count_all_agencies(store_of_calls: SqliteStore, handled: None) -> None:
    nothing = cast(Any, None)
    counted = Counting(store_of_calls.handling, ["land", "police"], lambda: NOON)
    people, lanes = CallOffice(*[nothing] * 3, {}, nothing), LaneOffice(*[nothing] * 8)
    app = admin(
        Office(
            "key", *[nothing] * 3, people, nothing, nothing, lanes, list, Silent(), nothing, nothing, counting=counted
        )
    )
    base, headers = "http://hub/admin/v1", {"authorization": "Bearer key"}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=base, headers=headers) as http:
        rows = (await http.get("/handling")).json()["counts"]
        assert [row["agency"] for row in rows] == ["land", "police"]
        assert len((await http.get("/handling?agency=police")).json()["counts"]) == 1
        assert (await http.get("/handling?agency=npsp")).status_code == 404
