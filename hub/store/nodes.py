"""Which nodes serve a store: each says now and then that it lives. What a dead one leaves is the matter of `recovering.py`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, delete

from hub.store.batch import Batch
from hub.store.prepared import Prepared
from hub.store.protocol import NodeRow
from hub.store.schema import nodes
from hub.store.statements import Statements


class NodeStatements:
    """What is asked of the table, compiled once."""

    def __init__(self, statements: Statements) -> None:
        self.all: Prepared = statements.all_of("nodes")
        self.put: Prepared = statements.replace("nodes")
        self.drop: Prepared = statements.prepare(delete(nodes).where(nodes.c.node == bindparam("of_node")))


def beat(batch: Batch, say: NodeStatements, mine: NodeRow) -> Sequence[NodeRow]:
    """Write *mine*, seen now; return all rows."""
    row = replace(mine, seen_at=batch.now)
    batch.run(say.put, {name: getattr(row, name) for name in NodeRow.__slots__})
    return [to_node(row) for row in batch.run(say.all, {})]


def to_node(row: Sequence[Any]) -> NodeRow:
    """Return a row of the table as what it says."""
    node, started_at, seen_at, epoch, reaches, version, members = row
    return NodeRow(node, started_at, seen_at, epoch, bool(reaches), version, members)


def depart(batch: Batch, say: NodeStatements, node: str) -> None:
    """Delete the row of *node*."""
    batch.run(say.drop, {"of_node": node})
