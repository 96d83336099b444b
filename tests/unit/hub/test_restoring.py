"""After a restore nobody gets more than the contract allows: what may have been sent counts as sent."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from connectors.kit.manifest import Contract
from hub.app.restoring import check_copy, most_sent, restore
from hub.store.protocol import Recovered
from hub.store.restoring import Restored
from mappings.errors import FilesRefused

NOON = 1_795_410_000.0
"""2026-11-23 12:00 +07:00."""
HOUR = 3600.0


def a_contract(**given: float) -> Contract:
    facts = {"calls_per_second": 2.0, "calls_per_day": 20_000, "calls_at_once": 3}
    return cast(Contract, SimpleNamespace(**(facts | given)))


@pytest.mark.parametrize(
    ("ago", "most"),
    [(0.0, 1), (10.0, 21), (HOUR, 7201), (5 * HOUR, 20_000), (400 * HOUR, 20_000)],
)
def test_an_agency_may_have_got_what_its_rate_allowed_since_the_copy_and_never_more_than_a_day(
    ago: float, most: int
) -> None:
    assert most_sent(a_contract(), NOON - ago, NOON) == most


def test_what_was_sent_before_midnight_counts_for_yesterday() -> None:
    midnight = NOON - (NOON + 7 * HOUR) % (24 * HOUR)
    assert most_sent(a_contract(), midnight - 50 * HOUR, midnight + 100) == 201


class Store:
    def __init__(self, restored: Restored) -> None:
        self.restored = restored
        self.asked: list[Any] = []

    async def restore(self, moment: float, sent: Any) -> Restored:
        self.asked.append((moment, dict(sent)))
        return self.restored


INSTALLED: Any = {"npsp": SimpleNamespace(contract=a_contract()), "police": SimpleNamespace(contract=a_contract())}


async def test_every_place_at_an_agency_counts_as_taken_for_as_long_as_a_call_may_take() -> None:
    store = Store(Restored(NOON - 20, Recovered()))
    occupied = await restore(store, INSTALLED, NOON - 10, NOON)
    assert [(one.agency, one.sent_at) for one in occupied] == [("npsp", NOON)] * 3 + [("police", NOON)] * 3
    assert store.asked == [(NOON - 10, {"npsp": 21, "police": 21})]


async def test_a_store_that_was_used_since_is_not_served_as_a_copy() -> None:
    with pytest.raises(FilesRefused, match="was used at 2026-11-23T"):
        await restore(Store(Restored(NOON - 5, None)), INSTALLED, NOON - 10, NOON)
    with pytest.raises(FilesRefused, match="still to come"):
        await restore(Store(Restored(0.0, None)), INSTALLED, NOON + 10, NOON)


def test_a_copy_is_served_only_as_what_it_is() -> None:
    check_copy(None, None)
    check_copy(None, NOON)
    check_copy(NOON, NOON)
    for moment in (None, NOON - 60):
        with pytest.raises(FilesRefused, match="hub serve --after-restore 2026-11-23T"):
            check_copy(NOON, moment)
