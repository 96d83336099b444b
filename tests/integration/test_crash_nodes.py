"""One node of four is gone, for good or for a while: the others see it, take over what it had, and nothing goes twice."""

import pytest

from bench.crashing.cluster import POSTGRES_4
from bench.crashing.node import Node, until
from bench.crashing.run import TROUBLE, Run

pytestmark = [
    pytest.mark.process,
    pytest.mark.parametrize("run", [POSTGRES_4], indirect=True, ids=lambda form: form.name),
]


async def loaded(run: Run) -> None:
    await run.cluster.start()
    run.misbehave(*TROUBLE)
    run.traffic.flow(per_second=6)
    await run.served(10)


async def taken_for_dead(run: Run, node: Node) -> None:
    for other in run.cluster.nodes:
        if other is not node:
            await until(lambda other=other: run.cluster.dead(node, seen_from=other), f"{other.name} sees it")


async def test_killed_and_never_started_again(run: Run) -> None:
    victim = run.cluster.nodes[2]
    await loaded(run)
    await victim.kill()
    await taken_for_dead(run, victim)
    await run.served(10)
    history = await run.ends_well(restarting=False)
    assert {one.state for one in history.stands} <= {"answered", "in_doubt", "cancelled", "expired", "dead"}, (
        "something still waits for the dead node"
    )


async def test_frozen_until_the_others_take_it_for_dead_and_thawed(run: Run) -> None:
    """It finds its leases and its permits gone, and sends nothing of them."""
    victim = run.cluster.nodes[1]
    await loaded(run)
    victim.freeze()
    await taken_for_dead(run, victim)
    await run.served(10)
    victim.thaw()
    sent = victim.exchanges()
    await until(lambda: victim.exchanges() > sent, "it sends again")
    await run.ends_well()
    assert victim.deaths == []
