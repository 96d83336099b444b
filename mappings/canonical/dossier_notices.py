"""
What agencies tell of a dossier that was moved to them: progress, a demand for more, the result, the dossier itself back.

The other side of the dossier profile, of which `transfer.py` and `dossier.py` are ours. What an agency does not state
is absent; nothing is made up, and no status is rewritten.
"""

from enum import StrEnum
from typing import Annotated

from mappings.canonical.address import Address
from mappings.canonical.dossier_parts import Contact, Document
from mappings.canonical.kinds import Choice, Code, DossierCode, Line, Many, Moment, Name, Text
from mappings.canonical.land import LandPlot
from mappings.canonical.shape import Canonical, personal, told


class DossierProgress(Canonical):
    """A dossier went from one hand to the next inside an agency (luân chuyển hồ sơ)."""

    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    from_officer: Annotated[Code | None, personal("Account of who passed it on (mã cán bộ chuyển)", "canbo00")] = None
    to_officer: Annotated[Code | None, personal("Account of who has it now (mã cán bộ nhận)", "canbo01")] = None
    step: Annotated[Code | None, told("Where it stands, in the agency's own code (mã trạng thái)", "DD-03")] = None
    sent_back: Annotated[bool | None, told("Whether it went back a step (là trạng thái chuyển lại)", False)] = None
    content: Annotated[Text | None, personal("What was done (nội dung xử lý)", "Thẩm định hồ sơ")] = None
    moved_at: Annotated[Moment | None, told("When it was passed on (ngày chuyển)", "2026-03-16T10:00:00+07:00")] = None
    documents: Annotated[Many[Document], told("Papers that go along (danh sách tập tin)")] = ()


class SupplementRequest(Canonical):
    """An agency asks the owner for more (yêu cầu bổ sung hồ sơ)."""

    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    requested_at: Annotated[Moment, told("When it was asked for (ngày chờ bổ sung)", "2026-03-16T09:00:00+07:00")]
    handler: Annotated[Code | None, personal("Account of who asks (mã cán bộ xử lý)", "canbo00")] = None
    paused: Annotated[bool | None, told("Whether the clock stands still meanwhile (là tạm dừng)", True)] = None
    request: Annotated[Text | None, personal("What is asked for (ghi chú)", "Bổ sung bản sao giấy khai sinh")] = None
    document: Annotated[Document | None, told("The letter that says so (tập tin)")] = None


class SupplementReceipt(Canonical):
    """An agency has what it asked for, and says when it will be done (đã nhận bổ sung)."""

    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    received_at: Annotated[Moment, told("When it came (ngày nhận bổ sung)", "2026-03-17T09:00:00+07:00")]
    due_at: Annotated[Moment | None, told("Promised return now (ngày hẹn trả mới)", "2026-03-25T17:00:00+07:00")] = None
    note: Annotated[Text | None, personal("Note (ghi chú)", "Đã nhận đủ")] = None
    document: Annotated[Document | None, told("The letter that says so (tập tin)")] = None


class Ending(StrEnum):
    """How an agency's work on a dossier ended (trạng thái kết thúc)."""

    RESULT = "result"
    """Có kết quả."""
    NO_RESULT = "no_result"
    """Trả lại, hoặc công dân xin rút."""


class ReturnedResult(Canonical):
    """An agency is done with a dossier, with or without a result (kết thúc hồ sơ)."""

    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    finished_at: Annotated[Moment, told("When it was done (ngày kết thúc)", "2026-03-19T16:00:00+07:00")]
    handler: Annotated[Code | None, personal("Account of who ended it (mã cán bộ xử lý)", "canbo00")] = None
    ending: Annotated[Choice[Ending], told("With a result or without (trạng thái kết thúc)", "result")]
    note: Annotated[Text | None, personal("Note (ghi chú)", "Đã ký giấy chứng nhận")] = None
    documents: Annotated[Many[Document], told("Papers it led to (danh sách giấy tờ kết quả)")] = ()


class ReturnedDossier(Canonical):
    """An agency gives the dossier back because something in it is wrong (chuyển trả hồ sơ)."""

    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    handler: Annotated[Code | None, personal("Account of who gives it back (mã cán bộ xử lý)", "canbo00")] = None
    reason: Annotated[Text | None, personal("What is wrong (ghi chú)", "Sai diện tích thửa đất")] = None


class Opinion(StrEnum):
    """What an agency that was asked holds of a dossier (nội dung ý kiến)."""

    AGREES = "agrees"
    """Thống nhất."""
    DISAGREES = "disagrees"
    """Không thống nhất."""
    REMARKS = "remarks"
    """Có ý kiến khác."""


class GivenOpinion(Canonical):
    """An agency that was asked says what it holds of a dossier; another decides (ý kiến của cơ quan được lấy ý kiến)."""

    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    given_at: Annotated[Moment, told("When it was given (ngày cho ý kiến)", "2026-03-18T15:00:00+07:00")]
    given_by: Annotated[Line | None, told("Name of the agency (cơ quan cho ý kiến)", "Sở Thử nghiệm")] = None
    officer: Annotated[Code | None, personal("Account of who gave it (mã cán bộ cho ý kiến)", "canbo00")] = None
    opinion: Annotated[
        Choice[Opinion] | None, told("For, against or neither, where it says so (thống nhất hay không)", "agrees")
    ] = None
    content: Annotated[Text, personal("What it says (nội dung ý kiến)", "Thống nhất với đề nghị của chủ hồ sơ")]
    letter_number: Annotated[Code | None, told("Number of the letter that says so (số văn bản)", "000/STN-TN")] = None
    documents: Annotated[Many[Document], told("The letter and what goes with it (danh sách văn bản)")] = ()


class WithdrawnDossier(Canonical):
    """The owner does not want it any more (rút hồ sơ)."""

    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    reason: Annotated[Text | None, personal("Why (lý do)", "Không còn nhu cầu")] = None
    withdrawn_at: Annotated[
        Moment | None, told("When it was asked for (ngày yêu cầu rút)", "2026-03-16T09:00:00+07:00")
    ] = None


class DossierRemark(Canonical):
    """Something an agency says of a dossier that asks for a person's attention (ghi chú về hồ sơ)."""

    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    handler: Annotated[Code | None, personal("Account of who says it (mã cán bộ xử lý)", "canbo00")] = None
    remark: Annotated[Text | None, personal("What is said (ghi chú)", "Hồ sơ nhập sai thủ tục")] = None


class ReceivedDossier(Canonical):
    """A dossier that an agency took in by itself, so that the one-stop centre knows of it (hồ sơ cơ quan tiếp nhận)."""

    receipt_number: Annotated[Code, told("Number on the agency's receipt (số biên nhận)", "DD-260315-0001")]
    procedure_code: Annotated[Code, told("Procedure, in the agency's own code (mã quy trình)", "DD-QT-01")]
    procedure_name: Annotated[Text, told("Name of the procedure (tên quy trình)", "Thủ tục thử nghiệm")]
    applicant: Annotated[Name, personal("Who handed it in (họ tên người nộp)", "Trần Thị Không")]
    identity_number: Annotated[
        Code | None, personal("Number of the applicant's identity paper (số chứng minh)", "000180000011")
    ] = None
    contact: Annotated[Contact | None, told("How to reach the applicant (liên hệ)")] = None
    receiver: Annotated[Code | None, personal("Account of who took it in (người tiếp nhận)", "canbo00")] = None
    received_at: Annotated[Moment, told("When it was taken in (ngày tiếp nhận)", "2026-03-15T08:30:00+07:00")]
    due_at: Annotated[Moment, told("Promised return (ngày hẹn trả)", "2026-03-20T17:00:00+07:00")]
    location: Annotated[
        Address | None, personal("Where the property is (địa bàn và địa chỉ tài sản)", {"province": "56"})
    ] = None
    plot: Annotated[LandPlot | None, told("The plot of land that it is about (thông tin thửa đất)")] = None
    documents: Annotated[Many[Document], told("Papers handed in (danh sách giấy tờ đính kèm)")] = ()
