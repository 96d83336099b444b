"""Which nodes serve a store: each says now and then that it lives. What a dead one leaves is the matter of `recovering.py`."""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete

from hub.store.batch import Batch
from hub.store.protocol import NodeRow
from hub.store.schema import nodes
from hub.store.statements import Prepared, Statements


class NodeStatements:
    """What is asked of the table, compiled once."""

    def __init__(self, statements: Statements) -> None:
        self.all: Prepared = statements.all_of("nodes")
        self.put: Prepared = statements.replace("nodes")
        self.drop: Prepared = statements.prepare(delete(nodes).where(nodes.c.node == bindparam("of_node")))


def beat(
    batch: Batch, say: NodeStatements, node: str, started_at: float, epoch: int, reaches: bool, version: str
) -> Sequence[NodeRow]:
    """Write the row of *node*, seen now; return all rows."""
    row = NodeRow(node, started_at, batch.now, epoch, reaches, version)
    batch.run(say.put, {name: getattr(row, name) for name in NodeRow.__slots__})
    return [
        NodeRow(name, started, seen, known, bool(reached), running)
        for name, started, seen, known, reached, running in batch.run(say.all, {})
    ]


def depart(batch: Batch, say: NodeStatements, node: str) -> None:
    """Delete the row of *node*."""
    batch.run(say.drop, {"of_node": node})
