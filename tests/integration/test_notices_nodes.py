"""Two nodes on one PostgreSQL take the same notice once, and hand no item to two askers, whichever of them is asked."""

import asyncio
from typing import Any

from hub.store.feed import Reach
from hub.store.notices import Arrival
from tests.integration.test_store_nodes import Pause, nodes  # noqa: F401 - a fixture


def arrival(name: str, unique: str | None = "A") -> Arrival:
    return Arrival(name, "npsp", "dossier_progressed", unique, None, b'{"value":null,"refs":{}}')


async def test_a_notice_that_comes_at_two_nodes_at_once_is_kept_once(nodes: Any) -> None:  # noqa: F811
    pause = Pause("take_notices.before_commit")
    slow, fast = nodes.open("slow", pause), nodes.open("fast")
    first = asyncio.ensure_future(slow.notices.take([arrival("first")]))
    await pause.stands()
    second = asyncio.ensure_future(fast.notices.take([arrival("second")]))
    await nodes.somebody_waits()
    assert not second.done(), "it waits to see what the first one does"
    pause.go_on.set()
    assert (await first, await second) == ([True], [False])
    (told,) = await fast.feed.told("onestop", Reach(["npsp"]), 0, 10**9, 9)
    assert told.id == "first"


async def test_many_notices_at_two_nodes_leave_no_gap_in_the_feed(nodes: Any) -> None:  # noqa: F811
    one, other = nodes.open("one"), nodes.open("other")
    pushes = [
        [arrival(f"{name}-{number}", f"{number % 20}") for number in range(5 * name, 5 * name + 5)]
        for name in range(40)
    ]
    taken = await asyncio.gather(*((one, other)[at % 2].notices.take(push) for at, push in enumerate(pushes)))
    assert sum(sum(new) for new in taken) == 20
    told = await one.feed.told("onestop", Reach(["npsp"]), 0, 10**9, 99)
    assert [event.seq for event in told] == list(range(told[0].seq, told[0].seq + 20)), "a gap holds everybody back"


async def test_askers_at_two_nodes_are_handed_items_of_their_own(nodes: Any) -> None:  # noqa: F811
    one, other = nodes.open("one"), nodes.open("other")
    await one.notices.published.publish("npsp", "asked", "onestop", b"{}", [f'"{number}"' for number in range(30)])
    handed = await asyncio.gather(
        *((one, other)[at % 2].notices.published.asked("npsp", "asked", [f"k{at // 2 % 25}"]) for at in range(100))
    )
    by_key: dict[str, set[str]] = {}
    for at, told in enumerate(handed):
        assert told is not None
        by_key.setdefault(f"k{at // 2 % 25}", set()).add(told.items[0])
    assert [len(items) for items in by_key.values()] == [1] * 25, "the same asker hears the same at either node"
    assert len(set().union(*by_key.values())) == 25
