"""
Brings a store's tables to `schema.REVISION`. A store that is there already costs one query and loads no Alembic.

A new migration: change `schema.py`, then `revision("what changes")` writes the step from the difference.
"""

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from hub.store.database import StoreUnusable
from hub.store.schema import REVISION

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Engine

_CONNECT_SECONDS = 3
STEPS = Path(__file__).parent / "migrations"
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('lienthong migrates', 0))"

_FORBIDDEN = {
    "42501": "Let the role in `hub.store` make them: GRANT CREATE ON SCHEMA public TO <role>; or make it the owner of "
    "the database, and of the tables that are there.",
    "25006": "The database is read-only: name a server in `hub.store` that is no standby, and see that neither the "
    "role nor the database has default_transaction_read_only set.",
}
"""What to do about what a server does not allow, by its SQLSTATE."""


class StoreTooNew(StoreUnusable):
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
        StoreUnusable: It keeps text in another encoding than UTF8, or lets its role make no tables.
        psycopg.Error: The server does not answer, or refuses something else.
    """
    if at_revision_of(dsn) == REVISION:
        return
    import psycopg
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError

    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn, client_encoding="utf8"))
    try:
        _upgrade(engine, "the database", before=_ONE_AT_A_TIME)
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.Error):
            raise
        says = _FORBIDDEN.get(error.orig.sqlstate or "")
        if says is None:
            raise error.orig from None
        raise StoreUnusable(f"The tables of the store cannot be made or changed. {says}") from None


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
    """
    Return the revision of the tables in the database *dsn*, None for an empty or foreign one.

    Raises:
        StoreUnusable: It keeps text in another encoding than UTF8.
        psycopg.Error: The server does not answer, or refuses something.
    """
    import psycopg

    with psycopg.connect(dsn, connect_timeout=_CONNECT_SECONDS, client_encoding="utf8") as connection:
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise StoreUnusable(
                f"The database keeps text as {encoding}; a hub needs UTF8. Make another one: "
                "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0; and name it in `hub.store`."
            )
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
