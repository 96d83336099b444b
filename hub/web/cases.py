"""
How a call looks to operators: where it stands, what was sent of it and when, what is known, and who decided about it.

Never what was said: that is personal data, and an operator has no purpose for it. Of the request only what its model
does not declare personal is shown.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import ValidationError

from connectors.kit.operation import Operation
from hub.asking_after import look_up_of
from hub.call import NEVER, PENDING, State, exchange_id
from hub.store.persons import Case, Stuck
from hub.store.protocol import Record
from hub.web.replies import moment
from mappings.canonical.shape import mask

PERSON = "person"
"""Instead of a moment: no look-up is planned, somebody has to ask."""

Operations = Mapping[str, Mapping[str, Operation]]
"""By agency and name."""
From = Callable[[str], float]
"""By agency: Unix seconds before which no doubt is looked up."""


def call_shown(record: Record) -> dict[str, Any]:
    """Return where a call stands."""
    call = record.call
    return {
        "call": call.id,
        "agency": call.agency,
        "operation": call.operation,
        "caller": call.caller,
        "class": call.cls,
        "state": call.state,
        "step": call.step,
        "result": record.result,
        "cause": record.cause,
        "attempts": call.attempts,
        "exchanges": call.exchange_no,
        "accepted_at": moment(call.accepted_at),
        "due_at": moment(call.due_at),
        "deadline": moment(call.deadline),
        "answered_at": moment(record.answered_at) if record.answered_at is not None else None,
        "officer": call.purpose.officer,
        "unit": call.purpose.unit,
        "dossier": call.purpose.dossier,
        "intake": call.purpose.intake,
    }


def details_shown(case: Case) -> dict[str, Any]:
    """Return where a call stands, with its keys and what stands in its way."""
    call, first = case.record.call, case.in_the_way
    return call_shown(case.record) | {
        "idempotency_key": call.idempotency_key,
        "order_key": call.order_key,
        "traceparent": call.traceparent,
        "in_the_way": first and {"call": first.call, "state": first.state, "cause": first.cause},
        "holds_up": case.holds_up,
    }


def stuck_shown(stuck: Stuck, operations: Operations, looks_up_from: From) -> dict[str, Any]:
    """Return a call that needs a person, as a list of many shows it."""
    call = stuck.record.call
    return {
        "call": call.id,
        "agency": call.agency,
        "operation": call.operation,
        "step": call.step,
        "caller": call.caller,
        "class": call.cls,
        "dossier": call.purpose.dossier,
        "state": call.state,
        "cause": stuck.record.cause,
        "since": moment(stuck.since),
        "attempts": call.attempts,
        **_looking(stuck.record, operations, looks_up_from),
        "replayable": not call.interactive and call.agency in operations,
    }


def case_shown(case: Case, operations: Operations, looks_up_from: From) -> dict[str, Any]:
    """
    Return all that a person needs who asks an agency what became of a call, and who decided what about it.

    With the agency one speaks of: the dossier's code, the operation, the moment of sending, the id of the exchange, our
    reference (the call's id without dashes, which connectors send as `call.reference`) and the agency's own numbers.
    """
    call = case.record.call
    return details_shown(case) | {
        "since": moment(case.since) if case.since is not None else None,
        **_looking(case.record, operations, looks_up_from),
        "our_reference": call.id.replace("-", ""),
        "sent": {"request": _masked(case, operations), "digest": case.digest, "bytes": case.size},
        "made": [
            {
                "exchange": one.no,
                "id": exchange_id(call.id, one.no),
                "operation": one.step,
                "node": one.node,
                "sent_at": moment(one.sent_at),
                "outcome": one.outcome,
                "cause": one.cause,
                "seconds": one.seconds,
            }
            for one in case.exchanges
        ],
        "references": [
            {"ours": one.ours, "theirs": one.theirs, "call": one.call, "known_at": moment(one.known_at)}
            for one in case.references
        ],
        "decisions": [{"at": moment(one.at), "by": one.caller, "what": one.detail} for one in case.decisions],
    }


def _looking(record: Record, operations: Operations, looks_up_from: From) -> dict[str, Any]:
    """
    Tell by which look-up the agency is asked after a call in doubt or pending, if any, and when next.

    A hub that has just begun waits before the first.
    """
    call = record.call
    pending = call.state is State.ANSWERED and record.result == PENDING and not call.interactive
    why: Literal["in_doubt", "pending"] = "pending" if pending else "in_doubt"
    found = look_up_of(operations.get(call.agency, {}), call.operation, call.step, why)
    asked_after = pending or call.state is State.IN_DOUBT
    return {
        "look_up": found[1] if found else None,
        "next_look_up": _next(call.due_at, looks_up_from(call.agency)) if asked_after else None,
    }


def _next(due_at: float, begins_at: float) -> str:
    return moment(max(due_at, begins_at)) if due_at < NEVER else PERSON


def _masked(case: Case, operations: Operations) -> dict[str, Any] | None:
    """Return the request without what is personal; None when it was not kept or today's model cannot read it."""
    call = case.record.call
    operation = operations.get(call.agency, {}).get(call.operation)
    if case.request is None or operation is None:
        return None
    try:
        return mask(operation.request.model_validate_json(case.request))
    except ValidationError:
        return None
