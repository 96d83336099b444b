"""What a land office is told survives the way there and back, and both vendors' systems say the same in their own form."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kit.registry import find_connectors, load_connector
from mappings.canonical import Contact, Document, Dossier, Owner
from mappings.canonical.address import Address
from mappings.canonical.dossier import DossierStatus
from mappings.canonical.dossier_notices import (
    DossierProgress,
    DossierRemark,
    Ending,
    ReceivedDossier,
    ReturnedDossier,
    ReturnedResult,
    SupplementReceipt,
    SupplementRequest,
)
from mappings.canonical.dossier_parts import OwnerKind
from mappings.canonical.land import LandMatter, LandPlot
from mappings.canonical.tax import TaxItem, TaxNotice
from mappings.canonical.transfer import FiledSupplement, ResultConfirmation, ResultRefusal
from mappings.slots import Notes
from tests.contract.test_connectors_round_trips import (
    CODES,
    DOSSIERS,
    MOMENTS,
    NAMES,
    PROCEDURES,
    URLS,
    WORDS,
    few,
    maybe,
    model,
)

SYSTEMS = {name: load_connector(folder) for name, folder in find_connectors().items() if name.startswith("land_")}
SOURCES = {"officer.account": "000080000099"}
FILES = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
NOT_SENT = dict.fromkeys(
    ("id", "component_code", "digitised", "reuse", "from_document_store", "replaced_by_result", "file_type"),
    st.none(),
)
PAPERS = few(
    model(
        Document,
        name=WORDS,
        deleted=st.just(False),
        originals=maybe(st.integers(0, 99)),
        copies=maybe(st.integers(0, 99)),
        url=maybe(FILES),
        file_name=maybe(WORDS),
        **NOT_SENT,
    )
)
PLACES = model(
    Address,
    province=st.integers(1, 99).map("{:02d}".format),
    old_district=maybe(st.integers(1, 999).map("{:03d}".format)),
    commune=st.integers(1, 99999).map("{:05d}".format),
    detail=maybe(WORDS),
    country=st.none(),
)
TODAY = PLACES.map(lambda place: place.model_copy(update={"old_district": None}))
"""Where the hub says that land lies: there are no districts any more."""
PLOT = model(LandPlot, plot_number=CODES, sheet_number=maybe(CODES), area=maybe(CODES), address=maybe(WORDS))
LAND = model(LandMatter, provincial=maybe(st.booleans()), location=TODAY, plots=few(PLOT))
HANDED_OVER = st.builds(
    Dossier,
    code=DOSSIERS,
    procedure_code=PROCEDURES,
    procedure_name=WORDS,
    owner=st.builds(
        Owner, full_name=NAMES, kind=st.sampled_from(OwnerKind), identity_number=maybe(CODES), identities=st.just(())
    ),
    contact=maybe(st.builds(Contact, phone=CODES, email=maybe(WORDS), address=maybe(WORDS))),
    summary=WORDS,
    received_at=maybe(MOMENTS),
    due_at=maybe(MOMENTS),
    status=st.sampled_from(DossierStatus),
    documents=PAPERS,
    land=LAND,
)
FILED: dict[str, st.SearchStrategy[Any]] = {
    "file_supplement": model(
        FiledSupplement, dossier=DOSSIERS, due_at=maybe(MOMENTS), note=maybe(WORDS), documents=PAPERS
    ),
    "confirm_result": model(ResultConfirmation, dossier=DOSSIERS, returned_at=MOMENTS),
    "refuse_result": model(ResultRefusal, dossier=DOSSIERS, reason=WORDS, documents=PAPERS),
}
LINKED = model(
    Document,
    name=WORDS,
    deleted=st.just(False),
    file_type=maybe(CODES),
    url=maybe(URLS),
    originals=maybe(st.integers(0, 99)),
    copies=maybe(st.integers(0, 99)),
    **dict.fromkeys(
        (
            *("id", "component_code", "digitised", "reuse", "from_document_store", "replaced_by_result"),
            "file_name",
        ),
        st.none(),
    ),
)
TOLD: dict[str, st.SearchStrategy[Any]] = {
    "dossier_progressed": model(
        DossierProgress,
        dossier=DOSSIERS,
        from_officer=maybe(CODES),
        to_officer=maybe(CODES),
        step=maybe(CODES),
        sent_back=maybe(st.booleans()),
        content=maybe(WORDS),
        moved_at=maybe(MOMENTS),
        documents=few(LINKED),
    ),
    "supplement_requested": model(
        SupplementRequest,
        dossier=DOSSIERS,
        requested_at=MOMENTS,
        handler=maybe(CODES),
        paused=maybe(st.booleans()),
        request=maybe(WORDS),
        document=maybe(LINKED),
    ),
    "supplement_received": model(
        SupplementReceipt,
        dossier=DOSSIERS,
        received_at=MOMENTS,
        due_at=maybe(MOMENTS),
        note=maybe(WORDS),
        document=maybe(LINKED),
    ),
    "result_returned": model(
        ReturnedResult,
        dossier=DOSSIERS,
        finished_at=MOMENTS,
        handler=maybe(CODES),
        ending=st.sampled_from(Ending),
        note=maybe(WORDS),
        documents=few(LINKED),
    ),
    "tax_notice_received": model(
        TaxNotice,
        dossier=DOSSIERS,
        handler=maybe(CODES),
        issued_at=maybe(MOMENTS),
        note=maybe(WORDS),
        items=few(
            model(
                TaxItem,
                tax_code=st.none(),
                taxpayer=maybe(NAMES),
                notice_number=CODES,
                decided_on=st.none(),
                name=maybe(WORDS),
                amount=st.none(),
                url=maybe(URLS),
            )
        ),
    ),
    "dossier_returned": model(ReturnedDossier, dossier=DOSSIERS, handler=st.none(), reason=maybe(WORDS)),
    "procedure_disputed": model(DossierRemark, dossier=DOSSIERS, handler=maybe(CODES), remark=maybe(WORDS)),
    "update_requested": model(DossierRemark, dossier=DOSSIERS, handler=maybe(CODES), remark=maybe(WORDS)),
    "dossier_received": model(
        ReceivedDossier,
        receipt_number=CODES,
        procedure_code=CODES,
        procedure_name=WORDS,
        applicant=NAMES,
        identity_number=maybe(CODES),
        contact=maybe(st.builds(Contact, phone=CODES, email=maybe(WORDS), address=maybe(WORDS))),
        receiver=maybe(CODES),
        received_at=MOMENTS,
        due_at=MOMENTS,
        location=maybe(PLACES),
        plot=maybe(PLOT),
        documents=few(LINKED),
    ),
}
every_system = pytest.mark.parametrize("system", SYSTEMS)


def mapping_of(system: str, operation: str) -> Any:
    connector = SYSTEMS[system]
    return connector.mappings[connector.manifest.operations[operation].sends or ""]


@every_system
@pytest.mark.parametrize("operation", FILED)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_what_follows_on_a_dossier_survives_the_round_trip(system: str, operation: str, data: st.DataObject) -> None:
    value = data.draw(FILED[operation])
    mapping = mapping_of(system, operation)
    found = mapping.read(mapping.write(value, SOURCES))
    assert found is not None
    assert found.value == value
    assert found.fallbacks == ()


@every_system
@given(dossier=HANDED_OVER)
@settings(max_examples=60, deadline=None)
def test_all_of_a_dossier_that_concerns_the_land_office_can_be_read_from_what_it_gets(
    system: str, dossier: Dossier
) -> None:
    """What it does not get (kind of owner, abstract, status) keeps the whole from being a dossier again."""
    mapping, notes = mapping_of(system, "file_dossier"), Notes()
    found = mapping.gather(mapping.write(dossier, SOURCES), notes)
    assert notes.faults == []
    assert notes.fallbacks == []
    whole = {"summary": dossier.summary, "status": dossier.status} | found
    whole["owner"] = found["owner"] | {"kind": dossier.owner.kind}
    assert Dossier.model_validate(whole) == dossier


@every_system
@pytest.mark.parametrize("notice", TOLD)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_what_the_land_office_tells_survives_the_round_trip(system: str, notice: str, data: st.DataObject) -> None:
    value = data.draw(TOLD[notice])
    connector = SYSTEMS[system]
    mapping = connector.mappings[connector.manifest.notices[notice].returns or ""]
    found = mapping.read(mapping.write(value, SOURCES))
    assert found is not None
    assert found.value == value
    assert found.fallbacks == ()


@every_system
def test_every_notice_of_a_land_office_is_tried(system: str) -> None:
    notices = SYSTEMS[system].manifest.notices
    assert set(TOLD) == {name for name, table in notices.items() if table.kind == "notice"}


@every_system
def test_an_hour_in_the_province_is_the_same_hour_in_universal_time(system: str) -> None:
    value = ResultConfirmation.model_validate_json(
        '{"dossier": "000.00.14.H32-261123-0001", "returned_at": "2026-11-24T02:30:00+07:00"}'
    )
    assert mapping_of(system, "confirm_result").write(value, SOURCES)["NgayTra"] == "2026-11-23T19:30:00Z"
