"""What a dead node left behind: the crash rules of design section 5, applied to its rows."""

from collections import Counter
from typing import Any

from hub.call import Kind, State
from hub.store.batch import Batch
from hub.store.moving import move
from hub.store.protocol import Recovered
from hub.store.rows import Standing, said_of_row

CRASH_LOOP = 20
"""More exchanges than this without a settle: the call itself brings nodes down, a person must look at it."""


def recover(batch: Batch, node: str, starting: bool) -> Recovered:
    """Settle rows whose leases have ended and, when *node* is *starting*, those of its former life."""
    rows = {row[0]: Standing(*row) for row in batch.run(batch.say.lapsed, {"now": batch.now})}
    if starting:
        rows |= {row[0]: Standing(*row) for row in batch.run(batch.say.crashed, {"node": node})}
        drop_leases(batch, node)
        batch.run(batch.say.drop_askings, {"of_node": node}).fetchall()
    ended: Counter[State] = Counter()
    for row in rows.values():
        to, cause = after_crash(row)
        leave(batch, row, to, cause)
        ended[to] += 1
    return Recovered(
        expired=ended[State.EXPIRED],
        queued=ended[State.QUEUED],
        in_doubt=ended[State.IN_DOUBT],
        dead=ended[State.DEAD],
    )


def inherit(batch: Batch, dead: str) -> int:
    """Take over what *dead* had leased and not sent, and say how much; end look-ups whose callers waited at it."""
    for row in (Standing(*row) for row in batch.run(batch.say.crashed, {"node": dead})):
        if row.interactive and row.kind == Kind.LOOKUP:
            leave(batch, row, *after_crash(row))
    return drop_leases(batch, dead)


def drop_leases(batch: Batch, node: str) -> int:
    """Let calls be leased again that *node* had leased and not sent, and say how many; their fences rise."""
    dropped = batch.run(batch.say.drop_leases, {"of_node": node}).fetchall()
    for agency, cls in dropped:
        batch.news.ready(agency, cls)
    return len(dropped)


def after_crash(row: Standing) -> tuple[State, str]:
    """Say where a row goes that its node left `sending`, or left `queued` between two attempts of an interactive call."""
    if row.interactive and row.kind == Kind.LOOKUP:
        return State.EXPIRED, "crash"
    if row.state == State.QUEUED:
        return State.EXPIRED, "crash"
    if row.exchange_no - row.settled_no > CRASH_LOOP:
        return State.DEAD, "crash_loop"
    if (row.kind == Kind.LOOKUP or row.repeat_safe) and not row.interactive:
        return State.QUEUED, "crash"
    return State.IN_DOUBT, "crash"


def leave(batch: Batch, row: Standing, to: State, cause: str) -> None:
    """Move a call whose exchange, if there was one, nobody will end any more."""
    changes: dict[str, Any] = {"cause": cause, "fence": row.fence + 1, "ended_at": batch.now}
    if to is State.QUEUED:
        changes["ended_at"] = None
    if to is State.IN_DOUBT:
        changes |= {"doubt_no": row.exchange_no, "due_at": batch.now}
    move(batch, row, to, **changes)
    batch.run(batch.say.cut_exchanges, {"of_call": row.id})
    batch.write(said_of_row(row, batch.now, to, f"{row.exchange_no} {cause}"))
