"""
Every mapping of every connector reads back what it wrote: `read(write(x)) == x`, after the normal form of its converters.

What is expected is worked out here line by line from the file, without the engine that is tried. What a mapping of
one connector does beyond that is in the file of its agency.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lxml import etree
from pydantic_core import from_json, to_json

from connectors.kit.connector import Connector
from connectors.kit.registry import find_connectors, load_connector, shared_tables
from mappings import engine
from mappings.canonical.partial_date import PartialDate
from mappings.codes import CodeRow, CodeTable, read_code_tables
from mappings.language import Line, MappingFile, read_mapping_file
from mappings.slots import Notes
from mappings.values import converter
from tests.contract.any_value import any_value

TEMPLATE = Path(load_connector.__code__.co_filename).parent / "template"
FOLDERS = {**find_connectors(), "template": TEMPLATE}


class Written(NamedTuple):
    """What the author of a connector wrote, and what the kit made of it."""

    connector: Connector
    files: Mapping[str, MappingFile]
    tables: Mapping[str, CodeTable]


@cache
def written(name: str) -> Written:
    connector = load_connector(FOLDERS[name])
    like = connector.manifest.connector.like
    layers = [*([FOLDERS[like]] if like else []), connector.folder]
    files = {
        path.name.removesuffix(".map.toml"): read_mapping_file(path)
        for layer in layers
        for path in sorted(layer.glob("*.map.toml"))
    }
    tables = dict(shared_tables())
    for layer in layers:
        tables |= read_code_tables(layer / "codes")
    return Written(connector, files, tables)


def rooted(mapping: engine.Mapping) -> bool:
    """Whether it stands alone; one in XML without a root stands only inside others."""
    return mapping._rooted


def tried() -> Iterator[tuple[str, str]]:
    for name in FOLDERS:
        yield from ((name, one) for one, mapping in written(name).connector.mappings.items() if rooted(mapping))


def inside(name: str, mapping: str) -> Iterator[str]:
    """Give *mapping* and all mappings that it names, at any depth."""
    yield mapping
    for line in written(name).files[mapping].fields.values():
        if line.map:
            yield from inside(name, line.map)


def test_no_mapping_is_left_out() -> None:
    reached = {(name, one) for name, mapping in tried() for one in inside(name, mapping)}
    files = {
        (name, path.name.removesuffix(".map.toml")) for name in FOLDERS for path in FOLDERS[name].glob("*.map.toml")
    }
    assert files - reached == set()
    assert len(files) > 60


@pytest.mark.parametrize(("name", "mapping"), [pytest.param(*one, id="-".join(one)) for one in tried()])
@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_written_is_read_back(name: str, mapping: str, data: st.DataObject) -> None:
    about = written(name)
    works = about.connector.mappings[mapping]
    value = data.draw(any_value(works.canonical))
    for word, meaning, rows in second_readings(about, mapping):
        row = data.draw(st.sampled_from(rows))
        value = value.model_copy(update={word: row.theirs, meaning: type(getattr(value, meaning))(row.ours)})
    notes = Notes()
    tree = works.make(value, {}, notes)
    assume(all("is not given" in fault.rule for fault in notes.faults))  # else the agency cannot be told this value
    notes = Notes()
    found = works._locate(on_the_wire(tree), notes)
    got = {} if found is None else works.gather(found, notes)
    assert (notes.faults, notes.fallbacks) == ([], [])
    assert pruned(read(about, mapping, got)) == pruned(expected(about, mapping, value))


def on_the_wire(tree: Any) -> Any:
    """*tree* as it comes out of the bytes that it goes in."""
    return etree.fromstring(etree.tostring(tree)) if etree.iselement(tree) else from_json(to_json(tree))


def second_readings(about: Written, mapping: str) -> Iterator[tuple[str, str, list[CodeRow]]]:
    """Give each field that says what another one's word means, by a table for reading alone: that one, it, the rows."""
    lines = about.files[mapping].fields
    for key, line in lines.items():
        rows = list(about.tables[line.codes].rows) if line.codes else []
        if rows and all(row.one_way == "read" for row in rows):
            yield from ((word, key, rows) for word, other in lines.items() if word != key and other.at == line.at)


UNREADABLE = object()
"""Stands for what has no way back, as a hash."""


def expected(about: Written, mapping: str, value: Any) -> dict[str, Any]:
    """What each line of *mapping* must give of *value* when it is read back, by the line's key."""
    wanted: dict[str, Any] = {}
    for key, line in about.files[mapping].fields.items():
        given = [at(value, names) for names in paths(key)]
        first = next((number for number, one in enumerate(given) if one not in (None, "")), None)
        if first is None:
            continue
        several = len(given) > 1 and line.at is not None and len(line.at) > 1
        number = first if several else None
        read_alone = any(key == meaning for _, meaning, _ in second_readings(about, mapping))
        one = plain(given[first]) if read_alone else normal(about, line, given[first], number)
        if one is not UNREADABLE:
            wanted[f"{key} #{first}" if several else key] = one
    return wanted


def read(about: Written, mapping: str, got: Any) -> dict[str, Any]:
    """What the lines of *mapping* gave of what was read, by the same keys."""
    found: dict[str, Any] = {}
    for key, line in about.files[mapping].fields.items():
        values = [at(got, names) for names in paths(key)]
        if len(values) > 1 and line.at is not None and len(line.at) > 1:
            found |= {f"{key} #{number}": plain(one) for number, one in enumerate(values)}
            continue
        one = next((one for one in values if one is not None), None)
        if line.map and one is not None:
            inner = line.map
            one = [read(about, inner, item) for item in one] if key.endswith("[]") else read(about, inner, one)
        found[key] = plain(one)
    return found


def normal(about: Written, line: Line, value: Any, number: int | None) -> Any:
    """*value* as the line brings it back; *number*: of several places for several fields of ours, the one it goes to."""
    if isinstance(value, tuple):
        return [normal(about, line, item, number) for item in value]
    if line.map:
        return expected(about, line.map, value)
    places = line.at or ("parts",)
    chains = [line.as_[min(at, len(line.as_) - 1)] if line.as_ else () for at in range(len(places))]
    for chain in [chains[number]] if number is not None else chains:
        try:
            return plain(through(about, line, chain, value))
        except ValueError:
            continue
    raise AssertionError("was written, and fits none of the line's places")


def through(about: Written, line: Line, chain: tuple[str, ...], value: Any) -> Any:
    value = value.value if isinstance(value, Enum) else value
    steps = [converter(name) for name in chain]
    if any(step.read is None for step in steps):
        return UNREADABLE
    if line.codes is None and len(steps) == 1:
        return steps[0].normal(value)
    table = about.tables[line.codes] if line.codes else None
    theirs = table.theirs(str(value)) if table else value
    for step in steps:
        theirs = step.write(theirs)
    for step in reversed(steps):
        assert step.read is not None
        theirs = step.read(theirs)
    return type(value)(table.ours(theirs)) if table else theirs


def paths(key: str) -> list[tuple[str, ...]]:
    return [tuple(path.strip().removesuffix("[]").split(".")) for path in key.split("|")]


def at(value: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return value


def plain(value: Any) -> Any:
    """*value* in a form that may be compared: enums by their word, days by what is known of them."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, PartialDate) or (isinstance(value, date) and not isinstance(value, datetime)):
        return str(value)
    return [plain(one) for one in value] if isinstance(value, tuple | list) else value


def pruned(value: Any) -> Any:
    """*value* without what is nothing: a group in which nothing is given is written as none."""
    if isinstance(value, dict):
        return {key: inner for key, one in value.items() if (inner := pruned(one)) not in (None, {}, [])}
    return [pruned(one) for one in value] if isinstance(value, list) else value
