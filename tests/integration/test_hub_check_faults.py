"""`hub check` is content with both connectors, and says what to do about each of ten faults planted in copies of them."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.kit.registry import find_connectors
from hub.cli.main import program


def check(*words: str) -> tuple[int, str]:
    """Run `hub check` with *words*; return its exit status and what it printed, on one line."""
    ran = CliRunner().invoke(program(), ["check", *words], env={"COLUMNS": "400"})
    return ran.exit_code, " ".join((ran.output + str(ran.exception or "")).split())


def test_both_connectors_pass() -> None:
    status, told = check()
    assert status == 0, told
    assert "police" in told
    assert "npsp" in told


# what is planted: connector, file, text that stands there, what it becomes, words that the message must have
FAULTS = {
    "unknown key": ("police", "manifest.toml", "calls_at_once ", "calls_at_onse ", ["manifest.toml", "calls_at_onse", "calls_at_once"]),
    "missing bound": ("npsp", "manifest.toml", "backlog_calls    = 100_000", "#", ["manifest.toml", "contract.backlog_calls"]),
    "field mapped nowhere": ("npsp", "dossier.map.toml", '"summary" ', '"summry" ', ["dossier.map.toml", "summary"]),
    "place mapped nowhere": ("police", "citizen.map.toml", '"household_book"', '# "household_book"', ["SoSoHoKhau"]),
    "overlapping answer rows": ("npsp", "answers.csv", "lookup_dossier,", "lookup_dossier,200,,,not_found,,,\nlookup_dossier,", ["answers.csv"]),
    "unreadable code table": ("npsp", "codes/dossier_status.csv", "ours,theirs", "ours;theirs", ["dossier_status.csv"]),
    "many-to-one unmarked": ("npsp", "codes/dossier_status.csv", "received,2", "received,1", ["dossier_status.csv", "one_way"]),
    "follow-up without operation": ("npsp", "manifest.toml", 'exists = "update_dossier"', 'exists = "update_dosier"', ["update_dosier", "update_dossier"]),
    "unknown converter": ("police", "citizen_query.map.toml", '"upper name"', '"uper name"', ["citizen_query.map.toml", "upper name"]),
    "sample of a real province": ("police", "samples/lookup_citizen.found/request.canonical.json", "000085000001", "056085000001", ["lookup_citizen.found", "000"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_told_with_what_to_do(fault: str, tmp_path: Path) -> None:
    connector, file, stands, planted, words = FAULTS[fault]
    folder = tmp_path / connector
    shutil.copytree(find_connectors()[connector], folder)
    text = (folder / file).read_text("utf-8")
    assert stands in text, f"nothing to plant in: {stands!r}"
    (folder / file).write_text(text.replace(stands, planted, 1), "utf-8")
    status, told = check(str(folder))
    assert status == 1, told
    for word in words:
        assert word in told, told
