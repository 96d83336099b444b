"""
What agencies tell and ask: dead notices, published answers and what is handed out of them.

`references` is made anew with all that an agency ever called a thing, and is found by the agency's word too.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _references()
    op.add_column("notices", sa.Column("model", sa.Text(), nullable=True))
    _some("notices_of_all", "notices", ["seq"], "caller IS NULL")
    _some("notices_dossier", "notices", ["dossier", "seq"], "dossier IS NOT NULL")
    _dead_notices()
    _answers()


def _references() -> None:
    columns = ("dossier", "agency", "ours", "theirs", "call", "known_at")
    op.rename_table("references", "references_before")
    if op.get_bind().dialect.name == "postgresql":  # an index keeps its name when its table is given another
        op.execute("ALTER INDEX references_pkey RENAME TO references_before_pkey")
    op.create_table(
        "references",
        sa.Column("dossier", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("ours", sa.Text(), nullable=False),
        sa.Column("theirs", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("known_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("dossier", "agency", "ours", "theirs"),
    )
    names = ", ".join(columns)
    op.execute(f'INSERT INTO "references" ({names}) SELECT {names} FROM references_before')  # noqa: S608 - our own names
    op.drop_table("references_before")
    op.create_index("references_theirs", "references", ["agency", "ours", "theirs"])


def _dead_notices() -> None:
    op.create_table(
        "dead_notices",
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("came_at", sa.Double(), nullable=False),
        sa.Column("last_at", sa.Double(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("faults", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("dead_notices_agency", "dead_notices", ["agency", "seq"])
    op.create_index("dead_notices_size", "dead_notices", ["agency", "size"])
    op.create_index("dead_notices_same", "dead_notices", ["agency", "notice", "digest"], unique=True)


def _answers() -> None:
    op.create_table(
        "published",
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("published_at", sa.Double(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("agency", "question"),
    )
    op.create_table(
        "handouts",
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("unique_key", sa.Text(), nullable=True),
        sa.Column("handed_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("agency", "question", "item"),
    )
    _some("handouts_left", "handouts", ["agency", "question", "place"], "unique_key IS NULL")
    _some("handouts_unique", "handouts", ["agency", "question", "unique_key"], "unique_key IS NOT NULL", unique=True)


def _some(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    rows = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=rows, postgresql_where=rows)
