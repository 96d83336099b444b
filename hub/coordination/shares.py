"""
What one node may do of a contract while the nodes cannot count together: parts that never add up to more than all.

Parts are whole calls, or two nodes with half a call a second each would make two in one second. So where a contract
allows fewer than there are nodes, some get nothing and only queue. Which ones differs from road to road.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from zlib import crc32

from hub.clock import Clock
from hub.coordination.epochs import Share
from hub.coordination.in_process import InProcess
from hub.coordination.protocol import NOBODY_GRANTS, ROUTE, Permit, Wait, Wanted
from hub.guards.bounds import Bounds

NO_PART = Wait(NOBODY_GRANTS, 10.0, "share")
"""What a lane hears of which this node has no part while each node keeps to its own."""


def part_of(bounds: Bounds, share: Share, road: str) -> Bounds | None:
    """
    Return the part of *bounds* that a node with *share* has on *road*; None: it sends nothing there.

    Lanes and their route must be given the same *road*, the name of that route, so that who has a part of one has a
    part of the other.
    """
    rank = (share.rank + crc32(road.encode())) % share.of
    at_once = _part(bounds.calls_at_once, rank, share.of)
    per_second = _part_of_rate(bounds.calls_per_second, rank, share.of)
    per_minute = bounds.calls_per_minute and _part_of_rate(bounds.calls_per_minute, rank, share.of)
    if at_once == 0 or per_second == 0 or per_minute == 0:
        return None
    return replace(
        bounds,
        part=bounds.part / share.of,
        calls_at_once=at_once,
        calls_per_second=per_second,
        calls_per_minute=per_minute,
        calls_per_day=bounds.calls_per_day and _part(bounds.calls_per_day, rank, share.of),
    )


def _part(calls: int, rank: int, of: int) -> int:
    return calls // of + (rank < calls % of)


def _part_of_rate(calls: float, rank: int, of: int) -> float:
    """Return whole calls, and to the first what is left of them: below one call, all of it."""
    whole = math.floor(calls)
    return _part(whole, rank, of) + ((calls - whole) if rank == 0 else 0.0)


class InShares(InProcess):
    """Permits of one node that keeps to its *share* of every contract, asking nobody."""

    def __init__(
        self,
        clock: Clock,
        random: Random,
        lanes: Mapping[str, Bounds],
        routes: Mapping[str, Bounds | None],
        route_of: Mapping[str, str],
        share: Share,
    ) -> None:
        """Arguments as of `InProcess`; *lanes* and *routes* hold what all nodes together may do."""
        self._whole = {**lanes, **{ROUTE + name: bounds for name, bounds in routes.items() if bounds is not None}}
        self._road_of = {name: route_of.get(name, name) for name in lanes} | {ROUTE + name: name for name in routes}
        self._share = share
        self._without: set[str] = set()
        """Lanes and routes of which this node has no part."""
        for name, bounds in self._whole.items():
            self._note(name, bounds)
        super().__init__(
            clock,
            random,
            {name: self._part(name, bounds) or bounds for name, bounds in lanes.items()},
            {name: bounds and (self._part(ROUTE + name, bounds) or bounds) for name, bounds in routes.items()},
            route_of,
        )

    async def claim(self, lane: str, wanted: Sequence[Wanted]) -> Sequence[Permit | Wait]:
        if lane in self._without or ROUTE + self._road_of[lane] in self._without:
            return [NO_PART for _ in wanted]
        return await super().claim(lane, wanted)

    async def lower(self, name: str, calls_at_once: int | None, calls_per_second: float | None) -> None:
        whole = self._whole[name]
        lowered = replace(
            whole,
            calls_at_once=min(whole.calls_at_once, calls_at_once or whole.calls_at_once),
            calls_per_second=min(whole.calls_per_second, calls_per_second or whole.calls_per_second),
        )
        if part := self._note(name, lowered):
            await super().lower(name, part.calls_at_once, part.calls_per_second)

    def _note(self, name: str, bounds: Bounds) -> Bounds | None:
        part = self._part(name, bounds)
        (self._without.discard if part else self._without.add)(name)
        return part

    def _part(self, name: str, bounds: Bounds) -> Bounds | None:
        return part_of(bounds, self._share, self._road_of[name])
