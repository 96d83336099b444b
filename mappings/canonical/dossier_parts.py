"""The parts of a dossier: who files it, its papers, fees, supplements and results. Read `dossier.py` for the whole."""

from enum import StrEnum
from typing import Annotated

from mappings.canonical.kinds import Choice, Code, Count, FileUrl, Line, Many, Moment, Money, Name, Text
from mappings.canonical.shape import Canonical, personal, told


class OwnerKind(StrEnum):
    """What the owner of a dossier is (loại đối tượng)."""

    CITIZEN = "citizen"
    BUSINESS = "business"
    STATE_AGENCY = "state_agency"
    ORGANISATION = "organisation"


class IdentityKind(StrEnum):
    """Which number identifies an owner (loại định danh)."""

    CITIZEN_ID = "citizen_id"
    OLD_ID = "old_id"


class Reuse(StrEnum):
    """
    Whether a paper was taken over from an earlier dossier (được tái sử dụng).

    The portal publishes no meaning for its third code, so it keeps a name that claims none.
    """

    NOT_REUSED = "not_reused"
    REUSED = "reused"
    CODE_2 = "code_2"


class Identity(Canonical):
    """A number that identifies the owner (định danh chủ hồ sơ)."""

    kind: Annotated[Choice[IdentityKind], told("Which kind of number (loại định danh)", "citizen_id")]
    number: Annotated[Code, personal("The number (số định danh)", "000180000011")]


class Owner(Canonical):
    """The person or organisation whose matter a dossier is (chủ hồ sơ)."""

    full_name: Annotated[Name, personal("Full name (chủ hồ sơ)", "Trần Thị Không")]
    kind: Annotated[Choice[OwnerKind], told("What the owner is (loại đối tượng)", "citizen")]
    identity_number: Annotated[
        Code | None, personal("Number of the owner's identity paper (số giấy tờ chủ hồ sơ)", "000180000011")
    ] = None
    tech_id: Annotated[
        Code | None,
        personal("`TechID` from the portal's sign-on, for online dossiers only (mã đối tượng)", "TECH-0001"),
    ] = None
    identities: Annotated[Many[Identity], told("All numbers that identify the owner (định danh chủ hồ sơ)")] = ()


class Contact(Canonical):
    """How to reach the owner. Kept as written: a wrong number in an old dossier must not make it unreadable."""

    phone: Annotated[Code | None, personal("Phone number (số điện thoại)", "0900000000")] = None
    email: Annotated[Line | None, personal("E-mail address (thư điện tử)", "khong@centre.example")] = None
    fax: Annotated[Code | None, personal("Fax number (số fax)", "02580000000")] = None
    other: Annotated[Text | None, personal("Anything else (thông tin khác)", "Gọi giờ hành chính")] = None
    address: Annotated[Line | None, personal("Where letters go (địa chỉ chi tiết)", "Số 0, đường Không Tên")] = None


class Document(Canonical):
    """A paper that goes with the dossier: handed in, sent along, or the result (tài liệu)."""

    id: Annotated[Code | None, told("Key of the attachment in the filing system (tệp đính kèm id)", "000001")] = None
    name: Annotated[Text, personal("Name of the paper or its file (tên tệp đính kèm)", "Đơn đề nghị.pdf")]
    deleted: Annotated[bool, told("Whether it was taken back (đã xoá)", False)] = False
    component_code: Annotated[
        Code | None, told("Which required paper it is (mã thành phần hồ sơ)", "KQ.G00.000001")
    ] = None
    url: Annotated[
        FileUrl | None,
        personal(
            "Where the file can be fetched, or its id in the hub (đường dẫn tệp)", "https://files.centre.example/1"
        ),
    ] = None
    digitised: Annotated[bool | None, told("Whether it was digitised (được số hoá)", True)] = None
    reuse: Annotated[Choice[Reuse] | None, told("Whether it was taken over (được tái sử dụng)", "not_reused")] = None
    from_document_store: Annotated[
        bool | None, told("Whether it came from the national document store (lấy từ kho DMQG)", False)
    ] = None
    replaced_by_result: Annotated[
        Code | None, told("Code of the result that stands in for it (mã kết quả thay thế)", "KQ.G00.000002")
    ] = None
    originals: Annotated[Count | None, told("Number of originals handed in (số bản chính)", 1)] = None
    copies: Annotated[Count | None, told("Number of copies handed in (số bản sao)", 2)] = None
    file_name: Annotated[
        Text | None, personal("Name of the file where the paper has another (tên tập tin)", "don-de-nghi.pdf")
    ] = None
    file_type: Annotated[Code | None, told("Kind of the file, as its ending (kiểu file)", ".pdf")] = None


class Fee(Canonical):
    """A fee or charge (lệ phí)."""

    name: Annotated[Line, told("Name of the fee (tên phí lệ phí)", "Lệ phí cấp giấy")]
    code: Annotated[Code | None, told("Code of the fee (mã phí lệ phí)", "1")] = None
    collection: Annotated[Code | None, told("How it is collected, code of the portal (hình thức thu)", "1")] = None
    amount: Annotated[Money, told("Amount in whole đồng (giá)", 50000)]
    kind: Annotated[Code | None, told("Fee or charge, code of the portal (loại phí lệ phí)", "1")] = None


class Attachment(Canonical):
    """Another paper that came along (tệp đính kèm khác)."""

    name: Annotated[Text, told("Name of the paper (tên giấy tờ)", "Giấy uỷ quyền")]
    quantity: Annotated[Count | None, told("Number of copies (số lượng)", 1)] = None
    kind: Annotated[Code | None, told("Original or copy, code of the portal (loại giấy tờ)", "1")] = None


class SupplementPaper(Canonical):
    """A paper asked for or handed in with a supplement (giấy tờ bổ sung)."""

    name: Annotated[Text, told("Name of the paper (tên giấy tờ)", "Bản sao giấy khai sinh")]
    id: Annotated[Code | None, told("Key of the paper (giấy tờ id)", "000003")] = None
    component_code: Annotated[
        Code | None, told("Which required paper it is (mã thành phần hồ sơ)", "KQ.G00.000001")
    ] = None
    url: Annotated[
        FileUrl | None,
        personal(
            "Where the file can be fetched, or its id in the hub (đường dẫn tệp)", "https://files.centre.example/3"
        ),
    ] = None


class Supplement(Canonical):
    """One round of asking the owner for more, and what came (hồ sơ bổ sung)."""

    id: Annotated[Code, told("Key of the round (hồ sơ bổ sung id)", "BS-1")]
    requested_by: Annotated[Name | None, personal("Officer who asked (người yêu cầu bổ sung)", "Lê Cán Bộ")] = None
    request: Annotated[
        Text | None, personal("What was asked for (nội dung bổ sung)", "Bổ sung bản sao giấy khai sinh")
    ] = None
    requested_at: Annotated[
        Moment | None, told("When it was asked for (ngày bổ sung)", "2026-03-16T09:00:00+07:00")
    ] = None
    received_by: Annotated[Name | None, personal("Officer who received it (người tiếp nhận)", "Lê Cán Bộ")] = None
    received_note: Annotated[Text | None, personal("Note on receipt (thông tin tiếp nhận)", "Đã nhận đủ")] = None
    received_at: Annotated[Moment | None, told("When it came (ngày tiếp nhận)", "2026-03-17T09:00:00+07:00")] = None
    status: Annotated[Code | None, told("State of the round, code of the portal (trạng thái bổ sung)", "1")] = None
    papers: Annotated[Many[SupplementPaper], told("The papers (danh sách giấy tờ bổ sung)")] = ()
    fees: Annotated[Many[Fee], told("Fees that the round adds (danh sách lệ phí bổ sung)")] = ()
    due_before: Annotated[
        Moment | None, told("Promised return before this round (ngày hẹn trả trước)", "2026-03-20T17:00:00+07:00")
    ] = None
    due_after: Annotated[
        Moment | None, told("Promised return after this round (ngày hẹn trả mới)", "2026-03-25T17:00:00+07:00")
    ] = None


class ResultPaper(Canonical):
    """A paper that the dossier led to (giấy tờ kết quả)."""

    name: Annotated[Text, told("Name of the paper (tên giấy tờ)", "Giấy chứng nhận")]
    component_code: Annotated[Code | None, told("Component it belongs to (mã thành phần hồ sơ)", "KQ.G00.000002")] = (
        None
    )
    id: Annotated[Code | None, told("Key of the paper (giấy tờ id)", "000009")] = None
    url: Annotated[
        FileUrl | None,
        personal(
            "Where the file can be fetched, or its id in the hub (đường dẫn tệp)", "https://files.centre.example/9"
        ),
    ] = None
    result_code: Annotated[
        Code | None, told("Code of the procedure's main result (mã giấy tờ kết quả)", "KQ.G00.000002")
    ] = None


class ConsultedDatabase(Canonical):
    """A national database that was consulted for the dossier (kết nối CSDL)."""

    code: Annotated[Code, told("Code of the database, list of the portal (mã CSDL)", "7")]
