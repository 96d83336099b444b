"""
What an agency has of a call, beside what was filed: one verdict, pure. `reconciling.py` asks, and acts on it.

Nothing personal leaves here: of what differs only the field is named, with both values where these are states or codes.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from pydantic import BaseModel

from connectors.kit.inbox import Notice
from connectors.kit.operation import Operation, differing, value_at
from connectors.kit.outcomes import Result
from hub.store.reconciled import DIFFERS, MISSING, SAME, UNKNOWN
from mappings.canonical.shape import inner_models, is_personal

Why = Literal["in_doubt", "pending", "exists"]
_WHYS: Final[tuple[Why, ...]] = ("in_doubt", "pending", "exists")
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,39}")
RESULT: Final = "result"
"""Stands for a field: what the call was answered, and what the look-up is."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A filing that can be compared, and by what."""

    operation: Operation
    look_up: Operation | None
    """None: only notices tell."""
    why: Why = "in_doubt"
    """Under which key of `then` the look-up stands."""
    told_by: frozenset[str] = frozenset()
    """Notices that name what the agency called it."""

    @property
    def agrees(self) -> tuple[str, ...]:
        """Return the fields by which its look-up proves a filing."""
        return self.look_up.agrees if self.look_up is not None else ()

    @property
    def not_again(self) -> str:
        """Return why it is not filed again though the agency lacks it; empty: it may be."""
        if self.operation.own:  # a new call has a new key, and so is another record
            return "another_reference"
        proven = self.look_up is not None and self.look_up.sees_writes
        return "" if proven or self.operation.repeat_safe else "not_repeat_safe"


def compared(operations: Mapping[str, Operation], notices: Iterable[Notice]) -> dict[str, Compared]:
    """
    Return the filings that can be compared, by name.

    One whose `then` names a look-up is looked up. Of another it is known what notices say, if the agency gave it a
    reference, and has a notice bound by that.
    """
    bound = [(one.name, frozenset(one.ref)) for one in notices if one.kind == "notice"]
    found: dict[str, Compared] = {}
    for name, operation in operations.items():
        if operation.kind != "filing":
            continue
        named = ((why, operations.get(operation.then.get(why, ""))) for why in _WHYS)
        look_ups = [(why, one) for why, one in named if one is not None and one.kind == "lookup"]
        told_by = frozenset(notice for notice, refs in bound if refs & (operation.ref.keys() | operation.own.keys()))
        if look_ups:
            found[name] = Compared(operation, look_ups[0][1], look_ups[0][0])
        elif told_by:
            found[name] = Compared(operation, None, told_by=told_by)
    return found


@dataclass(frozen=True, slots=True)
class Said:
    """What a look-up answered."""

    result: str
    value: BaseModel | None = None
    code: str = ""
    """Our code of its reason."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict; *fields* as of `store.reconciled.Line`."""

    verdict: str
    cause: str = ""
    fields: tuple[tuple[str, str, str], ...] = ()


def judge(this: Compared, ours: str | None, sent: BaseModel, said: Said) -> Judged:
    """Compare *sent*, which was answered with the result *ours*, with what the look-up of *this* said."""
    if said.result == Result.NOT_FOUND:
        return Judged(MISSING)
    asks_on = "pending" in this.operation.then  # then both results tell how far it is
    if asks_on and ours is not None and said.result != ours:
        return Judged(DIFFERS, said.code, ((RESULT, ours, said.result),))
    if said.result == Result.REFUSED and not asks_on:
        return Judged(UNKNOWN, said.code or "refused")
    if said.value is None or this.look_up is None:
        return Judged(SAME)
    fields = this.agrees or _shared(sent, said.value)
    differ = differing(fields, this.operation, sent, said.value)
    if not differ:
        return Judged(SAME)
    return Judged(DIFFERS, "", tuple((path, _shown(sent, path), _shown(said.value, path)) for path in differ))


def _shared(sent: BaseModel, found: BaseModel) -> tuple[str, ...]:
    """Return the plain fields that both have and neither calls personal, where both are given."""
    both = [name for name in type(sent).model_fields if name in type(found).model_fields]
    return tuple(name for name in both if _plain(sent, name) and _plain(found, name))


def _plain(model: BaseModel, name: str) -> bool:
    return isinstance(getattr(model, name), str | int | Enum) and not is_personal(type(model), name)


def _shown(model: BaseModel, path: str) -> str:
    """Return what stands at *path* if that is a state or a code, and of no person; else nothing."""
    value = value_at(model, path)
    if _is_personal(type(model), path):
        return ""
    if isinstance(value, Enum):
        return str(value.value)
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def _is_personal(model: type[BaseModel], path: str) -> bool:
    name, _, rest = path.partition(".")
    if name not in model.model_fields or is_personal(model, name):
        return True
    inner = list(inner_models(model.model_fields[name].annotation))
    return any(_is_personal(one, rest) for one in inner) if rest else False
