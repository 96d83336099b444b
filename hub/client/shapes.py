"""
What the client speaks in: why it asks, what it hears, and the one exception for every problem. Next: `client.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict

T = TypeVar("T", bound=BaseModel)

_CALLS: Final = re.compile(r";\s*r=(\d{1,15})")
_SECONDS: Final = re.compile(r";\s*t=(\d{1,15})")


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why personal data is asked for, and for whom. Officer and unit are ids of the hub's registers."""

    officer: str | None = None
    unit: str | None = None
    dossier: str | None = None
    intake: str | None = None
    procedure: str | None = None

    def header(self) -> str:
        """Return the value of `Hub-Purpose`, an RFC 9651 dictionary."""
        return ", ".join(f"{name}={_quoted(text)}" for name, text in self.given().items())

    def given(self) -> Mapping[str, str]:
        """Return what is said, by name."""
        said = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: text for name, text in said if text is not None}


@dataclass(frozen=True, slots=True)
class Fault:
    """One place of a request that broke one rule: a JSON pointer, or the name of a header or parameter."""

    pointer: str
    rule: str


@dataclass(frozen=True, slots=True)
class Quota:
    """What the hub said is left of the caller's quota: *calls* now; spread over *seconds* they are never refused."""

    calls: int
    seconds: int

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read a `RateLimit` field; None when it is missing, or is none that we know."""
        calls, seconds = _CALLS.search(text), _SECONDS.search(text)
        return cls(int(calls[1]), int(seconds[1])) if calls and seconds else None


class Problem(Exception):
    """The hub did not do it. Decide by `code` (docs/guide/problems.md); `retry_after` is in seconds."""

    def __init__(self, body: Mapping[str, Any], retry_after: float | None) -> None:
        self.code: str = body.get("code", "internal")
        self.status: int = body.get("status", 0)
        self.title: str = body.get("title", "The hub answered something that is no problem of its own.")
        self.vi: str = body.get("vi", "")
        self.detail: str = body.get("detail", "")
        self.faults = tuple(Fault(one["pointer"], one["rule"]) for one in body.get("errors", ()))
        self.call: str | None = body.get("call")
        """Id of the call, when one exists."""
        self.retry_after = retry_after
        places = "; ".join(f"{fault.pointer or '/'}: {fault.rule}" for fault in self.faults)
        super().__init__(" ".join(part for part in (f"{self.code}:", self.title, self.detail, places) if part))


class Reason(BaseModel):
    """Why, in words an officer can read out: the agency's own code, the hub's, and two sentences."""

    model_config = ConfigDict(frozen=True)

    agency_code: str = ""
    code: str = ""
    vi: str = ""
    en: str = ""


class Answer(BaseModel, Generic[T]):
    """A call as it stands. An agency's "no" is an answer too: look at `result`."""

    model_config = ConfigDict(frozen=True)

    call: str
    state: Literal["queued", "sending", "answered", "in_doubt", "dead", "expired", "cancelled"]
    result: Literal["ok", "not_found", "refused", "pending"] | None
    value: T | None
    reason: Reason | None
    answered_at: datetime | None
    fresh_as_of: datetime | None


class Found(BaseModel):
    """One of the caller's own calls, as a search lists it."""

    model_config = ConfigDict(frozen=True)

    call: str
    agency: str
    operation: str
    state: str
    result: str | None
    cause: str
    accepted_at: datetime
    answered_at: datetime | None
    dossier: str | None


class HubFile(BaseModel):
    """A document that the hub keeps."""

    model_config = ConfigDict(frozen=True)

    file: str
    """Its id: the SHA-256 of its content. Requests name it by this."""
    size: int
    """Bytes."""
    media_type: str
    """As its content says."""


class HandlingCounts(BaseModel):
    """How an agency handled the dossiers of one procedure. All but `overdue` are of a period, that is of now."""

    model_config = ConfigDict(frozen=True)

    agency: str
    procedure: str
    received: int
    forwarded: int
    returned: int
    sent_back: int
    """Given back by the agency, to be mended and filed again."""
    withdrawn: int
    on_time: int
    late: int
    overdue: int


class HandlingPage(BaseModel):
    counts: list[HandlingCounts]


class FoundPage(BaseModel):
    calls: list[Found]


def _quoted(text: str) -> str:
    if text.isascii() and text.isprintable():
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    safe = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in '%"')
    return '%"' + "".join(chr(byte) if chr(byte) in safe else f"%{byte:02x}" for byte in text.encode()) + '"'
