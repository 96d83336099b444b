"""What the register of businesses is known to say, stated apart from the files that say it, and what is made of it."""

import csv
import json

import pytest

from connectors.kit.answers import Signs
from connectors.kit.exchange import WireReply
from connectors.kit.judging import judge
from connectors.kit.outcomes import Answered, Broken, Result
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples
from mappings.canonical import BusinessQuery
from mappings.canonical.business import BusinessAddress, BusinessRepresentative, BusinessStatus
from tests.contract.test_connectors_facts import words

FOLDER = find_connectors()["business_register"]
REGISTER = load_connector(FOLDER)
LOOK_UP = REGISTER.operations["lookup_business"]
FIELDS = [
    *words(
        """MaNoiBo MaSoDoanhNghiep SoGCNDKKD MaLoaiHinhDN LoaiHinhDN TenTiengViet TenNuocNgoai TenVietTat NgayDangKyLanDau
        NgayDangKyThayDoi SoLanDangKyThayDoi TinhTrangPhapLy[] DaiDienPhapLuat[] DiaChiTruSo[]
        NganhNgheKinhDoanh[]"""
    ),
    *(
        f"{group}/{field}"
        for group, fields in {
            "TinhTrangPhapLy[]": "TinhTrangPhapLy MaTinhTrangPhapLy NgayBatDauTamNgung NgayKetThucTamNgung LyDoTamNgung",
            "DaiDienPhapLuat[]/ThongTinCaNhan[]": """HoVaTen LoaiGiayToChungThuc MaLoaiGiayToChungThuc SoGiayChungThuc
                NgayCap NoiCap QuocTich MaQuocTich""",
            "DiaChiTruSo[]/DiaChi[]": """QuocGia MaQuocGia TenTinhThanh MaTinhThanh TenQuanHuyen MaQuanHuyen TenPhuongXa
                MaPhuongXa DiaChi SoNha""",
            "NganhNgheKinhDoanh[]": "MaNganh TenNganh LaNganhChinh",
        }.items()
        for field in words(fields)
    ),
]


def judged(body: object) -> object:
    reply = WireReply(200, {"content-type": "application/json"}, json.dumps(body).encode())
    return judge(LOOK_UP, reply, now=0.0, knows_us=True).outcome


def test_a_mistyped_number_is_refused_before_anybody_is_asked() -> None:
    for wrong in ("9990000017", "0000000000", "999000001", "MST 1"):
        with pytest.raises(ValueError, match="tax code"):
            BusinessQuery(code=wrong)
    assert BusinessQuery(code="9990000018").code == "9990000018"


def test_every_known_field_of_a_business_is_listed_and_read() -> None:
    with (FOLDER / "contract/fields.csv").open(encoding="utf-8", newline="") as file:
        listed = {row["field"] for row in csv.DictReader(file) if row["direction"] == "reply"}
    assert {f"GetEntCert[]/{field}" for field in FIELDS} <= listed
    fullest = next(one for one in load_samples(FOLDER) if one.name == "lookup_business.ok")
    value = json.dumps(fullest.reply, ensure_ascii=False)
    assert "null" not in value
    for name in [*BusinessStatus.model_fields, *BusinessRepresentative.model_fields, *BusinessAddress.model_fields]:
        assert f'"{name}"' in value


def test_null_is_not_found_and_an_answer_without_its_list_is_broken() -> None:
    for body in ({"GetEntCert": None}, {"GetEntCert": []}):
        outcome = judged(body)
        assert isinstance(outcome, Answered)
        assert outcome.result is Result.NOT_FOUND
    for body in ({}, {"message": "ok"}, []):
        assert isinstance(judged(body), Broken)


def test_a_second_record_in_a_list_of_one_is_told_as_drift() -> None:
    one = {"MaSoDoanhNghiep": "9990000018", "TenTiengViet": "CÔNG TY KHÔNG TÊN"}
    assert judged({"GetEntCert": [one]}).drift == ()  # type: ignore[attr-defined]  # Answered
    assert judged({"GetEntCert": [one, one]}).drift != ()  # type: ignore[attr-defined]  # Answered
    two = {**one, "DiaChiTruSo": [{"DiaChi": [{"MaTinhThanh": 1}, {"MaTinhThanh": 2}]}]}
    assert judged({"GetEntCert": [two]}).drift != ()  # type: ignore[attr-defined]  # Answered


def test_who_acts_for_a_business_is_personal_and_needs_an_officer() -> None:
    assert LOOK_UP.personal_data
    assert LOOK_UP.judge.row_for(Signs(401)) is not None
