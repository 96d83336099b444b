"""A process that is itself what is slow refuses bulk first and the counter last, and does not flap."""

from collections.abc import Callable

import pytest

from hub.call import Class
from hub.clock import VirtualClock
from hub.errors import HubOverloaded
from hub.shedding import Shedding

EVERY = 0.02
"""Seconds between two timers, as the hub's own watch has them."""


def refused(shedding: Shedding) -> set[Class]:
    """Return the classes that do not come in."""
    out = set()
    for cls in Class:
        try:
            shedding.check(cls)
        except HubOverloaded:
            out.add(cls)
    return out


def run(shedding: Shedding, clock: VirtualClock, seconds: float, lag: Callable[[], float]) -> int:
    """Let timers go off for *seconds*, each as late as *lag* says; return how often the classes refused changed."""
    changes, before = 0, refused(shedding)
    end = clock.monotonic() + seconds
    while clock.monotonic() < end:
        late = lag()
        clock.advance(EVERY + late)
        shedding.lag(late)
        changes += refused(shedding) != before
        before = refused(shedding)
    return changes


@pytest.mark.parametrize(
    ("lag", "out"),
    [
        (0.0, set()),
        (0.045, set()),
        (0.07, {Class.BULK}),
        (0.19, {Class.BULK}),
        (0.25, {Class.BULK, Class.NORMAL}),
        (30.0, {Class.BULK, Class.NORMAL}),
    ],
)
def test_a_loop_that_runs_late_sheds_bulk_then_normal_and_never_the_counter(lag: float, out: set[Class]) -> None:
    clock = VirtualClock()
    shedding = Shedding(clock)
    run(shedding, clock, max(2.0, 4 * lag), lambda: lag)
    assert refused(shedding) == out


def test_the_thresholds_are_a_matter_of_settings() -> None:
    clock = VirtualClock()
    shedding = Shedding(clock, late_seconds=0.5)
    run(shedding, clock, 5.0, lambda: 0.4)
    assert refused(shedding) == set()
    run(shedding, clock, 5.0, lambda: 0.8)
    assert refused(shedding) == {Class.BULK}
    run(shedding, clock, 15.0, lambda: 2.5)
    assert refused(shedding) == {Class.BULK, Class.NORMAL}


def test_stops_count_by_how_many_they_kept_waiting_not_as_a_few_timers_of_many() -> None:
    clock = VirtualClock()
    shedding = Shedding(clock)
    stops = iter([0.25 if number % 12 == 0 else 0.0 for number in range(24 + 1)])
    run(shedding, clock, 24 * EVERY + 0.7, lambda: next(stops))
    assert refused(shedding) == {Class.BULK, Class.NORMAL}, "three late timers of twenty-five"


def test_stops_that_hardly_anybody_noticed_shed_nothing() -> None:
    clock = VirtualClock()
    shedding = Shedding(clock)
    stops = iter([0.0525 if number % 12 == 0 else 0.0 for number in range(200)])
    run(shedding, clock, 3.0, lambda: next(stops))
    assert refused(shedding) == set(), "of a second's comers fewer than one in a hundred waited longer than 50 ms"


@pytest.mark.parametrize("stop", [0.3, 2.0, 60.0])
def test_one_stop_is_over_when_it_is_seen_and_refuses_nobody(stop: float) -> None:
    clock = VirtualClock()
    shedding = Shedding(clock)
    run(shedding, clock, 2.0, lambda: 0.0)
    run(shedding, clock, EVERY, lambda: stop)
    assert refused(shedding) == set()
    assert run(shedding, clock, 5.0, lambda: 0.0) == 0


def test_what_was_shed_comes_in_again_class_by_class_and_only_after_calm() -> None:
    clock = VirtualClock()
    shedding = Shedding(clock)
    run(shedding, clock, 1.0, lambda: 0.3)
    began, at = clock.monotonic(), {}
    while refused(shedding):
        run(shedding, clock, EVERY, lambda: 0.0)
        at.setdefault(frozenset(refused(shedding)), clock.monotonic() - began)
    assert at[frozenset({Class.BULK})] == pytest.approx(3.0, abs=0.3), "the window empties, then two seconds of calm"
    assert at[frozenset()] == pytest.approx(5.0, abs=0.4)


def test_nothing_comes_in_while_the_lag_is_only_a_little_better() -> None:
    clock = VirtualClock()
    shedding = Shedding(clock)
    run(shedding, clock, 2.0, lambda: 0.06)
    assert run(shedding, clock, 60.0, lambda: 0.04) == 0
    assert refused(shedding) == {Class.BULK}


def test_a_load_that_shedding_cures_does_not_make_it_flap() -> None:
    """Bulk makes the loop late, shedding it cures that: let in at once, it would be refused again every second or two."""
    clock = VirtualClock()
    shedding = Shedding(clock)
    changes = run(shedding, clock, 300.0, lambda: 0.0 if Class.BULK in refused(shedding) else 0.1)
    assert changes < 30, "let in after 2, 4, 8, 16 and then each 30 seconds"
    assert run(shedding, clock, 100.0, lambda: 0.0) <= 1
    assert refused(shedding) == set()


def test_a_refusal_says_when_its_class_may_come_in_at_the_earliest() -> None:
    clock = VirtualClock()
    shedding = Shedding(clock)
    run(shedding, clock, 1.0, lambda: 0.1)
    with pytest.raises(HubOverloaded) as heard:
        shedding.check(Class.BULK)
    assert heard.value.retry_after is not None
    began = clock.monotonic()
    while refused(shedding):
        run(shedding, clock, EVERY, lambda: 0.0)
    assert clock.monotonic() - began == pytest.approx(heard.value.retry_after, abs=0.3)


@pytest.mark.parametrize("what", ["queued", "memory"])
@pytest.mark.parametrize(
    ("part", "out"),
    [(0.99, set()), (1.01, {Class.BULK, Class.NORMAL}), (1.11, set(Class))],
)
def test_above_a_cap_only_the_counter_comes_in_and_a_tenth_above_it_nobody(
    what: str, part: float, out: set[Class]
) -> None:
    shedding = Shedding(VirtualClock(), queued_bytes=1000, memory_bytes=1000)
    shedding.weigh(**{"queued": 0, "memory": 0, what: round(1000 * part)})
    assert refused(shedding) == out
    assert shedding.full == bool(out)


def test_a_cap_lets_in_again_only_a_tenth_below_it() -> None:
    shedding = Shedding(VirtualClock(), memory_bytes=1000)
    told = []
    for memory in (1200, 1050, 1000, 980, 950, 901, 899, 950, 1000, 1001):
        shedding.weigh(queued=10**12, memory=memory)
        told.append(len(refused(shedding)))
    assert told == [3, 3, 3, 2, 2, 2, 0, 0, 0, 2]


def test_the_worse_of_lag_and_caps_decides() -> None:
    clock = VirtualClock()
    shedding = Shedding(clock, memory_bytes=1000)
    shedding.weigh(queued=0, memory=1200)
    run(shedding, clock, 1.0, lambda: 0.1)
    assert refused(shedding) == set(Class)
    shedding.weigh(queued=0, memory=10)
    assert refused(shedding) == {Class.BULK}
