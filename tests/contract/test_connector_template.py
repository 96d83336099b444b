"""A new connector is a copy of the template: it works as it is, under any name, and changes nothing beside its folder."""

import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from connectors.kit.checks.rules import check_folder
from connectors.kit.registry import find_connectors, load_connector

TEMPLATE = Path(str(files("connectors.kit") / "template"))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(TEMPLATE, tmp_path / "tax_office"))
    readme = folder / "README.md"
    readme.write_text(readme.read_text("utf-8").replace("# An agency to be named", "# Tax office"), "utf-8")
    return folder


def test_a_copy_lacks_nothing_but_a_name(tmp_path: Path) -> None:
    (one,) = check_folder(Path(shutil.copytree(TEMPLATE, tmp_path / "tax_office"))).findings
    assert (one.rule, one.file) == ("readme_tells", "tax_office/README.md")


def test_a_copy_passes_the_checks_and_loads(copied: Path) -> None:
    report = check_folder(copied)
    assert report.passed, str(report)
    connector = load_connector(copied)
    assert connector.name == "tax_office"
    assert list(connector.operations) == ["verify_citizen"]


def test_a_copy_shows_an_agency_that_calls_us(copied: Path) -> None:
    """One notice and one question, each believed by a secret header only."""
    manifest = load_connector(copied).manifest
    assert {name: table.kind for name, table in manifest.notices.items()} == {
        "supplement_received": "notice",
        "receipt_number_asked": "question",
    }
    for table in manifest.notices.values():
        assert table.auth is not None
        assert table.auth.put == {"header:X-Key": "settings.inbound_key"}
    assert manifest.settings["inbound_key"].secret


def test_the_template_is_no_connector_of_the_package() -> None:
    assert set(find_connectors()) >= {"police", "npsp"}
    assert "template" not in find_connectors()


def test_every_line_that_an_author_must_change_is_explained() -> None:
    """Each table of the manifest has a comment above it or behind its keys."""
    lines = (TEMPLATE / "manifest.toml").read_text("utf-8").splitlines()
    for number, line in enumerate(lines):
        if line.startswith("["):
            block = [lines[number - 1]]
            for below in lines[number + 1 :]:
                if not below:
                    break
                block.append(below)
            assert any("#" in one for one in block), line


def test_a_copy_that_is_broken_says_where(copied: Path) -> None:
    mapping = copied / "question.map.toml"
    mapping.write_text(mapping.read_text("utf-8").replace('"full_name"  =', '"ful_name" ='), "utf-8")
    report = check_folder(copied)
    assert not report.passed
    assert "full_name" in str(report)
