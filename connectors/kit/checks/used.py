"""
The places that a connector speaks of: in its mappings, in `wrap` and `replies`, and where codes, texts and keys lie.

Compared with `pinned.py` both ways: what is spoken of must be in the contract, and what is in the contract must be
spoken of, if only to say why it is dropped.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from connectors.kit.checks.folder import Folder, manifest_file
from connectors.kit.checks.pinned import Direction, contract_of, joined, layout_of, plain
from connectors.kit.manifest import Conversation, NoticeTable, OperationTable
from connectors.kit.places import DECODERS
from mappings.enclosed import PAYLOAD

BESIDE = ("header:", "query:")
"""Begin places that stand beside the body, which no schema of a body describes."""


@dataclass(frozen=True, slots=True)
class Used:
    """One place that a file speaks of."""

    place: str
    file: str
    key: str
    branch: bool = False
    """True when everything below counts too."""


def used_by(folder: Folder, name: str, direction: Direction) -> tuple[Used, ...]:
    """Return every place of that request or reply, of an operation or a notice, which the connector speaks of."""
    notice = folder.notices.get(name)
    if notice is not None:
        return tuple(_of_push(folder, name, notice) if direction == "request" else _of_replies(folder, name, notice))
    table = folder.operations[name]
    return tuple(_of_request(folder, name, table) if direction == "request" else _of_reply(folder, name, table))


def payload_base(folder: Folder, name: str, direction: Direction) -> str | None:
    """
    Return the place, seen from the body, where the mapping of the operation or notice starts.

    None when a decoder stands between: then the payload is a document of its own that no pinned contract describes.
    """
    if _is_written(folder, name, direction):
        table = folder.conversations[name]
        template = table.replies.get("taken", {}) if isinstance(table, NoticeTable) else table.wrap
        return joined(next(_payload_places(template, ""), ""), _root(folder, name, direction, table.sends))
    reads = _reader(folder, name)
    words = reads.unwrap[1:] if reads.unwrap[:1] in (("json",), ("xml",)) else reads.unwrap
    if any(word in DECODERS for word in words):
        return None
    return joined(*(plain(word) for word in words), _root(folder, name, direction, reads.returns))


def payload_in(folder: Folder, name: str, direction: Direction) -> str:
    """Return the place, seen from the body, in which `unwrap` finds the payload first; empty: the body is the payload."""
    if _is_written(folder, name, direction):
        return ""
    words = _reader(folder, name).unwrap
    return next((plain(word) for word in words if word not in DECODERS), "")


def _is_written(folder: Folder, name: str, direction: Direction) -> bool:
    """Whether we write it: the request of an operation, the reply to a notice."""
    return (direction == "request") == (name in folder.operations)


def _reader(folder: Folder, name: str) -> Conversation:
    """The table that says how what comes is read; of a polled operation that is the notice it fetches."""
    fetched = (notice for notice in folder.notices.values() if notice.fetched_by == name)
    return next(fetched, None) or folder.conversations[name]


def _root(folder: Folder, name: str, direction: Direction, mapping: str | None) -> str:
    """Where the mapping starts, without the root element of a SOAP body."""
    known = folder.mappings.get(mapping or "")
    steps = plain(known.agency).split("/") if known else []
    return joined(*(steps[1:] if layout_of(folder, name, direction) else steps))


def _of_request(folder: Folder, operation: str, table: OperationTable) -> Iterator[Used]:
    manifest, key = manifest_file(folder), f"operations.{operation}"
    for place in _wrap_places(table.wrap, ""):
        yield Used(place, manifest, f"{key}.wrap")
    auth = folder.manifest.auth if folder.manifest else None
    if auth and auth.login != operation:
        yield from _in_body(auth.put, manifest, "auth.put")
    if table.sign:
        yield from _in_body([table.sign.at], manifest, f"{key}.sign.at")
    for name, notice in folder.notices.items():
        if operation in notice.from_[:1] and notice.page and notice.page.after:
            yield Used(plain(notice.page.after), manifest, f"notices.{name}.page.after")
    base = payload_base(folder, operation, "request")
    if table.sends and base is not None:
        yield from mapping_places(folder, table.sends, base)


def _of_reply(folder: Folder, operation: str, table: OperationTable) -> Iterator[Used]:
    manifest, key = manifest_file(folder), f"operations.{operation}"
    soap = layout_of(folder, operation, "reply") is not None
    spoken = [("code", table.code.at if table.code else None), ("says", table.says)]
    auth = folder.manifest.auth if folder.manifest else None
    if auth and auth.login == operation:
        spoken += [("auth.keep", place) for place in auth.keep.values()]
    for name, place in spoken:
        # A SOAP fault is no part of the operation's contract, and no attribute is.
        if place and not (soap and ("fault" in place.lower() or place.rpartition("/")[2].startswith("@"))):
            yield Used(plain(place), manifest, name if name.startswith("auth") else f"{key}.{name}")
    keys = [place for place in _texts(table.ref) if not _is_own(folder, table, place)]
    yield from _sought(folder, operation, "reply", "ref", keys)
    if table.signed:
        yield from _sought(folder, operation, "reply", "signed", [table.signed.at, *table.signed.of])
    for notice in folder.notices.values():
        if notice.fetched_by == operation:
            keys = [*_texts(notice.ref), *notice.unique, *_texts(notice.page.next if notice.page else None)]
            yield from _sought(folder, operation, "reply", "every", keys)
    yield from _mapped(folder, operation, "reply")


def _of_push(folder: Folder, name: str, table: NoticeTable) -> Iterator[Used]:
    manifest, key = manifest_file(folder), f"notices.{name}"
    yield from _in_body(table.auth.put if table.auth else (), manifest, f"{key}.auth.put")
    yield from _in_body(table.select, manifest, f"{key}.select")
    if table.signed:
        yield from _in_body([table.signed.at, *table.signed.of], manifest, f"{key}.signed")
    yield from _sought(folder, name, "request", "ref", _texts(table.ref))
    yield from _sought(folder, name, "request", "unique", table.unique)
    yield from _mapped(folder, name, "request")


def _of_replies(folder: Folder, name: str, table: NoticeTable) -> Iterator[Used]:
    for way, template in table.replies.items():
        for place in _wrap_places(template, ""):
            yield Used(place, manifest_file(folder), f"notices.{name}.replies.{way}")
    base = payload_base(folder, name, "reply")
    if table.sends and base is not None:
        yield from mapping_places(folder, table.sends, base)


def _mapped(folder: Folder, name: str, direction: Direction) -> Iterator[Used]:
    """The places of the mapping that reads what comes; where a decoder stands before it, the place of what is decoded."""
    reads, base = _reader(folder, name), payload_base(folder, name, direction)
    if base is None:
        for word in reads.unwrap:
            if word not in DECODERS:
                yield Used(plain(word), manifest_file(folder), f"{folder.key(name)}.unwrap", branch=True)
                return
    elif reads.returns:
        yield Used(base, f"{folder.path.name}/{reads.returns}.map.toml", "agency")
        yield from mapping_places(folder, reads.returns, base)


def _sought(folder: Folder, name: str, direction: Direction, key: str, places: Iterable[str]) -> Iterator[Used]:
    """Places that are looked for in the record first, then in the whole body; inside a decoded document none is pinned."""
    base, contract = payload_base(folder, name, direction), contract_of(folder, name, direction) or frozenset()
    for place in (plain(one) for one in places if not one.startswith((*BESIDE, "settings."))):
        here = joined(base or "", place)
        if here in contract or base is not None or place in contract:
            in_record = here in contract or place not in contract
            yield Used(here if in_record else place, manifest_file(folder), f"{folder.key(name)}.{key}")


def _in_body(places: Iterable[str], file: str, key: str) -> Iterator[Used]:
    return (Used(plain(one), file, key) for one in places if one and not one.startswith((*BESIDE, "settings.")))


def _texts(value: Any) -> list[str]:
    return list(value.values()) if isinstance(value, dict) else [value] if isinstance(value, str) else []


def _is_own(folder: Folder, table: OperationTable, place: str) -> bool:
    """Whether the request fills *place* from the call or a field: a key that we give, which need stand in no reply."""
    mapping = folder.mappings.get(table.sends or "")
    if mapping is None:
        return False
    fixed = mapping.fixed.get(place)
    return (
        fixed.from_.startswith("call.") if fixed else any(place in (line.at or ()) for line in mapping.fields.values())
    )


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
    """
    Give every place that the mapping *name*, and the mappings it names, speak of, seen from the body.

    What stands inside a text is a document of its own that no pinned contract describes: of that the text alone counts.
    """
    mapping = folder.mappings.get(name)
    if mapping is None or name in above:
        return
    file = folder.file(f"{name}.map.toml")
    texts = tuple(f"{plain(place)}/" for place, fixed in mapping.fixed.items() if fixed.from_ == PAYLOAD)
    for ours, line in mapping.fields.items():
        for place in (*(line.at or ()), *(line.parts or ()), *line.also):
            if plain(place).startswith(texts):
                continue
            here = joined(base, plain(place))
            yield Used(here, file, f"fields.{ours}")
            if line.map:
                yield from mapping_places(folder, line.map, here, (*above, name))
    for place in mapping.fixed:
        if not plain(place).startswith(texts):
            yield Used(joined(base, plain(place)), file, f"fixed.{place}")
    for place in mapping.dropped:
        if plain(place).startswith(texts):
            continue
        yield Used(joined(base, plain(place)), file, f"dropped.{place}", branch=place.endswith("/*"))
