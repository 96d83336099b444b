"""A poll in SOAP: only a mapping can write the cursor, and why a notice is refused, into the body."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from lxml import etree

from connectors.kit.binding import BoundAgency
from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.inbox import Understood
from connectors.kit.wsdl import ENVELOPES
from mappings.canonical import ProcedureQuery
from mappings.errors import FilesRefused

Office = Callable[..., BoundAgency]
WSDL = (Path(__file__).parent / "contracts" / "inbound.wsdl").read_text("utf-8").replace("urn:centre", "urn:tax")
POLL = """
[operations.list_procedures]
kind = "lookup"
call = "HoiThuTuc"
sends = "listing"
every = 60.0
[operations.refuse_procedure]
kind = "filing"
call = "GuiBuoc"
sends = "refusal"
[notices.procedure_listed]
from = "list_procedures"
page = { size = 2, next = "ThuTuc/MaThuTuc" }
returns = "procedure"
ref = { code = "ThuTuc/MaThuTuc" }
refused = "refuse_procedure"
"""
LISTING = """
canonical = "WaitingQuery@1"
agency = "{urn:tax}HoiThuTuc"
[fixed]
"Ma" = "page.after"
[withheld]
"kind" = "there is one"
"""
FILES: Mapping[str, str] = {
    "answers.csv": "operation,http,code,says,result,reason,vi,en\n,200,,,ok,,,\n",
    "contract/tax.wsdl": WSDL,
    "listing.map.toml": LISTING,
    "procedure.map.toml": """
canonical = "ProcedureQuery@1"
agency = "{urn:tax}HoiThuTucDap"
[fields]
"code" = "ThuTuc/MaThuTuc"
[dropped]
"Xong" = "always so"
""",
    "refusal.map.toml": """
canonical = "ProcedureQuery@1"
agency = "{urn:tax}GuiBuoc"
[fields]
"code" = "MaHoSo"
[fixed]
"Nguoi" = "notice.reason"
"Luc" = "=20260316100000"
"TrangThai" = "=8"
[dropped]
"Khoa" = "not asked for"
""",
}
REPLY = f"""<s:Envelope xmlns:s="{ENVELOPES["1.1"]}"><s:Body><HoiThuTucDap xmlns="urn:tax"><Xong>true</Xong>
<ThuTuc><MaThuTuc>1.000001</MaThuTuc></ThuTuc></HoiThuTucDap></s:Body></s:Envelope>"""


def agency(office: Office, tables: str = POLL, **files: str) -> BoundAgency:
    reply = WireReply(200, {"content-type": "text/xml"}, REPLY.encode())
    given = {**FILES, **files, "contract/inbound.wsdl": WSDL}
    return office(tables, root="{urn:tax}GuiBuoc", files=given, protocol="soap", answer=lambda _: reply)


def listed(bound: BoundAgency, **sources: str) -> WireRequest:
    return bound.render("list_procedures", bound.operations["list_procedures"].request(), sources)


def said(wire: WireRequest, name: str) -> str | None:
    return etree.fromstring(wire.body).findtext(f".//{{urn:tax}}{name}")


async def test_the_cursor_of_one_page_stands_in_the_request_of_the_next(office: Office) -> None:
    bound = agency(office)
    assert said(listed(bound), "Ma") == "", "the first page has none"
    page = await bound.fetch("procedure_listed", listed(bound), timeout=1)
    assert isinstance(page.read, Understood)
    assert [one.value for one in page.read.told] == [ProcedureQuery(code="1.000001")]
    assert said(listed(bound, **{"page.after": page.next or ""}), "Ma") == "1.000001"


def test_why_a_notice_is_refused_stands_in_the_request_that_refuses_it(office: Office) -> None:
    wire = agency(office).render("refuse_procedure", ProcedureQuery(code="1.000001"), {"notice.reason": "sai mã"})
    assert said(wire, "Nguoi") == "sai mã"


@pytest.mark.parametrize(
    ("tables", "files"),
    [
        (POLL.replace("size = 2,", 'size = 2, after = "Ma",'), {}),
        (POLL, {"listing.map.toml": LISTING.replace("page.after", "=1")}),
    ],
)
def test_a_cursor_that_no_mapping_writes_is_refused(office: Office, tables: str, files: dict[str, str]) -> None:
    with pytest.raises(FilesRefused, match=r'"..." = "page.after" in \[fixed\]'):
        agency(office, tables, **files)


def test_a_mapping_of_another_operation_knows_neither_cursor_nor_reason(office: Office) -> None:
    refusal = FILES["refusal.map.toml"].replace("notice.reason", "page.after")
    with pytest.raises(FilesRefused, match=r"`page\.after` is no source"):
        agency(office, **{"refusal.map.toml": refusal})
