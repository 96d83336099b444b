"""
Official documents that agencies send each other (văn bản điện tử): the document, how it stands, and a queue of them.

The words are those of QCVN 102:2016 (edXML); older axes carry fewer of them. Start with `EDocument`.
"""

from enum import StrEnum
from typing import Annotated

from mappings.canonical.kinds import Choice, Code, Count, Day, FileRef, Line, LongText, Many, Moment, Name, Text, Whole
from mappings.canonical.shape import Canonical, personal, told


class DocumentPurpose(StrEnum):
    """Why it is sent (loại nghiệp vụ)."""

    NEW = "new"
    """Văn bản mới."""
    RECALL = "recall"
    """Thu hồi."""
    UPDATE = "update"
    """Cập nhật."""
    REPLACEMENT = "replacement"
    """Thay thế."""


class DocumentPriority(StrEnum):
    """How urgent it is (độ khẩn)."""

    NORMAL = "normal"
    """Thường."""
    URGENT = "urgent"
    """Khẩn."""
    VERY_URGENT = "very_urgent"
    """Thượng khẩn."""
    EXPRESS = "express"
    """Hoả tốc."""


class DocumentStatus(StrEnum):
    """How a document stands at its receiver (trạng thái văn bản), code table `document_statuses`."""

    ARRIVED = "arrived"
    """01 Đã đến."""
    REFUSED = "refused"
    """02 Từ chối tiếp nhận."""
    RECEIVED = "received"
    """03 Đã tiếp nhận."""
    ASSIGNED = "assigned"
    """04 Phân công."""
    PROCESSING = "processing"
    """05 Đang xử lý."""
    DONE = "done"
    """06 Hoàn thành."""
    TAKEN_BACK = "taken_back"
    """13 Lấy lại."""
    CHANGE_AGREED = "change_agreed"
    """15 Đồng ý cập nhật, thu hồi."""
    CHANGE_REFUSED = "change_refused"
    """16 Từ chối cập nhật, thu hồi."""


class Correspondent(Canonical):
    """An agency or organisation that sends or receives documents (cơ quan, tổ chức)."""

    code: Annotated[Code, told("Its code on the axis (mã định danh)", "H32.14")]
    name: Annotated[Name | None, told("Its name (tên cơ quan, tổ chức)", "Sở Thử nghiệm")] = None
    in_charge: Annotated[Name | None, told("The agency above it (cơ quan chủ quản)", "UBND tỉnh Thử nghiệm")] = None
    address: Annotated[Line | None, told("Its address (địa chỉ)", "1 đường Thử nghiệm")] = None
    email: Annotated[Line | None, told("Its mail address (thư điện tử)", "vanthu@so.example")] = None
    phone: Annotated[Line | None, told("Its phone (điện thoại)", "0258 000 000")] = None
    fax: Annotated[Line | None, told("Its fax (số fax)", "0258 000 001")] = None
    website: Annotated[Line | None, told("Its site (trang thông tin)", "https://so.example")] = None


class Signatory(Canonical):
    """Who signed (người ký)."""

    full_name: Annotated[Name, personal("Full name (họ và tên)", "Lê Thử Nghiệm")]
    position: Annotated[Line | None, told("Position (chức vụ)", "Phó Giám đốc")] = None
    competence: Annotated[Line | None, told("In whose place (thẩm quyền ký)", "KT. GIÁM ĐỐC")] = None


class RelatedDocument(Canonical):
    """A document that this one answers or speaks of (văn bản được phản hồi)."""

    organization: Annotated[Code, told("Code of who issued it (mã định danh cơ quan ban hành)", "H32.14")]
    code: Annotated[Line, told("Number and notation (số, ký hiệu)", "12/STN-VP")]
    issued_on: Annotated[Day | None, told("Day it was issued (ngày ban hành)", "2026-03-12")] = None
    document_id: Annotated[
        Line | None, told("Its key on the axis (mã định danh văn bản)", "H32.14,2026/03/12,12/STN-VP")
    ] = None


class ReplacedDocument(Canonical):
    """A document that this one replaces (văn bản bị thay thế)."""

    document_id: Annotated[Line, told("Its key on the axis (mã định danh văn bản)", "H32.14,2026/03/12,12/STN-VP")]
    organizations: Annotated[
        Many[Code], told("At whom it is replaced (mã định danh cơ quan nhận)", ["H32.15", "H32.16"])
    ] = ()


class ReceiverChange(Canonical):
    """A receiver whom an update adds or takes away (thay đổi nơi nhận)."""

    organization: Annotated[Code, told("Code of the receiver (mã định danh cơ quan nhận)", "H32.15")]
    removed: Annotated[bool, told("Whether it is taken away (thu hồi khỏi nơi nhận)", False)] = False


class DocumentStaff(Canonical):
    """Who handles a document (cán bộ xử lý)."""

    full_name: Annotated[Name | None, personal("Full name (họ và tên)", "Trần Thử Nghiệm")] = None
    department: Annotated[Line | None, told("Department (phòng ban)", "Văn phòng")] = None
    phone: Annotated[Line | None, personal("Mobile phone (điện thoại di động)", "0900000000")] = None
    email: Annotated[Line | None, personal("Mail address (thư điện tử)", "tran@so.example")] = None


class TraceStep(Canonical):
    """A place that a document came by (vết luân chuyển)."""

    organization: Annotated[Code, told("Code of the place (mã định danh cơ quan)", "H32.14")]
    passed_at: Annotated[Moment, told("When it went from there (thời điểm)", "2026-03-12T09:30:00+07:00")]


class DocumentFile(Canonical):
    """A file that goes with a document (tệp đính kèm)."""

    name: Annotated[Line, personal("Name of the file (tên tệp)", "12-stn-vp.pdf")]
    file: Annotated[FileRef | None, personal("The file, by its SHA-256 (tệp)", "0" * 64)] = None
    media_type: Annotated[Line | None, told("Kind of content (kiểu nội dung)", "application/pdf")] = None
    description: Annotated[Text | None, personal("What it is (mô tả)", "Công văn đã ký số")] = None
    content_id: Annotated[
        Line | None, told("Its key in the message, or where the axis keeps it (mã tệp)", "000001")
    ] = None
    bytes: Annotated[int | None, told("Its size in bytes, as the sender says (dung lượng)", 48213)] = None


class EDocument(Canonical):
    """An official document on its way from one agency to others (văn bản điện tử)."""

    document_id: Annotated[
        Line | None, told("Its key on the axis (mã định danh văn bản)", "H32.14,2026/03/12,12/STN-VP")
    ] = None
    code_number: Annotated[Code | None, told("Number (số văn bản)", "12")] = None
    code_notation: Annotated[Code | None, told("Notation (ký hiệu văn bản)", "STN-VP")] = None
    subject: Annotated[Text, personal("What it is about (trích yếu)", "Về việc thử nghiệm liên thông văn bản")]
    content: Annotated[LongText | None, personal("Its text, where it is sent apart (nội dung)", "Kính gửi: ...")] = None
    sender: Annotated[Correspondent, told("Who sends it (nơi gửi)")]
    receivers: Annotated[Many[Correspondent], told("To whom it is sent (nơi nhận)")] = ()
    sent_at: Annotated[Moment | None, told("When it was sent (thời điểm gửi)", "2026-03-12T09:30:00+07:00")] = None
    issued_at: Annotated[Line | None, told("Place of issue (địa danh)", "Khánh Hòa")] = None
    issued_on: Annotated[Day | None, told("Day of issue (ngày ban hành)", "2026-03-12")] = None
    type_code: Annotated[Code | None, told("Kind of document, code of the axis (mã loại văn bản)", "18")] = None
    type_name: Annotated[Line | None, told("Kind of document (tên loại văn bản)", "Công văn")] = None
    signer: Annotated[Signatory | None, told("Who signed it (người ký)")] = None
    due_on: Annotated[Day | None, told("Day by which it is to be answered (hạn trả lời)", "2026-03-20")] = None
    priority: Annotated[Choice[DocumentPriority] | None, told("How urgent it is (độ khẩn)", "urgent")] = None
    steering: Annotated[bool | None, told("Whether it gives an instruction (văn bản chỉ đạo)", False)] = None
    sphere: Annotated[Line | None, told("Who may read it (phạm vi ban hành)", "Lưu hành nội bộ")] = None
    typist: Annotated[Code | None, told("Sign of who typed it (ký hiệu người đánh máy)", "TVC")] = None
    copies: Annotated[Count | None, told("Number of copies (số lượng bản)", 5)] = None
    pages: Annotated[Count | None, told("Number of pages (số trang)", 2)] = None
    appendixes: Annotated[Many[Line], told("Its appendixes (phụ lục)", ["Phụ lục 1"])] = ()
    kept_at: Annotated[Many[Line], told("Who gets it, as the paper says (nơi nhận trên văn bản)", ["Như trên"])] = ()
    replies_to: Annotated[Many[RelatedDocument], told("What it answers (văn bản được phản hồi)")] = ()
    purpose: Annotated[Choice[DocumentPurpose] | None, told("Why it is sent (loại nghiệp vụ)", "new")] = None
    purpose_reason: Annotated[Text | None, told("What that is for (lý do)", "Văn bản điện tử mới")] = None
    purpose_of: Annotated[
        Line | None,
        told("Key of what is recalled or updated (mã văn bản liên quan)", "H32.14,2026/03/11,11/STN-VP"),
    ] = None
    changes_content: Annotated[
        bool | None, told("Whether an update changes what it says (cập nhật thông tin văn bản)", True)
    ] = None
    changes_receivers: Annotated[
        bool | None, told("Whether an update changes who gets it (cập nhật nơi nhận)", False)
    ] = None
    receiver_changes: Annotated[Many[ReceiverChange], told("Receivers that change (danh sách nơi nhận thay đổi)")] = ()
    replaces: Annotated[Many[ReplacedDocument], told("What it replaces (danh sách văn bản bị thay thế)")] = ()
    paper_follows: Annotated[bool | None, told("Whether paper is sent too (gửi kèm bản giấy)", False)] = None
    staff: Annotated[DocumentStaff | None, told("Who sends it (cán bộ gửi)")] = None
    trace: Annotated[Many[TraceStep], told("Where it came by (danh sách vết)")] = ()
    files: Annotated[Many[DocumentFile], told("Its files (danh sách tệp đính kèm)")] = ()


class EDocumentReceipt(Canonical):
    """The axis has taken a document (đã nhận lên trục)."""

    document_id: Annotated[Line | None, told("Key that the axis gave it (mã văn bản trên trục)", "129000001")] = None


class DocumentStatusReport(Canonical):
    """How a document stands at its receiver, told to its sender (trạng thái xử lý văn bản)."""

    about: Annotated[RelatedDocument, told("The document (văn bản được phản hồi)")]
    sender: Annotated[Correspondent, told("Who says so (cơ quan phản hồi)")]
    status: Annotated[Choice[DocumentStatus], told("How it stands (trạng thái)", "received")]
    description: Annotated[Text | None, personal("In words (mô tả)", "Văn thư đã tiếp nhận")] = None
    told_at: Annotated[Moment | None, told("Since when (thời điểm)", "2026-03-12T10:00:00+07:00")] = None
    staff: Annotated[DocumentStaff | None, told("Who handles it (cán bộ xử lý)")] = None


class DocumentStatusQuery(Canonical):
    """Asks how a document stands (tra cứu trạng thái văn bản)."""

    document_id: Annotated[Line, told("Its key on the axis (mã định danh văn bản)", "H32.14,2026/03/12,12/STN-VP")]


class WaitingKind(StrEnum):
    """What waits (loại bản tin)."""

    DOCUMENT = "document"
    """Văn bản."""
    STATUS = "status"
    """Trạng thái văn bản."""


class WaitingQuery(Canonical):
    """Asks what waits on an axis (hỏi danh sách chờ nhận)."""

    kind: Annotated[Choice[WaitingKind], told("What is asked for (loại bản tin)", "document")] = WaitingKind.DOCUMENT


class WaitingMessage(Canonical):
    """A message that waits on an axis (văn bản chờ nhận): asked for, or acknowledged."""

    message: Annotated[Code, told("Its key on the axis (mã bản tin)", "129000001")]


class WaitingMessages(Canonical):
    """What waits on an axis (danh sách văn bản chờ nhận)."""

    messages: Annotated[Whole[WaitingMessage], told("The messages, in the order of the axis (danh sách bản tin)")] = ()


class RefusedMessage(Canonical):
    """A message that cannot be taken, so that the axis does not offer it again (báo lỗi nhận văn bản)."""

    message: Annotated[Code, told("Its key on the axis (mã bản tin)", "129000001")]
    reason: Annotated[Text, told("Why (lý do)", "Không đọc được văn bản này.")] = "Không đọc được văn bản này."


class StoredAttachment(Canonical):
    """Asks for the address of a file that an axis keeps (địa chỉ tải tệp)."""

    content_id: Annotated[Code, told("Its key on the axis (mã tệp)", "000001")]


class AttachmentAddress(Canonical):
    """Where a file of an axis can be fetched for a while (địa chỉ tải tệp)."""

    address: Annotated[Line, personal("The address (đường dẫn)", "https://axis.example/files/000001")]
