"""What kind of file a content is, told by its first bytes and by nothing that anybody says about it."""

import codecs
from typing import Final

UNKNOWN: Final = "application/octet-stream"
_ZIP: Final = b"PK\x03\x04"
_OFFICE: Final = (
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)
"""Folders that a package of Microsoft Office holds, and what it then is."""
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),  # Word and Excel before 2007
)
_PDF_WITHIN: Final = 1024
"""Bytes among which readers look for the beginning of a PDF; scanners put things before it."""


def media_type_of(first: bytes) -> str:
    """Return the media type of the content that begins with *first*, the whole or some thousand bytes of it."""
    for magic, media_type in _MAGIC:
        if first.startswith(magic):
            return media_type
    if b"%PDF-" in first[:_PDF_WITHIN]:
        return "application/pdf"
    if first.startswith(_ZIP):
        return _package(first)
    if first.removeprefix(codecs.BOM_UTF8).lstrip()[:5] == b"<?xml":
        return "application/xml"
    return "text/plain" if _is_text(first) else UNKNOWN


def _package(first: bytes) -> str:
    if b"[Content_Types].xml" in first:
        for folder, media_type in _OFFICE:
            if folder in first:
                return media_type
    return "application/zip"


def _is_text(first: bytes) -> bool:
    """Say whether it is UTF-8 (perhaps cut in a letter) without control characters other than white space."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(first)
    except UnicodeDecodeError:
        return False
    return all(letter >= " " or letter in "\t\n\r\f" for letter in text)
