"""What falls due is done once at a time; what fails rests and stops no other; what is stopped is left to others."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

from hub.clock import VirtualClock, run_virtual
from hub.errors import StoreUnavailable
from hub.falling_due import SWEEP, FallingDue


class Told:
    def __init__(self) -> None:
        self.faults: list[tuple[str, str]] = []

    def fault(self, where: str, error: Exception) -> None:
        self.faults.append((where, type(error).__name__))


def follow(scenario: Callable[["FallingDue[str]", list[float], Told], Coroutine[Any, Any, None]], look: Any) -> None:
    """Play *scenario* with looks that *look* answers; it gets the moments of the looks, and what was told of faults."""
    clock, told, looks = VirtualClock(), Told(), list[float]()

    async def run() -> None:
        async def looked() -> float:
            looks.append(clock.monotonic())
            answer: float = await look(due)
            return answer

        due: FallingDue[str] = FallingDue("poll", looked, cast(Any, SimpleNamespace(clock=clock, observer=told)))
        due.start()
        await scenario(due, looks, told)
        await due.stop(_release)

    run_virtual(run(), clock)


async def _release(_: list[str]) -> None:
    return


async def idle(_: Any) -> float:
    return SWEEP


def waits_for(seconds: float) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        await asyncio.sleep(seconds)

    return work


def test_it_looks_when_told_when_something_ends_and_else_after_as_long_as_was_said() -> None:
    async def scenario(due: FallingDue[str], looks: list[float], told: Told) -> None:
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(SWEEP + 1)
        due.stir()
        await asyncio.sleep(1)
        due.begin("a", waits_for(3))
        assert due.runs("a")
        await asyncio.sleep(4)
        assert not due.runs("a")
        assert [round(at - began) for at in looks] == [0, 60, 61, 65]

    follow(scenario, idle)


def test_what_fails_by_a_fault_of_ours_is_told_and_rests_and_stops_no_other() -> None:
    async def broken() -> None:
        raise KeyError

    async def scenario(due: FallingDue[str], looks: list[float], told: Told) -> None:
        due.begin("a", broken)
        due.begin("b", waits_for(3))
        await asyncio.sleep(1)
        assert told.faults == [("poll", "KeyError")]
        assert due.rests_until("a") > due.rests_until("b") == 0.0
        assert (due.runs("a"), due.runs("b")) == (False, True)

    follow(scenario, idle)


def test_a_sick_store_is_looked_at_again_soon() -> None:
    async def sick(_: Any) -> float:
        raise StoreUnavailable

    async def scenario(due: FallingDue[str], looks: list[float], told: Told) -> None:
        await asyncio.sleep(12)
        assert len(looks) == 3

    follow(scenario, sick)


def test_a_look_that_fails_by_a_fault_of_ours_is_told_and_made_again() -> None:
    """Else nothing would ever fall due at this node again, and nobody would be told."""

    async def broken(_: Any) -> float:
        raise KeyError

    async def scenario(due: FallingDue[str], looks: list[float], told: Told) -> None:
        await asyncio.sleep(12)
        assert len(looks) == 3
        assert told.faults == [("poll", "KeyError")] * 3

    follow(scenario, broken)


def test_what_rested_is_forgotten_when_it_is_done_again() -> None:
    async def broken() -> None:
        raise KeyError

    async def scenario(due: FallingDue[str], looks: list[float], told: Told) -> None:
        due.begin("a", broken)
        await asyncio.sleep(1)
        assert due.rests_until("a") > 0.0
        due.begin("a", waits_for(1))
        await asyncio.sleep(2)
        assert due.rests_until("a") == 0.0

    follow(scenario, idle)


def test_stopping_ends_what_runs_and_gives_its_leases_back_once() -> None:
    released: list[list[str]] = []

    async def release(running: list[str]) -> None:
        released.append(running)
        raise StoreUnavailable

    async def scenario(due: FallingDue[str], looks: list[float], told: Told) -> None:
        await asyncio.sleep(1)
        due.begin("a", waits_for(900))
        for _ in range(2):
            await due.stop(release)
        assert (released, due.runs("a")) == ([["a"]], False)
        assert told.faults == [("poll", "StoreUnavailable")], "the leases end by themselves"
        due.stir()
        await asyncio.sleep(SWEEP)
        assert len(looks) == 1

    follow(scenario, idle)
