"""
A dossier as the one-stop centre files it, a step of its processing, and how to ask for one. Parts: `dossier_parts.py`.

Every field of the national portal's contract has a home here; the other agencies' dossiers map onto the same shape.
"""

from enum import StrEnum
from typing import Annotated

from mappings.canonical.dossier_parts import (
    Attachment,
    ConsultedDatabase,
    Contact,
    Document,
    Fee,
    Owner,
    ResultPaper,
    Supplement,
)
from mappings.canonical.kinds import Choice, Code, DossierCode, Line, Many, Moment, Name, ProcedureCode, Text
from mappings.canonical.land import LandMatter
from mappings.canonical.shape import Canonical, personal, told


class DossierStatus(StrEnum):
    """Where a dossier stands (trạng thái hồ sơ); the portal numbers them 1 to 10 in this order. Never rewritten by the hub."""

    REGISTERED = "registered"
    """Mới đăng ký."""
    RECEIVED = "received"
    """Được tiếp nhận."""
    NOT_RECEIVED = "not_received"
    """Không được tiếp nhận."""
    PROCESSING = "processing"
    """Đang xử lý."""
    SUPPLEMENT_REQUESTED = "supplement_requested"
    """Yêu cầu bổ sung giấy tờ."""
    PAYMENT_REQUESTED = "payment_requested"
    """Yêu cầu thực hiện nghĩa vụ tài chính."""
    WITHDRAWN = "withdrawn"
    """Công dân yêu cầu rút hồ sơ."""
    STOPPED = "stopped"
    """Dừng xử lý."""
    FINISHED = "finished"
    """Đã xử lý xong."""
    RETURNED = "returned"
    """Đã trả kết quả."""


class Channel(StrEnum):
    """How people and office met (kênh thực hiện)."""

    IN_PERSON = "in_person"
    """Trực tiếp."""
    ONLINE = "online"
    """Trực tuyến."""
    POST = "post"
    """Bưu chính công ích."""


class ReturnMethod(StrEnum):
    """How the result goes back (hình thức trả)."""

    AT_COUNTER = "at_counter"
    BY_POST = "by_post"


class SubmittedAt(StrEnum):
    """Which system took the dossier in (nơi nộp hồ sơ)."""

    NATIONAL_PORTAL = "national_portal"
    PROVINCIAL_SYSTEM = "provincial_system"


class OnlinePayment(StrEnum):
    """Whether fees were paid online (thanh toán trực tuyến). The portal's codes 2 and 3 have no published meaning."""

    NOT_PAID = "not_paid"
    PAID = "paid"
    CODE_2 = "code_2"
    CODE_3 = "code_3"


class Dossier(Canonical):
    """One matter of one owner under one procedure (hồ sơ thủ tục hành chính)."""

    code: Annotated[DossierCode, told("Dossier code; dots and dashes count (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    procedure_code: Annotated[ProcedureCode, told("Procedure code (mã thủ tục)", "1.001776")]
    procedure_name: Annotated[Text, told("Name of the procedure (tên thủ tục)", "Thủ tục thử nghiệm")]
    field_code: Annotated[Code | None, told("Code of the field of work (mã lĩnh vực)", "G00-TN01")] = None
    field_name: Annotated[Line | None, told("Name of the field of work (tên lĩnh vực)", "Lĩnh vực thử nghiệm")] = None
    channel: Annotated[Choice[Channel] | None, told("How it was filed (kênh thực hiện)", "in_person")] = None
    owner: Annotated[Owner, told("Whose matter it is (chủ hồ sơ)")]
    contact: Annotated[Contact | None, told("How to reach the owner (liên hệ)")] = None
    summary: Annotated[
        Text, personal("What is asked for, in a line; never empty (trích yếu hồ sơ)", "Đề nghị cấp giấy thử nghiệm")
    ]
    submitted_at: Annotated[Moment | None, told("When it was handed in (ngày nộp)", "2026-03-15T08:00:00+07:00")] = None
    received_at: Annotated[
        Moment | None, told("When it was received (ngày tiếp nhận)", "2026-03-15T08:30:00+07:00")
    ] = None
    refused_at: Annotated[Moment | None, told("When it was refused (ngày từ chối)", "2026-03-15T09:00:00+07:00")] = None
    due_at: Annotated[Moment | None, told("Promised return (ngày hẹn trả)", "2026-03-20T17:00:00+07:00")] = None
    finished_at: Annotated[
        Moment | None, told("When processing ended (ngày kết thúc xử lý)", "2026-03-19T16:00:00+07:00")
    ] = None
    returned_at: Annotated[
        Moment | None, told("When the result was returned (ngày trả)", "2026-03-20T09:00:00+07:00")
    ] = None
    status: Annotated[Choice[DossierStatus], told("Where it stands (trạng thái hồ sơ)", "received")]
    return_note: Annotated[Text | None, personal("Note on the return (thông tin trả)", "Trả tại quầy số 0")] = None
    return_method: Annotated[
        Choice[ReturnMethod] | None, told("How the result goes back (hình thức)", "at_counter")
    ] = None
    processing_unit: Annotated[Line | None, told("Name of the unit at work on it (đơn vị xử lý)", "Sở Thử nghiệm")] = (
        None
    )
    note: Annotated[Text | None, personal("Note (ghi chú)", "Hồ sơ thử nghiệm")] = None
    documents: Annotated[Many[Document], told("Papers handed in (tài liệu nộp)")] = ()
    fees: Annotated[Many[Fee], told("Fees and charges (danh sách lệ phí)")] = ()
    attachments: Annotated[Many[Attachment], told("Other papers (danh sách tệp đính kèm khác)")] = ()
    supplements: Annotated[Many[Supplement], told("Rounds of asking for more (danh sách hồ sơ bổ sung)")] = ()
    results: Annotated[Many[ResultPaper], told("Papers it led to (danh sách giấy tờ kết quả)")] = ()
    submitted_through: Annotated[
        Choice[SubmittedAt] | None, told("Which system took it in (nơi nộp hồ sơ)", "provincial_system")
    ] = None
    has_digitised_parts: Annotated[
        bool | None, told("Whether any paper was digitised (có thành phần số hoá)", True)
    ] = None
    account_verified: Annotated[
        bool | None, told("Whether the account was verified with VNeID (tài khoản được xác thực)", False)
    ] = None
    online_payment: Annotated[
        Choice[OnlinePayment] | None, told("Whether fees were paid online (được thanh toán trực tuyến)", "not_paid")
    ] = None
    consulted_databases: Annotated[
        Many[ConsultedDatabase], told("National databases consulted for it (danh sách kết nối CSDL)")
    ] = ()
    land: Annotated[LandMatter | None, told("The land that it is about (thông tin đất đai)")] = None


class ProcessingStep(Canonical):
    """One step in the processing of a dossier, appended in order (tiến độ xử lý)."""

    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    handler: Annotated[Name, personal("Officer who did it (người xử lý)", "Lê Cán Bộ")]
    position: Annotated[Line | None, told("The officer's position (chức danh)", "Chuyên viên")] = None
    processed_at: Annotated[Moment, told("When it was done (thời điểm xử lý)", "2026-03-16T10:00:00+07:00")]
    unit: Annotated[Line | None, told("Office that did it (phòng ban xử lý)", "Phòng Thử nghiệm")] = None
    content: Annotated[Text | None, personal("What was done (nội dung xử lý)", "Thẩm định hồ sơ")] = None
    status: Annotated[Choice[DossierStatus], told("Where the dossier stands after it (trạng thái)", "processing")]
    started_at: Annotated[Moment | None, told("When the step began (ngày bắt đầu)", "2026-03-16T08:00:00+07:00")] = None
    due_at: Annotated[
        Moment | None, told("When the step ends by rule (ngày kết thúc theo quy định)", "2026-03-17T17:00:00+07:00")
    ] = None


class DossierQuery(Canonical):
    """Asks for one dossier (tra cứu hồ sơ)."""

    code: Annotated[DossierCode, told("Dossier code; dots and dashes count (mã hồ sơ)", "000.00.14.H32-260315-00001")]
