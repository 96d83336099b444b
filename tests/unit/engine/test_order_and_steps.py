"""One dossier's filings go in order over all operations that name it; a further step is an exchange of its own."""

import asyncio

from connectors.kit.outcomes import Answered, InDoubt, Result, Unavailable
from hub.call import State
from hub.store.deciding import Act
from tests.unit.engine.stage import OK, OPERATIONS, Paper, World, operation, play

EXISTS = Answered(Result.EXISTS)
PROGRESS = operation("file_progress", "filing", Paper, order_by="code")


def with_progress(world: World) -> None:
    """Two operations that name the same order, as the filing of a dossier and its steps do."""
    known = {**OPERATIONS, "file_progress": PROGRESS}
    world.agency.operations = world.lane.operations = known
    world.lane.asking_after._operations = known


def test_a_step_of_a_dossier_waits_for_the_filing_before_it_whatever_their_operations() -> None:
    async def scenario(world: World) -> None:
        with_progress(world)
        world.agency.will["file_ordered"].append((0.1, Unavailable("connect")))
        await world.file("file_ordered", code="A")
        await world.file("file_progress", code="A")
        await world.file("file_progress", code="B")
        await world.file("file_blindly", code="A")  # names no order
        await asyncio.sleep(30)
        assert world.agency.sent("file_ordered") == ["file_ordered"] * 2
        assert [(one.operation, one.request.code) for one in world.agency.arrivals][-1] == ("file_progress", "A")
        assert len(world.agency.arrivals) == 5

    play(scenario)


def test_a_doubt_holds_its_own_dossier_and_a_replay_keeps_its_old_place() -> None:
    async def scenario(world: World) -> None:
        with_progress(world)
        world.agency.will["file_progress"].append((0.1, InDoubt("reset")))
        first = await world.file("file_progress", code="A")
        second = await world.file("file_progress", code="A")
        await asyncio.sleep(3600)
        assert [(await world.state(one))[0] for one in (first, second)] == [State.IN_DOUBT, State.QUEUED]
        assert len(world.agency.arrivals) == 1
        await world.decide(first, Act.NOT_DONE)
        await asyncio.sleep(60)
        assert [one.sources["call.id"] for one in world.agency.arrivals] == [first.call, first.call, second.call]

    play(scenario)


def test_a_further_step_is_an_exchange_with_a_permit_and_a_record_of_its_own() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["upsert_paper"].append((0.1, EXISTS))
        granted: list[tuple[str, bool]] = []
        claim = world.coordination.claim

        async def watched(lane: str, wanted):  # type: ignore[no-untyped-def]
            got = await claim(lane, wanted)
            granted.extend(
                (wish.operation, wish.repeat) for wish, one in zip(wanted, got, strict=True) if hasattr(one, "id")
            )
            return got

        world.coordination.claim = watched  # type: ignore[method-assign]
        left = world.coordination.watch("agency")["day_quota_remaining"]
        reply = await world.file("upsert_paper", wait=5.0)
        assert reply.state is State.ANSWERED
        assert granted == [("upsert_paper", False), ("update_paper", False)]
        assert world.coordination.watch("agency")["day_quota_remaining"] == left - 2
        assert world.store.asked["begin"] == world.store.asked["settle"] == 2
        assert [told[:2] for told in world.log.exchanges] == [
            ("upsert_paper", "answered"),
            ("update_paper", "answered"),
        ]
        first, second = world.agency.arrivals
        assert first.sources["call.id"] == second.sources["call.id"]
        assert first.sources["exchange.id"] != second.sources["exchange.id"]

    play(scenario, calls_at_once=1)


def test_the_last_exchange_of_a_day_leaves_the_further_step_for_tomorrow() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["upsert_paper"].append((0.1, EXISTS))
        for _ in range(8):
            await world.ask()
        ticket = await world.file("upsert_paper")
        await world.ask()
        await asyncio.sleep(3600)
        call = await world.call(ticket)
        assert (call.state, call.step, call.attempts) == (State.QUEUED, "update_paper", 0)
        await asyncio.sleep(86_400)
        assert (await world.state(ticket))[0] is State.ANSWERED
        assert world.agency.sent("upsert_paper", "update_paper") == ["upsert_paper", "update_paper"], (
            "the first step is not repeated"
        )

    play(scenario, calls_per_day=10, calls_at_once=1)


def test_a_step_whose_answer_never_came_is_repeated_and_not_the_one_before() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["upsert_paper"].append((0.1, EXISTS))
        world.agency.will["update_paper"].append((0.1, InDoubt("timeout")))
        world.agency.otherwise = lambda _: (0.1, OK)
        reply = await world.file("upsert_paper")
        await asyncio.sleep(60)
        assert world.agency.sent() == ["upsert_paper", "update_paper", "update_paper"]
        assert (await world.call(reply)).attempts == 1

    play(scenario)
