"""
What people hold against an agency, how that goes on to whoever is competent, and what became of it; and ratings.

Who complains or denounces is sealed wherever the hub keeps or tells it. What is said may still tell who says it: the
hub cannot know, so the content is personal and shown to nobody but who is told.
"""

from enum import StrEnum
from typing import Annotated

from mappings.canonical.dossier import Channel, DossierStatus
from mappings.canonical.kinds import Choice, Code, DossierCode, Line, Moment, ProcedureCode, Sealed, Text
from mappings.canonical.shape import Canonical, personal, sealed, told


class VoiceKind(StrEnum):
    """What somebody says (loại ý kiến)."""

    FEEDBACK = "feedback"
    """Phản ánh, kiến nghị."""
    COMPLAINT = "complaint"
    """Khiếu nại."""
    DENUNCIATION = "denunciation"
    """Tố cáo."""


class Sender(Canonical):
    """Who complains or denounces; sealed, each by itself (người khiếu nại, người tố cáo)."""

    full_name: Annotated[Sealed | None, sealed("Name (họ tên)", "Trần Thị Không")] = None
    identity_number: Annotated[Sealed | None, sealed("Number of the identity paper (số giấy tờ)", "000180000011")] = (
        None
    )
    phone: Annotated[Sealed | None, sealed("Phone number (số điện thoại)", "0900000000")] = None
    email: Annotated[Sealed | None, sealed("E-mail address (thư điện tử)", "khong@centre.example")] = None
    address: Annotated[Sealed | None, sealed("Where the sender lives (địa chỉ)", "Số 0, đường Không Tên")] = None


class Complaint(Canonical):
    """A complaint or a denunciation (khiếu nại, tố cáo)."""

    id: Annotated[Code, told("Key of it (mã đơn)", "400001")]
    kind: Annotated[Choice[VoiceKind], told("Which of them (loại đơn)", "denunciation")]
    dossier: Annotated[
        DossierCode | None, told("Dossier that it is about (mã hồ sơ)", "000.00.14.H32-260315-00001")
    ] = None
    agency_code: Annotated[Code | None, told("Agency that it is about (mã đơn vị)", "000.00.14.H32")] = None
    sender: Annotated[Sender | None, told("Who says it (người gửi)")] = None
    subject: Annotated[Line | None, personal("In a line (tiêu đề)", "Về việc chậm trả kết quả")] = None
    content: Annotated[Text, personal("What is said (nội dung)", "Cán bộ nhận tiền ngoài quy định")]
    given_at: Annotated[Moment | None, told("When it was handed in (ngày gửi)", "2026-03-21T09:00:00+07:00")] = None


class ForwardedFeedback(Canonical):
    """Hands feedback, a complaint or a denunciation on to the competent agency (chuyển cơ quan có thẩm quyền)."""

    id: Annotated[Code, told("Key of it (mã phản ánh)", "300001")]
    kind: Annotated[Choice[VoiceKind], told("Which of them (loại ý kiến)", "feedback")]
    to_agency: Annotated[Code, told("Agency that is competent (mã cơ quan tiếp nhận)", "000.00.14.H32")]
    due_at: Annotated[
        Moment | None, told("Until when it has to be handled (hạn xử lý)", "2026-03-30T17:00:00+07:00")
    ] = None
    note: Annotated[Text | None, personal("Why there (ghi chú)", "Thuộc thẩm quyền của Sở Thử nghiệm")] = None
    sender: Annotated[Sender | None, told("Who says it, sealed as it was told (người gửi)")] = None
    content: Annotated[Text, personal("What is said (nội dung)", "Chờ lâu quá")]


class HandlingState(StrEnum):
    """What became of it (kết quả xử lý)."""

    IN_PROGRESS = "in_progress"
    """Đang xử lý."""
    HANDLED = "handled"
    """Đã xử lý."""
    NOT_TAKEN = "not_taken"
    """Không thụ lý."""


class HandlingReport(Canonical):
    """Tells what became of feedback, a complaint or a denunciation (báo cáo kết quả xử lý)."""

    feedback: Annotated[Code, told("Key of it (mã phản ánh)", "300001")]
    agency_code: Annotated[Code, told("Agency that handled it (mã đơn vị)", "000.00.14.H32")]
    state: Annotated[Choice[HandlingState], told("What became of it (trạng thái xử lý)", "handled")]
    result: Annotated[Text | None, personal("In words (nội dung kết quả)", "Đã trả kết quả và xin lỗi")] = None
    reported_at: Annotated[Moment, told("As of when (thời điểm báo cáo)", "2026-03-25T10:00:00+07:00")]


class ServiceRating(Canonical):
    """How a dossier fared, for those who watch over the service (đánh giá, giám sát)."""

    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    procedure_code: Annotated[ProcedureCode, told("Procedure code (mã thủ tục)", "1.001776")]
    procedure_name: Annotated[Text, told("Name of the procedure (tên thủ tục)", "Thủ tục thử nghiệm")]
    status: Annotated[Choice[DossierStatus], told("Where the dossier stands (trạng thái)", "returned")]
    channel: Annotated[Choice[Channel], told("How it was filed (hình thức tiếp nhận)", "online")]
    level: Annotated[Code | None, told("Level, in the watchers' own code (mức độ)", "4")] = None
    user: Annotated[Code | None, personal("Account of who tells it (người dùng)", "canbo00")] = None
