"""The benchmark runs and says of every aim whether it is met. Whether it is, depends on the machine: no test asks."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench import overhead

ROOT = Path(__file__).parents[2]


def test_the_benchmark_prints_every_figure_beside_its_aim() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench.overhead", "--quick"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    verdicts = [line for line in ran.stdout.splitlines() if line.endswith(("| met |", "| **missed** |"))]
    assert len(verdicts) == 12, ran.stdout
    for agency in ("police", "archive", "npsp"):
        assert f"| {agency} | 32 | kit |" in ran.stdout
    rows = [line for line in ran.stdout.splitlines() if "| hub |" in line]
    assert len(rows) == 4
    assert all(row.endswith("| 0 |") for row in rows), "a call failed"


@pytest.mark.parametrize(("failed", "met"), [(0, True), (1, False)])
def test_a_hub_whose_calls_fail_meets_no_aim(failed: int, met: bool) -> None:
    """A refusal is cheaper and faster than an answer, so figures alone would praise a hub that refuses everything."""
    run = overhead.Run(overhead.QUICK, Path(), Path(), {})
    for agency in ("police", "archive", "npsp"):
        for at_once in (1, 32):
            for way, cpu, rate in (
                ("kit", 100.0, 0.0),
                ("zeep", 4000.0, 0.0),
                ("hub", 90.0, 1000.0),
                ("gateway", 0.0, 9.0),
            ):
                lost = failed if way == "hub" else 0
                run.figures.append(overhead.Figure(way, agency, at_once, cpu, "", rate, 1.0, 1.0, lost))
    run.weigh()
    through_the_door = [aim for aim in run.aims if "kit" not in aim.what]
    assert len(through_the_door) == 6
    assert {aim.met for aim in through_the_door} == {met}
