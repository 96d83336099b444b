"""The operators' doors to polls: how far each has come, and run one now."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hub.errors import OperationUnknown
from hub.polled import Poll
from hub.store.polls import PollRow
from hub.web.lanes import OPERATOR, Doors
from hub.web.replies import moment


@dataclass(frozen=True, slots=True)
class PollOffice:
    """What the doors open onto."""

    rows: Callable[[], Awaitable[Sequence[tuple[Poll, PollRow | None]]]]
    run_now: Callable[[str, str, str], Awaitable[bool]]
    """Takes agency, notice, and who wants it."""


def poll_doors(office: PollOffice) -> Doors:
    """Return the doors, by method and path."""

    async def listed() -> list[dict[str, Any]]:
        return [shown(poll, row) for poll, row in await office.rows()]

    async def run(agency: str, notice: str) -> dict[str, Any]:
        if not await office.run_now(agency, notice, OPERATOR):
            raise OperationUnknown("No such notice is fetched; `hub polls` lists those that are.")
        return {"agency": agency, "notice": notice, "due": True}

    return {("GET", "/polls"): listed, ("POST", "/polls/{agency}/{notice}/run"): run}


def shown(poll: Poll, row: PollRow | None) -> dict[str, Any]:
    """Return how far a poll has come. Not its cursor: that is the agency's, and may say what it is about."""

    def at(seconds: float | None) -> str | None:
        return moment(seconds) if seconds is not None else None

    agency, notice = poll.key
    return {
        "agency": agency,
        "notice": notice,
        "operation": poll.first,
        "every": poll.every,
        "last_run": at(row.last_at) if row else None,
        "last_outcome": row.outcome or None if row else None,
        "cause": row.cause or None if row else None,
        "taken": row.taken if row else 0,
        "failures": row.failures if row else 0,
        "cursor_moved": at(row.moved_at) if row else None,
        "next_run": at(row.due_at) if row else None,
        "fetched_by_node": row.lease_node if row else None,
    }
