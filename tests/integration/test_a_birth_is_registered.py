"""A birth of the linked services, through a running hub: told, fetched, filed, and asked after until it is registered."""

import json
from typing import Any

import pytest

from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples
from hub.client import Purpose
from mappings.canonical.civil_status import Registration, RegistrationQuery, RegistrationResult

pytestmark = pytest.mark.process
HURRIED = {
    "every         = 600 ": "every         = 5.0 ",
    "every         = 1_800 ": "every         = 1.0 ",
    "call_timeout     = 60 ": "call_timeout     = 2 ",
}
SAMPLES = {one.name: one for one in load_samples(find_connectors()["civil_status"])}


async def test_a_birth_is_told_fetched_filed_and_asked_after_until_it_is_registered(stage: Any) -> None:
    stage.hurry("civil_status", HURRIED)
    form = Registration.model_validate_json(json.dumps(SAMPLES["file_registration.pending"].request))
    form = form.model_copy(update={"documents": (), "dossier": "000.00.14.H32-261123-0100"})
    purpose = Purpose(officer="cb-102", unit="H32", dossier=form.dossier)
    await stage.start()
    async with stage.client() as hub:

        async def listed() -> bool:
            return len(await stage.heard("civil_status", "registration_requested")) == 2

        await stage.until_true(listed, "two registrations of the list")
        found = await hub.call(
            "civil_status.lookup_registration", RegistrationQuery(id="100001"), answer=Registration, purpose=purpose
        )
        assert found.value is not None
        assert found.value.form == form.form
        filed = await hub.file(
            "civil_status.file_registration", form, answer=RegistrationResult, purpose=purpose, key="birth-1", wait=20
        )
        await stage.comes("civil_status", "lookup_result", 2)
        assert (await hub.read("civil_status", filed.call, answer=RegistrationResult)).result == "pending"
        (standing,) = stage.sandbox.filed("civil_status")
        stage.sandbox.stand("civil_status", standing["key"], "ok")

        async def ended() -> bool:
            return (await hub.read("civil_status", filed.call, answer=RegistrationResult)).result != "pending"

        await stage.until_true(ended, "end of the registration")
        answer = await hub.read("civil_status", filed.call, answer=RegistrationResult)
    assert answer.result == "ok"
    assert answer.value is not None
    assert (answer.value.status, answer.value.dossier) == ("4", form.dossier)
    assert answer.value.personal_id == "000226000011"
    assert stage.arrived("civil_status", "file_registration") == 1
