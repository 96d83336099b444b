"""
The hub is killed at each commit of a call's life. Judged from outside only: what callers heard, what came to the agency.
"""

from typing import Any

import pytest

from hub.client import Problem, Purpose
from mappings.canonical import Citizen, CitizenQuery, Dossier, ProcessingStep

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def nobody_else_asks(stage: Any) -> None:
    """A hub dies at the first commit of a name, or the second: it has to be the one that the test brings about."""
    stage.only("npsp", "police")


async def die_at(stage: Any, moment: str) -> None:
    await stage.start(HUB_FAILPOINT=moment, HUB_TESTING="1")


async def dead_and_back(stage: Any) -> None:
    assert await stage.ended() == -9
    await stage.start()


@pytest.mark.parametrize(
    ("moment", "heard", "sent_before", "sent_after"),
    [
        ("accept.before_commit", False, 0, 0),
        ("accept.after_commit", False, 0, 1),
        ("begin.before_commit", True, 0, 1),
        ("begin.after_commit", True, 0, 1),
        ("settle.before_commit", True, 1, 2),
        ("settle.after_commit", True, 1, 1),
    ],
)
async def test_a_filing_that_may_be_repeated_is_never_lost(
    stage: Any, dossier: Dossier, purpose: Purpose, moment: str, heard: bool, sent_before: int, sent_after: int
) -> None:
    await die_at(stage, moment)
    async with stage.client() as hub:
        if heard:
            ticket = await hub.file("npsp.file_dossier", dossier, answer=Dossier, purpose=purpose, key="k1")
        else:
            with pytest.raises(Problem) as nothing:
                await hub.file("npsp.file_dossier", dossier, answer=Dossier, purpose=purpose, key="k1")
            assert nothing.value.code == "hub.unreachable"
        assert await stage.ended() == -9
    assert stage.arrived("npsp", "file_dossier") == sent_before
    await stage.start()
    async with stage.client() as hub:
        found = await hub.find(key="k1")
        assert len(found) == (moment != "accept.before_commit")
        if found:
            assert found[0].call == ticket.call if heard else True
            reply = await hub.read("npsp", found[0].call, answer=Dossier, wait=30)
            assert (reply.state, reply.result) == ("answered", "ok")
    assert stage.arrived("npsp", "file_dossier") == sent_after
    assert stage.sandbox.arrivals.processed("npsp", "file_dossier", dossier.code) == min(1, sent_after)


@pytest.mark.parametrize(
    ("moment", "state", "sent"),
    [
        ("begin.before_commit#2", "answered", 1),
        ("begin.after_commit#2", "in_doubt", 0),
        ("settle.before_commit#2", "in_doubt", 1),
        ("settle.after_commit#2", "answered", 1),
    ],
)
async def test_a_filing_that_may_not_be_repeated_is_in_doubt_and_stays_with_a_person(
    stage: Any, dossier: Dossier, step: ProcessingStep, purpose: Purpose, moment: str, state: str, sent: int
) -> None:
    await die_at(stage, moment)
    async with stage.client() as hub:
        first = await hub.file("npsp.file_dossier", dossier, answer=Dossier, purpose=purpose)
        assert await first.result(wait=20) is not None
        ticket = await hub.file("npsp.file_progress", step, answer=ProcessingStep, purpose=purpose)
        await dead_and_back(stage)
    async with stage.client() as hub:
        try:
            heard = (await hub.read("npsp", ticket.call, answer=ProcessingStep, wait=20)).state
        except Problem as problem:
            heard = {"call.in_doubt": "in_doubt"}.get(problem.code, problem.code)
        assert heard == state
        (found,) = await hub.find(state=state, key=ticket.key)
        assert found.call == ticket.call
    assert stage.arrived("npsp", "file_progress") == sent


@pytest.mark.parametrize(
    ("moment", "states", "sent"),
    [
        ("open.before_commit", [], 0),
        ("open.after_commit", ["expired"], 0),
        ("settle.before_commit", ["expired"], 1),
        ("settle.after_commit", ["answered"], 1),
    ],
)
async def test_a_look_up_somebody_waited_for_is_asked_again_by_nobody(
    stage: Any, citizen: CitizenQuery, purpose: Purpose, moment: str, states: list[str], sent: int
) -> None:
    await die_at(stage, moment)
    async with stage.client() as hub:
        with pytest.raises(Problem) as nothing:
            await hub.call("police.lookup_citizen", citizen, answer=Citizen, purpose=purpose)
        assert nothing.value.code == "hub.unreachable"
    await dead_and_back(stage)
    async with stage.client() as hub:
        assert [one.state for one in await hub.find(agency="police")] == states
    assert stage.arrived("police", "lookup_citizen") == sent


async def test_a_failpoint_outside_of_tests_is_refused(stage: Any) -> None:
    status, _, errors = await stage.hub("serve", HUB_FAILPOINT="settle.before_commit")
    assert status == 2
    assert "HUB_TESTING=1" in errors
