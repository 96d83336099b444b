"""
How an exchange ended: one of five outcomes (docs/decisions, design section 6), or stale credentials.

The lane acts on the outcome alone, so forty connectors behave alike. `answers.py` judges what an agency
said; `http.py` turns every exception of the HTTP library into an outcome by one total table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from pydantic import BaseModel

from mappings.errors import Fault


class Result(StrEnum):
    """What an agency's answer means for the call."""

    OK = "ok"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    EXISTS = "exists"
    """The record is there already: the operation's `then.exists` goes next. Never shown to a caller."""
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, in words a counter officer can read out: the agency's code, ours, and two sentences."""

    agency_code: str
    code: str
    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply came that fits contract and mapping, a business "no" and "not found" included."""

    result: Result
    value: BaseModel | None = None
    reason: Reason | None = None
    refs: Mapping[str, str] = field(default_factory=dict)
    """The agency's own keys found by `ref`, to be remembered for the dossier."""
    drift: tuple[str, ...] = ()
    """Places where the live reply differs from the pinned contract without breaking the mapping."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files that came with it, id -> content; `value` names them by their ids. To be stored before the call is settled."""


@dataclass(frozen=True, slots=True)
class Busy:
    """The agency asked us to slow down; nothing was processed."""

    retry_after: float | None = None
    """Seconds, as the agency said and unclamped; None when it did not say."""
    cause: str = "busy"
    route: bool = False
    """True when a shared gateway throttled: the route is held, not only the lane."""


ROAD = frozenset({"dns", "connect", "connection", "tls", "certificate", "proxy", "timeout", "closed", "reset"})
"""
Causes of `Unavailable` that lie on the way to whoever answers at `base_url`: `http.py` names them, no reply does. An
`address` that is none is not among them: it is one agency's, and must not speak against a road that others take.
"""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Proven not to have reached processing: name resolution, connect, TLS, or a code listed as never reached."""

    cause: str

    @property
    def of_the_road(self) -> bool:
        """True when nobody at `base_url` took the request: on a shared route, the gateway itself."""
        return self.cause in ROAD


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Sent, and no usable answer came: time-out, reset, 502/503/504, truncated. It may have been done."""

    cause: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The reply cannot be read by contract or mapping (or the request could not be written: `sent` is False)."""

    cause: str
    faults: tuple[Fault, ...] = ()
    sent: bool = True
    refused_before_processing: bool = False
    """True when the reply, though unreadable, proves that the agency did not process the request."""


Outcome: TypeAlias = Answered | Busy | Unavailable | InDoubt | Broken


@dataclass(frozen=True, slots=True)
class StaleCredentials:
    """The agency refused our session or token. Not an outcome: the lane refreshes once, the call goes to the head."""

    cause: str = "login"
    route: bool = False
    """True when a gateway refused the token of the route: that is renewed, not the lane's session."""
