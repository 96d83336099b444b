"""
A body of many lines, read as far as somebody can do something with it: a bounded number of lines at a time.

Who does not ask for the next lines does not read the socket, and so the sender waits. What is kept is one line that is
not whole yet and the lines of one group, whatever the size of the body.
"""

import asyncio
import re
from collections.abc import MutableMapping
from typing import Any, Final, NamedTuple

from hub.errors import RequestInvalid
from hub.web.bodies import BODY_SECONDS, Disconnected
from hub.web.replies import Receive

MOST_LINES: Final = 256
"""Lines of a group: so many share a commit."""
GROUP_BYTES: Final = 1 << 20
"""Bytes of lines after which a group has enough."""
LINGER: Final = 0.02
"""Seconds for which lines that are here wait for more: a sender that pauses must not wait for its answers."""
ENOUGH_BYTES: Final = 4096
"""So much that is no white space must come within `BODY_SECONDS` of waiting: a body may live long, a drip may not."""
MOST_BLANK: Final = 10_000
"""Lines of white space of one body: no quota counts them, and no answer slows them down."""
MOST_BLANK_BYTES: Final = 1 << 20
"""And so many bytes of them: a line of white space may be as long as any other."""
_BLANK: Final = re.compile(rb"(?:[ \t\r\x0b\x0c]*+\n)++")


class Line(NamedTuple):
    """One line and its number, from 1 on; None: it was longer than a request may be, and was not kept."""

    number: int
    text: bytes | None


class Lines:
    """The lines of one body. Lines of white space are counted and left out."""

    def __init__(self, receive: Receive, most: int) -> None:
        """*most*: bytes of one line."""
        self._receive = receive
        self._most = most
        self._rest = bytearray()
        self._looked = 0
        """Bytes of the rest in which there is no end of a line."""
        self._skipping = False
        """The line that is under way was too long already: its rest is dropped."""
        self._pending: asyncio.Future[MutableMapping[str, Any]] | None = None
        self._ended = False
        self._waited = 0.0
        self._brought = 0
        self._blank = 0
        """Lines of white space so far."""
        self._blank_bytes = 0
        self.read = 0
        """Number of the last line that was read."""

    async def group(self) -> list[Line]:
        """
        Return the next lines, none at the end of the body.

        Raises:
            RequestInvalid: The body comes too slowly, or too much of it is blank.
            hub.web.bodies.Disconnected: The caller went away.
        """
        lines: list[Line] = []
        size = 0
        while len(lines) < MOST_LINES and size < GROUP_BYTES:
            self._skip_blank()
            if self._blank > MOST_BLANK or self._blank_bytes > MOST_BLANK_BYTES:
                if lines:
                    break  # they are answered first
                most = MOST_BLANK if self._blank > MOST_BLANK else f"{MOST_BLANK_BYTES} bytes of"
                raise RequestInvalid(f"The body has more than {most} empty lines; leave them out.")
            line = self._line()
            if line is not None:
                if line.text is not None and line.text.isspace():
                    self._blank += 1
                    self._blank_bytes += len(line.text)
                else:
                    lines.append(line)
                    size += len(line.text or b"")
            elif self._ended or not await self._more(patient=not lines):
                break
        return lines

    def close(self) -> None:
        """Read no more."""
        if self._pending is not None:
            self._pending.cancel()

    def _skip_blank(self) -> None:
        """Drop the blank lines that come next in one step: taken singly, they would hold up everybody else's work."""
        blank = None if self._looked or self._skipping else _BLANK.match(self._rest)
        if blank is None:
            return
        count = self._rest.count(b"\n", 0, blank.end())
        self.read += count
        self._blank += count
        self._blank_bytes += blank.end()
        del self._rest[: blank.end()]

    def _line(self) -> Line | None:
        """Take the next line from what is here; None: it is not whole yet."""
        while True:
            end = self._rest.find(b"\n", self._looked) + 1
            if not end and self._ended and self._rest:
                end = len(self._rest)
            too_long = (end or len(self._rest)) > self._most
            if not end and not too_long and not self._skipping:
                self._looked = len(self._rest)
                return None
            text = None if too_long or self._skipping else bytes(self._rest[:end])
            known, self._skipping = self._skipping, not end
            del self._rest[: end or len(self._rest)]
            self._looked = 0
            if not known:
                self.read += 1
                return Line(self.read, text)
            if self._skipping:
                return None

    async def _more(self, *, patient: bool) -> bool:
        """Wait for more of the body; False: none came while there are lines to go on with."""
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._receive())
        clock = asyncio.get_running_loop().time
        began = clock()
        await asyncio.wait({self._pending}, timeout=BODY_SECONDS - self._waited if patient else LINGER)
        self._waited += clock() - began
        if not self._pending.done():
            if patient:
                raise RequestInvalid(f"Less than {ENOUGH_BYTES} bytes came in {BODY_SECONDS:g} seconds.")
            return False
        message, self._pending = self._pending.result(), None
        if message["type"] == "http.disconnect":
            raise Disconnected
        body = message.get("body", b"")
        self._rest += body
        self._ended = not message.get("more_body")
        self._brought += len(body.strip())
        if self._brought >= ENOUGH_BYTES:
            self._waited, self._brought = 0.0, 0
        return True
