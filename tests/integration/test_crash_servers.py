"""
PostgreSQL and Redis killed, frozen and emptied under load: nothing accepted is lost, no contract is broken, nobody waits
in vain, and service resumes by itself.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis

from bench.crashing.cluster import BY_THE_SECOND, POSTGRES_4
from bench.crashing.link import Link
from bench.crashing.node import until
from bench.crashing.run import TROUBLE, Run, running
from bench.servers import Postgres, Redis

pytestmark = pytest.mark.process

PER_SECOND = 6


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[Redis]:
    """A Redis for a test that kills or freezes it."""
    server = Redis(tmp_path)
    server.start()
    yield server
    server.thaw()
    server.kill()


@pytest.fixture
async def on_own_postgres(own_postgres: Postgres, own_redis: Redis, tmp_path: Path) -> AsyncIterator[Run]:
    """Four nodes on a PostgreSQL that may be killed."""
    async with loaded(tmp_path, own_postgres.dsn(), own_redis) as run:
        yield run


@pytest.fixture
async def run(database: str, own_redis: Redis, tmp_path: Path) -> AsyncIterator[Run]:
    """Four nodes on a Redis that may be killed."""
    async with loaded(tmp_path, database, own_redis) as run:
        yield run


@contextlib.asynccontextmanager
async def loaded(folder: Path, database: str, counting: Redis) -> AsyncIterator[Run]:
    """Four nodes, not started yet."""
    servers = {"HUB__HUB__STORE": database, "HUB__HUB__REDIS": counting.address()}
    async with running(folder, POSTGRES_4, servers, BY_THE_SECOND) as run:
        yield run


async def begin(run: Run) -> None:
    """Start all nodes, and wait until they serve what comes through Redis."""
    await run.cluster.start()
    await all_grant_by(run, "redis")
    run.misbehave(*TROUBLE)
    run.traffic.flow(PER_SECOND)
    await run.served(5)


async def all_grant_by(run: Run, who: str) -> None:
    await until(lambda: {node.grants_by() for node in run.cluster.nodes} == {who}, f"all nodes grant by {who}")


def nobody_died(run: Run) -> bool:
    return not any(node.deaths for node in run.cluster.nodes)


async def test_postgresql_killed_and_then_again_with_two_nodes(on_own_postgres: Run, own_postgres: Postgres) -> None:
    run = on_own_postgres
    await begin(run)
    own_postgres.kill()
    await run.refused(2)
    own_postgres.start()
    await run.served(5)
    assert nobody_died(run)
    victims = run.cluster.nodes[:2]
    own_postgres.kill()
    for node in victims:
        await node.kill()
    own_postgres.start()
    for node in victims:
        await node.start()
    await run.served(5)
    await run.ends_well(all_written=False)


async def test_postgresql_frozen_for_longer_than_a_node_waits(on_own_postgres: Run, own_postgres: Postgres) -> None:
    run = on_own_postgres
    await begin(run)
    own_postgres.freeze()
    await run.refused(2)
    own_postgres.thaw()
    await run.served(5)
    await run.ends_well(all_written=False)
    assert nobody_died(run)


async def test_redis_gone_for_all_and_back(run: Run, own_redis: Redis) -> None:
    """Each node keeps to its share meanwhile, and the contract holds on the way there and back."""
    await begin(run)
    own_redis.freeze()
    await all_grant_by(run, "shares")
    await run.served(5)
    own_redis.kill()  # it comes back with nothing of what it held
    own_redis.start()
    await all_grant_by(run, "redis")
    await run.served(5)
    await run.ends_well()
    assert nobody_died(run)


@pytest.mark.parametrize("how", ["started anew", "flushed"])
async def test_redis_that_forgot_everything_under_load(run: Run, own_redis: Redis, how: str) -> None:
    """What it held is made again from the store, so nobody gets a second time what was given out."""
    await begin(run)
    for _ in range(2):
        if how == "flushed":
            with redis.Redis(port=own_redis.port) as client:
                client.flushall()
        else:
            own_redis.kill()
            own_redis.start()
        await run.served(10)
    await run.ends_well()
    assert nobody_died(run)


async def test_redis_gone_for_one_node_of_four_only(run: Run, own_redis: Redis) -> None:
    """It grants nothing, and what it accepts the others send; nobody's calls wait for it."""
    lonely, *others = run.cluster.nodes
    async with Link(own_redis.port) as link:
        lonely.always(HUB__HUB__REDIS=link.address())
        await begin(run)
        link.cut()
        await run.served(20)
        assert {node.grants_by() for node in others} == {"redis"}
        sent = lonely.exchanges()
        await run.served(20)
        assert lonely.exchanges() == sent, "it sent without a permit"
        await link.mend()
        await until(lambda: lonely.exchanges() > sent, "it sends again")
        await run.ends_well()
    assert nobody_died(run)
