"""
By which name nodes know that they serve one store: a random number, made once and kept in it.

What nodes count together lies in a Redis that other stores may use too, and a copy that is served in the place of a lost
store must not go on from what was counted for that one. So the name goes before every key, and a restored copy gets another.
"""

from typing import Any

from sqlalchemy import and_, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from hub.call import BUILT_IN
from hub.store.batch import Batch
from hub.store.prepared import Prepared
from hub.store.schema import cursors
from hub.store.statements import Statements

NAME = {"caller": BUILT_IN, "agency": "/store"}
"""The row of `cursors` that holds it. No agency has such a name."""


class NamingStatements:
    """What is asked, compiled once."""

    def __init__(self, statements: Statements) -> None:
        this_row = and_(cursors.c.caller == bindparam("caller"), cursors.c.agency == bindparam("agency"))
        dialect_insert = sqlite.insert if statements.dialect.name == "sqlite" else postgresql.insert
        first: dict[str, Any] = {name: bindparam(name) for name in ("caller", "agency", "seq", "moved_at")}
        self.first: Prepared = statements.prepare(dialect_insert(cursors).values(first).on_conflict_do_nothing())
        self.number: Prepared = statements.prepare(select(cursors.c.seq).where(this_row))
        self.forget: Prepared = statements.prepare(delete(cursors).where(this_row))


def name(batch: Batch, say: NamingStatements, fresh: int) -> str:
    """Return the name of this store; it becomes *fresh* when it has none yet."""
    batch.run(say.first, NAME | {"seq": fresh, "moved_at": batch.now})
    return f"{int(batch.run(say.number, NAME).fetchone()[0]):x}"
