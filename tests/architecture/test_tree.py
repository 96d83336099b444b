"""What must hold for every file: short, in NFC, ours alone."""

import subprocess
import unicodedata
from pathlib import Path

import pytest

import hub

ROOT = Path(__file__).parents[2]
LONGEST = 500
"""Lines; examples of good codebases have a median of 52-145, and nothing above 500 that explains itself."""

TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    if (ROOT / name).is_file()
]
TEXTS = [
    path for path in TRACKED if path.suffix in {".py", ".toml", ".csv", ".md", ".json", ".xml", ".xsd", ".wsdl", ".yml"}
]


def test_the_files_of_the_tree_are_found() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the rules about files run in the project's own tree")
    assert len(TEXTS) > 20


def test_no_source_file_is_longer_than_500_lines() -> None:
    sizes = sorted(
        ((len(path.read_text(encoding="utf-8").splitlines()), path) for path in TEXTS if path.suffix == ".py"),
        reverse=True,
    )
    for lines, path in sizes[:10]:
        print(lines, path.relative_to(ROOT))
    assert [str(path) for lines, path in sizes if lines > LONGEST] == []


def test_every_text_is_in_nfc() -> None:
    """NFD Vietnamese compares unequal to itself. Samples that test NFD write it as escapes."""
    assert [str(path) for path in TEXTS if not unicodedata.is_normalized("NFC", path.read_text(encoding="utf-8"))] == []


def test_nothing_names_a_place_of_one_machine() -> None:
    # Built from parts, so that this file does not name what it forbids.
    homes = [f"/{part}/" for part in ("home", "root", "Users", "work")]
    guilty = [
        f"{path.relative_to(ROOT)}: {home}"
        for path in [*TEXTS, ROOT / "requirements.lock", ROOT / "Makefile", ROOT / ".ci/run"]
        for home in homes
        if home in path.read_text(encoding="utf-8").replace("https://", "")
    ]
    assert guilty == []


def test_hub_is_our_package() -> None:
    """`hub` is a common name: a foreign package of that name must not be what we test."""
    assert hub.__file__ is not None
    assert Path(hub.__file__).parent.parent == ROOT
