"""Whoever comes, leaves, fails or runs out of time, in whatever order: each call ends once, and nothing flies twice."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Outcome, Result, Unavailable
from hub.call import Class, Purpose, Reply, State
from hub.errors import HubError, LaneFull
from hub.store.protocol import Sought
from tests.unit.engine.stage import OK, Query, World, play


@dataclass(frozen=True)
class Caller:
    """Who asks: when, for whom, how long it waits, and after how many seconds it leaves if it does."""

    at: float
    citizen: str
    officer: str
    cls: Class
    name: str
    wait: float
    leaves: float | None


quarters = st.integers(0, 16).map(lambda number: number / 4)
callers = st.builds(
    Caller,
    at=quarters,
    citizen=st.sampled_from(["000000000001", "000000000002"]),
    officer=st.sampled_from(["o1", "o1", "o2"]),
    cls=st.sampled_from(Class),
    name=st.sampled_from(["one_stop", "tax_desk"]),
    wait=st.sampled_from([0.3, 1.1, 2.6, 5.2, 20.0, 60.0]),
    leaves=st.none() | quarters,
)
fine: list[Outcome] = [OK, Answered(Result.NOT_FOUND)]
failures: list[Outcome] = [Busy(1.0), Unavailable("connect"), InDoubt("reset"), Broken("mapping")]
seconds = st.sampled_from([0.0, 0.2, 1.0, 2.0, 4.0])


def asking(world: World, one: Caller) -> "asyncio.Task[Reply]":
    submission = world.submission(
        "lookup_together",
        Query(citizen_id=one.citizen),
        caller=one.name,
        cls=one.cls,
        purpose=Purpose(one.officer, "u1", "H32-1"),
        wait=one.wait,
    )
    return asyncio.create_task(world.hub.submit(submission))


async def all_of_them(world: World, crowd: Sequence[Caller]) -> list[Reply | BaseException]:
    """Let everybody come and leave as planned; return how it ended for each."""
    loop = asyncio.get_running_loop()
    asked = []
    began = loop.time()
    for one in sorted(crowd, key=lambda one: one.at):
        await asyncio.sleep(began + one.at - loop.time())
        task = asking(world, one)
        if one.leaves is not None:
            loop.call_later(one.leaves, task.cancel)
        asked.append(task)
    return await asyncio.gather(*asked, return_exceptions=True)


def watch(world: World) -> Counter[Any]:
    """Count, per citizen and officer's account, how many exchanges were at the agency at once, at most."""
    here: Counter[Any] = Counter()
    most: Counter[Any] = Counter()
    send = world.agency.send

    async def watched(operation: str, wire: Any, *, timeout: float) -> Any:  # noqa: ASYNC109
        request, sources = wire.masked
        key = request.citizen_id, sources["officer.account"]
        here[key] += 1
        most[key] = max(most[key], here[key])
        try:
            return await send(operation, wire, timeout=timeout)
        finally:
            here[key] -= 1

    world.agency.send = watched  # type: ignore[method-assign]
    return most


async def each_ended_once(world: World, crowd: Sequence[Caller], ends: Sequence[Reply | BaseException]) -> None:
    await asyncio.sleep(100)  # what was on the wire when its caller left
    refused = [end for end in ends if isinstance(end, LaneFull) and end.call is None]
    assert len(world.log.ended) + len(refused) == len(crowd), "Log.call_ended sees to it that none ends twice"
    assert world.log.faults == []
    assert (len(world.lane.flights), world.lane.flights._flights, len(world.lane._line)) == (0, {}, 0)
    rows = {record.call.id: record.call for record in await world.store.find(Sought(limit=1000))}
    heard = [end for end in ends if isinstance(end, Reply)]
    assert [end for end in ends if not isinstance(end, Reply | HubError | asyncio.CancelledError)] == []
    told = [end.call for end in ends if isinstance(end, Reply | HubError) and end not in refused]
    assert len(set(told)) == len(told), "each hears of its own call"
    assert {reply.call for reply in heard} <= {id_ for id_, call in rows.items() if call.state is State.ANSWERED}
    assert {
        id_ for id_, (state, cause) in world.log.ended.items() if state == "answered" or cause == "answered_late"
    } == {id_ for id_, call in rows.items() if call.state is State.ANSWERED}
    led = {one.sources["call.id"] for one in world.agency.arrivals}
    assert len(world.agency.arrivals) <= world.store.asked["open"] + world.store.asked["begin"]
    for entry in [row.entry for row in await world.store.journal()]:
        followed = (entry.detail or "").partition("0 followed ")[2]
        if followed:
            mine, leader = rows[entry.call or ""], rows[followed]
            assert followed in led
            assert mine.purpose.officer == leader.purpose.officer
            assert (mine.exchange_no, mine.attempts) == (0, 0)
        elif entry.event == "answered":
            assert entry.call in led


@settings(max_examples=100, deadline=None)
@given(st.lists(callers, min_size=1, max_size=14), st.lists(st.tuples(seconds, st.sampled_from(fine + failures)), max_size=12), st.integers(1, 3), st.sampled_from([2, 50]))  # fmt: skip
def test_every_call_ends_once_whatever_happens(
    crowd: list[Caller], planned: list[tuple[float, Outcome]], at_once: int, queue_calls: int
) -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.7, OK)
        world.agency.will["lookup_together"].extend(planned)
        await each_ended_once(world, crowd, await all_of_them(world, crowd))

    play(scenario, calls_at_once=at_once, queue_calls=queue_calls)


@settings(max_examples=100, deadline=None)
@given(st.lists(callers, min_size=1, max_size=14), st.lists(st.tuples(seconds, st.sampled_from(fine)), max_size=12), st.integers(1, 3))  # fmt: skip
def test_while_answers_come_nobody_asks_what_is_being_asked(
    crowd: list[Caller], planned: list[tuple[float, Outcome]], at_once: int
) -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.7, OK)
        world.agency.will["lookup_together"].extend(planned)
        most = watch(world)
        ends = await all_of_them(world, crowd)
        await each_ended_once(world, crowd, ends)
        assert all(count == 1 for count in most.values())

    play(scenario, calls_at_once=at_once)


@settings(max_examples=60, deadline=None)
@given(st.lists(callers, min_size=1, max_size=20))
def test_there_are_as_many_exchanges_as_there_must_be(crowd: list[Caller]) -> None:
    """With room for all and patience: who comes while the same is being asked follows, and nobody else."""
    crowd = [Caller(one.at, one.citizen, one.officer, one.cls, one.name, 60.0, None) for one in crowd]
    lasts = 1.1  # no multiple of the quarters in which callers come
    starts: dict[tuple[str, str], list[float]] = {}
    for one in sorted(crowd, key=lambda one: one.at):
        begun = starts.setdefault((one.citizen, one.officer), [])
        if not begun or one.at >= begun[-1] + lasts:
            begun.append(one.at)

    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (lasts, OK)
        ends = await all_of_them(world, crowd)
        assert all(isinstance(end, Reply) for end in ends)
        assert len(world.agency.arrivals) == sum(map(len, starts.values()))
        await each_ended_once(world, crowd, ends)

    play(scenario, calls_at_once=50)
