"""Documents: handed in, fetched from where an agency links to, and read, a piece at a time. `HubClient` has them as methods."""

from collections.abc import AsyncIterable, AsyncIterator
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx2

from hub.client.shapes import HubFile, Problem

if TYPE_CHECKING:
    from hub.client.client import HubClient

SILENCE = 60.0
"""Seconds without a byte after which a download is taken to be dead."""
CUT = "file.cut"
"""Code of a `Problem` that the hub did not send: what came is not the whole file."""


async def upload(hub: "HubClient", content: bytes | AsyncIterable[bytes]) -> HubFile:
    """See `HubClient.upload`."""
    headers = {"content-type": "application/octet-stream"}
    send = hub.send if isinstance(content, bytes) else hub.send_once  # what is read once cannot be sent again
    reply = await send("POST", "/v1/files", content=content, headers=headers)
    return HubFile.model_validate_json(reply.content)


async def fetch(hub: "HubClient", agency: str, url: str) -> HubFile:
    """See `HubClient.fetch_file`."""
    reply = await hub.send("POST", "/v1/files:fetch", json={"agency": agency, "url": url})
    return HubFile.model_validate_json(reply.content)


async def download(hub: "HubClient", file: str) -> AsyncIterator[bytes]:
    """See `HubClient.download`."""
    digest = sha256()
    cut = Problem({"code": CUT, "title": "The file did not come whole; read it again."}, 1.0)
    try:
        async with hub.opened(f"/v1/files/{quote(file, safe='')}", silence=SILENCE) as reply:
            async for piece in reply.aiter_bytes():
                digest.update(piece)
                yield piece
    except httpx2.HTTPError:
        raise cut from None
    if digest.hexdigest() != file:
        raise cut
