"""
A full disk under load: what cannot be kept is refused in words, nothing is half-written, and service resumes by itself.

A limit on the size of files, laid on the running process, is as good as a full disk: every write that would need more
room fails.
"""

import pytest

from tests.integration.crashing.cluster import FORMS, until
from tests.integration.crashing.run import TROUBLE, Run

pytestmark = [
    pytest.mark.process,
    pytest.mark.parametrize("run", [form for form in FORMS if not form.postgres], indirect=True, ids=lambda form: form.name),
]  # fmt: skip


async def served(run: Run, more: int) -> None:
    """Wait until *more* answers than so far have been heard."""
    enough = run.answered() + more
    await until(lambda: run.answered() >= enough, "service")


async def refused(run: Run, more: int) -> None:
    """Wait until callers were told so often that the store cannot write."""
    enough = refusals(run) + more
    await until(lambda: refusals(run) >= enough, "honest refusals")


def refusals(run: Run) -> int:
    return sum(one.code == "store.unavailable" for one in run.traffic.heard)


async def test_a_full_disk_is_survived(run: Run) -> None:
    await run.cluster.start()
    run.misbehave(*TROUBLE)
    run.traffic.flow(per_second=8)
    for _ in range(2):
        await served(run, 5)
        run.node.fill_disk()
        await refused(run, 5)
        run.node.free_disk()
    await run.ends_well(all_written=False)
    assert run.node.deaths == []


async def test_killed_while_its_disk_is_full(run: Run) -> None:
    await run.cluster.start()
    run.misbehave(*TROUBLE)
    run.traffic.flow(per_second=8)
    for _ in range(3):
        await served(run, 5)
        run.node.fill_disk()
        await refused(run, 2)
        await run.node.kill()
        await run.node.start()
    await run.ends_well(all_written=False)
