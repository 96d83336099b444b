"""
What connectors may have for themselves is counted over all of them: exemptions from rules, and Python that one alone needs.

`hub check --explain <word>` says who uses a converter, a handshake or a signature.
"""

from pathlib import Path

from connectors.kit.checks.users import Use, alone, uses
from connectors.kit.manifest import load_manifest
from connectors.kit.registry import find_connectors

MOST_EXEMPTIONS = 12
MOST_LINES = 300


def test_exemptions_are_few_and_each_has_its_reason() -> None:
    exempt = {
        f"{name}: {rule}": reason
        for name, folder in find_connectors().items()
        for rule, reason in load_manifest(folder).exempt.items()
    }
    assert len(exempt) <= MOST_EXEMPTIONS, sorted(exempt)
    assert all(len(reason.split()) > 2 for reason in exempt.values()), exempt


def test_python_that_one_connector_alone_needs_is_little() -> None:
    hooks = {
        f"{folder.name}/hooks.py": len((folder / "hooks.py").read_text("utf-8").splitlines())
        for folder in find_connectors().values()
        if (folder / "hooks.py").is_file()
    }
    lines = {**hooks, **alone(uses(find_connectors().values()))}
    assert sum(lines.values()) <= MOST_LINES, sorted(lines.items(), key=lambda one: -one[1])


def use(kind: str, word: str, connector: str) -> Use:
    return Use(kind, word, connector, "", 1, "")  # type: ignore[arg-type]


def test_a_word_that_two_connectors_use_counts_for_neither() -> None:
    mine = alone([use("handshake", "c06", "police")])
    assert mine["connectors.kit.auth._c06"] > 20
    assert alone([use("handshake", "c06", "police"), use("handshake", "c06", "tax")]) == {}
    year = {use("converter", "year", "police"), use("converter", "date iso", "tax")}
    assert set(alone(year)) >= {
        "mappings.values_time.write_year",
        "mappings.values_time.read_year",
        "mappings.values_time.write_midnight",
        "mappings.values_time.read_midnight",
    }


def test_a_use_is_told_with_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "step.map.toml").write_text(
        'canonical = "X@1"\nagency = ""\n[fields]\n"a.b" = "A"\n"c" = { at = ["C", "D"], as = ["cut 5", ["md5", "digits"]] }\n[fixed]\n"E" = { from = "=1", as = "cut 9" }\n',
        "utf-8",
    )
    found = [(one.word, one.line, one.key) for one in uses([folder])]
    assert found == [("cut", 5, "fields.c"), ("md5", 5, "fields.c"), ("digits", 5, "fields.c"), ("cut", 7, "fixed.E")]
