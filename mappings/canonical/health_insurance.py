"""
What social insurance knows of a person: the health card, whether somebody takes part, and who in the household does.

Treatment is none of it: a one-stop centre asks whether a card is good, never what somebody was ill with.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import model_validator

from mappings.canonical.citizen import Sex
from mappings.canonical.kinds import CardNumber, Choice, CitizenId, Code, Day, InsuranceNumber, Line, Many, Name, Text
from mappings.canonical.partial_date import PartialDate
from mappings.canonical.shape import Canonical, personal, told


class CardStatus(StrEnum):
    """How a card stands that was found (kết quả tra cứu thẻ)."""

    VALID = "valid"
    OF_DEFENCE = "of_defence"
    """Kept by the Ministry of Defence: look at the person's identity papers."""
    OF_PUBLIC_SECURITY = "of_public_security"
    """Kept by the Ministry of Public Security: look at the person's identity papers."""
    ENDED_REPLACED = "ended_replaced"
    VALID_REPLACED = "valid_replaced"


class HealthCardQuery(Canonical):
    """Asks for one health card (tra cứu thẻ BHYT). Number, name and birth must all fit."""

    number: Annotated[
        CardNumber,
        personal(
            "Number of the card, social insurance number, or citizen id (mã thẻ, mã số BHXH, CCCD)", "TE1560000000017"
        ),
    ]
    full_name: Annotated[Name, personal("Full name with its accents (họ tên)", "Trần Thị Không")]
    born_on: Annotated[PartialDate, personal("Date of birth: year, year and month, or day (ngày sinh)", "1980-05-17")]


class NewHealthCard(Canonical):
    """The card that took the place of the one asked for (thẻ mới)."""

    number: Annotated[Code | None, personal("Number of the new card (mã thẻ mới)", "TE1560000000018")] = None
    valid_from: Annotated[Day | None, personal("First day (giá trị thẻ từ)", "2026-01-01")] = None
    valid_until: Annotated[Day | None, personal("Last day (giá trị thẻ đến)", "2026-12-31")] = None
    facility: Annotated[
        Code | None, personal("Where its holder is registered for treatment, 5 digits (mã ĐKBĐ mới)", "56000")
    ] = None
    facility_name: Annotated[Line | None, personal("Its name (tên ĐKBĐ mới)", "Bệnh viện Không Tên")] = None


class HealthCard(Canonical):
    """A health card that was found (thẻ bảo hiểm y tế). What social insurance does not tell is absent."""

    status: Annotated[Choice[CardStatus], told("How the card stands (mã kết quả)", "valid")]
    note: Annotated[Text | None, personal("In the agency's own words (ghi chú)", "Thẻ còn giá trị")] = None
    number: Annotated[Code | None, personal("Number of the card (mã thẻ)", "TE1560000000017")] = None
    full_name: Annotated[Name | None, personal("Full name (họ tên)", "Trần Thị Không")] = None
    born_on: Annotated[PartialDate | None, personal("Date of birth (ngày sinh)", "1980-05-17")] = None
    sex: Annotated[Choice[Sex] | None, personal("Sex (giới tính)", "female")] = None
    address: Annotated[Line | None, personal("Address, as written (địa chỉ)", "Số 0, đường Không Tên")] = None
    facility: Annotated[
        Code | None, personal("Where the holder is registered for treatment, 5 digits (mã ĐKBĐ)", "56000")
    ] = None
    office: Annotated[Line | None, personal("Social insurance office that keeps it (cơ quan BHXH)", "BHXH Không")] = (
        None
    )
    valid_from: Annotated[Day | None, personal("First day (giá trị thẻ từ)", "2026-01-01")] = None
    valid_until: Annotated[
        Day | None, personal("Last day; absent where it has none (giá trị thẻ đến)", "2026-12-31")
    ] = None
    area: Annotated[Code | None, personal("Area of residence, K1 to K3 (mã khu vực)", "K1")] = None
    five_years_on: Annotated[
        Day | None, personal("Day on which five years without a gap are full (ngày đủ 5 năm)", "2029-01-01")
    ] = None
    insurance_number: Annotated[Code | None, personal("Social insurance number (mã số BHXH)", "0000000017")] = None
    old_number: Annotated[Code | None, personal("Number of the card before it (mã thẻ cũ)", "TE1560000000016")] = None
    replacement: Annotated[
        NewHealthCard | None, personal("The card that took its place (thẻ mới)", {"number": "TE1560000000018"})
    ] = None


class ParticipationQuery(Canonical):
    """Asks whether somebody takes part in social or health insurance (xác minh tham gia BHXH, BHYT)."""

    citizen_id: Annotated[CitizenId | None, personal("Citizen id (số định danh)", "000180000011")] = None
    insurance_number: Annotated[
        InsuranceNumber | None, personal("Social insurance number, 10 digits (mã số BHXH)", "0000000017")
    ] = None
    full_name: Annotated[Name, personal("Full name with its accents (họ tên)", "Trần Thị Không")]
    born_on: Annotated[Day, personal("Date of birth (ngày sinh)", "1980-05-17")]

    @model_validator(mode="after")
    def _has_a_number(self) -> "ParticipationQuery":
        if self.citizen_id is None and self.insurance_number is None:
            raise ValueError("give citizen_id or insurance_number")
        return self


class ParticipationStatus(StrEnum):
    """Whether somebody takes part now (trạng thái tham gia)."""

    ACTIVE = "active"
    STOPPED = "stopped"


class Participation(Canonical):
    """How one person takes part (quá trình tham gia BHXH, BHYT)."""

    insurance_number: Annotated[Code, personal("Social insurance number (mã số BHXH)", "0000000017")]
    card_number: Annotated[Code | None, personal("Number of the health card (mã thẻ BHYT)", "TE1560000000017")] = None
    valid_from: Annotated[Day | None, personal("First day (từ ngày)", "2026-01-01")] = None
    valid_until: Annotated[Day | None, personal("Last day (đến ngày)", "2026-12-31")] = None
    facility: Annotated[
        Line | None, personal("Where registered for treatment (nơi đăng ký KCB ban đầu)", "Bệnh viện Không Tên")
    ] = None
    status: Annotated[Choice[ParticipationStatus] | None, personal("Whether now (trạng thái)", "active")] = None


class HouseholdMember(Canonical):
    """One person of a household, and how they take part (thành viên hộ gia đình tham gia BHYT)."""

    insurance_number: Annotated[Code | None, personal("Social insurance number (mã số BHXH)", "0000000018")] = None
    full_name: Annotated[Name, personal("Full name (họ tên)", "Trần Văn Không")]
    born_on: Annotated[PartialDate | None, personal("Date of birth (ngày sinh)", "2020-05-17")] = None
    sex: Annotated[Choice[Sex] | None, personal("Sex (giới tính)", "male")] = None
    relation: Annotated[Line | None, personal("Relation to the head (quan hệ với chủ hộ)", "Con")] = None
    card_number: Annotated[Code | None, personal("Number of the health card (mã thẻ BHYT)", "TE1560000000018")] = None
    valid_from: Annotated[Day | None, personal("First day (từ ngày)", "2026-01-01")] = None
    valid_until: Annotated[Day | None, personal("Last day (đến ngày)", "2026-12-31")] = None
    status: Annotated[Choice[ParticipationStatus] | None, personal("Whether now (trạng thái)", "active")] = None


class InsuredHousehold(Canonical):
    """A household that takes part together (hộ gia đình tham gia BHYT)."""

    code: Annotated[Code | None, personal("Code of the household (mã hộ gia đình)", "0000000000")] = None
    head: Annotated[Name | None, personal("Head of the household (chủ hộ)", "Trần Văn Không")] = None
    members: Annotated[Many[HouseholdMember], personal("Who belongs to it (thành viên)", [])] = ()
