"""
Dead notices as operators see them, beside dead calls: which came, what is wrong with them, and what is decided.

What came is never shown: it is personal data, and an operator has no purpose for it. Its digest and size are, by which
an agency can tell which message is meant, and the key by which it was fetched, unless that is personal; faults name
places and rules. Used by `persons.py`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.arriving import Reread
from hub.store.dead_notices import DeadNotice, DeadNotices, Raw, WhichDead
from hub.web.replies import moment


@dataclass(frozen=True, slots=True)
class NoticeOffice:
    """What these doors open onto."""

    dead: DeadNotices
    again: Callable[[str, str], Awaitable[Reread]]
    """Reads one again; takes its id and who wants it."""
    asked_for: Callable[[Raw], Mapping[str, str]]
    """Says by which key it was fetched; empty: it was not fetched for itself."""


async def page(office: NoticeOffice, which: WhichDead, limit: int, before: int | None) -> dict[str, Any]:
    """Return a page of them, and where the next one begins."""
    found = await office.dead.page(which, limit, before)
    following = found[-1].seq if len(found) == limit else None
    return {"notices": [_shown(one) for one in found], "notices_after": following}


async def show(office: NoticeOffice, dead: str) -> dict[str, Any] | None:
    """Return one, None when there is no such one."""
    got = await office.dead.get(dead)
    if got is None:
        return None
    faults = [{"place": place, "rule": rule} for place, rule in got[0].faults]
    asked_for = dict(office.asked_for(got[1]))
    return _shown(got[0]) | {"digest": got[0].digest, "asked_for": asked_for, "faults": faults}


async def tolls(office: NoticeOffice, which: WhichDead, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return how many calls, as counted in *calls*, and how many notices there are by agency and cause."""
    found = {(one["agency"], one["cause"]): one | {"notices": 0} for one in calls}
    for agency, cause, count in await office.dead.tolls(which):
        known = found.get((agency, cause), {"agency": agency, "cause": cause, "calls": 0})
        found[agency, cause] = known | {"notices": count}
    return list(found.values())


async def replay(office: NoticeOffice, dead: Sequence[str], by: str) -> list[dict[str, Any]]:
    """Read them with today's mapping: each is taken, or stays with what is wrong with it now."""
    read = [(one, await office.again(one, by)) for one in dead]
    return [
        {
            "notice": one,
            "became": again.became,
            "faults": [{"place": place, "rule": rule} for place, rule in again.faults],
        }
        for one, again in read
    ]


async def discard(office: NoticeOffice, dead: Sequence[str], by: str, reason: str) -> list[dict[str, Any]]:
    """End them for good."""
    gone = await office.dead.discard(dead, by, reason)
    return [
        {"notice": one, "became": "discarded" if there else "unknown", "faults": []}
        for one, there in zip(dead, gone, strict=True)
    ]


def _shown(one: DeadNotice) -> dict[str, Any]:
    return {
        "dead_notice": one.id,
        "agency": one.agency,
        "notice": one.notice or None,
        "cause": one.cause,
        "came_at": moment(one.came_at),
        "last_at": moment(one.last_at),
        "times": one.times,
        "bytes": one.size,
        "wrong": "; ".join(f"{place}: {rule}" if place else rule for place, rule in one.faults[:3]),
    }
