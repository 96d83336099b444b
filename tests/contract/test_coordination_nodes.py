"""What nodes that share a Redis promise together: one contract, one probe, one budget, nobody asleep beside a free slot."""

import asyncio
import math
from collections import Counter
from dataclasses import astuple, is_dataclass, replace
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from bench.servers import Redis
from connectors.kit.outcomes import Answered, Busy, InDoubt, Result, Unavailable
from hub.clock import VirtualClock
from hub.coordination.in_redis import InRedis
from hub.coordination.protocol import HoldCause, Permit, Wait
from hub.coordination.road import Road
from hub.guards.bounds import Bounds
from tests.contract.groups import CALL, SINGLE, WIDE, Nodes, ask, permit, several, until
from tests.unit.coordination.roads import (
    BOUNDS,
    LANES,
    NAMES,
    ROAD,
    SEQUENCES,
    Claim,
    Even,
    Leave,
    Order,
    Pass,
    Release,
)

OK = Answered(Result.OK)


# --- One group ------------------------------------------------------------------------------------------------------


class Together:
    """Three nodes on Redis and one road in memory, told the same."""

    def __init__(self, nodes: list[InRedis], clock: VirtualClock) -> None:
        self.nodes = {f"n{number + 1}": node for number, node in enumerate(nodes)}
        self.road = Road(clock, Even(), BOUNDS, ROAD, name="lgsp", patience=0.05)
        self.clock = clock
        self.out: list[tuple[str, Permit, Permit]] = []

    async def _quiet(self) -> None:
        """
        Wait until nothing is on its way to Redis, or time would pass while it is.

        When the server's clock was read is known to half of that time, which on one machine is nothing.
        """
        for node in self.nodes.values():
            for road in node._shared.values():
                if road._serving is not None:
                    await asyncio.wait((road._serving,))

    async def do(self, step: Any) -> tuple[Any, Any]:
        """Do *step* on both sides; return what came of it on each."""
        if isinstance(step, Pass):
            await self._quiet()
            self.clock.advance(step.seconds)
            return None, None
        self.road.expire()
        if isinstance(step, Claim):
            (one,) = await self.nodes[step.node].claim(step.lane, [step.wish])
            lives = 1.5 * BOUNDS[step.lane].call_timeout + 60
            other = self.road.claim(step.lane, step.wish, f"{step.lane}/{step.node}", step.node, lives)
            if isinstance(one, Permit) and isinstance(other, Permit):
                self.out.append((step.node, one, other))
                return replace(one, id=0), replace(other, id=0)
            return one, other
        if isinstance(step, Order):
            await getattr(self.nodes[step.node], step.what)(*step.arguments)
            getattr(self.road, step.what)(*step.arguments)
            return self.seen(self.nodes[step.node]), self.seen(self.road)
        if not self.out:
            return None, None
        at = step.which % len(self.out)
        node, one, other = self.out[at]
        if isinstance(step, Release):
            del self.out[at]
            await self.nodes[node].release(one, step.outcome, step.seconds)
            self.road.release(other, step.outcome, step.seconds)
            return self.seen(self.nodes[node]), self.seen(self.road)
        assert isinstance(step, Leave)
        wait = await self.nodes[node]._of(one.lane).leave(one)
        if other.id not in self.road.shared.granted:
            return wait, None
        self.road.ready(other)
        late = self.road.leaves_in(other.lane)
        if not late:
            self.road.leave(other, 1.5 * BOUNDS[other.lane].call_timeout + 2)
        return wait, late

    def seen(self, of: InRedis | Road) -> Any:
        numbers = [{key: value for key, value in of.watch(name).items() if key != "p95_seconds"} for name in NAMES]
        return (
            numbers,
            [of.stopped(name, "look") for name in NAMES],
            [replace(of.pace(lane), p95=0.0) for lane in LANES],
            [of.moved(lane)[0] for lane in LANES],
        )


def alike(one: Any, other: Any) -> bool:
    """Whether both are the same, but for what moments lose on their way through Redis: rounded, two of them may differ."""
    if is_dataclass(one) and type(one) is type(other):
        return alike(astuple(one), astuple(other))  # type: ignore[arg-type]  # instances
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and type(one) is type(other):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, abs_tol=1e-5)
    return bool(one == other)


@given(steps=SEQUENCES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_at_whatever_node_the_answers_are_those_of_one(
    steps: list[Any], redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InRedis, "_call", InRedis.wake)  # nobody is there to want nothing any more

    async def compare() -> None:
        clock = VirtualClock()
        nodes = Nodes(redis_server.address(), clock)
        over = dict.fromkeys(LANES, "lgsp")
        group = [await nodes.join(BOUNDS, {"lgsp": ROAD}, over, random=Even()) for _ in range(3)]
        try:
            await group[0].claim("a", [])
            together = Together(group, clock)
            for step in steps:
                one, other = await together.do(step)
                assert alike(one, other), (step, one, other)
        finally:
            await nodes.aclose()

    asyncio.run(compare())


async def test_nodes_together_never_exceed_the_contract_in_any_window(nodes: Nodes, clock: VirtualClock) -> None:
    bounds = Bounds(8, 5, 10)
    group = await several(nodes, 4, bounds)
    random = Random(7)
    out: list[tuple[InRedis, Permit]] = []
    left: list[float] = []
    for _ in range(150):
        answers = await asyncio.gather(*(node.claim("a", [CALL] * random.randint(1, 3)) for node in group))
        for node, answer in zip(group, answers, strict=True):
            out += [(node, one) for one in answer if isinstance(one, Permit)]
            left += [clock.monotonic() for one in answer if isinstance(one, Permit)]
        assert len(out) <= 5
        random.shuffle(out)
        going, out = out[:2], out[2:]
        await asyncio.gather(*(node.release(one, OK, 0.2) for node, one in going))
        clock.advance(random.choice([0.01, 0.05, 0.3]))
    assert len(left) > 60, "they got what there was"
    for begin in left:
        assert sum(begin <= moment < begin + 1.0 for moment in left) <= 8


async def test_several_nodes_try_the_ground_once(nodes: Nodes, clock: VirtualClock) -> None:
    group = await several(nodes, 4)
    for _ in range(5):
        await group[0].release(await permit(group[0]), Unavailable("connect"), 0.1)
        clock.advance(0.1)
    clock.advance(6)
    answers = await asyncio.gather(*(ask(node) for node in group))
    probes = [(node, one) for node, one in zip(group, answers, strict=True) if isinstance(one, Permit)]
    assert [one.probe for _, one in probes] == [True]
    ((node, probe),) = probes
    await node.release(probe, OK, 0.1)
    assert any(isinstance(one, Permit) for one in await asyncio.gather(*(ask(node) for node in group)))


async def test_the_retry_budget_is_one_for_all_nodes(nodes: Nodes, clock: VirtualClock) -> None:
    group = await several(nodes, 4)
    again, repeats = replace(CALL, repeat=True), 0
    for _ in range(6):
        answers = await asyncio.gather(*(ask(node, again) for node in group))
        for node, one in zip(group, answers, strict=True):
            if isinstance(one, Permit):
                repeats += 1
                await node.release(one, OK, 0.1)
        clock.advance(0.1)
    assert repeats == 10


async def test_what_one_node_orders_holds_on_the_others(nodes: Nodes, clock: VirtualClock) -> None:
    one, other = await several(nodes, 2)
    woken: list[str] = []
    other.subscribe("a", lambda: woken.append("a"))
    await one.hold("a", HoldCause.OPERATOR, None)
    await until(lambda: other.stopped("a", "look") == Wait("hold", None, "operator"))
    assert (await ask(other)) == Wait("hold", None, "operator")
    woken.clear()
    await one.resume("a")
    await until(lambda: woken and other.stopped("a", "look") is None)
    await one.stop_retries(True)
    assert (await ask(other, replace(CALL, repeat=True))) == Wait("retry", None, "retries_stopped", whole=False)


async def test_a_busy_agency_is_left_alone_by_every_node(nodes: Nodes) -> None:
    one, other = await several(nodes, 2)
    await one.release(await permit(one), Busy(30), 0.1)
    held = await ask(other)
    assert isinstance(held, Wait)
    assert (held.guard, held.cause) == ("hold", "busy")


# --- Waking ---------------------------------------------------------------------------------------------------------


class Caller:
    """What a lane of one node does: asks when it is woken, while it has calls."""

    def __init__(self, node: InRedis, calls: int, clock: VirtualClock) -> None:
        self.node = node
        self.calls = calls
        self.clock = clock
        self.served = 0
        self.called = 0
        self._woken = asyncio.Event()
        node.subscribe("a", self._call)

    def _call(self) -> None:
        self.called += 1
        self._woken.set()

    async def run(self) -> None:
        self._woken.set()
        while self.calls > 0:
            await self._woken.wait()
            self._woken.clear()
            while self.calls > 0:
                answer = await ask(self.node)
                if isinstance(answer, Wait):
                    if answer.seconds is not None:
                        asyncio.get_running_loop().call_later(answer.seconds, self._woken.set)
                    break
                self.calls -= 1
                self.served += 1
                self.clock.advance(0.001)
                assert await self.node.leave(answer, 10)
                await self.node.release(answer, OK, 0.001)


async def test_beside_one_slot_nobody_sleeps_for_ever_and_few_are_called(nodes: Nodes, clock: VirtualClock) -> None:
    group = await several(nodes, 4, SINGLE)
    callers = [Caller(node, 25, clock) for node in group]
    async with asyncio.timeout(120):
        await asyncio.gather(*(caller.run() for caller in callers))
    assert [caller.served for caller in callers] == [25] * 4
    assert sum(caller.called for caller in callers) <= 250, "100 slots came free: to call everybody would be 400"


async def test_a_node_that_floods_leaves_their_turn_to_the_others(nodes: Nodes, clock: VirtualClock) -> None:
    group = await several(nodes, 3, SINGLE)
    flood, *others = [Caller(node, calls, clock) for node, calls in zip(group, (100_000, 10, 10), strict=True)]
    work = [asyncio.create_task(caller.run()) for caller in (flood, *others)]
    await until(lambda: not any(caller.calls for caller in others), 60)
    assert flood.served <= 100
    flood.calls = 0
    await flood.node.hold("a", HoldCause.MAINTENANCE, 0.0)  # wakes it, to find out
    await asyncio.gather(*work)


async def test_a_slot_that_its_first_in_line_does_not_want_goes_to_the_next(nodes: Nodes, clock: VirtualClock) -> None:
    holder, gone, wants = await several(nodes, 3, SINGLE)
    held = await permit(holder)
    for node in (gone, wants):
        assert isinstance(await ask(node), Wait)
    woken: list[str] = []
    gone.subscribe("a", lambda: woken.append("gone"))
    wants.subscribe("a", lambda: woken.append("wants"))
    await holder.release(held, OK, 0.1)
    await until(lambda: "wants" in woken, 1.5)
    assert woken == ["gone", "wants"]
    assert isinstance(await ask(wants), Permit)


@pytest.mark.parametrize("why", ["its gateway throttles", "its lane has its part", "its agency is busy"])
async def test_whoever_waits_and_cannot_go_asks_a_few_times_and_no_more(
    nodes: Nodes, clock: VirtualClock, why: str
) -> None:
    lanes = {"a": WIDE, "b": WIDE}
    route = None if why == "its gateway throttles" else Bounds(1000, 2, 10)
    group = [await nodes.join(lanes, {"lgsp": route}, dict.fromkeys(lanes, "lgsp")) for _ in range(3)]
    await group[0].claim("a", [])
    clock.advance(1)
    first = await permit(group[0])
    if why != "its lane has its part":
        await group[0].release(first, Busy(600, route=why == "its gateway throttles"), 0.1)
    asked: Counter[str] = Counter()
    work: set[asyncio.Task[Any]] = set()

    def woken(node: InRedis, lane: str) -> None:
        asked[lane] += 1
        task = asyncio.create_task(ask(node, CALL, lane))
        work.add(task)
        task.add_done_callback(work.discard)

    for node in group:
        node.subscribe("a", lambda node=node: woken(node, "a"))  # type: ignore[misc]
        assert isinstance(await ask(node), Wait)
    await asyncio.sleep(1.0)  # of real time, since what is to be seen is that messages do not come
    assert asked.total() <= 12
    await asyncio.gather(*work)


async def test_a_timed_out_exchange_keeps_its_slot_on_every_node(nodes: Nodes, clock: VirtualClock) -> None:
    one, other = await several(nodes, 2, SINGLE)
    await one.release(await permit(one), InDoubt("timeout"), 10.0)
    waits = await ask(other)
    assert isinstance(waits, Wait)
    assert waits.seconds == pytest.approx(5)


async def test_nodes_take_from_one_line_in_the_order_in_which_they_came(nodes: Nodes) -> None:
    group = await several(nodes, 4, SINGLE)
    held = await permit(group[0])
    for node in group[1:]:
        await ask(node)
    got: Counter[int] = Counter()
    for number, node in enumerate(group[1:], 1):
        await (group[0] if number == 1 else group[number - 1]).release(held, OK, 0.0)
        nodes.clock.advance(0.01)
        held = await permit(node)
        got[number] += 1
    assert got == Counter({1: 1, 2: 1, 3: 1})
