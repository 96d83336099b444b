"""
What `compiler.py` makes of a mapping file and `mapping.py` runs: flat lists of closures and names. Data only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel

from mappings import lines
from mappings.addresses import AddressAt
from mappings.codes import CodeTable
from mappings.conversion import Convert, FindConverter, Today
from mappings.errors import FileFault
from mappings.paths import Layout
from mappings.slots import Form


class Nested(lines.Inner, Protocol):
    """What the compiler needs of another mapping that a line names in `map`."""

    name: str
    canonical: type[BaseModel]
    canonical_name: str
    root: str
    sources: frozenset[str]
    ours: frozenset[str]
    theirs: frozenset[str]
    clear: frozenset[tuple[str, ...]]
    files: frozenset[str]
    addresses: tuple[AddressAt, ...]

    def inside(self, key: str, namespace: str | None, layout: Layout | None, faults: list[FileFault]) -> "Nested": ...

    def places_of(self, loc: tuple[int | str, ...]) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Given:
    """What a mapping file is compiled with."""

    name: str
    form: Form
    canonical: Mapping[str, type[BaseModel]]
    converters: FindConverter
    codes: Mapping[str, CodeTable]
    nested: Mapping[str, "Nested | None"]
    """None: that mapping was refused, its own faults are told elsewhere."""
    today: Today | None


@dataclass(frozen=True, slots=True)
class Where:
    """The places from which a field of ours is read, to say where a value does not fit."""

    places: tuple[str, ...]
    inner: "Nested | None" = None


@dataclass(slots=True)
class Plan:
    """What the engine loops over. A group is the model itself (0) or a model inside it that dots reach into."""

    plain_reads: list[tuple[int, Convert | None, int, str, str]] = field(default_factory=list)
    """slot, conversion, group, field, place: a line of one place and one field."""
    plain_writes: list[tuple[int, str, Convert | None, int, str]] = field(default_factory=list)
    reads: list[tuple[lines.Find, lines.Keep]] = field(default_factory=list)
    writes: list[tuple[lines.Give, lines.Put]] = field(default_factory=list)
    fixed: list[tuple[int, str, Convert | None, str]] = field(default_factory=list)
    blanks: dict[int, Any] = field(default_factory=dict)
    """What each slot holds before a line fills it: nothing, as this agency writes it, or a literal."""
    groups: dict[tuple[str, ...], int] = field(default_factory=lambda: {(): 0})
    needed_lists: list[tuple[int, str]] = field(default_factory=list)
    """Lists without a default: absent means empty."""
    where: dict[str, Where] = field(default_factory=dict)
    ours: set[str] = field(default_factory=set)
    theirs: set[str] = field(default_factory=set)
    addresses: list[AddressAt] = field(default_factory=list)
    """Where in our model an address is written, nested mappings included."""
    clear: set[tuple[str, ...]] = field(default_factory=set)
    """Places that may be shown, as folded names; everything else is masked."""
    sources: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    """Converters for files that lines name, nested mappings included."""
