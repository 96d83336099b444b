"""What is odd about the LGSP's dossier schema, each oddity one promise."""

import json
from datetime import datetime
from typing import Any

import pytest

from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples
from mappings.canonical import Dossier
from mappings.canonical.dossier import DossierStatus
from mappings.canonical.dossier_notices import Ending
from mappings.canonical.dossier_parts import OwnerKind

DEPARTMENT = load_connector(find_connectors()["department"])
SAMPLES = {one.name: one for one in load_samples(DEPARTMENT.folder)}
SOURCES = {"settings.organ_code": "H32.10", "settings.organ_name": "Sở Thử nghiệm"}
BEGUN = (DossierStatus.REGISTERED, DossierStatus.RECEIVED)
"""What the schema cannot tell from a dossier that is being worked on."""


def found(**changed: Any) -> Dossier:
    """Return the dossier that is read of what a department gives back, with what is *changed* in it."""
    record = json.loads(SAMPLES["lookup_dossier.in_process"].reply_agency or b"")["Data"] | changed
    read = DEPARTMENT.mappings["dossier"].read(record)
    assert read is not None
    assert isinstance(read.value, Dossier)
    return read.value


def test_the_promised_day_is_not_taken_for_a_return() -> None:
    """Until a dossier is done the promised day stands in ReturnedDate."""
    assert found(IsReturned=False, ReturnedDate="2026-12-07T17:00:00.000+0700").returned_at is None
    assert found(IsReturned=True, ReturnedDate="2026-12-04T16:00:00.000+0700").returned_at is None


def test_a_date_of_noughts_breaks_nothing() -> None:
    assert found(SuccessDate="0000-00-00T00:00:00.000+0700").status is DossierStatus.PROCESSING


@pytest.mark.parametrize(
    "written",
    ["2026-11-23T08:30:00.000+0700", "2026-11-23T08:30:00+07:00", "2026-11-23T01:30:00Z", "2026-11-23T08:30:00"],
)
def test_a_moment_is_read_in_each_of_the_forms_that_java_and_others_write(written: str) -> None:
    assert found(DateReceived=written).received_at == datetime.fromisoformat("2026-11-23T08:30:00+07:00")


@pytest.mark.parametrize("key", ["AttachmentId", "Attachmentld"])
def test_the_key_of_a_paper_is_read_in_both_spellings_and_written_in_that_of_the_client(key: str) -> None:
    paper = {key: 12, "AttachmentName": "Đơn đề nghị.pdf"}
    (read,) = found(Attachments=[paper]).documents
    assert read.id == "12"
    written = DEPARTMENT.mappings["document"].write(read, {})
    assert written["AttachmentId"] == "12"
    assert "Attachmentld" not in written


def test_the_kinds_of_owners_are_numbered_otherwise_than_at_the_national_portal() -> None:
    numbers = {
        kind: DEPARTMENT.mappings["dossier"].write(_owned(kind), SOURCES)["ApplicantsType"] for kind in OwnerKind
    }
    assert numbers == {
        OwnerKind.CITIZEN: 1,
        OwnerKind.BUSINESS: 2,
        OwnerKind.ORGANISATION: 3,
        OwnerKind.STATE_AGENCY: 4,
    }


def _owned(kind: OwnerKind) -> Dossier:
    given = Dossier.model_validate_json(json.dumps(SAMPLES["file_dossier.sparse"].request))
    return given.model_copy(update={"owner": given.owner.model_copy(update={"kind": kind})})


@pytest.mark.parametrize("status", list(DossierStatus))
def test_a_dossier_in_any_state_can_be_filed_and_only_what_has_just_begun_looks_alike(status: DossierStatus) -> None:
    sent = DEPARTMENT.mappings["dossier"].write(found().model_copy(update={"status": status}), SOURCES)
    assert (sent["Status"] == 1) == (status in (*BEGUN, DossierStatus.PROCESSING))


@pytest.mark.parametrize("mark", [True, "true"])
def test_whether_there_is_a_result_is_read_as_a_yes_or_its_text(mark: Any) -> None:
    record = json.loads(SAMPLES["result_returned.taken"].request_agency or b"") | {"IsSuccess": mark}
    read = DEPARTMENT.mappings["returned_result"].read(record)
    assert read is not None
    assert read.value.ending is Ending.RESULT  # type: ignore[attr-defined]
