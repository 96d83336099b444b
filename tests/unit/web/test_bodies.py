"""Whatever is sent, the answer is a problem that names places and rules, soon, and without what was sent."""

import json
import threading
import time
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel, field_validator

from hub.web.bodies import IN_THREAD_BYTES, MOST_VALUES, Bodies

PATH = "/v1/calls/police/lookup_place"
JSON = {"content-type": "application/json"}
OK = b'"citizen_id":"000180000011"'


async def faults(client: httpx2.AsyncClient, body: bytes) -> list[tuple[str, str]]:
    began = time.process_time()
    reply = await client.post(PATH, content=body, headers=JSON)
    assert time.process_time() - began < 2.0
    assert reply.status_code == 400, reply.text
    assert reply.json()["code"] == "request.invalid"
    return [(fault["pointer"], fault["rule"]) for fault in reply.json()["errors"]]


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "EOF while parsing"),
        (b"{", "EOF while parsing"),
        (b"\xff\xfe", "expected value"),
        (b'{"citizen_id":"\xff"}', "invalid unicode"),
        (b'{"citizen_id":"\\ud800"}', "hex escape"),
        (b"[" * 10_000, "recursion limit"),
        (b'{"a":' * 10_000, "recursion limit"),
        (b'{"count":' + b"9" * 900_000 + b"}", "number out of range"),
        (b'{"ratio":' + b"9" * 900_000 + b"}", "number out of range"),
        (b'\xef\xbb\xbf{"count":1}', "expected value"),
        (b"{" + OK + b"}x", "trailing"),
    ],
)
async def test_what_is_not_json_is_refused(client: httpx2.AsyncClient, body: bytes, rule: str) -> None:
    ((pointer, says),) = await faults(client, body)
    assert pointer == ""
    assert rule in says


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"[]", ("", "Input should be an object")),
        (b"null", ("", "Input should be an object")),
        (b"{}", ("/citizen_id", "is missing")),
        (b"{" + OK + b',"count":true}', ("/count", "Input should be a valid integer")),
        (b"{" + OK + b',"count":"1"}', ("/count", "Input should be a valid integer")),
        (b"{" + OK + b',"count":1.5}', ("/count", "Input should be a valid integer")),
        (
            b"{" + OK + b',"places":[{},{"province":"001"}]}',
            ("/places/1/province", "String should have at most 2 characters"),
        ),
        (b"{" + OK + b',"ful/l~name":1}', ("/ful~1l~0name", "is not a known field")),
        (b"{" + OK + b',"count":1,"count":1}', ("/count", "stands twice in one object")),
        (
            b"{" + OK + b',"places":[{},{"province":"1","province":"2"}]}',
            ("/places/1/province", "stands twice in one object"),
        ),
        (b"{" + OK + b',"notes":{"a":"1","a":"2","b":"3"}}', ("/notes/a", "stands twice in one object")),
    ],
)
async def test_what_does_not_fit_is_named_by_pointer_and_rule(
    client: httpx2.AsyncClient, body: bytes, expected: tuple[str, str]
) -> None:
    assert await faults(client, body) == [expected]


async def test_nan_does_not_pass_as_an_integer(client: httpx2.AsyncClient) -> None:
    assert [pointer for pointer, _ in await faults(client, b"{" + OK + b',"count":NaN}')] == ["/count"]


async def test_no_fault_repeats_what_was_sent(client: httpx2.AsyncClient) -> None:
    reply = await client.post(
        PATH, json={"citizen_id": "SECRET", "count": "SECRET", "places": "SECRET", "notes": {"a": 5}}
    )
    assert len(reply.json()["errors"]) == 4
    assert "SECRET" not in reply.text


async def test_at_most_a_hundred_faults_are_named(client: httpx2.AsyncClient) -> None:
    few = await faults(client, b"{" + OK + b',"numbers":[' + b",".join([b'"x"'] * 500) + b"]}")
    assert few == [(f"/numbers/{place}", "Input should be a valid integer") for place in range(100)]


@pytest.mark.parametrize("of", [b'"x"', b"1.5"])
async def test_tens_of_thousands_of_faults_are_named_as_soon(client: httpx2.AsyncClient, of: bytes) -> None:
    many = await faults(client, b"{" + OK + b',"numbers":[' + b",".join([of] * (MOST_VALUES - 100)) + b"]}")
    assert many == [(f"/numbers/{place}", "Input should be a valid integer") for place in range(100)]


async def test_unknown_fields_by_the_thousand_are_named_as_soon(client: httpx2.AsyncClient) -> None:
    many = await faults(client, b"{" + OK + b"," + b",".join(b'"k%d":1' % number for number in range(40_000)) + b"}")
    assert many == [(f"/k{number}", "is not a known field") for number in range(100)]


async def test_more_values_than_any_request_needs_are_refused_before_they_are_looked_at(
    client: httpx2.AsyncClient,
) -> None:
    assert await faults(client, b"{" + OK + b',"numbers":[' + b"1," * 300_000 + b"1]}") == [
        ("", "holds more than 50000 values")
    ]


async def test_commas_inside_a_text_are_no_values(client: httpx2.AsyncClient) -> None:
    reply = await client.post(PATH, json={"citizen_id": "000180000011", "notes": {"a": "," * 100_000}})
    assert reply.status_code == 200


async def test_only_a_large_body_pays_for_a_thread() -> None:
    threads: list[int] = []

    class Watched(BaseModel):
        text: str

        @field_validator("text")
        @classmethod
        def _seen(cls, text: str) -> str:
            threads.append(threading.get_ident())
            return text

    bodies = Bodies()
    await bodies.validated(Watched, b'{"text":"small"}')
    await bodies.validated(Watched, b'{"text":"' + b"a" * IN_THREAD_BYTES + b'"}')
    assert threads[0] == threading.get_ident()
    assert threads[1] != threading.get_ident()


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "application/jsonp", ""],
)
async def test_another_media_type_is_refused(client: httpx2.AsyncClient, kind: str) -> None:
    reply = await client.post(PATH, content=b"{" + OK + b"}", headers={"content-type": kind})
    assert (reply.status_code, reply.json()["code"]) == (415, "media_type.unsupported")


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON", "application/json;charset=UTF-8", 'application/json; charset="utf-8"'],
)
async def test_json_in_utf_8_is_taken(client: httpx2.AsyncClient, kind: str) -> None:
    assert (await client.post(PATH, content=b"{" + OK + b"}", headers={"content-type": kind})).status_code == 200


async def test_a_body_that_says_it_is_too_large_is_not_read(knock: Any) -> None:
    await knock(PATH, [], (b"content-length", b"1000001"))
    assert (knock.status, knock.read) == (413, 0)
    assert json.loads(knock.body)["code"] == "request.too_large"
    assert b"connection" not in knock.headers


async def test_a_body_that_would_never_end_costs_its_connection(knock: Any) -> None:
    await knock(PATH, [], (b"content-length", b"99999999999"))
    assert (knock.status, knock.headers[b"connection"]) == (413, b"close")


async def test_a_chunked_body_is_cut_at_the_limit(knock: Any, engine: Any) -> None:
    chunks = [{"type": "http.request", "body": b"a" * 400_000, "more_body": True}] * 10
    await knock(PATH, chunks)
    assert (knock.status, knock.read, knock.headers[b"connection"]) == (413, 3, b"close")
    assert engine.submitted == []
