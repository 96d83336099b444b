"""The rules on notices find one that is not recorded, not proven, or read and answered in another way than recorded."""

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.kit.checks.findings import Finding
from connectors.kit.checks.rules import check_folder

Spoil = Callable[[Path, str, str, str], None]

NOTICES = """
[settings.security_key]
help   = "Key that the tiny agency shows"
secret = true

[inbound]
calls_per_second = 5
calls_at_once    = 2
call_timeout     = 10
request_bytes    = 10_000

[notices.step_done]
select  = { Dich = "Buoc" }
unwrap  = ["json", "Data[]"]
returns = "step"
personal_data = true
unique  = ["MaHoSo", "ThoiDiem"]
ref     = "MaHoSo"
auth    = { put = { Khoa = "settings.security_key" } }
replies = { taken = { ma = "=0" }, refused = { ma = "=1", loi = "notice.reason" }, denied = { ma = "=401" } }

[notices.file_sent]
unwrap  = ["json", "Tep", "base64", "json"]
returns = "step"
personal_data = true
auth    = { put = { "header:X-Key" = "settings.security_key" } }

[operations.list_steps]
kind   = "lookup"
call   = "POST /list"
every  = 60
code   = "error_code"
personal_data = true

[notices.step_listed]
from    = "list_steps"
page    = { size = 10, after = "TuId", next = "IdCuoi" }
unwrap  = ["json", "rows[]"]
returns = "step"
personal_data = true
ref     = { code = "MaHoSo" }
"""
KEYS = '[sources]\n"settings.security_key" = "sample-key"\n'
WHY = "told[1]/ThoiDiem: text is not written as yyyyMMddHHmmss"


def _closed(properties: dict[str, Any]) -> str:
    return json.dumps({"type": "object", "additionalProperties": False, "properties": properties})


@pytest.fixture
def told(small: Path) -> Path:
    """The small connector with a push, a push that holds a file, and a poll."""
    wire = json.loads((small / "samples/find_step.found/request.agency.json").read_text("utf-8"))
    ours = json.loads((small / "samples/find_step.found/request.canonical.json").read_text("utf-8"))
    record = json.loads((small / "contract/find_step.request.schema.json").read_text("utf-8"))
    text = {"type": "string"}
    push = {"Khoa": "sample-key", "Dich": "Buoc", "Data": [wire, {**wire, "MaHoSo": "A-2"}]}
    tep = {"Tep": base64.b64encode(json.dumps(wire).encode()).decode()}
    files: dict[str, Any] = {
        "manifest.toml": (small / "manifest.toml").read_text("utf-8") + NOTICES,
        "contract/step_done.request.schema.json": _closed(
            {"Khoa": text, "Dich": text, "Data": {"type": "array", "items": record}}
        ),
        "contract/file_sent.request.schema.json": _closed({"Tep": text}),
        "contract/list_steps.request.schema.json": _closed({"TuId": text}),
        "contract/list_steps.reply.schema.json": _closed(
            {"error_code": text, "IdCuoi": text, "rows": {"type": "array", "items": record}}
        ),
        "contract/fields.csv": (small / "contract/fields.csv").read_text("utf-8")
        + "".join(
            f"{name},{side},{field},seen,invented,\n"
            for name, side, fields in (
                ("step_done", "request", ["Khoa", "Dich", "Data[]", *(f"Data[]/{one}" for one in record["properties"])]),
                ("file_sent", "request", ["Tep"]),
                ("list_steps", "request", ["TuId"]),
                ("list_steps", "reply", ["error_code", "IdCuoi", "rows[]", *(f"rows[]/{one}" for one in record["properties"])]),
            )
            for field in fields
        ),
        "samples/step_done.two/request.agency.json": push,
        "samples/step_done.two/request.canonical.json": [ours, {**ours, "dossier": "A-2"}],
        "samples/step_done.two/reply.agency.json": {"ma": "0"},
        "samples/step_done.two/sample.toml": 'result = "taken"\n' + KEYS,
        "samples/step_done.drifted/request.agency.json": {**push, "Data": [wire, {**wire, "ThoiDiem": "hôm qua"}]},
        "samples/step_done.drifted/reply.agency.json": {"ma": "1", "loi": WHY},
        "samples/step_done.drifted/sample.toml": 'result = "refused"\n' + KEYS + f'"notice.reason" = "{WHY}"\n',
        "samples/step_done.stranger/request.agency.json": {**push, "Khoa": "other"},
        "samples/step_done.stranger/reply.agency.json": {"ma": "401"},
        "samples/step_done.stranger/sample.toml": 'result = "denied"\n' + KEYS,
        "samples/file_sent.one/request.agency.json": tep,
        "samples/file_sent.one/request.canonical.json": [ours],
        "samples/file_sent.one/reply.agency.json": {"result": "taken", "reason": "ok"},
        "samples/file_sent.one/sample.toml": 'result = "taken"\n' + KEYS + '"header:X-Key" = "sample-key"\n"notice.reason" = "ok"\n',
        "samples/file_sent.drifted/request.agency.json": {"TepMoi": tep["Tep"]},
        "samples/file_sent.drifted/reply.agency.json": {"result": "refused", "reason": "body: holds no record"},
        "samples/file_sent.drifted/sample.toml": 'http = 422\nresult = "refused"\n' + KEYS + '"header:X-Key" = "sample-key"\n',
        "samples/step_listed.drifted/request.agency.json": {"error_code": "0", "IdCuoi": "7", "rows": [{"Ma": "A-1"}]},
        "samples/step_listed.drifted/sample.toml": 'result = "refused"\n',
        "samples/list_steps.no/request.agency.json": {},
        "samples/list_steps.no/reply.agency.json": {"error_code": "9"},
        "samples/list_steps.no/sample.toml": 'result = "refused"\n',
        "samples/list_steps.drifted/request.agency.json": {},
        "samples/list_steps.drifted/reply.agency.json": {"ma": "0"},
        "samples/list_steps.drifted/sample.toml": 'result = "broken"\n',
        "samples/list_steps.page/request.agency.json": {},
        "samples/list_steps.page/reply.agency.json": {"error_code": "0", "rows": [wire]},
        "samples/step_listed.page/request.agency.json": {"error_code": "0", "IdCuoi": "7", "rows": [wire]},
        "samples/step_listed.page/request.canonical.json": [ours],
        "samples/step_listed.page/sample.toml": 'result = "taken"\n',
    }  # fmt: skip
    for name, content in files.items():
        (small / name).parent.mkdir(parents=True, exist_ok=True)
        written = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        (small / name).write_text(written, "utf-8")
    return small


def found(folder: Path, rule: str) -> list[Finding]:
    return [finding for finding in check_folder(folder).findings if finding.rule == rule]


def test_a_connector_whose_notices_are_recorded_passes(told: Path) -> None:
    assert [str(finding) for finding in check_folder(told).findings] == []


@pytest.mark.parametrize(
    ("rule", "file", "old", "new", "key", "says"),
    [
        ("notices_proven", "manifest.toml", 'auth    = { put = { "header:X-Key" = "settings.security_key" } }', "", "notices.file_sent", "by anybody"),
        ("notices_recorded", "manifest.toml", '401" } }', '401" }, seen = { ma = "=7" } }', "notices.step_done.replies.seen", "no sample"),
        ("notices_recorded", "samples/step_done.two/sample.toml", "taken", "takne", "result", "did you mean `taken`"),
        ("notices_are_read", "samples/step_done.two/request.canonical.json", "A-2", "A-3", "[1].dossier", "is not what the connector reads"),
        ("notices_are_read", "samples/step_done.two/sample.toml", "sample-key", "other-key", "", "is denied"),
        ("notices_are_read", "samples/step_done.stranger/request.agency.json", "other", "sample-key", "", "is believed"),
        ("notices_are_read", "samples/step_done.drifted/request.agency.json", "hôm qua", "20260316100000", "", "write a list of 2"),
        ("notices_are_read", "samples/step_done.two/request.agency.json", "Buoc", "Khac", "", "Dich"),
        ("notices_are_read", "samples/file_sent.one/sample.toml", "settings.security_key", "settings.securitykey", "sources.agencies.small.securitykey", "did you mean"),
        ("notices_are_read", "samples/step_listed.page/request.canonical.json", "A-1", "A-2", "[0].dossier", "is not what the connector reads"),
        ("notices_are_answered", "samples/step_done.two/reply.agency.json", "0", "1", "ma", "is not what we answer"),
        ("notices_are_answered", "samples/step_done.drifted/reply.agency.json", "ThoiDiem", "Ngay", "loi", "is not what we answer"),
        ("notices_are_answered", "samples/file_sent.one/sample.toml", "result", "http = 201\nresult", "", "goes out with HTTP 200"),
        ("theirs_known", "manifest.toml", 'select  = { Dich = "Buoc" }', 'select  = { Dihc = "Buoc" }', "notices.step_done.select", "did you mean `Dich`"),
        ("theirs_known", "manifest.toml", 'next = "IdCuoi"', 'next = "IdCuoii"', "operations.list_steps.every", "is not in the pinned contract"),
        ("theirs_covered", "contract/step_done.request.schema.json", '"Dich"', '"Moi": {}, "Dich"', "Moi", "nowhere here"),
        ("fields_listed", "contract/fields.csv", "step_done,request,Dich,seen,invented,\n", "", "step_done request", "`Dich`"),
        ("samples_fit_contract", "samples/step_done.two/request.agency.json", '"Dich"', '"Dichh": 1, "Dich"', "Dichh", "not in the contract"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found_where_it_is(
    told: Path, spoil: Spoil, rule: str, file: str, old: str, new: str, key: str, says: str
) -> None:
    spoil(told, file, old, new)
    findings = found(told, rule)
    assert any(finding.key == key and says in finding.says for finding in findings), findings


def test_a_way_that_replies_write_needs_its_sample(told: Path) -> None:
    for file in (told / "samples/step_done.stranger").iterdir():
        file.unlink()
    (told / "samples/step_done.stranger").rmdir()
    assert [finding.key for finding in found(told, "notices_recorded")] == ["notices.step_done.replies.denied"]


def test_a_fetched_notice_is_answered_by_an_operation_and_has_no_reply(told: Path) -> None:
    (told / "samples/step_listed.page/reply.agency.json").write_text("{}", "utf-8")
    assert [finding.says for finding in found(told, "notices_recorded")] == [
        "is no part of it: what we fetch is answered by `taken`, an operation; remove the file"
    ]


def test_a_question_without_words_has_nothing_to_pin(told: Path) -> None:
    with (told / "manifest.toml").open("a", encoding="utf-8") as manifest:
        manifest.write(
            '[notices.step_asked]\nkind = "question"\nsends = "step"\n'
            'auth = { put = { "header:X-Key" = "settings.security_key" } }\n'
        )
    assert found(told, "contract_pinned") == []
    assert found(told, "loads") == []


def test_who_records_a_question_is_told_that_it_carries_no_value_and_where_its_answer_can_stand(told: Path) -> None:
    with (told / "manifest.toml").open("a", encoding="utf-8") as manifest:
        manifest.write(
            '[notices.step_asked]\nkind = "question"\nsends = "step"\n'
            'auth = { put = { "header:X-Key" = "settings.security_key" } }\n'
        )
    sample = told / "samples/step_asked.taken"
    sample.mkdir()
    (sample / "request.agency.json").write_text("{}", "utf-8")
    (sample / "sample.toml").write_text(f'result = "taken"\n{KEYS}"header:X-Key" = "sample-key"\n', "utf-8")
    for recorded in (None, "[]"):
        if recorded:
            (sample / "request.canonical.json").write_text(recorded, "utf-8")
        assert "write [null]: it tells no value" in found(told, "notices_are_read")[0].says
    (sample / "request.canonical.json").write_text("[null]", "utf-8")
    assert found(told, "notices_are_read") == []
    with (told / "manifest.toml").open("a", encoding="utf-8") as manifest:
        manifest.write('replies = { taken = { ma = "=0" } }\n')
    assert 'write one, `items = "payload"`' in found(told, "loads")[0].says


def test_what_an_agency_pushes_is_pinned_like_what_it_answers(told: Path) -> None:
    (told / "contract/file_sent.request.schema.json").unlink()
    assert [finding.file for finding in found(told, "contract_pinned")] == [
        "small/contract/file_sent.request.schema.json"
    ]


def test_what_stands_beside_the_payload_is_given_up_in_its_note(told: Path) -> None:
    """No mapping reaches into an envelope, so the reason stands where the field is listed; inside the payload it does not."""
    schema = told / "contract/step_done.request.schema.json"
    schema.write_text(schema.read_text("utf-8").replace('"Dich"', '"Ngay": {"type": "string"}, "Dich"', 1), "utf-8")
    fields = told / "contract/fields.csv"
    listed = fields.read_text("utf-8")
    fields.write_text(listed + "step_done,request,Ngay,seen,invented,\n", "utf-8")
    (found,) = check_folder(told).findings
    assert (found.rule, found.key) == ("theirs_covered", "Ngay")
    assert "in the note of its row" in found.says
    fields.write_text(listed + "step_done,request,Ngay,seen,invented,nobody looks at it\n", "utf-8")
    assert check_folder(told).passed
    schema.write_text(schema.read_text("utf-8").replace('"GhiChu"', '"Ngay": {"type": "string"}, "GhiChu"', 1), "utf-8")
    fields.write_text(fields.read_text("utf-8") + "step_done,request,Data[]/Ngay,seen,invented,inside\n", "utf-8")
    assert [one.key for one in check_folder(told).findings] == ["Data/Ngay"]


WSDL = (Path(__file__).parents[1] / "kit" / "contracts" / "inbound.wsdl").read_text("utf-8")
STEP = ("MaHoSo", "Nguoi", "Luc", "TrangThai", "Khoa")
SOAP = """
[notices.step_pushed]
returns = "pushed"
personal_data = true
auth    = { put = { Khoa = "settings.security_key" } }
replies = { taken = { Ma = 1 }, refused = { Ma = 0, Loi = "notice.reason" } }
"""


@pytest.fixture
def told_in_soap(told: Path) -> Path:
    """The same, with a notice that comes in an envelope."""
    step = (told / "step.map.toml").read_text("utf-8")
    mapping = (
        step.replace('agency    = ""', 'agency = "{urn:centre}GuiBuoc"')
        .replace('"ThoiDiem"', '"Luc"')
        .replace('[fixed]\n"Nguon" = "=hub"\n[dropped]\n"GhiChu" = "free words for their own clerks"', '[dropped]\n"Khoa" = "proves who sent it"')
    )  # fmt: skip
    wire = json.loads((told / "samples/find_step.found/request.agency.json").read_text("utf-8"))

    def envelope(element: str, **fields: str) -> str:
        inside = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
        return (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
            f'<{element} xmlns="urn:centre">{inside}</{element}></s:Body></s:Envelope>'
        )

    push = {"MaHoSo": "A-1", "Nguoi": wire["Nguoi"], "Luc": wire["ThoiDiem"], "TrangThai": "4", "Khoa": "sample-key"}
    ours = json.loads((told / "samples/find_step.found/request.canonical.json").read_text("utf-8"))
    files = {
        "manifest.toml": (told / "manifest.toml").read_text("utf-8") + SOAP,
        "pushed.map.toml": mapping,
        "contract/inbound.wsdl": WSDL,
        "contract/fields.csv": (told / "contract/fields.csv").read_text("utf-8")
        + "".join(f"step_pushed,request,{name},seen,invented,\n" for name in STEP)
        + "".join(f"step_pushed,reply,{name},seen,invented,\n" for name in ("Ma", "Loi")),
        "samples/step_pushed.one/request.agency.xml": envelope("GuiBuoc", **push),
        "samples/step_pushed.one/request.canonical.json": json.dumps([ours], ensure_ascii=False),
        "samples/step_pushed.one/reply.agency.xml": envelope("GuiBuocDap", Ma="1"),
        "samples/step_pushed.one/sample.toml": 'result = "taken"\n' + KEYS,
        "samples/step_pushed.drifted/request.agency.xml": envelope("GuiBuoc", **{**push, "TrangThai": "77"}),
        "samples/step_pushed.drifted/reply.agency.xml": envelope(
            "GuiBuocDap", Ma="0", Loi="TrangThai: is not an agency code in code table `status`"
        ),
        "samples/step_pushed.drifted/sample.toml": 'result = "refused"\n'
        + KEYS
        + '"notice.reason" = "TrangThai: is not an agency code in code table `status`"\n',
    }
    for name, text in files.items():
        (told / name).parent.mkdir(parents=True, exist_ok=True)
        (told / name).write_text(text, "utf-8")
    return told


def test_a_notice_in_soap_is_held_against_the_wsdl_that_we_publish(told_in_soap: Path) -> None:
    assert [str(finding) for finding in check_folder(told_in_soap).findings] == []


@pytest.mark.parametrize(
    ("rule", "file", "old", "new", "key", "says"),
    [
        ("samples_fit_contract", "samples/step_pushed.one/request.agency.xml", "<TrangThai>4</TrangThai>", "", "", "of the pinned contract"),
        ("samples_fit_contract", "samples/step_pushed.one/reply.agency.xml", "<Ma>1", "<Ma>x", "Ma", "of the pinned contract"),
        ("theirs_covered", "contract/inbound.wsdl", '<xs:element name="Khoa"', '<xs:element name="Moi" type="xs:string"/><xs:element name="Khoa"', "Moi", "nowhere here"),
        ("notices_are_read", "samples/step_pushed.one/request.agency.xml", "GuiBuoc", "GuiTep", "", "is read as `no notice`"),
        ("notices_are_answered", "samples/step_pushed.one/reply.agency.xml", "<Ma>1", "<Ma>2", "Envelope/Body/GuiBuocDap/Ma", "is not what we answer"),
    ],
)  # fmt: skip
def test_a_fault_of_a_soap_notice_is_found_where_it_is(
    told_in_soap: Path, spoil: Spoil, rule: str, file: str, old: str, new: str, key: str, says: str
) -> None:
    spoil(told_in_soap, file, old, new)
    findings = found(told_in_soap, rule)
    assert any(key in finding.key and says in finding.says for finding in findings), findings


def test_two_new_notices_that_would_be_taken_for_one_are_found(told: Path, spoil: Spoil) -> None:
    shutil.copytree(told / "samples/step_done.two", told / "samples/step_done.two_again")
    assert found(told, "notices_are_read") == []
    for name in ("request.agency.json", "request.canonical.json"):
        spoil(told, f"samples/step_done.two_again/{name}", "Lê Cán Bộ", "Lê Cán Bộ Khác")
    (one,) = found(told, "notices_are_read")
    assert one.file == "small/samples/step_done.two_again/request.agency.json"
    assert "has the `unique` of step_done.two" in one.says


def test_a_reason_that_the_hub_never_gives_is_found(told: Path, spoil: Spoil) -> None:
    for file in ("sample.toml", "reply.agency.json"):
        spoil(told, f"samples/step_done.drifted/{file}", WHY, "sai")
    (one,) = found(told, "notices_are_answered")
    assert one.key == "sources.notice.reason"
    assert one.says.endswith(WHY)
