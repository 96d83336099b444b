"""
XML parsed without trust: no DTD, no entity, no network, bounded depth. For whole bodies, and for texts that hold XML.
"""

import re

from lxml import etree

_PROLOG_WITH_DTD = re.compile(rb"(?:\s++|\xef\xbb\xbf|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)


class HasDtd(ValueError):
    """The XML has a DTD."""

    def __init__(self) -> None:
        super().__init__("has a DTD, which is refused")


def parsed(body: bytes) -> etree._Element:
    """
    Return the root of *body*, XML in UTF-8, whatever it declares. Comments and processing instructions are left out.

    Raises:
        HasDtd: It has one.
        lxml.etree.XMLSyntaxError: It is not well-formed, or nested deeper than 256.
    """
    if _PROLOG_WITH_DTD.match(body):  # before it is parsed: a DTD of 256 KiB can take the parser seconds
        raise HasDtd
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        huge_tree=False,  # with it, depth and entity growth would be unbounded
        load_dtd=False,
        dtd_validation=False,
        remove_comments=True,
        remove_pis=True,
    )
    root = etree.fromstring(body, parser)
    if root.getroottree().docinfo.internalDTD is not None:
        raise HasDtd
    return root
