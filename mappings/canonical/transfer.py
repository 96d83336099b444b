"""
What follows on a dossier that was moved to another agency: a supplement, the result confirmed or refused.

With `dossier.py` this is our side of the one dossier profile for all agencies to which dossiers move (luân chuyển);
what they tell us of a dossier is in `dossier_notices.py`.
"""

from typing import Annotated

from mappings.canonical.dossier_parts import Document
from mappings.canonical.kinds import DossierCode, Many, Moment, Text
from mappings.canonical.shape import Canonical, personal, told


class FiledSupplement(Canonical):
    """What the owner brought after the agency asked for more (bổ sung hồ sơ)."""

    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    due_at: Annotated[
        Moment | None, told("Promised return after this supplement (ngày hẹn trả mới)", "2026-03-25T17:00:00+07:00")
    ] = None
    note: Annotated[Text | None, personal("Note (ghi chú)", "Đã nhận đủ giấy tờ")] = None
    documents: Annotated[Many[Document], told("The papers that came (danh sách giấy tờ bổ sung)")] = ()


class ResultConfirmation(Canonical):
    """Tells the agency that its result went to the owner (cập nhật kết quả trả hồ sơ)."""

    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    returned_at: Annotated[Moment, told("When the owner got the result (ngày trả)", "2026-03-20T09:00:00+07:00")]


class ResultRefusal(Canonical):
    """Tells the agency that its result is wrong and must be done again (phản hồi hồ sơ sai kết quả)."""

    dossier: Annotated[DossierCode, told("Code of the dossier (mã hồ sơ)", "000.00.14.H32-260315-00001")]
    reason: Annotated[Text, personal("What is wrong with the result (nội dung)", "Sai tên người sử dụng đất")]
    documents: Annotated[Many[Document], told("Papers that show it (danh sách giấy tờ đính kèm)")] = ()


class Acknowledgement(Canonical):
    """An agency has taken what was sent, and says nothing more (đã tiếp nhận)."""

    acknowledged_at: Annotated[
        Moment | None, told("When, as the agency says (thời điểm trả lời)", "2026-03-15T08:31:00+07:00")
    ] = None
