"""
From what pydantic and the TOML reader say to faults an author can act on: file, key path, what to write instead.
"""

import csv
import difflib
import io
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from mappings.errors import FileFault, FilesRefused


def read_toml(file: Path) -> dict[str, Any]:
    """
    Read *file*.

    Raises:
        FilesRefused: It is missing, is not UTF-8, or is not TOML; the fault has line and column.
    """
    name = f"{file.parent.name}/{file.name}"
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise FilesRefused([FileFault(name, "", "is missing; create it")]) from None
    except UnicodeDecodeError:
        raise FilesRefused([FileFault(name, "", "is not UTF-8; save it as UTF-8")]) from None
    except tomllib.TOMLDecodeError as error:
        raise FilesRefused([FileFault(name, "", f"is not TOML: {error}")]) from None


def read_csv(file: Path) -> list[list[str]]:
    """
    Return the lines of *file*, the names of its columns first; cells are separated by commas, or by semicolons.

    Raises:
        FilesRefused: It cannot be read, or is not CSV in UTF-8.
    """
    name = f"{file.parent.name}/{file.name}"
    try:
        text = file.read_text("utf-8-sig")
        head = text.split("\n", 1)[0]
        separator = ";" if head.count(";") > head.count(",") else ","  # what a Vietnamese spreadsheet writes
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except UnicodeDecodeError:
        raise FilesRefused([FileFault(name, "", "is not UTF-8; save it as `CSV UTF-8`")]) from None
    except csv.Error:
        raise FilesRefused([FileFault(name, "", "has a quotation mark out of place, or never closed")]) from None
    except OSError as error:
        raise FilesRefused([FileFault(name, "", f"cannot be read: {error.strerror}")]) from None


def faults_of(error: ValidationError, model: type[BaseModel], file: str, under: str = "") -> list[FileFault]:
    """Return one fault for each thing *error* says about a table of *model*, with its key path below *under*."""
    faults = []
    for one in error.errors(include_url=False, include_context=True, include_input=False):
        path = tuple(str(step) for step in one["loc"] if step != "[key]")
        faults.append(
            FileFault(file, ".".join((under, *path) if under else path), _says(one["type"], one["msg"], path, model))
        )
    return list(dict.fromkeys(faults))


def _says(kind: str, message: str, path: tuple[str, ...], model: type[BaseModel]) -> str:
    if kind == "extra_forbidden":
        known = sorted({name for name, _ in _fields_at(model, path[:-1])})
        if path[-1] in known:
            return "is a key of another `kind` of this table; write that kind, or take the key out"
        near = difflib.get_close_matches(path[-1], known, 1, 0.6)
        return (
            f"is not a known key; did you mean `{near[0]}`?"
            if near
            else f"is not a known key; known here: {', '.join(known)}"
        )
    if kind == "missing":
        field = next((field for name, field in _fields_at(model, path[:-1]) if name == path[-1]), None)
        return f"is missing; write it: {field.description}" if field and field.description else "is missing; write it"
    if kind == "string_pattern_mismatch":
        field = next((field for name, field in _fields_at(model, path[:-1]) if name == path[-1]), None)
        if field and field.description and field.examples:
            like = " or ".join(f"`{one}`" for one in field.examples)
            return f"is written in another way than this key wants; write it like {like}. It says: {field.description}"
    message = message.removeprefix("Value error, ").replace("valid tuple", "list")
    return message[0].lower() + message[1:]


def _fields_at(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the keys, as an author writes them, of every table that may stand at *path*."""
    models = [model]
    for step in path:
        fields = [field for one in models for name, field in _keys(one) if name == step]
        if fields:  # else the step is a name that the author gave to a table, or an index
            models = [inner for field in fields for inner in _models_in(field.annotation)]
    for one in models:
        yield from _keys(one)


def _keys(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for inner in get_args(annotation):
            yield from _models_in(inner)
