"""Migrated tables are the declared tables, and a store that is up to date opens without loading Alembic."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from hub.call import Class
from hub.clock import VirtualClock
from hub.security.identity import CALLS_PER_MINUTE
from hub.store.migrate import STEPS, StoreTooNew, _config, at_revision, migrate
from hub.store.registers import CallerRow
from hub.store.schema import REVISION, metadata
from hub.store.sqlite import SqliteStore, _make_tables
from hub.store.statements import Statements

DESIGN = {
    "calls", "bodies", "exchanges", "references", "notices", "cursors", "files", "callers", "officers", "units",
    "orders", "nodes", "quota_days", "journal", "waiting", "file_parts", "file_holders", "subscriptions", "dead_events",
    "dead_notices", "polls", "published", "handouts", "dossiers",
    "reconciliations", "reconciled",
}  # fmt: skip


def _shape(connection: sqlite3.Connection) -> dict[str, object]:
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    shape: dict[str, object] = {}
    for name in names:
        shape[name] = connection.execute(f"PRAGMA table_xinfo('{name}')").fetchall()
    for name, sql in connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"):
        shape[name] = " ".join(sql.split())
    shape.pop("alembic_version", None)
    return shape


def test_migrated_tables_are_the_declared_tables(tmp_path: Path) -> None:
    migrate(tmp_path / "hub.db")
    declared = sqlite3.connect(":memory:")
    _make_tables(declared)
    migrated = sqlite3.connect(tmp_path / "hub.db")
    assert _shape(migrated) == _shape(declared)
    migrated.close()
    declared.close()
    engine = create_engine(f"sqlite:///{tmp_path / 'hub.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []
    engine.dispose()


def test_the_declared_revision_is_the_last_step() -> None:
    assert ScriptDirectory(str(STEPS)).get_heads() == [REVISION]


def test_the_tables_are_those_of_the_design() -> None:
    assert set(metadata.tables) == DESIGN


def test_tables_and_statements_are_sound_for_postgresql_too() -> None:
    dialect = postgresql.dialect(paramstyle="pyformat")
    texts = [str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables]
    texts += [
        str(CreateIndex(index).compile(dialect=dialect))
        for table in metadata.tables.values()
        for index in table.indexes
    ]
    assert "WHERE state = 'queued' AND NOT interactive" in " ".join(texts)
    assert "ON CONFLICT" in Statements(dialect).put_body.sql


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    migrate(tmp_path / "hub.db")
    before = (tmp_path / "hub.db").read_bytes()
    migrate(tmp_path / "hub.db")
    assert (tmp_path / "hub.db").read_bytes() == before
    assert at_revision(tmp_path / "hub.db") == REVISION


def _first_tables(path: Path) -> sqlite3.Connection:
    """Make a store as the first version of the hub made it."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        command.upgrade(_config(connection), "0001")
        connection.commit()
    engine.dispose()
    return sqlite3.connect(path)


async def test_callers_older_than_quotas_keep_their_keys_and_get_one(tmp_path: Path) -> None:
    before = _first_tables(tmp_path / "hub.db")
    before.execute("INSERT INTO callers VALUES ('onestop', 'digest', 'police npsp.file_dossier', 'counter', 1, 5.0)")
    before.commit()
    before.close()
    store = SqliteStore.open_file(tmp_path / "hub.db", VirtualClock(), backlog_calls={})
    assert list(await store.registers.callers()) == [
        CallerRow("onestop", "digest", ("police", "npsp.file_dossier"), Class.COUNTER, True, 5.0, CALLS_PER_MINUTE)
    ]
    await store.close()
    assert at_revision(tmp_path / "hub.db") == REVISION


async def test_calls_that_waited_before_leases_went_round_take_part_in_the_round(tmp_path: Path) -> None:
    before = _first_tables(tmp_path / "hub.db")
    facts = {"agency": "npsp", "operation": "file_dossier", "kind": "filing", "class": "normal", "interactive": 0,
             "caller": "onestop", "fingerprint": "f", "accepted_at": 0.0, "deadline": 9e9, "due_at": 0.0,
             "step": "file_dossier", "repeat_safe": 0, "state": "queued", "fence": 0, "attempts": 0, "exchange_no": 0,
             "settled_no": 0, "cause": "", "request_digest": "d", "request_size": 2}  # fmt: skip
    for name, unit in (("1", "H32"), ("2", "H32"), ("3", None)):
        row = {**facts, "id": name, "unit": unit}
        before.execute(f"INSERT INTO calls ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", [*row.values()])  # noqa: S608
        before.execute("INSERT INTO bodies VALUES (?, 'request', '{}')", [name])
    before.commit()
    before.close()
    store = SqliteStore.open_file(tmp_path / "hub.db", VirtualClock(), backlog_calls={"npsp": 9})
    leased = await store.lease("npsp", "node-1", {Class.NORMAL: 2}, 60.0)
    assert {one.call.id for one in leased} == {"1", "3"}
    await store.close()


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    migrate(tmp_path / "hub.db")
    connection = sqlite3.connect(tmp_path / "hub.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreTooNew, match="Install that version"):
        migrate(tmp_path / "hub.db")


def test_a_store_that_is_up_to_date_opens_without_alembic(tmp_path: Path) -> None:
    migrate(tmp_path / "hub.db")
    code = (
        "import pathlib, sys\n"
        "from hub.clock import SystemClock\n"
        "from hub.store.sqlite import SqliteStore\n"
        "SqliteStore.open_file(pathlib.Path(sys.argv[1]), SystemClock(), backlog_calls={})\n"
        "assert 'alembic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "hub.db")], check=True, timeout=60)
