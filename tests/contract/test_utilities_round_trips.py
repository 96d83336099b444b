"""What is asked of power and water companies, and what they say, is the same after it was written and read again."""

import csv
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from connectors.kit.registry import find_connectors, load_connector
from mappings.canonical.address import Address
from mappings.canonical.catalogues import Catalogue, CatalogueEntry
from mappings.canonical.document_store import FetchedFile
from mappings.canonical.dossier import DossierStatus
from mappings.canonical.dossier_parts import Contact, Document, IdentityKind
from mappings.canonical.partial_date import PartialDate
from mappings.canonical.utilities import (
    PriceGroup,
    SupplyStatus,
    UtilityApplicant,
    UtilityBill,
    UtilityBillQuery,
    UtilityBills,
    UtilityCatalogueQuery,
    UtilityCustomer,
    UtilityCustomerQuery,
    UtilityDocument,
    UtilityDocuments,
    UtilityFile,
    UtilityFileQuery,
    UtilityProgress,
    UtilityReceipt,
    UtilityRequest,
    UtilityRequestQuery,
    UtilityService,
    UtilityStep,
)
from mappings.language import read_mapping_file
from tests.contract.test_connectors_round_trips import (
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

FOLDERS = {name: find_connectors()[name] for name in ("power", "water_khawassco", "water_other")}
CONNECTORS = {name: load_connector(folder) for name, folder in FOLDERS.items()}
MAPPINGS = [(name, mapping) for name, connector in CONNECTORS.items() for mapping in connector.mappings]
DAYS = st.dates(date(1900, 1, 1), date(2100, 1, 1))
MONTHS = DAYS.map(lambda day: PartialDate(day.year, day.month))
FILES = st.binary(min_size=32, max_size=32).map(bytes.hex)
UNITS = st.sampled_from(["PQ0100", "PQ0200", "PB0200"])
COUNTS = st.integers(0, 1_000_000)
MONEY = st.integers(0, 10**12)


def meanings(name: str, table: str) -> list[tuple[str, str]]:
    with (FOLDERS[name] / f"codes/{table}.csv").open(encoding="utf-8", newline="") as file:
        return [(row["theirs"], row["ours"]) for row in csv.DictReader(file)]


def some(made: Any, /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """As `model`, of a shared model of which none of these companies knows the rest."""
    rest = {name: st.just(field.get_default()) for name, field in made.model_fields.items() if name not in fields}
    return model(made, **fields, **rest)


CONTACT = some(Contact, phone=CODES, email=maybe(WORDS), fax=maybe(CODES), address=maybe(WORDS))
APPLICANT = model(
    UtilityApplicant,
    full_name=NAMES,
    identity_kind=maybe(st.sampled_from(IdentityKind)),
    identity_number=maybe(CODES),
    identity_issued_on=maybe(DAYS),
    identity_issued_by=maybe(WORDS),
    tax_code=maybe(st.just("9990000018")),
    contact=maybe(CONTACT),
)
DOCUMENT = some(Document, name=WORDS, component_code=maybe(CODES), url=maybe(FILES))
STEP = model(
    UtilityStep,
    step=CODES,
    next_step=maybe(CODES),
    obstacle=maybe(CODES),
    reason=maybe(WORDS),
    content=maybe(WORDS),
    started_at=maybe(MOMENTS),
    ended_at=maybe(MOMENTS),
    due_on=maybe(DAYS),
)
PAPER = model(
    UtilityDocument,
    kind=CODES,
    name=maybe(WORDS),
    request=maybe(CODES),
    unit=maybe(UNITS),
    path=maybe(CODES),
    status=maybe(CODES),
)
BILL = model(
    UtilityBill,
    period=MONTHS,
    old_index=maybe(COUNTS),
    new_index=maybe(COUNTS),
    consumption=COUNTS,
    before_tax=maybe(MONEY),
    vat=maybe(MONEY),
    environment_fee=maybe(MONEY),
    total=MONEY,
    due_on=maybe(DAYS),
    paid=st.booleans(),
    paid_at=maybe(MOMENTS),
    invoice=maybe(CODES),
)
ENTRY = some(CatalogueEntry, code=CODES, name=WORDS)
ASKED = {"request": CODES, "unit": UNITS, "customer": st.none()}  # the branch is read back, whichever of them was given
VALUES = {
    UtilityReceipt: model(UtilityReceipt, request=CODES, received_at=maybe(MOMENTS), due_on=maybe(DAYS)),
    UtilityRequestQuery: model(UtilityRequestQuery, **ASKED),
    UtilityFileQuery: model(UtilityFileQuery, **ASKED, kind=CODES),
    UtilityFile: model(UtilityFile, **ASKED, kind=CODES, file=FILES),
    UtilityCatalogueQuery: model(UtilityCatalogueQuery, catalogue=CODES, unit=maybe(UNITS)),
    UtilityCustomerQuery: model(UtilityCustomerQuery, customer=CODES),
    UtilityCustomer: model(
        UtilityCustomer,
        customer=CODES,
        holder=NAMES,
        phone_masked=maybe(CODES),
        address=maybe(WORDS),
        meter=maybe(CODES),
        price_group=maybe(st.sampled_from(PriceGroup)),
        persons=maybe(COUNTS),
        status=st.sampled_from(SupplyStatus),
    ),
    UtilityBillQuery: model(UtilityBillQuery, customer=CODES, first_month=MONTHS, last_month=MONTHS),
    UtilityStep: STEP,
    UtilityDocument: PAPER,
    UtilityDocuments: model(UtilityDocuments, documents=few(PAPER)),
    UtilityBill: BILL,
    UtilityBills: model(UtilityBills, bills=few(BILL)),
    Catalogue: model(Catalogue, entries=few(ENTRY)),
    CatalogueEntry: ENTRY,
    Document: DOCUMENT,
    FetchedFile: model(FetchedFile, file=FILES),
}


def values(name: str, made: Any) -> st.SearchStrategy[Any]:
    """Give values of the model *made*, as the company *name* may have them."""
    if made is UtilityProgress:
        return progress(name)
    return request(name) if made is UtilityRequest else VALUES[made]


def request(name: str) -> st.SearchStrategy[Any]:
    unit = UNITS if name == "power" else st.none()
    return model(
        UtilityRequest,
        dossier=DOSSIERS,
        procedure_code=maybe(PROCEDURES),
        service=st.sampled_from([ours for _, ours in meanings(name, "service")]).map(UtilityService),
        unit=unit,
        customer=st.just("PQ01000000001") if name != "power" else st.none(),
        holder=maybe(NAMES),
        applicant=APPLICANT,
        representative=maybe(NAMES),
        authorised_on=maybe(DAYS),
        supply_address=maybe(some(Address, commune=st.just("22366"), detail=maybe(WORDS))),
        supply_point=maybe(CODES),
        purpose=maybe(WORDS),
        phases=maybe(st.integers(1, 3)),
        content=maybe(WORDS),
        due_on=maybe(DAYS),
        documents=few(DOCUMENT),
    )


def progress(name: str) -> st.SearchStrategy[Any]:
    table = "step" if name == "power" else "progress"
    return st.sampled_from(meanings(name, table)).flatmap(
        lambda both: model(
            UtilityProgress,
            request=CODES,
            dossier=maybe(DOSSIERS),
            unit=maybe(UNITS),
            step=st.just(both[0]),
            status=st.just(DossierStatus(both[1])),
            note=maybe(WORDS),
            happened_at=maybe(MOMENTS),
            due_on=maybe(DAYS),
            steps=few(STEP) if name == "power" else st.just(()),
        )
    )


def without(value: BaseModel, withheld: list[str]) -> Any:
    """Return *value* without the fields that a company neither gets nor gives."""
    changed: dict[str, Any] = {}
    for path in withheld:
        first, _, rest = path.removesuffix("[]").partition(".")
        here = changed.get(first, getattr(value, first))
        if rest:
            changed[first] = here if here is None else without(here, [rest])
        else:
            changed[first] = type(value).model_fields[first].get_default()
    return value.model_copy(update=changed)


@pytest.mark.parametrize(("name", "mapping"), MAPPINGS, ids=[f"{name}:{mapping}" for name, mapping in MAPPINGS])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read_back(name: str, mapping: str, data: st.DataObject) -> None:
    known = CONNECTORS[name].mappings[mapping]
    folder = next(
        folder for folder in (FOLDERS[name], FOLDERS["water_khawassco"]) if (folder / f"{mapping}.map.toml").is_file()
    )
    withheld = list(read_mapping_file(folder / f"{mapping}.map.toml").withheld)
    value = without(data.draw(values(name, known.canonical)), withheld)
    written = known.write(value, dict.fromkeys(known.sources, "2026-11-23T20:30:00+07:00"))
    found = known.read(written)
    assert found is not None
    assert found.value == value
