"""
The doors for documents: handed in and read by callers, fetched from where an agency links to, and fetched by agencies.

A body is read no faster than the store writes it, and sent no faster than it is taken; none is ever whole in memory.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic_core import to_json

from hub.errors import (
    CallerQuota,
    FileUnknown,
    HubOverloaded,
    MediaTypeUnsupported,
    RequestFault,
    RequestInvalid,
    RequestTooLarge,
)
from hub.fetching import Fetching
from hub.files import Files, Gone, of_agency
from hub.security.identity import Caller
from hub.security.links import Links
from hub.store.files import StoredFile
from hub.web.bodies import Bodies, Disconnected, check_media_type, read_body
from hub.web.calls import Locks, query
from hub.web.headers import Headers
from hub.web.named_files import NamedFiles
from hub.web.replies import Header, Receive, Scope, Send, answer
from mappings.canonical.files import FILE_ID

READ: Final = "file_read"
"""Event of the journal: a file was sent to a caller, or by a link to an agency."""
UPLOAD_SECONDS: Final = 600.0
"""How long a file may take to arrive."""
MOST_AT_ONCE: Final = 8
"""Files of one caller that arrive, and of one agency that leave by links, at one moment at one node."""
FETCH_BYTES: Final = 4000
_AGAIN: Final = 5.0
_NUMBER: Final = re.compile(r"[0-9]{1,12}")
_REFUSED_KINDS: Final = ("multipart/", "application/x-www-form-urlencoded")
_SAFE: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-disposition", b"attachment"),  # whatever it holds, a browser shows it as nobody's page
    (b"cache-control", b"private, no-store"),
)


class Fetch(BaseModel):
    """A file that an agency links to: at which address, and by whose rules."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    agency: str
    url: Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class FileDoors:
    """Everything under `/v1/files`, and `/files/{id}` for agencies."""

    def __init__(
        self,
        files: Files,
        named: NamedFiles,
        fetching: Fetching,
        links: Links,
        locks: Locks,
        admit: Callable[[], None],
        note: Callable[[str, str, str], Awaitable[None]],
        *,
        file_bytes: int,
    ) -> None:
        """*admit* raises a `Refusal` when the hub can take no file now; *note* writes an entry of the journal."""
        self._files = files
        self._named = named
        self._fetching = fetching
        self._links = links
        self._locks = locks
        self._admit = admit
        self._note = note
        self._most = file_bytes
        self._bodies = Bodies()
        self._headers = Headers()
        self._under_way: Counter[str] = Counter()

    async def take(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        """`POST /v1/files`: the body is the file itself."""
        self._may(caller)
        given = dict(scope["headers"])
        kind = given.get(b"content-type", b"").decode("latin-1").lower()
        if kind.startswith(_REFUSED_KINDS) or given.get(b"content-encoding", b"identity") != b"identity":
            raise MediaTypeUnsupported(
                "The body of `POST /v1/files` is the file itself, as it is: no form, not compressed."
            )
        length = given.get(b"content-length", b"")
        if length.isdigit() and (len(length) > 15 or int(length) > self._most):
            raise RequestTooLarge(f"The limit of a file is {self._most} bytes.")
        if self._under_way[caller.name] >= MOST_AT_ONCE:
            raise CallerQuota(f"A caller may hand in {MOST_AT_ONCE} files at once at one node.", retry_after=_AGAIN)
        self._under_way[caller.name] += 1
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                stored = await self._files.take(_arriving(receive), caller.name)
        except TimeoutError:
            raise RequestInvalid(f"The file did not arrive within {UPLOAD_SECONDS:g} seconds.") from None
        finally:
            self._under_way[caller.name] -= 1
        await _told(send, stored)

    async def fetch(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        """`POST /v1/files:fetch`: get a file that an agency only links to, and keep it."""
        self._may(caller)
        given = dict(scope["headers"])
        check_media_type(given.get(b"content-type", b"").decode("latin-1"))
        asked: Any = await self._bodies.validated(Fetch, await read_body(receive, FETCH_BYTES, None))
        if of_agency(asked.agency) not in self._named.holders(caller):
            raise RequestInvalid(faults=[RequestFault("/agency", "names no agency that this key may call")])
        await _told(send, await self._fetching.fetch(asked.agency, asked.url, caller.name))

    async def read(self, scope: Scope, send: Send, file: str, caller: Caller) -> None:
        """`GET /v1/files/{id}`, and `HEAD`: each is in the journal, so it counts against the quota."""
        self._locks.count(caller)
        stored = await self._find(file, self._named.holders(caller))
        purpose = self._headers.read(scope["headers"]).purpose
        said = [f"{name}={value}" for name, value in purpose._asdict().items() if value is not None]
        await self._send(scope, send, stored, caller.name, *said)

    async def read_by_link(self, scope: Scope, send: Send, file: str) -> None:
        """`GET /files/{id}?until=&for=&sig=`: an agency fetches what was named to it."""
        asked = query(scope, {"until", "for", "sig"})
        until, agency = asked.get("until", ""), asked.get("for", "")
        if not _NUMBER.fullmatch(until) or not asked.get("sig", "").isascii():
            raise FileUnknown
        self._links.check(file, int(until), agency, asked.get("sig", ""))
        reader = of_agency(agency)
        if self._under_way[reader] >= MOST_AT_ONCE:
            raise HubOverloaded(f"An agency may fetch {MOST_AT_ONCE} files at once at one node.", retry_after=_AGAIN)
        self._under_way[reader] += 1
        try:
            await self._send(scope, send, await self._find(file, None), reader)
        finally:
            self._under_way[reader] -= 1

    def _may(self, caller: Caller) -> None:
        self._locks.count(caller)
        self._admit()

    async def _find(self, file: str, holders: Sequence[str] | None) -> StoredFile:
        stored = await self._files.find(file, holders) if FILE_ID.fullmatch(file) else None
        if stored is None:
            raise FileUnknown
        return stored

    async def _send(self, scope: Scope, send: Send, stored: StoredFile, reader: str, *why: str) -> None:
        etag = b'"%b"' % stored.id.encode()
        headers = [(b"etag", etag), *_SAFE]
        if any(name == b"if-none-match" and etag in value for name, value in scope["headers"]):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        headers += [(b"content-type", stored.media_type.encode()), (b"content-length", b"%d" % stored.size)]
        whole = scope["method"] != "HEAD"
        if whole:
            await self._note(READ, reader, " ".join((stored.id, *why)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            async for part in self._files.read(stored) if whole else _nothing():
                await send({"type": "http.response.body", "body": part, "more_body": True})
        except Gone:
            return  # the server ends the connection, so that nobody takes what came for the whole
        await send({"type": "http.response.body", "body": b""})


async def _arriving(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        more = message.get("more_body", False)
        if piece := message.get("body", b""):
            yield piece


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def _told(send: Send, stored: StoredFile) -> None:
    told = {"file": stored.id, "size": stored.size, "media_type": stored.media_type}
    location = f"/v1/files/{stored.id}".encode()
    await answer(send, 201, to_json(told), (b"location", location))
