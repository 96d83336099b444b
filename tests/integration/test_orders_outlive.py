"""An agency that asked us to stop is left alone by the next process too, until an operator says otherwise."""

import json
from typing import Any

import pytest

from hub.client import Problem, Purpose
from mappings.canonical import Citizen, CitizenQuery

pytestmark = pytest.mark.process


async def test_a_hold_outlives_a_killed_hub_and_ends_by_command(
    stage: Any, citizen: CitizenQuery, purpose: Purpose
) -> None:
    async def look_up() -> str:
        """Ask as the counter does, whose calls a hub on a busy machine lets in too."""
        async with stage.client() as hub:
            try:
                found = await hub.call(
                    "police.lookup_citizen", citizen, answer=Citizen, purpose=purpose, urgency=1, wait=10
                )
            except Problem as problem:
                return problem.code
        return str(found.result)

    async def command(*words: str) -> tuple[int, str]:
        status, out, errors = await stage.hub("lanes", *words, HUB__HUB__ADMIN=stage.admin_url[7:])
        return status, out + errors

    await stage.start()
    assert await look_up() == "ok"
    assert (await command("hold", "police", "--reason", "công an đề nghị dừng"))[0] == 0
    assert await look_up() == "lane.held"
    await stage.kill()

    await stage.start()
    assert [line["cause"] for line in stage.lines if line["event"] == "hold"][-1] == "operator"
    assert await look_up() == "lane.held"
    assert stage.arrived("police", "lookup_citizen") == 1
    status, out = await command("--json")
    told = json.loads(out)
    assert (status, [order["reason"] for order in told["orders"]]) == (0, ["công an đề nghị dừng"])
    async with stage.operator() as http:
        assert 'hub_hold_seconds{agency="police",cause="operator"} +Inf' in (await http.get("/metrics")).text
    assert await command("resume", "police") == (0, "No operator holds police any more.\n")
    assert await look_up() == "ok"
    async with stage.operator() as http:
        assert 'hub_hold_seconds{agency="police",cause="operator"} 0.0' in (await http.get("/metrics")).text
