"""What tax is thought to say of a taxpayer, and that what it tells us itself is what it tells through the portal."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.kit.exchange import WireReply
from connectors.kit.inbox import NotTaken, Understood, WireNotice
from connectors.kit.judging import judge
from connectors.kit.outcomes import Answered, Broken, Result, StaleCredentials, Unavailable
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples
from mappings.canonical.taxpayer import TaxpayerQuery
from tests.contract import alone

FOLDER = find_connectors()["tax"]
TAX = load_connector(FOLDER)
NPSP = find_connectors()["npsp"]
FOUND = {"MST": "9900000016", "TEN_NNT": "Hộ kinh doanh Không Tên", "TRANG_THAI": "00"}
STATUSES = {
    "00": "active", "01": "closed", "02": "moved", "03": "closing", "04": "active_for_a_time", "05": "suspended",
    "06": "absent", "07": "dissolving",
}  # fmt: skip


def judged(code: object, status: int = 200, **found: object) -> Any:
    body = json.dumps({"MA_LOI": code, "MO_TA": "", "DU_LIEU": FOUND | found}).encode()
    return judge(TAX.operations["lookup_taxpayer"], WireReply(status, {}, body), now=0.0, knows_us=True).outcome


def told(notice: str, body: object, key: str = "k3y") -> Understood | NotTaken:
    agency = alone.bound(TAX, security_key=key)
    assert agency.inbox is not None
    return agency.inbox.read(notice, WireNotice({}, {}, json.dumps(body).encode()))


@pytest.mark.parametrize(("code", "status"), STATUSES.items())
def test_a_tax_code_that_is_found_says_how_it_stands(code: str, status: str) -> None:
    outcome = judged("00", TRANG_THAI=code)
    assert isinstance(outcome, Answered), outcome
    assert (outcome.result, outcome.value.status) == (Result.OK, status)


@pytest.mark.parametrize("code", ["08", "0", "7", ""])
def test_a_state_that_no_list_has_is_not_guessed(code: str) -> None:
    assert isinstance(judged("00", TRANG_THAI=code), Broken)


@pytest.mark.parametrize("status", [200, 400, 404])
def test_the_body_counts_whatever_the_status(status: int) -> None:
    assert judged("01", status) == Answered(Result.NOT_FOUND)
    assert judged("02", status).reason.code == "tax.request_refused"
    assert judged("03", status).reason.code == "tax.not_allowed"
    assert isinstance(judged("99", status), Unavailable)
    assert isinstance(judged("401", status), StaleCredentials)


@pytest.mark.parametrize("number", ["9900000016", "9900000016-001", "99.000.000.16", "000180000011"])
def test_a_possible_tax_code_is_asked_for(number: str) -> None:
    query = TaxpayerQuery.model_validate({"tax_code": number})
    assert set(TAX.mappings["taxpayer_query"].write(query, {})) == {"MST"}


@pytest.mark.parametrize("number", ["9900000017", "0000000000", "990000001", "9900000016-000", "không"])
def test_an_impossible_one_is_refused_before_anybody_is_asked(number: str) -> None:
    with pytest.raises(ValidationError):
        TaxpayerQuery.model_validate({"tax_code": number})


def test_a_person_is_asked_for_by_citizen_id_and_by_nothing_else_only_without_a_tax_code() -> None:
    query = TAX.mappings["taxpayer_query"]
    assert query.write(TaxpayerQuery(citizen_id="000180000011"), {}) == {"SO_GIAY_TO": "000180000011"}
    both = TaxpayerQuery(tax_code="9900000016", citizen_id="000180000011")
    assert query.write(both, {}) == {"MST": "9900000016"}
    with pytest.raises(ValidationError, match="give tax_code or citizen_id"):
        TaxpayerQuery()


@pytest.mark.parametrize("notice", ["tax_notice_received", "tax_voucher_received"])
def test_what_the_portal_passes_on_from_tax_is_read_the_same_when_tax_sends_it(notice: str) -> None:
    samples = [one for one in load_samples(NPSP) if one.operation == notice and one.result == "taken"]
    assert samples
    for sample in samples:
        found = told(notice, json.loads(sample.request_agency or b"") | {"SecurityKey": "k3y"})
        assert isinstance(found, Understood), found
        values = [json.loads(one.value.model_dump_json(exclude_none=True)) for one in found.told if one.value]
        assert values == sample.request


@pytest.mark.parametrize("key", ["other", ""])
def test_a_push_with_another_key_is_not_believed(key: str) -> None:
    sample = next(one for one in load_samples(FOLDER) if one.name == "tax_voucher_received.taken")
    body = json.loads(sample.request_agency or b"") | {"SecurityKey": "k3y"}
    assert isinstance(told("tax_voucher_received", body), Understood)
    assert isinstance(told("tax_voucher_received", body, key), NotTaken)
