"""The health-insurance gateway wants its secrets in the address: whatever happens, no address is told to anybody."""

import json
from hashlib import md5
from typing import Any

import pytest

from connectors.kit.sandbox.faults import Fault
from hub.client import Problem, Purpose
from mappings.canonical.health_insurance import HealthCard, HealthCardQuery
from tests.integration.conftest import OFFICERS, _sample

REGISTER = (
    "officer,unit,valid_from,valid_to,agency,account,name\n"
    "cb-102,H32,2020-01-01,,social_insurance,000080000099,Nguyễn Văn Không\n"
)
DOORS = ("/metrics", "/admin/v1/lanes", "/admin/v1/officers", "/admin/v1/dead", "/admin/v1/journal")
TROUBLE = ("html_200", "500", "truncated", "reset_after", "503", "expired_session")


async def test_no_address_of_an_exchange_is_told(stage: Any, purpose: Purpose) -> None:
    await stage.start()
    query = HealthCardQuery.model_validate_json(json.dumps(_sample("social_insurance", "lookup_card.ok")))
    answers: list[str] = []
    told: list[str] = []
    async with stage.operator() as http:
        assert (await http.put("/admin/v1/officers", content=REGISTER.encode())).status_code == 200
    async with stage.client() as hub:
        for fault in (None, *TROUBLE):
            if fault:
                stage.sandbox.misbehave("social_insurance", Fault(fault=fault, count=1))
            try:
                answer = await hub.call("social_insurance.lookup_card", query, answer=HealthCard, purpose=purpose)
                answers.append(str(answer))
            except Problem as problem:
                told.append(f"{problem} {problem.__dict__}")
    async with stage.operator() as http:
        told += [(await http.get(door)).text for door in DOORS]
    tokens = list(stage.sandbox._stages["social_insurance"].played.sessions._until)
    stage.child.terminate()
    assert await stage.ended() == 0
    told += [json.dumps(stage.lines, ensure_ascii=False), (await stage.child.stderr.read()).decode()]
    exchanges = [line for line in stage.lines if line["event"] == "exchange" and line["operation"] == "lookup_card"]
    assert answers
    assert len({line["outcome"] for line in exchanges}) >= 3, "one that went well, and some that did not"
    assert all(line["traceparent"] for line in exchanges)
    assert len(tokens) >= 2, "there were tokens to tell"
    password = "made-up-password"
    hashed = md5(password.encode()).hexdigest()  # noqa: S324 - as the gateway wants it
    for secret in (*tokens, password, hashed, "id_token", "KQNhanLichSuKCB2024"):
        assert secret not in "\n".join((*told, *answers))
    for personal in ("000080000099", "Nguyễn Văn Không", query.number, query.full_name):
        assert personal not in "\n".join(told)


@pytest.mark.parametrize(
    "register", [OFFICERS, REGISTER.replace("Nguyễn Văn Không", "")], ids=["no_account", "no_name"]
)
async def test_an_officer_whom_social_insurance_does_not_know_is_told_so_at_the_door(
    stage: Any, purpose: Purpose, register: str
) -> None:
    await stage.start()
    query = HealthCardQuery.model_validate_json(json.dumps(_sample("social_insurance", "lookup_card.ok")))
    async with stage.operator() as http:
        assert (await http.put("/admin/v1/officers", content=register.encode())).status_code == 200
    async with stage.client() as hub:
        with pytest.raises(Problem) as heard:
            await hub.call("social_insurance.lookup_card", query, answer=HealthCard, purpose=purpose)
    assert heard.value.code in ("request.invalid", "purpose.missing", "auth.denied")
    assert "register of officers" in str(heard.value.__dict__)
    assert stage.arrived("social_insurance", "lookup_card") == 0
