"""
How text, numbers, yes and no are written by the agencies and read back. Offered to mappings by `values.py`.

What an agency writes may be JSON, so readers take numbers and booleans beside text. Each raises ValueError with the
rule, never with the value.
"""

import base64
import binascii
import hashlib
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import from_json, to_json

from mappings import text

_INTEGER = re.compile("[+-]?[0-9]{1,18}")
_AMOUNT = re.compile(r"([0-9]{1,15})(\.0{1,2})?")
_LONGEST_UUID = 39  # decimal digits of 2**128


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text is needed")
    return value


def on_text(rule: Callable[[str], str]) -> Callable[[Any], str]:
    """Return *rule* as a writer or reader that refuses anything but text."""
    return lambda value: rule(_text(value))


def cut(length: int) -> Callable[[Any], str]:
    """Return a function that keeps the first *length* characters, without a blank at the end."""
    return lambda value: text.clean(_text(value))[:length].rstrip()


def zero_padded(length: int) -> Callable[[Any], str]:
    """Return a function that writes a number of at most *length* digits with zeros in front."""

    def write(value: Any) -> str:
        digits = without_zeros(value)
        if len(digits) > length:
            raise ValueError(f"a number of at most {length} digits is needed")
        return digits.zfill(length)

    return write


def without_zeros(value: Any) -> str:
    """Return a number's digits without zeros in front; zero itself is `0`."""
    digits = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch("[0-9]+", digits):
        raise ValueError("a number written in digits is needed")
    return digits.lstrip("0") or "0"


def unpadded(length: int) -> tuple[Callable[[Any], int], Callable[[Any], str | None]]:
    """
    Return writer and reader of a code of *length* digits that an agency keeps as a number, its zeros in front lost.

    The number 0 is read as nothing: no table has it, and software that keeps numbers writes it where none is known.
    """

    def write(value: Any) -> int:
        digits = _text(value)
        if not re.fullmatch(f"[0-9]{{{length}}}", digits) or not int(digits):
            raise ValueError(f"a code of {length} digits is needed")
        return int(digits)

    def read(value: Any) -> str | None:
        digits = without_zeros(value)
        if len(digits) > length:
            raise ValueError(f"a code of at most {length} digits is needed")
        return None if digits == "0" else digits.zfill(length)

    return write, read


def read_integer(value: Any) -> int:
    """Read a whole number from text or JSON, so that `0`, `00` and 0 are one code."""
    if isinstance(value, bool):
        raise ValueError("a whole number is needed")
    if isinstance(value, int):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    raise ValueError("a whole number is needed")


def write_integer(value: Any) -> str:
    """Write a whole number in digits."""
    return str(read_integer(value))


def write_json_code(value: Any) -> int | bool:
    """Write a code in digits as a JSON number, and the codes `true` and `false` as JSON has them."""
    words = {"true": True, "false": False}
    code = _text(value)
    if code in words:
        return words[code]
    if not re.fullmatch("0|-?[1-9][0-9]{0,17}", code):  # zeros in front would be lost
        raise ValueError("a whole number without zeros in front is needed, or true or false")
    return int(code)


def read_json_code(value: Any) -> str:
    """Read back the code that `write_json_code` wrote; the same in text is taken too."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else str(write_json_code(value)).lower()


def read_amount(value: Any) -> int:
    """
    Read whole đồng. `50000`, `50000.0` and 50000.0 fit; `50.000` does not, because it may mean fifty or fifty thousand.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    found = (
        _AMOUNT.fullmatch(str(value).strip()) if isinstance(value, int | str) and not isinstance(value, bool) else None
    )
    if found is None:
        raise ValueError("an amount in whole đồng is needed, without separators")
    return int(found[1])


def write_amount(value: Any) -> str:
    """Write whole đồng in digits."""
    return str(read_amount(value))


def one_of(words: Mapping[str, bool]) -> Callable[[Any], bool]:
    """Return a function that reads yes or no from *words* (lower case) or a JSON boolean."""
    spelled = " or ".join(words)

    def read(value: Any) -> bool:
        if isinstance(value, bool):
            return value
        found = words.get(value) if type(value) is str else None
        if found is None and isinstance(value, int | str):
            found = words.get(str(value).strip().lower())
        if found is None:
            raise ValueError(f"{spelled} is needed")
        return found

    return read


def yes_or_no(yes: str, no: str) -> Callable[[Any], str]:
    """Return a function that writes a boolean as one of two words."""

    def write(value: Any) -> str:
        if not isinstance(value, bool):
            raise ValueError("true or false is needed")
        return yes if value else no

    return write


def write_digits(value: Any) -> str:
    """Write a UUID as 39 decimal digits, for places where an agency takes only digits."""
    try:
        return str(uuid.UUID(_text(value)).int).zfill(_LONGEST_UUID)
    except ValueError:
        raise ValueError("a UUID is needed") from None


def read_digits(value: Any) -> str:
    """Read back the UUID that `write_digits` wrote."""
    digits = _text(value).strip()
    if not re.fullmatch(f"[0-9]{{{_LONGEST_UUID}}}", digits) or int(digits) >= 2**128:
        raise ValueError(f"{_LONGEST_UUID} digits of a UUID are needed")
    return str(uuid.UUID(int=int(digits)))


def hexadecimal_hash(algorithm: str) -> Callable[[Any], str]:
    """Return a function that writes the lower-case hexadecimal hash of text in UTF-8."""

    def write(value: Any) -> str:
        return hashlib.new(algorithm, _text(value).encode(), usedforsecurity=False).hexdigest()

    return write


def write_json_text(value: Any) -> str:
    """Write anything JSON can hold as its JSON text."""
    return to_json(value).decode()


def read_json_text(value: Any) -> Any:
    """Read back what a JSON text holds."""
    try:
        return from_json(_text(value), allow_inf_nan=False)
    except ValueError:
        raise ValueError("a JSON text is needed") from None


def write_base64_json(value: Any) -> str:
    """Write anything JSON can hold as base64 of its JSON text."""
    return base64.b64encode(to_json(value)).decode()


def read_base64_json(value: Any) -> Any:
    """Read back what base64 of a JSON text holds."""
    try:
        return from_json(base64.b64decode(_text(value), validate=True), allow_inf_nan=False)
    except (ValueError, binascii.Error):
        raise ValueError("base64 of a JSON text is needed") from None
