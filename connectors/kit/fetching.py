"""
Fetching a file that an agency only links to: one GET, no redirect, and only from addresses that the hub allows.

Whether an address may be connected to is asked when the socket for it is made, after the name was looked up, so that
no second look-up can lead elsewhere. Next: `hub/outside.py`, which says what is allowed.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp

from connectors.kit.http import LaneResolver, cause_of, sockets
from connectors.kit.names import LookUp, Names


class NotFetched(Exception):
    """There is no file, or it is not to be had. *cause* is one of `CAUSES` (`forbidden`: no address of it may be connected to), `redirect`, `too_large` or `http_404`."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(cause)


class Fetcher:
    """Fetches the files of one agency. Must be used on one event loop."""

    def __init__(
        self,
        may_connect: Callable[[str], bool],
        *,
        ca_file: Path | None = None,
        look_up: LookUp = socket.getaddrinfo,
    ) -> None:
        """
        Make one that connects only to numeric addresses that *may_connect* lets pass; *ca_file* as `HttpSender` has it.

        Raises:
            OSError: *ca_file* cannot be read or holds no certificate.
        """
        self._may_connect = may_connect
        self._tls = True if ca_file is None else ssl.create_default_context(cafile=str(ca_file))
        self._names = Names(look_up)
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self, url: str, *, seconds: float, most: int) -> AsyncIterator[bytes]:
        """
        Give what is at *url* in pieces, *most* bytes in *seconds* at most.

        Raises:
            NotFetched: It cannot be had.
        """
        until = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(until):
                response = await self._begun().get(url, allow_redirects=False)
        except Exception as error:
            raise NotFetched(cause_of(error)) from None
        try:
            if response.status != 200:
                raise NotFetched("redirect" if response.status // 100 == 3 else f"http_{response.status}")
            size = response.content_length or 0
            while size <= most:
                try:
                    async with asyncio.timeout_at(until):
                        piece = await response.content.readany()
                except Exception as error:
                    raise NotFetched(cause_of(error)) from None
                if not piece:
                    return
                yield piece
                size = size + len(piece) if response.content_length is None else size
            raise NotFetched("too_large")
        finally:
            response.close()

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        if self._session is not None:
            await self._session.close()
        self._names.close()

    def _begun(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=0,  # whoever fetches has a permit
                ssl=self._tls,
                force_close=True,
                resolver=LaneResolver(self._names),
                use_dns_cache=False,
                socket_factory=sockets(self._may_connect),
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                # Not compressed: what unpacks to a thousand times its size would have to be unpacked to be measured.
                headers={"User-Agent": "lienthong", "Accept-Encoding": "identity"},
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(),  # none: `fetch` bounds the whole
            )
        return self._session
