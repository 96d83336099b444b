"""An agency calls a running hub: what it is told is on disk, callers hear of it, and nothing it does slows the counter."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import RootModel

from hub.client import Purpose
from mappings.canonical import CitizenQuery, ProcessingStep
from tests.unit.kit.conftest import FACTS, STATUS, STEP

pytestmark = pytest.mark.process

NOTICES = """
[notices.step_told]
unwrap = ["json", "Data[]"]
returns = "step"
unique = ["MaHoSo", "Luc"]
ref = { slip = "SoPhieu" }
auth = { put = { "header:X-Key" = "settings.security_key" } }
[notices.step_told.replies]
taken = { error_code = "=0" }
seen = { error_code = "=0", message = "=seen" }
refused = { error_code = "=1", message = "notice.reason" }
denied = { error_code = "=401" }
busy = { error_code = "=503" }
[notices.procedure_asked]
kind = "question"
sends = "procedure"
auth = { put = { "header:X-Key" = "settings.security_key" } }
replies = { taken = { error_code = "=0", data = "payload" }, refused = { error_code = "=1", message = "notice.reason" } }
"""
PROCEDURE = 'canonical = "ProcedureQuery@1"\nagency = ""\n[fields]\n"code" = "MaThuTuc"\n'
HEADERS = {"x-key": "invented-key", "content-type": "application/json"}
PATH = "/in/tax_office/step_told"


def written(folder: Path, status: str = STATUS) -> None:
    """Write the connector of an office that tells us of steps."""
    files = {
        "manifest.toml": FACTS.replace("calls_per_second = 5\ncalls_at_once = 4\ncall_timeout = 10\nrequest", "\nrequest")
        .replace("[inbound]\n\n", "[inbound]\ncalls_per_second = 100\ncalls_at_once = 4\ncall_timeout = 10\n") + NOTICES,
        "step.map.toml": STEP.replace("ROOT", ""),
        "procedure.map.toml": PROCEDURE,
        "codes/status.csv": status,
    }  # fmt: skip
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


@pytest.fixture
def office(stage: Any) -> Path:
    """The folder of that connector, installed in the hub that is about to start."""
    folder: Path = stage.folder / "connectors" / "tax_office"
    written(folder)
    stage.install_own()
    text = stage.config.read_text("utf-8")
    entry = 'base_url = "https://tax.example"\nsecurity_key = "invented-key"\nsign_key = "another-invented-key"\n'
    stage.config.write_text(f"{text}[agencies.tax_office]\n{entry}", "utf-8")
    return folder


def told(dossier: str, at: str = "20260316100000", status: str = "4") -> dict[str, str]:
    return {"MaHoSo": dossier, "Nguoi": "Lê Cán Bộ", "Luc": at, "TrangThai": status, "SoPhieu": "P-7"}


async def push(stage: Any, *records: dict[str, str], **headers: str) -> dict[str, Any]:
    async with httpx2.AsyncClient(base_url=stage.url, timeout=30) as http:
        reply = await http.post(PATH, content=json.dumps({"Data": records}), headers=HEADERS | headers)
        said: dict[str, Any] = reply.json()
        return said


async def test_what_an_agency_was_told_to_be_taken_outlives_a_kill_and_is_told_once(
    stage: Any, office: Path, step: ProcessingStep, purpose: Purpose
) -> None:
    await stage.start()
    async with stage.client() as hub:
        await hub.file("npsp.file_progress", step, answer=RootModel[Any], purpose=purpose, key="k1", wait=20)
    assert await push(stage, told(str(purpose.dossier)), told("H32-0-0")) == {"error_code": "0"}
    await stage.kill()
    await stage.start()
    assert await push(stage, told(str(purpose.dossier))) == {"error_code": "0", "message": "seen"}
    both = await stage.heard("tax_office")
    assert [one["subject"] for one in both] == [purpose.dossier, ""]
    assert both[0]["data"]["value"]["status"] == "processing"
    assert both[0]["data"]["refs"] == {"slip": "P-7"}
    assert [one["id"] for one in await stage.heard("tax_office", dossier=purpose.dossier)] == [both[0]["id"]]
    listed = stage.url + "/v1/operations"
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {stage.key}"}) as http:
        offered = (await http.get(listed)).json()
    assert [one["notice"] for one in offered["notices"] if one["agency"] == "tax_office"] == ["tax_office.step_told"]
    assert [one["question"] for one in offered["questions"] if one["agency"] == "tax_office"] == [
        "tax_office.procedure_asked"
    ]


async def test_a_stream_hears_of_it_at_once_and_goes_on_where_it_broke_off(stage: Any, office: Path) -> None:
    await stage.start()
    headers = {"authorization": f"Bearer {stage.key}"}
    async with httpx2.AsyncClient(base_url=stage.url, headers=headers, timeout=30) as http:
        async with http.stream("GET", "/v1/notices/stream?agencies=tax_office") as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == "retry: 2000"
            await push(stage, told("H32-0-1"))
            async for line in lines:
                if line.startswith("data:"):
                    break
            assert json.loads(line[5:])["data"]["value"]["dossier"] == "H32-0-1"
        await push(stage, told("H32-0-2"))
        async with http.stream(
            "GET", "/v1/notices/stream?agencies=tax_office", headers={"last-event-id": "1"}
        ) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    break
    assert json.loads(line[5:])["data"]["value"]["dossier"] == "H32-0-2"


async def test_what_could_not_be_read_is_taken_once_a_person_mended_the_connector(stage: Any, office: Path) -> None:
    await stage.start()
    said = await push(stage, told("H32-0-1"), told("H32-0-2", status="77"))
    assert said["error_code"] == "1"
    assert "told[1]" in said["message"]
    assert "77" not in said["message"]
    assert await push(stage, told("H32-0-1"), **{"x-key": "guessed"}) == {"error_code": "401"}
    admin = {"HUB__HUB__ADMIN": stage.admin_url.removeprefix("http://")}
    page = json.loads((await stage.hub("dead", "list", "--json", "--agency", "tax_office", **admin))[1])
    (dead,) = page["notices"]
    async with stage.operator() as http:
        assert 'hub_dead_letters{agency="tax_office"} 1.0' in (await http.get("/metrics")).text
    status, out, _ = await stage.hub("dead", "replay", dead["dead_notice"], "--by", "cb-014", **admin)
    assert (status, "still cannot be taken" in out) == (1, True)
    assert await stage.heard("tax_office") == []

    await stage.stop()
    written(office, STATUS + "returned,77\n")
    await stage.start()
    admin = {"HUB__HUB__ADMIN": stage.admin_url.removeprefix("http://")}
    status, out, errors = await stage.hub("dead", "replay", dead["dead_notice"], "--by", "cb-014", **admin)
    assert (status, out) == (0, "1 notices taken.\n"), errors
    assert [one["data"]["value"]["status"] for one in await stage.heard("tax_office")] == ["processing", "returned"]
    assert await push(stage, told("H32-0-2", status="77")) == {"error_code": "0", "message": "seen"}


async def test_a_question_is_answered_with_what_a_caller_published(stage: Any, office: Path) -> None:
    await stage.start()
    async with httpx2.AsyncClient(base_url=stage.url, timeout=30) as http:
        asked = (await http.post("/in/tax_office/procedure_asked", headers=HEADERS)).json()
        assert (asked["error_code"], "published" in asked["message"]) == ("1", True)
        key = {"authorization": f"Bearer {stage.key}"}
        put = await http.put("/v1/answers/tax_office/procedure_asked", json={"code": "1.004194"}, headers=key)
        assert put.status_code == 200, put.text
        asked = (await http.post("/in/tax_office/procedure_asked", headers=HEADERS)).json()
        assert asked == {"error_code": "0", "data": {"MaThuTuc": "1.004194"}}


async def dead_notices(stage: Any) -> list[str]:
    async with stage.operator() as http:
        return [
            one["dead_notice"]
            for one in (await http.get("/admin/v1/dead", params={"agency": "tax_office"})).json()["notices"]
        ]


async def answer(stage: Any, method: str, **content: Any) -> Any:
    async with httpx2.AsyncClient(base_url=stage.url, headers={"authorization": f"Bearer {stage.key}"}) as http:
        return (await http.request(method, "/v1/answers/tax_office/procedure_asked", **content)).json()


async def discard(stage: Any) -> None:
    async with stage.operator() as http:
        wanted = {"calls": (await dead_notices(stage))[:1], "reason": "thử"}
        await http.post("/admin/v1/dead/discard", json=wanted)


async def kept_of_all(stage: Any) -> tuple[Any, ...]:
    return len(await stage.heard("tax_office")), len(await dead_notices(stage)), (await answer(stage, "GET"))["value"]


DEEDS: dict[str, Callable[[Any, int], Awaitable[object]]] = {
    "take_notices": lambda stage, number: push(stage, told(f"H32-0-{number}")),
    "keep_dead_notice": lambda stage, number: push(stage, told(f"H32-0-{number}", status="77")),
    "discard_dead_notices": lambda stage, _: discard(stage),
    "publish": lambda stage, number: answer(stage, "PUT", json={"code": f"1.{number:06}"}),
}


async def test_killed_at_each_of_its_commits_a_hub_has_done_it_or_not_and_goes_on(stage: Any, office: Path) -> None:
    plan = [(name, place) for name in DEEDS for place in ("after", "before")]
    for number, (name, place) in enumerate(plan):
        await stage.start(HUB_FAILPOINT=f"{name}.{place}_commit", HUB_TESTING="1")
        before = await kept_of_all(stage)
        with pytest.raises(httpx2.TransportError):
            await DEEDS[name](stage, number)
        assert await stage.ended() == -9
        await stage.start()
        assert (await kept_of_all(stage) != before) is (place == "after"), (name, place)
        if place == "before":
            await DEEDS[name](stage, number)
            assert await kept_of_all(stage) != before, f"{name}: whoever tries again is served"
        await stage.kill()


async def test_a_gigabyte_in_chunks_ends_where_the_contract_does(stage: Any, office: Path) -> None:
    await stage.start()
    host, port = stage.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {PATH} HTTP/1.1\r\nHost: hub\r\nX-Key: invented-key\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    sent = 0
    try:
        while sent < 1 << 30:
            writer.write(chunk)
            await writer.drain()
            sent += 65536
    except ConnectionError:
        pass
    assert sent < 64 << 20, "somebody read on"
    writer.close()
    assert await push(stage, told("H32-0-1")) == {"error_code": "0"}
    del reader


async def test_a_flood_is_refused_and_the_counter_is_served(
    stage: Any, office: Path, citizen: CitizenQuery, purpose: Purpose
) -> None:
    await stage.start()
    flooding = True
    ways: dict[str, int] = {}

    async def flood() -> None:
        async with httpx2.AsyncClient(base_url=stage.url, timeout=30) as http:
            body = json.dumps({"Data": [told("H32-0-1")]})
            while flooding:
                code = (await http.post(PATH, content=body, headers=HEADERS)).json()["error_code"]
                ways[code] = ways.get(code, 0) + 1

    floods = [asyncio.create_task(flood()) for _ in range(8)]
    began = time.monotonic()
    answered = 0
    async with stage.client() as hub:
        while time.monotonic() - began < 3:
            reply = await hub.call("police.lookup_citizen", citizen, answer=RootModel[Any], purpose=purpose)
            answered += reply.state == "answered"
    flooding = False
    await asyncio.gather(*floods)
    assert answered >= 3
    assert ways["503"] > 0, "the contract was never reached"
    assert set(ways) == {"0", "503"}
    assert len(await stage.heard("tax_office")) == 1
