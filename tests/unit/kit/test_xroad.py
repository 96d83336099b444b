"""A security server's own words are told from an agency's, in JSON and in SOAP, and each of its codes has one meaning."""

import pytest
from pydantic_core import to_json

from connectors.kit.exchange import WireReply
from connectors.kit.judging import judge
from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome, Result, StaleCredentials, Unavailable
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.xroad import CLIENT, FAILED, NAMES, OURS, ROWS, THEIRS, fault_named

POLICE, PLATFORM = (
    load_connector(find_connectors()[name]).operations["lookup_citizen"] for name in ("police", "police_lgsp")
)
AWAY = "Could not connect to any target host ([https://10.0.0.9:5500/])"
NO_CLIENT = "Client 'SUBSYSTEM:VN/GOV/000.00.00.H32/mot-cua' not found"
NO_ADDRESS = 'Could not find addresses for service provider "SERVICE:VN/GOV/G01/dan-cu/tra-cuu"'
REFUSED = "Connect to 10.139.178.1:8080 [/10.139.178.1] failed: Connection refused (Connection refused)"


def meant(code: str, says: str = "", wait: str = "") -> Outcome | StaleCredentials:
    fault = fault_named(code, says)
    assert fault is not None
    return fault.meaning({"retry-after": wait} if wait else {}, 0.0)


def in_json(code: str, says: str, status: int = 500, header: str | None = None) -> Outcome | StaleCredentials:
    body = to_json({"type": code, "message": says, "detail": "9bc95b6e-2f1d-4a41-a7e6-11eda7d734d5"})
    headers = {"content-type": "application/json;charset=utf-8", "x-road-error": header or code}
    return judge(PLATFORM, WireReply(status, headers, body), now=0.0, knows_us=True).outcome


def in_soap(code: str, says: str) -> Outcome | StaleCredentials:
    body = (
        '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><SOAP-ENV:Fault>'
        f"<faultcode>{code}</faultcode><faultstring>{says}</faultstring><faultactor/><detail><xroad:faultDetail "
        'xmlns:xroad="http://x-road.eu/xsd/xroad.xsd">9bc95b6e</xroad:faultDetail></detail></SOAP-ENV:Fault>'
        "</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
    return judge(POLICE, WireReply(500, {"content-type": "text/xml"}, body.encode()), now=0.0, knows_us=True).outcome


@pytest.mark.parametrize("where", [CLIENT, OURS, THEIRS, FAILED, f"{FAILED}.CannotCreateSignature", f"{OURS}.Signer"])
def test_every_name_at_every_place_has_one_meaning_whatever_its_text(where: str) -> None:
    texts = {"", *(row.says for row in ROWS)}
    for name in (*NAMES, "Nonsense"):
        for text in texts:
            if where == CLIENT and name not in NAMES:
                continue  # an agency's own
            outcome = meant(f"{where}.{name}", text.upper())
            assert isinstance(outcome, Broken | Busy | Unavailable | InDoubt | StaleCredentials)
            assert outcome.cause == f"xroad_{name if name in NAMES else 'other'}"


def test_only_what_the_table_lists_proves_that_nothing_was_done() -> None:
    """A filing that is repeated on the word of any other fault may be filed twice."""
    proven = {(row.where, row.name) for row in ROWS}
    for where in (OURS, THEIRS, FAILED):
        for name in NAMES:
            outcome = meant(f"{where}.{name}", "any text")
            assert isinstance(outcome, InDoubt) or (where, name) in proven


def test_a_text_that_proves_stands_only_beside_its_own_name() -> None:
    assert meant(f"{OURS}.NetworkError", AWAY) == Unavailable("xroad_NetworkError")
    assert isinstance(meant(f"{OURS}.IOError", AWAY), InDoubt)
    assert isinstance(meant(f"{OURS}.NetworkError", "Connection reset"), InDoubt)
    assert isinstance(meant(f"{FAILED}.NetworkError", "Broken pipe (Write failed)"), InDoubt)


@pytest.mark.parametrize(
    ("code", "says", "outcome"),
    [
        (f"{OURS}.UnknownMember", NO_CLIENT, StaleCredentials("xroad_UnknownMember", route=True)),
        (
            f"{THEIRS}.AccessDenied",
            "Request is not allowed: SERVICE:VN/GOV/G01",
            StaleCredentials("xroad_AccessDenied"),
        ),
        (f"{THEIRS}.ServiceDisabled", "Service is disabled: bảo trì", Busy(None, "xroad_ServiceDisabled")),
        (f"{FAILED}.HttpError", "Server responded with error 429: Too Many Requests", Busy(None, "xroad_HttpError")),
        (f"{OURS}.NetworkError", AWAY, Unavailable("xroad_NetworkError")),
        (f"{THEIRS}.NetworkError", REFUSED, Unavailable("xroad_NetworkError")),
        (f"{FAILED}.NetworkError", REFUSED, Unavailable("xroad_NetworkError")),
        (f"{FAILED}.HttpError", "Server responded with error 502: Bad Gateway", InDoubt("xroad_HttpError")),
        (f"{OURS}.LoggingFailed.TimestampingFailed", "", InDoubt("xroad_TimestampingFailed")),
        (f"{THEIRS}.DatabaseError", "Error accessing database (serverconf)", InDoubt("xroad_DatabaseError")),
    ],
)
def test_json_and_soap_mean_the_same(code: str, says: str, outcome: object) -> None:
    assert in_json(code, says) == outcome
    assert in_soap(code, says) == outcome
    assert in_soap(f"SOAP-ENV:{code}", says) == outcome


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (f"{OURS}.UnknownMember", NO_ADDRESS),
        (f"{THEIRS}.UnknownService", "Unknown service: SERVICE:VN/GOV/G01/dan-cu/tra-cuu"),
        (f"{THEIRS}.ServiceType", "Service is a SOAP service and cannot be called using REST interface"),
        ("Client.InvalidRequest", "Error parsing the client's REST request"),
        ("Client.MissingHeaderField", "Required field 'client' is missing"),
    ],
)
def test_what_nobody_could_pass_on_says_where_to_look(code: str, says: str) -> None:
    for outcome in (in_json(code, says), in_soap(code, says)):
        assert isinstance(outcome, Broken)
        assert outcome.refused_before_processing
        assert "check" in outcome.faults[0].rule


def test_a_throttle_says_when_to_come_back() -> None:
    assert meant(f"{THEIRS}.ServiceDisabled", "", wait="7") == Busy(7.0, "xroad_ServiceDisabled")


def test_a_fault_that_is_not_json_is_known_by_its_header() -> None:
    headers = {"content-type": "text/html", "x-road-error": f"{THEIRS}.AccessDenied"}
    told = judge(PLATFORM, WireReply(500, headers, b"<html>no</html>"), now=0.0, knows_us=True).outcome
    assert told == StaleCredentials("xroad_AccessDenied")


def test_without_the_header_the_same_json_is_the_agencys() -> None:
    body = to_json({"type": f"{THEIRS}.AccessDenied", "message": "no", "error_code": 1})
    told = judge(PLATFORM, WireReply(200, {}, body), now=0.0, knows_us=True).outcome
    assert isinstance(told, Answered)
    assert told.result is Result.REFUSED


@pytest.mark.parametrize("code", ["Client", "Server", "soap:Client", "Client.KhongCoQuyen", "Server.Loi", None, ""])
def test_an_agencys_own_fault_is_not_taken_for_the_roads(code: str | None) -> None:
    assert fault_named((code or "").rpartition(":")[2], "x") is None
