"""Two nodes on one PostgreSQL: no call is taken twice, no race is lost silently, and each hears of the other."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest

from hub.call import Call, Class, Kind, Purpose, State, uuid7
from hub.clock import VirtualClock
from hub.errors import BacklogFull, IdempotencyConflict, StoreUnavailable
from hub.journal import CUT, first_break, first_break_kept
from hub.store.batch import day_of
from hub.store.database import StoreInUse
from hub.store.deciding import Act, Decision
from hub.store.files import StoredFile
from hub.store.orders import Order, OrderKind
from hub.store.postgres import PostgresStore
from hub.store.protocol import News, NodeRow, Settled, Settlement, Sought
from hub.store.retention import MOST_ROWS, Place, Until

BOUND = 100
PATIENCE = 20.0
CLOCK = VirtualClock()
numbers = itertools.count(1)


def a_call(**changes: Any) -> Call:
    now, number = CLOCK.now(), next(numbers)
    values: dict[str, Any] = {"due_at": now, "step": "file_dossier"} | changes
    return Call(
        uuid7(now, lambda size: number.to_bytes(size, "big")), "npsp", "file_dossier", Kind.FILING, Class.NORMAL, False,
        "onestop", Purpose(), values.pop("fingerprint", f"{number:064x}"), now, now + 1000, **values,
    )  # fmt: skip


async def until(condition: Callable[[], object]) -> None:
    """Look at *condition* until it holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is looked at lies in another process
            await asyncio.sleep(0.01)


class Pause:
    """A failpoint at which a node stands still, in the middle of a transaction, until it is let go."""

    def __init__(self, moment: str) -> None:
        self._moment = moment
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __call__(self, moment: str) -> None:
        if moment == self._moment and not self.reached.is_set():
            self.reached.set()
            self.go_on.wait(PATIENCE)

    async def stands(self) -> None:
        await until(self.reached.is_set)


class Nodes:
    """Opens stores on one database under names of their own."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.opened: list[PostgresStore] = []

    def open(self, node: str, failpoint: Any = None) -> PostgresStore:
        store = PostgresStore.connect(self.dsn, node, CLOCK, backlog_calls={"npsp": BOUND}, failpoint=failpoint)
        self.opened.append(store)
        return store

    def ask(self, sql: str) -> list[Any]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(sql).fetchall()

    async def somebody_waits(self) -> None:
        """Return when one connection waits for what another one holds."""
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        await until(lambda: self.ask(waiting))


@pytest.fixture
async def nodes(database: str) -> AsyncIterator[Nodes]:
    opened = Nodes(database)
    yield opened
    for store in opened.opened:
        await store.close()


async def test_no_call_is_leased_by_two_nodes(nodes: Nodes) -> None:
    one, two = nodes.open("one"), nodes.open("two")
    calls = {(await one.accept(a_call(), b"{}")).call.id for _ in range(60)}
    taken: list[str] = []

    async def take(store: PostgresStore, node: str) -> None:
        while leased := await store.lease("npsp", node, {Class.NORMAL: 4}, 60):
            taken.extend(one.call.id for one in leased)

    await asyncio.gather(take(one, "one"), take(two, "two"))
    assert sorted(taken) == sorted(calls)


async def test_one_key_that_comes_to_two_nodes_at_once_is_one_call(nodes: Nodes) -> None:
    pause = Pause("accept.before_commit")
    one, two = nodes.open("one", pause), nodes.open("two")
    first = a_call(idempotency_key="k", fingerprint="f")
    told = asyncio.ensure_future(one.accept(first, b"{}"))
    await pause.stands()
    again = asyncio.ensure_future(two.accept(a_call(idempotency_key="k", fingerprint="f"), b"{}"))
    other = asyncio.ensure_future(two.accept(a_call(), b"{}"))  # shares the commit with the one that is refused
    await nodes.somebody_waits()
    pause.go_on.set()
    assert (await told).new
    attached = await again
    assert (attached.call.id, attached.new) == (first.id, False)
    assert (await other).new
    assert len(await two.find(Sought())) == 2


async def test_one_content_that_comes_to_two_nodes_at_once_is_kept_once(nodes: Nodes) -> None:
    pause = Pause("file.before_commit")
    one, two = nodes.open("one", pause), nodes.open("two")
    for store, upload in ((one, "u1"), (two, "u2")):
        await store.files.begin(upload, b"same")
    told = asyncio.ensure_future(one.files.finish(StoredFile("f" * 64, "u1", 4, "text/plain"), "onestop"))
    await pause.stands()
    again = asyncio.ensure_future(two.files.finish(StoredFile("f" * 64, "u2", 4, "text/plain"), "other"))
    await nodes.somebody_waits()
    pause.go_on.set()
    assert (await told).upload == (await again).upload == "u1"
    assert nodes.ask("SELECT upload FROM file_parts") == [("u1",)]
    assert await one.files.find("f" * 64, ["other"]) is not None


async def test_one_content_is_not_removed_while_another_node_stores_it(nodes: Nodes) -> None:
    pause = Pause("file.before_commit")
    two = nodes.open("two")
    await two.files.begin("u1", b"same")
    await two.files.finish(StoredFile("f" * 64, "u1", 4, "text/plain"), "onestop")
    one = nodes.open("one", pause)
    told = asyncio.ensure_future(one.files.hold("f" * 64, "other"))
    await pause.stands()
    number = await two.retention.begin(0.0)
    assert number is not None
    now = CLOCK.now() + 1
    sweeping = asyncio.ensure_future(two.retention.sweep(number, Place("files"), Until(*[now] * 7)))
    await nodes.somebody_waits()
    pause.go_on.set()
    assert await told is not None
    assert (await sweeping).removed == 1
    assert await two.files.find("f" * 64, ["other"]) is not None
    assert await two.files.find("f" * 64, ["onestop"]) is None


async def test_one_key_with_two_requests_at_once_is_a_conflict_on_the_node_that_comes_second(nodes: Nodes) -> None:
    pause = Pause("accept.before_commit")
    one, two = nodes.open("one", pause), nodes.open("two")
    told = asyncio.ensure_future(one.accept(a_call(idempotency_key="k"), b"{}"))
    await pause.stands()
    other = asyncio.ensure_future(two.accept(a_call(idempotency_key="k"), b"{}"))
    await nodes.somebody_waits()
    pause.go_on.set()
    with pytest.raises(IdempotencyConflict):
        await other
    assert (await told).new


async def test_calls_of_one_order_key_stand_in_the_order_in_which_they_could_be_seen(nodes: Nodes) -> None:
    pause = Pause("accept.before_commit")
    one, two = nodes.open("one", pause), nodes.open("two")
    first, second = a_call(order_key="H32"), a_call(order_key="H32")
    told = asyncio.ensure_future(one.accept(first, b"{}"))
    await pause.stands()
    later = asyncio.ensure_future(two.accept(second, b"{}"))
    await nodes.somebody_waits()
    pause.go_on.set()
    await asyncio.gather(told, later)
    assert [row[0] for row in nodes.ask("SELECT id FROM calls ORDER BY seq")] == [first.id, second.id]

    both = await asyncio.gather(
        one.lease("npsp", "one", {Class.NORMAL: 2}, 60), two.lease("npsp", "two", {Class.NORMAL: 2}, 60)
    )
    assert [leased.call.id for leases in both for leased in leases] == [first.id]


async def test_what_a_dead_node_had_leased_passes_on_and_is_its_own_no_more(nodes: Nodes) -> None:
    one, two = nodes.open("one"), nodes.open("two")
    calls = [(await one.accept(a_call(), b"{}")).call for _ in range(3)]
    leased = {lease.call.id: lease for lease in await one.lease("npsp", "one", {Class.NORMAL: 3}, 60)}
    sent = leased[calls[0].id]
    assert await one.begin(sent.call.id, sent.call.fence, "one") == 1

    assert await two.inherit("one") == 2
    assert await one.begin(calls[1].id, leased[calls[1].id].call.fence, "one") is None
    passed = await two.lease("npsp", "two", {Class.NORMAL: 3}, 60)
    assert {lease.call.id for lease in passed} == {calls[1].id, calls[2].id}
    settlement = Settlement(sent.call.id, sent.call.fence, 1, State.ANSWERED, "answered")
    assert await one.settle(settlement) is Settled.APPLIED, "what was on the wire is still its own"


async def test_a_backlog_is_bounded_over_all_nodes(nodes: Nodes) -> None:
    one, two = nodes.open("one"), nodes.open("two")
    for number in range(BOUND):
        await (one, two)[number % 2].accept(a_call(), b"{}")
    for store in (one, two):
        assert await store.backlog("npsp") == BOUND
        with pytest.raises(BacklogFull):
            await store.accept(a_call(), b"{}")
    (leased,) = await two.lease("npsp", "two", {Class.NORMAL: 1}, 60)
    await two.begin(leased.call.id, leased.call.fence, "two")
    await two.settle(Settlement(leased.call.id, leased.call.fence, 1, State.ANSWERED, "answered"))
    assert await one.backlog("npsp") == BOUND - 1
    assert await one.sent_on_day("npsp", day_of(CLOCK.now())) == 1


async def test_each_node_continues_a_sound_chain_of_its_own(nodes: Nodes) -> None:
    one, two = nodes.open("one"), nodes.open("two")
    for store in (one, two, one):
        await store.accept(a_call(), b"{}")
    assert {chain: head.seq for chain, head in (await two.chains()).items()} == {"one": 2, "two": 1}
    for chain in ("one", "two"):
        assert first_break(await two.journal(chain=chain)) is None
    await one.close()
    again = nodes.open("one")
    await again.accept(a_call(), b"{}")
    rows = await again.journal()
    assert [row.seq for row in rows] == [1, 2, 3]
    assert first_break(rows) is None


async def test_a_node_hears_what_others_commit_and_not_itself(nodes: Nodes) -> None:
    one, two = nodes.open("one"), nodes.open("two")
    of_one: list[News] = []
    of_two: list[News] = []
    one.listen(of_one.append)
    two.listen(of_two.append)
    await until(lambda: of_one and of_two)
    assert of_one == of_two == [News(missed=True)], "what was told before it listened, it did not hear"

    call = (await one.accept(a_call(), b"{}")).call
    await until(lambda: len(of_two) == 2)
    assert of_two[-1] == News(ready={"npsp": frozenset({Class.NORMAL})})
    (leased,) = await two.lease("npsp", "two", {Class.NORMAL: 1}, 60)
    await two.begin(call.id, leased.call.fence, "two")
    await two.settle(Settlement(call.id, leased.call.fence, 1, State.IN_DOUBT, "in_doubt"))
    await until(lambda: len(of_one) == 2)
    assert of_one[-1] == News(ended=(call.id,), doubt=frozenset({"npsp"}))
    await one.persons.decide([call.id], Decision(Act.NOT_DONE, "operator", "they never got it"))
    await one.cancel(call.id, "onestop")
    await one.orders.give(Order("npsp", OrderKind.HOLD, "operator", CLOCK.now(), "asked by telephone"))
    await one.registers.replace_units([], "operator")
    await until(lambda: len(of_two) == 6)
    assert of_two[2:] == [
        News(ready={"npsp": frozenset({Class.NORMAL})}),
        News(ended=(call.id,)),
        News(orders=True),
        News(registers=True),
    ]
    assert len(of_one) == 2


async def test_news_of_many_calls_come_whole(nodes: Nodes) -> None:
    one, two = nodes.open("one"), nodes.open("two")
    heard: list[News] = []
    two.listen(heard.append)
    await until(lambda: heard)
    calls = [a_call() for _ in range(BOUND)]
    long = [a_call() for _ in range(BOUND)]
    for some in (calls, long):
        await asyncio.gather(*(one.accept(call, b"{}") for call in some))
        await asyncio.gather(*(one.cancel(call.id, "onestop") for call in some))
    await until(lambda: sum(len(news.ended) for news in heard) == 2 * BOUND)
    assert {call for news in heard for call in news.ended} == {call.id for call in calls + long}


async def test_a_node_that_stops_in_the_middle_of_a_commit_stops_nobody_else(nodes: Nodes) -> None:
    pause = Pause("accept.before_commit")
    one, two = nodes.open("one", pause), nodes.open("two")
    stuck = asyncio.ensure_future(one.accept(a_call(order_key="H32"), b"{}"))
    await pause.stands()
    for _ in range(3):
        call = (await two.accept(a_call(order_key="H33"), b"{}")).call
        (leased,) = await two.lease("npsp", "two", {Class.NORMAL: 1}, 60)
        await two.begin(call.id, leased.call.fence, "two")
        settlement = Settlement(call.id, leased.call.fence, 1, State.ANSWERED, "answered")
        assert await two.settle(settlement) is Settled.APPLIED
    assert not stuck.done()
    with pytest.raises(StoreUnavailable):  # of this key the other node keeps the end open; nobody waits for long
        await two.accept(a_call(order_key="H32"), b"{}")
    gone = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'lienthong one writes'"
    await until(lambda: not nodes.ask(gone))  # the server has sent it away
    assert (await two.accept(a_call(order_key="H32"), b"{}")).new
    pause.go_on.set()
    with pytest.raises(StoreUnavailable):
        await stuck
    assert (await one.accept(a_call(), b"{}")).new, "and it goes on by itself"


async def cut_the_journal(store: PostgresStore, days: float) -> int:
    """Let a node make a pass; return how many entries it removed that were older than so many days."""
    CLOCK.advance(3600)
    number = await store.retention.begin(3600)
    assert number is not None
    removed, place = 0, Place("journal")
    while place.table == "journal":
        swept = await store.retention.sweep(number, place, Until(0, 0, 0, 0, CLOCK.now() - 86_400 * days, 0, 0))
        assert swept.next is not None
        removed, place = removed + swept.removed, swept.next
    return removed


async def test_the_chain_of_a_node_that_is_gone_is_cut_by_another_and_goes_on_where_it_comes_back(nodes: Nodes) -> None:
    gone, lives, cuts = nodes.open("gone"), nodes.open("lives"), nodes.open("one")
    for store, many in ((gone, MOST_ROWS + 9), (lives, 9), (cuts, 9)):
        await asyncio.gather(*(store.note("backed_up", "operator", str(number)) for number in range(many)))
    await gone.close()
    CLOCK.advance(400 * 86_400)
    assert await cut_the_journal(cuts, 365) == MOST_ROWS + 8 + 8
    for chain, begins in (("gone", MOST_ROWS + 9), ("lives", 1), ("one", 9)):
        left = await cuts.journal(chain=chain)
        assert (left[0].seq, first_break_kept(left)) == (begins, None), chain
    assert (await cuts.journal(chain="gone"))[-1].entry.event == CUT
    assert await cut_the_journal(cuts, 365) == 0
    back = nodes.open("gone")
    await back.accept(a_call(), b"{}")
    assert first_break_kept(await back.journal()) is None


async def test_the_chain_of_a_node_that_is_only_silent_is_left_to_it(nodes: Nodes) -> None:
    silent, cuts = nodes.open("silent"), nodes.open("one")
    await silent.beat(NodeRow("silent", CLOCK.now(), 0.0, 3, True, "1.0"))
    for _ in range(3):
        await silent.accept(a_call(), b"{}")
    await silent.close()
    CLOCK.advance(400 * 86_400)
    assert await cut_the_journal(cuts, 365) == 0, "it is expected back as long as its line is there"
    await cuts.depart("silent")
    assert await cut_the_journal(cuts, 365) == 2


async def test_two_processes_of_one_name_are_told_to_take_two(nodes: Nodes) -> None:
    nodes.open("one")
    with pytest.raises(StoreInUse, match=r"set `hub\.node`"):
        nodes.open("one")


async def test_nodes_see_each_other_and_those_that_left_are_gone(nodes: Nodes) -> None:
    one, two = nodes.open("one"), nodes.open("two")
    started = CLOCK.now()
    await one.beat(NodeRow("one", started, 0.0, 3, True, "1.0"))
    CLOCK.advance(5)
    rows = await two.beat(NodeRow("two", started, 0.0, 3, False, "1.1"))
    assert {(row.node, row.seen_at, row.reaches, row.version) for row in rows} == {
        ("one", started, True, "1.0"),
        ("two", started + 5, False, "1.1"),
    }
    await one.depart("one")
    assert [row.node for row in await two.beat(NodeRow("two", started, 0.0, 3, True, "1.1"))] == ["two"]


async def test_batches_that_lock_the_same_calls_in_another_order_are_both_written(nodes: Nodes) -> None:
    """A deadlock is the database's to end: the batch it chose is done again, one by one."""
    one, two = nodes.open("one"), nodes.open("two")
    calls = [(await one.accept(a_call(), b"{}")).call for _ in range(20)]
    ended = await asyncio.gather(
        *(one.cancel(call.id, "onestop") for call in calls),
        *(two.cancel(call.id, "onestop") for call in reversed(calls)),
    )
    assert ended == [State.CANCELLED] * 40
    assert await one.backlog("npsp") == 0
