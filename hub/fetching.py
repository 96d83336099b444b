"""
From where files of an agency may be fetched, and fetching one under its contract. Used by `web/files.py`.

The rules against being sent elsewhere are in `outside.py`: the agency's own scheme, a host and port that its entry
names, an address that is public unless the entry names its network. Besides: no redirect; size and time.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from connectors.kit.fetching import NotFetched
from hub.call import Class
from hub.clock import Clock
from hub.coordination.protocol import STALE, Coordination, Permit, Wanted
from hub.errors import (
    AgencyBroken,
    AgencyUnavailable,
    LaneFull,
    OperationUnknown,
    RequestFault,
    RequestInvalid,
    RequestTooLarge,
)
from hub.files import Files, of_agency
from hub.outside import Outside, as_sent
from hub.store.files import StoredFile

ASKED: Final = "file_asked"
"""Event of the journal: a file is about to be fetched from an agency for a caller."""
OPERATION: Final = "fetch_file"
"""Name under which the guards of a lane see it."""
_AGAIN: Final = 2.0
_ADVICE: Final[Mapping[str, str]] = {
    "forbidden": "leads to an address that is not public: an operator may name its network in `file_hosts`",
    "address": "is no address that can be fetched",
}


class Fetches(Protocol):
    """What is needed of `connectors.kit.fetching.Fetcher`."""

    def fetch(self, url: str, *, seconds: float, most: int) -> AsyncIterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Source:
    """An agency from which files may be fetched."""

    outside: Outside
    """From where."""
    fetcher: Fetches
    seconds: float
    """How long one may take: the `call_timeout` of its contract."""


class Fetching:
    """Fetches files that agencies link to. *sources* are by the agency's name."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        files: Files,
        coordination: Coordination,
        note: Callable[[str, str, str], Awaitable[None]],
        clock: Clock,
        *,
        file_bytes: int,
    ) -> None:
        self._sources = sources
        self._files = files
        self._coordination = coordination
        self._note = note
        self._clock = clock
        self._most = file_bytes

    async def fetch(self, agency: str, url: str, caller: str) -> StoredFile:
        """
        Fetch the file at *url* under the rules and the contract of *agency*, and store it for *caller*.

        Raises:
            OperationUnknown: There is no such agency.
            RequestInvalid: Its rules do not allow this address.
            LaneFull: Its contract allows no exchange now.
            AgencyUnavailable, AgencyBroken: It could not be had, now or at all.
            StoreUnavailable: The store did not answer.
        """
        source = self._sources.get(agency)
        if source is None:
            raise OperationUnknown
        try:
            checked = source.outside.checked(as_sent(url))
        except ValueError as error:
            raise RequestInvalid(faults=[RequestFault("/url", str(error))]) from None
        permit = await self._permit(agency)
        began = self._clock.monotonic()
        try:
            await self._note(ASKED, caller, f"{of_agency(agency)} {urlsplit(checked).netloc}")
            if not await self._coordination.leave(permit, source.seconds):
                raise LaneFull(retry_after=_AGAIN)  # its moment did not come in time: nothing may be sent
            pieces = source.fetcher.fetch(checked, seconds=source.seconds, most=self._most)
            return await self._files.take(pieces, caller)
        except NotFetched as failed:
            raise _told(failed.cause) from None
        except RequestTooLarge:
            raise _told("too_large") from None
        finally:  # it counts, and proves nothing about the agency's own interface, which may be another machine
            await self._coordination.release(permit, STALE, self._clock.monotonic() - began)

    async def _permit(self, agency: str) -> Permit:
        (answer,) = await self._coordination.claim(agency, [Wanted(OPERATION, Class.NORMAL)])
        if not isinstance(answer, Permit):
            raise LaneFull(retry_after=answer.seconds or _AGAIN)
        return answer


def _told(cause: str) -> RequestInvalid | AgencyBroken | AgencyUnavailable:
    if cause in _ADVICE:
        return RequestInvalid(faults=[RequestFault("/url", _ADVICE[cause])])
    if cause in ("redirect", "too_large") or cause.startswith("http_4"):
        return AgencyBroken(f"The file could not be fetched: {cause}.")
    return AgencyUnavailable(f"The file could not be fetched: {cause}.", retry_after=_AGAIN)
