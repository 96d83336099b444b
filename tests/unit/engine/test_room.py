"""Who may wait in a line, who makes room when it is full, and who goes first while more come than go."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.call import Class
from hub.turn import Place, Turn
from tests.unit.engine.test_fair_row import Queue, take

MOST = 40
"""Interactive calls that the line of these tests takes."""


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def room(queue: Queue, cls: Class, caller: str) -> bool:
    return queue.line.has_room(cls, (caller, "u1"), MOST)


def gives_way(queue: Queue, cls: Class, caller: str) -> Turn | None:
    return queue.line.gives_way(cls, (caller, "u1"))


# --- A payer's part --------------------------------------------------------------------------------------------------


def test_alone_a_payer_may_fill_the_line_and_beside_others_a_quarter_of_it(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.join("a", 39)
    assert room(queue, Class.NORMAL, "a")
    queue = Queue(loop)
    queue.join("b", 11)
    queue.join("a", 9)
    assert room(queue, Class.NORMAL, "a")
    queue.join("a")
    assert not room(queue, Class.NORMAL, "a")
    assert room(queue, Class.NORMAL, "c"), "nobody else is told so"


def test_the_quarter_is_of_all_classes_together_and_not_of_filings(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.join("b", 12)
    queue.join("a", 5, cls=Class.BULK)
    queue.join("a", 4, cls=Class.COUNTER)
    queue.join("a", 50, interactive=False)
    assert room(queue, Class.COUNTER, "a")
    queue.join("a", cls=Class.NORMAL)
    assert not room(queue, Class.COUNTER, "a")


# --- Who makes room --------------------------------------------------------------------------------------------------


def test_a_call_at_the_counter_takes_the_place_of_the_youngest_bulk_call(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.join("a", 10, cls=Class.COUNTER)
    queue.join("b", 10, cls=Class.NORMAL)
    bulk = queue.join("c", 20, cls=Class.BULK)
    assert gives_way(queue, Class.COUNTER, "new") is bulk[-1]
    assert gives_way(queue, Class.NORMAL, "new") is bulk[-1]


def test_within_the_lowest_class_the_heaviest_payer_makes_room(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.join("light", 3, cls=Class.BULK)
    heavy = queue.join("heavy", 30, cls=Class.BULK)
    queue.join("light", 3, cls=Class.BULK)
    assert gives_way(queue, Class.COUNTER, "new") is heavy[-1]
    assert gives_way(queue, Class.BULK, "new") is heavy[-1], "also for one of its own class who has less"


def test_nobody_makes_room_for_a_lower_class_or_for_one_who_has_as_much(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.join("a", 20, cls=Class.NORMAL)
    queue.join("b", 20, cls=Class.NORMAL)
    assert gives_way(queue, Class.BULK, "c") is None
    assert gives_way(queue, Class.NORMAL, "a") is None
    assert not queue.line.has_room(Class.BULK, ("c", "u1"), MOST)
    assert queue.line.has_room(Class.COUNTER, ("c", "u1"), MOST)


def test_filings_never_make_room(loop: asyncio.AbstractEventLoop) -> None:
    """They are on disk and were promised."""
    queue = Queue(loop)
    queue.join("a", 500, cls=Class.BULK, interactive=False)
    assert gives_way(queue, Class.COUNTER, "b") is None
    assert queue.line.has_room(Class.COUNTER, ("b", "u1"), MOST), "and take no room"


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(list(Class))), min_size=MOST, max_size=3 * MOST),
    st.sampled_from(list(Class)),
)
def test_whoever_comes_the_line_stays_within_its_bound_and_nobody_is_driven_out_by_a_heavier(
    loop: asyncio.AbstractEventLoop, comers: list[tuple[str, Class]], last: Class
) -> None:
    queue = Queue(loop)
    for caller, cls in comers:
        payer = (caller, "u1")
        if not queue.line.has_room(cls, payer, MOST):
            continue
        if queue.line.count(interactive=True) >= MOST:
            other = queue.line.gives_way(cls, payer)
            assert other is not None
            assert other.call.cls >= cls or list(Class).index(other.call.cls) >= list(Class).index(cls)
            if other.call.cls is cls:
                row = queue.line._rows[cls, True]
                assert row.waiting(other.payer) > row.waiting(payer) + 1
            assert queue.line.leave(other)
        queue.join(caller, cls=cls)
        assert queue.line.count(interactive=True) <= MOST


# --- Newest first ----------------------------------------------------------------------------------------------------


def pressed(queue: Queue, caller: str, count: int, budget: float = 10.0) -> list[Turn]:
    """Let *count* calls of *caller* come to the door and into the line."""
    turns = []
    for _ in range(count):
        queue.line.pressed(Class.NORMAL)
        turns += queue.join(caller, budget=budget)
    return turns


def test_first_come_first_served_while_the_queue_drains(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop, at_once=4)
    queue.cost["a"] = 0.4
    turns = pressed(queue, "a", 30)
    queue.run(2.0)
    served = [turn for turn in turns if turn.place is not Place.LINE]
    assert served == turns[: len(served)], "a burst is no standing queue, however long its last one waits"


def test_newest_first_while_more_come_than_go(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop, at_once=4)
    queue.cost["a"] = 0.4
    for _ in range(300):
        pressed(queue, "a", 2)
        queue.run(0.1)
    (newest,) = pressed(queue, "a", 1)
    assert take(queue) is newest
    assert queue.line.standing(Class.NORMAL)


def test_it_is_first_come_first_served_again_when_the_queue_drains(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop, at_once=4)
    queue.cost["a"] = 0.4
    for _ in range(300):
        pressed(queue, "a", 2)
        queue.run(0.1)
    for _ in range(60):
        pressed(queue, "a", 1)
        queue.run(0.2)
    assert not queue.line.standing(Class.NORMAL)
    oldest = next(iter(queue.line))
    assert take(queue) is oldest


def test_a_stop_of_the_lane_makes_no_standing_queue(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop, at_once=4)
    turns = pressed(queue, "a", 30)
    queue.clock.advance(9.0)
    queue.line.resumed()
    for _ in range(25):
        queue.line.pressed(Class.NORMAL)
    taken = [take(queue) for _ in range(22)]
    assert taken == turns[:22]


def test_filings_are_never_taken_newest_first(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop, at_once=4)
    for _ in range(200):
        queue.line.pressed(Class.NORMAL)
        queue.join("a", 2, interactive=False)
        queue.run(0.4)
    oldest = next(iter(queue.line))
    assert take(queue) is oldest


def test_in_a_standing_queue_those_who_wait_in_vain_are_told_oldest_first(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop, at_once=4)
    queue.cost["a"] = 0.4
    told: list[Turn] = []
    for _ in range(300):
        pressed(queue, "a", 3)
        queue.run(0.1)
        told += queue.line.in_vain(0.5)
    assert told
    assert [turn.joined for turn in told] == sorted(turn.joined for turn in told)
    now = queue.clock.monotonic()
    assert all(now - turn.stands <= 0.2 * turn.budget for turn in queue.line), "nobody is kept for longer than a fifth"


def test_nobody_is_told_who_stands_in_a_queue_that_drains(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop, at_once=4)
    queue.cost["a"] = 0.4
    pressed(queue, "a", 60)
    queue.run(5.0)
    assert queue.line.in_vain(0.5) == []


def test_a_step_that_goes_first_and_a_filing_are_never_told_that_they_wait_in_vain(
    loop: asyncio.AbstractEventLoop,
) -> None:
    queue = Queue(loop, at_once=4)
    queue.cost["a"] = 0.4
    (head,) = queue.join("a", budget=0.1, head=True)
    (filing,) = queue.join("a", interactive=False, cls=Class.NORMAL)
    row = queue.line._rows[Class.NORMAL, True]
    row._stands = True
    queue.clock.advance(5)
    told = queue.line.in_vain(0.5)
    assert head not in told
    assert filing not in told


# --- The ramp --------------------------------------------------------------------------------------------------------


def test_while_a_lane_rises_again_people_at_the_counter_go_before_all_others(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.join("a", 20, cls=Class.NORMAL, interactive=False)
    queue.join("b", 20, cls=Class.COUNTER, interactive=False)
    counter = [turn for unit in "vwxyz" for turn in queue.join("c", cls=Class.COUNTER, unit=unit)]
    order = []
    for _ in range(7):
        turn = queue.line.take(4, ramping=True)
        assert turn is not None
        queue.line.send(turn)
        order.append(turn)
    assert order[:5] == counter
