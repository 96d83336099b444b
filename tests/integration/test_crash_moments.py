"""Nodes killed at a hundred random moments under load: nothing accepted is lost, nothing is sent that may not be."""

import asyncio
from random import Random

import pytest

from bench.crashing.cluster import AGENCY, ONE_NODE
from bench.crashing.node import until
from bench.crashing.run import TROUBLE, Run
from connectors.kit.sandbox.faults import Fault

pytestmark = pytest.mark.process

MOMENTS = 50
"""In each form: two forms make a hundred."""
LONGEST_LIFE = 0.5
"""Seconds from the moment at which a life serves: a log-in and some exchanges."""


async def test_killed_at_random_moments_under_load(run: Run) -> None:
    random = Random(1)
    await run.cluster.start()
    run.misbehave(*TROUBLE)
    run.traffic.flow(per_second=5)
    for number in range(MOMENTS):
        victim, moment = random.choice(run.cluster.nodes), random.uniform(0.0, LONGEST_LIFE)
        print(f"{number}: {victim.name} killed after {moment:.3f} s")
        await asyncio.sleep(moment)
        await victim.kill()
        await victim.start()
    history = await run.ends_well()
    assert [death for node in run.cluster.nodes for death in node.deaths] == [-9] * MOMENTS
    states = [one.state for one in history.stands]
    assert states.count("answered") > MOMENTS, "a run in which nothing gets through proves nothing"
    assert any(one.status == 0 for one in history.heard), "nobody was cut off: the kills met no load"


@pytest.mark.parametrize("run", ONE_NODE, indirect=True, ids=lambda form: form.name)
async def test_killed_while_the_agency_has_all_it_can_bear(run: Run) -> None:
    """The agency works on at what a dead node asked of it: the next node counts that before it asks for more."""
    patient = {f"HUB__AGENCIES__{AGENCY.upper()}__CONTRACT__CALL_TIMEOUT": "4.0"}
    first_limit = 4
    await run.cluster.start(**patient)
    run.misbehave(Fault(fault="latency", operation="file_dossier", seconds=3.6))  # longer than a start takes
    for _ in range(12):
        run.traffic.ask("file_dossier")

    await until(lambda: run.sandbox.under_way(AGENCY) >= first_limit, "as many exchanges as a lane begins with")
    await run.node.kill()
    await run.node.start(**patient)
    await until(lambda: run.done("file_dossier") >= first_limit, "the end of what the dead node had asked")
    history = await run.ends_well()
    assert max(one.at_once for one in history.arrived) >= first_limit
