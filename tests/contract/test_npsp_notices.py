"""What the portal tells of taxes is never guessed at: an amount or a date that cannot be read is a fault."""

import base64

import pytest
from pydantic_core import to_json

from connectors.kit.binding import BoundAgency
from connectors.kit.inbox import NotTaken, Understood, WireNotice
from connectors.kit.registry import find_connectors, load_connector
from tests.contract import alone

NPSP = load_connector(find_connectors()["npsp"])


@pytest.fixture(scope="module")
def portal() -> BoundAgency:
    return alone.bound(NPSP, user_name="centre", password="0000-invented", security_key="k3y")


def pushed(portal: BoundAgency, *amounts: str, date: str = "26-11-2026") -> Understood | NotTaken:
    rows = "".join(
        f"<ROW_LIST><MA_HSO>A-{number}</MA_HSO><LIST><SO_QUYET_DINH>1</SO_QUYET_DINH>"
        f"<NGAY_QUYET_DINH>{date}</NGAY_QUYET_DINH><SO_TIEN>{amount}</SO_TIEN></LIST></ROW_LIST>"
        for number, amount in enumerate(amounts)
    )
    file = base64.b64encode(f"<DATA><BODY>{rows}</BODY></DATA>".encode()).decode()
    assert portal.inbox is not None
    body = to_json({"SecurityKey": "k3y", "Data": {"FileThongBaoThue": file}})
    return portal.inbox.read("tax_notice_received", WireNotice({}, {}, body))


@pytest.mark.parametrize("amount", ["", "abc", "1.500.000", "1,500,000", "1500000,5", "-5", "1e6", "1500000.25"])
def test_an_amount_that_cannot_be_read_never_becomes_zero(portal: BoundAgency, amount: str) -> None:
    found = pushed(portal, "1000", amount)
    if amount == "":  # not told: absent, and not nothing owed
        assert isinstance(found, Understood)
        assert found.told[1].value.items[0].amount is None  # type: ignore[union-attr]
        return
    assert isinstance(found, NotTaken)
    assert [fault.place for fault in found.faults] == ["told[1]/LIST[0]/SO_TIEN"]


def test_a_date_that_cannot_be_read_never_becomes_the_first_day_of_the_calendar(portal: BoundAgency) -> None:
    found = pushed(portal, "1000", date="26/11/2026")
    assert isinstance(found, NotTaken)
    assert [fault.place for fault in found.faults] == ["told[0]/LIST[0]/NGAY_QUYET_DINH"]


def test_a_decision_with_a_corrected_amount_is_told_and_a_repeat_is_not(portal: BoundAgency) -> None:
    first, again, corrected = (pushed(portal, amount) for amount in ("1000", "1000", "2000"))
    assert isinstance(first, Understood)
    assert isinstance(again, Understood)
    assert isinstance(corrected, Understood)
    assert first.told[0].unique == again.told[0].unique != corrected.told[0].unique
