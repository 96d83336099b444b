"""What nodes that share a Redis promise together: one contract, one probe, one budget, nobody asleep beside a free slot."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from bench.servers import Redis
from connectors.kit.outcomes import Answered, Busy, InDoubt, Result, Unavailable
from hub.call import Class
from hub.clock import VirtualClock
from hub.coordination.in_redis import InRedis
from hub.coordination.link import Link, Reply, Unreached
from hub.coordination.protocol import UNSENT, HoldCause, Permit, Switches, Wait, Wanted
from hub.coordination.road import Road
from hub.guards.bounds import Bounds
from tests.contract.groups import Nodes
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
CALL = Wanted("look", Class.NORMAL)
WIDE = Bounds(1000, 4, 10, calls_per_day=1000)
SINGLE = Bounds(10_000, 1, 10)
LIVES = 75.0
"""1.5 times a `call_timeout` of 10 s, and a minute for the record."""


@pytest.fixture
def clock() -> VirtualClock:
    clock = VirtualClock()
    clock.advance(100)
    return clock


@pytest.fixture
async def nodes(redis_server: Redis, clock: VirtualClock) -> AsyncIterator[Nodes]:
    nodes = Nodes(redis_server.address(), clock)
    yield nodes
    await nodes.aclose()


async def several(nodes: Nodes, count: int, bounds: Bounds = WIDE, **more: Any) -> list[InRedis]:
    """Return *count* nodes with one lane, whose state has begun a second ago."""
    group = [await nodes.join({"a": bounds}, **more) for _ in range(count)]
    await group[0].claim("a", [])
    nodes.clock.advance(1)
    return group


async def ask(node: InRedis, wish: Wanted = CALL, lane: str = "a") -> Permit | Wait:
    (answer,) = await node.claim(lane, [wish])
    return answer


async def permit(node: InRedis, wish: Wanted = CALL) -> Permit:
    answer = await ask(node, wish)
    assert isinstance(answer, Permit), answer
    return answer


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until *condition* holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - told by another process
            await asyncio.sleep(0.005)


# --- One group ------------------------------------------------------------------------------------------------------


class Together:
    """Three nodes on Redis and one road in memory, told the same."""

    def __init__(self, nodes: list[InRedis], clock: VirtualClock) -> None:
        self.nodes = {f"n{number + 1}": node for number, node in enumerate(nodes)}
        self.road = Road(clock, Even(), BOUNDS, ROAD, name="lgsp", patience=0.05)
        self.clock = clock
        self.out: list[tuple[str, Permit, Permit]] = []

    async def do(self, step: Any) -> tuple[Any, Any]:
        """Do *step* on both sides; return what came of it on each."""
        if isinstance(step, Pass):
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
            return _rounded(one), _rounded(other)
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
            self.road.leave(other, 1.5 * BOUNDS[other.lane].call_timeout + 60)
        return wait is not None and round(wait, 5), round(late, 5)

    def seen(self, of: InRedis | Road) -> Any:
        numbers = [
            {key: round(value, 5) for key, value in of.watch(name).items() if key != "p95_seconds"} for name in NAMES
        ]
        return (
            numbers,
            [_rounded(of.stopped(name, "look")) for name in NAMES],
            [replace(of.pace(lane), p95=0.0, per_second=round(of.pace(lane).per_second, 5)) for lane in LANES],
            [of.moved(lane)[0] for lane in LANES],
        )


def _rounded(answer: Permit | Wait | None) -> Permit | Wait | None:
    if isinstance(answer, Wait) and answer.seconds is not None:
        return answer._replace(seconds=round(answer.seconds, 5))
    return answer


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
                assert one == other, step
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
        self.asked = 0
        self._woken = asyncio.Event()
        node.subscribe("a", self._woken.set)

    async def run(self) -> None:
        self._woken.set()
        while self.calls > 0:
            await self._woken.wait()
            self._woken.clear()
            while self.calls > 0:
                self.asked += 1
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


async def test_beside_one_slot_nobody_sleeps_for_ever_and_few_ask_in_vain(nodes: Nodes, clock: VirtualClock) -> None:
    group = await several(nodes, 4, SINGLE)
    callers = [Caller(node, 25, clock) for node in group]
    async with asyncio.timeout(120):
        await asyncio.gather(*(caller.run() for caller in callers))
    assert [caller.served for caller in callers] == [25] * 4
    assert sum(caller.asked for caller in callers) <= 4 * 100, "one slot wakes one, not all"


async def test_a_node_that_floods_leaves_their_turn_to_the_others(nodes: Nodes, clock: VirtualClock) -> None:
    group = await several(nodes, 3, SINGLE)
    flood, *others = [Caller(node, calls, clock) for node, calls in zip(group, (1000, 10, 10), strict=True)]
    work = [asyncio.create_task(caller.run()) for caller in (flood, *others)]
    await until(lambda: not any(caller.calls for caller in others), 60)
    assert flood.served <= 3 * 10 + 10
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
    await asyncio.sleep(1.0)
    assert asked.total() <= 12
    await asyncio.gather(*work)


# --- Permits that nobody gives back ---------------------------------------------------------------------------------


async def test_the_permits_of_a_dead_node_come_back_by_themselves(nodes: Nodes, clock: VirtualClock) -> None:
    dead, other = await several(nodes, 2)
    for _ in range(4):
        await permit(dead)
    await dead.aclose()
    clock.advance(LIVES - 1)
    assert isinstance(await ask(other), Wait)
    clock.advance(1.1)
    assert len([one for one in await other.claim("a", [CALL] * 9) if isinstance(one, Permit)]) == 4
    assert other.watch("a")["day_quota_remaining"] == 1000 - 8, "nobody knows whether it sent: no refund"


async def test_a_node_that_was_frozen_sends_nothing_with_a_permit_that_is_another_s(
    nodes: Nodes, clock: VirtualClock
) -> None:
    frozen, other = await several(nodes, 2, SINGLE)
    late = await permit(frozen)
    clock.advance(LIVES + 1)
    taken = await permit(other)
    assert not await frozen.leave(late, 10)
    await frozen.release(late, UNSENT, 0.0)
    assert isinstance(await ask(frozen), Wait), "the slot is the other's"
    assert await other.leave(taken, 10)


async def test_a_node_that_stood_still_while_its_leave_was_on_its_way_sends_nothing(
    nodes: Nodes, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen, _ = await several(nodes, 2, SINGLE)
    late = await permit(frozen)
    swap = Link.swap

    async def slept(link: Link, *arguments: Any) -> Reply:
        reply = await swap(link, *arguments)
        clock.advance(LIVES)
        return reply

    monkeypatch.setattr(Link, "swap", slept)
    assert not await frozen.leave(late, 10)


async def test_a_permit_that_left_in_time_is_good_for_its_whole_exchange(nodes: Nodes, clock: VirtualClock) -> None:
    slow, other = await several(nodes, 2, SINGLE)
    late = await permit(slow)
    clock.advance(LIVES - 1)
    assert await slow.leave(late, 10)
    clock.advance(14)
    assert isinstance(await ask(other), Wait)
    await slow.release(late, OK, 14.0)
    assert isinstance(await ask(other), Permit)


async def test_a_claim_whose_answer_got_lost_keeps_no_slot(
    nodes: Nodes, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await several(nodes, 2, SINGLE)
    swap = Link.swap

    async def done_but_not_heard(link: Link, *arguments: Any) -> Reply:
        await swap(link, *arguments)
        raise Unreached

    with monkeypatch.context() as lost:
        lost.setattr(Link, "swap", done_but_not_heard)
        assert (await ask(one)) == Wait("coordination", 1.0, "redis")
    assert (await ask(other)).__class__ is Wait, "it was granted, and nobody knows"
    clock.advance(0.1)
    assert (await ask(one)).guard == "turn", "its node gives it back, and the other has waited for longer"  # type: ignore[union-attr]
    assert isinstance(await ask(other), Permit)


async def test_a_claim_that_nobody_waits_for_any_more_keeps_no_slot(nodes: Nodes) -> None:
    one, other = await several(nodes, 2, SINGLE)
    asking = asyncio.create_task(one.claim("a", [CALL]))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    for _ in range(50):
        if isinstance(await ask(other), Permit):
            return
        nodes.clock.advance(0.1)
    raise AssertionError("the slot is lost")


async def test_a_claim_that_is_cancelled_as_its_answer_comes_keeps_no_slot(nodes: Nodes) -> None:
    one, other = await several(nodes, 2, SINGLE)
    asking = asyncio.create_task(one.claim("a", [CALL]))
    while not one.out():  # noqa: ASYNC110 - each turn of the loop matters
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert one.out() == 0
    async with asyncio.timeout(10):
        while not isinstance(await ask(other), Permit):
            nodes.clock.advance(0.1)


async def test_whoever_still_asks_a_node_that_stops_hears_so(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    (node,) = await several(nodes, 1)

    async def never(link: Link, *arguments: Any) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(Link, "swap", never)
    asking = asyncio.create_task(node.claim("a", [CALL]))
    await asyncio.sleep(0)
    await node.aclose()
    assert await asking == [Wait("coordination", 1.0, "closed")]


# --- States that begin ----------------------------------------------------------------------------------------------


async def flushed(redis_server: Redis, nodes: Nodes) -> None:
    """Let Redis forget every road of *nodes*."""
    link = nodes.nodes[0]._link
    async for key in link._redis.scan_iter(match=f"{nodes.prefix}*"):
        await link._redis.delete(key)


async def test_what_redis_forgot_is_begun_anew_from_the_record_and_the_orders(
    nodes: Nodes, clock: VirtualClock, redis_server: Redis
) -> None:
    record: dict[str, tuple[list[float], int]] = {}
    orders: list[Any] = []

    async def on_record(lanes: Sequence[str]) -> Mapping[str, tuple[Sequence[float], int]]:
        assert list(lanes) == ["a"]
        return record

    async def in_force(switches: Switches) -> None:
        for order in orders:
            await order(switches)

    one, other = await several(nodes, 2, WIDE, restoring=on_record, ordering=in_force)
    sent, waiting = await permit(one), await permit(one)
    assert await one.leave(sent, 10)
    record["a"] = ([9.0, 12.0], 20)
    orders += [
        lambda switches: switches.lower("a", 3, None),
        lambda switches: switches.hold("b", HoldCause.OPERATOR, None),
        lambda switches: switches.stop_retries(True),
    ]
    await flushed(redis_server, nodes)
    assert len([one for one in await other.claim("a", [CALL] * 9) if isinstance(one, Permit)]) == 0, (
        "the rate begins anew"
    )
    clock.advance(1)
    assert len([one for one in await other.claim("a", [CALL] * 9) if isinstance(one, Permit)]) == 1, (
        "of three, two are taken"
    )
    assert other.watch("a")["day_quota_remaining"] == 1000 - 21
    assert (await ask(other, replace(CALL, repeat=True))).__class__ is Wait
    assert not await one.leave(waiting, 10), "a permit of the state that is gone is none"
    await one.release(waiting, UNSENT, 0.0)
    await one.release(sent, OK, 1.0)
    assert other.watch("a")["concurrency_in_use"] == 3
    clock.advance(12)
    assert len([one for one in await other.claim("a", [CALL] * 9) if isinstance(one, Permit)]) == 2


async def test_without_the_record_nothing_is_granted_on_a_state_that_begins(nodes: Nodes, clock: VirtualClock) -> None:
    broken = [True]

    async def on_record(lanes: Sequence[str]) -> Mapping[str, tuple[Sequence[float], int]]:
        if broken:
            raise ConnectionError
        return {}

    node = await nodes.join({"a": WIDE}, restoring=on_record)
    assert (await ask(node)) == Wait("coordination", 1.0, "store")
    broken.clear()
    await ask(node)
    clock.advance(1)
    assert isinstance(await ask(node), Permit)


async def test_restoring_at_the_start_changes_nothing_that_other_nodes_know(nodes: Nodes) -> None:
    one, other = await several(nodes, 2)
    await permit(one)
    await other.restore("a", [100.0, 100.0], 500)
    await ask(other)
    assert other.watch("a")["day_quota_remaining"] == 998
    assert other.watch("a")["concurrency_in_use"] == 2


async def test_a_value_that_is_none_of_ours_is_begun_anew(nodes: Nodes, clock: VirtualClock) -> None:
    one, _ = await several(nodes, 2)
    await one._link._redis.hset(f"{nodes.prefix}{{a}}", mapping={"version": "x", "clock": "{}", "state": "spoilt"})
    await ask(one)
    clock.advance(1)
    assert isinstance(await ask(one), Permit)


async def test_lanes_that_nobody_uses_leave_no_keys(nodes: Nodes, clock: VirtualClock) -> None:
    node = await nodes.join({"a": WIDE, "b": WIDE}, idle=0.2)
    await node.claim("a", [])
    await node.hold("b", HoldCause.OPERATOR, None)
    redis = node._link._redis
    assert await redis.exists(f"{nodes.prefix}{{a}}", f"{nodes.prefix}{{b}}") == 2
    async with asyncio.timeout(20):
        while await redis.exists(f"{nodes.prefix}{{a}}", f"{nodes.prefix}{{b}}"):  # noqa: ASYNC110 - Redis does it
            await asyncio.sleep(0.05)


async def test_a_state_is_kept_for_as_long_as_what_must_not_be_forgotten(nodes: Nodes, clock: VirtualClock) -> None:
    node = await nodes.join({"a": WIDE}, idle=0.2)
    await node.claim("a", [])
    clock.advance(1)
    key = f"{nodes.prefix}{{a}}"
    await permit(node)
    assert LIVES - 1 < await node._link._redis.pttl(key) / 1000 <= LIVES
    await node.hold("a", HoldCause.AUTH, 300)
    assert 299 < await node._link._redis.pttl(key) / 1000 <= 300


# --- Time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [3600.0, -3600.0])
async def test_setting_the_clock_of_redis_neither_opens_nor_freezes_a_lane(
    nodes: Nodes, clock: VirtualClock, step: float
) -> None:
    ahead = [0.0]
    group = await several(nodes, 2, Bounds(10, 4, 10), server_time=lambda: clock.now() + ahead[0])
    one, other = group
    await one.hold("a", HoldCause.AUTH, 60)
    await ask(other)
    ahead[0] = step
    for second in range(60):
        for node in (one, other) if second % 2 else (other, one):
            waits = await ask(node)
            assert isinstance(waits, Wait), second
            assert waits.seconds == pytest.approx(60 - second)
        clock.advance(1)
    assert [type(await ask(node)) for node in (one, other)] == [Permit, Wait], "one probe, when its time is over"
    assert other.watch("a")["rate_limit"] == pytest.approx(9)


async def test_a_node_that_comes_after_the_clock_went_back_waits_no_longer_than_the_others(
    nodes: Nodes, clock: VirtualClock
) -> None:
    ahead = [0.0]
    more = {"server_time": lambda: clock.now() + ahead[0]}
    (one,) = await several(nodes, 1, WIDE, **more)
    await one.hold("a", HoldCause.AUTH, 60)
    await one.aclose()
    ahead[0] = -3600
    late = await nodes.join({"a": WIDE}, **more)
    held = await ask(late)
    assert isinstance(held, Wait)
    assert held.seconds == pytest.approx(60)


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
