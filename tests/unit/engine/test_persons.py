"""What a person decides is carried out at once, by the same lanes and under the same contract as everything else."""

import asyncio
from itertools import pairwise

import pytest

from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Result, Unavailable
from hub.answers import confirmed_json
from hub.call import Class, State
from hub.store.deciding import Act, Decision, Fate
from hub.store.persons import Which
from tests.unit.engine.stage import CALLER, OK, Paper, Query, World, play
from tests.unit.engine.test_order_and_steps import with_progress

LOST = (0.1, InDoubt("reset"))
NO = (0.01, Broken("http_400", refused_before_processing=True))


def test_two_hundred_replays_never_exceed_the_rate_of_their_lane() -> None:
    """Though they have left before, they are no repeats of ours: they take nothing from the budget of retries."""
    rate = 4.0

    async def scenario(world: World) -> None:
        world.agency.unwritable.add("file_paper")
        tickets = [await world.file(code=f"H32-{number}") for number in range(200)]
        await asyncio.sleep(600)
        assert {(await world.state(ticket))[0] for ticket in tickets} == {State.DEAD}
        before = len(world.agency.arrivals)
        world.agency.unwritable.clear()
        told = await world.hub.decide([one.call for one in tickets], Decision(Act.REPLAY, "cb-014", "sửa xong"))
        assert {one.fate for one in told} == {Fate.MOVED}
        await asyncio.sleep(200 / (0.9 * rate) + 10)
        arrivals = [one.at for one in world.agency.arrivals[before:]]
        assert len(arrivals) == 200
        assert {(await world.state(ticket))[0] for ticket in tickets} == {State.ANSWERED}
        for window in (1.0, 10.0):
            most = max(sum(at <= other < at + window for other in arrivals) for at in arrivals)
            assert most <= rate * window + 1
        assert world.coordination.watch("agency")["retry_budget"] == 10, "and whoever fails may still repeat"

    play(scenario, calls_per_second=rate)


def test_replays_do_not_stand_before_what_is_filed_now() -> None:
    async def scenario(world: World) -> None:
        world.agency.unwritable.add("file_paper")
        tickets = [await world.file(code=f"H32-{number}") for number in range(100)]
        await asyncio.sleep(120)
        world.agency.unwritable.clear()
        await world.hub.decide([one.call for one in tickets], Decision(Act.REPLAY, "cb-014", "x"))
        await asyncio.sleep(5)
        began = world.clock.monotonic()
        reply = await world.file(code="H32-new", wait=30.0)
        assert reply.state is State.ANSWERED
        assert world.clock.monotonic() - began < 5
        assert await world.store.backlog("agency") > 50
        assert (await world.call(tickets[0])).cls is Class.BULK

    play(scenario, calls_per_second=2.0)


def test_a_replay_that_the_agency_throttles_pays_for_its_repeat_like_any_other() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_blindly"].extend([NO, (0.1, Busy(1.0)), (0.1, OK)])
        ticket = await world.file("file_blindly")
        await asyncio.sleep(1)
        await world.decide(ticket, Act.REPLAY)
        await asyncio.sleep(1)
        budget = world.coordination.watch("agency")["retry_budget"]
        await asyncio.sleep(30)
        assert (await world.state(ticket))[0] is State.ANSWERED
        assert world.coordination.watch("agency")["retry_budget"] < budget

    play(scenario)


def test_a_doubt_that_is_answered_by_a_persons_word_is_heard_by_its_caller() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_blindly"].append(LOST)
        ticket = await world.file("file_blindly", wait=5.0)
        assert ticket.state is State.IN_DOUBT
        assert await world.decide(ticket, Act.DONE, answer=confirmed_json()) is Fate.MOVED
        reply = await world.hub.wait_for(ticket.call, CALLER, 5)
        assert reply.state is State.ANSWERED
        assert reply.answer is not None
        assert b'"code":"confirmed"' in reply.answer
        assert world.log.ended[ticket.call] == ("answered", "confirmed")
        assert world.agency.sent() == ["file_blindly"]

    play(scenario)


@pytest.mark.parametrize(("act", "goes"), [(Act.DONE, True), (Act.GIVE_UP, False), (Act.NOT_DONE, True)])
def test_what_stood_behind_a_doubt_goes_when_the_key_is_free(act: Act, goes: bool) -> None:
    async def scenario(world: World) -> None:
        with_progress(world)
        world.agency.will["file_progress"].append(LOST)
        first, second = [await world.file("file_progress", code="A") for _ in range(2)]
        await asyncio.sleep(60)
        assert [(await world.state(one))[0] for one in (first, second)] == [State.IN_DOUBT, State.QUEUED]
        await world.decide(first, act)
        await asyncio.sleep(10)
        assert ((await world.state(second))[0] is State.ANSWERED) is goes
        if act is Act.GIVE_UP:
            assert await world.decide(first, Act.DISCARD) is Fate.MOVED
            await asyncio.sleep(10)
            assert (await world.state(second))[0] is State.ANSWERED
            assert world.log.ended[first.call] == ("cancelled", "discarded")

    play(scenario)


@pytest.mark.parametrize("when", [14.0, 16.0])
def test_a_person_may_decide_while_the_hub_looks_a_doubt_up(when: float) -> None:
    """At 14 s the look-up is planned, at 16 s it is on the wire: what it finds no longer counts."""

    async def scenario(world: World) -> None:
        world.agency.will["file_paper"].append(LOST)
        world.agency.will["lookup_paper"].append((8.0, Answered(Result.OK, Paper(code="H32-1"))))
        ticket = await world.file()
        await asyncio.sleep(when)
        assert len(world.agency.sent("lookup_paper")) == (when == 16.0)
        assert await world.decide(ticket, Act.NOT_DONE) is Fate.MOVED
        await asyncio.sleep(3)
        assert (await world.state(ticket))[0] is State.ANSWERED, "it did not wait for the look-up"
        assert world.agency.sent("file_paper") == ["file_paper"] * 2
        await asyncio.sleep(60)
        assert (await world.state(ticket)) == (State.ANSWERED, "")

    play(scenario)


def test_a_look_up_that_waits_in_the_line_is_dropped_when_a_person_is_faster() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_paper"].append(LOST)
        ticket = await world.file()
        await asyncio.sleep(1)
        await world.coordination.hold("agency", "operator", None)
        await asyncio.sleep(30)
        assert await world.decide(ticket, Act.DONE, answer=confirmed_json()) is Fate.MOVED
        await world.coordination.hold("agency", "operator", 0.0)
        await asyncio.sleep(60)
        assert world.agency.sent() == ["file_paper"]

    play(scenario)


def test_over_a_store_whose_hub_does_not_run_nothing_is_sent_until_it_starts() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: NO
        ticket = await world.file()
        await asyncio.sleep(1)
        await world.hub.stop(1)
        resting = world.again()
        assert await resting.decide(ticket, Act.REPLAY) is Fate.MOVED
        await asyncio.sleep(60)
        assert world.agency.sent() == ["file_paper"]
        world.agency.otherwise = lambda _: (0.05, OK)
        life = world.again()
        await life.hub.start()
        await asyncio.sleep(1)
        assert (await world.state(ticket))[0] is State.ANSWERED
        await life.hub.stop(1)

    play(scenario)


def test_a_replay_that_fails_again_is_tried_as_often_as_a_new_call_and_dies_again() -> None:
    async def scenario(world: World) -> None:
        world.agency.unwritable.add("file_paper")
        ticket = await world.file()
        await asyncio.sleep(1)
        assert await world.state(ticket) == (State.DEAD, "request:mapping")
        world.agency.unwritable.clear()
        world.agency.otherwise = lambda _: (0.1, Unavailable("connect"))
        await world.decide(ticket, Act.REPLAY)
        await asyncio.sleep(5 * 86_400)
        assert await world.state(ticket) == (State.DEAD, "connect")
        assert len(world.agency.sent()) == 12
        assert [one.calls for one in await world.store.persons.tolls(Which(State.DEAD))] == [1]

    play(scenario)


def test_a_look_up_nobody_waited_for_can_be_sent_again_too() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_citizen"].append((0.1, Broken("json")))
        ticket = await world.hub.submit(world.submission("lookup_citizen", Query(citizen_id="000123456789"), wait=None))
        await asyncio.sleep(1)
        assert (await world.state(ticket))[0] is State.DEAD
        await world.decide(ticket, Act.REPLAY)
        await asyncio.sleep(1)
        assert (await world.state(ticket))[0] is State.ANSWERED

    play(scenario)


def test_many_are_decided_about_a_few_in_each_commit() -> None:
    async def scenario(world: World) -> None:
        world.agency.unwritable.add("file_paper")
        tickets = [await world.file(code=f"H32-{number}") for number in range(120)]
        await asyncio.sleep(60)
        told = await world.hub.decide([one.call for one in tickets], Decision(Act.DISCARD, "cb-014", "x"))
        assert [one.call for one in told] == [one.call for one in tickets]
        record = await world.store.journal(limit=9999)
        ends = [row.entry.at for row in record if row.entry.event == "decided"]
        assert len(ends) == 120
        assert all(a <= b for a, b in pairwise(ends))
        assert await world.store.persons.needing() == {}

    play(scenario)
