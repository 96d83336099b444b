"""A pinned WSDL becomes a layout; an envelope goes out as zeep would write it, and comes back by namespace."""

from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from connectors.kit.answers import Signs
from connectors.kit.auth import Placed
from connectors.kit.contract import xsd_contract
from connectors.kit.exchange import WireReply
from connectors.kit.manifest import OperationTable
from connectors.kit.soap import Soap
from connectors.kit.texts import Unreadable
from connectors.kit.wsdl import Wsdl, read_wsdl
from mappings.errors import Fault, FilesRefused
from mappings.paths import Layout

HERE = Path(__file__).parent / "contracts"
ASK, ANSWER = "urn:meters:ask", "urn:meters:answer"
NOWHERE = Placed({}, {}, {})


@pytest.fixture(scope="module")
def wsdl() -> Wsdl:
    found = read_wsdl(HERE)
    assert found
    return found


@pytest.fixture
def soap(wsdl: Wsdl) -> Soap:
    return made(wsdl)


def made(wsdl: Wsdl, **keys: Any) -> Soap:
    table = OperationTable.model_validate({"kind": "lookup", "call": "TraCuu", **keys})
    return Soap(table, wsdl.operations["TraCuu"], xsd_contract(wsdl.schema))


def payload(*, swapped: bool = False) -> etree._Element:
    root = etree.Element(f"{{{ASK}}}TraCuu")
    for name in ("SoCMND", "MaYeuCau") if swapped else ("MaYeuCau", "SoCMND"):
        etree.SubElement(root, f"{{{ASK}}}{name}").text = "9"
    for _ in range(2):
        etree.SubElement(etree.SubElement(root, f"{{{ASK}}}DiaChi"), f"{{{ANSWER}}}MaTinh").text = "00"
    etree.SubElement(root, "GhiChu").text = "Đỗ"
    return root


def test_the_layout_keeps_order_choice_namespace_and_repetition(wsdl: Wsdl) -> None:
    assert wsdl.operations["TraCuu"].sends == Layout(
        "TraCuu",
        ASK,
        (
            Layout("MaYeuCau", ASK),
            Layout("SoDinhDanh", ASK),
            Layout("SoCMND", ASK),
            Layout("DiaChi", ASK, (Layout("MaTinh", ANSWER),), repeated=True),
            Layout("GhiChu", None),
        ),
    )


def test_our_envelope_is_what_zeep_writes(wsdl: Wsdl, soap: Soap) -> None:
    assert wsdl.unlike_zeep("TraCuu", soap.write(payload(), {}, NOWHERE).body) == ()


def test_another_order_is_not_what_zeep_writes(wsdl: Wsdl, soap: Soap) -> None:
    assert {
        fault.place for fault in wsdl.unlike_zeep("TraCuu", soap.write(payload(swapped=True), {}, NOWHERE).body)
    } == {"MaYeuCau", "SoCMND"}


def test_soap_1_1_says_its_action_and_text_xml(soap: Soap) -> None:
    out = soap.write(payload(), {}, NOWHERE)
    assert (out.method, out.address) == ("POST", "")
    assert out.headers == {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '"urn:look-up"'}


def test_what_the_manifest_puts_wins_over_what_soap_says(soap: Soap) -> None:
    out = soap.write(payload(), {}, Placed({"content-type": "application/xml"}, {"k": "v"}, {}))
    assert (out.headers["content-type"], "Content-Type" in out.headers, out.address) == (
        "application/xml",
        False,
        "?k=v",
    )


def reply(body: str, status: int = 200) -> WireReply:
    return WireReply(status, {"content-type": "text/xml"}, body.encode())


ENVELOPE = '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header/><e:Body>{}</e:Body></e:Envelope>'


@pytest.mark.parametrize("prefix", ["ns1", "ns2", "x"])
def test_an_answer_is_read_by_namespace(wsdl: Wsdl, prefix: str) -> None:
    body = f'<{prefix}:KetQua xmlns:{prefix}="{ANSWER}"><{prefix}:Ma>7</{prefix}:Ma><{prefix}:Loi>Có lỗi</{prefix}:Loi></{prefix}:KetQua>'
    reading = made(wsdl, code="Ma", says="Loi").read(reply(ENVELOPE.format(body)))
    assert reading.signs == Signs(200, "7", "Có lỗi")
    assert isinstance(reading.tree, etree._Element)
    assert reading.tree.tag == f"{{{ANSWER}}}KetQua"


@pytest.mark.parametrize("status", [200, 500])
def test_a_fault_is_a_fault_whatever_its_status(soap: Soap, status: int) -> None:
    fault = "<e:Fault><faultcode>e:Client</faultcode><faultstring>Sai mã</faultstring><detail><Value>no code</Value></detail></e:Fault>"
    assert soap.read(reply(ENVELOPE.format(fault), status)).signs == Signs(status, "Client", "Sai mã", fault=True)


def test_a_fault_of_soap_1_2_is_read_too(soap: Soap) -> None:
    body = (
        '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><e:Fault><e:Code><e:Value>e:Sender</e:Value>'
        "<e:Subcode><e:Value>m:E101</e:Value></e:Subcode></e:Code><e:Reason><e:Text xml:lang='vi'>Sai mã</e:Text></e:Reason>"
        "<e:Detail><e:Value>no code</e:Value></e:Detail></e:Fault></e:Body></e:Envelope>"
    )
    assert soap.read(reply(body)).signs == Signs(200, "E101", "Sai mã", fault=True)


def test_a_gateway_is_told_from_the_agency(soap: Soap) -> None:
    body = '<am:fault xmlns:am="http://wso2.org/apimanager"><am:code>303001</am:code><am:message>Suspended</am:message></am:fault>'
    reading = soap.read(reply(body, 503))
    assert reading.road is not None
    assert reading.signs == Signs(503, "303001", "Suspended", fault=True)


def test_a_gateway_is_heard_in_json_too(soap: Soap) -> None:
    reading = soap.read(reply('{"code": "900901", "message": "Invalid Credentials", "description": ""}', 401))
    assert reading.road is not None
    assert reading.signs.code == "900901"


def test_an_empty_body_is_an_empty_answer(soap: Soap) -> None:
    assert soap.read(reply(ENVELOPE.format(""))).tree is None


@pytest.mark.parametrize(
    "body",
    [
        "<a/>",
        "<html><body/></html>",
        '<e:Envelope xmlns:e="urn:x"/>',
        "{}",
        ENVELOPE.format("").replace("Body", "Bodi"),
    ],
)
def test_what_is_no_envelope_is_unreadable(soap: Soap, body: str) -> None:
    with pytest.raises(Unreadable):
        soap.read(reply(body))


def test_an_added_element_is_drift_at_its_place(soap: Soap) -> None:
    body = f'<KetQua xmlns="{ANSWER}"><DongHo><So>1</So></DongHo><DongHo><So>2</So><Moi>3</Moi></DongHo></KetQua>'
    assert soap.drift(soap.read(reply(ENVELOPE.format(body))).tree) == ("DongHo/Moi",)
    assert soap.drift(soap.read(reply(ENVELOPE.format(body.replace("<Moi>3</Moi>", "")))).tree) == ()


def test_drift_is_found_under_a_prefix_too(soap: Soap) -> None:
    body = f'<a:KetQua xmlns:a="{ANSWER}"><a:DongHo><a:So>1</a:So><b:Moi xmlns:b="urn:b"/></a:DongHo></a:KetQua>'
    assert soap.drift(soap.read(reply(ENVELOPE.format(body))).tree) == ("DongHo/Moi",)


def test_a_place_that_breaks_its_type_is_drift_without_its_value(wsdl: Wsdl) -> None:
    root = etree.fromstring(f'<KetQua xmlns="{ANSWER}"><DongHo><So>x999000000001</So></DongHo></KetQua>')
    assert xsd_contract(wsdl.schema)(root) == (Fault("DongHo/So", "breaks `cvc_datatype_valid_1_2_1`"),)


def test_a_folder_without_a_wsdl_has_none(tmp_path: Path) -> None:
    assert read_wsdl(tmp_path) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("meters.xsd", "https://meters.example/meters.xsd"), "pin that file beside the WSDL"),
        (('style="document"', 'style="rpc"'), "only document/literal"),
        (('element="q:TraCuu"', 'element="q:Khac"'), "cannot be read as WSDL"),
        (("</definitions>", ""), "cannot be read as WSDL"),
    ],
)
def test_a_wsdl_that_cannot_be_used_says_why(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    (tmp_path / "meters.xsd").write_bytes((HERE / "meters.xsd").read_bytes())
    (tmp_path / "meters.wsdl").write_text((HERE / "meters.wsdl").read_text("utf-8").replace(*change), "utf-8")
    with pytest.raises(FilesRefused, match=says):
        read_wsdl(tmp_path)


def test_a_type_that_contains_itself_is_refused(tmp_path: Path) -> None:
    text = (
        (HERE / "meters.xsd")
        .read_text("utf-8")
        .replace('name="MaTinh" type="xs:string"', 'name="MaTinh" type="r:DiaChi"')
    )
    (tmp_path / "meters.xsd").write_text(text, "utf-8")
    (tmp_path / "meters.wsdl").write_bytes((HERE / "meters.wsdl").read_bytes())
    with pytest.raises(FilesRefused, match="contains itself"):
        read_wsdl(tmp_path)
