"""
What nodes share of a road, and how it is written down. Next: `road.py`.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter

from hub.coordination.protocol import Wanted
from hub.coordination.turns import TurnsState
from hub.guards.bounds import GuardsState
from hub.guards.written import Count, Moment


@dataclass(slots=True)
class Granted:
    """A permit that is not back yet."""

    lane: str
    wanted: Wanted
    """What it pays for."""
    node: str = ""
    until: Moment = math.inf
    """When it is taken to be lost, with its node."""


@dataclass(slots=True)
class RoadState:
    """What all nodes share of a road, beside its guards and lines."""

    number: Count
    """Of the last permit."""
    granted: dict[int, Granted] = field(default_factory=dict)
    out: dict[str, Count] = field(default_factory=dict)
    """Exchanges under way by lane, those included that were cut and may go on at their agency."""
    cut: list[tuple[Moment, str]] = field(default_factory=list)
    """When those are taken to be over, and of which lane they are."""
    sated: dict[str, None] = field(default_factory=dict)
    """Askers whose lane has its part of the route, and waits until there is more than the others may need."""


@dataclass(slots=True)
class LaneState:
    """What all nodes share of one lane."""

    guards: GuardsState
    line: TurnsState


@dataclass(slots=True)
class WholeState:
    """A road as it is written down."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(ser_json_inf_nan="constants")

    road: RoadState
    guards: GuardsState
    line: TurnsState
    lanes: dict[str, LaneState]


_WRITTEN = TypeAdapter(WholeState)


def write(whole: WholeState) -> bytes:
    """Return *whole* as JSON, without what is as it began."""
    return _WRITTEN.dump_json(whole, exclude_defaults=True)


def read(written: bytes, now: float) -> WholeState:
    """
    Return what `write` was given; *now* is the road's own time.

    Raises:
        pydantic.ValidationError: These bytes are no such state, or have a number in them that cannot be.
    """
    return _WRITTEN.validate_json(written, context=now)
