"""The benchmark runs and says of every aim whether it is met. Whether it is, depends on the machine: no test asks."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import overhead
from bench.congestion import RESULTS
from bench.forms import FORMS
from bench.inbound_page import ON
from bench.plan import QUICK
from bench.queues import KINDS

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


def test_the_run_of_documents_prints_how_memory_grew() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench.files", "--quick"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    verdicts = [line for line in ran.stdout.splitlines() if line.endswith(("| met |", "| **missed** |"))]
    assert len(verdicts) == 2, ran.stdout


def test_the_inbound_run_prints_every_figure_beside_its_aim_and_every_notice_is_taken() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench.inbound", "--quick"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    verdicts = [line for line in ran.stdout.splitlines() if line.endswith(("| met |", "| **missed** |"))]
    assert len(verdicts) == 7, ran.stdout
    told = [
        line for line in ran.stdout.splitlines() if line.startswith(("| payment_settled |", "| dossier_withdrawn |"))
    ]
    assert len(told) == 6, ran.stdout
    assert all(row.endswith("| 0 |") for row in told), "a notice was not taken"
    flooded = next(line for line in ran.stdout.splitlines() if line.startswith(f"| {ON} |"))
    assert flooded.endswith("| 0 |"), "a look-up failed"
    refused = re.search(r"\| (\d+\.\d) % \|", flooded)
    assert refused is not None
    assert float(refused[1]) > 80, "the flood was above its contract"


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


def test_the_congestion_run_prints_every_figure_beside_its_aim_and_every_call_is_accounted_for(tmp_path: Path) -> None:
    written = sorted(file.name for file in RESULTS.iterdir())
    ran = subprocess.run(
        [sys.executable, "-m", "bench.congestion", "--quick", "--out", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    verdicts = [line for line in ran.stdout.splitlines() if line.endswith(("| met |", "| **missed** |"))]
    assert len(verdicts) == 16, ran.stdout
    results = json.loads((tmp_path / "congestion.json").read_text("utf-8"))
    assert len(results["aims"]) == 16

    heaps = list(_heaps(results["phases"]))
    assert len(heaps) > 20
    for heap in heaps:
        assert heap["offered"] == sum(heap[name] for name in ("good", "late", "refused", "failed", "gave_up"))
    for row in results["phases"]["steady"]["levels"]:
        assert row["whole"]["offered"] == round(row["level"] * QUICK.capacity * QUICK.steady)
        assert row["whole"]["offered"] >= row["heard"]["offered"]
    for lane in results["lanes"]:
        assert lane["exchanges"] >= lane["repeats"]
    ours = {lane["lane"]: lane for lane in results["lanes"] if lane["system"] == "hub"}
    half_load = next(
        row for row in results["phases"]["steady"]["levels"] if (row["system"], row["level"]) == ("hub", 0.5)
    )
    assert half_load["whole"]["good"] <= ours["x0_5"]["accepted"] <= half_load["whole"]["offered"]

    page = (tmp_path / "congestion.md").read_text("utf-8")
    for plot in ("goodput", "recovery", "isolation"):
        assert f"(congestion-{plot}.png)" in page
        assert (tmp_path / f"congestion-{plot}.png").stat().st_size > 10_000
    assert sorted(file.name for file in RESULTS.iterdir()) == written, "a smoke run wrote results"


def test_the_durability_run_prints_every_figure_beside_its_aim_and_names_the_peers_it_leaves_out() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench.durability", "--quick"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    there = [kind for kind in KINDS if not kind.missing]
    for kind in KINDS:
        said = [line for line in ran.stdout.splitlines() if line.startswith(f"{kind.name} is left out: ")]
        assert bool(said) is (kind not in there)
    rows = [line for line in ran.stdout.splitlines() if line.startswith("| ") and " asking " in line]
    assert [row.split(" | ")[0] for row in rows] == 2 * [f"| {one.name}" for one in (*FORMS, *there)]
    assert all(row.endswith("| 0 |") for row in rows), "a call was refused or failed"
    verdicts = [line for line in ran.stdout.splitlines() if line.endswith(("| met |", "| **missed** |"))]
    assert len(verdicts) == len(FORMS) * len(there) + 6, ran.stdout
    exchanges = next(line for line in ran.stdout.splitlines() if line.startswith("Exchanges that each node made"))
    assert all(int(sent) > 0 for sent in re.findall(r"\d+(?=[,.])", exchanges.rpartition(":")[2])), exchanges


def _heaps(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield whatever in *tree* says what became of calls; see `bench.figures.Sorted`."""
    if isinstance(tree, dict) and "gave_up" in tree:
        yield tree
    elif isinstance(tree, dict):
        for one in tree.values():
            yield from _heaps(one)
    elif isinstance(tree, list):
        for one in tree:
            yield from _heaps(one)
