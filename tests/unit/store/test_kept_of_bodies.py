"""Of a body that is not kept, digest and size are: they prove later what was asked and what was said."""

import sqlite3
from pathlib import Path

from hub.call import Call, Class, Kind, Purpose
from hub.clock import VirtualClock
from hub.store.protocol import Follower, Shared
from hub.store.rows import digest_of
from hub.store.sqlite import SqliteStore

ANSWER = b'{"result":"ok","value":null,"reason":null}'


async def test_of_a_follower_digest_and_size_of_request_and_answer_are_kept(tmp_path: Path) -> None:
    store = SqliteStore.open_file(tmp_path / "hub.db", VirtualClock(), backlog_calls={})
    call = Call(
        "c1", "police", "lookup_citizen", Kind.LOOKUP, Class.COUNTER, True, "onestop", Purpose("o", "u", "D"), "f", 1.0,
        31.0, 1.0, "lookup_citizen",
    )  # fmt: skip
    await store.follow(Shared("c0", ANSWER, "ok", "found", 1.0), [Follower(call, "d" * 64, 77)])
    await store.close()
    with sqlite3.connect(tmp_path / "hub.db") as file:
        row = file.execute("SELECT request_digest, request_size, answer_digest, answer_size FROM calls").fetchone()
        bodies = file.execute("SELECT count(*) FROM bodies").fetchone()
    file.close()
    assert row == ("d" * 64, 77, digest_of(ANSWER), len(ANSWER))
    assert bodies == (0,)
