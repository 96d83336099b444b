"""What the tests of single flight share: many who ask the same, and what became of them."""

import asyncio
from collections.abc import Sequence
from typing import Any

from connectors.kit.outcomes import Answered, Reason, Result
from hub.call import Reply
from hub.errors import HubError
from hub.store.protocol import Record, Sought
from tests.unit.engine.stage import OK, Query, World

TOGETHER = "lookup_together"
FOUND = Answered(Result.OK, Query(citizen_id="000999888777"), Reason("00", "found", "Có", "Found"))


def asking(world: World, operation: str = TOGETHER, **given: Any) -> "asyncio.Task[Reply]":
    """Ask in a task of its own; without *citizen* everybody asks for the same person."""
    citizen = given.pop("citizen", "000123456789")
    return asyncio.create_task(world.hub.submit(world.submission(operation, Query(citizen_id=citizen), **given)))


async def occupied(world: World, seconds: float) -> None:
    """Keep the agency's only place busy with something else for *seconds*."""
    world.agency.will["lookup_citizen"].append((seconds, OK))
    world.other = asyncio.create_task(world.ask(wait=120.0))  # type: ignore[attr-defined]
    await asyncio.sleep(0.01)


async def rows(world: World) -> list[Record]:
    """Return what the store has of the look-ups that fly together, oldest first."""
    found = await world.store.find(Sought(limit=1000))
    return [record for record in reversed(found) if record.call.operation in (TOGETHER, "lookup_price")]


def errors(ends: Sequence[Reply | BaseException]) -> list[type]:
    return [type(end) for end in ends]


def calls_of(ends: Sequence[Reply | BaseException]) -> set[str | None]:
    return {end.call for end in ends if isinstance(end, Reply | HubError)}


def nothing_flies(world: World) -> None:
    assert (len(world.lane.flights), world.lane.flights._flights) == (0, {})
