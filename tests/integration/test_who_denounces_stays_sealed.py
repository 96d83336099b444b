"""A denunciation through a running hub: nothing that the hub writes or tells names its sender, and the agency still gets it."""

import json
from typing import Any

import httpx2
import pytest
from pydantic import RootModel

from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples
from hub.client import HubClient, Problem, Purpose
from mappings.canonical.complaints import ForwardedFeedback

pytestmark = pytest.mark.process

WHO = ("Trần Thị Không", "000180000011", "0900000000", "khong@centre.example", "Số 0, đường Không Tên")
PURPOSE = Purpose(officer="cb-102", unit="H32", intake="TC-000-1")


@pytest.fixture
def portal(stage: Any) -> Any:
    """The installation, once it has agreed on a key with the portal."""
    stage.entry("portal", 'inbound_key = "0000-agreed"', 'inbound_key = ""')
    return stage


async def test_who_denounces_is_known_to_the_agency_and_to_who_may_and_stands_nowhere_else(portal: Any) -> None:
    await portal.start()
    recorded = next(
        one for one in load_samples(find_connectors()["portal"]) if one.name == "complaint_received.taken"
    ).request_agency
    async with httpx2.AsyncClient(base_url=portal.url, timeout=30) as http:
        said = await http.post(
            "/in/portal/complaint_received",
            content=recorded,
            headers={"x-api-key": "0000-agreed", "content-type": "application/json"},
        )
        assert said.json()["code"] == "0", said.text
        unread = json.dumps(json.loads(recorded) | {"loai": "không rõ"}, ensure_ascii=False)
        for _ in range(2):
            refused = await http.post(
                "/in/portal/complaint_received",
                content=unread.encode(),
                headers={"x-api-key": "0000-agreed", "content-type": "application/json"},
            )
            assert refused.json()["code"] not in ("0", "401"), refused.text
        async with portal.operator() as operator:
            (dead,) = (await operator.get("/admin/v1/dead", params={"agency": "portal"})).json()["notices"]
            assert dead["times"] == 2
            still = await operator.post(
                "/admin/v1/dead/replay", json={"calls": [dead["dead_notice"]], "reason": "thử lại", "by": "cb-014"}
            )
            assert "loai" in still.text, still.text
        (event,) = await portal.heard("portal", "complaint_received")
        sender = event["data"]["value"]["sender"]
        assert all(text.startswith("sealed:portal:") for text in sender.values())
        assert len(sender) == len(WHO)

        # A caller that may not know hands on what it was told.
        forwarded = {"id": "400000", "kind": "denunciation", "to_agency": "H32.1", "content": "Nội dung đơn"}
        request = ForwardedFeedback.model_validate_json(json.dumps({**forwarded, "sender": sender}))
        async with portal.client() as hub:
            await hub.file(
                "portal.forward_feedback", request, answer=RootModel[Any], purpose=PURPOSE, key="tc-1", wait=20
            )
            # Only a key that says so opens it.
            with pytest.raises(Problem, match=r"auth\.denied"):
                await hub.open_seals("portal", list(sender.values()), purpose=PURPOSE)
        (filed,) = [one for one in portal.sandbox.filed("portal") if one["key"] == "400000"]
        assert tuple(filed["payload"]["nguoiGui"].values()) == WHO

        async with portal.operator() as operator:
            added = await operator.post(
                "/admin/v1/callers", json={"name": "inspector", "allowed": ["portal.sealed"], "top_class": "normal"}
            )
        async with HubClient(portal.url, added.json()["key"]) as inspector:
            opened = await inspector.open_seals("portal", list(sender.values()), purpose=PURPOSE)
        assert tuple(opened) == WHO
        await portal.stop()

    written = json.dumps(portal.lines, ensure_ascii=False).encode()
    for file in portal.folder.glob("hub.db*"):
        if file.suffix != ".sealing-key":
            written += file.read_bytes()
    written += json.dumps(event, ensure_ascii=False).encode()
    assert b"sealed:portal:" in written
    for text in WHO:
        assert text.encode() not in written
        assert json.dumps(text)[1:-1].encode() not in written
