"""Where an agency speaks SOAP to us, the element in the body says which notice it is, and the WSDL how it is answered."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from requests import Response
from requests.structures import CaseInsensitiveDict
from zeep import Client, Transport
from zeep.exceptions import Fault as ZeepFault

from connectors.kit.binding import BoundAgency
from connectors.kit.inbox import Inbox, NotTaken, Understood, WireNotice
from connectors.kit.wsdl import ENVELOPES, read_inbound_wsdl
from mappings.canonical import ProcedureQuery, ProcessingStep
from mappings.errors import FilesRefused

Office = Callable[..., BoundAgency]
CONTRACTS = Path(__file__).parent / "contracts"
WSDL = (CONTRACTS / "inbound.wsdl").read_text("utf-8")
SOAP = """
[notices.step_taken]
returns = "step"
ref = "MaHoSo"
auth = { put = { "Khoa" = "settings.security_key" } }
replies = { taken = { Loi = "=tốt", Ma = 1 }, refused = { Ma = 0, Loi = "notice.reason" } }
[notices.file_sent]
select = { "" = "GuiTep", Loai = "BUOC" }
unwrap = ["Tep", "base64", "xml"]
returns = "file_step"
auth = { put = { "header:X-Key" = "settings.security_key" } }
[notices.procedure_asked]
kind = "question"
select = { "" = "{urn:centre}HoiThuTuc" }
sends = "procedure"
auth = { put = { "header:X-Key" = "settings.security_key" } }
replies = { taken = { ThuTuc = "payload", Xong = true } }
"""
FILES = {
    "contract/inbound.wsdl": WSDL,
    "procedure.map.toml": 'canonical = "ProcedureQuery@1"\nagency = "{urn:centre}ThuTuc"\n[fields]\n"code" = "MaThuTuc"\n',
}


@pytest.fixture
def inbox(office: Office, step_map: Callable[[str], str]) -> Inbox:
    agency = office(SOAP, root="{urn:centre}GuiBuoc", files={**FILES, "file_step.map.toml": step_map("Buoc")})
    assert agency.inbox is not None
    return agency.inbox


def came(inside: str, headers: Mapping[str, str] = {}, version: str = "1.1") -> WireNotice:
    text = f'<s:Envelope xmlns:s="{ENVELOPES[version]}"><s:Header/><s:Body>{inside}</s:Body></s:Envelope>'
    return WireNotice({"content-type": "text/xml", **headers}, {}, text.encode())


FIELDS = "<MaHoSo>A-1</MaHoSo><Nguoi>Lê</Nguoi><Luc>20260316100000</Luc><TrangThai>{}</TrangThai>"


def step(status: int | str = 4, key: str = "k3y") -> WireNotice:
    return came(f'<GuiBuoc xmlns="urn:centre">{FIELDS.format(status)}<Khoa>{key}</Khoa></GuiBuoc>')


def file(kind: str = "BUOC", status: int = 4) -> WireNotice:
    inner = base64.b64encode(f"<Buoc>{FIELDS.format(status)}</Buoc>".encode()).decode()
    return came(
        f'<c:GuiTep xmlns:c="urn:centre"><c:Loai>{kind}</c:Loai><c:Tep>{inner}</c:Tep></c:GuiTep>', {"x-key": "k3y"}
    )


class TestReading:
    def test_the_element_says_which_notice_it_is(self, inbox: Inbox) -> None:
        found = inbox.read_soap(step())
        assert isinstance(found, Understood)
        assert found.notice == "step_taken"
        assert isinstance(found.told[0].value, ProcessingStep)
        assert found.told[0].refs == {"dossier": "A-1"}

    def test_where_the_record_lies_further_in_select_names_the_element(self, inbox: Inbox) -> None:
        found = inbox.read_soap(file(status=9))
        assert isinstance(found, Understood)
        assert (found.notice, getattr(found.told[0].value, "status", "")) == ("file_sent", "finished")

    def test_a_message_that_differs_in_what_select_says_is_refused_under_its_element(self, inbox: Inbox) -> None:
        found = inbox.read_soap(file(kind="KHAC"))
        assert isinstance(found, NotTaken)
        assert (found.notice, found.way, found.faults[0].place) == ("file_sent", "refused", "Loai")

    def test_without_the_key_nothing_of_a_message_is_kept(self, inbox: Inbox) -> None:
        found = inbox.read_soap(step(key="no"))
        assert isinstance(found, NotTaken)
        assert (found.notice, found.way) == ("step_taken", "denied")

    def test_a_message_of_another_selection_needs_the_key_too(self, inbox: Inbox) -> None:
        found = inbox.read_soap(WireNotice({}, {}, file(kind="KHAC").body))
        assert isinstance(found, NotTaken)
        assert found.way == "denied"

    @pytest.mark.parametrize("inside", ["", "<La/>", '<GuiBuoc xmlns="urn:other"/>', "text"])
    def test_what_is_no_message_of_the_wsdl_has_no_notice_and_from_a_stranger_is_not_kept(
        self, inbox: Inbox, inside: str
    ) -> None:
        stranger, known = inbox.read_soap(came(inside)), inbox.read_soap(came(inside, {"x-key": "k3y"}))
        assert isinstance(stranger, NotTaken)
        assert isinstance(known, NotTaken)
        assert (stranger.notice, stranger.way, known.notice, known.way) == ("", "denied", "", "refused")

    @pytest.mark.parametrize(
        "body",
        [b"", b"{}", b"<a", b'<!DOCTYPE a [<!ENTITY b "c">]><a/>', b"<a>" * 5000, b"\xff\xfe\x00", b"<Envelope/>"],
    )
    def test_hostile_bytes_are_not_taken(self, inbox: Inbox, body: bytes) -> None:
        assert isinstance(inbox.read_soap(WireNotice({}, {}, body)), NotTaken)
        assert isinstance(inbox.read("step_taken", WireNotice({}, {}, body)), NotTaken)

    def test_an_envelope_is_read_at_the_address_of_the_notice_too(self, inbox: Inbox) -> None:
        assert isinstance(inbox.read("step_taken", step()), Understood)


def test_an_envelope_that_was_kept_is_read_again_without_its_key(inbox: Inbox) -> None:
    assert isinstance(inbox.read_again("", WireNotice({}, {}, file().body)), Understood)
    unknown = inbox.read_again("", came("<La/>"))
    assert isinstance(unknown, NotTaken)
    assert (unknown.notice, unknown.way) == ("", "refused")


class TestReplies:
    def body(self, reply: bytes) -> etree._Element:
        return etree.fromstring(reply).find("{*}Body/*")

    def test_the_answer_is_the_element_of_the_wsdl_in_its_order(self, inbox: Inbox) -> None:
        reply = inbox.reply("step_taken", "taken")
        inside = self.body(reply.body)
        assert (reply.status, inside.tag) == (200, "{urn:centre}GuiBuocDap")
        assert [(one.tag, one.text) for one in inside] == [("{urn:centre}Ma", "1"), ("{urn:centre}Loi", "tốt")]

    def test_every_answer_fits_the_schema_that_we_publish(self, inbox: Inbox) -> None:
        wsdl = read_inbound_wsdl(CONTRACTS)
        assert wsdl is not None
        answer = ProcedureQuery(code="1.004194")
        replies = [
            inbox.reply("step_taken", "taken"),
            inbox.reply("step_taken", "refused", reason="vì <thế>"),
            inbox.reply("procedure_asked", "taken", answer=answer),
        ]
        assert [wsdl.schema.validate(self.body(reply.body)) for reply in replies] == [True, True, True]

    def test_a_published_answer_stands_in_the_element_of_its_own_name(self, inbox: Inbox) -> None:
        reply = inbox.reply("procedure_asked", "taken", answer=ProcedureQuery(code="1.004194"))
        assert self.body(reply.body).findtext("{urn:centre}ThuTuc/{urn:centre}MaThuTuc") == "1.004194"

    @pytest.mark.parametrize("notice", ["", "procedure_asked"])
    def test_what_no_template_says_is_a_fault(self, inbox: Inbox, notice: str) -> None:
        reply = inbox.reply(notice, "refused", reason="vì thế")
        assert reply.status == 500
        assert self.body(reply.body).findtext("faultcode") == "s:Client"
        assert self.body(reply.body).findtext("faultstring") == "vì thế"

    def test_too_many_at_once_is_our_fault_and_says_when_to_come_again(self, inbox: Inbox) -> None:
        reply = inbox.reply("step_taken", "busy", retry_after=5)
        assert (reply.status, reply.headers["retry-after"]) == (503, "5")
        assert self.body(reply.body).findtext("faultcode") == "s:Server"
        assert inbox.reply("", "busy", retry_after=0).headers["retry-after"] == "1"


class TestWithTheAgencysOwnLibrary:
    """zeep reads the WSDL that we publish and calls us by it, without a line of ours."""

    @pytest.fixture
    def service(self, inbox: Inbox) -> Any:
        answer = ProcedureQuery(code="1.004194")

        class ToUs(Transport):
            def load(self, url: str) -> bytes:
                assert url == "https://hub.example/in/tax/soap?wsdl"
                return inbox.wsdl("https://hub.example/in/tax/soap") or b""

            def post(self, address: str, message: bytes, headers: Any) -> Any:
                assert address == "https://hub.example/in/tax/soap"
                shown = {name.lower(): str(value) for name, value in headers.items()} | {"x-key": "k3y"}
                read = inbox.read_soap(WireNotice(shown, {}, message))
                way = read.way if isinstance(read, NotTaken) else "taken"
                question = read.notice == "procedure_asked"
                reply = inbox.reply(read.notice, way, reason="vì thế", answer=answer if question else None)
                made = Response()
                made.status_code, made._content, made.headers = (
                    reply.status,
                    reply.body,
                    CaseInsensitiveDict(reply.headers),
                )
                return made

        return Client("https://hub.example/in/tax/soap?wsdl", transport=ToUs()).service

    def test_it_is_understood_and_understands_the_answer(self, service: Any) -> None:
        fields = {"MaHoSo": "A-1", "Nguoi": "Lê", "Luc": "20260316100000", "TrangThai": "4"}
        taken, refused = service.GuiBuoc(**fields, Khoa="k3y"), service.GuiBuoc(**{**fields, "Luc": "x"}, Khoa="k3y")
        assert (taken.Ma, taken.Loi, refused.Ma, refused.Loi) == (1, "tốt", 0, "vì thế")

    def test_a_question_is_answered(self, service: Any) -> None:
        said = service.HoiThuTuc(Ma="1")
        assert (said.Xong, said.ThuTuc.MaThuTuc) == (True, "1.004194")

    def test_what_it_may_not_send_is_a_fault_to_it(self, service: Any) -> None:
        with pytest.raises(ZeepFault, match="vì thế"):
            service.GuiTep(Loai="KHAC", Tep="")


class TestWsdl:
    def test_the_published_wsdl_names_our_address(self, inbox: Inbox) -> None:
        text = inbox.wsdl("https://hub.example/in/tax/soap?a=1&b=2")
        assert text is not None
        addresses = [one.get("location") for one in etree.fromstring(text).iter("{*}address")]
        assert addresses == ["https://hub.example/in/tax/soap?a=1&b=2"]

    def test_an_agency_that_speaks_no_soap_to_us_has_no_wsdl(self, office: Office) -> None:
        agency = office('[notices.step_taken]\nauth = { put = { "header:X-Key" = "settings.security_key" } }')
        assert agency.inbox is not None
        assert agency.inbox.wsdl("https://hub.example") is None

    def test_a_wsdl_that_names_other_files_is_refused_since_an_agency_gets_one(self, office: Office) -> None:
        other = WSDL.replace(
            'elementFormDefault="qualified">', 'elementFormDefault="qualified"><xs:include schemaLocation="b.xsd"/>'
        )
        xsd = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:centre"/>'
        with pytest.raises(FilesRefused, match="put their schemas inside"):
            office(SOAP, files={**FILES, "contract/inbound.wsdl": other, "contract/b.xsd": xsd})

    def test_json_pushes_go_on_beside_soap(self, office: Office) -> None:
        more = '[notices.note_sent]\nunwrap = ["json"]\nauth = { put = { "Khoa" = "settings.security_key" } }\n'
        steps = SOAP.partition("[notices.file_sent]")[0]
        agency = office(steps + more, root="{urn:centre}GuiBuoc", files={"contract/inbound.wsdl": WSDL})
        assert agency.inbox is not None
        assert isinstance(agency.inbox.read("note_sent", WireNotice({}, {}, b'{"Khoa": "k3y"}')), Understood)
        assert isinstance(agency.inbox.read_soap(step()), Understood)
