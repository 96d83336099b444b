"""What a caller publishes answers the agency at once; each asker of a number has one of its own."""

import asyncio

import httpx2
import pytest

from hub.web.doors import Doors
from tests.speaking import KEY, body

PATH = "/v1/answers/land/number_asked"
ASK = "/in/land/number_asked"


@pytest.fixture
async def agency(doors: Doors) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=doors)
    return httpx2.AsyncClient(transport=transport, base_url="http://hub.example", headers={"apikey": KEY})


async def asked(agency: httpx2.AsyncClient, unique: str | None) -> tuple[str, object]:
    said = (await agency.post(ASK, content=body({"unique": unique}))).json()
    return said["result"], said["data"] and said["data"]["numbers"]


async def test_what_was_published_is_read_back_with_who_and_when(client: httpx2.AsyncClient) -> None:
    empty = (await client.get(PATH)).json()
    assert empty == {
        "agency": "land", "question": "number_asked", "published_by": None, "published_at": None, "left": 0, "value": None,
    }  # fmt: skip
    put = await client.put(PATH, json={"book": "B1", "numbers": ["01", "02"]})
    assert (put.status_code, put.json()["published_by"], put.json()["left"]) == (200, "counter", 2)
    read = (await client.get(PATH)).json()
    assert read["value"] == {"book": "B1", "numbers": ["01", "02"]}
    assert read["published_at"] == put.json()["published_at"]


async def test_every_asker_is_handed_one_for_good_and_the_last_hears_why(
    client: httpx2.AsyncClient, agency: httpx2.AsyncClient
) -> None:
    assert await asked(agency, "A") == ("refused", None)
    await client.put(PATH, json={"book": "B1", "numbers": ["01", "02"]})
    assert await asked(agency, "A") == ("taken", ["01"])
    assert await asked(agency, "B") == ("taken", ["02"])
    assert await asked(agency, "A") == ("taken", ["01"])
    reply = (await agency.post(ASK, content=body({"unique": "C"}))).json()
    assert reply["result"] == "refused"
    assert "no item is left" in reply["reason"]
    await client.put(PATH, json={"book": "B1", "numbers": ["02", "03"]})
    assert await asked(agency, "C") == ("taken", ["03"])
    assert (await client.get(PATH)).json()["left"] == 0


async def test_a_plain_question_is_answered_with_all_of_the_newest(
    client: httpx2.AsyncClient, agency: httpx2.AsyncClient
) -> None:
    path, ask = "/v1/answers/land/procedures_asked", "/in/land/procedures_asked"
    reply = (await agency.post(ask, content=body({}))).json()
    assert (reply["result"], "published" in reply["reason"]) == ("refused", True)
    for code in ("H32.1-1", "H32.1-2"):
        put = await client.put(path, json={"code": code})
        assert put.status_code == 200
        assert "left" not in put.json()
        reply = (await agency.post(ask, content=body({}))).json()
        assert (reply["result"], reply["data"]["code"]) == ("taken", code)


async def test_nothing_is_kept_of_a_question_that_cannot_be_read(
    agency: httpx2.AsyncClient, client: httpx2.AsyncClient, doors: Doors
) -> None:
    assert (await agency.post(ASK, content=b"{")).json()["result"] == "refused"
    assert (await client.get("/v1/notices/land?after=0")).json()["events"] == []


async def test_askers_at_the_same_moment_share_no_number(
    client: httpx2.AsyncClient, agency: httpx2.AsyncClient
) -> None:
    await client.put(PATH, json={"book": "B1", "numbers": [f"{number}" for number in range(2)]})
    told = await asyncio.gather(*(asked(agency, name) for name in ("A", "B")))
    assert sorted(str(numbers) for _, numbers in told) == ["['0']", "['1']"]


@pytest.mark.parametrize(
    ("path", "json", "status"),
    [
        (PATH, {"book": "B1"}, 400), (PATH, {"book": "B1", "numbers": [1]}, 400),
        ("/v1/answers/land/dossier_progressed", {}, 404), ("/v1/answers/police/number_asked", {}, 404),
        ("/v1/answers/land", {}, 404),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused(client: httpx2.AsyncClient, path: str, json: object, status: int) -> None:
    assert (await client.put(path, json=json)).status_code == status


async def test_only_who_may_speak_for_it_answers_it(client: httpx2.AsyncClient) -> None:
    clerk = {"authorization": "Bearer one-notice-key"}
    assert (await client.put(PATH, json={"book": "B1", "numbers": []}, headers=clerk)).status_code == 403
    assert (await client.get(PATH, headers=clerk)).status_code == 403
    assert (await client.get(PATH, headers={"authorization": "Bearer nobody"})).status_code == 401
    assert (await client.post(PATH, json={})).status_code == 405
