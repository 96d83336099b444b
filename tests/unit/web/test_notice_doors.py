"""What a caller reads of a batch, and what it is told: by page, as a stream, and again after it was away."""

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from hub.call import Call, Class, Kind, Purpose, State, uuid7
from hub.errors import StoreUnavailable
from hub.feed import MOST_LISTENING, PAGE, Feed
from hub.store.feed import SMALL_BYTES
from hub.store.protocol import Settlement
from hub.store.sqlite import SqliteStore
from hub.web import notices
from hub.web.doors import Doors

BATCH = "01990a5e-0000-7cc3-98c4-dc0c0c07398f"
PATH = f"/v1/calls/police:batch/{BATCH}"
ANSWER = b'{"result":"ok","value":{"full_name":"MAU"},"reason":null}'


@dataclass
class Kept:
    """A store with calls in it."""

    store: SqliteStore
    count: int = 0
    calls: list[str] = field(default_factory=list)

    async def queued(self, **changes: Any) -> Call:
        self.count += 1
        now = 1_795_400_000.0
        facts: dict[str, Any] = {
            "id": uuid7(now, lambda size: self.count.to_bytes(size, "big")), "agency": "police", "kind": Kind.FILING,
            "operation": "file_person", "cls": Class.BULK, "interactive": False, "caller": "counter", "deadline": 2e9,
            "purpose": Purpose(), "fingerprint": "f", "accepted_at": now, "due_at": now, "step": "file_person",
            "idempotency_key": f"k{self.count}", "batch": BATCH,
        }  # fmt: skip
        call = Call(**(facts | changes))
        await self.store.accept(call, b"{}")
        self.calls.append(call.id)
        return call

    async def answered(self, answer: bytes = ANSWER, **changes: Any) -> str:
        call = await self.queued(**changes)
        leased = await self.store.lease(call.agency, "node", {Class.BULK: 500}, 60.0)
        (one,) = [one for one in leased if one.call.id == call.id]
        await self.store.begin(call.id, one.call.fence, "node")
        settlement = Settlement(
            call.id, one.call.fence, 1, State.ANSWERED, "answered", answer=answer, result=json.loads(answer)["result"]
        )
        await self.store.settle(settlement)
        await self.store.give_back("node", [one.call.id for one in leased])
        return call.id

    async def cancelled(self, **changes: Any) -> str:
        call = await self.queued(**changes)
        await self.store.cancel(call.id, call.caller)
        return call.id


@pytest.fixture
def kept(store_of_calls: SqliteStore) -> Kept:
    return Kept(store_of_calls)


# --- A batch ---------------------------------------------------------------------------------------------------------


async def test_a_page_tells_states_values_and_reasons(client: httpx2.AsyncClient, kept: Kept) -> None:
    answered, waiting = await kept.answered(), await kept.queued()
    dead = await kept.queued()
    await kept.store.end(dead.id, State.DEAD, "attempts")
    reply = await client.get(PATH)
    assert reply.status_code == 200
    told = reply.json()
    assert (told["batch"], told["following"]) == (BATCH, None)
    assert told["counts"] == {"answered": 1, "queued": 1, "dead": 1}
    one, two, three = told["calls"]
    assert one == {
        "call": answered,
        "state": "answered",
        "result": "ok",
        "value": {"full_name": "MAU"},
        "reason": None,
        "answered_at": "2026-11-23T09:13:20.000+07:00",
        "fresh_as_of": "2026-11-23T09:13:20.000+07:00",
        "location": f"/v1/calls/police/{answered}",
        "operation": "file_person",
        "idempotency_key": "k1",
        "cause": "",
    }
    assert (two["call"], two["state"], two["value"], two["answered_at"]) == (waiting.id, "queued", None, None)
    assert (three["state"], three["cause"], three["reason"]["code"]) == ("dead", "attempts", "agency.unavailable")


async def test_pages_lead_from_one_to_the_next(client: httpx2.AsyncClient, kept: Kept) -> None:
    for _ in range(5):
        await kept.cancelled()
    seen: list[str] = []
    path = f"{PATH}?limit=2&state=cancelled"
    pages = 0
    while path:
        reply = await client.get(path)
        told = reply.json()
        assert (told["counts"] is None) == bool(pages), "counted once, on the first page"
        seen += [one["call"] for one in told["calls"]]
        path = told["following"]
        assert reply.headers.get("link") == (f'<{path}>; rel="next"' if path else None)
        pages += 1
    assert (seen, pages) == (kept.calls, 3)
    assert (await client.get(f"{PATH}?state=queued")).json()["calls"] == []


async def test_an_answer_that_is_too_long_for_a_page_is_left_to_its_call(
    client: httpx2.AsyncClient, kept: Kept
) -> None:
    long = b'{"result":"ok","value":{"full_name":"%b"},"reason":null}' % (b"a" * SMALL_BYTES)
    await kept.answered(long)
    (one,) = (await client.get(PATH)).json()["calls"]
    assert (one["state"], one["result"], "value" in one, "reason" in one) == ("answered", "ok", False, False)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"/v1/calls/police:batch/{BATCH[:-1]}0", "call.unknown"),
        (f"/v1/calls/tax:batch/{BATCH}", "call.unknown"),
        ("/v1/calls/police:batch/mine", "call.unknown"),
        (f"{PATH}?limit=0", "request.invalid"),
        (f"{PATH}?limit=201", "request.invalid"),
        (f"{PATH}?limit=x", "request.invalid"),
        (f"{PATH}?state=lost", "request.invalid"),
        (f"{PATH}?before=1", "request.invalid"),
    ],
)
async def test_what_is_not_there_or_cannot_be_asked_is_a_problem(
    client: httpx2.AsyncClient, kept: Kept, path: str, code: str
) -> None:
    await kept.queued()
    assert (await client.get(path)).json()["code"] == code


async def test_a_batch_of_another_caller_is_unknown(client: httpx2.AsyncClient, kept: Kept) -> None:
    await kept.queued(caller="mover")
    assert (await client.get(PATH)).status_code == 404
    others = {"authorization": "Bearer bulk-key"}
    assert len((await client.get(PATH, headers=others)).json()["calls"]) == 1


# --- The feed, by page -----------------------------------------------------------------------------------------------


async def test_an_event_is_a_cloud_event_with_the_one_reply_shape(client: httpx2.AsyncClient, kept: Kept) -> None:
    answered, cancelled = await kept.answered(), await kept.cancelled()
    await kept.cancelled(caller="mover")
    told = (await client.get("/v1/notices/police")).json()
    event, other = told["events"]
    assert event == {
        "specversion": "1.0",
        "id": event["id"],
        "source": "/v1/calls/police",
        "type": "vn.lienthong.call.settled",
        "subject": answered,
        "time": "2026-11-23T09:13:20.000+07:00",
        "datacontenttype": "application/json",
        "data": {
            "call": answered,
            "state": "answered",
            "result": "ok",
            "value": {"full_name": "MAU"},
            "reason": None,
            "answered_at": "2026-11-23T09:13:20.000+07:00",
            "fresh_as_of": "2026-11-23T09:13:20.000+07:00",
            "location": f"/v1/calls/police/{answered}",
            "cause": "",
        },
    }
    assert (other["subject"], other["data"]["state"]) == (cancelled, "cancelled")
    assert (await client.get(f"/v1/notices/police?after={told['after']}")).json() == {
        "events": [],
        "after": told["after"],
    }
    first = (await client.get("/v1/notices/police?limit=1")).json()
    assert first["events"] == [event]
    assert (await client.get(f"/v1/notices/police?after={first['after']}")).json()["events"] == [other]


async def test_pages_begin_at_the_cursor_unless_they_say_where(client: httpx2.AsyncClient, kept: Kept) -> None:
    for _ in range(3):
        await kept.cancelled()
    path = "/v1/notices/police"
    first = (await client.get(f"{path}?limit=1")).json()
    moved = await client.put(f"{path}/cursor", json={"after": first["after"]})
    assert (moved.status_code, moved.json()) == (200, {"after": first["after"]})
    rest = (await client.get(path)).json()
    assert [one["subject"] for one in rest["events"]] == kept.calls[1:]
    assert len((await client.get(f"{path}?after=0")).json()["events"]) == 3
    back = await client.put(f"{path}/cursor", json={"after": 0})
    assert back.json() == {"after": first["after"]}, "it never moves back"


async def test_a_place_beyond_the_end_is_refused_and_leaves_the_cursor(client: httpx2.AsyncClient, kept: Kept) -> None:
    """It could never be taken back: its caller would hear nothing until the feed had come as far."""
    await kept.cancelled()
    path = "/v1/notices/police"
    last = (await client.get(f"{path}?after=0")).json()["after"]
    for asked in (
        client.put(f"{path}/cursor", json={"after": last + 1}),
        client.get(f"{path}?after={last + 1}"),
        client.get("/v1/notices/stream", headers={"last-event-id": str(last + 1)}),
    ):
        refused = await asked
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/after")
        assert f"which is {last}" in refused.json()["errors"][0]["rule"]
    assert len((await client.get(path)).json()["events"]) == 1


@pytest.mark.parametrize(
    ("agency", "body", "status"),
    [
        ("police", b'{"after":-1}', 400),
        ("police", b'{"after":"1"}', 400),
        ("police", b'{"after":1,"more":1}', 400),
        ("police", b"{}", 400),
        ("police", b'{"after":' + b" " * 2000 + b"1}", 413),
        ("tax", b'{"after":1}', 403),
        ("nowhere", b'{"after":1}', 404),
    ],
)
async def test_a_cursor_that_cannot_be_moved_so_is_a_problem(
    client: httpx2.AsyncClient, agency: str, body: bytes, status: int
) -> None:
    json_ = {"content-type": "application/json"}
    reply = await client.put(f"/v1/notices/{agency}/cursor", content=body, headers=json_)
    assert reply.status_code == status


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/notices/nowhere", 404),
        ("/v1/notices/police/more", 404),
        ("/v1/notices/stream?agencies=nowhere", 404),
        ("/v1/notices/stream?agencies=police,tax", 403),
        ("/v1/notices/police?after=-1", 400),
        ("/v1/notices/police?limit=101", 400),
        ("/v1/notices/stream?after=x", 400),
        ("/v1/notices/stream?since=1", 400),
    ],
)
async def test_a_feed_that_cannot_be_asked_for_is_a_problem(client: httpx2.AsyncClient, path: str, status: int) -> None:
    assert (await client.get(path)).status_code == status


async def test_who_has_no_key_or_another_method_hears_nothing(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/v1/notices/police", headers={"authorization": ""})).status_code == 401
    assert (await client.get("/v1/notices/stream", headers={"authorization": ""})).status_code == 401
    assert (await client.post("/v1/notices/police")).status_code == 405
    assert (await client.get("/v1/notices/police/cursor")).status_code == 405


# --- The feed, as a stream -------------------------------------------------------------------------------------------


class Stream:
    """One stream, read as far as a test asks."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.text = b""
        self.arrived = asyncio.Event()
        self.left = asyncio.Event()
        self.ended = asyncio.Event()

    async def run(self, doors: Doors, query: bytes, *headers: tuple[bytes, bytes]) -> None:
        async def receive() -> MutableMapping[str, Any]:
            await self.left.wait()
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.status, self.headers = message["status"], dict(message["headers"])
            self.text += message.get("body", b"")
            self.arrived.set()

        scope = {
            "type": "http", "method": "GET", "path": "/v1/notices/stream", "query_string": query,
            "headers": [(b"authorization", b"Bearer counter-key"), *headers],
        }  # fmt: skip
        await doors(scope, receive, send)
        self.ended.set()
        self.arrived.set()

    @property
    def events(self) -> list[tuple[bytes, Any]]:
        found = []
        for block in self.text.split(b"\n\n"):
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
            if b"data" in fields:
                assert fields[b"event"] == b"call.settled"
                found.append((fields[b"id"], json.loads(fields[b"data"])))
        return found

    async def until(self, count: int) -> list[tuple[bytes, Any]]:
        async with asyncio.timeout(10):
            while len(self.events) < count and not self.ended.is_set():
                self.arrived.clear()
                await self.arrived.wait()
        return self.events


@asynccontextmanager
async def streaming(doors: Doors, query: bytes = b"", *headers: tuple[bytes, bytes]) -> AsyncIterator[Stream]:
    stream = Stream()
    task = asyncio.create_task(stream.run(doors, query, *headers))
    async with asyncio.timeout(10):
        await stream.arrived.wait()
    yield stream
    stream.left.set()
    async with asyncio.timeout(10):
        await task


async def test_a_stream_tells_and_is_resumed_where_it_broke_off(doors: Doors, kept: Kept, feed: Feed) -> None:
    async with streaming(doors, b"agencies=police&after=0") as stream:
        assert (stream.status, stream.headers[b"content-type"]) == (200, b"text/event-stream")
        first = await kept.answered()
        feed.stir()
        ((last, event),) = await stream.until(1)
        assert (event["subject"], event["data"]["value"]) == (first, {"full_name": "MAU"})
    missed = [await kept.cancelled() for _ in range(PAGE + 1)]
    async with streaming(doors, b"after=0", (b"last-event-id", last)) as stream:
        events = await stream.until(PAGE + 1)
        assert [event["subject"] for _, event in events] == missed


async def test_a_stream_without_a_place_begins_now_and_beats(
    doors: Doors, kept: Kept, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.feed.HEARTBEAT", 0.02)
    await kept.cancelled()
    async with streaming(doors) as stream:
        async with asyncio.timeout(10):
            while stream.text.count(notices.BEAT) < 3:
                stream.arrived.clear()
                await stream.arrived.wait()
        later = await kept.cancelled()
        feed.stir()
        assert [event["subject"] for _, event in await stream.until(1)] == [later]


async def test_a_ninth_stream_is_refused_and_room_is_made_by_who_leaves(doors: Doors) -> None:
    streams = [streaming(doors) for _ in range(MOST_LISTENING)]
    for one in streams:
        await one.__aenter__()
    async with streaming(doors) as stream:
        assert (stream.status, json.loads(stream.text)["code"]) == (429, "caller.quota")
    for one in streams:
        await one.__aexit__(None, None, None)
    async with streaming(doors) as stream:
        assert stream.status == 200


async def test_a_hub_that_stops_ends_its_streams(doors: Doors, feed: Feed) -> None:
    async with streaming(doors) as stream:
        await feed.stop()
        async with asyncio.timeout(10):
            await stream.ended.wait()
        assert stream.status == 200
    async with streaming(doors) as stream:
        assert (stream.status, json.loads(stream.text)["code"]) == (503, "hub.stopping")


async def test_a_store_that_fails_ends_the_stream_which_is_resumed(
    doors: Doors, kept: Kept, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sick(*_: Any) -> Any:
        raise StoreUnavailable

    async with streaming(doors, b"after=0") as stream:
        await kept.cancelled()
        with monkeypatch.context() as patch:
            patch.setattr(kept.store.feed, "told", sick)
            feed.stir()
            async with asyncio.timeout(10):
                await stream.ended.wait()
    async with streaming(doors, b"after=0") as stream:
        assert len(await stream.until(1)) == 1
