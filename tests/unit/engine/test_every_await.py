"""Coordination and store answer over a network one day: whoever leaves while they are asked leaves nothing behind."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any

import pytest

from connectors.kit.outcomes import Answered, InDoubt, Result, Unavailable
from hub.call import WAITING, Class, Reply, State
from hub.coordination.protocol import HoldCause, Wanted
from hub.errors import CallNotCancellable
from hub.store.protocol import Sought
from tests.unit.engine.stage import CALLER, OK, World, play

STEPS = 80
"""More turns of the loop than any of these calls takes."""


async def turns_of_the_loop(count: int) -> None:
    """Virtual time stands still while something can run, so every now and then a moment passes, for pauses to end."""
    for number in range(count):
        await asyncio.sleep(0.15 if number % 25 == 24 else 0)


async def slow_to_answer(world: World) -> None:
    """Let every question to coordination and store take two turns of the loop, one before and one after it is done."""
    await asyncio.sleep(1)  # a hub that has just started keeps its distance to the one before it

    async def turn() -> None:
        await asyncio.sleep(0)

    for name in (
        "open",
        "accept",
        "begin",
        "settle",
        "lease",
        "get",
        "give_back",
        "end",
        "cancel",
        "next_due",
        "follow",
    ):
        world.store.before[name] = world.store.after[name] = turn
    for name in ("claim", "release"):
        setattr(world.coordination, name, yielding(getattr(world.coordination, name)))


def yielding(asked: Any) -> Any:
    async def slow(*args: Any) -> Any:
        await asyncio.sleep(0)
        result = await asked(*args)
        await asyncio.sleep(0)
        return result

    return slow


async def nothing_is_left(world: World) -> None:
    await asyncio.sleep(120)
    assert world.coordination.out() == 0, "every permit came back, once"
    assert world.coordination.watch("agency")["concurrency_in_use"] == 0
    assert (len(world.lane._line), world.lane._turns, len(world.lane.settling)) == (0, {}, 0)
    assert (len(world.lane.flights), world.lane.flights._flights) == (0, {})
    records = await world.store.find(Sought())
    assert all(record.call.state not in WAITING for record in records)


@pytest.mark.parametrize("first", [OK, InDoubt("reset")], ids=["answered", "repeated"])
def test_an_interactive_caller_may_leave_at_any_await(first: Any) -> None:
    async def scenario(world: World) -> None:
        await slow_to_answer(world)
        seen: set[str] = set()
        ends: list[State | None] = []
        for step in range(STEPS):
            world.agency.will["lookup_citizen"] = deque([(0.0, first), (0.0, OK)])
            asked = asyncio.create_task(world.ask())
            await turns_of_the_loop(step)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            await nothing_is_left(world)
            new = [record.call for record in await world.store.find(Sought()) if record.call.id not in seen]
            assert len(new) <= 1
            ends.append(new[0].state if new else None)
            seen.update(call.id for call in new)
        assert ends[0] is None, "left before anything was recorded"
        assert ends[-1] is State.ANSWERED, "the last steps were past the end"
        assert set(ends) <= {None, State.ANSWERED, State.EXPIRED, State.CANCELLED}
        assert {one.sources["call.id"] for one in world.agency.arrivals} <= seen, "nothing left unrecorded"

    play(scenario, calls_at_once=1)


@pytest.mark.parametrize("who", [(0,), (1,), (0, 1, 2)], ids=str)
@pytest.mark.parametrize("first", [OK, InDoubt("reset")], ids=["answered", "repeated"])
@pytest.mark.parametrize("waits", [False, True], ids=["on the wire", "in the line"])
def test_whoever_leads_or_follows_may_leave_at_any_await(who: tuple[int, ...], first: Any, waits: bool) -> None:
    """The first leads, the others follow; in the line, the third stands for itself until one of them leads."""

    async def scenario(world: World) -> None:
        await slow_to_answer(world)
        others: set[str] = set()
        for step in range(STEPS):
            began = len(world.agency.arrivals)
            world.agency.will["lookup_together"] = deque([(0.0, first), (0.0, OK)])
            before = asyncio.create_task(world.ask()) if waits else None
            callers = (CALLER, CALLER, "tax_desk" if waits else CALLER)
            asked = [asyncio.create_task(world.ask("lookup_together", caller=caller)) for caller in callers]
            await turns_of_the_loop(step)
            for number in who:
                asked[number].cancel()
            ends = await asyncio.gather(*asked, return_exceptions=True)
            await nothing_is_left(world)
            replies = [end for number, end in enumerate(ends) if number not in who]
            assert all(isinstance(end, Reply) for end in replies), "who stayed has its answer"
            new = [one for one in await world.store.find(Sought()) if one.call.id not in others]
            others.update(one.call.id for one in new)
            together = {one.call.id: one for one in new if one.call.operation == "lookup_together"}
            assert all(together[end.call].call.state is State.ANSWERED for end in replies if isinstance(end, Reply))
            exchanges = [one for one in world.agency.arrivals[began:] if one.operation == "lookup_together"]
            assert len(exchanges) <= (1 if first is OK else 2) + len({0, 2} & set(who)), "one more for an heir at most"
            assert {one.sources["call.id"] for one in exchanges} <= together.keys(), "nothing left unrecorded"
            if before is not None:
                await before

    play(scenario, calls_at_once=1)


def test_a_filing_goes_on_whenever_its_caller_leaves() -> None:
    async def scenario(world: World) -> None:
        await slow_to_answer(world)
        kept = []
        for step in range(STEPS):
            world.agency.will["upsert_paper"] = deque([(0.0, Answered(Result.EXISTS))])
            asked = asyncio.create_task(world.file("upsert_paper", idempotency_key=str(step), wait=30.0))
            await turns_of_the_loop(step)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            await nothing_is_left(world)
            found = await world.store.find(Sought(key=str(step)))
            assert all(record.call.state is State.ANSWERED for record in found), "accepted is carried out"
            kept.append(len(found))
        assert (kept[0], kept[-1]) == (0, 1), "left before it was handed over, and after all was done"
        assert len(world.agency.arrivals) == 2 * sum(kept), "created, then updated, once each"

    play(scenario, calls_at_once=1)


def test_a_call_taken_back_at_any_await_is_sent_or_cancelled_and_never_both() -> None:
    async def scenario(world: World) -> None:
        await slow_to_answer(world)
        ends = []
        for step in range(STEPS):
            ticket = await world.file("file_blindly")
            before = len(world.agency.arrivals)
            await turns_of_the_loop(step)
            with suppress(CallNotCancellable):
                await world.hub.cancel(ticket.call, CALLER)
            await nothing_is_left(world)
            state, _ = await world.state(ticket)
            assert len(world.agency.arrivals) - before <= 1
            sent = ticket.call in {one.sources["call.id"] for one in world.agency.arrivals}
            assert sent is (state is State.ANSWERED)
            ends.append(state)
        assert set(ends) == {State.CANCELLED, State.ANSWERED}

    play(scenario, calls_at_once=1)


@pytest.mark.parametrize("stop", ["ground", "hold", "probe"])
def test_a_caller_may_leave_at_any_await_while_its_lane_comes_back_from_a_stop(stop: str) -> None:
    """Who leaves is the probe, or waits for one: either way the next one goes."""

    async def scenario(world: World) -> None:
        await slow_to_answer(world)
        for step in range(0, STEPS, 3):
            if stop == "hold":
                await world.coordination.hold("agency", HoldCause.BUSY, 1.0)
            else:
                breaker = world.coordination.over("agency").lanes["agency"].guards.breaker
                assert breaker is not None
                wanted = Wanted("lookup_citizen", Class.NORMAL)
                for number in range(-5, 0):
                    breaker.released(number, wanted, Unavailable("connect"), 0.1)
            await asyncio.sleep(6.0 if stop != "hold" else 1.2)
            asked = asyncio.create_task(world.ask(wait=20.0))
            await turns_of_the_loop(step)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            assert (await world.ask(wait=20.0)).state is State.ANSWERED
            for _ in range(8):
                await world.ask(wait=20.0)
            await nothing_is_left(world)
            assert world.coordination.stopped("agency", "lookup_citizen") is None

    play(scenario, calls_at_once=1, harmless=stop == "ground")
