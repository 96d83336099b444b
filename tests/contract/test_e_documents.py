"""Official documents over two axes: what each is known to want, stated apart from the files that say it."""

import base64
import re
from datetime import date
from typing import Any

import pytest
from lxml import etree
from pydantic_core import to_json

from connectors.kit.binding import BoundAgency
from connectors.kit.exchange import WireReply
from connectors.kit.inbox import NotTaken, Understood, WireNotice
from connectors.kit.operation import listed_requests, request_from
from connectors.kit.outcomes import Answered, Outcome
from connectors.kit.registry import find_connectors, load_connector
from connectors.kit.samples import load_samples
from mappings.canonical.e_documents import (
    Correspondent,
    DocumentStatus,
    DocumentStatusReport,
    EDocument,
    WaitingMessage,
    WaitingMessages,
    WaitingQuery,
)
from mappings.errors import MappingFailed
from tests.contract import alone

AXES = {name: load_connector(find_connectors()[name]) for name in ("axis_legacy", "edxml")}
SAMPLES = {(name, one.name): one for name in AXES for one in load_samples(find_connectors()[name])}
SETTINGS = {
    "axis_legacy": {"user_name": "trungtam", "password": "bí:mật"},
    "edxml": {"user_name": "s", "password": "p"},
}


def agency(axis: str, reply: Any = None) -> BoundAgency:
    return alone.bound(AXES[axis], reply or alone.NOBODY, **SETTINGS[axis])


def document(name: str, axis: str = "axis_legacy") -> EDocument:
    return EDocument.model_validate_json(to_json(SAMPLES[axis, name].request))


def sent(axis: str, name: str) -> etree._Element:
    """What stands in the body of the envelope that is sent."""
    wire = agency(axis).render("send_document", document(name, axis), {})
    inside: etree._Element = etree.fromstring(wire.body)[0][0]
    return inside


# --- The old axis -----------------------------------------------------------------------------------------------------


def test_a_message_is_a_text_and_its_sheet_another_in_base64() -> None:
    (argument,) = sent("axis_legacy", "send_document.ok")
    assert (argument.tag, len(argument)) == ("xmlMessage", 0)
    message = etree.fromstring(argument.text or "")
    assert message.tag == "message"
    assert {one.tag: one.text for one in message if one.tag not in ("content", "attach-files")} == {
        "required-answer": "0",
        "send-date": "1773282600000",
        "sending-system-id": "H32.99",
        "receiving-system-id": "H32.14;H32.15",
        "document-type": "1.1.0.1",
        "document-code": "12/STN-VP",
        "description": "Về việc phối hợp giải quyết hồ sơ liên thông",
    }
    sheet = etree.fromstring(base64.b64decode(message.findtext("content") or ""))
    assert sheet.tag == "van-ban-qua-mang"
    assert sheet.findtext("so-ky-hieu-van-ban") == "12/STN-VP"
    assert sheet.findtext("ngay-phat-hanh") == "1773248400000", "midnight of 2026-03-12 at +07:00"
    assert sheet.findtext("do-khan") == "Khẩn"
    assert [one.tag for one in message.iterfind("attach-files/attach-file/*")].count("content") == 1


def test_a_receiver_whose_code_holds_a_semicolon_would_be_two_and_is_refused() -> None:
    wrong = document("send_document.ok").model_copy(update={"receivers": (Correspondent(code="A;B"),)})
    with pytest.raises(MappingFailed, match="receiving-system-id: holds a `;`"):
        agency("axis_legacy").render("send_document", wrong, {})


def test_name_and_password_are_shown_and_a_colon_in_the_password_is_harmless() -> None:
    wire = agency("axis_legacy").render("list_document_ids", WaitingQuery(), {})
    shown = base64.b64decode(wire.headers["Authorization"].removeprefix("Basic ")).decode()
    assert shown == "trungtam:bí:mật"


async def test_what_waits_is_listed_and_each_is_asked_for_by_its_id() -> None:
    listed = SAMPLES["axis_legacy", "list_document_ids.ok"]
    axis = agency("axis_legacy", WireReply(200, {}, listed.reply_agency or b""))
    outcome = await axis.send("list_document_ids", axis.render("list_document_ids", WaitingQuery(), {}), timeout=1)
    assert isinstance(outcome, Answered)
    assert isinstance(outcome.value, WaitingMessages)
    wanted = listed_requests(outcome.value, axis.operations["fetch_document"].request)
    assert wanted == [WaitingMessage(message=f"12900000{number}") for number in (3, 1, 2)]
    assert b"<messageId>129000003</messageId>" in axis.render("fetch_document", wanted[0], {}).body


async def fetched(case: str, change: tuple[bytes, bytes] = (b"", b"")) -> Any:
    body = (SAMPLES["axis_legacy", f"fetch_document.{case}"].reply_agency or b"").replace(*change)
    axis = agency("axis_legacy", WireReply(200, {}, body))
    wire = axis.render("fetch_document", WaitingMessage(message="129000001"), {})
    return await axis.fetch("document_arrived", wire, timeout=1, key={"message": "129000001"})


async def test_a_message_is_acknowledged_by_the_id_that_it_does_not_say_itself() -> None:
    found = await fetched("ok")
    (told,) = found.read.told
    assert (told.refs, told.unique) == ({"message": "129000001"}, '[["message","129000001"]]')
    assert told.value.files[0].content_id == "50679001"
    operations = AXES["axis_legacy"].operations
    assert request_from(operations["acknowledge_document"].request, told.refs, told.value) == WaitingMessage(
        message="129000001"
    )


async def test_a_poison_message_is_refused_by_its_id_with_a_reason() -> None:
    found = await fetched("poison")
    assert isinstance(found.read, Understood)
    (poison,) = found.poison
    assert (found.read.told, [fault.place for fault in poison.faults]) == (
        (), ["getMessageByMessageIdReturn/message/content"]
    )  # fmt: skip
    request = request_from(AXES["axis_legacy"].operations["refuse_document"].request, poison.refs, None)
    wire = agency("axis_legacy").render("refuse_document", request, {})
    assert b"<messageId>129000001</messageId>" in wire.body
    assert "Không đọc được văn bản này." in wire.body.decode()


async def test_a_message_that_contradicts_its_sheet_is_not_guessed_at() -> None:
    found = await fetched("ok", ("118/STN-QLĐĐ".encode(), "119/STN-QLĐĐ".encode()))
    (poison,) = found.poison
    assert any("contradicts" in fault.rule for fault in poison.faults)


async def test_what_follows_the_first_slash_is_the_notation() -> None:
    (told,) = (await fetched("second")).read.told
    assert (told.value.code_number, told.value.code_notation) == ("07", "2026/TB-STN")
    assert told.value.issued_on == date(2026, 3, 11), "written dd/MM/yyyy there, in milliseconds elsewhere"


@pytest.mark.parametrize(
    ("body", "outcome"), [(b"<html><body>Bad gateway</body></html>", "unreadable"), (b"", "truncated")]
)
async def test_a_page_of_a_gateway_is_no_message_and_refuses_none(body: bytes, outcome: str) -> None:
    axis = agency("axis_legacy", WireReply(200, {}, body))
    wire = axis.render("fetch_document", WaitingMessage(message="1"), {})
    found = await axis.fetch("document_arrived", wire, timeout=1, key={"message": "1"})
    assert (found.read, found.poison) == (None, ())
    ended: Outcome = found.outcome  # type: ignore[assignment]  # no credentials are at stake
    assert getattr(ended, "cause", "") == outcome


# --- edXML ------------------------------------------------------------------------------------------------------------


def test_business_is_spelled_as_the_standard_spells_it() -> None:
    package = sent("edxml", "send_document.update")
    names = {etree.QName(one).localname for one in package.iter() if isinstance(one.tag, str)}
    assert {one for one in names if one.startswith("B")} == {"Bussiness", "BussinessDocType", "BussinessDocumentInfo"}
    assert {etree.QName(one).namespace for one in package.iter()} == {"http://www.mic.gov.vn/TBT/QCVN_102_2016"}


def test_days_and_moments_are_written_with_slashes_and_files_stand_beside_the_envelope() -> None:
    package = sent("edxml", "send_document.ok")
    assert [etree.QName(one).localname for one in package] == ["edXMLEnvelope", "AttachmentEncoded"]
    assert package.findtext(".//{*}PromulgationInfo/{*}PromulgationDate") == "2026/03/12"
    assert package.findtext(".//{*}TraceHeader/{*}Timestamp") == "2026/03/12 09:30:00"
    assert [one.text for one in package.iterfind(".//{*}To/{*}OrganId")] == ["H32.14", "H32.15"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("01", "arrived"), ("02", "refused"), ("03", "received"), ("04", "assigned"), ("05", "processing"), ("06", "done"),
        ("13", "taken_back"), ("15", "change_agreed"), ("16", "change_refused"),
    ],
)  # fmt: skip
def test_a_status_has_the_code_of_the_standard(code: str, status: str) -> None:
    report = DocumentStatusReport.model_validate_json(to_json(SAMPLES["edxml", "send_status.ok"].request))
    wire = agency("edxml").render("send_status", report.model_copy(update={"status": DocumentStatus(status)}), {})
    assert re.findall(r"StatusCode>(\d+)<", wire.body.decode()) == [code]


@pytest.mark.parametrize("code", ["7", "07", "14", "1", ""])
def test_a_status_that_nobody_agreed_on_is_refused_and_not_passed_on(code: str) -> None:
    found = told("status_told.taken", (b">04<", f">{code}<".encode()))
    assert isinstance(found, NotTaken)
    assert (found.way, found.faults[0].place) == ("refused", "StatusCode")


def test_a_status_finds_the_document_that_it_is_about() -> None:
    found = told("status_told.taken")
    assert isinstance(found, Understood)
    receipt = SAMPLES["edxml", "send_document.ok"].reply
    assert isinstance(receipt, dict)
    assert found.told[0].refs == {"e_document": receipt["document_id"]}
    assert list(AXES["edxml"].operations["send_document"].ref) == ["e_document"]


def test_a_document_that_arrives_brings_its_files_and_needs_no_attributes() -> None:
    found = told("document_arrived.taken")
    assert isinstance(found, Understood)
    (one,) = found.told
    assert isinstance(one.value, EDocument)
    assert one.files == {one.value.files[0].file: b"%PDF-1.4 cong van lien thong"}


def told(name: str, change: tuple[bytes, bytes] = (b"", b"")) -> Understood | NotTaken:
    sample = SAMPLES["edxml", name]
    inbox = alone.bound(AXES["edxml"], **SETTINGS["edxml"], inbound_key="key-sample").inbox
    assert inbox is not None
    body = (sample.request_agency or b"").replace(*change)
    return inbox.read_soap(WireNotice({"x-api-key": "key-sample", "content-type": "text/xml"}, {}, body))
