"""
XML payloads as slots and back: closures over lxml, made once for the places of a mapping, by namespace and never by prefix.

Reading walks each element's children once. Writing copies a template that holds every place in the contract's order,
then fills it and takes out what is omitted: creating elements one by one costs five times as much.
"""

from collections.abc import Callable
from copy import copy
from typing import Any, TypeAlias

from lxml import etree

from mappings.enclosed import Enclosure
from mappings.paths import Place, fold
from mappings.place_tree import Spot
from mappings.slots import OMITTED, Collect, Emit, Locate, Notes, Slots

NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"

Child: TypeAlias = Callable[[etree._Element, Slots, Notes], None]


def collector(spot: Spot, new_slot: Callable[[], int]) -> Collect:
    """
    Return what fills slots from the element at *spot*; names in another letter case count when the exact one is absent.

    Where the one line of a mapping names the empty place, what stands there is the text of the element itself.
    """
    if spot.slot is not None and not spot.children:
        return lambda tree, slots, notes, own=spot.slot: slots.__setitem__(own, _text(tree, "", notes))  # type: ignore[misc]  # bound at once
    texts = {
        child.key: child.slot
        for child in spot.read()
        if child.slot is not None and not (child.group or child.each or child.children)
    }
    branches = {child.key: _child(child, new_slot) for child in spot.read() if child.key not in texts}
    places = {child.key: child.place for child in spot.read()}
    folded, passed_by = spot.folded(), spot.passed_by()

    def collect(tree: etree._Element, slots: Slots, notes: Notes) -> None:
        strays: list[etree._Element] | None = None
        for child in tree:
            tag = child.tag
            slot = texts.get(tag)
            if slot is not None:
                if slots[slot] is not None:
                    notes.fault(places[tag], "stands more than once")
                slots[slot] = child.text if not len(child) else _text(child, places[tag], notes)
            elif tag in branches:
                branches[tag](child, slots, notes)
            elif tag not in passed_by:
                if strays is None:
                    strays = []
                strays.append(child)
        if strays is not None:
            forgive(tree, strays, slots, notes)

    def forgive(tree: etree._Element, strays: list[etree._Element], slots: Slots, notes: Notes) -> None:
        exact: set[Any] | None = None
        for child in strays:
            if not isinstance(child.tag, str):
                continue  # a comment or processing instruction
            key = folded.get(fold(child.tag))
            if key is None:
                continue
            exact = {one.tag for one in tree} if exact is None else exact
            if key in exact:
                continue
            notes.fallbacks.append(places[key])
            slot = texts.get(key)
            if slot is None:
                branches[key](child, slots, notes)
                continue
            if slots[slot] is not None:
                notes.fault(places[key], "stands more than once")
            slots[slot] = _text(child, places[key], notes)

    return collect


def is_hollow(element: etree._Element) -> bool:
    """Say whether an element holds neither elements nor a text; `nil` and comments are nothing either."""
    if (element.text or "").strip():
        return False
    return not any(isinstance(child.tag, str) or (child.tail or "").strip() for child in element)


def _text(element: etree._Element, place: str, notes: Notes) -> str | None:
    """The text of an element that may hold comments, but no elements."""
    if any(isinstance(child.tag, str) for child in element):
        notes.fault(place, "is a group where a value is expected")
        return None
    return "".join([element.text or "", *(child.tail or "" for child in element)]) or None


def _child(spot: Spot, new_slot: Callable[[], int]) -> Child:
    """What happens at an element that is not a single text: list, other mapping, numbered items or plain group."""
    if spot.items:
        return _numbered(spot, new_slot)
    if spot.encloses is not None:
        return _enclosed(spot, spot.encloses, collector(spot, new_slot))
    if spot.slot is None:
        return collector(spot, new_slot)
    if spot.children:
        return _mixed(spot, spot.slot, collector(spot, new_slot))
    slot, group, place = spot.slot, spot.group, spot.place

    def append(element: etree._Element, slots: Slots, notes: Notes) -> None:
        held = slots[slot]
        if held is None:
            held = slots[slot] = []
        held.append(element if group else _text(element, place, notes))

    def keep(element: etree._Element, slots: Slots, notes: Notes) -> None:
        if slots[slot] is not None:
            notes.fault(place, "stands more than once")
        if len(element):
            slots[slot] = element

    return append if spot.each else keep


def _enclosed(spot: Spot, how: Enclosure, inside: Collect) -> Child:
    """An element whose text holds what stands below it."""
    tag = next(iter(spot.children), "")

    def enclosed(element: etree._Element, slots: Slots, notes: Notes) -> None:
        text = _text(element, spot.place, notes)
        if text is None or not text.strip():
            return
        holder = etree.Element("holder")
        try:
            holder.extend(how.open(text, tag))
        except ValueError as error:
            notes.fault(spot.place, str(error))
            return
        inside(holder, slots, notes)

    return enclosed


def _mixed(spot: Spot, slot: int, inside: Collect) -> Child:
    """An element that holds a text in one version of a contract, and elements in another."""

    def mixed(element: etree._Element, slots: Slots, notes: Notes) -> None:
        if not any(isinstance(child.tag, str) for child in element):
            if slots[slot] is not None:
                notes.fault(spot.place, "stands more than once")
            slots[slot] = _text(element, spot.place, notes)
            return
        if (element.text or "").strip() or any((child.tail or "").strip() for child in element):
            notes.fault(spot.place, "holds a text and elements: which one counts?")
        inside(element, slots, notes)

    return mixed


def _numbered(spot: Spot, new_slot: Callable[[], int]) -> Child:
    counter = new_slot()
    slots_of = {index: item.slot for index, item in spot.items.items()}
    inside = {index: collector(item, new_slot) for index, item in spot.items.items() if item.slot is None}

    def numbered(element: etree._Element, slots: Slots, notes: Notes) -> None:
        index = slots[counter] or 0
        slots[counter] = index + 1
        slot = slots_of.get(index)
        if slot is not None:
            slots[slot] = element if spot.items[index].group else _text(element, spot.items[index].place, notes)
        elif index in inside:
            inside[index](element, slots, notes)

    return numbered


class _Template:
    """An empty payload with every place in order, and the plan of what goes into which of its elements."""

    def __init__(self, spot: Spot, above: list[str]) -> None:
        self.plan: list[tuple[int | None, str]] = [(None, "")] * len(above)
        self.groups: list[tuple[int, tuple[int, ...]]] = []
        top: etree._Element | None = None
        for tag in above:
            top = etree.Element(tag) if top is None else etree.SubElement(top, tag)
        inner = etree.Element(spot.key) if top is None else etree.SubElement(top, spot.key)
        self.enclosed: list[tuple[int, Enclosure, str]] = []
        self.whole = len(self.plan)
        self.plan.append((spot.slot, ""))
        self._fill(inner, spot)
        self.root: etree._Element = inner.getroottree().getroot()

    def _fill(self, element: etree._Element, spot: Spot) -> None:
        for child in spot.ordered():
            for item, needed in _items(child):
                inner = etree.SubElement(element, child.key)
                slot = None if item is None else item.slot
                if item is not None and item.encloses is not None:
                    self.enclosed.append((len(self.plan), item.encloses, item.place))
                if slot is None or child.items or child.children:
                    self.groups.append((len(self.plan), needed))
                self.plan.append((slot, child.place if item is None else item.place))
                if item is not None:
                    self._fill(inner, item)


def _items(spot: Spot) -> list[tuple[Spot | None, tuple[int, ...]]]:
    """What is written for a place, each with the slots of which one must be given: a numbered item stands if a later one does."""
    if not spot.items:
        return [(spot, spot.field_slots())]
    numbers = range(max(spot.items) + 1)
    slots = [spot.items[number].field_slots() if number in spot.items else () for number in numbers]
    return [(spot.items.get(number), tuple(slot for later in slots[number:] for slot in later)) for number in numbers]


def emitter(root: Spot, above: list[str]) -> Emit:
    """Return what makes the payload from slots; *above* are the tags around the thing's own element."""
    template = _Template(root, above)
    plan, groups, empty = template.plan, template.groups, template.root
    kept = frozenset((*(number for number, _ in groups), template.whole))

    def emit(slots: Slots, notes: Notes) -> etree._Element:
        made = copy(empty)  # lxml copies deeply; `copy.deepcopy` would take a detour that costs as much again
        elements = list(made.iter())
        for number, (element, (slot, place)) in enumerate(zip(elements, plan, strict=True)):
            if slot is None:
                continue
            value = slots[slot]
            if type(value) is str:
                try:
                    element.text = value
                except ValueError:  # also UnicodeEncodeError
                    notes.fault(place, "holds a character that XML does not allow")
            elif value is not OMITTED:
                _put(element, value, place, notes)
            elif number not in kept:
                element.getparent().remove(element)  # type: ignore[union-attr]  # only the root has no parent
        for number, needed in reversed(groups):
            if needed and all(slots[slot] is OMITTED for slot in needed):
                elements[number].getparent().remove(elements[number])  # type: ignore[union-attr]
        for number, how, place in reversed(template.enclosed):  # inside before around
            _close(elements[number], how, place, notes)
        return made

    return emit


def _close(element: etree._Element, how: Enclosure, place: str, notes: Notes) -> None:
    """Write what stands in *element* as its text."""
    inside = list(element)
    for one in inside:
        element.remove(one)
    try:
        element.text = how.close(inside) if inside else None
    except ValueError as error:
        notes.fault(place, str(error))


def _put(element: etree._Element, value: Any, place: str, notes: Notes) -> None:
    """Fill in what is not a text: nothing as nil, what another mapping made, or a list of either."""
    if value is None:
        element.set(NIL, "true")
        return
    for item in value if type(value) is list else [value]:
        if not isinstance(item, str):
            element.addprevious(item)
            continue
        copy = etree.Element(element.tag)
        try:
            copy.text = item
        except ValueError:
            notes.fault(place, "holds a character that XML does not allow")
        element.addprevious(copy)
    element.getparent().remove(element)  # type: ignore[union-attr]


def xml_form(root: Spot, agency: Place, new_slot: Callable[[], int], above: list[str]) -> tuple[Collect, Emit, Locate]:
    """Return how an XML payload whose thing stands at *agency* is read, written and looked into."""
    tags = [*above, root.key]
    places = ["/".join(step.name for step in agency.steps[: number + 1]) for number in range(len(agency.steps))]

    def locate(tree: Any, notes: Notes) -> Any:
        if tree.tag != tags[0]:
            if not isinstance(tree.tag, str) or fold(tree.tag) != fold(tags[0]):
                notes.fault(places[0], "is missing: the reply has another root element")
                return None
            notes.fallbacks.append(places[0])
        for number in range(1, len(tags)):
            faults = len(notes.faults)
            tree = _step(tree, tags[number], agency.steps[number].index, places[number], notes)
            if tree is None:
                if number < len(tags) - 1 and len(notes.faults) == faults:
                    notes.fault(places[number], "is missing")
                return None
        return tree

    return collector(root, new_slot), emitter(root, above), locate


def _step(tree: etree._Element, tag: str, index: int | None, place: str, notes: Notes) -> etree._Element | None:
    """The child of *tree* that *tag* and *index* mean; None when it is absent, or ambiguous and then noted."""
    found = [child for child in tree if child.tag == tag]
    if not found:
        found = [child for child in tree if isinstance(child.tag, str) and fold(child.tag) == fold(tag)]
        notes.fallbacks += [place] if found else []
    if len(found) > 1 and index is None:
        notes.fault(place, "stands more than once")
        return None
    return found[index or 0] if len(found) > (index or 0) else None
