"""
XML parsed without trust: no DTD, no entity, no network, bounded depth. For whole bodies, and for texts that hold XML.
"""

import re

from lxml import etree

_PROLOG_WITH_DTD = re.compile(rb"(?:\s++|\xef\xbb\xbf|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)


_LONGEST_TEXT = 10_000_000
"""Bytes of one text that libxml2 takes by itself: a scan of seven megabytes in base64."""
_DEEPEST = 256
_TOO_DEEP = etree.XPath(f"boolean(/{'/'.join('*' * (_DEEPEST + 1))})")


class Hostile(ValueError):
    """The XML has what no agency has reason to send; says which."""


class HasDtd(Hostile):
    """The XML has a DTD."""

    def __init__(self) -> None:
        super().__init__("has a DTD, which is refused")


class TooDeep(Hostile):
    """The XML is nested too deep."""

    def __init__(self) -> None:
        super().__init__(f"is nested deeper than {_DEEPEST}")


def parsed(body: bytes) -> etree._Element:
    """
    Return the root of *body*, XML in UTF-8, whatever it declares. Comments and processing instructions are left out.

    Raises:
        Hostile: It has a DTD, or is long and nested deeper than 256.
        lxml.etree.XMLSyntaxError: It is not well-formed, or nested deeper than 256.
    """
    if _PROLOG_WITH_DTD.match(body):  # before it is parsed: a DTD of 256 KiB can take the parser seconds
        raise HasDtd
    long = len(body) > _LONGEST_TEXT
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        huge_tree=long,  # takes texts of any length, and any depth with them; entities cannot grow without a DTD
        load_dtd=False,
        dtd_validation=False,
        remove_comments=True,
        remove_pis=True,
    )
    root = etree.fromstring(body, parser)
    if root.getroottree().docinfo.internalDTD is not None:
        raise HasDtd
    if long and _TOO_DEEP(root):
        raise TooDeep
    return root
