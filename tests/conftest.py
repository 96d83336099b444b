"""What all tests share: nothing is judged by how long this machine took for it, and a PostgreSQL of our own."""

import contextlib
import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

from bench.servers import NoServer, Postgres
from hub.store.migrate import migrate_postgres

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

TEMPLATE = "hub"
"""A database with the tables of today and nothing in them."""


@contextlib.contextmanager
def a_postgres() -> Iterator[Postgres]:
    """Start a server of one's own; skip where there is none."""
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as parent:
        Path(parent).chmod(0o755)  # the server may run as another user, who enters no folder of pytest's
        folder = Path(parent) / "server"
        folder.mkdir()
        try:
            server = Postgres(folder)
        except NoServer as missing:
            pytest.skip(str(missing))
        server.start()
        migrate_postgres(server.dsn(TEMPLATE))
        yield server
        server.thaw()
        server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of this process."""
    with a_postgres() as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server for a test that kills or freezes it."""
    with a_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def new_database(postgres: Postgres) -> Callable[[], contextlib.AbstractContextManager[str]]:
    """Return what gives the address of a fresh database, with tables, for the time of a `with`."""
    numbers = itertools.count(1)

    @contextlib.contextmanager
    def fresh() -> Iterator[str]:
        name = f"hub_{next(numbers)}"
        with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        yield postgres.dsn(name)
        with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    return fresh


@pytest.fixture
def database(new_database: Callable[[], contextlib.AbstractContextManager[str]]) -> Iterator[str]:
    """Give the address of a fresh PostgreSQL database with the tables of today."""
    with new_database() as dsn:
        yield dsn
