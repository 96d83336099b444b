"""From every released revision, with data in place, to the tables of today: on SQLite and on PostgreSQL."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, create_engine

from bench.servers import Postgres
from hub.call import Class, State
from hub.clock import VirtualClock
from hub.journal import START, Entry, chain, first_break
from hub.store.database import SINGLE
from hub.store.migrate import STEPS, StoreTooNew, _config, at_revision_of, migrate_postgres
from hub.store.postgres import PostgresStore
from hub.store.protocol import Sought
from hub.store.schema import REVISION, metadata
from hub.store.sql_store import SqlStore
from hub.store.sqlite import SqliteStore

REVISIONS = sorted(step.revision for step in ScriptDirectory(str(STEPS)).walk_revisions())
DAY = "2026-11-23"
CALL = {
    "agency": "npsp", "operation": "file_dossier", "kind": "filing", "class": "normal", "caller": "onestop",
    "fingerprint": "f", "accepted_at": 0.0, "deadline": 9e9, "due_at": 0.0, "step": "file_dossier",
    "repeat_safe": False, "fence": 0, "attempts": 0, "exchange_no": 0, "settled_no": 0, "cause": "",
    "request_digest": "d", "request_size": 2,
}  # fmt: skip
CALLS = [
    ("c1", "queued", False, "H32"), ("c2", "queued", False, "H32"), ("c3", "sending", False, "H33"),
    ("c4", "answered", False, None), ("c5", "sending", True, None),
]  # fmt: skip


@contextlib.contextmanager
def empty_database(postgres: Postgres, name: str) -> Iterator[str]:
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgres.dsn(name)
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Place:
    """A database without tables, and how to make an engine and a store of it."""

    def __init__(self, url: str, open_store: Callable[[], SqlStore]) -> None:
        self.url = url
        self.open_store = open_store

    @contextlib.contextmanager
    def engine(self) -> Iterator[Engine]:
        engine = create_engine(self.url)
        yield engine
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    bounds = {"npsp": 9}
    if request.param == "sqlite":
        path = tmp_path / "hub.db"
        yield Place(f"sqlite:///{path}", lambda: SqliteStore.open_file(path, VirtualClock(), backlog_calls=bounds))
    else:
        with empty_database(request.getfixturevalue("postgres"), "migrated") as dsn:
            url = dsn.replace("postgresql://", "postgresql+psycopg://")
            yield Place(url, lambda: PostgresStore.connect(dsn, "one", VirtualClock(), backlog_calls=bounds))


def _fill(connection: Connection) -> None:
    """Put into every table of a store what an earlier version would have put there."""
    then = MetaData()
    then.reflect(connection)

    def put(table: str, **row: Any) -> None:
        connection.execute(then.tables[table].insert().values(**row))

    for id_, state, interactive, unit in CALLS:
        payer = {"payer": f"onestop {unit or ''}"} if "payer" in then.tables["calls"].c else {}
        put("calls", **CALL, **payer, id=id_, state=state, interactive=interactive, unit=unit)
        put("bodies", call=id_, side="request", bytes=b"{}")
    put("exchanges", call="c3", no=1, agency="npsp", step="file_dossier", node="hub", sent_at=5.0)
    put("callers", name="onestop", key_digest="d", allowed="*", top_class="counter", enabled=True, added_at=5.0)
    put(
        "officers", line=1, officer="officer-7", unit="H32", valid_from="2026-01-01", valid_to="", agency="", account=""
    )
    put("units", line=1, unit="H32", valid_from="2026-01-01", valid_to="", agency="", code="")
    put("nodes", node="hub", started_at=1.0, seen_at=2.0, epoch=0)
    put(
        "quota_days",
        agency="npsp",
        day=DAY,
        sent=7,
        **({"node": "hub"} if "node" in then.tables["quota_days"].c else {}),
    )
    if "orders" in then.tables:
        put("orders", scope="npsp", kind="hold", given_by="operator", given_at=5.0, reason="asked by telephone")
    if "waiting" in then.tables:
        put("waiting", agency="npsp", node="hub", calls=3)
    head = START
    for number in range(3):
        entry = Entry(float(number), "accepted", f"c{number}", "onestop")
        head = chain(head, entry)
        where = {"chain": SINGLE} if "chain" in then.tables["journal"].c else {}
        put("journal", **where, seq=head.seq, hash=head.hash, **entry._asdict())


@pytest.mark.parametrize("revision", REVISIONS)
async def test_data_of_every_released_revision_come_along(place: Place, revision: str) -> None:
    with place.engine() as engine, engine.connect() as connection:
        command.upgrade(_config(connection), revision)
        _fill(connection)
        connection.commit()
    store = place.open_store()
    assert {record.call.id for record in await store.find(Sought())} == {id_ for id_, *_ in CALLS}
    assert await store.backlog("npsp") == 3
    assert await store.sent_on_day("npsp", DAY) == 7
    rows = await store.journal(chain=SINGLE)
    assert [row.seq for row in rows] == [1, 2, 3]
    assert first_break(rows) is None
    assert [row.name for row in await store.registers.callers()] == ["onestop"]
    assert len(await store.orders.in_force()) == (revision >= "0003")
    assert {node.node: (node.reaches, node.version) for node in await store.beat("one", 0.0, 1, True, "2")} == {
        "hub": (False, ""),
        "one": (True, "2"),
    }
    leased = await store.lease("npsp", "one", {Class.NORMAL: 9}, 60.0)
    assert [one.call.id for one in leased] == ["c1", "c2"]
    assert await store.cancel("c1", "onestop") is State.CANCELLED
    assert await store.backlog("npsp") == 2
    await store.close()


@pytest.mark.parametrize("revision", [None, *REVISIONS])
async def test_tables_of_every_path_are_the_declared_ones(place: Place, revision: str | None) -> None:
    if revision is not None:
        with place.engine() as engine, engine.connect() as connection:
            command.upgrade(_config(connection), revision)
            connection.commit()
    await place.open_store().close()
    with place.engine() as engine, engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


COLUMNS = """SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default
FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'"


ROOM = "SELECT relname, reloptions::text FROM pg_class WHERE relkind = 'r' AND reloptions IS NOT NULL"


def test_on_postgresql_keys_indexes_and_defaults_are_the_declared_ones_too(postgres: Postgres, database: str) -> None:
    with empty_database(postgres, "declared") as dsn:
        engine = create_engine(dsn.replace("postgresql://", "postgresql+psycopg://"))
        metadata.create_all(engine)
        engine.dispose()
        with psycopg.connect(dsn) as declared, psycopg.connect(database) as migrated:
            for question in (COLUMNS, INDEXES, ROOM):
                assert set(migrated.execute(question)) == set(declared.execute(question))


def test_of_nodes_that_start_at_once_one_makes_the_tables(postgres: Postgres) -> None:
    with empty_database(postgres, "together") as dsn:
        with ThreadPoolExecutor(4) as starting:
            list(starting.map(migrate_postgres, [dsn] * 4))
        assert at_revision_of(dsn) == REVISION


def test_a_database_of_a_newer_version_is_refused(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreTooNew, match="Install that version"):
        migrate_postgres(database)
