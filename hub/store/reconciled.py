"""
What is kept of comparing what was filed with what an agency has: runs and lines. `reconciling.py` writes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from hub.call import Call

SAME: Final = "same"
"""The agency has it as it was filed."""
MISSING: Final = "missing"
"""The agency has no record of it."""
DIFFERS: Final = "differs"
"""The agency has it otherwise."""
UNKNOWN: Final = "unknown"
"""The agency could not be asked, or what was filed is not kept any more."""
TOLD: Final = "told"
"""There is no look-up, and a notice came that belongs to it."""
UNTOLD: Final = "untold"
"""There is no look-up, and no notice ever named what the agency called it."""
OPEN: Final = "open"
"""It is not answered: queued, on the wire, in doubt or dead."""
SUPERSEDED: Final = "superseded"
"""The same was filed again later, and that counts."""
VERDICTS: Final = (SAME, MISSING, DIFFERS, UNKNOWN, TOLD, UNTOLD, OPEN, SUPERSEDED)
QUIET: Final = frozenset({SAME, TOLD, SUPERSEDED})
"""Verdicts that are counted, and of which no line is kept."""


WHOLE: Final = "answered"
"""Outcome of a run that came to the end of its day."""


class Run(NamedTuple):
    """One comparison of a day of one agency. Moments are Unix seconds."""

    id: str
    agency: str
    day: str
    """`yyyy-mm-dd`, +07:00: when that was accepted which is compared."""
    operation: str
    """Only this one; empty: all."""
    files: bool
    """What is missing is filed again."""
    wanted_by: str
    wanted_at: float
    due_at: float
    """When it goes, or goes on."""
    fence: int = 0
    lease_node: str | None = None
    lease_until: float | None = None
    place: str = ""
    """Id of the last call that was compared."""
    counts: Mapping[str, Mapping[str, int]] = {}
    """Calls by operation and verdict."""
    ended_at: float | None = None
    outcome: str = ""
    """How it ended: `answered`, or why not; of one that rests: `held`, or the code of a problem."""
    cause: str = ""


class Line(NamedTuple):
    """A call that is not the same at its agency."""

    run: str
    call: str
    operation: str
    dossier: str | None
    verdict: str
    cause: str = ""
    """State of a call that is open; why it is unknown, or was not filed again."""
    fields: Sequence[tuple[str, str, str]] = ()
    """What differs: field, ours, the agency's. Values only of states and codes, else empty."""
    filed: str | None = None
    """The call by which it was filed again."""


RUN: Final = Run._fields
LINE: Final = Line._fields


class Place(NamedTuple):
    """Where a run stands, for whom."""

    run: str
    fence: int


@dataclass(frozen=True, slots=True)
class Found:
    """A line to be kept, and what files it again: a call that is new, and its request."""

    line: Line
    again: tuple[Call, bytes] | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """What some calls of a run turned out to be, to be written in one commit."""

    at: Place
    after: str
    """Id of the last of them."""
    verdicts: Sequence[tuple[str, str]]
    """Operation and verdict of each call."""
    lines: Sequence[Found] = ()


@dataclass(frozen=True, slots=True)
class Lapse:
    """A run comes to its end, or rests."""

    at: Place
    outcome: str
    cause: str = ""
    due_at: float | None = None
    """When it goes on; None: it has ended."""
