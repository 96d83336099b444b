"""
A copy of the embedded store while a hub writes it, and the line that says what it is. SQLite only; PostgreSQL has tools.

The copy is one moment: a reading transaction is open as long as pages are copied, so that the hub's commits go on beside
it and none of them is in it by half. Until the copy is complete, what the hub writes stays in `-wal`: the disk needs room
for it.
"""

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from pathlib import Path

from pydantic_core import to_json

from hub.call import BUILT_IN

PAGES = 512
"""Copied between two reports: 2 MiB."""
COPY = {"caller": BUILT_IN, "agency": "/copy"}
"""The row of `cursors` that makes a copy known as one: a hub does not serve it unless it is told what to do."""
_MARK = "INSERT OR REPLACE INTO cursors (caller, agency, seq, moved_at) VALUES (?, ?, 0, ?)"


class BackupRefused(Exception):
    """The copy was not made; nothing is left of it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a copy is. It lies beside the copy as one line of JSON."""

    moment: float
    """Unix seconds: everything in the copy was written before, nothing of it after."""
    revision: str
    journal_seq: int
    """Number of the last entry of the journal."""
    journal_hash: str
    size: int
    """Bytes of the file."""
    sha256: str

    def line(self, moment: str) -> bytes:
        """Return the line, with the *moment* as it is written for people and for `hub serve --after-restore`."""
        told = {name: getattr(self, name) for name in self.__slots__} | {"moment": moment}
        return to_json(told) + b"\n"


def back_up(store: Path, target: Path, now: Callable[[], float], progress: Callable[[int, int], None]) -> Manifest:
    """
    Copy *store* to *target*, readable by this user alone; *progress* hears pages done and pages in all.

    Raises:
        BackupRefused: There is something at *target* already, or the store or the disk did not let it be made.
    """
    if not target.name:
        raise BackupRefused("name the file into which the store is copied")
    part = target.with_name(target.name + ".part")
    if not store.exists():
        raise BackupRefused(f"{store} does not exist; start the hub once, or use its settings")
    if os.path.lexists(target):  # also a link that leads nowhere
        raise BackupRefused(f"{target} exists and is not overwritten; name another file")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise BackupRefused(f"{part} exists: a backup is under way or was cut off; delete it if none is") from None
    except OSError as error:
        raise BackupRefused(f"{target} cannot be written ({error.strerror}); name another place") from None
    try:
        manifest = _copied(store, part, now, progress)
        part.replace(target)
    except (sqlite3.Error, OSError) as error:
        raise BackupRefused(f"the copy was not made: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return manifest


def copied_at(store: Path) -> float | None:
    """Return when *store* was copied, None when it is no copy, or one that serves already."""
    if not store.exists():
        return None
    connection = sqlite3.connect(store)
    try:
        asked = "SELECT moved_at FROM cursors WHERE caller = ? AND agency = ?"
        row = connection.execute(asked, tuple(COPY.values())).fetchone()
    except sqlite3.Error:  # no tables yet
        return None
    finally:
        connection.close()
    return None if row is None else float(row[0])


def _copied(store: Path, part: Path, now: Callable[[], float], progress: Callable[[int, int], None]) -> Manifest:
    source = sqlite3.connect(store, isolation_level=None, timeout=5.0)
    copy = sqlite3.connect(part, isolation_level=None)
    try:
        source.execute("PRAGMA query_only=ON")
        source.execute("BEGIN")
        written = source.execute("SELECT version_num FROM alembic_version").fetchone()
        if written is None:
            raise BackupRefused(
                f"{store} says of no version that it made its tables: is `hub.store` the file you mean?"
            )
        head = source.execute("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1").fetchone() or (0, b"")
        # After the first reading, which fixes what is copied; whole milliseconds, so that text says it without loss.
        moment = ceil(now() * 1000 + 1) / 1000
        source.backup(copy, pages=PAGES, progress=lambda _, left, pages: progress(pages - left, pages))
        source.execute("COMMIT")
        copy.execute(_MARK, (*COPY.values(), moment))
    finally:
        copy.close()
        source.close()
    digest = sha256()
    with part.open("rb") as content:
        while piece := content.read(1 << 20):
            digest.update(piece)
        os.fsync(content.fileno())
    return Manifest(moment, str(written[0]), int(head[0]), head[1].hex(), part.stat().st_size, digest.hexdigest())
