"""
A mapping at work: writes a canonical value as an agency's payload and reads a payload back.

Read `compiler.py` next for what is prepared once, and `lines.py` for how one line works. Nothing in a fault is a value.
"""

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from mappings.compiler import Compiler
from mappings.errors import Fault, FileFault, MappingFailed
from mappings.json_form import json_form
from mappings.language import MappingFile
from mappings.lines import Sources
from mappings.masking import masked_json, masked_xml
from mappings.paths import Layout, Place
from mappings.place_tree import PlaceTree
from mappings.plan import Given
from mappings.slots import OMITTED, Notes, beneath
from mappings.text import nfc_if_safe
from mappings.values_files import CONTENT, contents_in
from mappings.xml_form import xml_form

_NOTHING: MappingOf[str, Any] = MappingProxyType({})


class Reading(NamedTuple):
    """A value read from a payload."""

    value: BaseModel
    fallbacks: tuple[str, ...]
    """Places read only by forgiving letter case, or an empty item of a list: the contract has drifted a little."""
    files: MappingOf[str, bytes | None] = _NOTHING
    """Each file whose content stood there, by its id. None: only our own mark of it did, as after `write`."""


class Mapping:
    """
    One table of correspondences, compiled for one place in a payload. Made by `compile_mapping` or `load_mappings`.

    Safe to share between threads: nothing changes after it is made.
    """

    def __init__(
        self,
        file: MappingFile,
        about: Given,
        model: type[BaseModel],
        agency: Place,
        tree: PlaceTree,
        above: list[str],
        faults: list[FileFault],
    ) -> None:
        self._file, self._about, self._agency = file, about, agency
        self.name = about.name
        self.canonical = model
        self.canonical_name = file.canonical
        self.root = file.agency
        plan = self._plan = Compiler(file, about, model, tree, faults).run()
        self.sources = frozenset(plan.sources)
        """Sources that writing may use, `settings.x` or `officer.account`; those of nested mappings included."""
        self.fixed: MappingOf[str, str] = MappingProxyType({place: source for _, source, _, place in plan.fixed})
        """Places, seen from the root, that a source fills, and which; literals, and nested mappings, are not among them."""
        self.ours = frozenset(plan.ours)
        """Every path of ours that the file names, nested mappings included as `owner.full_name`."""
        self.theirs = frozenset(plan.theirs)
        """Every place of theirs that the file names, seen from the root, nested mappings included."""
        self.files = frozenset(plan.files)
        """Converters for files that it names, nested mappings included: `file base64`, `file link`."""
        self.addresses = tuple(plan.addresses)
        """Where in our model an address is written, nested mappings included."""
        self.clear = frozenset(plan.clear)
        """Places, seen from the root as lower-case names, that may be shown to people."""
        if about.form == "json":
            self._collect, self._emit, self._locate = json_form(tree.root, agency)
        else:
            self._collect, self._emit, self._locate = xml_form(tree.root, agency, tree.take_slot, above)
        self._size = tree.size
        self._blanks = [plan.blanks.get(slot, OMITTED) for slot in range(tree.size)]
        inner = list(plan.groups)[1:]
        self._groups = [(plan.groups[names[:-1]], names[-1]) for names in inner]
        self._rooted = about.form == "json" or bool(agency.steps)
        self.is_document = about.form == "xml" and self._rooted
        """Whether it begins at an element of its own: that this one is missing is drift, and never "not found"."""

    def write(self, value: BaseModel, sources: Sources) -> Any:
        """
        Return *value* as the agency's payload: a dict, or an lxml element when the form is XML.

        Raises:
            MappingFailed: With every place that could not be written, and the rule that it broke.
        """
        if not isinstance(value, self.canonical):
            raise TypeError(f"mapping {self.name} writes {self.canonical_name}, not {type(value).__name__}")
        self._check_rooted()
        notes = Notes()
        payload = self.make(value, sources, notes)
        if notes.faults:
            raise self._failed(notes)
        return payload

    def read(self, tree: Any) -> Reading | None:
        """
        Return what *tree* says, or None when the thing was not found: only the last step of `agency` is absent.

        Raises:
            MappingFailed: A parent is missing, or values do not fit; with every place and rule.
        """
        self._check_rooted()
        notes = Notes()
        found = self._locate(tree, notes)
        if notes.faults:
            raise self._failed(notes)
        if found is None:
            return None
        data = self.gather(found, notes)
        try:
            value = self.canonical.model_validate(data)
        except ValidationError as error:
            notes.faults += self._misfits(error, notes.faults)
        if notes.faults:
            raise self._failed(notes)
        files = {str(one): one.content for one in contents_in(data)} if CONTENT in self.files else _NOTHING
        return Reading(value, tuple(dict.fromkeys(notes.fallbacks)), files)

    def normal(self, value: BaseModel) -> BaseModel:
        """
        Return *value* as it is found again: written, then read, so cut, shortened and respelt as its lines say.

        Fixed places play no part, so no sources are needed; what cannot be read back (a hash) is not given.

        Raises:
            MappingFailed: A required field of ours cannot be read back.
        """
        self._check_rooted()
        notes = Notes()  # places without a source are no fault here
        found = self._locate(self.make(value, _NOTHING, notes), notes)
        data = {} if found is None else self.gather(found, notes)
        try:
            return self.canonical.model_validate(data)
        except ValidationError as error:
            raise MappingFailed(self._misfits(error, ())) from None

    def masked(self, tree: Any) -> Any:
        """Return a copy of the payload *tree* that may be shown: only values known to be harmless are left in it."""
        above = tuple(step.name.lower() for step in self._agency.steps if step.name)
        if self._about.form == "json":
            return masked_json(tree, {above + place for place in self.clear})
        return masked_xml(tree, {above + place for place in self.clear})

    def make(self, value: Any, sources: Sources, notes: Notes) -> Any:
        """Return *value* as a payload; faults go to *notes*. For `write` and for mappings around this one."""
        plan = self._plan
        slots = self._blanks.copy()
        holders: list[MappingOf[str, Any]] = [value.__dict__]
        for parent, name in self._groups:
            held = holders[parent].get(name)
            holders.append(_NOTHING if held is None else held.__dict__)
        for group, name, convert, slot, place in plan.plain_writes:
            ours = holders[group].get(name)
            if ours is None or ours == "":
                continue
            try:
                slots[slot] = ours if convert is None else convert(ours)
            except ValueError as error:
                notes.fault(place, str(error))
        for give, put in plan.writes:
            ours = give(holders)
            if ours is not None:
                put(ours, slots, sources, notes)
        for slot, source, convert, place in plan.fixed:
            text = sources.get(source)
            if text is None:
                notes.fault(place, f"source `{source}` is not given")
                continue
            try:
                slots[slot] = text if convert is None else convert(text)
            except ValueError as error:
                notes.fault(place, f"source `{source}`: {error}")
        return self._emit(slots, notes)

    def gather(self, tree: Any, notes: Notes) -> dict[str, Any]:
        """Return what *tree* says as field values, not yet validated. For `read` and for mappings around this one."""
        plan = self._plan
        slots: list[Any] = [None] * self._size
        self._collect(tree, slots, notes)
        groups: list[dict[str, Any]] = [{}, *({} for _ in self._groups)]
        for slot, convert, group, name, place in plan.plain_reads:
            raw = slots[slot]
            if type(raw) is str:  # as `lines.given` does; the call alone would cost a tenth of a reading
                raw = raw.strip()
                if not raw:
                    continue
                if not raw.isascii():
                    raw = nfc_if_safe(raw)
            elif raw is None:
                continue
            try:
                groups[group][name] = raw if convert is None else convert(raw)
            except ValueError as error:
                notes.fault(place, str(error))
        for find, keep in plan.reads:  # those that look at what the others have filled stand last
            value = find(slots, notes)
            if value is not None:
                keep(value, groups, notes)
        for group, name in plan.needed_lists:
            if groups[group]:
                groups[group].setdefault(name, ())
        for number in range(len(self._groups), 0, -1):
            if groups[number]:
                parent, name = self._groups[number - 1]
                groups[parent][name] = groups[number]
        return groups[0]

    def inside(self, key: str, namespace: str | None, layout: Layout | None, faults: list[FileFault]) -> "Mapping":
        """Return this mapping for the group *key* of another payload; what its contract lacks is added to *faults*."""
        tree = PlaceTree(self._about.form, key, namespace, layout)
        return Mapping(self._file, self._about, self.canonical, self._agency, tree, [], faults)

    def places_of(self, loc: Sequence[int | str]) -> tuple[str, ...]:
        """Return the agency's places, seen from the root, from which the field at *loc* of our model is read."""
        names = [step for step in loc if isinstance(step, str)]
        for depth in range(len(names), 0, -1):
            path = ".".join(names[:depth])
            where = self._plan.where.get(path)
            if where is None:
                below = [
                    place for one, at in self._plan.where.items() if one.startswith(f"{path}.") for place in at.places
                ]
                if below and depth == len(names):
                    return tuple(below)
                continue
            rest = list(loc[depth:])
            places = where.places
            if rest and isinstance(rest[0], int):
                number = rest.pop(0)
                places = tuple(f"{place.removesuffix('[]')}[{number}]" for place in places)
            if where.inner is not None and rest:
                return tuple(beneath(places[0], place) for place in where.inner.places_of(tuple(rest))) or places
            return places
        return ()

    def _misfits(self, error: ValidationError, known: Sequence[Fault]) -> list[Fault]:
        """What the model says of the values, in terms of the agency's places; not what only follows from faults *known*."""
        faulty = {fault.place for fault in known}
        found: list[Fault] = []
        for one in error.errors(include_url=False, include_context=False, include_input=False):
            places = self.places_of(one["loc"])
            if "" in faulty or any(_lie_together(place, bad) for place in places for bad in faulty):
                continue
            rule = one["msg"].removeprefix("Value error, ")
            if one["type"] == "missing":
                rule = (
                    "is missing"
                    if places
                    else f"our `{'.'.join(map(str, one['loc']))}` is needed, and no line gives it"
                )
            found.append(Fault(places[0] if places else "", rule))
        return list(dict.fromkeys(found))

    def _failed(self, notes: Notes) -> MappingFailed:
        whole = "/".join(step.name for step in self._agency.steps) or "the payload"
        return MappingFailed([fault if fault.place else replace(fault, place=whole) for fault in notes.faults])

    def _check_rooted(self) -> None:
        if not self._rooted:
            raise MappingFailed(
                [Fault("", f"mapping {self.name} names no root in `agency`, so it works only inside others")]
            )


def _lie_together(one: str, other: str) -> bool:
    """Whether two places are one, or one lies inside the other."""
    return one == other or other.startswith((f"{one}/", f"{one}[")) or one.startswith((f"{other}/", f"{other}["))
