"""
One attempt on the wire: what is sent, what comes back, and the agency object that a lane holds.

A lane calls `render`, records that it sends, calls `send`, and acts on the outcome. Nothing here retries,
sleeps, limits, measures or caches: that is the lane's work.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from pydantic import BaseModel

from connectors.kit.outcomes import Outcome, StaleCredentials

Sources: TypeAlias = Mapping[str, str | None]
"""
Values that mappings, wraps and handshakes may name, flat: `call.id`, `call.reference`, `call.accepted_at`,
`call.dossier`, `call.procedure`, `exchange.id`, `exchange.at` (moments are ISO 8601 with offset), `officer.id`,
`officer.account`, `officer.name`, `unit.id`, `unit.code`, `settings.<name>`, `auth.<kept name>`. A missing or None source that a
place needs is a fault of the request, named by source.
"""


@dataclass(frozen=True, slots=True)
class Streamed:
    """A body that is made while it is sent."""

    length: int
    """Bytes of all pieces."""
    pieces: Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request ready to be sent: bytes only, nothing left to decide; but files, which the engine puts in (`files.py`)."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    fresh_connection: bool
    """True for filings that are not repeat-safe: a silently closed kept connection would look like doubt."""
    masked: object = None
    """The payload with personal places masked, for `--dry-run`; filled by `render(mask=True)` only."""
    files: tuple[str, ...] = ()
    """Ids of the files whose contents go where their marks stand in `body`, one for each mark."""
    streamed: Streamed | None = None
    """What is sent instead of `body`: the same with the contents of `files`."""


@dataclass(frozen=True, slots=True)
class WireReply:
    """What came back, complete and within the size limit, not yet understood."""

    status: int
    headers: Mapping[str, str]
    """Names lower-cased."""
    body: bytes


class Sender(Protocol):
    """Carries bytes for one lane. Implemented by `http.HttpSender`; tests use `http.CannedSender`."""

    async def send(self, request: WireRequest, *, timeout: float, reply_bytes: int) -> WireReply | Outcome:  # noqa: ASYNC109 - aiohttp applies it to each phase
        """
        Send once, follow no redirect, and return the whole reply, or the outcome of what went wrong on the wire.

        *timeout* is in seconds and bounds everything from name resolution to the last byte; a reply over
        *reply_bytes* is `InDoubt` with cause `too_large`, and its connection is closed. Never raises for anything
        the network or the agency does; cancellation closes the connection.
        """
        ...

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        ...


class Credentials(Protocol):
    """A session or token, as the lane keeps it between exchanges: sources named `auth.<kept name>`."""

    @property
    def values(self) -> Mapping[str, str]: ...


class Agency(Protocol):
    """
    A connector bound to one agency's settings. What a lane holds; `registry.bind` makes it.

    `operations` maps every `verb_noun` of the manifest to its compiled operation (`registry.Operation`).
    """

    name: str

    def render(self, operation: str, request: BaseModel, sources: Sources, *, mask: bool = False) -> WireRequest:
        """
        Make the request that goes on the wire.

        Raises:
            mappings.errors.MappingFailed: A value or a source does not fit; names places, never values.
        """
        ...

    async def send(self, operation: str, wire: WireRequest, *, timeout: float) -> Outcome | StaleCredentials:  # noqa: ASYNC109 - handed to the sender
        """
        Send once and judge the reply by contract, `answers.csv` and mapping. Never raises but on cancellation.

        A request with files that were not put in (`files.filled`) is not sent.
        """
        ...

    async def log_in(self, sources: Sources, *, timeout: float) -> Mapping[str, str] | Outcome | StaleCredentials:  # noqa: ASYNC109 - handed to the sender
        """
        Log in once and return what `[auth] keep` names (as `{"auth.session": "..."}`), or the outcome that prevented it.

        `Answered` with result `refused` means that the agency knows us and says no; `StaleCredentials` that a gateway
        refused the token of the route, so that the agency was never asked.
        """
        ...

    async def close(self) -> None: ...
