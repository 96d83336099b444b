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

STEPS = Path(__file__).parent / "migrations"


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
    from alembic import command  # here, because loading it takes longer than opening a store
    from alembic.util import CommandError
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            command.upgrade(_config(connection), "head")
            connection.commit()
    except CommandError as error:
        raise StoreTooNew(f"{path}: {' '.join((StoreTooNew.__doc__ or '').split())}") from error
    finally:
        engine.dispose()


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


def _config(connection: object) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(STEPS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
