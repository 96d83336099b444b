"""
An operator's table of communes loaded whatever stood in it: a code without its zeros made every address of that commune
an error of the hub's own, at the door and in the lane. A folder in its place, or a last day of 9999-12-31, was a traceback.
"""

from datetime import date
from pathlib import Path

import pytest

from connectors.kit.registry import find_connectors, load_connector, shared_tables
from mappings.codes import CodeRow, CodeTable, read_code_table
from mappings.errors import FilesRefused
from mappings.loose_ends import loose_ends

HEAD = "ours,theirs,valid_from,valid_to,succeeded_by,vi\n"
SOUND = "99002,98.99002,2025-07-01,,,Phường Hai\n"


def refusal(codes: Path) -> str:
    with pytest.raises(FilesRefused) as refused:
        shared_tables(codes)
    return str(refused.value)


@pytest.mark.parametrize(
    "row",
    [
        "9001,98.902.09001,,2025-06-30,99002,Xã Một\n",
        "99001,98.92.99001,,2025-06-30,99002,Xã Một\n",
        "99001,98.902.9001,,2025-06-30,99002,Xã Một\n",
        "99001,8.902.99001,,2025-06-30,99002,Xã Một\n",
        "99001,98.902,,2025-06-30,99002,Xã Một\n",
    ],
)
def test_a_commune_that_no_address_could_hold_is_refused_when_the_table_is_read(tmp_path: Path, row: str) -> None:
    (tmp_path / "communes.csv").write_text(HEAD + row + SOUND, "utf-8")
    assert "codes/communes.csv [code 9" in refusal(tmp_path)
    with pytest.raises(FilesRefused):
        load_connector(find_connectors()["land_vbdlis"], codes=tmp_path)


def test_a_province_without_its_zero_is_refused_when_the_table_is_read(tmp_path: Path) -> None:
    (tmp_path / "provinces.csv").write_text("ours,theirs\n1,01\n", "utf-8")
    assert "codes/provinces.csv [code 1]" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["Phường\x07 Hai", "Phường" * 100])
def test_a_name_that_no_address_could_hold_is_refused_when_the_table_is_read(tmp_path: Path, name: str) -> None:
    """An address with the name beside the code gets the new one when the commune was renamed."""
    (tmp_path / "communes.csv").write_text(f"{HEAD}99002,98.99002,2025-07-01,,,{name}\n", "utf-8")
    said = refusal(tmp_path)
    assert "codes/communes.csv [code 99002]: has in `vi` what no address can hold" in said
    assert name not in said


def test_a_folder_where_a_table_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "communes.csv").mkdir()
    assert "communes.csv: cannot be read" in refusal(tmp_path)


def test_a_code_with_a_line_break_inside_is_named_by_its_line(tmp_path: Path) -> None:
    table = tmp_path / "kinds.csv"
    table.write_text('ours,theirs\na,1\nb,"2\n3"\n', "utf-8")
    with pytest.raises(FilesRefused, match="line 3, theirs"):
        read_code_table(table)


def test_a_last_day_that_no_day_follows_is_a_loose_end() -> None:
    table = CodeTable("kinds", [CodeRow("a", "1", valid_to=date.max, succeeded_by="b"), CodeRow("b", "2")])
    assert [code for code, _ in loose_ends(table)] == ["a"]
