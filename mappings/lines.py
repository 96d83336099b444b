"""
One line of `[fields]` at work: closures that carry a value from its slots to its field and back.

Made by `compiler.py`, run by `engine.py`. A line's theirs side finds and puts, its ours side keeps and gives;
the commonest line (one place, one field) is not here: the engine runs it in a loop of its own, for speed.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, NamedTuple, Protocol, TypeAlias

from pydantic import TypeAdapter, ValidationError

from mappings.canonical.partial_date import PartialDate
from mappings.conversion import Convert
from mappings.slots import Notes, Slots
from mappings.text import nfc_if_safe
from mappings.values_plain import read_json_text, write_json_text

Groups: TypeAlias = list[dict[str, Any]]
"""A model being read: its own fields, then those of each model inside it that lines reach into by dots."""
Holders: TypeAlias = list[Mapping[str, Any]]
"""A model being written, in the same order."""
Sources: TypeAlias = Mapping[str, str | None]
Find: TypeAlias = Callable[[Slots, Notes], Any]
"""Gives our value from slots; None when there is none, or none that fits, which is then noted."""
Put: TypeAlias = Callable[[Any, Slots, Sources, Notes], None]
Keep: TypeAlias = Callable[[Any, Groups, Notes], None]
Give: TypeAlias = Callable[[Holders], Any]


class Spell(NamedTuple):
    """One place at which a value may stand, and how it is written there."""

    slot: int
    place: str
    write: Convert | None
    read: Convert | None


class Inner(Protocol):
    """Another mapping, placed inside this one."""

    def gather(self, tree: Any, notes: Notes) -> dict[str, Any]: ...

    def make(self, value: Any, sources: Sources, notes: Notes) -> Any: ...


class InText(NamedTuple):
    """A group that stands in its place as one text, JSON inside JSON. An `Inner`."""

    inner: Inner

    def gather(self, tree: Any, notes: Notes) -> dict[str, Any]:
        try:
            read = read_json_text(tree)
        except ValueError as error:
            notes.fault("", str(error))
            return {}
        return self.inner.gather(read, notes)

    def make(self, value: Any, sources: Sources, notes: Notes) -> Any:
        return write_json_text(self.inner.make(value, sources, notes))


def given(raw: Any) -> Any:
    """Return what an agency wrote, text in NFC and trimmed; None when it is nothing."""
    if type(raw) is str:
        raw = raw.strip()
        if not raw:
            return None
        return raw if raw.isascii() else nfc_if_safe(raw)
    return raw


def agree(one: Any, other: Any) -> bool:
    """Whether two values may both be true: equal, or dates of which one knows less than the other."""
    if isinstance(one, PartialDate | date) and isinstance(other, PartialDate | date) and type(one) is not type(other):
        try:
            return PartialDate.of(one).agrees_with(PartialDate.of(other))
        except ValueError:
            return False
    return bool(one == other)


def find_first(spells: tuple[Spell, ...], also: tuple[Spell, ...]) -> Find:
    """Return what reads the first of *spells* that fits; all that are present must agree, those of *also* must fit too."""

    def find(slots: Slots, notes: Notes) -> Any:
        found, first, misfit = None, "", None
        for number, spell in enumerate((*spells, *also)):
            raw = given(slots[spell.slot])
            if raw is None:
                continue
            try:
                value = raw if spell.read is None else spell.read(raw)
            except ValueError as error:
                if number >= len(spells):
                    notes.fault(spell.place, str(error))
                elif misfit is None:
                    misfit = (spell.place, str(error))
                continue
            if found is None:
                found, first = value, spell.place
            elif not agree(found, value):
                notes.fault(spell.place, f"contradicts `{first}`")
        if misfit is not None and (found is None or first not in {spell.place for spell in spells}):
            notes.fault(*misfit)
        return found

    return find


def find_joined(parts: tuple[Spell, ...], also: tuple[Spell, ...]) -> Find:
    """Return what reads the places *parts* as one text; the last of them has the conversion of the whole."""
    whole = parts[-1]
    rest = find_first((), also)

    def find(slots: Slots, notes: Notes) -> Any:
        texts = [raw for part in parts if (raw := given(slots[part.slot])) is not None]
        elsewhere = rest(slots, notes) if also else None
        if not texts:
            return elsewhere
        if any(type(text) is not str for text in texts):
            notes.fault(whole.place, "is no text, and neither are the places that it is joined with")
            return None
        try:
            joined = " ".join(texts)
            value = joined if whole.read is None else whole.read(joined)
        except ValueError as error:
            notes.fault(whole.place, str(error))
            return None
        if elsewhere is not None and not agree(value, elsewhere):
            notes.fault(also[0].place, f"contradicts `{whole.place}`")
        return value

    return find


def find_group(slot: int, place: str, inner: Inner) -> Find:
    """Return what reads a group by another mapping; a group with nothing in it is nothing."""

    def find(slots: Slots, notes: Notes) -> Any:
        raw = slots[slot]
        if raw is None or raw == "":
            return None
        faults, fallbacks = len(notes.faults), len(notes.fallbacks)
        value = inner.gather(raw, notes)
        if len(notes.faults) > faults or len(notes.fallbacks) > fallbacks:
            notes.below(place, faults, fallbacks)
        return value or None

    return find


def find_list(spell: Spell, inner: Inner | None, hollow: Callable[[Any], bool] | None = None) -> Find:
    """
    Return what reads a list, each item by another mapping or as one value.

    An item that is nothing is passed over, told once of the list, and not counted: null, an empty text, and what
    *hollow* says. None: a group with nothing in it is an item like others.
    """
    name = spell.place.removesuffix("[]")

    def item(raw: Any, number: int, notes: Notes) -> Any:
        if inner is None:
            raw = given(raw)
            try:
                return raw if spell.read is None else spell.read(raw)
            except ValueError as error:
                notes.fault(f"{name}[{number}]", str(error))
                return None
        faults, fallbacks = len(notes.faults), len(notes.fallbacks)
        value = inner.gather(raw, notes)
        if len(notes.faults) > faults or len(notes.fallbacks) > fallbacks:
            notes.below(f"{name}[{number}]", faults, fallbacks)
        return value

    def find(slots: Slots, notes: Notes) -> Any:
        raw = slots[spell.slot]
        if raw is None or raw == "":
            return None
        if type(raw) is not list:
            notes.fault(spell.place, "is not a list")
            return None
        held = [one for one in raw if given(one) is not None and not (hollow and hollow(one))]
        if len(held) < len(raw):
            notes.fallbacks.append(spell.place)
        return tuple(item(one, number, notes) for number, one in enumerate(held))

    return find


def put_first(spells: tuple[Spell, ...], also: tuple[Spell, ...]) -> Put:
    """Return what writes a value in the first of *spells* that it fits, and in all of *also*."""

    def put(value: Any, slots: Slots, _sources: Sources, notes: Notes) -> None:
        misfit = None
        for spell in spells:
            try:
                slots[spell.slot] = value if spell.write is None else spell.write(value)
                break
            except ValueError as error:
                misfit = misfit or (spell.place, str(error))
        else:
            if misfit is not None:
                notes.fault(*misfit)
        for spell in also:
            try:
                slots[spell.slot] = value if spell.write is None else spell.write(value)
            except ValueError as error:
                notes.fault(spell.place, str(error))

    return put


def put_group(slot: int, place: str, inner: Inner) -> Put:
    """Return what writes a group by another mapping."""

    def put(value: Any, slots: Slots, sources: Sources, notes: Notes) -> None:
        faults = len(notes.faults)
        slots[slot] = inner.make(value, sources, notes)
        if len(notes.faults) > faults:
            notes.below(place, faults, len(notes.fallbacks))

    return put


def put_list(spell: Spell, inner: Inner | None) -> Put:
    """Return what writes a list, each item by another mapping or as one value."""
    name = spell.place.removesuffix("[]")

    def put(value: Any, slots: Slots, sources: Sources, notes: Notes) -> None:
        made = []
        for number, one in enumerate(value):
            faults = len(notes.faults)
            try:
                if inner is not None:
                    made.append(inner.make(one, sources, notes))
                else:
                    made.append(one if spell.write is None else spell.write(one))
            except ValueError as error:
                notes.fault("", str(error))
            if len(notes.faults) > faults:
                notes.below(f"{name}[{number}]", faults, len(notes.fallbacks))
        slots[spell.slot] = made

    return put


def give_first(fields: tuple[tuple[int, str], ...]) -> Give:
    """Return what gives the first of our *fields* (group, name) that is given; None when none is."""

    def give(holders: Holders) -> Any:
        for group, name in fields:
            value = holders[group].get(name)
            if value is None or (not value and (type(value) is str or type(value) is tuple)):
                continue
            return value
        return None

    return give


def give_numbered(fields: tuple[tuple[int, str], ...]) -> Give:
    """Return what gives the first of our *fields* that is given, with its number among them."""
    ones = tuple(give_first((one,)) for one in fields)

    def give(holders: Holders) -> Any:
        for number, one in enumerate(ones):
            value = one(holders)
            if value is not None:
                return number, value
        return None

    return give


def put_numbered(spells: tuple[Spell, ...]) -> Put:
    """Return what writes a numbered value in the place of that number: each of ours has its own."""
    puts = tuple(put_first((spell,), ()) for spell in spells)

    def put(numbered: Any, slots: Slots, sources: Sources, notes: Notes) -> None:
        number, value = numbered
        puts[number](value, slots, sources, notes)

    return put


def keep_in(group: int, name: str) -> Keep:
    """Return what keeps a value in one field of ours."""

    def keep(value: Any, groups: Groups, _notes: Notes) -> None:
        groups[group][name] = value

    return keep


def keep_fitting(fields: tuple[tuple[int, str, "TypeAdapter[Any]"], ...], place: str, ours: str) -> Keep:
    """Return what keeps a value in the first of our *fields* that it fits and that nothing else has filled."""

    def keep(value: Any, groups: Groups, notes: Notes) -> None:
        if any(groups[group].get(name) == value for group, name, _ in fields):
            return
        for group, name, fitting in fields:
            if name in groups[group]:
                continue
            try:
                fitting.validate_python(value, strict=True)
            except ValidationError:
                continue
            groups[group][name] = value
            return
        notes.fault(place, f"fits none of our `{ours}`, or contradicts what stands at their other places")

    return keep
