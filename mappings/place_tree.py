"""
The places of one mapping as a tree, each end with its slot: what `json_form.py` and `xml_form.py` walk.

Here a name becomes what stands on the wire: a JSON key, or an XML tag with its namespace, which comes from the
contract's layout, else from the parent.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from mappings.enclosed import Enclosure
from mappings.paths import Layout, Place, Step, clark, fold, nearest, read_place
from mappings.slots import Form


@dataclass(slots=True)
class Spot:
    """One place and what lies below it."""

    key: str
    """JSON key or XML tag."""
    place: str
    """As the author wrote it, seen from the mapping's root."""
    order: int
    """Rank among its siblings, by the contract, else by the file."""
    namespace: str | None = None
    layout: Layout | None = None
    slot: int | None = None
    group: bool = False
    """True when another mapping reads and writes what stands here."""
    each: bool = False
    fixed: bool = False
    encloses: Enclosure | None = None
    """Where the text of an element holds what stands below: how."""
    part: bool = False
    """True when its line joins several places: in XML one of them may lie inside another."""
    children: dict[str, "Spot"] = field(default_factory=dict)
    items: dict[int, "Spot"] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)
    """Keys below that are dropped."""

    def ordered(self) -> list["Spot"]:
        """The places below in the order in which they are written."""
        return sorted(self.children.values(), key=lambda child: child.order)

    def ends(self) -> Iterator["Spot"]:
        """Every end at or below this place, items included."""
        if self.slot is not None:
            yield self
        for child in [*self.children.values(), *self.items.values()]:
            yield from child.ends()

    def field_slots(self) -> tuple[int, ...]:
        """The slots at or below this place that lines of [fields] fill."""
        return tuple(end.slot for end in self.ends() if end.slot is not None and not end.fixed)

    def read(self) -> list["Spot"]:
        """The places below that reading looks at: not those that are fixed."""
        return [child for child in self.ordered() if child.field_slots()]

    def passed_by(self) -> frozenset[str]:
        """Keys below that reading knows and does not look at."""
        return frozenset(self.ignored) | (self.children.keys() - {child.key for child in self.read()})

    def folded(self) -> dict[str, str]:
        """The keys below that are read, by how they are compared when letter case is forgiven."""
        return {fold(child.key): child.key for child in self.read()}


class PlaceTree:
    """Grows by `add`; every fault is a ValueError whose text an author can act on."""

    def __init__(self, form: Form, key: str, namespace: str | None, layout: Layout | None) -> None:
        self.form = form
        self.root = Spot(key, "", 0, namespace, layout)
        self.size = 0
        """How many slots there are."""

    def add(self, place: Place, *, group: bool = False, fixed: bool = False, part: bool = False) -> Spot:
        """
        Give *place* a slot and return its spot.

        In XML an element may hold a text in one version of a contract and elements in another; so places that a line
        joins (*part*) may lie in each other.

        Raises:
            ValueError: The contract has no such place, or another line already has it, or a place in or around it.
        """
        spot = self.root
        for step in place.steps:
            if spot.slot is not None and not (part and spot.part and self.form == "xml"):
                raise ValueError(f"lies in `{spot.place}`, which another line takes whole")
            spot = self._below(spot, step)
        whole = spot is self.root
        if spot.slot is not None or (whole and (group or fixed or part or place.each)):
            raise ValueError(
                "has a line already: one place, one line" if spot.slot is not None else "is empty: name a place"
            )
        mixed = part and self.form == "xml" and all(end.part for end in spot.ends())
        if (spot.children or spot.items) and not mixed:
            raise ValueError(f"has other lines inside it, such as `{next(spot.ends()).place}`")
        spot.slot, spot.group, spot.fixed, spot.each, spot.part = self.take_slot(), group, fixed, place.each, part
        return spot

    def value_at(self, text: str) -> Spot | None:
        """Return the spot of *text* when a line already has the one value there; None otherwise."""
        try:
            steps = read_place(text).steps
            spot = self.root
            for step in steps:
                spot = spot.children[self._wire(spot, step)[0]]
                spot = spot if step.index is None else spot.items[step.index]
        except (ValueError, KeyError):
            return None
        return None if spot.slot is None or spot.group or spot.each or spot.fixed else spot

    def enclose(self, place: Place, how: Enclosure) -> None:
        """
        Let the text at *place*, in XML, hold what lines name below it. To be called before they are added.

        Raises:
            ValueError: The contract has no such place, or it is a list.
        """
        if not place.steps or place.each:
            raise ValueError("is no single place inside the root")
        spot = self.root
        for step in place.steps:
            spot = self._below(spot, step)
        spot.encloses, spot.layout = how, None  # of what is inside the contract says nothing

    def around(self, place: Place) -> list[Spot]:
        """
        Return the spots from the root to *place*, which was added.

        Raises:
            KeyError: It was not.
        """
        found = [self.root]
        for step in place.steps:
            child = found[-1].children[self._wire(found[-1], step)[0]]
            found.append(child if step.index is None else child.items[step.index])
        return found

    def take_slot(self) -> int:
        """Return the number of a new slot."""
        self.size += 1
        return self.size - 1

    def ignore(self, place: Place) -> None:
        """
        Note that *place*, or its whole branch, is neither read nor written.

        Raises:
            ValueError: The contract has no such place, or a line maps it.
        """
        spot = self.root
        for step in place.steps:
            key, namespace, layout, _ = self._wire(spot, step)
            if step is place.steps[-1] and not place.branch and key in spot.children:
                raise ValueError("has a line too: a place is mapped or dropped, not both")
            if key not in spot.children:
                spot.ignored.add(key)
                spot = Spot(key, str(place), 0, namespace, layout)
            else:
                spot = spot.children[key]

    def _below(self, spot: Spot, step: Step) -> Spot:
        key, namespace, layout, order = self._wire(spot, step)
        if layout is not None and layout.repeated and step.index is None and not step.each:
            raise ValueError(f"repeats in the contract: write `{step}[]` for all or `{step}[0]` for the first")
        if layout is not None and not layout.repeated and step.each:
            raise ValueError("does not repeat in the contract: write it without `[]`")
        name = f"{spot.place}/{step.name}" if spot.place else step.name
        child = spot.children.get(key)
        if child is None:
            child = spot.children[key] = Spot(key, name, order, namespace, layout)
        elif child.encloses is not None and not child.children and spot.layout is None:
            child.order = order  # it was made before all lines, and belongs where the first of them stands
        if step.index is None:
            if child.items:
                raise ValueError(
                    f"is numbered in another line (`{name}[{next(iter(child.items))}]`): number it here too"
                )
            return child
        if child.slot is not None or child.children:
            raise ValueError("is numbered here and not in another line")
        return child.items.setdefault(step.index, Spot(key, f"{name}[{step.index}]", step.index, namespace, layout))

    def descend(self, agency: Place) -> list[str]:
        """
        Make the place *agency* the root and return the tags above it. XML only; the root was made for its first step.

        Raises:
            ValueError: The contract has no such place.
        """
        above: list[str] = []
        for step in agency.steps[1:]:
            above.append(self.root.key)
            key, namespace, layout, _ = self._wire(self.root, step)
            self.root = Spot(key, "", 0, namespace, layout)
        return above

    def _wire(self, spot: Spot, step: Step) -> tuple[str, str | None, Layout | None, int]:
        """The step's key, namespace, layout and rank below *spot*."""
        if self.form == "json":
            return step.name, None, None, len(spot.children)
        if spot.layout is None:
            namespace = spot.namespace if step.namespace is None else step.namespace or None
            return clark(step.name, namespace), namespace, None, len(spot.children)
        for rank, layout in enumerate(spot.layout.children):
            if layout.name == step.name and (step.namespace is None or (step.namespace or None) == layout.namespace):
                return layout.tag, layout.namespace, layout, rank
        known = [layout.name for layout in spot.layout.children]
        raise ValueError(
            f"is not in the contract: `{spot.layout.name}` has no `{step.name}`{nearest(step.name, known)}"
        )
