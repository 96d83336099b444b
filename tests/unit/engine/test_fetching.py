"""Only where an agency's entry leads may the hub be sent, and only as far as its contract allows."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from connectors.kit.fetching import NotFetched
from hub.clock import VirtualClock
from hub.coordination.protocol import STALE, Permit, Wait
from hub.errors import AgencyBroken, AgencyUnavailable, HubError, LaneFull, OperationUnknown, RequestInvalid
from hub.fetching import Allowed, Fetching, Source
from hub.files import Files
from hub.store.files import PART_BYTES
from hub.store.sqlite import SqliteStore

MOST = 2 * PART_BYTES
ALLOWED = Allowed.by("https://police.example/api", ["files.police.example", "lab.example:8443", "10.20.0.0/16"])


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("https://police.example/f/1?a=b%2Fc", "https://police.example:443/f/1?a=b%2Fc"),
        ("https://POLICE.example:443/f", "https://police.example:443/f"),
        ("https://files.police.example", "https://files.police.example:443/"),
        ("https://lab.example:8443/f#part", "https://lab.example:8443/f"),
        ("https://police.example/tệp 1".replace(" ", "%20"), "https://police.example:443/tệp%201"),
    ],
)
def test_an_address_that_the_entry_names_is_taken(url: str, checked: str) -> None:
    assert ALLOWED.checked(url) == checked


@pytest.mark.parametrize(
    "url",
    [
        "",
        "police.example/f",
        "//police.example/f",
        "http://police.example/f",
        "file:///etc/passwd",
        "ftp://police.example/f",
        "gopher://police.example:443/f",
        "https://police.example:8443/f",
        "https://lab.example/f",
        "https://evil.example/f",
        "https://police.example.evil.example/f",
        "https://evil.example#@police.example/f",
        "https://police.example@evil.example/f",
        "https://user:secret@police.example/f",
        "https://evil.example\\@police.example/f",
        "https://police.example\\.evil.example/f",
        "https://police.example /f",
        "https://police.example\n/f",
        "https://police.example\t.evil.example/f",
        "https://169.254.169.254/latest",
        "https://10.20.0.1/f",
        "https://2130706433/f",
        "https://[::ffff:127.0.0.1]/f",
        "https://[::1/f",
        "https://police.example:99999/f",
        "https://ｐolice.example/f",
    ],
)
def test_any_other_is_not(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|begins|holds) "):
        ALLOWED.checked(url)


def test_an_agency_without_tls_may_link_without_tls() -> None:
    plain = Allowed.by("http://police.example:8080/api", ["files.example"])
    assert plain.checked("http://police.example:8080/f")
    assert plain.checked("http://files.example/f") == "http://files.example:80/f"
    assert plain.checked("https://files.example/f")
    with pytest.raises(ValueError, match="on a host"):
        plain.checked("http://police.example/f")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1",
        "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_not_connected_to(address: str) -> None:
    assert not ALLOWED.may_connect(address)


@pytest.mark.parametrize("address", ["113.160.0.1", "2405:4800::1", "10.20.255.1", "::ffff:10.20.0.1"])
def test_one_that_is_public_or_in_a_named_network_is(address: str) -> None:
    assert ALLOWED.may_connect(address)


def test_an_address_that_is_named_itself_may_lie_anywhere() -> None:
    lan = Allowed.by("http://10.1.2.3:8080/api", ["::1", "192.168.7.7:81"])
    assert [lan.may_connect(one) for one in ("10.1.2.3", "::1", "192.168.7.7")] == [True] * 3
    assert [lan.may_connect(one) for one in ("10.1.2.4", "127.0.0.1", "192.168.7.8")] == [False] * 3
    assert lan.checked("http://10.1.2.3:8080/f")
    assert lan.checked("http://[::1]/f") == "http://[::1]:80/f"


@pytest.mark.parametrize("text", ["10.20.0.1/16", "10.20.0.0/40", "a/8", "host:port", ":80"])
def test_what_is_neither_host_nor_network_is_refused_with_advice(text: str) -> None:
    with pytest.raises(ValueError, match="write "):
        Allowed.by("https://police.example", [text])


class OneRoad:
    """Grants what a test says, and notes what came back."""

    def __init__(self) -> None:
        self.answer: Permit | Wait = Permit(1, "police", "fetch_file", "normal")  # type: ignore[arg-type]
        self.events: list[Any] = []

    async def claim(self, lane: str, wanted: Any) -> list[Permit | Wait]:
        self.events.append(("claim", lane))
        return [self.answer]

    async def leave(self, permit: Permit, within: float) -> bool:
        self.events.append("leave")
        return True

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
        sources = {"police": Source(ALLOWED, self.served, 20.0)}
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


async def test_a_lane_that_is_full_is_not_asked(desk: Desk) -> None:
    desk.road.answer = Wait("rate", 7.0)
    await desk.fails(LaneFull)
    assert (desk.served.asked, desk.road.events) == ([], [("claim", "police")])


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
