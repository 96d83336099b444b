"""Who may opens seals, with officer and purpose, and the journal has it first; nobody else learns anything."""

import json
from typing import Any

import httpx2
import pytest

from hub.client import HubClient, Purpose
from hub.security.sealing import Sealing
from hub.store.sqlite import SqliteStore
from hub.web.doors import Doors
from mappings.canonical.complaints import Sender
from tests.unit.web.conftest import KEY_OF_SEALS, FakeEngine

PATH = "/v1/seals/police"
NAME = "Trần Thị Không"
OPENER = {"authorization": "Bearer opening-key"}
SEAL = Sealing(KEY_OF_SEALS).sealed("police", Sender(full_name=NAME)).full_name or ""


async def test_what_is_sealed_is_opened_in_order_and_the_journal_says_for_whom(
    doors: Doors, store_of_calls: SqliteStore
) -> None:
    purpose = Purpose(officer="cb-102", unit="H32", dossier="H32-1")
    async with HubClient("http://hub.example", "opening-key", transport=httpx2.ASGITransport(app=doors)) as hub:
        assert await hub.open_seals("police", [SEAL, SEAL], purpose=purpose) == [NAME, NAME]
    entry = (await store_of_calls.journal())[-1].entry
    assert (entry.event, entry.caller) == ("seal_opened", "inspector")
    assert (entry.detail or "").startswith("police 2 officer=cb-102")
    assert NAME not in str(entry)


async def test_a_dossier_that_is_written_like_another_officer_is_journaled_as_one_word(
    client: httpx2.AsyncClient, store_of_calls: SqliteStore
) -> None:
    purpose = 'officer="cb-102", unit="H32", dossier="H32-1 procedure=1.000001"'
    said = await client.post(PATH, json={"sealed": [SEAL]}, headers={**OPENER, "hub-purpose": purpose})
    assert said.status_code == 200, said.text
    entry = (await store_of_calls.journal())[-1].entry
    assert (entry.detail or "").endswith('dossier="H32-1 procedure=1.000001"')


@pytest.mark.parametrize("key", ["counter-key", "one-notice-key"])
async def test_a_key_that_reaches_everything_opens_nothing_unless_it_says_so(
    client: httpx2.AsyncClient, key: str
) -> None:
    said = await client.post(PATH, json={"sealed": [SEAL]}, headers={"authorization": f"Bearer {key}"})
    assert (said.status_code, said.json()["code"]) == (403, "auth.denied")
    assert NAME not in said.text


async def test_nothing_is_opened_for_another_agency_without_purpose_or_when_one_is_not_ours(
    client: httpx2.AsyncClient, store_of_calls: SqliteStore
) -> None:
    for path, seals, headers, code in (
        ("/v1/seals/tax", [SEAL], OPENER, "auth.denied"),
        (PATH, [SEAL], {**OPENER, "hub-purpose": 'unit="H32"'}, "purpose.missing"),
        (PATH, [SEAL, SEAL[:-1]], OPENER, "request.invalid"),
        (PATH, [], OPENER, "request.invalid"),
    ):
        said = await client.post(path, json={"sealed": seals}, headers=headers)
        assert said.json()["code"] == code
        assert NAME not in said.text
    assert not [row for row in await store_of_calls.journal() if row.entry.event == "seal_opened"]


async def test_a_request_goes_on_sealed_whether_its_caller_sent_a_name_or_a_seal(
    client: httpx2.AsyncClient, engine: FakeEngine
) -> None:
    for number, name in enumerate((NAME, SEAL)):
        body: dict[str, Any] = {"id": "1", "kind": "denunciation", "to_agency": "H32", "content": "Nhận tiền"}
        body["sender"] = {"full_name": name}
        said = await client.post("/v1/calls/police/file_voice", json=body, headers={"idempotency-key": f"k-{number}"})
        assert said.status_code < 300, said.text
    kept = [json.loads(one.request_json)["sender"]["full_name"] for one in engine.submitted]
    assert kept[1] == SEAL
    assert kept[0].startswith("sealed:police:")
    assert NAME not in str(engine.submitted)


async def test_a_seal_of_nobody_is_refused_at_the_door(client: httpx2.AsyncClient, engine: FakeEngine) -> None:
    body = {"id": "1", "kind": "complaint", "to_agency": "H32", "content": "Chậm", "sender": {"phone": "sealed:tax:AA"}}
    said = await client.post("/v1/calls/police/file_voice", json=body, headers={"idempotency-key": "k"})
    assert said.json()["code"] == "request.invalid"
    assert [fault["pointer"] for fault in said.json()["errors"]] == ["/sender/phone"]
    assert not engine.submitted
