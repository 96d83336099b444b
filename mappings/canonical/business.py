"""
A business as the national register of businesses knows it, and how to ask for one.

Every field of the register's answer has a home here. Only its representatives are people; the rest is public.
"""

from typing import Annotated

from mappings.canonical.kinds import (
    Code,
    CommuneCode,
    Count,
    Day,
    DistrictCode,
    Line,
    Many,
    Name,
    ProvinceCode,
    TaxCode,
    Text,
)
from mappings.canonical.shape import Canonical, personal, told


class BusinessStatus(Canonical):
    """How a business stands by law, and since when it rests where it does (tình trạng pháp lý)."""

    code: Annotated[Code | None, told("Code of the register (mã tình trạng pháp lý)", "1")] = None
    name: Annotated[Line, told("What it is called (tình trạng pháp lý)", "Đang hoạt động")]
    suspended_from: Annotated[Day | None, told("First day of rest (ngày bắt đầu tạm ngừng)", "2026-01-01")] = None
    suspended_until: Annotated[Day | None, told("Last day of rest (ngày kết thúc tạm ngừng)", "2026-12-31")] = None
    suspension_reason: Annotated[Text | None, told("Why it rests (lý do tạm ngừng)", "Sửa chữa nhà xưởng")] = None


class BusinessRepresentative(Canonical):
    """A person who acts for a business by law (người đại diện theo pháp luật)."""

    full_name: Annotated[Name, personal("Full name (họ và tên)", "Trần Thị Không")]
    identity_kind: Annotated[
        Line | None, personal("Kind of identity paper (loại giấy tờ chứng thực)", "Căn cước công dân")
    ] = None
    identity_kind_code: Annotated[
        Code | None, personal("Kind of identity paper, code of the register (mã loại giấy tờ)", "5")
    ] = None
    identity_number: Annotated[Code | None, personal("Number of that paper (số giấy chứng thực)", "000180000011")] = (
        None
    )
    identity_issued_on: Annotated[Day | None, personal("When it was issued (ngày cấp)", "2022-03-15")] = None
    identity_issued_by: Annotated[Line | None, personal("Who issued it (nơi cấp)", "Cơ quan Thử nghiệm")] = None
    nationality: Annotated[Line | None, personal("Nationality in words (quốc tịch)", "Việt Nam")] = None
    nationality_code: Annotated[Code | None, personal("Nationality, code of the register (mã quốc tịch)", "234")] = None


class BusinessAddress(Canonical):
    """Where a business has its seat: codes of the General Statistics Office beside the names that were written (địa chỉ)."""

    country_name: Annotated[Line | None, told("Country in words (quốc gia)", "Việt Nam")] = None
    country_code: Annotated[Code | None, told("Country, code of the register (mã quốc gia)", "VN")] = None
    province: Annotated[ProvinceCode | None, told("Province, 2 digits (mã tỉnh thành)", "56")] = None
    province_name: Annotated[Line | None, told("Province in words (tên tỉnh thành)", "Tỉnh Thử nghiệm")] = None
    old_district: Annotated[
        DistrictCode | None, told("District before 01/07/2025, 3 digits, in old data only (mã quận huyện)", "568")
    ] = None
    old_district_name: Annotated[Line | None, told("That district in words (tên quận huyện)", "Quận Không")] = None
    commune: Annotated[CommuneCode | None, told("Commune, 5 digits (mã phường xã)", "22366")] = None
    commune_name: Annotated[Line | None, told("Commune in words (tên phường xã)", "Phường Không Tên")] = None
    house: Annotated[Line | None, told("House, street, hamlet (số nhà)", "Số 0, đường Không Tên")] = None
    detail: Annotated[
        Line | None, told("The whole address in a line (địa chỉ)", "Số 0, đường Không Tên, Phường Không Tên")
    ] = None


class BusinessActivity(Canonical):
    """A line of business (ngành nghề kinh doanh)."""

    code: Annotated[Code | None, told("Code of the list of economic activities, VSIC (mã ngành)", "0111")] = None
    name: Annotated[Text | None, told("What it is called (tên ngành)", "Trồng lúa")] = None
    main: Annotated[bool, told("Whether it is the main one (là ngành chính)", True)] = False


class Business(Canonical):
    """A business in the national register of businesses (doanh nghiệp)."""

    code: Annotated[Code, told("Number of the business, which is its tax code (mã số doanh nghiệp)", "9990000018")]
    internal_id: Annotated[Code | None, told("Key inside the register (mã nội bộ)", "1000001")] = None
    certificate_number: Annotated[
        Code | None, told("Number of its certificate before codes were one (số giấy chứng nhận ĐKKD)", "9900000001")
    ] = None
    kind_code: Annotated[Code | None, told("Kind, code of the register (mã loại hình doanh nghiệp)", "7")] = None
    kind_name: Annotated[
        Line | None,
        told("Kind in words (loại hình doanh nghiệp)", "Công ty trách nhiệm hữu hạn hai thành viên trở lên"),
    ] = None
    name: Annotated[Text, told("Name in Vietnamese (tên tiếng Việt)", "CÔNG TY TNHH KHÔNG TÊN")]
    foreign_name: Annotated[
        Text | None, told("Name in a foreign language (tên nước ngoài)", "KHONG TEN COMPANY LIMITED")
    ] = None
    short_name: Annotated[Text | None, told("Short name (tên viết tắt)", "KHONG TEN CO., LTD")] = None
    registered_on: Annotated[Day | None, told("First registration (ngày đăng ký lần đầu)", "2015-03-05")] = None
    changed_on: Annotated[Day | None, told("Latest change (ngày đăng ký thay đổi)", "2024-08-20")] = None
    changes: Annotated[Count | None, told("How often it changed (số lần đăng ký thay đổi)", 3)] = None
    statuses: Annotated[Many[BusinessStatus], told("How it stands by law (tình trạng pháp lý)")] = ()
    representatives: Annotated[Many[BusinessRepresentative], told("Who acts for it by law (đại diện pháp luật)")] = ()
    seat: Annotated[BusinessAddress | None, told("Where it has its seat (địa chỉ trụ sở)")] = None
    activities: Annotated[Many[BusinessActivity], told("What it does (ngành nghề kinh doanh)")] = ()


class BusinessQuery(Canonical):
    """Asks for one business (tra cứu doanh nghiệp)."""

    code: Annotated[TaxCode, told("Number of the business, its tax code (mã số doanh nghiệp)", "9990000018")]
