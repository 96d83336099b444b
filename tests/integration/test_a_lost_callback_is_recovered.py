"""Callbacks get lost: a payment that is pending is asked after through a running hub until it has ended."""

import json
from typing import Any

import pytest
from pydantic import RootModel

from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples
from hub.client import Purpose
from mappings.canonical import PaymentOrder

pytestmark = pytest.mark.process
HURRIED = {"every         = 300 ": "every         = 1.0 ", "call_timeout     = 60 ": "call_timeout     = 2 "}


async def test_a_payment_of_which_nobody_tells_is_found_paid_by_asking(stage: Any) -> None:
    stage.hurry("payment", HURRIED)
    started = next(one for one in load_samples(find_connectors()["payment"]) if one.name == "start_payment.started")
    order = PaymentOrder.model_validate_json(json.dumps(started.request))
    purpose = Purpose(officer="cb-102", unit="H32", dossier=order.dossier)
    await stage.start()
    async with stage.client() as hub:
        filed = await hub.file(
            "payment.start_payment", order, answer=RootModel[Any], purpose=purpose, key="payment-1", wait=20
        )
        await stage.comes("payment", "lookup_payment", 2)
        assert (await hub.read("payment", filed.call, answer=RootModel[Any])).result == "pending"
        (payment,) = stage.sandbox.filed("payment")
        stage.sandbox.stand("payment", payment["key"], "ok")

        async def ended() -> bool:
            return (await hub.read("payment", filed.call, answer=RootModel[Any])).result != "pending"

        await stage.until_true(ended, "end of the payment")
        answer = await hub.read("payment", filed.call, answer=RootModel[Any])
    assert answer.result == "ok"
    assert answer.value is not None
    assert answer.value.root["state"] == "paid"
    assert answer.value.root["reference"] == payment["key"]
    assert stage.arrived("payment", "start_payment") == 1
