"""A hub killed at a hundred random moments under load: nothing accepted is lost, nothing is sent that may not be."""

import asyncio
from random import Random

import pytest

from tests.integration.crashing.run import TROUBLE, Run

pytestmark = pytest.mark.process

MOMENTS = 25
"""Of each seed: four seeds make a hundred."""
LONGEST_LIFE = 0.6
"""Seconds from the moment at which a life serves."""


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
async def test_killed_at_random_moments_under_load(run: Run, seed: int) -> None:
    random = Random(seed)
    await run.cluster.start()
    run.misbehave(*TROUBLE)
    run.traffic.flow(per_second=8)
    for _ in range(MOMENTS):
        victim = random.choice(run.cluster.nodes)
        moment = random.uniform(0.0, LONGEST_LIFE)
        await asyncio.sleep(moment)
        await victim.kill()
        await victim.start()
    history = await run.ends_well()
    assert run.node.deaths == [-9] * MOMENTS or len(run.cluster.nodes) > 1
    answered = [one for one in history.stands if one.state == "answered"]
    print(len(history.asked), len(history.stands), len(answered), len(history.arrived))
