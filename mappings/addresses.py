"""
Addresses on both sides of 1 July 2025: what an agency that still has districts is told, and what one without them.

A record keeps the codes with which it came. Only what is written for an agency is brought to the levels that its
manifest names in `connector.addresses`, by the shared code tables `provinces` and `communes`. What these cannot tell
is a fault that says what to give instead, never a guess.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, TypeAdapter, ValidationError

from mappings.canonical.kinds import Line
from mappings.codes import CodeRow, CodeTable
from mappings.errors import Fault, MappingFailed

Loc: TypeAlias = tuple[str | int, ...]
"""A path into a canonical model; numbers count the items of lists."""
Levels: TypeAlias = Literal["two_level", "three_level"]

LAST_DISTRICT_DAY: Final = date(2025, 6, 30)
"""The last day on which there were districts; an address that names one is read as of that day."""
PROVINCES, COMMUNES = "provinces", "communes"
"""The code tables that must be there; the second has the codes above a commune, as `56.568.22366`, or `56.22366`."""

_THREE: Final = 3
"""Codes in `theirs` of a commune that lies in a district."""
_SHAPES: Final = {
    PROVINCES: (re.compile("[0-9]{2}"), re.compile("[0-9]{2}"), "56", "56"),
    COMMUNES: (
        re.compile("[0-9]{5}"),
        re.compile(r"[0-9]{2}\.([0-9]{3}\.)?[0-9]{5}"),
        "22366",
        "56.22366, or 56.568.22366 while there were districts",
    ),
}
"""How codes of both tables are written, ours and theirs, each with an example."""
_LINE: Final = TypeAdapter[str](Line)
"""What an address holds beside a code: its name."""


def shape_faults(table: CodeTable) -> Iterator[tuple[str, str]]:
    """
    Give each code of *table* that could not stand in an address, and how it is written; none of another table.

    A spreadsheet takes away the zeros at the front; then an address would be wrong, or none that a record can hold.
    """
    if table.name not in _SHAPES:
        return
    ours, theirs, our_example, their_example = _SHAPES[table.name]
    for row in table.rows:
        if not ours.fullmatch(row.ours):
            yield row.ours, f"is no code of ours: it is written like {our_example}, zeros at the front included"
        if not theirs.fullmatch(row.theirs):
            yield row.ours, f"has in `theirs` what is written like {their_example}, zeros at the front included"
        if not _is_line(row.vi):
            yield row.ours, "has in `vi` what no address can hold; write a name of at most 500 characters, anew"


def _is_line(name: str) -> bool:
    try:
        return not name or bool(_LINE.validate_python(name))
    except ValidationError:
        return False


class Untold(NamedTuple):
    """Why a field of an address cannot be written for an agency; never holds a value."""

    field: str
    says: str


@dataclass(frozen=True, slots=True)
class AddressAt:
    """Where in a canonical model a mapping writes an address; a step into every item of a list ends in `[]`."""

    names: tuple[str, ...]
    commune: bool
    """Whether a line has the commune."""
    district: bool
    """Whether a line has the old district."""

    def inside(self, names: tuple[str, ...], *, each: bool) -> "AddressAt":
        """Return where it lies in a model that holds this one at *names*; *each*: in each item of a list there."""
        return AddressAt(
            (*names[:-1], f"{names[-1]}[]" if each else names[-1], *self.names), self.commune, self.district
        )


class Addresses:
    """Brings addresses to the levels of one kind of agency."""

    def __init__(
        self, levels: Levels, tables: Mapping[str, CodeTable], today: Callable[[], date] | None = None
    ) -> None:
        """
        Use `provinces` and `communes` of *tables*, as they are on the day that *today* gives; without, as they end.

        Raises:
            KeyError: One of the tables is missing.
        """
        self._two = levels == "two_level"
        self._provinces, self._communes = tables[PROVINCES], tables[COMMUNES]
        self._today = today or (lambda: date.max)
        self._stood_for: dict[str, list[CodeRow]] = {}
        """The communes of three levels that each commune took the place of."""
        for row in () if self._two else self._communes.rows:
            if row.valid_on(LAST_DISTRICT_DAY) and len(row.theirs.split(".")) == _THREE:
                for successor in row.successors:
                    self._stood_for.setdefault(successor, []).append(row)

    def told(self, address: BaseModel, *, commune: bool) -> tuple[dict[str, Any], list[Untold]]:
        """
        Return the fields of *address* as the agency is told them, and what cannot be told.

        *commune*: whether a commune is written at all.
        """
        told = _given(address)
        missing = list(self._in_two(told, commune=commune) if self._two else self._in_three(told, commune=commune))
        return told, missing

    def _in_two(self, told: dict[str, Any], *, commune: bool) -> Iterator[Untold]:
        since = LAST_DISTRICT_DAY if told.get("old_district") else None
        for name in ("old_district", "old_district_name"):
            told.pop(name, None)
        for field, table in (("province", self._provinces), ("commune", self._communes)):
            code = told.get(field)
            if not code or (field == "commune" and not commune):
                continue
            row = table.row(code, since or self._today())
            now = None if row is None else table.successor(row, self._today())
            if now is not None:
                _put(told, field, now, renamed=now is not row)
            elif row is not None or (since and field == "commune"):  # else a code that is told as it came
                why = (
                    f"has ended, and no single {field} took its place"
                    if row is not None
                    else f"is not in code table `{table.name}`, so what became of it cannot be told"
                )
                yield Untold(field, f"{why}: give the {field} of today, without a district")

    def _in_three(self, told: dict[str, Any], *, commune: bool) -> Iterator[Untold]:
        code = told.get("commune")
        if not code or not commune or told.get("old_district"):
            return
        now = self._communes.row(code, self._today())
        is_old = now is not None and len(now.theirs.split(".")) == _THREE
        stood_for = [now] if now is not None and is_old else self._stood_for.get(code, [])
        if len(stood_for) == 1:
            code, district, _ = stood_for[0].theirs.split(".")
            province = self._provinces.row(code, LAST_DISTRICT_DAY)
            if province is None:  # today's would be told with a commune that was never in it
                says = f"code table `{PROVINCES}` does not have the one of that time: add it there"
                yield Untold("province", says)
                return
            told["old_district"] = district
            _put(told, "commune", stood_for[0], renamed=True)
            _put(told, "province", province, renamed=True)
            return
        why = "it stands for several old ones" if stood_for else f"code table `{COMMUNES}` does not have it"
        yield Untold(
            "commune",
            f"this agency still has districts, and which one cannot be told from the commune ({why}):"
            " give the old district, with the old commune",
        )


def _put(told: dict[str, Any], field: str, row: CodeRow, *, renamed: bool) -> None:
    """Write the code of *row*, and its name where the address has one beside the code."""
    told[field] = row.ours
    if renamed and told.get(f"{field}_name"):
        told[f"{field}_name"] = row.vi or None


class Told:
    """What an agency is told of the addresses in values of one mapping."""

    def __init__(self, addresses: Addresses, where: Sequence[AddressAt]) -> None:
        """*where*: what the mapping names, `Mapping.addresses`."""
        self._addresses, self._where = addresses, where

    def value(self, value: BaseModel) -> BaseModel:
        """
        Return *value* with its addresses as the agency is told them.

        Raises:
            MappingFailed: Something cannot be told; each field of ours, and what to give instead.
        """
        faults: list[Fault] = []
        told = self._through(value, lambda loc, one: faults.append(Fault(".".join(map(str, loc)), one)))
        if faults:
            raise MappingFailed(faults)
        return told

    def untold(self, value: BaseModel) -> list[tuple[Loc, str]]:
        """Return which fields of *value* cannot be told, and what to give instead."""
        found: list[tuple[Loc, str]] = []
        self._through(value, lambda loc, one: found.append((loc, one)))
        return found

    def _through(self, value: BaseModel, tell: Callable[[Loc, str], None]) -> BaseModel:
        for at in self._where:

            def change(address: BaseModel, loc: Loc, commune: bool = at.commune) -> BaseModel:
                told, untold = self._addresses.told(address, commune=commune)
                for one in untold:
                    tell((*loc, one.field), one.says)
                return address if told == _given(address) else type(address)(**told)

            value = _changed(value, at.names, (), change)
        return value


def _given(address: BaseModel) -> dict[str, Any]:
    return {name: value for name, value in address.__dict__.items() if value is not None}


def _changed(value: Any, names: tuple[str, ...], loc: Loc, change: Callable[[Any, Loc], Any]) -> Any:
    """Return *value* with what lies at *names* changed, itself when nothing was."""
    if value is None:
        return None
    if not names:
        return change(value, loc)
    name, rest = names[0].removesuffix("[]"), names[1:]
    held = getattr(value, name)
    if names[0].endswith("[]"):
        new: Any = tuple(_changed(item, rest, (*loc, name, number), change) for number, item in enumerate(held))
    else:
        new = _changed(held, rest, (*loc, name), change)
    return value if new == held else value.model_copy(update={name: new})
