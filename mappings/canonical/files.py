"""Which fields of a model may name files in the hub, and which files a value names. `kinds.py` has the kinds."""

import re
from collections.abc import Iterator
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel

from mappings.canonical.kinds import OfAFile
from mappings.canonical.shape import inner_models

FILE_ID = re.compile("[0-9a-f]{64}")
FilePaths: TypeAlias = frozenset[tuple[str, ...]]


def file_paths(model: type[BaseModel]) -> FilePaths:
    """Return the places of *model* that may name a file, as names of fields; lists on the way are gone through."""
    found: set[tuple[str, ...]] = set()
    for name, field in model.model_fields.items():
        if file_mark(model, name) is not None:
            found.add((name,))
        for inner in inner_models(field.annotation):
            found.update((name, *rest) for rest in file_paths(inner))
    return frozenset(found)


def file_mark(model: type[BaseModel], name: str) -> OfAFile | None:
    """Return how the field *name* of *model* may name a file; None: it may not."""
    field = model.model_fields[name]
    return next((one for one in (*field.metadata, *_marks(field.annotation)) if isinstance(one, OfAFile)), None)


def files_in(value: BaseModel, paths: FilePaths) -> Iterator[tuple[str, str]]:
    """Give each file that *value* names at *paths* (of its model): where, as a JSON pointer, and its id."""
    for path in sorted(paths):
        yield from _at(value, path, "")


def _at(here: Any, path: tuple[str, ...], pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(here, tuple):
        for number, item in enumerate(here):
            yield from _at(item, path, f"{pointer}/{number}")
    elif path:
        inner = getattr(here, path[0], None)
        if inner is not None:
            yield from _at(inner, path[1:], f"{pointer}/{path[0]}")
    elif isinstance(here, str) and FILE_ID.fullmatch(here):
        yield pointer, here


def _marks(annotation: Any) -> Iterator[Any]:
    yield from getattr(annotation, "__metadata__", ())
    for part in get_args(annotation):
        yield from _marks(part)
