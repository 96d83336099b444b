"""What tax tells about a dossier: what is owed by which notice, and what has been paid. Amounts are whole đồng."""

from enum import StrEnum
from typing import Annotated

from mappings.canonical.kinds import Choice, Code, Day, DossierCode, Line, Many, Moment, Money, Name, Text, Url
from mappings.canonical.shape import Canonical, personal, told


class TaxItem(Canonical):
    """One amount, or one notice, that a dossier owes (khoản nghĩa vụ). What a system does not tell is absent."""

    tax_code: Annotated[
        Code | None, personal("Tax code of who owes it, as tax wrote it (mã số thuế)", "000180000011")
    ] = None
    taxpayer: Annotated[Name | None, personal("Who owes it (họ tên chủ)", "Trần Thị Không")] = None
    notice_number: Annotated[Code, told("Number of notice or decision (số thông báo, số quyết định)", "TB-000")]
    decided_on: Annotated[Day | None, told("Day of the decision (ngày quyết định)", "2026-03-18")] = None
    name: Annotated[Line | None, told("What is owed (tên tiểu mục, loại thuế)", "Lệ phí trước bạ")] = None
    amount: Annotated[Money | None, personal("Amount in whole đồng (số tiền)", 1500000)] = None
    url: Annotated[
        Url | None, personal("Where the notice can be fetched (đường dẫn thông báo)", "https://files.centre.example/7")
    ] = None


class TaxNotice(Canonical):
    """What tax asks for in the matter of one dossier (thông báo thuế). One dossier may get several."""

    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    handler: Annotated[Code | None, personal("Account of who passes it on (người xử lý)", "canbo00")] = None
    issued_at: Annotated[
        Moment | None, told("When tax had decided (ngày có kết quả thuế)", "2026-03-18T09:00:00+07:00")
    ] = None
    note: Annotated[Text | None, personal("Note (ghi chú)", "Nộp trong 30 ngày")] = None
    items: Annotated[Many[TaxItem], told("What is owed (danh sách thông báo)")] = ()


class VoucherStatus(StrEnum):
    """Whether the money arrived (trạng thái thanh toán)."""

    PAID = "paid"
    NOT_PAID = "not_paid"


class TaxVoucher(Canonical):
    """Proof that something was paid on a tax notice (chứng từ thuế). Several may be needed to meet one obligation."""

    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    tax_code: Annotated[Code | None, personal("Tax code (mã số thuế)", "000180000011")] = None
    payer: Annotated[Name | None, personal("Who paid (họ tên người nộp tiền)", "Trần Thị Không")] = None
    payer_identity: Annotated[
        Code | None, personal("Number of the payer's identity paper (số CMT người nộp tiền)", "000180000011")
    ] = None
    payer_address: Annotated[
        Line | None, personal("The payer's address (địa chỉ người nộp tiền)", "Số 0, đường Không Tên")
    ] = None
    payer_commune: Annotated[Line | None, personal("The payer's commune, as written (xã)", "Xã Không")] = None
    payer_district: Annotated[Line | None, personal("The payer's district, as written (huyện)", "Huyện Không")] = None
    payer_province: Annotated[Line | None, personal("The payer's province, as written (tỉnh)", "Tỉnh Không")] = None
    url: Annotated[
        Url | None, personal("Where the voucher can be fetched (đường dẫn chứng từ)", "https://files.centre.example/8")
    ] = None
    notice_number: Annotated[Code | None, told("Notice on which was paid (mã thông báo thuế)", "TB-000")] = None
    content: Annotated[Text | None, personal("What was paid for (nội dung thanh toán)", "Nộp lệ phí trước bạ")] = None
    paid_at: Annotated[Moment | None, told("When it was paid (thời gian thanh toán)", "2026-03-19T10:00:00+07:00")] = (
        None
    )
    amount: Annotated[Money, personal("Amount in whole đồng (số tiền)", 1500000)]
    status: Annotated[Choice[VoucherStatus], told("Whether the money arrived (trạng thái thanh toán)", "paid")]
