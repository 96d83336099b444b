"""
How a call enters the store: accepted (durable), opened as it leaves (interactive), or answered by another call's exchange.

`moving.py` says what follows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.kit.manifest import LONGEST_CALL_SECONDS
from hub.call import WAITING, Call, Kind, State
from hub.errors import BacklogFull, IdempotencyConflict, Internal
from hub.guards.concurrency import GHOST
from hub.store import handling
from hub.store.batch import Batch
from hub.store.protocol import Accepted, Follower, Shared
from hub.store.rows import digest_of, from_call, said_of, to_call

LOOKUP_KEY_SECONDS = 60.0
"""A lookup's idempotency key holds while the call waits and this long after it ended (design section 5)."""
FILING_KEY_SECONDS = 30 * 86_400.0
"""A filing's key holds at least this long; of one that needs a person, until that is settled."""
OUTLASTS = GHOST * LONGEST_CALL_SECONDS
"""
Seconds that outlast every exchange, whichever contract it is under. An interactive call that is still `sending` so long
after its deadline belongs to a node that is gone; and so long a verification holds a call, so that no two nodes verify one.
"""
BACKLOG_RETRY_AFTER = 60.0


def accept(batch: Batch, call: Call, request: bytes) -> Accepted:
    """Record a durable call with its request, or find the call that the same key made before."""
    earlier, lapsed = _earlier(batch, call)
    if earlier is not None:
        return Accepted(earlier, new=False)
    _check_backlog(batch, call.agency)
    if lapsed is not None:
        batch.run(batch.say.forget_key, {"at": lapsed})
    batch.take_key(call)
    if call.order_key is not None:
        batch.queue_up(call.agency, call.order_key)
    row = from_call(call, digest_of(request), len(request))
    batch.later(batch.say.insert_call, row, call.id)
    batch.later(batch.say.insert_body, {"call": call.id, "side": "request", "bytes": request}, call.id)
    handling.keep(batch, call.agency, call.id, call.handled)
    batch.write(said_of(call, batch.now, "accepted"))
    batch.moved[call.agency] += 1
    batch.news.ready(call.agency, call.cls)  # due or not: whoever hears also learns when it falls due
    return Accepted(call, new=True)


def open_(batch: Batch, call: Call, node: str, digest: str, size: int) -> int:
    """Insert an interactive call as it leaves, with its first exchange."""
    _take_over_key(batch, call)
    row = from_call(call, digest, size)
    row |= {"state": "sending", "exchange_no": 1, "lease_node": node, "lease_until": call.deadline + OUTLASTS}
    batch.later(batch.say.insert_call, row, call.id)
    begun(batch, call.id, 1, call.agency, call.step, node)
    batch.write(said_of(call, batch.now, "sending", "1"))
    return 1


def follow(batch: Batch, shared: Shared, followers: Sequence[Follower]) -> list[IdempotencyConflict | None]:
    """Insert interactive calls as answered by the exchange of another call."""
    digest, size = digest_of(shared.answer), len(shared.answer)
    heard = {
        "state": "answered", "result": shared.result, "cause": shared.cause, "ended_at": batch.now,
        "answer_digest": digest, "answer_size": size,
    }  # fmt: skip
    return [_follow(batch, shared, one, heard) for one in followers]


def _follow(batch: Batch, shared: Shared, follower: Follower, heard: dict[str, Any]) -> IdempotencyConflict | None:
    call = follower.call
    try:
        _take_over_key(batch, call)
    except IdempotencyConflict as conflict:  # this one's alone: the others of the answer are written
        return conflict
    batch.later(batch.say.insert_call, from_call(call, follower.digest, follower.size) | heard, call.id)
    remember(batch, call.id, call.purpose.dossier, call.agency, shared.refs)
    batch.write(said_of(call, batch.now, "answered", f"0 followed {shared.call}"))
    return None


def remember(batch: Batch, call: str, dossier: str | None, agency: str, refs: Mapping[str, str]) -> None:
    """Write what an agency calls things of ours, for the *dossier* or, without one, for the call."""
    about = {"dossier": dossier or call, "agency": agency, "call": call, "known_at": batch.now}
    for ours, theirs in refs.items():
        batch.later(batch.say.put_reference, about | {"ours": ours, "theirs": theirs}, call)


def begun(batch: Batch, call: str, number: int, agency: str, step: str, node: str) -> None:
    """Write that exchange *number* of *call* leaves now, and count it for the day."""
    row: dict[str, Any] = {"call": call, "no": number, "agency": agency, "step": step, "node": node}
    batch.later(batch.say.insert_exchange, row | {"sent_at": batch.now}, call)
    batch.sent(agency, batch.now)


def _check_backlog(batch: Batch, agency: str) -> None:
    bound = batch.backlog_bound(agency)
    if bound is None:
        raise Internal(f"the store was opened without a bound for the backlog of {agency}")
    if batch.backlog(agency) >= bound:
        raise BacklogFull(f"{bound} calls wait for {agency}", retry_after=BACKLOG_RETRY_AFTER)


def _take_over_key(batch: Batch, call: Call) -> None:
    """Let an interactive call have its key: an earlier answer was not kept, so what follows the key is the newer call."""
    _, seq = _earlier(batch, call)
    if seq is not None:
        batch.run(batch.say.forget_key, {"at": seq})
    batch.take_key(call)


def _earlier(batch: Batch, call: Call) -> tuple[Call | None, int | None]:
    """Return the call that holds the same key, None when its hold has lapsed, and the number of its row."""
    if call.idempotency_key is None:
        return None, None
    row = batch.by_key(call)
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
