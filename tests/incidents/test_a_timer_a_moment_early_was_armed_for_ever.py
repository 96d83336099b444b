"""
A loop runs a timer up to its clock's resolution too early. The look for doubts took the loop's time for the moment it had
waited for, found that none was due yet, and armed the same timer again: at once, and for ever.
"""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from hub.asking_after import AskingAfter
from hub.clock import VirtualClock, run_virtual


def test_a_timer_that_comes_a_moment_early_is_over() -> None:
    clock = VirtualClock()

    async def scene() -> None:
        looks = []

        async def asking_due(*_: object) -> list[Any]:
            looks.append(clock.monotonic())
            return []

        around = cast(Any, SimpleNamespace(clock=clock, store=SimpleNamespace(asking_due=asking_due), node="hub"))
        contract = cast(Any, SimpleNamespace(calls_at_once=2, call_timeout=1.0))
        verification = AskingAfter("npsp", contract, {}, cast(Any, None), {}, lambda *_: None, lambda: None, around)
        await asyncio.sleep(5)
        loop = asyncio.get_running_loop()
        verification.due(1.0)
        assert verification._timer is not None
        early = verification._timer_at - loop.time() - 1e-7
        verification._timer.cancel()
        clock.advance(early)  # as a loop whose clock is coarser would have it
        verification._begin()
        await asyncio.sleep(10)
        assert len(looks) == 1

    run_virtual(scene(), clock)
