"""A sick store refuses at the door, class by class, says why, and lets everybody in again when it is well."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hub.app.watching_store import LOOK_EVERY, PROVEN_SECONDS, WEIGH_EVERY, StoreWatch
from hub.call import Class
from hub.clock import VirtualClock, run_virtual
from hub.errors import StoreUnavailable
from hub.pressure import PART, SLOW_SECONDS, UNKNOWN_BYTES, Pressure
from hub.store.room import Room
from monitoring.health import Readiness

DOWN = StoreUnavailable("the store did not write: database or disk is full", retry_after=5.0)
OF_DISK = {Class.COUNTER, Class.NORMAL, Class.BULK}


def refused(pressure: Pressure, *, interactive: bool = False) -> set[Class]:
    out, says = set(), list[bool]()
    for cls in Class:
        try:
            pressure.check(cls, interactive=interactive)
        except StoreUnavailable as refusal:
            out.add(cls)
            says.append((refusal.retry_after or 0.0) >= 5.0 and bool(refusal.detail))
    assert all(says), "why, and when to come again"
    return out


def a_pressure(store_bytes: int | None = None) -> tuple[Pressure, VirtualClock]:
    clock = VirtualClock()
    return Pressure(clock, store_bytes=store_bytes), clock


def test_a_store_that_fails_refuses_everybody_until_a_trial_is_written() -> None:
    pressure, _ = a_pressure()
    pressure.committed(0.001, DOWN)
    assert refused(pressure) == refused(pressure, interactive=True) == OF_DISK
    assert pressure.reason == DOWN.detail
    pressure.committed(0.001, None)
    assert refused(pressure) == OF_DISK, "a commit may have had nothing to write"
    pressure.proved()
    assert refused(pressure) == set()
    assert (pressure.reason, pressure.troubled) == ("", False)


@pytest.mark.parametrize(
    ("seconds", "out", "red"),
    [
        (0.0, set(), False),
        (SLOW_SECONDS[0], {Class.BULK}, False),
        (2.0, {Class.BULK, Class.NORMAL}, True),
        (SLOW_SECONDS[2], OF_DISK, True),
    ],
)
@pytest.mark.parametrize("under_way", [False, True])
def test_slow_commits_refuse_bulk_first_and_the_counter_last(
    seconds: float, out: set[Class], red: bool, under_way: bool
) -> None:
    pressure, _ = a_pressure()
    if under_way:
        pressure.waits(seconds)
    else:
        pressure.committed(seconds, None)
        pressure.committed(seconds, None)
    assert refused(pressure) == refused(pressure, interactive=True) == out
    assert pressure.reason == (f"slow: a commit takes {seconds:.1f} s" if red else "")
    pressure.committed(0.001, None)
    assert refused(pressure) == set()


def test_one_slow_commit_among_quick_ones_refuses_nobody() -> None:
    """Every disk stands still for a moment now and then."""
    pressure, _ = a_pressure()
    for seconds in (0.01, 9.0, 0.01, 9.0, 0.01):
        pressure.committed(seconds, None)
        assert refused(pressure) == set()


def test_a_full_store_takes_no_durable_calls_and_look_ups_for_a_while() -> None:
    pressure, _ = a_pressure(1000)
    pressure.weigh(Room(1001, 99_999))
    assert refused(pressure) == OF_DISK
    assert refused(pressure, interactive=True) == set()
    assert pressure.reason == "full: 1,001 of 1,000 bytes are used"
    assert not pressure.troubled, "trying it out would tell nothing"
    pressure.weigh(Room(1101, 99_999))
    assert refused(pressure, interactive=True) == OF_DISK
    pressure.weigh(Room(990, 99_999))
    assert refused(pressure) == OF_DISK, "not at once: it would go to and fro"
    pressure.weigh(Room(970, 99_999))
    assert (refused(pressure), pressure.reason) == (set(), "")


def test_without_a_number_the_bound_is_a_part_of_what_the_disk_could_hold() -> None:
    pressure, _ = a_pressure()
    assert pressure.most_bytes == UNKNOWN_BYTES
    pressure.weigh(Room(10, 1000))
    assert pressure.most_bytes == PART * 1000
    pressure.weigh(Room(10, None))
    assert pressure.most_bytes == UNKNOWN_BYTES


class Played:
    """A store that says and does what a test wants."""

    def __init__(self) -> None:
        self.since: float | None = None
        self.clock: VirtualClock | None = None
        self.trials = 0
        self.sizes = 0
        self.size = Room(10, 1000)
        self.down = False
        self.hangs = False
        self.pressure: Pressure | None = None

    def waiting_seconds(self) -> float:
        assert self.clock is not None
        return 0.0 if self.since is None else self.clock.monotonic() - self.since

    async def try_out(self) -> None:
        assert self.pressure is not None
        self.trials += 1
        if self.hangs:
            await asyncio.Event().wait()
        self.pressure.committed(0.01, DOWN if self.down else None)
        if self.down:
            raise DOWN

    async def room(self) -> Room:
        self.sizes += 1
        if self.down:
            raise DOWN
        return self.size


def watched(scenario: Callable[[Played, Pressure, StoreWatch], Awaitable[None]]) -> list[tuple[int, int]]:
    clock = VirtualClock()
    store, pressure, sizes = Played(), Pressure(clock), list[tuple[int, int]]()
    store.clock, store.pressure = clock, pressure
    watch = StoreWatch(store, pressure, lambda used, most: sizes.append((used, most)))

    async def run() -> None:
        watching = asyncio.create_task(watch.run())
        await asyncio.sleep(0.1)
        await scenario(store, pressure, watch)
        watching.cancel()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run_virtual(run(), clock)
    return sizes


def test_a_well_store_is_not_tried_out_and_measured_now_and_then() -> None:
    async def scenario(store: Played, pressure: Pressure, watch: StoreWatch) -> None:
        await asyncio.sleep(10 * WEIGH_EVERY * LOOK_EVERY)
        assert (store.trials, store.sizes) == (0, 11)

    assert watched(scenario)[0] == (10, 800)


def test_a_sick_store_is_tried_out_each_second_until_it_is_well() -> None:
    async def scenario(store: Played, pressure: Pressure, watch: StoreWatch) -> None:
        store.down = True
        pressure.committed(0.1, DOWN)
        await asyncio.sleep(10)
        assert 9 <= store.trials <= 11
        assert refused(pressure) == OF_DISK
        store.down = False
        await asyncio.sleep(1.1)
        assert refused(pressure) == set()

    watched(scenario)


def test_a_commit_that_does_not_end_is_seen_while_it_lasts_and_asked_once() -> None:
    async def scenario(store: Played, pressure: Pressure, watch: StoreWatch) -> None:
        assert store.clock is not None
        store.since, store.hangs = store.clock.monotonic(), True
        await asyncio.sleep(SLOW_SECONDS[2] + 2 * LOOK_EVERY)
        assert refused(pressure) == OF_DISK
        await asyncio.sleep(600)
        assert store.trials == 1, "what hangs is not asked again and again"
        store.since = None
        pressure.committed(606.0, None)
        assert refused(pressure) == set()

    watched(scenario)


def test_readiness_says_what_is_wrong_and_tries_out_a_store_that_was_quiet() -> None:
    async def scenario(store: Played, pressure: Pressure, watch: StoreWatch) -> None:
        assert store.clock is not None
        readiness = Readiness({"store": watch.well}, store.clock.monotonic)
        assert (await readiness.verdict()).ready
        assert store.trials == 0
        await asyncio.sleep(PROVEN_SECONDS + 1)
        store.down = True
        verdict = await readiness.verdict()
        assert (verdict.ready, verdict.checks) == (False, {"store": DOWN.detail})
        assert store.trials == 1
        store.down = False
        await asyncio.sleep(3)
        assert (await readiness.verdict()).ready

    watched(scenario)
