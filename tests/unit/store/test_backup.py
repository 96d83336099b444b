"""A copy of the store is whole, private, of one moment, and never takes the place of another file."""

import asyncio
import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest
from pydantic_core import from_json

from hub.clock import SystemClock, VirtualClock
from hub.journal import first_break
from hub.store.backup import PAGES, BackupRefused, back_up, copied_at
from hub.store.schema import REVISION
from hub.store.sqlite import SqliteStore
from tests.unit.store.test_store_trouble import BIG, BOUNDS, a_call


async def filled(path: Path, calls: int = 40) -> tuple[SqliteStore, VirtualClock]:
    clock = VirtualClock()
    store = SqliteStore.open_file(path, clock, backlog_calls=BOUNDS)
    for number in range(calls):
        await store.accept(a_call(clock, number), BIG)
    return store, clock


def counted(path: Path, table: str = "calls") -> int:
    connection = sqlite3.connect(path)
    (number,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    connection.close()
    return int(number)


async def test_a_copy_is_what_its_line_says(tmp_path: Path) -> None:
    store, clock = await filled(tmp_path / "hub.db")
    copy = tmp_path / "copy.db"
    made = back_up(tmp_path / "hub.db", copy, clock.now, lambda done, pages: None)
    assert (made.revision, made.journal_seq, made.size) == (REVISION, 40, copy.stat().st_size)
    assert made.sha256 == sha256(copy.read_bytes()).hexdigest()
    assert copy.stat().st_mode & 0o777 == 0o600
    assert (await store.journal())[-1].hash.hex() == made.journal_hash
    line = from_json(made.line("2026-11-27T08:30:00+07:00"))
    assert set(line) == {"moment", "revision", "journal_seq", "journal_hash", "size", "sha256"}
    assert copied_at(copy) == made.moment > clock.now()
    assert copied_at(tmp_path / "hub.db") is None, "what was copied is none"
    assert sorted(file.name for file in tmp_path.glob("copy*")) == ["copy.db"]  # noqa: ASYNC240
    await store.close()


async def test_the_hub_goes_on_while_it_is_copied_and_the_copy_is_of_one_moment(tmp_path: Path) -> None:
    store, clock = await filled(tmp_path / "hub.db", 200)
    copy, loop, steps = tmp_path / "copy.db", asyncio.get_running_loop(), list[int]()

    def progress(done: int, pages: int) -> None:
        steps.append(done)
        accepted = asyncio.run_coroutine_threadsafe(store.accept(a_call(clock, 1000 + len(steps)), BIG), loop)
        assert accepted.result(30).new

    made = await asyncio.to_thread(back_up, tmp_path / "hub.db", copy, clock.now, progress)
    assert len(steps) > 3, "the copy took several steps, and did not begin again at each commit"
    assert steps == sorted(steps)
    assert (counted(copy), made.journal_seq) == (200, 200)
    assert counted(tmp_path / "hub.db") == 200 + len(steps)
    await store.close()
    again = SqliteStore.open_file(copy, clock, backlog_calls=BOUNDS)
    assert first_break(await again.journal()) is None
    await again.close()
    assert copy.stat().st_size > PAGES * 4096


async def test_no_file_is_overwritten_and_nothing_is_left_of_a_copy_that_failed(tmp_path: Path) -> None:
    store, clock = await filled(tmp_path / "hub.db", 3)
    await store.close()

    def copied(target: str, source: str = "hub.db") -> None:
        back_up(tmp_path / source, tmp_path / target, clock.now, lambda done, pages: None)

    (tmp_path / "there.db").write_text("mine")
    with pytest.raises(BackupRefused, match="not overwritten"):
        copied("there.db")
    assert (tmp_path / "there.db").read_text() == "mine"
    (tmp_path / "half.db.part").write_text("half")
    with pytest.raises(BackupRefused, match="under way or was cut off"):
        copied("half.db")
    assert (tmp_path / "half.db.part").exists()
    with pytest.raises(BackupRefused, match="does not exist"):
        copied("copy.db", "nothing.db")
    with pytest.raises(BackupRefused, match="cannot be written"):
        copied("nowhere/copy.db")
    (tmp_path / "broken.db").write_bytes(b"no database" * 1000)
    with pytest.raises(BackupRefused, match="was not made"):
        copied("copy.db", "broken.db")
    assert not (tmp_path / "copy.db").exists()
    assert not (tmp_path / "copy.db.part").exists()


async def test_a_copy_that_was_served_is_none_any_more(tmp_path: Path) -> None:
    store, clock = await filled(tmp_path / "hub.db", 3)
    await store.close()
    made = back_up(tmp_path / "hub.db", tmp_path / "copy.db", clock.now, lambda done, pages: None)
    again = SqliteStore.open_file(tmp_path / "copy.db", clock, backlog_calls=BOUNDS)
    clock.advance(10)
    assert (await again.restore(made.moment, {})).moved is not None
    await again.close()
    assert copied_at(tmp_path / "copy.db") is None
    assert copied_at(tmp_path / "never.db") is None


async def test_a_store_says_how_large_it_is_and_what_removed_records_leave_is_room(tmp_path: Path) -> None:
    store, _ = await filled(tmp_path / "hub.db", 50)
    full = await store.room()
    assert full.used > 50 * len(BIG)
    assert full.capacity is not None
    assert full.capacity > full.used
    await store._write("remove", lambda batch: batch._connection.execute("DELETE FROM bodies"))
    await store._write("truncate", lambda batch: None)
    connection = sqlite3.connect(tmp_path / "hub.db")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert (await store.room()).used < full.used - 40 * len(BIG)
    await store.close()


async def test_a_trial_is_written_and_leaves_nothing(tmp_path: Path) -> None:
    store = SqliteStore.open_file(tmp_path / "hub.db", SystemClock(), backlog_calls=BOUNDS)
    await store.try_out()
    await store.try_out()
    assert counted(tmp_path / "hub.db", "bodies") == 0
    await store.close()
