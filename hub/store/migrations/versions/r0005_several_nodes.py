"""Several nodes write one store: each continues a chain of the journal and counts in rows of its own."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _nodes()
    _waiting()
    _quota_days()
    _journal()
    _room()
    _idempotency()


def _nodes() -> None:
    op.add_column("nodes", sa.Column("reaches", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("nodes", sa.Column("version", sa.Text(), nullable=False, server_default=""))


def _waiting() -> None:
    op.create_table(
        "waiting",
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("agency", "node"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO waiting SELECT agency, '', count(*) FROM calls "
        "WHERE state IN ('queued', 'sending') AND NOT interactive GROUP BY agency"
    )


def _quota_days() -> None:
    columns: list[sa.Column[Any]] = [
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
    ]
    _rebuild("quota_days", columns, ["agency", "day", "node"], "agency, day, '', sent")


def _journal() -> None:
    columns: list[sa.Column[Any]] = [
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=True),
        sa.Column("caller", sa.Text(), nullable=True),
        sa.Column("officer", sa.Text(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("agency", sa.Text(), nullable=True),
        sa.Column("operation", sa.Text(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
    ]
    rest = ", ".join(f'"{column.name}"' for column in columns[1:])
    _rebuild("journal", columns, ["chain", "seq"], f"'main', {rest}")


def _room() -> None:
    """Let a lease change a row where it stands: no index holds what it changes, and the page has room."""
    op.drop_index("calls_leaving", "calls")
    op.create_index(
        "calls_leaving",
        "calls",
        ["seq"],
        sqlite_where=sa.text("state = 'sending' OR state = 'queued' AND interactive = 1"),
        postgresql_where=sa.text("state = 'sending' OR state = 'queued' AND interactive"),
    )
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE calls SET (fillfactor = 60)")
        op.execute("ALTER TABLE exchanges SET (fillfactor = 80)")


def _idempotency() -> None:
    op.drop_index("calls_idempotency", "calls")
    op.create_index(
        "calls_idempotency",
        "calls",
        ["idempotency_key", "agency", "operation", "caller"],
        unique=True,
        sqlite_where=sa.text("idempotency_key IS NOT NULL"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )


def _rebuild(table: str, columns: list[sa.Column[Any]], key: list[str], copied: str) -> None:
    """Make *table* anew with another key and copy its rows: SQLite cannot change the key of a table that is there."""
    op.create_table(f"{table}_new", *columns, sa.PrimaryKeyConstraint(*key), sqlite_with_rowid=False)
    op.execute(f"INSERT INTO {table}_new SELECT {copied} FROM {table}")  # noqa: S608 - names of this step
    op.drop_table(table)
    op.rename_table(f"{table}_new", table)
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER INDEX {table}_new_pkey RENAME TO {table}_pkey")
