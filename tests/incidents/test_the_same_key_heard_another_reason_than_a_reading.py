"""
A filing had died because the agency broke its contract. Its caller sent it again under the same key and heard that the
agency could not be reached and had processed nothing; reading the call told the truth. Now both tell what the store knows.
"""

import asyncio

import pytest

from connectors.kit.outcomes import Answered, Broken, Result
from hub.call import Reply, State
from hub.store.deciding import Act
from hub.web.replies import problem_of, reply_body
from tests.unit.engine.stage import CALLER, World, play

EXISTS = (0.1, Answered(Result.EXISTS))


async def _both(world: World, wait: float | None = None) -> tuple[Reply, Reply]:
    again = await world.file("file_blindly", idempotency_key="k", wait=wait)
    return again, await world.hub.wait_for(again.call, CALLER, 0.0)


@pytest.mark.parametrize("wait", [None, 5.0])
def test_a_dead_filing_sent_again_tells_why_it_died(wait: float | None) -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_blindly"].append(EXISTS)
        await world.file("file_blindly", idempotency_key="k")
        await asyncio.sleep(1)
        again, read = await _both(world, wait)
        assert again == read
        assert (again.state, again.cause) == (State.DEAD, "exists")
        problem = problem_of(again)
        assert problem is not None
        assert problem.code == "agency.broken"

    play(scenario)


def test_an_answered_filing_sent_again_brings_its_answer() -> None:
    async def scenario(world: World) -> None:
        await world.file("file_blindly", idempotency_key="k")
        await asyncio.sleep(1)
        again, read = await _both(world)
        assert again == read
        assert (again.state, again.answer) == (State.ANSWERED, b'{"result":"ok","value":null,"reason":null}')

    play(scenario)


def test_what_a_person_ended_is_told_as_such_both_ways() -> None:
    """A filing that was given up may have been done: its caller must not hear that nothing was processed."""

    async def scenario(world: World) -> None:
        world.agency.will["file_blindly"].append((0.1, Broken("html")))
        ticket = await world.file("file_blindly", idempotency_key="k")
        await asyncio.sleep(1)
        await world.decide(ticket, Act.GIVE_UP)
        again, read = await _both(world)
        problem = problem_of(again)
        assert again == read
        assert problem is not None
        assert problem.code == "call.in_doubt"
        await world.decide(ticket, Act.DISCARD)
        again, read = await _both(world)
        assert again == read
        assert again.state is State.CANCELLED
        assert b'"code":"discarded"' in reply_body(again)

    play(scenario)
