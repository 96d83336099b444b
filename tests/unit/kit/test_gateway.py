"""A gateway's own words are told from an agency's, in every notation, and each of its codes has one meaning."""

from itertools import pairwise

import pytest
from pydantic_core import from_json, to_json

from connectors.kit.exchange import WireReply
from connectors.kit.gateway import CODES, GatewayFault, fault_in, meaning, overheard
from connectors.kit.outcomes import Broken, Busy, InDoubt, StaleCredentials, Unavailable
from connectors.kit.texts import parse_xml

NOW = 1_795_400_000.0
XML = (
    '<am:fault xmlns:am="http://wso2.org/apimanager{}"><am:code>{}</am:code><am:type>Status report</am:type>'
    "<am:message>{}</am:message><am:description>{}</am:description></am:fault>"
)
CONNECTING = "Error connecting to the back end"


def told(code: object, says: str = "Runtime Error", **headers: str) -> object:
    fault = fault_in({"fault": {"code": code, "message": says}})
    assert fault is not None
    return meaning(fault, {name.replace("_", "-"): value for name, value in headers.items()}, NOW)


def test_every_code_of_six_digits_has_one_meaning_or_is_no_gateways() -> None:
    for before, after in pairwise(CODES):
        assert before.first <= before.last < after.first <= after.last, "rows in order, none over another"
    for code in (*range(100_000, 104_000), *range(300_000, 311_000), *range(400_000, 403_000), *range(500_000, 500_100),
                 *range(600_000, 602_000), *range(700_000, 701_000), *range(900_000, 901_100), 999_999):  # fmt: skip
        rows = [row for row in CODES if row.first <= code <= row.last]
        assert GatewayFault(str(code), None).row == (rows[0] if rows else None)
        assert len(rows) < 2
        for text in ("Error in Sender", CONNECTING) if rows else ():
            assert isinstance(told(code, text), Busy | Unavailable | InDoubt | Broken | StaleCredentials)


@pytest.mark.parametrize("code", [*range(900_800, 900_810), 900_899])
def test_a_throttle_holds_the_route_for_as_long_as_it_says(code: int) -> None:
    assert told(code, retry_after="7") == Busy(7.0, f"wso2_{code}", route=True)
    assert told(str(code)) == Busy(None, f"wso2_{code}", route=True)


@pytest.mark.parametrize("code", [900_900, 900_901, 900_902, 900_903, 900_904, 900_912])
def test_a_token_that_is_refused_is_the_routes(code: int) -> None:
    assert told(code) == StaleCredentials(f"wso2_{code}", route=True)


@pytest.mark.parametrize("code", [900_905, 900_908, 900_909, 900_910])
def test_an_agency_that_we_may_not_enter_holds_its_own_lane_only(code: int) -> None:
    assert told(code) == StaleCredentials(f"wso2_{code}")


@pytest.mark.parametrize("code", [700_700, 900_907])
def test_an_agency_that_is_blocked_for_a_while_holds_its_own_lane_only(code: int) -> None:
    assert told(code) == Busy(None, f"wso2_{code}")


@pytest.mark.parametrize("code", [900_906, 900_422])
def test_an_address_that_leads_nowhere_was_refused_before_it_was_processed(code: int) -> None:
    got = told(code)
    assert isinstance(got, Broken)
    assert (got.cause, got.refused_before_processing) == (f"wso2_{code}", True)


@pytest.mark.parametrize("code", [303_001, 303_002])
def test_a_suspended_agency_was_never_reached(code: int) -> None:
    assert told(code, "Currently, Address endpoint: [State: SUSPENDED]") == Unavailable(f"wso2_{code}")


@pytest.mark.parametrize("code", [101_503, 101_504, 101_507, 101_508])
def test_a_connection_that_never_was_proves_that_nothing_was_sent(code: int) -> None:
    assert told(code, CONNECTING) == Unavailable(f"wso2_{code}")


@pytest.mark.parametrize(
    "code", [101_500, 101_501, 101_503, 101_504, 101_505, 101_507, 101_508, 101_510, 102_513, 303_000]
)
def test_a_code_alone_never_proves_that_a_filing_was_not_done(code: int) -> None:
    """101503 is "connect failed", but also base 101500 with state 3: broken off after the request was sent."""
    assert told(code, "Error in Sender") == InDoubt(f"wso2_{code}")
    assert told(code, "") == InDoubt(f"wso2_{code}")


def test_what_a_gateway_says_is_read_in_every_notation() -> None:
    wrapped = {"fault": {"code": 900_800, "message": "Message throttled out", "description": "quota"}}
    flat = {"code": "900800", "message": "Message throttled out", "description": "quota"}
    xml = parse_xml(XML.format("/throttling", 900_800, "Message throttled out", "quota").encode(), {})
    for tree in (wrapped, flat, xml):
        assert fault_in(tree) == GatewayFault("900800", "Message throttled out: quota")


def test_the_notation_need_not_be_the_agencys() -> None:
    xml = XML.format("/security", 900_901, "Invalid Credentials", "").encode()
    json = to_json({"code": "900901", "message": "Invalid Credentials", "description": ""})
    for body in (xml, json):
        reading = overheard(WireReply(401, {}, body))
        assert reading is not None
        assert reading.road is not None
        assert (reading.signs.status, reading.signs.code, reading.signs.fault) == (401, "900901", True)
    for body in (b"<html></html>", b"", b"{", b"[1]", b'{"code": 5}', b"x" * 100_000):
        assert overheard(WireReply(500, {}, body)) is None


@pytest.mark.parametrize(
    "tree",
    [
        {"code": "12", "message": "Mã hồ sơ không đúng"},
        {"code": "900800", "message": "đã nộp", "data": {}},
        {"code": 900800},
        {"code": True, "message": ""},
        {"fault": "no"},
        {"fault": {"message": "no code"}},
        ["fault"],
        None,
    ],
)
def test_an_agencys_own_words_are_not_taken_for_a_gateways(tree: object) -> None:
    fault = fault_in(tree)  # type: ignore[arg-type]
    assert fault is None or fault.row is None


@pytest.mark.parametrize("code", ["12", "RATE", "9008000", "", "-90080", "٩٠٠٨٠٠", True, None, 3.5, ["900800"]])
def test_a_code_that_is_no_gateways_is_judged_as_the_agencys(code: object) -> None:
    fault = fault_in({"fault": {"code": code, "message": "?"}})
    assert fault is not None
    assert fault.row is None
    reading = fault.reading(None, 429)
    assert (reading.road, reading.signs.fault) == (None, True)


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("2026-Nov-23 08:00:30+0000 UTC", 30.0),
        ("2026-Nov-23 15:00:30+0700", 30.0),
        ("2026-Nov-23 07:00:00+0000 UTC", 0.0),
        ("2026-nov.-23 08:00:30+0000 UTC", None),
        ("2026-Xxx-23 08:00:30+0000 UTC", None),
        ("", None),
    ],
)
def test_when_we_may_come_again_is_read_from_the_body_if_no_header_says_it(moment: str, seconds: float | None) -> None:
    fault = fault_in(from_json(to_json({"fault": {"code": 900_804, "message": "out", "nextAccessTime": moment}})))
    assert fault is not None
    now = 1_795_420_800.0
    assert meaning(fault, {}, now) == Busy(seconds, "wso2_900804", route=True)
    assert meaning(fault, {"retry-after": "5"}, now) == Busy(5.0, "wso2_900804", route=True)
