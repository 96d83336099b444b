"""
The live proof that lanes cannot congest: `make congestion`, or `python -m bench.congestion [--quick | --long]`.

Open loop, latency from the scheduled moment, a real hub process and naive gateways before played agencies of their own.
Each figure is printed beside its aim with met or missed. Read `scenarios.py` for what happens, `figures.py` for what is
made of it, `agencies.py` for who bears it, `report.py` and `plots.py` for how it is shown.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, is_dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import uvloop

from bench import figures, plots, report, scenarios, turns
from bench.aims import machine
from bench.ceiling import ceiling
from bench.plan import LONG, QUICK, WHOLE, Size, lanes
from bench.refusals import Measured, refusals
from bench.stage import GATEWAY, HUB, SYSTEMS, Stage
from bench.weighing import heard_by_callers, weigh

RESULTS = Path(__file__).parent / "results"

Phase = Callable[[Stage, Size], Awaitable[Any]]


async def _isolated(stage: Stage, size: Size) -> list[dict[str, Any]]:
    return [row for n in size.isolated for row in await turns.isolated(stage, size, n)]


async def _flooded(stage: Stage, size: Size) -> list[dict[str, Any]]:
    return [await turns.flooded(stage, size, system) for system in SYSTEMS]


async def _refused(_: Stage, size: Size) -> Measured:
    return await refusals(calls=size.refusals, repeats=size.refusal_repeats)


PHASES: dict[str, Phase] = {
    "refused": _refused,
    "steady": scenarios.steady,
    "isolated": _isolated,
    "flooded": _flooded,
    "pressed": scenarios.pressed,
}
"""In this order: what presses the machine comes last."""


async def measure(size: Size, names: list[str]) -> dict[str, Any]:
    """Run the phases called *names*, and return everything that was measured, as a tree for JSON."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lienthong-congestion-") as folder:
        async with Stage(
            Path(folder), lanes(size), call_timeout=size.call_timeout, patience=size.patience,
            queue_seconds=size.patience,
        ) as stage:  # fmt: skip
            results: dict[str, Any] = {"phases": {}, "busy": {}}
            for name in names:
                say(f"{name} ...")
                counter = _Busy(stage)
                results["phases"][name] = await PHASES[name](stage, size)
                results["busy"][name] = counter.shares()
                say(f"{name}: {counter.seconds:.0f} s, {sum(results['busy'][name].values()):.2f} cores busy")
            results["agencies_late"] = await stage.agencies_late()
            results["lanes"] = await _at_the_doors(stage)
    heard = [one for one in heard_by_callers(results["phases"], HUB) if one.offered]
    results["callers_late_p99"] = max((one.begun_p99 for one in heard), default=0.0)
    results["codes"] = dict(sum((Counter(one.codes) for one in heard), Counter()).most_common())
    results |= {"machine": machine(), "cores": os.cpu_count() or 1}
    results["ceiling"] = ceiling(size)
    results |= {"parameters": asdict(size), "seconds": time.monotonic() - began}
    aims = weigh(results)
    results["aims"] = [asdict(aim) | {"met": aim.met} for aim in aims]
    tree: dict[str, Any] = plain(results)
    return tree


async def _at_the_doors(stage: Stage) -> list[dict[str, Any]]:
    """Return what arrived at the door of each agency, beside its contract."""
    accepted = await stage.accepted()
    rows = []
    for system in SYSTEMS:
        for lane in stage.lanes.values():
            log = await stage.arrivals(system, lane.name)
            if not log:
                continue
            repeated = figures.repeats(log)
            let_in = accepted.get(lane.name, 0) if system == HUB else len(log) - repeated
            rows.append(
                {
                    "system": system,
                    "lane": lane.name,
                    "accepted": let_in,
                    "exchanges": len(log),
                    "repeats": repeated,
                    "repeats_allowed": figures.repeats_allowed(let_in, log[-1].at - log[0].at),
                    "refused_by_agency": sum(one.how == "refused" for one in log),
                    "cut": sum(one.how == "cut" for one in log),
                    "rate_excess": figures.rate_excess([one.at for one in log], lane.per_second),
                    "most_at_once": figures.most_at_once(log, stage.call_timeout),
                    "at_once": lane.at_once,
                    "per_second": lane.per_second,
                }
            )
    return rows


class _Busy:
    """Who kept the machine's cores busy in a phase."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._before = self._used()
        self._began = time.monotonic()
        self.seconds = 0.0
        """How long the phase took, once `shares` was asked."""

    def shares(self) -> dict[str, float]:
        """Return, in cores, what each kind of process used on average since this was made."""
        self.seconds = time.monotonic() - self._began
        now = self._used()
        return {name: (now[name] - self._before[name]) / self.seconds for name in now}

    def _used(self) -> dict[str, float]:
        self._stage.weigh()
        cpu = self._stage.cpu
        gateways = sum(seconds for name, seconds in cpu.items() if name.startswith(GATEWAY))
        used = {HUB: cpu[HUB], "gateways": gateways, "agencies": cpu["agencies"], "callers": cpu["callers"]}
        fields = [int(text) for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        busy = (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")  # without idle and waiting for the disk
        return used | {"others": busy - sum(used.values())}


def plain(value: Any) -> Any:
    """Return *value* as JSON knows it: dataclasses as objects, and null for what is no number."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def say(text: str) -> None:
    print(text, flush=True)


def write(results: dict[str, Any], folder: Path) -> None:
    """Write *results* as JSON, as a page and as plots into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "congestion.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    (folder / "congestion.md").write_text(report.page(results), "utf-8")
    plots.draw(results, folder)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--quick", action="store_true", help="a smoke run of half a minute")
    asked.add_argument("--long", action="store_true", help="isolation with 200 agencies too")
    asked.add_argument("--only", nargs="+", choices=list(PHASES), default=list(PHASES), help="these phases alone")
    asked.add_argument("--out", type=Path, help="where to write; without it, a whole run writes to bench/results")
    asked.add_argument("--redraw", action="store_true", help="measure nothing: page and plots anew from the JSON there")
    told = asked.parse_args()
    folder = told.out or (None if told.quick or told.only != list(PHASES) else RESULTS)
    if told.redraw:
        folder = told.out or RESULTS
        write(json.loads((folder / "congestion.json").read_text("utf-8")), folder)
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a gateway without limits holds thousands of connections
    names = [name for name in PHASES if name in told.only]
    results = uvloop.run(measure(QUICK if told.quick else LONG if told.long else WHOLE, names))
    if folder is not None:
        write(results, folder)
    say("\n" + report.page(results))


if __name__ == "__main__":
    main()
