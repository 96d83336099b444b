"""A payment through a running hub: answers are lost, and the platform still knows one payment, by one reference."""

import json
from typing import Any

import pytest

from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples
from connectors.kit.sandbox.faults import Fault
from hub.client import Purpose
from mappings.canonical import PaymentLink, PaymentOrder

pytestmark = pytest.mark.process


async def test_a_start_whose_answer_was_lost_is_the_same_payment_when_it_is_repeated(stage: Any) -> None:
    started = next(one for one in load_samples(find_connectors()["payment"]) if one.name == "start_payment.started")
    order = PaymentOrder.model_validate_json(json.dumps(started.request))
    purpose = Purpose(officer="cb-102", unit="H32", dossier=order.dossier)
    await stage.start()
    stage.sandbox.misbehave("payment", Fault(fault="502", operation="start_payment", count=2))
    async with stage.client() as hub:
        filed = await hub.file(
            "payment.start_payment", order, answer=PaymentLink, purpose=purpose, key="payment-1", wait=30
        )
        answer = await filed.result(wait=30)
        again = await hub.file(
            "payment.start_payment", order, answer=PaymentLink, purpose=purpose, key="payment-1", wait=30
        )
    assert stage.arrived("payment", "start_payment") == 3
    (payment,) = stage.sandbox.filed("payment")
    assert payment["key"] == filed.call.replace("-", "")
    assert answer is not None
    assert (answer.result, again.call) == ("pending", filed.call)
    assert answer.value == PaymentLink(url="https://pay.example/checkout/0001")
