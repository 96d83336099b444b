"""
A receipt number with a zero byte in it, or a megabyte long, came with a good answer: PostgreSQL takes neither, so the
answer was never settled and the filing was sent again. Of a notice the agency heard an error of ours, for ever.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from connectors.kit.outcomes import Answered, Result
from mappings.errors import Fault
from tests.unit.kit.conftest import office
from tests.unit.kit.test_binding import ASKED, folder, outcome
from tests.unit.kit.test_notices import PUSH, Office, not_taken, push

__all__ = ("folder", "office")

UNKEPT = ["P\0", "P" * 256]


@pytest.mark.parametrize("ref", UNKEPT)
async def test_an_answer_counts_and_the_reference_that_cannot_be_kept_is_drift(folder: Path, ref: str) -> None:
    got = await outcome(folder, 200, {"code": 0, "data": [{"maTTHC": "1.001776", "soPhieu": ref}]})
    assert got == Answered(Result.OK, ASKED, drift=("ref.soPhieu",))


def test_a_notice_is_refused_by_the_name_of_its_reference(office: Office) -> None:
    came = push()
    spoilt = replace(came, body=came.body.replace(b"P-7", b"P-\\u0000"))
    assert not_taken(office(PUSH), spoilt).faults == (Fault("receipt", "holds a zero byte"),)
