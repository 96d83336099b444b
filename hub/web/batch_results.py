"""
What became of a batch: its calls by page, in the order in which they were accepted, and how many are in which state.
"""

from typing import Final

from pydantic_core import to_json

from hub.call import State
from hub.errors import CallUnknown, RequestFault, RequestInvalid
from hub.security.identity import Caller
from hub.store.batches import KeptBatches, Part
from hub.store.protocol import Record
from hub.web.calls import ID, STATES, query, whole_number
from hub.web.replies import Header, Scope, Send, answer, located, told_body

PAGE: Final = 100
LONGEST_PAGE: Final = 200
"""Calls of a page: with an answer of 16 KiB each, three megabytes."""


class BatchResults:
    """`GET /v1/calls/{agency}:batch/{id}`."""

    def __init__(self, batches: KeptBatches) -> None:
        self._batches = batches

    async def read(self, scope: Scope, send: Send, agency: str, batch: str, caller: Caller) -> None:
        """Answer a page of the caller's own calls; the first page also counts them by state."""
        asked = query(scope, {"after", "limit", "state"})
        state, after = asked.get("state"), asked.get("after")
        if state is not None and state not in STATES:
            raise RequestInvalid(faults=[RequestFault("?state", f"is one of {', '.join(State)}")])
        if after is not None and not ID.fullmatch(after):
            raise RequestInvalid(
                faults=[RequestFault("?after", "is the id of a call: take the address in `following`")]
            )
        limit = whole_number(asked, "limit", PAGE, 1, LONGEST_PAGE)
        part = Part(caller.name, agency, batch, State(state) if state else None, after, limit)
        if not ID.fullmatch(batch):
            raise CallUnknown
        counts = await self._batches.counts(part) if after is None else None
        if counts is not None and not counts:
            raise CallUnknown("No call of this caller was handed in with this batch.")
        records = await self._batches.page(part)
        following = None
        if len(records) == limit:
            kept = f"&state={state}" if state else ""
            following = f"/v1/calls/{agency}:batch/{batch}?after={records[-1].call.id}&limit={limit}{kept}"
        head = {"batch": batch, "counts": counts, "following": following}
        body = to_json(head)[:-1] + b',"calls":[' + b",".join(_one(record) for record in records) + b"]}"
        links: tuple[Header, ...] = ((b"link", f'<{following}>; rel="next"'.encode()),) if following else ()
        await answer(send, 200, body, *links)


def _one(record: Record) -> bytes:
    call = record.call
    body = told_body(call.id, call.state, record.answer, record.result, record.answered_at, record.cause)
    return located(
        body, call.agency, call.id, operation=call.operation, idempotency_key=call.idempotency_key, cause=record.cause
    )
