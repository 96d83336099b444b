"""The rules on what samples show find a result that no sample has, and an operation or notice without a drifted one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.kit.checks.findings import Finding
from connectors.kit.checks.rules import check_folder

Spoil = Callable[[Path, str, str, str], None]


def found(folder: Path, rule: str) -> list[Finding]:
    return [finding for finding in check_folder(folder).findings if finding.rule == rule]


def add_row(folder: Path, row: str) -> None:
    file = folder / "answers.csv"
    file.write_text(f"{file.read_text('utf-8')}{row}\n", "utf-8")


def test_a_result_that_no_sample_shows_is_found_for_each_operation(small: Path) -> None:
    add_row(small, ",200,401,,login,,,")
    findings = found(small, "results_shown")
    assert [finding.key for finding in findings] == ["operations.file_step", "operations.find_step"]
    assert all("means `login`" in finding.says for finding in findings)


def test_a_row_of_one_operation_asks_for_a_sample_of_that_one_only(small: Path) -> None:
    add_row(small, "find_step,200,8,,pending,,,")
    assert [finding.key for finding in found(small, "results_shown")] == ["operations.find_step"]


def test_a_row_that_another_of_the_operation_itself_hides_needs_no_sample(small: Path) -> None:
    add_row(small, ",200,7,,pending,,,")
    for operation in ("find_step", "file_step"):
        add_row(small, f"{operation},200,7,,refused,tiny.no,Không,No")
    assert found(small, "results_shown") == []


@pytest.mark.parametrize(
    ("row", "missing"),
    [(",200,X1,,busy,,,", 0), (",503,,chờ,busy,,,", 0), (",503,,,busy,,,", 1), (",200,900800,,busy,,,", 1)],
)
def test_a_row_needs_a_sample_where_its_code_and_text_have_a_place_or_come_in_a_fault(
    small: Path, spoil: Spoil, row: str, missing: int
) -> None:
    """Without `code` and `says` a reply shows its status, and what a gateway says in its own envelope."""
    spoil(small, "manifest.toml", '["payload"] }\ncode     = "error_code"\nsays     = "message"\n', '["payload"] }\n')
    spoil(
        small, "answers.csv", ",200,0,,ok,,,\n,200,9", "file_step,200,,,ok,,,\nfind_step,200,0,,ok,,,\nfind_step,200,9"
    )
    add_row(small, f"file_step{row}")
    assert found(small, "readable") == found(small, "loads") == []
    assert len([finding for finding in found(small, "results_shown") if "`busy`" in finding.says]) == missing


def test_a_fault_of_an_envelope_has_a_code_without_any_place(small_soap: Path) -> None:
    add_row(small_soap, ",500,Server,,in_doubt,,,")
    assert [finding.key for finding in found(small_soap, "results_shown")] == ["operations.ask_citizen"]


def test_an_operation_without_a_drifted_sample_is_found(small: Path) -> None:
    shutil.rmtree(small / "samples/file_step.drifted")
    (finding,) = found(small, "drift_shown")
    assert finding.key == "operations.file_step"
    assert "samples/file_step.drifted/" in finding.says


def test_a_drifted_sample_that_is_understood_shows_no_drift(small: Path, spoil: Spoil) -> None:
    spoil(small, "samples/file_step.drifted/sample.toml", "broken", "ok")
    (finding,) = found(small, "drift_shown")
    assert finding.file == "small/samples/file_step.drifted/sample.toml"
