"""
Code tables under `hub check --tables`: those that connectors share, and each connector's own. The rule is one of `rules.py`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from connectors.kit.checks.folder import Folder, read_folder
from connectors.kit.registry import shared_tables
from mappings.codes import CodeTable
from mappings.errors import FileFault, FilesRefused
from mappings.loose_ends import loose_ends
from mappings.paths import nearest

SHARED = "shared"
"""The home of tables that every connector may name."""


@dataclass(frozen=True, slots=True)
class TableReport:
    """One code table: how much it holds, and what it leaves open."""

    home: str
    """A connector, or `shared`."""
    table: str
    rows: int
    dated: int
    """Rows that have a first or last day."""
    one_way: int
    succeeded: int
    findings: tuple[str, ...]


def tables_lead_on(folder: Folder) -> Iterator[FileFault]:
    """Code tables have no days without a row, no successors that lead nowhere, and no code that cannot be read back."""
    for name, table in folder.tables.items():
        yield from _faults(folder.file(f"codes/{name}.csv"), table)


def table_reports(connectors: Sequence[Path], codes: Path | None = None) -> list[TableReport]:
    """
    Return a report of every shared table, those of the folder *codes* in their place, and of every table of *connectors*.

    What cannot even be read is a report without rows.
    """
    try:
        reports = _reports(SHARED, "codes", shared_tables(codes), ())
    except FilesRefused as refused:
        reports = _reports(SHARED, "codes", {}, refused.faults)
    if codes is not None:
        known = shared_tables().keys()
        reports = [
            replace(one, findings=(*one.findings, _nobody(one.table, known))) if one.table not in known else one
            for one in reports
        ]
    for path in connectors:
        folder = read_folder(path.resolve())
        unread = [fault for fault in folder.faults if "/codes/" in f"/{fault.file}"]
        reports += _reports(folder.path.name, folder.file("codes"), folder.tables, unread)
    return reports


def _nobody(table: str, known: Collection[str]) -> str:
    says = f"stands in for no shared table, so what it says is used by none of our connectors{nearest(table, known)}"
    return str(FileFault(f"codes/{table}.csv", "", says))


def _reports(home: str, folder: str, tables: Mapping[str, CodeTable], unread: Sequence[FileFault]) -> list[TableReport]:
    files = {fault.file: [str(one) for one in unread if one.file == fault.file] for fault in unread}
    refused = [TableReport(home, Path(file).stem, 0, 0, 0, 0, tuple(says)) for file, says in files.items()]
    return refused + [
        TableReport(
            home,
            name,
            rows=len(table.rows),
            dated=sum(bool(row.valid_from or row.valid_to) for row in table.rows),
            one_way=sum(bool(row.one_way) for row in table.rows),
            succeeded=sum(bool(row.successors) for row in table.rows),
            findings=tuple(map(str, _faults(f"{folder}/{name}.csv", table))),
        )
        for name, table in tables.items()
    ]


def _faults(file: str, table: CodeTable) -> Iterator[FileFault]:
    return (FileFault(file, f"code {code}", says) for code, says in loose_ends(table))
