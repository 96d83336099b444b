"""
Prints what the engine reaches in every scenario, for decision records: `python -m tests.simulation.report --help`.

One line per scenario with means over the seeds; what differs between two variants stands below each other. Bands that
a seed broke are named at the end.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from time import process_time

import pytest

from tests.simulation.ablations import ABLATIONS
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.simulation import Run

_NAME = 42


@dataclass(frozen=True)
class Variant:
    """The engine as it is, or with guards taken away and constants set."""

    name: str
    without: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()
    """Each `module.NAME=number`."""

    @contextmanager
    def applied(self) -> Iterator[None]:
        with ExitStack() as stack:
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            for guard in self.without:
                ABLATIONS[guard].without(patch)
            for constant in self.constants:
                place, value = constant.split("=")
                module, name = place.rsplit(".", 1)
                owner = importlib.import_module(module)
                patch.setattr(owner, name, type(getattr(owner, name))(float(value)))
            yield


@dataclass(frozen=True)
class Line:
    """What one run came to."""

    thirds: tuple[float, float, float]
    served: float
    limits: tuple[float, float, float]
    amplification: float
    repeats: int
    median: float
    refusal: float
    """Seconds until 99 of 100 of those who were refused knew."""
    excess_rate: float
    excess_at_once: float
    cpu: float
    outcomes: Mapping[str, int]
    refusals: Mapping[str, int]
    broken: Sequence[str]


def run(variant: Variant, name: str, seed: int, stretch: float) -> Line:
    """Run one scenario once."""
    scenario = SCENARIOS[name]
    began = process_time()
    with variant.applied():
        done = scenario.run(seed, stretch)
    return line_of(done, scenario.broken(done), process_time() - began)


def line_of(done: Run, broken: Sequence[str], cpu: float) -> Line:
    third = done.plan.seconds / 3
    refusals: dict[str, int] = {}
    for hearing in done.hearings:
        for where, codes in (("door", hearing.at_the_door), ("later", hearing.later)):
            for code, count in codes.items():
                refusals[f"{where} {code}"] = refusals.get(f"{where} {code}", 0) + count
    first, second, last = (done.mean_limit(part * third, (part + 1) * third) for part in range(3))
    return Line(
        done.thirds(), done.served(0, done.plan.seconds), (first, second, last), done.amplification, done.agency.door.repeats,
        max(one.latency(0.5) for one in done.hearings), max(one.time_to_refusal(0.99) for one in done.hearings),
        done.excess_rate, done.excess_at_once, cpu, dict(done.told.outcomes), refusals, list(broken),
    )  # fmt: skip


def summary(lines: Sequence[Line]) -> str:
    """Return the means of *lines* in one row of the table."""
    count = len(lines)
    thirds = "/".join(f"{100 * sum(one.thirds[part] for one in lines) / count:.0f}" for part in range(3))
    limits = "/".join(f"{sum(one.limits[part] for one in lines) / count:.1f}" for part in range(3))
    worst = min(min(one.thirds) for one in lines)
    figures = {
        "served": 100 * sum(one.served for one in lines) / count,
        "amplification": sum(one.amplification for one in lines) / count,
        "repeats": sum(one.repeats for one in lines) / count,
        "median": sum(one.median for one in lines) / count,
        "refusal": sum(one.refusal for one in lines) / count,
        "cpu": sum(one.cpu for one in lines) / count,
    }
    assert all(isfinite(figure) for figure in figures.values())
    broken = sum(bool(one.broken) for one in lines)
    return (
        f"{thirds:>11} {100 * worst:5.0f} {figures['served']:6.0f} {limits:>14} {figures['amplification']:5.2f} {figures['repeats']:7.0f} "
        f"{figures['median']:6.1f} {figures['refusal']:7.1f} {figures['cpu']:5.1f}  {f'{broken} of {count} broken' if broken else 'kept'}"
    )


HEAD = (
    f"{'scenario':{_NAME}} {'good %':>11} {'worst':>5} {'served':>6} {'limit':>14} {'amp':>5} {'repeats':>7} "
    f"{'p50 s':>6} {'told s':>7} {'cpu s':>5}  bands"
)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation.report", description=(__doc__ or "").split("\n")[1]
    )
    parser.add_argument("--only", default="", help="scenarios whose names hold this text")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--stretch", type=float, default=1.0, help="makes steady stretches longer: 4 is 20 minutes at 2x"
    )
    parser.add_argument(
        "--without", action="append", default=[], help=f"compare with an engine without: {', '.join(ABLATIONS)}"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="constants",
        metavar="MODULE.NAME=NUMBER",
        help="compare with another constant",
    )
    parser.add_argument("--save", type=Path, help="keep the figures of the engine as it is in this file")
    parser.add_argument("--against", type=Path, help="compare with figures saved from another tree")
    parser.add_argument("--detail", action="store_true", help="outcomes and refusals of the first seed")
    asked = parser.parse_args(arguments)
    names = [name for name in SCENARIOS if asked.only in name]
    if not names:
        parser.error(f"no scenario is called so; there are: {', '.join(SCENARIOS)}")
    variants = [Variant("as it is")]
    if asked.without or asked.constants:
        changed = ", ".join([*(f"without {guard}" for guard in asked.without), *asked.constants])
        variants.append(Variant(changed, tuple(asked.without), tuple(asked.constants)))
    saved = json.loads(asked.against.read_text("utf-8")) if asked.against else {}
    kept: dict[str, list[dict[str, object]]] = {}
    broken: list[str] = []
    print(HEAD)
    with ProcessPoolExecutor() as pool:
        runs = {
            (name, variant.name): [
                pool.submit(run, variant, name, seed, asked.stretch) for seed in range(1, asked.seeds + 1)
            ]
            for name in names
            for variant in variants
        }
        for (name, variant), futures in runs.items():
            lines = [future.result() for future in futures]
            first = variant == variants[0].name
            print(f"{name if first else '  ' + variant:{_NAME}} {summary(lines)}", flush=True)
            broken += [
                f"{name}, {variant}, seed {seed}: {each}" for seed, line in enumerate(lines, 1) for each in line.broken
            ]
            if asked.detail:
                print(f"    {dict(lines[0].outcomes)}\n    {dict(lines[0].refusals)}")
            if first:
                kept[name] = [asdict(line) for line in lines]
            if first and name in saved:
                print(f"{'  ' + asked.against.name:{_NAME}} {summary([Line(**line) for line in saved[name]])}")
    print("\n".join(["", *broken]) if broken else "\nall bands kept")
    if asked.save:
        asked.save.write_text(json.dumps(kept, indent=1), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
