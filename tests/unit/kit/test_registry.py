"""A folder of data becomes a connector, or every one of its faults is told at once."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from connectors.kit.operation import NoRecord, agrees, follow_up_request
from connectors.kit.registry import Connector, find_connectors, load_connector
from connectors.kit.wrap import PURPOSE_SOURCES
from mappings.canonical import Dossier, DossierQuery, ProcedureQuery
from mappings.errors import FilesRefused, MappingFailed

FILES: Mapping[str, str] = MappingProxyType(
    {
        "manifest.toml": """
[connector]
title = "Portal"
title_vi = "Cổng thử nghiệm"
version = "0.1.0"
owner = "Tổ liên thông"
protocol = "rest"
maturity = "draft"
[settings.user_name]
help = "Account"
[settings.password]
help = "Its password"
secret = true
[auth]
login = "log_in"
keep = { session = "data/session" }
put = { "header:X-Session" = "auth.session" }
[contract]
calls_per_second = 5
calls_per_day = 1000
calls_at_once = 4
call_timeout = 10
queue_calls = 20
queue_seconds = 15
backlog_calls = 100
request_bytes = 10000
reply_bytes = 1000000
[operations.log_in]
kind = "login"
call = "POST /login"
wrap = { user = "settings.user_name", password = "settings.password" }
code = "code"
[operations.lookup_procedure]
kind = "lookup"
call = "GET /procedures/{maTTHC}"
sends = "procedure_query"
returns = "procedure_query"
unwrap = ["json", "data[0]"]
code = "code"
says = "text"
ref = "soPhieu"
order_by = "code"
agrees = ["code"]
[operations.file_procedure]
kind = "filing"
call = "POST /procedures"
sends = "procedure_query"
code = "code"
then = { exists = "update_procedure", in_doubt = "lookup_procedure" }
[operations.update_procedure]
kind = "filing"
call = "PUT /procedures"
sends = "procedure_query"
repeat_safe = true
code = "code"
""",
        "procedure_query.map.toml": """
canonical = "ProcedureQuery@1"
agency = ""
[fields]
"code" = "maTTHC"
""",
        "answers.csv": "operation,http,code,says,result,reason,vi,en\n,200,0,,ok,,,\n,200,5,,refused,portal.no,Không,No\nfile_procedure,200,3,,exists,,,\n",
    }
)


def folder(tmp_path: Path, **changes: tuple[str, str]) -> Path:
    """Write the connector `portal`, with a text of a file (its dots as `_`) replaced."""
    place = tmp_path / "portal"
    place.mkdir()
    for name, text in FILES.items():
        (place / name).write_text(text.replace(*changes.get(name.replace(".", "_"), ("", ""))), "utf-8")
    return place


def faults(place: Path) -> dict[str, str]:
    with pytest.raises(FilesRefused) as refused:
        load_connector(place)
    return {f"{fault.file}:{fault.key}": fault.says for fault in refused.value.faults}


@pytest.fixture
def portal(tmp_path: Path) -> Connector:
    return load_connector(folder(tmp_path))


def test_defaults_are_decided_once(portal: Connector) -> None:
    lookup, filing, update, login = (
        portal.operations[name] for name in ("lookup_procedure", "file_procedure", "update_procedure", "log_in")
    )
    assert (lookup.repeat_safe, filing.repeat_safe, update.repeat_safe, login.repeat_safe) == (True, False, True, True)
    assert (lookup.request, lookup.answer, filing.answer, login.request) == (
        ProcedureQuery,
        ProcedureQuery,
        None,
        NoRecord,
    )


def test_calls_are_ordered_by_a_value_of_their_request(portal: Connector) -> None:
    request = ProcedureQuery(code="1.001776")
    assert portal.operations["lookup_procedure"].order_key(request) == "1.001776"
    assert portal.operations["file_procedure"].order_key(request) is None


def test_a_step_that_takes_the_same_record_gets_it_unchanged(portal: Connector) -> None:
    request = ProcedureQuery(code="1.001776")
    assert follow_up_request(portal.operations["file_procedure"], "exists", request, {}) is request
    assert follow_up_request(portal.operations["file_procedure"], "lookup_procedure", request, {}) is request


def test_a_key_that_stands_in_our_own_request_is_known_before_any_reply(tmp_path: Path) -> None:
    place = folder(tmp_path, manifest_toml=('ref = "soPhieu"', 'ref = { number = "maTTHC", slip = "soPhieu" }'))
    lookup = load_connector(place).operations["lookup_procedure"]
    assert lookup.own == {"number": "request.code"}
    assert set(lookup.ref) == {"slip"}


def test_no_answer_holds_what_has_to_be_sealed(tmp_path: Path) -> None:
    place = folder(tmp_path, manifest_toml=('returns = "procedure_query"', 'returns = "voice"'))
    fields = ["id", "kind", "dossier", "agency_code", "subject", "content", "given_at"]
    lines = ['canonical = "Complaint@1"', 'agency = ""', "[withheld]", *(f'"{name}" = "a test"' for name in fields)]
    who = [f'"sender.{name}" = "{name}"' for name in ("full_name", "identity_number", "phone", "email", "address")]
    (place / "voice.map.toml").write_text("\n".join([*lines, "[fields]", *who]), "utf-8")
    assert "sealed" in faults(place)["portal/manifest.toml:operations.lookup_procedure.returns"]


def test_the_real_connectors_load_and_their_doubts_can_be_verified() -> None:
    found = find_connectors()
    assert {"npsp", "police", "land_vbdlis"} <= set(found)
    filing = load_connector(found["npsp"]).operations["file_dossier"]
    dossier = Dossier.model_construct(code="000.00.00.H32-261123-0001")
    assert follow_up_request(filing, "in_doubt", dossier, {}) == DossierQuery(code="000.00.00.H32-261123-0001")
    assert follow_up_request(filing, "in_doubt", dossier, {"code": "000.00.00.H32-261123-0002"}) == DossierQuery(
        code="000.00.00.H32-261123-0002"
    )
    with pytest.raises(MappingFailed, match="code"):
        follow_up_request(filing, "in_doubt", dossier, {"code": " "})
    with pytest.raises(KeyError):
        follow_up_request(filing, "pending", dossier, {})


def test_a_found_record_agrees_only_when_every_named_field_is_given_and_equal(portal: Connector) -> None:
    lookup, filing = portal.operations["lookup_procedure"], portal.operations["file_procedure"]
    request = ProcedureQuery(code="1.001776")
    assert agrees(lookup, filing, request, ProcedureQuery(code="1.001776"))
    assert not agrees(lookup, filing, request, ProcedureQuery(code="1.001777"))
    assert not agrees(lookup, filing, request, None)
    assert not agrees(lookup, filing, ProcedureQuery.model_construct(), ProcedureQuery.model_construct())
    assert not agrees(filing, filing, request, request)


@pytest.mark.parametrize(
    ("file", "change", "key", "says"),
    [
        ("manifest_toml", ('login = "log_in"', 'login = "login_in"'), "auth.login", "did you mean `log_in`?"),
        ("manifest_toml", ('keep = { session = "data/session" }', ""), "auth.keep", "is missing"),
        (
            "manifest_toml",
            ('"auth.session" }', '"auth.sesion" }'),
            "auth.put.header:X-Session",
            "did you mean `auth.session`?",
        ),
        (
            "manifest_toml",
            ('login = "log_in"', 'login = "log_in"\nscheme = "c06"'),
            "settings.service_path",
            "handshake `c06` needs it",
        ),
        (
            "manifest_toml",
            ('login = "log_in"', 'login = "log_in"\nscheme = "c6"'),
            "auth.scheme",
            "did you mean 'c06'?",
        ),
        (
            "manifest_toml",
            ('"settings.password" }', '"settings.pasword" }'),
            "operations.log_in.wrap.password",
            "did you mean `settings.password`?",
        ),
        (
            "manifest_toml",
            ('"settings.password" }', "1 }"),
            "operations.log_in.wrap.password",
            "neither a source nor a table",
        ),
        (
            "manifest_toml",
            ('"GET /procedures/{maTTHC}"', '"FETCH /x"'),
            "operations.lookup_procedure.call",
            "is no call",
        ),
        (
            "manifest_toml",
            ('exists = "update_procedure"', 'exists = "update_procedur"'),
            "operations.file_procedure.then.exists",
            "did you mean",
        ),
        (
            "manifest_toml",
            ('in_doubt = "lookup_procedure"', 'in_doubt = "update_procedure"'),
            "operations.file_procedure.then.in_doubt",
            "settled by a look-up",
        ),
        (
            "manifest_toml",
            ('in_doubt = "lookup_procedure"', 'pending = "lookup_procedure"'),
            "operations.file_procedure.then.pending",
            "says how often: `every`",
        ),
        ("manifest_toml", ('order_by = "code"', 'order_by = "cod"'), "operations.lookup_procedure.order_by", "code"),
        ("manifest_toml", ('agrees = ["code"]', 'agrees = ["cod"]'), "operations.lookup_procedure.agrees", "code"),
        (
            "manifest_toml",
            ('returns = "procedure_query"', 'returns = "procedur_query"'),
            "operations.lookup_procedure.returns",
            "did you mean `procedure_query`?",
        ),
        (
            "manifest_toml",
            ('says = "text"', 'says = "a[]/b"'),
            "operations.lookup_procedure.says",
            "`[]` before its end",
        ),
        (
            "manifest_toml",
            ('says = "text"', "fresh = 60.0\npersonal_data = true"),
            "operations.lookup_procedure.fresh",
            "never kept",
        ),
        (
            "manifest_toml",
            ('says = "text"', "fresh = 60.0\nrepeat_safe = false"),
            "operations.lookup_procedure.fresh",
            "may be repeated",
        ),
        (
            "manifest_toml",
            ('says = "text"', 'sign = { scheme = "x", at = "y", of = ["z"] }'),
            "operations.lookup_procedure.sign.scheme",
            "known schemes",
        ),
        (
            "manifest_toml",
            ("[operations.log_in]", "[notices.result_given]\n[operations.log_in]"),
            "inbound",
            "needs bounds too",
        ),
    ],
)
def test_what_would_make_a_call_fail_is_refused_at_load(
    tmp_path: Path, file: str, change: tuple[str, str], key: str, says: str
) -> None:
    told = faults(folder(tmp_path, **{file: change}))
    assert says in told[f"portal/manifest.toml:{key}"]


def test_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    place = folder(
        tmp_path,
        manifest_toml=('login = "log_in"', 'login = "login_in"'),
        procedure_query_map_toml=('"code" = "maTTHC"', '"cod" = "maTTHC"'),
        answers_csv=(",200,0,", ",2000,0,"),
    )
    (place / "contract").mkdir()
    (place / "contract" / "lookup_procedure.reply.schema.json").write_text("{")
    (place / "hooks.py").write_text("def guess(): ...")
    assert {key.split(":")[0] for key in faults(place)} == {
        "portal/manifest.toml",
        "portal/procedure_query.map.toml",
        "portal/answers.csv",
        "contract/lookup_procedure.reply.schema.json",
        "portal/hooks.py",
    }


def test_a_manifest_that_does_not_load_does_not_hide_a_misspelt_key_of_a_mapping(tmp_path: Path) -> None:
    told = faults(
        folder(
            tmp_path, manifest_toml=('owner = "Tổ liên thông"', ""), procedure_query_map_toml=("[fields]", "[field]")
        )
    )
    assert {"portal/manifest.toml:connector.owner", "portal/procedure_query.map.toml:field"} <= set(told)


def test_a_second_vendor_overrides_lines_of_the_first(tmp_path: Path) -> None:
    folder(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "manifest.toml").write_text(
        '[connector]\nlike = "portal"\n[operations.lookup_procedure]\ncode = "ma"\n', "utf-8"
    )
    (other / "answers.csv").write_text("operation,http,code,says,result,reason,vi,en\n,200,0,,pending,,,\n", "utf-8")
    loaded = load_connector(other)
    assert loaded.operations["lookup_procedure"].request is ProcedureQuery
    assert sorted(row.result for row in loaded.answers["lookup_procedure"].rows) == ["pending", "refused"]


def test_a_soap_connector_without_its_wsdl_is_refused(tmp_path: Path) -> None:
    told = faults(folder(tmp_path, manifest_toml=('protocol = "rest"', 'protocol = "soap"')))
    assert "pin the agency's WSDL" in told["portal/contract:"]


def test_an_operation_says_what_its_purpose_must_give_for_itself_and_for_what_follows() -> None:
    """The portal wants the unit's code in its envelope, the police the officer's account in the record."""
    folders = find_connectors()
    npsp, police = (load_connector(folders[name]).operations for name in ("npsp", "police"))
    assert npsp["file_dossier"].needs == {"unit.code"}
    assert npsp["log_in"].needs == frozenset()
    assert police["lookup_citizen"].needs == {"officer.account"}


def test_a_look_up_says_what_two_calls_have_in_common_when_one_exchange_may_serve_both() -> None:
    folders = find_connectors()
    npsp, police = (load_connector(folders[name]).operations for name in ("npsp", "police"))
    assert police["lookup_citizen"].alike == ("officer.account",), "two officers are two exchanges"
    assert npsp["lookup_procedure"].alike == ("unit.code",), "and so are two units"
    assert [name for name, one in (npsp | police).items() if one.kind != "lookup" and one.alike is not None] == []


@pytest.mark.parametrize(
    ("change", "alike"),
    [
        (('says = "text"', ""), ()),
        (('says = "text"', "repeat_safe = false"), None),
        (('says = "text"', 'then = { exists = "update_procedure" }'), None),
        (('says = "text"', 'wrap = { a = { b = "call.dossier" }, c = ["officer.id", "call.id"] }'), ("call.dossier", "officer.id")),
        (('put = {', 'put = { "header:Unit" = "unit.code", '), ("unit.code",)),
        (("GET /procedures/{maTTHC}", "GET /{unit.id}/{settings.user_name}/{maTTHC}"), ("unit.id",)),
    ],
)  # fmt: skip
def test_a_value_of_the_call_is_part_of_what_is_sent_wherever_it_is_named(
    tmp_path: Path, change: tuple[str, str], alike: tuple[str, ...] | None
) -> None:
    lookup = load_connector(folder(tmp_path, manifest_toml=change)).operations["lookup_procedure"]
    assert lookup.alike == alike


def test_where_a_hook_signs_every_value_it_is_given_may_be_part_of_what_is_sent(tmp_path: Path) -> None:
    place = folder(tmp_path)
    (place / "hooks.py").write_text("def sign(operation, payload, sources): return payload\n", "utf-8")
    assert load_connector(place).operations["lookup_procedure"].alike == PURPOSE_SOURCES


def test_a_value_in_the_address_is_missed_at_the_door(tmp_path: Path) -> None:
    change = ("GET /procedures/{maTTHC}", "GET /{unit.code}/{maTTHC}")
    assert load_connector(folder(tmp_path, manifest_toml=change)).operations["lookup_procedure"].needs == {"unit.code"}
