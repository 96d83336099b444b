"""A queue that nobody pushes from: a running hub lists what waits, fetches each, and one bad message keeps no other there."""

from typing import Any

import pytest

from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples

pytestmark = pytest.mark.process
AXIS = "axis_legacy"
HURRIED = {
    "every   = 60 # ours": "every   = 1",
    "[contract]\ncalls_per_second = 5 ": "[contract]\ncalls_per_second = 50 ",
}
"""Nobody waits a minute for a test; and five calls a second would be all that is seen of it."""


async def test_documents_become_notices_and_a_poison_message_does_not_block_the_queue(stage: Any) -> None:
    stage.hurry(AXIS, HURRIED)
    samples = {one.name: one for one in load_samples(find_connectors()[AXIS])}

    await stage.start()
    await stage.comes(AXIS, "refuse_document")
    await stage.comes(AXIS, "acknowledge_document", 2)
    await stage.comes(AXIS, "list_document_ids", 3)  # the played axis goes on listing them, as one does that is slow

    told = await stage.heard(AXIS)
    assert [one["data"]["refs"] for one in told] == [{"message": "129000001"}, {"message": "129000002"}]
    (first,) = samples["document_arrived.taken"].request
    assert told[0]["data"]["value"]["subject"] == first["subject"]
    assert told[0]["data"]["value"]["files"][0]["content_id"] == "50679001"

    async with stage.operator() as operator:
        page = (await operator.get("/admin/v1/dead", params={"agency": AXIS})).json()
        (dead,) = page["notices"]
        shown = (await operator.get(f"/admin/v1/dead/{dead['dead_notice']}")).json()
    assert (dead["notice"], page["calls"]) == ("document_arrived", [])
    assert [fault["place"] for fault in shown["faults"]] == ["getMessageByMessageIdReturn/message/content"]

    await stage.kill()
    await stage.start()
    await stage.comes(AXIS, "list_document_ids", stage.arrived(AXIS, "list_document_ids") + 2)
    assert stage.arrived(AXIS, "acknowledge_document") == 2, "fetched again, it is acknowledged by the same call"
    assert stage.arrived(AXIS, "refuse_document") == 1
    assert len(await stage.heard(AXIS)) == 2
