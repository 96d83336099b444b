"""Every store keeps subscriptions of each caller apart, lets one node at a time push each, and forgets no dead event."""

from dataclasses import replace
from typing import Any

import pytest

from hub.store.subscriptions import DeadEvent, KeptSubscriptions, Progress, Subscription
from tests.contract.conftest import AGENCY, Bench

TTL = 30.0


def row(bench: Bench, number: int = 1, **changes: Any) -> Subscription:
    facts: dict[str, Any] = {
        "id": f"sub-{number}", "caller": "onestop", "url": "http://a.centre.example/hook", "agencies": (AGENCY, "tax"),
        "dossier": "D-1", "made_at": bench.clock.now(), "seq": 7,
    }  # fmt: skip
    return Subscription(**(facts | changes))


def dead(seq: int, bench: Bench) -> DeadEvent:
    return DeadEvent(seq, f"call-{seq}", AGENCY, "call.settled", f"call-{seq}", bench.clock.now(), 12, "http_500")


async def rows(kept: KeptSubscriptions, caller: str | None = None) -> list[Subscription]:
    return [one for one, _ in await kept.all(caller)]


async def test_what_was_subscribed_is_listed_to_its_caller_and_to_operators(bench: Bench) -> None:
    kept = bench.store.subscriptions
    mine, plain = row(bench, 1), row(bench, 2, agencies=(), dossier=None)
    theirs = row(bench, 3, caller="other")
    for one in (mine, plain, theirs):
        assert await kept.add(one, 8)
    assert await rows(kept, "onestop") == [mine, plain]
    assert await rows(kept) == [mine, plain, theirs]
    assert "subscribed" in await bench.events()


async def test_a_caller_has_no_more_than_it_may(bench: Bench) -> None:
    kept = bench.store.subscriptions
    assert await kept.add(row(bench, 1), 2)
    assert await kept.add(row(bench, 2), 2)
    assert not await kept.add(row(bench, 3), 2)
    assert await kept.add(row(bench, 4, caller="other"), 2)
    assert len(await rows(kept, "onestop")) == 2


async def test_nobody_touches_the_subscription_of_another(bench: Bench) -> None:
    kept = bench.store.subscriptions
    await kept.add(row(bench), 8)
    assert not await kept.remove("sub-1", "other", "other")
    assert not await kept.resume("sub-1", "other", "other")
    assert await kept.dead("sub-1", "other") is None
    assert await kept.replay("sub-1", None, "other", "other") is None
    assert await kept.discard("sub-1", 8, "other", "other") is None
    assert await rows(kept) == [row(bench)]
    assert await kept.remove("sub-1", "onestop", "onestop")
    assert not await kept.remove("sub-1", None, "operator")
    assert await rows(kept) == []
    assert "unsubscribed" in await bench.events()


async def test_one_node_at_a_time_pushes_each(bench: Bench) -> None:
    kept = bench.store.subscriptions
    for number in range(1, 6):
        await kept.add(row(bench, number), 8)
    first = [one.id for one in await kept.lease("first", TTL, 3)]
    assert len(first) == 3
    assert [one.id for one in await kept.lease("second", TTL, 9)] == sorted(
        {f"sub-{n}" for n in range(1, 6)} - set(first)
    )
    assert [one.id for one in await kept.lease("first", TTL, 9)] == first, "its own, renewed"


async def test_what_is_not_renewed_another_takes(bench: Bench) -> None:
    kept = bench.store.subscriptions
    await kept.add(row(bench), 8)
    assert len(await kept.lease("first", TTL, 9)) == 1
    bench.clock.advance(TTL - 1)
    assert await kept.lease("second", TTL, 9) == []
    bench.clock.advance(2)
    assert len(await kept.lease("second", TTL, 9)) == 1
    assert await kept.lease("first", TTL, 9) == []
    assert not await kept.move("sub-1", "first", Progress(9)), "whoever lost it moves nothing"
    assert await kept.move("sub-1", "second", Progress(9))
    await kept.release("second")
    assert [one.seq for one in await kept.lease("first", TTL, 9)] == [9]


async def test_where_it_stands_is_kept(bench: Bench) -> None:
    kept = bench.store.subscriptions
    await kept.add(row(bench), 8)
    await kept.lease("node", TTL, 9)
    to = Progress(11, 3, bench.clock.now(), bench.clock.now() + 30, "timeout", False)
    assert await kept.move("sub-1", "node", to)
    (stands,) = await kept.lease("node", TTL, 9)
    facts = {name: getattr(to, name) for name in Progress.__slots__}
    assert stands == replace(row(bench), **facts)


async def test_one_that_is_stopped_is_pushed_by_nobody_until_it_is_resumed(bench: Bench) -> None:
    kept = bench.store.subscriptions
    await kept.add(row(bench), 8)
    await kept.lease("node", TTL, 9)
    assert await kept.move("sub-1", "node", Progress(11, 2, 5.0, 9e9, "http_410", True))
    assert await kept.lease("node", TTL, 9) == []
    bench.clock.advance(TTL + 1)
    assert await kept.lease("other", TTL, 9) == []
    assert await kept.resume("sub-1", "onestop", "onestop")
    (stands,) = await kept.lease("other", TTL, 9)
    assert (stands.stopped, stands.attempts, stands.failing_since, stands.due_at) == (False, 0, None, 0.0)
    assert (stands.seq, stands.orders) == (11, 1)
    assert {"subscription_stopped", "subscription_resumed"} <= set(await bench.events())


async def test_a_dead_event_is_kept_until_it_is_delivered_or_discarded(bench: Bench) -> None:
    kept = bench.store.subscriptions
    await kept.add(row(bench), 8)
    await kept.lease("node", TTL, 9)
    for seq in (8, 9, 10):
        assert await kept.bury("sub-1", "node", Progress(seq), dead(seq, bench))
    assert not await kept.bury("sub-1", "stranger", Progress(11), dead(11, bench))
    assert await kept.dead("sub-1", "onestop") == [dead(8, bench), dead(9, bench), dead(10, bench)]
    assert [(one.seq, count) for one, count in await kept.all()] == [(10, 3)]
    assert await kept.replay("sub-1", 9, "onestop", "onestop") == 1
    assert await kept.replay("sub-1", 99, "onestop", "onestop") == 0
    assert [one.again for one in await kept.dead("sub-1") or ()] == [False, True, False]
    assert (await rows(kept))[0].orders == 1, "whoever pushes it sees that something was ordered"
    await kept.tried_again("sub-1", 9, "http_500")
    assert [one.again for one in await kept.dead("sub-1") or ()] == [False, False, False]
    assert await kept.replay("sub-1", None, None, "operator") == 3
    await kept.tried_again("sub-1", 9, None)
    assert await kept.discard("sub-1", 8, None, "operator") == 1
    assert await kept.discard("sub-1", 8, None, "operator") == 0
    assert [one.seq for one in await kept.dead("sub-1") or ()] == [10]
    assert await kept.remove("sub-1", "onestop", "onestop")
    await kept.add(row(bench), 8)
    assert await kept.dead("sub-1") == [], "a removed subscription takes them with it"


@pytest.mark.parametrize("most", [1, 2])
async def test_a_node_takes_no_more_at_once_than_it_wants(bench: Bench, most: int) -> None:
    kept = bench.store.subscriptions
    for number in range(1, 5):
        await kept.add(row(bench, number), 8)
    assert [len(await kept.lease("node", TTL, most)) for _ in range(3)] == [min(4, most * n) for n in (1, 2, 3)]
