"""
Who did what, when and why, in a chain of hashes: changing, removing or reordering one entry shows. Read by `hub journal`.

This module forms and verifies entries; the store writes them, in the same commit as what they record. Each node that
writes a store continues a chain of its own, so that none waits for another; each is verified by itself. An entry holds
ids of registers, codes of dossiers and ids of calls, never a citizen's data. Entries cut off the end leave a shorter
but sound chain: compare with a head that was noted elsewhere.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from pydantic_core import to_json

BEGINNING = bytes(32)
"""What the first entry is chained to."""


class Entry(NamedTuple):
    """One line of the journal, in the order in which it is hashed."""

    at: float
    """Unix seconds."""
    event: str
    """`accepted`, `sending`, a state a call entered, `late_evidence`, `caller_added`, `officers_imported`..."""
    call: str | None = None
    caller: str | None = None
    """The system that asked; for acts of an operator, his name in the register or `operator`."""
    officer: str | None = None
    unit: str | None = None
    agency: str | None = None
    operation: str | None = None
    purpose: str | None = None
    """Dossier, intake number and procedure, e.g. `dossier=H32.1-261123-0001`."""
    detail: str | None = None
    """Number of the exchange, outcome and cause, or what was changed in a register."""


class Head(NamedTuple):
    """Where a chain ends: note it elsewhere to notice entries cut off the end."""

    seq: int
    hash: bytes


START = Head(0, BEGINNING)
"""The head of an empty journal."""


class Chained(NamedTuple):
    """An entry as stored: its number, and the hash that binds it to all entries before."""

    seq: int
    entry: Entry
    hash: bytes


def chain(head: Head, entry: Entry) -> Head:
    """Return the head after *entry*: SHA-256 over the hash before and the canonical JSON `[number, *entry]`."""
    seq = head.seq + 1
    return Head(seq, sha256(head.hash + to_json((seq, *entry))).digest())


def first_break(rows: Iterable[Chained], start: Head = START, noted: Head | None = None) -> int | None:
    """
    Return the number of the first entry that does not continue the chain, or None when all do.

    *start* is the head before the first row, for verifying a part. With *noted*, a head written down earlier, the
    number after the last sound entry is returned when the chain ends before it or passes it with another hash.
    """
    head = start
    met = noted is None or noted.seq <= start.seq
    for row in rows:
        expected = chain(head, row.entry)
        if (row.seq, row.hash) != expected:
            return expected.seq
        head = expected
        if noted is not None and head.seq == noted.seq:
            if head.hash != noted.hash:
                return head.seq
            met = True
    return None if met else head.seq + 1
