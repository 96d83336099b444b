"""Questions that people put to an agency through a portal, the answers, and what they think of the service. Next: `complaints.py`."""

from typing import Annotated

from mappings.canonical.kinds import Code, Day, DossierCode, Line, Moment, Name, ProcedureCode, Text
from mappings.canonical.shape import Canonical, personal, told


class CitizenQuestion(Canonical):
    """A question of a citizen or a business (câu hỏi)."""

    id: Annotated[Code, told("Key of the question (hỏi đáp id)", "100001")]
    answer_id: Annotated[Code | None, told("Key of the answer that it has (trả lời id)", "200001")] = None
    field_code: Annotated[Code | None, told("Field of work that it is about (mã lĩnh vực)", "G00-TN01")] = None
    procedure_code: Annotated[ProcedureCode | None, told("Procedure that it is about (mã thủ tục)", "1.001776")] = None
    agency_code: Annotated[Code | None, told("Agency that is asked (mã đơn vị)", "000.00.14.H32")] = None
    agency_name: Annotated[Line | None, told("Its name (tên đơn vị)", "Sở Thử nghiệm")] = None
    asker: Annotated[Name | None, personal("Who asks (họ và tên)", "Trần Thị Không")] = None
    email: Annotated[Line | None, personal("The asker's e-mail address (thư điện tử)", "khong@centre.example")] = None
    content: Annotated[Text, personal("The question (nội dung)", "Hồ sơ của tôi đang ở đâu?")]
    answer: Annotated[Text | None, personal("The answer that it has (nội dung trả lời)", "Đang thẩm định.")] = None


class QuestionAnswer(Canonical):
    """What an agency answers to a question, or explains after feedback (trả lời câu hỏi, giải trình phản ánh)."""

    question: Annotated[Code, told("Key of the question, or of the feedback (hỏi đáp id, mã phản ánh)", "100001")]
    agency_code: Annotated[Code, told("Agency that answers (mã đơn vị)", "000.00.14.H32")]
    answerer: Annotated[Name, personal("Officer who answers (người trả lời)", "Lê Cán Bộ")]
    position: Annotated[Line | None, told("The officer's position (chức vụ người trả lời)", "Chuyên viên")] = None
    answered_on: Annotated[Day, told("Day of the answer (ngày trả lời)", "2026-03-16")]
    content: Annotated[Text, personal("The answer (nội dung trả lời)", "Hồ sơ đang được thẩm định.")]


class Feedback(Canonical):
    """What somebody thinks of how a dossier was handled (phản ánh, kiến nghị)."""

    id: Annotated[Code, told("Key of the feedback (mã phản ánh)", "300001")]
    dossier: Annotated[
        DossierCode | None, told("Dossier that it is about (mã hồ sơ)", "000.00.14.H32-260315-00001")
    ] = None
    agency_code: Annotated[Code | None, told("Agency that it is about (mã đơn vị)", "000.00.14.H32")] = None
    author: Annotated[Name | None, personal("Who wrote it (họ và tên)", "Trần Thị Không")] = None
    content: Annotated[Text, personal("What is said (nội dung)", "Chờ lâu quá")]
    given_at: Annotated[Moment | None, told("When it was given (ngày gửi)", "2026-03-21T09:00:00+07:00")] = None
