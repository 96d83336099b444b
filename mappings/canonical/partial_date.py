"""
A date of which the day, or the month too, may be unknown, as with many older people's birth dates.

In JSON it is `"1980"`, `"1980-05"` or `"1980-05-17"`.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_FORM = r"(1[89]|2[0-9])[0-9]{2}(-[0-9]{2}(-[0-9]{2})?)?"
_WRITTEN = re.compile(_FORM)
_YEARS = range(1800, 3000)


@dataclass(frozen=True, slots=True)
class PartialDate:
    """
    A year, a year and month, or a whole date, of the years 1800 to 2999.

    Raises:
        ValueError: No such date, or a day without a month.
    """

    year: int
    month: int | None = None
    day: int | None = None

    def __post_init__(self) -> None:
        if self.month is None and self.day is not None:
            raise ValueError("a day needs a month")
        if self.year not in _YEARS:
            raise ValueError("the year is not between 1800 and 2999")
        if self.month == 0 or self.day == 0:
            raise ValueError("an unknown month or day is left out, not written as 0")
        date(self.year, self.month or 1, self.day or 1)

    @classmethod
    def of(cls, value: "str | date | PartialDate") -> "PartialDate":
        """
        Return *value* as a partial date: its JSON form, a whole `date`, or one already made.

        Raises:
            ValueError: It is none of these.
        """
        if isinstance(value, PartialDate):
            return value
        if isinstance(value, date) and not isinstance(value, datetime):
            return cls(value.year, value.month, value.day)
        if isinstance(value, str) and _WRITTEN.fullmatch(value.strip()):
            return cls(*(int(part) for part in value.strip().split("-")))
        raise ValueError("write a date as 1980, 1980-05 or 1980-05-17")

    def whole(self) -> date | None:
        """Return the date when all of it is known."""
        return date(self.year, self.month, self.day) if self.month and self.day else None

    def agrees_with(self, other: "PartialDate") -> bool:
        """Say whether both may be one date: whatever both know is equal. A year agrees with a full date of that year."""
        pairs = ((self.year, other.year), (self.month, other.month), (self.day, other.day))
        return all(mine is None or theirs is None or mine == theirs for mine, theirs in pairs)

    def __str__(self) -> str:
        known = (f"{self.year:04d}", self.month and f"{self.month:02d}", self.day and f"{self.day:02d}")
        return "-".join(part for part in known if part)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.of, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^{_FORM}$"}
