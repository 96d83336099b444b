"""A disk that is full, a reading that takes long, a commit that takes long: what the store promises meanwhile."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.call import Call, Class, Kind, Purpose, State
from hub.clock import VirtualClock
from hub.errors import StoreUnavailable
from hub.journal import first_break
from hub.store.protocol import Settled, Settlement, Sought
from hub.store.sqlite import SqliteStore

BOUNDS = {"npsp": 10_000}
BIG = b"x" * 50_000


def a_call(clock: VirtualClock, number: int) -> Call:
    now = clock.now()
    return Call(
        f"call-{number:05}", "npsp", "file_dossier", Kind.FILING, Class.NORMAL, False, "onestop", Purpose(),
        f"{number:064x}", now, now + 1000, now, "file_dossier",
    )  # fmt: skip


@pytest.fixture(params=["memory", "file"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqliteStore]:
    clock = VirtualClock()
    if request.param == "memory":
        opened = SqliteStore.in_memory(clock, backlog_calls=BOUNDS)
    else:
        opened = SqliteStore.open_file(tmp_path / "hub.db", clock, backlog_calls=BOUNDS)
    yield opened
    await opened.close()


async def limit_pages(store: SqliteStore, spare: int) -> None:
    """Let the store grow by *spare* pages and no further, as a disk does that fills up."""

    def pragma(batch: Any) -> None:
        (pages,) = batch._connection.execute("PRAGMA page_count").fetchone()
        batch._connection.execute(f"PRAGMA max_page_count={pages + spare}")

    await store._line.do("pragma", pragma)


async def test_a_full_disk_is_told_and_what_was_told_before_is_kept(store: SqliteStore) -> None:
    clock = store._book.clock
    assert isinstance(clock, VirtualClock)
    first = await store.accept(a_call(clock, 0), BIG)
    (leased,) = await store.lease("npsp", "node-1", {Class.NORMAL: 1}, 60)
    number = await store.begin(first.call.id, leased.call.fence, "node-1")
    await limit_pages(store, 30)
    told, refusals = {first.call.id}, []
    for one in range(1, 20):
        try:
            told.add((await store.accept(a_call(clock, one), BIG)).call.id)
        except StoreUnavailable as refusal:
            refusals.append(refusal)
    assert refusals
    assert all(refusal.retry_after and "full" in refusal.detail for refusal in refusals)
    assert {record.call.id for record in await store.find(Sought())} == told, "reading goes on"

    with pytest.raises(StoreUnavailable):
        await store.settle(
            Settlement(first.call.id, leased.call.fence, number or 0, State.ANSWERED, "answered", answer=BIG)
        )
    record = await store.get(first.call.id)
    assert record is not None
    assert record.call.state is State.SENDING

    await limit_pages(store, 10_000)
    settlement = Settlement(first.call.id, leased.call.fence, number or 0, State.ANSWERED, "answered", answer=BIG)
    assert await store.settle(settlement) is Settled.APPLIED, "with room again, the same settle is applied"
    assert (await store.accept(a_call(clock, 99), BIG)).new
    assert await store.backlog("npsp") == len(await store.find(Sought(state=State.QUEUED)))
    assert first_break(await store.journal()) is None


async def test_a_full_disk_refuses_whom_it_has_no_room_for_and_keeps_the_others(store: SqliteStore) -> None:
    """One tick brings a body too large for what is left and some that fit: it fails alone."""
    clock = store._book.clock
    assert isinstance(clock, VirtualClock)
    await limit_pages(store, 60)
    bodies = [b"{}", BIG * 20, b"{}"]
    ended = await asyncio.gather(
        *(store.accept(a_call(clock, number), body) for number, body in enumerate(bodies)), return_exceptions=True
    )
    assert [type(one).__name__ for one in ended] == ["Accepted", "StoreUnavailable", "Accepted"]
    assert first_break(await store.journal()) is None


FILLED = """
import asyncio, resource, sys
from pathlib import Path
from hub.call import Call, Class, Kind, Purpose
from hub.clock import SystemClock
from hub.errors import StoreUnavailable
from hub.journal import first_break
from hub.store.protocol import Sought
from hub.store.sqlite import SqliteStore

async def main():
    store = SqliteStore.open_file(Path(sys.argv[1]), SystemClock(), backlog_calls={"npsp": 9999})
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, hard))
    told, refused = [], 0
    for number in range(60):
        now = SystemClock().now()
        call = Call(f"call-{number}", "npsp", "x", Kind.FILING, Class.NORMAL, False, "onestop", Purpose(), "f", now,
                    now + 99, now, "x")
        if number == 50:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        try:
            told.append((await store.accept(call, b"x" * 50_000)).call.id)
        except StoreUnavailable:
            refused += 1
    assert 0 < refused < 50, refused
    assert {f"call-{number}" for number in range(50, 60)} <= set(told), told
    assert {record.call.id for record in await store.find(Sought(limit=999))} == set(told)
    assert await store.backlog("npsp") == len(told)
    assert first_break(await store.journal()) is None
    await store.close()

asyncio.run(main())
"""


def test_a_disk_that_refuses_to_write_and_then_writes_again_loses_nothing(tmp_path: Path) -> None:
    """The system itself refuses, as late as in COMMIT: what is told as accepted is there, and nothing else."""
    ended = subprocess.run(
        [sys.executable, "-c", FILLED, str(tmp_path / "hub.db")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


async def test_a_reading_that_takes_long_stops_no_writing(tmp_path: Path) -> None:
    clock = VirtualClock()
    store = SqliteStore.open_file(tmp_path / "hub.db", clock, backlog_calls=BOUNDS)
    for number in range(3):
        await store.accept(a_call(clock, number), b"{}")
    reading = sqlite3.connect(tmp_path / "hub.db", isolation_level=None)
    reading.execute("BEGIN")
    assert reading.execute("SELECT count(*) FROM calls").fetchone() == (3,)
    assert (await store.accept(a_call(clock, 3), b"{}")).new
    assert len(await store.lease("npsp", "node-1", {Class.NORMAL: 9}, 60)) == 4
    assert reading.execute("SELECT count(*) FROM calls").fetchone() == (3,), "and it reads one moment, not two"
    reading.execute("COMMIT")
    reading.close()
    await store.close()


async def test_a_commit_that_takes_long_stops_neither_reading_nor_the_loop(tmp_path: Path) -> None:
    clock = VirtualClock()
    reached, go_on = threading.Event(), threading.Event()

    def slow_disk(moment: str) -> None:
        if moment == "begin.before_commit":
            reached.set()
            assert go_on.wait(30)

    store = SqliteStore.open_file(tmp_path / "hub.db", clock, backlog_calls=BOUNDS, failpoint=slow_disk)
    call = (await store.accept(a_call(clock, 0), b"{}")).call
    (leased,) = await store.lease("npsp", "node-1", {Class.NORMAL: 1}, 60)
    begun = asyncio.ensure_future(store.begin(call.id, leased.call.fence, "node-1"))
    await asyncio.to_thread(reached.wait, 30)
    record = await store.get(call.id)
    assert record is not None
    assert record.call.state is State.QUEUED, "what is not committed is not seen"
    assert not begun.done()
    go_on.set()
    assert await begun == 1
    await store.close()


async def test_what_comes_during_a_slow_commit_is_one_commit_after_it(tmp_path: Path) -> None:
    """The slower the disk, the larger the groups: a slow disk costs time once, not once a call."""
    clock = VirtualClock()
    reached, go_on = threading.Event(), threading.Event()
    commits: list[int] = []

    def slow_disk(moment: str) -> None:
        if moment == "accept.before_commit" and not reached.is_set():
            reached.set()
            assert go_on.wait(30)

    store = SqliteStore.open_file(
        tmp_path / "hub.db", clock, backlog_calls=BOUNDS, failpoint=slow_disk,
        on_commit=lambda _seconds, members: commits.append(members),
    )  # fmt: skip
    first = asyncio.ensure_future(store.accept(a_call(clock, 0), b"{}"))
    await asyncio.to_thread(reached.wait, 30)
    rest = []
    for number in range(1, 11):  # a tick each
        rest.append(asyncio.ensure_future(store.accept(a_call(clock, number), b"{}")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, *rest)
    await store.close()
    assert commits == [1, 10]
