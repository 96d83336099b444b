"""
Our side of a line: a canonical path looked up in its model, so that a misspelt field is found when the file is loaded.

`lines.py` asks here what kind of value a field holds and whether it is personal.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from mappings.canonical.files import file_mark
from mappings.canonical.kinds import OfAFile
from mappings.canonical.shape import is_personal
from mappings.paths import nearest, read_our_path

Kind: TypeAlias = Literal["text", "choice", "number", "yes or no", "group", "other"]


@dataclass(frozen=True, slots=True)
class OurField:
    """A field of a canonical model that a path leads to."""

    path: str
    """As the author wrote it, `[]` included."""
    names: tuple[str, ...]
    each: bool
    """True for a list; `kind` and `model` then speak of one item."""
    kind: Kind
    """`choice` is an enum or a set of literal texts; `other` has no form of its own on the wire, like a date."""
    words: frozenset[str]
    """The texts that a `choice` allows."""
    model: type[BaseModel] | None
    """The model of a `group`."""
    personal: bool
    file: OfAFile | None
    """How it may name a file in the hub; None: it may not."""
    required: bool
    field: FieldInfo

    def fitting(self) -> "TypeAdapter[Any]":
        """Return what tells whether a value would fit this field."""
        annotation: Any = self.field.annotation
        for extra in self.field.metadata:
            annotation = Annotated[annotation, extra]
        return TypeAdapter(annotation)


def find_field(model: type[BaseModel], text: str) -> OurField:
    """
    Return the field of *model* that the path *text* names.

    Raises:
        ValueError: The path is misspelt, or leads nowhere; the text names the nearest field.
    """
    path = read_our_path(text)
    if path.branch:
        raise ValueError("is a whole branch, which only [withheld] takes")
    return _find(model, text, path.names, path.each)


def check_withheld(model: type[BaseModel], text: str) -> None:
    """
    Make sure that *text* names a field or a branch of *model*.

    Raises:
        ValueError: It names none; the text says which is nearest, or where an agency's place belongs.
    """
    try:
        path = read_our_path(text)
    except ValueError as error:
        raise ValueError(f"{error}; an agency's place belongs in [dropped]") from None
    found = _find(model, text, path.names, path.each)
    if path.branch and found.model is None:
        raise ValueError("has no branch below it: write it without `/*`")


def _find(model: type[BaseModel], text: str, names: tuple[str, ...], each: bool) -> OurField:
    personal, owner = False, model
    holder: type[BaseModel] | None = model
    for depth, name in enumerate(names):
        if holder is None:
            raise ValueError(f"goes on below `{'.'.join(names[:depth])}`, which holds no fields")
        if name not in holder.model_fields:
            raise ValueError(f"is no field of {holder.__name__}{nearest(name, holder.model_fields)}")
        owner, field = holder, holder.model_fields[name]
        personal = personal or is_personal(holder, name)
        inner = _alternatives(field.annotation)
        listed = [get_args(one)[0] for one in inner if get_origin(one) is tuple]
        if listed and depth < len(names) - 1:
            raise ValueError(
                f"goes into the list `{name}[]`: describe one item in a mapping of its own and name it in `map`"
            )
        if depth == len(names) - 1 and bool(listed) != each:
            raise ValueError(
                f"is a list: write `{'.'.join(names)}[]`" if listed else "is no list: write it without `[]`"
            )
        held = [one for item in (listed or inner) for one in _alternatives(item)]
        holder = next((one for one in held if isinstance(one, type) and issubclass(one, BaseModel)), None)
    kind, words = _kind(held, holder)
    return OurField(
        text, names, each, kind, words, holder, personal, file_mark(owner, names[-1]), field.is_required(), field
    )


def _alternatives(annotation: Any) -> list[Any]:
    """The types that an annotation allows, without None and without what `Annotated` adds."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [one for part in get_args(annotation) for one in _alternatives(part)]
    return [] if annotation is NoneType else [annotation]


def _kind(held: list[Any], model: type[BaseModel] | None) -> tuple[Kind, frozenset[str]]:
    if model is not None:
        return "group", frozenset()
    words = frozenset(_words(held))
    if words:
        return "choice", words
    kinds: dict[Any, Kind] = {str: "text", int: "number", bool: "yes or no"}
    found = {kinds.get(one, "other") for one in held}
    return (found.pop() if len(found) == 1 else "other"), frozenset()


def _words(held: list[Any]) -> Iterator[str]:
    for one in held:
        if isinstance(one, type) and issubclass(one, Enum):
            yield from (str(member.value) for member in one)
        elif get_origin(one) is Literal:
            yield from (str(word) for word in get_args(one))
