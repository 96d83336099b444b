"""
A payment on the national payment platform: the order, the link to pay at, how it ended, the receipt.

Every field of the platform's receipt information has a home here. The reference of a payment is never the caller's:
the hub gives one and keeps it over all retries, so that asking twice cannot mean paying twice.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mappings.canonical.dossier_parts import Fee
from mappings.canonical.kinds import (
    Choice,
    Code,
    Day,
    DossierCode,
    FileUrl,
    Line,
    Many,
    Moment,
    Money,
    Name,
    ProcedureCode,
    Text,
    Url,
)
from mappings.canonical.shape import Canonical, personal, told


class PaymentState(StrEnum):
    """How a payment stands (trạng thái giao dịch)."""

    PAID = "paid"
    """Thanh toán thành công."""
    PENDING = "pending"
    """Chưa biết kết quả cuối."""
    FAILED = "failed"
    """Thanh toán thất bại."""


class Currency(StrEnum):
    """Which money (mã tiền tệ). Amounts of the hub are whole đồng, so that another one does not fit."""

    VND = "VND"


class Beneficiary(Canonical):
    """Who gets the money (đơn vị thụ hưởng)."""

    account: Annotated[Code | None, told("Account number (tài khoản thụ hưởng)", "0000000000")] = None
    bank: Annotated[Code | None, told("Bank, code of the platform (mã ngân hàng thụ hưởng)", "NHTN")] = None
    account_name: Annotated[Line | None, told("Holder of the account (tên tài khoản thụ hưởng)", "Sở Thử nghiệm")] = (
        None
    )


class Payer(Canonical):
    """In whose name the receipt is made out (người nộp)."""

    full_name: Annotated[Name | None, personal("Full name (họ tên người nộp)", "Trần Thị Không")] = None
    identity_number: Annotated[
        Code | None, personal("Number of the identity paper (số CMND người nộp)", "000180000011")
    ] = None
    address: Annotated[Line | None, personal("Address (địa chỉ người nộp)", "Số 0, đường Không Tên")] = None
    old_district: Annotated[
        Line | None, personal("District in words, in old addresses (huyện người nộp)", "Quận Không")
    ] = None
    province: Annotated[Line | None, personal("Province in words (tỉnh người nộp)", "Tỉnh Thử nghiệm")] = None


class Fine(Canonical):
    """The decision by which a fine is paid; nothing of it for fees (thông tin thu phạt)."""

    kind_code: Annotated[Code | None, told("Kind of fine, code of the platform (mã loại hình thu phạt)", "1")] = None
    kind_name: Annotated[Line | None, told("Kind in words (tên loại hình thu phạt)", "Phạt thử nghiệm")] = None
    authority_code: Annotated[Code | None, told("Who decided, code (mã cơ quan quyết định)", "G00.00")] = None
    authority_name: Annotated[Line | None, told("Who decided (tên cơ quan quyết định)", "Sở Thử nghiệm")] = None
    decision_number: Annotated[Code | None, personal("Number of the decision (số quyết định)", "00/QĐ-TN")] = None
    decided_on: Annotated[Day | None, told("When it was decided (ngày quyết định)", "2026-03-10")] = None
    violated_at: Annotated[
        Line | None, personal("When it happened, as written (thời gian vi phạm)", "08:00 01/03/2026")
    ] = None
    violated_where: Annotated[Line | None, personal("Where it happened (địa điểm vi phạm)", "Đường Không Tên")] = None
    violator: Annotated[Name | None, personal("Who did it (tên người vi phạm)", "Trần Thị Không")] = None


class PaymentItem(Canonical):
    """One thing that is paid for, as the receipt lists it (khoản nộp)."""

    content: Annotated[Text, personal("What is paid for (nội dung)", "Lệ phí cấp giấy thử nghiệm")]
    amount: Annotated[Money, told("Amount in whole đồng (số tiền)", 50000)]


class PaymentOrder(Canonical):
    """What somebody is to pay, and what shall stand on the receipt (yêu cầu thanh toán)."""

    amount: Annotated[Money, Field(ge=1), told("Amount in whole đồng (số tiền)", 50000)]
    purpose: Annotated[
        Line,
        personal("What the bank shows, best without accents (thông tin giao dịch)", "THANH TOAN HO SO 26-0001"),
    ]
    service: Annotated[
        Code, told("What is paid for, code of the platform; 2 is fees and charges of a dossier (mã dịch vụ)", "2")
    ]
    public_service_code: Annotated[Code | None, told("Code of the online service (mã dịch vụ công)", "1.001776.01")] = (
        None
    )
    public_service_name: Annotated[
        Text | None, told("Name of the online service (tên dịch vụ công)", "Cấp giấy thử nghiệm")
    ] = None
    procedure_code: Annotated[
        ProcedureCode | None, told("Procedure, national code (mã thủ tục hành chính)", "1.001776")
    ] = None
    procedure_name: Annotated[
        Text | None, told("Name of the procedure (tên thủ tục hành chính)", "Cấp giấy thử nghiệm")
    ] = None
    agency_code: Annotated[Code | None, told("Agency that charges it (mã đơn vị)", "000.00.14.H32")] = None
    agency_name: Annotated[Line | None, told("Name of that agency (tên đơn vị)", "Sở Thử nghiệm")] = None
    dossier: Annotated[DossierCode | None, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")] = None
    beneficiary: Annotated[Beneficiary | None, told("Who gets the money (đơn vị thụ hưởng)")] = None
    payer: Annotated[Payer | None, told("In whose name the receipt is made out (người nộp)")] = None
    fine: Annotated[Fine | None, told("Decision about a fine (thông tin thu phạt)")] = None
    treasury: Annotated[Line | None, told("State treasury that collects it (kho bạc)", "Kho bạc Thử nghiệm")] = None
    budget_account: Annotated[
        Code | None, told("Account of the state budget (tài khoản thu ngân sách nhà nước)", "0000")
    ] = None
    content: Annotated[
        Text | None, personal("What the receipt says is paid for (nội dung thanh toán)", "Lệ phí cấp giấy thử nghiệm")
    ] = None
    fees: Annotated[Many[Fee], told("Fees and charges (phí, lệ phí)")] = ()
    items: Annotated[Many[PaymentItem], told("What is paid for, one by one (danh sách khoản nộp)")] = ()


class PaymentLink(Canonical):
    """Where the payer pays. The payment has begun, and nothing is paid yet (liên kết thanh toán)."""

    url: Annotated[
        Url, personal("Page on which to pay, for the payer alone (URL thanh toán)", "https://pay.example/0000")
    ]


class PaymentQuery(Canonical):
    """
    Asks how a payment stands, or for its receipt (truy vấn giao dịch).

    Both fields repeat what the payment began with: of the call that started it, its id without dashes, and `accepted_at`.
    """

    reference: Annotated[Code, told("Reference of the payment (mã tham chiếu)", "01930000000070008000000000000001")]
    started_at: Annotated[Moment, told("When it was started (thời gian giao dịch)", "2026-03-15T08:00:00+07:00")]


class PaymentResult(Canonical):
    """How a payment ended, or that nobody knows yet; told when asked and without being asked (kết quả giao dịch)."""

    reference: Annotated[Code, told("Reference of the payment (mã tham chiếu)", "01930000000070008000000000000001")]
    state: Annotated[Choice[PaymentState], told("How it stands (trạng thái giao dịch)", "paid")]
    amount: Annotated[Money, told("Amount in whole đồng (số tiền)", 50000)]
    currency: Annotated[Choice[Currency], told("Which money (mã tiền tệ)", "VND")]
    partner: Annotated[Code, told("Whose payment it is, code at the platform (mã đối tác)", "TINHTN")]
    transaction: Annotated[Code | None, told("Number at the platform (mã giao dịch)", "GD000001")] = None
    bank: Annotated[Code | None, told("Bank or wallet, code of the platform (mã ngân hàng)", "NHTN")] = None
    happened_at: Annotated[Moment, told("Moment of the payment (thời gian giao dịch)", "2026-03-15T08:05:00+07:00")]
    purpose: Annotated[
        Line | None, personal("What the bank showed (thông tin giao dịch)", "THANH TOAN HO SO 26-0001")
    ] = None
    note: Annotated[Text | None, told("Words of the platform (mô tả lỗi)", "Giao dịch thành công")] = None


class PaymentReceipt(Canonical):
    """The receipt of a payment, as an address from which it can be fetched (biên lai)."""

    url: Annotated[
        FileUrl, personal("Where the receipt can be fetched (URL biên lai)", "https://pay.example/receipts/0000.pdf")
    ]
    note: Annotated[Text | None, told("Words of the platform (mô tả lỗi)", "Thành công")] = None
