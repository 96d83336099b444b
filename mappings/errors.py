"""
What can go wrong with a table of correspondences: when it is loaded, and when a conversation passes through it.

Neither error ever carries a value: a person's data must not reach a log by way of an error text.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One place of a payload that broke one rule, e.g. `HoVaTen/Ten` and `text is longer than 50`."""

    place: str
    rule: str

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}"


class MappingFailed(Exception):
    """A payload does not fit its mapping. `faults` names every place and rule, never a value."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in self.faults))


@dataclass(frozen=True, slots=True)
class FileFault:
    """One fault of a file that an author wrote: which file, which key, what to write instead."""

    file: str
    key: str
    says: str

    def __str__(self) -> str:
        return f"{self.file} [{self.key}]: {self.says}" if self.key else f"{self.file}: {self.says}"


class FilesRefused(Exception):
    """Manifest, mapping or table files cannot be used. `faults` lists every fault of all files at once."""

    def __init__(self, faults: Sequence[FileFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))
