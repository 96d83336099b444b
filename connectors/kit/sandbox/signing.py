"""
Signatures as the other side makes them: written again from the manifest, so that a mistake of the kit shows.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from lxml import etree
from pydantic_core import to_json

from connectors.kit.manifest import Signature
from connectors.kit.sandbox.payloads import Names, found, plain

_NOTHING: Mapping[str, Mapping[str, str]] = {}


def signature(
    table: Signature,
    tree: Any,
    settings: Mapping[str, str],
    beside: Mapping[str, Mapping[str, str]] = _NOTHING,
    *,
    spoilt: bool = False,
) -> str:
    """
    Return what belongs at `table.at` of *tree*; *settings* are `settings.x`, *beside* headers and query by name.

    *spoilt*: of another text, so that it proves nothing.
    """
    said = plain(tree) if isinstance(tree, etree._Element) else tree
    texts = []
    for place in table.of:
        side, marked, name = place.partition(":")
        if place.startswith("settings."):
            texts.append(settings.get(place, ""))
        elif marked and side in beside:
            texts.append(next((value for one, value in beside[side].items() if one.lower() == name.lower()), ""))
        else:
            value = next(iter(found(said, names_of(place))), None)
            texts.append("" if value is None else value if isinstance(value, str) else to_json(value).decode())
    key = texts.pop() if table.scheme.startswith("hmac") else ""
    text = table.join.join(texts).encode() + (b"spoilt" if spoilt else b"")
    if table.scheme == "hmac sha256 hex":
        return hmac.new(key.encode(), text, "sha256").hexdigest()
    return hashlib.new(table.scheme.removesuffix(" hex"), text, usedforsecurity=False).hexdigest()


def names_of(place: str) -> Names:
    """Return *place* without indices and namespaces."""
    return tuple(part.partition("[")[0].rpartition("}")[2] for part in place.split("/"))
