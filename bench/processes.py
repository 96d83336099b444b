"""
What processes have used: CPU and memory of whole families, as Linux tells it under `/proc`.

PostgreSQL, Celery and taskiq work in children of what was started; a figure that leaves them out is no figure.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Used:
    """One process: who started it, and the CPU it has used."""

    parent: int
    own: float
    """Seconds, all its threads."""
    of_ended: float
    """Seconds of those of its children that have ended, and of theirs."""


def read(stat: str) -> Used:
    """Read the text of `/proc/<pid>/stat`. The second field is a name, which may hold anything, spaces too."""
    fields = stat.rpartition(")")[2].split()
    own, ended = ((int(fields[at]) + int(fields[at + 1])) / _TICKS for at in (11, 13))
    return Used(int(fields[1]), own, ended)


def family(all_of: Mapping[int, Used], root: int) -> list[int]:
    """Return *root* and everything it started that lives."""
    found = [root]
    for one in found:  # grows as it is walked
        found += [pid for pid, used in all_of.items() if used.parent == one]
    return found


def seconds(all_of: Mapping[int, Used], roots: Iterable[int]) -> float:
    """Return the CPU seconds of the families of *roots*: it never falls, whichever children end."""
    return sum(
        all_of[pid].own + all_of[pid].of_ended for root in roots for pid in family(all_of, root) if pid in all_of
    )


def running() -> dict[int, Used]:
    """Return every process there is."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found[int(folder.name)] = read((folder / "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):  # it has ended since
                continue
    return found


def most_memory(pid: int) -> int:
    """Return the most bytes of RAM that process *pid* has occupied since it began."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
