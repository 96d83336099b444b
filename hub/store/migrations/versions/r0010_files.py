"""
Contents of files in parts, each once, and who holds them.

`files` is made anew: no version before this one wrote a row of it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("files")
    op.create_table(
        "files",
        sa.Column("upload", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("upload"),
    )
    _some("files_content", "files", ["sha256"], "sha256 IS NOT NULL", unique=True)
    _some("files_unfinished", "files", ["begun_at"], "sha256 IS NULL")
    op.create_table(
        "file_parts",
        sa.Column("upload", sa.Text(), nullable=False),
        sa.Column("no", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("upload", "no"),
    )
    op.create_table(
        "file_holders",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("held_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "holder"),
    )
    op.create_index("file_holders_old", "file_holders", ["held_at"])


def _some(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    rows = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=rows, postgresql_where=rows)
