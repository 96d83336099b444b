"""
Putting n combining marks into canonical order takes n² steps in one call that nothing can interrupt.

A request with a few megabytes of them held a hub for many minutes. More than thirty in a row are refused unread now.
"""

import pytest
from pydantic import ValidationError

from connectors.kit.answers import compared_text
from mappings.canonical import CitizenQuery
from mappings.lines import given
from mappings.text import clean, nfc

MARKS = "a" + "\u0301\u0323" * 200_000
"""Not a megabyte, and it would take minutes to order."""


def test_text_with_endless_marks_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="30 combining marks in a row"):
        clean(MARKS)


@pytest.mark.parametrize("sign", "\u0f73\u0f75\u0f81\u0344")
def test_signs_that_come_apart_into_marks_count_as_marks(sign: str) -> None:
    with pytest.raises(ValueError, match="combining marks in a row"):
        nfc("a" + sign * 100_000)


def test_a_request_with_them_is_told_so_and_its_text_is_not_repeated() -> None:
    with pytest.raises(ValidationError) as refused:
        CitizenQuery.model_validate({"citizen_id": "000085000001", "full_name": MARKS, "born_on": "1985-03-14"})
    (fault,) = refused.value.errors(include_input=False)
    assert fault["loc"] == ("full_name",)
    assert "combining marks" in fault["msg"]


def test_an_agencys_text_with_them_is_passed_on_for_the_model_to_refuse() -> None:
    assert given(MARKS) == MARKS
    assert compared_text(MARKS)


def test_vietnamese_of_any_length_that_a_field_takes_is_normalized_as_ever() -> None:
    apart = "Nguye\u0302\u0303n Thi\u0323 Hu\u031b\u0309 " * 20_000
    assert nfc(apart) == "Nguyễn Thị Hử " * 20_000
