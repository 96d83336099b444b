"""
Compiles mapping files into working mappings, one or a connector folder's, and finds every fault of them at once.

Start here, then read `mapping.py` for what a compiled mapping does. The language itself is in `language.py`.
"""

from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel

from mappings.codes import CodeTable, read_code_tables
from mappings.conversion import FindConverter, Today
from mappings.errors import FileFault, FilesRefused
from mappings.language import MappingFile, read_mapping_file
from mappings.mapping import Mapping, Reading
from mappings.paths import Layout, Place, clark, nearest, read_place
from mappings.place_tree import PlaceTree
from mappings.plan import Given
from mappings.slots import Form

__all__ = ["Mapping", "Reading", "compile_mapping", "load_mappings"]


def compile_mapping(
    file: MappingFile,
    *,
    name: str,
    form: Form,
    canonical: MappingOf[str, type[BaseModel]],
    converters: FindConverter,
    codes: MappingOf[str, CodeTable],
    nested: MappingOf[str, Mapping | None],
    layout: Layout | None = None,
    today: Today | None = None,
) -> Mapping:
    """
    Return *file* ready for work. *layout* is the contract of the root element, in XML; *today* the day for code tables.

    Without *today* a code counts whatever its days.

    Raises:
        FilesRefused: With every fault of the file, each with the nearest known name.
    """
    faults: list[FileFault] = []
    about = Given(name, form, canonical, converters, codes, nested, today)
    model = canonical.get(file.canonical)
    above: list[str] = []
    agency, tree = Place(()), PlaceTree(form, "nowhere", None, None)
    try:
        agency = _root(file.agency)
        if form == "xml" and agency.steps:
            first = agency.steps[0]
            start = layout or Layout(first.name, first.namespace or None)
            tree = PlaceTree(form, start.tag, start.namespace, layout)
            above = tree.descend(agency)
    except ValueError as error:
        faults.append(FileFault(f"{name}.map.toml", "agency", str(error)))
    if model is None:
        faults.append(
            FileFault(
                f"{name}.map.toml",
                "canonical",
                f"there is no model `{file.canonical}`{nearest(file.canonical, canonical)}",
            )
        )
    if model is None or faults:
        raise FilesRefused(faults)
    made = Mapping(file, about, model, agency, tree, above, faults)
    if faults:
        raise FilesRefused(faults)
    return made


def _root(text: str) -> Place:
    place = read_place(text)
    if place.branch or place.each:
        raise ValueError(
            "names one thing: `result[0]` for the first; a list is taken apart by the operation's `unwrap`"
        )
    if any(step.index for step in place.steps):
        raise ValueError("may only say [0]")
    return place


def load_mappings(
    folder: Path,
    *,
    form: Form,
    canonical: MappingOf[str, type[BaseModel]],
    converters: FindConverter,
    shared_codes: MappingOf[str, CodeTable],
    layouts: MappingOf[str, Layout],
    today: Today | None = None,
    forms: MappingOf[str, Form] = MappingProxyType({}),
    under: Path | None = None,
) -> MappingOf[str, Mapping]:
    """
    Return all `*.map.toml` of the connector folder *folder* by name, with its `codes/*.csv`.

    Files of the folder *under* it count where this one has none of the same name, inside others too. A table of a
    folder counts before a shared one of the same name. *layouts* are keyed by `{namespace}root`.
    *forms* names mappings of another form than *form*: those and the mappings inside them are made so.

    Raises:
        FilesRefused: With every fault of all files.
    """
    faults: list[FileFault] = []
    codes = dict(shared_codes)
    files: dict[str, MappingFile] = {}
    made: dict[str, Mapping | None] = {}
    home: dict[str, str] = {}
    for place in (under, folder) if under is not None else (folder,):
        try:
            codes |= read_code_tables(place / "codes")
        except FilesRefused as refused:  # told once: what the mappings lose by it is no fault of theirs
            faults += refused.faults
            codes |= {path.stem: CodeTable(path.stem, ()) for path in (place / "codes").glob("*.csv")}
        mine, refused_files = _read_files(place, faults)
        files |= mine
        home |= dict.fromkeys(mine, place.name)
        made |= dict.fromkeys(refused_files)
    form_of = _forms(files, form, forms, home, faults)
    for name in _inner_first(files):
        file = files[name]
        inside = sorted({str(line.map) for line in file.fields.values() if line.map in files} - made.keys())
        if inside:
            says = f"stands inside itself, by way of {' and '.join(f'`{one}`' for one in inside)}: a mapping cannot hold itself"
            faults.append(FileFault(f"{home[name]}/{name}.map.toml", "fields", says))
            made[name] = None
            continue
        layout = layouts.get(_root_tag(file))
        try:
            made[name] = compile_mapping(
                file,
                name=name,
                form=form_of[name],
                canonical=canonical,
                converters=converters,
                codes=codes,
                nested=made,
                layout=layout,
                today=today,
            )
        except FilesRefused as refused:
            made[name] = None
            faults += [replace(fault, file=f"{home[name]}/{fault.file}") for fault in refused.faults]
    if faults:
        raise FilesRefused(faults)
    return {name: mapping for name, mapping in sorted(made.items()) if mapping is not None}


def _read_files(folder: Path, faults: list[FileFault]) -> tuple[dict[str, MappingFile], list[str]]:
    """The mapping files of *folder* by name, and the names of those that cannot be read, whose faults are added."""
    files: dict[str, MappingFile] = {}
    refused_files: list[str] = []
    for path in sorted(folder.glob("*.map.toml")):
        name = path.name.removesuffix(".map.toml")
        try:
            files[name] = read_mapping_file(path)
        except FilesRefused as refused:
            faults += refused.faults
            refused_files.append(name)
    return files, refused_files


def _inner_first(files: MappingOf[str, MappingFile]) -> Iterator[str]:
    """The names of *files*, those that others name in `map` before those others, as far as that can be."""
    left = dict.fromkeys(files)
    while left:
        free = [
            name
            for name in left
            if not any(line.map in left and line.map != name for line in files[name].fields.values())
        ]
        for name in free or list(left):
            del left[name]
            yield name


def _forms(
    files: MappingOf[str, MappingFile],
    usual: Form,
    told: MappingOf[str, Form],
    home: MappingOf[str, str],
    faults: list[FileFault],
) -> MappingOf[str, Form]:
    """The form of each file: as *told*, else as that of a file that names it in `map`, else the usual one."""
    found: dict[str, Form] = {}
    for name in reversed(list(_inner_first(files))):  # those around others first
        found.setdefault(name, told.get(name, usual))
        for line in files[name].fields.values():
            inner = str(line.map)
            if inner in files and found.setdefault(inner, told.get(inner, found[name])) != found[name]:
                says = "stands in JSON and in XML, by way of the mappings that name it; write one for each"
                faults.append(FileFault(f"{home[inner]}/{inner}.map.toml", "", says))
    return found


def _root_tag(file: MappingFile) -> str:
    try:
        first = read_place(file.agency).steps[:1]
    except ValueError:
        return ""
    return clark(first[0].name, first[0].namespace) if first else ""
