"""A code table that loads may still leave days, successors and ways back open; each is found, with what to write instead."""

from datetime import date

import pytest

from mappings.codes import CodeRow, CodeTable
from mappings.loose_ends import loose_ends

JUNE, JULY, AUGUST = date(2025, 6, 30), date(2025, 7, 1), date(2025, 8, 1)


def open_in(*rows: CodeRow) -> list[str]:
    return [f"{code} {says}" for code, says in loose_ends(CodeTable("units", rows))]


@pytest.mark.parametrize(
    "rows",
    [
        [CodeRow("a", "1"), CodeRow("b", "2")],
        [CodeRow("a", "1", valid_to=JUNE, succeeded_by="b"), CodeRow("b", "2", valid_from=JULY)],
        [CodeRow("a", "1", valid_to=JUNE, succeeded_by="a"), CodeRow("a", "2", valid_from=JULY)],
        [CodeRow("a", "1", valid_to=JUNE), CodeRow("a", "2", valid_from=JULY)],
        [CodeRow("a", "1", valid_to=JUNE, succeeded_by="b c"), CodeRow("b", "2"), CodeRow("c", "3")],
        [CodeRow("a", "1", one_way="read", valid_to=JUNE)],
        [CodeRow("a", "1"), CodeRow("b", "1", one_way="write")],
    ],
)
def test_a_table_that_leads_on_has_no_loose_end(rows: list[CodeRow]) -> None:
    assert open_in(*rows) == []


def test_days_without_a_row_are_found() -> None:
    (says,) = open_in(
        CodeRow("a", "1", valid_to=JUNE, succeeded_by="b"), CodeRow("a", "2", valid_from=AUGUST), CodeRow("b", "3")
    )
    assert says.startswith("a has no row from 2025-07-01 to 2025-07-31")


def test_a_successor_that_is_not_there_the_day_after_is_found() -> None:
    (says,) = open_in(CodeRow("a", "1", valid_to=JUNE, succeeded_by="b"), CodeRow("b", "2", valid_from=AUGUST))
    assert says.startswith("a is succeeded by `b`, which has no row for 2025-07-01")
    split = CodeRow("a", "1", valid_to=JUNE, succeeded_by="b c")
    (says,) = open_in(split, CodeRow("b", "2"), CodeRow("c", "3", valid_from=AUGUST))
    assert "`c`" in says


def test_a_chain_that_ends_nowhere_is_found_where_it_ends() -> None:
    chain = CodeRow("a", "1", valid_to=JUNE, succeeded_by="b")
    (says,) = open_in(chain, CodeRow("b", "2", valid_from=JULY, valid_to=AUGUST))
    assert says.startswith("b ended on 2025-08-01 and nothing took its place")


def test_a_chain_that_goes_in_a_circle_is_found() -> None:
    first = CodeRow("a", "1", valid_to=JUNE, succeeded_by="b")
    found = open_in(first, CodeRow("b", "2", valid_from=JULY, valid_to=AUGUST, succeeded_by="a"))
    assert [one.partition(":")[0] for one in found] == ["a is succeeded in a circle", "b is succeeded in a circle"]


def test_a_successor_without_a_last_day_is_found() -> None:
    (says,) = open_in(CodeRow("a", "1", succeeded_by="b"), CodeRow("b", "2"))
    assert says.startswith("a names a successor and no last day")


def test_a_code_that_is_written_and_never_read_is_found() -> None:
    (says,) = open_in(CodeRow("a", "1", one_way="write"), CodeRow("a", "2", one_way="read"))
    assert says.startswith("a is written as a code that no row reads back")
