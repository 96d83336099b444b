"""What operators order is kept until it ends or is taken back, and the journal says who, what and why."""

from dataclasses import replace
from pathlib import Path

import pytest

from hub.clock import VirtualClock
from hub.errors import StoreUnavailable
from hub.journal import first_break
from hub.store.orders import EVERYTHING, Order, OrderKind
from hub.store.sqlite import SqliteStore
from tests.contract.conftest import Bench


def a_hold(bench: Bench, **changes: object) -> Order:
    order = Order("police", OrderKind.HOLD, "operator", bench.clock.now(), "công an đề nghị dừng")
    return replace(order, **changes)  # type: ignore[arg-type]  # any field, by name


async def test_what_was_ordered_is_returned_as_it_was_given(bench: Bench) -> None:
    given = [
        Order("*", OrderKind.RETRIES, "operator", bench.clock.now(), "bão"),
        a_hold(bench, until=bench.clock.now() + 60),
        Order("police", OrderKind.LIMITS, "operator", bench.clock.now(), "", None, 2, 1.5),
        a_hold(bench, scope="route/lgsp"),
    ]
    for order in given:
        await bench.store.orders.give(order)
    assert list(await bench.store.orders.in_force()) == given


async def test_a_new_order_takes_the_place_of_the_one_before(bench: Bench) -> None:
    await bench.store.orders.give(a_hold(bench))
    later = a_hold(bench, until=bench.clock.now() + 5, reason="nhầm")
    await bench.store.orders.give(later)
    assert list(await bench.store.orders.in_force()) == [later]


async def test_what_is_taken_back_is_gone_and_nothing_else_is(bench: Bench) -> None:
    lowered = a_hold(bench, kind=OrderKind.LIMITS, calls_at_once=1)
    for order in (a_hold(bench), lowered, a_hold(bench, scope="npsp")):
        await bench.store.orders.give(order)
    await bench.store.orders.take_back("police", OrderKind.HOLD, "operator", "xong")
    await bench.store.orders.take_back("npsp", OrderKind.HOLD, "operator", "")
    assert list(await bench.store.orders.in_force()) == [lowered]


async def test_an_order_whose_time_is_over_is_forgotten_for_good(bench: Bench) -> None:
    await bench.store.orders.give(a_hold(bench, until=bench.clock.now() + 60))
    bench.clock.advance(59)
    assert len(await bench.store.orders.in_force()) == 1
    bench.clock.advance(1)
    assert list(await bench.store.orders.in_force()) == []
    bench.clock.step_wall(-600)
    assert list(await bench.store.orders.in_force()) == [], "a clock that is set back does not bring it back"


async def test_the_journal_says_who_ordered_what_and_why(bench: Bench) -> None:
    orders = bench.store.orders
    await orders.give(a_hold(bench))
    await orders.give(a_hold(bench, until=bench.clock.now() + 90))
    await orders.give(a_hold(bench, kind=OrderKind.LIMITS, calls_at_once=2, calls_per_second=1.5, reason=""))
    await orders.give(a_hold(bench, scope="route/lgsp"))
    await orders.give(a_hold(bench, scope=EVERYTHING, kind=OrderKind.RETRIES, reason="bão"))
    await orders.take_back("police", OrderKind.HOLD, "operator", "đã xong")
    await orders.take_back("police", OrderKind.LIMITS, "operator", "")
    await orders.take_back("route/lgsp", OrderKind.HOLD, "operator", "")
    await orders.take_back(EVERYTHING, OrderKind.RETRIES, "operator", "")
    rows = await bench.store.journal()
    assert first_break(rows) is None
    assert {row.entry.caller for row in rows} == {"operator"}
    assert [(row.entry.event, row.entry.agency, row.entry.detail) for row in rows] == [
        ("held", "police", "until taken back: công an đề nghị dừng"),
        ("held", "police", "for 90 s: công an đề nghị dừng"),
        ("lowered", "police", "calls_at_once 2, calls_per_second 1.5"),
        ("held", None, "route/lgsp: until taken back: công an đề nghị dừng"),
        ("retries_stopped", None, "until taken back: bão"),
        ("resumed", "police", "đã xong"),
        ("lifted", "police", ""),
        ("resumed", None, "route/lgsp"),
        ("retries_allowed", None, ""),
    ]


async def test_an_order_that_could_not_be_written_is_not_in_force(bench: Bench) -> None:
    bench.store._book.statements.insert_entry.sql = "INSERT INTO nowhere VALUES (1)"  # no entry, then no order either
    with pytest.raises(StoreUnavailable):
        await bench.store.orders.give(a_hold(bench))
    assert list(await bench.store.orders.in_force()) == []


async def test_orders_outlive_the_process(tmp_path: Path) -> None:
    clock = VirtualClock()
    order = Order("police", OrderKind.HOLD, "operator", clock.now(), "công an đề nghị dừng")
    for life in range(2):
        store = SqliteStore.open_file(tmp_path / "hub.db", clock, backlog_calls={})
        if life == 0:
            await store.orders.give(order)
        assert list(await store.orders.in_force()) == [order]
        await store.close()
