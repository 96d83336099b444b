"""A gateway's token is asked for as WSO2 wants it, read strictly, and never seen anywhere but in its header."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.http import CannedSender
from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome, Result, Unavailable
from connectors.kit.tokens import Bearer, Dressed, LgspTokens, Token, read_token, token_request

NOW = 1_795_400_000.0
URL = "https://lgsp.example/token"
PARTNER = {
    "AccessKey": "a-key",
    "SecretKey": "s-key",
    "AppName": "mot-cua",
    "PartnerCode": "000.00.00.H32",
    "PartnerCodeCus": "000.00.00.H32",
}
GIVEN = {"access_token": "0b5e-77", "scope": "am_application_scope default", "token_type": "Bearer", "expires_in": 3600}


def reply(content: object, status: int = 200, **headers: str) -> WireReply:
    body = content if isinstance(content, bytes) else to_json(content)
    return WireReply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def read(content: object, status: int = 200, **headers: str) -> Token | Outcome:
    return read_token(reply(content, status, **headers), NOW)


def test_the_request_is_the_one_of_client_credentials() -> None:
    wire = token_request(URL, "centre", "hush")
    assert (wire.method, wire.url, wire.body) == ("POST", URL, b"grant_type=client_credentials")
    assert wire.headers["Authorization"] == "Basic " + base64.b64encode(b"centre:hush").decode()
    assert wire.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "lgspaccesstoken" not in wire.headers
    assert wire.fresh_connection, "no kept connection lives as long as a token"


def test_a_province_may_want_to_know_its_partner_besides() -> None:
    wire = token_request(URL, "centre", "hush", PARTNER)
    assert from_json(base64.b64decode(wire.headers["lgspaccesstoken"])) == PARTNER
    assert wire.body == b"grant_type=client_credentials"


def test_no_secret_stands_in_the_address_or_the_body() -> None:
    wire = token_request(URL, "centre", "hush", PARTNER)
    assert "hush" not in wire.url + wire.body.decode()
    assert "s-key" not in wire.url + wire.body.decode()


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        (GIVEN, 3600.0),
        ({"access_token": "t", "expires_in": "59"}, 59.0),
        ({"access_token": "t", "expires_in": 0}, 0.0),
        ({"access_token": "t", "expires_in": -1}, None),
        ({"access_token": "t", "expires_in": True}, None),
        ({"access_token": "t"}, None),
        ({"token": "t", "refreshToken": "r", "expiryDate": 1_795_400_060_000}, 60.0),
        ({"token": "t", "refreshToken": "r", "expiryDate": str(1_795_400_060)}, 60.0),
        ({"token": "t", "expiryDate": "2026-11-23T09:14:20+07:00"}, 60.0),
        ({"token": "t", "expiryDate": "2026-11-23T02:14:20Z"}, 60.0),
        ({"token": "t", "expiryDate": "2026-11-23 09:14:20"}, 60.0),
        ({"token": "t", "expiryDate": "2026-11-23T02:00:00Z"}, 0.0),
        ({"token": "t", "expiryDate": "ngày mai"}, None),
        ({"token": "t", "expiryDate": None}, None),
    ],
)
def test_every_form_of_a_tokens_life_is_read(content: Mapping[str, Any], seconds: float | None) -> None:
    token = read_token(reply(content), 1_795_400_060.0 - 60.0)
    assert isinstance(token, Token)
    assert token.value == content.get("access_token", content.get("token"))
    assert token.seconds == seconds


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        "t",
        {"access_token": ""},
        {"access_token": None, "token": "t"},
        {"access_token": 5},
        {"access_token": "two words"},
        {"access_token": "line\r\nX-Evil: 1"},
        {"access_token": "thẻ"},
        {"access_token": "t", "token_type": "mac"},
        {"access_token": "t", "token_type": 1},
        b"<html></html>",
        b"",
    ],
)
def test_what_is_no_token_that_a_header_can_hold_is_broken(content: object) -> None:
    got = read(content)
    assert isinstance(got, Broken)
    assert "evil" not in repr(got).lower()
    assert "thẻ" not in repr(got)


@pytest.mark.parametrize(
    ("status", "content", "meant"),
    [
        (401, {"error": "invalid_client", "error_description": "x"}, Answered(Result.REFUSED)),
        (400, {"error": "invalid_grant"}, Answered(Result.REFUSED)),
        (403, b"", Answered(Result.REFUSED)),
        (401, b"<html></html>", Answered(Result.REFUSED)),
        (401, {"fault": {"code": 900901, "message": "Invalid Credentials"}}, Answered(Result.REFUSED)),
        (429, b"", Busy(9.0)),
        (429, {"fault": {"code": 900800, "message": "out"}}, Busy(9.0, "wso2_900800", route=True)),
        (503, b"", Busy(9.0)),
        (500, b"", InDoubt("http_500")),
        (502, b"<html></html>", InDoubt("http_502")),
    ],
)
def test_whatever_the_door_says_has_one_meaning(status: int, content: object, meant: Outcome) -> None:
    assert read(content, status, retry_after="9") == meant


@pytest.mark.parametrize("status", [*range(100, 600), 0, 999])
def test_no_status_is_without_a_meaning(status: int) -> None:
    got = read(GIVEN, status)
    assert isinstance(got, Token) == (200 <= status <= 299)
    assert got is not None


async def test_a_door_is_asked_once_and_its_silence_is_an_outcome() -> None:
    sender = CannedSender(lambda _: reply(GIVEN))
    tokens = LgspTokens(URL, "centre", "hush", None, sender, lambda: NOW)
    assert await tokens.fetch(timeout=5) == Token("0b5e-77", 3600.0)
    assert len(sender.sent) == 1
    silent = LgspTokens(URL, "centre", "hush", None, CannedSender(lambda _: Unavailable("dns")), lambda: NOW)
    assert await silent.fetch(timeout=5) == Unavailable("dns")
    await tokens.close()
    assert await tokens.fetch(timeout=5) == Unavailable("closed")


def test_a_token_is_never_printed() -> None:
    assert "0b5e" not in repr(read(GIVEN))


async def test_every_exchange_wears_the_token_that_is_good_now() -> None:
    inner, bearer = CannedSender(lambda _: reply({})), Bearer("Authorization")
    sender = Dressed(inner, bearer)
    wire = WireRequest("POST", "https://lgsp.example/a", {"X-Session": "s"}, b"{}", False)
    for value in ("one", "two"):
        bearer.value = value
        assert isinstance(await sender.send(wire, timeout=5, reply_bytes=100), WireReply)
        assert inner.sent[-1].headers == {"X-Session": "s", "Authorization": f"Bearer {value}"}
    assert "Authorization" not in wire.headers, "the connector's own request stays as it is"
    await sender.close()
    assert await inner.send(wire, timeout=5, reply_bytes=1) == Unavailable("closed")


async def test_credentials_of_an_agency_are_never_overwritten() -> None:
    inner, bearer = CannedSender(lambda _: reply({})), Bearer("Authorization")
    wire = WireRequest("POST", "https://lgsp.example/a", {"authorization": "Basic xyz"}, b"", False)
    got = await Dressed(inner, bearer).send(wire, timeout=5, reply_bytes=100)
    assert isinstance(got, Broken)
    assert not got.sent
    assert "token_header" in str(got.faults[0])
    assert inner.sent == []
    bearer.header = "LGSP-Authorization"
    await Dressed(inner, bearer).send(wire, timeout=5, reply_bytes=100)
    assert inner.sent[0].headers["authorization"] == "Basic xyz"
