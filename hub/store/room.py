"""How much a store holds, how much it could hold, and whether it takes anything at all just now."""

import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, delete, insert

from hub.store.batch import Batch
from hub.store.prepared import Prepared
from hub.store.schema import bodies
from hub.store.statements import Statements

TRIAL_BYTES = 65_536
"""A trial asks for as much room as a large request does: a full disk still takes a few bytes."""


@dataclass(frozen=True, slots=True)
class Room:
    """The size of a store, in bytes."""

    used: int
    """What records occupy, and what waits to be put in its place; room that removed records left counts as free."""
    capacity: int | None
    """The most there could be: what is on disk, and what is free there. None: the store cannot tell."""


class TrialStatements:
    """What a trial writes, compiled once."""

    def __init__(self, statements: Statements) -> None:
        columns: dict[str, Any] = {name: bindparam(name) for name in ("call", "side", "bytes")}
        self.put: Prepared = statements.prepare(insert(bodies).values(columns))
        self.drop: Prepared = statements.prepare(
            delete(bodies).where(bodies.c.call == bindparam("call"), bodies.c.side == bindparam("side"))
        )


def try_out(batch: Batch, say: TrialStatements) -> None:
    """Write a body and take it out again, in one commit: returns when the disk took it, and leaves nothing."""
    trial = {"call": f"trial {batch.now!r}", "side": "trial"}  # no call's id, and hardly that of another node's trial
    batch.run(say.put, trial | {"bytes": bytes(TRIAL_BYTES)})
    batch.run(say.drop, trial)


def room_of_file(connection: sqlite3.Connection, path: Path) -> Room:
    """Measure the SQLite file *path*, open as *connection*, with the log beside it and the disk below."""
    asked = ("page_size", "page_count", "freelist_count")
    size, pages, free = (int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in asked)
    log = path.with_name(path.name + "-wal")
    logged = log.stat().st_size if log.exists() else 0
    return Room(size * (pages - free) + logged, size * pages + logged + shutil.disk_usage(path.parent).free)


def room_in_memory(connection: sqlite3.Connection) -> Room:
    """Measure a store that lives in memory: nothing bounds it but the process."""
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    return Room(size * pages, None)
