"""Two tiny connectors that pass every rule, written into a temporary folder so that tests may spoil them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

CONTRACT = """
[contract]
calls_per_second = 5
calls_per_day    = 1000
calls_at_once    = 2
call_timeout     = 10
queue_calls      = 20
queue_seconds    = 5
backlog_calls    = 100
request_bytes    = 10_000
reply_bytes      = 10_000
"""
FACTS = """
[connector]
title    = "Tiny agency"
title_vi = "Cơ quan nhỏ"
version  = "0.1.0"
owner    = "connectors@centre.example"
maturity = "draft"
"""
README = "# Tiny\n\n## Quirks\n\nNone.\n\n## Sources\n\nInvented.\n\n## How sure\n\nQuite.\n"
STEP = {
    "MaHoSo": {"type": "string", "maxLength": 50},
    "Nguoi": {"type": "string", "maxLength": 50},
    "ThoiDiem": {"type": "string", "pattern": "^[0-9]{14}$"},
    "TrangThai": {"enum": ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]},
    "Nguon": {"const": "hub"},
    "GhiChu": {"type": "string"},
}
RECORD = {
    "type": "object",
    "additionalProperties": False,
    "required": ["MaHoSo", "Nguoi", "ThoiDiem"],
    "properties": STEP,
}
REPLY = {"error_code": {"type": "string"}, "message": {"type": "string"}}
WIRE = {"MaHoSo": "A-1", "Nguoi": "Lê Cán Bộ", "ThoiDiem": "20260316100000", "TrangThai": "4", "Nguon": "hub"}
OURS = {"dossier": "A-1", "handler": "Lê Cán Bộ", "processed_at": "2026-03-16T10:00:00+07:00", "status": "processing"}


def _closed(properties: dict[str, object], *required: str) -> str:
    schema = {"type": "object", "additionalProperties": False, "required": required, "properties": properties}
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, ensure_ascii=False)


def _rows(operation: str, direction: str, *fields: str) -> str:
    return "".join(f"{operation},{direction},{field},seen,invented,\n" for field in fields)


SMALL: dict[str, str] = {
    "README.md": README,
    "manifest.toml": FACTS
    + 'protocol = "rest"\nassumed = ["find_step: GhiChu"]\n'
    + CONTRACT
    + """
[operations.find_step]
kind          = "lookup"
call          = "POST /find"
sends         = "step"
returns       = "step"
personal_data = true
agrees        = ["dossier"]
code          = "error_code"
says          = "message"
unwrap        = ["json", "result[0]"]

[operations.file_step]
kind     = "filing"
call     = "POST /file"
sends    = "step"
order_by = "dossier"
wrap     = { data = ["payload"] }
code     = "error_code"
says     = "message"
then     = { in_doubt = "find_step" }
""",
    "step.map.toml": """
canonical = "ProcessingStep@1"
agency    = ""
[fields]
"dossier"      = "MaHoSo"
"handler"      = { at = "Nguoi", as = "cut 50" }
"processed_at" = { at = "ThoiDiem", as = "moment yyyyMMddHHmmss" }
"status"       = { at = "TrangThai", codes = "status" }
[fixed]
"Nguon" = "=hub"
[dropped]
"GhiChu" = "free words for their own clerks"
[withheld]
"position"   = "not asked for"
"unit"       = "not asked for"
"content"    = "not asked for"
"started_at" = "not asked for"
"due_at"     = "not asked for"
""",
    "codes/status.csv": "ours,theirs\nregistered,1\nreceived,2\nnot_received,3\nprocessing,4\nsupplement_requested,5\n"
    "payment_requested,6\nwithdrawn,7\nstopped,8\nfinished,9\nreturned,10\n",
    "answers.csv": "operation,http,code,says,result,reason,vi,en\n,200,0,,ok,,,\n,200,9,,refused,tiny.no,Không,No\n",
    "contract/find_step.request.schema.json": _closed(STEP, "MaHoSo", "Nguoi", "ThoiDiem"),
    "contract/find_step.reply.schema.json": _closed(
        {**REPLY, "result": {"type": "array", "items": RECORD}}, "error_code"
    ),
    "contract/file_step.request.schema.json": _closed({"data": {"type": "array", "items": RECORD}}, "data"),
    "contract/file_step.reply.schema.json": _closed(REPLY, "error_code"),
    "contract/fields.csv": "operation,direction,field,mark,source,note\n"
    + _rows("find_step", "request", *STEP)
    + _rows("find_step", "reply", *REPLY, "result[]", *(f"result[]/{name}" for name in STEP))
    + _rows("file_step", "request", "data[]", *(f"data[]/{name}" for name in STEP))
    + _rows("file_step", "reply", *REPLY),
    "samples/find_step.found/request.canonical.json": json.dumps(OURS, ensure_ascii=False),
    "samples/find_step.found/request.agency.json": json.dumps(WIRE, ensure_ascii=False),
    "samples/find_step.found/reply.agency.json": json.dumps({"error_code": "0", "result": [WIRE]}, ensure_ascii=False),
    "samples/find_step.found/reply.canonical.json": json.dumps(OURS, ensure_ascii=False),
    "samples/find_step.not_found/request.canonical.json": json.dumps(OURS, ensure_ascii=False),
    "samples/find_step.not_found/request.agency.json": json.dumps(WIRE, ensure_ascii=False),
    "samples/find_step.not_found/reply.agency.json": json.dumps({"error_code": "0", "result": []}),
    "samples/find_step.not_found/sample.toml": 'result = "not_found"\n',
    "samples/file_step.done/request.canonical.json": json.dumps(OURS, ensure_ascii=False),
    "samples/file_step.done/request.agency.json": json.dumps({"data": [WIRE]}, ensure_ascii=False),
    "samples/file_step.done/reply.agency.json": json.dumps({"error_code": "0"}),
    **{
        f"samples/{operation}.{case}/{file}": content
        for operation, sent in (("find_step", WIRE), ("file_step", {"data": [WIRE]}))
        for case, result, said in (("no", "refused", {"error_code": "9"}), ("drifted", "broken", {"ma": "0"}))
        for file, content in (
            ("request.canonical.json", json.dumps(OURS, ensure_ascii=False)),
            ("request.agency.json", json.dumps(sent, ensure_ascii=False)),
            ("reply.agency.json", json.dumps(said)),
            ("sample.toml", f'result = "{result}"\n'),
        )
    },
}

WSDL = """<?xml version="1.0" encoding="UTF-8"?>
<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
                  xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:tiny" targetNamespace="urn:tiny" name="Tiny">
  <wsdl:types>
    <xs:schema targetNamespace="urn:tiny" elementFormDefault="qualified">
      <xs:element name="Hoi"><xs:complexType><xs:sequence>
        <xs:element name="Ma" type="xs:string"/>
        <xs:element name="So"><xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="[0-9]{12}"/></xs:restriction></xs:simpleType></xs:element>
        <xs:element name="Ten" type="xs:string"/>
        <xs:element name="Sinh"><xs:complexType><xs:choice>
          <xs:element name="Ngay" type="xs:string"/><xs:element name="Nam" type="xs:string"/>
        </xs:choice></xs:complexType></xs:element>
      </xs:sequence></xs:complexType></xs:element>
      <xs:element name="Dap"><xs:complexType><xs:sequence>
        <xs:element name="Co" type="xs:boolean"/>
      </xs:sequence></xs:complexType></xs:element>
    </xs:schema>
  </wsdl:types>
  <wsdl:message name="Hoi"><wsdl:part name="body" element="t:Hoi"/></wsdl:message>
  <wsdl:message name="Dap"><wsdl:part name="body" element="t:Dap"/></wsdl:message>
  <wsdl:portType name="Tiny"><wsdl:operation name="Hoi">
    <wsdl:input message="t:Hoi"/><wsdl:output message="t:Dap"/>
  </wsdl:operation></wsdl:portType>
  <wsdl:binding name="Tiny" type="t:Tiny">
    <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
    <wsdl:operation name="Hoi"><soap:operation soapAction="" style="document"/>
      <wsdl:input><soap:body use="literal"/></wsdl:input><wsdl:output><soap:body use="literal"/></wsdl:output>
    </wsdl:operation>
  </wsdl:binding>
  <wsdl:service name="Tiny"><wsdl:port name="Tiny" binding="t:Tiny"><soap:address location="https://tiny.example/"/></wsdl:port></wsdl:service>
</wsdl:definitions>
"""


def envelope(inside: str) -> str:
    return f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{inside}</s:Body></s:Envelope>'


ASKED = '<t:Hoi xmlns:t="urn:tiny"><t:Ma>TINY</t:Ma><t:So>000180000011</t:So><t:Ten>TRẦN THỊ KHÔNG</t:Ten><t:Sinh><t:Ngay>19800517</t:Ngay></t:Sinh></t:Hoi>'
SMALL_SOAP: dict[str, str] = {
    "README.md": README,
    "manifest.toml": FACTS
    + 'protocol = "soap"\n'
    + CONTRACT
    + """
[settings.code]
help = "Code of the centre at the tiny agency"

[operations.ask_citizen]
kind          = "lookup"
call          = "Hoi"
sends         = "question"
returns       = "answer"
personal_data = true
""",
    "question.map.toml": """
canonical = "CitizenQuery@1"
agency    = "{urn:tiny}Hoi"
[fields]
"citizen_id" = "So"
"full_name"  = { at = "Ten", as = "upper name" }
"born_on"    = { at = ["Sinh/Ngay", "Sinh/Nam"], as = ["date yyyyMMdd", "year"] }
[fixed]
"Ma" = "settings.code"
[withheld]
"old_id" = "not taken"
""",
    "answer.map.toml": 'canonical = "Verification@1"\nagency = "{urn:tiny}Dap"\n[fields]\n"matches" = { at = "Co", as = "true/false" }\n',
    "answers.csv": "operation,http,code,says,result,reason,vi,en\n,200,,,ok,,,\n",
    "contract/tiny.wsdl": WSDL,
    "contract/fields.csv": "operation,direction,field,mark,source,note\n"
    + _rows("ask_citizen", "request", "header:Authorization", "Ma", "So", "Ten", "Sinh", "Sinh/Ngay", "Sinh/Nam")
    + _rows("ask_citizen", "reply", "Dap", "Dap/Co"),
    "samples/ask_citizen.yes/request.canonical.json": '{"citizen_id": "000180000011", "full_name": "Trần Thị Không", "born_on": "1980-05-17"}',
    "samples/ask_citizen.yes/request.agency.xml": envelope(ASKED),
    "samples/ask_citizen.yes/reply.agency.xml": envelope('<t:Dap xmlns:t="urn:tiny"><t:Co>true</t:Co></t:Dap>'),
    "samples/ask_citizen.yes/reply.canonical.json": '{"matches": true}',
    "samples/ask_citizen.yes/sample.toml": '[sources]\n"settings.code" = "TINY"\n',
    "samples/ask_citizen.drifted/request.canonical.json": '{"citizen_id": "000180000011", "full_name": "Trần Thị Không", "born_on": "1980-05-17"}',
    "samples/ask_citizen.drifted/request.agency.xml": envelope(ASKED),
    "samples/ask_citizen.drifted/reply.agency.xml": envelope('<t:Dap xmlns:t="urn:tiny"><t:Khop>1</t:Khop></t:Dap>'),
    "samples/ask_citizen.drifted/sample.toml": 'result = "broken"\n[sources]\n"settings.code" = "TINY"\n',
}


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A REST connector with a look-up and a filing."""
    return written(tmp_path / "small", SMALL)


@pytest.fixture
def small_soap(tmp_path: Path) -> Path:
    """A SOAP connector with one look-up."""
    return written(tmp_path / "small_soap", SMALL_SOAP)


@pytest.fixture
def spoil() -> Callable[[Path, str, str, str], None]:
    """Replace text in a file, which must be there, so that a test cannot plant nothing."""

    def replace(folder: Path, name: str, old: str, new: str) -> None:
        file = folder / name
        text = file.read_text("utf-8")
        assert old in text, f"{old!r} is not in {name}"
        file.write_text(text.replace(old, new), "utf-8")

    return replace
