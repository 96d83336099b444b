"""An officer has a name beside the account at an agency that asks for it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("officers", sa.Column("name", sa.Text(), nullable=False, server_default=sa.text("''")))
