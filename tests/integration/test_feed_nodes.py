"""Two nodes on one PostgreSQL number what they tell: whoever follows the feed passes no number that is still under way."""

import asyncio
from typing import Any

from hub.call import State
from hub.feed import Feed
from hub.store.feed import Reach
from hub.store.protocol import Accepted
from tests.integration.test_store_nodes import CLOCK, Pause, a_call, nodes  # noqa: F401 - a fixture


async def test_what_a_slow_commit_will_tell_is_not_passed_by_what_a_fast_one_told(nodes: Any) -> None:  # noqa: F811
    pause = Pause("cancel.before_commit")
    slow, fast = nodes.open("slow", pause), nodes.open("fast")
    first, second = (await fast.accept(a_call(), b"{}")).call, (await fast.accept(a_call(), b"{}")).call
    feed = Feed(fast.feed, CLOCK, lambda what, error: None)
    cancelling = asyncio.ensure_future(slow.cancel(first.id, "onestop"))
    await pause.stands()  # its number is given, and nobody sees it
    assert await fast.cancel(second.id, "onestop") is State.CANCELLED
    (told,) = await fast.feed.told("onestop", Reach(["npsp"]), 0, 10**9, 9)
    assert told.call == second.id
    assert await feed.page("onestop", Reach(["npsp"]), 0, 9) == [], "a lower number may still come"
    pause.go_on.set()
    await cancelling
    events = await feed.page("onestop", Reach(["npsp"]), 0, 9)
    assert [one.call for one in events] == [first.id, second.id]
    assert events[0].seq + 1 == events[1].seq


async def test_two_uploads_of_one_batch_at_two_nodes_are_one_batch(nodes: Any) -> None:  # noqa: F811
    one, other = nodes.open("one"), nodes.open("other")
    ours = [
        (a_call(batch="b", order_key=f"o{number % 3}", idempotency_key=f"k{number}", fingerprint="f"), b"{}")
        for number in range(30)
    ]
    theirs = [
        (a_call(batch="b", order_key=f"o{number % 3}", idempotency_key=f"k{number}", fingerprint="f"), b"{}")
        for number in range(30)
    ]
    told = await asyncio.gather(one.batches.accept(ours), other.batches.accept(theirs))
    calls = [{answer.call.id for answer in answers if isinstance(answer, Accepted)} for answers in told]
    assert len(calls[0]) == 30
    assert calls[0] == calls[1]
    assert nodes.ask("SELECT count(*) FROM calls") == [(30,)]


async def test_what_many_calls_of_one_commit_tell_stands_in_its_order(nodes: Any) -> None:  # noqa: F811
    store = nodes.open("one")
    told = await store.batches.accept([(a_call(batch="b"), b"{}") for _ in range(20)])
    calls = [answer.call.id for answer in told if isinstance(answer, Accepted)]
    await asyncio.gather(*(store.cancel(call, "onestop") for call in calls))
    assert [one.call for one in await store.feed.told("onestop", Reach(["npsp"]), 0, 10**9, 99)] == calls
