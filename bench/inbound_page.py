"""
From what an inbound run has seen to its page: figures, each beside its aim, tables, and what they count.

Pure, from what `inbound.py` measured.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Final

from bench.aims import Aim, machine, verdicts
from bench.load import quantile, spread

AT_ONCE: Final = 32
ON_SQLITE, ON_POSTGRES = "hub, SQLite", "hub, PostgreSQL"
OF_BARE: Final = 0.25
"""Notices a second, as a part of what the bare endpoint answers."""
FLAT_MB: Final = 50.0
TIMES: Final = 100
"""How often its contract the agency that floods sends."""
FLOODED_P99: Final = 1.20
OFF, BARE, ON = "no flood", "flood, at the bare endpoint", "flood, at the hub"
"""The arms of the flood. In the middle one the machine bears the same flood, and the hub none of it."""
BUSY: Final = 0.5
"""Load average from which on a machine is not ours alone."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """`[inbound]` of the agency that floods."""

    per_second: int
    at_once: int


CONTRACT: Final = Agreed(20, 8)
"""As the land systems ship it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One measurement of one system that is told notices."""

    per_second: float
    cpu_us: float
    """Of the system, for a notice, with its database."""
    asking_us: float
    """Of the process that tells it."""
    p50_ms: float
    p99_ms: float
    failed: int
    """Which the hub does not say it has taken."""


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents that went through a hub of their own, one way."""

    way: str
    mb: int
    before_mb: float
    """What the hub occupied when it had carried one small document."""
    most_mb: float
    """The most that it ever occupied."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Look-ups of one turn."""

    arm: str
    good_ms: list[float]
    failed: int
    late_ms: float
    """How late the process that asks was itself, p99."""
    cores: float
    """What the hub used of a core."""
    told: dict[str, float]
    """What the agency that floods heard: how many, by status, and in how many seconds (`wall`)."""


@dataclass(slots=True)
class Measured:
    """All that one run has seen."""

    load: float
    """Load average before it began."""
    taken: dict[str, dict[str, list[Taken]]] = field(default_factory=dict)
    """By notice, then by system."""
    documents: list[Documents] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def weigh(run: Measured) -> list[Aim]:
    """Return every figure that has an aim."""
    return [*_accepted(run), *_documents(run), *_flooded(run)]


def _accepted(run: Measured) -> Iterator[Aim]:
    for notice, systems in run.taken.items():
        for name, seen in systems.items():
            if name != "bare":
                ratio = median(_ratios(seen, systems["bare"]))
                what = f"`{notice}` taken a second, {name}, over what the bare endpoint answers"
                yield Aim(
                    what, ratio, OF_BARE, at_least=True, failed=sum(one.failed for one in (*seen, *systems["bare"]))
                )


def _ratios(ours: Sequence[Taken], bare: Sequence[Taken]) -> list[float]:
    return [one.per_second / beside.per_second for one, beside in zip(ours, bare, strict=True)]


def _documents(run: Measured) -> Iterator[Aim]:
    for one in run.documents:
        yield Aim(f"MB by which memory grew while {one.mb} MB were {one.way}", one.most_mb - one.before_mb, FLAT_MB)


def _flooded(run: Measured) -> Iterator[Aim]:
    if {one.arm for one in run.turns} >= {OFF, ON}:
        failed = sum(one.failed for one in run.turns)
        what = f"p99 of counter look-ups while another agency floods `/in` at {TIMES}x, over that without"
        yield Aim(what, _p99(run, ON) / _p99(run, OFF), FLOODED_P99, failed=failed)


def _p99(run: Measured, arm: str) -> float:
    """Return the p99 of all look-ups of *arm*: turns are too short to have one each."""
    return quantile([ms for turn in run.turns if turn.arm == arm for ms in turn.good_ms], 0.99)


# --- The page --------------------------------------------------------------------------------------------------------

HEAD = (
    "| notice | system | a second | over bare | CPU µs a notice | over bare | p50 ms | p99 ms | asking, CPU µs | failed |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)
FLOOD_HEAD = (
    "| look-ups while | p50 ms | p99 ms | p99 of each turn | hub, cores | asking late, p99 ms | flood sent a second | refused | failed |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def _row(notice: str, name: str, seen: Sequence[Taken], bare: Sequence[Taken]) -> str:
    cpu, least = median(one.cpu_us for one in seen), median(one.cpu_us for one in bare)
    times = f"{cpu / least:.1f}" if least else "-"  # too few to weigh, in hundredths of a second
    return (
        f"| {notice} | {name} | {spread([one.per_second for one in seen])} | {spread(_ratios(seen, bare))} "
        f"| {spread([one.cpu_us for one in seen])} | {times} | {median(one.p50_ms for one in seen):.1f} "
        f"| {median(one.p99_ms for one in seen):.1f} | {median(one.asking_us for one in seen):.0f} "
        f"| {sum(one.failed for one in seen)} |"
    )


def _flood_row(run: Measured, arm: str) -> str:
    turns = [turn for turn in run.turns if turn.arm == arm]
    every = [ms for turn in turns for ms in turn.good_ms]
    told = [sum(n for status, n in turn.told.items() if status != "wall") for turn in turns]
    rate = sum(told) / max(1e-9, sum(turn.told.get("wall", 0.0) for turn in turns))
    refused = 100 * sum(sum(turn.told.values()) - turn.told.get("wall", 0) - turn.told.get("200", 0) for turn in turns)
    return (
        f"| {arm} | {quantile(every, 0.5):.2f} | {quantile(every, 0.99):.2f} "
        f"| {spread([quantile(turn.good_ms, 0.99) for turn in turns])} | {median(turn.cores for turn in turns):.2f} "
        f"| {median(turn.late_ms for turn in turns):.2f} | {rate:,.0f} | {refused / max(1, sum(told)):.1f} % "
        f"| {sum(turn.failed for turn in turns)} |"
    )


NOTICES = (
    "What is measured has one core, and what tells it the other; a hub has its PostgreSQL on its own core. The bare endpoint "
    "is uvicorn with httptools and uvloop, as in the hub; it reads the body and sends what the hub would. Every notice is new, "
    "proves who sent it, and is on disk with its journal entry before it is answered. "
    "`payment_settled`: a signature over ten fields and a key is checked, the call is found by its reference, and the amount "
    "is held against what the call said; all are of one payment, under a lab copy that calls each transaction another notice. "
    "`dossier_withdrawn`: a key is checked, and the dossier is one that nobody has filed here. What failed is what the hub's own metrics "
    "do not call taken: an agency hears of a refusal with 200 too."
)
DOCUMENTS = (
    "Each way is a hub of its own. Growth is from what its process occupied (`VmRSS`) when it had carried one small document, "
    "to the most that it ever occupied (`VmHWM`). [files.md](files.md) is another count of the same: there one hub does both "
    "ways, and the second figure begins where the first ended."
)


def _flood_says(run: Measured) -> str:
    added = _p99(run, ON) - _p99(run, OFF), _p99(run, BARE) - _p99(run, OFF)
    return (
        f"The contract of the agency that floods is {CONTRACT.per_second} calls a second, {CONTRACT.at_once} at once, as the land "
        f"systems ship it; it sends {TIMES * CONTRACT.per_second:,} a second. The agency that is looked up at answers at once, so all "
        "of the time is the hub's and the machine's; with an agency that takes its time the ratio is nearer to one. The hub has one "
        "core; who asks, the agency and the flood share the other, the flood with the least priority there is. In the middle arm "
        "the same flood goes to the bare endpoint, on the core of the hub: what that adds is what the machine bears, whoever answers. "
        f"The flood at the hub adds {added[0]:.2f} ms to p99, the flood beside it {added[1]:.2f} ms."
    )


def page(run: Measured, aims: Sequence[Aim]) -> str:
    """Return the whole page."""
    shared = "; other work shared the machine, so read ratios and no rates" if run.load > BUSY else ""
    blocks = [
        "# What it costs to be told something by agencies",
        f"{machine()}",
        f"Load average before the run {run.load:.1f}{shared}.",
        verdicts(aims),
        *run.left_out,
        f"## Notices taken, {AT_ONCE} at once",
        "\n".join(
            [
                HEAD,
                *(
                    _row(notice, name, seen, of["bare"])
                    for notice, of in run.taken.items()
                    for name, seen in of.items()
                ),
            ]
        ),
        NOTICES,
        "## Documents in base64",
        "\n".join(
            f"- {one.mb} MB {one.way}: from {one.before_mb:.0f} MB to {one.most_mb:.0f} MB at most."
            for one in run.documents
        ),
        DOCUMENTS,
        "## Another agency floods",
        "\n".join([FLOOD_HEAD, *(_flood_row(run, arm) for arm in (OFF, BARE, ON))]),
        _flood_says(run),
        "`bench/README.md` says how this is measured.",
    ]
    return "\n\n".join(blocks) + "\n"


def as_json(run: Measured, aims: Sequence[Aim]) -> dict[str, Any]:
    """Return everything as JSON: aims, then what they were counted from."""
    said = [{"what": one.what, "figure": one.figure, "aim": one.aim, "met": one.met} for one in aims]
    return {"machine": machine(), "aims": said, **asdict(run)}
