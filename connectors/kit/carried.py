"""
A message with what stands beside its body, and the spots in it that prove something: `header:X`, `query:x` or a place.

Used where a secret, a signature or the kind of a message is looked for. Unlike `places.text_at` nothing is guessed:
what a forgiving reader could find in two ways is a fault, or somebody could prove one value and have another read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree

from connectors.kit.places import only_text_at
from connectors.kit.texts import Tree
from mappings.paths import Place, read_place

SIDES = ("header", "query")


@dataclass(frozen=True, slots=True)
class Carried:
    """What came, or what goes out."""

    tree: Tree
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names lower-cased."""
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spot:
    """One spot of a message. Made by `read_spot`."""

    side: str
    """`header`, `query`, or empty: the body."""
    name: str
    place: Place

    def text(self, carried: Carried) -> str | None:
        """
        Return what stands there; None when nothing does. Of the body's own root, the empty place, the name counts.

        Raises:
            ValueError: It stands there twice, or is more than a text.
        """
        if self.side:
            return (carried.headers if self.side == "header" else carried.query).get(self.name)
        if not self.place.steps and isinstance(carried.tree, etree._Element):
            return etree.QName(carried.tree).localname
        return only_text_at(carried.tree, self.place)


def read_spot(text: str) -> Spot:
    """
    Return the spot that *text* names.

    Raises:
        ValueError: It is no place, or one that stands for several values.
    """
    side, marked, name = text.partition(":")
    if marked and side in SIDES:
        return Spot(side, name.lower() if side == "header" else name, Place(()))
    place = read_place(text)
    if place.branch or place.each:
        raise ValueError("names one text: write it without `[]` and `/*`")
    return Spot("", text, place)
