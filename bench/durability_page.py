"""
From what a durability run has seen to its page: figures, each beside its aim, tables, and what each system does.

Pure, from what `durability.py` measured.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from itertools import chain
from statistics import median
from typing import Any

from bench.aims import Aim, machine, verdicts
from bench.backlogs import Backlog
from bench.forms import FORMS
from bench.load import spread
from bench.queues import KINDS
from bench.seen import Seen

AT_ONCE = 32
OVER_CELERY, OVER_TASKIQ = 1.0, 0.8
"""Whole calls for each second of CPU, as a multiple of the peer's."""
DEARER = 1.2
"""Times what a call costs while a thousand wait."""
FLAT_MB = 50.0
BUSY = 0.5
"""Load average from which on a machine is not ours alone."""


@dataclass(slots=True)
class Measured:
    """All that one run has seen."""

    accepted: dict[str, list[Seen]]
    carried: dict[str, list[Seen]]
    """By system, in the order of the repeats."""
    backlogs: list[Backlog]
    left_out: list[str]
    """One line for each peer that is not installed."""
    sent: dict[str, list[int]] = field(default_factory=dict)
    """Exchanges of each node, by system, where there are several."""
    stands_on: str = ""
    """Versions of the peers and of the stores, and how busy the machine was before."""


def stands_on(load: float) -> str:
    """Return the versions of what is measured beside the hub's own, and *load*, the load average before it began."""
    packages = [package for kind in KINDS if not kind.missing for package in (*kind.packages, "redis")]
    versions = [f"{name.replace('_', '-')} {version(name)}" for name in dict.fromkeys(packages)]
    said = ", ".join([f"SQLite {sqlite3.sqlite_version}", *versions])
    shared = "; other work shared the machine, so read ratios and no rates" if load > BUSY else ""
    return f"{said}; load average before the run {load:.1f}{shared}."


def per_cpu_second(seen: Sequence[Seen]) -> float:
    """Return the median of the calls for each second of CPU."""
    return median(one.per_cpu_second for one in seen)


def weigh(run: Measured) -> list[Aim]:
    """Return every figure that has an aim."""
    forms = dict.fromkeys(one.form for one in run.backlogs)
    beside = (_beside_backlogs([one for one in run.backlogs if one.form == form]) for form in forms)
    return [*_beside_peers(run), *chain.from_iterable(beside)]


def _beside_peers(run: Measured) -> Iterator[Aim]:
    for peer, least in (("Celery", OVER_CELERY), ("taskiq", OVER_TASKIQ)):
        for form in FORMS:
            if run.carried.get(peer) and run.carried.get(form.name):
                ours, theirs = run.carried[form.name], run.carried[peer]
                what = f"whole calls for a second of CPU, {form.name}, over {peer}"
                failed = sum(one.failed for one in (*ours, *theirs))
                yield Aim(what, per_cpu_second(ours) / per_cpu_second(theirs), least, at_least=True, failed=failed)


def _beside_backlogs(seen: Sequence[Backlog]) -> Iterator[Aim]:
    least, *others = seen
    for one in others:
        failed = sum(each.failed for each in (*one.elsewhere, *one.accepted))
        beside = f"{one.waiting:,} calls wait, over that with {least.waiting:,}: {one.form}"
        ratio = median(each.cpu_us for each in one.elsewhere) / median(each.cpu_us for each in least.elsewhere)
        yield Aim(f"CPU of a whole call to another lane while {beside}", ratio, DEARER, failed=failed)
        yield Aim(
            f"CPU of a whole call to the lane where {beside}",
            median(one.same) / median(least.same),
            DEARER,
            failed=failed,
        )
        more = (one.memory - least.memory) / 1e6
        yield Aim(f"MB of memory that the hub occupies more while {beside}", more, FLAT_MB)


# --- The page --------------------------------------------------------------------------------------------------------

HEAD = "| system | a second | CPU µs a call | of that | a second of CPU | apart, µs a call | failed |\n|---|---|---|---|---|---|---|"
BACKLOG_HEAD = (
    "| system | calls that wait | ready after s | whole call to another lane, CPU µs | whole call to that lane, CPU µs "
    "| of that: taking it | sending it | memory MB |\n|---|---|---|---|---|---|---|---|"
)


def row(system: str, seen: Sequence[Seen]) -> str:
    """Return one line of a table: medians with their spread."""

    def parts(of: str) -> str:
        names = getattr(seen[0], of)
        return ", ".join(
            f"{part} {median(getattr(one, of)[part] / one.calls * 1e6 for one in seen):,.0f}" for part in names
        )

    return (
        f"| {system} | {spread([one.per_second for one in seen])} | {spread([one.cpu_us for one in seen])} | {parts('cpu')} "
        f"| {per_cpu_second(seen):,.0f} | {parts('apart')} | {sum(one.failed for one in seen)} |"
    )


def backlog_row(one: Backlog) -> str:
    """Return the line of one backlog."""
    elsewhere, taken, sent = ([each.cpu_us for each in part] for part in (one.elsewhere, one.accepted, one.drained))
    return (
        f"| {one.form} | {one.waiting:,} | {one.ready_seconds:.1f} | {spread(elsewhere)} | {spread(one.same)} | {median(taken):,.0f} "
        f"| {median(sent):,.0f} | {one.memory / 1e6:,.0f} |"
    )


DOES = """\
| | hub | taskiq | Celery |
|---|---|---|---|
| asked over | HTTP, with a key, a quota, an officer and a purpose, checked | its library, in the process that enqueues | likewise |
| on disk before the enqueue returns | yes, `synchronous=FULL`, or `fsync` of PostgreSQL | yes, `appendfsync always` | yes, `appendfsync always` |
| same key sent again | found, one call | a second task | a second task |
| what is sent | rendered from a canonical model | bytes as enqueued | bytes as enqueued |
| what comes back | judged, mapped, kept with the call | status looked at, thrown away | status looked at, thrown away |
| before it leaves | `sending` is on disk: a crash leaves doubt, never a silent repeat | taken from the stream, repeated after a crash | likewise |
| done | settled on disk with a journal that shows tampering | acknowledged, on disk | acknowledged, on disk |
| limits of the agency, order, shares | kept, also over several nodes | - | - |
| HTTP client | aiohttp | aiohttp | http.client, kept connection |"""


WHY = (
    "Where a row is dearer than the one above: PostgreSQL is a process of its own, to which a call goes with each of its "
    "four writes (taken, leased, leaving, settled); and where two nodes share an agency, each exchange asks Redis for leave "
    "three times (its permit, its moment to go, its return), so that the contract holds over both."
)


def page(run: Measured, aims: Sequence[Aim]) -> str:
    """Return the whole page."""
    blocks = [
        "# What it costs that nothing is lost",
        machine(),
        run.stands_on,
        verdicts(aims),
        *run.left_out,
        f"## Whole calls: taken, sent, settled, {AT_ONCE} at once",
        "\n".join([HEAD, *(row(*one) for one in run.carried.items())]),
        *(
            f"Exchanges that each node made, {name}: {', '.join(f'{n:,}' for n in sent)}."
            for name, sent in run.sent.items()
        ),
        WHY,
        f"## Taking alone, {AT_ONCE} at once",
        "\n".join([HEAD, *(row(*one) for one in run.accepted.items())]),
        "## While many wait",
        "\n".join([BACKLOG_HEAD, *map(backlog_row, run.backlogs)]),
        "## What each does",
        DOES,
        "Figures are median [min..max]. `asking` is the process that hands calls to the hub, and for the peers only looks at "
        "clocks: their enqueueing is their own. `bench/README.md` says how this is measured.",
    ]
    return "\n\n".join(blocks) + "\n"


def as_json(run: Measured, aims: Sequence[Aim]) -> dict[str, Any]:
    """Return the run as JSON."""
    return {
        "machine": machine(),
        "stands_on": run.stands_on,
        "aims": [{"what": one.what, "figure": one.figure, "aim": one.aim, "met": one.met} for one in aims],
        "carried": {system: [asdict(one) for one in seen] for system, seen in run.carried.items()},
        "accepted": {system: [asdict(one) for one in seen] for system, seen in run.accepted.items()},
        "backlogs": [asdict(one) for one in run.backlogs],
        "left_out": run.left_out,
        "sent": run.sent,
    }
