"""The played LGSP gives one token to all, refuses as WSO2 does, and lets through whoever shows a good one."""

import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from pydantic_core import from_json, to_json

import connectors
from connectors.kit.auth import handshake
from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.gateway import fault_in, meaning
from connectors.kit.http import HttpSender
from connectors.kit.outcomes import Answered, Busy, InDoubt, Result, StaleCredentials
from connectors.kit.sandbox.faults import Fault
from connectors.kit.sandbox.gateway import PlayedRoute
from connectors.kit.sandbox.server import Play, Sandbox
from connectors.kit.tokens import LgspTokens, Token

FOLDER = Path(connectors.__path__[0])
C06 = {"service_code": "DVC-TEST", "user_name": "centre", "secret_key": "s3cret", "service_path": "/dancu"}
PORTAL = {"user_name": "centre", "password": "s3cret"}
CITIZEN = (FOLDER / "police/samples/lookup_citizen.found/request.agency.xml").read_bytes()
PARTNER = {"AccessKey": "a", "SecretKey": "s", "AppName": "n", "PartnerCode": "p", "PartnerCodeCus": "c"}


class Time:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Stage:
    """A gateway in front of both agencies, and what the hub would hold on its side."""

    def __init__(self, partner: dict[str, str] | None = None) -> None:
        self.time = Time()
        self.sender = HttpSender()
        agencies = {"police": "/dancu", "npsp": "/npsp"}
        self.route = PlayedRoute("lgsp", agencies, "key", "hush", partner, "LGSP-Authorization", 60.0)
        plays = [Play("police", FOLDER / "police", C06), Play("npsp", FOLDER / "npsp", PORTAL)]
        self.sandbox = Sandbox(plays, now=self.time, chance=random.Random(7), routes=[self.route])

    async def token(self, secret: str | None = None, partner: dict[str, str] | None = None) -> Any:
        url = f"{self.route.base_url}/token"
        return await LgspTokens(url, "key", secret or "hush", partner, self.sender, self.time).fetch(timeout=5)

    async def look_up(self, token: str | None) -> WireReply:
        headers = {**handshake("c06").headers(C06, self.time.now), "Content-Type": "application/xml"}
        return await self.send("police", "", headers, CITIZEN, token)

    async def portal(self, token: str | None) -> WireReply:
        body = to_json({"username": "centre", "password": "s3cret"})
        return await self.send("npsp", "/mapi/login", {"dstcode": ""}, body, token)

    async def send(self, agency: str, path: str, headers: dict[str, str], body: bytes, token: str | None) -> WireReply:
        headers |= {"LGSP-Authorization": f"Bearer {token}"} if token is not None else {}
        wire = WireRequest("POST", self.sandbox.base_url(agency) + path, headers, body, False)
        reply = await self.sender.send(wire, timeout=5, reply_bytes=1_000_000)
        assert isinstance(reply, WireReply)
        return reply

    async def door(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        content = b"" if body is None else to_json(body)
        wire = WireRequest(method, self.sandbox.control_url + path, {}, content, False)
        reply = await self.sender.send(wire, timeout=5, reply_bytes=1_000_000)
        assert isinstance(reply, WireReply)
        return reply.status, from_json(reply.body)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    await stage.sandbox.start()
    yield stage
    await stage.sandbox.stop()
    await stage.sender.close()


def means(reply: WireReply) -> object:
    """Return what the hub makes of a gateway's reply."""
    tree = from_json(reply.body) if reply.body[:1] == b"{" else etree.fromstring(reply.body)
    fault = fault_in(tree)
    assert fault is not None
    return meaning(fault, reply.headers, 0.0)


async def test_all_who_ask_get_the_same_token_while_it_is_good(stage: Stage) -> None:
    first = await stage.token()
    stage.time.now += 20
    second = await stage.token()
    assert isinstance(first, Token)
    assert (second.value, first.seconds, second.seconds) == (first.value, 60.0, 40.0)
    stage.time.now += 40
    third = await stage.token()
    assert (third.value != first.value, third.seconds) == (True, 60.0)


async def test_with_a_good_token_both_agencies_answer_as_they_do_without_a_gateway(stage: Stage) -> None:
    token = (await stage.token()).value
    assert (await stage.look_up(token)).status == 200
    assert from_json((await stage.portal(token)).body)["session"]
    assert [one.operation for one in stage.sandbox.arrivals.of("police")] == ["lookup_citizen"]


async def test_a_token_is_refused_in_the_notation_of_the_agency_behind(stage: Stage) -> None:
    token = (await stage.token()).value
    cases = [(None, 900902), ("nobodys", 900901)]
    for shown, code in cases:
        for reply in (await stage.look_up(shown), await stage.portal(shown)):
            assert (reply.status, means(reply)) == (401, StaleCredentials(f"wso2_{code}", route=True))
    assert (await stage.look_up(None)).body.startswith(b"<am:fault")
    stage.time.now += 61
    for reply in (await stage.look_up(token), await stage.portal(token)):
        assert means(reply) == StaleCredentials("wso2_900903", route=True)
    await stage.token()
    assert means(await stage.look_up(token)) == StaleCredentials("wso2_900903", route=True), "it stays over"
    assert not list(stage.sandbox.arrivals.of("police"))


async def test_a_wrong_key_gets_no_token(stage: Stage) -> None:
    assert await stage.token("guess") == Answered(Result.REFUSED)
    assert [one.outcome for one in stage.sandbox.arrivals.of("lgsp")] == ["refused"]


async def test_a_province_that_wants_to_know_its_partner_looks_at_all_of_it() -> None:
    stage = Stage(PARTNER)
    await stage.sandbox.start()
    assert await stage.token() == Answered(Result.REFUSED)
    assert await stage.token(partner=PARTNER | {"PartnerCode": "other"}) == Answered(Result.REFUSED)
    assert isinstance(await stage.token(partner=PARTNER), Token)
    await stage.sandbox.stop()
    await stage.sender.close()


async def test_the_control_door_throttles_and_ends_tokens(stage: Stage) -> None:
    token = (await stage.token()).value
    fault = {"fault": "429", "retry_after": "7", "count": 2, "operation": "police"}
    assert (await stage.door("POST", "/faults/lgsp", fault))[0] == 200
    for _ in range(2):
        reply = await stage.look_up(token)
        assert (reply.status, means(reply)) == (429, Busy(7.0, "wso2_900800", route=True))
    assert (await stage.look_up(token)).status == 200
    assert await stage.door("POST", "/expire-tokens/lgsp") == (200, {"expired": 1})
    assert means(await stage.portal(token)) == StaleCredentials("wso2_900903", route=True)
    status, shown = await stage.door("GET", "/routes")
    assert (status, shown["routes"]) == (
        200,
        [{"route": "lgsp", "base_url": stage.route.base_url, "agencies": ["police", "npsp"]}],
    )
    assert (await stage.door("POST", "/expire-tokens/nobody"))[0] == 404


async def test_a_gateway_misbehaves_as_an_agency_does(stage: Stage) -> None:
    stage.sandbox.misbehave("lgsp", Fault(fault="reset_before", operation="token", count=1))
    assert isinstance(await stage.token(), InDoubt)
    token = (await stage.token()).value
    stage.sandbox.misbehave("lgsp", Fault(fault="502", operation="police", count=1))
    assert (await stage.look_up(token)).status == 502
    assert stage.sandbox.arrivals.processed("police", "lookup_citizen", "000085000001") == 1, "after the work was done"
    stage.sandbox.misbehave("lgsp", Fault(fault="hang"))
    stage.sandbox.behave("lgsp")
    assert (await stage.look_up(token)).status == 200


async def test_an_agencys_own_faults_come_through_the_gateway(stage: Stage) -> None:
    token = (await stage.token()).value
    stage.sandbox.misbehave("npsp", Fault(fault="503", retry_after="9", count=1))
    reply = await stage.portal(token)
    assert (reply.status, reply.headers["retry-after"]) == (503, "9")


async def test_what_is_not_behind_it_is_not_found(stage: Stage) -> None:
    token = (await stage.token()).value
    wire = WireRequest("GET", f"{stage.route.base_url}/policex", {"LGSP-Authorization": f"Bearer {token}"}, b"", False)
    reply = await stage.sender.send(wire, timeout=5, reply_bytes=10_000)
    assert isinstance(reply, WireReply)
    assert (reply.status, from_json(reply.body)["fault"]["code"]) == (404, 404)
