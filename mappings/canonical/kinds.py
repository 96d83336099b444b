"""
The kinds of values that canonical fields are made of: text, codes, numbers, days, moments. Read `citizen.py` next.

Text is cleaned (NFC, trimmed) before its length is tested, in strict mode too, so that a caller who pastes from a
spreadsheet is not refused; an empty text is refused, because "nothing" is written as null and in no other way.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, Strict, StringConstraints

from mappings import identifiers, text
from mappings.canonical.shape import SEAL_BEGINS

VIETNAM = timezone(timedelta(hours=7))
"""The zone of every moment: +07:00 all year, in the whole country."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2})"
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OfAFile:
    """Marks the kinds whose text may be the id of a file in the hub; `canonical/files.py` finds their fields."""

    or_address: bool
    """The text may be an address instead."""


def _on_text(rule: Callable[[str], str]) -> BeforeValidator:
    """Apply *rule* to text and leave anything else to the strict type check that follows."""

    def apply(value: Any) -> Any:
        return rule(value) if isinstance(value, str) else value

    return BeforeValidator(apply)


def _from_text(form: re.Pattern[str], read: Callable[[str], date], says: str) -> BeforeValidator:
    """Read a day or moment from text of one form. pydantic alone would also take the seconds since 1970 as text."""

    def apply(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            if form.fullmatch(value):
                return read(value)
        except ValueError:
            pass
        raise ValueError(says)

    return BeforeValidator(apply)


def in_vietnam(moment: datetime) -> datetime:
    """Return *moment* at +07:00 in whole seconds; no agency keeps fractions, and equal moments must stay equal."""
    try:
        return moment.astimezone(VIETNAM).replace(microsecond=0)
    except OverflowError:
        raise ValueError("the year is not between 1 and 9999") from None


def _as_long_as_a_line(value: str) -> str:
    if len(value) > 500 and not value.startswith(SEAL_BEGINS):
        raise ValueError("is longer than 500 signs")
    return value


_CLEAN = _on_text(text.clean)

Code: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=50), _CLEAN]
"""A code of somebody's table or register, leading zeros kept."""
Line: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=500), _CLEAN]
"""A line of text: a title, a street, a note."""
Text: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=4000), _CLEAN]
"""Some sentences."""
LongText: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=100_000), _CLEAN]
"""Pages, as procedures have them."""
Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=255), _on_text(text.clean_name)]
"""A person's or organisation's name: single spaces."""
Sealed: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=3000), _CLEAN, AfterValidator(_as_long_as_a_line)
]
"""A line of text that the hub passes on sealed: the text itself, or its seal, which is longer."""
Url: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=2000), _CLEAN]
"""An address of a file; whether it may be fetched is decided where it is fetched."""
FileRef: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$"), OfAFile(or_address=False)]
"""A file in the hub by its id: the SHA-256 of its content, in 64 lower-case hexadecimal digits."""
FileUrl: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=2000), _CLEAN, OfAFile(or_address=True)]
"""An address of a file, or the id of a file in the hub: then the agency gets a link under which it fetches it for a time."""

CitizenId: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9]{12}$"), _on_text(identifiers.citizen_id)]
OldId: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9]{9}$"), _on_text(identifiers.old_id)]
TaxCode: TypeAlias = Annotated[str, StringConstraints(max_length=14), _on_text(identifiers.tax_code)]
DossierCode: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=50), _on_text(identifiers.dossier_code)
]
AgencyCode: TypeAlias = Annotated[str, StringConstraints(max_length=35), _on_text(identifiers.agency_code)]
ProcedureCode: TypeAlias = Annotated[str, StringConstraints(max_length=35), _on_text(identifiers.procedure_code)]
Phone: TypeAlias = Annotated[str, StringConstraints(max_length=11), _on_text(identifiers.phone)]
ProvinceCode: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9]{2}$"), _CLEAN]
DistrictCode: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9]{3}$"), _CLEAN]
CommuneCode: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9]{5}$"), _CLEAN]
CountryCode: TypeAlias = Annotated[str, StringConstraints(pattern="^[A-Z]{2,3}$"), _CLEAN]
TwoDigits: TypeAlias = Annotated[str, StringConstraints(pattern="^[0-9]{2}$"), _CLEAN]

Count: TypeAlias = Annotated[int, Field(ge=0, le=1_000_000)]
Money: TypeAlias = Annotated[int, Field(ge=0, le=10**15)]
"""Whole đồng (VND)."""
Day: TypeAlias = Annotated[date, _from_text(_DAY, date.fromisoformat, "write a day as 2026-03-15")]
Moment: TypeAlias = Annotated[
    AwareDatetime,
    AfterValidator(in_vietnam),
    _from_text(_MOMENT, datetime.fromisoformat, "write a moment as 2026-03-15T08:30:00+07:00"),
]
"""An instant, kept at +07:00 in whole seconds; any other offset is converted."""

Many: TypeAlias = Annotated[tuple[T, ...], Strict(False), Field(max_length=1000)]
"""Any number of things, none included, kept as a tuple. Lists are taken too, because JSON has nothing else."""
Whole: TypeAlias = Annotated[tuple[T, ...], Strict(False), Field(max_length=100_000)]
"""All entries of somebody's register, kept as a tuple."""
Choice: TypeAlias = Annotated[T, Strict(False)]
"""A member of an enum, or its text, which is what code tables and JSON give."""
