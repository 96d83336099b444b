"""From what an inbound run has seen to its figures: pure, so every promise of the page is held here."""

import json

import pytest

from bench.inbound_page import BARE, OFF, ON, ON_SQLITE, Documents, Measured, Taken, Turn, as_json, page, weigh


def taken(per_second: float, failed: int = 0) -> Taken:
    return Taken(per_second, 100.0, 10.0, 1.0, 2.0, failed)


def turn(arm: str, ms: list[float], failed: int = 0) -> Turn:
    told = {} if arm == OFF else {"200": 20.0, "503": 1_980.0, "wall": 1.0}
    return Turn(arm, ms, failed, 0.1, 0.2, told)


def run(ours: list[Taken], on: list[float], failed: int = 0) -> Measured:
    return Measured(
        0.1,
        {"told": {"bare": [taken(1_000), taken(2_000), taken(4_000)], ON_SQLITE: ours}},
        [Documents("sent in base64", 200, 130.0, 179.0), Documents("read in base64 out of answers", 200, 130.0, 181.0)],
        [turn(OFF, [1.0] * 100), turn(BARE, [1.0] * 100), turn(ON, on, failed)],
    )


def test_notices_a_second_are_weighed_against_the_endpoint_of_the_same_turn() -> None:
    """A slow minute falls on both: the median of the ratios, and no ratio of medians."""
    aims = weigh(run([taken(300), taken(100), taken(1_000)], [1.0] * 100))
    assert aims[0].figure == 0.25
    assert aims[0].met


def test_a_hub_that_refuses_what_it_is_told_meets_no_aim() -> None:
    aims = weigh(run([taken(900), taken(900, failed=1), taken(4_000)], [1.0] * 100))
    assert not aims[0].met


def test_memory_is_counted_from_one_small_document_each_way() -> None:
    aims = weigh(run([taken(1)] * 3, [1.0] * 100))
    assert [(aim.figure, aim.met) for aim in aims[1:3]] == [(49.0, True), (51.0, False)]


@pytest.mark.parametrize(
    ("slow", "failed", "met"), [([1.19, 1.19], 0, True), ([1.21, 1.21], 0, False), ([1.0, 1.0], 1, False)]
)
def test_p99_under_the_flood_is_held_against_that_without_it(slow: list[float], failed: int, met: bool) -> None:
    aims = weigh(run([taken(1)] * 3, [1.0] * 98 + slow, failed))
    assert aims[3].met is met


def test_the_page_says_what_share_of_the_flood_was_refused() -> None:
    seen = run([taken(300), taken(100), taken(1_000)], [1.0] * 100)
    row = next(line for line in page(seen, weigh(seen)).splitlines() if line.startswith(f"| {ON} |"))
    assert "| 2,000 | 99.0 % | 0 |" in row


def test_everything_that_was_seen_is_kept_as_json() -> None:
    seen = run([taken(300), taken(100), taken(1_000)], [1.0] * 100)
    kept = json.loads(json.dumps(as_json(seen, weigh(seen))))
    assert len(kept["aims"]) == 4
    assert [one["per_second"] for one in kept["taken"]["told"][ON_SQLITE]] == [300, 100, 1_000]
