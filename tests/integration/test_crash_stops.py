"""Nodes that stand still, past their leases or for a moment, and nodes that are stopped in order: under load, all of it."""

import asyncio
from random import Random

import pytest

from bench.crashing.cluster import LEASE, SQLITE
from bench.crashing.members import SLOW
from bench.crashing.node import until
from bench.crashing.run import TROUBLE, Run
from connectors.kit.sandbox.faults import Fault

pytestmark = pytest.mark.process


@pytest.mark.parametrize("run", [SQLITE], indirect=True, ids=lambda form: form.name)  # of four: test_crash_nodes.py
async def test_frozen_past_its_leases(run: Run) -> None:
    """What it had on the wire, and what it had leased, is settled or passed on once; nothing goes twice."""
    await run.cluster.start()
    dossier = run.traffic.ask("file_dossier")
    await until(lambda: run.arrived("file_dossier", dossier.subject), "a dossier")
    run.misbehave(Fault(fault="slow_drip", seconds=0.004))  # it comes at once, and its answer over half a second
    step = run.traffic.ask("file_progress")
    for _ in range(8):
        run.traffic.ask("file_dossier")
    await until(lambda: run.arrived(step.operation, step.subject), "a step on the wire")
    run.node.freeze()
    run.misbehave()
    run.traffic.flow(per_second=2)
    thaw_at = asyncio.get_running_loop().time() + LEASE + 0.5
    await until(lambda: asyncio.get_running_loop().time() > thaw_at, "the end of the leases", LEASE + 10)
    run.node.thaw()
    history = await run.ends_well()
    assert run.arrived(step.operation, step.subject) == 1
    stands = {one.call: one.state for one in history.stands}
    assert stands[run.traffic.told(step)[0].call] in ("answered", "in_doubt")


async def test_frozen_for_moments(run: Run) -> None:
    """What piled up meanwhile does not go as a wave: the contract holds."""
    random = Random(3)
    await run.cluster.start()
    run.misbehave(*TROUBLE)
    run.traffic.flow(per_second=8)
    for _ in range(8):
        victim = random.choice(run.cluster.nodes)
        await asyncio.sleep(random.uniform(0.1, 0.6))
        victim.freeze()
        await asyncio.sleep(random.uniform(0.1, 1.5))  # up to longer than an exchange may take
        victim.thaw()
    await run.ends_well()


async def test_stopped_in_order_one_after_the_other_nothing_is_in_doubt(run: Run) -> None:
    await run.cluster.start()
    run.misbehave(SLOW)
    run.traffic.flow(per_second=5)
    for _ in range(3 if len(run.cluster.nodes) == 1 else 1):
        for node in run.cluster.nodes:
            await run.served(2)
            await node.stop()
            await node.start()
    history = await run.ends_well()
    assert {death for node in run.cluster.nodes for death in node.deaths} == {0}
    assert {one.state for one in history.stands if one.state in ("in_doubt", "dead")} == set()
