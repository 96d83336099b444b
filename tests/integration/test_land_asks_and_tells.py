"""A land register asks for receipt numbers and tells how a dossier goes, through a running hub."""

import json
from typing import Any

import httpx2
import pytest
from pydantic import RootModel

from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples
from connectors.kit.sandbox.telling import Tell
from hub.client import Purpose
from mappings.canonical import CANONICAL

pytestmark = pytest.mark.process

LAND = "land_vbdlis"
NUMBERS = ("000.00.14.H32-261123-0901", "000.00.14.H32-261123-0902")


async def told(stage: Any, sample: str, **how: Any) -> list[dict[str, Any]]:
    push = Tell(samples=[sample], to=f"{stage.url}/in/{LAND}/", delay=0.1, **how)
    return [json.loads(one.answer) for one in await stage.sandbox.tell(LAND, push)]


async def test_each_request_for_a_number_is_given_one_for_good_until_none_is_left(stage: Any) -> None:
    await stage.start()

    async def number(wanted: str) -> Any:
        (said,) = await told(stage, "receipt_number_asked.taken", put={"MaYeuCau": wanted})
        return said.get("Data") or said["Message"]

    assert "published" in await number("YC-1")
    async with stage.client() as hub:
        await hub.publish(f"{LAND}.receipt_number_asked", CANONICAL["ReceiptNumbers@1"](numbers=NUMBERS))
        assert [await number(wanted) for wanted in ("YC-1", "YC-2", "YC-1")] == [
            [NUMBERS[0]],
            [NUMBERS[1]],
            [NUMBERS[0]],
        ]
        assert "no item is left" in await number("YC-3")
        await stage.kill()
        await stage.start()
        assert await number("YC-2") == [NUMBERS[1]], "it was on disk before the register heard it"
    async with stage.operator() as http:
        metrics = (await http.get("/metrics")).text
    assert f'hub_inbound_total{{agency="{LAND}",decision="taken",notice="receipt_number_asked"}} 1.0' in metrics


async def test_what_the_register_tells_reaches_who_filed_the_dossier(stage: Any) -> None:
    filing = next(one for one in load_samples(find_connectors()[LAND]) if one.name == "file_dossier.ok")
    await stage.start()
    code = filing.request["code"]
    (said,) = await told(stage, "dossier_progressed.taken", put={"SoBienNhan": code})
    assert said["Result"] == 1
    async with stage.client() as hub:
        request = load_connector(find_connectors()[LAND]).operations["file_dossier"].request
        dossier = request.model_validate_json(json.dumps(filing.request))
        purpose = Purpose(officer="cb-102", unit="H32", dossier=code)
        await hub.file(f"{LAND}.file_dossier", dossier, answer=RootModel[Any], purpose=purpose, key="d-1", wait=20)
    for _ in range(2):
        await told(stage, "dossier_progressed.taken", put={"SoBienNhan": code, "MaTrangThai": "DD-04"})
    async with httpx2.AsyncClient(base_url=stage.url, headers={"authorization": f"Bearer {stage.key}"}) as http:
        events = (await http.get(f"/v1/notices/{LAND}?after=0")).json()["events"]
    heard = [one for one in events if one["type"].endswith("dossier_progressed")]
    assert [one["subject"] for one in heard] == ["", code], "before it was filed it was nobody's"
