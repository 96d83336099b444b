"""What is odd about the LGSP's dossier schema, each oddity one promise; and every mapping read back as it was written."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples
from mappings.canonical import Attachment, Contact, Document, Dossier, DossierQuery, Fee, Owner
from mappings.canonical.dossier import DossierStatus, ReturnMethod
from mappings.canonical.dossier_notices import (
    DossierProgress,
    Ending,
    GivenOpinion,
    Opinion,
    ReturnedDossier,
    ReturnedResult,
    SupplementRequest,
    WithdrawnDossier,
)
from mappings.canonical.dossier_parts import OwnerKind
from mappings.canonical.transfer import FiledSupplement, ResultConfirmation, ResultRefusal
from tests.contract.test_connectors_round_trips import (
    AMOUNTS,
    CODES,
    DOSSIERS,
    MOMENTS,
    NAMES,
    PROCEDURES,
    WORDS,
    few,
    maybe,
    model,
)

DEPARTMENT = load_connector(find_connectors()["department"])
SAMPLES = {one.name: one for one in load_samples(DEPARTMENT.folder)}
SOURCES = {"settings.organ_code": "H32.10", "settings.organ_name": "Sở Thử nghiệm"}
NUMBERS = st.integers(0, 99).map(str)
FILES = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
PAPERS = few(
    model(
        Document,
        id=maybe(CODES),
        name=WORDS,
        deleted=st.booleans(),
        url=maybe(FILES),
        **dict.fromkeys(
            (
                *("component_code", "digitised", "reuse", "from_document_store", "replaced_by_result"),
                *("originals", "copies", "file_name", "file_type"),
            ),
            st.none(),
        ),
    )
)
DOSSIER = model(
    Dossier,
    code=DOSSIERS,
    procedure_code=PROCEDURES,
    procedure_name=WORDS,
    owner=model(
        Owner,
        full_name=NAMES,
        kind=st.sampled_from(OwnerKind),
        identity_number=maybe(CODES),
        tech_id=st.none(),
        identities=st.just(()),
    ),
    contact=maybe(
        model(Contact, phone=CODES, email=maybe(WORDS), fax=st.none(), other=maybe(WORDS), address=maybe(WORDS))
    ),
    summary=WORDS,
    received_at=maybe(MOMENTS),
    due_at=maybe(MOMENTS),
    finished_at=maybe(MOMENTS),
    status=st.sampled_from(DossierStatus),
    return_note=maybe(WORDS),
    return_method=maybe(st.sampled_from(ReturnMethod)),
    processing_unit=maybe(WORDS),
    note=maybe(WORDS),
    documents=PAPERS,
    fees=few(model(Fee, name=WORDS, code=st.none(), collection=st.none(), amount=AMOUNTS, kind=maybe(NUMBERS))),
    attachments=few(model(Attachment, name=WORDS, quantity=maybe(st.integers(0, 99)), kind=maybe(NUMBERS))),
    **dict.fromkeys(("supplements", "results", "consulted_databases"), st.just(())),
    **dict.fromkeys(
        (
            *("field_code", "field_name", "channel", "submitted_at", "refused_at", "returned_at", "submitted_through"),
            *("has_digitised_parts", "account_verified", "online_payment", "land"),
        ),
        st.none(),
    ),
)
BEGUN = (DossierStatus.REGISTERED, DossierStatus.RECEIVED)
"""What the schema cannot tell from a dossier that is being worked on."""
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "dossier": DOSSIER,
    "dossier_query": model(DossierQuery, code=DOSSIERS),
    "supplement": model(FiledSupplement, dossier=DOSSIERS, due_at=maybe(MOMENTS), note=maybe(WORDS), documents=PAPERS),
    "withdrawal": model(WithdrawnDossier, dossier=DOSSIERS, reason=maybe(WORDS), withdrawn_at=maybe(MOMENTS)),
    "result_confirmation": model(ResultConfirmation, dossier=DOSSIERS, returned_at=MOMENTS),
    "result_refusal": model(ResultRefusal, dossier=DOSSIERS, reason=WORDS, documents=PAPERS),
    "progress": model(
        DossierProgress,
        dossier=DOSSIERS,
        from_officer=maybe(CODES),
        to_officer=st.none(),
        step=maybe(NUMBERS),
        sent_back=st.none(),
        content=maybe(WORDS),
        moved_at=maybe(MOMENTS),
        documents=st.just(()),
    ),
    "supplement_request": model(
        SupplementRequest,
        dossier=DOSSIERS,
        requested_at=MOMENTS,
        handler=maybe(CODES),
        paused=st.none(),
        request=maybe(WORDS),
        document=PAPERS.map(lambda papers: papers[0] if papers else None),
    ),
    "returned_result": model(
        ReturnedResult,
        dossier=DOSSIERS,
        finished_at=MOMENTS,
        handler=maybe(CODES),
        ending=st.sampled_from(Ending),
        note=maybe(WORDS),
        documents=PAPERS,
    ),
    "returned_dossier": model(ReturnedDossier, dossier=DOSSIERS, handler=maybe(CODES), reason=maybe(WORDS)),
    "opinion": model(
        GivenOpinion,
        dossier=DOSSIERS,
        given_at=MOMENTS,
        given_by=maybe(WORDS),
        officer=maybe(CODES),
        opinion=maybe(st.sampled_from(Opinion)),
        content=WORDS,
        letter_number=maybe(CODES),
        documents=PAPERS,
    ),
}


@pytest.mark.parametrize("mapping", VALUES)
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_what_is_written_is_read_back(mapping: str, data: st.DataObject) -> None:
    value = data.draw(VALUES[mapping])
    found = DEPARTMENT.mappings[mapping].read(DEPARTMENT.mappings[mapping].write(value, SOURCES))
    assert found is not None
    if isinstance(value, Dossier) and value.status in BEGUN:
        value = value.model_copy(update={"status": DossierStatus.PROCESSING})
    assert found.value == value
    assert found.fallbacks == ()


def test_every_mapping_that_an_operation_or_a_notice_names_is_tried() -> None:
    tables = [*DEPARTMENT.manifest.operations.values(), *DEPARTMENT.manifest.notices.values()]
    assert {name for table in tables for name in (table.sends, table.returns) if name} == set(VALUES)


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
