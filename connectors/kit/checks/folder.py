"""
One connector's folder as `hub check` reads it: every file by itself, so that a fault in one hides nothing in another.

What cannot be read is kept as faults and left out; rules speak of what is there. `pinned.py` is next.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic_core import from_json

from connectors.kit.answers import load_answers
from connectors.kit.checks.hooks import hooks_stay_inside
from connectors.kit.connector import Connector
from connectors.kit.contract import Check, json_contract
from connectors.kit.manifest import FILE, Manifest, NoticeTable, OperationTable, load_manifest
from connectors.kit.registry import load_connector
from connectors.kit.samples import Sample, load_samples
from connectors.kit.wsdl import InboundWsdl, Wsdl, read_inbound_wsdl, read_wsdl
from mappings.codes import CodeTable, read_code_table
from mappings.errors import FileFault, FilesRefused
from mappings.language import MappingFile, read_mapping_file
from mappings.table_faults import read_csv

FIELD_COLUMNS = ("operation", "direction", "field", "mark", "source", "note")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One row of `contract/fields.csv`: a field of the contract, how sure it is and who says so."""

    line: int
    operation: str
    """Or a notice; `*` for every operation."""
    direction: str
    field: str
    mark: str
    source: str
    note: str = ""


@dataclass(slots=True)
class Folder:
    """What an author wrote, read as far as it can be. Made by `read_folder`."""

    path: Path
    codes: Path | None = None
    """The folder of code tables that stand in for shared ones; None: the shared ones are used."""
    manifest: Manifest | None = None
    mappings: dict[str, MappingFile] = field(default_factory=dict)
    tables: dict[str, CodeTable] = field(default_factory=dict)
    """The connector's own code tables."""
    wsdl: Wsdl | None = None
    inbound: InboundWsdl | None = None
    """The WSDL of what we offer the agency."""
    schemas: dict[str, Any] = field(default_factory=dict)
    """JSON Schemas by `operation.direction`, or `notice.direction`: the request is what the agency sends."""
    checks: dict[str, Check] = field(default_factory=dict)
    """The same, compiled."""
    fields: list[FieldRow] = field(default_factory=list)
    samples: tuple[Sample, ...] = ()
    connector: Connector | None = None
    """The whole, compiled; None when the registry refuses it, for reasons in `refusals`."""
    refusals: list[FileFault] = field(default_factory=list)
    """What only shows when the files are put together."""
    faults: list[FileFault] = field(default_factory=list)
    """What could not be read, or is wrong within one file."""

    @property
    def operations(self) -> Mapping[str, OperationTable]:
        """The operations of the manifest; none when it cannot be read."""
        return self.manifest.operations if self.manifest else {}

    @property
    def notices(self) -> Mapping[str, NoticeTable]:
        """The notices of the manifest; none when it cannot be read."""
        return self.manifest.notices if self.manifest else {}

    @property
    def conversations(self) -> Mapping[str, OperationTable | NoticeTable]:
        """Operations and notices: all that has samples and pinned contracts."""
        return {**self.operations, **self.notices}

    def key(self, name: str) -> str:
        """Return the key path of the table of operation or notice *name*."""
        return f"{'notices' if name in self.notices else 'operations'}.{name}"

    def file(self, name: str) -> str:
        """Return how findings name the file *name* of this folder."""
        return f"{self.path.name}/{name}"


def layers(path: Path, manifest: Manifest | None) -> tuple[Path, ...]:
    """Return the folders whose files count, the connector's own last, so that its files win over those it is `like`."""
    like = manifest.connector.like if manifest else None
    return (path.parent / like, path) if like else (path,)


def read_folder(path: Path, codes: Path | None = None) -> Folder:
    """
    Read the connector in *path*, with code tables of the folder *codes* instead of shared ones of the same name.

    Never raises for what an author wrote; that is what `faults` is for.
    """
    folder = Folder(path, codes)
    folder.manifest = _kept(folder, lambda: load_manifest(path))
    for layer in layers(path, folder.manifest):
        for file in sorted(layer.glob("*.map.toml")):
            if mapping := _kept(folder, lambda file=file: read_mapping_file(file)):  # type: ignore[misc]  # bound at once
                folder.mappings[file.name.removesuffix(".map.toml")] = mapping
        for file in sorted((layer / "codes").glob("*.csv")):
            if table := _kept(folder, lambda file=file: read_code_table(file)):  # type: ignore[misc]  # bound at once
                folder.tables[file.stem] = table
        _read_contract(folder, layer / "contract")
    if folder.manifest:
        rules = {
            name: operation.code.as_ if operation.code else "text" for name, operation in folder.operations.items()
        }
        last = next(
            (layer for layer in reversed(layers(path, folder.manifest)) if (layer / "answers.csv").is_file()), path
        )
        _kept(folder, lambda: load_answers(last, rules))
    folder.samples = _kept(folder, lambda: load_samples(path)) or ()
    if not any(hooks_stay_inside(path)):  # loading runs hooks.py, so that must be harmless first
        _compile(folder)
    return folder


def _compile(folder: Folder) -> None:
    try:
        folder.connector = load_connector(folder.path, codes=folder.codes)
    except FilesRefused as refused:
        known = {(fault.file, fault.key) for fault in folder.faults}
        told = (_named(folder, fault) for fault in refused.faults)
        folder.refusals = [fault for fault in told if (fault.file, fault.key) not in known]


def _kept(folder: Folder, read: Callable[[], T]) -> T | None:
    try:
        return read()
    except FilesRefused as refused:
        folder.faults += (_named(folder, fault) for fault in refused.faults)
        return None


def _named(folder: Folder, fault: FileFault) -> FileFault:
    """Return *fault* with the connector's name before its file, which readers of a single file do not know."""
    known = {layer.name for layer in layers(folder.path, folder.manifest)}
    return fault if fault.file.split("/")[0] in known else replace(fault, file=folder.file(fault.file))


def _read_contract(folder: Folder, contract: Path) -> None:
    # A connector may be like one that speaks SOAP, and itself speak something else.
    soap = folder.manifest is None or folder.manifest.connector.protocol == "soap"
    if soap and (wsdl := _kept(folder, lambda: read_wsdl(contract))):
        folder.wsdl = wsdl
    if inbound := _kept(folder, lambda: read_inbound_wsdl(contract)):
        folder.inbound = inbound
    for file in sorted(contract.glob("*.schema.json")):
        name = file.name.removesuffix(".schema.json")
        try:
            folder.schemas[name] = from_json(file.read_bytes())
        except ValueError as error:
            folder.faults.append(FileFault(folder.file(f"contract/{file.name}"), "", f"is not JSON: {error}"))
        else:
            if check := _kept(folder, lambda file=file: json_contract(file)):  # type: ignore[misc]  # bound at once
                folder.checks[name] = check
    if (contract / "fields.csv").is_file():
        folder.fields = _read_fields(folder, contract / "fields.csv")


def _read_fields(folder: Folder, file: Path) -> list[FieldRow]:
    name = folder.file("contract/fields.csv")
    lines = _kept(folder, lambda: read_csv(file))
    if lines is None:
        return []
    if not lines or tuple(lines[0]) != FIELD_COLUMNS:
        folder.faults.append(FileFault(name, "line 1", f"must name the columns {','.join(FIELD_COLUMNS)}"))
        return []
    rows = []
    for number, cells in enumerate(lines[1:], 2):
        if len(cells) == len(FIELD_COLUMNS):
            operation, direction, place, mark, source, note = (cell.strip() for cell in cells)
            rows.append(FieldRow(number, operation, direction, place, mark, source, note))
        elif any(cells):
            says = f"has {len(cells)} cells, not {len(FIELD_COLUMNS)}; quote a text that holds a comma"
            folder.faults.append(FileFault(name, f"line {number}", says))
    return rows


def manifest_file(folder: Folder) -> str:
    """Return how findings name the manifest."""
    return folder.file(FILE)
