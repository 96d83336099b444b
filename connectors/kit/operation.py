"""
One operation of a connector, compiled: what the engine, the doors and the protocol need of it. Made by `registry.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.kit.answers import Judge
from connectors.kit.exchange import Sources
from connectors.kit.manifest import Page
from connectors.kit.places import Unwrap
from connectors.kit.reading import Wire
from connectors.kit.signatures import Signing
from mappings import engine
from mappings.addresses import Told
from mappings.canonical.shape import inner_models
from mappings.errors import Fault, MappingFailed
from mappings.paths import Place

OF_REQUEST: Final = "request."
"""How a key of `Operation.own` begins that a field of the request fills."""


class NoRecord(BaseModel):
    """The request of an operation that sends no record: an empty table."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing an agency can do. Values come from the manifest, defaults are decided."""

    name: str
    kind: Literal["lookup", "filing", "login"]
    request: type[BaseModel]
    """Canonical model of what is asked or filed; `NoRecord` when the operation sends none."""
    answer: type[BaseModel] | None
    """Canonical model of what comes back, if anything does."""
    sends: engine.Mapping | None
    returns: engine.Mapping | None
    personal_data: bool
    repeat_safe: bool
    order_by: str | None
    fresh: float | None
    """Seconds."""
    probe: bool
    every: float | None
    """Seconds."""
    then: Mapping[str, str]
    then_requests: Mapping[str, type[BaseModel]]
    """What the operations named in `then` ask for, by the same keys."""
    agrees: tuple[str, ...]
    sees_writes: bool
    ref: Mapping[str, Place]
    """Places of the agency's own keys, by the name under which they are remembered."""
    judge: Judge
    unwrap: Unwrap
    wire: Wire
    signed: Signing | None = None
    """The signature that its answers must carry."""
    page: Page | None = None
    """Cursor of the notices that it fetches."""
    needs: frozenset[str] = frozenset()
    """Sources that a request names and that only the purpose of the call and the registers of its hub can fill."""
    alike: tuple[str, ...] | None = None
    """
    Sources whose values two calls with equal requests have in common when they send the same, ids and moments of call
    and exchange aside: then one exchange may serve both. None: each call makes its own.
    """
    own: Mapping[str, str] = field(default_factory=dict)
    """
    Keys of ours that the agency goes by: name -> what fills them, the same over all exchanges of a call. That is a source
    of the call, or `request.` and the path of a field.
    """
    told: Told | None = None
    """Brings addresses in its request to the levels of the agency; None: it has none."""

    def order_key(self, request: BaseModel) -> str | None:
        """Return the value of `order_by` in *request*; None when the operation names no order."""
        value = value_at(request, self.order_by) if self.order_by else None
        return None if value is None else str(value)

    def write(self, request: BaseModel | None, sources: Sources) -> Any:
        """
        Return *request* as the agency's payload; None when the operation sends no record.

        Raises:
            MappingFailed: With every place that could not be written, and the rule that it broke.
        """
        if self.sends is None or request is None:
            return None
        return self.sends.write(self.told.value(request) if self.told is not None else request, sources)

    def untold(self, request: BaseModel) -> list[tuple[str, str]]:
        """Return what of *request* the agency cannot be told: its JSON pointer, and what to give instead."""
        found = self.told.untold(request) if self.told is not None else []
        return [("/" + "/".join(map(str, loc)), says) for loc, says in found]


def value_at(model: BaseModel, path: str) -> Any:
    """Return what stands at *path* (`owner.full_name`) in *model*; None when a group on the way is not given."""
    here: Any = model
    for name in path.split("."):
        here = getattr(here, name, None)
    return here


def follow_up_request(
    operation: Operation, then: str, request: BaseModel, refs: Mapping[str, str], answer: BaseModel | None = None
) -> BaseModel:
    """
    Return the request of the step that *operation* names under *then* (`exists`, `in_doubt`, `pending`, or that name).

    Filled by field name from the remembered references, the call's request and its answer, in this order. A step that
    takes the same record gets it unchanged.

    Raises:
        MappingFailed: A required field has no source, or a reference does not fit it; fields are named, never values.
        KeyError: The operation has no such step.
    """
    key = then if then in operation.then else next((key for key, name in operation.then.items() if name == then), then)
    wanted = operation.then_requests[key]
    return request if isinstance(request, wanted) else request_from(wanted, refs, request, answer)


def request_from(wanted: type[BaseModel], refs: Mapping[str, str], *holders: BaseModel | None) -> BaseModel:
    """
    Return a *wanted* filled by field name: from *refs*, then from the first of *holders* that gives the field.

    Raises:
        MappingFailed: A required field has no source, or a reference does not fit it; fields are named, never values.
    """
    values: dict[str, Any] = {}
    for name in wanted.model_fields:
        found = (value for one in holders if one is not None and (value := getattr(one, name, None)) is not None)
        value = refs.get(name) if name in refs else next(found, None)
        if value is not None:
            values[name] = value
    try:
        return wanted.model_validate(values)
    except ValidationError as error:
        raise MappingFailed(
            [Fault(".".join(map(str, one["loc"])), one["type"]) for one in error.errors(include_input=False)]
        ) from None


def only_list(model: type[BaseModel] | None) -> str | None:
    """Return the only list of *model*, whose items are taken one by one; None: it has none, or several."""
    fields = model.model_fields.items() if model is not None else ()
    lists = [name for name, field in fields if _is_list(field.annotation)]
    return lists[0] if len(lists) == 1 else None


def list_fault(listing: type[BaseModel], wanted: type[BaseModel]) -> str | None:
    """Return why the items of a *listing* can be no requests of a *wanted*; None when they can."""
    place = only_list(listing)
    if place is None:
        return f"{listing.__name__} has not just one list"
    items = list(inner_models(listing.model_fields[place].annotation))
    needed = [name for name, field in wanted.model_fields.items() if field.is_required()]
    if not items:
        return (
            None
            if len(needed) == 1
            else f"its items are texts, and {wanted.__name__} needs {', '.join(needed) or 'none'}"
        )
    missing = [name for name in needed if name not in items[0].model_fields]
    return f"{wanted.__name__} needs `{missing[0]}`, which {items[0].__name__} lacks" if missing else None


def cursor_fault(wanted: type[BaseModel]) -> str | None:
    """Return why a *wanted* cannot say where a list goes on: it has not one field, required, of text or whole number."""
    fields = wanted.model_fields
    if len(fields) != 1:
        return f"{wanted.__name__} has {len(fields)} fields"
    name, field = next(iter(fields.items()))
    kind = field.annotation
    plain = isinstance(kind, type) and issubclass(kind, str | int) and not issubclass(kind, bool | Enum)
    return (
        None if plain and field.is_required() else f"`{name}` of {wanted.__name__} is no required text or whole number"
    )


def listed_requests(listing: BaseModel, wanted: type[BaseModel]) -> list[BaseModel]:
    """
    Return for each item of the only list of *listing* the *wanted* that asks for it: by field name, or a text as the one
    field that is required.

    Raises:
        MappingFailed: An item does not fit; fields are named, never values.
    """
    place = only_list(type(listing))
    items = getattr(listing, place) if place is not None else ()
    needed = next((name for name, field in wanted.model_fields.items() if field.is_required()), "")
    return [
        request_from(wanted, {}, item) if isinstance(item, BaseModel) else request_from(wanted, {needed: item})
        for item in items or ()
    ]


def key_fields(request: BaseModel) -> Mapping[str, str]:
    """Return the single values of *request* by field name, as texts."""
    fields = request.model_dump(mode="json", exclude_none=True)
    return {name: str(value) for name, value in fields.items() if isinstance(value, str | int)}


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, UnionType):
        return any(_is_list(one) for one in get_args(annotation))
    return get_origin(annotation) is tuple


def agrees(look_up: Operation, filing: Operation, sent: BaseModel, found: BaseModel | None) -> bool:
    """
    Say whether the record that *look_up* found is the one that *filing* sent: every field that `agrees` names is equal.

    Without a record, or without such fields, nothing is proven: False.
    """
    return found is not None and bool(look_up.agrees) and not differing(look_up.agrees, filing, sent, found)


def differing(fields: Sequence[str], filing: Operation, sent: BaseModel, found: BaseModel) -> tuple[str, ...]:
    """
    Return those of *fields* that are not the same in what *filing* sent and in what was *found*, or not given in one.

    Compared as the agency knows it: *sent* goes through the filing's mapping and back, so that a code written in its
    short form, or a text that is cut, equals what is found.
    """
    # what equals what was sent, word for word, needs no way through the mapping, which costs a quarter of a notice
    left = [path for path in fields if (value := value_at(sent, path)) is None or value != value_at(found, path)]
    known = _as_found(filing, sent) if left else sent
    return tuple(path for path in left if (value := value_at(known, path)) is None or value != value_at(found, path))


def _as_found(filing: Operation, sent: BaseModel) -> BaseModel:
    if filing.sends is None or not isinstance(sent, filing.sends.canonical):
        return sent
    try:
        return filing.sends.normal(filing.told.value(sent) if filing.told is not None else sent)
    except MappingFailed:  # its mapping only writes, so there is no other form to compare in
        return sent
