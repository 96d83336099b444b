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
    pytest.mark.parametrize("run", [form for form in FORMS if not form.shared], indirect=True, ids=lambda form: form.name),
]  # fmt: skip


def refused_for_the_store(run: Run) -> int:
    return sum(one.code == "store.unavailable" for one in run.traffic.heard)


async def not_ready(run: Run) -> bool:
    return not await run.cluster.ready()


async def test_a_full_disk_is_survived(run: Run) -> None:
    await run.cluster.start()
    run.misbehave(*TROUBLE)
    run.traffic.flow(per_second=8)
    for _ in range(2):
        before, answered = refused_for_the_store(run), run.answered()
        await until(lambda: run.answered() > answered + 5, "service")
        run.node.fill_disk()
        await until(lambda: refused_for_the_store(run) > before + 5, "honest refusals")
        await until(lambda: not_ready(run), "a red light")
        run.node.free_disk()
        await until(run.cluster.ready, "a green light")
    await run.ends_well(all_written=False)
    assert run.node.deaths == []


async def test_killed_while_its_disk_is_full(run: Run) -> None:
    await run.cluster.start()
    run.misbehave(*TROUBLE)
    run.traffic.flow(per_second=8)
    for _ in range(3):
        before, answered = refused_for_the_store(run), run.answered()
        await until(lambda: run.answered() > answered + 5, "service")
        run.node.fill_disk()
        await until(lambda: refused_for_the_store(run) > before + 2, "honest refusals")
        await run.node.kill()
        await run.node.start()
    await run.ends_well(all_written=False)
