"""
What it costs to be told something by agencies: `make inbound`, or `python -m bench.inbound [--quick]`.

Notices are taken durably at `/in`, beside a bare ASGI endpoint that only answers; documents of 200 MB pass through base64;
and an agency floods `/in` at a hundred times its contract while officers at the counter look up at another. Everything
in one run and in turns; figures are medians with their spread, and each aim is printed with met or missed.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2
import uvloop

from bench import files, lab, load, processes
from bench.inbound_page import (
    AT_ONCE,
    BARE,
    CONTRACT,
    OFF,
    ON,
    ON_POSTGRES,
    ON_SQLITE,
    TIMES,
    Documents,
    Measured,
    Taken,
    Turn,
    as_json,
    page,
    weigh,
)
from bench.lab import Child
from bench.servers import NoServer, Postgres
from bench.telling import JSON, SETTLED, STARTED, WITHDRAWN, Notice, many_of_one
from connectors.kit.samples import load_samples
from connectors.kit.sandbox.server import Play
from hub.cli.sandbox import invented_settings, snippet

RESULTS = Path(__file__).parent / "results"
FLOODING = "flooding"
"""The agency that floods: the connector npsp, under a contract of its own."""
NOTICES = (SETTLED, WITHDRAWN)
_TAKEN = re.compile(r'(?m)^hub_inbound_total{[^}]*decision="taken"[^}]*} (\S+)$')
_CORES = sorted(os.sched_getaffinity(0))
MEASURED, ASKING = _CORES[0], _CORES[-1]
"""The core of what is measured, and the core of everything else. Where there is only one they share it."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much one run does."""

    repeats: int
    warm: int
    notices: int
    """Of one measurement."""
    files: tuple[int, int, int, int]
    """As `files.measure` takes them: sent and their MB, read and their MB."""
    turns: tuple[str, ...]
    """With and without the flood, in which order."""
    seconds: float
    """Of one turn."""
    look_ups: float
    """A second."""


_BACK_AND_FORTH = (OFF, BARE, ON, ON, BARE, OFF)
WHOLE = Size(5, 500, 4_000, (10, 20, 40, 5), 3 * _BACK_AND_FORTH, 10.0, 50.0)
QUICK = Size(1, 40, 100, (2, 2, 2, 2), (OFF, BARE, ON), 1.0, 40.0)


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Let whatever is started meanwhile run on *core* alone, and this process afterwards where it ran before."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(slots=True)
class System:
    """What notices are told to, and the processes that it is made of."""

    name: str
    url: str
    hub: Child | None
    """None: the bare endpoint."""
    pids: list[int]
    key: str = ""
    """Of a caller."""
    payment: str = "0" * 32
    """Reference of a payment that it has started."""

    async def taken(self) -> int:
        """Return how many notices the hub says it has taken."""
        assert self.hub is not None
        async with lab.operator(self.hub) as http:
            text = (await http.get("/metrics")).raise_for_status().text
        return int(sum(map(float, _TAKEN.findall(text))))


@dataclass(slots=True)
class Run:
    """One run: its folder, what agencies it has, and what it starts."""

    size: Size
    folder: Path
    connectors: Path
    urls: dict[str, str]
    stack: AsyncExitStack
    numbers: Iterator[int] = field(default_factory=itertools.count)

    async def bare(self, notice: Notice) -> System:
        """Start the endpoint that only answers, as *notice* is answered."""
        with on_core(MEASURED):
            child = await Child.start("bench.bare", str(notice.reply(self._of(notice))), folder=self.folder)
        self.stack.push_async_callback(child.stop, 5)
        return System("bare", f"http://{child.said['listen']}", None, [child.pid])

    async def hub(self, name: str) -> System:
        """Start a hub that agencies may call, over the store that *name* says."""
        folder = self.folder / re.sub(r"\W+", "-", name)
        folder.mkdir()
        pids, keys = [], {}
        with on_core(MEASURED):
            if name == ON_POSTGRES:
                keys["store"], pid = self._postgres(folder)
                pids.append(pid)
            child = await lab.serve(folder, self.connectors, self._agencies(), **keys)
        self.stack.push_async_callback(child.stop, 10)
        url, key = f"http://{child.said['listen']}", await lab.introduce(child)
        return System(name, url, child, [child.pid, *pids], key, await self._payment(child, url, key))

    async def tell(self, system: System, notice: Notice, count: int) -> Taken:
        """Tell *system* so many new notices, `AT_ONCE` at once, and see what that took."""
        bodies = notice.bodies(self._of(notice), itertools.islice(self.numbers, count), system.payment)
        raw = [load.http_request(system.url + notice.path, body, JSON) for body in bodies]
        known = await system.taken() if system.hub else 0
        before, own = processes.seconds(processes.running(), system.pids), time.process_time()
        shot = await load.closed(system.url, raw.__getitem__, at_once=AT_ONCE, total=count)
        spent, own = processes.seconds(processes.running(), system.pids) - before, time.process_time() - own
        lost = count - (await system.taken() - known if system.hub else shot.done)
        return Taken(
            shot.per_second, spent / count * 1e6, own / count * 1e6, shot.quantile(0.5), shot.quantile(0.99), lost
        )

    async def _payment(self, hub: Child, url: str, key: str) -> str:
        """Start a payment, and hold its lane, so that nobody asks how it ended; return its reference."""
        sample = next(one for one in load_samples(self.connectors / "payment_lab") if one.name == STARTED)
        purpose = f'officer="hub-duty", unit="H32", dossier="{sample.request["dossier"]}"'
        headers = {
            "Authorization": f"Bearer {key}",
            "Hub-Purpose": purpose,
            "Prefer": "wait=30",
            "Idempotency-Key": '"one"',
        }
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=60) as http:
            answer = (await http.post("/v1/calls/payment/start_payment", json=sample.request)).raise_for_status().json()
        assert answer["result"] == "pending", answer
        async with lab.operator(hub) as http:
            (await http.post("/admin/v1/lanes/payment/hold", json={"reason": "bench"})).raise_for_status()
        return str(answer["call"]).replace("-", "")

    def _of(self, notice: Notice) -> Path:
        return self.connectors / f"{notice.agency}_lab"

    def _agencies(self) -> str:
        folders = {name: self.connectors / f"{name}_lab" for name in ("police", "npsp", "payment", FLOODING)}
        plays = [Play(name, folder, invented_settings(folder)) for name, folder in folders.items()]
        for play in plays:
            play.base_url = self.urls.get(play.name, self.urls["npsp"])
        return re.sub(r"(?m)^scheduled_as.*\n", "", snippet(plays))  # nothing is polled meanwhile

    def _postgres(self, folder: Path) -> tuple[str, int]:
        place = folder / "postgres"
        place.mkdir()
        server = Postgres(place, durable=True)
        server.start()
        self.stack.callback(server.kill)
        assert server.process is not None
        return server.dsn(), server.process.pid


async def measure(size: Size) -> Measured:
    """Run everything."""
    run = Measured(os.getloadavg()[0])
    os.sched_setaffinity(0, {ASKING})
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as name:
        folder = Path(name)
        connectors = _laid(folder)
        async with AsyncExitStack() as stack:
            sandbox = await Child.start("bench.lab", str(connectors), "payment", folder=folder)
            stack.push_async_callback(sandbox.stop, 10)
            rig = Run(size, folder, connectors, sandbox.said["urls"], stack)
            system = await rig.hub(ON_SQLITE)
            await _taken(rig, run, system)
            await _flooded(rig, run, system)
    os.sched_setaffinity(0, set(_CORES))  # documents are about memory; they may take what there is
    count, mb, answers, answer_mb = size.files
    _say("documents")
    sent = await files.measure(count, mb, 0, answer_mb)
    read = await files.measure(0, mb, answers, answer_mb)
    run.documents = [
        Documents("sent in base64", count * mb, sent.before_mb, sent.most_mb),
        Documents("read in base64 out of answers", answers * answer_mb, read.before_mb, read.most_after_mb),
    ]
    return run


def _laid(folder: Path) -> Path:
    """Lay lab copies into *folder*, where everybody may enter: as root, PostgreSQL is run as somebody else."""
    folder.chmod(0o755)
    connectors = lab.copies(folder)
    many_of_one(connectors / "payment_lab")
    _flooding(connectors)
    return connectors


def _flooding(connectors: Path) -> None:
    """Lay a copy of npsp whose `[inbound]` is a contract that can be exceeded a hundred times on one machine."""
    shutil.copytree(connectors / "npsp_lab", connectors / f"{FLOODING}_lab")
    manifest = connectors / f"{FLOODING}_lab" / "manifest.toml"
    text = manifest.read_text("utf-8")
    inbound = f"[inbound]\ncalls_per_second = {CONTRACT.per_second}\ncalls_at_once = {CONTRACT.at_once}\n"
    changed = re.sub(r"(?m)^\[inbound\]\ncalls_per_second.*\ncalls_at_once.*\n", inbound, text)
    assert changed != text, "the lab copy has a contract as it is written there"
    manifest.write_text(changed, "utf-8")


async def _taken(rig: Run, run: Measured, system: System) -> None:
    async with AsyncExitStack() as stack:
        once = replace(rig, stack=stack)
        hubs = [system]
        try:
            hubs.append(await once.hub(ON_POSTGRES))
        except NoServer as missing:
            run.left_out.append(f"{ON_POSTGRES} is left out: {missing}")
        for notice in NOTICES:
            systems = [await once.bare(notice), *hubs]
            for one in systems:
                await rig.tell(one, notice, rig.size.warm)
            for _ in range(rig.size.repeats):
                for one in systems:  # in turn, so that a slow minute of the machine falls on all
                    _say(f"{notice.name}, {one.name}")
                    seen = await rig.tell(one, notice, rig.size.notices)
                    run.taken.setdefault(notice.name, {}).setdefault(one.name, []).append(seen)


async def _flooded(rig: Run, run: Measured, system: System) -> None:
    """Look up at the police, with and without another agency that floods the hub, or an endpoint beside it."""
    bare = await rig.bare(WITHDRAWN)
    sample = lab.sample_of(rig.connectors, "police")
    headers = {
        "Authorization": f"Bearer {system.key}",
        "Hub-Purpose": lab.PURPOSE,
        "Prefer": "wait=30",
        "Priority": "u=1",
    }
    url = f"{system.url}/v1/calls/police/{sample.operation}"
    raw = load.http_request(url, json.dumps(sample.request).encode(), headers | {"Content-Type": "application/json"})
    await load.closed(system.url, lambda _: raw, at_once=4, total=2 * rig.size.warm)  # warm
    for number, arm in enumerate(rig.size.turns):
        _say(f"look-ups, {arm}")
        to = {ON: system.url, BARE: bare.url}.get(arm)
        flood = await _flood(rig, to) if to else None
        before = processes.seconds(processes.running(), system.pids)
        chance = random.Random(number // 3)  # all arms of one round ask at the same distances
        dues = load.at_random(rig.size.look_ups, time.monotonic(), rig.size.seconds, chance)
        heard = await load.on_schedule(system.url, lambda _: raw, dues)
        cpu = (processes.seconds(processes.running(), system.pids) - before) / rig.size.seconds
        told = await _told(flood) if flood else {}
        good = [one.seconds * 1000 for one in heard if one.status == 200]
        late = load.quantile([one.begun - one.due for one in heard], 0.99) * 1000
        run.turns.append(Turn(arm, good, len(heard) - len(good), late, cpu, told))


async def _flood(rig: Run, url: str) -> asyncio.subprocess.Process:
    """Flood *url* from a process that anything else on its core goes before; return once it floods."""
    connector = rig.connectors / f"{FLOODING}_lab"
    body = WITHDRAWN.bodies(connector, itertools.islice(rig.numbers, 1), "")[0].decode()
    asked = {
        "url": url, "path": f"/in/{FLOODING}/{WITHDRAWN.name}", "body": body,
        "per_second": TIMES * CONTRACT.per_second, "seconds": rig.size.seconds,
    }  # fmt: skip
    words = (sys.executable, "-m", "bench.telling", json.dumps(asked))
    child = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    await child.stdout.readline()
    return child


async def _told(child: asyncio.subprocess.Process) -> dict[str, float]:
    out, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError("bench.telling failed")
    told: dict[str, float] = json.loads(out)
    return told


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--quick", action="store_true", help="a smoke run: few notices, one repeat, nothing written")
    quick = asked.parse_args().quick
    run = uvloop.run(measure(QUICK if quick else WHOLE))
    aims = weigh(run)
    text = page(run, aims)
    print(text)
    if quick:
        return
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "inbound.md").write_text(text, "utf-8")
    (RESULTS / "inbound.json").write_text(json.dumps(as_json(run, aims), indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
