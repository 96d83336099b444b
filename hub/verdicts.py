"""
What an outcome means for a call: one total table, pure. `lane.py` acts on it; nothing else decides about states.

Read `connectors/kit/outcomes.py` for the outcomes and `call.py` for the states and moves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import assert_never

from connectors.kit.outcomes import (
    Answered,
    Broken,
    Busy,
    InDoubt,
    Outcome,
    Result,
    StaleCredentials,
    Unavailable,
)
from hub.call import Call, Kind, State
from hub.guards.retry import DURABLE_ATTEMPTS, INTERACTIVE_ATTEMPTS


class Again(Enum):
    """When a call that is queued again goes again."""

    NEXT = "next"
    """At once, at the head of the line: another step of the same attempt, or new credentials."""
    HELD = "held"
    """When the hold ends that its agency asked for."""
    LATER = "later"
    """After the wait of its attempt."""
    SPACED = "spaced"
    """It is pending and asked after: by `every` of the look-up."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The move that a call makes after an exchange, and who is to blame for it."""

    state: State
    outcome: str
    """Name of the outcome in the exchange's row."""
    cause: str
    blame: str
    """caller, hub, agency, route, auth or contract."""
    attempt: bool = False
    again: Again | None = None
    """Set when `state` is queued, and when it is asked after; of one that is in doubt or pending, None means by nobody."""
    step: str | None = None
    """The operation whose exchange comes next, if it changes."""
    repeat: bool = False
    """The next exchange sends the same again."""
    pending: bool = False
    """It is answered, and its end is not known yet."""


OUTCOMES: MappingProxyType[type[object], str] = MappingProxyType(
    {
        Answered: "answered",
        Busy: "busy",
        Unavailable: "unavailable",
        InDoubt: "in_doubt",
        Broken: "broken",
        StaleCredentials: "stale",
    }
)
"""Names of the outcomes in exchange rows and metrics."""


def name_of(outcome: Outcome | StaleCredentials) -> str:
    """Return the name of *outcome* in exchange rows and metrics."""
    return OUTCOMES[type(outcome)]


def blamed(said: Verdict, outcome: Outcome | StaleCredentials | None) -> Verdict:
    """Return *said* as it is on a shared route: what did not get as far as its gateway is the route's doing."""
    return replace(said, blame="route") if isinstance(outcome, Unavailable) and outcome.of_the_road else said


def verdict(outcome: Outcome | StaleCredentials, call: Call, *, repeat_safe: bool, then: Mapping[str, str]) -> Verdict:
    """
    Return what *outcome* of an exchange means for *call*.

    *repeat_safe* and *then* are those of the operation that was sent, which may be a further step of the call.
    """
    match outcome:
        case Answered():
            return _answered(outcome, call, then)
        case Busy(cause=cause):
            blame = "route" if outcome.route else "agency"
            return Verdict(State.QUEUED, "busy", cause, blame, again=Again.HELD, repeat=True)
        case Unavailable(cause=cause):
            if _may_repeat(call):
                return Verdict(
                    State.QUEUED, "unavailable", cause, "agency", attempt=True, again=Again.LATER, repeat=True
                )
            return Verdict(_given_up(call), "unavailable", cause, "agency", attempt=True)
        case InDoubt(cause=cause):
            if repeat_safe and _may_repeat(call):
                return Verdict(State.QUEUED, "in_doubt", cause, "agency", attempt=True, again=Again.LATER, repeat=True)
            state = State.IN_DOUBT if call.kind is Kind.FILING else _given_up(call)
            return Verdict(state, "in_doubt", cause, "agency", attempt=True)
        case Broken():
            return _broken(outcome, call)
        case StaleCredentials(cause=cause):
            return Verdict(State.QUEUED, "stale", cause, "auth", again=Again.NEXT)
        case _:
            assert_never(outcome)


def _answered(outcome: Answered, call: Call, then: Mapping[str, str]) -> Verdict:
    cause = outcome.reason.code if outcome.reason else ""
    if outcome.result is Result.PENDING and not call.interactive:  # of an interactive call no request is kept to ask by
        return Verdict(State.ANSWERED, "answered", cause, "agency", again=Again.SPACED, pending=True)
    if outcome.result is not Result.EXISTS:
        return Verdict(State.ANSWERED, "answered", cause, "agency")
    step = then.get("exists")
    if step is None or step == call.step:
        # The agency insists that the record is there, and no step is left that would bring it up to date.
        return Verdict(State.DEAD, "answered", "exists", "contract")
    return Verdict(State.QUEUED, "answered", cause or "exists", "agency", again=Again.NEXT, step=step)


def _broken(outcome: Broken, call: Call) -> Verdict:
    if not outcome.sent:
        if not outcome.faults:  # nothing is wrong with the request: a connector or the hub failed over it
            return Verdict(State.DEAD, "broken", outcome.cause, "hub")
        return Verdict(State.DEAD, "broken", f"request:{outcome.cause}", "caller")
    cause = f"contract:{outcome.cause}"
    if call.kind is Kind.FILING and not outcome.refused_before_processing:
        return Verdict(State.IN_DOUBT, "broken", cause, "contract")
    return Verdict(State.DEAD, "broken", cause, "contract")


def _may_repeat(call: Call) -> bool:
    return call.attempts + 1 < (INTERACTIVE_ATTEMPTS if call.interactive else DURABLE_ATTEMPTS)


def _given_up(call: Call) -> State:
    return State.EXPIRED if call.interactive else State.DEAD


def verified(
    outcome: Outcome | StaleCredentials, *, agrees: bool, sees_writes: bool, asked_on: bool = False
) -> Verdict:
    """
    Return what the *outcome* of a verifying look-up means for a filing that is in doubt.

    *agrees*: the record found equals what was sent. *sees_writes*: what this look-up does not find was not done.
    *asked_on*: what the filing began is asked after until it ends, so it need not have ended yet to be proven.
    A verdict `in_doubt` without `again` needs a person.
    """
    match outcome:
        case Answered(result=Result.OK) if agrees:
            return Verdict(State.ANSWERED, "answered", "verified", "agency")
        case Answered(result=Result.PENDING) if agrees and asked_on:
            return Verdict(State.ANSWERED, "answered", "verified", "agency", again=Again.SPACED, pending=True)
        case Answered(result=Result.NOT_FOUND) if sees_writes:
            return Verdict(State.QUEUED, "answered", "not_done", "agency", again=Again.LATER, repeat=True)
        case Answered(result=Result.NOT_FOUND):
            return Verdict(State.IN_DOUBT, "answered", "not_found", "agency")
        case Answered():
            return Verdict(State.IN_DOUBT, "answered", "differs", "agency")
        case Broken(cause=cause, sent=sent):
            return Verdict(State.IN_DOUBT, "broken", f"contract:{cause}", "contract" if sent else "hub")
        case Busy(cause=cause):
            return Verdict(State.IN_DOUBT, "busy", cause, "route" if outcome.route else "agency", again=Again.HELD)
        case Unavailable(cause=cause):
            return Verdict(State.IN_DOUBT, "unavailable", cause, "agency", again=Again.LATER)
        case InDoubt(cause=cause):
            return Verdict(State.IN_DOUBT, "in_doubt", cause, "agency", again=Again.LATER)
        case StaleCredentials(cause=cause):
            return Verdict(State.IN_DOUBT, "stale", cause, "auth", again=Again.NEXT)
        case _:
            assert_never(outcome)


def asked_after(outcome: Outcome | StaleCredentials, *, differs: bool) -> Verdict:
    """
    Return what the *outcome* of a look-up means for a call whose answer is pending.

    *differs*: the record found is not the one that was sent, so it ends nothing, and a person must see it.
    """
    match outcome:
        case Answered(result=Result.OK) if differs:
            return Verdict(State.ANSWERED, "answered", "differs", "agency", pending=True)
        case Answered(result=Result.PENDING | Result.EXISTS):
            return _still_pending("answered", "pending", "agency")
        case Answered(reason=reason):
            return Verdict(State.ANSWERED, "answered", reason.code if reason else "", "agency")
        case Broken(cause=cause, sent=sent):
            return _still_pending("broken", f"contract:{cause}", "contract" if sent else "hub")
        case Busy(cause=cause):
            return _still_pending("busy", cause, "route" if outcome.route else "agency")
        case Unavailable(cause=cause):
            return _still_pending("unavailable", cause, "agency")
        case InDoubt(cause=cause):
            return _still_pending("in_doubt", cause, "agency")
        case StaleCredentials(cause=cause):
            return Verdict(State.ANSWERED, "stale", cause, "auth", again=Again.NEXT, pending=True)
        case _:
            assert_never(outcome)


def _still_pending(outcome: str, cause: str, blame: str) -> Verdict:
    return Verdict(State.ANSWERED, outcome, cause, blame, again=Again.SPACED, pending=True)
