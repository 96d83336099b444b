"""A process killed at each commit boundary of the store leaves what was told, and nothing that was not begun."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hub.call import State
from hub.clock import SystemClock
from hub.journal import first_break
from hub.store.postgres import PostgresStore
from hub.store.protocol import Sought
from hub.store.sql_store import SqlStore
from hub.store.sqlite import SqliteStore

CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from hub.call import Call, Class, Kind, Purpose, State
from hub.clock import SystemClock
from hub.store.postgres import PostgresStore
from hub.store.protocol import Settlement
from hub.store.sqlite import SqliteStore

where, moment, repeat_safe = sys.argv[1], sys.argv[2], sys.argv[3] == "repeat-safe"

def opened(**more):
    if where.startswith("postgresql:"):
        return PostgresStore.connect(where, "node-1", SystemClock(), **more)
    return SqliteStore.open_file(Path(where), SystemClock(), **more)

def die(passed):
    if passed == moment:
        os.kill(os.getpid(), signal.SIGKILL)

def call(number, interactive, key=None):
    now = SystemClock().now()
    kind = Kind.LOOKUP if interactive else Kind.FILING
    return Call(f"call-{number}", "npsp", "x", kind, Class.NORMAL, interactive, "onestop", Purpose(), "f", now, now + 99,
                now, "x", repeat_safe, idempotency_key=key)

def tell(word):
    print(word, flush=True)

async def main():
    store = opened(backlog_calls={"npsp": 9}, failpoint=die)
    await store.accept(call(1, False, "key"), b"{}"); tell("accepted")
    (leased,) = await store.lease("npsp", "node-1", {Class.NORMAL: 1}, 600)
    number = await store.begin("call-1", leased.call.fence, "node-1"); tell("begun")
    await store.open(call(2, True), "node-1", "d", 1); tell("opened")
    await store.settle(Settlement("call-1", leased.call.fence, number, State.ANSWERED, "answered", answer=b"1", result="ok"))
    tell("settled")
    raise SystemExit("did not die")

asyncio.run(main())
"""

FLOOD = (
    CHILD.split("async def main")[0]
    + """
async def one(store, number):
    await store.accept(call(number, False), b"{}")
    os.write(1, f"call-{number}\\n".encode())

async def main():
    store = opened(backlog_calls={"npsp": 10**6})
    for batch in range(10**6):
        await asyncio.gather(*(one(store, batch * 32 + number) for number in range(32)))

asyncio.run(main())
"""
)


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A file, or the address of a database."""
    return request.getfixturevalue("database") if request.param == "postgres" else str(tmp_path / "hub.db")


def opened(where: str) -> SqlStore:
    bounds = {"npsp": 9}
    if where.startswith("postgresql:"):
        return PostgresStore.connect(where, "node-1", SystemClock(), backlog_calls=bounds)
    return SqliteStore.open_file(Path(where), SystemClock(), backlog_calls=bounds)


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


def _die_at(where: str, moment: str, nature: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", CHILD, where, moment, nature]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=_environment(), check=False)


def _kill_while_accepting(where: str) -> list[bytes]:
    """Return what a process told of its accepts before it was killed in the middle of them."""
    command = [sys.executable, "-c", FLOOD, where, "", "careful"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=_environment()) as child:
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(500)]
        child.kill()
        return told + child.stdout.readlines()


Q, A, D, E = State.QUEUED, State.ANSWERED, State.IN_DOUBT, State.EXPIRED
AFTER = [
    # died at, last word heard, then after recovery: a careful filing, a repeat-safe one, the interactive look-up
    ("accept.before_commit", "", None, None, None),
    ("accept.after_commit", "", Q, Q, None),
    ("lease.after_commit", "accepted", Q, Q, None),
    ("begin.before_commit", "accepted", Q, Q, None),
    ("begin.after_commit", "accepted", D, Q, None),
    ("open.before_commit", "begun", D, Q, None),
    ("open.after_commit", "begun", D, Q, E),
    ("settle.before_commit", "opened", D, Q, E),
    ("settle.after_commit", "opened", A, A, E),
]


@pytest.mark.parametrize("nature", ["careful", "repeat-safe"])
@pytest.mark.parametrize(("moment", "heard", "careful", "safe", "looked_up"), AFTER, ids=[row[0] for row in AFTER])
async def test_a_process_killed_at_a_commit_boundary_leaves_what_design_says(
    where: str,
    nature: str,
    moment: str,
    heard: str,
    careful: State | None,
    safe: State | None,
    looked_up: State | None,
) -> None:
    child = _die_at(where, moment, nature)
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert (child.stdout.split() or [""])[-1] == heard

    store = opened(where)
    await store.recover("node-1")
    filing, lookup = await store.get("call-1"), await store.get("call-2")
    assert (filing and filing.call.state) == (careful if nature == "careful" else safe)
    assert (lookup and lookup.call.state) == looked_up
    assert (filing.answer if filing else None) == (b"1" if moment == "settle.after_commit" else None)
    assert first_break(await store.journal()) is None
    on_the_wire = {one.call_id for one in await store.occupied(0.0)}
    left_unsettled = filing is not None and filing.call.exchange_no == 1 and filing.call.state is not A
    assert on_the_wire == ({"call-1"} if left_unsettled else set()) | ({"call-2"} if lookup else set())
    await store.close()


async def test_many_calls_at_once_told_means_kept(where: str) -> None:
    """Thirty-two callers at a time, killed without warning: every call whose acceptance was heard is there."""
    told = _kill_while_accepting(where)
    store = opened(where)
    there = {record.call.id for record in await store.find(Sought(limit=10**6))}
    assert {line.decode().strip() for line in told if line.endswith(b"\n")} <= there
    assert first_break(await store.journal(limit=10**6)) is None
    await store.close()


async def test_a_killed_process_does_not_keep_the_file(tmp_path: Path) -> None:
    child = _die_at(str(tmp_path / "hub.db"), "accept.after_commit", "careful")
    assert child.returncode == -signal.SIGKILL
    store = opened(str(tmp_path / "hub.db"))
    assert await store.backlog("npsp") == 1
    await store.close()
    connection = sqlite3.connect(tmp_path / "hub.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
