"""Promises of the heart-beat: the living know each other, and what a dead node had leased goes to the others."""

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

import pytest

from hub.clock import SharedClock, VirtualClock, run_virtual
from hub.coordination.epochs import BEAT, DEAD, Epochs
from hub.coordination.protocol import Coordination
from hub.coordination.shares import InShares
from hub.coordination.switching import Switching
from hub.errors import StoreUnavailable
from hub.guards.bounds import Bounds
from hub.heartbeat import Heartbeat
from hub.store.protocol import NodeRow
from hub.store.sqlite import SqliteStore
from monitoring.events import Silent
from monitoring.health import Unwell

LANES = {"police": Bounds(100, 4, 10.0)}


class Watching(Silent):
    def __init__(self) -> None:
        self.seen: list[tuple[frozenset[str], str]] = []
        self.faults: list[str] = []

    def nodes(self, ages: dict[str, float], alive: frozenset[str], granting: str) -> None:
        self.seen.append((alive, granting))

    def fault(self, what: str, error: BaseException) -> None:
        self.faults.append(what)


class Burying(Switching):
    """Keeps whose slots it was to let go."""

    def bury(self, node: str) -> None:
        self.buried = [*getattr(self, "buried", []), node]
        super().bury(node)


class Node:
    """One node on a store that it shares with others."""

    def __init__(self, store: Any, clock: VirtualClock, name: str, ahead: float = 0.0) -> None:
        self.clock = SharedClock(Ticking(clock, ahead))
        self.deaths = 0
        self.observer = Watching()
        self.group = Epochs(self.clock, name)

        async def keep_to(share: Any) -> Coordination:
            return InShares(self.clock, Random(1), LANES, {}, {}, share)

        self.permits = Burying(self.group, None, keep_to, self.clock)
        self.heart = Heartbeat(store, self.group, self.permits, self.clock, self.observer, name, "1.0", self.died)

    def died(self) -> None:
        self.deaths += 1


class Ticking:
    """The clock of a machine whose wall time is *ahead* seconds off."""

    def __init__(self, clock: VirtualClock, ahead: float) -> None:
        self._clock = clock
        self._ahead = ahead

    def now(self) -> float:
        return self._clock.now() + self._ahead

    def monotonic(self) -> float:
        return self._clock.monotonic()


class Failing:
    """A store that answers unless it is told not to."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.failing = False
        self.inherited: list[str] = []

    async def time(self) -> float:
        return await self._store.time()

    async def beat(self, mine: NodeRow) -> Any:
        if self.failing:
            raise StoreUnavailable(retry_after=1.0)
        return await self._store.beat(mine)

    async def depart(self, node: str) -> None:
        await self._store.depart(node)

    async def inherit(self, dead: str) -> int:
        self.inherited.append(dead)
        return await self._store.inherit(dead)


def play(act: Any) -> None:
    clock = VirtualClock()

    async def scene() -> None:
        store = Failing(SqliteStore.in_memory(clock, backlog_calls={"police": 10}))
        await act(clock, store)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    scene_: Coroutine[Any, Any, None] = scene()
    run_virtual(scene_, clock)


def test_two_nodes_know_each_other_and_share() -> None:
    async def act(clock: VirtualClock, store: Failing) -> None:
        one, two = Node(store, clock, "hub_1"), Node(store, clock, "hub_2")
        await one.heart.start()
        await two.heart.start()
        await asyncio.sleep(5 * BEAT)
        for node in (one, two):
            assert node.observer.seen[-1] == (frozenset({"hub_1", "hub_2"}), "shares")
            assert [(view.node, view.alive, view.version) for view in node.heart.nodes()] == [
                ("hub_1", True, "1.0"),
                ("hub_2", True, "1.0"),
            ]

    play(act)


def test_what_a_dead_node_had_leased_goes_to_the_others_once() -> None:
    async def act(clock: VirtualClock, store: Failing) -> None:
        one, two = Node(store, clock, "hub_1"), Node(store, clock, "hub_2")
        await one.heart.start()
        await two.heart.start()
        await asyncio.sleep(3 * BEAT)
        assert two.heart._task is not None
        two.heart._task.cancel()  # as if the process were gone
        await asyncio.sleep(DEAD + 6 * BEAT)
        assert (store.inherited, one.deaths) == (["hub_2"], 1)
        assert one.permits.buried == ["hub_1", "hub_2"], "its own former life, and who is dead"
        assert one.observer.seen[-1] == (frozenset({"hub_1"}), "shares")
        assert {view.node: view.alive for view in one.heart.nodes()} == {"hub_1": True, "hub_2": False}
        await two.heart.start()
        await asyncio.sleep(5 * BEAT)
        assert one.observer.seen[-1][0] == frozenset({"hub_1", "hub_2"})

    play(act)


def test_who_stops_in_order_is_forgotten_at_once() -> None:
    async def act(clock: VirtualClock, store: Failing) -> None:
        one, two = Node(store, clock, "hub_1"), Node(store, clock, "hub_2")
        await one.heart.start()
        await two.heart.start()
        await asyncio.sleep(3 * BEAT)
        await two.heart.stop()
        await asyncio.sleep(2 * BEAT)
        assert [view.node for view in one.heart.nodes()] == ["hub_1"]
        assert (store.inherited, one.deaths) == ([], 0)

    play(act)


def test_a_line_that_was_never_taken_back_is_deleted_after_a_day() -> None:
    async def act(clock: VirtualClock, store: Failing) -> None:
        one = Node(store, clock, "hub_1")
        await store.beat(NodeRow("old", clock.now(), 0.0, 4, False, "0.9"))
        await one.heart.start()
        await asyncio.sleep(3600)
        assert [view.node for view in one.heart.nodes()] == ["hub_1", "old"]
        await asyncio.sleep(86_400)
        assert [view.node for view in one.heart.nodes()] == ["hub_1"]
        assert store.inherited == ["old"]

    play(act)


def test_all_nodes_go_by_the_clock_of_the_store() -> None:
    async def act(clock: VirtualClock, store: Failing) -> None:
        fast, slow = Node(store, clock, "hub_1", ahead=3600), Node(store, clock, "hub_2", ahead=-40)
        await fast.heart.set_clock()
        await slow.heart.set_clock()
        await asyncio.sleep(10)
        assert abs(fast.clock.now() - clock.now()) < 0.01
        assert abs(slow.clock.now() - clock.now()) < 0.01

    play(act)


def test_a_store_that_does_not_answer_stops_the_granting_and_is_asked_again() -> None:
    async def act(clock: VirtualClock, store: Failing) -> None:
        one = Node(store, clock, "hub_1")
        await one.heart.start()
        await asyncio.sleep(3 * BEAT)
        assert one.permits.mode == "shares"
        store.failing = True
        await asyncio.sleep(DEAD)
        assert (one.permits.mode, one.observer.faults[0]) == ("none", "beat")
        assert len(one.observer.faults) <= DEAD / BEAT + 1, "not faster than it beats"
        store.failing = False
        await asyncio.sleep(5 * BEAT)
        assert one.permits.mode == "shares"

    play(act)


def test_a_heart_goes_on_whatever_went_wrong() -> None:
    async def act(clock: VirtualClock, store: Failing) -> None:
        one = Node(store, clock, "hub_1")
        await one.heart.start()
        await asyncio.sleep(3 * BEAT)
        as_before, store.beat = store.beat, broken  # type: ignore[method-assign]
        await asyncio.sleep(3 * BEAT)
        assert one.observer.faults[0] == "beat"
        store.beat = as_before  # type: ignore[method-assign]
        await asyncio.sleep(5 * BEAT)
        assert one.permits.mode == "shares"

    async def broken(_: NodeRow) -> Any:
        raise ZeroDivisionError

    play(act)


def test_a_line_with_an_epoch_that_cannot_be_takes_nobody_along() -> None:
    async def act(clock: VirtualClock, store: Failing) -> None:
        one = Node(store, clock, "hub_1")
        await store.beat(NodeRow("ghost", clock.now(), 0.0, 2**31 - 1, True, "?"))
        await one.heart.start()
        await asyncio.sleep(5 * BEAT)
        assert (one.permits.mode, one.observer.faults) == ("shares", [])

    play(act)


def test_a_line_from_the_future_is_that_of_a_dead_node_until_it_changes() -> None:
    async def act(clock: VirtualClock, store: Failing) -> None:
        one, two = Node(store, clock, "hub_1"), Node(store, clock, "hub_2")
        clock.step_wall(3600)
        await store.beat(NodeRow("hub_2", clock.now(), 0.0, 4, True, "1.0"))
        clock.step_wall(-3600)
        await one.heart.start()
        await asyncio.sleep(5 * BEAT)
        assert {view.node: view.alive for view in one.heart.nodes()} == {"hub_1": True, "hub_2": False}
        assert one.permits.mode == "shares"
        await two.heart.start()
        await asyncio.sleep(5 * BEAT)
        assert {view.node: view.alive for view in one.heart.nodes()} == {"hub_1": True, "hub_2": True}

    play(act)


def test_a_node_that_can_grant_nothing_for_long_wants_no_work() -> None:
    async def act(clock: VirtualClock, store: Failing) -> None:
        one = Node(store, clock, "hub_1")
        await one.heart.start()
        await asyncio.sleep(3 * BEAT)
        await one.heart.well()
        store.failing = True
        await asyncio.sleep(2 * DEAD + BEAT)
        with pytest.raises(Unwell):
            await one.heart.well()
        store.failing = False
        await asyncio.sleep(5 * BEAT)
        await one.heart.well()

    play(act)
