"""A connector says whether its agency still has districts, and what it writes is as it says."""

import shutil
from pathlib import Path

import pytest

from connectors.kit.checks.rules import check_folder
from connectors.kit.registry import find_connectors

DISTRICT = '"land.location.old_district" = { at = "HuyenId", as = "unpadded 3", absent = "omitted" }\n'


@pytest.fixture
def land(tmp_path: Path) -> Path:
    return Path(shutil.copytree(find_connectors()["land_vbdlis"], tmp_path / "land_vbdlis"))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def found(folder: Path) -> list[tuple[str, str, str]]:
    return [(one.file, one.key, one.says) for one in check_folder(folder).findings if one.rule == "addresses_said"]


def test_a_mapping_with_an_address_needs_the_key(land: Path) -> None:
    edit(land / "manifest.toml", 'addresses = "two_level"', "")
    ((file, key, says),) = found(land)
    assert (file, key) == ("land_vbdlis/manifest.toml", "connector.addresses")
    assert "mapping `dossier` holds an address" in says


def test_an_agency_without_districts_is_written_none(land: Path) -> None:
    mapping = land / "dossier.map.toml"
    edit(mapping, '"land.location.commune" ', DISTRICT + '"land.location.commune" ')
    edit(mapping, '"HuyenId" = ', '"Huyen" = ')
    lines = [line for line in mapping.read_text("utf-8").splitlines() if "were abolished" not in line]
    mapping.write_text("\n".join(lines), "utf-8")
    ((file, key, says),) = found(land)
    assert (file, key) == ("land_vbdlis/dossier.map.toml", "fields.land.location.old_district")
    assert "withhold it" in says


def test_an_agency_with_districts_is_written_one_beside_the_commune(land: Path) -> None:
    edit(land / "manifest.toml", '"two_level"', '"three_level"')
    ((_, key, says),) = found(land)
    assert key == "fields.land.location.old_district"
    assert "give it a line" in says


def test_a_form_that_comes_and_goes_by_one_table_may_have_a_district() -> None:
    linked = find_connectors()["civil_status"]
    assert '"old_district" = "maHuyen"' in (linked / "residence.map.toml").read_text("utf-8")
    assert found(linked) == []
