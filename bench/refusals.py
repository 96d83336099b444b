"""
What a refusal costs: `python -m bench.refusals [--quick]`, a table on the terminal. `congestion.py` takes `refusals()`.

A real `hub serve`, kept connections, closed loop. An agency that said "busy" holds its lane, another hangs with a line
before it: every call to them is refused at admission, each for a dossier of its own. A caller with one call a minute is
refused by its quota; a key that nobody has, at the first look. The floor is the same server and the same bytes with
nothing of ours in between: what of the figure is HTTP.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench import lab, load
from bench.aims import machine
from bench.lab import Child
from connectors.kit.sandbox.faults import Fault
from connectors.kit.sandbox.server import Sandbox

AIM_US = 100.0
"""CPU of the hub per refusal, HTTP included."""
HELD = "900"
"""`Retry-After` of the agency: the lane stays held for the whole run."""
BODY_BYTES = 20_000_000
DOSSIERS = 4_999
"""As many dossiers as calls are for, in turn: what is read of one call must not serve the next."""
CITIZEN = {"citizen_id": "000085000001", "full_name": "Nguyễn Văn Đá", "born_on": "1985-03-15"}
_PATIENCE = 2.0
"""Seconds that the hub has to end: what hangs at its agency would keep it for a whole time-out."""
WAITING = 6
"""Calls that want to wait for the agency that hangs, one at a time; some of them are refused themselves."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One way to be refused, as measured."""

    what: str
    at_once: int
    status: int
    cpu_us: list[float] = field(repr=False)
    """CPU of the hub's process per refusal, all its threads, one number a repeat."""
    p99_ms: float
    failed: int
    """Calls that were not refused; one is enough to make the figure worthless."""

    @property
    def median_us(self) -> float:
        return statistics.median(self.cpu_us)


@dataclass(frozen=True, slots=True)
class LargeBody:
    """Refused calls that declared 20 MB each, on one connection."""

    heard_ms: float
    """From a head to its whole refusal, with not one byte of the body sent; the slowest of five."""
    cpu_ms: float
    """CPU of the hub per call, with letting the 20 MB through afterwards."""
    lives_on: bool
    """Whether all of them, and a small call after them, were answered."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run."""

    floor_us: float
    rows: list[Refused]
    large: LargeBody

    @property
    def worst_us(self) -> float:
        """The dearest kind of refusal under a flood, median of its repeats: the figure that is held against the aim."""
        return max(row.median_us for row in self.rows if row.at_once > 1)

    @property
    def met(self) -> bool:
        return self.worst_us < AIM_US and self.large.lives_on and not any(row.failed for row in self.rows)


async def refusals(*, calls: int = 10_000, repeats: int = 5) -> Measured:
    """Start everything, measure, stop everything; about a minute with the defaults on two cores."""
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as name:
        folder = Path(name)
        floor_us = await _floor(folder, calls, repeats)
        async with _stand(folder) as stand:
            asked = [
                ("lane.held", 503, stand.held, stand.key),
                ("lane.wait_too_long", 503, stand.queued, stand.key),
                ("caller.quota", 429, stand.held, stand.slow),
                ("auth.missing", 401, stand.held, "lt_nobody"),
            ]
            rows = []
            for what, status, path, key in asked:
                raw = [_request(stand.url, path, key, f"H32-261123-{number:05d}") for number in range(DOSSIERS)]
                for at_once in (1, 32):
                    rows.append(await refused(stand.hub, stand.url, raw, what, status, at_once, calls, repeats))  # noqa: PERF401 - one after the other
            return Measured(floor_us, rows, await _large_body(stand))


async def refused(
    hub: Child, url: str, raw: list[bytes], what: str, status: int, at_once: int, calls: int, repeats: int
) -> Refused:
    """Send *calls* of *raw* in turn, again for each repeat, and weigh the process *hub*; all must be refused."""
    good = (status, 503)  # once a minute a call of `slow` comes as far as the held lane

    def request(number: int) -> bytes:
        return raw[number % len(raw)]

    cpu, p99, failed = [], [], 0
    with _apart(hub) if at_once > 1 else nullcontext():
        await load.closed(url, request, at_once=at_once, total=calls // 10, good=good)  # warm
        for _ in range(repeats):
            before = hub.cpu()
            shot = await load.closed(url, request, at_once=at_once, total=calls, good=good)
            cpu.append((hub.cpu() - before) / calls * 1e6)
            p99.append(shot.quantile(0.99))
            failed += shot.failed
    return Refused(what, at_once, status, cpu, statistics.median(p99), failed)


@contextmanager
def _apart(hub: Child) -> Iterator[None]:
    """
    Keep the loop of *hub* and us on cores of our own, where there are two (Linux).

    Else each reply wakes us on the core of the hub and pushes it aside: callers are on other machines.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        yield
        return
    os.sched_setaffinity(hub.pid, cores[:1])
    os.sched_setaffinity(0, cores[1:])
    try:
        yield
    finally:
        os.sched_setaffinity(hub.pid, cores)
        os.sched_setaffinity(0, cores)


@dataclass(frozen=True, slots=True)
class _Stand:
    """A hub that refuses."""

    hub: Child
    url: str
    held: str
    """Path of a look-up whose lane is held."""
    queued: str
    """Path of one whose agency hangs, with a line before it."""
    key: str
    slow: str
    """Key of a caller that has used its one call a minute."""


@asynccontextmanager
async def _stand(folder: Path) -> AsyncIterator[_Stand]:
    connectors = lab.copies(folder)
    sandbox = Sandbox(lab.plays(connectors), now=time.time, chance=random.Random(7), validate=False)
    await sandbox.start()
    urls = {one["agency"]: one["base_url"] for one in sandbox.plays_shown()}
    hub, url, key = await lab.hub(folder, connectors, urls)
    waiting: list[asyncio.Task[load.Shot]] = []
    try:
        async with lab.operator(hub) as http:
            slow = {"name": "slow", "allowed": ["*"], "top_class": "counter", "calls_per_minute": 1}
            slow_key = (await http.post("/admin/v1/callers", json=slow)).raise_for_status().json()["key"]
            one = {"calls_at_once": 1, "reason": "bench"}
            (await http.put("/admin/v1/lanes/archive/limits", json=one)).raise_for_status()
        sandbox.misbehave("police", Fault(fault="429", retry_after=HELD))
        sandbox.misbehave("archive", Fault(fault="hang", seconds=3600))
        held, queued = (
            f"/v1/calls/{agency}/{lab.sample_of(connectors, agency).operation}" for agency in ("police", "archive")
        )
        for first in (key, slow_key):  # the first call meets the agency's 429, and `slow` has no other in this minute
            await load.closed(url, partial(_same, _request(url, held, first, "H32-1")), at_once=1, total=1)
        raw = _request(url, queued, key, "H32-1", sent=lab.sample_of(connectors, "archive").request, wait=110)
        waiting = [
            asyncio.ensure_future(load.closed(url, partial(_same, raw), at_once=1, total=1)) for _ in range(WAITING)
        ]
        await asyncio.sleep(1.0)
        yield _Stand(hub, url, held, queued, key, slow_key)
    finally:
        for task in waiting:
            task.cancel()
        await hub.stop(_PATIENCE)
        await sandbox.stop()


def _same(raw: bytes, _: int) -> bytes:
    return raw


def _request(
    url: str,
    path: str,
    key: str,
    dossier: str,
    *,
    sent: Mapping[str, Any] = CITIZEN,
    wait: int = 10,
    length: int | None = None,
) -> bytes:
    body = json.dumps(sent).encode()
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Hub-Purpose": f'officer="hub-duty", unit="H32", dossier="{dossier}"',
        "Prefer": f"wait={wait}",
        "Priority": "u=1",
    }
    whole = load.http_request(f"{url}{path}", body, headers)
    if length is None:
        return whole
    return whole.replace(b"Content-Length: %d" % len(body), b"Content-Length: %d" % length).removesuffix(body)


async def _large_body(stand: _Stand) -> LargeBody:
    host, _, port = stand.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    heard, statuses, before = [], [], stand.hub.cpu()
    for _ in range(5):
        began = time.perf_counter()
        writer.write(_request(stand.url, stand.held, stand.key, "H32-1", length=BODY_BYTES))
        statuses.append(await _status(reader))
        heard.append(time.perf_counter() - began)
        for _ in range(20):
            writer.write(b"x" * (BODY_BYTES // 20))
            await writer.drain()
    writer.write(_request(stand.url, stand.held, stand.key, "H32-1"))
    statuses.append(await _status(reader))
    writer.close()
    return LargeBody(max(heard) * 1000, (stand.hub.cpu() - before) / 5 * 1000, set(statuses) == {503})


async def _status(reader: asyncio.StreamReader) -> int:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return 0
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head[9:12])


async def _floor(folder: Path, calls: int, repeats: int) -> float:
    child = await Child.start("bench.refusals", "--floor", folder=folder)
    try:
        url = f"http://{child.said['listen']}"
        raw = [_request(url, "/v1/calls/police/lookup_citizen", "lt_nobody", "H32-1")]
        return (await refused(child, url, raw, "floor", 503, 32, calls, repeats)).median_us
    finally:
        await child.stop()


async def _serve_floor() -> None:
    """Serve one constant refusal through the hub's own listener, as a process of its own."""
    from hub.app.listening import Listener

    body = b'{"code":"lane.held","title":"%b"}' % (b"x" * 300)
    head: dict[str, Any] = {
        "type": "http.response.start",
        "status": 503,
        "headers": [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))],
    }

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(head)
        await send({"type": "http.response.body", "body": body})

    listener = Listener(app, "127.0.0.1:0")
    listener.start()
    print(json.dumps({"event": "ready", "listen": listener.address}), flush=True)
    await asyncio.Event().wait()


def table(run: Measured) -> str:
    """Return the run as it is printed."""
    lines = [
        "| refusal | status | at once | CPU µs, median [min..max] | p99 ms | otherwise |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.what} | {row.status} | {row.at_once} | {load.spread(row.cpu_us)} | {row.p99_ms:.2f} | {row.failed} |"
        for row in run.rows
    ]
    lives = "its connection lived on" if run.large.lives_on else "**its connection was lost**"
    return "\n".join(
        [
            machine(),
            "",
            *lines,
            "",
            f"Of these, {run.floor_us:.0f} µs are HTTP alone (32 at once).",
            f"With 20 MB declared: refused after {run.large.heard_ms:.1f} ms at most, before a byte of them; with letting "
            f"them through that took {run.large.cpu_ms:.0f} ms CPU, and {lives}.",
            "",
            f"Dearest refusal under a flood: {run.worst_us:.0f} µs, aim < {AIM_US:.0f}: {'met' if run.met else '**missed**'}",
        ]
    )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--quick", action="store_true", help="a smoke run: few calls, one repeat")
    asked.add_argument("--floor", action="store_true", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.floor:
        import uvloop

        uvloop.run(_serve_floor())
    else:
        run = refusals(calls=2_000, repeats=1) if given.quick else refusals()
        print(table(asyncio.run(run)))


if __name__ == "__main__":
    main()
