"""One writer: what is committed together, what fails alone, and what happens when COMMIT itself is unclear."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hub.call import Call, Class, Kind, Purpose, State, uuid7
from hub.clock import VirtualClock, run_virtual
from hub.errors import Internal, StoreUnavailable
from hub.journal import first_break
from hub.store.batch import Book
from hub.store.protocol import Settled, Settlement, Sought
from hub.store.sqlite import SqliteStore, StoreInUse
from hub.store.writer import ThreadedLine

CLOCK = VirtualClock()
BOUNDS = {"npsp": 100}


def a_call(number: int, **changes: Any) -> Call:
    now = CLOCK.now()
    values: dict[str, Any] = {"due_at": now, "step": "file_dossier"} | changes
    return Call(
        uuid7(now, lambda size: number.to_bytes(size, "big")), "npsp", "file_dossier", Kind.FILING, Class.NORMAL, False,
        "onestop", Purpose(), f"{number:064x}", now, now + 1000, **values,
    )  # fmt: skip


class Unreliable(sqlite3.Connection):
    """A connection whose COMMIT raises: before it is done, or after."""

    fail: str = ""
    failed = 0

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:  # type: ignore[override]
        if sql == "COMMIT" and Unreliable.fail:
            when, Unreliable.fail = Unreliable.fail, ""
            Unreliable.failed += 1
            if when == "after":
                super().execute(sql)
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *args)


@pytest.fixture
def unreliable(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    connect = sqlite3.connect

    def other(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        return connect(*args, **({"factory": Unreliable} | kwargs))

    monkeypatch.setattr("hub.store.sqlite.sqlite3.connect", other)
    monkeypatch.setattr(Unreliable, "fail", "")
    return lambda when: setattr(Unreliable, "fail", when)


@pytest.fixture(params=["memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., SqliteStore]:
    def store(**more: Any) -> SqliteStore:
        if request.param == "memory":
            return SqliteStore.in_memory(CLOCK, backlog_calls=BOUNDS, **more)
        return SqliteStore.open_file(tmp_path / "hub.db", CLOCK, backlog_calls=BOUNDS, **more)

    return store


async def test_what_one_tick_brought_is_one_commit(make: Callable[..., SqliteStore]) -> None:
    commits: list[int] = []
    store = make(on_commit=lambda _seconds, members: commits.append(members))
    await asyncio.gather(*(store.accept(a_call(number), b"{}") for number in range(32)))
    await store.close()
    assert commits == [32]


async def test_a_refused_member_does_not_disturb_the_others(make: Callable[..., SqliteStore]) -> None:
    store = make()
    calls = [a_call(1, idempotency_key="k"), a_call(2, idempotency_key="k"), a_call(3)]
    ended = await asyncio.gather(*(store.accept(call, b"{}") for call in calls), return_exceptions=True)
    assert [type(one).__name__ for one in ended] == ["Accepted", "IdempotencyConflict", "Accepted"]
    assert len(await store.find(Sought())) == 2
    await store.close()


async def test_one_bad_member_fails_alone_and_the_others_are_written(make: Callable[..., SqliteStore]) -> None:
    commits: list[int] = []
    store = make(on_commit=lambda _seconds, members: commits.append(members))
    twice = a_call(1)
    ended = await asyncio.gather(
        *(store.accept(call, b"{}") for call in (twice, a_call(2), twice)), return_exceptions=True
    )
    assert [type(one).__name__ for one in ended] == ["Accepted", "Accepted", "Internal"]
    assert "calls.id" in str(ended[2])
    assert len(await store.find(Sought())) == 2
    assert await store.backlog("npsp") == 2
    assert first_break(await store.journal()) is None
    await store.close()


async def test_a_member_with_a_fault_of_ours_is_rolled_back_whole(make: Callable[..., SqliteStore]) -> None:
    store = make()

    def writes_then_fails(batch: Any) -> None:
        batch.run(batch.say.insert_body, {"call": "x", "side": "request", "bytes": b""})
        raise ZeroDivisionError

    with pytest.raises(Internal) as caught:
        await store._line.do("bad", writes_then_fails)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    await store._line.do(
        "again", lambda batch: batch.run(batch.say.insert_body, {"call": "x", "side": "request", "bytes": b""})
    )
    await store.close()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_commit_without_a_clear_answer_is_resolved_by_reading_back(
    unreliable: Callable[[str], None], tmp_path: Path, when: str
) -> None:
    store = SqliteStore.open_file(tmp_path / "hub.db", CLOCK, backlog_calls=BOUNDS)
    await store.accept(a_call(1), b"{}")
    unreliable(when)
    calls = [a_call(2), a_call(3)]
    ended = await asyncio.gather(*(store.accept(call, b"{}") for call in calls), return_exceptions=True)
    there = [await store.get(call.id) is not None for call in calls]
    if when == "after":
        assert [type(one).__name__ for one in ended] == ["Accepted"] * 2
        assert there == [True, True]
    else:
        assert [type(one).__name__ for one in ended] == ["StoreUnavailable"] * 2
        assert there == [False, False]
    await store.accept(a_call(4), b"{}")
    assert await store.backlog("npsp") == len(await store.find(Sought()))
    assert first_break(await store.journal()) is None
    await store.close()


async def test_a_lease_whose_commit_was_unclear_is_told_as_not_taken(
    unreliable: Callable[[str], None], tmp_path: Path
) -> None:
    """It writes no entry to read back; a lease that was taken after all ends by itself."""
    store = SqliteStore.open_file(tmp_path / "hub.db", CLOCK, backlog_calls=BOUNDS)
    await store.accept(a_call(1), b"{}")
    unreliable("after")
    with pytest.raises(StoreUnavailable):
        await store.lease("npsp", "node-1", {Class.NORMAL: 1}, 60)
    await store.close()


async def test_a_store_that_cannot_be_written_says_so_and_when_to_ask_again(tmp_path: Path) -> None:
    store = SqliteStore.open_file(tmp_path / "hub.db", CLOCK, backlog_calls=BOUNDS)
    store._line.writer.connection().execute("PRAGMA query_only=ON")
    with pytest.raises(StoreUnavailable) as caught:
        await store.accept(a_call(1), b"{}")
    assert caught.value.retry_after
    store._line.writer.connection().execute("PRAGMA query_only=OFF")
    assert (await store.accept(a_call(1), b"{}")).new
    await store.close()


async def test_a_store_that_is_locked_fails_a_whole_tick_after_one_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.store.sqlite._BUSY_SECONDS", 0.05)
    store = SqliteStore.open_file(tmp_path / "hub.db", CLOCK, backlog_calls=BOUNDS)
    other = sqlite3.connect(tmp_path / "hub.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ended = await asyncio.gather(*(store.accept(a_call(number), b"{}") for number in range(3)), return_exceptions=True)
    assert [type(one).__name__ for one in ended] == ["StoreUnavailable"] * 3
    other.execute("ROLLBACK")
    other.close()
    assert (await store.accept(a_call(9), b"{}")).new
    await store.close()


async def test_a_second_process_may_not_serve_the_same_file(tmp_path: Path) -> None:
    store = SqliteStore.open_file(tmp_path / "hub.db", CLOCK, backlog_calls=BOUNDS)
    with pytest.raises(StoreInUse, match="Stop it first"):
        SqliteStore.open_file(tmp_path / "hub.db", CLOCK, backlog_calls=BOUNDS)
    await store.close()
    await SqliteStore.open_file(tmp_path / "hub.db", CLOCK, backlog_calls=BOUNDS).close()


async def test_closing_writes_what_waits_and_refuses_the_rest(make: Callable[..., SqliteStore]) -> None:
    store = make()
    waiting = asyncio.ensure_future(store.accept(a_call(1), b"{}"))
    await asyncio.sleep(0)
    await store.close()
    assert (await waiting).new
    with pytest.raises(StoreUnavailable):
        await store.accept(a_call(2), b"{}")
    with pytest.raises(StoreUnavailable):
        await store.get("x")
    await store.close()


async def test_what_waits_to_be_written_is_bounded() -> None:
    store = SqliteStore.in_memory(CLOCK, backlog_calls=BOUNDS)
    store._line._most_waiting = 2
    ended = await asyncio.gather(*(store.accept(a_call(number), b"{}") for number in range(3)), return_exceptions=True)
    assert [type(one).__name__ for one in ended] == ["Accepted", "Accepted", "StoreUnavailable"]
    await store.close()


async def test_a_caller_that_goes_away_leaves_what_was_written(make: Callable[..., SqliteStore]) -> None:
    store = make()
    call = a_call(1)
    gone = asyncio.ensure_future(store.accept(call, b"{}"))
    await asyncio.sleep(0)
    gone.cancel()
    await store.accept(a_call(2), b"{}")
    assert await store.get(call.id) is not None
    await store.close()


async def test_failpoints_stand_on_both_sides_of_each_commit(make: Callable[..., SqliteStore]) -> None:
    passed: list[str] = []
    store = make(failpoint=passed.append)
    call = (await store.accept(a_call(1), b"{}")).call
    (leased,) = await store.lease("npsp", "node-1", {Class.NORMAL: 1}, 60)
    await store.begin(call.id, leased.call.fence, "node-1")
    settled = await store.settle(Settlement(call.id, leased.call.fence, 1, State.ANSWERED, "answered"))
    assert settled is Settled.APPLIED
    await store.open(a_call(2, due_at=0.0), "node-1", "d", 1)
    await store.close()
    assert passed == [
        f"{name}.{side}_commit"
        for name in ("accept", "lease", "begin", "settle", "open")
        for side in ("before", "after")
    ]


def test_the_store_in_memory_runs_under_a_virtual_loop() -> None:
    clock = VirtualClock()

    async def scenario() -> float:
        store = SqliteStore.in_memory(clock, backlog_calls=BOUNDS)
        await store.accept(a_call(1, due_at=clock.now() + 3600), b"{}")
        assert not await store.lease("npsp", "node-1", {Class.NORMAL: 1}, 60)
        await asyncio.sleep(3600)
        assert await store.lease("npsp", "node-1", {Class.NORMAL: 1}, 60)
        await store.close()
        return clock.monotonic()

    assert run_virtual(scenario(), clock) == 3600


async def test_the_count_of_the_backlog_agrees_with_the_table_after_any_walk(make: Callable[..., SqliteStore]) -> None:
    random, store = Random(7), make()
    states = [State.ANSWERED, State.IN_DOUBT, State.DEAD, State.QUEUED]
    for number in range(120):
        if await store.backlog("npsp") < 50:
            await store.accept(a_call(number, repeat_safe=bool(number % 2)), b"{}")
        for leased in await store.lease("npsp", "node-1", {Class.NORMAL: 2}, 60):
            exchange = await store.begin(leased.call.id, leased.call.fence, "node-1") if random.random() < 0.8 else None
            if exchange is not None and random.random() < 0.8:
                to = random.choice(states)
                await store.settle(Settlement(leased.call.id, leased.call.fence, exchange, to, "answered"))
        for record in await store.find(Sought(state=random.choice(states), limit=2)):
            await store.decide(record.call.id, random.choice(states), "operator")
        if number % 30 == 0:
            await store.recover("node-1")
    queued, sending = [await store.find(Sought(state=state, limit=999)) for state in (State.QUEUED, State.SENDING)]
    assert await store.backlog("npsp") == len(queued) + len(sending)
    await store.close()


async def test_the_writer_has_a_thread_only_for_a_file(make: Callable[..., SqliteStore], tmp_path: Path) -> None:
    store = make()
    assert isinstance(store._line, ThreadedLine) == (tmp_path / "hub.db").exists()
    assert isinstance(store._book, Book)
    await store.close()
