"""
Brings a store's tables to `schema.REVISION`. A store that is there already costs one query and loads no Alembic.

A new migration: change `schema.py`, then `revision("what changes")` writes the step from the difference.
"""

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from hub.store.schema import REVISION

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Engine

_CONNECT_SECONDS = 3
STEPS = Path(__file__).parent / "migrations"
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('lienthong migrates', 0))"


class StoreTooNew(Exception):
    """This store was written by a newer version of the hub. Install that version or a later one to open it."""


def migrate(path: Path) -> None:
    """
    Bring the file *path* to the current tables, making it when it is not there.

    Raises:
        StoreTooNew: Its tables are of a revision that this version does not know.
    """
    if at_revision(path) == REVISION:
        return
    from sqlalchemy import create_engine  # here, because loading it takes longer than opening a store

    _upgrade(create_engine(f"sqlite:///{path}"), str(path))


def migrate_postgres(dsn: str) -> None:
    """
    Bring the database *dsn* to the current tables. Of several nodes that start at once one does it, the others wait.

    Raises:
        StoreTooNew: As for `migrate`.
        psycopg.OperationalError: The server does not answer.
    """
    if at_revision_of(dsn) == REVISION:
        return
    import psycopg
    from sqlalchemy import create_engine

    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn))
    _upgrade(engine, "the database", before=_ONE_AT_A_TIME)


def at_revision(path: Path) -> str | None:
    """Return the revision of the file's tables, None for a new or foreign file."""
    if not path.exists():
        return None
    connection = sqlite3.connect(path)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row[0])
    except sqlite3.OperationalError:
        return None
    finally:
        connection.close()


def at_revision_of(dsn: str) -> str | None:
    """Return the revision of the tables in the database *dsn*, None for an empty or foreign one."""
    import psycopg

    with psycopg.connect(dsn, connect_timeout=_CONNECT_SECONDS) as connection:
        if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row[0])


def _upgrade(engine: "Engine", where: str, before: str | None = None) -> None:
    from alembic import command
    from alembic.util import CommandError

    try:
        with engine.connect() as connection:
            if before is not None:
                connection.exec_driver_sql(before)
            command.upgrade(_config(connection), "head")
            connection.commit()
    except CommandError as error:
        raise StoreTooNew(f"{where}: {' '.join((StoreTooNew.__doc__ or '').split())}") from error
    finally:
        engine.dispose()


def _config(connection: object) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(STEPS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
