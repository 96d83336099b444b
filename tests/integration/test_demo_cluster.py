"""The demonstration of a cluster comes true, whole, from wherever it is started, and it says so when it does not."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.crashing.history import RULES
from bench.demo_cluster import verdicts
from tests.integration.test_crash_history import BAD, GOOD

ROOT = Path(__file__).parents[2]


@pytest.mark.process
def test_the_demonstration_comes_true_and_says_so(tmp_path: Path) -> None:
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", "bench.demo_cluster"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("✓") == 7
    assert "All as promised" in ran.stdout
    assert list(tmp_path.iterdir()) == []
    print(f"it took {time.monotonic() - began:.1f} s")


def test_each_promise_has_a_line_of_its_own_and_none_is_broken_by_a_good_run() -> None:
    lines = verdicts(GOOD)
    assert len({promised for promised, _, _ in lines}) == len(RULES)
    assert [faults for _, _, faults in lines] == [[]] * len(RULES)


@pytest.mark.parametrize(("rule", "history"), BAD.values(), ids=BAD)
def test_a_broken_promise_stands_in_its_line(rule: str, history: object) -> None:
    broken = [name.__name__ for name, (_, _, faults) in zip(RULES, verdicts(history), strict=True) if faults]  # type: ignore[arg-type]
    assert broken == [rule]
