"""A bound agency renders, sends, judges and logs in; whatever comes back, it says what that means and never raises."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from connectors.kit.exchange import Agency, WireReply, WireRequest
from connectors.kit.http import CannedSender
from connectors.kit.judging import judge
from connectors.kit.outcomes import (
    Answered,
    Broken,
    Busy,
    InDoubt,
    Outcome,
    Reason,
    Result,
    StaleCredentials,
    Unavailable,
)
from connectors.kit.registry import Connector, bind, load_connector
from mappings.canonical import MASK, Procedure, ProcedureQuery
from mappings.errors import Fault, FilesRefused, MappingFailed

MANIFEST = """
[connector]
title = "Portal"
title_vi = "Cổng thử nghiệm"
version = "0.1.0"
owner = "Tổ liên thông"
protocol = "rest"
maturity = "draft"
[settings.user_name]
help = "Account"
[settings.password]
help = "Its password"
secret = true
[settings.destination]
help = "Name on the adapter"
default = ""
[auth]
login = "log_in"
keep = { session = "data/session" }
put = { "header:X-Session" = "auth.session", "header:dstcode" = "settings.destination" }
[contract]
calls_per_second = 5
calls_per_day = 1000
calls_at_once = 4
call_timeout = 10
queue_calls = 20
queue_seconds = 15
backlog_calls = 100
request_bytes = 1000
reply_bytes = 1000000
[operations.log_in]
kind = "login"
call = "POST /login"
wrap = { user = "settings.user_name", password = "settings.password" }
code = "code"
[operations.lookup_procedure]
kind = "lookup"
call = "POST /g"
sends = "procedure_query"
returns = "procedure_query"
wrap = { session = "auth.session", id = "exchange.id", data = ["payload"] }
unwrap = ["json", "data[0]"]
code = "code"
says = "text"
ref = "soPhieu"
[operations.file_procedure]
kind = "filing"
call = "POST /procedures"
sends = "procedure_query"
code = "code"
"""
MAPPING = 'canonical = "ProcedureQuery@1"\nagency = ""\n[fields]\n"code" = "maTTHC"\n'
ANSWERS = """operation,http,code,says,result,reason,vi,en
,200,0,,ok,,,
,200,1,,pending,,,
,200,2,,not_found,,,
,200,3,,exists,,,
,200,4,,login,,,
,200,5,,refused,portal.no,Không nhận,Not taken
,200,6,,busy,,,
,200,7,,unavailable,,,
,200,8,,in_doubt,,,
,200,9,,broken,,,
,500,101503,,unavailable,gateway.no_backend,,
,401,,,login,,,
,429,,,busy,portal.busy,,
,403,900908,,refused,portal.not_subscribed,Chưa đăng ký,Not subscribed
,503,900800,,busy,gateway.throttled,,
log_in,200,5,,refused,portal.no,Không nhận,Not taken
"""
SCHEMA = {
    "type": "object",
    "properties": {
        "code": {},
        "data": {"items": {"properties": {"maTTHC": {}, "soPhieu": {}}, "additionalProperties": False}},
    },
}
SETTINGS = {"user_name": "centre", "password": "p4ss"}
SOURCES = {"auth.session": "s-1", "exchange.id": "x-1"}
ASKED = ProcedureQuery(code="1.001776")
NOW = 1_795_400_000.0
Answer = Callable[[WireRequest], WireReply | Outcome]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "portal"
    (place / "contract").mkdir(parents=True)
    (place / "manifest.toml").write_text(MANIFEST, "utf-8")
    (place / "procedure_query.map.toml").write_text(MAPPING, "utf-8")
    (place / "answers.csv").write_text(ANSWERS, "utf-8")
    (place / "contract" / "lookup_procedure.reply.schema.json").write_bytes(to_json(SCHEMA))
    return place


@pytest.fixture
def connector(folder: Path) -> Connector:
    return load_connector(folder)


def bound(folder: Path, answer: Answer = lambda _: Unavailable("dns"), **settings: str) -> tuple[Agency, CannedSender]:
    connector, sender = load_connector(folder), CannedSender(answer)
    agency = bind(
        connector,
        name="portal",
        base_url="https://portal.example/api/",
        settings={**SETTINGS, **settings},
        sender=sender,
        now=lambda: NOW,
        contract=connector.manifest.contract,
    )
    return agency, sender


async def outcome(folder: Path, status: int, body: object, operation: str = "lookup_procedure", **headers: str) -> Any:
    content = body if isinstance(body, bytes) else to_json(body)
    agency, _ = bound(
        folder, lambda _: WireReply(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)
    )
    return await agency.send(operation, agency.render(operation, ASKED, SOURCES), timeout=5)


def test_a_request_is_ready_to_be_sent(folder: Path) -> None:
    wire = bound(folder)[0].render("lookup_procedure", ASKED, SOURCES)
    assert (wire.method, wire.url) == ("POST", "https://portal.example/api/g")
    assert from_json(wire.body) == {"session": "s-1", "id": "x-1", "data": [{"maTTHC": "1.001776"}]}
    assert wire.headers["X-Session"] == "s-1"
    assert "dstcode" not in wire.headers  # an empty setting is no header
    assert wire.masked is None


def test_only_a_filing_that_must_not_be_repeated_wants_a_fresh_connection(folder: Path) -> None:
    agency, _ = bound(folder)
    assert agency.render("file_procedure", ASKED, SOURCES).fresh_connection
    assert not agency.render("lookup_procedure", ASKED, SOURCES).fresh_connection


def test_every_missing_source_is_named(folder: Path) -> None:
    with pytest.raises(MappingFailed) as failed:
        bound(folder)[0].render("lookup_procedure", ASKED, {"auth.session": "s"})
    assert failed.value.faults == (Fault("id", "exchange.id has no value"),)


def test_a_request_of_another_kind_or_size_is_not_written(folder: Path) -> None:
    agency, _ = bound(folder)
    with pytest.raises(MappingFailed, match="takes a ProcedureQuery"):
        agency.render("lookup_procedure", Procedure.model_construct(), SOURCES)
    with pytest.raises(MappingFailed, match="larger than the 1000 bytes"):
        agency.render("lookup_procedure", ASKED, {**SOURCES, "exchange.id": "x" * 1000})


def test_what_people_see_of_a_request_holds_no_secret(folder: Path) -> None:
    wire = bound(folder, destination="adapter")[0].render("lookup_procedure", ASKED, SOURCES, mask=True)
    assert wire.masked == {"session": MASK, "id": "x-1", "data": [{"maTTHC": "1.001776"}]}
    assert from_json(wire.body)["session"] == "s-1"


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        (2, Answered(Result.NOT_FOUND)),
        (3, Answered(Result.EXISTS, refs={"soPhieu": "P1"})),
        (4, StaleCredentials("login")),
        (5, Answered(Result.REFUSED, reason=Reason("5", "portal.no", "Không nhận", "Not taken"))),
        (6, Busy(None)),
        (7, Unavailable("never_reached")),
        (8, InDoubt("in_doubt")),
        (9, Broken("answer")),
        (
            99,
            Broken(
                "no_row",
                (Fault("code", "with HTTP 200 has no row in answers.csv, or rows that contradict each other"),),
            ),
        ),
    ],
)
async def test_a_code_means_what_its_row_says(folder: Path, code: int, meant: object) -> None:
    assert await outcome(folder, 200, {"code": code, "data": [{"soPhieu": "P1"}]}) == meant


@pytest.mark.parametrize(("code", "result"), [(0, Result.OK), (1, Result.PENDING)])
async def test_an_answer_is_unwrapped_mapped_and_its_key_remembered(folder: Path, code: int, result: Result) -> None:
    got = await outcome(folder, 200, {"code": code, "data": [{"maTTHC": "1.001776", "soPhieu": "P1"}]})
    assert got == Answered(result, ASKED, refs={"soPhieu": "P1"})


async def test_an_added_field_is_drift_and_the_answer_still_arrives(folder: Path) -> None:
    got = await outcome(folder, 200, {"code": 0, "data": [{"maTTHC": "1.001776", "moi": 1}]})
    assert (got.value, got.drift) == (ASKED, ("data[]/moi",))


async def test_a_name_in_another_letter_case_is_read_and_told(folder: Path) -> None:
    got = await outcome(folder, 200, {"code": 0, "data": [{"MATTHC": "1.001776"}]})
    assert got.value == ASKED
    assert "maTTHC" in got.drift


@pytest.mark.parametrize("data", [[], None])
async def test_an_empty_collection_is_not_found(folder: Path, data: object) -> None:
    assert await outcome(folder, 200, {"code": 0, "data": data}) == Answered(Result.NOT_FOUND)


async def test_a_missing_collection_is_drift_that_breaks(folder: Path) -> None:
    got = await outcome(folder, 200, {"code": 0})
    assert (got.cause, got.faults) == (
        "unwrap",
        (Fault("body", "`data[0]` leads nowhere: what should hold it is missing"),),
    )


async def test_a_value_that_does_not_fit_breaks_without_being_told(folder: Path) -> None:
    got = await outcome(folder, 200, {"code": 0, "data": [{"maTTHC": "999000000001"}]})
    assert isinstance(got, Broken)
    assert got.cause == "mapping"
    assert got.faults[0].place == "maTTHC"
    assert "999000000001" not in repr(got)


@pytest.mark.parametrize(
    ("status", "body", "meant"),
    [
        (200, b"<html></html>", Broken("unreadable", (Fault("body", "is HTML or XML where JSON was expected"),))),
        (200, b"", InDoubt("truncated")),
        (200, b'{"code": 0', InDoubt("truncated")),
        (
            200,
            b"[]",
            Broken(
                "no_row",
                (Fault("code", "with HTTP 200 has no row in answers.csv, or rows that contradict each other"),),
            ),
        ),
        (502, b"<html></html>", InDoubt("http_502")),
        (500, b'{"code": 0}', InDoubt("http_500")),
        (401, b"", StaleCredentials("login")),
        (500, b'{"fault": {"code": 101503}}', Unavailable("gateway.no_backend")),
        (503, b'{"fault": {"code": 900800}}', Busy(30.0, "gateway.throttled", route=True)),
        (429, b"slow down", Busy(30.0, "portal.busy")),
        (429, b'{"code": 1}', Busy(30.0, "portal.busy")),
        (429, b'{"fault": {"code": 900802}}', Busy(30.0, "wso2_900802", route=True)),
        (429, b'{"fault": {"code": "QUOTA"}}', Busy(30.0, "portal.busy")),
        (429, b"<am:fault xmlns:am='w'><am:code>900800</am:code></am:fault>", Busy(30.0, "wso2_900800", route=True)),
        (200, b'{"fault": {"code": 900800}}', Busy(30.0, "wso2_900800", route=True)),
        (401, b'{"fault": {"code": 900901}}', StaleCredentials("wso2_900901", route=True)),
        (401, b'{"code": 4}', StaleCredentials("login")),
        (500, b'{"fault": {"code": 303001}}', Unavailable("wso2_303001")),
        (500, b'{"fault": {"code": 101504}}', InDoubt("wso2_101504")),
        (
            403,
            b'{"fault": {"code": 900908}}',
            Answered(
                Result.REFUSED, reason=Reason("900908", "portal.not_subscribed", "Chưa đăng ký", "Not subscribed")
            ),
        ),
    ],
)
async def test_whatever_comes_back_has_one_meaning(folder: Path, status: int, body: bytes, meant: object) -> None:
    assert await outcome(folder, status, body, retry_after="30") == meant


async def test_a_refused_request_was_not_processed(folder: Path) -> None:
    got = await outcome(folder, 400, b"bad", "file_procedure")
    assert isinstance(got, Broken)
    assert got.refused_before_processing


async def test_a_large_reply_is_read_in_a_thread_of_this_agency(folder: Path) -> None:
    body = {"code": 0, "data": [{"maTTHC": "1.001776"}], "more": "x" * 300_000}
    agency, _ = bound(folder, lambda _: WireReply(200, {}, to_json(body)))
    got = await agency.send("lookup_procedure", agency.render("lookup_procedure", ASKED, SOURCES), timeout=5)
    assert isinstance(got, Answered)
    assert got.value == ASKED
    await agency.close()


async def test_an_outcome_of_the_wire_stays_what_it_is(folder: Path) -> None:
    agency, _ = bound(folder, lambda _: InDoubt("reset"))
    assert await agency.send(
        "lookup_procedure", agency.render("lookup_procedure", ASKED, SOURCES), timeout=5
    ) == InDoubt("reset")


async def test_a_login_gives_what_is_to_be_kept(folder: Path) -> None:
    agency, sender = bound(folder, lambda _: WireReply(200, {}, b'{"code": 0, "data": {"session": "s-2"}}'))
    assert await agency.log_in({}, timeout=5) == {"auth.session": "s-2"}
    assert from_json(sender.sent[0].body) == {"user": "centre", "password": "p4ss"}
    assert "X-Session" not in sender.sent[0].headers


async def test_a_setting_is_shown_as_the_agency_wants_to_see_it(folder: Path) -> None:
    manifest = folder / "manifest.toml"
    told = manifest.read_text("utf-8")
    manifest.write_text(told.replace('help = "Its password"', 'help = "Its password"\nas = "md5"'), "utf-8")
    agency, sender = bound(
        folder, lambda _: WireReply(200, {}, b'{"code": 0, "data": {"session": "s-2"}}'), password="a"
    )
    await agency.log_in({}, timeout=5)
    assert from_json(sender.sent[0].body) == {"user": "centre", "password": "0cc175b9c0f1b6a831c399e269772661"}
    manifest.write_text(told.replace('help = "Its password"', 'help = "Its password"\nas = "md6"'), "utf-8")
    with pytest.raises(FilesRefused, match="did you mean `md5`"):
        bound(folder)


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [(200, {"code": 5}, Result.REFUSED), (401, {}, Result.REFUSED), (200, {"code": 4}, Result.REFUSED)],
)
async def test_an_agency_that_says_no_to_a_login_has_answered(
    folder: Path, status: int, body: object, result: Result
) -> None:
    got = await bound(folder, lambda _: WireReply(status, {}, to_json(body)))[0].log_in({}, timeout=5)
    assert isinstance(got, Answered)
    assert got.result is result


async def test_a_login_that_a_gateway_stopped_was_never_asked(folder: Path) -> None:
    refused = WireReply(401, {}, b'{"fault": {"code": 900903, "message": "Access Token Expired"}}')
    got = await bound(folder, lambda _: refused)[0].log_in({}, timeout=5)
    assert got == StaleCredentials("wso2_900903", route=True)


def test_the_headers_that_a_connector_writes_are_known(folder: Path) -> None:
    agency, _ = bound(folder, destination="VN")
    assert agency.headers >= {"x-session", "dstcode", "content-type"}  # type: ignore[attr-defined]  # of BoundAgency
    assert "authorization" not in agency.headers  # type: ignore[attr-defined]  # of BoundAgency


def test_a_header_that_an_empty_setting_fills_is_free_for_the_token_of_a_route(folder: Path) -> None:
    agency, _ = bound(folder, destination="")
    assert "x-session" in agency.headers  # type: ignore[attr-defined]  # of BoundAgency
    assert "dstcode" not in agency.headers  # type: ignore[attr-defined]  # of BoundAgency


async def test_a_login_without_a_session_is_broken(folder: Path) -> None:
    got = await bound(folder, lambda _: WireReply(200, {}, b'{"code": 0}'))[0].log_in({}, timeout=5)
    assert got == Broken("keep", (Fault("data/session", "is not in the answer to the login"),))


async def test_closing_closes_the_sender(folder: Path) -> None:
    agency, sender = bound(folder)
    await agency.close()
    wire = agency.render("lookup_procedure", ASKED, SOURCES)
    assert await sender.send(wire, timeout=1, reply_bytes=1) == Unavailable("closed")


@pytest.mark.parametrize(
    ("base_url", "settings", "key"),
    [
        ("https://portal.example", {"user_name": "centre"}, "agencies.portal.password"),
        ("https://portal.example", {**SETTINGS, "pasword": "x"}, "agencies.portal.pasword"),
        ("ftp://portal.example", SETTINGS, "agencies.portal.base_url"),
    ],
)
def test_an_entry_that_cannot_work_is_refused_by_key(
    folder: Path, base_url: str, settings: dict[str, str], key: str
) -> None:
    connector = load_connector(folder)
    with pytest.raises(FilesRefused) as refused:
        bind(
            connector,
            name="portal",
            base_url=base_url,
            settings=settings,
            sender=CannedSender(lambda _: InDoubt("")),
            now=lambda: NOW,
            contract=connector.manifest.contract,
        )
    assert [fault.key for fault in refused.value.faults] == [key]


HOOKS = """
from dataclasses import replace
def sign(operation, payload, sources):
    return {**payload, "sig": sources["settings.user_name"]}
def before_send(operation, request, settings):
    return replace(request, url=request.url + "?op=" + operation)
def classify(operation, reply):
    if reply.body == b"boom":
        raise RuntimeError("secret")
    return {b"busy": "busy", b"odd": "odd"}.get(reply.body)
"""


async def test_hooks_sign_change_and_classify(folder: Path) -> None:
    (folder / "hooks.py").write_text(HOOKS)
    wire = bound(folder)[0].render("file_procedure", ASKED, SOURCES)
    assert wire.url.endswith("/procedures?op=file_procedure")
    assert from_json(wire.body) == {"maTTHC": "1.001776", "sig": "centre"}
    assert await outcome(folder, 200, b"busy") == Busy(None)
    assert await outcome(folder, 200, {"code": 8}) == InDoubt("in_doubt")
    assert await outcome(folder, 200, b"odd") == Broken(
        "hook", (Fault("classify", "returned no result of answers.csv"),)
    )
    assert await outcome(folder, 200, b"boom") == Broken("hook", (Fault("classify", "failed with RuntimeError"),))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 / 0", "fails when it is loaded: ZeroDivisionError"),
        ("x = 1\n" * 101, "longer than 100 lines"),
        ("def retry(): ...", "is no hook"),
    ],
)
def test_hooks_that_are_no_hooks_are_refused(folder: Path, text: str, says: str) -> None:
    (folder / "hooks.py").write_text(text)
    with pytest.raises(FilesRefused, match=says):
        load_connector(folder)


GOOD_BODY = b'{"code": 0, "text": "x", "data": [{"maTTHC": "1.001776", "soPhieu": "P1"}]}'


@given(
    at=st.integers(0, len(GOOD_BODY)), put=st.binary(max_size=8), drop=st.integers(0, 20), status=st.integers(0, 1000)
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_a_reply_holds_judging_ends_in_an_outcome(
    connector: Connector, at: int, put: bytes, drop: int, status: int
) -> None:
    body = GOOD_BODY[:at] + put + GOOD_BODY[at + drop :]
    judged = judge(connector.operations["lookup_procedure"], WireReply(status, {}, body), now=NOW, knows_us=True)
    assert isinstance(judged.outcome, Answered | Busy | Unavailable | InDoubt | Broken | StaleCredentials)
    assert not (isinstance(judged.outcome, Broken) and judged.outcome.cause == "fault")  # no exception of ours
