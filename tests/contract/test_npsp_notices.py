"""What the portal tells, and what is asked and answered beside dossiers, survives the way there and back."""

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from connectors.kit.binding import BoundAgency
from connectors.kit.inbox import NotTaken, Understood, WireNotice
from connectors.kit.registry import find_connectors, load_connector
from mappings.canonical.catalogues import Catalogue, CatalogueEntry
from mappings.canonical.document_store import (
    FetchedFile,
    StoredDocument,
    StoredDocumentQuery,
    StoredDocuments,
    StoredFile,
    StoredFileQuery,
    StoreReader,
    WantedDocument,
)
from mappings.canonical.dossier_notices import WithdrawnDossier
from mappings.canonical.questions import CitizenQuestion, Feedback, QuestionAnswer
from mappings.canonical.tax import TaxItem, TaxNotice, TaxVoucher, VoucherStatus
from tests.contract import alone
from tests.contract.test_connectors_round_trips import (
    AMOUNTS,
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

NPSP = load_connector(find_connectors()["npsp"])
SOURCES = {"auth.session": "0000", "unit.code": "000.00.14.H32"}
DAYS = MOMENTS.map(lambda moment: moment.date())
ENTRY = {"code": CODES, "name": WORDS}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "tax_notice": model(
        TaxNotice,
        dossier=DOSSIERS,
        handler=st.none(),
        issued_at=st.none(),
        note=st.none(),
        items=few(
            model(
                TaxItem,
                tax_code=maybe(CODES),
                taxpayer=st.none(),
                notice_number=CODES,
                decided_on=maybe(DAYS),
                name=maybe(WORDS),
                amount=maybe(AMOUNTS),
                url=st.none(),
            )
        ),
    ),
    "tax_voucher": model(
        TaxVoucher,
        dossier=DOSSIERS,
        tax_code=maybe(CODES),
        payer=maybe(NAMES),
        payer_identity=maybe(CODES),
        payer_address=maybe(WORDS),
        payer_commune=maybe(WORDS),
        payer_district=maybe(WORDS),
        payer_province=maybe(WORDS),
        url=maybe(URLS),
        notice_number=maybe(CODES),
        content=maybe(WORDS),
        paid_at=maybe(MOMENTS),
        amount=AMOUNTS,
        status=st.sampled_from(VoucherStatus),
    ),
    "withdrawal": model(WithdrawnDossier, dossier=DOSSIERS, reason=maybe(WORDS), withdrawn_at=maybe(MOMENTS)),
    "feedback": model(
        Feedback,
        id=CODES,
        dossier=maybe(DOSSIERS),
        agency_code=maybe(CODES),
        author=maybe(NAMES),
        content=WORDS,
        given_at=maybe(MOMENTS),
    ),
    "agency_list": model(Catalogue, entries=few(model(CatalogueEntry, **ENTRY, level=maybe(CODES), owner=st.none()))),
    "field_list": model(Catalogue, entries=few(model(CatalogueEntry, **ENTRY, level=st.none(), owner=maybe(CODES)))),
    "citizen_question": model(
        CitizenQuestion,
        id=CODES,
        answer_id=maybe(CODES),
        field_code=maybe(CODES),
        procedure_code=maybe(PROCEDURES),
        agency_code=maybe(CODES),
        agency_name=maybe(WORDS),
        asker=maybe(NAMES),
        email=maybe(WORDS),
        content=WORDS,
        answer=maybe(WORDS),
    ),
    "question_answer": model(
        QuestionAnswer,
        question=CODES,
        agency_code=CODES,
        answerer=NAMES,
        position=maybe(WORDS),
        answered_on=DAYS,
        content=WORDS,
    ),
    "stored_document_query": model(
        StoredDocumentQuery,
        owner_number=CODES,
        asker=NAMES,
        asker_number=CODES,
        reader=st.sampled_from(StoreReader),
        procedure_code=PROCEDURES,
        wanted=few(model(WantedDocument, result_code=CODES, number=maybe(CODES))),
    ),
    "stored_file_query": model(StoredFileQuery, agency=WORDS, path=URLS),
    "fetched_file": model(FetchedFile, file=st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
    "stored_documents": model(
        StoredDocuments,
        documents=few(
            model(
                StoredDocument,
                result_code=maybe(CODES),
                name=WORDS,
                number=maybe(CODES),
                agency=maybe(WORDS),
                files=few(model(StoredFile, name=WORDS, path=URLS)),
            )
        ),
    ),
}


@pytest.mark.parametrize("mapping", VALUES)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_again(mapping: str, data: st.DataObject) -> None:
    value = data.draw(VALUES[mapping])
    found = NPSP.mappings[mapping].read(NPSP.mappings[mapping].write(value, SOURCES))
    assert found is not None
    assert found.value == value
    assert found.fallbacks == ()


@pytest.fixture(scope="module")
def portal() -> BoundAgency:
    return alone.bound(NPSP, user_name="centre", password="0000-invented", security_key="k3y")


def pushed(portal: BoundAgency, *amounts: str, date: str = "26-11-2026") -> Understood | NotTaken:
    rows = "".join(
        f"<ROW_LIST><MA_HSO>A-{number}</MA_HSO><LIST><SO_QUYET_DINH>1</SO_QUYET_DINH>"
        f"<NGAY_QUYET_DINH>{date}</NGAY_QUYET_DINH><SO_TIEN>{amount}</SO_TIEN></LIST></ROW_LIST>"
        for number, amount in enumerate(amounts)
    )
    file = base64.b64encode(f"<DATA><BODY>{rows}</BODY></DATA>".encode()).decode()
    assert portal.inbox is not None
    body = to_json({"SecurityKey": "k3y", "Data": {"FileThongBaoThue": file}})
    return portal.inbox.read("tax_notice_received", WireNotice({}, {}, body))


@pytest.mark.parametrize("amount", ["", "abc", "1.500.000", "1,500,000", "1500000,5", "-5", "1e6", "1500000.25"])
def test_an_amount_that_cannot_be_read_never_becomes_zero(portal: BoundAgency, amount: str) -> None:
    found = pushed(portal, "1000", amount)
    if amount == "":  # not told: absent, and not nothing owed
        assert isinstance(found, Understood)
        assert found.told[1].value.items[0].amount is None  # type: ignore[union-attr]
        return
    assert isinstance(found, NotTaken)
    assert [fault.place for fault in found.faults] == ["told[1]/LIST[0]/SO_TIEN"]


def test_a_date_that_cannot_be_read_never_becomes_the_first_day_of_the_calendar(portal: BoundAgency) -> None:
    found = pushed(portal, "1000", date="26/11/2026")
    assert isinstance(found, NotTaken)
    assert [fault.place for fault in found.faults] == ["told[0]/LIST[0]/NGAY_QUYET_DINH"]


def test_a_decision_with_a_corrected_amount_is_told_and_a_repeat_is_not(portal: BoundAgency) -> None:
    first, again, corrected = (pushed(portal, amount) for amount in ("1000", "1000", "2000"))
    assert isinstance(first, Understood)
    assert isinstance(again, Understood)
    assert isinstance(corrected, Understood)
    assert first.told[0].unique == again.told[0].unique != corrected.told[0].unique
