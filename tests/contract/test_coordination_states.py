"""What becomes of permits that nobody gives back, of states that Redis forgot, and of the time when somebody sets a clock."""

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bench.servers import Redis
from connectors.kit.outcomes import Answered, Result
from hub.clock import VirtualClock
from hub.coordination.link import Link, Reply, Unreached
from hub.coordination.protocol import UNSENT, HoldCause, Permit, Switches, Wait
from hub.guards.bounds import Bounds
from tests.contract.groups import CALL, SINGLE, WIDE, Nodes, ask, permit, several

OK = Answered(Result.OK)
LIVES = 75.0
"""1.5 times a `call_timeout` of 10 s, and a minute for the record."""


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

    async def slept(link: Link, *arguments: Any, **more: Any) -> Reply:
        reply = await swap(link, *arguments, **more)
        clock.advance(2)
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

    async def done_but_not_heard(link: Link, *arguments: Any, **more: Any) -> Reply:
        await swap(link, *arguments, **more)
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

    async def never(link: Link, *arguments: Any, **more: Any) -> Reply:
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
    await one._link._redis.hset(f"{nodes.prefix}0:{{a}}", mapping={"version": "x", "clock": "{}", "state": "spoilt"})
    await ask(one)
    clock.advance(1)
    assert isinstance(await ask(one), Permit)


SPOILT = {
    "rate": ("guards.rate.spacing.due", [math.nan, 1e300, math.inf]),
    "part of the rate": ("guards.rate.part", [0.0, -1.0, math.nan]),
    "lowered": ("guards.rate.lowered", [0.0, -5.0, math.nan]),
    "slots": ("guards.concurrency.in_use", [-1000, 10**9]),
    "limit": ("guards.concurrency.limit", [0.0, -4.0, math.nan, math.inf]),
    "ghosts": ("guards.concurrency.ghosts", [[1e300] * 4, [math.inf] * 4]),
    "budget": ("guards.budget.tokens", [-1e300, math.nan]),
    "day": ("guards.day.used", [-1]),
    "stop": ("guards.hold.stops", [[{"operation": "", "cause": "busy", "until": at}] for at in (1e300, math.inf)]),
    "circuit": (
        "guards.breaker.circuits",
        [{"look": {"opened_until": 1e300}}, {"look": {"opened_until": 1.0, "step": 7}}],
    ),
}


@pytest.mark.parametrize(("place", "values"), SPOILT.values(), ids=SPOILT)
async def test_a_state_with_a_number_that_cannot_be_is_begun_anew_and_told_once(
    nodes: Nodes, clock: VirtualClock, place: str, values: list[Any]
) -> None:
    """It parses, and would keep its lane closed for good, or let more go than the contract allows."""
    told: list[str] = []
    (one,) = await several(nodes, 1, strange=lambda key, _: told.append(key))
    key, redis = f"{nodes.prefix}0:{{a}}", one._link._redis
    for number, value in enumerate(values):
        await one.release(await permit(one), OK, 0.1)
        state = json.loads(await redis.hget(key, "state"))
        *path, last = place.split(".")
        table = state["lanes"]["a"]
        for step in path:
            table = table.setdefault(step, {})
        table[last] = value
        await redis.hset(key, mapping={"version": f"spoilt {number}", "state": json.dumps(state)})
        for _ in range(3):
            await ask(one)
        assert told == ["a"] * (number + 1)
        clock.advance(1)  # what begins anew keeps its distance to what may have gone before
        assert one.watch("a")["concurrency_in_use"] == 0
    await permit(one)


@pytest.mark.parametrize(
    "clock_state", ['{"zero":NaN,"wall":0}', '{"zero":0,"wall":0,"at":1e300}', '{"zero":1e300,"wall":0}']
)
async def test_a_time_that_cannot_be_is_begun_anew(nodes: Nodes, clock: VirtualClock, clock_state: str) -> None:
    one, _ = await several(nodes, 2)
    await one._link._redis.hset(f"{nodes.prefix}0:{{a}}", mapping={"version": "x", "clock": clock_state})
    await ask(one)
    clock.advance(1)
    await permit(one)


async def test_the_longest_hold_that_an_operator_can_order_is_none_of_those(nodes: Nodes, clock: VirtualClock) -> None:
    told: list[str] = []
    one, other = await several(nodes, 2, strange=lambda key, _: told.append(key))
    await one.hold("a", HoldCause.OPERATOR, 366 * 86_400.0)
    held = await ask(other)
    assert (held.__class__, told) == (Wait, [])


# --- Stores ---------------------------------------------------------------------------------------------------------


async def test_nodes_of_two_stores_in_one_redis_never_meet(nodes: Nodes, clock: VirtualClock) -> None:
    async def first() -> str:
        return "1f"

    async def second() -> str:
        return "2e"

    one, also, other = [await nodes.join({"a": SINGLE}, store=store) for store in (first, first, second)]
    for node in (one, other):
        await node.claim("a", [])
    clock.advance(1)
    taken = await permit(one)
    assert isinstance(await ask(also), Wait), "nodes of one store count together"
    assert isinstance(await ask(other), Permit)
    await other.hold("a", HoldCause.OPERATOR, None)
    await one.release(taken, OK, 0.1)
    clock.advance(1)
    assert isinstance(await ask(also), Permit), "what is ordered in one hub stops no other"


async def test_lanes_that_nobody_uses_leave_no_keys(nodes: Nodes, clock: VirtualClock) -> None:
    node = await nodes.join({"a": WIDE, "b": WIDE}, idle=0.2)
    await node.claim("a", [])
    await node.hold("b", HoldCause.OPERATOR, None)
    redis = node._link._redis
    assert await redis.exists(f"{nodes.prefix}0:{{a}}", f"{nodes.prefix}0:{{b}}") == 2
    async with asyncio.timeout(20):
        while await redis.exists(f"{nodes.prefix}0:{{a}}", f"{nodes.prefix}0:{{b}}"):  # noqa: ASYNC110 - Redis does it
            await asyncio.sleep(0.05)


async def test_a_state_is_kept_for_as_long_as_what_must_not_be_forgotten(nodes: Nodes, clock: VirtualClock) -> None:
    node = await nodes.join({"a": WIDE}, idle=0.2)
    await node.claim("a", [])
    clock.advance(1)
    key = f"{nodes.prefix}0:{{a}}"
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


async def test_what_was_counted_in_an_earlier_cycle_counts_no_more(nodes: Nodes, clock: VirtualClock) -> None:
    """In between each node kept to a share of its own: the state of before would leave out all that went then."""
    (one,) = await several(nodes, 1)
    before = await permit(one)
    one.begin(1)
    assert not await one.leave(before, 1.0), "a permit of that time may not leave"
    await one.release(before, UNSENT, 0.0)
    await one.claim("a", [])
    clock.advance(1)  # what begins anew keeps its distance to what may have gone before
    await permit(one)
    assert one.watch("a")["concurrency_in_use"] == 1.0, "and takes no room"
