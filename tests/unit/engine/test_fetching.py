"""Only where an agency's entry leads may the hub be sent, and only as far as its contract allows."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from connectors.kit.fetching import NotFetched
from hub.clock import VirtualClock
from hub.coordination.protocol import STALE, Permit, Wait
from hub.errors import AgencyBroken, AgencyUnavailable, HubError, LaneFull, OperationUnknown, RequestInvalid
from hub.fetching import Fetching, Source
from hub.files import Files
from hub.outside import Outside
from hub.store.files import PART_BYTES
from hub.store.sqlite import SqliteStore

MOST = 2 * PART_BYTES
OUTSIDE = Outside.files("https://police.example/api", [])


class OneRoad:
    """Grants what a test says, and notes what came back."""

    def __init__(self) -> None:
        self.answer: Permit | Wait = Permit(1, "police", "fetch_file", "normal")  # type: ignore[arg-type]
        self.events: list[Any] = []
        self.leaves = True

    async def claim(self, lane: str, wanted: Any) -> list[Permit | Wait]:
        self.events.append(("claim", lane))
        return [self.answer]

    async def leave(self, permit: Permit, within: float) -> bool:
        self.events.append("leave")
        return self.leaves

    async def release(self, permit: Permit, outcome: Any, seconds: float) -> None:
        self.events.append(("release", outcome))


class Served:
    """Plays a fetcher."""

    def __init__(self) -> None:
        self.content: list[bytes | NotFetched] = [b"%PDF-1.7"]
        self.asked: list[str] = []

    async def fetch(self, url: str, *, seconds: float, most: int) -> AsyncIterator[bytes]:
        self.asked.append(url)
        for one in self.content:
            if isinstance(one, NotFetched):
                raise one
            yield one


class Desk:
    def __init__(self, store: SqliteStore, clock: VirtualClock) -> None:
        self.store, self.road, self.served = store, OneRoad(), Served()
        self.files = Files(store.files, lambda: "u1", file_bytes=MOST)
        road: Any = self.road
        sources = {"police": Source(OUTSIDE, self.served, 20.0)}
        self.fetching = Fetching(sources, self.files, road, store.note, clock, file_bytes=MOST)

    async def fails(self, kind: type[HubError], url: str = "https://police.example/f", agency: str = "police") -> None:
        with pytest.raises(kind):
            await self.fetching.fetch(agency, url, "onestop")


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock = VirtualClock()
    store = SqliteStore.in_memory(clock, backlog_calls={})
    yield Desk(store, clock)
    await store.close()


async def test_a_file_is_fetched_under_the_contract_on_record_and_kept(desk: Desk) -> None:
    stored = await desk.fetching.fetch("police", "https://police.example/f?key=secret", "onestop")
    assert await desk.files.find(stored.id, ["onestop"]) == stored
    assert desk.road.events == [("claim", "police"), "leave", ("release", STALE)]
    asked = (await desk.store.journal())[0].entry
    assert (asked.event, asked.caller, asked.detail) == ("file_asked", "onestop", "agency/police police.example:443")


async def test_an_address_goes_as_it_was_checked(desk: Desk) -> None:
    await desk.fetching.fetch("police", "https://POLICE.example/tệp%201#page=2", "onestop")
    assert desk.served.asked == ["https://police.example:443/t%E1%BB%87p%201"]


async def test_a_lane_that_is_full_is_not_asked(desk: Desk) -> None:
    desk.road.answer = Wait("rate", 7.0)
    await desk.fails(LaneFull)
    assert (desk.served.asked, desk.road.events) == ([], [("claim", "police")])


async def test_nothing_is_asked_for_whose_moment_to_leave_did_not_come(desk: Desk) -> None:
    desk.road.leaves = False
    await desk.fails(LaneFull)
    assert (desk.served.asked, desk.road.events[-1]) == ([], ("release", STALE))


async def test_what_no_rule_allows_needs_no_permit(desk: Desk) -> None:
    await desk.fails(RequestInvalid, "https://evil.example/f")
    await desk.fails(OperationUnknown, agency="post")
    assert desk.road.events == []


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        ("forbidden", RequestInvalid),
        ("redirect", AgencyBroken),
        ("http_404", AgencyBroken),
        ("http_503", AgencyUnavailable),
        ("timeout", AgencyUnavailable),
    ],
)
async def test_why_it_could_not_be_had_is_told(desk: Desk, cause: str, kind: type[HubError]) -> None:
    desk.served.content = [bytes(PART_BYTES), NotFetched(cause)]
    await desk.fails(kind)
    assert desk.road.events[-1] == ("release", STALE), "a file that is missing says nothing about the agency's calls"
    assert await desk.store.files.part("u1", 0) is None


async def test_one_that_grows_too_large_is_dropped(desk: Desk) -> None:
    desk.served.content = [bytes(PART_BYTES)] * 3
    await desk.fails(AgencyBroken)
    assert await desk.store.files.part("u1", 0) is None
