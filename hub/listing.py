"""
What an agency lists to be fetched one by one: asked for, and put in order. Used by `polled.py`.

A list is either a queue, which gets shorter as things are acknowledged and is listed anew by every run; or it never gets
shorter, and goes on behind the last one that was asked for (`page.after`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel
from pydantic_core import from_json, to_json

from connectors.kit.inbox import Fetched, Notice, NotTaken, Understood, WireNotice
from connectors.kit.operation import key_fields, listed_requests
from connectors.kit.outcomes import Answered, InDoubt, Result
from hub.answers import value_of
from hub.call import Purpose
from hub.errors import AgencyBroken
from hub.lane import Lane
from mappings.errors import Fault, MappingFailed


@dataclass(frozen=True, slots=True)
class Listed:
    """A list, or one page of it."""

    requests: Sequence[BaseModel] = ()
    """For each item what the operation that fetches is asked."""
    refused: str | None = None
    """Code of the reason why the agency does not give the list."""


async def listed(lane: Lane, notice: Notice, purpose: Purpose, cursor: str | None) -> Listed:
    """
    Ask what of *notice* is there to be fetched, behind *cursor*.

    Raises:
        HubError: No list came, or none that can be read, and why.
    """
    raw = await lane.own.listing(notice, purpose, cursor)
    answer = from_json(raw)
    if answer["result"] == Result.REFUSED.value:
        return Listed(refused=answer["reason"]["code"])
    value = value_of(raw, lane.operations[notice.listed_by or ""].answer)
    if answer["result"] == Result.NOT_FOUND.value or value is None:
        return Listed()
    try:
        return Listed(listed_requests(value, lane.operations[notice.fetched_by or ""].request))
    except MappingFailed as failed:
        raise AgencyBroken(str(failed.faults[0])) from None


def key_of(request: BaseModel) -> str:
    """Return what tells one request from the others of its list."""
    return to_json(request, exclude_none=True).decode()


def field_of(request: BaseModel) -> str:
    """Return the text of the one field of *request*: behind it a list that never gets shorter goes on."""
    return next(iter(key_fields(request).values()))


def once_each(requests: Sequence[BaseModel]) -> Sequence[BaseModel]:
    """Return *requests* without those that are listed once more."""
    return list({key_of(one): one for one in requests}.values())


def around(requests: Sequence[BaseModel], cursor: str | None) -> Sequence[BaseModel]:
    """Return all of *requests*, those behind the one of *cursor* first; as they are when it is not among them."""
    place = next((number for number, one in enumerate(requests) if key_of(one) == cursor), None)
    return requests if place is None else [*requests[place + 1 :], *requests[: place + 1]]


def behind(requests: Sequence[BaseModel], cursor: str | None) -> Sequence[BaseModel]:
    """Return those of *requests* behind the one whose field is *cursor*; all when it is not among them."""
    place = next((number for number, one in enumerate(requests) if field_of(one) == cursor), None)
    return requests if place is None else requests[place + 1 :]


def nothing(notice: Notice) -> Fetched:
    """Return what stands for one that did not come and is listed again."""
    return Fetched(InDoubt("not_given"), Understood(notice.name, ()))


def for_a_person(notice: Notice, request: BaseModel, why: str) -> Fetched:
    """Return what stands for one that does not come and is never listed again: it is kept with its key, and *why*."""
    key = key_fields(request)
    read = NotTaken(notice.name, "refused", (Fault(next(iter(key), ""), why),))
    return Fetched(InDoubt("not_given"), read, came=WireNotice({}, key, why.encode()))


def not_given(fetched: Fetched) -> str | None:
    """Return why the agency does not give, and never will, one that it lists; None: it does."""
    if isinstance(fetched.outcome, Answered) and fetched.outcome.result is Result.NOT_FOUND:
        return "the agency lists it and does not have it"
    return f"the agency lists it and does not give it: {said(fetched) or 'refused'}" if fetched.read is None else None


def said(fetched: Fetched) -> str:
    """Return the code of the reason why the agency refuses; empty: it gave none."""
    reason = fetched.outcome.reason if isinstance(fetched.outcome, Answered) else None
    return reason.code if reason else ""
