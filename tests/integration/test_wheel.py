"""What is built is what is used: the wheel holds the data, and a client needs none of the server."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("connectors", "mappings", "hub", "monitoring")
DATA = {".toml", ".csv", ".json", ".xml", ".wsdl", ".xsd", ".bin"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files inside a wheel built from the tree."""
    out = tmp_path_factory.mktemp("wheel")
    tree = tmp_path_factory.mktemp("tree")  # a copy: what an earlier build left in the tree must not get into the wheel
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tree)
    words = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out), str(tree)]
    built = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return set(zipfile.ZipFile(next(out.glob("*.whl"))).namelist())


def test_the_wheel_holds_every_file_of_every_connector(wheel: set[str]) -> None:
    kept = {
        path.relative_to(ROOT).as_posix()
        for folder in ("connectors", "mappings")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in DATA
    }
    assert len(kept) > 100
    assert kept - wheel == set()


def test_the_wheel_holds_every_module_and_nothing_of_tests_or_bench(wheel: set[str]) -> None:
    modules = {path.relative_to(ROOT).as_posix() for folder in PACKAGES for path in (ROOT / folder).rglob("*.py")}
    assert modules - wheel == set()
    assert [name for name in wheel if name.startswith(("tests/", "bench/"))] == []
