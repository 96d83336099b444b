"""Removing what is old goes on beside the calls: in small steps with long rests, and never while the store is sick."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from hub.clock import VirtualClock, run_virtual
from hub.errors import StoreUnavailable
from hub.retention import EVERY, LOOK_EVERY, Retention
from hub.settings import Retention as Days
from hub.store.retention import Place, Swept, Until
from monitoring.events import Silent

DAY = 86_400.0


class Log(Silent):
    def __init__(self) -> None:
        self.faults: list[str] = []
        self.removed: list[dict[str, int]] = []

    def retention(self, removed: dict[str, int]) -> None:
        self.removed.append(removed)

    def fault(self, what: str, error: BaseException) -> None:
        self.faults.append(what)


class Kept:
    """A store with so many steps of work, each of which takes a while."""

    def __init__(self, clock: VirtualClock, steps: int, seconds: float) -> None:
        self.clock = clock
        self.steps = steps
        self.seconds = seconds
        self.begun: list[float] = []
        self.swept: list[float] = []
        self.until: Until | None = None
        self.due = True
        self.down = False
        self.sick: list[bool] = []

    async def begin(self, every: float) -> int | None:
        assert every == EVERY
        self.begun.append(self.clock.monotonic())
        return len(self.begun) if self.due else None

    async def sweep(self, number: int, place: Place, until: Until) -> Swept:
        if self.down:
            raise StoreUnavailable
        self.swept.append(self.clock.monotonic())
        self.until = until
        await asyncio.sleep(self.seconds)
        left = self.steps - place.seq - 1
        table = "calls" if left > 3 else "journal" if left else "notices"
        return Swept(50, Place(table, place.seq + 1) if left else None)


def play(scenario: Callable[[Retention, Kept], Awaitable[None]], steps: int = 10, seconds: float = 0.01) -> Log:
    clock, log = VirtualClock(), Log()
    kept = Kept(clock, steps, seconds)

    async def run() -> None:
        retention = Retention(kept, Days(), lambda: bool(kept.sick), clock, Random(1), log)
        await scenario(retention, kept)
        await retention.stop()

    run_virtual(run(), clock)
    return log


def test_a_pass_takes_a_twentieth_of_the_writers_time_at_most() -> None:
    async def scenario(retention: Retention, kept: Kept) -> None:
        began = kept.clock.monotonic()
        assert await retention.once() == 500
        passed = kept.clock.monotonic() - began
        assert len(kept.swept) * kept.seconds <= passed / 20 + 1e-9

    play(scenario)


def test_what_is_kept_for_how_long_is_what_the_settings_say() -> None:
    async def scenario(retention: Retention, kept: Kept) -> None:
        now, days = kept.clock.now(), Days()
        await retention.once()
        assert kept.until == Until(
            now - DAY * days.lookups_days, now - DAY * days.filings_days, now - DAY * days.notices_days,
            now - DAY * days.references_days, now - DAY * days.journal_days, now - DAY * days.files_days,
            now - DAY * days.handling_days,
        )  # fmt: skip

    play(scenario, steps=1)


def test_a_pass_stops_where_it_is_while_the_store_is_sick_and_then_goes_on() -> None:
    async def scenario(retention: Retention, kept: Kept) -> None:
        at_work = asyncio.create_task(retention.once())
        await asyncio.sleep(0.5)
        kept.sick.append(True)
        await asyncio.sleep(1.0)
        before = len(kept.swept)
        assert 0 < before < kept.steps
        await asyncio.sleep(600)
        assert len(kept.swept) == before
        kept.sick.clear()
        await at_work
        assert len(kept.swept) == kept.steps, "each step once"

    play(scenario)


def test_what_a_pass_removed_is_told_once_by_kind_and_one_that_removed_nothing_is_not() -> None:
    async def scenario(retention: Retention, kept: Kept) -> None:
        await retention.once()
        kept.due = False
        await retention.once()

    assert play(scenario).removed == [{"calls": 350, "journal": 150}]


def test_what_a_pass_had_removed_before_it_was_cut_off_is_told() -> None:
    async def scenario(retention: Retention, kept: Kept) -> None:
        at_work = asyncio.create_task(retention.once())
        await asyncio.sleep(0.5)  # a step takes 0.01 s and its rest 0.19 s
        kept.down = True
        with pytest.raises(StoreUnavailable):
            await at_work

    assert play(scenario).removed == [{"calls": 150}]


def test_it_looks_now_and_then_and_not_while_the_store_is_sick() -> None:
    async def scenario(retention: Retention, kept: Kept) -> None:
        kept.due = False
        kept.sick.append(True)
        retention.start()
        await asyncio.sleep(10 * LOOK_EVERY)
        assert kept.begun == []
        kept.sick.clear()
        await asyncio.sleep(10 * LOOK_EVERY)
        assert 9 <= len(kept.begun) <= 12
        assert kept.swept == []

    play(scenario)


def test_a_store_that_does_not_answer_is_told_once_a_look_and_asked_again() -> None:
    async def scenario(retention: Retention, kept: Kept) -> None:
        kept.down = True
        retention.start()
        await asyncio.sleep(3 * LOOK_EVERY)
        kept.down = False
        await asyncio.sleep(3 * LOOK_EVERY)
        assert len(kept.swept) >= kept.steps

    faults = play(scenario).faults
    assert 2 <= len(faults) <= 3
    assert set(faults) == {"retention"}


def test_one_that_is_stopped_rests() -> None:
    async def scenario(retention: Retention, kept: Kept) -> None:
        retention.start()
        await asyncio.sleep(2 * LOOK_EVERY)
        await retention.stop()
        await retention.stop()
        before = len(kept.begun)
        await asyncio.sleep(10 * LOOK_EVERY)
        assert len(kept.begun) == before > 0

    play(scenario)
