"""
What all canonical models share: strictness, how a field is described, which fields are personal or sealed, and masking.

Read `citizen.py` next for a whole model. A personal field is declared once, by `personal(...)`; masked logs,
dry runs and the personal-data rules of `hub check` all derive from that declaration.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue

MASK = "•••"
SEAL_BEGINS = "sealed:"
"""How a text begins that stands in the place of one that the hub has sealed."""

M = TypeVar("M", bound=BaseModel)


class Canonical(BaseModel):
    """An agency-neutral shape: no coercion, no unknown fields, no change after it is made, no values in its errors."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


def told(description: str, *examples: JsonValue) -> Any:
    """Describe a field: a sentence ending in the Vietnamese term, and invented examples."""
    return Field(description=description, examples=list(examples))


def personal(description: str, *examples: JsonValue) -> Any:
    """Describe a field that says something about a person. It is masked wherever people of the hub can read."""
    return Field(description=description, examples=list(examples), json_schema_extra={"personal": True})


def sealed(description: str, *examples: JsonValue) -> Any:
    """
    Describe a text whose holder the law hides, such as the name of who denounces. It is personal, and the hub passes it
    on sealed: whoever may, opens it (`hub/security/sealing.py`). Its kind is `kinds.Sealed`.
    """
    extra: dict[str, JsonValue] = {"personal": True, "sealed": True}
    return Field(description=description, examples=list(examples), json_schema_extra=extra)


def is_personal(model: type[BaseModel], field: str) -> bool:
    """Say whether *field* of *model* was declared by `personal(...)`."""
    extra = model.model_fields[field].json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("personal"))


def is_sealed(model: type[BaseModel], field: str) -> bool:
    """Say whether *field* of *model* was declared by `sealed(...)`."""
    extra = model.model_fields[field].json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("sealed"))


def inner_models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Give the models that an annotation can hold: itself, in a union, in a tuple."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for part in get_args(annotation):
        yield from inner_models(part)


def personal_paths(model: type[BaseModel]) -> frozenset[tuple[str, ...]]:
    """Return the personal places of *model*, a field declared personal standing for everything under it."""
    found: set[tuple[str, ...]] = set()
    for name, field in model.model_fields.items():
        if is_personal(model, name):
            found.add((name,))
            continue
        for inner in inner_models(field.annotation):
            found.update((name, *rest) for rest in personal_paths(inner))
    return frozenset(found)


def sealed_paths(model: type[BaseModel]) -> frozenset[tuple[str, ...]]:
    """Return the places of *model* that were declared by `sealed(...)`."""
    found: set[tuple[str, ...]] = set()
    for name, field in model.model_fields.items():
        if is_sealed(model, name):
            found.add((name,))
        for inner in inner_models(field.annotation):
            found.update((name, *rest) for rest in sealed_paths(inner))
    return frozenset(found)


def each_sealed(value: M, change: Callable[[str, str], str], at: str = "") -> M:
    """Return *value* with each sealed text that is given changed; *change* takes its JSON pointer and the text."""
    changed: dict[str, Any] = {}
    for name in type(value).model_fields:
        held, here = getattr(value, name), f"{at}/{name}"
        if is_sealed(type(value), name):
            changed[name] = None if held is None else change(here, held)
        elif isinstance(held, BaseModel):
            changed[name] = each_sealed(held, change, here)
        elif isinstance(held, tuple):
            changed[name] = tuple(
                each_sealed(item, change, f"{here}/{number}") if isinstance(item, BaseModel) else item
                for number, item in enumerate(held)
            )
    return value.model_copy(update=changed)


def mask(value: BaseModel) -> dict[str, Any]:
    """Return what may be shown of *value*: JSON-able, every personal field that is given replaced by `•••`."""
    shown = value.model_dump(mode="json")
    model = type(value)
    for name in model.model_fields:
        held = getattr(value, name)
        if is_personal(model, name):
            shown[name] = None if held is None else MASK
        elif isinstance(held, BaseModel):
            shown[name] = mask(held)
        elif isinstance(held, tuple):
            both = zip(held, shown[name], strict=True)
            shown[name] = [mask(item) if isinstance(item, BaseModel) else plain for item, plain in both]
    return shown
