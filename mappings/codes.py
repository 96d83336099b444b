"""
Code tables: two code sets side by side, kept as CSV files that their owners edit in a spreadsheet.

One row is one correspondence. `ours` and `theirs` are required; see `CodeRow` for the other columns.
A table is looked up both ways, for a day; `lines.py` uses it where a mapping says `codes`.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, cast

from mappings.errors import FileFault, FilesRefused
from mappings.paths import nearest
from mappings.table_faults import read_csv

OneWay = Literal["", "write", "read"]


@dataclass(frozen=True, slots=True)
class CodeRow:
    """One correspondence of a code table; the attributes are the CSV's columns."""

    ours: str
    theirs: str
    one_way: OneWay = ""
    """`write`: used only when we send. `read`: only when we receive. Empty: both."""
    valid_from: date | None = None
    """First day, ISO 8601."""
    valid_to: date | None = None
    """Last day, included."""
    succeeded_by: str = ""
    """
    Our code that took over when this one ended; written in its place after `valid_to`.

    Several, with blanks between, where it was divided: then none can be written in its place.
    """
    vi: str = ""
    en: str = ""

    @property
    def successors(self) -> tuple[str, ...]:
        """Our codes that took over when this one ended."""
        return tuple(self.succeeded_by.split())

    def valid_on(self, day: date) -> bool:
        """Whether *day* lies within the row's days."""
        return (self.valid_from or date.min) <= day <= (self.valid_to or date.max)

    def meets(self, other: "CodeRow") -> bool:
        """Whether there is a day on which both rows are valid."""
        start = max(self.valid_from or date.min, other.valid_from or date.min)
        return start <= min(self.valid_to or date.max, other.valid_to or date.max)


COLUMNS = tuple(field.name for field in fields(CodeRow))


class CodeTable:
    """A code table ready for look-up. Made by `read_code_table`, or from rows that are known to be sound."""

    def __init__(self, name: str, rows: Iterable[CodeRow]) -> None:
        self.name = name
        self.rows = tuple(rows)
        self.timeless = not any(row.valid_from or row.valid_to for row in self.rows)
        """True when no row has a first or last day, so that the day of a look-up does not matter."""
        self._by_code: dict[str, tuple[CodeRow, ...]] = {}
        for row in self.rows:
            self._by_code[row.ours] = (*self._by_code.get(row.ours, ()), row)
        self._by_ours = _group(self.rows, "write", lambda row: row.ours)
        self._by_theirs = _group(self.rows, "read", lambda row: row.theirs)

    def theirs(self, ours: str, day: date | None = None) -> str:
        """
        Return the agency's code for *ours* as it is on *day* (None: whatever the day).

        A code that ended by then gives the code that succeeded it.

        Raises:
            ValueError: The table has no such code, or none that is valid; the message never holds the code.
        """
        seen: set[str] = set()
        while ours not in seen:
            rows = self._by_ours.get(ours, ())
            row = _on(rows, day)
            if row is not None:
                return row.theirs
            seen.add(ours)
            ours = next((ended.succeeded_by for ended in rows if len(ended.successors) == 1), ours)
        if self._by_ours.get(ours):
            raise ValueError(f"is no longer valid in code table `{self.name}`")
        if ours in self._by_code:
            raise ValueError(f"is only read by code table `{self.name}`: the row says `read`; leave its one_way empty")
        raise ValueError(f"is not a code of ours in code table `{self.name}`")

    def ours(self, theirs: str, day: date | None = None) -> str:
        """
        Return our code for the agency's *theirs*. On reading a code that has ended is still understood.

        Raises:
            ValueError: The table has no such code; the message never holds the code.
        """
        rows = self._by_theirs.get(theirs)
        if not rows:
            raise ValueError(f"is not an agency code in code table `{self.name}`")
        return (_on(rows, day) or max(rows, key=lambda row: row.valid_to or date.max)).ours

    def row(self, ours: str, day: date) -> CodeRow | None:
        """Return what *ours* meant on *day*, else what it meant last before it ended; None when the table has no such code."""
        rows = self._by_code.get(ours, ())
        return _on(rows, day) or max(rows, key=lambda row: row.valid_to or date.max, default=None)

    def successor(self, row: CodeRow, day: date) -> CodeRow | None:
        """Return the row that stands on *day* for what *row* meant, *row* itself while it is valid; None: that cannot be told."""
        passed: list[CodeRow] = []
        while row.valid_to is not None and row.valid_to < day:
            passed.append(row)
            after = row.valid_to + timedelta(days=1)
            following = self._by_code.get(row.successors[0], ()) if len(row.successors) == 1 else ()
            found = _on(following, after)
            if found is None or found in passed:
                return None
            row = found
        return row


def read_code_table(path: Path) -> CodeTable:
    """
    Return the table in the CSV file *path*, named after the file.

    Raises:
        FilesRefused: With every fault of the file.
    """
    file = f"{path.parent.name}/{path.name}"
    lines = read_csv(path)
    header = [cell.strip() for cell in lines[0]] if lines else []
    faults = _header_faults(file, header)
    if faults:
        raise FilesRefused(faults)
    numbered: list[tuple[int, CodeRow]] = []
    for number, cells in enumerate(lines[1:], 2):
        row = _row(file, number, header, cells, faults) if any(cell.strip() for cell in cells) else None
        if row is not None:
            numbered.append((number, row))
    faults += _conflicts(file, numbered)
    if faults:
        raise FilesRefused(faults)
    return CodeTable(path.stem, (row for _, row in numbered))


def read_code_tables(folder: Path) -> Mapping[str, CodeTable]:
    """
    Return every `*.csv` of *folder* by name; none when the folder does not exist.

    Raises:
        FilesRefused: With every fault of all files.
    """
    tables: dict[str, CodeTable] = {}
    faults: list[FileFault] = []
    for path in sorted(folder.glob("*.csv")):
        try:
            tables[path.stem] = read_code_table(path)
        except FilesRefused as refused:
            faults += refused.faults
    if faults:
        raise FilesRefused(faults)
    return tables


def _group(rows: Iterable[CodeRow], way: OneWay, key: Callable[[CodeRow], str]) -> dict[str, tuple[CodeRow, ...]]:
    grouped: dict[str, list[CodeRow]] = defaultdict(list)
    for row in rows:
        if row.one_way in ("", way):
            grouped[key(row)].append(row)
    return {code: tuple(found) for code, found in grouped.items()}


def _on(rows: tuple[CodeRow, ...], day: date | None) -> CodeRow | None:
    """The row valid on *day*; without a day the one that ended last."""
    if day is None:
        return max(rows, key=lambda row: row.valid_to or date.max, default=None)
    return next((row for row in rows if row.valid_on(day)), None)


def _header_faults(file: str, header: list[str]) -> list[FileFault]:
    faults = [
        FileFault(file, column, "is missing in the first line: every code table has the columns " + ",".join(COLUMNS))
        for column in ("ours", "theirs")
        if column not in header
    ]
    for column in header:
        if column not in COLUMNS:
            faults.append(
                FileFault(file, column, f"is not a known column ({', '.join(COLUMNS)}){nearest(column, COLUMNS)}")
            )
        elif header.count(column) > 1:
            faults.append(FileFault(file, column, "stands twice in the first line"))
    return faults


def _row(file: str, number: int, header: list[str], cells: list[str], faults: list[FileFault]) -> CodeRow | None:
    """Return the row of line *number*, or None after adding what is wrong with it to *faults*."""
    before = len(faults)
    if len(cells) != len(header):
        faults.append(
            FileFault(
                file,
                f"line {number}",
                f"has {len(cells)} cells where the first line has {len(header)}: put text with a comma in quotes",
            )
        )
        return None
    cell = {name: unicodedata.normalize("NFC", text.strip()) for name, text in zip(header, cells, strict=True)}
    faults += [
        FileFault(file, f"line {number}, {name}", "is empty: every row needs it")
        for name in ("ours", "theirs")
        if not cell[name]
    ]
    faults += [
        FileFault(
            file, f"line {number}, {name}", "holds a line break, a tab or another unseen sign; type the cell anew"
        )
        for name in ("ours", "theirs")
        if not cell[name].isprintable()
    ]
    if cell.get("one_way", "") not in ("", "write", "read"):
        faults.append(
            FileFault(
                file,
                f"line {number}, one_way",
                "is neither `write` (only when we send), `read` (only when we receive) nor empty",
            )
        )
    days: dict[str, date | None] = {}
    for name in ("valid_from", "valid_to"):
        try:
            days[name] = date.fromisoformat(text) if (text := cell.get(name, "")) else None
        except ValueError:
            faults.append(FileFault(file, f"line {number}, {name}", "is no day: write it like 2025-07-01"))
    first, last = days.get("valid_from"), days.get("valid_to")
    if first and last and last < first:
        faults.append(FileFault(file, f"line {number}, valid_to", "lies before valid_from"))
    if len(faults) > before:
        return None
    one_way = cast("OneWay", cell.get("one_way", ""))
    return CodeRow(
        cell["ours"],
        cell["theirs"],
        one_way,
        first,
        last,
        cell.get("succeeded_by", ""),
        cell.get("vi", ""),
        cell.get("en", ""),
    )


def _conflicts(file: str, numbered: list[tuple[int, CodeRow]]) -> list[FileFault]:
    """Rows between which a look-up could not choose, and successors that do not exist."""
    faults: list[FileFault] = []
    known = {row.ours for _, row in numbered}
    for way, side, other in (("write", "ours", "theirs"), ("read", "theirs", "ours")):
        earlier: dict[str, list[tuple[int, CodeRow]]] = defaultdict(list)
        for number, row in numbered:
            if row.one_way not in ("", way):
                continue
            code = row.ours if side == "ours" else row.theirs
            clash = next((line for line, first in earlier[code] if first.meets(row)), None)
            if clash is not None:
                rest = "read" if way == "write" else "write"
                says = f"has the same `{side}` as line {clash} and another `{other}`: which one holds when we {way}? Put `{rest}` in one_way of the row that does not"
                faults.append(FileFault(file, f"line {number}, {side}", says))
            earlier[code].append((number, row))
    for number, row in numbered:
        for successor in row.successors:
            if successor not in known:
                says = f"`{successor}` is no code of column ours{nearest(successor, known)}"
                faults.append(FileFault(file, f"line {number}, succeeded_by", says))
    return faults
