"""What an agency's words mean, and what an author hears about `answers.csv`."""

from pathlib import Path

import pytest

from connectors.kit.answers import COLUMNS, CodeRule, Judge, Signs, load_answers
from mappings.errors import FilesRefused

OPERATIONS: dict[str, CodeRule] = {"file_dossier": "text", "lookup_dossier": "text", "file_fee": "integer text"}
WORDS = "reason,Không nhận,Not taken"


def judges(folder: Path, *lines: str) -> dict[str, Judge]:
    (folder / "answers.csv").write_text("\n".join([",".join(COLUMNS), *lines]), "utf-8")
    return dict(load_answers(folder, OPERATIONS))


def faults(folder: Path, *lines: str) -> list[str]:
    with pytest.raises(FilesRefused) as refused:
        judges(folder, *lines)
    return [f"{fault.key}: {fault.says}" for fault in refused.value.faults]


def result(judge: Judge, signs: Signs) -> str | None:
    row = judge.row_for(signs)
    return row.result if row else None


def test_no_row_is_no_verdict(tmp_path: Path) -> None:
    judge = judges(tmp_path, "file_dossier,,0,,ok,,,")["file_dossier"]
    assert result(judge, Signs(200, "0")) == "ok"
    assert result(judge, Signs(200, "1")) is None
    assert result(judge, Signs(200)) is None


def test_without_a_file_nothing_has_a_meaning(tmp_path: Path) -> None:
    assert load_answers(tmp_path, OPERATIONS)["file_dossier"].row_for(Signs(200, "0")) is None


def test_the_most_specific_row_wins_whatever_the_order(tmp_path: Path) -> None:
    lines = ["file_dossier,,3,,broken,,,", "file_dossier,,3,đã tồn tại,exists,,,", ",,3,,in_doubt,,,"]
    for order in (lines, lines[::-1]):
        found = judges(tmp_path, *order)
        assert result(found["file_dossier"], Signs(200, "3", "Hồ sơ đã tồn tại")) == "exists"
        assert result(found["file_dossier"], Signs(200, "3", "Khác")) == "broken"
        assert result(found["lookup_dossier"], Signs(200, "3")) == "in_doubt"


@pytest.mark.parametrize("text", ["HỒ SƠ ĐÃ TỒN TẠI", "hồ  sơ\nđã tồn tại.", "Hồ sơ đã tồn tại"])
def test_texts_compare_without_case_spaces_and_unicode_form(tmp_path: Path, text: str) -> None:
    judge = judges(tmp_path, "file_dossier,,3,Đã tồn tại,exists,,,")["file_dossier"]
    assert result(judge, Signs(200, "3", text)) == "exists"


def test_codes_compare_as_text_unless_the_manifest_says_integer(tmp_path: Path) -> None:
    found = judges(tmp_path, ",,00,,ok,,,")
    assert result(found["file_dossier"], Signs(200, "00")) == "ok"
    assert result(found["file_dossier"], Signs(200, "0")) is None
    assert [result(found["file_fee"], Signs(200, code)) for code in ("0", "00", "+0", " 0 ", "0x", "")] == [
        "ok",
        "ok",
        "ok",
        "ok",
        None,
        None,
    ]


def test_a_text_alone_never_means_ok(tmp_path: Path) -> None:
    assert "can never mean ok" in faults(tmp_path, "file_dossier,200,,thành công,ok,,,")[0]


def test_a_row_for_success_does_not_speak_of_a_fault(tmp_path: Path) -> None:
    judge = judges(tmp_path, "lookup_dossier,200,,,ok,,,", f"lookup_dossier,500,Client,,refused,{WORDS}")[
        "lookup_dossier"
    ]
    assert result(judge, Signs(200)) == "ok"
    assert result(judge, Signs(200, "Server", fault=True)) is None
    assert result(judge, Signs(500, "Client", fault=True)) == "refused"


def test_a_row_for_an_error_status_speaks_of_its_faults_too(tmp_path: Path) -> None:
    judge = judges(tmp_path, "lookup_dossier,401,,,login,,,")["lookup_dossier"]
    assert result(judge, Signs(401, "Client", fault=True)) == "login"


def test_ok_without_a_status_means_a_successful_status(tmp_path: Path) -> None:
    judge = judges(tmp_path, "file_dossier,,0,,ok,,,", "file_dossier,500,7,,ok,,,")["file_dossier"]
    assert result(judge, Signs(502, "0")) is None
    assert result(judge, Signs(500, "7")) == "ok"


def test_a_row_without_any_condition_speaks_of_successful_statuses_only(tmp_path: Path) -> None:
    judge = judges(tmp_path, "lookup_dossier,,,,ok,,,")["lookup_dossier"]
    assert result(judge, Signs(204)) == "ok"
    assert result(judge, Signs(503)) is None


def test_rows_that_overlap_need_a_row_for_the_overlap(tmp_path: Path) -> None:
    lines = ["file_dossier,200,,,in_doubt,,,", "file_dossier,,0,,ok,,,"]
    assert faults(tmp_path, *lines) == ["line 3: overlaps line 2; add a line for both: `file_dossier,200,0,,...`"]
    judge = judges(tmp_path, *lines, "file_dossier,200,0,,ok,,,")["file_dossier"]
    assert result(judge, Signs(200, "0")) == "ok"


def test_the_same_conditions_twice_are_refused_as_the_operation_compares_them(tmp_path: Path) -> None:
    assert faults(tmp_path, "file_fee,,0,,ok,,,", "file_fee,,00,,ok,,,") == [
        "line 3: has the same conditions as line 2; keep one"
    ]
    judges(tmp_path, "file_dossier,,0,,ok,,,", "file_dossier,,00,,ok,,,")


def test_a_message_that_says_two_things_is_no_verdict(tmp_path: Path) -> None:
    judge = judges(tmp_path, "file_dossier,,3,đã tồn tại,exists,,,", f"file_dossier,,3,không hợp lệ,refused,{WORDS}")[
        "file_dossier"
    ]
    assert result(judge, Signs(200, "3", "đã tồn tại")) == "exists"
    assert result(judge, Signs(200, "3", "đã tồn tại, không hợp lệ")) is None


def test_every_fault_of_the_file_is_told(tmp_path: Path) -> None:
    told = faults(
        tmp_path,
        "file_dosier,,0,,ok,,,",
        "file_dossier,20,1,,ok,,,",
        "file_dossier,,2,,yes,,,",
        "file_dossier,,3,,refused,,,",
        "a,b",
    )
    assert [line.split(":")[0] for line in told] == ["line 2", "line 3", "line 4", "line 5", "line 6"]


def test_a_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "answers.csv").write_text("operation;http;code", "utf-8")
    with pytest.raises(FilesRefused):
        load_answers(tmp_path, OPERATIONS)


def test_a_spreadsheet_may_add_its_mark(tmp_path: Path) -> None:
    (tmp_path / "answers.csv").write_text("\ufeff" + ",".join(COLUMNS) + "\r\n,,0,,ok,,,\r\n", "utf-8")
    assert load_answers(tmp_path, OPERATIONS)["file_dossier"].row_for(Signs(200, "0"))
