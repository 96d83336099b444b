"""Promises of what a node knows of exchanges under way: those of all nodes, and those of which a restored store knows nothing."""

from typing import Any, cast

from hub.app.nodes import Bearable, Left
from hub.clock import VirtualClock
from hub.guards.bounds import Bounds
from hub.store.protocol import Occupied

BEARABLE = Bearable({"police": Bounds(10, 4, 10.0), "tax": Bounds(10, 2, 20.0)}, {}, {})


class Recorded:
    """A store that knows of one exchange."""

    def __init__(self, clock: VirtualClock) -> None:
        self.since = 0.0
        self.one = Occupied("c1", "police", clock.now() - 3)

    async def occupied(self, since: float) -> list[Occupied]:
        self.since = since
        return [self.one]

    async def sent_on_day(self, agency: str, day: str) -> int:
        return 7 if agency == "tax" else 0


async def test_slots_last_until_the_agency_is_taken_to_be_done() -> None:
    clock = VirtualClock()
    store = Recorded(clock)
    left = Left(cast(Any, store), BEARABLE, clock)
    assert await left.behind(["police", "tax"]) == {"police": ([12.0], 0), "tax": ([], 7)}
    assert store.since == clock.now() - 30.0, "as long as the slowest of them"
    clock.advance(12.5)
    assert (await left.behind(["police"]))["police"] == ([], 0)


async def test_after_a_restore_all_places_count_as_taken_for_as_long() -> None:
    clock = VirtualClock()
    left = Left(cast(Any, Recorded(clock)), BEARABLE, clock)
    left.also([Occupied("restored", "tax", clock.now())] * 2)
    assert (await left.behind(["tax"]))["tax"] == ([30.0, 30.0], 7)
    clock.advance(31)
    assert (await left.behind(["tax"]))["tax"] == ([], 7)
