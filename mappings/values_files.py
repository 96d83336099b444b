"""
How a file stands in a payload. Offered to mappings by `values.py`; `connectors/kit/files.py` does the rest.

A field of ours holds a file's id. On writing, a mark stands for what comes in its place when the payload goes out:
the content in base64, or a link. So a mapping never holds a content, and megabytes are never text in memory. The marks
begin and end with characters that Unicode keeps out of interchange, and no canonical text may hold one.
"""

import binascii
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final, Self

from mappings.canonical.files import FILE_ID

CONTENT: Final = "file base64"
LINK: Final = "file link"
FILES: Final = frozenset({CONTENT, LINK})
"""The converters of a field that names a file; such a field takes no other."""
MARK_BEGINS: Final = "\ufdd0"
_END: Final = "\ufdd1"
CONTENT_MARK: Final = re.compile(f"{MARK_BEGINS}{CONTENT} ([0-9a-f]{{64}}){_END}")
LINK_MARK: Final = re.compile(f"{MARK_BEGINS}{LINK} ([0-9a-f]{{64}}){_END}")
_BLANKS: Final = re.compile(r"\s+")


class FileText(str):
    """The id of a file that a payload held."""

    __slots__ = ("content",)

    def __new__(cls, id_: str, content: bytes | None) -> Self:
        """*content*: what stood there; None: only our own mark of it did."""
        made = super().__new__(cls, id_)
        made.content = content
        return made

    content: bytes | None


def write_content(value: Any) -> str:
    """Write the mark that stands for the content of the file with this id."""
    return f"{MARK_BEGINS}{CONTENT} {_file_id(value)}{_END}"


def read_content(value: Any) -> str:
    """Read a content in base64, line breaks aside, or our own mark of one; return its id, a `FileText`."""
    if not isinstance(value, str):
        raise ValueError("base64 of a file is needed")
    marked = CONTENT_MARK.fullmatch(value)
    if marked:
        return FileText(marked[1], None)
    try:
        content = binascii.a2b_base64(
            _BLANKS.sub("", value) if len(value.split(None, 1)) > 1 else value, strict_mode=True
        )
    except (ValueError, binascii.Error):
        raise ValueError("base64 of a file is needed") from None
    if not content:
        raise ValueError("base64 of a file is needed")
    return FileText(sha256(content).hexdigest(), content)


def write_address(value: Any) -> Any:
    """Write an address as it is, where the agency's mapping says nothing of links."""
    if isinstance(value, str) and FILE_ID.fullmatch(value):
        raise ValueError("is a file of ours, and the mapping writes no link here: send an address")
    return value


def write_link(value: Any) -> str:
    """Write the mark that stands for a link to the file with this id; an address goes as it is."""
    if isinstance(value, str) and not FILE_ID.fullmatch(value):
        return value
    return f"{MARK_BEGINS}{LINK} {_file_id(value)}{_END}"


def read_link(value: Any) -> str:
    """Read an address; of a mark the id of its file."""
    if not isinstance(value, str):
        raise ValueError("an address is needed")
    marked = LINK_MARK.fullmatch(value)
    return marked[1] if marked else value


def _file_id(value: Any) -> str:
    if not isinstance(value, str) or not FILE_ID.fullmatch(value):
        raise ValueError("the id of a file in the hub is needed")
    return str(value)


def contents_in(gathered: Any) -> Iterator[FileText]:
    """Give every `FileText` in *gathered*, what a mapping read before it is validated."""
    if isinstance(gathered, FileText):
        yield gathered
    elif isinstance(gathered, dict):
        for inner in gathered.values():
            yield from contents_in(inner)
    elif isinstance(gathered, list | tuple):
        for inner in gathered:
            yield from contents_in(inner)
