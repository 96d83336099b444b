"""The figures of the congestion benchmark say what happened: nothing is hidden by an average, and nobody is lost."""

import json
import random
from dataclasses import dataclass
from itertools import pairwise
from math import inf, nan

import pytest

from bench.congestion import plain
from bench.figures import (
    good_share,
    most_at_once,
    over_time,
    rate_excess,
    recovered_after,
    repeats,
    repeats_allowed,
    sort_out,
)
from bench.load import CUT, GONE, Heard, at_random


@dataclass(frozen=True)
class Came:
    number: int
    at: float
    left: float | None
    how: str = "answered"


def heard(due: float, seconds: float, status: int = 200, code: str = "") -> Heard:
    return Heard(due, due, due + seconds, status, b'{"code":"%b"}' % code.encode() if code else b"")


def test_every_call_is_in_exactly_one_heap() -> None:
    told = sort_out(
        [
            heard(0, 0.5), heard(1, 1.5), heard(2, 10.2), heard(3, 0.001, 503, "lane.full"), heard(4, 0.002, 429, "caller.quota"),
            heard(5, 9, 504, "call.expired"), heard(6, 8, 503, "agency.unavailable"), heard(7, 3, 502), heard(8, 1, CUT),
            heard(9, 10.5, GONE),
        ],
        patience=10,
    )  # fmt: skip
    assert (told.offered, told.good, told.late, told.refused, told.failed, told.gave_up) == (10, 2, 1, 2, 4, 1)
    assert (told.good_p50, told.refusal_p99) == pytest.approx((1.5, 0.002))
    assert told.codes["status 502"] == told.codes["connection cut"] == told.codes["gave up"] == 1


def test_latency_counts_from_the_scheduled_moment() -> None:
    late_sent = Heard(due=0.0, begun=9.0, ended=9.5, status=200, body=b"")
    assert late_sent.seconds == 9.5


@pytest.mark.parametrize(
    ("moments", "excess"),
    [
        ([number / 10 for number in range(100)], 1.0),  # evenly at the contract: one call of jitter
        ([0.0] * 13, 3.0),  # all at once
        ([number / 11 for number in range(111)], 11.0),  # a tenth too fast shows in a long window
        ([number / 10 + (5.0 if number > 50 else 0.0) for number in range(100)], 1.0),  # a pause saves nothing up
        ([0.0, 0.5, 1.0], 0.0),
        ([], 0.0),
    ],
)
def test_a_contract_is_checked_in_every_window_of_a_second_and_more(moments: list[float], excess: float) -> None:
    assert rate_excess(moments, 10) == pytest.approx(excess)


def test_what_was_cut_counts_at_once_until_its_ghost_ends() -> None:
    answered = [Came(1, 0.0, 1.0), Came(2, 1.0, 2.0)]
    assert most_at_once(answered, call_timeout=5) == 1
    cut_early = [Came(1, 0.0, 1.0, "cut"), Came(2, 7.0, 8.0), Came(3, 7.5, 8.5)]
    assert (
        most_at_once(cut_early, call_timeout=5) == 2
    )  # the ghost of the first ends at 7.5, and the third waited for it
    assert most_at_once([*cut_early, Came(4, 7.1, 7.2)], call_timeout=5) == 3
    assert most_at_once([Came(1, 0.0, None, "open"), Came(2, 100.0, 101.0)], call_timeout=5) == 2


def test_repeats_are_arrivals_of_what_had_arrived() -> None:
    assert repeats([Came(1, 0, 1), Came(2, 0, 1), Came(1, 2, 3), Came(1, 4, 5)]) == 2
    assert repeats_allowed(accepted=600, seconds=120) == 72


def steady_then(*shares: float, per_block: int = 20) -> list[Heard]:
    """Callers of one block of ten seconds after another, so many of whom get a good answer."""
    calls = []
    for block, share in enumerate(shares):
        for number in range(per_block):
            good = number % per_block < share * per_block
            calls.append(heard(10.0 * block + 10.0 * number / per_block, 0.5, 200 if good else 504))
    return calls


def test_recovery_is_the_moment_from_which_all_goes_as_before() -> None:
    def recovered(*after: float) -> float:
        calls = steady_then(1, 0, *after)
        return recovered_after(calls, 10, ended=20, last=10.0 * (2 + len(after)), window=10)

    assert recovered(1, 1, 1) == 0
    assert recovered(0, 1, 1) == pytest.approx(10, abs=1)
    assert recovered(0, 0, 0) == inf
    assert recovered(1, 0, 0, 0, 0) == inf  # a lucky moment is no recovery
    assert recovered(0, 0, 1) == pytest.approx(20, abs=1)


def test_goodput_over_time_is_by_the_moment_a_call_was_due() -> None:
    calls = steady_then(1, 0.5, 0)
    assert over_time(calls, 10, 0, 30, 10) == [1.0, 0.5, 0.0]
    assert good_share(calls, 10, 0, 20) == 0.75


@pytest.mark.parametrize(("rate", "seconds"), [(10, 170), (0.5, 13), (100, 2.5), (7.7, 33)])
def test_as_many_calls_are_offered_as_planned_at_random_moments(rate: float, seconds: float) -> None:
    dues = at_random(rate, 100.0, seconds, random.Random(1))
    assert len(dues) == round(rate * seconds)
    assert dues == sorted(dues)
    assert dues[0] >= 100
    assert dues[-1] < 100 + seconds
    assert len({round(after - before, 6) for before, after in pairwise(dues)}) > len(dues) // 2


def test_what_is_no_number_becomes_null() -> None:
    tree = plain({"a": (inf, nan, 1.5), "b": sort_out([], 1)})
    assert json.loads(json.dumps(tree, allow_nan=False))["a"] == [None, None, 1.5]
