"""Whatever would make a notice fail when an agency calls is refused when its connector is loaded."""

from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import copytree

import pytest
from pydantic import BaseModel

from connectors.kit.binding import BoundAgency
from connectors.kit.operation import NoRecord, cursor_fault
from connectors.kit.registry import find_connectors, load_connector
from mappings.canonical.catalogues import CatalogueEntry
from mappings.canonical.dossier import DossierQuery
from mappings.canonical.e_documents import WaitingQuery
from mappings.errors import FilesRefused

Office = Callable[..., BoundAgency]
WSDL = (Path(__file__).parent / "contracts" / "inbound.wsdl").read_text("utf-8")

PUSHED = """
[notices.step_taken]
select = { Service = "Buoc" }
unwrap = ["json", "Data"]
returns = "step"
unique = ["MaHoSo"]
ref = "MaHoSo"
agrees = ["dossier"]
auth = { put = { "Khoa" = "settings.security_key" } }
replies = { taken = { ma = "=0" }, refused = { ma = "=1", loi = "notice.reason" } }
[notices.procedure_asked]
kind = "question"
sends = "asked"
auth = { put = { "header:X-Key" = "settings.security_key" } }
replies = { taken = { data = "payload" } }
"""
FETCHED = """
[operations.list_steps]
kind = "lookup"
call = "POST /list"
every = 60.0
[operations.confirm_step]
kind = "filing"
call = "POST /confirm"
sends = "asked"
[notices.step_listed]
from = "list_steps"
page = { size = 2, after = "TuId", next = "IdCuoi" }
unwrap = ["json", "data[]"]
returns = "step"
ref = { code = "MaHoSo" }
taken = "confirm_step"
"""
FILES: Mapping[str, str] = {
    "asked.map.toml": 'canonical = "DossierQuery@1"\nagency = ""\n[fields]\n"code" = "MaHoSo"\n',
}


def faults(
    office: Office, tables: str, change: tuple[str, str], files: Mapping[str, str] = FILES, **more: str
) -> dict[str, str]:
    assert change[0] in tables
    with pytest.raises(FilesRefused) as refused:
        office(tables.replace(*change), files=files, **more)
    told: dict[str, str] = {}
    for fault in refused.value.faults:
        told[fault.key] = f"{told.get(fault.key, '')} {fault.says}"
    return told


def test_the_examples_themselves_are_taken(office: Office) -> None:
    assert office(PUSHED + FETCHED, files=FILES).inbox is not None


@pytest.mark.parametrize(
    ("change", "key", "says"),
    [
        (('returns = "step"', 'returns = "stepp"'), "step_taken.returns", "did you mean `step`"),
        (('sends = "asked"', 'sends = "askd"'), "procedure_asked.sends", "did you mean `asked`"),
        (('unique = ["MaHoSo"]', 'unique = ["L[]/M{"]'), "step_taken.unique", "is no place"),
        (('ref = "MaHoSo"', 'ref = "a[]/b"'), "step_taken.ref", "before its end"),
        (('["json", "Data"]', '["json", "Da[]/ta"]'), "step_taken.unwrap", "before its end"),
        (('agrees = ["dossier"]', 'agrees = ["dosier"]'), "step_taken.agrees", "did you mean"),
        (('Service = "Buoc"', '"Service[]" = "Buoc"'), "step_taken.select.Service[]", "names one text"),
        (('"settings.security_key" } }\nreplies = { taken = { ma', '"settings.securitykey" } }\nreplies = { taken = { ma'), "step_taken.auth.put.Khoa", "did you mean `settings.security_key`"),
        (('{ put = { "Khoa" = "settings.security_key" } }', '{ put = { "Khoa" = "=123" } }'), "step_taken.auth.put", "proves nothing"),
        (('{ put = { "Khoa" = "settings.security_key" } }', '{ scheme = "c06" }'), "step_taken.auth.scheme", "stands in `put`"),
        (('{ put = { "Khoa" = "settings.security_key" } }', '{ put = { "Khoa" = "call.id" } }'), "step_taken.auth.put.Khoa", "is no source"),
        (('ref = "MaHoSo"', 'signed = { scheme = "md5", at = "X", of = ["A", "settings.sign_key"] }'), "step_taken.signed.scheme", "did you mean 'md5 hex'"),
        (('loi = "notice.reason"', 'loi = "notice.reson"'), "step_taken.replies.refused.loi", "did you mean `notice.reason`"),
        (('loi = "notice.reason"', 'loi = "exchange.id"'), "step_taken.replies.refused.loi", "is no source"),
        (('loi = "notice.reason"', 'loi = "payload"'), "step_taken.replies.refused", "of a question"),
        (('{ taken = { data = "payload" } }', '{ taken = { data = "=x" } }'), "procedure_asked.replies.taken", "no place for the answer"),
        (('sends = "asked"\n', ""), "procedure_asked.sends", "is missing"),
        (('returns = "step"', 'returns = "step"\nsends = "asked"'), "step_taken.sends", 'kind = "question"'),
        (('returns = "step"', 'returns = "step"\ntaken = "list_steps"'), "step_taken.taken", "names no operation"),
        (('returns = "step"', 'returns = "step"\npage = { size = 1, after = "a", next = "b" }'), "step_taken.page", "an operation fetches"),
        (('["json", "Data"]', '["xml", "Data"]'), "step_taken.replies.refused", "one name at its top"),
    ],
)  # fmt: skip
def test_a_push_that_could_not_be_taken_is_refused(
    office: Office, change: tuple[str, str], key: str, says: str
) -> None:
    files = {**FILES, "step.map.toml": _step("Data")} if "xml" in change[1] else FILES
    assert says in faults(office, PUSHED, change, files)[f"notices.{key}"]


def _step(root: str) -> str:
    return f'canonical = "DossierQuery@1"\nagency = "{root}"\n[fields]\n"code" = "MaHoSo"\n'


@pytest.mark.parametrize(
    ("change", "key", "says"),
    [
        (('from = "list_steps"', 'from = "list_stepz"'), "step_listed.from", "did you mean `list_steps`"),
        (('from = "list_steps"', 'from = "confirm_step"'), "step_listed.from", "changes nothing"),
        (("every = 60.0\n", ""), "step_listed.from", "no `every`"),
        (("every = 60.0", 'every = 60.0\nreturns = "step"'), "step_listed.from", "write them at the notice"),
        (("every = 60.0", "every = 60.0\nfresh = 60.0"), "step_listed.from", "from memory"),
        (("every = 60.0", 'every = 60.0\nsends = "asked"'), "step_listed.from", "needs `code`, which nobody gives"),
        (('after = "TuId"', 'after = "a[]/b"'), "step_listed.page.after", "before its end"),
        (('next = "IdCuoi"', 'next = "a[]/b"'), "step_listed.page.next", "before its end"),
        (('taken = "confirm_step"', 'taken = "confirm_stp"'), "step_listed.taken", "did you mean `confirm_step`"),
        (('taken = "confirm_step"', 'taken = "list_steps"'), "step_listed.taken", "so a filing"),
        (('taken = "confirm_step"', 'refused = "confirm_stp"'), "step_listed.refused", "did you mean `confirm_step`"),
        (('ref = { code = "MaHoSo" }', 'ref = "MaHoSo"'), "step_listed.taken", "which this notice lacks"),
        (('taken = "confirm_step"', 'replies = { taken = { a = "=1" } }'), "step_listed.replies", "an agency pushes"),
        (('taken = "confirm_step"', 'select = { a = "b" }'), "step_listed.select", "an agency pushes"),
        (('taken = "confirm_step"', 'auth = { put = { a = "settings.sign_key" } }'), "step_listed.auth", "an agency pushes"),
        (('taken = "confirm_step"', 'kind = "question"'), "step_listed.kind", "asked by the agency"),
        (('taken = "confirm_step"', 'taken = "confirm_step"\n[notices.step_seen]\nfrom = "list_steps"'), "step_seen.from", "one kind"),
    ],
)  # fmt: skip
def test_a_poll_that_could_not_work_is_refused(office: Office, change: tuple[str, str], key: str, says: str) -> None:
    assert says in faults(office, FETCHED, change)[f"notices.{key}"]


LISTED = (
    FETCHED.replace(
        """from = "list_steps"
page = { size = 2, after = "TuId", next = "IdCuoi" }""",
        """from = ["list_codes", "list_steps"]
page = { size = 2 }""",
    )
    .replace("every = 60.0\n", 'sends = "asked"\n')
    .replace('ref = { code = "MaHoSo" }\n', "")
    + """
[operations.list_codes]
kind = "lookup"
call = "POST /codes"
returns = "codes"
every = 60.0
"""
)
CODES: Mapping[str, str] = {
    **FILES,
    "codes.map.toml": 'canonical = "Catalogue@1"\nagency = ""\n[fields]\n"entries[]" = { at = "ma[]", map = "entry" }\n',
    "entry.map.toml": 'canonical = "CatalogueEntry@1"\nagency = ""\n[fields]\n"code" = "a"\n"name" = "b"\n',
    "other.map.toml": 'canonical = "QuestionAnswer@1"\nagency = ""\n[fields]\n"question" = "a"\n',
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("page = { size = 2 }\n", ""), "page is missing"),
        (("{ size = 2 }", '{ size = 2, next = "IdCuoi" }'), "page.next has no meaning"),
        (("{ size = 2 }", '{ size = 2, after = "a[]/b" }'), "page.after"),
        (('returns = "codes"\n', ""), "from `list_codes` has no `returns`"),
        (('returns = "codes"', 'returns = "asked"'), "from `list_steps` cannot be asked for what `list_codes` lists: DossierQuery has not just one list"),
        (('sends = "asked"\n[operations.confirm', 'sends = "other"\n[operations.confirm'), "from `list_steps` cannot be asked for what `list_codes` lists: QuestionAnswer needs `question`"),
        (('returns = "codes"\nevery = 60.0', 'returns = "codes"'), "from `list_codes` has no `every`"),
        (('["list_codes", "list_steps"]', '["list_codes", "confirm_step", "list_steps"]'), "from names one operation, or two"),
        (('["list_codes", "list_steps"]', '["list_codes", "list_stepz"]'), "from names no operation; did you mean `list_steps`"),
    ],
)  # fmt: skip
def test_a_poll_in_two_steps_that_could_not_work_is_refused(office: Office, change: tuple[str, str], says: str) -> None:
    office(LISTED, files=CODES)
    told = faults(office, LISTED, change, CODES)
    assert any(says in f"{key.removeprefix('notices.step_listed.')}{text}" for key, text in told.items()), told


GOES_ON = LISTED.replace("{ size = 2 }", '{ size = 2, after = "TuId" }')


def test_a_list_may_go_on_behind_the_last_one_that_was_fetched(office: Office) -> None:
    page = office(GOES_ON, files=CODES).operations["list_codes"].page
    assert page is not None
    assert (page.size, page.after, page.next) == (2, "TuId", None)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (DossierQuery, None),
        (CatalogueEntry, "CatalogueEntry has 4 fields"),
        (NoRecord, "NoRecord has 0 fields"),
        (WaitingQuery, "`kind` of WaitingQuery is no required text or whole number"),
    ],
)
def test_a_list_goes_on_behind_one_field_alone(asked: type[BaseModel], says: str | None) -> None:
    assert cursor_fault(asked) == says


def test_who_asks_for_more_than_one_field_is_told_what_to_do(office: Office) -> None:
    entry = CODES | {"asked.map.toml": CODES["entry.map.toml"]}
    told = faults(office, GOES_ON, ('taken = "confirm_step"\n', ""), entry)
    assert "of the request of `list_steps`, and CatalogueEntry has" in told["notices.step_listed.page.after"]
    assert "leave `after` out" in told["notices.step_listed.page.after"]


def test_in_soap_every_run_lists_anew(office: Office) -> None:
    told = faults(office, GOES_ON, ("", ""), CODES, protocol="soap")
    assert "leave it out: each run lists anew" in told["notices.step_listed.page.after"]


def test_the_places_of_a_cursor_are_needed_where_pages_follow_each_other(office: Office) -> None:
    told = faults(office, FETCHED, (', after = "TuId", next = "IdCuoi"', ""))
    assert "every page would be the first" in told["notices.step_listed.page.next"]


ASKED_AFTER = """
[operations.file_step]
kind = "filing"
call = "POST /file"
sends = "asked"
then = { pending = "lookup_step" }
[operations.lookup_step]
kind = "lookup"
call = "POST /look"
every = 60.0
sends = "asked"
returns = "step"
[notices.step_reached]
from = "lookup_step"
returns = "step"
unique = ["MaHoSo"]
"""


def test_what_a_look_up_says_of_a_call_that_is_pending_may_be_told(office: Office) -> None:
    inbox = office(ASKED_AFTER, files=FILES).inbox
    assert inbox is not None
    notice = inbox.notices["step_reached"]
    assert (notice.asked_after, notice.fetched_by) == (True, "lookup_step")


@pytest.mark.parametrize(
    ("change", "key", "says"),
    [
        (('returns = "step"\nunique', 'taken = "file_step"\nunique'), "step_reached.taken", "asks after one call"),
        (
            ('unique = ["MaHoSo"]', 'page = { size = 1, after = "a", next = "b" }'),
            "step_reached.page",
            "asks after one",
        ),
        (('then = { pending = "lookup_step" }\n', ""), "step_reached.from", "write them at the notice"),
    ],
)
def test_what_is_told_by_asking_after_a_call_is_no_list(
    office: Office, change: tuple[str, str], key: str, says: str
) -> None:
    assert says in faults(office, ASKED_AFTER, change)[f"notices.{key}"]


@pytest.mark.parametrize("source", ["page.after", "page.size", "notice.reason"])
def test_sources_of_polls_are_for_the_operations_that_serve_them(office: Office, source: str) -> None:
    told = faults(office, FETCHED, ('call = "POST /confirm"', f'call = "POST /confirm"\nwrap = {{ a = "{source}" }}'))
    assert "is no source" in told["operations.confirm_step.wrap.a"]


SOAP = """
[notices.step_taken]
returns = "step"
auth = { put = { "Khoa" = "settings.security_key" } }
replies = { taken = { Ma = 1 }, refused = { Ma = 0, Loi = "notice.reason" } }
"""


@pytest.mark.parametrize(
    ("change", "root", "key", "says"),
    [
        (("Ma = 1", "Maa = 1"), "{urn:centre}GuiBuoc", "step_taken.replies.taken.Maa", "did you mean `Ma`"),
        (('returns = "step"', ""), "{urn:centre}GuiBuoc", "step_taken.select", "it has GuiBuoc, GuiTep"),
        (('returns = "step"', 'returns = "step"\nselect = { "" = "GuiBuo" }'), "{urn:centre}GuiBuoc", "step_taken.select", "is no message"),
        (('returns = "step"', 'returns = "step"\nselect = { "" = "GuiTep" }'), "{urn:centre}GuiBuoc", "step_taken.returns", "another root"),
        (('returns = "step"', 'kind = "question"\nsends = "asked"\nselect = { "" = "GuiBuoc" }'), "{urn:centre}GuiBuoc", "step_taken.replies.taken", "no place for the answer"),
    ],
)  # fmt: skip
def test_a_soap_notice_that_the_wsdl_does_not_know_is_refused(
    office: Office, change: tuple[str, str], root: str, key: str, says: str
) -> None:
    files = {
        "contract/inbound.wsdl": WSDL,
        "asked.map.toml": FILES["asked.map.toml"].replace('agency = ""', 'agency = "X"'),
    }
    assert says in faults(office, SOAP, change, files, root=root)[f"notices.{key}"]


def test_what_is_signed_in_soap_is_signed_by_a_hook(office: Office) -> None:
    wsdl = WSDL.replace("urn:centre", "urn:tax")
    table = (
        '[operations.file_step]\nkind = "filing"\ncall = "GuiBuoc"\nsends = "step"\n'
        'sign = { scheme = "md5 hex", at = "X", of = ["MaHoSo", "settings.sign_key"] }\n'
    )
    with pytest.raises(FilesRefused, match="the hook `sign` does"):
        office(table, root="{urn:tax}GuiBuoc", files={"contract/tax.wsdl": wsdl}, protocol="soap")


def test_one_mapping_cannot_stand_in_json_and_in_xml(office: Office) -> None:
    change = ('kind = "question"\nsends = "asked"', 'kind = "question"\nsends = "step"')
    told = faults(office, PUSHED.replace('["json", "Data"]', '["json", "Data", "base64", "xml"]'), change, root="Buoc")
    assert "write two" in told["notices.procedure_asked.sends"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('unique        = ["maDon"]', 'unique = ["maDon", "nguoiGui/soGiayTo"]'), "unique.*names `nguoiGui/soGiayTo`"),
        (('ref           = "maHoSo"', 'ref = { who = "nguoiGui/dienThoai" }'), "ref.*names `nguoiGui/dienThoai`"),
        (('ref           = "maHoSo"', 'ref = "maHoSo"\nagrees = ["sender.phone"]'), "agrees.*names `sender.phone`"),
    ],
)
def test_what_has_to_be_sealed_is_no_key_and_is_compared_with_nothing(
    tmp_path: Path, change: tuple[str, str], says: str
) -> None:
    folder = copytree(find_connectors()["portal"], tmp_path / "portal")
    head, notice, rest = (folder / "manifest.toml").read_text("utf-8").partition("[notices.complaint_received]")
    assert change[0] in rest
    (folder / "manifest.toml").write_text(head + notice + rest.replace(*change, 1), "utf-8")
    with pytest.raises(FilesRefused, match=says):
        load_connector(folder)
