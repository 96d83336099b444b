"""PostgreSQL killed and frozen under load: nothing accepted is lost, nobody waits in vain, service resumes by itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.crashing.cluster import FORMS
from bench.crashing.run import TROUBLE, Run, running
from bench.servers import Postgres

pytestmark = pytest.mark.process


@pytest.fixture(params=[form for form in FORMS if form.postgres], ids=lambda form: form.name)
async def run(request: pytest.FixtureRequest, own_postgres: Postgres, tmp_path: Path) -> AsyncIterator[Run]:
    """An installation on a PostgreSQL of its own."""
    async with running(tmp_path, request.param, {"HUB__HUB__STORE": own_postgres.dsn()}) as run:
        yield run


async def test_postgresql_killed_again_and_again(run: Run, own_postgres: Postgres) -> None:
    await run.cluster.start()
    run.misbehave(*TROUBLE)
    run.traffic.flow(per_second=6)
    for _ in range(3):
        await run.served(4)
        own_postgres.kill()
        await run.refused(2)
        own_postgres.start()
    await run.ends_well(all_written=False)
    assert [death for node in run.cluster.nodes for death in node.deaths] == []


async def test_postgresql_frozen_for_longer_than_a_node_waits(run: Run, own_postgres: Postgres) -> None:
    await run.cluster.start()
    run.misbehave(*TROUBLE)
    run.traffic.flow(per_second=6)
    await run.served(4)
    own_postgres.freeze()
    await run.refused(2)
    own_postgres.thaw()
    await run.served(4)
    await run.ends_well(all_written=False)
    assert [death for node in run.cluster.nodes for death in node.deaths] == []


async def test_postgresql_and_a_node_killed_at_once(run: Run, own_postgres: Postgres) -> None:
    await run.cluster.start()
    run.misbehave(*TROUBLE)
    run.traffic.flow(per_second=6)
    await run.served(4)
    own_postgres.kill()
    await run.node.kill()
    own_postgres.start()
    await run.node.start()
    await run.ends_well()
