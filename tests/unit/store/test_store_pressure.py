"""A real file that is full, slow, locked, read-only or broken: the doors hear of it at once, and when it is over."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hub.app.watching_store import StoreWatch
from hub.call import Class, State
from hub.clock import VirtualClock
from hub.errors import StoreUnavailable
from hub.journal import first_break
from hub.pressure import SLOW_SECONDS, Pressure
from hub.store.protocol import Sought
from hub.store.sqlite import SqliteStore
from monitoring.health import Readiness
from tests.unit.store.test_store_trouble import BIG, BOUNDS, a_call, limit_pages


class Disk:
    """What the file does at each commit."""

    def __init__(self) -> None:
        self.error: sqlite3.Error | None = None
        self.stands = threading.Event()
        self.moves = threading.Event()
        self.moves.set()

    def __call__(self, moment: str) -> None:
        if self.error is not None and moment.endswith(".before_commit"):
            raise self.error
        if not self.moves.is_set():
            self.stands.set()
            assert self.moves.wait(30)


class Sick:
    """A store in a file, and what the doors and a load balancer know of it."""

    def __init__(self, path: Path) -> None:
        self.clock = VirtualClock()
        self.disk = Disk()
        self.path = path
        self.pressure = Pressure(self.clock)
        self.store = SqliteStore.open_file(
            path, self.clock, backlog_calls=BOUNDS, failpoint=self.disk, watch=self.pressure.committed
        )
        self.watch = StoreWatch(self.store, self.pressure, lambda used, most: None)
        self._number = 0

    async def accept(self, body: bytes = b"{}") -> str:
        self._number += 1
        return (await self.store.accept(a_call(self.clock, self._number), body)).call.id

    def refused(self) -> set[Class]:
        out = set()
        for cls in Class:
            try:
                self.pressure.check(cls, interactive=True)
            except StoreUnavailable:
                out.add(cls)
        return out

    async def red(self) -> str:
        """Return what `/readyz` says of the store; empty: it is green."""
        verdict = await Readiness({"store": self.watch.well}, self.clock.monotonic).verdict()
        return "" if verdict.ready else verdict.checks["store"]


async def fill_up(sick: Sick) -> Callable[[], Awaitable[None]]:
    await limit_pages(sick.store, 2)
    return lambda: limit_pages(sick.store, 10_000)


async def break_down(sick: Sick) -> Callable[[], Awaitable[None]]:
    sick.disk.error = sqlite3.OperationalError("disk I/O error")

    async def mend() -> None:
        sick.disk.error = None

    return mend


async def make_read_only(sick: Sick) -> Callable[[], Awaitable[None]]:
    """Every connection that the writer opens may only read, as when a file system was mounted again without writing."""
    database = sick.store._book.database
    as_before = database.connect

    def to_read() -> sqlite3.Connection:
        connection = as_before()
        connection.execute("PRAGMA query_only=ON")
        return connection

    async def mend() -> None:
        database.connect = as_before

    database.connect = to_read
    await sick.store._write("pragma", lambda batch: batch._connection.execute("PRAGMA query_only=ON"))
    return mend


async def lock(sick: Sick) -> Callable[[], Awaitable[None]]:
    other = sqlite3.connect(sick.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def unlock() -> None:
        other.close()

    return unlock


@pytest.mark.parametrize(
    ("trouble", "says"),
    [(fill_up, "full"), (break_down, "disk I/O error"), (make_read_only, "readonly"), (lock, "locked")],
)
async def test_a_sick_file_closes_the_doors_and_opens_them_again_by_itself(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Callable[[Sick], Awaitable[Callable[[], Awaitable[None]]]],
    says: str,
) -> None:
    monkeypatch.setattr("hub.store.sqlite._BUSY_SECONDS", 0.05)
    sick = Sick(tmp_path / "hub.db")
    told = [await sick.accept()]
    assert (sick.refused(), await sick.red()) == (set(), "")

    mend = await trouble(sick)
    with pytest.raises(StoreUnavailable) as refusal:
        await sick.accept(BIG)
    assert refusal.value.retry_after
    assert sick.refused() == set(Class)
    assert says in await sick.red()
    await sick.watch.try_out()
    assert sick.refused() == set(Class), "it is sick as long as a trial fails"

    await mend()
    await sick.watch.try_out()
    assert (sick.refused(), await sick.red()) == (set(), "")
    told.append(await sick.accept(BIG))
    assert {record.call.id for record in await sick.store.find(Sought())} == set(told), "nothing is there by half"
    assert await sick.store.backlog("npsp") == len(await sick.store.find(Sought(state=State.QUEUED))) == 2
    assert first_break(await sick.store.journal()) is None
    await sick.store.close()


async def test_a_disk_that_stands_still_is_seen_before_its_commit_ends(tmp_path: Path) -> None:
    sick = Sick(tmp_path / "hub.db")
    await sick.accept()
    assert sick.store.waiting_seconds() == 0.0
    sick.disk.moves.clear()
    waiting = [asyncio.ensure_future(sick.accept()) for _ in range(3)]
    await asyncio.to_thread(sick.disk.stands.wait, 30)
    sick.clock.advance(SLOW_SECONDS[1])
    sick.pressure.waits(sick.store.waiting_seconds())
    assert sick.refused() == {Class.BULK, Class.NORMAL}
    sick.clock.advance(SLOW_SECONDS[2])
    sick.pressure.waits(sick.store.waiting_seconds())
    assert sick.refused() == set(Class)
    assert await sick.red() == "slow: a commit takes 6.0 s"
    sick.disk.moves.set()
    assert len(await asyncio.gather(*waiting)) == 3, "what waited is written"
    assert (sick.refused(), sick.store.waiting_seconds()) == (set(), 0.0)
    await sick.accept()
    assert await sick.red() == ""
    await sick.store.close()


async def test_a_disk_that_breaks_fails_all_who_wait_at_once(tmp_path: Path) -> None:
    """Each for itself they would meet the same error, and a sick disk takes its time over each."""
    sick = Sick(tmp_path / "hub.db")
    broken = sqlite3.OperationalError("disk I/O error")
    broken.sqlite_errorcode = sqlite3.SQLITE_IOERR
    tries: list[str] = []

    def breaks(moment: str) -> None:
        if moment == "accept.before_commit":
            tries.append(moment)
            raise broken

    sick.store._line.writer._failpoint = breaks
    ended = await asyncio.gather(*(sick.accept() for _ in range(50)), return_exceptions=True)
    assert {type(one) for one in ended} == {StoreUnavailable}
    assert len(tries) == 1
    await sick.store.close()
