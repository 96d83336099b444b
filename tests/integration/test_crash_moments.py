"""Nodes killed at a hundred random moments under load: nothing accepted is lost, nothing is sent that may not be."""

import asyncio
from random import Random

import pytest

from tests.integration.crashing.run import TROUBLE, Run

pytestmark = pytest.mark.process

MOMENTS = 50
"""Of each seed: two seeds make a hundred."""
LONGEST_LIFE = 0.5
"""Seconds from the moment at which a life serves: a log-in and some exchanges."""


@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_at_random_moments_under_load(run: Run, seed: int) -> None:
    random = Random(seed)
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
