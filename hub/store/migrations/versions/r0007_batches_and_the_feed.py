"""
Calls know the batch they were handed in with, and callers are told when one of theirs has settled.

`notices` is made anew: no version before this one wrote a row of it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("batch", sa.Text(), nullable=True))
    _some("calls_batch", "calls", ["caller", "agency", "batch", "seq"], "batch IS NOT NULL")
    _some("calls_batch_state", "calls", ["caller", "agency", "batch", "state", "seq"], "batch IS NOT NULL")
    op.drop_table("notices")
    op.create_table(
        "notices",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("unique_key", sa.Text(), nullable=True),
        sa.Column("dossier", sa.Text(), nullable=True),
        sa.Column("caller", sa.Text(), nullable=True),
        sa.Column("call", sa.Text(), nullable=True),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sqlite_autoincrement=True,
    )
    _some("notices_unique", "notices", ["agency", "notice", "unique_key"], "unique_key IS NOT NULL", unique=True)
    _some("notices_caller", "notices", ["caller", "seq"], "caller IS NOT NULL")


def _some(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    rows = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=rows, postgresql_where=rows)
