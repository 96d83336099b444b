"""
What the hub costs, beside its peers, in one run: `make bench`, or `python -m bench.overhead [--quick]`.

The same exchange with the same played agency (a) by aiohttp with prebuilt bytes, (b) by bare zeep or bare httpx2, through
our kit alone, (c) through the hub's HTTP API with its durable record on, (d) through a naive gateway. CPU is that of the
process under test. Figures are medians of the repeats with their spread; each aim is printed with met or missed.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import lab, load
from bench.aims import Aim, machine, verdicts
from bench.lab import Child
from bench.peers import ZEEP_CITIZEN, wire_of

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Size:
    """How much one run does."""

    repeats: int
    levels: tuple[int, ...]
    kit: int
    """Exchanges per measurement of a client."""
    calls: int
    """Calls per measurement through a door."""
    seconds: float
    """Length of the open-loop runs."""


WHOLE = Size(3, (1, 32, 128), 300, 900, 3.0)
QUICK = Size(1, (1, 32), 100, 150, 1.0)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured row: medians and the spread of the CPU."""

    what: str
    agency: str
    at_once: int
    cpu_us: float
    cpu_spread: str
    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int = 0


class Run:
    """One run: its processes and what it has measured."""

    def __init__(self, size: Size, folder: Path, connectors: Path, urls: Mapping[str, str]) -> None:
        self._size = size
        self._folder = folder
        self._lab = connectors
        self._urls = urls
        self.figures: list[Figure] = []
        self.aims: list[Aim] = []

    async def clients(self) -> None:
        """Measure each way of making the exchange without a door, in processes of their own."""
        ways = [
            ("police", ("aiohttp", "zeep", "kit")),
            ("archive", ("aiohttp", "zeep", "kit")),
            ("npsp", ("aiohttp", "httpx2", "kit")),
        ]
        for agency, names in ways:
            for at_once in self._size.levels:
                seen: dict[str, list[dict[str, float]]] = {way: [] for way in names}
                for _ in range(self._size.repeats):
                    for way in names:  # in turn, so that a slow minute of the machine falls on all
                        seen[way].append(await self._client(way, agency, at_once))
                for way in names:
                    self._keep(way, agency, at_once, seen[way])

    async def doors(self) -> None:
        """Measure the hub and the naive gateway, in turn."""
        hub, url, key = await lab.hub(self._folder, self._lab, self._urls)
        told = await self._gateway_needs()
        gateway = await Child.start("bench.gateway", folder=self._folder, BENCH_GATEWAY=json.dumps(told))
        door = f"http://{gateway.said['listen']}"
        try:
            for agency in ("police", "npsp"):
                hub_raw, gateway_raw = self._through_hub(url, key, agency), self._through_gateway(door, told, agency)
                for raw, address, calls in ((hub_raw, url, 200), (gateway_raw, door, 50)):
                    await load.closed(address, lambda _, raw=raw: raw, at_once=8, total=calls)  # type: ignore[misc]  # warm
                for at_once in self._size.levels:
                    ours, theirs = [], []
                    for _ in range(self._size.repeats):
                        ours.append(await self._door(hub, url, hub_raw, at_once, self._size.calls))
                        theirs.append(await self._door(gateway, door, gateway_raw, at_once, self._size.calls // 4))
                    self._keep("hub", agency, at_once, ours)
                    self._keep("gateway", agency, at_once, theirs)
                await self._half_load(agency, url, hub_raw)
        finally:
            await hub.stop()
            await gateway.stop()

    def weigh(self) -> None:
        """Hold the figures against the aims of the issue they come from."""
        for agency, record in (("police", "40-field record"), ("archive", "18 KiB reply")):
            for at_once in self._size.levels[:2]:
                share = self._cpu("kit", agency, at_once) / self._cpu("zeep", agency, at_once)
                self.aims.append(
                    Aim(f"SOAP through the kit, CPU as a share of bare zeep, {record}, {at_once} at once", share, 0.2)
                )
        for agency, times in (("npsp", 2.0), ("police", 4.0)):
            hub, gateway = self._figure("hub", agency, 32), self._figure("gateway", agency, 32)
            self.aims.append(
                Aim(f"whole call at 32 at once, ms CPU, {agency}", hub.cpu_us / 1000, 0.6, failed=hub.failed)
            )
            ratio = hub.per_second / gateway.per_second
            self.aims.append(
                Aim(
                    f"calls a second, hub over naive gateway, 32 at once, {agency}",
                    ratio,
                    times,
                    at_least=True,
                    failed=hub.failed + gateway.failed,
                )
            )
            alone = self._figure("hub", agency, 1)
            self.aims.append(Aim(f"one call alone, ms CPU, {agency}", alone.cpu_us / 1000, 2.0, failed=alone.failed))

    async def _client(self, way: str, agency: str, at_once: int) -> dict[str, float]:
        words = [way, agency, str(self._lab), self._urls[agency], str(at_once), str(self._size.kit)]
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.peers", *words, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await child.communicate()
        if child.returncode:
            raise RuntimeError(f"bench.peers {way} {agency} failed")
        seen: dict[str, float] = json.loads(out)
        return seen

    async def _door(self, child: Child, url: str, raw: bytes, at_once: int, calls: int) -> dict[str, float]:
        before = child.cpu()
        shot = await load.closed(url, lambda _: raw, at_once=at_once, total=calls)
        return {
            "cpu_us": (child.cpu() - before) / calls * 1e6,
            "per_second": shot.per_second,
            "p50_ms": shot.quantile(0.5),
            "p99_ms": shot.quantile(0.99),
            "failed": shot.failed,
        }

    async def _half_load(self, agency: str, url: str, raw: bytes) -> None:
        """Measure what the hub adds at half of what it can do: open loop, beside the bare exchange at the same rate."""
        rate = self._figure("hub", agency, 32).per_second / 2
        address, body, headers = await wire_of(self._lab, agency, self._urls[agency])
        direct = load.http_request(address, body, headers)
        added, failed = [], 0
        for _ in range(self._size.repeats):
            bare = await load.open_loop(address, lambda _: direct, per_second=rate, seconds=self._size.seconds)
            through = await load.open_loop(url, lambda _: raw, per_second=rate, seconds=self._size.seconds)
            added.append(through.quantile(0.5) - bare.quantile(0.5))
            failed += bare.failed + through.failed
        self.aims.append(
            Aim(
                f"time added at half load ({rate:,.0f}/s), p50 ms, {agency}",
                statistics.median(added),
                3.0,
                failed=failed,
            )
        )

    async def _gateway_needs(self) -> dict[str, Any]:
        rest, body, _ = await wire_of(self._lab, "npsp", self._urls["npsp"])
        soap, _, headers = await wire_of(self._lab, "police", self._urls["police"])
        return {"rest": rest, "soap": soap, "headers": headers, "body": json.loads(body)}

    def _through_hub(self, url: str, key: str, agency: str) -> bytes:
        sample = lab.sample_of(self._lab, agency)
        headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Hub-Purpose": lab.PURPOSE,
            "Prefer": "wait=30",
            "Priority": "u=1",
        }
        return load.http_request(
            f"{url}/v1/calls/{agency}/{sample.operation}", json.dumps(sample.request).encode(), headers
        )

    @staticmethod
    def _through_gateway(door: str, told: Mapping[str, Any], agency: str) -> bytes:
        path, body = ("citizen", ZEEP_CITIZEN) if agency == "police" else ("procedure", told["body"])
        return load.http_request(f"{door}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _keep(self, what: str, agency: str, at_once: int, seen: list[dict[str, float]]) -> None:
        def median(name: str) -> float:
            return statistics.median(one[name] for one in seen)

        figure = Figure(
            what, agency, at_once, median("cpu_us"), load.spread([one["cpu_us"] for one in seen]), median("per_second"),
            median("p50_ms"), median("p99_ms"), int(sum(one.get("failed", 0) for one in seen)),
        )  # fmt: skip
        self.figures.append(figure)
        print(_row(figure), flush=True)

    def _figure(self, what: str, agency: str, at_once: int) -> Figure:
        return next(one for one in self.figures if (one.what, one.agency, one.at_once) == (what, agency, at_once))

    def _cpu(self, what: str, agency: str, at_once: int) -> float:
        return self._figure(what, agency, at_once).cpu_us


HEAD = (
    "| agency | at once | way | CPU µs a call, median [min..max] | calls/s | p50 ms | p99 ms | failed |\n"
    "|---|---|---|---|---|---|---|---|"
)


def _row(one: Figure) -> str:
    return (
        f"| {one.agency} | {one.at_once} | {one.what} | {one.cpu_spread} | {one.per_second:,.0f} | {one.p50_ms:.2f} "
        f"| {one.p99_ms:.2f} | {one.failed} |"
    )


async def measure(size: Size) -> Run:
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as name:
        folder = Path(name)
        connectors = lab.copies(folder)
        sandbox = await Child.start("bench.lab", str(connectors), folder=folder)
        try:
            run = Run(size, folder, connectors, sandbox.said["urls"])
            print(HEAD, flush=True)
            await run.clients()
            await run.doors()
        finally:
            await sandbox.stop()
        run.weigh()
        return run


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--quick", action="store_true", help="a smoke run: few calls, one repeat, nothing written")
    quick = asked.parse_args().quick
    run = asyncio.run(measure(QUICK if quick else WHOLE))
    print("\n" + verdicts(run.aims))
    if quick:
        return
    RESULTS.mkdir(exist_ok=True)
    table = "\n".join([HEAD, *map(_row, run.figures)])
    text = f"# What the hub costs\n\n{machine()}\n\n{verdicts(run.aims)}\n\n{table}\n\n`bench/README.md` says how this is measured.\n"
    (RESULTS / "overhead.md").write_text(text, "utf-8")
    rows = [{name: getattr(one, name) for name in Figure.__slots__} for one in run.figures]
    aims = [{"what": one.what, "figure": one.figure, "aim": one.aim, "met": one.met} for one in run.aims]
    (RESULTS / "overhead.json").write_text(
        json.dumps({"machine": machine(), "aims": aims, "figures": rows}, indent=1, ensure_ascii=False), "utf-8"
    )


if __name__ == "__main__":
    main()
