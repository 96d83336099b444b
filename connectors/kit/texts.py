"""
Bytes of an agency to a tree, without trust: JSON and XML, whatever they claim to be encoded in. Next: `rest.py`, `soap.py`.

Nothing here can be made slow or dangerous by what it reads: no DTD, no entity, no network, bounded depth. A fault
names the rule that the bytes break, never what they hold.
"""

import codecs
import re
from collections.abc import Mapping
from email.message import Message
from typing import Any, TypeAlias

from lxml import etree
from pydantic_core import from_json

from mappings.xml_text import Hostile, parsed

Json: TypeAlias = dict[str, Any] | list[Any] | str | int | float | bool | None
Tree: TypeAlias = Json | etree._Element

UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_TOKENS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[,\[{]', re.DOTALL)
"""A whole text, or what stands outside of one and makes room for one more value."""
_DECLARATION = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([\w.:-]{1,40})["']""")

LARGE = 256 * 1024
"""Bodies of more bytes than this are read in a thread: parsing them would hold the loop for milliseconds."""


class Unreadable(Exception):
    """The bytes are not what they should be. `truncated` says that they end in the middle."""

    def __init__(self, rule: str, *, truncated: bool = False) -> None:
        self.rule = rule
        self.truncated = truncated
        super().__init__(rule)


def parse_json(body: bytes, headers: Mapping[str, str], most_values: int | None = None) -> Json:
    """
    Read JSON in UTF-8, or in the charset that *headers* declare when it is not UTF-8.

    Raises:
        Unreadable: It is empty, truncated, not JSON, nested too deeply, or holds more than *most_values*.
    """
    text = body if _is_utf8(body) else _decoded(body, headers)
    if most_values is not None and holds_more(text if isinstance(text, bytes) else text.encode(), most_values):
        raise Unreadable(f"holds more than {most_values} values")
    try:
        value: Json = from_json(
            text.removeprefix(codecs.BOM_UTF8) if isinstance(text, bytes) else text, allow_inf_nan=False
        )
    except ValueError as error:
        if body.lstrip()[:1] == b"<":
            raise Unreadable("is HTML or XML where JSON was expected") from None
        truncated = not body.strip() or str(error).startswith("EOF")
        raise Unreadable("ends in the middle" if truncated else "is not JSON", truncated=truncated) from None
    return value


def holds_more(body: bytes, most: int) -> bool:
    """
    Say whether *body*, JSON in UTF-8, holds more than *most* values, before anything is parsed.

    A parser runs in one step that no thread can interrupt, and makes forty bytes of one: too late to count.
    """
    if sum(map(body.count, (b",", b"[", b"{"))) <= most:
        return False
    found = 0
    for number, token in enumerate(_TOKENS.finditer(body)):
        found += token[0][:1] != b'"'
        if found > most or number >= 4 * most:  # JSON has no more than two texts for each value
            return True
    return False


def parse_xml(body: bytes, headers: Mapping[str, str]) -> etree._Element:
    """
    Read XML; UTF-8 is believed before any declaration, since no other encoding looks like it by chance.

    Raises:
        Unreadable: It is empty, truncated, not well-formed, nested deeper than 256, or has a DTD.
    """
    try:
        root = _xml(body.removeprefix(codecs.BOM_UTF8).strip() if _is_utf8(body) else _in_utf8(body, headers))
    except (etree.XMLSyntaxError, UnicodeError, LookupError) as error:  # LookupError: a charset that nobody knows
        end = body.rstrip().rstrip(b"\x00")
        begun = not end or body.lstrip().startswith((b"<", codecs.BOM_UTF8, *UTF16_MARKS))
        truncated = begun and (
            not end.endswith(b">") or getattr(error, "code", 0) == etree.ErrorTypes.ERR_TAG_NOT_FINISHED
        )
        raise Unreadable("ends in the middle" if truncated else "is not well-formed XML", truncated=truncated) from None
    if root.tag in ("html", "HTML", "{http://www.w3.org/1999/xhtml}html"):
        raise Unreadable("is HTML where XML was expected")
    return root


def _xml(body: bytes) -> etree._Element:
    try:
        return parsed(body)
    except Hostile as error:
        raise Unreadable(str(error)) from None


def _in_utf8(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return XML in another encoding as UTF-8. Nothing but UTF-8 is parsed, so that what is refused cannot hide."""
    if _is_utf16(body):
        encoding = "utf-16" if body.startswith(UTF16_MARKS) else "utf-16-be" if body[:1] == b"\x00" else "utf-16-le"
    else:
        body = body.strip()
        found = _DECLARATION.match(body)
        encoding = _declared(body, headers) or (found[1].decode() if found else "utf-8")
    return body.decode(encoding).strip().encode()


def _is_utf8(body: bytes) -> bool:
    if _is_utf16(body):
        return False
    if body.isascii():
        return True
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_utf16(body: bytes) -> bool:
    return b"\x00" in body[:4] or body.startswith(UTF16_MARKS)


def _declared(body: bytes, headers: Mapping[str, str]) -> str | None:
    """Return the charset that *headers* declare for bytes that are not UTF-8, if it is a known one."""
    if _is_utf16(body):
        return None
    message = Message()
    message["content-type"] = headers.get("content-type", "")
    try:
        name = codecs.lookup(str(message.get_param("charset", ""))).name
    except (LookupError, ValueError):
        return None
    return None if name in ("utf-8", "ascii") else name


def _decoded(body: bytes, headers: Mapping[str, str]) -> str:
    encoding = (
        "utf-16" if body.startswith(UTF16_MARKS) else "utf-16-le" if _is_utf16(body) else _declared(body, headers)
    )
    try:
        if encoding:
            return body.decode(encoding)
    except (UnicodeError, LookupError):  # UnicodeError itself is what some codecs raise
        pass
    raise Unreadable("is neither UTF-8 nor the charset that it declares")
