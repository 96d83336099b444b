"""
`hub check --explain`: what a word means that stands in a connector's folder, and who else uses it.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from connectors.kit.answers import RESULTS
from connectors.kit.auth import HANDSHAKES
from connectors.kit.checks.rules import RULES
from connectors.kit.checks.users import family, kinds_of, uses
from connectors.kit.manifest import manifest_schema
from connectors.kit.samples import sample_schema
from connectors.kit.signatures import SCHEMES
from hub.cli.output import counted, fail
from mappings.canonical import CANONICAL
from mappings.language import MappingFile
from mappings.values import CONVERTERS, WITH_LENGTH
from mappings.values_files import LINK_MARK, MARK_BEGINS

NEAR = 5
"""Words told of a word that is none."""
COLUMNS: Mapping[str, str] = {
    "ours": "of codes/*.csv: our code, as the model's values are",
    "theirs": "of codes/*.csv: the agency's code; leading zeros count",
    "one_way": "of codes/*.csv: `write` or `read` where a code stands twice, on the row that counts only when we send, or"
    " only when we receive; else leave it empty, also where only replies use the table",
    "valid_from": "of codes/*.csv: first day, such as 2025-07-01; empty: always",
    "valid_to": "of codes/*.csv: last day; an ended code is still read",
    "succeeded_by": "of codes/*.csv: our code that took over, and is written instead after `valid_to`",
    "http": "of answers.csv: status of the reply; empty: any",
    "result": "of answers.csv: what the reply means",
    "reason": "of answers.csv: code that callers get with a `refused`, such as name_differs",
    "mark": "of contract/fields.csv: how sure the field is: seen, memory or assumption",
    "direction": "of contract/fields.csv: request or reply",
    "source": "of contract/fields.csv: where the field was seen",
}


def explained(word: str, connectors: Mapping[str, Path]) -> str:
    """Return what *word* means: a rule, a key of the languages, or a word of the kit with who uses it of *connectors*."""
    for rule in RULES:
        if rule.name == word:
            return f"{rule.name}: {rule.says}"
    users = _users(word, connectors)
    schemas = {"manifest": manifest_schema(), "mapping": MappingFile.model_json_schema(), "sample": sample_schema()}
    found = [line for title, schema in schemas.items() for line in _keys(title, schema, word.rpartition(".")[2])]
    found += _of_tables(word)
    if found or users:
        return "\n".join(dict.fromkeys([*found, *users]))
    models = [name.partition("@")[0] for name in CANONICAL]
    keys = [key for schema in schemas.values() for table in _tables(schema) for key in table.get("properties", {})]
    kit = (*CONVERTERS, *WITH_LENGTH, *HANDSHAKES, *SCHEMES, *RESULTS, *COLUMNS)
    near = get_close_matches(word, dict.fromkeys([*(rule.name for rule in RULES), *keys, *kit, *models]), NEAR, 0.6)
    advice = f"Did you mean {', '.join(near)}?" if near else "Look in connectors/README.md and mappings/README.md."
    return fail(f"{word} is no rule, no key, no model and no word of the kit. {advice}")


def _of_tables(word: str) -> list[str]:
    """Lines about *word* as a result, a column of a CSV file, or a model with its fields."""
    lines = [f"{word} (result of answers.csv): {RESULTS[word]}"] if word in RESULTS else []
    lines += [f"{word} (column): {COLUMNS[word]}"] if word in COLUMNS else []
    for name, model in CANONICAL.items():
        if word in (name, name.partition("@")[0]):
            lines.append(f"{name} (model): {' '.join((model.__doc__ or '').split())}")
            for field, about in model.model_fields.items():
                lines.append(f"  {field}{' (required)' if about.is_required() else ''}: {about.description or ''}")
    return lines


def _tables(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    yield from schema.get("$defs", {}).values()


def _users(word: str, connectors: Mapping[str, Path]) -> list[str]:
    """Lines about *word* as a converter, handshake, signature, decoder or code table: what it does, and who uses it."""
    found = [use for use in uses(connectors.values()) if use.word == family(word)]
    lines: list[str] = []
    for kind in dict.fromkeys((*kinds_of(word), *(use.kind for use in found))):
        mine = [use for use in found if use.kind == kind]
        by = list(dict.fromkeys(use.connector for use in mine))
        lines.append(f"{family(word)} ({kind}){_what_it_does(kind, family(word))}")
        lines.append(f"used by {counted(len(by), 'connector')}{': ' if by else ''}{', '.join(by)}")
        lines += [f"  {use}" for use in mine]
    return lines


def _what_it_does(kind: str, word: str) -> str:
    if kind == "handshake":
        return "; its settings: " + (", ".join((*HANDSHAKES[word].settings, *HANDSHAKES[word].optional)) or "none")
    if kind != "converter":
        return ""
    one = WITH_LENGTH[word](2) if word in WITH_LENGTH else CONVERTERS[word]
    ours, theirs = map(str, one.examples[0])
    if MARK_BEGINS in theirs:  # what a running hub replaces when it sends
        theirs = (
            "the address of the file"
            if LINK_MARK.search(theirs)
            else "the bytes of the file in base64: JVBERi0xLjcK..."
        )
    return f": ours {ours}, theirs {theirs}"


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
