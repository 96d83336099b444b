"""The door refuses what could not be served in time, with the number of seconds it reckons with, and asks nobody for that."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kit.manifest import Contract
from connectors.kit.outcomes import Answered, Busy, InDoubt, Result
from hub.admission import Admission
from hub.call import Class
from hub.coordination.protocol import Pace, Wait
from hub.errors import BacklogFull, LaneFull, LaneHeld, LaneOpen, LaneWaitTooLong, Refusal
from hub.turn import Payer
from tests.unit.engine.stage import CONTRACT
from tests.unit.engine.test_fair_row import Queue

OK = Answered(Result.OK)
ME: Payer = ("one_stop", "u1")


class Told:
    """A coordination that says what a test wants."""

    def __init__(self) -> None:
        self.stop: Wait | None = None
        self.rate = 1000.0
        self.at_once = 4
        self.asked = 0

    def stopped(self, name: str, operation: str) -> Wait | None:
        return self.stop

    def pace(self, lane: str) -> Pace:
        self.asked += 1
        return Pace(self.at_once, self.rate, 0.0, ramping=False)


class Door:
    def __init__(self, loop: asyncio.AbstractEventLoop, **contract: object) -> None:
        self.queue = Queue(loop)
        self.clock = self.queue.clock
        self.clock.advance(100)
        self.told = Told()
        self.contract = Contract(**{**CONTRACT, "call_timeout": 20.0, **contract})
        self.door = Admission("agency", self.contract, self.queue.line, self.told, self.clock)  # type: ignore[arg-type]

    def check(self, seconds: float = 30.0, cls: Class = Class.NORMAL, payer: Payer = ME) -> None:
        self.door.check("lookup_citizen", cls, payer, interactive=True, seconds=seconds)

    def refusal(self, seconds: float = 30.0, cls: Class = Class.NORMAL, payer: Payer = ME) -> Refusal:
        with pytest.raises(Refusal) as told:
            self.check(seconds, cls, payer)
        return told.value


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def make(loop: asyncio.AbstractEventLoop) -> Callable[..., Door]:
    return lambda **contract: Door(loop, **contract)


# --- How long it would take ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "at_once", "drain"), [(1000.0, 4, 0.8), (0.5, 4, 0.5), (1000.0, 1, 0.2), (1000.0, 20, 4.0)]
)
def test_before_anything_was_seen_the_drain_is_the_rate_or_what_slots_allow_at_a_quarter_of_the_time_out(
    make: Callable[..., Door], rate: float, at_once: int, drain: float
) -> None:
    door = make()
    door.told.rate, door.told.at_once = rate, at_once
    door.queue.join("others", 10)
    assert door.door.predicted_wait(Class.NORMAL) == pytest.approx(1 / drain), "one of the other payer goes before"
    assert door.door.predicted_wait(Class.NORMAL, ("others", "u1")) == pytest.approx(10 / drain)


def test_the_first_answers_count_in_full_against_what_was_taken_for_granted(make: Callable[..., Door]) -> None:
    """Else callers at the counter of an agency that answers in a second hear that they would wait for twenty."""
    door = make()
    door.told.rate, door.told.at_once = 1000.0, 1
    door.queue.join("others", 10)
    door.door.learn(OK, 1.0)
    assert door.door.predicted_wait(Class.NORMAL, ("others", "u1")) == pytest.approx(10)
    door.queue.clock.advance(1.0)
    for _ in range(3):
        door.door.learn(OK, 2.0)
    assert door.door.predicted_wait(Class.NORMAL, ("others", "u1")) == pytest.approx(17.5), "the mean of four"


def test_what_was_answered_tells_how_fast_the_line_moves_and_what_failed_does_not(make: Callable[..., Door]) -> None:
    door = make()
    door.queue.join("others", 10)
    for _ in range(100):
        door.door.learn(InDoubt("timeout"), 20.0)
        door.door.learn(Busy(1), 0.01)
    assert door.door.predicted_wait(Class.NORMAL, ("others", "u1")) == pytest.approx(10 / 0.8)
    for _ in range(100):
        door.door.learn(OK, 0.5)
    door.clock.advance(0.2)
    assert door.door.predicted_wait(Class.NORMAL, ("others", "u1")) == pytest.approx(10 / 8, rel=0.01)


def test_the_wait_is_that_of_whoever_asks(make: Callable[..., Door]) -> None:
    """Who has nothing waiting goes soon, however many wait for somebody else."""
    door = make(queue_calls=1000)
    door.queue.join("flood", 200)
    assert door.door.predicted_wait(Class.NORMAL, ("flood", "u1")) >= 100
    assert door.door.predicted_wait(Class.NORMAL, ME) <= 5
    door.check(seconds=10.0)
    assert isinstance(door.refusal(10.0, payer=("flood", "u1")), LaneWaitTooLong)


def test_a_class_reckons_with_its_own_share_and_with_all_of_it_when_no_other_waits(make: Callable[..., Door]) -> None:
    door = make()
    door.queue.join("a", 8, cls=Class.BULK)
    alone = door.door.predicted_wait(Class.BULK, ("a", "u1"))
    door.queue.join("b", 8, cls=Class.COUNTER)
    assert door.door.predicted_wait(Class.BULK, ("a", "u1")) == pytest.approx(alone * 47 / 7)
    assert door.door.predicted_wait(Class.COUNTER, ("b", "u1")) == pytest.approx(alone * 47 / 40)


def test_filings_that_wait_slow_the_line_by_their_share_and_not_by_their_number(make: Callable[..., Door]) -> None:
    door = make()
    door.queue.join("a", 4)
    alone = door.door.predicted_wait(Class.NORMAL, ("a", "u1"))
    door.queue.join("b", 500, interactive=False)
    assert door.door.predicted_wait(Class.NORMAL, ("a", "u1")) == pytest.approx(alone * 30 / 20)


@given(ahead=st.integers(1, 60), seconds=st.floats(0.1, 120), took=st.floats(0.01, 19))
def test_refused_is_exactly_who_would_wait_longer_than_it_can_and_hears_how_long(
    loop: asyncio.AbstractEventLoop, ahead: int, seconds: float, took: float
) -> None:
    door = Door(loop, queue_calls=1000, queue_seconds=60.0)
    for _ in range(200):
        door.door.learn(OK, took)
    door.queue.join("one_stop", ahead)
    wait = door.door.predicted_wait(Class.NORMAL, ME)
    if wait > min(seconds, 60.0):
        refused = door.refusal(seconds)
        assert isinstance(refused, LaneWaitTooLong)
        assert refused.retry_after == pytest.approx(wait)
    else:
        door.check(seconds)


def test_an_empty_line_lets_everybody_in(make: Callable[..., Door]) -> None:
    door = make()
    door.told.rate = 0.01
    door.check(seconds=0.1)


# --- Stops -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("guard", "error"), [("hold", LaneHeld), ("breaker", LaneOpen)])
def test_a_stop_that_outlasts_the_caller_is_told_at_once_by_its_name(
    make: Callable[..., Door], guard: str, error: type[Refusal]
) -> None:
    door = make()
    door.told.stop = Wait(guard, 12.0, "busy")
    assert type(door.refusal(10.0)) is error
    assert door.refusal(10.0).retry_after == 12.0
    door.check(13.0)


def test_a_stop_that_only_a_person_ends_is_told_with_a_minute(make: Callable[..., Door]) -> None:
    door = make()
    door.told.stop = Wait("hold", None, "operator")
    refused = door.refusal(120.0)
    assert isinstance(refused, LaneHeld)
    assert refused.retry_after == 60.0


def test_nobody_waits_for_the_end_of_a_stop_longer_than_the_line_lets_anybody_wait(make: Callable[..., Door]) -> None:
    door = make(queue_seconds=20.0)
    door.told.stop = Wait("hold", 30.0, "busy")
    assert isinstance(door.refusal(60.0), LaneHeld)


def test_who_waits_for_the_end_of_a_stop_has_the_line_before_it_too(make: Callable[..., Door]) -> None:
    door = make()
    door.queue.join("one_stop", 8)
    door.check(11.0)
    door.told.stop = Wait("hold", 5.0, "busy")
    assert door.refusal(11.0).retry_after == pytest.approx(15.0)
    door.check(16.0)


# --- Room ------------------------------------------------------------------------------------------------------------


def test_a_full_line_lets_in_whoever_may_take_anothers_place(make: Callable[..., Door]) -> None:
    door = make(queue_calls=8)
    door.told.at_once = 100
    door.queue.join("a", 4, cls=Class.BULK)
    door.queue.join("b", 4, cls=Class.BULK)
    assert isinstance(door.refusal(cls=Class.BULK, payer=("a", "u1")), LaneFull)
    door.check(cls=Class.COUNTER)
    door.check(cls=Class.BULK, payer=("new", "u1"))


def test_a_full_backlog_is_remembered_for_a_moment_and_stops_no_look_up(make: Callable[..., Door]) -> None:
    door = make()
    door.door.backlog_full()
    with pytest.raises(BacklogFull):
        door.door.check("file_paper", Class.NORMAL, ME, interactive=False, seconds=1e6)
    door.check()
    door.clock.advance(2.1)
    door.door.check("file_paper", Class.NORMAL, ME, interactive=False, seconds=1e6)


def test_filings_are_let_in_whatever_is_stopped_or_waits(make: Callable[..., Door]) -> None:
    door = make(queue_calls=1)
    door.queue.join("others", 5)
    door.told.stop = Wait("hold", None, "operator")
    door.door.check("file_paper", Class.BULK, ME, interactive=False, seconds=1e6)


def test_a_flood_of_refusals_asks_for_the_pace_ten_times_a_second_at_most(make: Callable[..., Door]) -> None:
    door = make()
    door.queue.join("one_stop", 50)
    door.told.asked = 0
    for _ in range(10_000):
        door.clock.advance(0.0001)
        door.refusal(1.0)
    assert door.told.asked <= 11
