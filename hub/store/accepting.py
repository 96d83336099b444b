"""How a call enters the store: accepted (durable) or opened as it leaves (interactive). `moving.py` says what follows."""

from typing import Any

from hub.call import WAITING, Call, Kind, State
from hub.errors import BacklogFull, IdempotencyConflict, Internal
from hub.store.batch import Batch
from hub.store.protocol import Accepted
from hub.store.rows import digest_of, from_call, said_of, to_call

LOOKUP_KEY_SECONDS = 60.0
"""A lookup's idempotency key holds while the call waits and this long after it ended (design section 5)."""
FILING_KEY_SECONDS = 30 * 86_400.0
"""A filing's key holds at least this long; of one that needs a person, until that is settled."""
OPEN_GRACE = 30.0
"""An interactive call that is still `sending` this long after its deadline belongs to a node that is gone."""
BACKLOG_RETRY_AFTER = 60.0


def accept(batch: Batch, call: Call, request: bytes) -> Accepted:
    """Record a durable call with its request, or find the call that the same key made before."""
    earlier, lapsed = _earlier(batch, call)
    if earlier is not None:
        return Accepted(earlier, new=False)
    _check_backlog(batch, call.agency)
    if lapsed is not None:
        batch.run(batch.say.forget_key, {"at": lapsed})
    row = from_call(call, digest_of(request), len(request))
    batch.run(batch.say.insert_call, row)
    batch.run(batch.say.insert_body, {"call": call.id, "side": "request", "bytes": request})
    batch.write(said_of(call, batch.now, "accepted"))
    batch.moved[call.agency] += 1
    return Accepted(call, new=True)


def open_(batch: Batch, call: Call, node: str, digest: str, size: int) -> int:
    """Insert an interactive call as it leaves, with its first exchange."""
    # An earlier answer was not kept, so the same question is simply asked again; the key follows the newer call.
    _, seq = _earlier(batch, call)
    if seq is not None:
        batch.run(batch.say.forget_key, {"at": seq})
    row = from_call(call, digest, size)
    row |= {"state": "sending", "exchange_no": 1, "lease_node": node, "lease_until": call.deadline + OPEN_GRACE}
    batch.run(batch.say.insert_call, row)
    begun(batch, call.id, 1, call.agency, call.step, node)
    batch.write(said_of(call, batch.now, "sending", "1"))
    return 1


def begun(batch: Batch, call: str, number: int, agency: str, step: str, node: str) -> None:
    """Write that exchange *number* of *call* leaves now, and count it for the day."""
    row: dict[str, Any] = {"call": call, "no": number, "agency": agency, "step": step, "node": node}
    batch.run(batch.say.insert_exchange, row | {"sent_at": batch.now})
    batch.sent(agency, batch.now)


def _check_backlog(batch: Batch, agency: str) -> None:
    bound = batch.backlog_bound(agency)
    if bound is None:
        raise Internal(f"the store was opened without a bound for the backlog of {agency}")
    if batch.backlog(agency) >= bound:
        raise BacklogFull(f"{bound} calls wait for {agency}", retry_after=BACKLOG_RETRY_AFTER)


def _earlier(batch: Batch, call: Call) -> tuple[Call | None, int | None]:
    """Return the call that holds the same key, None when its hold has lapsed, and the number of its row."""
    if call.idempotency_key is None:
        return None, None
    key = {name: getattr(call, name) for name in ("caller", "agency", "operation", "idempotency_key")}
    row = batch.run(batch.say.by_idempotency, key).fetchone()
    if row is None:
        return None, None
    seq, ended_at, earlier = row[0], row[1], to_call(row[2:])
    if _lapsed(earlier, ended_at, batch.now):
        return None, seq
    if earlier.fingerprint != call.fingerprint:
        raise IdempotencyConflict(call=earlier.id)
    return earlier, seq


def _lapsed(call: Call, ended_at: float | None, now: float) -> bool:
    if call.state in WAITING or ended_at is None:
        return False
    if call.kind is Kind.LOOKUP:
        return now >= ended_at + LOOKUP_KEY_SECONDS
    return call.state in (State.ANSWERED, State.CANCELLED) and now >= ended_at + FILING_KEY_SECONDS
