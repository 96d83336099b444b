"""
The numbers and codes by which people, agencies, procedures and dossiers are known, and the tests each can bear.

Every function takes the text as somebody typed it, returns the one form we keep, and raises ValueError with the rule
that was broken, never with the value. The canonical field types in `canonical/kinds.py` are built on these.
"""

import re
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from stdnum.exceptions import ValidationError as StdnumError
from stdnum.vn import mst

from mappings.text import clean

_CITIZEN_ID = re.compile(r"[0-9]{12}")
_OLD_ID = re.compile(r"[0-9]{9}")
_DOSSIER_CODE = re.compile(r"\S{1,50}")
_DOSSIER_PARTS = re.compile(r"(?P<agency>[0-9A-Z.]+)-(?P<day>[0-9]{6})-(?P<sequence>[0-9]{1,12})")
_AGENCY_OLD = re.compile(r"[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.[A-Z][0-9]{2}")
_AGENCY_NEW = re.compile(r"[A-Z][0-9]{2}(\.[0-9A-Z]{2,3})*")
_AGENCY_NEW_LONGEST = 35  # QĐ 20/2020/QĐ-TTg
_PROCEDURE = re.compile(r"(?P<short>[0-9]\.[0-9]{6})(\.[0-9]{3}\.[0-9]{2}\.[0-9]{2})?(\.[A-Z][0-9]{2})?")
_PHONE = re.compile(r"0[35789][0-9]{8}|02[0-9]{9}")
_ASSIGNED_PROVINCES = range(1, 97)  # 001 to 096 as first digits of a citizen id


_ENDED_PROVINCES = MappingProxyType({"H43": ("H32", date(2025, 6, 30))})
"""Letters of provinces that ended, in agency codes: who took over, and their last day. H43 is Ninh Thuận, H32 Khánh Hòa."""


def citizen_id(text: str) -> str:
    """Return the 12 digits of a citizen id (số định danh cá nhân). It has no check digit, so only the form is tested."""
    if not _CITIZEN_ID.fullmatch(text := text.strip()):
        raise ValueError("a citizen id has 12 digits")
    return text


def citizen_id_doubts(text: str, *, sex: str | None = None, birth_year: int | None = None) -> tuple[str, ...]:
    """
    Return what makes a well-formed citizen id look mistyped, as sentences; empty when nothing does.

    A doubt is for a person to look at and never a reason to refuse: the register has exceptions. *sex* is `male` or
    `female` as in `canonical.citizen.Sex`; any other value is not compared.
    """
    digits = citizen_id(text)
    century_and_sex = int(digits[3])
    doubts = []
    if int(digits[:3]) not in _ASSIGNED_PROVINCES:
        doubts.append("the first three digits are no province of birth")
    if birth_year is not None and 1900 + 100 * (century_and_sex // 2) + int(digits[4:6]) != birth_year:
        doubts.append("digits 4 to 6 name another year of birth")
    if sex in ("male", "female") and ("male", "female")[century_and_sex % 2] != sex:
        doubts.append("digit 4 names the other sex")
    return tuple(doubts)


def old_id(text: str) -> str:
    """Return the 9 digits of an old identity card (chứng minh nhân dân)."""
    if not _OLD_ID.fullmatch(text := text.strip()):
        raise ValueError("an old identity card number has 9 digits")
    return text


def compact(text: str) -> str:
    """Return a number without the blanks that people write into it, in capitals."""
    return "".join(clean(text).split()).upper()


def card_number(text: str) -> str:
    """
    Return what finds a health card: its number, a social insurance number or a citizen id, in capitals without blanks.

    Raises:
        ValueError: It is none of them.
    """
    number = compact(text)
    if not re.fullmatch("[A-Z]{2}[0-9]{13}|[0-9]{10}|[0-9]{12}", number, re.ASCII):
        raise ValueError(
            "needs 2 letters and 13 digits of a health card, 10 digits of social insurance, or a citizen id"
        )
    return number


def tax_code(text: str) -> str:
    """
    Return a tax code (mã số thuế): 10 digits, 10-3 for a branch, or a person's 12-digit id.

    Spaces, dots and dashes are taken out first, except the dash before a branch number. The check digit is tested,
    but not on 12-digit ids, which have none.

    Raises:
        ValueError: The form, the province prefix 00 or the check digit is wrong.
    """
    digits = mst.compact(text)
    if _CITIZEN_ID.fullmatch(digits):
        return digits
    try:
        mst.validate(digits)
    except StdnumError:
        raise ValueError(
            "a tax code has 10 digits with a right check digit, 3 more for a branch, or 12 for a person"
        ) from None
    if digits.startswith("00"):
        raise ValueError("a tax code does not begin with 00")
    return str(mst.format(digits))


def dossier_code(text: str) -> str:
    """Return a dossier code (mã hồ sơ) in upper case. It is opaque: dots and dashes belong to it, 50 characters at most."""
    text = clean(text).upper()
    if not _DOSSIER_CODE.fullmatch(text):
        raise ValueError("a dossier code has 1 to 50 characters and no spaces")
    return text


@dataclass(frozen=True, slots=True)
class DossierCodeParts:
    """What a dossier code of the form `agency-yyMMdd-sequence` says about itself."""

    agency: str
    received_on: date
    sequence: str


def dossier_code_parts(text: str) -> DossierCodeParts | None:
    """Return the parts of a dossier code, or None for the codes, allowed too, that are not of that form."""
    found = _DOSSIER_PARTS.fullmatch(dossier_code(text))
    if found is None:
        return None
    day = found["day"]
    try:
        received_on = date(2000 + int(day[:2]), int(day[2:4]), int(day[4:]))
    except ValueError:
        return None
    return DossierCodeParts(found["agency"], received_on, found["sequence"])


def agency_code(text: str) -> str:
    """Return an agency code (mã định danh cơ quan) in upper case, in the form in which it came, old or new."""
    text = text.strip().upper()
    if _AGENCY_OLD.fullmatch(text) or (_AGENCY_NEW.fullmatch(text) and len(text) <= _AGENCY_NEW_LONGEST):
        return text
    raise ValueError("an agency code looks like H56.14 or, in the old form, 000.00.14.H56")


def ended_province(text: str) -> tuple[str, date] | None:
    """
    Return the letters of the province that took over and the last day, when *text* is an agency code of one that ended.

    Such a code is read for ever, in old dossiers; nobody is given one any more. None for any other text.
    """
    try:
        code = agency_code(text)
    except ValueError:
        return None
    return _ENDED_PROVINCES.get(code[-3:] if _AGENCY_OLD.fullmatch(code) else code[:3])


def agency_code_new(text: str) -> str:
    """Return an agency code in the form of QĐ 20/2020/QĐ-TTg: `000.00.14.H56` becomes `H56.14`."""
    text = agency_code(text)
    if not _AGENCY_OLD.fullmatch(text):
        return text
    levels = text.split(".")[::-1]
    while len(levels) > 1 and not levels[-1].strip("0"):
        levels.pop()
    return ".".join(levels)


def agency_code_old(text: str) -> str:
    """
    Return an agency code in the form of QCVN 102:2016/BTTTT: `H56.14` becomes `000.00.14.H56`.

    Raises:
        ValueError: The new code is deeper than four levels or has letters in a lower level; the old form has no room.
    """
    text = agency_code(text)
    if _AGENCY_OLD.fullmatch(text):
        return text
    first, *lower = text.split(".")
    widths = (2, 2, 3)
    if len(lower) > len(widths) or not all(part.isdigit() for part in lower):
        raise ValueError("this agency code has no old form: that holds three lower levels of digits")
    padded = [part.zfill(width) for part, width in zip([*lower, *["0"] * (3 - len(lower))], widths, strict=True)]
    if any(len(part) > width for part, width in zip(padded, widths, strict=True)):
        raise ValueError("this agency code has no old form: a level is too long")
    return ".".join([*padded[::-1], first])


def procedure_code(text: str) -> str:
    """Return a procedure code (mã thủ tục): `1.001776`, or with a local suffix `1.001776.000.00.00.H56` or `1.001776.H56`."""
    text = text.strip().upper()
    if not _PROCEDURE.fullmatch(text):
        raise ValueError("a procedure code looks like 1.001776 or 1.001776.000.00.00.H56")
    return text


def short_procedure_code(text: str) -> str:
    """Return a procedure code without its local suffix: what the national catalogue knows."""
    found = _PROCEDURE.fullmatch(procedure_code(text))
    assert found is not None  # noqa: S101 - procedure_code has just matched the same pattern
    return found["short"]


def phone(text: str) -> str:
    """Return a Vietnamese phone number in national form: `+84 912 345 678` becomes `0912345678`."""
    digits = re.sub(r"[\s.\-()]", "", text)
    if digits.startswith("+84"):
        digits = "0" + digits[3:].removeprefix("0")
    elif digits.startswith("84") and len(digits) >= 11:
        digits = "0" + digits[2:]
    if not _PHONE.fullmatch(digits):
        raise ValueError("a phone number is a mobile of 10 digits or a landline of 11, from 02")
    return digits
