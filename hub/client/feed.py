"""
The feed, followed: calls as they settle, and what agencies tell. A stream that breaks off goes on where it was.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import httpx2
from pydantic import BaseModel
from pydantic_core import from_json, to_json

from hub.client.many import Member, member_of
from hub.client.shapes import Problem

if TYPE_CHECKING:
    from hub.client.client import HubClient

T = TypeVar("T", bound=BaseModel)
TOLD = "vn.lienthong."
SETTLED = TOLD + "call.settled"
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds before a stream that broke off is opened again, doubling."""
SILENCE = 40.0
"""Seconds without even a heartbeat after which a stream is taken to be dead; the hub beats each 15."""


@dataclass(frozen=True, slots=True)
class Settled(Generic[T]):
    """One event of the feed. The same `id` may come twice; `place` is where the feed goes on after it."""

    id: str
    place: str
    agency: str
    at: datetime
    call: Member[T]


@dataclass(frozen=True, slots=True)
class Told(Generic[T]):
    """What an agency told. The same `id` may come twice; `place` is where the feed goes on after it."""

    id: str
    place: str
    agency: str
    dossier: str
    """Empty: nobody here is known to have filed it."""
    at: datetime
    value: T | None
    """None: this notice carries no record."""
    refs: Mapping[str, str]
    """The agency's own numbers, by our name."""


async def settled(
    hub: "HubClient", agencies: Sequence[str], answer: type[T], after: str | None
) -> AsyncGenerator[Settled[T], None]:
    """See `HubClient.settled`."""
    shape = member_of(answer)
    async for place, event in _events_of(hub, agencies, {}, SETTLED, after):
        agency, at = event["source"].rpartition("/")[2], datetime.fromisoformat(event["time"])
        yield Settled(event["id"], place, agency, at, shape.model_validate_json(to_json(event["data"])))


async def told(
    hub: "HubClient", notice: str, value: type[T], dossier: str | None, after: str | None
) -> AsyncGenerator[Told[T], None]:
    """See `HubClient.told`."""
    agency, _, name = notice.partition(".")
    only = {} if dossier is None else {"dossier": dossier}
    async for place, event in _events_of(hub, [agency], only, TOLD + name, after):
        said = event["data"]
        record = None if said["value"] is None else value.model_validate_json(to_json(said["value"]))
        at = datetime.fromisoformat(event["time"])
        yield Told(event["id"], place, agency, event["subject"], at, record, said["refs"])


async def _events_of(
    hub: "HubClient", agencies: Sequence[str], only: Mapping[str, str], kind: str, after: str | None
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Give place and event of each of one *kind*, without an end."""
    query = dict(only) | ({"agencies": ",".join(agencies)} if agencies else {})
    pause = FIRST_PAUSE
    while True:
        place = {} if after is None else {"last-event-id": after}
        try:
            async with hub.stream("/v1/notices/stream", params=query, headers=place, silence=SILENCE) as pieces:
                async for id_, data in _events(pieces):
                    after, pause = id_, FIRST_PAUSE
                    event = from_json(data) if data else {}  # without data: where it begins
                    if event.get("type") == kind:
                        yield id_, event
        except httpx2.HTTPError:
            pass  # it broke off, or nothing was heard for too long
        except Problem as problem:
            if problem.retry_after is None:
                raise
            pause = max(pause, problem.retry_after)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


async def _events(pieces: AsyncIterator[str]) -> AsyncIterator[tuple[str, str]]:
    """Give place and data of each event, from the lines of a stream; a place alone is without data."""
    fields: dict[str, str] = {}
    async for line in pieces:
        if line:
            name, _, text = line.partition(":")
            fields[name] = text.removeprefix(" ")
            continue
        if "id" in fields:
            yield fields["id"], fields.get("data", "")
        fields = {}
