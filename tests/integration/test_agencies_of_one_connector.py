"""
The agencies to which dossiers move: one connector, one LGSP, and eight agencies that know nothing of each other.

They are those of the demo, behind a played gateway, with a whole hub in front of them.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import RootModel

from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples
from connectors.kit.sandbox.faults import Fault
from hub.cli.demo_stage import DOSSIER_AGENCIES, dossier_plays
from hub.client import Problem, Purpose
from mappings.canonical import Dossier, DossierQuery
from tests.integration.test_lgsp import Lgsp, behind_lgsp

DEPARTMENT = find_connectors()["department"]
SAMPLES = {one.name: one for one in load_samples(DEPARTMENT)}
JUSTICE, ZONE, TAX = "department_justice", "zone_van_phong", "tax_dossiers"
KEYS = {play.name: play.settings["security_key"] for play in dossier_plays(DEPARTMENT)}
PAPER = b"%PDF-1.7\n% invented\n"


@pytest.fixture
async def lgsp(tmp_path: Path) -> AsyncIterator[Lgsp]:
    async with behind_lgsp(tmp_path, dossier_plays(DEPARTMENT)) as built:
        yield built


def dossier(number: int, **more: Any) -> Dossier:
    given = SAMPLES["file_dossier.sparse"].request | {"code": f"000.00.10.H32-261124-{number:05d}"} | more
    return Dossier.model_validate_json(json.dumps(given))


def purpose(code: str) -> Purpose:
    return Purpose(officer="cb-102", unit="H32", dossier=code)


async def file(lgsp: Lgsp, agency: str, one: Dossier) -> str | None:
    """File *one* at *agency* and return its result; None: it has not been filed yet."""
    filed = await lgsp.hub.file(
        f"{agency}.file_dossier",
        one,
        answer=RootModel[Any],
        purpose=purpose(one.code),
        key=f"{agency}-{one.code}",
        wait=20,
    )
    return filed.first.result


async def find(lgsp: Lgsp, agency: str, code: str, wait: float = 20.0) -> str:
    query = DossierQuery(code=code)
    found = await lgsp.hub.call(
        f"{agency}.lookup_dossier", query, answer=Dossier, purpose=purpose(code), wait=wait, urgency=1
    )
    return found.result


async def told(lgsp: Lgsp, agency: str, sample: str, *, key: str = "", **changed: Any) -> Mapping[str, Any]:
    """Push *sample* with what is *changed* to *agency*'s door, under its own key or another."""
    body = json.loads(SAMPLES[sample].request_agency or b"") | changed
    headers = {"SecurityKey": key or KEYS[agency]}
    reply = await lgsp.agencies.post(f"/in/{agency}/{sample.partition('.')[0]}", json=body, headers=headers)
    said: Mapping[str, Any] = reply.json()
    return said


async def heard(lgsp: Lgsp, agency: str) -> list[Any]:
    """Return what *agency* told, as the caller hears of it."""
    events = (await lgsp.hub.send("GET", f"/v1/notices/{agency}?after=0")).json()["events"]
    return [one for one in events if one["source"] == f"/v1/agencies/{agency}"]


async def test_each_agency_has_its_own_lane_and_gets_what_is_filed_at_it_under_its_own_code(lgsp: Lgsp) -> None:
    filed = {agency: dossier(number) for number, agency in enumerate(DOSSIER_AGENCIES)}
    ended = await asyncio.gather(*(file(lgsp, agency, one) for agency, one in filed.items()))
    assert ended == ["ok"] * 8
    for agency, (organ, title) in DOSSIER_AGENCIES.items():
        (record,) = lgsp.sandbox.filed(agency)
        payload: Any = record["payload"]
        assert (record["key"], payload["OrganInchargeIdLevel1"]) == (filed[agency].code, organ)
        assert payload["OrganInchargeName"] == title
    route = await lgsp.route()
    assert set(route["lanes"]) == set(DOSSIER_AGENCIES)
    assert lgsp.arrived("token") == 1, "they share the road and its token, and nothing else"


async def test_one_that_is_held_and_one_that_hangs_keep_no_other_waiting(lgsp: Lgsp) -> None:
    code = SAMPLES["lookup_dossier.ok"].request["code"]
    held = await lgsp.operators.post(f"/admin/v1/lanes/{JUSTICE}/hold", json={"reason": "bảo trì", "seconds": 600})
    assert held.status_code == 200
    lgsp.sandbox.misbehave(ZONE, Fault(fault="hang", seconds=60.0))
    stuck = [asyncio.create_task(find(lgsp, ZONE, code)) for _ in range(6)]
    while not list(lgsp.sandbox.arrivals.of(ZONE)):
        assert not any(one.done() for one in stuck)
        await asyncio.sleep(0)
    others = set(DOSSIER_AGENCIES) - {JUSTICE, ZONE}
    for _ in range(3):
        assert set(await asyncio.gather(*(find(lgsp, agency, code) for agency in others))) == {"ok"}
    assert not any(one.done() for one in stuck)
    with pytest.raises(Problem) as refused:
        await find(lgsp, JUSTICE, code, wait=1.0)
    assert refused.value.code == "lane.held"
    lanes = {one["agency"]: one["lane"]["state"] for one in await lgsp.hub.operations()}
    assert {agency for agency, state in lanes.items() if state == "held"} == {JUSTICE}
    for one in stuck:
        one.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)


async def test_what_one_agency_tells_is_never_taken_for_anothers(lgsp: Lgsp) -> None:
    shared = dossier(1)
    for agency in (JUSTICE, TAX):  # the same dossier is with both
        assert await file(lgsp, agency, shared) == "ok"
    about = {"DocCode": shared.code}
    assert (await told(lgsp, JUSTICE, "dossier_progressed.taken", **about))["Status"] == 200
    assert (await told(lgsp, TAX, "opinion_given.taken", key=KEYS[JUSTICE], **about))["Status"] == 401
    assert (await told(lgsp, "tax_nowhere", "opinion_given.taken", key=KEYS[TAX], **about))["status"] == 404
    assert [one["subject"] for one in await heard(lgsp, JUSTICE)] == [shared.code]
    assert await heard(lgsp, TAX) == []
    for agency in (JUSTICE, TAX):  # word for word the same, and yet two: each agency gave its own
        assert (await told(lgsp, agency, "opinion_given.taken", **about))["Status"] == 200
    opinions = [one["type"] for agency in (JUSTICE, TAX) for one in await heard(lgsp, agency)]
    assert sum("opinion_given" in kind for kind in opinions) == 2


async def test_papers_go_through_both_ways_as_they_are(lgsp: Lgsp) -> None:
    kept = await lgsp.hub.upload(PAPER)
    one = dossier(2, documents=[{"name": "Đơn đề nghị.pdf", "url": kept.file}])
    assert await file(lgsp, ZONE, one) == "ok"
    (record,) = lgsp.sandbox.filed(ZONE)
    payload: Any = record["payload"]
    assert base64.b64decode(payload["Attachments"][0]["Base64"]) == PAPER
    result = {
        "AttachmentId": 1,
        "AttachmentName": "Kết quả.pdf",
        "Base64": base64.b64encode(PAPER + b"signed").decode(),
    }
    assert (await told(lgsp, ZONE, "result_returned.taken", DocCode=one.code, Attachments=[result]))["Status"] == 200
    (event,) = await heard(lgsp, ZONE)
    (paper,) = event["data"]["value"]["documents"]
    assert b"".join([piece async for piece in lgsp.hub.download(paper["url"])]) == PAPER + b"signed"


async def test_who_files_what_is_there_already_hears_so_and_nothing_of_it(lgsp: Lgsp) -> None:
    """Under another key it is another call. The agency has the dossier once; only the same one counts as filed."""
    one = dossier(3)
    assert await file(lgsp, TAX, one) == "ok"

    async def again(key: str, asked: Dossier) -> Any:
        ticket = await lgsp.hub.file(
            f"{TAX}.file_dossier", asked, answer=Dossier, purpose=purpose(one.code), key=key, wait=20
        )
        return ticket.first

    same = await again("another", one)
    assert (same.state, same.result, same.value) == ("answered", "ok", None)
    with pytest.raises(Problem) as doubted:  # a person sees that two dossiers have one code
        await again("a-third", one.model_copy(update={"procedure_code": "9.999999"}))
    assert doubted.value.code == "call.in_doubt"
    assert [record["updates"] for record in lgsp.sandbox.filed(TAX)] == [0]
