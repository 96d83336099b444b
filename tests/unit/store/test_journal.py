"""The journal shows every change of what was written."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hub.clock import VirtualClock
from hub.journal import START, Chained, Entry, Head, chain, first_break
from hub.store.sqlite import SqliteStore


def a_journal(length: int = 5) -> list[Chained]:
    rows, head = [], START
    for number in range(length):
        entry = Entry(
            1000.5 + number, "accepted", f"call-{number}", "onestop", "officer-7", "unit-1", "npsp", "file_dossier"
        )
        head = chain(head, entry)
        rows.append(Chained(head.seq, entry, head.hash))
    return rows


def test_an_untouched_journal_is_sound() -> None:
    assert first_break(a_journal()) is None
    assert first_break([]) is None


@dataclass
class Tampering:
    what: str
    do: Callable[[list[Chained]], Any]
    shows_at: int


TAMPERINGS = [
    Tampering(
        "an entry changed",
        lambda rows: rows.__setitem__(2, rows[2]._replace(entry=rows[2].entry._replace(officer="x"))),
        3,
    ),
    Tampering(
        "a moment changed", lambda rows: rows.__setitem__(0, rows[0]._replace(entry=rows[0].entry._replace(at=1.0))), 1
    ),
    Tampering("a hash changed", lambda rows: rows.__setitem__(4, rows[4]._replace(hash=bytes(32))), 5),
    Tampering("an entry removed", lambda rows: rows.pop(1), 2),
    Tampering("two exchanged", lambda rows: rows.insert(1, rows.pop(2)), 2),
    Tampering("the beginning removed", lambda rows: rows.pop(0), 1),
    Tampering("one put in", lambda rows: rows.insert(3, rows[3]._replace(seq=4)), 5),
]


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda one: one.what)
def test_tampering_shows_where_it_begins(tampering: Tampering) -> None:
    rows = a_journal()
    tampering.do(rows)
    assert first_break(rows) == tampering.shows_at


def test_every_field_of_an_entry_is_bound_by_the_hash() -> None:
    entry = Entry(1.0, *("a" * 1 for _ in Entry._fields[1:]))
    for name in Entry._fields:
        other = entry._replace(**{name: 2.0 if name == "at" else "b"})
        assert chain(START, other).hash != chain(START, entry).hash


def test_entries_cut_off_the_end_show_against_a_noted_head() -> None:
    rows = a_journal()
    noted = Head(rows[-1].seq, rows[-1].hash)
    assert first_break(rows, noted=noted) is None
    assert first_break(rows[:-1], noted=noted) == 5
    assert first_break(rows[:-1]) is None
    rewritten = chain(Head(rows[3].seq, rows[3].hash), rows[4].entry._replace(officer="x"))
    assert first_break([*rows[:4], Chained(5, rows[4].entry._replace(officer="x"), rewritten.hash)], noted=noted) == 5


def test_a_part_is_verified_from_the_head_before_it() -> None:
    rows = a_journal()
    assert first_break(rows[2:], Head(rows[1].seq, rows[1].hash)) is None


async def test_the_chain_goes_on_after_the_store_was_closed(tmp_path: Path) -> None:
    for _ in range(2):
        store = SqliteStore.open_file(tmp_path / "hub.db", VirtualClock(), backlog_calls={})
        await store.registers.replace_units([], "operator")
        rows = await store.journal()
        await store.close()
    assert len(rows) == 2
    assert first_break(rows) is None
