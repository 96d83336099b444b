"""How a REST operation is written and read, from its lines in the manifest alone."""

import base64
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic_core import from_json

from connectors.kit.answers import Signs
from connectors.kit.auth import Placed
from connectors.kit.exchange import WireReply
from connectors.kit.manifest import OperationTable
from connectors.kit.places import read_unwrap
from connectors.kit.reading import Written
from connectors.kit.rest import Rest, read_call
from connectors.kit.texts import Unreadable
from mappings.errors import MappingFailed

NOWHERE = Placed({}, {}, {})


def rest(call: str, **keys: Any) -> Rest:
    return Rest(OperationTable.model_validate({"kind": "filing", "call": call, **keys}), None)


def written(
    call: str, payload: object, *, placed: Placed = NOWHERE, sources: dict[str, str | None] | None = None, **keys: Any
) -> Written:
    return rest(call, **keys).write(payload, sources or {}, placed)


def test_a_payload_goes_out_as_json() -> None:
    out = written("POST /mapi/g", {"Ten": "Đỗ", "So": 1})
    assert (out.method, out.address, out.body) == ("POST", "/mapi/g", '{"Ten":"Đỗ","So":1}'.encode())
    assert out.headers["Content-Type"] == "application/json; charset=utf-8"


def test_a_wrap_surrounds_the_payload_and_takes_sources() -> None:
    wrap = {"session": "auth.session", "isUpdating": "=False", "data": ["payload"], "empty": "="}
    out = written("POST /mapi/g", {"MaHoSo": "1"}, wrap=wrap, sources={"auth.session": "s"})
    assert from_json(out.body) == {"session": "s", "isUpdating": "False", "data": [{"MaHoSo": "1"}], "empty": ""}


def test_a_source_without_a_value_is_a_fault_that_names_it_and_its_place() -> None:
    with pytest.raises(MappingFailed) as failed:
        written("POST /g", {}, wrap={"a": {"session": "auth.session"}, "b": ["unit.code"]}, sources={"unit.code": None})
    assert [str(fault) for fault in failed.value.faults] == [
        "a/session: auth.session has no value",
        "b[0]: unit.code has no value",
    ]


def test_a_field_of_the_address_leaves_the_payload() -> None:
    out = written("PUT /meter/{Ma}/reading", {"Ma": "a/b c", "So": 7})
    assert (out.address, out.body) == ("/meter/a%2Fb%20c/reading", b'{"So":7}')


@pytest.mark.parametrize("value", [None, "", ".", "..", []])
def test_an_address_field_that_would_change_the_path_is_refused(value: object) -> None:
    with pytest.raises(MappingFailed):
        written("GET /meter/{Ma}/reading", {"Ma": value})


def test_what_a_get_sends_besides_its_path_is_its_query() -> None:
    out = written(
        "GET /meter/{Ma}", {"Ma": "1", "Ky": ["1", "2"], "Day": True, "No": None}, placed=Placed({}, {"key": "k&"}, {})
    )
    path, _, query = out.address.partition("?")
    assert (path, parse_qs(query)) == ("/meter/1", {"Ky": ["1", "2"], "Day": ["true"], "key": ["k&"]})
    assert out.body == b""


def test_a_form_is_a_form() -> None:
    out = written("POST form /token", {"Tên": "Đỗ & con"})
    assert parse_qs(out.body.decode()) == {"Tên": ["Đỗ & con"]}
    assert out.headers["Content-Type"].startswith("application/x-www-form-urlencoded")


def test_a_form_cannot_hold_a_group() -> None:
    with pytest.raises(MappingFailed, match="which a form or a query cannot hold"):
        written("POST form /token", {"a": {"b": "c"}})


def test_auth_puts_headers_and_body_places() -> None:
    payload = {"a": {"b": "c"}}
    out = written(
        "POST /g", payload, placed=Placed({"X-Key": "k", "Content-Type": "application/json"}, {}, {"a/session": "s"})
    )
    assert out.headers["X-Key"] == "k"
    assert out.headers["Content-Type"] == "application/json"
    assert from_json(out.body) == {"a": {"b": "c", "session": "s"}}
    assert payload == {"a": {"b": "c"}}


@pytest.mark.parametrize("text", ["/x", "post /x", "GET x", "GET form /x", "POST xml /x", "GET /x?y=1", "GET  /x"])
def test_what_is_no_call_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no call|has no body"):
        read_call(text)


def reply(body: str, status: int = 200) -> WireReply:
    return WireReply(status, {}, body.encode())


def test_code_and_text_lie_where_the_manifest_says() -> None:
    reading = rest("POST /g", code="kq/ma", says="kq/loi").read(reply('{"kq": {"ma": 0, "LOI": "xong"}}'))
    assert reading.signs == Signs(200, "0", "xong")


@pytest.mark.parametrize(
    ("value", "code"),
    [("0", "0"), ("-3", "-3"), ("1.0", "1"), ("true", "true"), ('"00"', "00"), ("null", None), ("[1]", None)],
)
def test_a_code_of_any_type_becomes_text(value: str, code: str | None) -> None:
    assert rest("POST /g", code="error_code").read(reply(f'{{"error_code": {value}}}')).signs.code == code


def test_a_gateway_is_told_from_the_agency() -> None:
    reading = rest("POST /g", code="code").read(
        reply('{"fault": {"code": 101503, "message": "Error connecting"}}', 500)
    )
    assert reading.road is not None
    assert reading.signs == Signs(500, "101503", "Error connecting", fault=True)


def test_a_gateway_is_heard_in_xml_too() -> None:
    body = '<am:fault xmlns:am="http://wso2.org/apimanager"><am:code>303001</am:code><am:message>Away</am:message></am:fault>'
    reading = rest("POST /g", code="code").read(reply(body, 503))
    assert reading.road is not None
    assert reading.signs == Signs(503, "303001", "Away", fault=True)


def test_html_is_no_answer() -> None:
    with pytest.raises(Unreadable, match="HTML"):
        rest("POST /g").read(reply("<!DOCTYPE html><html></html>"))


def test_a_body_that_is_a_file_is_read_as_its_base64() -> None:
    read = rest("GET /paper/{Ma}", unwrap=["file"], code="TYPE").read(WireReply(200, {}, b"%PDF-1.4 \xff"))
    assert (read.tree, read.signs) == (base64.b64encode(b"%PDF-1.4 \xff").decode(), Signs(200))
    assert written("GET /paper/{Ma}", {"Ma": "1"}, unwrap=["file"]).headers["Accept"] == "*/*"


@pytest.mark.parametrize(
    ("status", "body"), [(200, b""), (200, b" \n"), (200, b"<html>Not now</html>"), (500, b"%PDF-1.4 \xff")]
)
def test_what_is_no_paper_is_no_file(status: int, body: bytes) -> None:
    with pytest.raises(Unreadable):
        rest("GET /paper/{Ma}", unwrap=["file"], code="TYPE").read(WireReply(status, {}, body))


def test_words_in_place_of_a_file_are_judged_and_never_kept_as_one() -> None:
    read = rest("GET /paper/{Ma}", unwrap=["file"], code="TYPE").read(WireReply(200, {}, b'{"TYPE": "ERROR"}'))
    assert read.signs.code == "ERROR"
    with pytest.raises(Unreadable, match="is JSON where a file was expected"):
        read_unwrap(["file"])(read.tree)


def test_a_file_is_none_where_none_was_agreed() -> None:
    with pytest.raises(Unreadable):
        rest("GET /paper/{Ma}").read(WireReply(200, {}, b"%PDF-1.4 \xff"))
