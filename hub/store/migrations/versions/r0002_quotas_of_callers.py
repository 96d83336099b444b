"""Callers have a quota. Those that are registered already get the one that a new caller gets unless told otherwise."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    quota = sa.Column("calls_per_minute", sa.Integer(), nullable=False, server_default=sa.text("6000"))
    op.add_column("callers", quota)
