"""Documents through a whole hub: handed in, put into a request, taken out of an answer, fetched both ways."""

import base64
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from aiohttp import web

from hub.client import HubClient, Problem, Purpose
from hub.clock import VirtualClock
from hub.security.links import Links
from mappings.canonical.dossier_parts import Document

pytestmark = pytest.mark.process

MANIFEST = """
[connector]
title = "An archive"
title_vi = "Kho lưu trữ thử nghiệm"
version = "0.1.0"
owner = "tests, tests@centre.example"
protocol = "rest"
maturity = "draft"
[contract]
calls_per_second = 50
calls_per_day = 10_000
calls_at_once = 4
call_timeout = 30
queue_calls = 100
queue_seconds = 20
backlog_calls = 100
request_bytes = 60_000_000
reply_bytes = 20_000_000
[operations.file_paper]
kind = "filing"
call = "POST /papers"
sends = "paper"
repeat_safe = true
[operations.file_link]
kind = "filing"
call = "POST /links"
sends = "link"
repeat_safe = true
[operations.lookup_paper]
kind = "lookup"
call = "POST /find"
sends = "link"
returns = "paper"
repeat_safe = true
"""
MAPPING = """
canonical = "Document@1"
agency = ""
[fields]
"name" = "Ten"
"url" = { at = "Tep", as = "file %s" }
[withheld]
"id" = "not of this test"
"deleted" = "not of this test"
"component_code" = "not of this test"
"digitised" = "not of this test"
"reuse" = "not of this test"
"from_document_store" = "not of this test"
"replaced_by_result" = "not of this test"
"""
DAY = 86_400.0


class Archive:
    """An agency that takes and gives papers, and has some that it only links to."""

    def __init__(self) -> None:
        self.digest = ""
        self.length = 0
        self.declared: int | None = None
        self.links: list[str] = []
        self.asked: list[str] = []
        self.holds = b""

    async def take(self, request: web.Request) -> web.Response:
        digest, self.length, self.declared = hashlib.sha256(), 0, request.content_length
        async for piece in request.content.iter_any():
            digest.update(piece)
            self.length += len(piece)
        self.digest = digest.hexdigest()
        return web.json_response({})

    async def link(self, request: web.Request) -> web.Response:
        self.links.append((await request.json())["Tep"])
        return web.json_response({})

    async def find(self, _: web.Request) -> web.Response:
        return web.json_response({"Ten": "Giấy", "Tep": base64.b64encode(self.holds).decode()})

    async def give(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        match request.match_info["name"]:
            case "there":
                return web.Response(body=b"%PDF-1.7 linked to")
            case "moved":
                return web.Response(status=302, headers={"Location": "/files/there"})
            case "large":
                return web.Response(body=bytes(41_000_000))
        return web.Response(status=404)


@pytest.fixture
async def archive() -> AsyncIterator[tuple[Archive, str]]:
    archive = Archive()
    app = web.Application(client_max_size=1 << 30)
    app.add_routes(
        [
            web.post("/papers", archive.take),
            web.post("/links", archive.link),
            web.post("/find", archive.find),
            web.get("/files/{name}", archive.give),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server: Any = site._server
    yield archive, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await runner.cleanup()


def lay_connector(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "manifest.toml").write_text(MANIFEST, "utf-8")
    (folder / "answers.csv").write_text("operation,http,code,says,result,reason,vi,en\n,200,,,ok,,,\n", "utf-8")
    for name, way in (("paper", "base64"), ("link", "link")):
        (folder / f"{name}.map.toml").write_text(MAPPING % way, "utf-8")


@pytest.fixture
async def hub(stage: Any, archive: tuple[Archive, str]) -> AsyncIterator[HubClient]:
    lay_connector(stage.folder / "own" / "archive")
    with stage.config.open("a", encoding="utf-8") as config:
        config.write(f'[agencies.archive]\nbase_url = "http://{archive[1]}"\n')
        named = archive[1].replace("127.0.0.1", "localhost")
        config.write(f'[agencies.named]\nconnector = "archive"\nbase_url = "http://{named}"\n')
    await stage.start(
        HUB__HUB__CONNECTORS="own",
        HUB__HUB__FILE_BYTES="40000000",
        HUB__HUB__PUBLIC_URL="https://hub.centre.example",
    )
    async with stage.client() as client:
        yield client


WHY = Purpose(officer="cb-102", unit="H32", dossier="000.00.14.H32-261123-0001")


async def pieces(size: int) -> AsyncIterator[bytes]:
    for number in range(size // 1_000_000):
        yield number.to_bytes(4, "big") * 250_000


async def test_thirty_megabytes_go_in_come_back_and_go_on_in_base64(
    hub: HubClient, archive: tuple[Archive, str]
) -> None:
    kept = await hub.upload(pieces(30_000_000))
    assert kept.size == 30_000_000
    digest, length = hashlib.sha256(), 0
    async for piece in hub.download(kept.file):
        digest.update(piece)
        length += len(piece)
    assert (digest.hexdigest(), length) == (kept.file, 30_000_000)

    ticket = await hub.file(
        "archive.file_paper", Document(name="Đơn", url=kept.file), answer=Document, purpose=WHY, key="k1"
    )
    filed = await ticket.result(wait=30)
    assert filed is not None
    assert filed.result == "ok"
    body = '{"Ten":"Đơn","Tep":""}'
    assert archive[0].length == archive[0].declared == len(body.encode()) + 40_000_000


async def test_a_file_that_is_too_large_is_refused_at_once_and_on_the_way(hub: HubClient, stage: Any) -> None:
    with pytest.raises(Problem, match=r"^request.too_large"):
        await hub.upload(pieces(41_000_000))
    headers = {"authorization": f"Bearer {stage.key}", "content-length": "41000000"}
    async with httpx2.AsyncClient(base_url=stage.url) as http:
        assert (await http.post("/v1/files", content=pieces(41_000_000), headers=headers)).status_code == 413


async def test_a_file_that_comes_with_an_answer_is_kept_for_who_asked(
    hub: HubClient, archive: tuple[Archive, str]
) -> None:
    archive[0].holds = b"%PDF-1.7 " + os.urandom(1_000_000)
    found = await hub.call("archive.lookup_paper", Document(name="a"), answer=Document, purpose=WHY)
    assert found.value is not None
    assert found.value.url == hashlib.sha256(archive[0].holds).hexdigest()
    assert b"".join([piece async for piece in hub.download(found.value.url)]) == archive[0].holds


async def test_an_agency_fetches_by_the_link_it_was_sent_until_its_time_is_over(
    hub: HubClient, stage: Any, archive: tuple[Archive, str]
) -> None:
    kept = await hub.upload(b"%PDF-1.7 for the agency")
    ticket = await hub.file(
        "archive.file_link", Document(name="a", url=kept.file), answer=Document, purpose=WHY, key="k2"
    )
    assert await ticket.result(wait=30) is not None
    (link,) = archive[0].links
    assert link.startswith(f"https://hub.centre.example/files/{kept.file}?until=")
    here = link.replace("https://hub.centre.example", stage.url)
    async with httpx2.AsyncClient() as http:
        reply = await http.get(here)
        assert (reply.status_code, reply.content) == (200, b"%PDF-1.7 for the agency")
        assert reply.headers["content-type"] == "application/pdf"
        assert (await http.get(here.replace("for=archive", "for=police"))).status_code == 404
        key = (stage.folder / "hub.db.signing-key").read_text("utf-8").strip()
        long_ago = VirtualClock()
        old = Links(key, stage.url, 1, long_ago).to("archive")(kept.file)
        assert (await http.get(old)).status_code == 410


async def test_a_file_that_nobody_handed_in_is_not_filed(hub: HubClient) -> None:
    with pytest.raises(Problem) as refused:
        await hub.file("archive.file_link", Document(name="a", url="0" * 64), answer=Document, purpose=WHY, key="k3")
    assert [fault.pointer for fault in refused.value.faults] == ["/url"]


async def test_what_an_agency_links_to_is_fetched_by_its_rules_and_nothing_else(
    hub: HubClient, archive: tuple[Archive, str]
) -> None:
    server, host = archive
    kept = await hub.fetch_file("archive", f"http://{host}/files/there")
    assert (kept.media_type, kept.size) == ("application/pdf", 18)
    asked = len(server.asked)
    for url, says in (
        (f"http://{host}/files/moved", "redirect"),
        (f"http://{host}/files/large", "too_large"),
        (f"http://{host}/files/gone", "http_404"),
    ):
        with pytest.raises(Problem, match=says):
            await hub.fetch_file("archive", url)
    assert server.asked[asked:] == ["/files/moved", "/files/large", "/files/gone"], "no redirect was followed"
    port = host.partition(":")[2]
    for agency, url in (
        ("named", f"http://localhost:{port}/files/there"),  # its name is allowed, and leads to where nobody may be sent
        ("named", f"http://127.0.0.1:{port}/files/there"),
        ("archive", f"http://2130706433:{port}/files/there"),
        ("archive", f"http://[::ffff:127.0.0.1]:{port}/files/there"),
        ("archive", f"http://127.0.0.1.nip.example:{port}/files/there"),
        ("archive", "http://169.254.169.254/latest/meta-data"),
        ("archive", "file:///etc/passwd"),
    ):
        with pytest.raises(Problem, match=r"^request.invalid") as refused:
            await hub.fetch_file(agency, url)
        assert [fault.pointer for fault in refused.value.faults] == ["/url"]
    assert len(server.asked) == asked + 3
