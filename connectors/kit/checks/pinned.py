"""
The places of the pinned contract: what a request or reply of an operation may hold, by WSDL or by JSON Schema.

Places are written without `[]` and namespaces, seen from the body's root element or from the JSON body, since that is
how mappings, `fields.csv` and schemas agree. `used.py` says which of them the connector speaks of.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from connectors.kit.checks.folder import Folder
from mappings.paths import Layout

Direction: TypeAlias = Literal["request", "reply"]
_NOT_A_NAME = re.compile(r"\{[^{}]*\}|\[[0-9]*\]")


def plain(place: str) -> str:
    """Return *place* without namespaces, indexes and `/*`."""
    return "/".join(part for part in _NOT_A_NAME.sub("", place).split("/") if part and part != "*")


def joined(*places: str) -> str:
    """Return the places, one below the other."""
    return "/".join(place for place in places if place)


def contract_of(folder: Folder, operation: str, direction: Direction) -> frozenset[str] | None:
    """Return every place that the contract allows there, of an operation or a notice; None when none is pinned for it."""
    layout = layout_of(folder, operation, direction)
    if layout is not None:
        return frozenset(_layout_places(layout.children, ""))
    schema = folder.schemas.get(f"{operation}.{direction}")
    return None if schema is None else frozenset(_schema_places(schema, schema, "", ()))


def layout_of(folder: Folder, operation: str, direction: Direction) -> Layout | None:
    """Return the element that stands in the SOAP body there, or None when there is none or SOAP is not spoken."""
    table = folder.operations.get(operation)
    if table is None:
        ready = folder.connector.notices.get(operation) if folder.connector else None
        soap = ready.soap if ready else None
    else:
        soap = folder.wsdl.operations.get(table.call or "") if folder.wsdl else None
    return None if soap is None else soap.sends if direction == "request" else soap.returns


def _layout_places(children: tuple[Layout, ...], base: str) -> Iterator[str]:
    for child in children:
        place = joined(base, child.name)
        yield place
        yield from _layout_places(child.children, place)


def _schema_places(schema: Any, root: Any, base: str, inside: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in inside:
        yield from _schema_places(_referred(root, reference), root, base, (*inside, reference))
    for name, inner in schema.get("properties", {}).items():
        place = joined(base, name)
        yield place
        yield from _schema_places(inner, root, place, inside)
    for key in ("items", "if", "then", "else", "contentSchema"):  # the last: what a text holds that is JSON itself
        yield from _schema_places(schema.get(key), root, base, inside)
    for key in ("oneOf", "anyOf", "allOf", "prefixItems"):
        for inner in schema.get(key, ()):
            yield from _schema_places(inner, root, base, inside)


def _referred(root: Any, reference: str) -> Any:
    here = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        here = here.get(step) if isinstance(here, dict) and step else here
    return here
