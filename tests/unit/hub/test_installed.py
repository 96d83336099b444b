"""Settings become agencies, or every reason why not is told at once."""

import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from connectors.kit.http import HttpSender
from connectors.kit.registry import find_connectors
from hub.app.installed import install, plain_settings
from hub.app.polls import polls_of, unscheduled
from hub.settings import Settings, load_settings
from mappings.errors import FilesRefused

POLICE = """
[agencies.police]
base_url = "https://police.example"
service_code = "DVC"
user_name = "centre"
secret_key = "env:C06_SECRET"
service_path = "/path"
"""


def read(folder: Path, text: str) -> Settings:
    (folder / "hub.toml").write_text(text, "utf-8")
    return load_settings({}, folder / "hub.toml")


def faults(folder: Path, text: str, **environ: str) -> str:
    with pytest.raises(FilesRefused) as refused:
        install(read(folder, text), environ, time.time)
    return str(refused.value)


async def test_an_agency_is_bound_with_its_contract_lowered_and_references_followed(tmp_path: Path) -> None:
    installed = install(
        read(tmp_path, POLICE + "[agencies.police.contract]\ncalls_per_second = 2\n"),
        {"C06_SECRET": "s3cret"},
        time.time,
    )
    police = installed["police"]
    assert (police.contract.calls_per_second, police.contract.calls_at_once) == (2.0, 8)
    assert police.settings["secret_key"] == "s3cret"
    assert "lookup_citizen" in police.agency.operations
    assert "secret_key" not in plain_settings(installed)["police"]
    await police.agency.close()


async def test_two_agencies_may_be_of_one_kind(tmp_path: Path) -> None:
    second = POLICE.replace("[agencies.police]", '[agencies.police_two]\nconnector = "police"')
    installed = install(read(tmp_path, POLICE + second), {"C06_SECRET": "s"}, time.time)
    assert [one.connector.name for one in installed.values()] == ["police", "police"]
    for one in installed.values():
        await one.agency.close()


def beside(folder: Path, name: str) -> str:
    """Lay a copy of the police connector beside hub.toml as *name*; return a hub.toml that takes it."""
    shutil.copytree(find_connectors()["police"], folder / "own" / name)
    return '[hub]\nconnectors = "own"\n' + POLICE.replace(
        "[agencies.police]", f'[agencies.police]\nconnector = "{name}"'
    )


async def test_code_tables_that_a_province_completed_stand_in_for_the_shared_ones(tmp_path: Path) -> None:
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "communes.csv").write_text("ours,theirs\n99999,99.99999,surplus\n", "utf-8")
    settings = '[hub]\ncodes = "codes"\n' + POLICE
    assert "codes/communes.csv [line 2]: has 3 cells" in faults(tmp_path, settings, C06_SECRET="s")
    (tmp_path / "codes" / "communes.csv").write_text("ours,theirs\n99999,99.99999\n", "utf-8")
    installed = install(read(tmp_path, settings), {"C06_SECRET": "s"}, time.time)
    await installed["police"].agency.close()
    assert "`nowhere` is no folder" in faults(tmp_path, settings.replace('"codes"', '"nowhere"'), C06_SECRET="s")


async def test_a_connector_may_lie_beside_the_installed_ones(tmp_path: Path) -> None:
    installed = install(read(tmp_path, beside(tmp_path, "police_lab")), {"C06_SECRET": "s"}, time.time)
    assert installed["police"].connector.folder == tmp_path / "own" / "police_lab"
    await installed["police"].agency.close()


async def test_an_installed_connector_is_never_replaced_by_one_beside_it(tmp_path: Path) -> None:
    installed = install(read(tmp_path, beside(tmp_path, "police")), {"C06_SECRET": "s"}, time.time)
    assert installed["police"].connector.folder == find_connectors()["police"]
    await installed["police"].agency.close()


def test_a_connector_beside_them_is_data_and_brings_no_code(tmp_path: Path) -> None:
    text = beside(tmp_path, "police_lab")
    (tmp_path / "own/police_lab/hooks.py").write_text("raise SystemExit\n", "utf-8")
    assert "hooks come only with installed packages" in faults(tmp_path, text, C06_SECRET="s")


def test_a_folder_of_connectors_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "hub.connectors" in faults(tmp_path, '[hub]\nconnectors = "none"\n' + POLICE, C06_SECRET="s")


LGSP = """
[routes.lgsp]
kind = "lgsp"
token_url = "https://lgsp.example/token"
consumer_key = "centre"
consumer_secret = "env:LGSP_SECRET"
token_header = "LGSP-Authorization"
contract = { calls_per_second = 30, calls_at_once = 20 }
"""
NPSP = """
[agencies.npsp]
route = "lgsp"
base_url = "https://lgsp.example/npsp"
user_name = "centre"
password = "x"
"""
SECRETS = {"C06_SECRET": "s", "LGSP_SECRET": "hush"}


async def test_agencies_of_one_gateway_share_its_route_and_each_has_connections_of_its_own(tmp_path: Path) -> None:
    behind = POLICE.replace("base_url", 'route = "lgsp"\nbase_url')
    installed = install(read(tmp_path, LGSP + behind + NPSP), SECRETS, time.time)
    police, npsp = installed["police"], installed["npsp"]
    assert police.route is npsp.route is not None
    assert (police.route.name, police.route.kind) == ("lgsp", "lgsp")
    assert police.route.bearer is not None
    assert police.route.bearer.header == "LGSP-Authorization"
    assert police.agency._sender is not npsp.agency._sender
    assert police.agency._sender is not police.route.tokens
    for one in installed.values():
        await one.agency.close()


async def test_an_agency_without_a_route_wears_no_token(tmp_path: Path) -> None:
    installed = install(read(tmp_path, LGSP + POLICE), SECRETS, time.time)
    assert installed["police"].route is None
    assert isinstance(installed["police"].agency._sender, HttpSender)
    await installed["police"].agency.close()


def test_a_token_never_takes_the_header_of_an_agencys_own_credentials(tmp_path: Path) -> None:
    behind = POLICE.replace("base_url", 'route = "lgsp"\nbase_url')
    said = faults(tmp_path, LGSP.replace('token_header = "LGSP-Authorization"', "") + behind, **SECRETS)
    assert said == (
        "hub.toml [routes.lgsp.token_header]: `Authorization` is written by the connector of agency `police` too; "
        "set token_header to another one, in which the gateway looks for the token"
    )
    told = NPSP + 'destination = "portal"\n'  # without it the header is not written, and free for the token
    said = faults(tmp_path, LGSP.replace("LGSP-Authorization", "DstCode") + told, **SECRETS)
    assert "`DstCode` is written by the connector of agency `npsp` too" in said


XROAD = """
[routes.x]
kind = "xroad_soap"
client = "VN/GOV/000.00.00.H32/mot-cua"
contract = { calls_per_second = 30, calls_at_once = 20 }
"""
SERVICE = 'xroad_service = "VN/GOV/G01/dan-cu/*"\n'


def over_xroad(more: str = SERVICE) -> str:
    return POLICE.replace("base_url", f'route = "x"\n{more}base_url')


async def test_over_x_road_two_officers_who_ask_the_same_are_two_exchanges(tmp_path: Path) -> None:
    """The road says who asks, whatever the mapping sends; else the agency's audit would lose one."""
    installed = install(read(tmp_path, XROAD + over_xroad()), SECRETS, time.time)
    alike = installed["police"].agency.operations["lookup_citizen"].alike
    assert alike is not None
    assert {"officer.account", "officer.id", "call.dossier"} <= set(alike)
    assert "call.dossier" not in (installed["police"].connector.operations["lookup_citizen"].alike or ())
    await installed["police"].agency.close()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (over_xroad(""), "[agencies.police.xroad_service]: is missing; write the id of its service, which lookup_citizen"),
        (
            over_xroad('xroad_services = { lookup_citizn = "VN/GOV/G01/dan-cu/x" }\n' + SERVICE),
            "[agencies.police.xroad_services.lookup_citizn]: is no operation of connector `police`; did you mean `lookup_citizen`?",
        ),
        (over_xroad('ndxp_destination = "G01"\n' + SERVICE), "[agencies.police.ndxp_destination]: has a meaning over a route of ndxp only"),
        (POLICE + SERVICE, "[agencies.police.xroad_service]: has a meaning over a route of X-Road only"),
    ],
)  # fmt: skip
def test_what_a_road_needs_of_an_agency_is_told_by_its_key(tmp_path: Path, text: str, says: str) -> None:
    assert says in faults(tmp_path, XROAD + text, **SECRETS)


def test_a_road_of_another_protocol_is_refused(tmp_path: Path) -> None:
    said = faults(tmp_path, XROAD.replace("xroad_soap", "xroad_rest") + over_xroad(), **SECRETS)
    assert "[agencies.police.route]: has kind `xroad_rest`, and connector `police` speaks soap" in said
    assert "[agencies.police.xroad_service]: has `*` or a version, which only SOAP knows" in said


def test_a_header_is_written_by_the_road_or_by_the_connector(tmp_path: Path) -> None:
    ndxp = LGSP.replace('kind = "lgsp"', 'kind = "ndxp"\nx_road_client = "VN/GOV/H32/mot-cua"')
    behind = POLICE.replace("base_url", 'route = "lgsp"\nx_road_client = "VN/GOV/H32/b"\nbase_url')
    assert "writes the header `x-road-client`, as its connector does" in faults(tmp_path, ndxp + behind, **SECRETS)


def test_faults_of_routes_and_agencies_are_told_together(tmp_path: Path) -> None:
    said = faults(
        tmp_path, LGSP.replace("contract", 'ca_file = "none.pem"\ncontract') + NPSP.replace("password", "pasword")
    )
    for part in (
        "[routes.lgsp.consumer_secret]: the variable LGSP_SECRET is not set",
        "[routes.lgsp.ca_file]: cannot be read as PEM",
        "[agencies.npsp.pasword]: is no setting of connector `npsp`",
    ):
        assert part in said, said


def test_a_setting_that_a_handshake_does_not_know_is_told_at_the_start(tmp_path: Path) -> None:
    behind = POLICE.replace("base_url", 'route = "lgsp"\ntimestamp_unit = "m"\nbase_url')
    assert "[agencies.police.timestamp_unit]: is neither" in faults(tmp_path, LGSP + behind, **SECRETS)


def test_every_fault_of_every_agency_is_told_at_once(tmp_path: Path) -> None:
    text = (
        POLICE.replace('user_name = "centre"', 'user_nam = "centre"')
        + "[agencies.police.contract]\ncalls_per_second = 9999\n"
    )
    text += '[agencies.polise]\nbase_url = "https://x.example"\n[agencies.npsp]\nbase_url = "https://n.example"\nca_file = "none.pem"\n'
    said = faults(tmp_path, text)
    for part in (
        "[agencies.police.secret_key]: the variable C06_SECRET is not set",
        "[agencies.police.user_nam]: is no setting of connector `police`; did you mean `user_name`?",
        "[agencies.police.contract.calls_per_second]: is above",
        "[agencies.polise.connector]: `polise` is no connector; did you mean `police`?",
        "[agencies.npsp.ca_file]: cannot be read as PEM",
        "[agencies.npsp.password]: is missing",
    ):
        assert part in said, said


ALONE = NPSP.replace('route = "lgsp"\n', "")


async def test_what_is_fetched_for_a_unit_waits_until_the_agencys_entry_names_one(tmp_path: Path) -> None:
    settings = read(tmp_path, ALONE)
    installed = install(settings, {}, time.time)
    lanes = {"npsp": cast(Any, SimpleNamespace(name="npsp"))}
    assert polls_of(installed, lanes, settings) == []
    (finding,) = unscheduled(installed, settings)
    assert finding.where == "polls of npsp"
    assert "question_asked" in finding.says
    assert "[agencies.npsp]: scheduled_as = " in finding.do
    await installed["npsp"].agency.close()


async def test_what_is_fetched_is_asked_for_on_behalf_of_whom_the_entry_names(tmp_path: Path) -> None:
    settings = read(tmp_path, ALONE + 'scheduled_as = { officer = "hub-duty", unit = "H32" }\n')
    installed = install(settings, {}, time.time)
    (poll,) = polls_of(installed, {"npsp": cast(Any, SimpleNamespace(name="npsp"))}, settings)
    assert (poll.key, poll.officer, poll.unit) == (("npsp", "question_asked"), "hub-duty", "H32")
    assert unscheduled(installed, settings) == []
    await installed["npsp"].agency.close()
