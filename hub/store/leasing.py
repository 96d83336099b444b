"""
Which durable calls a node takes next: class by class, and in each class going round those for whom calls are made.

Oldest first alone, ten thousand calls that one caller hands in at night would stand before each filing of the morning.
The line shares permits among what is leased; so everybody who has something must have something leased.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from math import ceil
from typing import Any

from hub.call import Class
from hub.store.batch import Batch
from hub.store.protocol import Leased
from hub.store.rows import to_call
from hub.store.statements import listed


def lease(
    batch: Batch, agency: str, node: str, want: Mapping[Class, int], ttl: float, without: Collection[str] = ()
) -> Sequence[Leased]:
    """Take due durable calls for *node*, of each class as many as *want* says, of other steps than *without*."""
    until = batch.now + ttl
    taken: list[Leased] = []
    for cls, most in want.items():
        where = {"agency": agency, "class": cls.value, "now": batch.now, "without": listed(without)}
        taken += _of_class(batch, where, node, most, until)
    return taken


def _of_class(batch: Batch, where: dict[str, Any], node: str, most: int, until: float) -> list[Leased]:
    """Go round the payers until *most* calls are taken or nobody has more; each gives its oldest, and all alike."""
    place = where["agency"], where["class"]
    payers = _round(batch, where, batch.last_leased.get(place, ""))
    taken: list[Leased] = []
    have_more: list[str] = []
    while len(taken) < most:
        turn = list(islice(payers, most - len(taken)))
        if not turn:
            turn, have_more = have_more, []
        if not turn:
            break
        each = ceil((most - len(taken)) / len(turn))
        for payer in turn:
            want = min(each, most - len(taken))
            rows = batch.run(batch.say.leasable, where | {"payer": payer, "want": want}).fetchall()
            if rows:
                taken += [_taken(batch, row, node, until) for row in rows]
                batch.last_leased[place] = payer
            if len(taken) == most:
                break
            if len(rows) == want:
                have_more.append(payer)
    return taken


def _round(batch: Batch, where: dict[str, Any], last: str) -> Iterator[str]:
    """Give everybody for whom calls wait, due or not, beginning with who comes after *last*."""
    after, again = last, not last
    while True:
        row = batch.run(batch.say.next_payer, where | {"after": after}).fetchone()
        if row is not None and not (again and last and row[0] > last):
            after = row[0]
            yield after
        elif again:
            return
        else:
            after, again = "", True


def _taken(batch: Batch, row: Sequence[Any], node: str, until: float) -> Leased:
    call, seq, request = to_call(row, raised=1), row[-2], row[-1]
    guard = {"at": seq, "was_fence": call.fence - 1, "was_state": "queued", "node": node, "until": until}
    batch.later(batch.say.take_lease, guard, call.id)
    return Leased(call, request, until)
