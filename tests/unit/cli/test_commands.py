"""Commands say what they did, what is wrong, and what to do next; never a traceback, never a secret."""

import json
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from connectors.kit.answers import RESULTS
from connectors.kit.registry import find_connectors
from connectors.kit.sandbox.server import Play
from hub.cli.sandbox import _routes_by_settings, invented_route, invented_settings, played_by_name, snippet
from hub.errors import StoreUnavailable
from hub.settings import load_settings
from hub.store.sql_store import SqlRegisters
from tests.unit.cli.conftest import Hub


def test_help_names_every_group(hub: Hub) -> None:
    status, out, _ = hub("--help")
    assert status == 0
    for word in (
        "demo",
        "serve",
        "sandbox",
        "call",
        "check",
        "doctor",
        "backup",
        "lanes",
        "callers",
        "officers",
        "units",
        "calls",
        "doubt",
        "dead",
    ):
        assert f" {word} " in out


def test_without_settings_it_says_what_to_create(hub: Hub) -> None:
    for words in (("serve",), ("doctor",), ("callers", "list"), ("sandbox",)):
        status, _, errors = hub(*words)
        assert status == 2
        assert "hub.toml: is missing; create it" in errors


def test_connectors_are_checked_by_name_and_by_folder(hub: Hub, tmp_path: Path) -> None:
    status, out, _ = hub("check", "police", "npsp", "--json")
    assert (status, json.loads(out)["passed"]) == (0, True)
    broken = tmp_path / "npsp"
    shutil.copytree(find_connectors()["npsp"], broken)
    manifest = broken / "manifest.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("calls_per_second", "calls_per_secnd"), "utf-8")
    status, out, _ = hub("check", str(broken))
    assert status == 1
    assert "did you mean `calls_per_second`?" in out
    status, _, errors = hub("check", "nobody")
    assert status == 1
    assert "police" in errors


def test_a_connector_beside_the_installed_ones_is_known_by_name_where_hub_toml_says_so(
    hub: Hub, tmp_path: Path
) -> None:
    template = find_connectors()["npsp"].parent / "kit/template"
    readme = Path(shutil.copytree(template, tmp_path / "ours/tax_office")) / "README.md"
    readme.write_text(readme.read_text("utf-8").replace("An agency to be named", "Tax office"), "utf-8")
    one = ("call", "tax_office.verify_citizen", "--sample", "ok", "--sandbox")
    assert hub("check", "tax_office")[0] == 1
    (tmp_path / "hub.toml").write_text('[hub]\nconnectors = "ours"\n', "utf-8")
    assert hub("check", "tax_office")[0] == 0
    status, out, _ = hub(*one)
    assert (status, json.loads(out)["result"]) == (0, "ok")
    status, _, errors = hub("sandbox", "tax_offise")
    assert status == 1
    assert "tax_office" in errors


@pytest.mark.parametrize(
    "words",
    [
        ("check", "tax_office"),
        ("sandbox", "tax_office"),
        ("call", "tax_office.verify_citizen", "--sample", "ok", "--sandbox"),
    ],
)
def test_a_connector_beside_the_installed_ones_that_brings_code_is_refused_and_its_code_not_run(
    hub: Hub, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """In the words of `hub serve`, which would refuse it too."""
    shutil.copytree(find_connectors()["npsp"].parent / "kit/template", tmp_path / "ours/tax_office")
    (tmp_path / "hub.toml").write_text('[hub]\nconnectors = "ours"\n', "utf-8")
    (tmp_path / "ours/tax_office/hooks.py").write_text("raise SystemExit(99)\n", "utf-8")
    status, _, errors = hub(*words)
    assert status == 2
    assert "tax_office/hooks.py: hooks come only with installed packages; take hooks.py out" in errors


def test_nothing_is_checked_beside_a_hub_toml_that_is_wrong_and_so_may_name_other_tables(
    hub: Hub, tmp_path: Path
) -> None:
    (tmp_path / "hub.toml").write_text("[hub]\nnonsense = 1\n", "utf-8")
    for words in (("check", "police"), ("check", "tax_office"), ("check", "--tables")):
        status, out, errors = hub(*words)
        assert (status, out) == (2, "")
        assert "hub.nonsense" in errors


def test_rules_and_keys_are_explained(hub: Hub) -> None:
    assert "Calls under way at one moment" in hub("check", "--explain", "calls_at_once")[1]
    assert hub("check", "--explain", "personal_data_declared")[0] == 0
    assert "(mapping, Line): Further places of the same value" in hub("check", "--explain", "also")[1]
    assert "(sample): Values that make the request reproducible" in hub("check", "--explain", "sources")[1]
    assert (
        "its keys: calls_per_second, calls_at_once, call_timeout, request_bytes"
        in hub("check", "--explain", "inbound")[1]
    )
    assert "its keys: kind," not in hub("check", "--explain", "kind")[1]
    assert "unwrap" in hub("check", "--explain", "notices")[1]
    timeouts = hub("check", "--explain", "call_timeout")[1].splitlines()
    assert [line.partition(")")[0] for line in timeouts] == [
        "call_timeout (manifest, Contract",
        "call_timeout (manifest, Inbound",
    ]
    assert "a call that comes in" in timeouts[1]
    status, _, errors = hub("check", "--explain", "personal_data_declard")
    assert status == 1
    assert "Did you mean personal_data_declared" in errors
    assert "mappings/README.md" in hub("check", "--explain", "qqqq")[2]


def test_results_columns_and_models_are_explained(hub: Hub) -> None:
    readme = (find_connectors()["npsp"].parent / "README.md").read_text("utf-8")
    for word, means in RESULTS.items():
        assert means in hub("check", "--explain", word)[1]
        assert f"| `{word}` | {means} |" in readme
    assert "leave it empty" in hub("check", "--explain", "one_way")[1]
    assert "  full_name (required): " in hub("check", "--explain", "Citizen")[1]
    assert "Did you mean Citizen" in hub("check", "--explain", "Citizn")[2]
    assert "in base64: JVBE" in hub("check", "--explain", "file base64")[1]


def test_words_of_the_kit_are_explained_with_those_who_use_them(hub: Hub) -> None:
    lines = hub("check", "--explain", "unpadded 3")[1].splitlines()
    assert lines[0] == "unpadded (converter): ours 07, theirs 7"
    assert "business_register, land_vbdlis" in lines[1]
    assert any(line.startswith("  business_register/seat.map.toml:9 fields.province") for line in lines)
    handshake = hub("check", "--explain", "c06")[1]
    assert "its settings: service_path, user_name, secret_key" in handshake
    assert "police/manifest.toml:" in handshake
    assert "npsp.code_table" not in handshake
    assert "  payment/manifest.toml:" in hub("check", "--explain", "sha256 hex")[1]
    assert "  police/citizen.map.toml:10 fields.sex" in hub("check", "--explain", "sex")[1]
    opened = hub("check", "--explain", "base64 xml")[1]
    assert opened.startswith("base64 xml (way into a text)\n")
    assert "  axis_legacy/received_message.map.toml:27 fixed." in opened
    assert "unpadded" in hub("check", "--explain", "unpaded")[2]


def test_a_call_by_hand_asks_the_connector_that_hub_toml_names_for_the_agency(hub: Hub, tmp_path: Path) -> None:
    entry = '[agencies.police]\nconnector = "department"\nbase_url = "https://department.example"\n'
    (tmp_path / "hub.toml").write_text(entry, "utf-8")
    assert "police has no operation lookup_citizen" in hub("call", "police.lookup_citizen", "--dry-run")[2]


def test_a_dry_run_shows_the_payload_masked_and_sends_nothing(hub: Hub) -> None:
    status, out, _ = hub("call", "police.lookup_citizen", "--sample", "found", "--dry-run")
    shown = json.loads(out)
    assert (status, shown["call"]) == (0, "TraCuuThongTinCongDan")
    assert "•••" in shown["payload"]
    assert "000085000001" not in out
    assert "Authorization" in shown["headers"]
    assert "sandbox-secret-key" not in out


def test_a_call_by_hand_in_the_sandbox_shows_its_answer(hub: Hub) -> None:
    status, out, _ = hub("call", "police.lookup_citizen", "--sample", "found", "--sandbox")
    told = json.loads(out)
    assert (status, told["result"], told["value"]["full_name"]) == (0, "ok", "NGUYỄN VĂN ĐÁ")
    request = {"citizen_id": "000085000999", "full_name": "Không Có Ai", "born_on": "1985-03-15"}
    status, out, _ = hub("call", "police.lookup_citizen", "--data", json.dumps(request), "--sandbox")
    assert (status, json.loads(out)["result"]) == (0, "not_found")


def test_a_call_by_hand_says_what_cannot_be_written_and_sends_nothing(hub: Hub) -> None:
    folder = find_connectors()["land_vbdlis"] / "samples/file_dossier.ok"
    request = json.loads((folder / "request.canonical.json").read_text("utf-8"))
    request["land"]["location"] = {"province": "56", "old_district": "568", "commune": "22435"}  # it was divided
    for way in ("--sandbox", "--dry-run"):
        status, out, errors = hub("call", "land_vbdlis.file_dossier", "--data", json.dumps(request), way)
        assert (status, out) == (1, "")
        assert "land.location.commune: has ended" in errors
        assert "give the commune of today" in errors


def test_a_file_of_a_sample_goes_into_a_call_in_the_sandbox_and_another_is_told_plainly(hub: Hub) -> None:
    words = ("call", "land_vbdlis.file_dossier", "--sandbox")
    status, out, _ = hub(*words, "--sample", "ok")
    assert (status, json.loads(out)["result"]) == (0, "ok")
    sample = find_connectors()["land_vbdlis"] / "samples" / "file_dossier.ok" / "request.canonical.json"
    other = re.sub("[0-9a-f]{64}", "0" * 64, sample.read_text("utf-8"))
    status, _, errors = hub(*words, "--data", other)
    assert status == 1
    assert "send a --sample that holds its files" in errors


def test_a_session_that_is_over_is_renewed_in_the_sandbox_and_the_call_says_so(hub: Hub) -> None:
    for case, renewed in (("expired", True), ("ok", False)):
        status, out, _ = hub("call", "npsp.lookup_dossier", "--sandbox", "--sample", case)
        assert status == 0
        assert ("logs in again, once" in out) is renewed


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("call", "police"), "write agency.operation"),
        (("call", "nobody.lookup_citizen", "--sandbox", "--config", "hub.toml"), "is missing; create it"),
        (("call", "police.lookup_nothing"), "it has lookup_citizen, verify_citizen"),
        (("call", "land_vbdlis.dossier_progressed"), "POST /tell/land_vbdlis"),
        (("call", "police.lookup_citizen", "--sample", "none"), "it has"),
        (("call", "police.lookup_citizen", "--data", "@none.json"), "cannot be read"),
        (("call", "police.lookup_citizen", "--data", '{"citizen_id": "SECRET", "born": 1}', "--sandbox"), "citizen_id"),
        (("call", "police.lookup_citizen", "--sample", "found"), "HUB_KEY"),
        (("sandbox", "nobody"), "no such connector"),
        (("sandbox", "tax_dossiers=nobody"), "nobody: no such connector"),
        (("sandbox", "Tax=department"), "no name for an agency"),
        (("sandbox", "tax_dossiers=department", "tax_dossiers=npsp"), "two agencies have one name"),
        (("sandbox", "--route", "lgsp"), "name the agencies behind the gateway"),
        (("sandbox", "--route", "LG SP", "police"), "is no name for a route"),
        (("sandbox", "--route", "police", "police"), "is no name for a route"),
        (("sandbox", "--route", "x", "--kind", "vdxp", "police"), "is no kind of gateway; take one of lgsp, ndxp"),
        (("sandbox", "--route", "x", "--kind", "xroad_rest", "police"), "police does not speak rest"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(hub: Hub, words: tuple[str, ...], says: str) -> None:
    status, out, errors = hub(*words)
    assert status != 0
    assert says in errors
    assert "SECRET" not in out + errors


def test_the_lines_a_sandbox_prints_are_settings(hub: Hub, settings: Path) -> None:
    read = load_settings({}, settings)
    assert set(read.agencies) == set(find_connectors())


def test_the_lines_of_a_sandbox_behind_an_lgsp_are_settings(hub: Hub, tmp_path: Path) -> None:
    plays = [
        Play(name, folder, invented_settings(folder), base_url=f"http://127.0.0.1:1/{name}")
        for name, folder in find_connectors().items()
    ]
    route = invented_route("lgsp", plays)
    route.base_url = "http://127.0.0.1:1"
    file = tmp_path / "hub.toml"
    nobody = '[hub]\nadmin = "127.0.0.1:1"\n'  # else it would ask whatever hub runs on this machine
    file.write_text(nobody + snippet(plays, [route]), "utf-8")
    read = load_settings({}, file)
    assert {entry.route for entry in read.agencies.values()} == {"lgsp"}
    shown = hub("doctor", "--json")[1]
    told = json.loads(shown)
    assert told["findings"] == []
    assert told["settings"]["routes"]["lgsp"]["token_header"] == "LGSP-Authorization", (
        "police writes Authorization itself"
    )
    assert "sandbox-secret" not in shown


def test_several_agencies_of_one_connector_are_played_apart_and_checked_by_their_names(
    hub: Hub, tmp_path: Path
) -> None:
    plays = played_by_name(["department_justice=department", "tax_dossiers=department"])
    route = invented_route("lgsp", plays)
    route.base_url = "http://127.0.0.1:1"
    for play in plays:
        play.base_url = f"{route.base_url}/{play.name}"
    (tmp_path / "hub.toml").write_text(f'[hub]\nadmin = "127.0.0.1:1"\n{snippet(plays, [route])}', "utf-8")
    read = load_settings({}, tmp_path / "hub.toml").agencies
    assert {name: (entry.connector, entry.route) for name, entry in read.items()} == dict.fromkeys(
        ("department_justice", "tax_dossiers"), ("department", "lgsp")
    )
    own = [play.settings["security_key"] for play in plays]
    assert len(set(own)) == 2, "what one shows to be believed does not make the other believed"
    assert "lookup_path" not in snippet(plays), "a default needs no line"
    assert json.loads(hub("doctor", "--json")[1])["findings"] == []
    status, out, _ = hub("check", "tax_dossiers", "department_justice")
    assert (status, out.count("department:")) == (0, 1), "both are of one connector, which is checked once"


@pytest.mark.parametrize(
    ("kind", "names"), [("ndxp", ("police", "npsp")), ("xroad_rest", ("npsp",)), ("xroad_soap", ("police",))]
)
def test_the_lines_of_a_sandbox_behind_another_gateway_are_settings(
    hub: Hub, tmp_path: Path, kind: str, names: tuple[str, ...]
) -> None:
    plays = [
        Play(name, find_connectors()[name], invented_settings(find_connectors()[name]), base_url="http://127.0.0.1:1")
        for name in names
    ]
    route = invented_route("road", plays, kind)
    route.base_url = "http://127.0.0.1:1"
    file = tmp_path / "hub.toml"
    file.write_text('[hub]\nadmin = "127.0.0.1:1"\n' + snippet(plays, [route]), "utf-8")
    assert load_settings({}, file).routes["road"].kind == kind
    shown = hub("doctor", "--json")[1]
    assert json.loads(shown)["findings"] == []
    assert "sandbox-secret" not in shown
    assert "sandbox-api-key" not in shown
    again = _routes_by_settings(load_settings({}, file), [])
    assert [(one.kind, one.client, one.services, one.headers) for one in again] == [
        (kind, route.client, route.services, route.headers)
    ], "a sandbox that is started by hub.toml is the same"


def test_registers_are_kept_in_the_store_when_no_hub_runs(hub: Hub, settings: Path, tmp_path: Path) -> None:
    status, out, errors = hub(
        "callers", "add", "one-stop", "--agencies", "police,npsp.file_dossier", "--top-class", "counter",
        "--calls-per-minute", "300", "--json",
    )  # fmt: skip
    assert status == 0, errors
    key = json.loads(out)["key"]
    status, out, _ = hub("callers", "list", "--json")
    (listed,) = json.loads(out)
    assert (listed["allowed"], listed["top_class"], listed["enabled"], listed["calls_per_minute"]) == (
        ["police", "npsp.file_dossier"],
        "counter",
        True,
        300,
    )
    assert key not in out
    assert "90 calls a minute" in hub("callers", "quota", "one-stop", "90")[1]
    assert json.loads(hub("callers", "list", "--json")[1])[0]["calls_per_minute"] == 90
    status, _, errors = hub("callers", "quota", "nobody", "90")
    assert status == 1
    assert "hub callers list" in errors
    status, _, errors = hub("callers", "quota", "one-stop", "0")
    assert status == 1
    assert "/calls_per_minute: is from 1 to 1000000" in errors
    (tmp_path / "units.csv").write_text(
        "unit,valid_from,valid_to,agency,code\nH32,2020-01-01,,npsp,000.00.14.H32\n", "utf-8"
    )
    (tmp_path / "officers.csv").write_text(
        "officer,unit,valid_from,valid_to,agency,account\ncb-1,H32,2020-01-01,,police,000080000099\n", "utf-8"
    )
    assert hub("units", "import", "units.csv")[1] == "1 line is now the register of units.\n"
    assert hub("officers", "import", "officers.csv")[1] == "1 line is now the register of officers.\n"
    assert "000.00.14.H32" in hub("units", "list")[1]
    out = hub("officers", "list")[1]
    assert "cb-1" in out
    assert "000080000099" not in out
    assert hub("calls", "list", "--json")[1] == "[]\n"
    assert hub("callers", "revoke", "one-stop")[0] == 0
    status, _, errors = hub("callers", "revoke", "one-stop")
    assert status == 1
    assert "hub callers list" in errors


def test_faults_of_registers_are_told_all_at_once(hub: Hub, settings: Path, tmp_path: Path) -> None:
    status, _, errors = hub("callers", "add", "One Stop", "--agencies", "nobody")
    assert status == 1
    assert "/name: " in errors
    assert "/allowed/0: " in errors
    (tmp_path / "units.csv").write_text("unit,code\n", "utf-8")
    status, _, errors = hub("units", "import", "units.csv")
    assert status == 1
    assert "lacks the columns" in errors
    assert hub("units", "import", "none.csv")[0] == 1
    status, _, errors = hub("calls", "show", "01990a5e-8c1b-7cc3-98c4-dc0c0c07398f")
    assert status == 1
    assert "There is no such call" in errors


def test_store_and_admin_key_are_for_the_user_of_the_hub_only(hub: Hub, settings: Path, tmp_path: Path) -> None:
    hub("callers", "list")
    for name in ("hub.db", "hub.db.admin-key"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_the_doctor_shows_settings_masked_and_finds_what_is_missing(hub: Hub, settings: Path) -> None:
    status, out, _ = hub("doctor", "--json")
    told = json.loads(out)
    assert (status, told["findings"], told["hub"]) == (0, [], "not running")
    assert told["settings"]["agencies"]["police"]["secret_key"] == "***"
    assert told["settings"]["agencies"]["police"]["service_code"] == "sandbox-service-code"
    text = settings.read_text("utf-8").replace('"sandbox-secret-key"', '"env:NOT_SET_ANYWHERE"')
    settings.write_text(text + '[agencies.customs]\nbase_url = "https://customs.example"\n', "utf-8")
    status, out, _ = hub("doctor")
    assert status == 1
    assert "NOT_SET_ANYWHERE is not set" in out
    assert "`customs` is no connector" in out


def test_the_doctor_says_how_large_the_store_is_and_what_is_wrong_with_it(
    hub: Hub, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = json.loads(hub("doctor", "--json")[1])["store"]
    assert 10_000 < told["store_bytes"] < told["store_most_bytes"]
    assert told["store_trouble"] == ""
    assert "bytes that it may" in hub("doctor")[1]
    monkeypatch.setenv("HUB__HUB__STORE_BYTES", "1000")
    status, out, _ = hub("doctor", "--json")
    (finding,) = json.loads(out)["findings"]
    assert (status, finding["where"]) == (1, "store")
    assert finding["says"].startswith("full: ")


def test_the_doctor_says_of_a_copy_how_it_is_served_first(
    hub: Hub, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hub("units", "list")[0] == 0  # makes the store
    moment = json.loads(hub("backup", "copy.db", "--json")[1])["moment"]
    assert json.loads(hub("doctor", "--json")[1])["findings"] == []
    monkeypatch.setenv("HUB__HUB__STORE", "sqlite:///copy.db")
    status, out, _ = hub("doctor", "--json")
    (finding,) = json.loads(out)["findings"]
    assert (status, finding["since"][:19], finding["where"]) == (1, moment[:19], "store")
    assert f"hub serve --after-restore {moment}" in finding["do"]


def test_a_store_that_takes_nothing_is_told_as_an_operator_needs_it(
    hub: Hub, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sick(*_: object) -> None:
        raise StoreUnavailable("database or disk is full", retry_after=5.0)

    assert hub("callers", "add", "one-stop", "--agencies", "*")[0] == 0
    monkeypatch.setattr(SqlRegisters, "put_caller", sick)
    status, _, errors = hub("callers", "quota", "one-stop", "90")
    assert status == 1
    assert errors.startswith("database or disk is full. The store takes no records just now, so nothing was done.")
    assert "Retry-After" not in errors, "that is for callers"


def test_a_backup_is_on_record_in_the_store_that_was_copied_and_takes_no_file_s_place(
    hub: Hub, settings: Path, tmp_path: Path
) -> None:
    assert hub("units", "list")[0] == 0  # makes the store
    status, out, errors = hub("backup", "copy.db", "--json")
    assert status == 0, errors
    made = json.loads(out)
    connection = sqlite3.connect(tmp_path / "hub.db")
    ((event, who, detail),) = connection.execute("SELECT event, caller, detail FROM journal").fetchall()
    connection.close()
    assert (event, who) == ("backed_up", "operator")
    assert made["sha256"] in detail
    assert made["moment"] in detail
    for words, says in ((("copy.db",), "not overwritten"), (("nowhere/copy.db",), "cannot be written")):
        status, _, errors = hub("backup", *words)
        assert status == 1
        assert says in errors
    assert "hub serve --after-restore" in hub("backup", "second.db")[1]
