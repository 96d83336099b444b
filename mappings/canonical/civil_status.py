"""
Linked civil-status services: a birth or death that is registered together with residence, health card or allowance.

A request comes from the software of the linked services, goes to the register of civil status, and its outcome back.
"""

from enum import StrEnum
from typing import Annotated

from mappings.canonical.address import Address
from mappings.canonical.citizen import Sex
from mappings.canonical.dossier import DossierStatus
from mappings.canonical.dossier_parts import Document
from mappings.canonical.kinds import (
    Choice,
    CitizenId,
    Code,
    Count,
    Day,
    DossierCode,
    Line,
    LongText,
    Many,
    Moment,
    Name,
    ProcedureCode,
    Text,
    Whole,
)
from mappings.canonical.partial_date import PartialDate
from mappings.canonical.shape import Canonical, personal, told


class RegistrationKind(StrEnum):
    """What is registered (phân hệ)."""

    BIRTH = "birth"
    DEATH = "death"


class CivilPerson(Canonical):
    """A person in the form: the child, a parent, who asks, or who died. What the form does not say is absent."""

    full_name: Annotated[Name | None, personal("Full name (họ tên)", "Trần Thị Không")] = None
    born_on: Annotated[PartialDate | None, personal("Date of birth (ngày sinh)", "1990-05-17")] = None
    sex: Annotated[Choice[Sex] | None, personal("Sex (giới tính)", "female")] = None
    ethnic_group: Annotated[Code | None, personal("Ethnic group, as the form writes it (dân tộc)", "01")] = None
    nationality: Annotated[Code | None, personal("Nationality, as the form writes it (quốc tịch)", "VN")] = None
    residence_kind: Annotated[Code | None, personal("Kind of residence (loại cư trú)", "1")] = None
    residence: Annotated[Address | None, personal("Residence (nơi cư trú)", {"province": "56", "commune": "22366"})] = (
        None
    )
    identity_kind: Annotated[Code | None, personal("Kind of identity paper (loại giấy tờ tuỳ thân)", "1")] = None
    identity_number: Annotated[
        Code | None, personal("Number of the identity paper (số giấy tờ tuỳ thân)", "000190000011")
    ] = None
    citizen_id: Annotated[CitizenId | None, personal("Citizen id, 12 digits (số định danh)", "000190000011")] = None
    verified: Annotated[Code | None, personal("Whether the data were verified (xác thực thông tin)", "1")] = None


class DeathFacts(Canonical):
    """What a death is registered by (giấy báo tử)."""

    notice_kind: Annotated[Code | None, told("Kind of the notice of death (loại giấy báo tử)", "1")] = None
    notice_number: Annotated[Code | None, personal("Its number (số giấy báo tử)", "00/BT")] = None
    notice_on: Annotated[Day | None, personal("Its day (ngày giấy báo tử)", "2026-03-15")] = None
    notice_by: Annotated[Line | None, personal("Who gave it (cơ quan cấp)", "Trạm y tế xã Không")] = None
    died_on: Annotated[PartialDate | None, personal("Day of death (ngày chết)", "2026-03-14")] = None
    died_at: Annotated[Code | None, personal("Time of day, as written (giờ phút chết)", "05:30")] = None
    cause: Annotated[Text | None, personal("Cause of death (nguyên nhân chết)", "Tuổi già")] = None


class CivilStatusForm(Canonical):
    """What is declared: of a birth the child and the parents, of a death who died; and who asks (tờ khai hộ tịch)."""

    child: Annotated[CivilPerson | None, personal("The child (người được khai sinh)", {})] = None
    mother: Annotated[CivilPerson | None, personal("The mother (mẹ)", {})] = None
    father: Annotated[CivilPerson | None, personal("The father (cha)", {})] = None
    deceased: Annotated[CivilPerson | None, personal("Who died (người được khai tử)", {})] = None
    death: Annotated[DeathFacts | None, personal("Facts of the death (thông tin khai tử)", {})] = None
    applicant: Annotated[CivilPerson | None, personal("Who asks (người yêu cầu)", {})] = None


class RegistrationQuery(Canonical):
    """Asks for one registration that stands in the list (xem chi tiết hồ sơ)."""

    id: Annotated[Code, told("Key in the software of the linked services (id)", "100001")]


class RegistrationList(Canonical):
    """What has been asked for, by the keys with which each is fetched (danh sách hồ sơ liên thông)."""

    registrations: Annotated[
        Whole[RegistrationQuery], told("The registrations, in the order of their keys (các hồ sơ)", [])
    ] = ()


class Registration(Canonical):
    """A registration with its form and papers: as the linked services have it, or as it goes to the register."""

    id: Annotated[Code | None, told("Key in the software of the linked services (id)", "100001")] = None
    kind: Annotated[Choice[RegistrationKind], told("Birth or death (module)", "birth")]
    linked_code: Annotated[
        DossierCode, told("Code of the linked dossier (mã hồ sơ liên thông)", "G00.00.00-260315-00001")
    ]
    dossier: Annotated[
        DossierCode | None,
        told("Code of the dossier at the one-stop centre (mã hồ sơ một cửa)", "000.00.14.H32-260315-00001"),
    ] = None
    procedure_code: Annotated[ProcedureCode | None, told("Procedure (mã TTHC)", "2.002621")] = None
    unit: Annotated[Count | None, told("Number of the unit in charge (mã đơn vị)", 560)] = None
    received_at: Annotated[Moment | None, told("When it came (ngày tiếp nhận)", "2026-03-15T08:30:00+07:00")] = None
    tech_id: Annotated[Code | None, personal("Technical id of who asks (tech id)", "TECH-0000")] = None
    form: Annotated[CivilStatusForm, personal("What is declared (tờ khai)", {})]
    documents: Annotated[Many[Document], told("Papers handed in (tệp đính kèm)", [])] = ()


class RegistrationResultQuery(Canonical):
    """Asks how the register of civil status decided about one dossier (quét kết quả)."""

    dossier: Annotated[
        DossierCode, told("Code of the dossier at the one-stop centre (mã định danh)", "000.00.14.H32-260315-00001")
    ]
    kind: Annotated[Choice[RegistrationKind], told("Birth or death (module)", "birth")]


class RegistrationResult(Canonical):
    """What the register of civil status has of a dossier; while it has nothing yet, all is absent (kết quả hộ tịch)."""

    dossier: Annotated[
        DossierCode | None,
        told("Code of the dossier at the one-stop centre (mã hồ sơ một cửa)", "000.00.14.H32-260315-00001"),
    ] = None
    linked_code: Annotated[
        DossierCode | None, told("Code of the linked dossier (mã hồ sơ liên thông)", "G00.00.00-260315-00001")
    ] = None
    status: Annotated[
        Code | None,
        told("State in the register's own numbers: 4 registered, 2 more is needed, 6 refused (trạng thái)", "4"),
    ] = None
    note: Annotated[Text | None, personal("Its remark (ghi chú)", "Thiếu giấy chứng sinh")] = None
    personal_id: Annotated[
        CitizenId | None, personal("Citizen id that a child was given (số định danh)", "000226000011")
    ] = None
    number: Annotated[Code | None, personal("Number of the entry (số đăng ký)", "00/2026")] = None
    book: Annotated[Code | None, told("Book of the entry (quyển số)", "01/2026")] = None
    page: Annotated[Code | None, told("Page of the entry (trang số)", "00")] = None
    registered_on: Annotated[Day | None, told("Day of the entry (ngày đăng ký)", "2026-03-17")] = None
    certificate: Annotated[
        LongText | None, personal("The certificate, as the register gives it (giấy khai sinh)", "GKS-00")
    ] = None


class RegistrationStep(Canonical):
    """How far a linked dossier has come, told to the software of the linked services (trạng thái xử lý)."""

    linked_code: Annotated[
        DossierCode, told("Code of the linked dossier (số hồ sơ liên thông)", "G00.00.00-260315-00001")
    ]
    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    procedure_code: Annotated[ProcedureCode | None, told("Procedure (mã TTHC)", "2.002621")] = None
    unit: Annotated[Count | None, told("Number of the unit in charge (cơ quan xử lý)", 560)] = None
    status: Annotated[Choice[DossierStatus], told("State of the dossier (trạng thái)", "processing")]
    done_at: Annotated[Moment, told("When it was done (thời gian thực hiện)", "2026-03-15T08:30:00+07:00")]
    note: Annotated[Text | None, personal("Note (ghi chú)", "Đã chuyển tư pháp")] = None
    result: Annotated[Text | None, personal("Result (kết quả xử lý)", "Đã đăng ký")] = None
    handler: Annotated[Name | None, personal("Who did it (người xử lý)", "Nguyễn Văn Không")] = None
    position: Annotated[Line | None, told("Position (chức danh)", "Chuyên viên")] = None
    department: Annotated[Line | None, told("Department (phòng ban xử lý)", "Tư pháp – Hộ tịch")] = None
    content: Annotated[Text | None, personal("What was done (nội dung xử lý)", "Chuyển hồ sơ")] = None
    started_at: Annotated[Moment | None, told("When it began (ngày bắt đầu)", "2026-03-15T08:30:00+07:00")] = None
    due_at: Annotated[
        Moment | None, told("When it is to end by the rules (ngày kết thúc theo quy định)", "2026-03-17T17:00:00+07:00")
    ] = None
    due_before: Annotated[
        Moment | None, told("Appointment before (ngày hẹn trả trước)", "2026-03-17T17:00:00+07:00")
    ] = None
    due_after: Annotated[Moment | None, told("New appointment (ngày hẹn trả mới)", "2026-03-19T17:00:00+07:00")] = None
    supplement_by: Annotated[
        Moment | None, told("Until when more papers may come (hạn bổ sung hồ sơ)", "2026-03-18T17:00:00+07:00")
    ] = None
