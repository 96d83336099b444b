"""`hub reconcile` wants a day compared, also while no hub runs, and says what it cannot compare."""

import json
from pathlib import Path

import pytest
import typer

from hub.cli.reconcile import LINES, _write
from tests.unit.cli.conftest import Hub


def test_a_day_is_wanted_and_waits_for_the_hub(hub: Hub, settings: Path) -> None:
    assert "Last comparisons: none" in hub("reconcile")[1]
    said = hub("reconcile", "npsp", "--day", "2026-03-15", "--file")[1]
    assert "No hub runs: it goes at the next start." in said
    (run,) = json.loads(hub("reconcile", "--json")[1])
    assert (run["agency"], run["day"], run["file"], run["ended_at"]) == ("npsp", "2026-03-15", True, None)
    assert "2026-03-15" in hub("reconcile")[1]


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("police", "--day", "2026-03-15"), 1, "Nothing of this agency can be compared"),
        (("npsp", "--day", "2026-03-15", "--operation", "file_progress"), 1, "file_dossier, update_dossier"),
        (("npsp", "--day", "15/3/2026"), 1, "day"),
        (("npsp",), 2, "--day"),
        (("--file",), 2, "Name the agency"),
    ],
)
def test_words_that_cannot_be_compared_are_told(
    hub: Hub, settings: Path, words: tuple[str, ...], status: int, says: str
) -> None:
    ended, _, errors = hub("reconcile", *words)
    assert ended == status
    assert says in errors


def test_a_file_that_cannot_be_written_is_told_before_anything_is_compared(hub: Hub, settings: Path) -> None:
    status, _, errors = hub("reconcile", "npsp", "--day", "2026-03-15", "--csv", "nowhere/lines.csv")
    assert (status, "cannot be written" in errors) == (1, True)
    assert json.loads(hub("reconcile", "--json")[1]) == []
    assert "cannot be written" in hub("handling", "--csv", "nowhere/counts.csv")[2]


def test_what_a_spreadsheet_would_take_for_a_formula_is_a_text_in_the_table(tmp_path: Path) -> None:
    line = {**dict.fromkeys(LINES), "fields": [], "verdict": "missing", "dossier": "=1+1"}
    _write(tmp_path / "lines.csv", [line])
    assert (tmp_path / "lines.csv").read_text("utf-8").splitlines()[1] == ",'=1+1,missing,,,,"


def test_a_file_that_cannot_be_written_in_the_end_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hours may lie between its beginning and its lines: the disk may be full, or the folder gone."""
    with pytest.raises(typer.Exit):
        _write(tmp_path / "gone/lines.csv", [])
    assert "lines.csv cannot be written" in "".join(capsys.readouterr().err.split("\n"))


def test_a_schedule_that_cannot_be_kept_is_found(hub: Hub, settings: Path) -> None:
    text = settings.read_text("utf-8")
    settings.write_text(text.replace("[agencies.police]\n", '[agencies.police]\nreconcile = "02:30"\n'), "utf-8")
    assert "take `reconcile` out of [agencies.police]" in " ".join(hub("doctor")[1].split())
    settings.write_text(text.replace("[agencies.npsp]\n", '[agencies.npsp]\nreconcile = "2:30"\n'), "utf-8")
    status, _, errors = hub("doctor")
    assert status == 2
    assert "agencies.npsp.reconcile" in errors
