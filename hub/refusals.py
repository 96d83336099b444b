"""What an interactive caller hears when its call ends without an answer: one problem per outcome, wait or moment."""

from typing import assert_never

from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome, StaleCredentials, Unavailable
from hub.errors import (
    AgencyBroken,
    AgencyUnavailable,
    CallExpired,
    HubError,
    Internal,
    LaneHeld,
    LaneOpen,
    LaneWaitTooLong,
    RequestFault,
    RequestInvalid,
)
from hub.guards.guard import Wait
from hub.turn import Turn

UNTIL_RESUMED = 60.0
"""`Retry-After` when only a person can say how long."""
UNWRITABLE = "The agency takes more, or other values, than the request gives."
"""What a request lacks that is valid here and cannot be written for its agency."""


def by_wait(wait: Wait, turn: Turn) -> HubError:
    """Return what a caller hears whose time ends before a guard's *wait* does."""
    call, seconds = turn.call.id, wait.seconds
    match wait.guard:
        case "hold" | "coordination":
            return LaneHeld(wait.cause, retry_after=UNTIL_RESUMED if seconds is None else seconds, call=call)
        case "breaker":
            return LaneOpen(wait.cause, retry_after=seconds, call=call)
        case "retry":  # tried before, and there is no budget for another try in time
            return AgencyUnavailable(turn.cause, retry_after=seconds, call=call)
    return LaneWaitTooLong(wait.guard, retry_after=seconds, call=call)


def by_outcome(outcome: Outcome | StaleCredentials | None, call: str, wait: float) -> HubError:
    """Return what a caller hears whose last exchange ended so; *wait* is the seconds until another could go."""
    match outcome:
        case Broken(sent=False, faults=()):
            return Internal(outcome.cause, call=call)
        case Broken(sent=False):
            faults = [RequestFault(fault.place, fault.rule) for fault in outcome.faults]
            return RequestInvalid(UNWRITABLE, faults=faults, call=call)
        case Broken(cause=cause):
            return AgencyBroken(cause, call=call)
        case Answered():
            return AgencyBroken("exists", call=call)
        case Unavailable(cause=cause):
            return AgencyUnavailable(cause, call=call)
        case Busy(cause=cause):
            return LaneHeld(cause, retry_after=wait, call=call)
        case StaleCredentials():
            return LaneHeld("auth", retry_after=wait, call=call)
        case InDoubt(cause=cause):
            return CallExpired(cause, call=call)
        case None:
            return CallExpired(call=call)
        case _:
            assert_never(outcome)
