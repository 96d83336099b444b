"""Groups of nodes over a real Redis, under a clock that tests move."""

import itertools
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from hub.clock import VirtualClock
from hub.coordination.in_redis import InRedis
from hub.coordination.protocol import Switches
from hub.guards.bounds import Bounds

_PREFIXES = itertools.count()


def prefix() -> str:
    """Return one that no other group of this server has."""
    return f"test{next(_PREFIXES)}:"


async def nothing_on_record(lanes: Sequence[str]) -> Mapping[str, tuple[Sequence[float], int]]:
    """Restore nothing."""
    return {}


async def no_orders(switches: Switches) -> None:
    """Give no orders."""


class Nodes:
    """Nodes that share permits, closed together."""

    def __init__(self, address: str, clock: VirtualClock) -> None:
        self.address = address
        self.clock = clock
        self.prefix = prefix()
        self.nodes: list[InRedis] = []

    async def join(
        self,
        lanes: Mapping[str, Bounds],
        routes: Mapping[str, Bounds | None] | None = None,
        over: Mapping[str, str] | None = None,
        *,
        random: Random | None = None,
        **more: Any,
    ) -> InRedis:
        """Return one more node, begun."""
        options = {"restoring": nothing_on_record, "ordering": no_orders, "prefix": self.prefix}
        options |= {"server_time": self.clock.now, **more}
        number = len(self.nodes)
        node = InRedis(self.address, f"n{number}", self.clock, random or Random(number), lanes, routes, over, **options)  # type: ignore[arg-type]
        self.nodes.append(node)
        await node.start()
        return node

    async def aclose(self) -> None:
        for node in self.nodes:
            await node.aclose()
