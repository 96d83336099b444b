"""Rows take turns by their shares; nobody starves, nobody saves up."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from hub.call import Call, Class, Kind, Purpose
from hub.clock import VirtualClock
from hub.line import SHARES, Line
from hub.turn import Place, Turn
from tests.unit.engine.stage import Query

CALL = Call("", "agency", "x", Kind.LOOKUP, Class.NORMAL, True, "one_stop", Purpose(), "f", 0.0, 100.0, 0.0, "x")


@pytest.fixture
def loop() -> object:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


class Queue:
    """A line with somebody who joins it and somebody who sends."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.clock = VirtualClock()
        self.line = Line(self.clock, 1.0)
        self._loop = loop
        self._count = 0

    def join(self, cls: Class, *, interactive: bool = True, count: int = 1, head: bool = False) -> list[Turn]:
        turns = []
        for _ in range(count):
            self._count += 1
            future = self._loop.create_future() if interactive else None
            turn = Turn(replace(CALL, id=str(self._count), cls=cls), Query(citizen_id="000"), b"", 0.0, future)
            self.line.join(turn, head=head)
            turns.append(turn)
        return turns

    def send(self, count: int) -> list[Turn]:
        sent = []
        for _ in range(count):
            turn = self.line.take(10_000)
            assert turn is not None
            self.line.send(turn)
            sent.append(turn)
        return sent


def test_a_full_lane_is_shared_60_30_10_and_two_thirds_of_each_by_those_who_wait(
    loop: asyncio.AbstractEventLoop,
) -> None:
    queue = Queue(loop)
    for cls, interactive in SHARES:
        queue.join(cls, interactive=interactive, count=500)
    sent = Counter((turn.call.cls, turn.interactive) for turn in queue.send(500))
    for key, share in SHARES.items():
        assert sent[key] == pytest.approx(5 * share, abs=2)


def test_what_a_class_does_not_use_the_others_do(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    bulk = queue.join(Class.BULK, interactive=False, count=20)
    assert queue.send(20) == bulk


def test_a_class_that_was_idle_has_not_saved_up_turns(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.join(Class.BULK, count=1000)
    for turn in queue.send(500):
        queue.line.returned(turn, 1.0)
    queue.join(Class.COUNTER, count=500)
    sent = Counter(turn.call.cls for turn in queue.send(94))
    assert sent[Class.BULK] >= 12, "7 of 47"


def test_within_a_row_the_first_comes_first_and_the_head_before_it(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    first, second = queue.join(Class.NORMAL, count=2)
    (ahead,) = queue.join(Class.NORMAL, head=True)
    assert queue.send(3) == [ahead, first, second]
    assert queue.line.take(10_000) is None


def test_a_turn_without_a_permit_keeps_its_place_and_its_row_its_turn(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.join(Class.NORMAL, count=2)
    queue.join(Class.BULK, count=2)
    expected = queue.line.take(10_000)
    assert expected is not None
    for _ in range(50):
        queue.line.put_back(expected)
        assert queue.line.take(10_000) is expected


def test_who_left_while_asking_is_not_put_back(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.join(Class.NORMAL)
    turn = queue.line.take(10_000)
    assert turn is not None
    turn.place = Place.GONE
    queue.line.put_back(turn)
    assert len(queue.line) == 0


def test_leaving_costs_no_place_in_memory(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    for _ in range(1000):
        (turn,) = queue.join(Class.NORMAL)
        assert queue.line.leave(turn)
        assert not queue.line.leave(turn)
    assert len(queue.line) == 0
    assert queue.line.count(interactive=True) == 0


def test_an_heir_stands_where_the_other_stood(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    first, second, third = queue.join(Class.NORMAL, count=3)
    (heir,) = queue.join(Class.NORMAL)
    queue.line.leave(heir)
    assert queue.line.hand_over(second, heir)
    assert (second.place, heir.place) == (Place.GONE, Place.LINE)
    assert queue.send(3) == [first, heir, third]


def test_an_heir_of_who_went_before_all_goes_before_all(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.join(Class.COUNTER)
    (first,), (heir,) = queue.join(Class.NORMAL, head=True), queue.join(Class.NORMAL)
    queue.line.leave(heir)
    assert queue.line.hand_over(first, heir)
    assert queue.send(1) == [heir]


def test_an_heir_has_waited_since_it_came_or_since_the_last_stop(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.clock.advance(100)
    (turn,), (heir,), (other,) = (queue.join(Class.NORMAL) for _ in range(3))
    heir.until, heir.budget = 130.0, 20.0  # it came at 110
    queue.line.leave(heir)
    assert queue.line.hand_over(turn, heir)
    assert (heir.since, heir.stands) == (110.0, 110.0)
    queue.clock.advance(15)
    queue.line.resumed()
    other.until, other.budget = 130.0, 20.0
    queue.line.leave(other)
    assert queue.line.hand_over(heir, other)
    assert other.stands == 115.0


def test_nobody_takes_the_place_of_who_stands_elsewhere_or_nowhere(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    (bulk,), (normal,), (gone,) = (queue.join(cls) for cls in (Class.BULK, Class.NORMAL, Class.NORMAL))
    queue.line.leave(gone)
    queue.line.leave(normal)
    assert not queue.line.hand_over(bulk, normal)
    assert not queue.line.hand_over(gone, normal)
    assert list(queue.line) == [bulk]
