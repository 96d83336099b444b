"""
What may be shown of a payload: values at places known to be harmless stay, all others become `•••`.

Known harmless is a place of a canonical field that is not personal, or of a fixed value; what no line knows is
masked, so a place that nobody thought of is never shown.
"""

from collections.abc import Set
from copy import deepcopy
from typing import Any

from lxml import etree

from mappings.canonical.shape import MASK


def masked_json(tree: Any, clear: Set[tuple[str, ...]], at: tuple[str, ...] = ()) -> Any:
    """Return a copy of *tree* with every value masked whose place, as lower-case names, is not in *clear*."""
    if isinstance(tree, dict):
        return {key: masked_json(value, clear, (*at, key.lower())) for key, value in tree.items()}
    if isinstance(tree, list):
        return [masked_json(value, clear, at) for value in tree]
    return tree if at in clear or tree is None or tree == "" else MASK


def masked_xml(tree: etree._Element, clear: Set[tuple[str, ...]]) -> etree._Element:
    """Return a copy of *tree* with every text masked whose place, as lower-case local names, is not in *clear*."""
    made = deepcopy(tree)
    etree.strip_tags(made, etree.Comment, etree.ProcessingInstruction)
    _mask(made, clear, (_local(made),))
    return made


def _mask(element: etree._Element, clear: Set[tuple[str, ...]], at: tuple[str, ...]) -> None:
    if at not in clear and (element.text or "").strip():
        element.text = MASK
    for name in element.attrib:
        element.set(name, MASK)
    for child in element:
        if (child.tail or "").strip():
            child.tail = MASK
        _mask(child, clear, (*at, _local(child)))


def _local(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2].lower()
