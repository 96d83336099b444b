"""
What stands at a place of a reply, in JSON and XML alike, and how a payload is unwrapped. Next: `answers.py`.

Letter case and namespaces are forgiven here: these places only find codes, texts, keys and envelopes; values of a
record are read by the mapping, which is strict.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from lxml import etree

from connectors.kit.texts import Tree, Unreadable, parse_json, parse_xml
from mappings.paths import Place, Step, fold, read_place


@dataclass(frozen=True, slots=True)
class Nothing:
    """The last step of a path is absent while its parent is there: an empty collection."""

    parent: bool = True
    """False: the parent is missing too, which is drift and no answer."""


LONGEST_REF = 255
"""Characters of an agency's own key; no identifier of theirs comes near it."""


def text_at(tree: Tree, place: Place) -> str | None:
    """Return the text of the value at *place*, or None when nothing or no single value stands there."""
    return _text(at(tree, place))


def unkept(text: str) -> str | None:
    """Return why *text* of an agency can be no reference, which is looked for among all that are stored; None when it can."""
    if len(text) > LONGEST_REF:
        return f"is longer than {LONGEST_REF}"
    return "holds a zero byte" if "\0" in text else None


def only_text_at(tree: Tree, place: Place) -> str | None:
    """
    Return the text at *place*, or None when nothing stands there. For what proves something, so nothing is guessed.

    Raises:
        ValueError: Something of that name stands there more than once, or it holds more than a text.
    """
    here: Any = tree
    for step in place.steps:
        if step.name and _could_be_another(here, step):
            raise ValueError("stands more than once")
        here = _step(here, step)
    if isinstance(here, Nothing):
        return None
    text = _text(here)
    if text is None:
        raise ValueError("is a group where a text is expected")
    return text


def _could_be_another(here: Any, step: Step) -> bool:
    """Whether somebody who reads *here* with less or more care may find another thing at *step*."""
    if isinstance(here, etree._Element):
        tags = [child.tag for child in here if etree.QName(child).localname.lower() == step.name.lower()]
        return len(set(tags) if step.index is not None else tags) > 1
    folded = fold(step.name)
    return isinstance(here, dict) and sum(fold(key) == folded for key in here) > 1


def read_spread(text: str) -> tuple[Place, ...]:
    """
    Return the places of *text*, which may say `[]` on its way too: `LIST[]/SO` is the lists, then one place in each item.

    Raises:
        ValueError: It is no place.
    """
    *lists, last = text.split("[]/")
    return (*(read_place(f"{one}[]") for one in lists), read_place(last))


def texts_at(tree: Tree, spread: Sequence[Place]) -> list[str | None]:
    """Return the text at every spot that *spread* names; None: nothing there, or more than a text."""
    found = at(tree, spread[0])
    if len(spread) > 1:
        items = found if isinstance(found, list) else []
        return [text for item in items for text in texts_at(item, spread[1:])]
    return [_text(one) for one in found] if isinstance(found, list) else [_text(found)]


def _text(found: Any) -> str | None:
    if isinstance(found, etree._Element):
        return None if len(found) else (found.text or "")
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, float) and found.is_integer():
        return str(int(found))
    return str(found) if isinstance(found, str | int | float) else None


def at(tree: Tree, place: Place) -> Tree | Nothing:
    """Return what stands at *place*; a list for a place that ends in `[]`."""
    here: Any = tree
    for number, step in enumerate(place.steps):
        below = _step(here, step)
        if isinstance(below, Nothing):
            return Nothing(parent=below.parent and number == len(place.steps) - 1)
        here = below
    return here  # type: ignore[no-any-return]  # JSON and elements, as narrowed by _step


def _step(here: Any, step: Step) -> Any:
    if isinstance(here, etree._Element):
        if step.name.startswith("@"):
            return here.get(step.name[1:], Nothing())
        named = (
            [child for child in here if etree.QName(child).localname.lower() == step.name.lower()]
            if step.name
            else [here]
        )
        if step.each:
            return named
        return named[step.index or 0] if len(named) > (step.index or 0) else Nothing()
    if step.name:
        if not isinstance(here, dict):
            return Nothing(parent=False)
        key: str | None = step.name
        if key not in here:
            folded = fold(step.name)
            key = next((one for one in here if fold(one) == folded), None)
        if key is None:
            # An index or [] asks for an item: then the missing name is the parent, not the item.
            return Nothing(parent=step.index is None and not step.each)
        here = here[key]
    if step.each or step.index is not None:
        items = here if isinstance(here, list) else [] if here is None or here == "" else [here]
        if step.each:
            return items
        return items[step.index] if step.index is not None and len(items) > step.index else Nothing()
    return Nothing() if here is None else here


Decoder = Callable[[Any], Any]


def _json(value: Any) -> Any:
    if isinstance(value, etree._Element):
        value = value.text or ""
    # The body was parsed before it was judged, so a leading "json" finds a tree already.
    return (
        parse_json(value.encode() if isinstance(value, str) else value, {}) if isinstance(value, str | bytes) else value
    )


def _xml(value: Any) -> Any:
    return (
        value
        if isinstance(value, etree._Element)
        else parse_xml(value.encode() if isinstance(value, str) else _bytes(value), {})
    )


def _base64(value: Any) -> Any:
    text = (value.text or "") if isinstance(value, etree._Element) else value
    try:
        return base64.b64decode("".join(text.split()) if isinstance(text, str) else _bytes(text), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("is not base64") from None


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise Unreadable("is no text that could be decoded")
    return value


def _file(value: Any) -> Any:
    # The body was read as base64 before it was judged: see `rest.py`. What was readable as JSON is no file.
    if not isinstance(value, str):
        raise Unreadable("is JSON where a file was expected")
    return value


FILE = "file"
"""Word of `unwrap`: the body is no JSON but a file, and stands in the tree as its base64."""
DECODERS: Mapping[str, Decoder] = MappingProxyType({"json": _json, "xml": _xml, "base64": _base64, FILE: _file})
"""Words of `unwrap` that decode; every other word is a path."""


@dataclass(frozen=True, slots=True)
class Unwrap:
    """Decoders and paths in turn that lead to the payload. Made by `read_unwrap`."""

    steps: tuple[tuple[str, Decoder | Place], ...] = ()

    def __call__(self, tree: Tree) -> Tree | Nothing:
        """
        Return the payload inside *tree*, or `Nothing` when its collection is empty.

        Raises:
            Unreadable: A decoder fails, or a path has no parent; its rule names the step.
        """
        here: Any = tree
        for word, step in self.steps:
            if isinstance(step, Place):
                here = at(here, step)
                if isinstance(here, Nothing):
                    if here.parent:
                        return here
                    raise Unreadable(f"`{word}` leads nowhere: what should hold it is missing")
                continue
            try:
                here = step(here)
            except Unreadable as error:
                raise Unreadable(f"`{word}` of unwrap: {error.rule}", truncated=error.truncated) from None
        return here  # type: ignore[no-any-return]  # a tree after every step


def read_unwrap(words: Sequence[str]) -> Unwrap:
    """
    Return what *words* of a manifest do.

    Raises:
        ValueError: A word is neither decoder nor place.
    """
    return Unwrap(tuple((word, DECODERS.get(word) or read_place(word)) for word in words))
