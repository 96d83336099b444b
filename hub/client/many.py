"""
Many calls at once: handed in as a batch, and read by page. `HubClient` has them as methods. `feed.py` hears of them.

Nothing is kept but what is under way: a batch goes out in requests of a few hundred lines under one id, so that the
lines may come from a database cursor and be a million.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict
from pydantic_core import from_json, to_json

from hub.client.shapes import Problem, Purpose, Reason

if TYPE_CHECKING:
    from hub.client.client import HubClient

T = TypeVar("T", bound=BaseModel)

LINES = 200
"""Lines of one request: the answers to so many fit between the hub and a client that reads them afterwards."""
LINES_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One call of a batch: *operation* without its agency. A filing needs a *key*; the rest is as for the whole batch."""

    operation: str
    request: BaseModel
    key: str | None = None
    purpose: Purpose | None = None
    deadline: float | None = None
    urgency: int | None = None

    def text(self) -> bytes:
        """Return the line as it is sent."""
        purpose = {} if self.purpose is None else self.purpose.given()
        more: dict[str, Any] = {
            "idempotency_key": self.key,
            "purpose": purpose or None,
            "deadline": self.deadline,
            "priority": self.urgency,
        }
        head = to_json({"operation": self.operation} | {name: one for name, one in more.items() if one is not None})
        return head[:-1] + b',"request":' + self.request.model_dump_json().encode() + b"}\n"


@dataclass(frozen=True, slots=True)
class BatchTicket:
    """What became of a line: the call that is on disk, or the problem of a line that is none."""

    line: BatchLine
    batch: str
    call: str | None
    state: str
    problem: Problem | None


class Member(BaseModel, Generic[T]):
    """A call of a batch, or one that settled, as it stands in a list."""

    model_config = ConfigDict(frozen=True)

    call: str
    state: str
    result: str | None = None
    value: T | None = None
    """The agency's answer; None too when it is too long for a list: then `HubClient.read` brings it."""
    reason: Reason | None = None
    answered_at: datetime | None = None
    location: str
    cause: str = ""
    operation: str = ""
    """Of a call of a batch, as is its key."""
    idempotency_key: str | None = None


async def batch(
    hub: "HubClient",
    agency: str,
    lines: Iterable[BatchLine] | AsyncIterable[BatchLine],
    headers: Mapping[str, str],
    patience: float,
) -> AsyncIterator[BatchTicket]:
    """See `HubClient.batch`."""
    clock = asyncio.get_running_loop().time
    until = clock() + patience
    async for group in _groups(lines):
        left: Sequence[BatchLine] = group
        while left:
            try:
                told = await _hand_in(hub, agency, left, headers)
            except Problem as problem:
                told = _Told((), problem)
            for ticket in told.tickets:
                yield ticket
            if told.tickets:
                until = clock() + patience
            left = left[len(told.tickets) :]
            if told.problem is not None:
                pause = told.problem.retry_after
                if pause is None or clock() + pause > until:
                    raise told.problem
                await asyncio.sleep(pause)


@dataclass(frozen=True, slots=True)
class _Told:
    """What one request of a batch brought: tickets of its first lines, and why there are none of the others."""

    tickets: Sequence[BatchTicket]
    problem: Problem | None


async def _hand_in(hub: "HubClient", agency: str, group: Sequence[BatchLine], headers: Mapping[str, str]) -> _Told:
    body = b"".join(line.text() for line in group)
    reply = await hub.send("POST", f"/v1/calls/{quote(agency, safe='')}:batch", content=body, headers=headers)
    *answers, summary = (from_json(text) for text in reply.content.splitlines())
    again = summary.get("send_again_from")
    problem = summary.get("problem")
    tickets = [
        BatchTicket(
            group[one["line"] - 1],
            summary["batch"],
            one.get("call") if "code" not in one else None,
            one.get("state", ""),
            Problem(one, one.get("retry_after")) if "code" in one else None,
        )
        for one in answers
        if again is None or one["line"] < again
    ]
    return _Told(tickets, None if problem is None else Problem(problem, problem.get("retry_after")))


async def _groups(lines: Iterable[BatchLine] | AsyncIterable[BatchLine]) -> AsyncIterator[Sequence[BatchLine]]:
    group: list[BatchLine] = []
    size = 0
    async for line in _each(lines):
        group.append(line)
        size += len(line.text())
        if len(group) == LINES or size >= LINES_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


async def _each(lines: Iterable[BatchLine] | AsyncIterable[BatchLine]) -> AsyncIterator[BatchLine]:
    if isinstance(lines, AsyncIterable):
        async for line in lines:
            yield line
    else:
        for line in lines:
            yield line


async def batch_results(
    hub: "HubClient", agency: str, batch: str, answer: type[T], state: str | None
) -> AsyncIterator[Member[T]]:
    """See `HubClient.batch_results`."""
    shape = member_of(answer)
    path = f"/v1/calls/{quote(agency, safe='')}:batch/{quote(batch, safe='')}"
    following: str | None = path if state is None else f"{path}?state={quote(state, safe='')}"
    while following is not None:
        told = from_json((await hub.send("GET", following)).content)
        for one in told["calls"]:
            yield shape.model_validate_json(to_json(one))
        following = told["following"]


def member_of(answer: type[T]) -> type[Member[T]]:
    """Return the shape of a call whose value is an *answer*."""
    shape: type[Member[T]] = Member.__class_getitem__(answer)  # type: ignore[assignment]  # known at run time only
    return shape
