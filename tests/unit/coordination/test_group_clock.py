"""The group's time goes on evenly, whoever sets which clock and whoever sleeps."""

from dataclasses import replace
from random import Random

import pytest

from hub.clock import VirtualClock
from hub.coordination.group_clock import GroupClock


class Node:
    """One node's view of the group's time, and the Redis that all ask."""

    def __init__(self, redis: VirtualClock, *, ahead: float = 0.0) -> None:
        self.redis = redis
        self.here = VirtualClock()
        self.here.advance(redis.monotonic() + ahead)
        self.time = GroupClock(self.here)

    def pass_(self, seconds: float) -> None:
        self.here.advance(seconds)

    def begin(self) -> None:
        now = self.here.monotonic()
        self.time.begin(self.redis.now(), now, now)

    def hear(self, of: "Node", *, asked: float = 0.0, answered: float = 0.0) -> None:
        """Load what *of* wrote, asking so many seconds before and hearing so many after Redis answered."""
        now = self.here.monotonic()
        self.time.follow(replace(of.time.state), self.redis.now(), now - asked, now + answered)


def two() -> tuple[VirtualClock, Node, Node]:
    redis = VirtualClock()
    redis.advance(1000)
    one, other = Node(redis), Node(redis, ahead=77_777)
    one.begin()
    one.time.written()
    other.hear(one)
    return redis, one, other


def let(seconds: float, redis: VirtualClock, *nodes: Node) -> None:
    redis.advance(seconds)
    for node in nodes:
        node.pass_(seconds)


def test_nodes_whose_own_clocks_differ_have_one_time() -> None:
    redis, one, other = two()
    let(50, redis, one, other)
    assert one.time.monotonic() == pytest.approx(50)
    assert other.time.monotonic() == pytest.approx(50)
    assert other.time.now() == pytest.approx(redis.now())


@pytest.mark.parametrize("step", [3600.0, -3600.0, 5.0])
def test_a_step_of_redis_is_taken_once_for_all(step: float) -> None:
    redis, one, other = two()
    let(10, redis, one, other)
    redis.step_wall(step)
    one.hear(one)
    one.time.written()
    assert one.time.monotonic() == pytest.approx(10)
    other.hear(one)
    assert other.time.monotonic() == pytest.approx(10), "it sees the step too, and that it is taken already"
    let(10, redis, one, other)
    one.hear(other)
    assert one.time.monotonic() == pytest.approx(20)


def test_a_node_that_was_frozen_while_its_answer_lay_there_takes_that_for_no_step() -> None:
    redis, one, other = two()
    let(10, redis, one, other)
    other.hear(one, asked=0.01, answered=30.0)
    let(30, redis, one, other)
    other.hear(one)
    one.hear(other)
    assert one.time.monotonic() == pytest.approx(40)
    assert other.time.monotonic() == pytest.approx(40, abs=0.1)


def test_a_machine_that_slept_goes_by_what_the_others_did_meanwhile() -> None:
    redis, one, slept = two()
    let(3600, redis, one)
    one.hear(one)
    one.time.written()
    slept.hear(one)
    assert slept.time.monotonic() == pytest.approx(3600)


def test_a_node_that_comes_new_after_a_step_back_never_goes_before_what_was_written() -> None:
    redis, one, _ = two()
    let(100, redis, one)
    one.hear(one)
    one.time.written()
    redis.step_wall(-3600)
    late = Node(redis)
    late.hear(one)
    assert late.time.monotonic() == pytest.approx(100)


def test_answers_that_are_long_on_their_way_do_not_shake_the_time() -> None:
    redis, one, _ = two()
    random = Random(4)
    for _ in range(200):
        let(0.05, redis, one)
        before = one.time.monotonic()
        one.hear(one, asked=random.random() * 0.2, answered=random.random() * 0.2)
        assert abs(one.time.monotonic() - before) < 0.01
    assert one.time.monotonic() == pytest.approx(10, abs=0.01)
