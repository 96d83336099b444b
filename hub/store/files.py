"""
Files: contents in parts, kept once however often they come, and who may read them. `hub/files.py` drives it.

A content is written part by part under the id of its upload, and becomes a file when it is whole and its hash is known;
what never becomes one is swept. A holder is a caller, or an agency for all callers whose key names it. A file goes
when its last holder has held it for long enough.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import bindparam, delete, select, update

from hub.errors import StoreUnavailable
from hub.journal import Entry
from hub.store.batch import Batch
from hub.store.schema import file_holders, file_parts, files
from hub.store.statements import Statements, among, listed
from hub.store.tables import Tables

PART_BYTES: Final = 256 * 1024
"""Bytes of each part of a content but the last."""
UNFINISHED: Final = 86_400.0
"""Seconds after which an upload that did not become a file is removed."""
STORED: Final = "file_stored"
MOST_FILES: Final = 4
"""Files that one step of retention removes: each may have hundreds of parts."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is whole."""

    id: str
    """SHA-256 of its content, in hexadecimal."""
    upload: str
    """Under which its parts are kept."""
    size: int
    media_type: str


class KeptFiles(Protocol):
    """Every method raises `hub.errors.StoreUnavailable` when the store did not answer."""

    async def begin(self, upload: str, part: bytes) -> None:
        """Begin the content *upload* (an id that nobody used before) with its first *part*."""
        ...

    async def add(self, upload: str, number: int, part: bytes) -> None:
        """Write *part* as number *number* of *upload*; the first is 0."""
        ...

    async def finish(self, file: StoredFile, holder: str) -> StoredFile:
        """
        Make *file* of what was written under its upload, for *holder*, with an entry in the journal.

        Where there is the same content already, that stays and is returned, and what was written is removed.
        """
        ...

    async def hold(self, file: str, holder: str) -> StoredFile | None:
        """Let *holder* have *file*, from now on; None: there is no such file."""
        ...

    async def drop(self, upload: str) -> None:
        """Remove an upload that will not be finished."""
        ...

    async def find(self, file: str, holders: Collection[str] | None = None) -> StoredFile | None:
        """Return the file with this id, if one of *holders* has it; whoever has it when that is None."""
        ...

    async def part(self, upload: str, number: int) -> bytes | None:
        """Return part *number* of a content; None: there is none."""
        ...


class FileStatements:
    """What is asked of files, compiled once."""

    def __init__(self, statements: Statements) -> None:
        prepare = statements.prepare
        one, content = files.c.upload == bindparam("of_upload"), files.c.sha256 == bindparam("sha256")
        facts = (files.c.sha256, files.c.upload, files.c.size, files.c.media_type)
        held = file_holders.c.sha256 == bindparam("sha256")
        self.begin = statements.fill("files")
        self.add = statements.fill("file_parts")
        said: dict[str, Any] = {name: bindparam(name) for name in ("sha256", "size", "media_type")}
        self.finish = prepare(update(files).where(one, files.c.sha256.is_(None)).values(said))
        self.content = prepare(select(*facts).where(content))
        self.hold = statements.replace("file_holders")
        self.held = prepare(
            select(*facts).where(
                content, select(file_holders.c.holder).where(held, among(file_holders.c.holder, "holders")).exists()
            )
        )
        self.part = prepare(
            select(file_parts.c.bytes).where(
                file_parts.c.upload == bindparam("upload"), file_parts.c.no == bindparam("no")
            )
        )
        self.drop = tuple(
            prepare(delete(table).where(table.c.upload == bindparam("of_upload"))) for table in (file_parts, files)
        )
        old = file_holders.c.held_at <= bindparam("before")
        self.old_holders = prepare(
            select(file_holders.c.sha256, file_holders.c.holder)
            .where(old)
            .order_by(file_holders.c.held_at)
            .limit(bindparam("most"))
        )
        self.let_go = prepare(delete(file_holders).where(held, file_holders.c.holder == bindparam("of_holder"), old))
        self.any_holder = prepare(select(file_holders.c.holder).where(held).limit(1))
        self.unfinished = prepare(
            select(files.c.upload)
            .where(files.c.sha256.is_(None), files.c.begun_at <= bindparam("before"))
            .order_by(files.c.begun_at)
            .limit(bindparam("most"))
        )


class SqlFiles:
    """`KeptFiles`, for whatever store runs *write* as one member of a commit and *read* beside it."""

    def __init__(self, tables: Tables) -> None:
        self._say = FileStatements(tables.statements)
        self._rows, self._write, self._read = tables.rows, tables.write, tables.read

    async def begin(self, upload: str, part: bytes) -> None:
        await self._write("file_part", begin, self._say, upload, part)

    async def add(self, upload: str, number: int, part: bytes) -> None:
        await self._write("file_part", add, self._say, upload, number, part)

    async def finish(self, file: StoredFile, holder: str) -> StoredFile:
        stored: StoredFile = await self._write("file", finish, self._say, file, holder)
        return stored

    async def hold(self, file: str, holder: str) -> StoredFile | None:
        held: StoredFile | None = await self._write("file", hold, self._say, file, holder)
        return held

    async def drop(self, upload: str) -> None:
        await self._write("file_drop", drop, self._say, upload)

    async def find(self, file: str, holders: Collection[str] | None = None) -> StoredFile | None:
        asked, values = self._say.content, {"sha256": file}
        if holders is not None:
            asked, values = self._say.held, values | {"holders": listed(holders)}
        rows = await self._read(self._rows, asked, values)
        return StoredFile(*rows[0]) if rows else None

    async def part(self, upload: str, number: int) -> bytes | None:
        rows = await self._read(self._rows, self._say.part, {"upload": upload, "no": number})
        return bytes(rows[0][0]) if rows else None


def begin(batch: Batch, say: FileStatements, upload: str, part: bytes) -> None:
    """Begin an upload with its first part."""
    row = {"upload": upload, "sha256": None, "size": 0, "media_type": "", "begun_at": batch.now}
    batch.run(say.begin, row)
    add(batch, say, upload, 0, part)


def add(batch: Batch, say: FileStatements, upload: str, number: int, part: bytes) -> None:
    """Write one part."""
    batch.run(say.add, {"upload": upload, "no": number, "bytes": part})


def finish(batch: Batch, say: FileStatements, file: StoredFile, holder: str) -> StoredFile:
    """Make a file of an upload, or take the file that has the same content."""
    known = hold(batch, say, file.id, holder)
    if known is not None:
        drop(batch, say, file.upload)
        return known
    said = {"sha256": file.id, "size": file.size, "media_type": file.media_type}
    if batch.run(say.finish, said | {"of_upload": file.upload}).rowcount != 1:  # it took so long that it was swept
        raise StoreUnavailable("the upload was given up before it was whole", retry_after=1.0)
    _held(batch, say, file.id, holder)
    return file


def hold(batch: Batch, say: FileStatements, file: str, holder: str) -> StoredFile | None:
    """Let a holder have a file that is there, from now on."""
    _alone_with(batch, file)
    row = batch.run(say.content, {"sha256": file}).fetchone()
    if row is None:
        return None
    _held(batch, say, file, holder)
    return StoredFile(*row)


def drop(batch: Batch, say: FileStatements, upload: str) -> None:
    """Remove a content."""
    for statement in say.drop:
        batch.run(statement, {"of_upload": upload})


def sweep(batch: Batch, say: FileStatements, before: float) -> int:
    """Remove a few holdings from *before* (Unix seconds), and uploads that were given up; return how many."""
    old = batch.run(say.old_holders, {"before": before, "most": MOST_FILES}).fetchall()
    for file, holder in sorted(old):
        _alone_with(batch, file)
        batch.run(say.let_go, {"sha256": file, "of_holder": holder, "before": before})
        row = batch.run(say.content, {"sha256": file}).fetchone()
        if row is not None and batch.run(say.any_holder, {"sha256": file}).fetchone() is None:
            drop(batch, say, row[1])
    given_up = {"before": batch.now - UNFINISHED, "most": MOST_FILES}
    unfinished = batch.run(say.unfinished, given_up).fetchall()
    for (upload,) in unfinished:
        drop(batch, say, upload)
    return len(old) + len(unfinished)


def _held(batch: Batch, say: FileStatements, file: str, holder: str) -> None:
    batch.run(say.hold, {"sha256": file, "holder": holder, "held_at": batch.now})
    batch.write(Entry(batch.now, STORED, caller=holder, detail=file))


def _alone_with(batch: Batch, file: str) -> None:
    """Keep other nodes from storing or removing this content until the commit."""
    alone = batch.say.queue_up
    if alone is not None:
        batch.run(alone, {"keys": [f"file {file}"]})
