"""
`hub check --explain`: what a word means that stands in a connector's folder, and who else uses it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from connectors.kit.auth import HANDSHAKES
from connectors.kit.checks.rules import RULES
from connectors.kit.checks.users import family, kinds_of, uses
from connectors.kit.manifest import manifest_schema
from connectors.kit.samples import sample_schema
from connectors.kit.signatures import SCHEMES
from hub.cli.output import counted, fail
from mappings.language import MappingFile
from mappings.values import CONVERTERS, WITH_LENGTH


def explained(word: str, connectors: Mapping[str, Path]) -> str:
    """Return what *word* means: a rule, a key of the languages, or a word of the kit with who uses it of *connectors*."""
    for rule in RULES:
        if rule.name == word:
            return f"{rule.name}: {rule.says}"
    users = _users(word, connectors)
    schemas = {"manifest": manifest_schema(), "mapping": MappingFile.model_json_schema(), "sample": sample_schema()}
    found = [line for title, schema in schemas.items() for line in _keys(title, schema, word.rpartition(".")[2])]
    if found or users:
        return "\n".join(dict.fromkeys([*found, *users]))
    return fail(
        f"{word} is no rule, no key and no word of the kit. Rules: {', '.join(rule.name for rule in RULES)}."
        f" Converters, handshakes and signatures: {', '.join((*CONVERTERS, *WITH_LENGTH, *HANDSHAKES, *SCHEMES))}."
    )


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
    return f": ours {one.examples[0][0]!s}, theirs {one.examples[0][1]!s}"


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
