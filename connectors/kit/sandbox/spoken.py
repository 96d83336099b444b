"""
An operation seen from the agency's side: how a request for it is recognised, and where in it what stands.

Everything is derived from the connector's data: `call` and `wrap` of the manifest, the lines of the mapping that hold
the identity and the status, `[fixed]`, `unwrap`. The mapping engine is not involved.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.kit.manifest import Manifest, OperationTable, Signature
from connectors.kit.places import DECODERS
from connectors.kit.rest import read_call
from connectors.kit.sandbox.payloads import Names
from mappings.canonical import IDENTITY
from mappings.language import MappingFile, read_mapping_file
from mappings.paths import Step, read_place

STATUS = "status"
"""Our field that a step of processing changes in what it belongs to."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One operation, as it arrives."""

    name: str
    kind: str
    xml: bool
    element: str
    """Tag of the SOAP element with its namespace; without one it is compared by local name."""
    method: str
    path: re.Pattern[str]
    """Groups are named `f0`, `f1`, ...; `fields` says what they hold."""
    fields: tuple[str, ...]
    form: bool
    sources: Mapping[Names, str]
    """Places that come from elsewhere than the record asked or filed: literals, settings, sessions, ids."""
    shown: Mapping[str, str]
    """`header:X` and `query:x` places of `[auth] put`, with their source."""
    payload: Names
    key: tuple[Names, ...]
    """Places of the identity, of which the first that is filled counts."""
    status: Names | None
    """Place of the status within the payload."""
    model: str
    returns: str
    reply: tuple[Step, ...] | None
    """Where the record stands in a reply; None when no plain place leads there."""
    sent: Mapping[str, Names] = field(default_factory=dict)
    """Our fields, and where they stand in the record of a request."""
    told: Mapping[str, Names] = field(default_factory=dict)
    """Our fields, and where they stand in a reply; none when no plain place leads there."""
    sign: Signature | None = None
    """What a request must be signed with."""
    signed: Signature | None = None
    """What a reply is signed with."""

    @property
    def literals(self) -> dict[Names, str]:
        """Texts by which a request shows that it is for this operation."""
        return {place: source[1:] for place, source in self.sources.items() if source.startswith("=")}

    def from_source(self, kind: str) -> dict[Names, str]:
        """Return place and name of the sources `kind.<name>`."""
        return {
            place: source[len(kind) + 1 :] for place, source in self.sources.items() if source.startswith(f"{kind}.")
        }


def spoken(folder: Path, manifest: Manifest) -> dict[str, Spoken]:
    """
    Return every operation of *manifest*, read with the mappings of *folder*.

    Raises:
        FilesRefused: A mapping cannot be read.
    """
    folders = [folder, *([folder.parent / manifest.connector.like] if manifest.connector.like else [])]
    return {name: _operation(name, table, folders, manifest) for name, table in manifest.operations.items()}


def _operation(name: str, table: OperationTable, folders: list[Path], manifest: Manifest) -> Spoken:
    xml = manifest.connector.protocol == "soap"
    sends, returns = _mapping(table.sends, folders), _mapping(table.returns, folders)
    wrapped = dict(_sources(table.wrap, ()))
    prefix = next((place for place, source in wrapped.items() if source == "payload"), ())
    root = _names(sends.agency)[1 if xml else 0 :] if sends else ()
    put = manifest.auth.put if manifest.auth and table.kind != "login" else {}
    sources = {place: source for place, source in wrapped.items() if source != "payload"}
    sources |= {
        prefix + root + _names(place): fixed.from_
        for place, fixed in (sends.fixed if sends else {}).items()
        if fixed.from_ != "payload"
    }
    sources |= {_names(place): source for place, source in put.items() if not place.startswith(("header:", "query:"))}
    if table.sign and ":" not in table.sign.at:
        sources[_names(table.sign.at)] = "signature"
    reply = _reply(table, returns, xml)
    call = None if xml else read_call(table.call or "POST /")
    return Spoken(
        name=name,
        kind=table.kind,
        xml=xml,
        element=_element(sends, table),
        method=call.method if call else "POST",
        path=_pattern(call.path) if call else re.compile(".*"),
        fields=call.fields if call else (),
        form=bool(call and call.form),
        sources=sources,
        shown={place: source for place, source in put.items() if place.startswith(("header:", "query:"))},
        payload=prefix + root,
        key=(_line(sends, IDENTITY.get(sends.canonical, "")) or _own_keys(table, sends)) if sends else (),
        status=next(iter(_line(sends, STATUS)), None) if sends else None,
        model=sends.canonical if sends else "",
        returns=returns.canonical if returns else "",
        reply=reply,
        sent=_lines(sends),
        told={} if reply is None or xml else _lines(returns, tuple(step.name for step in reply if step.name)),
        sign=table.sign,
        signed=table.signed,
    )


def _mapping(name: str | None, folders: list[Path]) -> MappingFile | None:
    files = [folder / f"{name}.map.toml" for folder in folders] if name else []
    return next((read_mapping_file(file) for file in files if file.is_file()), None)


def _sources(template: Any, at: Names) -> Iterator[tuple[Names, str]]:
    if isinstance(template, Mapping):
        for name, inner in template.items():
            yield from _sources(inner, (*at, name))
    elif isinstance(template, list | tuple):
        for inner in template:
            yield from _sources(inner, at)
    else:
        yield at, str(template)


def _line(mapping: MappingFile, ours: str) -> tuple[Names, ...]:
    """Return the agency's places of our field *ours*."""
    for name, line in mapping.fields.items():
        if ours and ours in (part.strip() for part in name.split("|")):
            return tuple(_names(place) for place in line.at or line.parts or ())
    return ()


def _lines(mapping: MappingFile | None, above: Names = ()) -> dict[str, Names]:
    """Return every field of ours that has one place of its own, and that place."""
    fields = mapping.fields.items() if mapping else ()
    return {ours: above + _names(line.at[0]) for ours, line in fields if line.at and "|" not in ours}


def _own_keys(table: OperationTable, sends: MappingFile) -> tuple[Names, ...]:
    """Return the places of keys that we give and the agency goes by: `ref` names them, and the request fixes them."""
    refs = table.ref.values() if isinstance(table.ref, dict) else [table.ref] if table.ref else []
    return tuple(_names(place) for place in refs if _from(sends, place) == "call.reference")


def _from(sends: MappingFile, place: str) -> str:
    fixed = sends.fixed.get(place)
    return fixed.from_ if fixed else ""


def _element(sends: MappingFile | None, table: OperationTable) -> str:
    if sends and sends.agency.startswith("{"):
        step = read_place(sends.agency).steps[0]
        return f"{{{step.namespace}}}{step.name}" if step.namespace else step.name
    return table.call or ""


def _reply(table: OperationTable, returns: MappingFile | None, xml: bool) -> tuple[Step, ...] | None:
    if (
        returns is None
        or any(word in DECODERS and word != "json" for word in table.unwrap)
        or "json" in table.unwrap[1:]
    ):
        return None
    steps = [step for word in table.unwrap if word != "json" for step in read_place(word).steps]
    inner = read_place(returns.agency).steps
    return tuple(steps) + tuple(inner[1 if xml and not steps else 0 :])


def _names(place: str) -> Names:
    return tuple(step.name for step in read_place(place).steps if step.name)


def _pattern(path: str) -> re.Pattern[str]:
    number = iter(range(100))
    parts = re.split(r"\{[^{}]*\}", path)
    return re.compile(
        "".join(
            f"(?P<f{next(number)}>[^/]+){re.escape(part)}" if at else re.escape(part) for at, part in enumerate(parts)
        )
        + "/?"
    )
