"""A caller says where it wants to be pushed what it is told, and what becomes of what did not arrive; of its own alone."""

import base64
import hashlib
import hmac
import re
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.client import DeadEvent, HubClient, NotSigned, Problem, read_pushed, verify
from hub.pushing.signing import Signing
from hub.pushing.subscribing import MOST, NOBODY
from hub.security.quotas import Left
from hub.store.subscriptions import DeadEvent as Died
from hub.store.subscriptions import Progress
from hub.web.doors import Doors
from tests.unit.web.conftest import KEY, Knock, Person, Quota
from tests.unit.web.test_notice_doors import Kept

URL = "http://onestop.centre.example:8000/hooks"
NEW = {"url": URL}


async def made(client: httpx2.AsyncClient, **changes: Any) -> dict[str, Any]:
    reply = await client.post("/v1/subscriptions", json=NEW | changes)
    assert reply.status_code == 201, reply.text
    body: dict[str, Any] = reply.json()
    assert reply.headers["location"] == f"/v1/subscriptions/{body['id']}"
    return body


@pytest.fixture
def kept(store_of_calls: Any) -> Kept:
    return Kept(store_of_calls)


async def test_who_subscribes_is_shown_the_secret_once(client: httpx2.AsyncClient) -> None:
    one, other = await made(client, agencies=["police"], dossier="D-1"), await made(client)
    assert one["secret"] != other["secret"]
    assert one["secret"].startswith("whsec_")
    assert 24 <= len(base64.b64decode(one["secret"].removeprefix("whsec_"))) <= 64
    listed = (await client.get("/v1/subscriptions")).json()["subscriptions"]
    assert listed == [{name: value for name, value in made.items() if name != "secret"} for made in (one, other)]
    assert (await client.get(f"/v1/subscriptions/{one['id']}")).json() == listed[0]
    assert listed[0]["agencies"] == ["police"]
    assert (listed[0]["dossier"], listed[0]["state"], listed[0]["dead"]) == ("D-1", "well", 0)


async def test_it_begins_now_or_where_it_is_told(client: httpx2.AsyncClient, kept: Kept) -> None:
    await kept.cancelled()
    await kept.cancelled()
    assert (await made(client))["after"] >= 0
    assert (await made(client, after=1))["after"] == 1
    beyond = await client.post("/v1/subscriptions", json=NEW | {"after": 10**9})
    assert beyond.json()["errors"][0]["pointer"] == "/after"


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"url": "http://127.0.0.1:9108/admin/v1/callers"}, "/url"),
        ({"url": "http://evil.example/"}, "/url"),
        ({"url": "ftp://a.centre.example/"}, "/url"),
        ({"url": URL, "agencies": ["nobody"]}, "/agencies/0"),
        ({"url": URL, "agencies": "police"}, "/agencies"),
        ({"url": URL, "dossier": "D\u0000"}, "/dossier"),
        ({"url": URL, "after": -1}, "/after"),
        ({"url": URL, "secret": "mine"}, "/secret"),
        ({}, "/url"),
    ],
)
async def test_what_cannot_be_pushed_to_is_refused_with_the_rule(
    client: httpx2.AsyncClient, wanted: dict[str, Any], pointer: str
) -> None:
    reply = await client.post("/v1/subscriptions", json=wanted)
    assert (reply.status_code, reply.json()["code"]) == (400, "request.invalid")
    assert [fault["pointer"] for fault in reply.json()["errors"]] == [pointer]


async def test_a_hub_that_pushes_to_nobody_says_who_can_change_that(doors: Doors, client: httpx2.AsyncClient) -> None:
    doors._subscriptions._subscribing._signing = None
    reply = await client.post("/v1/subscriptions", json=NEW)
    assert reply.json()["errors"] == [{"pointer": "/url", "rule": NOBODY}]
    assert (await client.get("/v1/subscriptions")).json() == {"subscriptions": []}


async def test_a_caller_has_a_few(client: httpx2.AsyncClient) -> None:
    for _ in range(MOST):
        await made(client)
    reply = await client.post("/v1/subscriptions", json=NEW)
    assert (reply.status_code, reply.json()["code"]) == (429, "caller.quota")


async def test_others_neither_see_nor_touch_it(client: httpx2.AsyncClient) -> None:
    mine = (await made(client))["id"]
    other = {"authorization": "Bearer bulk-key"}
    assert (await client.get("/v1/subscriptions", headers=other)).json() == {"subscriptions": []}
    paths = [("GET", ""), ("DELETE", ""), ("POST", "/resume"), ("GET", "/dead"), ("POST", "/dead")]
    for method, rest in [*paths, ("POST", "/dead/1"), ("DELETE", "/dead/1")]:
        reply = await client.request(method, f"/v1/subscriptions/{mine}{rest}", headers=other)
        assert (reply.status_code, reply.json()["code"]) == (404, "subscription.unknown"), (method, rest)
    assert (await client.get("/v1/subscriptions", headers={"authorization": "Bearer x"})).status_code == 401
    assert (await client.get(f"/v1/subscriptions/{mine}")).status_code == 200


async def test_what_leads_nowhere_says_so(client: httpx2.AsyncClient, knock: Knock) -> None:
    mine = (await made(client))["id"]
    for method, path, allowed in [
        ("PUT", "/v1/subscriptions", "POST, GET"),
        ("PUT", f"/v1/subscriptions/{mine}", "GET, DELETE"),
        ("GET", f"/v1/subscriptions/{mine}/resume", "POST"),
        ("PUT", f"/v1/subscriptions/{mine}/dead", "GET, POST"),
        ("GET", f"/v1/subscriptions/{mine}/dead/1", "POST, DELETE"),
    ]:
        reply = await client.request(method, path)
        assert (reply.status_code, reply.headers["allow"]) == (405, allowed), path
    for path in (f"/v1/subscriptions/{mine}/x", f"/v1/subscriptions/{mine}/dead/x", "/v1/subscriptions/x"):
        assert (await client.post(path)).status_code == 404, path
    assert (await knock("/v1/subscriptions/\u0000", [], method="GET")).status == 404


async def test_dead_events_are_listed_sent_again_and_discarded(client: httpx2.AsyncClient, kept: Kept) -> None:
    mine = (await made(client))["id"]
    await kept.store.subscriptions.lease("node", 60.0, 9)
    for seq in (5, 6, 7):
        died = Died(seq, f"call-{seq}", "police", "call.settled", "call", 1_795_400_000.0, 12, "http_500")
        await kept.store.subscriptions.bury(mine, "node", Progress(seq, cause="http_500"), died)
    events = (await client.get(f"/v1/subscriptions/{mine}/dead")).json()["events"]
    assert [one["after"] for one in events] == [5, 6, 7]
    assert (events[0]["type"], events[0]["cause"]) == ("vn.lienthong.call.settled", "http_500")
    assert (await client.post(f"/v1/subscriptions/{mine}/dead/6")).json() == {"again": 1}
    assert (await client.delete(f"/v1/subscriptions/{mine}/dead/5")).json() == {"discarded": 5}
    assert (await client.delete(f"/v1/subscriptions/{mine}/dead/5")).status_code == 404
    assert (await client.post(f"/v1/subscriptions/{mine}/dead")).json() == {"again": 2}
    assert (await client.get(f"/v1/subscriptions/{mine}")).json()["dead"] == 2
    assert (await client.post(f"/v1/subscriptions/{mine}/resume")).json()["state"] == "well"
    assert (await client.delete(f"/v1/subscriptions/{mine}")).json() == {"id": mine, "removed": True}
    assert (await client.delete(f"/v1/subscriptions/{mine}")).status_code == 404


# --- The typed client, and receivers ---------------------------------------------------------------------------------


async def test_the_client_subscribes_in_types(doors: Doors, kept: Kept) -> None:
    async with HubClient("http://hub.example", KEY, transport=httpx2.ASGITransport(app=doors)) as hub:
        one = await hub.subscribe(URL, agencies=["police"], dossier="D-1", after="0")
        assert (one.url, one.agencies, one.dossier, one.after) == (URL, ("police",), "D-1", 0)
        assert "whsec_" not in repr(one)
        assert one.secret == Signing("k" * 40).secret(one.id)
        await kept.store.subscriptions.lease("node", 60.0, 9)
        died = Died(5, "e", "police", "call.settled", "call", 1_795_400_000.0, 12, "http_500")
        await kept.store.subscriptions.bury(one.id, "node", Progress(5), died)
        (event,) = await hub.dead_events(one.id)
        assert isinstance(event, DeadEvent)
        await hub.replay(one.id, event.after)
        await hub.replay(one.id)
        await hub.resume(one.id)
        (listed,) = await hub.subscriptions()
        assert (listed.id, listed.secret, listed.dead) == (one.id, "", 1)
        await hub.unsubscribe(one.id)
        with pytest.raises(Problem) as refused:
            await hub.unsubscribe(one.id)
        assert refused.value.code == "subscription.unknown"


SECRET = Signing("k" * 40).secret("sub")
BODY = (
    b'{"specversion":"1.0","id":"c-1","source":"/v1/calls/police","type":"vn.lienthong.call.settled","subject":"c",'
    b'"time":"2026-11-23T08:00:00.000+07:00","datacontenttype":"application/json","data":{"call":"c","state":"answered",'
    b'"result":"ok","value":{"full_name":"MAU"},"reason":null,"answered_at":null,"location":"/v1/calls/police/c","cause":""}}'
)
AT = 1_795_400_000.0


def signed(body: bytes = BODY, at: float = AT) -> dict[str, str]:
    return dict(Signing("k" * 40).headers("sub", "c-1", at, body))


def test_what_the_hub_signed_is_verified_and_read() -> None:
    headers = {name.title(): text for name, text in signed().items()}
    assert verify(SECRET, headers, BODY, now=AT + 299) == "c-1"
    event = read_pushed(BODY, answer=Person)
    assert (event.id, event.agency, event.call.value) == ("c-1", "police", Person(full_name="MAU"))


def test_one_of_several_signatures_is_enough() -> None:
    headers = signed()
    headers["webhook-signature"] = f"v1a,xx v1,AAAA {headers['webhook-signature']}"
    assert verify(SECRET, headers, BODY, now=AT) == "c-1"


def test_it_is_signed_as_the_specification_says() -> None:
    """HMAC-SHA256 with what base64 gives of the secret, over `id.timestamp.body`: written out once more, by hand."""
    key = base64.b64decode(SECRET.partition("_")[2])
    by_hand = hmac.new(key, b"c-1.1795400000." + BODY, hashlib.sha256).digest()
    assert signed() == {
        "webhook-id": "c-1",
        "webhook-timestamp": "1795400000",
        "webhook-signature": "v1," + base64.b64encode(by_hand).decode(),
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "c-2"},
        {"webhook-id": ""},
        {"webhook-timestamp": str(int(AT) + 1)},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "-5"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,ạ"},
        {"webhook-signature": "v2," + signed()["webhook-signature"][3:]},
    ],
)
def test_what_is_not_signed_so_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(NotSigned):
        verify(SECRET, signed() | changed, BODY, now=AT)


def test_another_body_another_secret_and_an_old_copy_are_refused() -> None:
    with pytest.raises(NotSigned):
        verify(SECRET, signed(), BODY + b" ", now=AT)
    with pytest.raises(NotSigned):
        verify(Signing("k" * 40).secret("other"), signed(), BODY, now=AT)
    for now in (AT + 301, AT - 301):
        with pytest.raises(NotSigned):
            verify(SECRET, signed(), BODY, now=now)
    with pytest.raises(ValueError, match="whsec_"):
        verify("no secret", signed(), BODY, now=AT)


async def test_the_receiver_of_the_guide_takes_what_is_signed_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = Path(__file__).parents[3] / "docs/guide/callers.md"
    (block,) = re.findall(r"^```py\n(.*?)^```", guide.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    shown: dict[str, Any] = {}
    exec(block, shown)  # noqa: S102 - what the guide shows is what is tested
    monkeypatch.setenv("SECRET", SECRET)
    body = BODY.replace(b'{"full_name":"MAU"}', b"null")
    headers = signed(body, time.time())
    transport = httpx2.ASGITransport(app=shown["app"])
    async with httpx2.AsyncClient(transport=transport, base_url="http://receiver.example") as receiver:
        for sent, status in ((body, 204), (body, 204), (body + b" ", 401)):
            assert (await receiver.post("/", content=sent, headers=headers)).status_code == status
    assert capsys.readouterr().out == "c answered ok\n", "once, though it came twice"


async def test_each_change_counts_against_the_quota_and_looking_does_not(
    client: httpx2.AsyncClient, quota: Quota
) -> None:
    made = await client.post("/v1/subscriptions", json={"url": "https://a.centre.example/"})
    assert made.status_code == 201
    quota.left = Left(3.0, 0, 10)
    assert (await client.get("/v1/subscriptions")).status_code == 200
    refused = await client.delete(f"/v1/subscriptions/{made.json()['id']}")
    assert (refused.status_code, refused.json()["code"]) == (429, "caller.quota")
    quota.left = Left(0.0, 999, 10)
    assert (await client.delete(f"/v1/subscriptions/{made.json()['id']}")).status_code == 200
