"""
A node killed just before and just after each kind of commit it can make, while callers go on: no promise is broken.

The first node alone dies; where there are others, they join when it has come back for good.
"""

import asyncio

import pytest

from bench.crashing.cluster import FORMS
from bench.crashing.members import SLOW, WAYS, Way, dossiers, members_of_the_store, nothing, resume
from bench.crashing.run import Run
from bench.crashing.traffic import MIX

PER_SECOND = 4.0


def test_every_kind_of_commit_has_a_crash_test() -> None:
    assert members_of_the_store() == WAYS.keys()


@pytest.mark.process
@pytest.mark.parametrize(
    ("run", "member"),
    [
        pytest.param(form, member, id=f"{form.name}-{member}")
        for form in FORMS
        for member, way in WAYS.items()
        if form.postgres or not way.several
    ],
    indirect=["run"],
)
async def test_killed_before_and_after_its_commit(run: Run, member: str) -> None:
    way = WAYS[member]
    await run.cluster.start(1)
    if way.careful:
        await dossiers(run)
    run.misbehave(SLOW)
    run.traffic.flow(PER_SECOND, {"file_progress": 1} if way.careful else MIX)
    for place in ("before_commit", "after_commit"):
        if way.before is not nothing:
            await starts(run)
            await way.before(run)
        await run.node.kill()
        await dies_at(run, f"{member}.{place}#{way.time}", way)
        if way.kept is not None:
            await starts(run)
            assert await way.kept(run) == (place == "after_commit")
    await starts(run)
    await resume(run)
    await run.ends_well()


async def starts(run: Run) -> None:
    """Let the node live, if it does not."""
    if not run.node.lives:
        await run.node.start()


async def dies_at(run: Run, failpoint: str, way: Way) -> None:
    """Let the node live until it comes to *failpoint*, and die there."""
    run.node.begin(HUB_FAILPOINT=failpoint)
    provoking = None
    if not way.starting:
        await run.node.ready()
        provoking = asyncio.ensure_future(way.now(run))
    assert await run.node.died() == -9, run.node.errors()
    if provoking is not None:
        provoking.cancel()
        await asyncio.gather(provoking, return_exceptions=True)  # nobody answered it any more
