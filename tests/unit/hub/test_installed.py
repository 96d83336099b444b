"""Settings become agencies, or every reason why not is told at once."""

import shutil
import time
from pathlib import Path

import pytest

from connectors.kit.registry import find_connectors
from hub.app.installed import install, plain_settings
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
