"""A filing in doubt, through a running hub: seen in the metrics, shown, resolved by command, heard by its caller."""

import json
from typing import Any

import pytest
from pydantic import RootModel

from connectors.kit.sandbox.faults import Fault
from hub.client import Problem, Purpose
from mappings.canonical import ProcessingStep

pytestmark = pytest.mark.process


async def test_a_filing_in_doubt_is_settled_by_a_person_and_what_stood_behind_it_goes(
    stage: Any, step: ProcessingStep, purpose: Purpose
) -> None:
    await stage.start()
    admin = {"HUB__HUB__ADMIN": stage.admin_url.removeprefix("http://")}
    stage.sandbox.misbehave("npsp", Fault(fault="502", operation="file_progress", count=1))

    async def number(metric: str) -> float:
        async with stage.operator() as http:
            text = (await http.get("/metrics")).text
        return float(text.partition(f'{metric}{{agency="npsp"}} ')[2].split()[0])

    async with stage.client() as hub:
        with pytest.raises(Problem) as heard:
            await hub.file("npsp.file_progress", step, answer=RootModel[Any], purpose=purpose, key="step-1", wait=20)
        assert heard.value.code == "call.in_doubt"
        call = heard.value.call
        second = await hub.file("npsp.file_progress", step, answer=RootModel[Any], purpose=purpose, key="step-2")
        assert (await number("hub_in_doubt"), await number("hub_dead_letters")) == (1, 0)

        status, out, errors = await stage.hub("doubt", "list", "--json", **admin)
        assert status == 0, errors
        (listed,) = json.loads(out)["calls"]
        assert (listed["call"], listed["next_look_up"], listed["dossier"]) == (call, "person", purpose.dossier)
        shown = (await stage.hub("calls", "show", second.call, **admin))[1]
        assert f"{call}, in_doubt: http_502; see `hub doubt show`" in shown
        case = json.loads((await stage.hub("doubt", "show", call, "--json", **admin))[1])
        assert [one["outcome"] for one in case["made"]] == ["in_doubt"]
        assert case["holds_up"] == 1

        words = ("doubt", "resolve", call, "--done", "--by", "cb-014", "--reason", "gọi điện 10:40")
        status, out, errors = await stage.hub(*words, **admin)
        assert status == 0, errors
        settled = await hub.read("npsp", call, answer=RootModel[Any], wait=5)
        assert (settled.state, settled.reason.code if settled.reason else "") == ("answered", "confirmed")
        behind = await second.result(wait=20)
        assert behind is not None
        assert behind.state == "answered"
        assert await number("hub_in_doubt") == 0
    assert stage.arrived("npsp", "file_progress") == 2
