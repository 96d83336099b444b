"""A store that does not answer: nothing is promised, nothing leaves unrecorded, and the hub recovers by itself."""

import asyncio

import pytest

from connectors.kit.outcomes import Unavailable
from hub.call import Class, State
from hub.errors import StoreUnavailable
from hub.store.protocol import Sought
from tests.unit.engine.stage import OK, World, play


async def down() -> None:
    raise StoreUnavailable(retry_after=5.0)


def test_what_could_not_be_accepted_is_refused_and_may_be_sent_again_under_its_key() -> None:
    async def scenario(world: World) -> None:
        world.store.before["accept"] = down
        with pytest.raises(StoreUnavailable) as told:
            await world.file(idempotency_key="k")
        assert told.value.retry_after == 5.0
        await asyncio.sleep(120)
        assert (world.agency.arrivals, await world.store.find(Sought())) == ([], [])
        del world.store.before["accept"]
        assert (await world.file(idempotency_key="k", wait=5.0)).state is State.ANSWERED

    play(scenario)


def test_an_accept_whose_reply_got_lost_is_carried_out_once() -> None:
    """The caller hears that the store is away, sends again under its key, and finds its call."""

    async def scenario(world: World) -> None:
        world.store.after["accept"] = down
        with pytest.raises(StoreUnavailable):
            await world.file(idempotency_key="k")
        del world.store.after["accept"]
        assert (await world.file(idempotency_key="k", wait=90.0)).state is State.ANSWERED
        assert len(world.agency.arrivals) == 1

    play(scenario)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_look_up_that_may_not_be_on_record_is_not_sent(when: str) -> None:
    async def scenario(world: World) -> None:
        getattr(world.store, when)["open"] = down
        with pytest.raises(StoreUnavailable):
            await world.ask()
        getattr(world.store, when).clear()
        await asyncio.sleep(60)
        assert world.agency.arrivals == []
        states = [record.call.state for record in await world.store.find(Sought())]
        assert states == ([] if when == "before" else [State.EXPIRED]), (
            "the row that was written says that nothing came of it"
        )
        assert (await world.ask()).state is State.ANSWERED

    play(scenario)


def test_a_hub_whose_store_does_not_answer_at_the_start_starts_nothing() -> None:
    async def scenario(world: World) -> None:
        world.store.before["recover"] = down
        with pytest.raises(StoreUnavailable):
            await world.hub.start()
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
        world.store.before.clear()
        await world.hub.start()
        assert (await world.ask()).state is State.ANSWERED
        await world.hub.stop(10)

    play(scenario, start=False)


def test_filings_whose_ends_cannot_be_written_stop_the_lane_until_they_are() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (1.0, OK)
        world.store.before["settle"] = down
        tickets = [await world.file("file_blindly") for _ in range(20)]
        await asyncio.sleep(300)
        # Those on the wire when the lane stopped still end: fewer than twice what may be there at once.
        sent = len(world.agency.arrivals)
        assert 3 <= sent <= 5
        assert world.hub.watch()["agency"].unwritten == sent
        assert {(await world.state(ticket))[0] for ticket in tickets} == {State.SENDING, State.QUEUED}
        del world.store.before["settle"]
        await asyncio.sleep(60)
        assert [(await world.state(ticket))[0] for ticket in tickets] == [State.ANSWERED] * 20
        assert len(world.agency.arrivals) == 20, "each once"

    play(scenario, calls_at_once=3)


@pytest.mark.parametrize("method", ["lease", "next_due", "renew", "give_back", "asking_due", "begin_asking"])
def test_any_other_question_that_fails_for_a_minute_costs_time_and_nothing_else(method: str) -> None:
    async def scenario(world: World) -> None:
        world.store.before[method] = down
        world.agency.will["file_ordered"].append((0.1, Unavailable("connect")))
        tickets = [await world.file(name, code=name) for name in ("file_ordered", "file_surely", "upsert_paper")]
        await asyncio.sleep(60)
        del world.store.before[method]
        await asyncio.sleep(120)
        assert [(await world.state(ticket))[0] for ticket in tickets] == [State.ANSWERED] * 3

    play(scenario)


def test_an_idle_hub_of_twenty_five_lanes_runs_under_two_statements_a_second() -> None:
    async def scenario(world: World) -> None:
        await world.file("file_paper", wait=5.0)
        said: list[str] = []
        world.store._store._line.writer.connection().set_trace_callback(said.append)
        await asyncio.sleep(1800)
        world.store._store._line.writer.connection().set_trace_callback(None)
        questions = [text for text in said if not text.startswith(("BEGIN", "COMMIT"))]
        assert 25 < len(questions) < 2 * 1800

    play(scenario, names=tuple(f"agency_{number}" for number in range(25)))


def test_a_store_that_says_nothing_is_waited_for_a_while_and_what_it_took_is_sent_once() -> None:
    async def scenario(world: World) -> None:
        async def hangs() -> None:
            await asyncio.sleep(40)

        world.store.after["accept"] = hangs
        began = world.clock.monotonic()
        with pytest.raises(StoreUnavailable) as told:
            await world.file(idempotency_key="k", code="H32-9")
        assert world.clock.monotonic() - began <= 15.0
        assert told.value.retry_after
        world.store.after.clear()
        await asyncio.sleep(130)
        assert len(world.agency.arrivals) == 1, "it was written, and the lane found it"
        assert (await world.file(idempotency_key="k", code="H32-9", wait=5.0)).state is State.ANSWERED
        assert len(world.agency.arrivals) == 1

    play(scenario)


def test_a_sick_store_refuses_at_the_door_before_a_body_is_read() -> None:
    async def scenario(world: World) -> None:
        world.pressure.committed(0.1, StoreUnavailable("the store did not write: disk I/O error"))
        for name, interactive in (("file_paper", False), ("lookup_citizen", True)):
            with pytest.raises(StoreUnavailable) as told:
                world.hub.admit("agency", name, Class.COUNTER, ("", ""), interactive=interactive, seconds=30.0)
            assert told.value.retry_after == 5.0
        world.pressure.proved()
        world.hub.admit("agency", "file_paper", Class.COUNTER, ("", ""), interactive=False, seconds=30.0)

    play(scenario)


def test_requests_that_the_store_has_not_taken_count_as_waiting_bytes() -> None:
    async def scenario(world: World) -> None:
        go = asyncio.Event()

        async def waits() -> None:
            await go.wait()

        world.store.before["accept"] = waits
        filing = asyncio.create_task(world.file())
        await asyncio.sleep(1)
        assert world.hub.queued_bytes() > 20
        go.set()
        await filing
        await asyncio.sleep(60)
        assert world.hub.queued_bytes() == 0

    play(scenario)
