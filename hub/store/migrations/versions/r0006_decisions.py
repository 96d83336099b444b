"""What persons decided about a call is found without reading the whole journal."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    decided = sa.text("event = 'decided'")
    op.create_index("journal_decided", "journal", ["call"], sqlite_where=decided, postgresql_where=decided)
