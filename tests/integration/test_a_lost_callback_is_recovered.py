"""Callbacks get lost: a payment that is pending is asked after through a running hub until it has ended."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import RootModel

from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples
from hub.client import Purpose
from mappings.canonical import PaymentOrder

pytestmark = pytest.mark.process
HURRIED = {"every         = 300 ": "every         = 1.0 ", "call_timeout     = 60 ": "call_timeout     = 2 "}
"""Nobody waits five minutes for a test; the lane asks nothing before its longest exchange could have ended."""


async def test_a_payment_of_which_nobody_tells_is_found_paid_by_asking(stage: Any, tmp_path: Path) -> None:
    folder = tmp_path / "connectors" / "hurried_payment"
    shutil.copytree(find_connectors()["payment"], folder)
    manifest = (folder / "manifest.toml").read_text("utf-8")
    for slow, quick in HURRIED.items():
        assert slow in manifest
        manifest = manifest.replace(slow, quick, 1)
    (folder / "manifest.toml").write_text(manifest, "utf-8")
    config = stage.config.read_text("utf-8").replace("[hub]\n", '[hub]\nconnectors = "connectors"\n')
    entry = '[agencies.payment]\nconnector = "hurried_payment"\n'
    stage.config.write_text(config.replace("[agencies.payment]\n", entry), "utf-8")
    started = next(one for one in load_samples(folder) if one.name == "start_payment.started")
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
