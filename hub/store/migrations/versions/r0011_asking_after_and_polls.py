"""Calls whose end the agency is asked for are found by when they fall due; how far each poll has come."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ASKED_AFTER = "state = 'in_doubt' OR state = 'answered' AND result = 'pending' AND "


def upgrade() -> None:
    op.create_index(
        "calls_asked_after",
        "calls",
        ["agency", "due_at", "seq"],
        sqlite_where=sa.text(_ASKED_AFTER + "interactive = 0"),
        postgresql_where=sa.text(_ASKED_AFTER + "NOT interactive"),
    )
    op.create_table(
        "polls",
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("moved_at", sa.Double(), nullable=True),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("lease_node", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("last_at", sa.Double(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("agency", "notice"),
    )
