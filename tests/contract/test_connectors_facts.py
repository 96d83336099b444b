"""
What the two agencies are known to want, stated apart from the files that say it: names of fields, codes, order, habits.

The lists below repeat the sources, not the connectors. A field that is lost in a contract or a mapping fails here.
"""

import csv
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from connectors.kit.answers import Signs
from connectors.kit.checks.rules import check_folder
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples
from mappings.canonical import Dossier, Owner
from mappings.canonical.dossier import DossierStatus
from mappings.canonical.dossier_parts import OwnerKind

FOLDERS = find_connectors()
POLICE = load_connector(FOLDERS["police"])
NPSP = load_connector(FOLDERS["npsp"])


def words(text: str) -> list[str]:
    return text.split()


ASKED = words("""MaYeuCau MaDVC MaTichHop MaCanBo MaDonVi TaiKhoan SoDienThoai SoDinhDanh SoCMND HoVaTen
NgayThangNamSinh/NgayThangNam NgayThangNamSinh/Nam""")
CITIZEN = [
    *words(
        """SoDinhDanh SoCMND HoVaTen/Ho HoVaTen/ChuDem HoVaTen/Ten GioiTinh DanToc TonGiao TinhTrangHonNhan NhomMau
        NgayThangNamSinh/Nam NgayThangNamSinh/NgayThangNam QuocTich SoSoHoKhau ChuHo/QuanHe ChuHo/SoDinhDanh
        ChuHo/SoCMND ChuHo/HoVaTen"""
    ),
    *(
        f"{place}/{part}"
        for place in ("NoiDangKyKhaiSinh", "QueQuan", "ThuongTru", "NoiOHienTai")
        for part in ("MaTinhThanh", "MaQuanHuyen", "MaPhuongXa", "ChiTiet", "QuocGia")
    ),
    *(
        f"{who}/{part}"
        for who in ("Cha", "Me", "VoChong", "NguoiDaiDien")
        for part in ("HoVaTen", "HoVaTen/Ho", "HoVaTen/ChuDem", "HoVaTen/Ten", "QuocTich", "SoDinhDanh", "SoCMND")
    ),
]
DOSSIER = words("""MaHoSo MaTTHC TenTTHC MaLinhVuc TenLinhVuc KenhThucHien ChuHoSo SoGiayToChuHoSo LoaiDoiTuong MaDoiTuong
ThongTinKhac Email Fax SoDienThoai TrichYeuHoSo NgayTiepNhan NgayHenTra NgayTra NgayKetThucXuLy NgayNopHoSo NgayTuChoi
TrangThaiHoSo ThongTinTra HinhThuc DonViXuLy GhiChu NoiNopHoSo HoSoCoThanhPhanSoHoa TaiKhoanDuocXacThucVoiVNeID
DuocThanhToanTrucTuyen DinhDanhCHS[]/LoaiDinhDanh DinhDanhCHS[]/SoDinhDanh DSKetNoiCSDL[]/MaCSDL""") + [
    f"{group}[]/{field}"
    for group, fields in {
        "TaiLieuNop": """TepDinhKemId TenTepDinhKem IsDeleted MaThanhPhanHoSo DuongDanTaiTepTin DuocSoHoa DuocTaiSuDung
            DuocLayTuKhoDMQG MaKetQuaThayThe""",
        "DanhSachLePhi": "TenPhiLePhi MaPhiLePhi HinhThucThu Gia LoaiPhiLePhi",
        "DanhSachTepDinhKemKhac": "TenGiayTo SoLuong LoaiGiayTo",
        "DanhSachHoSoBoSung": """HoSoBoSungId NguoiYeuCauBoSung NoiDungBoSung NgayBoSung NguoiTiepNhanBoSung
            ThongTinTiepNhan NgayTiepNhanBoSung TrangThaiBoSung DanhSachGiayToBoSung[] DanhSachLePhiBoSung[]
            NgayHenTraTruoc NgayHenTraMoi""",
        "DanhSachGiayToKetQua": "TenGiayTo MaThanhPhanHoSo GiayToId DuongDanTepTinKetQua MaGiayToKetQua",
    }.items()
    for field in words(fields)
]
STEP = words("""MaHoSo NguoiXuLy ChucDanh ThoiDiemXuLy PhongBanXuLy NoiDungXuLy TrangThai NgayBatDau
NgayKetThucTheoQuyDinh""")
TIMES = "CACHTHUCTHUCHIEN[]/THOIGIAN[]"
PROCEDURE = words(f"""MATTHC TENTTHC MACOQUANCONGBO LINHVUCTHUCHIEN[]/MALINHVUC LINHVUCTHUCHIEN[]/TENLINHVUC
TRINHTUTHUCHIEN[]/TRUONGHOP TRINHTUTHUCHIEN[]/TRINHTU[]/TENTRINHTU CACHTHUCTHUCHIEN[]/KENH {TIMES}/THOIGIANGIAIQUYET
{TIMES}/DONVITINH {TIMES}/MOTA {TIMES}/PHILEPHI[]/MAPHILEPHI {TIMES}/PHILEPHI[]/SOTIEN {TIMES}/PHILEPHI[]/DONVI
{TIMES}/PHILEPHI[]/MOTA THANHPHANHOSO[]/TRUONGHOP THANHPHANHOSO[]/GIAYTO[]/MAGIAYTO THANHPHANHOSO[]/GIAYTO[]/TENGIAYTO
THANHPHANHOSO[]/GIAYTO[]/TENMAUDON THANHPHANHOSO[]/GIAYTO[]/URL YEUCAU MOTADOITUONGTHUCHIEN
DOITUONGTHUCHIEN[]/TENDOITUONG KETQUATHUCHIEN[]/MAKETQUA KETQUATHUCHIEN[]/TENKETQUA CANCUPHAPLY[]/SOVANBAN
CANCUPHAPLY[]/TENVANBAN TRANGTHAI COQUANTHUCHIEN[]/MADONVI COQUANTHUCHIEN[]/TENDONVI""")
LAND = words("""LaQuyTrinhCapTinh TinhId HuyenId XaId SoBienNhan MaHoSoMotCua NguoiTiepNhan NgayTiepNhan NgayHenTra
DiaChiTaiSan ThongTinNguoiNopDon/HoTen ThongTinNguoiNopDon/SoChungMinh ThongTinNguoiNopDon/DiaChiChiTiet
ThongTinNguoiNopDon/SoDienThoai ThongTinNguoiNopDon/Email ThongTinQuyTrinh/MaQuyTrinh ThongTinQuyTrinh/TenQuyTrinh
ThongTinThuaDat[]/SoThuTuThua ThongTinThuaDat[]/SoHieuBanDo ThongTinThuaDat[]/DienTich ThongTinThuaDat[]/DiaChiChiTiet
DanhSachGiayToDinhKem[]/TenGiayTo DanhSachGiayToDinhKem[]/SoBanChinh DanhSachGiayToDinhKem[]/SoBanSao
DanhSachGiayToDinhKem[]/TapTin/name DanhSachGiayToDinhKem[]/TapTin/data""")
TAKEN = words("data status/success status/code status/type status/time status/message")
TOLD = {
    "dossier_progressed": """SoBienNhan MaCanBoChuyen MaCanBoNhan MaTrangThai LaTrangThaiChuyenLai NoiDungXuLy NgayChuyen
        HanXuLy DanhSachTapTin[]/TenGiayTo DanhSachTapTin[]/KieuFile DanhSachTapTin[]/LinkFile DanhSachTapTin[]/SoBanSao
        DanhSachTapTin[]/SoBanChinh SecurityCode""",
    "supplement_requested": "SoBienNhan NgayChoBoSung MaCanBoXuLy LaTamDung GhiChu TapTin/LinkFile",
    "supplement_received": "SoBienNhan NgayNhanBoSung NgayHenTraMoi GhiChu TapTin/LinkFile",
    "result_returned": "SoBienNhan NgayKetThuc MaCanBoXuLy TrangThaiKetThuc GhiChu DanhSachGiayToKetQua[]/LinkFile",
    "dossier_returned": "SoBienNhan GhiChu",
    "procedure_disputed": "SoBienNhan MaCanBoXuLy GhiChu",
    "update_requested": "SoBienNhan MaCanBoXuLy GhiChu",
}
TAX = (
    "SoBienNhan NguoiXuLy NgayCoKetQuaThue GhiChu DanhSachThongBaoThue[]/LoaiThue DanhSachThongBaoThue[]/SoThongBaoThue"
)
VOUCHER = words("""MaHoSo MaSoThue SoCMTNguoiNopTien HoTenNguoiNopTien DiaChiNguoiNopTien XaNguoiNopTien HuyenNguoiNopTien
TinhNguoiNopTien UrlFileChungTu ThongTinThanhToan/MaThongBaoThue ThongTinThanhToan/NoiDungThanhToan
ThongTinThanhToan/ThoiGianThanhToan ThongTinThanhToan/SoTien ThongTinThanhToan/TrangThaiThanhToan""")
EXPECTED = [
    *(
        one
        for system in ("land_vbdlis", "land_ilis")
        for one in (
            (system, "file_dossier", "request", "", LAND),
            (system, "file_dossier", "reply", "", TAKEN),
            (system, "confirm_result", "request", "", words("SoBienNhan NgayTra")),
            (system, "refuse_result", "request", "", words("SoBienNhan NoiDung DanhSachGiayToDinhKem[]/TenGiayTo")),
            (system, "file_supplement", "request", "", words("SoBienNhan NgayHenTraMoi GhiChu DanhSachGiayToBoSung[]")),
            *((system, notice, "request", "", words(fields)) for notice, fields in TOLD.items()),
            (system, "users_asked", "reply", "Data[]/", words("MaNguoiDung TenNguoiDung TenPhongBan ChucDanh")),
            (system, "statuses_asked", "reply", "Data[]/", words("MaTrangThai TenTrangThai")),
            (system, "procedures_asked", "reply", "Data[]/", words("MaThuTucHanhChinh TenThuTucHanhChinh")),
        )
    ),
    ("land_vbdlis", "tax_notice_received", "request", "", words(TAX)),
    (
        "land_vbdlis",
        "tax_notice_received",
        "request",
        "DanhSachThongBaoThue[]/",
        words("HoTenChu DuongDanThongBaoThue"),
    ),
    ("land_ilis", "tax_notice_received", "request", "", words(TAX)),
    ("land_ilis", "tax_notice_received", "request", "DanhSachThongBaoThue[]/", words("HoVaChu DuongDanTBT")),
    ("land_ilis", "log_in", "request", "", words("username password grant_type client_id client_secret")),
    ("land_ilis", "log_in", "reply", "", words("access_token expires_in token_type refresh_token scope")),
    ("npsp", "lookup_agencies", "reply", "result[]/", words("MADONVI TENDONVI CAPDONVI")),
    ("npsp", "lookup_fields", "reply", "result[]/", words("MALINHVUC TENLINHVUC MANGANH")),
    (
        *("npsp", "list_questions", "reply", "result[]/"),
        words("HOIDAPID TRALOIID MALINHVUC MADONVI TENDONVI HOVATEN NOIDUNG NOIDUNGTRALOI"),
    ),
    (
        *("npsp", "file_answer", "request", "data[]/"),
        words("HOIDAPID MADONVI NGUOITRALOI CHUCVUNGUOITRALOI NGAYTRALOI NOIDUNGTRALOI"),
    ),
    (
        *("npsp", "list_documents", "request", ""),
        words("""SoDinhDanhChuSoHuu HoTenNguoiYeuCau KenhThucHien SoDinhDanhNguoiYeuCau MaThuTuc
        DanhSachDanhMucKetQua[]/MaKetQua DanhSachDanhMucKetQua[]/SoKyHieu"""),
    ),
    ("npsp", "tax_notice_received", "request", "", words("SecurityKey Service Ngay IsUpdating Data/FileThongBaoThue")),
    ("npsp", "tax_voucher_received", "request", "Data/", VOUCHER),
    ("police", "lookup_citizen", "request", "", ASKED),
    ("police", "verify_citizen", "request", "", ASKED),
    ("police", "lookup_citizen", "reply", "CongdanCollection/CongDan/", CITIZEN),
    ("police", "verify_citizen", "reply", "KetQuaXacThucResponse/", ["TonTai"]),
    ("npsp", "log_in", "request", "", ["username", "password"]),
    ("npsp", "log_in", "reply", "", ["error_code", "session"]),
    ("npsp", "lookup_procedure", "request", "", ["session", "madonvi", "service", "maTTHC"]),
    ("npsp", "lookup_procedure", "reply", "result[]/", PROCEDURE),
    ("npsp", "lookup_dossier", "request", "", ["session", "madonvi", "service", "MaHoSo"]),
    ("npsp", "lookup_dossier", "reply", "result[]/", DOSSIER),
    ("npsp", "file_dossier", "request", "", ["session", "madonvi", "service", "isUpdating"]),
    ("npsp", "file_dossier", "request", "data[]/", DOSSIER),
    ("npsp", "update_dossier", "request", "data[]/", DOSSIER),
    ("npsp", "file_progress", "request", "data[]/", STEP),
]


@pytest.mark.parametrize(
    "folder", [*FOLDERS.values(), Path(str(files("connectors.kit") / "template"))], ids=lambda one: one.name
)
def test_the_checks_pass(folder: Path) -> None:
    report = check_folder(folder)
    assert report.passed, str(report)


@pytest.mark.parametrize(("connector", "operation", "direction", "base", "fields"), EXPECTED)
def test_every_known_field_is_listed_with_its_source(
    connector: str, operation: str, direction: str, base: str, fields: list[str]
) -> None:
    with (FOLDERS[connector] / "contract/fields.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["operation"], row["direction"], row["field"]): row for row in csv.DictReader(file)}
    missing = [field for field in fields if (operation, direction, base + field) not in rows]
    assert missing == []
    for row in rows.values():
        assert row["mark"] in ("seen", "memory", "assumption")
        assert row["source"] or row["mark"] != "seen", row


def test_every_known_field_of_a_dossier_goes_out() -> None:
    """Nothing that has a canonical home is dropped: the fullest conversation holds every field of the contract."""
    sample = next(one for one in load_samples(FOLDERS["npsp"]) if one.name == "file_dossier.ok")
    places = set(_places(json.loads(sample.request_agency or b"")["data"][0]))
    assert set(DOSSIER) <= places | {f"{place}[]" for place in places}


def _places(value: Any, base: str = "") -> Any:
    for key, inner in value.items():
        if isinstance(inner, list):
            yield f"{base}{key}"
            for item in inner:
                yield from _places(item, f"{base}{key}[]/")
        else:
            yield f"{base}{key}"


@pytest.mark.parametrize("sample", load_samples(FOLDERS["police"]), ids=lambda one: one.name)
def test_our_envelope_is_the_one_that_zeep_writes(sample: Any) -> None:
    assert POLICE.wsdl is not None
    ours = etree.fromstring(sample.request_agency)[-1][0]
    theirs = POLICE.wsdl.by_zeep(etree.QName(ours).localname, _values(ours))[-1][0]
    mine, zeep = ([(one.tag, (one.text or "").strip()) for one in body.iter()] for body in (ours, theirs))
    assert mine == zeep


def _values(element: Any) -> dict[str, Any]:
    return {etree.QName(child).localname: _values(child) if len(child) else child.text or "" for child in element}


def test_the_elements_of_a_question_stand_in_the_order_the_service_reads_them() -> None:
    sample = load_samples(FOLDERS["police"])[0]
    names = [etree.QName(child).localname for child in etree.fromstring(sample.request_agency or b"")[-1][0]]
    assert names[:4] == ["MaYeuCau", "MaDVC", "MaTichHop", "MaCanBo"]


@pytest.mark.parametrize(("status", "code"), list(zip(DossierStatus, map(str, range(1, 11)), strict=True)))
def test_a_status_goes_out_as_it_is(status: DossierStatus, code: str) -> None:
    """Some systems send 9 in place of 5, 6 and 8; then the portal shows a wrong state."""
    dossier = Dossier(
        code="000.00.14.H32-261123-0001",
        procedure_code="1.001776",
        procedure_name="Thủ tục thử nghiệm",
        owner=Owner(full_name="Trần Thị Sương", kind=OwnerKind.CITIZEN),
        summary="Đề nghị",
        status=status,
    )
    written = NPSP.mappings["dossier"].write(dossier, {})
    assert written["TrangThaiHoSo"] == code


@pytest.mark.parametrize(
    ("operation", "code", "says", "result"),
    [
        *(
            ("file_dossier", code, says, "ok")
            for code in ("0", "00", " 000 ")
            for says in ("Thành công", "", "Không thành công")
        ),
        ("file_dossier", None, "Thành công", None),
        ("file_dossier", "77", "Thành công", None),
        ("file_dossier", "3", "Hồ sơ đã tồn tại", "exists"),
        ("file_dossier", "-3", "HỒ SƠ ĐÃ TỒN TẠI", "exists"),
        ("file_dossier", "-03", "đã  tồn tại", "exists"),
        ("file_dossier", "-1", "Hồ sơ đã tồn tại", "exists"),
        ("file_dossier", "3", "Dữ liệu không hợp lệ", "refused"),
        ("file_dossier", "77", "Hồ sơ đã tồn tại", None),
        ("update_dossier", "3", "Hồ sơ đã tồn tại", "refused"),
        ("update_dossier", "-1", "Hồ sơ không tồn tại", "refused"),
        ("lookup_dossier", "-1", "Hồ sơ không tồn tại", "not_found"),
        ("file_progress", "-1", "ThoiDiemXuLy không được để trống", "refused"),
        ("file_progress", "401", "", "login"),
        ("file_progress", "-1", "Phiên làm việc đã hết hạn", "login"),
        ("log_in", "-1", "Sai mật khẩu", "refused"),
    ],
)
def test_what_the_portal_says_is_judged_by_its_code(
    operation: str, code: str | None, says: str, result: str | None
) -> None:
    row = NPSP.operations[operation].judge.row_for(Signs(200, code, says))
    assert (row and row.result) == result


def test_a_filing_becomes_an_update_and_doubt_a_look_up() -> None:
    assert NPSP.operations["file_dossier"].then == {"exists": "update_dossier", "in_doubt": "lookup_dossier"}
    assert NPSP.operations["update_dossier"].then == {"in_doubt": "lookup_dossier"}
    assert NPSP.operations["file_dossier"].repeat_safe
    assert not NPSP.operations["file_progress"].repeat_safe


def test_all_that_is_filed_for_a_dossier_goes_in_one_order() -> None:
    samples = {one.name: one for one in load_samples(FOLDERS["npsp"])}
    keys = set()
    for name in ("file_dossier.ok", "update_dossier.ok", "file_progress.ok"):
        operation = NPSP.operations[samples[name].operation]
        request = operation.request.model_validate_json(json.dumps(samples[name].request))
        keys.add(operation.order_key(request))
    assert keys == {"000.00.14.H32-261123-0001"}


def test_access_to_a_person_needs_an_officer() -> None:
    assert all(operation.personal_data for operation in POLICE.operations.values())
    assert NPSP.operations["lookup_dossier"].personal_data
