"""
Who uses a word of the kit: converters, code tables, handshakes, signatures and decoders, connector by connector.

`hub check --explain` lists it, and a test counts what one connector alone makes the kit carry.
"""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Literal, TypeAlias

from connectors.kit.auth import HANDSHAKES
from connectors.kit.manifest import FILE, Conversation, Manifest, load_manifest
from connectors.kit.places import DECODERS
from connectors.kit.signatures import SCHEMES
from mappings.enclosed import PAYLOAD
from mappings.errors import FilesRefused
from mappings.language import MappingFile, read_mapping_file
from mappings.values import CONVERTERS, WITH_LENGTH

Kind: TypeAlias = Literal["converter", "code table", "handshake", "signature", "decoder", "way into a text"]


@dataclass(frozen=True, slots=True)
class Use:
    """One place at which a connector names a word of the kit."""

    kind: Kind
    word: str
    """A converter with a number without it: `cut`."""
    connector: str
    file: str
    line: int
    key: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.key}"


def uses(connectors: Iterable[Path]) -> Iterator[Use]:
    """Give every use in the folders *connectors*; a file that cannot be read names nothing."""
    for folder in connectors:
        try:
            yield from _of_manifest(folder, load_manifest(folder))
        except FilesRefused:
            pass
        for path in sorted(folder.glob("*.map.toml")):
            try:
                yield from _of_mapping(path, read_mapping_file(path))
            except FilesRefused:
                continue


def kinds_of(word: str) -> tuple[Kind, ...]:
    """Return what *word* is among the words of the kit; nothing when it is none. Code tables are none of the kit's."""
    known: tuple[tuple[Kind, Mapping[str, Any]], ...] = (
        ("converter", CONVERTERS),
        ("converter", WITH_LENGTH),
        ("handshake", HANDSHAKES),
        ("signature", SCHEMES),
        ("decoder", DECODERS),
    )
    return tuple(kind for kind, words in known if family(word) in words)


def family(converter: str) -> str:
    """Return the name of a converter without its number: `cut` for `cut 50` and for `cut N`."""
    name, _, number = converter.rpartition(" ")
    return name if name in WITH_LENGTH and (number.isdecimal() or number == "N") else converter


def alone(found: Iterable[Use]) -> dict[str, int]:
    """
    Return how many lines of the kit one connector alone makes it carry: function by function, its name and its lines.

    Counted are the functions behind converters, handshakes and signatures, with those of the same file that they call.
    """
    users: dict[FunctionType, set[str]] = {}
    for use in found:
        for function in _functions(use):
            users.setdefault(function, set()).add(use.connector)
    return {
        f"{function.__module__}.{function.__qualname__}": len(inspect.getsource(function).splitlines())
        for function, names in users.items()
        if len(names) == 1
    }


def _of_manifest(folder: Path, manifest: Manifest) -> Iterator[Use]:
    text = (folder / FILE).read_text("utf-8").splitlines()

    def use(kind: Kind, word: str, key: str) -> Iterator[Use]:
        line = next((number for number, one in enumerate(text, 1) if f'"{word}"' in one), 0)
        if line:  # else it is said by the connector that this one is like
            yield Use(kind, word, folder.name, f"{folder.name}/{FILE}", line, key)

    if manifest.auth and manifest.auth.scheme:
        yield from use("handshake", manifest.auth.scheme, "auth.scheme")
    tables: tuple[tuple[str, Mapping[str, Conversation]], ...] = (
        ("operations", manifest.operations),
        ("notices", manifest.notices),
    )
    for section, named in tables:
        for name, table in named.items():
            for key in ("sign", "signed"):
                signature = getattr(table, key, None)
                if signature is not None:
                    yield from use("signature", signature.scheme, f"{section}.{name}.{key}.scheme")
            for word in dict.fromkeys(one for one in table.unwrap if one in DECODERS):
                yield from use("decoder", word, f"{section}.{name}.unwrap")


def _of_mapping(path: Path, mapping: MappingFile) -> Iterator[Use]:
    text = path.read_text("utf-8").splitlines()
    file = f"{path.parent.name}/{path.name}"

    def use(kind: Kind, word: str, key: str, section: str) -> Use:
        line = next((number for number, one in enumerate(text, 1) if f'"{key}"' in one.partition("=")[0]), 0)
        return Use(kind, family(word), path.parent.name, file, line, f"{section}.{key}")

    for ours, line in mapping.fields.items():
        yield from (use("converter", word, ours, "fields") for chain in line.as_ for word in chain)
        if line.codes:
            yield use("code table", line.codes, ours, "fields")
    for theirs, fixed in mapping.fixed.items():
        kind: Kind = "way into a text" if fixed.from_ == PAYLOAD else "converter"
        yield from (use(kind, word, theirs, "fixed") for word in fixed.as_)


def _functions(use: Use) -> set[FunctionType]:
    """The functions of the kit's files that do the work of a word, those they call in the same file included."""
    makers: list[Callable[..., Any] | None] = []
    if use.kind == "handshake" and use.word in HANDSHAKES:
        makers = [HANDSHAKES[use.word].make]
    elif use.kind == "signature" and use.word in SCHEMES:
        makers = [SCHEMES[use.word].make]
    elif use.kind == "converter" and use.word in CONVERTERS:
        makers = [CONVERTERS[use.word].write, CONVERTERS[use.word].read]
    elif use.kind == "converter" and use.word in WITH_LENGTH:
        makers = [WITH_LENGTH[use.word]]
    found: set[FunctionType] = set()
    for maker in makers:
        if isinstance(maker, FunctionType):
            _called(_outermost(maker), found)
    return found


def _outermost(function: FunctionType) -> FunctionType:
    """The function of a module in which *function* was made, itself when no other did."""
    outer = getattr(sys.modules[function.__module__], function.__qualname__.partition(".")[0], function)
    return outer if isinstance(outer, FunctionType) else function


def _called(function: FunctionType, found: set[FunctionType]) -> None:
    if function in found:
        return
    found.add(function)
    for name in _names(function.__code__):
        inner = getattr(sys.modules[function.__module__], name, None)
        if isinstance(inner, FunctionType) and inner.__module__ == function.__module__:
            _called(inner, found)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _names(one)
