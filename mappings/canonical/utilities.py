"""
What people ask of the companies that bring power and water, how it goes on, and what the companies know of a customer.

One shape for all of them: a change of owner is the same request, whatever comes out of the line or the pipe.
"""

from enum import StrEnum
from typing import Annotated

from mappings.canonical.address import Address
from mappings.canonical.dossier import DossierStatus
from mappings.canonical.dossier_parts import Contact, Document, IdentityKind
from mappings.canonical.kinds import (
    Choice,
    Code,
    Count,
    Day,
    DossierCode,
    FileRef,
    Line,
    Many,
    Moment,
    Money,
    Name,
    ProcedureCode,
    TaxCode,
    Text,
    Url,
)
from mappings.canonical.partial_date import PartialDate
from mappings.canonical.shape import Canonical, personal, told


class UtilityService(StrEnum):
    """What is asked for (loại yêu cầu, dịch vụ). No company offers all of it."""

    NEW_CONNECTION = "new_connection"
    """Cấp điện mới hạ áp; lắp đặt đồng hồ nước mới."""
    NEW_CONNECTION_MEDIUM_VOLTAGE = "new_connection_medium_voltage"
    """Cấp điện mới trung áp."""
    CHANGE_OWNER = "change_owner"
    """Thay đổi chủ thể hợp đồng; sang tên."""
    CHANGE_CAPACITY = "change_capacity"
    """Thay đổi công suất."""
    CHANGE_PHASES = "change_phases"
    """Thay đổi loại công tơ 1 pha, 3 pha."""
    CHANGE_PURPOSE = "change_purpose"
    """Thay đổi mục đích sử dụng."""
    CHANGE_QUOTA = "change_quota"
    """Thay đổi định mức, số hộ, số nhân khẩu."""
    RELOCATE_METER = "relocate_meter"
    """Thay đổi vị trí thiết bị đo đếm; di dời, nâng hạ đồng hồ."""
    CHECK_METER = "check_meter"
    """Kiểm tra công tơ; kiểm định đồng hồ."""
    EXTEND_CONTRACT = "extend_contract"
    """Gia hạn hợp đồng."""
    END_CONTRACT = "end_contract"
    """Chấm dứt hợp đồng."""
    SUSPEND_SUPPLY = "suspend_supply"
    """Tạm ngưng cấp."""
    RESUME_SUPPLY = "resume_supply"
    """Mở lại."""
    REPORT_FAULT = "report_fault"
    """Báo sự cố."""


class UtilityApplicant(Canonical):
    """Who asks; of a change of owner the one who takes the contract over (người yêu cầu)."""

    full_name: Annotated[Name, personal("Full name (tên người yêu cầu)", "Trần Thị Không")]
    identity_kind: Annotated[
        Choice[IdentityKind] | None, told("Which kind of number identifies them (loại định danh)", "citizen_id")
    ] = None
    identity_number: Annotated[Code | None, personal("That number (số định danh)", "000180000011")] = None
    identity_issued_on: Annotated[Day | None, personal("When that paper was issued (ngày cấp)", "2021-05-17")] = None
    identity_issued_by: Annotated[
        Line | None, personal("Who issued it (nơi cấp)", "Cục Cảnh sát quản lý hành chính về trật tự xã hội")
    ] = None
    tax_code: Annotated[TaxCode | None, personal("Tax code (mã số thuế)", "9990000018")] = None
    contact: Annotated[Contact | None, told("How to reach them (liên hệ)")] = None


class UtilityRequest(Canonical):
    """
    What somebody asks of a company that brings power or water (yêu cầu dịch vụ).

    For a change of owner: `customer` is the contract that changes hands, `holder` who has it today, `applicant` who
    takes it over.
    """

    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    procedure_code: Annotated[
        ProcedureCode | None, told("Procedure, national code (mã thủ tục hành chính)", "1.001776")
    ] = None
    service: Annotated[Choice[UtilityService], told("What is asked for (loại yêu cầu)", "change_owner")]
    unit: Annotated[
        Code | None,
        told("Branch that is asked, where the company has several (mã đơn vị quản lý)", "PQ0100"),
    ] = None
    customer: Annotated[
        Code | None,
        personal("Code of the customer or contract; none yet for a new connection (mã khách hàng)", "PQ01000000001"),
    ] = None
    holder: Annotated[
        Name | None, personal("In whose name the contract is today (tên khách hàng)", "Nguyễn Văn Không")
    ] = None
    applicant: Annotated[UtilityApplicant, told("Who asks (người yêu cầu)")]
    representative: Annotated[
        Name | None, personal("Who acts for the applicant (người được uỷ quyền)", "Lê Thị Không")
    ] = None
    authorised_on: Annotated[Day | None, personal("Since when (ngày uỷ quyền)", "2026-03-14")] = None
    supply_address: Annotated[
        Address | None, personal("Where it is used (địa chỉ sử dụng)", {"commune": "22366", "detail": "Số 0"})
    ] = None
    supply_point: Annotated[Code | None, personal("Point of supply (mã điểm đo)", "PQ01000000001001")] = None
    purpose: Annotated[Line | None, told("What it is used for (mục đích sử dụng)", "Sinh hoạt")] = None
    phases: Annotated[Count | None, told("Phases of the current (số pha)", 1)] = None
    content: Annotated[
        Text | None, personal("What is asked for, in words (nội dung yêu cầu)", "Sang tên hợp đồng mua bán điện")
    ] = None
    due_on: Annotated[Day | None, told("Promised day (ngày hẹn)", "2026-03-20")] = None
    documents: Annotated[Many[Document], told("Papers that come along (hồ sơ, giấy tờ)")] = ()


class UtilityReceipt(Canonical):
    """The company has taken a request (tiếp nhận yêu cầu)."""

    request: Annotated[Code, told("Number of the request at the company (mã yêu cầu)", "YC-000001")]
    received_at: Annotated[
        Moment | None, told("When it was taken (thời điểm tiếp nhận)", "2026-03-15T08:31:00+07:00")
    ] = None
    due_on: Annotated[Day | None, told("Promised day (ngày hẹn)", "2026-03-20")] = None


class UtilityRequestQuery(Canonical):
    """Asks about a request: how it stands, or which papers it has (tra cứu yêu cầu)."""

    request: Annotated[
        Code,
        told(
            "Number of the request at the company; for power the id of the filing's call without dashes (mã yêu cầu)",
            "01930000000070008000000000000001",
        ),
    ]
    unit: Annotated[
        Code | None, told("Branch that was asked, where the company has several (mã đơn vị quản lý)", "PQ0100")
    ] = None
    customer: Annotated[
        Code | None, personal("Code of the customer; it says the branch too (mã khách hàng)", "PQ01000000001")
    ] = None


class UtilityStep(Canonical):
    """One step of the company's work (bước công việc)."""

    step: Annotated[Code, told("Which step, in the company's own code (mã công việc)", "KS")]
    next_step: Annotated[Code | None, told("What comes next, likewise (mã công việc tiếp)", "DHD")] = None
    obstacle: Annotated[Code | None, told("What is in the way, likewise (mã trở ngại)", "TN01")] = None
    reason: Annotated[Text | None, personal("Why, in words (nguyên nhân)", "Chủ nhà đi vắng")] = None
    content: Annotated[Text | None, personal("What was done (nội dung xử lý)", "Khảo sát tại chỗ")] = None
    started_at: Annotated[Moment | None, told("When it began (ngày bắt đầu)", "2026-03-16T08:00:00+07:00")] = None
    ended_at: Annotated[Moment | None, told("When it ended (ngày kết thúc)", "2026-03-16T10:00:00+07:00")] = None
    due_on: Annotated[Day | None, told("Promised day (ngày hẹn)", "2026-03-17")] = None


class UtilityProgress(Canonical):
    """How a request stands: the company's own word for it, and where a dossier stands then (tiến độ yêu cầu)."""

    request: Annotated[Code, told("Number of the request at the company (mã yêu cầu)", "YC-000001")]
    dossier: Annotated[DossierCode | None, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")] = None
    unit: Annotated[Code | None, told("Branch that works on it (mã đơn vị quản lý)", "PQ0100")] = None
    step: Annotated[Code, told("Where it stands, in the company's own code (trạng thái)", "SURVEYING")]
    status: Annotated[
        Choice[DossierStatus],
        told("Where a dossier stands of which that is said, by the connector's table (trạng thái hồ sơ)", "processing"),
    ]
    note: Annotated[Text | None, personal("Note (ghi chú)", "Khảo sát ngày 16/03")] = None
    happened_at: Annotated[
        Moment | None, told("Since when it stands there (thời điểm)", "2026-03-16T10:00:00+07:00")
    ] = None
    due_on: Annotated[Day | None, told("Promised day (ngày hẹn)", "2026-03-20")] = None
    steps: Annotated[Many[UtilityStep], told("The steps so far, as the company keeps them (tiến trình)")] = ()


class UtilityDocument(Canonical):
    """A paper that the company has for a request (hồ sơ giấy tờ)."""

    kind: Annotated[Code, told("Kind of paper, in the company's own code (mã loại hồ sơ)", "53")]
    name: Annotated[Text | None, personal("Name of the paper (tên hồ sơ)", "Hợp đồng mua bán điện")] = None
    request: Annotated[Code | None, told("Number of the request (mã yêu cầu)", "YC-000001")] = None
    unit: Annotated[Code | None, told("Branch that has it (mã đơn vị quản lý)", "PQ0100")] = None
    path: Annotated[Url | None, personal("Where the company keeps it (đường dẫn)", "/hsgt/000001.pdf")] = None
    status: Annotated[Code | None, told("How the paper stands, in the company's own code (tình trạng)", "1")] = None


class UtilityDocuments(Canonical):
    """The papers of a request (danh sách hồ sơ giấy tờ)."""

    documents: Annotated[Many[UtilityDocument], told("The papers (các hồ sơ giấy tờ)")] = ()


class UtilityFileQuery(UtilityRequestQuery):
    """Asks for one paper of a request (lấy hồ sơ giấy tờ)."""

    kind: Annotated[Code, told("Kind of paper, in the company's own code (mã loại hồ sơ)", "53")]


class UtilityFile(UtilityFileQuery):
    """A paper that is added to a request (nộp hồ sơ giấy tờ)."""

    file: Annotated[FileRef, personal("The file, by its SHA-256 (tệp)", "0" * 64)]


class UtilityCatalogueQuery(Canonical):
    """Asks for a list of the company's codes (danh mục)."""

    catalogue: Annotated[Code, told("Which list, by the company's own name (tên danh mục)", "LOAI_YCAU")]
    unit: Annotated[Code | None, told("Branch whose list it is (mã đơn vị quản lý)", "PQ0100")] = None


class PriceGroup(StrEnum):
    """By which tariff a customer pays (nhóm giá)."""

    HOUSEHOLD = "household"
    """Sinh hoạt."""
    PUBLIC_BODY = "public_body"
    """Hành chính, sự nghiệp."""
    PRODUCTION = "production"
    """Sản xuất vật chất."""
    BUSINESS = "business"
    """Kinh doanh, dịch vụ."""


class SupplyStatus(StrEnum):
    """Whether a customer is supplied (tình trạng cấp)."""

    ACTIVE = "active"
    """Đang sử dụng."""
    SUSPENDED = "suspended"
    """Tạm ngưng."""
    TERMINATED = "terminated"
    """Đã chấm dứt."""


class UtilityCustomerQuery(Canonical):
    """Asks for a customer (tra cứu khách hàng)."""

    customer: Annotated[Code, personal("Code of the customer or contract (mã khách hàng)", "HD0000001")]


class UtilityCustomer(Canonical):
    """A contract, as the company knows it (khách hàng)."""

    customer: Annotated[Code, personal("Code of the customer or contract (mã khách hàng)", "HD0000001")]
    holder: Annotated[Name, personal("In whose name it is (tên khách hàng)", "Nguyễn Văn Không")]
    phone_masked: Annotated[
        Code | None, personal("Phone number, all but its end hidden (số điện thoại)", "*****000")
    ] = None
    address: Annotated[Line | None, personal("Where it is used (địa chỉ)", "Số 0, đường Không Tên")] = None
    meter: Annotated[Code | None, personal("Number of the meter (số đồng hồ)", "DH000001")] = None
    price_group: Annotated[Choice[PriceGroup] | None, told("Tariff (nhóm giá)", "household")] = None
    persons: Annotated[Count | None, personal("Persons who are counted for it (số nhân khẩu)", 4)] = None
    status: Annotated[Choice[SupplyStatus], told("Whether it is supplied (tình trạng)", "active")]


class UtilityBillQuery(UtilityCustomerQuery):
    """Asks for the bills of a customer, month by month (tra cứu hoá đơn)."""

    first_month: Annotated[PartialDate, told("First month, included (từ tháng)", "2026-01")]
    last_month: Annotated[PartialDate, told("Last month, included (đến tháng)", "2026-03")]


class UtilityBill(Canonical):
    """What one month costs (hoá đơn)."""

    period: Annotated[PartialDate, told("The month (kỳ hoá đơn)", "2026-02")]
    old_index: Annotated[Count | None, personal("Meter at its beginning (chỉ số cũ)", 100)] = None
    new_index: Annotated[Count | None, personal("Meter at its end (chỉ số mới)", 112)] = None
    consumption: Annotated[Count, personal("What was used: m³ of water, kWh of power (lượng tiêu thụ)", 12)]
    before_tax: Annotated[Money | None, personal("Amount before tax, in whole đồng (tiền trước thuế)", 100000)] = None
    vat: Annotated[Money | None, personal("Value added tax, in whole đồng (thuế GTGT)", 5000)] = None
    environment_fee: Annotated[
        Money | None, personal("Fee for waste water, in whole đồng (phí bảo vệ môi trường)", 10000)
    ] = None
    total: Annotated[Money, personal("What is to be paid, in whole đồng (tổng tiền)", 115000)]
    due_on: Annotated[Day | None, told("To be paid by (hạn thanh toán)", "2026-03-20")] = None
    paid: Annotated[bool, personal("Whether it is paid (đã thanh toán)", True)]
    paid_at: Annotated[
        Moment | None, personal("When it was paid (thời điểm thanh toán)", "2026-03-10T09:00:00+07:00")
    ] = None
    invoice: Annotated[Code | None, personal("Number of the invoice (số hoá đơn)", "0000001")] = None


class UtilityBills(Canonical):
    """The bills that were found (danh sách hoá đơn)."""

    bills: Annotated[Many[UtilityBill], told("The bills, month by month (các hoá đơn)")] = ()
