"""What linked civil-status services are known to say, stated apart from the files that say it, and what is made of it."""

import base64
import json
from datetime import date
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kit.connector import Connector
from connectors.kit.exchange import WireReply
from connectors.kit.inbox import Understood, WireNotice
from connectors.kit.judging import judge
from connectors.kit.operation import NoRecord, agrees, listed_requests
from connectors.kit.outcomes import Answered, Broken, Result, StaleCredentials, Unavailable
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples
from hub.listing import field_of
from mappings.canonical import MASK
from mappings.canonical.address import Address
from mappings.canonical.citizen import Sex
from mappings.canonical.civil_status import (
    CivilPerson,
    CivilStatusForm,
    DeathFacts,
    Registration,
    RegistrationKind,
    RegistrationResult,
    RegistrationStep,
)
from mappings.canonical.dossier import DossierStatus
from mappings.canonical.dossier_parts import Document
from tests.contract import alone
from tests.contract.test_connectors_round_trips import (
    BIRTHS,
    CITIZEN_IDS,
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

FOLDER = find_connectors()["civil_status"]
LINKED = load_connector(FOLDER)
PORTAL = load_connector(find_connectors()["civil_status_portal"])
SAMPLES = {one.name: one for one in load_samples(FOLDER)}
DAYS = st.dates(date(1900, 1, 1), date(2100, 1, 1))
UNITS = st.integers(0, 1_000_000)
RESIDENCE = model(
    Address,
    province=st.from_regex("[0-9]{2}", fullmatch=True),
    old_district=maybe(st.from_regex("[0-9]{3}", fullmatch=True)),
    commune=maybe(st.from_regex("[0-9]{5}", fullmatch=True)),
    detail=maybe(WORDS),
    country=st.none(),
)
# A person of whom nothing is told is written like none, so is read as none.
PERSON = model(
    CivilPerson,
    full_name=NAMES,
    born_on=maybe(BIRTHS),
    sex=maybe(st.sampled_from([Sex.MALE, Sex.FEMALE])),
    ethnic_group=maybe(CODES),
    nationality=maybe(CODES),
    residence_kind=maybe(CODES),
    residence=maybe(RESIDENCE),
    identity_kind=maybe(CODES),
    identity_number=maybe(CODES),
    citizen_id=maybe(CITIZEN_IDS),
    verified=maybe(CODES),
)
FORM = model(
    CivilStatusForm,
    child=maybe(PERSON),
    mother=maybe(PERSON),
    father=maybe(PERSON),
    deceased=maybe(PERSON),
    applicant=PERSON,
    death=maybe(
        model(
            DeathFacts,
            notice_kind=CODES,
            notice_number=maybe(CODES),
            notice_on=maybe(DAYS),
            notice_by=maybe(WORDS),
            died_on=maybe(BIRTHS),
            died_at=maybe(CODES),
            cause=maybe(WORDS),
        )
    ),
)
REGISTRATION = {
    "kind": st.sampled_from(RegistrationKind),
    "linked_code": DOSSIERS,
    "unit": maybe(UNITS),
    "received_at": maybe(MOMENTS),
    "form": FORM,
    "documents": few(
        model(
            Document,
            id=maybe(CODES),
            name=WORDS,
            deleted=st.booleans(),
            component_code=maybe(CODES),
            file_name=maybe(WORDS),
            **dict.fromkeys(
                (
                    "url", "digitised", "reuse", "from_document_store", "replaced_by_result", "originals", "copies",
                    "file_type",
                ),
                st.none(),
            ),
        )
    ),
}  # fmt: skip
VALUES: dict[str, tuple[Connector, st.SearchStrategy[Any]]] = {
    "registration": (
        LINKED,
        model(
            Registration,
            **REGISTRATION,
            id=CODES,
            procedure_code=maybe(PROCEDURES),
            tech_id=maybe(CODES),
            dossier=st.none(),
        ),
    ),
    "filed_registration": (
        LINKED,
        model(
            Registration,
            **REGISTRATION,
            id=st.none(),
            procedure_code=st.none(),
            tech_id=st.none(),
            dossier=DOSSIERS,
        ),
    ),
    "result": (
        LINKED,
        model(
            RegistrationResult,
            dossier=maybe(DOSSIERS),
            linked_code=maybe(DOSSIERS),
            status=maybe(CODES),
            note=maybe(WORDS),
            personal_id=maybe(CITIZEN_IDS),
            number=maybe(CODES),
            book=maybe(CODES),
            page=maybe(CODES),
            registered_on=maybe(DAYS),
            certificate=maybe(WORDS),
        ),
    ),
    "step": (
        PORTAL,
        model(
            RegistrationStep,
            linked_code=DOSSIERS,
            dossier=DOSSIERS,
            procedure_code=maybe(PROCEDURES),
            unit=maybe(UNITS),
            status=st.sampled_from(DossierStatus),
            done_at=MOMENTS,
            **dict.fromkeys(("note", "result", "position", "department", "content"), maybe(WORDS)),
            handler=maybe(NAMES),
            **dict.fromkeys(("started_at", "due_at", "due_before", "due_after", "supplement_by"), maybe(MOMENTS)),
        ),
    ),
}


def judged(operation: str, body: object, status: int = 200) -> Any:
    reply = WireReply(status, {}, json.dumps(body).encode())
    return judge(LINKED.operations[operation], reply, now=0.0, knows_us=True).outcome


def scanned(state: object = None, dossier: str = "000.00.14.H32-261123-0001") -> Any:
    value = [] if state is None else [{"maHoSoMCDT": dossier, "trangThai": state}]
    return judged("lookup_result", {"status": 1, "value": value})


def recorded(name: str) -> Registration:
    return Registration.model_validate_json(json.dumps(SAMPLES[name].request))


@pytest.mark.parametrize("mapping", VALUES)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_again(mapping: str, data: st.DataObject) -> None:
    connector, values = VALUES[mapping]
    value = data.draw(values)
    assert alone.read_back(connector, mapping, value) == value


@pytest.mark.parametrize(
    ("prefix", "who"),
    [("nks", "child"), ("me", "mother"), ("cha", "father"), ("nyc", "applicant"), ("nkt", "deceased")],
)
def test_a_prefix_says_of_whom_the_form_speaks(prefix: str, who: str) -> None:
    names = {"HoTen": "Trần Văn Không", "NgaySinh": "1951", "SoDDCN": "000051000011", "NoiCuTru": {"maTinh": "56"}}
    form = {"hoTich": {prefix + name: value for name, value in names.items()}}
    found = judged("lookup_registration", {"id": 1, "module": "KS", "maHoSo": "A-1", "data": json.dumps(form)})
    person = getattr(found.value.form, who)
    assert (person.full_name, person.citizen_id, person.residence.province) == ("Trần Văn Không", "000051000011", "56")
    assert {one for one in CivilStatusForm.model_fields if getattr(found.value.form, one)} == {who}


@pytest.mark.parametrize("data", [None, "", "{}", "không", '{"hoTich": {"nksNgaySinh": "01112026"}}', '{"hoTich": []}'])
def test_a_form_that_cannot_be_read_is_never_an_empty_one(data: str | None) -> None:
    found = judged("lookup_registration", {"id": 1, "module": "KS", "maHoSo": "A-1", "data": data})
    assert isinstance(found, Broken), found
    assert all("2026" not in str(fault) for fault in found.faults)


@pytest.mark.parametrize(("kind", "here", "there"), [("birth", "KS", "LTKS"), ("death", "KT", "LTKT")])
def test_birth_and_death_have_other_names_at_each_side(kind: str, here: str, there: str) -> None:
    whole = {"id": 1, "maHoSo": "A", "data": '{"hoTich":{"nycHoTen":"A"}}'}
    assert LINKED.mappings["registration"].read(whole | {"module": here}).value.kind == kind  # type: ignore[union-attr,attr-defined]
    filed = recorded("file_registration.pending").model_copy(update={"kind": RegistrationKind(kind)})
    assert LINKED.mappings["filed_registration"].write(filed, {})["module"] == there
    with pytest.raises(Exception, match="module"):
        LINKED.mappings["registration"].read(whole | {"module": there})


def test_each_line_of_the_list_is_fetched_whole_and_the_next_page_begins_behind_the_last() -> None:
    lines = [{"id": 100001, "module": "KS", "maHoSo": "A-1"}, {"id": "100002", "module": "??", "maHoSo": "A-2"}]
    listed = judged("list_registrations", {"data": lines})
    fetching = LINKED.operations["fetch_registration"]
    wanted = listed_requests(listed.value, fetching.request)
    assert [field_of(one) for one in wanted] == ["100001", "100002"], (
        "a module that no table has is for the registration"
    )
    agency = alone.bound(LINKED, province="56")
    assert agency.render("fetch_registration", wanted[0], {}).url.endswith("/chiTiet/100001")
    after = agency.render("list_registrations", NoRecord(), {"page.after": field_of(wanted[-1])})
    assert json.loads(after.body) == {"soLuong": "100", "tuId": "100002"}


@pytest.mark.parametrize("body", [{"data": None}, {"data": []}, {}])
def test_a_list_without_lines_is_an_empty_one(body: object) -> None:
    assert judged("list_registrations", body).value.registrations == ()


def test_a_registration_that_is_told_brings_its_papers_as_files() -> None:
    sample = SAMPLES["registration_received.taken"]
    inbox = alone.bound(LINKED, province="56").inbox
    assert inbox is not None
    read = inbox.read_again("registration_received", WireNotice({}, {"id": "100001"}, sample.request_agency or b""))
    assert isinstance(read, Understood)
    (told,) = read.told
    assert told.refs == {"id": "100001", "linked_code": "G00.00.00-261123-00001"}
    assert told.unique == '["100001"]'
    assert [one.url for one in told.value.documents] == list(told.files)  # type: ignore[union-attr]
    assert told.files


@pytest.mark.parametrize(("status", "result"), [(1, Result.PENDING), ("1", Result.PENDING), (0, Result.REFUSED)])
def test_taken_is_not_registered_yet(status: object, result: Result) -> None:
    assert judged("file_registration", {"status": status, "errorDescription": None}).result is result


def test_what_becomes_of_a_push_is_asked_until_the_register_has_decided() -> None:
    filing = LINKED.operations["file_registration"]
    assert filing.then == {"in_doubt": "lookup_result", "pending": "lookup_result"}
    assert not filing.repeat_safe
    assert LINKED.operations["lookup_result"].every == 1800


@pytest.mark.parametrize(
    ("state", "result", "reason"),
    [
        (4, Result.OK, None),
        ("4", Result.OK, None),
        (2, Result.REFUSED, "civil_status.supplement_needed"),
        (6, Result.REFUSED, "civil_status.refused"),
        (None, Result.PENDING, None),
        (1, Result.PENDING, None),
        (44, Result.PENDING, None),
        ("04", Result.PENDING, None),
    ],
)
def test_only_a_state_that_is_known_ends_a_registration(state: object, result: Result, reason: str | None) -> None:
    outcome = scanned(state)
    assert isinstance(outcome, Answered), outcome
    assert outcome.result is result
    assert (outcome.reason and outcome.reason.code) == reason


@pytest.mark.parametrize("value", [None, [], [{"trangThai": 4}]])
def test_a_scan_that_failed_says_nothing_of_the_dossier(value: object) -> None:
    assert isinstance(judged("lookup_result", {"status": 0, "value": value}), Unavailable)


@pytest.mark.parametrize(
    ("dossier", "same"), [("000.00.14.H32-261123-0001", True), ("000.00.14.H32-261123-0002", False)]
)
def test_a_push_in_doubt_is_settled_by_the_same_dossier_alone(dossier: str, same: bool) -> None:
    sent, found = recorded("file_registration.pending"), scanned(4, dossier).value
    look_up, filing = LINKED.operations["lookup_result"], LINKED.operations["file_registration"]
    assert agrees(look_up, filing, sent, found) is same
    assert not agrees(look_up, filing, sent, scanned().value), "nothing yet proves nothing"


def test_a_paper_comes_as_a_file_and_goes_as_one() -> None:
    content = b"gi\xe1\xba\xa5y"
    paper = {"tenGiayTo": "Giấy", "duLieuTepDinhKem": base64.b64encode(content).decode()}
    body = {"id": 1, "module": "KS", "maHoSo": "A-1", "data": '{"hoTich":{"nycHoTen":"A"}}', "fileDinhKem": [paper]}
    found = judged("lookup_registration", body)
    file = sha256(content).hexdigest()
    assert found.files == {file: content}
    assert found.value.documents[0].url == file
    filed = recorded("file_registration.pending").model_copy(update={"documents": found.value.documents})
    assert alone.bound(LINKED, province="56").render("file_registration", filed, {}).files == (file,)


def test_what_people_see_of_a_push_holds_nobody() -> None:
    wire = alone.bound(LINKED, province="56").render(
        "file_registration", recorded("file_registration.pending"), {}, mask=True
    )
    shown = json.dumps(wire.masked, ensure_ascii=False)
    assert MASK in shown
    for personal in ("Không", "000196000011", "1994", "hoTich"):
        assert personal not in shown


def test_a_token_is_put_before_every_state_and_renewed_when_it_ends() -> None:
    agency = alone.bound(PORTAL, client_id="centre", client_secret="0000-invented")
    step = RegistrationStep.model_validate_json(
        json.dumps(next(one.request for one in load_samples(PORTAL.folder) if one.name == "file_status.ok"))
    )
    wire = agency.render("file_status", step, {"auth.token": "t0ken"})
    assert wire.headers["Authorization"] == "Bearer t0ken"
    assert wire.fresh_connection, "a step that is sent twice may show twice"
    sent = json.loads(wire.body)
    assert (sent["trangThai"], sent["coQuanXuLy"]) == (5, 560), "numbers, not texts"
    gone = judge(PORTAL.operations["file_status"], WireReply(401, {}, b"{}"), now=0.0, knows_us=True).outcome
    assert isinstance(gone, StaleCredentials)
