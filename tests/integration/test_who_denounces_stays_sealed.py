"""A denunciation through a running hub: nothing that the hub writes or tells names its sender, and the agency still gets it."""

import json
from typing import Any

import httpx2
import pytest
from pydantic import RootModel

from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples
from hub.client import Purpose
from mappings.canonical.complaints import ForwardedFeedback

pytestmark = pytest.mark.process

WHO = ("Trần Thị Không", "000180000011", "0900000000", "khong@centre.example", "Số 0, đường Không Tên")
PURPOSE = 'officer="cb-102", unit="H32", intake="TC-000-1"'


@pytest.fixture
def portal(stage: Any) -> Any:
    """The installation, once it has agreed on a key with the portal."""
    text = stage.config.read_text("utf-8")
    head, table, rest = text.partition("[agencies.portal]")
    stage.config.write_text(head + table + rest.replace('inbound_key = ""', 'inbound_key = "0000-agreed"', 1), "utf-8")
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
            (dead,) = (await operator.get("/admin/v1/dead")).json()["notices"]
            assert dead["times"] == 2
            still = await operator.post(
                "/admin/v1/dead/replay", json={"calls": [dead["dead_notice"]], "reason": "thử lại", "by": "cb-014"}
            )
            assert "loai" in still.text, still.text
        mine = {"authorization": f"Bearer {portal.key}"}
        page = (await http.get("/v1/notices/portal?limit=20", headers=mine)).json()
        (event,) = [one for one in page["events"] if one["type"].endswith("complaint_received")]
        sender = event["data"]["value"]["sender"]
        assert all(text.startswith("sealed:portal:") for text in sender.values())
        assert len(sender) == len(WHO)

        # A caller that may not know hands on what it was told.
        forwarded = {"id": "400000", "kind": "denunciation", "to_agency": "H32.1", "content": "Nội dung đơn"}
        request = ForwardedFeedback.model_validate_json(json.dumps({**forwarded, "sender": sender}))
        async with portal.client() as hub:
            purpose = Purpose(officer="cb-102", unit="H32", intake="TC-000-1")
            await hub.file(
                "portal.forward_feedback", request, answer=RootModel[Any], purpose=purpose, key="tc-1", wait=20
            )
        (filed,) = [one for one in portal.sandbox.filed("portal") if one["key"] == "400000"]
        assert tuple(filed["payload"]["nguoiGui"].values()) == WHO

        # Only a key that says so opens it.
        asked = {"sealed": list(sender.values())}
        refused = await http.post("/v1/seals/portal", json=asked, headers={**mine, "hub-purpose": PURPOSE})
        assert refused.status_code == 403, refused.text
        async with portal.operator() as operator:
            added = await operator.post(
                "/admin/v1/callers", json={"name": "inspector", "allowed": ["portal.sealed"], "top_class": "normal"}
            )
        key = {"authorization": f"Bearer {added.json()['key']}"}
        opened = await http.post("/v1/seals/portal", json=asked, headers={**key, "hub-purpose": PURPOSE})
        assert opened.status_code == 200, opened.text
        assert tuple(opened.json()["opened"]) == WHO
        await portal.stop()

    written = json.dumps(portal.lines, ensure_ascii=False).encode()
    for file in portal.folder.glob("hub.db*"):
        if file.suffix != ".sealing-key":
            written += file.read_bytes()
    written += json.dumps(page, ensure_ascii=False).encode()
    assert b"sealed:portal:" in written
    for text in WHO:
        assert text.encode() not in written
        assert json.dumps(text)[1:-1].encode() not in written
