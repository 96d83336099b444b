"""
The converters that a mapping may name in `as`: pairs of writing and reading, each with examples that a test runs.

The two literals below are the whole list. How each works is in `values_plain.py` and `values_time.py`; a converter
raises ValueError with the rule, never with the value.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from mappings import identifiers, text
from mappings import values_files as files
from mappings import values_plain as plain
from mappings import values_time as times
from mappings.canonical.kinds import VIETNAM, in_vietnam
from mappings.canonical.partial_date import PartialDate


def unchanged(value: Any) -> Any:
    """Return *value*: the normal form of a converter that loses nothing."""
    return value


@dataclass(frozen=True, slots=True)
class Converter:
    """
    A named pair: `write` turns our value into what the agency takes, `read` turns it back.

    `read(write(x)) == normal(x)` for every x that `write` takes: `normal` says what is lost, a cut or a letter's case.
    Both raise ValueError with the rule that was broken, never with the value.
    """

    name: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any] | None
    """None when there is no way back, as with a hash; such a converter cannot stand in a mapping that reads."""
    examples: tuple[tuple[Any, Any], ...]
    """Pairs (ours, theirs): `write(ours) == theirs`, and `read(theirs) == normal(ours)`."""
    normal: Callable[[Any], Any] = unchanged


def _day(pattern: str, example: str) -> Converter:
    write, read = times.write_day(pattern), times.read_day(pattern)
    return Converter(f"date {pattern}", write, read, ((date(1980, 5, 17), example),), lambda value: read(write(value)))


def _moment(pattern: str, example: str, normal: Callable[[Any], Any] = in_vietnam) -> Converter:
    ours = datetime(2026, 3, 15, 20, 5, tzinfo=VIETNAM)  # an evening, so that a 12-hour clock would show
    return Converter(
        f"moment {pattern}", times.write_moment(pattern), times.read_moment(pattern), ((ours, example),), normal
    )


JSON_TEXT = "json text"
"""May stand beside `map` too: the group is then one text, JSON inside JSON."""
_EVENING = datetime(2026, 3, 15, 20, 5, 9, tzinfo=VIETNAM)
_CLEAN = plain.on_text(text.clean)


def _month(name: str, pattern: str, example: str) -> Converter:
    write, read = times.write_month(pattern), times.read_month(pattern)
    return Converter(name, write, read, ((PartialDate(1980, 5), example),), times.only_month)


_FILE = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

_PLAIN = (
    Converter("trimmed", _CLEAN, _CLEAN, (("Sở Thử nghiệm", "Sở Thử nghiệm"),), _CLEAN),
    Converter(
        "upper name",
        plain.on_text(text.upper_name),
        plain.on_text(text.clean_name),
        (("Trần  Thị Đá", "TRẦN THỊ ĐÁ"), ("Nguyễn Văn Ðược", "NGUYỄN VĂN ĐƯỢC")),
        plain.on_text(text.upper_name),
    ),
    Converter(
        "no accents",
        plain.on_text(text.without_accents),
        _CLEAN,
        (("Trần Thị Đá", "Tran Thi Da"),),
        plain.on_text(text.without_accents),
    ),
    Converter(  # with `parts`: the parts are joined with blanks, those that are empty leave none behind
        "joined name",
        plain.on_text(text.clean_name),
        plain.on_text(text.clean_name),
        (("Trần Thị Không", "Trần Thị Không"), (" Trần  Không", "Trần Không")),
        plain.on_text(text.clean_name),
    ),
    Converter("integer text", plain.write_integer, plain.read_integer, ((0, "0"), (-3, "-3"), (12, "12"))),
    Converter("amount", plain.write_amount, plain.read_amount, ((50000, "50000"), (0, "0"))),
    Converter("amount number", plain.read_amount, plain.read_amount, ((50000, 50000),)),
    Converter(
        "True/False",
        plain.yes_or_no("True", "False"),
        plain.one_of({"true": True, "false": False}),
        ((True, "True"), (False, "False")),
    ),
    Converter(
        "true/false",  # as XML Schema spells it; 1 and 0 are read too
        plain.yes_or_no("true", "false"),
        plain.one_of({"true": True, "false": False, "1": True, "0": False}),
        ((True, "true"), (False, "false")),
    ),
    Converter(  # a code of ours, or of a code table, that the agency keeps as a number or as true and false
        "json code", plain.write_json_code, plain.read_json_code, (("9", 9), ("0", 0), ("true", True))
    ),
    Converter("0/1", plain.yes_or_no("1", "0"), plain.one_of({"0": False, "1": True}), ((True, "1"), (False, "0"))),
    _day("yyyyMMdd", "19800517"),
    _day("dd-MM-yyyy", "17-05-1980"),
    _day("dd/MM/yyyy", "17/05/1980"),
    _day("yyyy-MM-dd", "1980-05-17"),
    _day("yyyy/MM/dd", "1980/05/17"),
    Converter(  # as .NET and Java write a day that they keep as a moment; its midnight may be left out
        "date iso",
        times.write_midnight,
        times.read_midnight,
        ((date(1980, 5, 17), "1980-05-17T00:00:00"),),
        lambda value: times.read_midnight(times.write_midnight(value)),
    ),
    Converter(  # as an older axis writes a day: its midnight at +07:00; dd/MM/yyyy is read too, since some write that
        "date epoch ms",
        times.write_day_epoch,
        times.read_day_epoch,
        ((date(2026, 3, 12), "1773248400000"),),
        lambda value: times.read_day_epoch(times.write_day_epoch(value)),
    ),
    Converter(
        "year",
        times.write_year,
        times.read_year,
        ((PartialDate(1980), "1980"), (PartialDate(1980, 5, 17), "1980")),
        times.only_year,
    ),
    _month("month yyyy", "MM/yyyy", "05/1980"),
    _month("month yyyy-MM", "yyyy-MM", "1980-05"),
    Converter(
        "birth dd/MM/yyyy",
        times.write_birth,
        times.read_birth,
        (
            (PartialDate(1980, 5, 17), "17/05/1980"),
            (PartialDate(1980, 5), "05/1980"),
            (PartialDate(1980), "1980"),
        ),
        PartialDate.of,
    ),
    _moment("yyyyMMddHHmmss", "20260315200500"),
    _moment("yyyyMMddHHmm", "202603152005", times.to_minute),
    _moment("yyyy-MM-dd HH:mm:ss", "2026-03-15 20:05:00"),
    _moment("yyyy/MM/dd HH:mm:ss", "2026/03/15 20:05:00"),
    _moment("dd/MM/yyyy HH:mm:ss", "15/03/2026 20:05:00"),
    Converter("moment utc", times.write_utc, times.read_utc, ((_EVENING, "2026-03-15T13:05:09Z"),), in_vietnam),
    Converter("moment iso", times.write_iso, times.read_iso, ((_EVENING, "2026-03-15T20:05:09+07:00"),), in_vietnam),
    Converter(
        "moment iso ms", times.write_iso_ms, times.read_iso, ((_EVENING, "2026-03-15T20:05:09.000+0700"),), in_vietnam
    ),
    Converter("epoch s", times.write_epoch(1), times.read_epoch(1), ((_EVENING, "1773579909"),), in_vietnam),
    Converter("epoch ms", times.write_epoch(1000), times.read_epoch(1000), ((_EVENING, "1773579909000"),), in_vietnam),
    Converter(
        "short procedure code",
        plain.on_text(identifiers.short_procedure_code),
        plain.on_text(identifiers.procedure_code),
        (("1.001776.000.00.00.H56", "1.001776"), ("2.002621", "2.002621")),
        plain.on_text(identifiers.short_procedure_code),
    ),
    Converter(
        "agency code old",
        plain.on_text(identifiers.agency_code_old),
        plain.on_text(identifiers.agency_code_new),
        (("H56.14", "000.00.14.H56"), ("H56", "000.00.00.H56"), ("H56.14.02.001", "001.02.14.H56")),
        lambda value: identifiers.agency_code_new(identifiers.agency_code_old(value)),
    ),
    Converter(
        "agency code new",
        plain.on_text(identifiers.agency_code_new),
        plain.on_text(identifiers.agency_code_new),
        (("000.00.14.H56", "H56.14"), ("H32.14.05", "H32.14.05")),
        plain.on_text(identifiers.agency_code_new),
    ),
    Converter(
        "phone national",
        plain.on_text(identifiers.phone),
        plain.on_text(identifiers.phone),
        (("+84 900 000 000", "0900000000"),),
        plain.on_text(identifiers.phone),
    ),
    Converter(
        "digits",
        plain.write_digits,
        plain.read_digits,
        (("00000000-0000-7000-8000-00000000000a", "000000000000000528914269453437118709770"),),
        lambda value: plain.read_digits(plain.write_digits(value)),
    ),
    Converter("md5", plain.hexadecimal_hash("md5"), None, (("a", "0cc175b9c0f1b6a831c399e269772661"),)),
    Converter(
        "sha256",
        plain.hexadecimal_hash("sha256"),
        None,
        (("a", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),),
    ),
    Converter(files.CONTENT, files.write_content, files.read_content, ((_FILE, files.write_content(_FILE)),)),
    Converter(
        files.LINK,
        files.write_link,
        files.read_link,
        ((_FILE, files.write_link(_FILE)), ("https://files.centre.example/1", "https://files.centre.example/1")),
    ),
    Converter(JSON_TEXT, plain.write_json_text, plain.read_json_text, (({"a": 1}, '{"a":1}'),)),
    Converter("base64 json", plain.write_base64_json, plain.read_base64_json, (({"a": 1}, "eyJhIjoxfQ=="),)),
)


def _cut(length: int) -> Converter:
    keep = plain.cut(length)
    return Converter(
        f"cut {length}", keep, _CLEAN, (("a" * length, "a" * length), ("b" * (length + 1), "b" * length)), keep
    )


def _zero_padded(length: int) -> Converter:
    write = plain.zero_padded(length)
    return Converter(
        f"zero-padded {length}", write, plain.without_zeros, (("7", "7".zfill(length)),), plain.without_zeros
    )


def _unpadded(length: int) -> Converter:
    write, read = plain.unpadded(length)
    return Converter(f"unpadded {length}", write, read, (("7".zfill(length), 7),))


CONVERTERS: Mapping[str, Converter] = MappingProxyType({each.name: each for each in _PLAIN})
"""Every converter without a number, by name."""

WITH_LENGTH: Mapping[str, Callable[[int], Converter]] = MappingProxyType(
    {"cut": _cut, "zero-padded": _zero_padded, "unpadded": _unpadded}
)
"""Converters that are written with a number after their name: `cut 50`."""

_NUMBERED = re.compile(r"(.+) ([1-9][0-9]{0,4})")


def converter(name: str) -> Converter:
    """
    Return the converter that a mapping means by *name*, e.g. `upper name` or `cut 50`.

    Raises:
        ValueError: There is none; the text names the nearest.
    """
    if name in CONVERTERS:
        return CONVERTERS[name]
    numbered = _NUMBERED.fullmatch(name)
    if numbered and numbered[1] in WITH_LENGTH:
        return WITH_LENGTH[numbered[1]](int(numbered[2]))
    if name in WITH_LENGTH:
        raise ValueError(f"`{name}` needs a length, e.g. `{name} 50`")
    known = [*CONVERTERS, *(f"{each} N" for each in WITH_LENGTH)]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0)
    raise ValueError(f"`{name}` is not a converter; did you mean `{near[0]}`?")
