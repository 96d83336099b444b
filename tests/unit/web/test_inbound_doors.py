"""Agencies that call are answered in their own envelope, within their contract, and cannot hold anybody else up."""

import asyncio
import json
import re
from collections.abc import Iterator, MutableMapping
from typing import Any

import httpx2
import pytest

from connectors.kit.manifest import VERB_NOUN
from hub.errors import StoreUnavailable
from hub.store.dead_notices import WhichDead
from hub.store.sqlite import SqliteStore
from hub.web import inbound as doors_of_agencies
from hub.web.doors import Doors
from hub.web.inbound import InboundDoors
from tests.speaking import KEY, Spoken, body, step
from tests.unit.web.conftest import Knock

PATH = "/in/land/dossier_progressed"
PROOF = (b"apikey", KEY.encode())
HEADERS = {"apikey": KEY}


@pytest.fixture
async def agency(doors: Doors) -> Any:
    """A client that stands for the agency."""
    transport = httpx2.ASGITransport(app=doors)
    async with httpx2.AsyncClient(transport=transport, base_url="http://hub.example", headers=HEADERS) as http:
        yield http


async def test_a_push_is_on_disk_before_it_is_answered(
    agency: httpx2.AsyncClient, client: httpx2.AsyncClient, came: list[tuple[str, ...]]
) -> None:
    reply = await agency.post(PATH, content=body(step("A"), step("B")))
    assert (reply.status_code, reply.json()["result"]) == (200, "taken")
    assert (await agency.post(PATH, content=body(step("A")))).json()["result"] == "seen"
    events = (await client.get("/v1/notices/land?after=0")).json()["events"]
    assert [one["type"] for one in events] == ["vn.lienthong.dossier_progressed"] * 2
    assert events[0]["source"] == "/v1/agencies/land"
    assert events[0]["dataschema"] == "ProcessingStep@1"
    assert events[0]["data"]["value"]["status"] == "processing"
    assert came == [
        ("land", "dossier_progressed", "accepted"), ("land", "dossier_progressed", "taken"),
        ("land", "dossier_progressed", "accepted"), ("land", "dossier_progressed", "seen"),
    ]  # fmt: skip


async def test_one_bad_row_keeps_none_and_the_answer_says_which(
    agency: httpx2.AsyncClient, client: httpx2.AsyncClient, store_of_calls: SqliteStore
) -> None:
    bad = {"value": {"dossier": "H32.1-261123-0001"}}
    reply = (await agency.post(PATH, content=body(step("A"), bad))).json()
    assert reply["result"] == "refused"
    assert "told[1]/handler: missing" in reply["reason"]
    assert (await client.get("/v1/notices/land?after=0")).json()["events"] == []
    (dead,) = await store_of_calls.notices.dead.page(WhichDead(), 9)
    assert (dead.agency, dead.notice, dead.cause) == ("land", "dossier_progressed", "mapping")


async def test_who_does_not_prove_to_be_the_agency_leaves_nothing_behind(
    agency: httpx2.AsyncClient, store_of_calls: SqliteStore, came: list[tuple[str, ...]]
) -> None:
    reply = await agency.post(PATH, content=body(step("A")), headers={"apikey": "another"})
    assert reply.json()["result"] == "denied"
    assert await store_of_calls.notices.dead.page(WhichDead(), 9) == []
    assert await store_of_calls.journal() == []
    assert came[-1] == ("land", "dossier_progressed", "denied")


async def test_what_proves_the_agency_is_not_kept_with_what_could_not_be_taken(
    agency: httpx2.AsyncClient, store_of_calls: SqliteStore
) -> None:
    await agency.post(
        f"{PATH}?token=x{KEY}&page=2", content=b"{", headers={"authorization": "Basic eA==", "x-kind": "7"}
    )
    (dead,) = await store_of_calls.notices.dead.page(WhichDead(), 9)
    got = await store_of_calls.notices.dead.get(dead.id)
    assert got is not None
    assert "apikey" not in got[1].headers
    assert "authorization" not in got[1].headers
    assert got[1].headers["x-kind"] == "7"
    assert got[1].query == {"page": "2"}
    assert got[1].body == b"{"


async def test_a_header_sent_twice_proves_nothing(agency: httpx2.AsyncClient) -> None:
    reply = await agency.post(PATH, content=body(), headers=[("apikey", KEY), ("apikey", "another")])
    assert reply.json()["result"] == "denied"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", PATH, 405), ("PUT", PATH, 405), ("PUT", "/in/land/procedures_asked", 405), ("DELETE", PATH, 405), ("PUT", "/in/land/soap", 405),
        ("POST", "/in/land/dossier_returned", 404), ("POST", "/in/police/dossier_progressed", 404),
        ("POST", "/in/land", 404), ("POST", "/in/land/a/b", 404), ("POST", "/in/", 404), ("GET", "/in/land/soap", 404),
    ],
)  # fmt: skip
async def test_an_address_or_method_that_leads_nowhere_is_a_problem(
    agency: httpx2.AsyncClient, method: str, path: str, status: int, came: list[tuple[str, ...]]
) -> None:
    reply = await agency.request(method, path)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert came == [], "no name that a stranger makes up becomes a label"


async def test_a_question_may_be_asked_by_its_address_alone(agency: httpx2.AsyncClient) -> None:
    """Land registers ask for lists by GET."""
    asked, posted = await agency.get("/in/land/procedures_asked"), await agency.post("/in/land/procedures_asked")
    assert asked.headers["content-type"] == "application/json"
    assert (asked.status_code, asked.json()) == (posted.status_code, posted.json())
    assert (await agency.get("/in/land/procedures_asked", headers={"apikey": "another"})).json()["result"] == "denied"


async def test_the_contract_stands_before_the_first_byte_of_a_body(
    knock: Knock, agency: httpx2.AsyncClient, came: list[tuple[str, ...]]
) -> None:
    for _ in range(60):
        await agency.post(PATH, content=body())
    before = knock.read
    await knock(PATH, [{"type": "http.request", "body": b"x" * 1000, "more_body": True}], PROOF)
    assert knock.read == before
    assert json.loads(knock.body)["result"] == "busy"
    assert b"retry-after" in knock.headers
    assert came[-1] == ("land", "dossier_progressed", "rate")


async def test_a_stranger_costs_the_agency_nothing_of_its_contract(
    knock: Knock, agency: httpx2.AsyncClient, came: list[tuple[str, ...]]
) -> None:
    for _ in range(1000):
        await knock(PATH, [], (b"apikey", b"guessed"))
    assert set(came) == {("land", "dossier_progressed", "denied")}
    assert knock.read == 0
    assert (await agency.post(PATH, content=body(step("A")))).json()["result"] == "taken"


async def test_who_dawdles_gives_its_place_to_who_finds_none(
    agency: httpx2.AsyncClient, doors: Doors, inbound: InboundDoors
) -> None:
    part = {"type": "http.request", "body": b"{", "more_body": True}
    knocks = [Knock(doors) for _ in range(2)]
    slow = [asyncio.create_task(knock(PATH, [part], PROOF, stays=asyncio.Event())) for knock in knocks]
    await asyncio.sleep(0)
    assert (await agency.post(PATH, content=body(step("A")))).json()["result"] == "busy"
    inbound._guard._clock.advance(2.0)  # type: ignore[attr-defined]
    assert (await agency.post(PATH, content=body(step("A")))).json()["result"] == "taken"
    await asyncio.wait_for(slow[0], 1)
    assert json.loads(knocks[0].body)["result"] == "busy"
    assert knocks[1].body == b"", "one place was needed, and one was taken"
    slow[1].cancel()


async def test_no_more_at_once_than_the_contract_says(knock: Knock, doors: Doors, came: list[tuple[str, ...]]) -> None:
    stays = asyncio.Event()
    part = {"type": "http.request", "body": b"{", "more_body": True}
    slow = [asyncio.create_task(Knock(doors)(PATH, [part], PROOF, stays=stays)) for _ in range(2)]
    await asyncio.sleep(0)
    await knock(PATH, [], PROOF)
    assert came[-1] == ("land", "dossier_progressed", "concurrency")
    assert json.loads(knock.body)["result"] == "busy"
    stays.set()
    await asyncio.gather(*slow)


async def test_a_body_that_drips_is_told_to_come_again_within_the_time_of_the_contract(doors: Doors) -> None:
    knock = Knock(doors)
    part = {"type": "http.request", "body": b"{", "more_body": True}
    await asyncio.wait_for(knock(PATH, [part], PROOF, stays=asyncio.Event()), 5)
    assert json.loads(knock.body)["result"] == "busy"
    assert knock.headers[b"connection"] == b"close"


async def test_an_endless_body_is_refused_where_the_contract_ends(knock: Knock, store_of_calls: SqliteStore) -> None:
    def endless() -> Iterator[dict[str, Any]]:
        while True:
            yield {"type": "http.request", "body": b"x" * 65536, "more_body": True}

    parts = endless()

    async def receive() -> MutableMapping[str, Any]:
        nonlocal taken
        taken += 65536
        return next(parts)

    taken, said = 0, []

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    headers = [(b"apikey", KEY.encode()), (b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": headers}
    await knock._doors(scope, receive, send)
    assert taken < 1_100_000
    assert json.loads(said[1]["body"])["result"] == "refused"
    assert (b"connection", b"close") in said[0]["headers"]
    assert await store_of_calls.notices.dead.page(WhichDead(), 9) == []


async def test_a_promise_of_a_gigabyte_is_refused_unread(knock: Knock) -> None:
    await knock(PATH, [], PROOF, (b"content-length", b"1073741824"))
    assert knock.read == 0
    assert json.loads(knock.body)["result"] == "refused"
    assert knock.headers[b"connection"] == b"close"


async def test_a_large_message_is_read_in_a_thread_of_the_agency(agency: httpx2.AsyncClient, spoken: Spoken) -> None:
    await agency.post(PATH, content=body(step("A")))
    assert spoken.threads == {"MainThread"}
    await agency.post(PATH, content=body(step("B", content="x")) + b" " * 300_000)
    assert len(spoken.threads) == 2
    assert any(name.startswith("land-inbox") for name in spoken.threads)


async def test_while_the_hub_stops_a_large_message_comes_again(
    agency: httpx2.AsyncClient, inbound: InboundDoors
) -> None:
    inbound._arriving.close()
    assert (await agency.post(PATH, content=body(step("A")) + b" " * 300_000)).json()["result"] == "busy"


async def test_while_the_store_is_away_the_agency_comes_again(
    agency: httpx2.AsyncClient, store_of_calls: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable(retry_after=7)

    for content in (body(step("A")), b"{"):
        monkeypatch.setattr(store_of_calls, "_line", type("Away", (), {"do": away})())
        assert (await agency.post(PATH, content=content)).json()["result"] == "busy"
        monkeypatch.undo()
    assert await store_of_calls.journal() == []
    assert (await agency.post(PATH, content=body(step("A")))).json()["result"] == "taken"


async def test_while_the_store_is_full_or_slow_no_body_is_read(
    knock: Knock, store_is: dict[str, Exception | None]
) -> None:
    store_is["sick"] = StoreUnavailable("the store is full", retry_after=60)
    await knock(PATH, [{"type": "http.request", "body": b"{}"}], (b"apikey", KEY.encode()))
    assert knock.read == 0
    assert json.loads(knock.body)["result"] == "busy"


async def test_a_full_share_of_dead_notices_says_busy_and_takes_what_can_be_read(
    agency: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.store.dead_notices.MOST_DEAD", 1)
    assert (await agency.post(PATH, content=b"{1")).json()["result"] == "refused"
    assert (await agency.post(PATH, content=b"{2")).json()["result"] == "busy"
    assert (await agency.post(PATH, content=b"{1")).json()["result"] == "refused"
    assert (await agency.post(PATH, content=body(step("A")))).json()["result"] == "taken"


async def test_soap_is_one_address_with_its_description(agency: httpx2.AsyncClient, spoken: Spoken) -> None:
    described = await agency.get("/in/land/soap?wsdl")
    assert (described.status_code, described.content) == (200, b"<wsdl/>http://hub.example/in/land/soap")
    assert (await agency.get("/in/land/soap?WSDL")).status_code == 200
    assert (await agency.post("/in/land/soap", content=b"<dossier_progressed/>")).json()["result"] == "taken"
    assert (await agency.post("/in/land/soap", content=b"<else/>")).json()["result"] == "refused"
    spoken._wsdl = None
    assert (await agency.get("/in/land/soap?wsdl")).status_code == 404
    assert (await agency.post("/in/land/soap", content=b"<dossier_progressed/>")).status_code == 404


async def test_no_host_that_a_stranger_writes_stands_in_the_description(agency: httpx2.AsyncClient) -> None:
    reply = await agency.get("/in/land/soap?wsdl", headers={"host": 'evil"><x'})
    assert reply.content == b"<wsdl/>http://localhost/in/land/soap"


async def test_a_refusal_of_a_flood_says_what_it_costs_little(agency: httpx2.AsyncClient) -> None:
    replies = [await agency.post(PATH, content=body()) for _ in range(200)]
    assert {one.json()["result"] for one in replies[50:]} == {"busy"}


def test_no_notice_can_have_the_name_of_the_soap_address() -> None:
    assert re.fullmatch(VERB_NOUN, doors_of_agencies.SOAP) is None


# --- What callers read of it -----------------------------------------------------------------------------------------


async def test_a_key_that_names_one_notice_is_told_that_one(
    agency: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    await agency.post(PATH, content=body(step("A")))
    assert (await agency.post("/in/land/bell_rung", content=body({"value": None}))).json()["result"] == "taken"
    whole = (await client.get("/v1/notices/land?after=0")).json()["events"]
    assert [one["type"].rpartition(".")[2] for one in whole] == ["dossier_progressed", "bell_rung"]
    assert "dataschema" not in whole[1]
    assert whole[1]["data"] == {"value": None, "refs": {}}
    clerk = {"authorization": "Bearer one-notice-key"}
    events = (await client.get("/v1/notices/land?after=0", headers=clerk)).json()["events"]
    assert [one["type"].rpartition(".")[2] for one in events] == ["dossier_progressed"]
    assert (await client.get("/v1/notices/police?after=0", headers=clerk)).status_code == 403


async def test_it_is_filtered_by_dossier_and_acknowledged_like_all_else(
    agency: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    await agency.post(PATH, content=body(step("A")))
    assert (await client.get("/v1/notices/land?after=0&dossier=H32.1-261123-0001")).json()["events"] == [], (
        "nobody filed"
    )
    page = (await client.get("/v1/notices/land")).json()
    assert len(page["events"]) == 1
    await client.put("/v1/notices/land/cursor", json={"after": page["after"]})
    assert (await client.get("/v1/notices/land")).json()["events"] == []
