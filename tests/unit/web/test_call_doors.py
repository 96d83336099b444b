"""What a caller can rely on at the call doors: order of checks, one reply shape, honest states."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import http_sf
import httpx2
import pytest

from hub.call import Class, Reply, State
from hub.errors import CallNotCancellable, LaneFull
from hub.security.quotas import Left
from hub.web.calls import WATCH_AFTER

ID = "01990a5e-8c1b-7cc3-98c4-dc0c0c07398f"
LOOK_UP = "/v1/calls/police/lookup_person"
FILE = "/v1/calls/police/file_person"
BODY = {"citizen_id": "000180000011"}
FILING = {"idempotency-key": "k1"}


async def test_an_answered_look_up_is_the_one_reply_shape(client: httpx2.AsyncClient, engine: Any) -> None:
    reply = await client.post(LOOK_UP, json=BODY)
    assert reply.status_code == 200
    assert reply.json() == {
        "call": ID,
        "state": "answered",
        "result": "ok",
        "value": {"full_name": "MAU"},
        "reason": None,
        "answered_at": "2026-11-23T09:13:20.500+07:00",
        "fresh_as_of": "2026-11-23T09:13:20.500+07:00",
    }
    assert engine.admitted == [("police", "lookup_person", Class.NORMAL, True, 30.0)]
    (submission,) = engine.submitted
    assert submission.wait == 30.0
    assert submission.purpose.officer == "cb-102"
    assert json.loads(submission.request_json)["citizen_id"] == BODY["citizen_id"]


async def test_an_answer_that_was_kept_says_how_old_it_is(client: httpx2.AsyncClient, engine: Any) -> None:
    engine.reply = replace(engine.reply, fresh_as_of=engine.reply.answered_at - 60)
    told = (await client.post(LOOK_UP, json=BODY)).json()
    assert told["answered_at"] == "2026-11-23T09:13:20.500+07:00"
    assert told["fresh_as_of"] == "2026-11-23T09:12:20.500+07:00"


async def test_what_the_agency_cannot_be_told_is_a_fault_of_the_request(
    client: httpx2.AsyncClient, engine: Any
) -> None:
    reply = await client.post(FILE, json=BODY | {"citizen_id": "0" * 12}, headers=FILING)
    assert (reply.status_code, reply.json()["code"]) == (400, "request.invalid")
    assert reply.json()["errors"] == [{"pointer": "/citizen_id", "rule": "says nobody"}]
    assert engine.submitted == []


async def test_a_filing_gets_a_ticket_unless_it_waits(client: httpx2.AsyncClient, engine: Any) -> None:
    engine.reply = Reply(ID, State.QUEUED)
    reply = await client.post(FILE, json=BODY, headers=FILING)
    assert reply.status_code == 202
    assert reply.headers["location"] == f"/v1/calls/police/{ID}"
    assert reply.json()["state"] == "queued"
    assert reply.json()["answered_at"] is None
    assert engine.admitted[-1][3:] == (False, 604_800.0)
    assert engine.submitted[-1].wait is None
    reply = await client.post(FILE, json=BODY, headers=FILING | {"prefer": "wait=5"})
    assert engine.submitted[-1].wait == 5.0
    assert reply.headers["preference-applied"] == "wait=5"


@pytest.mark.parametrize("prefer", ["respond-async", "respond-async, wait=10", "wait=0"])
async def test_a_look_up_that_does_not_wait_is_durable(client: httpx2.AsyncClient, engine: Any, prefer: str) -> None:
    await client.post(LOOK_UP, json=BODY, headers={"prefer": prefer})
    assert engine.submitted[-1].wait is None
    assert engine.admitted[-1][3] is False


async def test_waiting_has_an_upper_bound_and_the_nearer_deadline_counts(
    client: httpx2.AsyncClient, engine: Any
) -> None:
    await client.post(LOOK_UP, json=BODY, headers={"prefer": "wait=100000"})
    assert engine.submitted[-1].wait == 120.0
    await client.post(LOOK_UP, json=BODY, headers={"prefer": "wait=20", "hub-deadline": "7.5"})
    assert engine.admitted[-1][4] == 7.5
    assert engine.submitted[-1].deadline == 7.5


async def test_a_filing_without_idempotency_key_is_refused(client: httpx2.AsyncClient, engine: Any) -> None:
    reply = await client.post(FILE, json=BODY)
    assert (reply.status_code, reply.json()["code"]) == (400, "idempotency.missing")
    assert engine.admitted == []


@pytest.mark.parametrize("key", [None, "Bearer nobody", "Basic counter-key", "Bearer", ""])
async def test_without_a_known_key_nothing_is_told(client: httpx2.AsyncClient, engine: Any, key: str | None) -> None:
    client.headers.pop("authorization")
    headers = {} if key is None else {"authorization": key}
    for method, path in (
        ("POST", LOOK_UP),
        ("POST", "/v1/calls/none/none_at_all"),
        ("GET", "/v1/calls"),
        ("GET", "/v1/operations"),
    ):
        reply = await client.request(method, path, headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (401, "auth.missing")
        assert reply.headers["www-authenticate"].startswith("Bearer")
    assert engine.admitted == []


async def test_rights_and_purpose_are_checked_before_a_byte_is_read(
    client: httpx2.AsyncClient, knock: Any, engine: Any
) -> None:
    client.headers.pop("hub-purpose")
    reply = await client.post(LOOK_UP, json=BODY)
    assert (reply.status_code, reply.json()["code"]) == (400, "purpose.missing")
    reply = await client.post(LOOK_UP, json=BODY, headers={"authorization": "Bearer bulk-key"})
    assert (reply.status_code, reply.json()["code"]) == (403, "auth.denied")
    assert engine.submitted == []


@pytest.mark.parametrize(
    ("key", "priority", "cls"),
    [
        ("counter-key", "u=0", Class.COUNTER),
        ("counter-key", "i, u=2", Class.COUNTER),
        ("counter-key", None, Class.NORMAL),
        ("counter-key", "u=4", Class.NORMAL),
        ("counter-key", "u=7", Class.BULK),
        ("counter-key", "u=9", Class.NORMAL),
        ("counter-key", "u=;", Class.NORMAL),
        ("bulk-key", "u=0", Class.BULK),
    ],
)
async def test_priority_is_read_and_capped_by_the_key(
    client: httpx2.AsyncClient, engine: Any, key: str, priority: str | None, cls: Class
) -> None:
    headers = {"authorization": f"Bearer {key}"} | ({} if priority is None else {"priority": priority})
    await client.post("/v1/calls/police/lookup_place", json=BODY, headers=headers)
    assert engine.submitted[-1].cls is cls
    assert engine.admitted[-1][2] is cls


async def test_a_refusal_at_admission_reads_no_body_and_says_when_to_come_again(knock: Any, engine: Any) -> None:
    engine.refusal = LaneFull(retry_after=3.2)
    await knock(LOOK_UP, [{"type": "http.request", "body": b"{", "more_body": True}], (b"content-length", b"20000000"))
    assert knock.status == 503
    assert knock.read == 0
    assert knock.headers[b"retry-after"] == b"4"
    assert b"connection" not in knock.headers
    assert json.loads(knock.body)["code"] == "lane.full"


async def test_every_reply_to_a_call_says_what_is_left_of_the_quota(
    client: httpx2.AsyncClient, knock: Any, engine: Any
) -> None:
    told = []
    told.append(await client.post(LOOK_UP, json=BODY))
    told.append(await client.post(LOOK_UP, json={"citizen_id": 5}))
    told.append(await client.post(LOOK_UP, json=BODY, headers={"hub-purpose": "?"}))
    told.append(await client.post("/v1/calls/police/nothing", json=BODY))
    told.append(await client.post(FILE, json=BODY))
    engine.reply = Reply(ID, State.QUEUED)
    told.append(await client.post(FILE, json=BODY, headers=FILING))
    engine.reply = Reply(ID, State.EXPIRED)
    told.append(await client.post(LOOK_UP, json=BODY))
    engine.refusal = LaneFull(retry_after=3.2)
    told.append(await client.post(LOOK_UP, json=BODY))
    engine.refusal = RuntimeError("a fault of ours")
    told.append(await client.post(LOOK_UP, json=BODY))
    assert [reply.status_code for reply in told] == [200, 400, 400, 404, 400, 202, 504, 503, 500]
    for reply in told:
        assert reply.headers["ratelimit-policy"] == '"caller";q=6000;w=60'
        assert reply.headers["ratelimit"] == '"caller";r=999;t=10'
    stranger = await client.post(LOOK_UP, json=BODY, headers={"authorization": "Bearer nobody"})
    assert "ratelimit" not in stranger.headers


async def test_the_fields_of_the_quota_are_what_the_draft_says(client: httpx2.AsyncClient) -> None:
    """Structured fields: lists of strings with parameters that are integers."""
    headers = (await client.post(LOOK_UP, json=BODY)).headers
    for name, parameters in (("ratelimit-policy", {"q": 6000, "w": 60}), ("ratelimit", {"r": 999, "t": 10})):
        assert http_sf.parse(headers[name].encode(), tltype="list") == [("caller", parameters)]


async def test_over_its_quota_a_caller_hears_429_before_admission_and_before_its_body(
    knock: Any, engine: Any, quota: Any, refused: list[tuple[str, ...]]
) -> None:
    quota.left = Left(2.4, 0, 3)
    body = [{"type": "http.request", "body": b"{", "more_body": True}]
    await knock(LOOK_UP, body, (b"content-length", b"20000000"), (b"priority", b"u=1"))
    assert (knock.status, json.loads(knock.body)["code"]) == (429, "caller.quota")
    assert knock.headers[b"retry-after"] == b"3"
    assert knock.headers[b"ratelimit"] == b'"caller";r=0;t=3'
    assert knock.read == 0
    assert engine.admitted == []
    assert refused == [("police", "counter", "refused", "caller.quota")]


async def test_a_refusal_over_the_quota_counts_in_the_class_that_the_key_allows(
    client: httpx2.AsyncClient, quota: Any, refused: list[tuple[str, ...]]
) -> None:
    quota.left = Left(2.4, 0, 3)
    headers = {"authorization": "Bearer bulk-key", "priority": "u=1"}
    await client.post("/v1/calls/police/lookup_place", json=BODY, headers=headers)
    assert refused == [("police", "bulk", "refused", "caller.quota")]


async def test_a_quota_is_counted_by_key_and_never_told_to_a_stranger(
    client: httpx2.AsyncClient, quota: Any, refused: list[tuple[str, ...]]
) -> None:
    quota.left = Left(2.4, 0, 3)
    reply = await client.post(LOOK_UP, json=BODY, headers={"authorization": "Bearer nobody"})
    assert reply.status_code == 401
    assert quota.taken == []
    await client.post("/v1/calls/none/none_at_all", json=BODY)
    assert quota.taken == ["counter"]
    assert refused == [], "a name that somebody made up must not become a label"


async def test_reading_and_taking_back_are_not_counted(client: httpx2.AsyncClient, quota: Any) -> None:
    quota.left = Left(2.4, 0, 3)
    assert (await client.get(f"/v1/calls/police/{ID}")).status_code == 200
    assert (await client.delete(f"/v1/calls/police/{ID}")).status_code == 200
    assert (await client.get("/v1/calls")).status_code == 200
    assert quota.taken == []


@pytest.mark.parametrize(("length", "closes"), [(b"64000000", False), (b"70000000", True), (b"9" * 12, True)])
async def test_a_refused_body_is_let_through_unless_it_is_huge(
    knock: Any, engine: Any, length: bytes, closes: bool
) -> None:
    engine.refusal = LaneFull(retry_after=1.0)
    await knock(LOOK_UP, [], (b"content-length", length))
    assert knock.status == 503
    assert (knock.headers.get(b"connection") == b"close") == closes


async def test_all_faults_of_all_headers_come_at_once(client: httpx2.AsyncClient) -> None:
    headers = {
        "hub-deadline": "-1",
        "hub-purpose": 'oficer="a", unit=5',
        "idempotency-key": "có dấu".encode().decode("latin-1"),
    }
    reply = await client.post(LOOK_UP, json=BODY, headers={k: v.encode("latin-1") for k, v in headers.items()})
    assert reply.status_code == 400
    assert [(fault["pointer"], fault["rule"]) for fault in reply.json()["errors"]] == [
        ("Idempotency-Key", "is 1 to 200 visible ASCII characters, such as a UUID"),
        ("Hub-Deadline", "is a number of seconds from now, above 0 and at most 2592000"),
        ("Hub-Purpose", "has a member of unknown name; did you mean officer?"),
        ("Hub-Purpose", 'unit is a text of 1 to 200 characters in quotes: unit="..."'),
    ]


async def test_a_traceparent_is_carried_on_with_a_span_of_ours(client: httpx2.AsyncClient, engine: Any) -> None:
    await client.post(
        LOOK_UP, json=BODY, headers={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    )
    assert engine.submitted[-1].traceparent == "00-0af7651916cd43dd8448eb211c80319c-0707070707070707-01"
    await client.post(LOOK_UP, json=BODY, headers={"traceparent": "nonsense"})
    assert engine.submitted[-1].traceparent == f"00-{'07' * 16}-{'07' * 8}-01"


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        (Reply(ID, State.EXPIRED), 504, "call.expired"),
        (Reply(ID, State.IN_DOUBT, cause="timeout"), 504, "call.in_doubt"),
        (Reply(ID, State.DEAD, cause="deadline"), 504, "call.expired"),
        (Reply(ID, State.DEAD, cause="contract:mapping"), 502, "agency.broken"),
        (Reply(ID, State.DEAD, cause="exists"), 502, "agency.broken"),
        (Reply(ID, State.DEAD, cause="request:mapping"), 400, "request.invalid"),
        (Reply(ID, State.DEAD, cause="crash_loop"), 500, "internal"),
        (Reply(ID, State.DEAD, cause="fault"), 500, "internal"),
        (Reply(ID, State.DEAD, cause="dns"), 503, "agency.unavailable"),
    ],
)
async def test_who_waits_hears_an_outcome_and_who_reads_sees_a_state(
    client: httpx2.AsyncClient, engine: Any, reply: Reply, status: int, code: str
) -> None:
    engine.reply = reply
    waiting = [await client.post(LOOK_UP, json=BODY), await client.get(f"/v1/calls/police/{ID}?wait=2")]
    for heard in waiting:
        assert (heard.status_code, heard.json()["code"], heard.json()["call"]) == (status, code, ID)
        assert heard.headers["content-type"] == "application/problem+json"
    reading = [await client.get(f"/v1/calls/police/{ID}"), await client.post(FILE, json=BODY, headers=FILING)]
    for seen in reading:
        assert seen.status_code == 202
        assert (seen.json()["state"], seen.json()["reason"]["code"]) == (reply.state, code)


async def test_the_answer_of_an_interactive_look_up_is_not_kept(client: httpx2.AsyncClient, engine: Any) -> None:
    engine.reply = Reply(ID, State.ANSWERED, None, 1_795_400_000.0)
    reply = await client.get(f"/v1/calls/police/{ID}")
    assert (reply.status_code, reply.json()["code"]) == (410, "call.gone")


async def test_reading_waits_as_long_as_asked_but_not_for_ever(client: httpx2.AsyncClient, engine: Any) -> None:
    await client.get(f"/v1/calls/police/{ID}?wait=2.5")
    await client.get(f"/v1/calls/police/{ID}?wait=1000")
    await client.get(f"/v1/calls/police/{ID}")
    assert engine.waited == [(ID, "counter", 2.5), (ID, "counter", 120.0), (ID, "counter", 0.0)]


@pytest.mark.parametrize(
    "path", [f"/v1/calls/nobody/{ID}", f"/v1/calls/tax/{ID}", "/v1/calls/police/1", f"/v1/calls/police/{ID.upper()}"]
)
async def test_an_unknown_call_is_unknown_to_read_and_to_cancel(client: httpx2.AsyncClient, path: str) -> None:
    for method in ("GET", "DELETE"):
        reply = await client.request(method, path)
        assert (reply.status_code, reply.json()["code"]) == (404, "call.unknown")


@pytest.mark.parametrize("query", ["wait=-1", "wait=nan", "wait=%ff", "until=4", "state=lost", "=&" * 30])
async def test_a_query_that_cannot_be_read_is_a_fault(client: httpx2.AsyncClient, query: str) -> None:
    path = "/v1/calls" if "state" in query else f"/v1/calls/police/{ID}"
    reply = await client.get(f"{path}?{query}")
    assert (reply.status_code, reply.json()["code"]) == (400, "request.invalid")


async def test_a_call_is_taken_back_while_queued(client: httpx2.AsyncClient, engine: Any) -> None:
    reply = await client.delete(f"/v1/calls/police/{ID}")
    assert (reply.status_code, reply.json()["state"]) == (200, "cancelled")
    engine.refusal = CallNotCancellable(call=ID)
    reply = await client.delete(f"/v1/calls/police/{ID}")
    assert (reply.status_code, reply.json()["code"]) == (409, "call.not_cancellable")


async def test_a_lost_ticket_is_found_among_the_callers_own(
    client: httpx2.AsyncClient, engine: Any, record: Any
) -> None:
    engine.records = [record(State.IN_DOUBT)]
    reply = await client.get("/v1/calls?key=k1&dossier=000.1&state=in_doubt&agency=police")
    (found,) = reply.json()["calls"]
    assert (found["call"], found["state"], found["location"]) == (ID, "in_doubt", f"/v1/calls/police/{ID}")
    assert reply.json()["before"] is None
    (sought,) = engine.sought
    assert (sought.caller, sought.key, sought.dossier, sought.state, sought.agency) == (
        "counter",
        "k1",
        "000.1",
        State.IN_DOUBT,
        "police",
    )


async def test_a_caller_who_goes_away_takes_its_waiting_call_along(knock: Any, engine: Any) -> None:
    cancelled = []

    async def hang() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    engine.hang = hang
    await knock(LOOK_UP, [{"type": "http.request", "body": json.dumps(BODY).encode()}])
    assert cancelled == [True]
    assert knock.status == 0


async def test_who_waits_for_a_ticket_is_not_taken_for_gone(knock: Any, engine: Any) -> None:
    stays = asyncio.Event()

    async def wait_for(call_id: str, caller: str, seconds: float, *, agency: str, through_pending: bool) -> Reply:
        await asyncio.sleep(WATCH_AFTER * 2)
        return engine.reply

    engine.wait_for = wait_for
    await knock(f"/v1/calls/police/{ID}", [{"type": "http.request", "body": b""}], method="GET", stays=stays)
    assert knock.status == 200


async def test_a_caller_who_goes_away_before_its_body_is_whole_is_not_submitted(knock: Any, engine: Any) -> None:
    await knock(LOOK_UP, [{"type": "http.request", "body": b"{", "more_body": True}])
    assert engine.submitted == []


async def test_a_fault_of_ours_is_told_to_operators_and_not_to_callers(
    client: httpx2.AsyncClient, engine: Any, faults: list[BaseException]
) -> None:
    engine.refusal = RuntimeError("Nguyễn Thị Mẫu")
    reply = await client.post(LOOK_UP, json=BODY)
    assert (reply.status_code, reply.json()["code"]) == (500, "internal")
    assert "Mẫu" not in reply.text
    assert faults == [engine.refusal]
