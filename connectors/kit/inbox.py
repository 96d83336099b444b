"""
What an agency asks of us, from the bytes that came to canonical values, and the way back into the agency's own words.

A door hands the bytes to an `Inbox` and does what it says; nothing here reads a clock, a store or the network. Made
by `binding.py` for every agency whose manifest has `[notices]`; `notices.py` reads them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol, TypeAlias

from pydantic import BaseModel

from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.outcomes import Outcome, StaleCredentials
from mappings.errors import Fault

Way: TypeAlias = Literal["taken", "seen", "refused", "denied", "busy"]
"""How a notice ends for the agency: a key of `replies`."""
FAULTS_TOLD = 10
"""Faults in the reason that an agency hears; there may be hundreds, and one answer holds them all."""


def reason_of(faults: Sequence[Fault]) -> str:
    """Return *faults* in one line, `notice.reason` of what is refused: places and rules, the first few."""
    more = f"; {len(faults) - FAULTS_TOLD} more" if len(faults) > FAULTS_TOLD else ""
    return "; ".join(str(fault) for fault in faults[:FAULTS_TOLD]) + more


@dataclass(frozen=True, slots=True)
class WireNotice:
    """A request that an agency made of us: complete, within the size limit, not yet understood."""

    headers: Mapping[str, str]
    """Names lower-cased."""
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """One record of a push: what a notice says of one thing."""

    value: BaseModel | None
    """None: the notice carries no record."""
    unique: str | None
    """What makes it the same notice when it comes again; None: each one is new."""
    refs: Mapping[str, str] = field(default_factory=dict)
    """Keys found by `ref`: name -> text. By them it finds its dossier, its call and its caller."""
    drift: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files that came with it, id -> content; `value` names them. To be stored before the notice is."""


@dataclass(frozen=True, slots=True)
class Understood:
    """What a push says: all its records, or it would not be understood."""

    notice: str
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Why a push cannot be taken."""

    notice: str
    way: Literal["refused", "denied"]
    """`denied`: whoever sent it did not prove to be the agency; nothing of it was read, and nothing is kept."""
    faults: tuple[Fault, ...] = ()
    """Places and rules, never values; `told[3]/amount` is of the fourth record."""


@dataclass(frozen=True, slots=True)
class Poison:
    """One record of a fetched page that cannot be read; it keeps the others from nobody."""

    faults: tuple[Fault, ...]
    """Places and rules, never values; `told[3]/amount` is of the fourth record."""
    refs: Mapping[str, str] = field(default_factory=dict)
    """Keys found by `ref`, where these can be read: by them it is refused."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one page of a polled operation says."""

    outcome: Outcome | StaleCredentials
    """Judged by `answers.csv` as always; the lane acts on it like on any other."""
    read: Understood | NotTaken | None = None
    """Its records; an empty page has none of them. None: the outcome is no answer that could hold any."""
    next: str | None = None
    """Where the next page starts; None: there is none."""
    poison: tuple[Poison, ...] = ()
    """Records beside those of `read` that cannot be read. Of a push one of them refuses all; here nobody could send it again."""
    came: WireNotice | None = None
    """What was read, to be kept when it was not understood."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing an agency tells or asks, compiled. Values come from the manifest, defaults are decided."""

    name: str
    kind: Literal["notice", "question"]
    model: type[BaseModel] | None
    """Canonical model of each record; None: it carries none."""
    answer: type[BaseModel] | None
    """Of a question: canonical model of what a caller publishes to answer it."""
    personal_data: bool
    agrees: tuple[str, ...]
    """Fields that must equal those of the request of the call to which it belongs."""
    ref: tuple[str, ...]
    """Names of the keys in `Told.refs`."""
    fetched_by: str | None
    """Operation that fetches these notices; None: the agency pushes them."""
    every: float | None
    """Seconds between fetches, or between lists."""
    acknowledged_by: str | None
    refused_by: str | None
    listed_by: str | None = None
    """Operation that lists what `fetched_by` is to be asked for, one by one; None: that is asked alone."""
    asked_after: bool = False
    """
    That operation asks after calls that are pending, one at a time: what it says of each is told, and nothing is fetched
    beside that.
    """


class Inbox(Protocol):
    """The notices of one agency."""

    @property
    def notices(self) -> Mapping[str, Notice]:
        """By `noun_verbed`."""
        ...

    def denies(self, notice: str, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
        """
        Say, before a body is waited for, whether what stands beside it already shows that the agency did not send it.

        Raises:
            KeyError: The agency has no such notice.
        """
        ...

    def read(self, notice: str, came: WireNotice) -> Understood | NotTaken:
        """
        Say what *came* at the address of *notice*: handshake and signature first, then `select`, unwrap, mapping.

        Where `select` says that it is another of the agency's notices, it is read as that one. All records or none.
        A notice that an operation fetches is denied: nobody may push it.
        Takes up to seconds for megabytes; never raises.

        Raises:
            KeyError: The agency has no such notice.
        """
        ...

    def read_again(self, notice: str, came: WireNotice) -> Understood | NotTaken:
        """
        Say what *came* that was kept because it could not be taken: its sender has proven himself when it came.

        So *came* need not hold what proves, which is not kept, and a key may have changed since. Pushes, pages of an
        operation, and with an empty *notice* envelopes. Never raises.

        Raises:
            KeyError: The agency has no such notice.
        """
        ...

    def read_soap(self, came: WireNotice) -> Understood | NotTaken:
        """Do the same for an envelope whose body says which notice it is. Faults without a notice: the name is empty."""
        ...

    def reply(
        self, notice: str, way: Way, *, reason: str = "", answer: BaseModel | None = None, retry_after: float = 0.0
    ) -> WireReply:
        """
        Return what the agency is answered, in its own envelope.

        *reason* fills `notice.reason`, *answer* is the published answer to a question, *retry_after* (seconds) goes
        with `busy`. A way that the manifest does not write is answered as plain HTTP says it.

        Raises:
            mappings.errors.MappingFailed: *answer* does not fit the agency's words.
        """
        ...

    def wsdl(self, address: str) -> bytes | None:
        """Return the pinned WSDL of what we offer the agency, with *address* as ours; None: it speaks no SOAP to us."""
        ...


_NO_KEY: Mapping[str, str] = MappingProxyType({})


class Tells(Protocol):
    """The side of an agency that has something to tell. `binding.BoundAgency` is one."""

    @property
    def inbox(self) -> Inbox | None:
        """Its notices; None: it has none."""
        ...

    async def fetch(
        self,
        notice: str,
        wire: WireRequest,
        *,
        timeout: float,  # noqa: ASYNC109 - handed to the sender
        key: Mapping[str, str] = _NO_KEY,
    ) -> Fetched:
        """
        Send *wire*, made by `render` of the operation that fetches *notice*, and read the notices of that one page.

        The source `page.after` is the cursor; without it the first page is asked for. *key*: what was asked for, where
        another operation lists it; it goes with each record as a reference, makes it the same where `unique` says
        nothing, and is kept with what cannot be read. Never raises but on cancellation.

        Raises:
            KeyError: The agency has no such notice, or no operation fetches it.
        """
        ...
