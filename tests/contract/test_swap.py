"""What the one script in Redis promises: set if nobody was first, else say what stands there; never half of it."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from bench.servers import Redis
from hub.clock import SystemClock
from hub.coordination.link import Link
from tests.contract.groups import prefix


@pytest.fixture
async def link(redis_server: Redis) -> AsyncIterator[Link]:
    link = Link(redis_server.address(), SystemClock(), prefix(), "n1")
    yield link
    await link.aclose()


async def test_the_first_to_swap_wins_and_the_second_hears_what_stands_there(link: Link) -> None:
    first = await link.swap("road", "", "v1", b"clock", b"state", 60, [])
    second = await link.swap("road", "", "v2", b"later", b"other", 60, [])
    assert first.done
    assert (second.done, second.version, second.clock, second.state) == (False, "v1", b"clock", b"state")
    assert (await link.swap("road", "v1", "v2", b"later", b"other", 60, [])).done


async def test_of_many_who_start_from_one_version_one_wins(link: Link) -> None:
    await link.swap("road", "", "v1", b"", b"", 60, [])
    replies = await asyncio.gather(*(link.swap("road", "v1", f"w{n}", b"", b"%d" % n, 60, []) for n in range(20)))
    assert sum(reply.done for reply in replies) == 1
    (winner,) = [n for n, reply in enumerate(replies) if reply.done]
    assert {(reply.version, reply.state) for reply in replies if not reply.done} == {(f"w{winner}", b"%d" % winner)}


async def test_asking_alone_sets_nothing_and_keeps_nothing_for_longer(link: Link) -> None:
    assert (await link.swap("road", "", "", b"", b"", 60, [])).done, "there is nothing, as was thought"
    await link.swap("road", "", "v1", b"c", b"s", 5, [])
    assert (await link.swap("road", "v1", "", b"", b"", 500, [])).done
    asked = await link.swap("road", "?", "", b"", b"", 500, [])
    assert (asked.done, asked.version) == (False, "v1")
    assert await link._redis.pttl(f"{link.prefix}{link.cycle}:{{road}}") <= 5000


async def test_redis_tells_its_own_time_with_every_answer(link: Link) -> None:
    before = time.time()
    reply = await link.swap("road", "", "v1", b"", b"", 60, [])
    assert before - 1 <= reply.server <= time.time() + 1
    assert reply.asked <= reply.answered


async def test_what_is_to_be_said_is_said_when_it_is_set_and_only_then(link: Link) -> None:
    heard: list[tuple[str, str]] = []
    listening = asyncio.Event()
    task = asyncio.create_task(link.listen(listening.set, lambda channel, said: heard.append((channel, said))))
    await listening.wait()
    await link.swap("road", "not this", "v1", b"", b"", 60, [(link.everywhere, "in vain")])
    await link.swap("road", "", "v1", b"", b"", 60, [(link.everywhere, "set"), (link.channel("n1"), "lane")])
    async with asyncio.timeout(10):
        while len(heard) < 2:  # noqa: ASYNC110 - Redis tells it
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert heard == [(link.everywhere, "set"), (link.channel("n1"), "lane")]


async def test_roads_know_nothing_of_each_other(link: Link) -> None:
    await link.swap("road", "", "v1", b"", b"one", 60, [])
    assert (await link.swap("street", "", "v1", b"", b"two", 60, [])).done
    assert (await link.swap("road", "?", "", b"", b"", 60, [])).state == b"one"


async def test_who_insists_is_next_and_nobody_is_before_it(link: Link, redis_server: Redis) -> None:
    other = Link(redis_server.address(), SystemClock(), link.prefix, "n2")
    await link.swap("road", "", "v1", b"", b"", 60, [])
    late = await other.swap("road", "stale", "w1", b"", b"", 60, [], insists=True)
    assert (late.done, late.ours) == (False, True)
    passed = await link.swap("road", "v1", "v2", b"", b"", 60, [], insists=True)
    assert (passed.done, passed.ours, passed.version) == (False, False, "v1")
    assert (await link.swap("road", "v1", "", b"", b"", 60, [])).done, "who only asks is answered as ever"
    assert (await other.swap("road", "v1", "w1", b"", b"", 60, [])).done
    assert (await link.swap("road", "w1", "v2", b"", b"", 60, [])).done, "it was once, and is over"
    await other.aclose()


async def test_who_insisted_and_was_never_heard_of_again_is_waited_for_a_moment(
    link: Link, redis_server: Redis
) -> None:
    other = Link(redis_server.address(), SystemClock(), link.prefix, "n2")
    await link.swap("road", "", "v1", b"", b"", 60, [])
    await other.swap("road", "stale", "w1", b"", b"", 60, [], insists=True)
    await other.aclose()
    async with asyncio.timeout(5):
        while not (await link.swap("road", "v1", "v2", b"", b"", 60, [])).done:  # noqa: ASYNC110 - Redis's own clock
            await asyncio.sleep(0.005)


async def test_nobody_insists_on_what_is_not_there(link: Link) -> None:
    assert not (await link.swap("road", "stale", "v1", b"", b"", 60, [], insists=True)).ours
    assert (await link.swap("road", "", "v1", b"", b"", 60, [])).done
