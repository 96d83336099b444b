"""
The places that a connector speaks of: in its mappings, in `wrap`, and where codes, texts and keys lie.

Compared with `pinned.py` both ways: what is spoken of must be in the contract, and what is in the contract must be
spoken of, if only to say why it is dropped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from connectors.kit.checks.folder import Folder, manifest_file
from connectors.kit.checks.pinned import Direction, joined, layout_of, plain
from connectors.kit.manifest import OperationTable
from connectors.kit.places import DECODERS
from mappings.language import MappingFile


@dataclass(frozen=True, slots=True)
class Used:
    """One place that a file speaks of."""

    place: str
    file: str
    key: str
    branch: bool = False
    """True when everything below counts too."""


def used_by(folder: Folder, operation: str, direction: Direction) -> tuple[Used, ...]:
    """Return every place of that request or reply which the connector speaks of."""
    table = folder.operations[operation]
    parts = _of_request(folder, operation, table) if direction == "request" else _of_reply(folder, operation, table)
    return tuple(parts)


def payload_base(folder: Folder, operation: str, direction: Direction) -> str | None:
    """
    Return the place, seen from the body, where the operation's mapping starts.

    None when a decoder stands between: then the payload is a document of its own that no pinned contract describes.
    """
    table = folder.operations[operation]
    name = table.sends if direction == "request" else table.returns
    mapping = folder.mappings.get(name or "")
    root = _root(folder, operation, direction, mapping) if mapping else ""
    if direction == "request":
        return joined(next(_payload_places(table.wrap, ""), ""), root)
    words = table.unwrap[1:] if table.unwrap[:1] in (("json",), ("xml",)) else table.unwrap
    return None if any(word in DECODERS for word in words) else joined(*(plain(word) for word in words), root)


def _root(folder: Folder, operation: str, direction: Direction, mapping: MappingFile) -> str:
    """Where the mapping starts, without the root element of a SOAP body."""
    steps = plain(mapping.agency).split("/")
    return joined(*(steps[1:] if layout_of(folder, operation, direction) else steps))


def _of_request(folder: Folder, operation: str, table: OperationTable) -> Iterator[Used]:
    manifest, key = manifest_file(folder), f"operations.{operation}"
    for place in _wrap_places(table.wrap, ""):
        yield Used(place, manifest, f"{key}.wrap")
    auth = folder.manifest.auth if folder.manifest else None
    if auth and auth.login != operation:
        for place in auth.put:
            if not place.startswith(("header:", "query:")):
                yield Used(plain(place), manifest, "auth.put")
    if table.sign and not table.sign.at.startswith(("header:", "query:")):
        yield Used(plain(table.sign.at), manifest, f"{key}.sign.at")
    base = payload_base(folder, operation, "request")
    if table.sends and base is not None:
        yield from mapping_places(folder, table.sends, base)


def _of_reply(folder: Folder, operation: str, table: OperationTable) -> Iterator[Used]:
    manifest, key = manifest_file(folder), f"operations.{operation}"
    soap = layout_of(folder, operation, "reply") is not None
    spoken = [("code", table.code.at if table.code else None), ("says", table.says)]
    spoken += [("ref", place) for place in _texts(table.ref) if not _is_own(folder, table, place)]
    auth = folder.manifest.auth if folder.manifest else None
    if auth and auth.login == operation:
        spoken += [("auth.keep", place) for place in auth.keep.values()]
    for name, place in spoken:
        if place and not (soap and "fault" in place.lower()):  # a SOAP fault is no part of the operation's contract
            yield Used(plain(place), manifest, name if name.startswith("auth") else f"{key}.{name}")
    base = payload_base(folder, operation, "reply")
    if base is None:
        for word in table.unwrap:
            if word not in DECODERS:
                yield Used(plain(word), manifest, f"{key}.unwrap", branch=True)
                return
    elif table.returns:
        yield Used(base, f"{folder.path.name}/{table.returns}.map.toml", "agency")
        yield from mapping_places(folder, table.returns, base)


def _texts(value: Any) -> list[str]:
    return list(value.values()) if isinstance(value, dict) else [value] if isinstance(value, str) else []


def _is_own(folder: Folder, table: OperationTable, place: str) -> bool:
    """Whether the request fixes *place* from the call: a key that we give, which stands in no reply."""
    mapping = folder.mappings.get(table.sends or "")
    fixed = mapping.fixed.get(place) if mapping else None
    return fixed is not None and fixed.from_.startswith("call.")


def _wrap_places(template: Any, base: str) -> Iterator[str]:
    if isinstance(template, dict):
        for name, inner in template.items():
            yield joined(base, name)
            yield from _wrap_places(inner, joined(base, name))
    elif isinstance(template, list | tuple):
        for inner in template:
            yield from _wrap_places(inner, base)


def _payload_places(template: Any, base: str) -> Iterator[str]:
    if template == "payload":
        yield base
    elif isinstance(template, dict):
        for name, inner in template.items():
            yield from _payload_places(inner, joined(base, name))
    elif isinstance(template, list | tuple):
        for inner in template:
            yield from _payload_places(inner, base)


def mapping_places(folder: Folder, name: str, base: str, above: tuple[str, ...] = ()) -> Iterator[Used]:
    """Give every place that the mapping *name*, and the mappings it names, speak of, seen from the body."""
    mapping = folder.mappings.get(name)
    if mapping is None or name in above:
        return
    file = folder.file(f"{name}.map.toml")
    for ours, line in mapping.fields.items():
        for place in (*(line.at or ()), *(line.parts or ()), *line.also):
            here = joined(base, plain(place))
            yield Used(here, file, f"fields.{ours}")
            if line.map:
                yield from mapping_places(folder, line.map, here, (*above, name))
    for place in mapping.fixed:
        yield Used(joined(base, plain(place)), file, f"fixed.{place}")
    for place in mapping.dropped:
        yield Used(joined(base, plain(place)), file, f"dropped.{place}", branch=place.endswith("/*"))
