"""
A person as the national population database knows one, how to ask for one, and the yes/no answer.

Every field of the database's answer has a home here. Read `dossier.py` for what people file.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import model_validator

from mappings.canonical.address import Address
from mappings.canonical.kinds import Choice, CitizenId, Code, CountryCode, Many, Name, OldId, TwoDigits
from mappings.canonical.partial_date import PartialDate
from mappings.canonical.shape import Canonical, personal, told


class Sex(StrEnum):
    """Giới tính. `unknown` is the register's own "chưa có thông tin", which is not the same as an absent field."""

    UNKNOWN = "unknown"
    MALE = "male"
    FEMALE = "female"
    OTHER = "other"


class MaritalStatus(StrEnum):
    """Tình trạng hôn nhân."""

    UNKNOWN = "unknown"
    NEVER_MARRIED = "never_married"
    MARRIED = "married"
    DIVORCED = "divorced"
    WIDOWED = "widowed"


class BloodGroup(StrEnum):
    """Nhóm máu."""

    UNKNOWN = "unknown"
    A = "a"
    B = "b"
    AB = "ab"
    O = "o"  # noqa: E741 - the blood group is called O


class Relative(Canonical):
    """A person named in another person's record: father, mother, spouse or representative."""

    full_name: Annotated[Name | None, personal("Full name (họ và tên)", "TRẦN VĂN KHÔNG")] = None
    citizen_id: Annotated[CitizenId | None, personal("Citizen id, 12 digits (số định danh)", "000055000017")] = None
    old_id: Annotated[OldId | None, personal("Old identity card, 9 digits (số CMND)", "000000017")] = None
    nationality: Annotated[CountryCode | None, personal("Nationality (quốc tịch)", "VN")] = None


class HouseholdHead(Canonical):
    """The head of the household in which a person is registered."""

    full_name: Annotated[Name | None, personal("Full name (họ và tên)", "TRẦN VĂN KHÔNG")] = None
    citizen_id: Annotated[CitizenId | None, personal("Citizen id, 12 digits (số định danh)", "000055000017")] = None
    old_id: Annotated[OldId | None, personal("Old identity card, 9 digits (số CMND)", "000000017")] = None
    relation: Annotated[
        Code | None, personal("The person's relation to the head, code of the register (quan hệ với chủ hộ)", "CH01")
    ] = None


class Citizen(Canonical):
    """
    A person's record in the national population database (công dân).

    Only the name is sure to be there: old records lack much, and an absent field means "not stated".
    """

    citizen_id: Annotated[
        CitizenId | None, personal("Citizen id, 12 digits (số định danh cá nhân)", "000180000011")
    ] = None
    old_id: Annotated[OldId | None, personal("Old identity card, 9 digits (số chứng minh nhân dân)", "000000011")] = (
        None
    )
    full_name: Annotated[Name, personal("Full name (họ, chữ đệm và tên)", "TRẦN THỊ KHÔNG")]
    sex: Annotated[Choice[Sex] | None, personal("Sex (giới tính)", "female")] = None
    born_on: Annotated[
        PartialDate | None, personal("Date of birth: year, year and month, or day (ngày tháng năm sinh)", "1980-05-17")
    ] = None
    ethnic_group: Annotated[
        TwoDigits | None, personal("Ethnic group, 2 digits of QĐ 121-TCTK/PPCĐ, table `ethnic_groups` (dân tộc)", "01")
    ] = None
    religion: Annotated[TwoDigits | None, personal("Religion, 2 digits of the register, 00 none (tôn giáo)", "00")] = (
        None
    )
    marital_status: Annotated[
        Choice[MaritalStatus] | None, personal("Marital status (tình trạng hôn nhân)", "married")
    ] = None
    blood_group: Annotated[Choice[BloodGroup] | None, personal("Blood group (nhóm máu)", "unknown")] = None
    nationality: Annotated[CountryCode | None, personal("Nationality (quốc tịch)", "VN")] = None
    birth_registered_at: Annotated[
        Address | None, personal("Where the birth was registered (nơi đăng ký khai sinh)", {"province": "56"})
    ] = None
    origin: Annotated[Address | None, personal("Place of origin of the family (quê quán)", {"province": "56"})] = None
    permanent_address: Annotated[
        Address | None, personal("Permanent residence (nơi thường trú)", {"province": "56", "commune": "22366"})
    ] = None
    current_address: Annotated[
        Address | None, personal("Present residence (nơi ở hiện tại)", {"province": "56", "commune": "22366"})
    ] = None
    father: Annotated[Relative | None, personal("Father (cha)", {"full_name": "TRẦN VĂN KHÔNG"})] = None
    mother: Annotated[Relative | None, personal("Mother (mẹ)", {"full_name": "LÊ THỊ KHÔNG"})] = None
    spouse: Annotated[Relative | None, personal("Husband or wife (vợ chồng)", {"full_name": "LÊ VĂN KHÔNG"})] = None
    representative: Annotated[
        Relative | None, personal("Legal representative (người đại diện)", {"full_name": "LÊ THỊ KHÔNG"})
    ] = None
    household_head: Annotated[
        HouseholdHead | None, personal("Head of the household (chủ hộ)", {"relation": "CH01"})
    ] = None
    household_book: Annotated[
        Code | None, personal("Number of the old household book (số sổ hộ khẩu)", "000000000")
    ] = None


class CitizenQuery(Canonical):
    """
    Asks for one person (tra cứu công dân). Number, name and birth must all fit, so a wrong letter means "not found".

    Give the citizen id; the old identity card number only where there is no citizen id.
    """

    citizen_id: Annotated[
        CitizenId | None, personal("Citizen id, 12 digits (số định danh cá nhân)", "000180000011")
    ] = None
    old_id: Annotated[OldId | None, personal("Old identity card, 9 digits (số chứng minh nhân dân)", "000000011")] = (
        None
    )
    full_name: Annotated[Name, personal("Full name as on the card (họ, chữ đệm và tên)", "Trần Thị Không")]
    born_on: Annotated[
        PartialDate,
        personal("Date of birth, the year alone when the card has no more (ngày tháng năm sinh)", "1980-05-17"),
    ]

    @model_validator(mode="after")
    def _has_a_number(self) -> "CitizenQuery":
        if self.citizen_id is None and self.old_id is None:
            raise ValueError("give citizen_id or old_id")
        return self


class Verification(Canonical):
    """The yes/no answer to "is there a person with these data?" (xác thực). No is no proof that nobody exists."""

    matches: Annotated[bool, told("Whether a person with exactly these data is registered (tồn tại)", True)]


class FamilyRecords(Canonical):
    """What the register knows of a person's family (thông tin nhân thân): the records that it found, each with its parents."""

    people: Annotated[
        Many[Citizen], told("The records found, each with father and mother as far as they are registered (công dân)")
    ] = ()
