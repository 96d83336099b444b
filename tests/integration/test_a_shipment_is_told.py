"""The post is ordered and tells how the shipment gets on, pushed or asked for: whoever ordered hears of it, by its dossier."""

import json
from typing import Any

import httpx2
import pytest
from pydantic import RootModel

from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples
from hub.client import Purpose
from mappings.canonical import PostOrder
from tests.integration.test_what_agencies_have_is_compared import compared

pytestmark = pytest.mark.process

DOSSIER = "000.00.14.H32-261123-0777"
PURPOSE = Purpose(officer="cb-102", unit="H32", dossier=DOSSIER)


@pytest.fixture
def post(stage: Any) -> Any:
    """The installation, once it has agreed on a key with the post: without one, nobody is believed."""
    stage.entry("post_lgsp", 'tracking_key = "0000-agreed"', 'tracking_key = ""')
    return stage


def ordered(agency: str, **changed: Any) -> PostOrder:
    sample = next(one for one in load_samples(find_connectors()[agency]) if one.name == "order_shipment.ok")
    return PostOrder.model_validate_json(json.dumps({**sample.request, **changed}))


async def heard(post: Any, agency: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = await post.heard(agency, "shipment_progressed")
    return events


async def test_what_the_post_pushes_reaches_the_dossier_of_its_order_whatever_the_number(post: Any) -> None:
    await post.start()
    number = f"{DOSSIER}-2"  # the dossier's second shipment
    async with post.client() as hub:
        order = ordered("post_lgsp", order_number=number)
        await hub.file("post_lgsp.order_shipment", order, answer=RootModel[Any], purpose=PURPOSE, key="post-1", wait=20)
    (filed,) = post.sandbox.filed("post_lgsp")
    assert filed["key"] == number

    async def told(key: str, **put: str) -> Any:
        sample = next(
            one for one in load_samples(find_connectors()["post_lgsp"]) if one.name == "shipment_progressed.taken"
        )
        body = {**json.loads(sample.request_agency or b""), "OrderNumber": number, **put}
        async with httpx2.AsyncClient(base_url=post.url, timeout=30) as http:
            reply = await http.post("/in/post_lgsp/shipment_progressed", json=body, headers={"access_token": key})
        return reply.json()["Status"]

    assert await told("0000-guessed") == "401"
    assert await told("0000-agreed") == "100"
    assert await told("0000-agreed") == "101"
    assert await told("0000-agreed", StatusDate="2026-11-26") == "400"
    (event,) = await heard(post, "post_lgsp")
    assert (event["subject"], event["data"]["value"]["order_number"]) == (DOSSIER, number)


async def test_what_the_post_is_asked_for_reaches_the_dossier_too_and_once(post: Any) -> None:
    await post.start()
    async with post.client() as hub:
        order = ordered("post_ngsp")
        await hub.file("post_ngsp.order_shipment", order, answer=RootModel[Any], purpose=PURPOSE, key="post-2", wait=20)
    async with post.operator() as http:
        for _ in range(2):
            before = post.arrived("post_ngsp", "list_tracking")
            assert (await http.post("/admin/v1/polls/post_ngsp/shipment_progressed/run")).is_success
            await post.comes("post_ngsp", "list_tracking", before + 1)
    await post.until_true(lambda: _two(post), "two steps")
    assert [one["data"]["value"]["collection"] for one in await heard(post, "post_ngsp")] == [
        "collecting",
        "handed_over",
    ]
    assert {one["subject"] for one in await heard(post, "post_ngsp")} == {DOSSIER}


async def _two(post: Any) -> bool:
    return len(await heard(post, "post_ngsp")) == 2


async def test_an_order_of_which_the_post_has_told_nothing_is_found(post: Any) -> None:
    await post.start()
    quiet = f"{DOSSIER}-9"
    async with post.client() as hub:
        for order in (ordered("post_ngsp"), ordered("post_ngsp", order_number=quiet)):
            key = order.order_number
            await hub.file("post_ngsp.order_shipment", order, answer=RootModel[Any], purpose=PURPOSE, key=key, wait=20)
    async with post.operator() as http:
        assert (await http.post("/admin/v1/polls/post_ngsp/shipment_progressed/run")).is_success

    async def found() -> bool:
        counts = (await compared(post, "post_ngsp"))["counts"]
        return bool(counts == {"order_shipment": {"told": 1, "untold": 1}})

    await post.until_true(found, "one order with its tracking, one without")
