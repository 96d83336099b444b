"""
Numbers of a state as nodes write it down for each other, with the bounds between which each can be.

What is read back from a memory that others can reach may be spoilt and still be JSON. A moment in a thousand years, half
of nothing or a negative count would close a lane for good, or let more go than its contract allows: a state with such a
number is taken for none. Bounds are wide: they are for what cannot be, not for what is unusual.
"""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, ValidationInfo

AHEAD = 400 * 86_400.0
"""Seconds by which no moment lies ahead: an operator may hold a lane for a year, and nothing lasts longer."""


def _not_beyond(moment: float, info: ValidationInfo) -> float:
    """Refuse a moment that lies too far ahead of now, which is the context; also one that is no number."""
    if not moment <= (info.context or 0.0) + AHEAD:
        raise ValueError("lies too far ahead")
    return moment


Moment: TypeAlias = Annotated[float, AfterValidator(_not_beyond)]
"""Monotonic seconds of a road's time. Any time ago is well: what was never, was at minus infinity."""
Seconds: TypeAlias = Annotated[float, Field(ge=0.0, le=AHEAD, allow_inf_nan=False)]
Count: TypeAlias = Annotated[int, Field(ge=0, lt=1 << 63)]
Slots: TypeAlias = Annotated[int, Field(ge=0, le=1_000_000)]
"""Exchanges at once: no agency bears so many."""
