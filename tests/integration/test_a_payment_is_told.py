"""The platform tells how payments ended, through a running hub: believed, compared with the order, taken once."""

import json
from typing import Any

import pytest

from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples
from connectors.kit.sandbox.telling import Tell
from hub.client import Purpose
from mappings.canonical import PaymentLink, PaymentOrder

pytestmark = pytest.mark.process


async def test_only_what_the_platform_says_of_the_amount_that_was_ordered_is_taken_and_once(stage: Any) -> None:
    started = next(one for one in load_samples(find_connectors()["payment"]) if one.name == "start_payment.started")
    order = PaymentOrder.model_validate_json(json.dumps(started.request))
    purpose = Purpose(officer="cb-102", unit="H32", dossier=order.dossier)
    await stage.start()
    async with stage.client() as hub:
        for key in ("payment-1", "payment-2"):  # of one dossier: what is told of the first must not be lost
            await hub.file("payment.start_payment", order, answer=PaymentLink, purpose=purpose, key=key, wait=20)
    first, second = (one["key"] for one in stage.sandbox.filed("payment"))

    async def told(reference: str, *, times: int = 1, wrong: Any = None, **put: Any) -> list[str]:
        push = Tell(
            samples=["payment_settled.taken"],
            to=f"{stage.url}/in/payment/",
            put={"SoTien": order.amount, "MaThamChieu": reference, **put},
            times=times,
            wrong=wrong,
            delay=0.1,
        )
        return [json.loads(one.answer)["MaLoi"] for one in await stage.sandbox.tell("payment", push)]

    assert await told(first, times=2) == ["00", "00"]
    assert await told(second, SoTien=1) == ["99"]
    assert await told(second, wrong="signature") == ["99"]
    assert await told(second, wrong="secret") == ["99"]
    assert await told(second, MaLoi="07") == ["99"]
    assert await told("0193ffff") == ["99"]
    assert await told(second) == ["00"]
    heard = await stage.heard("payment", "payment_settled")
    assert [one["data"]["value"]["reference"] for one in heard] == [first, second]
    assert {one["subject"] for one in heard} == {order.dossier}
