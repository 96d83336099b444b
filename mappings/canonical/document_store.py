"""The national store of digitised documents: who has which papers, and the files behind them."""

from enum import StrEnum
from typing import Annotated

from mappings.canonical.kinds import Choice, Code, FileRef, Line, Many, Name, ProcedureCode, Text, Url
from mappings.canonical.shape import Canonical, personal, told


class StoreReader(StrEnum):
    """Who looks into the store (kênh thực hiện)."""

    OFFICER = "officer"
    """Cán bộ."""
    CITIZEN = "citizen"
    """Công dân."""


class WantedDocument(Canonical):
    """A kind of paper that is looked for (danh mục kết quả)."""

    result_code: Annotated[Code, told("Code of the kind of paper (mã kết quả)", "KQ.G00.000002")]
    number: Annotated[Code | None, personal("Number on the paper, when one is looked for (số ký hiệu)", "00/GCN")] = (
        None
    )


class StoredDocumentQuery(Canonical):
    """Asks which papers of a person are in the store (tra cứu kho số hoá)."""

    owner_number: Annotated[Code, personal("Citizen id of the owner (số định danh chủ sở hữu)", "000180000011")]
    asker: Annotated[Name, personal("Who asks (họ tên người yêu cầu)", "Lê Cán Bộ")]
    asker_number: Annotated[Code, personal("Citizen id of who asks (số định danh người yêu cầu)", "000080000099")]
    reader: Annotated[Choice[StoreReader], told("On whose side the asker is (kênh thực hiện)", "officer")]
    procedure_code: Annotated[ProcedureCode, told("Procedure for which it is asked (mã thủ tục)", "1.001776")]
    wanted: Annotated[Many[WantedDocument], told("Kinds of papers (danh sách danh mục kết quả)")] = ()


class StoredFile(Canonical):
    """A file of a stored paper (tệp đính kèm)."""

    name: Annotated[Text, personal("Name of the file (tên tệp)", "giay-chung-nhan.pdf")]
    path: Annotated[Url, personal("Where the store keeps it (đường dẫn)", "/kho/000001")]


class StoredDocument(Canonical):
    """A paper in the store (giấy tờ kết quả)."""

    result_code: Annotated[Code | None, told("Code of the kind of paper (mã kết quả)", "KQ.G00.000002")] = None
    name: Annotated[Text, told("Name of the paper (tên giấy tờ)", "Giấy chứng nhận")]
    number: Annotated[Code | None, personal("Number on the paper (số ký hiệu)", "00/GCN")] = None
    agency: Annotated[
        Line | None, told("Agency that keeps it, needed to fetch its files (cơ quan chủ quản)", "000.00.14.H32")
    ] = None
    files: Annotated[Many[StoredFile], told("Its files (danh sách tệp đính kèm)")] = ()


class StoredDocuments(Canonical):
    """The papers that were found (danh sách giấy tờ kết quả)."""

    documents: Annotated[Many[StoredDocument], told("The papers (danh sách giấy tờ kết quả)")] = ()


class StoredFileQuery(Canonical):
    """Asks for one file of a stored paper (lấy tệp)."""

    agency: Annotated[Line, told("Agency that keeps the paper (cơ quan chủ quản)", "000.00.14.H32")]
    path: Annotated[Url, personal("Where the store keeps the file (đường dẫn)", "/kho/000001")]


class FetchedFile(Canonical):
    """A file that an agency gave, now kept by the hub (tệp đã lấy)."""

    file: Annotated[FileRef, personal("The file, by its SHA-256 (tệp)", "0" * 64)]
