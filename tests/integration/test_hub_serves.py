"""The hub as its callers and operators meet it: a process, two ports, a command."""

import asyncio
import json
import signal
from typing import Any

import httpx2
import pytest

from connectors.kit.sandbox.faults import Fault
from hub.client import Problem, Purpose, Quota
from mappings.canonical import Citizen, CitizenQuery, Dossier, DossierQuery

pytestmark = pytest.mark.process


async def test_a_look_up_and_a_filing_go_through_both_protocols(
    stage: Any, citizen: CitizenQuery, dossier: Dossier, purpose: Purpose
) -> None:
    await stage.start()
    async with stage.client() as hub:
        found = await hub.call("police.lookup_citizen", citizen, answer=Citizen, purpose=purpose, urgency=1)
        assert found.result == "ok"
        assert found.value is not None
        assert found.value.full_name == "NGUYỄN VĂN ĐÁ"

        ticket = await hub.file("npsp.file_dossier", dossier, answer=Dossier, purpose=purpose, key="filing-1")
        filed = await ticket.result(wait=20)
        assert filed is not None
        assert filed.result == "ok"
        again = await hub.file("npsp.file_dossier", dossier, answer=Dossier, purpose=purpose, key="filing-1")
        assert (again.call, again.first.state) == (ticket.call, "answered")
        assert [one.call for one in await hub.find(key="filing-1")] == [ticket.call]
        assert stage.arrived("npsp", "file_dossier") == 1

        seen = await hub.call("npsp.lookup_dossier", DossierQuery(code=dossier.code), answer=Dossier, purpose=purpose)
        assert seen.value is not None
        assert seen.value.owner == dossier.owner


async def test_a_hanging_agency_does_not_slow_another(
    stage: Any, citizen: CitizenQuery, dossier: Dossier, purpose: Purpose
) -> None:
    await stage.start()
    async with stage.client() as hub:
        stage.sandbox.misbehave("npsp", Fault(fault="hang"))
        hanging = [
            asyncio.create_task(
                hub.call(
                    "npsp.lookup_dossier", DossierQuery(code=dossier.code), answer=Dossier, purpose=purpose, wait=3
                )
            )
            for _ in range(20)
        ]
        for _ in range(10):
            found = await hub.call("police.lookup_citizen", citizen, answer=Citizen, purpose=purpose, wait=2)
            assert found.result == "ok"
        for refused in await asyncio.gather(*hanging, return_exceptions=True):
            assert isinstance(refused, Problem)
            assert refused.status in (503, 504)
    async with httpx2.AsyncClient(base_url=stage.url) as http:
        assert (await http.get("/readyz")).json()["ready"] is True


async def test_problems_reach_the_caller_and_no_personal_value_reaches_a_line(
    stage: Any, citizen: CitizenQuery, dossier: Dossier, purpose: Purpose
) -> None:
    await stage.start()
    async with stage.client() as hub:
        for why, code in ((None, "purpose.missing"), (Purpose(officer="nobody", dossier="000.1"), "request.invalid")):
            with pytest.raises(Problem) as heard:
                await hub.call("police.lookup_citizen", citizen, answer=Citizen, purpose=why)
            assert heard.value.code == code
        stage.sandbox.misbehave("police", Fault(fault="html_200", count=1))
        with pytest.raises(Problem) as heard:
            await hub.call("police.lookup_citizen", citizen, answer=Citizen, purpose=purpose)
        assert heard.value.code == "agency.broken"
        await hub.call("police.lookup_citizen", citizen, answer=Citizen, purpose=purpose)
    async with stage.operator() as http:
        metrics = (await http.get("/metrics")).text
    assert (
        'hub_exchanges_total{agency="police",blame="contract",operation="lookup_citizen",outcome="broken"} 1.0'
        in metrics
    )
    stage.child.terminate()
    assert await stage.ended() == 0
    told = json.dumps(stage.lines, ensure_ascii=False) + metrics
    for secret in ("000085000001", "Nguyễn Văn Đá", "NGUYỄN", "1985", "made-up-secret_key", stage.key):
        assert secret not in told
    exchanges = [line for line in stage.lines if line["event"] == "exchange"]
    assert all(line["traceparent"].startswith("00-") and line["call"] for line in exchanges)


async def test_operations_and_document_name_both_agencies(stage: Any) -> None:
    await stage.start()
    async with stage.client() as hub:
        listed = await hub.operations()
    assert {one["operation"] for one in listed} >= {
        "police.lookup_citizen",
        "police.verify_citizen",
        "npsp.file_dossier",
        "npsp.file_progress",
    }
    assert all(one["lane"]["state"] == "open" for one in listed)
    async with httpx2.AsyncClient(base_url=stage.url) as http:
        document = (await http.get("/openapi.json")).json()
    assert {f"/v1/calls/{one['agency']}/{one['operation'].partition('.')[2]}" for one in listed} <= set(
        document["paths"]
    )


async def _lanes(stage: Any) -> dict[str, Any]:
    async with stage.operator() as http:
        return {one["agency"]: one for one in (await http.get("/admin/v1/lanes")).json()}


async def test_a_gentle_stop_lets_the_exchange_on_the_wire_end(
    stage: Any, citizen: CitizenQuery, purpose: Purpose
) -> None:
    await stage.start()
    async with stage.client() as hub:
        stage.sandbox.misbehave("police", Fault(fault="latency", seconds=1.0, count=1))
        asked = asyncio.create_task(hub.call("police.lookup_citizen", citizen, answer=Citizen, purpose=purpose))
        while (await _lanes(stage))["police"]["numbers"]["concurrency_in_use"] < 1:
            assert not asked.done()
        stage.child.send_signal(signal.SIGTERM)
        await stage.line("stopping")
        with pytest.raises(Problem) as refused:
            await hub.call("police.lookup_citizen", citizen, answer=Citizen, purpose=purpose)
        assert refused.value.code == "hub.stopping"
        assert refused.value.retry_after
        assert (await asked).result == "ok"
    assert await stage.ended() == 0
    assert stage.lines[-1]["event"] == "stopped"


async def test_a_second_hub_on_the_same_store_refuses_and_says_why(stage: Any) -> None:
    await stage.start()
    status, out, errors = await stage.hub("serve")
    assert status == 1
    assert "is in use" in errors
    assert "Traceback" not in out + errors


async def test_commands_speak_to_the_running_hub_and_else_to_its_store(stage: Any) -> None:
    await stage.start()
    running = {"HUB__HUB__ADMIN": stage.admin_url.removeprefix("http://")}
    status, out, errors = await stage.hub("callers", "list", "--json", **running)
    assert status == 0, errors
    assert [one["name"] for one in json.loads(out)] == ["one-stop"]
    status, _, errors = await stage.hub("callers", "revoke", "one-stop", **running)
    assert status == 0, errors
    async with stage.client() as hub:
        with pytest.raises(Problem) as heard:
            await hub.operations()
    assert heard.value.code == "auth.missing"
    status, _, errors = await stage.hub("callers", "list")
    assert status == 1
    assert "HUB__HUB__ADMIN" in errors
    await stage.kill()
    status, out, errors = await stage.hub("callers", "list", "--json")
    assert status == 0, errors
    assert [one["enabled"] for one in json.loads(out)] == [False]


async def test_a_quota_changed_at_the_running_hub_counts_from_the_next_call_on(
    stage: Any, citizen: CitizenQuery, purpose: Purpose
) -> None:
    await stage.start()
    async with stage.client() as hub:
        await hub.call("police.lookup_citizen", citizen, answer=Citizen, purpose=purpose)
        assert hub.quota == Quota(calls=999, seconds=10)
        words = ("callers", "quota", "one-stop", "6")
        status, out, errors = await stage.hub(*words, HUB__HUB__ADMIN=stage.admin_url.removeprefix("http://"))
        assert status == 0, errors
        assert "6 calls a minute" in out
        await hub.call("police.lookup_citizen", citizen, answer=Citizen, purpose=purpose)
        with pytest.raises(Problem) as heard:
            await hub.call("police.lookup_citizen", citizen, answer=Citizen, purpose=purpose)
        assert heard.value.code == "caller.quota"
        assert heard.value.retry_after
    async with stage.operator() as http:
        text = (await http.get("/metrics")).text
    assert 'hub_admission_total{agency="police",class="normal",decision="refused",reason="caller.quota"}' in text


async def test_a_hub_that_outgrows_its_memory_says_so_to_everybody(
    stage: Any, citizen: CitizenQuery, purpose: Purpose
) -> None:
    await stage.start(HUB__HUB__MEMORY_BYTES="1048576")
    async with stage.client() as hub:
        refused = None
        while refused is None:  # it has to weigh itself once
            try:
                await hub.call("police.lookup_citizen", citizen, answer=Citizen, purpose=purpose, urgency=0)
            except Problem as problem:
                refused = problem
        assert (refused.code, refused.status, refused.retry_after) == ("hub.overloaded", 503, 10.0)
    async with stage.operator() as http:
        text = (await http.get("/metrics")).text
    assert 'hub_admission_total{agency="police",class="counter",decision="refused",reason="hub.overloaded"}' in text


async def test_admin_doors_want_the_admin_key_and_show_no_content(
    stage: Any, dossier: Dossier, purpose: Purpose
) -> None:
    await stage.start()
    async with stage.client() as hub:
        ticket = await hub.file("npsp.file_dossier", dossier, answer=Dossier, purpose=purpose, key="k", wait=20)
    async with stage.operator() as http:
        shown = (await http.get(f"/admin/v1/calls/{ticket.call}")).json()
        assert (shown["state"], shown["officer"], shown["idempotency_key"]) == ("answered", "cb-102", "k")
        listed = await http.get("/admin/v1/calls", params={"dossier": dossier.code, "state": "answered"})
        assert [one["call"] for one in listed.json()] == [ticket.call]
        assert "Nguyễn" not in listed.text + json.dumps(shown, ensure_ascii=False)
        assert [one["account"] for one in (await http.get("/admin/v1/officers")).json()] == [True]
        for method, path in (
            ("GET", "/admin/v1/calls"),
            ("POST", "/admin/v1/callers"),
            ("PUT", "/admin/v1/units"),
            ("GET", "/admin/v1/lanes"),
            ("GET", "/admin/v1/routes"),
        ):
            reply = await http.request(method, path, headers={"authorization": f"Bearer {stage.key}"})
            assert (reply.status_code, reply.json()["code"]) == (401, "auth.missing")
        lanes = {one["agency"]: one for one in (await http.get("/admin/v1/lanes")).json()}
        assert (lanes["npsp"]["held"], lanes["npsp"]["route"]) == ("", None)
        assert (await http.get("/admin/v1/routes")).json() == [], "no agency shares a road here"
        bad = await http.post("/admin/v1/callers", json={"name": "X", "allowed": ["nobody"], "top": 1})
        assert (bad.status_code, bad.json()["code"]) == (400, "request.invalid")
        for path, status in (("/admin/v1/nothing", 404), ("/admin/v1/calls/none", 404)):
            assert (await http.get(path)).status_code == status
        assert (await http.get("/admin/v1/calls", params={"state": "lost"})).status_code == 400
        assert (await http.patch("/admin/v1/callers")).json()["code"] == "method.not_allowed"
        refused = await http.put("/admin/v1/units", content=b"unit;code\n")
        assert refused.json()["errors"]


async def test_the_sandbox_command_plays_until_told_to_stop(stage: Any, citizen: CitizenQuery) -> None:
    child = await stage.run("sandbox", "police", "--json")
    told = b""
    while told.count(b"{") < 2 or told.count(b"}") < told.count(b"{"):
        told += await asyncio.wait_for(child.stdout.readline(), 30)
    played = json.loads(told)
    async with httpx2.AsyncClient() as http:
        plays = (await http.get(f"{played['control']}/plays")).json()
    assert plays == {"plays": played["plays"]}
    child.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(child.wait(), 10) == 0
    await child.communicate()
