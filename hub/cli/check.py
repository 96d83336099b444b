"""
`hub check`: every rule on connector folders, with all findings at once. The rules are in `connectors/kit/checks/`.
"""

from pathlib import Path
from typing import Annotated

import typer

from connectors.kit.checks.rules import RULES, check_folder
from connectors.kit.manifest import manifest_schema
from connectors.kit.registry import find_connectors
from hub.cli.output import AsJson, fail, say, show_json

Folders = Annotated[
    list[Path] | None, typer.Argument(help="Folders of connectors, or their names; all of them unless given.")
]
Explain = Annotated[str, typer.Option("--explain", help="Explain a rule, or a key of the manifest.")]


def check(folders: Folders = None, *, explain: Explain = "", as_json: AsJson = False) -> None:
    """Prove that connectors keep every rule; exit 1 when one does not."""
    if explain:
        say(_explained(explain))
        return
    known = find_connectors()
    reports = []
    for folder in folders or list(known.values()):
        path = folder if folder.is_dir() else known.get(str(folder))
        if path is None:
            fail(f"{folder} is no folder and no connector; name one of {', '.join(known)}, or the path of a folder.")
        reports.append(check_folder(path))
    passed = all(report.passed for report in reports)
    if as_json:
        show_json({"passed": passed, "reports": reports})
    else:
        for report in reports:
            say(str(report))
    if not passed:
        raise typer.Exit(1)


def _explained(word: str) -> str:
    for rule in RULES:
        if rule.name == word:
            return f"{rule.name}: {rule.says}"
    found = _keys(manifest_schema(), word.rpartition(".")[2])
    if found:
        return "\n".join(found)
    return fail(f"{word} is no rule and no key. Rules: {', '.join(rule.name for rule in RULES)}.")


def _keys(schema: dict[str, object], word: str) -> list[str]:
    tables: dict[str, object] = {"Manifest": schema} | dict(schema.get("$defs", {}))  # type: ignore[call-overload]
    lines = []
    for name, table in tables.items():
        field = table.get("properties", {}).get(word) if isinstance(table, dict) else None
        if isinstance(field, dict) and field.get("description"):
            examples = ", ".join(str(example) for example in field.get("examples", []))
            lines.append(f"{word} ({name}): {field['description']}" + (f"; e.g. {examples}" if examples else ""))
    return lines
