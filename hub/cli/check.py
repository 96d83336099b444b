"""
`hub check`: every rule on connector folders, with all findings at once. The rules are in `connectors/kit/checks/`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import to_json

from connectors.kit.checks.rules import RULES, check_folder
from connectors.kit.manifest import manifest_schema
from connectors.kit.samples import sample_schema
from hub.cli.output import AsJson, fail, say, show_json
from hub.cli.settings import Config, connectors_for
from mappings.language import MappingFile

Folders = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Folders of connectors, their names or their agencies' in hub.toml; all installed ones unless given."
    ),
]
Explain = Annotated[str, typer.Option("--explain", help="Explain a rule, or a key of manifest, mapping or sample.")]


def check(folders: Folders = None, *, explain: Explain = "", config: Config = None, as_json: AsJson = False) -> None:
    """Prove that connectors keep every rule; exit 1 when one does not."""
    if explain:
        say(_explained(explain))
        return
    known = connectors_for([str(folder) for folder in folders or () if not folder.is_dir()], config)
    paths = []
    for folder in folders or list(known.values()):
        path = folder if folder.is_dir() else known.get(str(folder))
        if path is None:
            fail(f"{folder} is no folder and no connector; name one of {', '.join(known)}, or the path of a folder.")
        paths.append(path)
    reports = [check_folder(path) for path in dict.fromkeys(paths)]
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
    schemas = {"manifest": manifest_schema(), "mapping": MappingFile.model_json_schema(), "sample": sample_schema()}
    found = [line for title, schema in schemas.items() for line in _keys(title, schema, word.rpartition(".")[2])]
    if found:
        return "\n".join(dict.fromkeys(found))
    return fail(f"{word} is no rule and no key. Rules: {', '.join(rule.name for rule in RULES)}.")


def _keys(title: str, schema: dict[str, Any], word: str) -> Iterator[str]:
    """Give a line for every table of *schema* that has the key *word*: file, table, meaning and examples."""
    tables = schema.get("$defs", {})
    for name, table in {"": schema, **tables}.items():
        field = table.get("properties", {}).get(word)
        if field and field.get("description"):
            examples = ", ".join(_example(example) for example in field.get("examples", []))
            where = f"{title}, {name}" if name else title
            inside = ", ".join(
                dict.fromkeys(key for one in _tables_in(field) for key in tables[one].get("properties", {}))
            )
            yield (
                f"{word} ({where}): {field['description']}"
                + (f"; e.g. {examples}" if examples else "")
                + (f"; its keys: {inside}" if inside else "")
            )


def _tables_in(field: dict[str, Any]) -> Iterator[str]:
    """Give the names of the tables that may stand at *field*, or under each name in it."""
    if "$ref" in field:
        yield field["$ref"].rpartition("/")[2]
    named = field.get("patternProperties", {}).values()
    for inner in (*field.get("anyOf", ()), *named, field.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from _tables_in(inner)


def _example(value: object) -> str:
    return value if isinstance(value, str) else to_json(value).decode()
