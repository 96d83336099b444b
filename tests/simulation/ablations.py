"""
One guard less at a time: how to take exactly that one away, and which band of which scenario breaks without it.

This is done from outside, by replacing what the guard answers; the product has no switch for it. A guard whose absence
breaks nothing has no reason to be there. `test_ablations.py` asserts each line of the table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pytest

from hub.admission import Admission
from hub.guards.breaker import Breaker
from hub.guards.concurrency import Concurrency
from hub.guards.deadline import Deadline
from hub.guards.hold import Hold
from hub.guards.rate import Rate
from hub.guards.retry import RetryBudget
from hub.line import SHARES, Line
from hub.row import Row, Spending, _Flow

Patch = pytest.MonkeyPatch
Without = Callable[[Patch], None]


@dataclass(frozen=True)
class Ablation:
    """A guard, and what it is for."""

    guard: str
    without: Without
    scenario: str
    band: str
    """Beginning of the name of a band that breaks."""


def _answers(owner: type, method: str, answer: Any = None) -> Without:
    """Let *method* of *owner* always return *answer*."""
    return lambda patch: patch.setattr(owner, method, lambda *_, **__: answer)


def _is(place: str, value: Any) -> Without:
    """Let the constant at *place* be *value*."""
    return lambda patch: patch.setattr(place, value)


def _all_of(*parts: Without) -> Without:
    def without(patch: Patch) -> None:
        for part in parts:
            part(patch)

    return without


def _shares(of: Callable[[int], float]) -> Without:
    """Give every class what *of* says of its place, the counter's being 0."""
    shares = {key: of(place // 2) for place, key in enumerate(SHARES)}
    return _all_of(_is("hub.line.SHARES", shares), _is("hub.admission.SHARES", shares))


class _Arrival(Spending):
    """Puts the payer first whose oldest call came first."""

    __slots__ = ("_flow",)

    def __init__(self, flow: _Flow) -> None:
        super().__init__()
        self._flow = flow

    @property
    def total(self) -> float:
        return min(next(iter(queue.values())).joined for queue in self._flow.queues.values())


def _first_come_first_served(patch: Patch) -> None:
    begin = _Flow.__init__

    def init(flow: _Flow) -> None:
        begin(flow)
        flow.spent = _Arrival(flow)

    patch.setattr(_Flow, "__init__", init)
    patch.setattr(Row, "ahead", lambda row, _: len(row.turns))


def _oldest_first(patch: Patch) -> None:
    first = _Flow.first
    patch.setattr(_Flow, "first", lambda flow, without, **_: first(flow, without, newest=False))
    patch.setattr(Row, "youngest", lambda row, payer: first(row._flows[payer], (), newest=True))


def _never_stopped(patch: Patch) -> None:
    patch.setattr(RetryBudget, "stop", lambda *_: None)


_NO_RATE = _all_of(_answers(Rate, "admit"), _answers(Rate, "leave", 0.0))
"""Both looks at it: when a permit is granted, and when its first byte leaves."""
_AT_THE_CONTRACT = _all_of(
    _answers(Concurrency, "_learn"), _answers(Concurrency, "_cut"), _is("hub.guards.concurrency._FIRST", 1000)
)
_ALL = (
    Ablation("hold", _answers(Hold, "admit"), "outage of 60 s at 0.8x, http 429", "calls that came while the agency wanted silence"),
    Ablation("breaker", _answers(Breaker, "released"), "one operation hangs", "the well operation served"),
    Ablation("breaker of a failing operation", _answers(Breaker, "released"), "one operation fails", "exchanges of the ill operation"),
    Ablation("rate", _NO_RATE, "rate is the bottleneck", "exchanges in a second above the contract"),
    Ablation("slots", _answers(Concurrency, "admit"), "steady 2x", "exchanges at once above the contract"),
    Ablation("ghost slots", _answers(Concurrency, "occupy"), "outage of 60 s at 0.8x, black hole", "exchanges at once above the contract"),
    Ablation("adaptive limit", _AT_THE_CONTRACT, "capacity / 12 in the middle", "exchanges at once there"),
    Ablation("plateau after Busy", _answers(Concurrency, "_stay_below"), "429 above 8, with Retry-After", "goodput"),
    Ablation("ramp after a stop", _answers(Concurrency, "restart"), "stopped for 8 s by an operator", "exchanges in the first moment"),
    Ablation("deadline", _answers(Deadline, "admit"), "crowds", "part of the exchanges in vain"),
    Ablation("running on", _is("hub.exchanges._RUN_ON", 0.0), "one caller in a hurry", "counter calls served"),
    Ablation("retry budget", _answers(RetryBudget, "admit"), "one exchange in five fails", "repeats above promise 5"),
    Ablation("stop of all retries", _never_stopped, "an operator stops all retries", "repeats after"),
    Ablation("predicted wait", _answers(Admission, "predicted_wait", 0.0), "10x", "seconds until 90"),
    Ablation("class shares, equal ones instead", _shares(lambda _: 1.0), "every class floods", "counter calls served"),
    Ablation("class shares, ranks instead", _shares(lambda place: 1e-4**place), "counter flood beside bulk", "bulk's part"),
    Ablation("fair order of callers", _first_come_first_served, "one caller floods another", "light caller served"),
    Ablation("fair order of units", _first_come_first_served, "one unit floods others", "light units served"),
    Ablation("what a standing queue changes", _answers(Row, "standing", False), "1.2x, long line", "median seconds of a good answer"),
    Ablation("newest first", _oldest_first, "2x, patient callers", "median seconds of a good answer"),
    Ablation("early shedding", _answers(Line, "in_vain", []), "2x, patient callers", "seconds until 99"),
    Ablation("door of a standing queue", _is("hub.admission.STANDING_PART", 1.0), "10x", "seconds until 90"),
    Ablation("displacement", _answers(Line, "gives_way"), "a line full of bulk", "counter calls served"),
    Ablation("a quarter of the line", _is("hub.line._ROOM_PART", 1), "a line full of one payer's counter calls", "others served"),
    Ablation("half of the permits", _is("hub.line._PERMIT_PART", 1), "calls of 40 s beside quick ones", "quick calls answered"),
)  # fmt: skip

ABLATIONS: Mapping[str, Ablation] = MappingProxyType({one.guard: one for one in _ALL})
"""Every guard that can be taken away, by name."""
