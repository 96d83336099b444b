"""What a road adds to a request: who asks whom, written last, and read by the road as it wants it."""

import pytest
from lxml import etree

from connectors.kit.checks.replay import bound_to
from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.http import CannedSender
from connectors.kit.outcomes import Busy, Unavailable
from connectors.kit.registry import bind, find_connectors, load_connector
from connectors.kit.roads import OverXRoad, PartnerHeaders, Road, Services, XRoadRest, XRoadSoap
from connectors.kit.samples import load_samples
from mappings.canonical import CitizenQuery
from mappings.errors import MappingFailed

CLIENT = "VN/GOV/000.00.00.H32/mot-cua"
ASKED = {
    "exchange.id": "01930000-0000-7000-8000-000000000001",
    "officer.account": "000080000099",
    "call.dossier": "000.00.14.H32-261123-0001",
    "unit.code": "H32",
}
SPACES = {"x": "http://x-road.eu/xsd/xroad.xsd", "id": "http://x-road.eu/xsd/identifiers"}


def sent(connector: str, road: Road, operation: str = "lookup_citizen", **changed: str | None) -> WireRequest:
    """Return the request that *connector* sends over *road*."""
    loaded = load_connector(find_connectors()[connector])
    sample = next(one for one in load_samples(loaded.folder) if one.operation == operation)
    settings = dict(bound_to(loaded, sample)._settings)
    agency = bind(
        loaded,
        name=connector,
        base_url="https://road.example/gate",
        settings=settings,
        sender=CannedSender(lambda _: Unavailable("closed")),
        now=lambda: 0.0,
        contract=loaded.manifest.contract,
        road=road,
    )
    return agency.render(operation, CitizenQuery.model_validate(sample.request), {**ASKED, **changed})


def header_of(wire: WireRequest) -> etree._Element:
    envelope = etree.fromstring(wire.body)
    assert [etree.QName(part).localname for part in envelope] == ["Header", "Body"]
    return envelope[0]


def identifier(header: etree._Element, name: str) -> list[tuple[str, str]]:
    found = header.find(f"x:{name}", SPACES)
    assert found is not None
    assert all(etree.QName(part).namespace == SPACES["id"] for part in found)
    return [(etree.QName(part).localname, part.text or "") for part in found]


def test_over_rest_the_service_stands_in_the_address_and_who_asks_in_headers() -> None:
    wire = sent("police_lgsp", XRoadRest(CLIENT, Services("VN/GOV/G01/dan-cu/tra-cuu", {})))
    assert wire.url == "https://road.example/gate/r1/VN/GOV/G01/dan-cu/tra-cuu/TraCuuThongTinCongDan"
    said = {name: value for name, value in wire.headers.items() if name.startswith("X-Road")}
    assert said == {
        "X-Road-Client": CLIENT,
        "X-Road-Id": ASKED["exchange.id"],
        "X-Road-UserId": "VN000080000099",
        "X-Road-Issue": ASKED["call.dossier"],
    }


def test_parts_of_an_id_are_encoded_and_what_nobody_said_is_left_out() -> None:
    wire = sent("police_lgsp", XRoadRest("VN/GOV/a(b)/c=d", Services("VN/GOV/G?1/x/y", {})), **{"call.dossier": None})
    assert wire.headers["X-Road-Client"] == "VN/GOV/a%28b%29/c%3Dd"
    assert "/r1/VN/GOV/G%3F1/x/y/" in wire.url
    assert "X-Road-Issue" not in wire.headers
    odd = sent("police_lgsp", XRoadRest(CLIENT, Services("a/b/c/d/e", {})), **{"call.dossier": "Hồ sơ\r\nX: 1"})
    assert odd.headers["X-Road-Issue"].isascii()
    assert "\r" not in odd.headers["X-Road-Issue"]


def test_an_operation_may_have_a_service_of_its_own() -> None:
    services = Services("VN/GOV/G01/dan-cu/tra-cuu", {"verify_citizen": "VN/GOV/G01/dan-cu/xac-thuc"})
    assert "/tra-cuu/" in sent("police_lgsp", XRoadRest(CLIENT, services)).url
    assert "/xac-thuc/" in sent("police_lgsp", XRoadRest(CLIENT, services), "verify_citizen").url


def test_over_soap_both_stand_in_the_header_of_the_envelope() -> None:
    wire = sent("police", XRoadSoap(CLIENT, Services("VN/GOV/G01/dan-cu/*/v1", {})))
    assert wire.url == "https://road.example/gate"
    assert [value for name, value in wire.headers.items() if name.lower() == "content-type"] == [
        "text/xml; charset=utf-8"
    ]
    header = header_of(wire)
    client = [
        ("xRoadInstance", "VN"),
        ("memberClass", "GOV"),
        ("memberCode", "000.00.00.H32"),
        ("subsystemCode", "mot-cua"),
    ]
    assert identifier(header, "client") == client
    assert identifier(header, "service") == [
        ("xRoadInstance", "VN"),
        ("memberClass", "GOV"),
        ("memberCode", "G01"),
        ("subsystemCode", "dan-cu"),
        ("serviceCode", "TraCuuThongTinCongDan"),
        ("serviceVersion", "v1"),
    ]  # fmt: skip
    kinds = [one.get(f"{{{SPACES['id']}}}objectType") for one in header][:2]
    assert kinds == ["SUBSYSTEM", "SERVICE"]
    said = {
        name: header.findtext(f"x:{name}", namespaces=SPACES) for name in ("id", "userId", "issue", "protocolVersion")
    }
    assert list(said.values()) == [ASKED["exchange.id"], "VN000080000099", ASKED["call.dossier"], "4.0"]


@pytest.mark.parametrize(
    ("service", "version"),
    [("VN/GOV/G01/*", []), ("VN/GOV/G01/TraCuuThongTinCongDan", []), ("VN/GOV/G01/*/v1", [("serviceVersion", "v1")])],
)
def test_a_service_of_a_member_without_a_subsystem_is_told_as_one(service: str, version: list[tuple[str, str]]) -> None:
    header = header_of(sent("police", XRoadSoap(CLIENT, Services(service, {}))))
    assert identifier(header, "service") == [
        ("xRoadInstance", "VN"),
        ("memberClass", "GOV"),
        ("memberCode", "G01"),
        ("serviceCode", "TraCuuThongTinCongDan"),
        *version,
    ]


def test_a_member_without_a_subsystem_is_told_as_a_member() -> None:
    header = header_of(sent("police", XRoadSoap("VN/GOV/H32", Services("VN/GOV/G01/dan-cu/*", {}))))
    found = header.find("x:client", SPACES)
    assert found is not None
    assert found.get(f"{{{SPACES['id']}}}objectType") == "MEMBER"
    assert len(found) == 3


def test_the_body_stays_what_the_contract_wants() -> None:
    plain = sent("police", PartnerHeaders({}))
    over = sent("police", XRoadSoap(CLIENT, Services("VN/GOV/G01/dan-cu/*", {})))
    bodies = [
        etree.tostring(etree.fromstring(wire.body)[-1][0], method="c14n", exclusive=True) for wire in (plain, over)
    ]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    "body",
    [b'{"a": 1}', b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><a/></s:Body></s:Envelope>'],
)
def test_what_is_no_soap_1_1_is_not_sent(body: bytes) -> None:
    wire = WireRequest("POST", "https://road.example", {}, body, False)
    with pytest.raises(MappingFailed, match=r"SOAP 1\.1"):
        XRoadSoap(CLIENT, Services("a/b/c/d/e", {})).dressed("x", wire, ASKED)


def test_a_dossier_that_xml_cannot_hold_is_named_and_not_shown() -> None:
    with pytest.raises(MappingFailed) as failed:
        sent("police", XRoadSoap(CLIENT, Services("VN/GOV/G01/dan-cu/*", {})), **{"call.dossier": "SECRET\x01"})
    assert "SECRET" not in str(failed.value)


def test_partner_headers_join_those_of_the_connector() -> None:
    wire = sent("police", PartnerHeaders({"dstcode": "G01", "ApiKey": "k"}))
    assert (wire.headers["dstcode"], wire.headers["ApiKey"]) == ("G01", "k")
    assert "Timestamp" in wire.headers


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        (429, {"retry-after": "7"}, Busy(7.0, "xroad_busy", route=True)),
        (503, {"retry-after": "7"}, Busy(7.0, "xroad_busy", route=True)),
        (429, {"x-road-id": "1"}, None),
        (503, {}, None),
        (500, {"x-road-error": "Server.ServerProxy.DatabaseError", "retry-after": "1"}, None),
        (200, {}, None),
    ],
)
async def test_only_a_bare_too_much_is_the_roads(status: int, headers: dict[str, str], told: Busy | None) -> None:
    reply = WireReply(status, headers, b"")
    sender = OverXRoad(CannedSender(lambda _: reply), lambda: 0.0)
    wire = WireRequest("POST", "https://road.example", {}, b"", False)
    assert await sender.send(wire, timeout=1.0, reply_bytes=1000) == (told or reply)
    await sender.close()
