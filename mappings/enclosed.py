"""
Texts that hold more: an XML document as text inside XML, several values in one text. What `[fixed]` names with the
source `payload`.

A mapping names places inside such a text as if its content were elements there. Reading opens the text before these
places are looked at; writing closes it after they were filled.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lxml import etree

from mappings.paths import nearest
from mappings.xml_text import Hostile, parsed

PAYLOAD: Final = "payload"
"""The source that stands for what other lines write inside a place."""
MOST_LISTED: Final = 10_000
"""Separators in a text that is a list; ours, far above any list of receivers."""


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A way in which a text holds elements. Both raise ValueError with the rule, never with the value."""

    name: str
    close: Callable[[list[etree._Element]], str]
    """Turns what stands inside, which is detached, into the text."""
    open: Callable[[str, str], list[etree._Element]]
    """Turns the text into what stands inside; where that is plain values, each gets the tag that is handed in."""
    encoded: bool = False
    """Whether what stands inside cannot be seen in the text: no file could be put in there while it is being sent."""


def enclosure(names: tuple[str, ...]) -> Enclosure:
    """
    Return what a mapping means by `as`, e.g. `xml text` or `list ;`.

    Raises:
        ValueError: It is none; the text says what there is.
    """
    name = names[0] if len(names) == 1 else " ".join(names)
    if name in _XML:
        return _XML[name]
    found = _PARTED.fullmatch(name)
    if found:
        return _listed(name, found[2]) if found[1] == "list" else _paired(name, found[2])
    known = (*_XML, "list ;", "pair /")
    raise ValueError(f"needs `as`, one of {', '.join(known)}: how the text holds what is inside{nearest(name, known)}")


def _close_xml(inside: list[etree._Element]) -> str:
    return etree.tostring(_only(inside), encoding="unicode", with_tail=False)


def _open_xml(text: str, _tag: str) -> list[etree._Element]:
    try:
        return [parsed(text.encode())]
    except Hostile:
        raise
    except (etree.XMLSyntaxError, UnicodeError):
        raise ValueError("holds no well-formed XML") from None


def _close_base64(inside: list[etree._Element]) -> str:
    return base64.b64encode(etree.tostring(_only(inside), encoding="utf-8", xml_declaration=True)).decode()


def _open_base64(text: str, _tag: str) -> list[etree._Element]:
    try:
        body = base64.b64decode("".join(text.split()), validate=True)
        return [parsed(body.removeprefix(b"\xef\xbb\xbf").strip())]
    except Hostile:
        raise
    except binascii.Error:
        raise ValueError("is no base64") from None
    except (etree.XMLSyntaxError, UnicodeError):
        raise ValueError("holds no well-formed XML in base64") from None


def _only(inside: list[etree._Element]) -> etree._Element:
    if len(inside) != 1:
        raise ValueError("must hold one document")
    etree.cleanup_namespaces(inside[0])
    return inside[0]


def _listed(name: str, separator: str) -> Enclosure:
    def close(inside: list[etree._Element]) -> str:
        texts = [one.text or "" for one in inside]
        if any(separator in text for text in texts):
            raise ValueError(f"holds a `{separator}` inside one of its values, which would make two of it")
        return separator.join(texts)

    def unfold(text: str, tag: str) -> list[etree._Element]:
        if (
            text.count(separator) > MOST_LISTED
        ):  # before it is taken apart: each part becomes a hundred times as many bytes
            raise ValueError(f"holds more than {MOST_LISTED} values")
        return [_element(tag, part.strip()) for part in text.split(separator) if part.strip()]

    return Enclosure(name, close, unfold)


def _paired(name: str, separator: str) -> Enclosure:
    def close(inside: list[etree._Element]) -> str:
        first, *second = [one.text or "" for one in inside]
        if separator in first:
            raise ValueError(f"holds a `{separator}` in the first of its two values, which would end there")
        return separator.join([first, *second])

    def unfold(text: str, tag: str) -> list[etree._Element]:
        return [_element(tag, part.strip()) for part in text.split(separator, 1)]

    return Enclosure(name, close, unfold)


def _element(tag: str, text: str) -> etree._Element:
    made = etree.Element(tag)
    made.text = text
    return made


_XML: Final = {
    "xml text": Enclosure("xml text", _close_xml, _open_xml),
    "base64 xml": Enclosure("base64 xml", _close_base64, _open_base64, encoded=True),
}
_PARTED: Final = re.compile(r"(list|pair) ([^\w\s])")
