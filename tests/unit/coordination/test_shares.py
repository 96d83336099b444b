"""Promises of shares: the parts of all nodes never add up to more than the contract, and somebody always serves a road."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.coordination.epochs import Share
from hub.coordination.shares import part_of
from hub.guards.bounds import Bounds

BOUNDS = st.builds(
    Bounds,
    calls_per_second=st.one_of(st.floats(0.01, 60), st.integers(1, 60).map(float)),
    calls_at_once=st.integers(1, 40),
    call_timeout=st.just(10.0),
    calls_per_day=st.one_of(st.none(), st.integers(1, 10_000)),
    calls_per_minute=st.one_of(st.none(), st.floats(0.5, 600)),
)


def parts(bounds: Bounds, of: int, road: str = "tax") -> list[Bounds]:
    return [part for rank in range(of) if (part := part_of(bounds, Share(rank, of), road)) is not None]


@given(BOUNDS, st.integers(1, 9), st.text("abcdef_", min_size=1))
def test_the_parts_never_add_up_to_more_than_the_contract(bounds: Bounds, of: int, road: str) -> None:
    given_out = parts(bounds, of, road)
    assert sum(part.calls_at_once for part in given_out) <= bounds.calls_at_once
    assert sum(part.calls_per_second for part in given_out) <= bounds.calls_per_second + 1e-9
    if bounds.calls_per_minute is not None:
        assert sum(part.calls_per_minute or 0 for part in given_out) <= bounds.calls_per_minute + 1e-9
    if bounds.calls_per_day is not None:
        assert sum(part.calls_per_day or 0 for part in given_out) <= bounds.calls_per_day


@given(BOUNDS, st.integers(1, 9), st.text("abcdef_", min_size=1))
def test_no_window_holds_more_than_one_call_over_the_contract(bounds: Bounds, of: int, road: str) -> None:
    """A part below one call a second still lets one go in a window: only one node may have such a part."""
    in_a_second = sum(max(1, math.ceil(part.calls_per_second - 1e-9)) for part in parts(bounds, of, road))
    assert in_a_second <= math.floor(bounds.calls_per_second + 1e-9) + 1


@given(BOUNDS, st.integers(1, 9), st.text("abcdef_", min_size=1))
def test_every_road_is_served_by_somebody(bounds: Bounds, of: int, road: str) -> None:
    assert parts(bounds, of, road)


def test_a_node_alone_has_all() -> None:
    bounds = Bounds(2.5, 3, 10.0, 100, 12.5)
    assert parts(bounds, 1) == [bounds]


@pytest.mark.parametrize("of", [2, 3, 4])
def test_a_contract_of_one_call_is_served_by_one_node_and_not_by_the_same_for_every_road(of: int) -> None:
    single = Bounds(1.0, 1, 10.0)
    serving = {
        next(rank for rank in range(of) if part_of(single, Share(rank, of), f"road-{number}") is not None)
        for number in range(50)
    }
    assert serving == set(range(of))
    assert len(parts(single, of)) == 1
