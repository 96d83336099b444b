"""
A store that holds many calls before a hub serves it: `python -m bench.filling <store> <agency> <sample> <count>`.

The calls go in through the store's own `accept`, as a hub would have taken them last night: class bulk, from a hundred
callers. Prints how many there are, as one line of JSON.
"""

import asyncio
import json
import os
import sys
from hashlib import sha256
from pathlib import Path

from connectors.kit.samples import Sample, load_samples
from hub.call import Call, Class, Kind, Purpose, uuid7
from hub.clock import SystemClock
from hub.store.postgres import PostgresStore
from hub.store.sql_store import SqlStore
from hub.store.sqlite import SqliteStore

_PAYERS = 100
_TOGETHER = 512
_CODE = "000.00.14.H32-261122-{:08d}"
_SECONDS = 7 * 86_400.0


def call_of(number: int, agency: str, sample: Sample, now: float) -> tuple[Call, bytes]:
    """Return the *number*-th call for *agency*, accepted *now*, and its request; no two are for the same dossier."""
    code = _CODE.format(number)
    request = json.dumps(sample.request | {"code": code}, ensure_ascii=False).encode()
    call = Call(
        id=uuid7(now, os.urandom), agency=agency, operation=sample.operation, kind=Kind.FILING, cls=Class.BULK,
        interactive=False, caller=f"night{number % _PAYERS}", purpose=Purpose("hub-duty", "H32", code),
        fingerprint=sha256(request + code.encode()).hexdigest(), accepted_at=now, deadline=now + _SECONDS, due_at=now,
        step=sample.operation, repeat_safe=True, order_key=code, idempotency_key=code,
    )  # fmt: skip
    return call, request


async def fill(store: SqlStore, agency: str, sample: Sample, count: int) -> int:
    """Put *count* calls into *store*; return how many wait there for *agency* then."""
    clock = SystemClock()
    for first in range(0, count, _TOGETHER):
        numbers = range(first, min(first + _TOGETHER, count))
        await asyncio.gather(*(store.accept(*call_of(number, agency, sample, clock.now())) for number in numbers))
    waiting = await store.backlog(agency)
    await store.close()
    return waiting


def open_store(address: str, agency: str) -> SqlStore:
    """Open the store at *address*, as `hub.store` names it, for more calls for *agency* than anybody will put there."""
    bound = {agency: 100_000_000}
    if address.startswith("sqlite:///"):
        return SqliteStore.open_file(Path(address.removeprefix("sqlite:///")), SystemClock(), backlog_calls=bound)
    return PostgresStore.connect(address, "filling", SystemClock(), backlog_calls=bound)


async def _main(address: str, agency: str, sample: str, count: str) -> None:
    folder = Path(sample)
    known = next(one for one in load_samples(folder.parent.parent) if one.folder == folder)
    print(json.dumps({"waiting": await fill(open_store(address, agency), agency, known, int(count))}))


if __name__ == "__main__":
    import uvloop

    uvloop.run(_main(*sys.argv[1:]))
