"""A key that we give goes by its call: known when the agency may know it, and never another call's of the same dossier."""

import asyncio

import pytest

from connectors.kit.outcomes import Answered, InDoubt, Result, Unavailable
from hub.call import Purpose, State
from tests.unit.engine.stage import OK, OPERATIONS, Paper, World, operation, play
from tests.unit.engine.stage import PaperQuery as Question

DOSSIER = "000.00.14.H32-261123-0001"
PURPOSE = Purpose("cb-014", "H32", DOSSIER)
LOST = (0.1, InDoubt("reset"))
OWN = {"reference": "call.reference", "code": "call.accepted_at"}


@pytest.fixture(autouse=True)
def _a_payment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agency knows a payment by two keys that its request fixes from the call; `lookup_paper` asks by one of them."""
    facts = {"then": {"in_doubt": "lookup_paper"}, "then_requests": {"in_doubt": Question}}
    monkeypatch.setitem(OPERATIONS, "file_payment", operation("file_payment", "filing", Paper, own=OWN, **facts))


def reference(call: str) -> str:
    return call.replace("-", "")


def test_our_key_is_remembered_with_an_answer_and_with_a_doubt() -> None:
    async def scenario(world: World) -> None:
        for outcome in ((0.1, OK), LOST):
            world.agency.will["file_payment"].append(outcome)
            reply = await world.file("file_payment", purpose=PURPOSE)
            await asyncio.sleep(5)
            known = await world.store.remembered(DOSSIER, world.agency.name)
            assert known["reference"] == reference(reply.call)

    play(scenario)


def test_a_key_that_a_field_of_the_request_fills_is_remembered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"number": "request.code", "nothing": "request.absent"}
    monkeypatch.setitem(OPERATIONS, "file_payment", operation("file_payment", "filing", Paper, own=own))

    async def scenario(world: World) -> None:
        world.agency.will["file_payment"].append((0.1, OK))
        await world.file("file_payment", "H32-7", purpose=PURPOSE)
        await asyncio.sleep(5)
        assert await world.store.remembered(DOSSIER, world.agency.name) == {"number": "H32-7"}

    play(scenario)


def test_our_key_is_not_remembered_of_what_never_left() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (0.1, Unavailable("connect"))
        reply = await world.file("file_payment", purpose=PURPOSE)
        await asyncio.sleep(5)
        assert (await world.state(reply))[0] is State.QUEUED
        assert await world.store.remembered(DOSSIER, world.agency.name) == {}

    play(scenario)


def test_a_doubt_is_looked_up_by_the_key_of_its_own_call_though_a_newer_one_of_the_dossier_is_known() -> None:
    """Else the second payment of a dossier would prove that the first was made."""

    async def scenario(world: World) -> None:
        world.agency.will["file_payment"].append(LOST)
        first = await world.file("file_payment", purpose=PURPOSE)
        await asyncio.sleep(1)
        second = await world.file("file_payment", purpose=PURPOSE)
        await asyncio.sleep(60)
        known = await world.store.remembered(DOSSIER, world.agency.name)
        assert known["reference"] == reference(second.call)
        assert (await world.state(second))[0] is State.ANSWERED
        filed, looked_up = world.agency.arrivals[0], world.agency.arrivals[-1]
        assert (looked_up.operation, looked_up.sources["call.id"]) == ("lookup_paper", first.call)
        assert looked_up.request == Question(code=str(filed.sources["call.accepted_at"]))

    play(scenario)


def test_an_answer_may_name_keys_beside_ours() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["file_payment"].append((0.1, Answered(Result.OK, refs={"receipt": "BL-0001"})))
        reply = await world.file("file_payment", purpose=PURPOSE)
        await asyncio.sleep(5)
        known = await world.store.remembered(DOSSIER, world.agency.name)
        assert (known["receipt"], known["reference"]) == ("BL-0001", reference(reply.call))

    play(scenario)
