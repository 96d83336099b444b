"""
Officers and units as an operator keeps them: two tables of a spreadsheet, saved as CSV in UTF-8. Next: `identity.py`.

`officers.csv`: `officer,unit,valid_from,valid_to,agency,account,name`, one line per account; agency, account and name
stay empty in a line that only says to which unit an officer belongs. `units.csv`: `unit,valid_from,valid_to,agency,code`, the
same way. Days are `yyyy-mm-dd`, both inclusive; an open end is empty. A file is the whole register, not a change.
"""

import csv
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from difflib import get_close_matches
from io import StringIO

from hub.store.registers import OfficerLine, UnitLine
from mappings.errors import FileFault, FilesRefused
from mappings.identifiers import ended_province
from mappings.text import clean_name

OFFICER_COLUMNS = ("officer", "unit", "valid_from", "valid_to", "agency", "account")
OFFICER_MAY = ("name",)
"""A column that a register may leave out, as one does that was kept before agencies asked for it."""
UNIT_COLUMNS = ("unit", "valid_from", "valid_to", "agency", "code")

Row = tuple[int, dict[str, str]]
LONGEST_CELL = 255
_LONG = f"is longer than {LONGEST_CELL} characters"
_UNPRINTED = "holds a character that cannot be read, such as a line break, a tab or a zero byte; type the cell anew"


def read_officers(content: bytes, *, units: Collection[str], agencies: Collection[str]) -> Sequence[OfficerLine]:
    """
    Read `officers.csv`. *units* and *agencies* are the names it may use.

    Raises:
        FilesRefused: Every fault of the file at once, by line; never an account, which may be a person's own number.
    """
    rows, faults = _rows("officers.csv", content, OFFICER_COLUMNS, OFFICER_MAY)
    for number, row in rows:
        faults += _line_faults("officers.csv", number, row, "officer", "account", agencies)
        if row["unit"] not in units:
            says = "is not in the register of units: import units first" if row["unit"] else "names the officer's unit"
            faults.append(_fault("officers.csv", number, "unit", says))
        faults += _name_faults(number, row)
        if row.get("name") and not row["agency"]:
            faults.append(_fault("officers.csv", number, "name", "is that at an agency: name the agency too"))
    faults += _overlaps("officers.csv", rows, ("officer", "agency"), needs="agency")
    if faults:
        raise FilesRefused(faults)
    return [OfficerLine(**row | {"name": clean_name(row.get("name", ""))}) for _, row in rows]


def read_units(content: bytes, *, agencies: Collection[str]) -> Sequence[UnitLine]:
    """
    Read `units.csv`. *agencies* are the names it may use.

    Raises:
        FilesRefused: Every fault of the file at once, by line.
    """
    rows, faults = _rows("units.csv", content, UNIT_COLUMNS)
    for number, row in rows:
        faults += _line_faults("units.csv", number, row, "unit", "code", agencies)
        faults += _ended_faults(number, row)
    faults += _overlaps("units.csv", rows, ("unit", "agency"), needs="agency")
    if faults:
        raise FilesRefused(faults)
    return [UnitLine(**row) for _, row in rows]


def _rows(
    file: str, content: bytes, columns: tuple[str, ...], may: tuple[str, ...] = ()
) -> tuple[list[Row], list[FileFault]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FilesRefused([FileFault(file, "", "is not UTF-8: save it as `CSV UTF-8`")]) from None
    head = text.split("\n", 1)[0]
    separator = ";" if head.count(";") > head.count(",") else ","  # what a Vietnamese spreadsheet writes
    try:
        lines = list(csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error:
        raise FilesRefused([FileFault(file, "", "has a quotation mark out of place, or never closed")]) from None
    header = [name.strip() for name in lines[0]] if lines else []
    faults = _header_faults(file, header, columns, may)
    if faults:
        raise FilesRefused(faults)
    rows: list[Row] = []
    for number, line in enumerate(lines[1:], 2):
        cells = [cell.strip() for cell in line]
        if not any(cells):
            continue
        if len(cells) != len(header):
            faults.append(_fault(file, number, "", f"has {len(cells)} cells; the header has {len(header)}"))
            continue
        row = dict(zip(header, cells, strict=True))
        faults += [_fault(file, number, name, _UNPRINTED) for name, cell in row.items() if not cell.isprintable()]
        faults += [_fault(file, number, name, _LONG) for name, cell in row.items() if len(cell) > LONGEST_CELL]
        rows.append((number, row))
    return rows, faults


def _header_faults(file: str, header: Sequence[str], columns: tuple[str, ...], may: tuple[str, ...]) -> list[FileFault]:
    needs = f"it needs {','.join(columns)}"
    if not set(header) & set(columns):  # a first line of data: repeating it would tell a person's number
        return [FileFault(file, "", f"does not begin with a line of column names; {needs}")]
    faults = []
    for name in header:
        if name not in (*columns, *may):
            near = get_close_matches(name, (*columns, *may), 1)
            faults.append(FileFault(file, name, f"is no column; did you mean `{near[0]}`?" if near else "is no column"))
    missing = [name for name in columns if name not in header]
    if missing:
        faults.append(FileFault(file, "", f"lacks the columns {', '.join(missing)}; {needs}"))
    if len(set(header)) != len(header):
        faults.append(FileFault(file, "", "names a column twice"))
    return faults


def _line_faults(
    file: str, number: int, row: dict[str, str], who: str, what: str, agencies: Collection[str]
) -> Iterable[FileFault]:
    if not row[who]:
        yield _fault(file, number, who, "must not be empty")
    for column in ("valid_from", "valid_to"):
        if not _is_day(row[column]) and not (column == "valid_to" and not row[column]):
            may = "or empty while it is open" if column == "valid_to" else "and is always given"
            yield _fault(file, number, column, f"is a day as yyyy-mm-dd, {may}")
    if row["valid_to"] and row["valid_to"] < row["valid_from"]:
        yield _fault(file, number, "valid_to", "is before valid_from")
    if bool(row["agency"]) != bool(row[what]):
        yield _fault(file, number, what, f"agency and {what} are given together, or both left empty")
    if row["agency"] and row["agency"] not in agencies:
        near = get_close_matches(row["agency"], agencies, 1)
        yield _fault(file, number, "agency", f"is unknown; did you mean `{near[0]}`?" if near else "is unknown")


def _name_faults(number: int, row: dict[str, str]) -> Iterable[FileFault]:
    try:
        clean_name(row.get("name", ""))
    except ValueError as error:
        yield _fault("officers.csv", number, "name", str(error))


def _ended_faults(number: int, row: dict[str, str]) -> Iterable[FileFault]:
    """A code of a province that has ended may be read in old dossiers, and is sent as ours no longer."""
    ended = ended_province(row["code"])
    if ended is not None and (row["valid_to"] or "9999") > ended[1].isoformat():
        successor, last = ended
        says = f"is of a province that ended on {last}: close this line then, and add one with the code of {successor}"
        yield _fault("units.csv", number, "code", says)


def _overlaps(file: str, rows: Sequence[Row], key: tuple[str, str], needs: str) -> Iterable[FileFault]:
    """Yield a fault for each line whose days overlap those of an earlier line that says the same thing."""
    seen: dict[tuple[str, ...], list[Row]] = {}
    for number, row in rows:
        if not row[needs] or not (_is_day(row["valid_from"]) and _is_day(row["valid_to"] or row["valid_from"])):
            continue
        same = seen.setdefault(tuple(row[name] for name in key), [])
        for other_number, other in same:
            if row["valid_from"] <= (other["valid_to"] or "9999") and other["valid_from"] <= (
                row["valid_to"] or "9999"
            ):
                yield _fault(file, number, "valid_from", f"these days overlap those of line {other_number}")
                break
        same.append((number, row))


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _fault(file: str, number: int, column: str, says: str) -> FileFault:
    return FileFault(file, f"line {number} {column}".rstrip(), says)
