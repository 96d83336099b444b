"""The demo is the first thing a newcomer runs: it must come true, whole, within its time."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_demo_comes_true_and_says_so(tmp_path: Path) -> None:
    began = time.monotonic()
    # From another folder and with the tree on the path, so that nothing depends on where it is started.
    ran = subprocess.run(
        [sys.executable, "-m", "hub.cli.main", "demo"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("✓") == 27
    assert "All as promised" in ran.stdout
    for act in ("The callback gets lost; the hub asks", "land_vbdlis tells the result", "Every dossier is where"):
        assert f"✓ {act}" in ran.stdout
    assert list(tmp_path.iterdir()) == []
    print(f"demo took {time.monotonic() - began:.1f} s")
