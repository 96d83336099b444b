"""
What a code table leaves open although it loads: days without a row, successors that lead nowhere, codes without a way back.

What would make a look-up ambiguous is refused when the table is read (`codes.py`); this is for `hub check --tables`.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta

from mappings.codes import CodeRow, CodeTable


def loose_ends(table: CodeTable) -> Iterator[tuple[str, str]]:
    """Give each loose end of *table*: our code, and a sentence that says what to write instead."""
    rows: dict[str, list[CodeRow]] = defaultdict(list)
    for row in table.rows:
        rows[row.ours].append(row)
    readable = {row.theirs for row in table.rows if row.one_way != "write"}
    for code, mine in rows.items():
        for says in (*_gaps(mine), *_ends(code, mine, rows), *_no_way_back(mine, readable)):
            yield code, says


def _gaps(mine: list[CodeRow]) -> Iterator[str]:
    """Days between two rows of one code on which it has none."""
    known: date | None = None
    for row in sorted(mine, key=lambda row: (row.valid_from or date.min, row.valid_to or date.max)):
        first, last = row.valid_from or date.min, row.valid_to or date.max
        if known is not None and known < date.max and first > known + timedelta(days=1):
            yield (
                f"has no row from {known + timedelta(days=1)} to {first - timedelta(days=1)}: correct the days, or add a row"
            )
        known = last if known is None else max(known, last)


def _ends(code: str, mine: list[CodeRow], rows: dict[str, list[CodeRow]]) -> Iterator[str]:
    """Rows that end, or say that they do, without anything that takes their place the day after."""
    for row in mine:
        if row.valid_to is None:
            if row.successors:
                yield "names a successor and no last day, so it is never succeeded: write valid_to"
            continue
        if row.valid_to == date.max:
            yield f"ends on {row.valid_to}, which no day follows: leave valid_to empty while it is valid"
            continue
        after = row.valid_to + timedelta(days=1)
        if not row.successors:
            if row.one_way != "read" and not any(one.valid_on(after) for one in mine):
                yield (
                    f"ended on {row.valid_to} and nothing took its place: name it in succeeded_by, or put `read` in one_way"
                    " when it is never written"
                )
            continue
        if _circles(code, rows):
            yield "is succeeded in a circle: a chain of successors ends in a code that is still valid"
            continue
        for successor in row.successors:
            if not any(one.valid_on(after) for one in rows[successor]):
                yield f"is succeeded by `{successor}`, which has no row for {after}, the day after: correct the days"


def _circles(code: str, rows: dict[str, list[CodeRow]]) -> bool:
    """Whether single successors lead from *code* back to a code that was passed, and none of them is valid for good."""
    passed: set[str] = set()
    while code not in passed:
        passed.add(code)
        if any(row.valid_to is None for row in rows[code]):
            return False
        following = [row.successors[0] for row in rows[code] if len(row.successors) == 1]
        if not following:
            return False
        code = following[-1]
    return True


def _no_way_back(mine: list[CodeRow], readable: set[str]) -> Iterator[str]:
    """Codes of theirs that we write and would not understand in an answer."""
    for row in mine:
        if row.one_way == "write" and row.theirs not in readable:
            yield (
                "is written as a code that no row reads back: take `write` out of one_way, or add the row that reads it"
            )
