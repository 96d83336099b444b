"""
How days and moments are written by the agencies and read back. Offered to mappings by `values.py`, one name per pattern.

Patterns use yyyy MM dd HH mm ss. HH is always the 24-hour clock: one public client wrote `yyyyMMddhhmmss` and filed
every afternoon as morning, so no pattern here has hh. Agencies without an offset mean +07:00 unless a name says utc.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from mappings.canonical.kinds import VIETNAM, in_vietnam
from mappings.canonical.partial_date import PartialDate

_FIELDS = {
    "yyyy": ("year", 4),
    "MM": ("month", 2),
    "dd": ("day", 2),
    "HH": ("hour", 2),
    "mm": ("minute", 2),
    "ss": ("second", 2),
}
_TOKEN = re.compile("yyyy|MM|dd|HH|mm|ss")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,9})?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_WITH_OFFSET = re.compile("(Z|[+-][0-9]{2}:[0-9]{2})$")
_MIDNIGHT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T00:00:00(\.0{1,9})?)?")
_BIRTH = re.compile(r"(?:(?:([0-9]{2})/)?([0-9]{2})/)?([0-9]{4})")
_YEAR_OF_NOTHING = 1
"""`0001-01-01` is what .NET writes for a day it does not know."""


def _reader(pattern: str) -> Callable[[Any], dict[str, int]]:
    """Return a function from text written as *pattern* to its numbers by name."""
    groups = _TOKEN.sub(
        lambda token: "(?P<{}>[0-9]{{{}}})".format(*_FIELDS[token[0]]), re.escape(pattern).replace(r"\-", "-")
    )
    form = re.compile(groups)

    def read(text: Any) -> dict[str, int]:
        found = form.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None:
            raise ValueError(f"text is not written as {pattern}")
        return {name: int(digits) for name, digits in found.groupdict().items()}

    return read


def _writer(pattern: str) -> Callable[[date], str]:
    """Return a function from a day or moment to its text as *pattern*."""
    form = _TOKEN.sub(lambda token: "{{0.{}:0{}d}}".format(*_FIELDS[token[0]]), pattern)
    return form.format


def _day(value: Any) -> date:
    """Return the whole day that *value* is, so that a date of which only the year is known falls to `year`."""
    if isinstance(value, PartialDate):
        if (whole := value.whole()) is not None:
            return whole
        raise ValueError("the day is not known")
    if isinstance(value, str) and _WITH_OFFSET.search(value):
        return read_iso(value).date()  # the day of a source such as `call.accepted_at`, which is text
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise ValueError("a day is needed")


def _moment(value: Any) -> datetime:
    if isinstance(value, str) and _WITH_OFFSET.search(value):
        return read_iso(value)  # a source such as `call.accepted_at`, which is text
    if isinstance(value, datetime) and value.tzinfo is not None:
        return in_vietnam(value)
    raise ValueError("a moment with an offset is needed")


def write_day(pattern: str) -> Callable[[Any], str]:
    """Return a function that writes a `date`, or a `PartialDate` of which all is known, as *pattern*."""
    write = _writer(pattern)
    return lambda value: write(_day(value))


def read_day(pattern: str) -> Callable[[Any], date]:
    """Return a function that reads a `date` written as *pattern*; a day 00 or month 00 does not fit."""
    read = _reader(pattern)

    def read_one(text: Any) -> date:
        numbers = read(text)
        try:
            return date(**numbers)
        except ValueError:
            raise ValueError(f"no such day, written as {pattern}") from None

    return read_one


def write_midnight(value: Any) -> str:
    """Write a day as the moment at which it begins, without an offset."""
    return f"{_day(value).isoformat()}T00:00:00"


def read_midnight(text: Any) -> date:
    """Read a day, with its midnight or alone. Another time, or an offset, may mean another day: it does not fit."""
    found = _MIDNIGHT.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError("text is no day in ISO 8601, alone or at midnight without an offset")
    try:
        day = date.fromisoformat(found[1])
    except ValueError:
        raise ValueError("no such day, in ISO 8601") from None
    if day.year == _YEAR_OF_NOTHING:
        raise ValueError("the year 1 means that the day is not known; leave it out")
    return day


def write_day_epoch(value: Any) -> str:
    """Write the midnight, at +07:00, with which a day begins, in milliseconds since 1970."""
    day = _day(value)
    return write_epoch(1000)(datetime(day.year, day.month, day.day, tzinfo=VIETNAM))


def read_day_epoch(text: Any) -> date:
    """Read the day, at +07:00, of a moment in milliseconds since 1970; or a day as dd/MM/yyyy."""
    if isinstance(text, str) and "/" in text:
        return read_day("dd/MM/yyyy")(text)
    moment: datetime = read_epoch(1000)(text)
    return moment.date()


def write_moment(pattern: str) -> Callable[[Any], str]:
    """Return a function that writes a moment as *pattern*, at +07:00."""
    write = _writer(pattern)
    return lambda value: write(_moment(value))


def read_moment(pattern: str) -> Callable[[Any], datetime]:
    """Return a function that reads a moment written as *pattern*, at +07:00."""
    read = _reader(pattern)

    def read_one(text: Any) -> datetime:
        numbers = read(text)
        try:
            return datetime(**numbers, tzinfo=VIETNAM)
        except ValueError:
            raise ValueError(f"no such moment, written as {pattern}") from None

    return read_one


def to_minute(value: Any) -> datetime:
    """Return what a pattern without seconds keeps of a moment."""
    return _moment(value).replace(second=0)


def write_utc(value: Any) -> str:
    """Write a moment as ISO 8601 in UTC."""
    return f"{_moment(value).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def write_iso(value: Any) -> str:
    """Write a moment as ISO 8601 with +07:00."""
    return _moment(value).isoformat()


def write_iso_ms(value: Any) -> str:
    """Write a moment as Java's `yyyy-MM-dd'T'HH:mm:ss.SSSZ` does: three digits of a second, no colon in the offset."""
    return f"{_moment(value):%Y-%m-%dT%H:%M:%S.000%z}"


def _read_iso(text: Any, without_offset: str) -> datetime:
    found = _ISO.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError("text is not an ISO 8601 moment")
    try:
        return in_vietnam(
            datetime.fromisoformat(f"{found[1]}T{found[2]}{(found[3] or without_offset).replace('Z', '+00:00')}")
        )
    except (ValueError, OverflowError):
        raise ValueError("no such moment, in ISO 8601") from None


def read_utc(text: Any) -> datetime:
    """Read an ISO 8601 moment; without an offset it is UTC, as the land systems write."""
    return _read_iso(text, "Z")


def read_iso(text: Any) -> datetime:
    """Read an ISO 8601 moment; without an offset it is +07:00."""
    return _read_iso(text, "+07:00")


def write_epoch(per_second: int) -> Callable[[Any], str]:
    """Return a function that writes a moment as the count since 1970 in UTC, *per_second* to the second."""
    return lambda value: str(int((_moment(value) - _EPOCH).total_seconds()) * per_second)


def read_epoch(per_second: int) -> Callable[[Any], datetime]:
    """Return a function that reads a moment from the count since 1970 in UTC, as text or number."""

    def read(value: Any) -> datetime:
        text = str(value)
        if isinstance(value, bool) or not re.fullmatch("-?[0-9]{1,15}", text):
            raise ValueError("not a count of time since 1970")
        try:
            return in_vietnam(_EPOCH + timedelta(seconds=int(text) // per_second))
        except OverflowError:
            raise ValueError("not a count of time since 1970") from None

    return read


def only_year(value: Any) -> PartialDate:
    """Return what `year` keeps of a date."""
    return PartialDate(PartialDate.of(value).year)


def only_month(value: Any) -> PartialDate:
    """Return what `month yyyy` keeps of a date."""
    known = PartialDate.of(value)
    if known.month is None:
        raise ValueError("the month is not known")
    return PartialDate(known.year, known.month)


def write_year(value: Any) -> str:
    """Write the year of a date of which at least that is known."""
    return f"{PartialDate.of(value).year:04d}"


def read_year(text: Any) -> PartialDate:
    """Read a date of which only the year is known."""
    return PartialDate(**_reader("yyyy")(str(text)))


def write_month(pattern: str) -> Callable[[Any], str]:
    """Return a function that writes month and year as *pattern*."""
    form = pattern.replace("yyyy", "{0.year:04d}").replace("MM", "{0.month:02d}")
    return lambda value: form.format(only_month(value))


def read_month(pattern: str) -> Callable[[Any], PartialDate]:
    """Return a function that reads a date of which the day is unknown, written as *pattern*."""
    read = _reader(pattern)

    def read_one(text: Any) -> PartialDate:
        try:
            return PartialDate(**read(text))
        except ValueError:
            raise ValueError(f"text is not written as {pattern}") from None

    return read_one


def write_birth(value: Any) -> str:
    """Write as much of a date as is known: `17/05/1980`, `05/1980` or `1980`."""
    known = PartialDate.of(value)
    parts = [f"{part:02d}" for part in (known.day, known.month) if part is not None]
    return "/".join((*parts, f"{known.year:04d}"))


def read_birth(text: Any) -> PartialDate:
    """Read back what `write_birth` wrote; `17051980`, as in the QR code of an identity card, does not fit."""
    found = _BIRTH.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError("text is no date written as dd/MM/yyyy, MM/yyyy or yyyy")
    day, month, year = (int(part) if part else None for part in found.groups())
    try:
        return PartialDate(year or 0, month, day)
    except ValueError:
        raise ValueError("no such day, written as dd/MM/yyyy, MM/yyyy or yyyy") from None
