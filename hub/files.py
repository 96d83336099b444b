"""
Files on their way in and out, a part at a time: whatever its size, one costs the memory of some parts.

A file is known by the SHA-256 of its content. It comes from a caller, with what an agency says, or from where an agency
links to (`fetching.py`); it leaves to a caller, inside a request to an agency, or by a link.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from hashlib import sha256
from typing import Final

from connectors.kit.exchange import WireRequest
from connectors.kit.files import filled
from hub.errors import HubError, RequestFault, RequestInvalid, RequestTooLarge
from hub.media_type import media_type_of
from hub.store.files import PART_BYTES, KeptFiles, StoredFile
from mappings.errors import Fault, MappingFailed

AT_ONCE: Final = 4
"""Parts that wait for the store at one moment, however many files come: a call never waits for more than these."""

MOST_NAMED: Final = 500
"""Files that one request may name: each is looked for in the store."""


def of_agency(agency: str) -> str:
    """Return the holder of files that every caller may read whose key names *agency*."""
    return f"agency/{agency}"  # no caller has such a name


class Files:
    """The files of one hub. Every method raises `StoreUnavailable` when the store did not answer."""

    def __init__(self, kept: KeptFiles, new_id: Callable[[], str], *, file_bytes: int) -> None:
        """*new_id* gives ids for uploads; *file_bytes* is how large a file may be that callers hand in."""
        self._kept = kept
        self._new_id = new_id
        self._most = file_bytes
        self._room = asyncio.Semaphore(AT_ONCE)

    async def take(self, pieces: AsyncIterator[bytes], holder: str) -> StoredFile:
        """
        Store what comes in *pieces* for *holder*; the next is asked for when the store has written those before.

        Raises:
            RequestInvalid: Nothing came.
            RequestTooLarge: It is larger than a file may be.
        """
        return await self._store(_parts(pieces, self._most), holder)

    async def keep(self, contents: Mapping[str, bytes], holder: str) -> None:
        """Store *contents*, id -> bytes, as an agency sent them, for *holder*; doing it again changes nothing."""
        for file, content in contents.items():
            if await self._kept.hold(file, holder) is None:
                await self._store(_cut(content), holder)

    async def find(self, file: str, holders: Collection[str] | None = None) -> StoredFile | None:
        """Return the file with this id, if one of *holders* has it; whoever has it when that is None."""
        return await self._kept.find(file, holders)

    async def check(self, named: Sequence[tuple[str, str]], holders: Collection[str]) -> None:
        """
        Make sure that each file that is *named* (JSON pointer, id) is there for one of *holders*.

        Raises:
            RequestInvalid: Some are not, each by its pointer; or there are too many to look for.
        """
        if len(named) > MOST_NAMED:
            raise RequestInvalid(faults=[RequestFault(named[MOST_NAMED][0], f"is one of more than {MOST_NAMED} files")])
        rule = "names no file of this caller: hand it in with `POST /v1/files`, and send its `file`"
        faults = [RequestFault(at, rule) for at, file in named if await self._kept.find(file, holders) is None]
        if faults:
            raise RequestInvalid(faults=faults)

    async def read(self, stored: StoredFile) -> AsyncIterator[bytes]:
        """
        Give the content of *stored*, part by part.

        Raises:
            Gone: It was removed meanwhile.
        """
        for number in range(-(-stored.size // PART_BYTES)):
            part = await self._kept.part(stored.upload, number)
            if part is None:
                raise Gone
            yield part

    async def filled(self, wire: WireRequest, request_bytes: int) -> WireRequest:
        """
        Return *wire* with a body into which its files are put while it is sent; without files, itself.

        Raises:
            MappingFailed: A file is gone, or the body would be longer than *request_bytes*.
        """
        if not wire.files:
            return wire
        found = {file: await self._kept.find(file) for file in dict.fromkeys(wire.files)}
        stored = {file: one for file, one in found.items() if one is not None}
        if len(stored) < len(found):
            raise MappingFailed([Fault("", "a file that it names is gone: it has passed its retention")])
        sizes = {file: one.size for file, one in stored.items()}
        return filled(wire, sizes, lambda file: self.read(stored[file]), request_bytes)

    async def _store(self, parts: AsyncIterator[bytes], holder: str) -> StoredFile:
        upload, digest, size, number, media_type = self._new_id(), sha256(), 0, 0, ""
        try:
            async for part in parts:
                async with self._room:
                    if number == 0:
                        media_type = media_type_of(part)
                        await self._kept.begin(upload, part)
                    else:
                        await self._kept.add(upload, number, part)
                digest.update(part)
                size, number = size + len(part), number + 1
        except (Exception, asyncio.CancelledError):  # whoever sends it went away or was too slow, or it may not be kept
            if media_type:  # its first part was, or may still be, written
                await self._drop(upload)
            raise
        if not number:
            raise RequestInvalid("The file is empty.")
        return await self._kept.finish(StoredFile(digest.hexdigest(), upload, size, media_type), holder)

    async def _drop(self, upload: str) -> None:
        try:
            await self._kept.drop(upload)
        except HubError:
            pass  # retention removes it in a day


class Gone(Exception):
    """A file was removed while it was read."""


async def _parts(pieces: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """Give what comes in *pieces* of any size as parts of one size."""
    held, size = bytearray(), 0
    async for piece in pieces:
        size += len(piece)
        if size > most:
            raise RequestTooLarge(f"The limit of a file is {most} bytes.")
        held += piece
        while len(held) >= PART_BYTES:
            yield bytes(held[:PART_BYTES])
            del held[:PART_BYTES]
    if held:
        yield bytes(held)


async def _cut(content: bytes) -> AsyncIterator[bytes]:
    for begin in range(0, len(content), PART_BYTES):
        yield content[begin : begin + PART_BYTES]
