"""
What a call costs while many others wait: hubs alike but for how many calls an operator's hold keeps in their store.

Each is measured in turn, twice over: calls to another lane than the one where those wait, and calls to that same lane,
which then is let go for as many calls as were taken. Read `durability.py` first.
"""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from bench import processes
from bench.forms import Hub
from bench.seen import Seen


@dataclass(slots=True)
class Backlog:
    """What was measured with so many calls waiting."""

    form: str
    waiting: int
    ready_seconds: float
    """How long a hub with this store took until it served."""
    elsewhere: list[Seen] = field(default_factory=list)
    """Whole calls to another lane."""
    accepted: list[Seen] = field(default_factory=list)
    """Calls taken for the lane where the others wait."""
    drained: list[Seen] = field(default_factory=list)
    """Calls of that lane sent."""
    memory: int = 0
    """Most bytes of RAM that any process of the hub has occupied."""

    @property
    def same(self) -> list[float]:
        """Return microseconds of CPU for each whole call to the lane where the others wait."""
        return [taken.cpu_us + sent.cpu_us for taken, sent in zip(self.accepted, self.drained, strict=True)]


async def backlogs(
    hub_with: Callable[[int], Hub], waiting: Sequence[int], calls: int, repeats: int, say: Callable[[str], None]
) -> list[Backlog]:
    """Measure *calls* whole calls *repeats* times with each of *waiting* calls in the store; *hub_with* makes such a hub."""
    async with AsyncExitStack() as stack:
        pairs: list[tuple[Hub, Backlog]] = []
        for count in waiting:
            hub = hub_with(count)
            await stack.enter_async_context(hub)
            pairs.append((hub, Backlog(hub.name, count, hub.ready_seconds)))
            say(f"{hub.name}: {count:,} calls wait; ready after {hub.ready_seconds:.1f} s")
            await hub.carry(max(200, calls // 4))  # to warm up
        for _ in range(repeats):
            for hub, seen in pairs:
                seen.elsewhere.append(await hub.carry(calls))
                seen.accepted.append(await hub.accept(calls))
                seen.drained.append(await hub.drain(calls))
        for hub, seen in pairs:
            seen.memory = max(processes.most_memory(node.pid) for node in hub.nodes)
        return [seen for _, seen in pairs]
