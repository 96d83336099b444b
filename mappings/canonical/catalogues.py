"""Lists of codes with their names, which agencies give us or ask us for."""

from typing import Annotated

from mappings.canonical.kinds import Code, Line, Name, Text, Whole
from mappings.canonical.shape import Canonical, personal, told


class CatalogueEntry(Canonical):
    """A code and what it is called (mục của danh mục)."""

    code: Annotated[Code, told("The code (mã)", "000.00.14.H32")]
    name: Annotated[Text, told("What it is called (tên)", "Sở Thử nghiệm")]
    level: Annotated[Code | None, told("Level, in the code of whose list it is (cấp)", "1")] = None
    owner: Annotated[Code | None, told("Code of the ministry or agency to which it belongs (mã ngành)", "G00")] = None


class Catalogue(Canonical):
    """A whole list: procedures, statuses, agencies, fields of work (danh mục)."""

    entries: Annotated[Whole[CatalogueEntry], told("The entries, in the order of whose list it is (các mục)")] = ()


class CatalogueUser(Canonical):
    """An officer to whom a dossier may be passed (người dùng)."""

    account: Annotated[Code, personal("Account in the one-stop software (mã người dùng)", "canbo00")]
    name: Annotated[Name, personal("Full name (tên người dùng)", "Lê Cán Bộ")]
    unit: Annotated[Line | None, told("Office (tên phòng ban)", "Phòng Thử nghiệm")] = None
    position: Annotated[Line | None, told("Position (chức danh)", "Chuyên viên")] = None


class UserCatalogue(Canonical):
    """All officers to whom dossiers may be passed (danh mục người dùng)."""

    users: Annotated[Whole[CatalogueUser], told("The officers (các người dùng)")] = ()


class ReceiptNumbers(Canonical):
    """Numbers for receipts that nobody has used yet (số biên nhận); an agency that asks gets one of them for its own."""

    numbers: Annotated[
        Whole[Code], told("The numbers, each given out once (các số biên nhận)", ["000.00.14.H32-260315-00001"])
    ] = ()
