"""
From what callers heard and what arrived at an agency's door to figures: pure functions, nothing is measured here.

Next: `scenarios.py`, which makes the calls, and `congestion.py`, which holds the figures against their aims.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.load import GONE, Heard, quantile

_CODE = re.compile(rb'"code":\s*"([a-z_.]+)"')
_REFUSALS = ("lane.", "backlog.", "caller.", "hub.", "store.")
"""Beginnings of the problem codes that say: not now, ask again. Any other answer that is no 200 is a failure."""
_DOOR = 0.1
"""Seconds that request and hang-up may take between hub and agency, for which a ghost may seem to stay too long."""
_GHOST = 1.5
"""Times `call_timeout` for which an exchange that was cut counts as still under way."""
RATE_WINDOW = 1.0
"""Shortest window in which a contract's rate is checked, in seconds."""
ENOUGH = 0.95
"""Part of what could be answered that counts as recovered."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """What callers heard, each call in one of five heaps. Times in seconds from the scheduled moment."""

    offered: int
    good: int
    """Answered within the caller's patience."""
    late: int
    refused: int
    """Told to ask again later."""
    failed: int
    """Told anything else, or the connection was cut."""
    gave_up: int
    """Heard nothing until the caller's patience ended."""
    good_p50: float
    good_p95: float
    good_p99: float
    refusal_p50: float
    refusal_p99: float
    begun_p99: float
    """How late callers set out: what the load generator itself adds."""
    codes: dict[str, int]
    """How often each problem code, or status without one, was heard."""


def heap(one: Heard, patience: float) -> str:
    """Return which of the five heaps of `Sorted` *one* belongs to."""
    if one.status == 200:
        return "good" if one.seconds <= patience else "late"
    if one.status == GONE:
        return "gave_up"
    return "refused" if one.status in (429, 503) and code_of(one).startswith(_REFUSALS) else "failed"


def code_of(one: Heard) -> str:
    """Return the problem code of a reply that was no 200, else its status in words."""
    found = _CODE.search(one.body)
    if found:
        return found[1].decode()
    return {GONE: "gave up", 0: "connection cut"}.get(one.status, f"status {one.status}")


def sort_out(heard: Iterable[Heard], patience: float) -> Sorted:
    """Return *heard* sorted."""
    heard = list(heard)
    heaps: dict[str, list[float]] = {name: [] for name in ("good", "late", "refused", "failed", "gave_up")}
    codes: Counter[str] = Counter()
    for one in heard:
        heaps[heap(one, patience)].append(one.seconds)
        if one.status != 200:
            codes[code_of(one)] += 1
    good, refused = heaps["good"], heaps["refused"]
    return Sorted(
        sum(map(len, heaps.values())), *map(len, heaps.values()),
        quantile(good, 0.5), quantile(good, 0.95), quantile(good, 0.99),
        quantile(refused, 0.5), quantile(refused, 0.99),
        quantile([one.begun - one.due for one in heard], 0.99), dict(codes.most_common()),
    )  # fmt: skip


def good_per_second(heard: Iterable[Heard], patience: float, begin: float, end: float) -> float:
    """Return the good answers a second that came between two moments."""
    came = sum(1 for one in heard if begin <= one.ended < end and heap(one, patience) == "good")
    return came / (end - begin)


def due_between(heard: Iterable[Heard], begin: float, end: float) -> list[Heard]:
    """Return what was scheduled between two moments."""
    return [one for one in heard if begin <= one.due < end]


def good_share(heard: Iterable[Heard], patience: float, begin: float, end: float) -> float:
    """Return which part of the calls scheduled between two moments got a good answer; NaN when none was."""
    asked = due_between(heard, begin, end)
    return sum(heap(one, patience) == "good" for one in asked) / len(asked) if asked else float("nan")


def recovered_after(heard: Sequence[Heard], patience: float, ended: float, last: float, window: float) -> float:
    """
    Return how long after the moment *ended* callers are served again as before; infinite when never until *last*.

    Served as before: of the calls scheduled in the *window* seconds that follow, and of all until *last*, 95 % got a
    good answer. Looked at in steps of a tenth of the window.
    """
    step = window / 10
    for at in range(int((last - ended - window) / step) + 1):
        begin = ended + at * step
        if all(good_share(heard, patience, begin, end) >= ENOUGH for end in (begin + window, last)):
            return at * step
    return float("inf")


def over_time(heard: Sequence[Heard], patience: float, begin: float, end: float, step: float) -> list[float]:
    """Return the part of the calls scheduled in each *step* seconds that got a good answer."""
    count = round((end - begin) / step)
    return [good_share(heard, patience, begin + at * step, begin + (at + 1) * step) for at in range(count)]


class Arrived(Protocol):
    """A line of an agency's log; see `stage.Arrival`."""

    @property
    def number(self) -> int: ...
    @property
    def at(self) -> float: ...
    @property
    def left(self) -> float | None: ...
    @property
    def how(self) -> str: ...


def repeats(log: Iterable[Arrived]) -> int:
    """Return how many arrivals were not the first of their request."""
    counts = Counter(one.number for one in log)
    return sum(counts.values()) - len(counts)


def repeats_allowed(accepted: int, seconds: float) -> float:
    """Return promise 5's bound: a tenth of the calls accepted, ten, and one a minute."""
    return 0.1 * accepted + 10 + seconds / 60


def rate_excess(moments: Sequence[float], per_second: float) -> float:
    """Return the most calls by which any window of a second or more held more than *per_second* allows; at least 0."""
    worst, oldest, lowest = 0.0, 0, float("inf")
    for at, moment in enumerate(moments):
        while moments[oldest] <= moment - RATE_WINDOW:  # windows that begin at `oldest` are long enough now
            lowest = min(lowest, oldest - per_second * moments[oldest])
            oldest += 1
        worst = max(worst, at - oldest + 1 - per_second * RATE_WINDOW, at + 1 - per_second * moment - lowest)
    return round(worst, 6)


def most_at_once(log: Iterable[Arrived], call_timeout: float) -> int:
    """
    Return the most exchanges that were under way at one moment, seen from the agency's door.

    Under way: asked and not answered; one that the other side cut counts on until 1.5 x *call_timeout* after it came.
    """
    steps: list[tuple[float, int]] = []
    for one in log:
        end = one.left if one.left is not None else float("inf")
        if one.how == "cut":
            end = max(end, one.at + _GHOST * call_timeout - _DOOR)
        steps += [(one.at, 1), (end, -1)]
    most = now = 0
    for _, step in sorted(steps):  # at the same moment, who leaves leaves first
        now += step
        most = max(most, now)
    return most
