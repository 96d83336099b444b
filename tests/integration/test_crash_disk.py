"""
A full disk under load: what cannot be kept is refused in words, nothing is half-written, and service resumes by itself.

A limit on the size of files, laid on the running process, is as good as a full disk: every write that would need more
room fails.
"""

import pytest

from bench.crashing.cluster import FORMS
from bench.crashing.run import TROUBLE, Run

pytestmark = [
    pytest.mark.process,
    pytest.mark.parametrize("run", [form for form in FORMS if not form.postgres], indirect=True, ids=lambda form: form.name),
]  # fmt: skip


async def test_a_full_disk_is_survived(run: Run) -> None:
    await run.cluster.start()
    run.misbehave(*TROUBLE)
    run.traffic.flow(per_second=8)
    for _ in range(2):
        await run.served(5)
        run.node.fill_disk()
        await run.refused(5)
        run.node.free_disk()
    await run.ends_well(all_written=False)
    assert run.node.deaths == []


async def test_killed_while_its_disk_is_full(run: Run) -> None:
    await run.cluster.start()
    run.misbehave(*TROUBLE)
    run.traffic.flow(per_second=8)
    for _ in range(3):
        await run.served(5)
        run.node.fill_disk()
        await run.refused(2)
        await run.node.kill()
        await run.node.start()
    await run.ends_well(all_written=False)
