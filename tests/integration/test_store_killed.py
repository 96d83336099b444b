"""A process that serves one file, killed at any moment and started again, time after time: what it told is there."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from hub.call import State
from hub.clock import SystemClock
from hub.journal import first_break
from hub.store.batch import day_of
from hub.store.protocol import Sought
from hub.store.sqlite import SqliteStore, StoreInUse

LIFE = """
import asyncio, os, sys
from pathlib import Path
from hub.call import Call, Class, Kind, Purpose, State
from hub.clock import SystemClock
from hub.store.protocol import Settlement
from hub.store.sqlite import SqliteStore

life, clock = sys.argv[2], SystemClock()

def tell(word, call):
    os.write(1, f"{word} {call}\\n".encode())

async def accept(store, number):
    now = clock.now()
    call = Call(f"{life}-{number}", "npsp", "x", Kind.FILING, Class.NORMAL, False, "onestop", Purpose(), "f", now,
                now + 999, now, "x", repeat_safe=bool(number % 2))
    await store.accept(call, b"{}")
    tell("accepted", call.id)

async def send(store, leased):
    call = leased.call
    number = await store.begin(call.id, call.fence, "node-1")
    tell("begun", call.id)
    settled = Settlement(call.id, call.fence, number, State.ANSWERED, "answered", answer=call.id.encode(), result="ok")
    assert await store.settle(settled) == "applied"
    tell("settled", call.id)

async def main():
    store = SqliteStore.open_file(Path(sys.argv[1]), clock, backlog_calls={"npsp": 10**6})
    await store.recover("node-1")
    tell("serving", life)
    for turn in range(10**6):
        accepting = [accept(store, turn * 8 + number) for number in range(8)]
        sending = [send(store, leased) for leased in await store.lease("npsp", "node-1", {Class.NORMAL: 6}, 60)]
        await asyncio.gather(*accepting, *sending)

asyncio.run(main())
"""


def begin_a_life(path: Path, life: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", LIFE, str(path), f"life{life}"],
        stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


def live_and_die(path: Path, life: int, lines: int) -> list[tuple[str, str]]:
    """Run until *lines* were heard, kill, and return all that was heard whole."""
    child = begin_a_life(path, life)
    assert child.stdout is not None
    heard = [child.stdout.readline() for _ in range(lines)]
    child.kill()
    heard += child.stdout.readlines()
    child.stdout.close()
    assert child.wait(60) == -signal.SIGKILL
    words = [line.decode().split() for line in heard if line.endswith(b"\n")]
    return [(word, call) for word, call in words]


@pytest.mark.process
@pytest.mark.parametrize("seed", [1, 2])
async def test_what_was_told_outlives_every_kill(tmp_path: Path, seed: int) -> None:
    path, random = tmp_path / "hub.db", Random(seed)
    heard: dict[str, set[str]] = {"serving": set(), "accepted": set(), "begun": set(), "settled": set()}
    for life in range(4):
        for word, call in live_and_die(path, life, random.randrange(1, 400)):
            heard[word].add(call)

    store = SqliteStore.open_file(path, SystemClock(), backlog_calls={})
    await store.recover("node-1")
    records = {record.call.id: record for record in await store.find(Sought(limit=10**6))}
    states = Counter(record.call.state for record in records.values())
    assert heard["accepted"] <= records.keys()
    assert heard["settled"] <= {call for call, record in records.items() if record.call.state is State.ANSWERED}
    for call in heard["settled"]:
        record = await store.get(call)
        assert record is not None
        assert record.answer == call.encode()
    for call in heard["begun"] - heard["settled"]:
        careful = not records[call].call.repeat_safe
        assert records[call].call.state in {State.ANSWERED, State.IN_DOUBT if careful else State.QUEUED}
    assert all(records[call].call.exchange_no > 0 for call in heard["begun"])
    assert states[State.SENDING] == 0
    assert await store.backlog("npsp") == states[State.QUEUED]
    exchanges = sum(record.call.exchange_no for record in records.values())
    today = day_of(SystemClock().now())
    yesterday = day_of(SystemClock().now() - 3600)
    assert exchanges == sum([await store.sent_on_day("npsp", day) for day in {today, yesterday}])
    assert first_break(await store.journal(limit=10**6)) is None
    await store.close()


@pytest.mark.process
async def test_a_file_is_served_by_one_process_and_free_when_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    child = begin_a_life(path, 1)
    assert child.stdout is not None
    assert child.stdout.readline() == b"serving life1\n"
    with pytest.raises(StoreInUse):
        SqliteStore.open_file(path, SystemClock(), backlog_calls={})
    child.kill()
    child.stdout.close()
    child.wait(60)
    await SqliteStore.open_file(path, SystemClock(), backlog_calls={}).close()
