"""An administrative procedure as the national catalogue publishes it, and how to ask for one. Nothing here is personal."""

from enum import StrEnum
from typing import Annotated

from mappings.canonical.dossier import Channel
from mappings.canonical.kinds import Choice, Code, Count, Line, LongText, Many, Money, ProcedureCode, Text, Url
from mappings.canonical.shape import Canonical, told


class ProcedureStatus(StrEnum):
    """Whether the catalogue shows it (trạng thái)."""

    PUBLIC = "public"
    NOT_PUBLIC = "not_public"


class ProcedureField(Canonical):
    """A field of work (lĩnh vực)."""

    code: Annotated[Code, told("Code (mã lĩnh vực)", "G00-TN01")]
    name: Annotated[Line | None, told("Name (tên lĩnh vực)", "Lĩnh vực thử nghiệm")] = None


class ProcedureStep(Canonical):
    """One thing to do (trình tự)."""

    text: Annotated[LongText, told("What is done (tên trình tự)", "Bước 1: Nộp hồ sơ")]


class Sequence(Canonical):
    """The order of things in one case (trình tự thực hiện)."""

    case: Annotated[Text | None, told("Which case it is for (trường hợp)", "Trường hợp chung")] = None
    steps: Annotated[Many[ProcedureStep], told("The steps (trình tự)")] = ()


class WayFee(Canonical):
    """A fee for doing it this way (phí, lệ phí)."""

    code: Annotated[Code | None, told("Code (mã phí lệ phí)", "PLP-1")] = None
    amount: Annotated[Money | None, told("Amount in whole đồng (số tiền)", 50000)] = None
    unit: Annotated[Line | None, told("Per what (đơn vị)", "Đồng")] = None
    description: Annotated[LongText | None, told("Words on it (mô tả)", "Một lần")] = None


class WayTime(Canonical):
    """How long it takes, and what it costs (thời gian)."""

    duration: Annotated[Count | None, told("How many of the unit (thời gian giải quyết)", 5)] = None
    unit: Annotated[Line | None, told("Unit of the duration (đơn vị tính)", "Ngày làm việc")] = None
    description: Annotated[LongText | None, told("Words on it (mô tả)", "Kể từ ngày nhận đủ hồ sơ")] = None
    fees: Annotated[Many[WayFee], told("Fees (phí, lệ phí)")] = ()


class Way(Canonical):
    """A way to file it (cách thức thực hiện)."""

    channel: Annotated[Choice[Channel], told("How (kênh)", "online")]
    times: Annotated[Many[WayTime], told("How long it takes (thời gian)")] = ()


class RequiredPaper(Canonical):
    """A paper to bring (giấy tờ)."""

    code: Annotated[Code | None, told("Code (mã giấy tờ)", "G00.000001")] = None
    name: Annotated[LongText, told("Name (tên giấy tờ)", "Đơn đề nghị")]
    form_name: Annotated[Text | None, told("Name of the form (tên mẫu đơn)", "Mẫu số 00.docx")] = None
    url: Annotated[Url | None, told("Where the form is (URL)", "https://files.portal.example/mau-00")] = None


class Components(Canonical):
    """The papers for one case (thành phần hồ sơ)."""

    case: Annotated[Text | None, told("Which case it is for (trường hợp)", "Trường hợp chung")] = None
    papers: Annotated[Many[RequiredPaper], told("The papers (giấy tờ)")] = ()


class Subject(Canonical):
    """Who may ask for it (đối tượng thực hiện)."""

    name: Annotated[Line, told("Name of the group (tên đối tượng)", "Công dân Việt Nam")]


class ProcedureResult(Canonical):
    """What it leads to (kết quả thực hiện)."""

    code: Annotated[Code | None, told("Code (mã kết quả)", "KQ.G00.000002")] = None
    name: Annotated[Text, told("Name (tên kết quả)", "Giấy chứng nhận")]


class LegalBasis(Canonical):
    """A law or decree it rests on (căn cứ pháp lý)."""

    number: Annotated[Code | None, told("Number (số văn bản)", "00/2026/NĐ-CP")] = None
    title: Annotated[Text | None, told("Title (tên văn bản)", "Nghị định thử nghiệm")] = None


class ProcedureAgency(Canonical):
    """An agency that carries it out (cơ quan thực hiện)."""

    code: Annotated[Code, told("Agency code (mã đơn vị)", "000.00.14.H32")]
    name: Annotated[Line | None, told("Name (tên đơn vị)", "Sở Thử nghiệm")] = None


class Procedure(Canonical):
    """An administrative procedure (thủ tục hành chính)."""

    code: Annotated[ProcedureCode, told("Procedure code (mã thủ tục)", "1.001776")]
    name: Annotated[Text, told("Name (tên thủ tục)", "Thủ tục thử nghiệm")]
    published_by: Annotated[Code | None, told("Agency that published it (mã cơ quan công bố)", "G00")] = None
    fields: Annotated[Many[ProcedureField], told("Fields of work (lĩnh vực thực hiện)")] = ()
    sequences: Annotated[Many[Sequence], told("What happens in which order (trình tự thực hiện)")] = ()
    ways: Annotated[Many[Way], told("Ways to file it (cách thức thực hiện)")] = ()
    components: Annotated[Many[Components], told("Papers to bring (thành phần hồ sơ)")] = ()
    requirements: Annotated[LongText | None, told("Conditions (yêu cầu, điều kiện)", "Không")] = None
    subjects_text: Annotated[
        LongText | None, told("Words on who may ask (mô tả đối tượng thực hiện)", "Mọi công dân")
    ] = None
    subjects: Annotated[Many[Subject], told("Who may ask (đối tượng thực hiện)")] = ()
    results: Annotated[Many[ProcedureResult], told("What it leads to (kết quả thực hiện)")] = ()
    legal_bases: Annotated[Many[LegalBasis], told("What it rests on (căn cứ pháp lý)")] = ()
    status: Annotated[Choice[ProcedureStatus] | None, told("Whether it is public (trạng thái)", "public")] = None
    agencies: Annotated[Many[ProcedureAgency], told("Who carries it out (cơ quan thực hiện)")] = ()


class ProcedureQuery(Canonical):
    """Asks for one procedure (tra cứu thủ tục)."""

    code: Annotated[ProcedureCode, told("Procedure code (mã thủ tục)", "1.001776")]
