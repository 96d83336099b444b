"""
One connection to an agency, that reads only what was asked for. Used by `http.py`.

aiohttp reads whatever comes: a reply that nobody asked for waits for the next request and answers it, with what may be
another citizen's record; and interim replies (1xx) are read for as long as they come, many thousands at a time.
"""

import asyncio
from typing import Any

from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader

INTERIM_REPLIES = 16
"""1xx replies to one request; honest ones are a `100 Continue` or two."""


class AskedOnly(ResponseHandler):
    """Closes itself when bytes come that answer nothing, and when a reply does not get beyond its interim ones."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._awaited = False
        self._interim = 0

    def set_response_params(self, **how: Any) -> None:
        """See aiohttp: called once for each request, before it is sent."""
        self._awaited, self._interim = True, 0
        super().set_response_params(**how)

    def data_received(self, data: bytes) -> None:
        if self._awaited or not data:
            super().data_received(data)
        else:
            self._refuse()

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """See aiohttp: called for each reply whose head has been read."""
        message, payload = data
        if not self._awaited:
            self._refuse()
        elif 100 <= message.code <= 199 and message.code != 101:
            self._interim += 1
            if self._interim > INTERIM_REPLIES:
                self._awaited = False
                self.set_exception(HttpProcessingError(message="interim replies without end"))
                self._refuse()
        else:
            super().feed_data(data, size)
            payload.on_eof(self._answered)

    def _answered(self) -> None:
        self._awaited = False

    def _refuse(self) -> None:
        self.force_close()
        if self.transport is not None:
            self.transport.close()
