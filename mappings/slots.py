"""
Slots: the flat row of agency values that lies between a payload and a model, one slot for each place of a mapping.

Reading goes payload -> slots (`json_form.py`, `xml_form.py`) -> model (`lines.py`, `engine.py`); writing goes back.
The two halves meet only here, so a line knows no format and a format knows no line.
"""

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

from mappings.errors import Fault

Slots: TypeAlias = list[Any]
Form: TypeAlias = Literal["json", "xml"]


class Omitted(Enum):
    """What a slot holds whose place is left out of the payload. None is written as null or nil."""

    OMITTED = "omitted"


OMITTED: Final = Omitted.OMITTED


class Notes:
    """What one reading or writing has found so far: faults, and places read only by forgiving something."""

    __slots__ = ("fallbacks", "faults")

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.fallbacks: list[str] = []

    def fault(self, place: str, rule: str) -> None:
        """Add a fault; *rule* must not hold a value."""
        self.faults.append(Fault(place, rule))

    def below(self, place: str, faults: int, fallbacks: int) -> None:
        """Put *place* in front of all that was noted since there were that many *faults* and *fallbacks*."""
        for number in range(faults, len(self.faults)):
            self.faults[number] = replace(self.faults[number], place=beneath(place, self.faults[number].place))
        for number in range(fallbacks, len(self.fallbacks)):
            self.fallbacks[number] = beneath(place, self.fallbacks[number])


def beneath(place: str, rest: str) -> str:
    """Return the place *rest* as seen from where *place* is."""
    return f"{place}/{rest}" if place and rest else place or rest


Collect: TypeAlias = Callable[[Any, Slots, Notes], None]
"""Puts what stands in a payload (below the mapping's root) into its slots."""
Emit: TypeAlias = Callable[[Slots, Notes], Any]
"""Makes a payload of slots."""
Locate: TypeAlias = Callable[[Any, Notes], Any]
"""Finds the mapping's root in a payload; None when only its last step is absent."""
