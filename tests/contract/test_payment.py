"""What the payment platform is known to want, stated apart from the files that say it; and that nobody pays twice, or for less."""

import csv
import hashlib
import json
from typing import Any

import pytest

from connectors.kit.answers import Signs
from connectors.kit.exchange import WireReply
from connectors.kit.inbox import NotTaken, Understood, WireNotice
from connectors.kit.operation import agrees, follow_up_request
from connectors.kit.outcomes import Answered, Broken, Outcome, Result
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples
from mappings.canonical import PaymentOrder, PaymentQuery, PaymentResult
from mappings.errors import MappingFailed
from tests.contract import alone
from tests.contract.test_connectors_facts import words

FOLDER = find_connectors()["payment"]
PAYMENT = load_connector(FOLDER)
START, LOOK_UP = PAYMENT.operations["start_payment"], PAYMENT.operations["lookup_payment"]
SAMPLES = {one.name: one for one in load_samples(FOLDER)}
KEY = "0000-sign-key-of-samples"
SETTINGS = {"partner_code": "TINHTN", "sign_key": KEY, "ip": "192.0.2.10"}
REFERENCE = "01930000000070008000000000000001"
SOURCES = {
    "call.id": "01930000-0000-7000-8000-000000000001",
    "call.reference": REFERENCE,
    "call.accepted_at": "2026-11-23T20:30:00+07:00",
}
RECEIPT = words("""MaDichVu MaDVC TenDVC MaTTHC TenTTHC MaDonVi TenDonVi MaHoSo TKThuHuong MaNHThuHuong TenTKThuHuong
MaLoaiHinhThuPhat TenLoaiHinhThuPhat MaCoQuanQD TenCoQuanQD KhoBac NgayQD SoQD ThoiGianViPham DiaDiemViPham
TenNguoiViPham TaiKhoanThuNSNN NoiDungThanhToan HoTenNguoiNop SoCMNDNguoiNop DiaChiNguoiNop HuyenNguoiNop TinhNguoiNop
PhiLePhi[]/LoaiPhiLePhi PhiLePhi[]/MaPhiLePhi PhiLePhi[]/TenPhiLePhi PhiLePhi[]/SoTien DSKhoanNop[]/NoiDung
DSKhoanNop[]/SoTien""")
SIGNED = words("""LoaiBanTin MaLoi MaDoiTac MaThamChieu SoTien MaTienTe MaGiaoDich MaNganHang ThoiGianGD
ThongTinGiaoDich""")
CHANGED = dict.fromkeys(SIGNED, "0001") | {"SoTien": 1, "ThoiGianGD": "20261123201501", "MaTienTe": " VND"}
"""Values that fit and are not what was signed."""


def bound(reply: WireReply | Outcome = alone.NOBODY) -> Any:
    return alone.bound(PAYMENT, reply, **SETTINGS)


def recorded(name: str) -> Any:
    return json.loads(SAMPLES[name].request_agency or b"")


def order(**changed: Any) -> PaymentOrder:
    return PaymentOrder.model_validate_json(json.dumps({**SAMPLES["start_payment.started"].request, **changed}))


async def told(name: str, **changed: Any) -> Outcome:
    """Say how the answer to a question is understood, when the recorded one is *changed*."""
    body = {**json.loads(SAMPLES[name].reply_agency or b""), **changed}
    agency = bound(WireReply(200, {"content-type": "application/json"}, json.dumps(body).encode()))
    query = PaymentQuery.model_validate_json(json.dumps(SAMPLES[name].request))
    outcome: Outcome = await agency.send("lookup_payment", agency.render("lookup_payment", query, {}), timeout=1.0)
    return outcome


def read(body: Any) -> Understood | NotTaken:
    found: Understood | NotTaken = bound().inbox.read(
        "payment_settled", WireNotice({"content-type": "application/json"}, {}, json.dumps(body).encode())
    )
    return found


def test_every_known_field_of_the_receipt_goes_out_and_is_listed() -> None:
    with (FOLDER / "contract/fields.csv").open(encoding="utf-8", newline="") as file:
        listed = {row["field"] for row in csv.DictReader(file) if row["operation"] == "start_payment"}
    assert {f"ThongTinBienLai/{field}" for field in RECEIPT} <= listed
    sent = recorded("start_payment.started")["ThongTinBienLai"]
    there = {
        *(key for key, value in sent.items() if value),
        *(f"{group}[]/{key}" for group in ("PhiLePhi", "DSKhoanNop") for key in sent[group][0]),
    }
    assert set(RECEIPT) <= there


def test_what_is_signed_is_what_clients_sign_in_their_order_with_the_secret_last() -> None:
    sent = recorded("start_payment.started")
    text = (
        "INIT|1.0.6|TINHTN|01930000000070008000000000000001|150000|PAY|1|1|vi-VN|VND|PAYMENT|"
        f"THANH TOAN HO SO 000.00.14.H32-261123-0001|20261123080000|192.0.2.10|{KEY}"
    )
    assert sent["MaXacThuc"] == hashlib.sha256(text.encode()).hexdigest()
    asked = recorded("lookup_payment.paid")
    text = f"QUERY|1.0.6|TINHTN|{REFERENCE}|20261123080000|{KEY}"
    assert asked["MaXacThuc"] == hashlib.sha256(text.encode()).hexdigest()


def test_the_secret_is_never_sent_and_never_shown() -> None:
    wire = bound().render("start_payment", order(), SOURCES, mask=True)
    assert KEY.encode() not in wire.body
    assert KEY not in json.dumps(wire.masked)


def test_a_value_that_holds_the_separator_is_refused_and_not_shown() -> None:
    with pytest.raises(MappingFailed) as failed:
        bound().render("start_payment", order(purpose="HO SO 1|150000"), SOURCES)
    assert [fault.place for fault in failed.value.faults] == ["ThongTinGiaoDich"]
    assert "HO SO 1" not in str(failed.value)


def test_an_evening_has_the_hours_of_an_evening() -> None:
    """One public client writes 12 hours, so half past eight in the evening would be signed as the morning."""
    sent = json.loads(bound().render("start_payment", order(), SOURCES).body)
    assert sent["ThoiGianGD"] == "20261123203000"


def test_a_retry_sends_the_same_payment_again_letter_by_letter() -> None:
    agency = bound()
    sent = [
        agency.render("start_payment", order(), {**SOURCES, "exchange.id": f"01930000-{number}", "exchange.at": at})
        for number, at in enumerate(["2026-11-23T20:30:01+07:00", "2026-11-24T09:00:00+07:00"])
    ]
    assert sent[0] == sent[1]
    assert json.loads(sent[0].body)["MaThamChieu"] == REFERENCE
    assert START.repeat_safe


def test_what_is_started_is_pending_and_never_paid() -> None:
    results = {row.result for row in START.judge.rows}
    assert "ok" not in results
    assert "pending" in results


def test_doubt_and_waiting_are_looked_up_by_the_reference_of_the_very_call() -> None:
    assert START.then == {"in_doubt": "lookup_payment", "pending": "lookup_payment"}
    assert START.own == {"reference": "call.reference", "started_at": "call.accepted_at"}
    assert LOOK_UP.every is not None
    refs = {name: SOURCES[source] for name, source in START.own.items()}
    for why in START.then:
        query = follow_up_request(START, why, order(), refs)
        assert isinstance(query, PaymentQuery)
        asked = json.loads(bound().render("lookup_payment", query, {}).body)
        started = json.loads(bound().render("start_payment", order(), SOURCES).body)
        assert (asked["MaThamChieu"], asked["ThoiGianGD"]) == (started["MaThamChieu"], started["ThoiGianGD"])


async def test_only_an_equal_amount_settles_a_doubt() -> None:
    paid = await told("lookup_payment.paid")
    assert isinstance(paid, Answered)
    assert agrees(LOOK_UP, START, order(), paid.value)
    assert not agrees(LOOK_UP, START, order(amount=150_001), paid.value)
    assert not LOOK_UP.sees_writes


@pytest.mark.parametrize(
    ("state", "code", "result"),
    [
        ("1", "00", "ok"),
        ("3", "00", "pending"),
        ("4", "00", "refused"),
        ("2", "00", None),
        (None, "00", None),
        ("1", "07", None),
        ("1", None, None),
        (None, "99", "unavailable"),
        ("4", "99", "unavailable"),
    ],
)
def test_a_payment_is_paid_or_failed_only_if_both_codes_say_so(
    state: str | None, code: str | None, result: str | None
) -> None:
    row = LOOK_UP.judge.row_for(Signs(200, state, code))
    assert (row and row.result) == result


@pytest.mark.parametrize("place", [place for place in SIGNED if place != "MaLoi"])
async def test_an_answer_of_which_anything_signed_was_changed_proves_nothing(place: str) -> None:
    outcome = await told("lookup_payment.paid", **{place: CHANGED[place]})
    assert isinstance(outcome, Broken)
    assert outcome.cause == "signature"


@pytest.mark.parametrize("shown", ["", None, "0" * 64])
async def test_an_answer_without_the_platforms_signature_proves_nothing(shown: str | None) -> None:
    assert isinstance(await told("lookup_payment.paid"), Answered)
    assert isinstance(await told("lookup_payment.paid", MaXacThuc=shown), Broken)


async def test_the_state_itself_is_covered_by_no_known_signature() -> None:
    """So of an answer the connection alone protects it: told here, because nobody would expect it."""
    assert "TrangThaiGD" not in SIGNED
    outcome = await told("lookup_payment.pending", TrangThaiGD="1")
    assert isinstance(outcome, Answered)
    assert outcome.result is Result.OK


def test_a_message_is_known_by_reference_and_outcome() -> None:
    found = read(recorded("payment_settled.taken"))
    assert isinstance(found, Understood)
    (one,) = found.told
    assert one.refs == {"reference": REFERENCE}
    again, failed = read(recorded("payment_settled.seen")), read(recorded("payment_settled.failed"))
    assert isinstance(again, Understood)
    assert isinstance(failed, Understood)
    assert again.told[0].unique == one.unique
    assert failed.told[0].unique != one.unique
    assert bound().inbox.notices["payment_settled"].agrees == ("amount",)


@pytest.mark.parametrize("place", [*SIGNED, "MaXacThuc"])
def test_a_message_of_which_anything_was_changed_is_not_believed(place: str) -> None:
    body = recorded("payment_settled.taken")
    for other in (CHANGED.get(place, "0" * 64), None):
        found = read({**body, place: other})
        assert isinstance(found, NotTaken), other
        assert found.way == "denied"
        assert REFERENCE not in str(found.faults)


def test_the_amount_is_signed_by_its_digits_whether_it_is_a_number_or_a_text() -> None:
    body = recorded("payment_settled.taken")
    for amount in (150000, "150000"):
        found = read({**body, "SoTien": amount})
        assert isinstance(found, Understood)
        assert isinstance(found.told[0].value, PaymentResult)
        assert found.told[0].value.amount == 150_000


def test_who_pays_and_who_was_paid_for_needs_an_officer() -> None:
    assert all(operation.personal_data for operation in PAYMENT.operations.values())


@pytest.mark.parametrize("name", ["payment", "business_register"])
def test_every_result_that_the_answers_give_is_recorded_and_drift_too(name: str) -> None:
    connector, samples = load_connector(find_connectors()[name]), load_samples(find_connectors()[name])
    for operation in connector.operations.values():
        ends = {sample.result for sample in samples if sample.operation == operation.name}
        assert {row.result for row in operation.judge.rows} <= ends
        assert "broken" in ends
    for notice in connector.manifest.notices:
        ends = {sample.result for sample in samples if sample.operation == notice}
        assert set(connector.manifest.notices[notice].replies) == ends
