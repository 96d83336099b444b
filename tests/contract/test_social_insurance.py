"""What social insurance is known to say, stated apart from the files that say it, and what is made of it."""

import json
from datetime import date
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.kit.exchange import Agency, WireReply
from connectors.kit.http import CannedSender
from connectors.kit.judging import judge
from connectors.kit.outcomes import Answered, Broken, InDoubt, Result, StaleCredentials, Unavailable
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples
from mappings.canonical import MASK, PartialDate
from mappings.canonical.health_insurance import (
    HealthCardQuery,
    Participation,
    ParticipationQuery,
    ParticipationStatus,
)
from mappings.errors import MappingFailed
from tests.contract import alone
from tests.contract.test_connectors_facts import words

FOLDER = find_connectors()["social_insurance"]
GATEWAY = load_connector(FOLDER)
LOOK_UP = GATEWAY.operations["lookup_card"]
SAMPLES = {one.name: one for one in load_samples(FOLDER)}
QUERY = HealthCardQuery.model_validate_json(json.dumps(SAMPLES["lookup_card.ok"].request))
FOUND = json.loads(SAMPLES["lookup_card.ok"].reply_agency or b"")
OFFICER = {"officer.name": "Nguyễn Văn Không", "officer.account": "000080000099"}
MADE = {"auth.token": "t0ken", "auth.id_token": "tw1n", **OFFICER}
PASSWORD_AS_MD5 = "b3ffd12c2a0a91982e3c80b56187c50f"
FIELDS = words(
    """maKetQua ghiChu maThe hoTen ngaySinh gioiTinh diaChi maDKBD cqBHXH gtTheTu gtTheDen maKV ngayDu5Nam maSoBHXH
    maTheCu maTheMoi gtTheTuMoi gtTheDenMoi maDKBDMoi tenDKBDMoi dsLichSuKCB2018[] dsLichSuKT2018[]"""
)
STATUSES = {"000": "valid", "00": "valid", "001": "of_defence", "002": "of_public_security", "003": "ended_replaced"}
STATUSES["004"] = "valid_replaced"
REASONS = {
    "010": "card_ended", "051": "card_number_wrong", "052": "card_province_wrong", "053": "card_benefit_wrong",
    "054": "officer_unknown", "055": "officer_name_differs", "060": "name_differs", "061": "name_differs",
    "070": "birth_differs", "080": "sex_differs", "090": "facility_differs", "110": "card_withdrawn",
    "120": "card_reduced", "121": "card_moved_away", "122": "card_moved_within", "123": "card_entered_again",
    "124": "participation_stopped", "130": "child_without_card", "205": "request_wrong",
    # the older generation
    "01": "card_ended", "02": "card_not_yet_good", "06": "name_differs", "07": "birth_differs", "08": "sex_differs",
    "09": "card_not_right", "11": "request_incomplete",
}  # fmt: skip

LGSP = load_connector(find_connectors()["social_insurance_lgsp"])


def judged(body: object, status: int = 200) -> object:
    reply = WireReply(status, {"content-type": "application/json"}, json.dumps(body).encode())
    return judge(LOOK_UP, reply, now=0.0, knows_us=True).outcome


def said(code: object, status: int = 200) -> object:
    return judged(FOUND | {"maKetQua": code}, status)


def bound() -> tuple[Agency, CannedSender]:
    sender = CannedSender(lambda _: InDoubt("reset"))
    agency = alone.bound(GATEWAY, sender=sender, user_name="00000_BV", password="0000-invented")
    return agency, sender


def test_every_field_of_the_answer_is_listed() -> None:
    listed = (FOLDER / "contract" / "fields.csv").read_text("utf-8")
    assert [name for name in FIELDS if f"lookup_card,reply,{name}," not in listed] == []


@pytest.mark.parametrize(("code", "status"), STATUSES.items())
def test_a_card_that_is_found_says_how_it_stands(code: str, status: str) -> None:
    outcome = said(code)
    assert isinstance(outcome, Answered), outcome
    assert (outcome.result, outcome.value.status) == (Result.OK, status)  # type: ignore[union-attr]


@pytest.mark.parametrize(("code", "reason"), REASONS.items())
@pytest.mark.parametrize("status", [200, 400])
def test_a_card_that_is_none_says_why_in_two_languages(code: str, reason: str, status: int) -> None:
    outcome = said(code, status)
    assert isinstance(outcome, Answered), outcome
    assert outcome.result is Result.REFUSED
    assert outcome.reason is not None
    assert (outcome.reason.agency_code, outcome.reason.code) == (code, f"social_insurance.{reason}")
    assert outcome.reason.vi
    assert outcome.reason.en


@pytest.mark.parametrize("status", [200, 400, 401, 404])
@pytest.mark.parametrize("code", ["050", "05"])
def test_the_body_counts_whatever_the_status(code: str, status: int) -> None:
    assert said(code, status) == Answered(Result.NOT_FOUND)


@pytest.mark.parametrize("code", ["100", "101", "500", "10"])
def test_a_failure_of_theirs_is_asked_again(code: str) -> None:
    assert isinstance(said(code), Unavailable)


@pytest.mark.parametrize("status", [200, 400, 401])
def test_a_token_that_ended_is_renewed(status: int) -> None:
    assert isinstance(said("401", status), StaleCredentials)


@pytest.mark.parametrize("code", ["1", "0", "0010", "0000", "200", "999", "", None, 0, 10.5])
def test_a_code_that_no_list_has_is_not_guessed(code: object) -> None:
    assert isinstance(said(code), Broken)


def test_a_success_with_a_status_of_failure_is_none() -> None:
    assert isinstance(said("000", 400), Broken)


def test_names_in_another_letter_case_are_read_and_told() -> None:
    outcome = judged({name[:1].upper() + name[1:]: value for name, value in FOUND.items()})
    assert isinstance(outcome, Answered), outcome
    assert outcome.value == judged(FOUND).value  # type: ignore[attr-defined]
    assert "maThe" in outcome.drift


def test_a_card_without_an_end_is_read() -> None:
    outcome = judged(FOUND | {"gtTheDen": ""})
    assert outcome.value.valid_until is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("born", ["17051980", "1980-05-17", "17-05-1980", "31/02/1980", "00/00/1980", "5/1980"])
def test_a_birth_date_of_another_form_is_not_guessed(born: str) -> None:
    assert isinstance(judged(FOUND | {"ngaySinh": born}), Broken)


def test_history_of_treatment_is_not_read() -> None:
    ill = [{"maHoSo": "0", "tenBenh": "không kể"}]
    assert judged(FOUND | {"dsLichSuKCB2018": ill}).value == judged(FOUND).value  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("born", "written"),
    [("1980-05-17", "17/05/1980"), ("1980-05", "05/1980"), ("1980", "1980")],
)
def test_a_birth_date_is_as_exact_as_it_is_known(born: str, written: str) -> None:
    agency, _ = bound()
    wire = agency.render("lookup_card", QUERY.model_copy(update={"born_on": PartialDate.of(born)}), MADE)
    assert json.loads(wire.body)["ngaySinh"] == written


def test_the_officer_who_asks_is_named() -> None:
    agency, _ = bound()
    body = json.loads(agency.render("lookup_card", QUERY, MADE).body)
    assert (body["hoTenCb"], body["cccdCb"]) == ("Nguyễn Văn Không", "000080000099")
    for missing in OFFICER:
        with pytest.raises(MappingFailed, match=missing):
            agency.render("lookup_card", QUERY, {**MADE, missing: None})


async def test_the_password_goes_out_as_its_md5_and_never_as_it_is() -> None:
    agency, sender = bound()
    await agency.log_in({}, timeout=5)
    assert json.loads(sender.sent[0].body) == {"username": "00000_BV", "password": PASSWORD_AS_MD5}
    wire = agency.render("lookup_card", QUERY, MADE)
    assert parse_qs(urlsplit(wire.url).query) == {
        "token": ["t0ken"], "id_token": ["tw1n"], "username": ["00000_BV"], "password": [PASSWORD_AS_MD5],
    }  # fmt: skip
    assert not any(b"0000-invented" in one.body or "0000-invented" in one.url for one in (*sender.sent, wire))


def test_what_people_see_of_a_question_holds_no_secret() -> None:
    agency, _ = bound()
    shown = json.dumps(agency.render("lookup_card", QUERY, MADE, mask=True).masked, ensure_ascii=False)
    for secret in ("t0ken", "tw1n", PASSWORD_AS_MD5, "000080000099", "Nguyễn Văn Không", QUERY.number, QUERY.full_name):
        assert secret not in shown
    assert MASK in shown


@pytest.mark.parametrize("number", ["GD456000000001", "0001800000", "000180000011", " ht2 56 0000000025 "])
def test_a_number_is_a_card_an_insurance_number_or_a_citizen_id(number: str) -> None:
    may = {"full_name": "Trần Thị Không", "born_on": "1980"}
    if number == "GD456000000001":
        with pytest.raises(ValueError, match="number"):
            HealthCardQuery.model_validate_json(json.dumps({"number": number, **may}))
    else:
        assert (
            HealthCardQuery.model_validate_json(json.dumps({"number": number, **may})).number
            == "".join(number.split()).upper()
        )


def test_somebody_who_no_longer_takes_part_is_found() -> None:
    body = {"maKetQua": "000", "moTa": "Thành công", "duLieu": {"maSoBHXH": "0000000025", "trangThai": "0"}}
    reply = WireReply(200, {}, json.dumps(body).encode())
    outcome = judge(LGSP.operations["lookup_participation"], reply, now=0.0, knows_us=True).outcome
    assert outcome.value == Participation(insurance_number="0000000025", status=ParticipationStatus.STOPPED)  # type: ignore[union-attr]


def test_the_secrets_of_the_gateway_never_go_to_the_other_road() -> None:
    assert LGSP.manifest.auth is not None
    assert set(LGSP.manifest.auth.put) == {"header:Authorization"}
    assert "log_in" not in LGSP.operations


def test_the_citizen_id_is_what_a_person_is_asked_for_by() -> None:
    both = ParticipationQuery(
        citizen_id="000180000011", insurance_number="0000000017", full_name="Trần Thị Không", born_on=date(1980, 5, 17)
    )
    sent = LGSP.mappings["participation_query"].write(both, {})
    assert sent == {"soDinhDanh": "000180000011", "hoTen": "Trần Thị Không", "ngaySinh": "19800517"}
    with pytest.raises(ValueError, match="give citizen_id or insurance_number"):
        ParticipationQuery(full_name="Trần Thị Không", born_on=date(1980, 5, 17))
