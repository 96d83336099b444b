"""
Reading back what was written gives the same value, for any request a caller may send: the promise of a table that is read both ways.
"""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kit.registry import find_connectors, load_connector
from mappings.canonical import (
    Attachment,
    CitizenQuery,
    ConsultedDatabase,
    Contact,
    Document,
    Dossier,
    DossierQuery,
    Fee,
    Identity,
    Owner,
    PartialDate,
    ProcedureQuery,
    ProcessingStep,
    ResultPaper,
    Supplement,
    SupplementPaper,
)
from mappings.canonical.dossier import Channel, DossierStatus, OnlinePayment, ReturnMethod, SubmittedAt
from mappings.canonical.dossier_parts import IdentityKind, OwnerKind, Reuse
from mappings.text import upper_name
from tests.contract import alone

SOURCES = {
    "exchange.id": "01930000-0000-7000-8000-000000000001",
    "officer.account": "000080000099",
    "settings.service_code": "DVC-TEST",
    "auth.session": "0000",
    "unit.code": "000.00.14.H32",
}
VIETNAM = timezone(timedelta(hours=7))
LETTERS = "aàảãáạăằâấbcdđeèêềghiìklmnoòôồơờpqrstuùưừvxyỳABCDĐEÊNTỲ0123456789 ,./&<>\"'"
WORDS = st.text(LETTERS, min_size=1, max_size=40).map(lambda text: " ".join(text.split())).filter(bool)
NAMES = st.text("aàảãáạăằâấbcdđeèêềghiìklmnoòôồơờpqrstuùưừvxyỳABCDĐEÊNTỲ ", min_size=1, max_size=40)
NAMES = NAMES.map(lambda text: " ".join(text.split())).filter(bool)
CODES = st.from_regex(r"[A-Z0-9][A-Z0-9.\-]{0,19}", fullmatch=True)
DOSSIERS = st.from_regex(r"[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.H32-26[0-9]{4}-[0-9]{4,5}", fullmatch=True)
PROCEDURES = st.from_regex(r"[1-9]\.[0-9]{6}", fullmatch=True)
MOMENTS = st.integers(631_152_000, 4_102_444_800).map(
    lambda second: datetime.fromtimestamp(second, UTC).astimezone(VIETNAM)
)
AMOUNTS = st.integers(0, 10**12)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


def few(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(values, max_size=2).map(tuple)


def model(made: Any, /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    assert set(fields) == set(made.model_fields), f"a field of {made.__name__} is not tried"
    return st.builds(made, **fields)


URLS = CODES.map(lambda code: f"https://files.centre.example/{code}")
FEES = model(Fee, name=WORDS, code=maybe(CODES), collection=maybe(CODES), amount=AMOUNTS, kind=maybe(CODES))
DOSSIER = model(
    Dossier,
    code=DOSSIERS,
    procedure_code=PROCEDURES,
    procedure_name=WORDS,
    field_code=maybe(CODES),
    field_name=maybe(WORDS),
    channel=maybe(st.sampled_from(Channel)),
    owner=model(
        Owner,
        full_name=NAMES,
        kind=st.sampled_from(OwnerKind),
        identity_number=maybe(CODES),
        tech_id=maybe(CODES),
        identities=few(model(Identity, kind=st.sampled_from(IdentityKind), number=CODES)),
    ),
    # A contact in which nothing is given is written like no contact, so it is read as none.
    contact=maybe(
        model(Contact, phone=CODES, email=maybe(WORDS), fax=maybe(CODES), other=maybe(WORDS), address=st.none())
    ),
    summary=WORDS,
    submitted_at=maybe(MOMENTS),
    received_at=maybe(MOMENTS),
    refused_at=maybe(MOMENTS),
    due_at=maybe(MOMENTS),
    finished_at=maybe(MOMENTS),
    returned_at=maybe(MOMENTS),
    status=st.sampled_from(DossierStatus),
    return_note=maybe(WORDS),
    return_method=maybe(st.sampled_from(ReturnMethod)),
    processing_unit=maybe(WORDS),
    note=maybe(WORDS),
    documents=few(
        model(
            Document,
            id=maybe(CODES),
            name=WORDS,
            deleted=st.booleans(),
            component_code=maybe(CODES),
            url=maybe(URLS),
            digitised=maybe(st.booleans()),
            reuse=maybe(st.sampled_from(Reuse)),
            from_document_store=maybe(st.booleans()),
            replaced_by_result=maybe(CODES),
            **dict.fromkeys(("originals", "copies", "file_name", "file_type"), st.none()),  # withheld
        )
    ),
    fees=few(FEES),
    attachments=few(model(Attachment, name=WORDS, quantity=maybe(st.integers(0, 99)), kind=maybe(CODES))),
    supplements=few(
        model(
            Supplement,
            id=CODES,
            requested_by=maybe(NAMES),
            request=maybe(WORDS),
            requested_at=maybe(MOMENTS),
            received_by=maybe(NAMES),
            received_note=maybe(WORDS),
            received_at=maybe(MOMENTS),
            status=maybe(CODES),
            papers=few(
                model(SupplementPaper, name=WORDS, id=maybe(CODES), component_code=maybe(CODES), url=maybe(URLS))
            ),
            fees=few(FEES),
            due_before=maybe(MOMENTS),
            due_after=maybe(MOMENTS),
        )
    ),
    results=few(
        model(
            ResultPaper,
            name=WORDS,
            component_code=maybe(CODES),
            id=maybe(CODES),
            url=maybe(URLS),
            result_code=maybe(CODES),
        )
    ),
    submitted_through=maybe(st.sampled_from(SubmittedAt)),
    has_digitised_parts=maybe(st.booleans()),
    account_verified=maybe(st.booleans()),
    online_payment=maybe(st.sampled_from(OnlinePayment)),
    consulted_databases=few(model(ConsultedDatabase, code=CODES)),
    land=st.none(),
)
STEP = model(
    ProcessingStep,
    dossier=DOSSIERS,
    handler=NAMES,
    position=maybe(WORDS),
    processed_at=MOMENTS,
    unit=maybe(WORDS),
    content=maybe(WORDS),
    status=st.sampled_from(DossierStatus),
    started_at=maybe(MOMENTS),
    due_at=maybe(MOMENTS),
)
YEARS = st.integers(1900, 2026).map(PartialDate)
BIRTHS = st.dates(date(1900, 1, 1), date(2026, 1, 1)).map(PartialDate.of) | YEARS
CITIZEN_IDS = st.from_regex(r"000[0-9]{9}", fullmatch=True)
OLD_IDS = st.from_regex(r"[0-9]{9}", fullmatch=True)
# Both numbers at once are not tried: the contract takes one, so the second is not sent.
QUERY = model(CitizenQuery, citizen_id=CITIZEN_IDS, old_id=st.none(), full_name=NAMES, born_on=BIRTHS) | model(
    CitizenQuery, citizen_id=st.none(), old_id=OLD_IDS, full_name=NAMES, born_on=BIRTHS
)
POLICE = load_connector(find_connectors()["police"])
NPSP = load_connector(find_connectors()["npsp"])


@pytest.mark.parametrize("operation", ["lookup_citizen", "verify_citizen"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_question_about_a_citizen_survives_the_round_trip(operation: str, data: st.DataObject) -> None:
    query = data.draw(QUERY)
    mapping = POLICE.mappings[POLICE.manifest.operations[operation].sends or ""]
    element = mapping.write(query, SOURCES)
    assert POLICE.wsdl is not None
    assert POLICE.wsdl.schema.validate(element), POLICE.wsdl.schema.error_log
    found = mapping.read(element)
    assert found is not None
    assert found.value == query.model_copy(update={"full_name": upper_name(query.full_name)})
    assert mapping.normal(query) == found.value, "without any source"


@given(query=QUERY)
@settings(max_examples=30, deadline=None)
def test_the_citizen_id_wins_when_both_numbers_are_given(query: CitizenQuery) -> None:
    both = query.model_copy(update={"citizen_id": "000085000001", "old_id": "000123451"})
    element = POLICE.mappings["citizen_query"].write(both, SOURCES)
    sent = {child.tag.rpartition("}")[2]: child.text for child in element}
    assert sent["SoDinhDanh"] == "000085000001"
    assert "SoCMND" not in sent


@given(dossier=DOSSIER)
@settings(max_examples=80, deadline=None)
def test_a_dossier_survives_the_round_trip(dossier: Dossier) -> None:
    payload = NPSP.mappings["dossier"].write(dossier, SOURCES)
    found = NPSP.mappings["dossier"].read(payload)
    assert found is not None
    assert found.value == dossier
    assert found.fallbacks == ()
    assert NPSP.mappings["dossier"].normal(dossier) == dossier


@given(step=STEP)
@settings(max_examples=40, deadline=None)
def test_a_step_survives_the_round_trip(step: ProcessingStep) -> None:
    assert alone.read_back(NPSP, "processing_step", step, SOURCES) == step


@given(code=PROCEDURES, suffix=st.sampled_from(["", ".H32", ".000.00.00.H32"]), dossier=DOSSIERS)
@settings(max_examples=30, deadline=None)
def test_short_questions_survive_the_round_trip(code: str, suffix: str, dossier: str) -> None:
    asked: Any = ProcedureQuery(code=code + suffix)
    assert alone.read_back(NPSP, "procedure_query", asked, SOURCES) == ProcedureQuery(code=code)
    asked = DossierQuery(code=dossier)
    assert alone.read_back(NPSP, "dossier_query", asked, SOURCES) == asked


@given(text=st.text(LETTERS, min_size=1001, max_size=1200).filter(lambda text: len(text.strip()) > 1000))
@settings(max_examples=20, deadline=None)
def test_a_long_abstract_is_cut_where_the_portal_may_cut(text: str) -> None:
    dossier = Dossier(
        code="000.00.14.H32-261123-0001",
        procedure_code="1.001776",
        procedure_name="Thủ tục",
        owner=Owner(full_name="Trần Thị Sương", kind=OwnerKind.CITIZEN),
        summary=text,
        status=DossierStatus.RECEIVED,
    )
    written = NPSP.mappings["dossier"].write(dossier, SOURCES)["TrichYeuHoSo"]
    assert 0 < len(written) <= 1000
    assert dossier.summary.startswith(written)
