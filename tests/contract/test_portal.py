"""The provincial portal: what goes there goes under its names, and who denounces stands nowhere but in its sealed place."""

import csv
import json
from typing import Any

import pytest

from connectors.kit.exchange import WireReply
from connectors.kit.inbox import Understood, WireNotice
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples
from mappings.canonical import CANONICAL
from mappings.canonical.complaints import (
    Complaint,
    ForwardedFeedback,
    Sender,
)
from mappings.canonical.dossier import DossierStatus, ProcessingStep
from mappings.canonical.shape import personal_paths, sealed_paths
from tests.contract import alone
from tests.contract.test_connectors_facts import words

FOLDER = find_connectors()["portal"]
PORTAL = load_connector(FOLDER)
SAMPLES = {one.name: one for one in load_samples(FOLDER)}
KEY = "0000-key-of-samples"


def bound() -> Any:
    return alone.bound(PORTAL, WireReply(200, {}, b"{}"), api_key="0000-invented", inbound_key=KEY)


def test_a_rating_goes_out_under_the_names_that_were_seen() -> None:
    seen = words("CodeProfile CodeTTHC NameTTHC Status FormsReception Level User")
    assert set(json.loads(SAMPLES["file_rating.ok"].request_agency or b"")) == set(seen)
    with (FOLDER / "contract/fields.csv").open(encoding="utf-8", newline="") as file:
        marks = {row["field"]: row["mark"] for row in csv.DictReader(file) if row["mark"] != "assumption"}
    assert marks == dict.fromkeys(seen, "seen"), "all the rest is a guess, and says so"


@pytest.mark.parametrize(("number", "status"), [(str(one), status) for one, status in enumerate(DossierStatus, 1)])
def test_a_status_goes_out_as_it_is(number: str, status: DossierStatus) -> None:
    step = ProcessingStep.model_validate_json(json.dumps({**SAMPLES["file_status.ok"].request, "status": status}))
    assert json.loads(bound().render("file_status", step, {}).body)["trangThai"] == number


def test_notices_say_the_same_as_those_of_the_national_portal() -> None:
    national = load_connector(find_connectors()["npsp"])
    for name in ("dossier_submitted", "supplement_submitted"):
        assert bound().inbox.notices[name].model is national.notices[name].about.model
    assert bound().inbox.notices["feedback_received"].model is national.notices["feedback_given"].about.model


def test_nobody_is_believed_without_the_portals_key() -> None:
    for name in PORTAL.manifest.notices:
        body = SAMPLES[f"{name}.taken"].request_agency or b""
        for headers, way in (({"x-api-key": KEY}, None), ({"x-api-key": "other"}, "denied"), ({}, "denied")):
            read = bound().inbox.read(name, WireNotice({"content-type": "application/json", **headers}, {}, body))
            assert getattr(read, "way", None) == way, name


def test_every_text_that_names_who_denounces_has_to_be_sealed_and_stands_nowhere_else() -> None:
    who = {("sender", name) for name in Sender.model_fields}
    assert sealed_paths(Complaint) == sealed_paths(ForwardedFeedback) == who
    assert who <= personal_paths(Complaint)
    others = {name for name, one in CANONICAL.items() if sealed_paths(one)} - {"Sender@1"}
    assert others == {"Complaint@1", "ForwardedFeedback@1"}
    read = bound().inbox.read(
        "complaint_received",
        WireNotice(
            {"content-type": "application/json", "x-api-key": KEY},
            {},
            SAMPLES["complaint_received.taken"].request_agency or b"",
        ),
    )
    assert isinstance(read, Understood)
    (told,) = read.told
    assert isinstance(told.value, Complaint)
    assert told.value.sender is not None
    shown = json.dumps([dict(told.refs), told.unique], ensure_ascii=False)
    for text in told.value.sender.model_dump().values():
        assert text
        assert text not in shown


def test_a_dry_run_shows_neither_who_says_it_nor_what() -> None:
    request = ForwardedFeedback.model_validate_json(json.dumps(SAMPLES["forward_feedback.ok"].request))
    shown = json.dumps(bound().render("forward_feedback", request, {}, mask=True).masked, ensure_ascii=False)
    for hidden in ("Trần Thị Không", "000180000011", "0900000000", "Không Tên", "nhận tiền"):
        assert hidden not in shown
    assert "000.00.14.H32" in shown
