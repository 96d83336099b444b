"""Somebody who pays taxes, as the tax office registers them: a person, a household business or a company."""

from enum import StrEnum
from typing import Annotated

from pydantic import model_validator

from mappings.canonical.kinds import Choice, CitizenId, Code, Day, Line, Name, TaxCode
from mappings.canonical.shape import Canonical, personal, told


class TaxpayerStatus(StrEnum):
    """How a tax code stands (trạng thái mã số thuế)."""

    ACTIVE = "active"
    CLOSED = "closed"
    MOVED = "moved"
    """Passed on to another tax office."""
    CLOSING = "closing"
    """Has stopped, and not yet done what ends the code."""
    ACTIVE_FOR_A_TIME = "active_for_a_time"
    SUSPENDED = "suspended"
    ABSENT = "absent"
    """Not at the registered address."""
    DISSOLVING = "dissolving"


class TaxpayerQuery(Canonical):
    """Asks for one taxpayer (tra cứu người nộp thuế), by tax code, or by citizen id where no tax code is known."""

    tax_code: Annotated[
        TaxCode | None, personal("Tax code: 10 digits, 10-3 of a branch, or a citizen id (mã số thuế)", "9900000016")
    ] = None
    citizen_id: Annotated[CitizenId | None, personal("Citizen id, 12 digits (số giấy tờ)", "000180000011")] = None

    @model_validator(mode="after")
    def _has_a_number(self) -> "TaxpayerQuery":
        if self.tax_code is None and self.citizen_id is None:
            raise ValueError("give tax_code or citizen_id")
        return self


class Taxpayer(Canonical):
    """A taxpayer that was found (người nộp thuế). What tax does not tell is absent."""

    tax_code: Annotated[Code, personal("Tax code (mã số thuế)", "9900000016")]
    name: Annotated[Name, personal("Name (tên người nộp thuế)", "Hộ kinh doanh Không Tên")]
    address: Annotated[Line | None, personal("Address, as written (địa chỉ)", "Số 0, đường Không Tên")] = None
    office: Annotated[Code | None, told("Code of the tax office that is in charge (mã cơ quan thuế)", "00000")] = None
    status: Annotated[Choice[TaxpayerStatus], told("How the tax code stands (trạng thái)", "active")]
    issued_on: Annotated[Day | None, told("Day on which the code was given (ngày cấp)", "2020-01-02")] = None
    identity_number: Annotated[Code | None, personal("Number of the identity paper (số giấy tờ)", "000180000011")] = (
        None
    )
