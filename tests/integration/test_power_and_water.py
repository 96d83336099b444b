"""A contract changes hands, at the power company and at a water company, through a running hub: filed, and followed to its end."""

import json
from typing import Any

import httpx2
import pytest
from pydantic import RootModel

from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples
from hub.client import Purpose
from mappings.canonical.utilities import UtilityReceipt, UtilityRequest

pytestmark = pytest.mark.process
OFFICERS = "officer,unit,valid_from,valid_to,agency,account\ncb-102,H32,2020-01-01,,power,canbo00\n"
HURRIED = {"every         = 3600 ": "every         = 1.0 ", "call_timeout     = 60 ": "call_timeout     = 2 "}


def change_of_owner(connector: str) -> UtilityRequest:
    """Return the recorded request without its papers, which would have to be in the hub first."""
    samples = load_samples(find_connectors()[connector])
    recorded = next(one.request for one in samples if one.name == "file_request.change_owner")
    return UtilityRequest.model_validate_json(json.dumps({**recorded, "documents": []}))


async def progress(stage: Any, agency: str, least: int) -> list[Any]:
    """Return the notices `request_progressed` of *agency*, once there are as many."""

    async def there() -> bool:
        return len(await stage.heard(agency, "request_progressed")) >= least

    await stage.until_true(there, "notices of progress")
    heard: list[Any] = await stage.heard(agency, "request_progressed")
    return heard


async def test_a_request_that_the_power_company_took_is_asked_after_until_it_is_done(stage: Any) -> None:
    stage.hurry("power", HURRIED)
    request = change_of_owner("power")
    purpose = Purpose(officer="cb-102", unit="H32", dossier=request.dossier)
    await stage.start()
    async with stage.operator() as http:
        assert (await http.put("/admin/v1/officers", content=OFFICERS.encode())).status_code == 200
    async with stage.client() as hub:
        filed = await hub.file(
            "power.file_request", request, answer=RootModel[Any], purpose=purpose, key="change-1", wait=20
        )
        await stage.comes("power", "lookup_request", 2)
        assert (await hub.read("power", filed.call, answer=RootModel[Any])).result == "pending"
        (kept,) = stage.sandbox.filed("power")
        assert kept["key"] == filed.call.replace("-", "")
        stage.sandbox.stand("power", kept["key"], "ok")

        async def ended() -> bool:
            return (await hub.read("power", filed.call, answer=RootModel[Any])).result != "pending"

        await stage.until_true(ended, "end of the request")
        answer = await hub.read("power", filed.call, answer=RootModel[Any])
    heard = await progress(stage, "power", 2)
    assert [one["data"]["value"]["status"] for one in heard] == ["processing", "finished"], "each step once"
    assert {one["subject"] for one in heard} == {request.dossier}
    assert {one["data"]["value"]["request"] for one in heard} == {kept["key"]}
    assert answer.result == "ok"
    assert answer.value is not None
    told = answer.value.root
    assert (told["request"], told["step"], told["status"]) == (kept["key"], "HT", "finished")
    assert [step["step"] for step in told["steps"]] == ["TN", "KS", "HT"]
    assert stage.arrived("power", "file_request") == 1


@pytest.mark.parametrize("company", ["water_khawassco", "water_other"])
async def test_how_a_request_goes_on_at_a_water_company_reaches_who_filed_it(stage: Any, company: str) -> None:
    key, request = "ApiKey 0000-of-the-company", change_of_owner(company)
    samples = load_samples(find_connectors()[company])
    stage.entry(company, f'inbound_key = "{key}"', 'inbound_key = ""')
    place = {"water_khawassco": "requestId", "water_other": "MaYeuCau"}[company]
    purpose = Purpose(officer="cb-102", unit="H32", dossier=request.dossier)
    await stage.start()
    async with stage.client() as hub:
        filed = await hub.file(
            f"{company}.file_request", request, answer=UtilityReceipt, purpose=purpose, key="change-1", wait=20
        )
        receipt = await hub.read(company, filed.call, answer=UtilityReceipt)
    assert receipt.value is not None
    number = receipt.value.request

    async def told(case: str, shown: str = key) -> str:
        """Push what was recorded, of this request, as the company does."""
        recorded = next(one for one in samples if one.name == f"request_progressed.{case}")
        body = {**json.loads(recorded.request_agency or b""), place: number}
        async with httpx2.AsyncClient(base_url=stage.url, headers={"authorization": shown}, timeout=30) as http:
            return str((await http.post(f"/in/{company}/request_progressed", json=body)).json()["result"])

    assert await told("taken", "ApiKey 0000-of-somebody") == "denied"
    assert [await told("taken") for _ in range(2)] == ["taken", "taken"]
    assert await told("unknown_status") == "refused"
    assert await told("done") == "taken"
    heard = await progress(stage, company, 2)
    assert [one["data"]["value"]["status"] for one in heard] == ["supplement_requested", "finished"]
    assert {one["data"]["value"]["request"] for one in heard} == {number}
    assert {one["subject"] for one in heard} == {request.dossier}
