"""The typed client says what a developer means, and hears what the hub says."""

import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

from hub.call import Class, Purpose, Reply, State
from hub.client import HubClient, Problem, Quota
from hub.client import Purpose as ForWhom
from hub.errors import LaneFull
from hub.security.quotas import Left
from hub.web.doors import Doors
from hub.web.headers import Headers

ID = "01990a5e-8c1b-7cc3-98c4-dc0c0c07398f"
WHY = ForWhom(officer="cb-102", unit="H32", intake="TN-000-1")


class Ask(BaseModel):
    citizen_id: str = "000180000011"


class Person(BaseModel):
    full_name: str


@pytest.fixture
async def hub(doors: Doors) -> AsyncIterator[HubClient]:
    async with HubClient("http://hub.example", "counter-key", transport=httpx2.ASGITransport(app=doors)) as client:
        yield client


async def test_a_call_is_asked_and_answered_in_types(hub: HubClient, engine: Any) -> None:
    found = await hub.call("police.lookup_person", Ask(), answer=Person, purpose=WHY, wait=10, urgency=1, deadline=7.5)
    assert (found.call, found.result, found.value) == (ID, "ok", Person(full_name="MAU"))
    assert found.answered_at is not None
    (submission,) = engine.submitted
    assert (submission.wait, submission.cls, submission.deadline) == (10.0, Class.COUNTER, 7.5)
    assert submission.purpose == Purpose(officer="cb-102", unit="H32", intake="TN-000-1")


async def test_a_document_is_handed_in_and_read_again(hub: HubClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"%PDF-1.7 "
        yield b"invented"

    kept = await hub.upload(b"%PDF-1.7 invented")
    assert await hub.upload(pieces()) == kept
    assert (kept.size, kept.media_type) == (17, "application/pdf")
    assert b"".join([piece async for piece in hub.download(kept.file)]) == b"%PDF-1.7 invented"
    fetched = await hub.fetch_file("police", "https://files.police.example/1")
    assert b"".join([piece async for piece in hub.download(fetched.file)]) == b"%PDF-1.7 fetched"


async def test_a_document_that_is_not_there_or_too_large_is_a_problem(hub: HubClient) -> None:
    with pytest.raises(Problem, match=r"^file.unknown: .*"):
        await anext(hub.download("0" * 64))
    with pytest.raises(Problem, match=r"^request.too_large: .*"):
        await hub.upload(bytes(1_000_001))


async def test_what_is_not_the_whole_document_is_a_problem() -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=b"half"))
    async with HubClient("http://hub.example", "k", transport=transport) as hub:
        with pytest.raises(Problem, match=r"^file.cut: .*"):
            [piece async for piece in hub.download("0" * 64)]


async def test_a_filing_gets_a_key_and_a_ticket_that_waits(hub: HubClient, engine: Any) -> None:
    answered, engine.reply = engine.reply, Reply(ID, State.QUEUED)
    ticket = await hub.file("police.file_person", Ask(), answer=Person)
    assert engine.submitted[-1].idempotency_key == ticket.key
    assert engine.submitted[-1].wait is None
    assert (ticket.call, ticket.first.state) == (ID, "queued")
    assert await ticket.result(wait=0.01) is None
    engine.reply = answered
    result = await ticket.result(wait=5)
    assert result is not None
    assert result.value == Person(full_name="MAU")
    again = await hub.file("police.file_person", Ask(), answer=Person, key="my-own", wait=5)
    assert (again.key, again.first.state) == ("my-own", "answered")


async def test_every_problem_is_one_exception(hub: HubClient, engine: Any) -> None:
    with pytest.raises(Problem) as heard:
        await hub.call("police.lookup_person", Person(full_name="SECRET"), answer=Person, purpose=WHY)
    assert heard.value.code == "request.invalid"
    assert [fault.pointer for fault in heard.value.faults] == ["/citizen_id", "/full_name"]
    assert "SECRET" not in str(heard.value)
    engine.reply = Reply(ID, State.IN_DOUBT, cause="timeout")
    with pytest.raises(Problem) as heard:
        await hub.read("police", ID, answer=Person, wait=1)
    assert (heard.value.code, heard.value.status, heard.value.call) == ("call.in_doubt", 504, ID)


async def test_retry_after_is_told_and_honoured_only_when_asked(doors: Doors, engine: Any) -> None:
    engine.refusal = LaneFull(retry_after=1.0)
    async with HubClient("http://hub.example", "counter-key", transport=httpx2.ASGITransport(app=doors)) as hub:
        with pytest.raises(Problem) as heard:
            await hub.call("police.lookup_place", Ask(), answer=Person)
    assert (heard.value.code, heard.value.retry_after, len(engine.admitted)) == ("lane.full", 1.0, 1)
    async with HubClient(
        "http://hub.example", "counter-key", transport=httpx2.ASGITransport(app=doors), patience=1.5
    ) as hub:
        with pytest.raises(Problem):
            await hub.call("police.lookup_place", Ask(), answer=Person)
    assert len(engine.admitted) == 3


async def test_what_is_left_of_the_quota_is_known_after_answers_and_refusals(
    hub: HubClient, engine: Any, quota: Any
) -> None:
    assert hub.quota is None
    await hub.call("police.lookup_place", Ask(), answer=Person)
    assert hub.quota == Quota(calls=999, seconds=10)
    quota.left = Left(2.4, 0, 3)
    with pytest.raises(Problem) as heard:
        await hub.call("police.lookup_place", Ask(), answer=Person)
    assert (heard.value.code, heard.value.retry_after) == ("caller.quota", 3.0)
    assert hub.quota == Quota(calls=0, seconds=3)
    await hub.read("police", ID, answer=Person)
    assert hub.quota == Quota(calls=0, seconds=3), "reading is not counted, and says nothing of it"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('"caller";r=5;t=1', Quota(5, 1)),
        ('"caller"; t=1; r=5', Quota(5, 1)),
        ("", None),
        ('"caller";r=-5;t=1', None),
        ("limit=5, remaining=1, reset=3", None),
    ],
)
def test_a_field_that_cannot_be_read_is_none(text: str, read: Quota | None) -> None:
    assert Quota.read(text) == read


async def test_an_unreachable_hub_is_a_problem_too() -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    async with HubClient("http://hub.example", "k", transport=httpx2.MockTransport(refuse)) as hub:
        with pytest.raises(Problem) as heard:
            await hub.operations()
    assert heard.value.code == "hub.unreachable"


@pytest.mark.parametrize("content", [b"<html>Bad Gateway</html>", b"[]", b"{}", b""])
async def test_what_a_proxy_in_between_says_is_a_problem_too(content: bytes) -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(502, content=content))
    async with HubClient("http://hub.example", "k", transport=transport) as hub:
        with pytest.raises(Problem) as heard:
            await hub.operations()
    assert (heard.value.code, heard.value.status) == ("internal", 502)


async def test_own_calls_are_found_and_taken_back(hub: HubClient, engine: Any, record: Any) -> None:
    engine.records = [record(State.QUEUED)]
    (found,) = await hub.find(key="k1", state="queued")
    assert (found.call, found.state, found.dossier) == (ID, "queued", "000.1")
    assert engine.sought[-1].key == "k1"
    await hub.cancel("police", ID)
    assert await hub.operations() == []


@pytest.mark.parametrize("text", ["plain", 'with "quotes" and \\', "Trần Thị Mẫu", '%22"', "a, b=c; d", "ü"])
def test_a_purpose_survives_its_header(text: str) -> None:
    header = ForWhom(officer=text, unit="H32").header().encode("ascii")
    assert Headers().read([(b"hub-purpose", header)]).purpose == Purpose(officer=text, unit="H32")


def test_the_client_needs_none_of_the_servers_libraries() -> None:
    script = """
        import sys
        class Block:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in {"aiohttp", "alembic", "fastapi", "http_sf", "httptools", "jsonschema_rs", "lxml", "prometheus_client",
                                          "rich", "sqlalchemy", "starlette", "tenacity", "typer", "uvicorn", "uvloop", "zeep"}:
                    raise ImportError(f"{name} is a library of the server")
        sys.meta_path.insert(0, Block())
        import hub.client, mappings.canonical
        ours = {name for name in sys.modules if name.split(".")[0] in ("hub", "connectors", "monitoring")}
        assert ours == {"hub", "hub.client"} | {
            f"hub.client.{one}" for one in ("client", "feed", "files", "many", "shapes", "webhooks")
        }, ours
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, cwd=Path(__file__).parents[3])
