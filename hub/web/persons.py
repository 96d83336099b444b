"""
The operators' doors to calls, and to what needs a person: doubts and dead letters, calls and notices. `admin.py` puts them on.

`GET /calls` · `GET /calls/{call}` · `GET /doubts` · `GET /doubts/{call}` · `POST /doubts/{call}` · `GET /dead` ·
`GET /dead/{call}` · `POST /dead/replay` · `POST /dead/discard` · `GET /doubts/tolls` · `GET /dead/tolls`

Who must find out with an agency what became of a filing needs the dossier's code, the operation, the moment of sending,
the id of the exchange, our reference and theirs: all that is shown. The request itself is personal data, and an operator has no purpose for it;
it is shown with every personal place masked, beside its digest and size, by which both sides can tell that they speak of
the same thing. Who decides (`by`) and why go to the journal, in the commit that moves the call.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import Query
from pydantic import AwareDatetime, Field

from hub.answers import confirmed_json
from hub.call import State
from hub.errors import CallUnknown, RequestFault, RequestInvalid
from hub.store.dead_notices import WhichDead
from hub.store.deciding import Act, Decided, Decision
from hub.store.persons import Case, Mark, Persons, Which
from hub.store.protocol import Record, Sought
from hub.web import dead_notices
from hub.web.cases import Operations, call_shown, case_shown, details_shown, stuck_shown
from hub.web.dead_notices import NoticeOffice
from hub.web.lanes import OPERATOR, Doors, Reason, Wanted, Words

MOST = 500
"""Calls of one page, and of one request that decides."""
_ABOVE = 1 << 63
"""Above every number that a database counts to."""

Who: TypeAlias = Annotated[Words, Field(min_length=1, description="Who decides, for the journal")]
Theirs: TypeAlias = Annotated[Words, Field(min_length=1, description="The agency's own number")]
Some: TypeAlias = Annotated[
    tuple[Words, ...], Field(min_length=1, max_length=MOST, description="Ids of calls and of dead notices")
]


class Resolution(Wanted):
    """What a person learned about a filing in doubt."""

    outcome: Literal[Act.DONE, Act.NOT_DONE, Act.GIVE_UP] = Field(description="What became of it at the agency")
    by: Who
    reason: Reason
    refs: dict[str, Theirs] = Field({}, description="Of `done`: our name of a reference = the agency's number")


class OfMany(Wanted):
    """Dead letters that are sent again, or discarded."""

    calls: Some
    by: Who = OPERATOR
    reason: Reason


@dataclass(frozen=True, slots=True)
class CallOffice:
    """What these doors open onto."""

    find: Callable[[Sought], Awaitable[Sequence[Record]]]
    persons: Persons
    decide: Callable[[Sequence[str], Decision], Awaitable[Sequence[Decided]]]
    operations: Operations
    notices: NoticeOffice
    looks_up_from: Callable[[str], float] = lambda _agency: 0.0
    """By agency: Unix seconds before which no doubt is looked up."""


def person_doors(office: CallOffice) -> Doors:
    """Return all of them."""
    return {**_calls(office), **_doubts(office), **_dead(office)}


def _calls(office: CallOffice) -> Doors:
    async def find(
        caller: str | None = None,
        agency: str | None = None,
        dossier: str | None = None,
        key: str | None = None,
        state: State | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        before: str | None = None,
    ) -> list[dict[str, Any]]:
        records = await office.find(Sought(caller, agency, dossier, key, state, limit, before))
        return [call_shown(record) for record in records]

    async def show(call: str) -> dict[str, Any]:
        return details_shown(await _case(office, call))

    return {("GET", "/calls"): find, ("GET", "/calls/{call}"): show}


def _doubts(office: CallOffice) -> Doors:
    async def resolve(call: str, wanted: Resolution) -> dict[str, Any]:
        act = Act(wanted.outcome)
        case = await _case(office, call)
        _check_refs(office, case, wanted)
        answer = confirmed_json() if act is Act.DONE else None
        decision = Decision(act, wanted.by, wanted.reason, answer, wanted.refs)
        return _became(await office.decide([call], decision))[0]

    return {**_listing(office, "/doubts", State.IN_DOUBT), ("POST", "/doubts/{call}"): resolve}


def _dead(office: CallOffice) -> Doors:
    listing = _listing(office, "/dead", State.DEAD)
    calls_of, tolls_of = listing["GET", "/dead"], listing["GET", "/dead/tolls"]

    async def listed(
        agency: str | None = None,
        cause: str | None = None,
        since: AwareDatetime | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        after: str | None = None,
        notices_after: Annotated[int | None, Query(ge=0, lt=_ABOVE)] = None,
        what: Literal["calls", "notices", "both"] = "both",
    ) -> dict[str, Any]:
        calls: dict[str, Any] = {"calls": [], "after": None}
        notices: dict[str, Any] = {"notices": [], "notices_after": None}
        if what != "notices":
            calls = await calls_of(agency, cause, since, limit, after)
        if what != "calls":
            notices = await dead_notices.page(office.notices, _which(agency, cause, since), limit, notices_after)
        return calls | notices

    async def tolls(
        agency: str | None = None, cause: str | None = None, since: AwareDatetime | None = None
    ) -> list[dict[str, Any]]:
        which = _which(agency, cause, since)
        return await dead_notices.tolls(office.notices, which, await tolls_of(agency, cause, since))

    async def show(call: str) -> dict[str, Any]:
        notice = await dead_notices.show(office.notices, call)
        return (
            notice
            if notice is not None
            else case_shown(await _case(office, call), office.operations, office.looks_up_from)
        )

    async def decided(act: Act, wanted: OfMany) -> dict[str, Any]:
        known = await office.notices.dead.among(wanted.calls)
        calls = [one for one in wanted.calls if one not in known]
        notices = [one for one in wanted.calls if one in known]
        ended = await office.decide(calls, Decision(act, wanted.by, wanted.reason)) if calls else ()
        read = (
            dead_notices.replay(office.notices, notices, wanted.by)
            if act is Act.REPLAY
            else dead_notices.discard(office.notices, notices, wanted.by, wanted.reason)
        )
        return {"calls": _became(ended), "notices": await read}

    async def replay(wanted: OfMany) -> dict[str, Any]:
        return await decided(Act.REPLAY, wanted)

    async def discard(wanted: OfMany) -> dict[str, Any]:
        return await decided(Act.DISCARD, wanted)

    return {
        ("POST", "/dead/replay"): replay,
        ("POST", "/dead/discard"): discard,
        ("GET", "/dead"): listed,
        ("GET", "/dead/tolls"): tolls,
        ("GET", "/dead/{call}"): show,
    }


def _which(agency: str | None, cause: str | None, since: datetime | None) -> WhichDead:
    return WhichDead(agency, cause, since.timestamp() if since else None)


def _listing(office: CallOffice, path: str, state: State) -> Doors:
    async def listed(
        agency: str | None = None,
        cause: str | None = None,
        since: AwareDatetime | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        after: str | None = None,
    ) -> dict[str, Any]:
        which = Which(state, agency, cause, since.timestamp() if since else None)
        page = await office.persons.page(which, limit, _mark(after))
        following = _written(page[-1].mark) if len(page) == limit else None
        return {
            "calls": [stuck_shown(one, office.operations, office.looks_up_from) for one in page],
            "after": following,
        }

    async def tolls(
        agency: str | None = None, cause: str | None = None, since: AwareDatetime | None = None
    ) -> list[dict[str, Any]]:
        which = Which(state, agency, cause, since.timestamp() if since else None)
        return [toll._asdict() for toll in await office.persons.tolls(which)]

    async def show(call: str) -> dict[str, Any]:
        return case_shown(await _case(office, call), office.operations, office.looks_up_from)

    return {("GET", path): listed, ("GET", f"{path}/tolls"): tolls, ("GET", f"{path}/{{call}}"): show}


async def _case(office: CallOffice, call: str) -> Case:
    case = await office.persons.case(call)
    if case is None:
        raise CallUnknown
    return case


def _check_refs(office: CallOffice, case: Case, wanted: Resolution) -> None:
    """
    Refuse a reference that no later step could find again.

    Raises:
        RequestInvalid: A name that no operation of the agency remembers anything by, or an outcome without references.
    """
    operations = office.operations.get(case.record.call.agency, {}).values()
    names = {name for operation in operations for name in operation.ref} | {one.ours for one in case.references}
    known = f"it remembers {', '.join(sorted(names))}" if names else "it remembers none"
    faults = [RequestFault(f"/refs/{name}", f"is no reference of this agency; {known}") for name in wanted.refs]
    faults = [fault for fault, name in zip(faults, wanted.refs, strict=True) if name not in names]
    if wanted.refs and wanted.outcome is not Act.DONE:
        faults = [RequestFault("/refs", "belong to a filing that was done")]
    if faults:
        raise RequestInvalid(faults=faults)


def _became(decided: Sequence[Decided]) -> list[dict[str, Any]]:
    return [{"call": one.call, "became": one.fate, "state": one.state} for one in decided]


def _written(mark: Mark) -> str:
    return f"{mark.seq}~{mark.due_at!r}~{mark.agency}"


def _mark(text: str | None) -> Mark | None:
    """
    Read what `_written` wrote.

    Raises:
        RequestInvalid: It is something else.
    """
    if text is None:
        return None
    try:
        seq, due_at, agency = text.split("~", 2)
        mark = Mark(agency, float(due_at), int(seq))
    except ValueError:
        mark = None
    if mark is None or not (isfinite(mark.due_at) and 0 <= mark.seq < _ABOVE):
        raise RequestInvalid(faults=[RequestFault("?after", "is the `after` of the page before")])
    return mark
