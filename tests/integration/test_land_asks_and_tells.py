"""A land register asks for receipt numbers and tells how a dossier goes, through a running hub."""

import json
from typing import Any

import httpx2
import pytest
from pydantic import RootModel

from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples
from hub.client import Purpose
from mappings.canonical import CANONICAL

pytestmark = pytest.mark.process

LAND = "land_vbdlis"
UNITS = f"unit,valid_from,valid_to,agency,code\nH32,2020-01-01,,{LAND},000.00.14.H32\n"
OFFICERS = f"officer,unit,valid_from,valid_to,agency,account\ncb-102,H32,2020-01-01,,{LAND},canbo00\n"
NUMBERS = ("000.00.14.H32-261123-0901", "000.00.14.H32-261123-0902")


@pytest.fixture
def land(stage: Any) -> Any:
    """The installation, once it has agreed on a key with the register: without one, nobody is believed."""
    stage.entry(LAND, 'security_code = "invented-code"', 'security_code = ""')
    return stage


async def told(land: Any, notice: str, **changed: Any) -> dict[str, Any]:
    """Send what was recorded of *notice*, with what is *changed*, as the register does."""
    body = next(one.request_agency for one in load_samples(find_connectors()[LAND]) if one.name == f"{notice}.taken")
    recorded = json.loads(body or b"{}")
    async with httpx2.AsyncClient(base_url=land.url, timeout=30) as http:
        reply = await http.post(f"/in/{LAND}/{notice}?SecurityCode=invented-code", json=recorded | changed)
        said: dict[str, Any] = reply.json()
        return said


async def test_each_request_for_a_number_is_given_one_for_good_until_none_is_left(land: Any) -> None:
    await land.start()

    async def number(wanted: str) -> Any:
        said = await told(land, "receipt_number_asked", MaYeuCau=wanted)
        return said.get("Data") or said["Message"]

    assert "published" in await number("YC-1")
    async with land.client() as hub:
        await hub.publish(f"{LAND}.receipt_number_asked", CANONICAL["ReceiptNumbers@1"](numbers=NUMBERS))
        assert [await number(wanted) for wanted in ("YC-1", "YC-2", "YC-1")] == [
            [NUMBERS[0]],
            [NUMBERS[1]],
            [NUMBERS[0]],
        ]
        assert "no item is left" in await number("YC-3")
        await land.kill()
        await land.start()
        assert await number("YC-2") == [NUMBERS[1]], "it was on disk before the register heard it"
    async with land.operator() as http:
        metrics = (await http.get("/metrics")).text
    assert f'hub_inbound_total{{agency="{LAND}",decision="taken",notice="receipt_number_asked"}} 1.0' in metrics


async def test_what_the_register_tells_reaches_who_filed_the_dossier(land: Any) -> None:
    filing = next(one for one in load_samples(find_connectors()[LAND]) if one.name == "file_dossier.ok")
    await land.start()
    async with land.operator() as http:
        for register, content in (("units", UNITS), ("officers", OFFICERS)):
            assert (await http.put(f"/admin/v1/{register}", content=content.encode())).status_code == 200
    code = filing.request["code"]
    assert (await told(land, "dossier_progressed", SoBienNhan=code))["Result"] == 1
    async with land.client() as hub:
        request = load_connector(find_connectors()[LAND]).operations["file_dossier"].request
        dossier = request.model_validate_json(json.dumps(filing.request | {"documents": []}))
        purpose = Purpose(officer="cb-102", unit="H32", dossier=code)
        await hub.file(f"{LAND}.file_dossier", dossier, answer=RootModel[Any], purpose=purpose, key="d-1", wait=20)
    for _ in range(2):
        await told(land, "dossier_progressed", SoBienNhan=code, MaTrangThai="DD-04")
    heard = await land.heard(LAND, "dossier_progressed")
    assert [one["subject"] for one in heard] == ["", code], "before it was filed it was nobody's"
