"""What may have happened is never silently repeated: it is looked up, or shown to a person."""

import asyncio

import pytest

from connectors.kit.outcomes import Answered, Busy, InDoubt, Result, Unavailable
from hub.call import NEVER, State, exchange_id
from hub.store.protocol import Settlement
from tests.unit.engine.stage import CALLER, OK, Paper, PaperQuery, World, play

LOST = (0.1, InDoubt("reset"))
FOUND = Answered(Result.OK, Paper(code="H32-1"))
NOT_FOUND = Answered(Result.NOT_FOUND)


def test_a_filing_without_an_answer_is_in_doubt_and_its_caller_hears_so() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_blindly"].append(LOST)
        reply = await world.file("file_blindly", wait=5.0)
        assert (reply.state, reply.cause) == (State.IN_DOUBT, "reset")
        await asyncio.sleep(86_400)
        assert world.agency.sent() == ["file_blindly"]
        assert await world.state(reply) == (State.IN_DOUBT, "reset")

    play(scenario)


def test_a_doubt_is_looked_up_once_the_agency_must_be_done_and_settled_if_all_places_agree() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_paper"].append((99, OK))
        world.agency.will["lookup_paper"].append((0.1, FOUND))
        ticket = await world.file()
        await asyncio.sleep(60)
        filed, looked_up = world.agency.arrivals
        case = await world.store.persons.case(ticket.call)
        assert [(one.step, exchange_id(ticket.call, one.no)) for one in case.exchanges] == [
            (one.operation, one.sources["exchange.id"]) for one in (filed, looked_up)
        ], "what is kept tells by which ids the agency knows both"
        assert looked_up.operation == "lookup_paper"
        assert looked_up.request == PaperQuery(code="H32-1")
        assert looked_up.at - filed.at >= 15, "call_timeout and half as much again"
        reply = await world.hub.wait_for(ticket.call, CALLER, 0)
        assert reply.state is State.ANSWERED
        assert reply.answer is not None
        assert b'"code":"verified"' in reply.answer
        assert [state for state, _ in world.log.ended.values()] == ["answered"]

    play(scenario)


def test_a_hub_that_begins_looks_up_no_sooner_than_it_says() -> None:
    async def scenario(world: World) -> None:
        began = world.clock.now()
        first = world.hub.looks_up_from(world.agency.name)
        assert first - began == 15, "call_timeout and half as much again"
        await asyncio.sleep(20)
        assert world.hub.looks_up_from(world.agency.name) == world.clock.now()
        assert world.hub.looks_up_from("nobody") == 0.0

    play(scenario)


@pytest.mark.parametrize(
    ("found", "cause"),
    [
        (NOT_FOUND, "not_found"),
        (Answered(Result.OK, Paper(code="H32-1", title="Khác")), "differs"),
        (Answered(Result.REFUSED), "differs"),
    ],
)
def test_what_a_look_up_does_not_prove_is_left_to_a_person(found: Answered, cause: str) -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_paper"].append(LOST)
        world.agency.otherwise = lambda _: (0.1, found)
        ticket = await world.file()
        await asyncio.sleep(2 * 86_400)
        assert await world.state(ticket) == (State.IN_DOUBT, cause)
        assert world.agency.sent() == ["file_paper", "lookup_paper"], "asked once, filed once"
        assert (await world.call(ticket)).due_at == NEVER

    play(scenario)


def test_not_found_means_not_done_only_where_the_look_up_sees_writes() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_surely"].append(LOST)
        world.agency.will["look_up_surely"].append((0.1, NOT_FOUND))
        ticket = await world.file("file_surely")
        await asyncio.sleep(120)
        assert world.agency.sent() == ["file_surely", "look_up_surely", "file_surely"]
        assert (await world.state(ticket))[0] is State.ANSWERED

    play(scenario)


@pytest.mark.parametrize("failure", [Unavailable("connect"), InDoubt("reset"), Busy(20)])
def test_a_look_up_that_fails_is_asked_again(failure: Unavailable | InDoubt | Busy) -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_paper"].append(LOST)
        world.agency.will["lookup_paper"].extend([(0.1, failure), (0.1, failure), (0.1, FOUND)])
        ticket = await world.file()
        await asyncio.sleep(600)
        assert world.agency.sent() == ["file_paper", *["lookup_paper"] * 3]
        assert (await world.state(ticket))[0] is State.ANSWERED

    play(scenario)


def test_a_repeat_safe_filing_is_repeated_first_and_verified_when_its_attempts_end() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["upsert_paper"].extend([LOST] * 12)
        world.agency.will["lookup_paper"].append((0.1, FOUND))
        ticket = await world.file("upsert_paper")
        await asyncio.sleep(6 * 86_400)
        assert world.agency.sent() == [*["upsert_paper"] * 12, "lookup_paper"]
        assert (await world.state(ticket))[0] is State.ANSWERED

    play(scenario)


def test_verifying_waits_its_turn_like_any_call_and_blocks_nobody() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_paper"].extend([LOST] * 10)
        world.agency.otherwise = lambda name: (1.0, FOUND if name == "lookup_paper" else OK)
        tickets = [await world.file() for _ in range(10)]
        for _ in range(60):
            await world.ask()
        await asyncio.sleep(600)  # filing is spared meanwhile, since every one gets lost
        assert [(await world.state(ticket))[0] for ticket in tickets] == [State.ANSWERED] * 10
        assert world.agency.most_here <= 2

    play(scenario, calls_at_once=2)


def test_each_doubt_is_looked_up_when_it_falls_due_though_another_one_fell_due_before() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda name: (0.1, FOUND if name == "lookup_paper" else InDoubt("reset"))
        for _ in range(3):  # the first as soon as the hub has started, when it looks for what was left behind
            await world.file()
            await asyncio.sleep(2)
        await asyncio.sleep(30)
        filed, looked = (
            [one.at for one in world.agency.arrivals if one.operation == name]
            for name in ("file_paper", "lookup_paper")
        )
        assert [after - before for before, after in zip(filed, looked, strict=True)] == pytest.approx(
            [15.1] * 3, abs=0.2
        )

    play(scenario)


def test_late_evidence_ends_a_doubt() -> None:
    """A node that was only slow settles under its old fence."""

    async def scenario(world: World) -> None:
        world.agency.will["file_paper"].append((9.0, OK))
        ticket = await world.file()
        await asyncio.sleep(1)
        call = await world.call(ticket)
        doubt = Settlement(
            call.id, call.fence, call.exchange_no, State.IN_DOUBT, "in_doubt", "crash", due_at=world.clock.now() + 999
        )
        await world.store.settle(doubt)
        await asyncio.sleep(20)
        assert (await world.state(ticket))[0] is State.ANSWERED
        assert world.agency.sent() == ["file_paper"]

    play(scenario)


def test_a_doubt_that_no_look_up_can_end_does_not_stand_before_those_that_one_can() -> None:
    """Left by a crash, whose rules know nothing of look-ups."""

    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda name: (99, OK) if name.startswith("file") else (0.1, FOUND)
        for _ in range(9):
            await world.file("file_blindly")
        await asyncio.sleep(1)
        await world.file("file_paper")
        await asyncio.sleep(200)
        await world.hub.stop(0)
        life = world.again()
        await life.hub.start()
        await asyncio.sleep(600)
        assert "lookup_paper" in world.agency.sent()
        await life.hub.stop(0)

    play(scenario, calls_at_once=1)


@pytest.mark.parametrize(
    ("found", "ends", "cause"),
    [
        (FOUND, State.ANSWERED, "verified"),
        (Answered(Result.OK, Paper(code="H32-1", title="another")), State.IN_DOUBT, "differs"),
        (NOT_FOUND, State.IN_DOUBT, "not_found"),
    ],
)
def test_what_exists_already_is_proven_at_once_by_a_look_up_that_shows_nothing(
    found: Answered, ends: State, cause: str
) -> None:
    """A filing is no way to read what somebody else has filed under the same key."""

    async def scenario(world: World) -> None:
        world.agency.will["file_once"].append((0.1, Answered(Result.EXISTS)))
        world.agency.will["lookup_paper"].extend([(0.1, found), (0.1, found)])
        reply = await world.file("file_once", wait=5.0)
        assert (reply.state, await world.state(reply)) == (ends, (ends, cause))
        assert world.agency.sent() == ["file_once", "lookup_paper"]
        assert b"H32-1" not in (reply.answer or b"")
        assert (ends is State.ANSWERED) == (b'"code":"had_already"' in (reply.answer or b""))  # its own answer came
        await asyncio.sleep(86_400)
        assert world.agency.sent().count("file_once") == 1
        assert await world.state(reply) == (ends, cause)

    play(scenario)


def test_a_look_up_of_what_exists_that_fails_is_asked_again_and_then_proves_it() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_once"].append((0.1, Answered(Result.EXISTS)))
        world.agency.will["lookup_paper"].extend([(0.1, Unavailable("connect")), (0.1, InDoubt("reset")), (0.1, FOUND)])
        ticket = await world.file("file_once")
        await asyncio.sleep(120)
        assert await world.state(ticket) == (State.ANSWERED, "verified")
        assert b'"code":"had_already"' in ((await world.hub.wait_for(ticket.call, CALLER, 0)).answer or b"")
        assert world.agency.sent().count("file_once") == 1

    play(scenario)
