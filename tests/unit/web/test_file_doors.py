"""Documents at the doors: handed in as they are, read by whom they belong to, named in requests, fetched by a link."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from hub.clock import VirtualClock
from hub.errors import HubOverloaded
from hub.files import Files, of_agency
from hub.security.links import Links
from hub.security.quotas import Left
from hub.store.files import PART_BYTES
from hub.store.sqlite import SqliteStore
from hub.web.files import MOST_AT_ONCE
from tests.unit.web.conftest import FILE_BYTES, KEY, FakeEngine, FakeFetching, Knock, Quota

PDF = b"%PDF-1.7 invented"
ID = sha256(PDF).hexdigest()
OTHER = {"authorization": "Bearer bulk-key"}
DAY = 86_400.0


async def handed_in(client: httpx2.AsyncClient, content: bytes = PDF, **headers: str) -> dict[str, Any]:
    reply = await client.post("/v1/files", content=content, headers=headers)
    assert reply.status_code == 201, reply.text
    told: dict[str, Any] = reply.json()
    assert reply.headers["location"] == f"/v1/files/{told['file']}"
    return told


async def of(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_a_file_is_known_by_its_content_and_so_is_its_kind(client: httpx2.AsyncClient) -> None:
    told = await handed_in(client, **{"content-type": "image/png"})
    assert told == {"file": ID, "size": len(PDF), "media_type": "application/pdf"}


async def test_it_is_read_as_it_was_handed_in(client: httpx2.AsyncClient) -> None:
    content = bytes(range(256)) * (PART_BYTES // 128) + b"end"
    told = await handed_in(client, content)
    reply = await client.get(f"/v1/files/{told['file']}")
    assert reply.content == content
    assert (reply.headers["etag"], reply.headers["content-length"]) == (f'"{told["file"]}"', str(len(content)))
    assert reply.headers["content-disposition"] == "attachment", "a browser shows it as nobody's page"
    assert reply.headers["x-content-type-options"] == "nosniff"


async def test_who_has_it_already_hears_so_and_gets_nothing(client: httpx2.AsyncClient) -> None:
    await handed_in(client)
    reply = await client.get(f"/v1/files/{ID}", headers={"if-none-match": f'"{ID}"'})
    assert (reply.status_code, reply.content) == (304, b"")
    head = await client.head(f"/v1/files/{ID}")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(PDF)))


async def test_each_reading_is_in_the_journal(client: httpx2.AsyncClient, store_of_calls: SqliteStore) -> None:
    await handed_in(client)
    await client.head(f"/v1/files/{ID}")
    await client.get(f"/v1/files/{ID}")
    said = [(row.entry.event, row.entry.caller, row.entry.detail) for row in await store_of_calls.journal()]
    why = "officer=cb-102 unit=H32 intake=TN-000-1"
    assert said == [("file_stored", "counter", ID), ("file_read", "counter", f"{ID} {why}")]


async def test_nobody_reads_what_is_anothers(client: httpx2.AsyncClient) -> None:
    await handed_in(client)
    reply = await client.get(f"/v1/files/{ID}", headers=OTHER)
    assert (reply.status_code, reply.json()["code"]) == (404, "file.unknown")
    assert (await client.get(f"/v1/files/{ID}", headers={"authorization": "Bearer none"})).status_code == 401


async def test_what_an_agency_sent_is_read_by_those_whose_key_names_it(
    client: httpx2.AsyncClient, files: Files
) -> None:
    await files.keep({ID: PDF}, of_agency("police"))
    assert (await client.get(f"/v1/files/{ID}")).content == PDF
    told = await files.take(of(b"of nobody's agency"), of_agency("post"))
    assert (await client.get(f"/v1/files/{told.id}")).status_code == 404


@pytest.mark.parametrize("name", ["", "0" * 64, "A" * 64, "..", "x"])
async def test_what_is_no_file_is_unknown(client: httpx2.AsyncClient, name: str) -> None:
    assert (await client.get(f"/v1/files/{name}")).status_code == 404


async def test_a_file_that_says_that_it_is_too_large_is_refused_before_it_is_read(knock: Knock) -> None:
    length = (b"content-length", b"%d" % (FILE_BYTES + 1))
    await knock("/v1/files", [], length)
    assert (knock.status, knock.read) == (413, 0)


async def test_one_that_does_not_say_so_is_refused_when_it_is_and_leaves_nothing(
    knock: Knock, store_of_calls: SqliteStore, files: Files
) -> None:
    piece = {"type": "http.request", "body": b"x" * 300_000, "more_body": True}
    await knock("/v1/files", [piece] * 10)
    assert (knock.status, knock.read) == (413, 4), "and no more of it is read"
    assert await files.find(sha256(b"x" * 300_000).hexdigest()) is None
    assert await store_of_calls.files.part("upload-0000", 0) is None


async def test_an_empty_file_is_none(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/v1/files", content=b"")).json()["code"] == "request.invalid"


@pytest.mark.parametrize("header", [("content-type", "multipart/form-data; boundary=x"), ("content-encoding", "gzip")])
async def test_a_form_and_a_compressed_file_are_not_taken(client: httpx2.AsyncClient, header: tuple[str, str]) -> None:
    reply = await client.post("/v1/files", content=PDF, headers=dict([header]))
    assert (reply.status_code, reply.json()["code"]) == (415, "media_type.unsupported")


async def test_a_hub_that_can_take_nothing_on_reads_nothing(knock: Knock, engine: FakeEngine, quota: Quota) -> None:
    engine.refusal = HubOverloaded(retry_after=3.0)
    await knock("/v1/files", [{"type": "http.request", "body": PDF}])
    assert (knock.status, knock.read, knock.headers[b"retry-after"]) == (503, 0, b"3")
    engine.refusal, quota.left = None, Left(7.0, 0, 7)
    await knock("/v1/files", [{"type": "http.request", "body": PDF}])
    assert (knock.status, knock.read) == (429, 0)


async def test_a_file_that_breaks_off_is_none(knock: Knock, files: Files) -> None:
    await knock("/v1/files", [{"type": "http.request", "body": PDF, "more_body": True}])
    assert knock.status == 0
    assert await files.find(ID) is None


async def test_a_request_names_only_files_that_are_its_callers(
    client: httpx2.AsyncClient, engine: FakeEngine, files: Files
) -> None:
    request = {"scan": ID, "pages": ["https://files.example/1", ID]}
    headers = {"idempotency-key": "k"}
    await files.take(of(PDF), "mover")
    reply = await client.post("/v1/calls/police/file_paper", json=request, headers=headers)
    assert reply.status_code == 400
    assert [fault["pointer"] for fault in reply.json()["errors"]] == ["/pages/1", "/scan"]
    assert not engine.submitted
    await handed_in(client)
    reply = await client.post("/v1/calls/police/file_paper", json=request, headers=headers)
    assert reply.status_code == 200, reply.text
    assert len(engine.submitted) == 1


async def test_a_file_that_the_agency_could_not_fetch_is_refused_at_the_door(client: httpx2.AsyncClient) -> None:
    await handed_in(client)
    headers = {"idempotency-key": "k"}
    reply = await client.post("/v1/calls/police/file_link", json={"scan": ID}, headers=headers)
    assert [(fault["pointer"], "public_url" in fault["rule"]) for fault in reply.json()["errors"]] == [("/scan", True)]
    addressed = {"pages": ["https://files.example/1"]}
    assert (await client.post("/v1/calls/police/file_link", json=addressed, headers=headers)).status_code == 200


async def test_a_line_of_a_batch_likewise(client: httpx2.AsyncClient, engine: FakeEngine) -> None:
    line = b'{"operation":"file_paper","idempotency_key":"k","request":{"scan":"%b"}}\n' % ID.encode()
    headers = {"content-type": "application/x-ndjson"}
    reply = await client.post("/v1/calls/police:batch", content=line, headers=headers)
    assert '"pointer":"/request/scan"' in reply.text
    await handed_in(client)
    reply = await client.post("/v1/calls/police:batch", content=line, headers=headers)
    assert '"accepted":1' in reply.text


async def test_an_agency_fetches_by_a_link_without_a_key(
    client: httpx2.AsyncClient, links: Links, store_of_calls: SqliteStore
) -> None:
    await handed_in(client)
    del client.headers["authorization"]
    reply = await client.get(links.to("police")(ID))
    assert (reply.status_code, reply.content) == (200, PDF)
    assert (await store_of_calls.journal())[-1].entry.caller == "agency/police"


async def test_a_link_is_good_for_its_days_and_then_says_so(
    client: httpx2.AsyncClient, links: Links, link_clock: VirtualClock
) -> None:
    await handed_in(client)
    link = links.to("police")(ID)
    link_clock.advance(7 * DAY)
    assert (await client.get(link)).status_code == 200
    assert links.to("police")(ID) != link
    link_clock.advance(DAY)
    reply = await client.get(link)
    assert (reply.status_code, reply.json()["code"]) == (410, "link.expired")


async def test_an_agency_fetches_a_few_at_once_and_a_caller_hands_in_a_few_at_once(
    knock: Knock, client: httpx2.AsyncClient, links: Links
) -> None:
    await handed_in(client)
    link = urlsplit(links.to("police")(ID))
    standing = asyncio.Event()
    slow = [Knock(knock._doors) for _ in range(MOST_AT_ONCE)]
    for one in slow:
        one.reading = standing.wait  # type: ignore[assignment]
    begun = [asyncio.create_task(one(link.path, [], method="GET", query=link.query)) for one in slow]
    arriving = [asyncio.create_task(Knock(knock._doors)("/v1/files", [], stays=standing)) for _ in slow]
    for _ in range(100):
        await asyncio.sleep(0.001)
    reply = await client.get(link.geturl())
    assert (reply.status_code, reply.json()["code"]) == (503, "hub.overloaded")
    assert (await client.post("/v1/files", content=PDF)).json()["code"] == "caller.quota"
    standing.set()
    await asyncio.gather(*begun, *arriving)
    assert [one.body for one in slow] == [PDF] * MOST_AT_ONCE
    assert (await client.get(link.geturl())).status_code == 200


async def test_a_link_is_the_same_all_day(links: Links, link_clock: VirtualClock) -> None:
    link_clock.advance(DAY - link_clock.now() % DAY + 60)
    first = links.to("police")(ID)
    link_clock.advance(0.9 * DAY)
    assert links.to("police")(ID) == first


@pytest.mark.parametrize(
    "change",
    [
        lambda link: link.replace("for=police", "for=tax"),
        lambda link: link.replace("until=1", "until=2"),
        lambda link: link[:-1] + ("0" if link[-1] != "0" else "1"),
        lambda link: link.partition("&sig=")[0],
        lambda link: link.partition("?")[0],
        lambda link: link.replace("until=", "until=-"),
        lambda link: link.replace("sig=", "sig=%C3%A1"),
        lambda link: link.replace(ID, sha256(b"another").hexdigest()),
    ],
)
async def test_nobody_makes_a_link_of_ours(client: httpx2.AsyncClient, links: Links, change: Any) -> None:
    await handed_in(client)
    await handed_in(client, b"another")
    reply = await client.get(change(links.to("police")(ID)))
    assert (reply.status_code, reply.json()["code"]) == (404, "file.unknown"), "and learns nothing about the file"


async def test_another_key_makes_other_links(links: Links, link_clock: VirtualClock) -> None:
    other = Links("another-key", "https://hub.example", 7, link_clock)
    assert urlsplit(links.to("police")(ID)).path == urlsplit(other.to("police")(ID)).path
    assert links.to("police")(ID) != other.to("police")(ID)


async def test_what_an_agency_links_to_is_fetched_and_kept(client: httpx2.AsyncClient, fetching: FakeFetching) -> None:
    asked = {"agency": "police", "url": "https://files.police.example/1"}
    reply = await client.post("/v1/files:fetch", json=asked)
    assert (reply.status_code, reply.json()["media_type"]) == (201, "application/pdf")
    assert fetching.asked == [("police", asked["url"], "counter")]
    assert (await client.get(reply.headers["location"])).content == b"%PDF-1.7 fetched"


async def test_only_by_the_rules_of_an_agency_that_the_key_names(
    client: httpx2.AsyncClient, fetching: FakeFetching
) -> None:
    reply = await client.post("/v1/files:fetch", json={"agency": "post", "url": "https://x.example"})
    assert reply.json()["errors"][0]["pointer"] == "/agency"
    assert not fetching.asked


async def test_methods_that_a_door_does_not_take_are_told(client: httpx2.AsyncClient) -> None:
    for path, allowed in (("/v1/files", "POST"), (f"/v1/files/{ID}", "GET, HEAD"), (f"/files/{ID}", "GET, HEAD")):
        reply = await client.delete(path)
        assert (reply.status_code, reply.headers["allow"]) == (405, allowed)
    assert (await client.get("/v1/files", headers={"authorization": f"Bearer {KEY}"})).status_code == 405
