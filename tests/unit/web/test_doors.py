"""Every address answers, and says what it takes."""

from typing import Any

import httpx2
import pytest


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/calls/",
        "/v1/callsfoo",
        "/v1/calls/a",
        "/v1/calls/a/b/c",
        "/v2/calls",
        "/livez/",
        "/%00",
        "/v1/calls/%2e%2e/x/y",
    ],
)
async def test_an_address_that_leads_nowhere_is_a_problem(client: httpx2.AsyncClient, path: str) -> None:
    reply = await client.get(path)
    assert (reply.status_code, reply.json()["code"]) == (404, "operation.unknown")


@pytest.mark.parametrize("path", ["/v1/calls/nobody/lookup_person", "/v1/calls/police/nothing"])
async def test_an_unknown_operation_is_a_problem(client: httpx2.AsyncClient, path: str) -> None:
    reply = await client.post(path, json={})
    assert (reply.status_code, reply.json()["code"]) == (404, "operation.unknown")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/calls/police/lookup_person", "POST, GET, DELETE"),
        ("POST", "/v1/calls", "GET"),
        ("POST", "/readyz", "GET, HEAD"),
        ("DELETE", "/openapi.json", "GET, HEAD"),
    ],
)
async def test_a_method_that_is_not_taken_names_those_that_are(
    client: httpx2.AsyncClient, method: str, path: str, allow: str
) -> None:
    reply = await client.request(method, path)
    assert (reply.status_code, reply.json()["code"]) == (405, "method.not_allowed")
    assert reply.headers["allow"] == allow


async def test_ready_follows_the_store_and_live_does_not(client: httpx2.AsyncClient, store_is: dict[str, Any]) -> None:
    client.headers.pop("authorization")
    store_is["sick"] = OSError("disk full")
    ready, live = await client.get("/readyz"), await client.get("/livez")
    assert (ready.status_code, ready.json()) == (503, {"ready": False, "checks": {"store": "OSError"}})
    assert live.status_code == 200


async def test_a_healthy_hub_is_ready(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/readyz")).json() == {"ready": True, "checks": {"store": "ok"}}


async def test_operations_are_told_to_callers_and_the_document_to_anybody(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/v1/operations")).json() == {"operations": []}
    client.headers.pop("authorization")
    assert (await client.get("/openapi.json")).status_code == 200
