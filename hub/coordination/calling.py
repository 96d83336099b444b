"""
Whom to call when something of a road came back: one for each slot, and never nobody. Next: `shared_road.py`.

Whoever is called and goes, or finds that something else is in its way, is followed by the next while there is room. So
nobody has to be called who cannot go, and nobody sleeps beside a slot that is free.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from hub.coordination.road import Road
from hub.guards.bounds import Guards


@dataclass(slots=True)
class News:
    """What came of operations that others may have to hear of."""

    freed: Counter[str] = field(default_factory=Counter)
    """Slots that came back, by lane."""
    passed: set[str] = field(default_factory=set)
    """Lanes where an asker went, or waits for nothing here any more: the next may go if there is room."""
    stirred: bool = False
    """Whatever waits for this road may hear better now."""

    def next(self, road: Road) -> Iterator[str]:
        """Give the askers that may go now, longest waiting first."""
        for lane in sorted(self.freed.keys() | self.passed):
            if (own := road.lanes.get(lane)) is not None:
                most = max(self.freed[lane], int(_has_room(own.guards)))
                yield from islice(own.line.state.waiting, most)
        most = max(self.freed.total(), int(bool(self.passed) and _has_room(road.guards)))
        yield from islice((*road.line.state.waiting, *road.shared.sated), most)


def _has_room(guards: Guards) -> bool:
    slots = guards.concurrency
    return slots is None or slots.in_use < slots.limit
