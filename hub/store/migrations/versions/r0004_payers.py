"""Leases go round those for whom calls are made, class by class: ten thousand calls of one stand in nobody else's way."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("payer", sa.Text(), nullable=False, server_default=""))
    op.execute("UPDATE calls SET payer = caller || ' ' || coalesce(unit, '')")
    op.create_index(
        "calls_turn",
        "calls",
        ["agency", "class", "payer", "due_at", "seq"],
        sqlite_where=sa.text("state = 'queued' AND interactive = 0"),
        postgresql_where=sa.text("state = 'queued' AND NOT interactive"),
    )
