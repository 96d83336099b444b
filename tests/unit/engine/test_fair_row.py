"""Between those for whom calls are made the agency's time is shared evenly, whatever their calls cost and however many wait."""

import asyncio
import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.call import Call, Class, Kind, Purpose
from hub.clock import VirtualClock
from hub.line import Line
from hub.turn import Place, Turn
from tests.unit.engine.stage import Query

CALL = Call("", "agency", "x", Kind.LOOKUP, Class.NORMAL, True, "one_stop", Purpose(), "f", 0.0, 100.0, 0.0, "x")
QUERY = Query(citizen_id="000")


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


class Queue:
    """A line, an agency that bears *at_once* exchanges, and payers whose calls cost what they cost."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, at_once: int = 4, guess: float = 1.0) -> None:
        self.clock = VirtualClock()
        self.line = Line(self.clock, guess)
        self.at_once = at_once
        self.cost: dict[str, float] = {}
        self.spent: Counter[str] = Counter()
        """Seconds of the agency's time that were used up, by caller."""
        self.left: Counter[str] = Counter()
        self.out: list[tuple[float, int, Turn]] = []
        self._loop = loop
        self._count = 0

    def join(
        self,
        caller: str,
        count: int = 1,
        *,
        cls: Class = Class.NORMAL,
        interactive: bool = True,
        unit: str = "u1",
        budget: float = 1000.0,
        head: bool = False,
    ) -> list[Turn]:
        turns = []
        for _ in range(count):
            self._count += 1
            call = replace(CALL, id=str(self._count), cls=cls, caller=caller, purpose=Purpose(unit=unit))
            future = self._loop.create_future() if interactive else None
            turn = Turn(call, QUERY, b"", self.clock.monotonic() + budget, future, budget=budget)
            self.line.join(turn, head=head)
            turns.append(turn)
        return turns

    def fill(self) -> None:
        while len(self.out) < self.at_once and (turn := self.line.take(self.at_once)) is not None:
            self.line.send(turn)
            self.left[turn.call.caller] += 1
            seconds = self.cost.get(turn.call.caller, 1.0)
            heapq.heappush(self.out, (self.clock.monotonic() + seconds, self._count + len(self.left), turn))
            self._count += 1

    def run(self, seconds: float) -> None:
        """Serve for *seconds*; count what each caller got of the agency's time."""
        end = self.clock.monotonic() + seconds
        self.fill()
        while self.out and self.out[0][0] <= end:
            moment, _, turn = heapq.heappop(self.out)
            self.clock.advance(moment - self.clock.monotonic())
            cost = self.cost.get(turn.call.caller, 1.0)
            self.spent[turn.call.caller] += cost
            self.line.returned(turn, cost)
            self.fill()
        self.clock.advance(end - self.clock.monotonic())


def test_two_payers_share_the_seconds_and_not_the_calls(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.cost = {"slow": 10.0, "quick": 0.5}
    queue.join("slow", 2000)
    queue.join("quick", 20_000)
    queue.run(1000)
    assert queue.spent["slow"] == pytest.approx(2000, rel=0.05)
    assert queue.spent["quick"] == pytest.approx(2000, rel=0.05)


@settings(max_examples=30)
@given(
    costs=st.lists(st.floats(0.05, 20), min_size=2, max_size=5),
    at_once=st.integers(1, 12),
    guess=st.floats(0.05, 15),
)
def test_whatever_calls_cost_nobody_gets_less_than_an_even_share(
    loop: asyncio.AbstractEventLoop, costs: list[float], at_once: int, guess: float
) -> None:
    queue = Queue(loop, at_once=at_once, guess=guess)
    queue.cost = {str(number): cost for number, cost in enumerate(costs)}
    for caller, cost in queue.cost.items():
        queue.join(caller, int(400 * at_once / cost) + at_once)
    queue.run(300)
    even = 300 * at_once / len(costs)
    for caller in queue.cost:
        assert queue.spent[caller] >= 0.6 * even - at_once * max(costs), (
            "one call of each other is what nobody can foresee"
        )


def test_a_call_that_took_a_minute_is_put_right_when_it_is_back(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop, at_once=1)
    queue.cost = {"slow": 60.0}
    queue.join("slow", 10)
    queue.run(1)
    queue.join("quick", 200)
    queue.run(59 + 55)
    assert queue.left["quick"] >= 55, "a minute of calls before the slow one goes again"
    assert queue.left["slow"] == 1


def test_a_payer_who_comes_new_begins_at_the_present_and_is_served_at_once(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.join("long", 4000)
    queue.run(500)
    queue.join("new", 500)
    queue.run(1)
    assert queue.left["new"] >= 2
    before = queue.left["long"]
    queue.run(100)
    assert queue.left["long"] - before >= 190, "and has not saved up the time in which it was away"


def test_a_payer_who_was_away_has_saved_up_nothing(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.join("away", 4)
    queue.join("long", 4000)
    queue.run(500)
    queue.join("away", 1000)
    before = queue.left["long"]
    queue.run(100)
    assert queue.left["long"] - before >= 190


@pytest.mark.parametrize("guess", [0.05, 15.0])
def test_a_wrong_guess_at_the_start_does_not_put_who_comes_later_behind(
    loop: asyncio.AbstractEventLoop, guess: float
) -> None:
    """A hub that has just started takes an exchange for a quarter of `call_timeout`; the first ones take a moment."""
    for late, at_once in ((0.0, 4), (0.01, 4), (1.0, 4), (0.01, 1), (1.0, 1)):
        queue = Queue(loop, at_once=at_once, guess=guess)
        queue.cost = {"first": 0.05, "second": 0.05}
        queue.join("first", 20_000)
        queue.run(late)
        queue.join("second", 100)
        queue.run(2.0)
        assert queue.left["second"] >= 17 * at_once, f"half of {40 * at_once}, {late} s after the other"


@pytest.mark.parametrize("guess", [0.05, 15.0])
def test_a_wrong_guess_at_the_start_does_not_put_the_counter_behind_a_backlog(
    loop: asyncio.AbstractEventLoop, guess: float
) -> None:
    for late in (0.0, 0.01, 1.0):
        queue = Queue(loop, guess=guess)
        queue.cost = {"night": 0.05, "day": 0.05}
        queue.join("night", 20_000, cls=Class.BULK, interactive=False)
        queue.run(late)
        for unit in ("u1", "u2", "u3"):  # one payer may have half of the permits
            queue.join("day", 100, cls=Class.COUNTER, unit=unit)
        queue.run(2.0)
        assert queue.left["day"] >= 120, f"40 of 43 parts, {late} s after the other"


@pytest.mark.parametrize("cls", list(Class))
def test_a_hundred_thousand_calls_of_one_do_not_starve_the_one_call_of_another(
    loop: asyncio.AbstractEventLoop, cls: Class
) -> None:
    queue = Queue(loop, at_once=1)
    queue.join("flood", 100_000, cls=cls, interactive=False)
    queue.run(10)
    queue.join("one", cls=cls, interactive=False)
    queue.run(2.1)
    assert queue.left["one"] == 1


def test_a_caller_with_a_thousand_units_goes_round_once_before_any_of_them_is_served_twice(
    loop: asyncio.AbstractEventLoop,
) -> None:
    queue = Queue(loop, at_once=4)
    for number in range(1000):
        queue.join("flood", 10, unit=f"u{number}", interactive=False)
    queue.run(20)
    queue.join("one", interactive=False, unit="u1")
    queue.run(250)
    assert queue.left["one"] == 1, "within one round of a thousand calls, four at once"


def test_alone_a_payer_may_have_every_permit_and_else_half_of_them(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop, at_once=10)
    queue.cost = {"a": 50.0, "b": 0.1}
    queue.join("a", 100)
    queue.run(0.01)
    assert queue.left["a"] == 10
    queue = Queue(loop, at_once=10)
    queue.cost = {"a": 50.0, "b": 0.1}
    queue.join("a", 100)
    queue.join("b", 1000)
    queue.run(10)
    assert sum(turn.call.caller == "a" for _, _, turn in queue.out) <= 5


def test_a_class_that_is_one_payer_gives_none_of_its_turns_to_a_lower_class(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop, at_once=10)
    queue.join("flood", 1000)
    queue.run(5)
    queue.join("counter", 1000, cls=Class.COUNTER)
    queue.run(40)
    assert sum(turn.call.caller == "counter" for _, _, turn in queue.out) > 5, "two thirds of the shares are its own"


def test_with_one_permit_two_payers_take_turns(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop, at_once=1)
    queue.join("a", 50)
    queue.join("b", 50)
    queue.run(20)
    assert abs(queue.left["a"] - queue.left["b"]) <= 1


# --- What is remembered of a payer -----------------------------------------------------------------------------------


def test_what_is_under_way_is_put_right_though_hundreds_of_payers_came_meanwhile(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Else who has many neighbours would pay the guess for a call of a minute."""
    queue = Queue(loop, at_once=2)
    queue.cost = {"slow": 60.0, "other": 0.01}
    queue.join("slow")
    queue.fill()
    for number in range(600):
        queue.join("other", unit=f"u{number}")
        queue.run(0.05)
    queue.run(60)
    queue.join("slow", 5)
    queue.join("rival", 50)
    queue.run(20)
    assert queue.left["rival"] >= 20


def test_a_payer_may_be_forgotten_while_its_turn_asks_for_a_permit(loop: asyncio.AbstractEventLoop) -> None:
    """Coordination answers over a network one day, and the line goes on meanwhile."""
    queue = Queue(loop, at_once=2)
    for number in range(300):
        queue.join("other", unit=f"u{number}")
        queue.fill()
        queue.run(1.1)
    (first, second) = queue.join("asking", 2)
    queue.line.send(took := take(queue))
    asking = take(queue)
    assert {took, asking} == {first, second}
    queue.line.returned(took, 0.0)
    for number in range(300):
        queue.join("more", unit=f"v{number}")
    queue.line.send(asking)
    queue.line.returned(asking, 1.0)


def take(queue: Queue) -> Turn:
    turn = queue.line.take(1000)
    assert turn is not None
    return turn


def test_payers_who_are_gone_take_no_memory(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.cost = {"passing": 0.01}
    for number in range(5000):
        queue.join("passing", unit=f"u{number}")
        queue.run(0.02)
    row = queue.line._rows[Class.NORMAL, True]
    assert len(row._flows) <= 300


# --- Places ----------------------------------------------------------------------------------------------------------


def test_turns_that_were_put_back_stand_where_they_stood(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    turns = queue.join("a", 6)
    taken = [take(queue) for _ in range(4)]
    newcomers = queue.join("a", 2)
    for turn in reversed(taken):
        queue.line.put_back(turn)
    assert [take(queue) for _ in range(8)] == turns + newcomers


@settings(max_examples=100)
@given(st.data())
def test_any_order_of_taking_and_putting_back_keeps_everybody_in_place(
    loop: asyncio.AbstractEventLoop, data: st.DataObject
) -> None:
    queue = Queue(loop)
    joined: list[Turn] = []
    taken: list[Turn] = []
    for _ in range(data.draw(st.integers(1, 30))):
        match data.draw(st.sampled_from(["join", "take", "back", "leave"])):
            case "join":
                joined += queue.join("a")
            case "take" if len(taken) < len(joined):
                taken.append(take(queue))
            case "back" if taken:
                queue.line.put_back(taken.pop(data.draw(st.integers(0, len(taken) - 1))))
            case "leave" if len(joined) > len(taken):
                turn = data.draw(st.sampled_from([one for one in joined if one not in taken]))
                assert queue.line.leave(turn)
                joined.remove(turn)
    waiting = [turn for turn in joined if turn not in taken]
    assert list(queue.line) == waiting
    assert [take(queue) for _ in waiting] == waiting


def test_a_head_goes_before_everybody_and_again_after_it_was_put_back(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.join("a", 3, cls=Class.COUNTER)
    (step,) = queue.join("b", cls=Class.BULK, interactive=False, head=True)
    for _ in range(3):
        turn = take(queue)
        assert turn is step
        queue.line.put_back(turn)


@pytest.mark.parametrize("how", ["left", "given back", "gone"])
def test_a_head_that_is_gone_is_not_remembered(loop: asyncio.AbstractEventLoop, how: str) -> None:
    queue = Queue(loop)
    for _ in range(50):
        (step,) = queue.join("b", interactive=False, head=True)
        if how == "left":
            queue.line.leave(step)
        else:
            assert take(queue) is step
            step.place = Place.GONE
            if how == "given back":
                queue.line.put_back(step)
    assert queue.line.take(10) is None
    assert len(queue.line._heads) == 0


def test_no_permit_of_a_payer_stays_counted(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    random = Random(3)
    for _ in range(200):
        queue.join(random.choice("abc"), random.randint(0, 3))
        queue.run(random.random())
    queue.run(1000)
    assert not queue.line._out
    assert list(queue.line.shares()) == []
