"""
What a receiver's reply means for an event: delivered, to be held, given up by the receiver, or failed. One total table.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from connectors.kit.exchange import WireReply
from connectors.kit.outcomes import Answered, Outcome
from connectors.kit.statuses import retry_after

LONGEST_HOLD: Final = 86_400.0
"""Seconds that a receiver may ask for; nobody plans longer than a day."""
LEAST_HOLD: Final = 1.0


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has it."""

    outcome: ClassVar[str] = "delivered"


@dataclass(frozen=True, slots=True)
class Held:
    """The receiver asks for so many seconds without anything; that is no attempt."""

    outcome: ClassVar[str] = "held"

    seconds: float
    cause: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The receiver wants nothing any more."""

    outcome: ClassVar[str] = "gone"

    cause: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Anything else: it may have it or not, and hears it again under the same id."""

    outcome: ClassVar[str] = "failed"

    cause: str


Verdict: TypeAlias = Delivered | Held | Gone | Failed


def verdict(reply: WireReply | Outcome, now: float) -> Verdict:
    """Judge by the status alone: what a receiver writes into the body is not looked at. *now* is Unix seconds."""
    if not isinstance(reply, WireReply):
        return Failed("unreadable" if isinstance(reply, Answered) else reply.cause)
    cause = f"http_{reply.status}"
    if 200 <= reply.status <= 299:
        return Delivered()
    if reply.status == 410:
        return Gone(cause)
    if reply.status in (429, 503):
        seconds = retry_after(reply.headers.get("retry-after"), now)
        if seconds is not None:
            return Held(min(max(seconds, LEAST_HOLD), LONGEST_HOLD), cause)
    return Failed(cause)  # a redirect too: it is not followed
