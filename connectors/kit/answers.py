"""
What an agency's words mean: `answers.csv`, one line a meaning. Next: `judging.py`, which acts on what is found here.

The most specific line wins, whatever the order of lines. Lines that overlap need a line for the overlap, so that
nobody has to guess which one wins; two texts in one message that mean different things are no verdict at all.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Literal, TypeAlias

from connectors.kit.outcomes import Reason
from mappings.errors import FileFault, FilesRefused
from mappings.table_faults import read_csv
from mappings.text import nfc_if_safe

FILE = "answers.csv"
COLUMNS = ("operation", "http", "code", "says", "result", "reason", "vi", "en")
RESULTS: Mapping[str, str] = {
    "ok": "done, or found",
    "not_found": "the agency has no such record",
    "refused": "the agency says no",
    "exists": "it has that already",
    "pending": "it has it, and is still working on it",
    "login": "it does not know our session any more",
    "busy": "it asks us to slow down",
    "unavailable": "what we sent was never processed, for sure",
    "in_doubt": "it may have been processed",
    "broken": "it cannot be what it says",
}
"""What a line of `answers.csv` may say, and what that means."""
CodeRule: TypeAlias = Literal["text", "integer text"]


@dataclass(frozen=True, slots=True)
class Signs:
    """What a reply shows before it is unwrapped: status, the code and text where the manifest says they lie."""

    status: int
    code: str | None = None
    says: str | None = None
    fault: bool = False
    """True for a fault in an envelope: a line for status 200 alone does not speak of it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `answers.csv`. An empty cell means any."""

    line: int
    operation: str
    http: str
    code: str
    says: str
    result: str
    reason: str
    vi: str
    en: str

    def covers(self, other: "Row") -> bool:
        """True when every reply that fits *other* fits this row too."""
        return (
            self.operation in ("", other.operation)
            and self.http in ("", other.http)
            and self.code in ("", other.code)
            and self.says in other.says
        )

    def fits(self, signs: Signs, code: str, says: str) -> bool:
        if not (self.code or self.says):
            if self.http:
                return self.http == str(signs.status) and not (signs.fault and self.http.startswith("2"))
            return signs.status // 100 == 2 and not signs.fault
        if self.http:
            if self.http != str(signs.status):
                return False
        elif self.result == "ok" and signs.status // 100 != 2:
            return False  # a failing gateway in front of a cached body is no success
        return self.code in ("", code) and self.says in says

    def because(self, code: str | None) -> Reason | None:
        """Return the reason a caller reads, if this row gives one."""
        return Reason((code or "")[:64], self.reason, self.vi, self.en) if self.reason else None


@dataclass(frozen=True, slots=True)
class Judge:
    """The rows that may speak of one operation's replies."""

    rows: tuple[Row, ...]
    rule: CodeRule = "text"

    def row_for(self, signs: Signs, *, by_code: bool = False) -> Row | None:
        """
        Return the most specific row that fits, or None: no row, or two that say different things.

        *by_code*: only rows that name the code count, since a status alone does not speak of what a gateway says.
        """
        code = compared_code(signs.code, self.rule) if signs.code is not None else ""
        says = compared_text(signs.says or "")
        best: Row | None = None
        for row in self.rows:  # sorted: specific first
            if row.fits(signs, code, says) and (row.code or not by_code):
                if best is None:
                    best = row
                elif not row.covers(best) and row.result != best.result:
                    return None
        return best


def compared_text(text: str) -> str:
    """Return *text* as `says` compares it: NFC, case folded, white space single."""
    return " ".join(nfc_if_safe(text).casefold().split())


def compared_code(code: str, rule: CodeRule) -> str:
    """Return *code* as it compares: trimmed; as an integer where the manifest says so, then 0 and 00 are the same."""
    code = code.strip()
    return str(int(code)) if rule == "integer text" and re.fullmatch(r"[+-]?[0-9]{1,18}", code) else code


def load_answers(folder: Path, operations: Mapping[str, CodeRule], *, under: Path | None = None) -> Mapping[str, Judge]:
    """
    Read `answers.csv` of *folder* (none: no rows) into a judge for each of *operations*, with how its codes compare.

    Rows of the folder *under* it count where this one has no row for the same conditions.

    Raises:
        FilesRefused: Every fault of the file at once.
    """
    rows, faults = _read(folder, operations)
    if under is not None:
        more, others = _read(under, operations)
        rows += [row for row in more if not any(row.covers(own) and own.covers(row) for own in rows)]
        faults += others
    judges: dict[str, Judge] = {}
    for name, rule in operations.items():
        mine = [replace(row, code=compared_code(row.code, rule)) for row in rows if row.operation in ("", name)]
        faults += _overlaps(mine, f"{folder.name}/{FILE}")
        judges[name] = Judge(tuple(sorted(mine, key=_specific_first)), rule)
    if faults:
        raise FilesRefused(list(dict.fromkeys(faults)))
    return judges


def _specific_first(row: Row) -> tuple[int, int, int]:
    return -sum(map(bool, (row.operation, row.http, row.code, row.says))), -len(row.says), row.line


def _read(folder: Path, operations: Mapping[str, CodeRule]) -> tuple[list[Row], list[FileFault]]:
    file, name = folder / FILE, f"{folder.name}/{FILE}"
    if not file.is_file():
        return [], []
    try:
        lines = read_csv(file)
    except FilesRefused as refused:
        return [], list(refused.faults)
    if not lines or tuple(lines[0]) != COLUMNS:
        return [], [FileFault(name, "line 1", f"must name the columns {','.join(COLUMNS)}")]
    rows, faults = [], []
    for number, cells in enumerate(lines[1:], 2):
        if not any(cells):
            continue
        if len(cells) != len(COLUMNS):
            faults.append(
                FileFault(
                    name,
                    f"line {number}",
                    f"has {len(cells)} cells, not {len(COLUMNS)}; quote a text that holds a comma",
                )
            )
            continue
        operation, http, code, says, *rest = (cell.strip() for cell in cells)
        row = Row(number, operation, http, code, compared_text(says), *rest)
        rows.append(row)
        faults += [FileFault(name, f"line {number}", says) for says in _faults_of(row, operations)]
    return rows, faults


def _faults_of(row: Row, operations: Mapping[str, CodeRule]) -> list[str]:
    checks = (
        (row.operation and row.operation not in operations, f"the manifest has no operation `{row.operation}`"),
        (row.http and not re.fullmatch(r"[1-5][0-9]{2}", row.http), "http is a status such as 200, or empty"),
        (row.result not in RESULTS, f"result is one of {', '.join(RESULTS)}"),
        (
            row.result == "ok" and row.says and not row.code,
            "a text alone can never mean ok (`không thành công` holds `thành công`); name the code",
        ),
        (
            row.result == "refused" and not (row.reason and row.vi and row.en),
            "a refusal needs reason, vi and en, for the officer who reads it out",
        ),
        (
            row.reason and not re.fullmatch(r"[a-z][a-z0-9_.]*", row.reason),
            "reason is a stable code such as `name_differs`",
        ),
    )
    return [says for wrong, says in checks if wrong]


def _overlaps(rows: Sequence[Row], name: str) -> list[FileFault]:
    faults = []
    for one, two in combinations(rows, 2):
        if one.covers(two) and two.covers(one):
            faults.append(FileFault(name, f"line {two.line}", f"has the same conditions as line {one.line}; keep one"))
        elif (one.result, one.reason) != (two.result, two.reason) and not one.covers(two) and not two.covers(one):
            meet = _meet(one, two)
            if meet and not any(row.covers(meet) and meet.covers(row) for row in rows):
                cells = ",".join((meet.operation, meet.http, meet.code, meet.says))
                faults.append(
                    FileFault(name, f"line {two.line}", f"overlaps line {one.line}; add a line for both: `{cells},...`")
                )
    return faults


def _meet(one: Row, two: Row) -> Row | None:
    """Return the conditions under which both fit, or None: never, or only when a message holds two texts."""
    pairs = ((one.operation, two.operation), (one.http, two.http), (one.code, two.code))
    if any(mine and theirs and mine != theirs for mine, theirs in pairs):
        return None
    if one.says not in two.says and two.says not in one.says:
        return None  # decided on the reply itself: contradicting texts are no verdict
    operation, http, code = (mine or theirs for mine, theirs in pairs)
    return replace(one, operation=operation, http=http, code=code, says=max(one.says, two.says, key=len))
