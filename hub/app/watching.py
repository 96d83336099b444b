"""
Watching ourselves: how late the loop runs, what waits in the lines, and how much memory the process occupies.

What is seen goes to the metrics and to `hub/shedding.py`, which decides whose calls are refused because of it.
"""

import asyncio
import ctypes
import sys
from collections.abc import Callable, Iterator
from mmap import PAGESIZE
from pathlib import Path, PurePosixPath
from typing import Final

from hub.shedding import Shedding
from monitoring.metrics import Metrics

LAG_EVERY: Final = 0.02
"""Seconds between two looks at how late the loop runs: a stop that is shorter may pass unseen."""
WEIGH_EVERY: Final = 5
"""Looks at the loop between two looks at bytes and memory."""
PART: Final = 0.8
"""Of the memory there is: what one process may occupy, where the settings name no number."""
TRIM_EVERY: Final = 10.0
"""Seconds between two attempts to give memory back while there is too much of it."""

Read = Callable[[str], str | None]
"""Returns the text of a small file, None when there is none."""


def read_file(path: str) -> str | None:
    """Return the text of *path*, None when it cannot be read; the files of `/proc` do not wait for a disk."""
    try:
        return Path(path).read_text("ascii")
    except (OSError, ValueError):
        return None


class Memory:
    """The memory of this process, as Linux tells it; elsewhere nothing is known, and nothing refused for it."""

    def __init__(self, read: Read = read_file) -> None:
        self._read = read

    def occupied(self) -> int:
        """Return the bytes that are in RAM, 0 when unknown."""
        fields = (self._read("/proc/self/statm") or "").split()
        return int(fields[1]) * PAGESIZE if len(fields) > 1 else 0

    def allowed(self) -> float:
        """Return four fifths of the machine's memory, or of what a cgroup leaves of it; infinite when unknown."""
        return PART * min(self._limits(), default=float("inf"))

    def _limits(self) -> Iterator[int]:
        for line in (self._read("/proc/meminfo") or "").splitlines():
            if line.startswith("MemTotal:"):
                yield int(line.split()[1]) * 1024
        for line in (self._read("/proc/self/cgroup") or "").splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers == "":
                place, file = "/sys/fs/cgroup", "memory.max"
            elif "memory" in controllers.split(","):
                place, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
            else:
                continue
            here = PurePosixPath(group)
            for path in (here, *here.parents):  # each of them bounds those below; in a container only the root is there
                limit = (self._read(f"{place}{path}/{file}".replace("//", "/")) or "").strip()
                if limit.isdigit():
                    yield int(limit)


async def watch(metrics: Metrics, shedding: Shedding, queued: Callable[[], int], memory: Memory) -> None:
    """Look until cancelled; *queued* returns how many bytes of requests wait in all lines."""
    loop = asyncio.get_running_loop()
    looks, trimmed_at = 0, loop.time()
    while True:
        due = loop.time() + LAG_EVERY
        await asyncio.sleep(LAG_EVERY)
        late = max(0.0, loop.time() - due)
        metrics.loop_lag(late)
        shedding.lag(late)
        looks += 1
        if looks % WEIGH_EVERY == 0:
            shedding.weigh(queued=queued(), memory=memory.occupied())
        if shedding.full and loop.time() - trimmed_at > TRIM_EVERY:
            trimmed_at = loop.time()
            loop.run_in_executor(None, _give_back)  # takes a while, so not on the loop


def _give_back() -> None:
    """Give free memory back to the system: what stays with the allocator would keep the door closed for ever."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # glibc only
        trim(0)
