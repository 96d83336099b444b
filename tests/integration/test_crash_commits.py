"""
A node killed just before and just after each kind of commit it can make, while callers go on: no promise is broken.

The first node alone dies; where there are others, they join when it has come back for good. What operators do is gone
through in one run: the promises are read at its end, and what was printed says how far it came.
"""

import asyncio
from collections.abc import Sequence

import pytest

from bench.crashing.cluster import FORMS, Form
from bench.crashing.members import BESIDE, SLOW, WAYS, Way, dossiers, members_of_the_store, nothing, resume
from bench.crashing.node import until
from bench.crashing.run import Run
from bench.crashing.traffic import MIX

PER_SECOND = 4.0
_MOMENT = 0.5
"""Seconds for a request to notice that nobody answers it any more."""


def runs_in(form: Form) -> list[Sequence[str]]:
    """Return the members of each run: what operators do together, all else alone."""
    possible = [member for member, way in WAYS.items() if form.postgres or not (way.several or way.lasting)]
    together = [member for member in possible if WAYS[member].operators]
    return [together, *([member] for member in possible if member not in together)]


def test_every_kind_of_commit_has_a_crash_test() -> None:
    assert members_of_the_store() == WAYS.keys() | BESIDE
    assert not WAYS.keys() & BESIDE
    assert {member for form in FORMS for run in runs_in(form) for member in run} == WAYS.keys()


@pytest.mark.process
@pytest.mark.parametrize(
    ("run", "members"),
    [
        pytest.param(form, members, id=f"{form.name}-{members[0] if len(members) == 1 else 'operators'}")
        for form in FORMS
        for members in runs_in(form)
    ],
    indirect=["run"],
)
async def test_killed_before_and_after_each_commit(run: Run, members: Sequence[str]) -> None:
    careful = WAYS[members[0]].careful
    await run.cluster.start(1)
    if careful:
        await dossiers(run)
    run.traffic.flow(PER_SECOND, {"file_progress": 1} if careful else MIX)
    for member in members:
        run.misbehave(SLOW)
        for place in ("before_commit", "after_commit"):
            await killed_at(run, member, place)
        await starts(run)
        await resume(run)
    await run.ends_well()


async def killed_at(run: Run, member: str, place: str) -> None:
    """Let the node die at *place* of the first commit of *member* that it is made to do."""
    way = WAYS[member]
    if way.before is not nothing:
        await starts(run)
        await way.before(run)
    await run.node.kill()
    print(f"{member}.{place}")
    run.node.begin(HUB_FAILPOINT=f"{member}.{place}#{way.time}")
    if not way.starting and await run.node.ready():  # it may come to it before it is ready, of what was left to it
        provoking = asyncio.ensure_future(way.now(run))
        assert await run.node.died() == -9, run.node.errors()
        await asyncio.wait({provoking}, timeout=_MOMENT)  # its request ends with the connection, which cancelled leaks
        provoking.cancel()
        await asyncio.gather(provoking, return_exceptions=True)  # nobody answered it any more
    elif run.node.lives:
        await run.node.died()
    assert run.node.deaths[-1] == -9, run.node.errors()
    if way.kept is not None:
        await starts(run)
        await until(
            lambda: is_kept(run, way, place == "after_commit"), f"{member} kept: {place == 'after_commit'}", 10.0
        )


async def is_kept(run: Run, way: Way, wanted: bool) -> bool:
    """Return whether what an operator did is there, or is not, as *wanted*; nodes show what Redis told them last."""
    return way.kept is not None and await way.kept(run) == wanted


async def starts(run: Run) -> None:
    """Let the node live, if it does not."""
    if not run.node.lives:
        await run.node.start()
