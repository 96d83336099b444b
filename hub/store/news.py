"""
What a commit tells other nodes, as text that PostgreSQL carries: `batch.py` sends it, `listening.py` hands it on.

A payload names its sender in the first line, then one fact a line. PostgreSQL takes fewer than 8,000 bytes at once.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from hub.call import Class
from hub.store.protocol import News

_LONGEST = 7_900


class Noted:
    """News of one batch, noted by its members."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}

    def ready(self, agency: str, cls: Class | str) -> None:
        """Durable calls of *agency* may be leased."""
        self._lines[f"ready {agency} {cls}"] = None

    def ended(self, call_id: str) -> None:
        """A durable call left the line: whoever waits for it may look."""
        self._lines[f"ended {call_id}"] = None

    def doubt(self, agency: str) -> None:
        self._lines[f"doubt {agency}"] = None

    def orders(self) -> None:
        self._lines["orders"] = None

    def registers(self) -> None:
        self._lines["registers"] = None

    def payloads(self, sender: str) -> Iterator[str]:
        """Give what was noted, in as few payloads as there is room for."""
        part, size = [sender], len(sender.encode())
        for line in self._lines:
            length = len(line.encode()) + 1
            if size + length > _LONGEST and len(part) > 1:
                yield "\n".join(part)
                part, size = [sender], len(sender.encode())
            part.append(line)
            size += length
        if len(part) > 1:
            yield "\n".join(part)


def heard(payload: str, node: str) -> News | None:
    """Return what another node told, None for what *node* told itself."""
    sender, *lines = payload.split("\n")
    if sender == node:
        return None
    try:
        return _understood(lines)
    except ValueError:  # of another version, or of a stranger: the rest may be true, so look at everything
        return News(missed=True)


def _understood(lines: Sequence[str]) -> News:
    ready: defaultdict[str, set[Class]] = defaultdict(set)
    told: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        what, _, of = line.partition(" ")
        if what == "ready":
            agency, _, cls = of.partition(" ")
            ready[agency].add(Class(cls))
        else:
            told[what].append(of)
    return News(
        ready={agency: frozenset(classes) for agency, classes in ready.items()},
        ended=tuple(told["ended"]),
        doubt=frozenset(told["doubt"]),
        orders="orders" in told,
        registers="registers" in told,
    )
