"""
What a copy of a store may not know: all that happened since it was made. Applied once, before anything is sent.

A filing that waits in the copy may have been sent since, and answered: it is in doubt. Look-ups harm nobody when they are
asked again. All is one commit with its entry in the journal, so that it is done once, wholly, and not unnoticed.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, or_, select

from hub.call import Kind, State
from hub.journal import Entry
from hub.store.backup import COPY
from hub.store.batch import Batch
from hub.store.naming import NAME
from hub.store.prepared import Prepared
from hub.store.protocol import Recovered
from hub.store.recovering import after_crash, leave
from hub.store.rows import Standing
from hub.store.schema import calls, cursors, fixed, journal, nodes
from hub.store.statements import STANDING, Statements

RESTORED = "restored"
"""Event of the journal, and cause of the doubt."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of a restored copy."""

    newest: float
    """When the last entry of its journal was written, Unix seconds; 0 without one."""
    moved: Recovered | None
    """None: nothing was done, since the store was used after the moment of the copy."""


class RestoringStatements:
    """What is asked, compiled once."""

    def __init__(self, statements: Statements) -> None:
        waiting = or_(calls.c.state == fixed("queued"), calls.c.state == fixed("sending"))
        self.waiting: Prepared = statements.prepare(
            select(*(calls.c[name] for name in STANDING)).where(waiting).order_by(calls.c.seq)
        )
        self.newest: Prepared = statements.prepare(select(func.max(journal.c.at)))
        self.forget_nodes: Prepared = statements.prepare(delete(nodes))
        self.unmark: Prepared = statements.prepare(
            delete(cursors).where(cursors.c.caller == bindparam("caller"), cursors.c.agency == bindparam("agency"))
        )


def restore(batch: Batch, say: RestoringStatements, moment: float, sent: Mapping[str, int]) -> Restored:
    """
    Move what waited at *moment*, when the copy was made, and add to the day's count what each agency may have got since.

    *sent* is that number by agency. Nothing is done to a store in whose journal something younger than *moment* stands.
    """
    row = batch.run(say.newest, {}).fetchone()
    newest = float(row[0] or 0.0)
    if newest > moment:
        return Restored(newest, None)
    ended: Counter[State] = Counter()
    for waiting in [Standing(*row) for row in batch.run(say.waiting, {})]:
        if waiting.kind == Kind.FILING and not waiting.interactive:
            to, cause = State.IN_DOUBT, RESTORED
        elif waiting.state == State.QUEUED and not waiting.interactive:
            continue
        else:
            to, cause = after_crash(waiting)
        leave(batch, waiting, to, cause)
        ended[to] += 1
    for agency, count in sent.items():
        batch.sent(agency, batch.now, count)
    batch.run(say.unmark, COPY)
    batch.run(say.unmark, NAME)  # it gets another: what was counted for the store of before is not this one's
    batch.run(say.forget_nodes, {})  # what they agreed on when the copy was made holds no more
    counted = ", ".join(f"{agency} {count}" for agency, count in sorted(sent.items()))
    doubtful = f"{ended[State.IN_DOUBT]} filings in doubt"
    batch.write(Entry(batch.now, RESTORED, detail=f"copy of {moment:.3f}; {doubtful}; counted for today: {counted}"))
    return Restored(
        newest,
        Recovered(ended[State.EXPIRED], ended[State.QUEUED], ended[State.IN_DOUBT], ended[State.DEAD]),
    )


def note(batch: Batch, event: str, by: str, detail: str) -> None:
    """Write what an operator did to the store as a whole, such as copying it."""
    batch.write(Entry(batch.now, event, caller=by, detail=detail))
