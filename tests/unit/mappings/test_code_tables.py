"""Code tables: two code sets looked up both ways, for a day, and refused with every fault at once."""

from datetime import date
from pathlib import Path

import pytest

from mappings.codes import CodeRow, CodeTable, read_code_table, read_code_tables
from mappings.errors import FilesRefused

HEADER = "ours,theirs,one_way,valid_from,valid_to,succeeded_by,vi,en\n"


def table(tmp_path: Path, rows: str, header: str = HEADER, encoding: str = "utf-8") -> CodeTable:
    (tmp_path / "sex.csv").write_text(header + rows, encoding)
    return read_code_table(tmp_path / "sex.csv")


def refused(tmp_path: Path, rows: str, header: str = HEADER, encoding: str = "utf-8") -> list[str]:
    with pytest.raises(FilesRefused) as caught:
        table(tmp_path, rows, header, encoding)
    return [str(fault) for fault in caught.value.faults]


def test_a_code_is_found_both_ways_with_its_leading_zeros(tmp_path: Path) -> None:
    sex = table(tmp_path, "male,01,,,,,Nam,Male\nfemale,02,,,,,Nữ,Female\n")
    assert (sex.theirs("male"), sex.ours("02")) == ("01", "female")
    assert sex.timeless
    assert sex.rows[1].vi == "Nữ"


@pytest.mark.parametrize("look_up", ["theirs", "ours"])
def test_an_unknown_code_is_refused_without_showing_it(tmp_path: Path, look_up: str) -> None:
    sex = table(tmp_path, "male,1,,,,,,\n")
    with pytest.raises(ValueError, match="code table `sex`") as caught:
        getattr(sex, look_up)("SECRET")
    assert "SECRET" not in str(caught.value)


def test_a_code_that_is_only_read_says_which_cell_to_empty(tmp_path: Path) -> None:
    sex = table(tmp_path, "male,1,read,,,,,\nfemale,2,,,,,,\n")
    with pytest.raises(ValueError, match="the row says `read`; leave its one_way empty"):
        sex.theirs("male")


def test_a_spreadsheet_that_separates_by_semicolons_is_read(tmp_path: Path) -> None:
    """What a spreadsheet writes where the comma stands in numbers, as in Vietnam."""
    sex = table(tmp_path, "male;1;;;;;Nam, nam giới;Male\n", HEADER.replace(",", ";"))
    assert (sex.theirs("male"), sex.rows[0].vi) == ("1", "Nam, nam giới")


def test_a_spreadsheets_byte_order_mark_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    assert table(tmp_path, "male,1,,,,,,\n,,,,,,,\n", encoding="utf-8-sig").theirs("male") == "1"


def test_many_to_one_needs_one_way(tmp_path: Path) -> None:
    (fault,) = refused(tmp_path, "organisation,4,,,,,,\nstate_agency,4,,,,,,\n")
    assert fault.startswith(f"{tmp_path.name}/sex.csv [line 3, theirs]: has the same `theirs` as line 2")
    assert "Put `write` in one_way" in fault
    kind = table(tmp_path, "organisation,4,,,,,,\nstate_agency,4,write,,,,,\n")
    assert (kind.ours("4"), kind.theirs("state_agency")) == ("organisation", "4")


def test_one_to_many_needs_one_way(tmp_path: Path) -> None:
    (fault,) = refused(tmp_path, "male,1,,,,,,\nmale,M,,,,,,\n")
    assert "Put `read` in one_way" in fault
    sex = table(tmp_path, "male,1,,,,,,\nmale,M,read,,,,,\n")
    assert (sex.theirs("male"), sex.ours("M")) == ("1", "male")


COMMUNES = "22001,A,,,2025-06-30,22009,,\n22009,B,,2025-07-01,,,,\n22003,C,,,2025-06-30,,,\n22004,C,,2025-07-01,,,,\n"


def test_a_code_that_ended_is_written_as_its_successor_and_still_read(tmp_path: Path) -> None:
    communes = table(tmp_path, COMMUNES)
    assert communes.theirs("22001", date(2025, 6, 30)) == "A"
    assert communes.theirs("22001", date(2025, 7, 1)) == "B"
    assert communes.ours("A", date(2026, 1, 1)) == "22001"


def test_a_code_given_again_later_is_read_by_the_day(tmp_path: Path) -> None:
    communes = table(tmp_path, COMMUNES)
    assert communes.ours("C", date(2025, 6, 30)) == "22003"
    assert communes.ours("C", date(2025, 7, 1)) == "22004"


def test_a_code_that_ended_without_successor_is_not_written(tmp_path: Path) -> None:
    communes = table(tmp_path, COMMUNES)
    with pytest.raises(ValueError, match="no longer valid"):
        communes.theirs("22003", date(2025, 7, 1))
    assert communes.theirs("22003") == "C"


def test_successors_in_a_ring_end_the_search() -> None:
    rows = [
        CodeRow("a", "1", valid_to=date(2020, 1, 1), succeeded_by="b"),
        CodeRow("b", "2", valid_to=date(2020, 1, 1), succeeded_by="a"),
    ]
    with pytest.raises(ValueError, match="no longer valid"):
        CodeTable("ring", rows).theirs("a", date(2026, 1, 1))


def test_every_fault_of_a_table_is_told_at_once(tmp_path: Path) -> None:
    rows = "male,,,,,,,\nfemale,2,both,,,,,\nother,3,,1/7/2025,,,,\nold,4,,2025-07-01,2025-06-30,,,\nx,5\ngone,6,,,2025-06-30,femal,,\nfemale,7,,,,,,\n"
    faults = refused(tmp_path, rows)
    assert [fault.split("[")[1].split("]")[0] for fault in faults] == [
        "line 2, theirs",
        "line 3, one_way",
        "line 4, valid_from",
        "line 5, valid_to",
        "line 6",
        "line 7, succeeded_by",
    ]
    assert "did you mean `female`?" in faults[-1]


def test_a_misspelt_column_is_refused_with_the_nearest(tmp_path: Path) -> None:
    faults = refused(tmp_path, "male,1,\n", header="ours,their,one_way\n")
    assert any("[theirs]: is missing" in fault for fault in faults)
    assert any("[their]: is not a known column" in fault and "did you mean `theirs`?" in fault for fault in faults)


def test_a_table_in_another_encoding_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (fault,) = refused(tmp_path, "a,1,,,,,Nữ,\n", encoding="utf-16")
    assert "CSV UTF-8" in fault


def test_all_tables_of_a_folder_are_read_and_their_faults_told_together(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ours,theirs\nx,\n", "utf-8")
    (tmp_path / "b.csv").write_text("ours\nx\n", "utf-8")
    with pytest.raises(FilesRefused) as caught:
        read_code_tables(tmp_path)
    assert [fault.file.rpartition("/")[2] for fault in caught.value.faults] == ["a.csv", "b.csv"]
    assert read_code_tables(tmp_path / "none") == {}
