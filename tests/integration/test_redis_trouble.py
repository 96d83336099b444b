"""What a node does while its Redis is gone, slow, full, a replica, or of the wrong kind: it waits, and then goes on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bench.servers import Redis, free_port
from connectors.kit.outcomes import Answered, Busy, Result
from hub.clock import VirtualClock
from hub.coordination.in_redis import InRedis
from hub.coordination.link import RedisEvicts
from hub.coordination.protocol import HoldCause, Permit, Wait
from hub.guards.bounds import Bounds
from tests.contract.groups import CALL, Nodes, ask, no_orders, nothing_on_record, permit, until

OK = Answered(Result.OK)
BOUNDS = Bounds(1000, 4, 10)
GONE = Wait("coordination", 1.0, "redis")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    server.start()
    yield server
    server.thaw()
    server.kill()


@pytest.fixture
async def nodes(server: Redis) -> AsyncIterator[Nodes]:
    clock = VirtualClock()
    clock.advance(100)
    nodes = Nodes(server.address(), clock)
    yield nodes
    server.thaw()
    await nodes.aclose()


async def joined(nodes: Nodes, **more: Any) -> InRedis:
    node = await nodes.join({"a": BOUNDS}, **more)
    await node.claim("a", [])
    nodes.clock.advance(1)
    return node


async def command(nodes: Nodes, *words: str) -> None:
    await nodes.nodes[0]._link._redis.execute_command(*words)


async def test_a_script_that_redis_forgot_is_given_to_it_again(nodes: Nodes) -> None:
    node = await joined(nodes)
    await command(nodes, "SCRIPT", "FLUSH")
    await node.release(await permit(node), OK, 0.1)
    assert node.reaches


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_redis_that_may_forget_permits_is_refused_with_what_to_set(nodes: Nodes, policy: str) -> None:
    first = await joined(nodes)
    await command(nodes, "CONFIG", "SET", "maxmemory-policy", policy)
    with pytest.raises(RedisEvicts, match=f"{policy}.*Set `maxmemory-policy noeviction`"):
        await first.start()


async def _spoilt(nodes: Nodes, server: Redis, how: str) -> Callable[[], Awaitable[None]]:
    """Spoil *server* in one way; return what mends it."""

    async def set_(name: str, value: str) -> None:
        await command(nodes, "CONFIG", "SET", name, value)

    async def mend() -> None:
        if how == "gone":
            server.start()
        elif how == "slow":
            server.thaw()
        elif how == "out of memory":
            await set_("maxmemory", "0")
        else:
            await command(nodes, "REPLICAOF", "NO", "ONE")

    if how == "gone":
        server.kill()
    elif how == "slow":
        server.freeze()
    elif how == "out of memory":
        await set_("maxmemory", "1mb")
        await set_("maxmemory", "1")
    else:
        await command(nodes, "REPLICAOF", "127.0.0.1", str(free_port()))
    return mend


@pytest.mark.parametrize("how", ["gone", "slow", "out of memory", "read-only"])
async def test_nothing_is_granted_while_redis_cannot_do_its_part_and_all_goes_on_when_it_can(
    nodes: Nodes, server: Redis, how: str
) -> None:
    told: list[bool] = []
    woken: list[str] = []
    node = await joined(nodes)
    node.when_reach_changes(told.append)
    node.subscribe("a", lambda: woken.append("a"))
    out = [await permit(node) for _ in range(2)]
    nodes.clock.advance(1)
    mend = await _spoilt(nodes, server, how)
    for _ in range(3):
        assert await ask(node) == GONE
    assert told == [False]
    assert not node.reaches
    assert not await node.leave(out[0], 10), "nobody can say whether the permit is good still"
    await node.release(out[0], OK, 0.1)
    await node.hold("a", HoldCause.AUTH, 60)
    woken.clear()
    await mend()
    await until(lambda: node.reaches and "a" in woken)
    assert told == [False, True]
    held = await ask(node)
    assert isinstance(held, Wait)
    assert (held.guard, held.cause) == ("hold", "auth"), "what was ordered meanwhile counts"
    if how != "gone":  # that one came back empty
        assert node.watch("a")["concurrency_in_use"] == 1, "what came back meanwhile is back"
    await node.release(out[1], OK, 0.1)
    assert node.watch("a")["concurrency_in_use"] == 0


@pytest.mark.parametrize(
    ("how", "says"),
    [("gone", "cannot be reached"), ("slow", "does not answer within 1 s"), ("out of memory", "memory is full"), ("read-only", "is a replica")],
)  # fmt: skip
async def test_why_redis_cannot_be_used_is_known_and_since_when(
    nodes: Nodes, server: Redis, how: str, says: str
) -> None:
    node = await joined(nodes)
    assert node.trouble is None
    mend = await _spoilt(nodes, server, how)
    began = nodes.clock.now()
    await ask(node)
    nodes.clock.advance(100)
    await node.try_out()
    assert node.trouble is not None
    assert (says in node.trouble.says, node.trouble.since) == (True, began), node.trouble
    assert node.trouble.do
    await mend()
    await until(lambda: node.reaches)
    assert node.trouble is None


async def test_a_policy_that_somebody_sets_while_a_node_works_is_noticed_within_a_minute(nodes: Nodes) -> None:
    node = await joined(nodes)
    await command(nodes, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    await ask(node)
    assert node.reaches
    nodes.clock.advance(60)
    await ask(node)  # it is busy, and hears from Redis all the time
    await until(lambda: not node.reaches)
    assert node.trouble is not None
    assert node.trouble.do == "set it to `noeviction`"
    await command(nodes, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    await until(lambda: node.reaches)


async def test_what_came_back_while_redis_was_gone_teaches_the_others_too(nodes: Nodes, server: Redis) -> None:
    one, other = await joined(nodes), await joined(nodes)
    out = await permit(one)
    server.freeze()
    assert await ask(one) == GONE
    await one.release(out, Busy(30), 0.1)
    server.thaw()
    await until(lambda: one.reaches)
    async with asyncio.timeout(10):
        while (answer := await ask(other)) == GONE or not isinstance(answer, Wait):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert (answer.guard, answer.cause) == ("hold", "busy")


async def test_a_node_that_alone_lost_redis_grants_nothing_and_the_others_go_on(nodes: Nodes) -> None:
    other = await joined(nodes)
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    more = {"restoring": nothing_on_record, "ordering": no_orders}
    broken = InRedis(nowhere, "x", nodes.clock, Random(5), {"a": BOUNDS}, **more)  # type: ignore[arg-type]
    await broken.start()
    assert await ask(broken) == GONE
    assert isinstance(await ask(other), Permit)
    await broken.aclose()


async def test_a_key_of_another_kind_gives_way_to_a_state_that_begins(nodes: Nodes) -> None:
    node = await joined(nodes)
    await command(nodes, "SET", f"{nodes.prefix}{{a}}", "1")
    await ask(node)
    nodes.clock.advance(1)
    assert isinstance(await ask(node), Permit)


async def test_a_node_that_starts_before_its_redis_goes_on_when_that_is_there(nodes: Nodes, server: Redis) -> None:
    server.kill()
    node = await nodes.join({"a": BOUNDS})
    assert not node.reaches
    assert await ask(node) == GONE
    server.start()
    await until(lambda: node.reaches)
    await ask(node)
    nodes.clock.advance(1)
    assert isinstance(await ask(node), Permit)


async def test_a_node_hears_again_after_its_redis_was_started_anew(nodes: Nodes, server: Redis) -> None:
    one, other = await joined(nodes), await joined(nodes)
    server.kill()
    server.start()
    await until(lambda: one.reaches and other.reaches)

    async def heard() -> bool:
        await one.hold("a", HoldCause.OPERATOR, None)
        await asyncio.sleep(0.1)
        stopped = other.stopped("a", "look") is not None
        await one.resume("a")
        return stopped

    async with asyncio.timeout(20):
        while not await heard():
            pass


async def test_a_node_that_does_nothing_asks_redis_only_whether_it_is_there(nodes: Nodes) -> None:
    node = await joined(nodes)
    nodes.clock.advance(120)

    async def commands() -> int:
        return int((await node._link._redis.info("stats"))["total_commands_processed"])

    before = await commands()
    await asyncio.sleep(2.5)
    assert await commands() - before <= 3, "whether it is there and may be written, once, and this question"


async def test_few_connections_serve_many_lanes(nodes: Nodes) -> None:
    lanes = {f"lane{number}": BOUNDS for number in range(60)}
    node = await nodes.join(lanes)
    await asyncio.gather(*(node.claim(lane, [CALL]) for lane in lanes))
    clients = await node._link._redis.client_list()
    assert len(clients) <= 5
