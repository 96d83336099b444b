"""A birth of the linked services, through a running hub: told whole, filed, and asked after until it is registered."""

import json
from typing import Any

import pytest

from connectors.kit.registry import find_connectors
from connectors.kit.samples import load_samples
from hub.client import Purpose
from mappings.canonical.civil_status import Registration, RegistrationQuery, RegistrationResult

pytestmark = pytest.mark.process
LINKED = "civil_status"
HURRIED = {
    "every         = 600 ": "every         = 5.0 ",
    "every         = 1_800 ": "every         = 1.0 ",
    "call_timeout     = 60 ": "call_timeout     = 2 ",
}
SAMPLES = {one.name: one for one in load_samples(find_connectors()[LINKED])}


async def received(stage: Any, number: int = 2) -> list[Any]:
    """Wait for *number* registrations, and return what is told of them."""

    async def told() -> bool:
        return len(await stage.heard(LINKED, "registration_received")) == number

    await stage.until_true(told, f"{number} registrations")
    return [one["data"] for one in await stage.heard(LINKED, "registration_received")]


def whole(value: Any) -> Registration:
    return Registration.model_validate_json(json.dumps(value))


async def test_a_birth_is_told_whole_filed_and_asked_after_until_it_is_registered(stage: Any) -> None:
    stage.hurry(LINKED, HURRIED)
    await stage.start()
    birth, death = await received(stage)
    assert [one["refs"]["id"] for one in (birth, death)] == ["100001", "100002"]
    for told, case in ((birth, "taken"), (death, "death")):
        (recorded,) = SAMPLES[f"registration_received.{case}"].request
        assert whole(told["value"]) == whole(recorded)
    form = whole(birth["value"]).model_copy(update={"dossier": "000.00.14.H32-261123-0100"})
    purpose = Purpose(officer="cb-102", unit="H32", dossier=form.dossier)
    async with stage.client() as hub:
        found = await hub.call(
            "civil_status.lookup_registration", RegistrationQuery(id="100001"), answer=Registration, purpose=purpose
        )
        assert found.value is not None
        assert found.value.form == form.form, "as it stands today, for who asks"
        filed = await hub.file(
            "civil_status.file_registration", form, answer=RegistrationResult, purpose=purpose, key="birth-1", wait=20
        )
        await stage.comes(LINKED, "lookup_result", 2)
        assert (await hub.read(LINKED, filed.call, answer=RegistrationResult)).result == "pending"
        (standing,) = stage.sandbox.filed(LINKED)
        stage.sandbox.stand(LINKED, standing["key"], "ok")

        async def ended() -> bool:
            return (await hub.read(LINKED, filed.call, answer=RegistrationResult)).result != "pending"

        await stage.until_true(ended, "end of the registration")
        answer = await hub.read(LINKED, filed.call, answer=RegistrationResult)
    assert answer.result == "ok"
    assert answer.value is not None
    assert (answer.value.status, answer.value.dossier) == ("4", form.dossier)
    assert answer.value.personal_id == "000226000011"
    assert stage.arrived(LINKED, "file_registration") == 1


async def test_the_list_goes_on_behind_what_was_fetched_and_what_it_does_not_have_is_for_a_person(stage: Any) -> None:
    stage.hurry(LINKED, HURRIED)
    await stage.start()
    await received(stage)
    await stage.comes(LINKED, "list_registrations", 2)
    async with stage.operator() as operator:
        (dead,) = (await operator.get("/admin/v1/dead", params={"agency": LINKED})).json()["notices"]
        shown = (await operator.get(f"/admin/v1/dead/{dead['dead_notice']}")).json()
    assert (dead["notice"], shown["asked_for"]) == ("registration_received", {"id": "100009"})
    assert shown["faults"] == [{"place": "id", "rule": "the agency lists it and does not have it"}]

    await stage.kill()
    await stage.start()
    await stage.comes(LINKED, "list_registrations", stage.arrived(LINKED, "list_registrations") + 2)
    assert stage.arrived(LINKED, "fetch_registration") == 3, "each was fetched once"
    assert len(await received(stage)) == 2
