"""
JSON payloads as slots and back: closures over dicts and lists, made once for the places of a mapping.

`xml_form.py` does the same for XML; `engine.py` uses either.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from mappings.paths import Place, fold
from mappings.place_tree import Spot
from mappings.slots import OMITTED, Collect, Emit, Locate, Notes, Slots

Step: TypeAlias = tuple[str | int, str]
"""A key or an index, and the place up to it."""


def collector(spot: Spot) -> Collect:
    """
    Return what fills slots from the object at *spot*; keys in another letter case count when the exact one is absent.

    Where the one line of a mapping names the empty place, what stands there is the value itself: a bare JSON text.
    """
    if spot.slot is not None:
        return lambda tree, slots, _notes, whole=spot.slot: slots.__setitem__(whole, tree)  # type: ignore[misc]  # bound at once
    leaves = {child.key: child.slot for child in spot.read() if child.slot is not None}
    branches = {child.key: _branch(child) for child in spot.read() if child.slot is None}
    places = {child.key: child.place for child in spot.read()}
    folded, passed_by, here = spot.folded(), spot.passed_by(), spot.place

    def collect(tree: Any, slots: Slots, notes: Notes) -> None:
        if type(tree) is not dict:
            notes.fault(here, "is not a group of places")
            return
        strays: list[str] | None = None
        for key, value in tree.items():
            slot = leaves.get(key)
            if slot is not None:
                slots[slot] = value
            elif key in branches:
                branches[key](value, slots, notes)
            elif key not in passed_by:
                if strays is None:
                    strays = []
                strays.append(key)
        if strays is not None:
            forgive(tree, strays, slots, notes)

    def forgive(tree: dict[str, Any], strays: list[str], slots: Slots, notes: Notes) -> None:
        taken: set[str] = set()
        for stray in strays:
            key = folded.get(fold(stray))
            if key is None or key in tree or key in taken:
                continue
            taken.add(key)
            notes.fallbacks.append(places[key])
            slot = leaves.get(key)
            if slot is not None:
                slots[slot] = tree[stray]
            else:
                branches[key](tree[stray], slots, notes)

    return collect


def is_hollow(value: Any) -> bool:
    """Say whether *value* is a group with nothing in it."""
    return type(value) is dict and not value


def _branch(spot: Spot) -> Collect:
    if spot.items:
        return _numbered(spot)
    collect = collector(spot)

    def branch(value: Any, slots: Slots, notes: Notes) -> None:
        if value is not None and value != "":
            collect(value, slots, notes)

    return branch


def _numbered(spot: Spot) -> Collect:
    items = [(index, item.slot, None if item.slot is not None else _branch(item)) for index, item in spot.items.items()]

    def numbered(value: Any, slots: Slots, notes: Notes) -> None:
        if value is None or value == "":
            return
        if type(value) is not list:
            notes.fault(spot.place, "is not a list")
            return
        for index, slot, collect in items:
            if index < len(value):
                if collect is not None:
                    collect(value[index], slots, notes)
                elif slot is not None:
                    slots[slot] = value[index]

    return numbered


def emitter(spot: Spot) -> Callable[[Slots], Any]:
    """Return what makes the object at *spot* from slots, or OMITTED when nothing but fixed values would stand in it."""
    if spot.slot is not None:
        return lambda slots, whole=spot.slot: slots[whole]  # type: ignore[misc]  # bound at once
    entries = [(child.key, child.slot, None if child.slot is not None else _maker(child)) for child in spot.ordered()]
    needed = spot.field_slots()

    def emit(slots: Slots) -> Any:
        if needed and all(slots[slot] is OMITTED for slot in needed):
            return OMITTED
        made = {}
        for key, slot, make in entries:
            value = make(slots) if make is not None else slots[slot]  # type: ignore[index]  # without make there is a slot
            if value is not OMITTED:
                made[key] = value
        return made

    return emit


def _maker(spot: Spot) -> Callable[[Slots], Any]:
    if not spot.items:
        return emitter(spot)
    last = max(spot.items)
    makers = [_item(spot.items.get(index)) for index in range(last + 1)]

    def make(slots: Slots) -> Any:
        items = [maker(slots) for maker in makers]
        while items and items[-1] is OMITTED:
            items.pop()
        return [None if item is OMITTED else item for item in items] if items else OMITTED

    return make


def _item(spot: Spot | None) -> Callable[[Slots], Any]:
    if spot is None:
        return lambda _slots: OMITTED
    if spot.slot is not None:
        slot = spot.slot
        return lambda slots: slots[slot]
    return emitter(spot)


def json_form(root: Spot, agency: Place) -> tuple[Collect, Emit, Locate]:
    """Return how a JSON payload whose thing stands at *agency* is read, written and looked into."""
    steps: list[Step] = []
    for step in agency.steps:
        before = steps[-1][1] if steps else ""
        name = f"{before}/{step.name}" if before and step.name else before or step.name
        if step.name:
            steps.append((step.name, name))
        if step.index is not None:
            steps.append((step.index, f"{name}[{step.index}]"))
    make = emitter(root)

    def emit(slots: Slots, _notes: Notes) -> Any:
        made = make(slots)
        made = {} if made is OMITTED else made
        for step, _ in reversed(steps):
            made = {step: made} if isinstance(step, str) else [made]
        return made

    def locate(tree: Any, notes: Notes) -> Any:
        holder = ""
        for number, (step, place) in enumerate(steps, 1):
            wanted = list if isinstance(step, int) else dict
            if type(tree) is not wanted:
                notes.fault(holder, f"is not a {'list' if wanted is list else 'group of places'}")
                return None
            tree = _inside(tree, step, place, notes)
            if tree is None:
                if number < len(steps):
                    notes.fault(place, "is missing")
                return None
            holder = place
        return tree

    return collector(root), emit, locate


def _inside(tree: Any, step: str | int, place: str, notes: Notes) -> Any:
    """What stands at *step* in *tree*, None when nothing does."""
    if isinstance(step, int):
        return tree[step] if step < len(tree) else None
    if step in tree:
        return tree[step]
    other = next((key for key in tree if fold(key) == fold(step)), None)
    if other is None:
        return None
    notes.fallbacks.append(place)
    return tree[other]
