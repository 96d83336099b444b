"""Groups of nodes over a real Redis, under a clock that tests move."""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from hub.call import Class
from hub.clock import VirtualClock
from hub.coordination.in_redis import InRedis
from hub.coordination.protocol import Permit, Switches, Wait, Wanted
from hub.guards.bounds import Bounds

CALL = Wanted("look", Class.NORMAL)
WIDE = Bounds(1000, 4, 10, calls_per_day=1000)
SINGLE = Bounds(10_000, 1, 10)

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
        name: str = "",
        **more: Any,
    ) -> InRedis:
        """Return one more node, begun; *name*: that of one which was there before."""
        options = {"restoring": nothing_on_record, "ordering": no_orders, "prefix": self.prefix}
        options |= {"server_time": self.clock.now, **more}
        number = len(self.nodes)
        node = InRedis(
            self.address, name or f"n{number}", self.clock, random or Random(number), lanes, routes, over, **options
        )  # type: ignore[arg-type]
        self.nodes.append(node)
        await node.start()
        return node

    async def aclose(self) -> None:
        for node in self.nodes:
            await node.aclose()


async def several(nodes: Nodes, count: int, bounds: Bounds = WIDE, **more: Any) -> list[InRedis]:
    """Return *count* nodes with one lane, whose state has begun a second ago."""
    group = [await nodes.join({"a": bounds}, **more) for _ in range(count)]
    await group[0].claim("a", [])
    nodes.clock.advance(1)
    return group


async def ask(node: InRedis, wish: Wanted = CALL, lane: str = "a") -> Permit | Wait:
    (answer,) = await node.claim(lane, [wish])
    return answer


async def permit(node: InRedis, wish: Wanted = CALL) -> Permit:
    answer = await ask(node, wish)
    assert isinstance(answer, Permit), answer
    return answer


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until *condition* holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - told by another process
            await asyncio.sleep(0.005)
