"""
From a mapping file to the plan that `engine.py` runs: every name looked up, every fault of the file found, closures made.

Runs once, when a connector is loaded. Nothing here is fast; everything it makes is.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic import BaseModel

from mappings import json_form, lines, xml_form
from mappings.addresses import AddressAt
from mappings.canonical.address import is_address
from mappings.conversion import (
    UNCHANGED,
    Conversion,
    Tell,
    conversion,
    source_conversion,
)
from mappings.enclosed import PAYLOAD, enclosure
from mappings.errors import FileFault
from mappings.language import Fixed, Line, MappingFile
from mappings.ours import OurField, check_withheld, find_field
from mappings.paths import Place, nearest, read_place
from mappings.place_tree import PlaceTree, Spot
from mappings.plan import Given, Nested, Plan, Where
from mappings.slots import OMITTED
from mappings.values import JSON_TEXT
from mappings.values_files import CONTENT, FILES

SOURCES = (
    "call.id",
    "call.reference",
    "call.accepted_at",
    "call.dossier",
    "call.procedure",
    "exchange.id",
    "exchange.at",
    "page.after",
    "page.size",
    "notice.reason",
)
"""Sources with a fixed name, the last three of polls alone; settings, officer, unit and auth have names of their own."""
_FREE_SOURCE = re.compile(r"(settings|officer|unit|auth)\.[a-z][a-z0-9_]*")


class Compiler:
    """Compiles one file for one place in a payload; `faults` has everything that is wrong with it."""

    def __init__(
        self, file: MappingFile, given: Given, model: type[BaseModel], tree: PlaceTree, faults: list[FileFault]
    ) -> None:
        self._file, self._given, self._model, self._tree, self._faults = file, given, model, tree, faults
        self._last_reads: list[tuple[lines.Find, lines.Keep]] = []
        self.plan = Plan()

    def run(self) -> Plan:
        """Return the plan; it is whole only when no fault was added."""
        enclosing = {key: fixed for key, fixed in self._file.fixed.items() if fixed.from_ == PAYLOAD}
        for key in sorted(enclosing, key=lambda place: place.count("/")):  # around before inside
            self._enclosing(key, enclosing[key], partial(self._tell, f"fixed.{key}"))
        for key, line in sorted(self._file.fields.items(), key=lambda one: self._only_reads(one[1])):
            self._line(key, line, partial(self._tell, f"fields.{key}"))
        for key, fixed in self._file.fixed.items():
            if key in enclosing:
                continue
            self._fixed(key, fixed, partial(self._tell, f"fixed.{key}"))
        for key, reason in self._file.dropped.items():
            self._dropped(key, reason, partial(self._tell, f"dropped.{key}"))
        for key, reason in self._file.withheld.items():
            self._withheld(key, reason, partial(self._tell, f"withheld.{key}"))
        self._overlaps()
        for key in enclosing:
            self._enclosed(key, partial(self._tell, f"fixed.{key}"))
        self.plan.reads += self._last_reads
        self._addresses()
        return self.plan

    def _tell(self, key: str, says: str, /) -> None:
        self._faults.append(FileFault(f"{self._given.name}.map.toml", key, says))

    def _only_reads(self, line: Line) -> bool:
        """Whether its code table is for reading alone, so that it may read the place of another line a second way."""
        table = self._given.codes.get(line.codes or "")
        return table is not None and bool(table.rows) and all(row.one_way == "read" for row in table.rows)

    def _line(self, key: str, line: Line, tell: Tell) -> None:
        fields = self._our_fields(key, tell)
        texts = line.parts or line.at or ()
        if len(fields) == len(texts) == 1 and not line.also and self._only_reads(line):
            taken = self._tree.value_at(texts[0])
            if taken is not None:
                self._second_reading(fields[0], taken, line, tell)
                return
        if (line.at is None) == (line.parts is None):
            tell("needs either `at` or `parts`" if line.at is None else "has both `at` and `parts`: which is it?")
        if len(fields) > 1 and len(texts) > 1 and (line.parts or line.also or len(texts) != len(fields)):
            tell("`|` has either one place, or in `at` one place for each of ours, and neither `parts` nor `also` then")
            return
        if fields and fields[0].each and (line.also or len(texts) > 1):
            tell("a list stands at one place: neither alternatives, `parts` nor `also` then")
            return
        in_text = line.as_ == ((JSON_TEXT,),) and self._given.form == "json" and not (fields and fields[0].each)
        if line.map is not None and ((line.as_ and not in_text) or line.codes or line.also or len(texts) > 1):
            tell(
                "`map` stands alone with one place: put `as`, `codes` and further places into the mapping that it names"
                f'; only as = "{JSON_TEXT}" may stand beside it, for a group that is one text'
            )
            return
        spots = self._spots(texts, fields, tell, group=line.map is not None, part=line.parts is not None)
        also = self._spots(line.also, fields, tell)
        made = (UNCHANGED,) if line.map is not None else self._conversions(fields, line, tell)
        if (
            not fields
            or not spots
            or len(spots) != len(texts)
            or len(also) != len(line.also)
            or len(made) not in (1, len(spots))
        ):
            return
        inner = self._given.nested.get(line.map or "")
        if CONTENT in (inner.files if inner is not None else {name for chain in line.as_ for name in chain}):
            for text in texts:
                if any(one.encloses and one.encloses.encoded for one in self._tree.around(_whole_place(text))):
                    tell(f"`{text}` is inside an encoded text, where no file can be put while it is sent: send a link")
        spells = tuple(_spell(spot, made[min(n, len(made) - 1)]) for n, spot in enumerate(spots))
        more = tuple(_spell(spot, made[0]) for spot in also)
        for spot in (*spots, *also):
            self._blank(spot, self._file.absent if line.absent is None else line.absent)
        self._carry(
            key, line, fields, spells, more, readable=all(one.readable for one in made), spot=spots[0], tell=tell
        )

    def _second_reading(self, field: OurField, spot: Spot, line: Line, tell: Tell) -> None:
        """Add a line that reads what stands at *spot* once more: the other line says what it is, this one what it means."""
        made = self._conversions([field], line, tell)
        if made and spot.slot is not None:
            self.plan.plain_reads.append((spot.slot, made[0].read, self._group(field), field.names[-1], spot.place))
            self.plan.ours.add(field.path)
            self.plan.where[".".join(field.names)] = Where((spot.place,))

    def _carry(
        self,
        key: str,
        line: Line,
        fields: list[OurField],
        spells: tuple[lines.Spell, ...],
        also: tuple[lines.Spell, ...],
        *,
        readable: bool,
        spot: Spot,
        tell: Tell,
    ) -> None:
        """Add the line's closures to the plan."""
        plan, first = self.plan, fields[0]
        slots = [(self._group(one), one.names[-1]) for one in fields]
        inner = self._inner(line.map, first, spot, tell) if line.map else None
        if line.map and inner is None:
            return
        self._note(fields, (*spells, *also), inner)
        if len(fields) == len(spells) == 1 and not also and not first.each and inner is None:
            (group, name), spell = slots[0], spells[0]
            plan.plain_writes.append((group, name, spell.write, spell.slot, spell.place))
            if readable:
                plan.plain_reads.append((spell.slot, spell.read, group, name, spell.place))
            return
        if len(fields) > 1 and len(spells) > 1:
            plan.writes.append((lines.give_numbered(tuple(slots)), lines.put_numbered(spells)))
            for (group, name), spell, one in zip(slots, spells, fields, strict=True):
                plan.plain_reads += [(spell.slot, spell.read, group, name, spell.place)] if readable else []
                plan.where[".".join(one.names)] = Where((spell.place,))
            return
        below = lines.InText(inner) if inner is not None and line.as_ else inner
        find, put = _theirs_side(line, spells, also, below, each=first.each, hollow=self._hollow(first))
        plan.writes.append((lines.give_first(tuple(slots)), put))
        if not readable:
            return
        if len(fields) == 1:
            plan.reads.append((find, lines.keep_in(*slots[0])))
            if first.each and first.required:
                plan.needed_lists.append(slots[0])
            return
        fitting = tuple((group, name, one.fitting()) for (group, name), one in zip(slots, fields, strict=True))
        self._last_reads.append((find, lines.keep_fitting(fitting, spells[0].place, key)))

    def _our_fields(self, key: str, tell: Tell) -> list[OurField]:
        found: list[OurField] = []
        for path in (part.strip() for part in key.split("|")):
            try:
                found.append(find_field(self._model, path))
            except ValueError as error:
                tell(f"`{path}` {error}" if "|" in key else str(error))
                return []
        if len(found) > 1 and any(one.each or one.kind == "group" for one in found):
            tell("`|` chooses between single values, not between lists or groups")
        elif len({one.kind for one in found}) > 1:
            tell(
                "`|` chooses between fields of one kind: "
                + ", ".join(f"`{one.path}` holds {one.kind}" for one in found)
            )
        return found

    def _spots(
        self, texts: tuple[str, ...], fields: list[OurField], tell: Tell, *, group: bool = False, part: bool = False
    ) -> list[Spot]:
        spots: list[Spot] = []
        for text in texts:
            try:
                place = _whole_place(text)
                spots.append(self._tree.add(place, group=group, part=part))
            except ValueError as error:
                tell(f"`{text}` {error}")
                continue
            self.plan.theirs.add(str(place))
            if fields and (place.each != fields[0].each or (place.each and len(texts) > 1)):
                tell(f"`{text}`: a list of ours stands at one place that ends in `[]`, and only a list does")
        return spots

    def _conversions(self, fields: list[OurField], line: Line, tell: Tell) -> tuple[Conversion, ...]:
        """One conversion for each of the line's alternatives, or one for all; none when something is wrong with them."""
        table = None
        if line.codes is not None:
            table = self._given.codes.get(line.codes)
            if table is None:
                tell(f"there is no code table codes/{line.codes}.csv{nearest(line.codes, self._given.codes)}")
        chains = line.as_
        if line.at is not None and len(line.at) > 1:
            if chains and len(chains) != len(line.at):
                tell(f"`as` needs one entry for each of the {len(line.at)} places in `at`, and has {len(chains)}")
                return ()
        else:
            chains = (tuple(name for chain in chains for name in chain),)
        if not fields or (table is None and line.codes is not None):
            return ()
        given, before = self._given, len(self._faults)
        self.plan.files.update(FILES.intersection(name for chain in chains for name in chain))
        made = tuple(
            conversion(fields[0], chain, table, given.converters, given.form, given.today, tell)
            for chain in chains or ((),)
        )
        return made if len(self._faults) == before else ()

    def _inner(self, name: str, ours: OurField, spot: Spot, tell: Tell) -> Nested | None:
        """The mapping that a line names in `map`, made for this place."""
        if name not in self._given.nested:
            tell(f"there is no mapping {name}.map.toml{nearest(name, self._given.nested)}")
            return None
        found = self._given.nested[name]
        if found is None:
            return None
        if found.root:
            tell(f'mapping `{name}` has a root of its own: a mapping named by `map` says agency = ""')
        elif ours.model is not found.canonical:
            holds = ours.model.__name__ if ours.model else "no group"
            tell(f"mapping `{name}` is of {found.canonical_name}, and this field holds {holds}")
        else:
            before = len(self._faults)
            placed = found.inside(spot.key, spot.namespace, spot.layout, self._faults)
            return placed if len(self._faults) == before else None
        return None

    def _note(self, fields: list[OurField], spells: tuple[lines.Spell, ...], inner: Nested | None) -> None:
        """Remember what the line covers, where it reads, and which of its places may be shown."""
        plan = self.plan
        for one in fields:
            plan.ours.add(one.path)
            path, where = ".".join(one.names), Where(tuple(spell.place for spell in spells), inner)
            plan.where[path] = where if len(fields) == 1 else plan.where.get(path, where)
        personal = any(one.personal for one in fields)
        prefixes = [] if personal else [_names(read_place(spell.place)) for spell in spells]
        if inner is None:
            plan.clear.update(prefixes)
            return
        plan.clear.update(prefix + rest for prefix in prefixes for rest in inner.clear)
        plan.ours.update(f"{fields[0].path}.{path}" for path in inner.ours)
        plan.theirs.update(f"{spells[0].place}/{place}" for place in inner.theirs)
        plan.sources.update(inner.sources)
        plan.files.update(inner.files)
        plan.addresses += [each.inside(fields[0].names, each=fields[0].each) for each in inner.addresses]

    def _hollow(self, ours: OurField) -> Callable[[Any], bool] | None:
        """What says that an item has nothing in it; None: a record of ours may have nothing in it."""
        if ours.model is None or not any(field.is_required() for field in ours.model.model_fields.values()):
            return None
        return xml_form.is_hollow if self._given.form == "xml" else json_form.is_hollow

    def _group(self, ours: OurField) -> int:
        """The number of the model that holds *ours*, known from now on."""
        groups = self.plan.groups
        for depth in range(1, len(ours.names)):
            groups.setdefault(ours.names[:depth], len(groups))
        return groups[ours.names[:-1]]

    def _blank(self, spot: Spot, absent: str) -> None:
        nothing: Any = {"omitted": OMITTED, "null": None, "": ""}[absent]
        if self._given.form == "json" and absent == "":
            nothing = [] if spot.each else OMITTED if spot.group else ""
        if self._given.form == "xml" and spot.each:
            nothing = OMITTED
        if spot.slot is not None:
            self.plan.blanks[spot.slot] = nothing

    def _fixed(self, key: str, fixed: Fixed, tell: Tell) -> None:
        convert = source_conversion(fixed.as_, self._given.converters, self._given.form, tell)
        try:
            place = _whole_place(key)
            if place.each:
                raise ValueError("stands for every item of a list: fix it in the mapping that the list names in `map`")
            slot = self._tree.add(place, fixed=True).slot or 0
        except ValueError as error:
            tell(str(error))
            return
        self.plan.theirs.add(str(place))
        source = fixed.from_
        if not source.startswith(("officer.", "auth.")):
            self.plan.clear.add(_names(place))
        if source.startswith("="):
            try:
                self.plan.blanks[slot] = source[1:] if convert is None else convert(source[1:])
            except ValueError as error:
                tell(f"the literal does not fit its converter: {error}")
        elif source in SOURCES or _FREE_SOURCE.fullmatch(source):
            self.plan.blanks[slot] = OMITTED
            self.plan.sources.add(source)
            self.plan.fixed.append((slot, source, convert, str(place)))
        else:
            tell(
                f"`{source}` is no source{nearest(source, SOURCES)}; write a literal as `={source}`, or one of settings.x, "
                f"officer.x, unit.x, auth.x, {', '.join(SOURCES)}"
            )

    def _enclosing(self, key: str, fixed: Fixed, tell: Tell) -> None:
        """A text in which other lines have their places."""
        if self._given.form != "xml":
            tell(f"`{PAYLOAD}` is for a text in XML, which holds what other lines write below this place")
            return
        try:
            place = _whole_place(key)
            self._tree.enclose(place, enclosure(fixed.as_))
        except ValueError as error:
            tell(str(error))
            return
        self.plan.theirs.add(str(place))

    def _enclosed(self, key: str, tell: Tell) -> None:
        """What cannot be right about a text after all lines have their places."""
        try:
            around = self._tree.around(_whole_place(key))
        except (ValueError, KeyError):
            return  # told before
        spot = around[-1]
        if not spot.children:
            tell("has no line inside it: name places below it, or drop it")
        elif len(spot.children) > 1:
            tell("holds one thing: lines name " + " and ".join(child.place for child in spot.ordered()) + " inside it")

    def _dropped(self, key: str, reason: str, tell: Tell) -> None:
        try:
            place = read_place(key)
            self._tree.ignore(place)
        except ValueError as error:
            tell(str(error))
            return
        self.plan.theirs.add(str(place))
        if not reason.strip():
            tell("needs a reason: say why we neither send nor read it")

    def _withheld(self, key: str, reason: str, tell: Tell) -> None:
        try:
            check_withheld(self._model, key)
        except ValueError as error:
            tell(str(error))
        if key in self.plan.ours:
            tell("has a line too: a field is mapped or withheld, not both")
        self.plan.ours.add(key)
        if not reason.strip():
            tell("needs a reason: say why this agency neither gets nor gives it")

    def _addresses(self) -> None:
        """Note which groups that lines reach into are addresses."""
        for names in self.plan.groups:
            model = find_field(self._model, ".".join(names)).model if names else self._model
            if model is not None and is_address(model):
                commune, district = (
                    ".".join((*names, field)) in self.plan.where for field in ("commune", "old_district")
                )
                self.plan.addresses.append(AddressAt(names, commune, district))

    def _overlaps(self) -> None:
        """A field that one line takes whole cannot be reached into by another."""
        for path in self.plan.where:
            if tuple(path.split(".")) in self.plan.groups:
                self._tell(f"fields.{path}", "is taken whole here, and other lines reach into it: choose one way")


def _whole_place(text: str) -> Place:
    place = read_place(text)
    if place.branch:
        raise ValueError("is a whole branch, which only [dropped] takes")
    return place


def _names(place: Place) -> tuple[str, ...]:
    return tuple(step.name.lower() for step in place.steps)


def _spell(spot: Spot, made: Conversion) -> lines.Spell:
    place = f"{spot.place}[]" if spot.each else spot.place
    return lines.Spell(spot.slot or 0, place, made.write, made.read)


def _theirs_side(
    line: Line,
    spells: tuple[lines.Spell, ...],
    also: tuple[lines.Spell, ...],
    inner: lines.Inner | None,
    *,
    each: bool,
    hollow: Callable[[Any], bool] | None,
) -> tuple[lines.Find, lines.Put]:
    if each:
        return lines.find_list(spells[0], inner, hollow), lines.put_list(spells[0], inner)
    if inner is not None:
        return lines.find_group(spells[0].slot, spells[0].place, inner), lines.put_group(
            spells[0].slot, spells[0].place, inner
        )
    if line.parts is not None:
        return lines.find_joined(spells, also), lines.put_first(spells[-1:], also)
    return lines.find_first(spells, also), lines.put_first(spells, also)
