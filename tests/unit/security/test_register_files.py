"""Officers and units as a spreadsheet saves them: every fault at once, by line, and never a person's number."""

import pytest

from hub.security.register_files import read_officers, read_units
from hub.store.registers import OfficerLine, UnitLine
from mappings.errors import FilesRefused

HEAD = "officer,unit,valid_from,valid_to,agency,account\n"
UNIT_HEAD = "unit,valid_from,valid_to,agency,code\n"
ACCOUNT = "000080000099"


def officers(text: str | bytes) -> list[OfficerLine]:
    content = text if isinstance(text, bytes) else text.encode()
    return list(read_officers(content, units=["H32", "H33"], agencies=["police", "npsp"]))


def faults(text: str | bytes) -> list[str]:
    with pytest.raises(FilesRefused) as refused:
        officers(text)
    assert ACCOUNT not in str(refused.value), "an account may be a person's own number"
    return [str(fault).removeprefix("officers.csv").lstrip(": ") for fault in refused.value.faults]


def unit_faults(text: str) -> list[str]:
    with pytest.raises(FilesRefused) as refused:
        read_units(text.encode(), agencies=["police", "npsp"])
    return [str(fault).removeprefix("units.csv").lstrip(": ") for fault in refused.value.faults]


def test_a_line_is_read_as_it_stands() -> None:
    line = f"cb-102,H32,2020-01-01,2027-12-31,police,{ACCOUNT}\n"
    assert officers(HEAD + line) == [OfficerLine("cb-102", "H32", "2020-01-01", "2027-12-31", "police", ACCOUNT)]
    units = read_units((UNIT_HEAD + "H32,2020-01-01,,npsp,000.00.14.H32\n").encode(), agencies=["npsp"])
    assert units == [UnitLine("H32", "2020-01-01", "", "npsp", "000.00.14.H32")]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEAD + "cb-102,H32,2020-01-01,,,\n",
        HEAD.replace(",", ";") + "cb-102;H32;2020-01-01;;;\n",
        HEAD.replace("\n", "\r\n") + "cb-102,H32,2020-01-01,,,\r\n",
        HEAD + "\n,,,,,\n cb-102 , H32 ,2020-01-01,,,",
        "unit,officer,valid_to,valid_from,account,agency\nH32,cb-102,,2020-01-01,,\n",
        HEAD + '"cb-102","H32","2020-01-01","","",""\n',
    ],
    ids=["mark-of-utf-8", "semicolons", "windows-lines", "spaces-and-empty-lines", "columns-in-any-order", "quoted"],
)
def test_every_way_a_spreadsheet_saves_the_table_is_read(text: str) -> None:
    assert officers(text) == [OfficerLine("cb-102", "H32", "2020-01-01", "", "", "")]


def test_every_fault_of_a_file_is_told_at_once() -> None:
    text = (
        HEAD
        + f",H32,2020-01-01,,police,{ACCOUNT}\n"
        + "cb-2,H99,2020-01-01,,,\n"
        + "cb-3,,2020-01-01,,,\n"
        + "cb-4,H32,01/01/2020,,,\n"
        + "cb-5,H32,2020-02-30,31-12-2026,,\n"
        + "cb-6,H32,2020-01-01,2019-01-01,,\n"
        + f"cb-7,H32,2020-01-01,,,{ACCOUNT}\n"
        + "cb-8,H32,2020-01-01,,police,\n"
        + f"cb-9,H32,2020-01-01,,polise,{ACCOUNT}\n"
        + "cb-10,H32,2020-01-01\n"
    )
    told = faults(text)
    begins = [fault.partition("]")[0] + "]" for fault in told]
    assert sorted(begins) == sorted(
        f"[{place}]"
        for place in (
            "line 2 officer",
            "line 3 unit",
            "line 4 unit",
            "line 5 valid_from",
            "line 6 valid_from",
            "line 6 valid_to",
            "line 7 valid_to",
            "line 8 account",
            "line 9 account",
            "line 10 agency",
            "line 11",
        )
    )
    assert any("did you mean `police`?" in fault for fault in told)
    assert any("import units first" in fault for fault in told)


def test_an_account_is_one_at_a_time() -> None:
    text = HEAD + f"cb-1,H32,2020-01-01,,police,{ACCOUNT}\ncb-1,H33,2026-01-01,,police,000080000001\n"
    assert faults(text) == ["[line 3 valid_from]: these days overlap those of line 2"]
    following = HEAD + f"cb-1,H32,2020-01-01,2025-12-31,police,{ACCOUNT}\ncb-1,H33,2026-01-01,,police,000080000001\n"
    assert len(officers(following)) == 2


def test_a_day_that_cannot_be_read_is_told_once_and_not_as_an_overlap_too() -> None:
    text = HEAD + f"cb-1,H32,1/1/2020,,police,{ACCOUNT}\ncb-1,H32,2026-01-01,,police,000080000001\n"
    assert faults(text) == ["[line 2 valid_from]: is a day as yyyy-mm-dd, and is always given"]


def test_an_officer_may_belong_to_two_units_and_one_unit_has_many_agencies() -> None:
    assert len(officers(HEAD + "cb-1,H32,2020-01-01,,,\ncb-1,H33,2020-01-01,,,\n")) == 2
    lines = "H32,2020-01-01,,npsp,000.00.14.H32\nH32,2020-01-01,,police,000-1\n"
    assert len(read_units((UNIT_HEAD + lines).encode(), agencies=["npsp", "police"])) == 2
    assert unit_faults(UNIT_HEAD + lines + "H32,2021-01-01,,police,000-2\n") == [
        "[line 4 valid_from]: these days overlap those of line 3"
    ]


def test_a_missing_or_misspelt_column_is_told_with_the_right_name() -> None:
    told = faults("oficer,unit,valid_from,valid_to,agency,account\ncb-1,H32,2020-01-01,,,\n")
    assert told == [
        "[oficer]: is no column; did you mean `officer`?",
        "lacks the columns officer; it needs officer,unit,valid_from,valid_to,agency,account",
    ]
    assert faults(HEAD.replace("\n", ",unit\n")) == ["names a column twice"]


def test_a_file_without_its_first_line_is_told_so_and_not_read_aloud() -> None:
    """Its first line is then a person's."""
    assert faults(f"cb-102,H32,2020-01-01,,police,{ACCOUNT}\n") == [
        "does not begin with a line of column names; it needs officer,unit,valid_from,valid_to,agency,account"
    ]
    assert len(faults("")) == 1


def test_a_file_that_is_no_table_is_told_so() -> None:
    assert faults(HEAD.encode() + "cán bộ".encode("cp1258", "replace")) == ["is not UTF-8: save it as `CSV UTF-8`"]
    assert "quotation mark" in faults(HEAD + 'cb-1,"H32,2020-01-01,,,\n')[0]
    assert "quotation mark" in faults(HEAD + 'cb-1,"H"32,2020-01-01,,,\n')[0]


def test_an_empty_register_is_a_register() -> None:
    assert officers(HEAD) == []


def test_a_name_belongs_to_an_account_at_an_agency() -> None:
    head = HEAD.replace("account", "account,name")
    read = officers(head + f"cb-102,H32,2020-01-01,,police,{ACCOUNT},Trần Văn Không\n")
    assert read == [OfficerLine("cb-102", "H32", "2020-01-01", "", "police", ACCOUNT, "Trần Văn Không")]
    assert faults(head + "cb-102,H32,2020-01-01,,,,Trần Văn Không\n") == [
        "[line 2 name]: is that at an agency: name the agency too"
    ]


def test_a_code_of_a_province_that_ended_is_sent_no_longer() -> None:
    lines = "phan-rang,2020-01-01,2025-06-30,npsp,000.00.14.H43\nphan-rang,2025-07-01,,npsp,000.00.14.H32\n"
    assert len(read_units((UNIT_HEAD + lines).encode(), agencies=["npsp"])) == 2
    for code in ("000.00.14.H43", "H43.14"):
        (fault,) = unit_faults(UNIT_HEAD + f"phan-rang,2020-01-01,,npsp,{code}\n")
        assert fault.startswith("[line 2 code]: is of a province that ended on 2025-06-30")
        assert fault.endswith("add one with the code of H32")


@pytest.mark.parametrize(
    ("name", "says"), [("a" + "\u0301" * 300, "combining marks"), ("N" * 256, "is longer than 255 characters")]
)
def test_a_name_that_no_agency_could_be_told_is_named_by_its_line(name: str, says: str) -> None:
    text = HEAD.replace("\n", ",name\n") + f"cb-1,U1,2026-01-01,,tax,acc,{name}\n"
    with pytest.raises(FilesRefused) as refused:
        read_officers(text.encode(), units=["U1"], agencies=["tax"])
    assert "[line 2 name]" in str(refused.value)
    assert says in str(refused.value)
