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
from hub.guards.concurrency import Concurrency
from hub.guards.hold import Hold
from hub.guards.rate import Rate
from hub.guards.retry import RetryBudget

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Ablation:
    """A guard, and what it is for."""

    guard: str
    without: Callable[[Patch], None]
    scenario: str
    band: str
    """Beginning of the name of a band that breaks."""


def _answers(owner: type, method: str, answer: Any = None) -> Callable[[Patch], None]:
    """Let *method* of *owner* always return *answer*."""
    return lambda patch: patch.setattr(owner, method, lambda *_, **__: answer)


def _no_rate(patch: Patch) -> None:
    """Take away both looks at the rate: when a permit is granted, and when its first byte leaves."""
    _answers(Rate, "admit")(patch)
    _answers(Rate, "leave", 0.0)(patch)


_ALL = (
    Ablation("hold", _answers(Hold, "admit"), "outage of 60 s at 0.8x, http 429", "calls that came while the agency wanted silence"),
    Ablation("rate", _no_rate, "rate is the bottleneck", "exchanges in a second above the contract"),
    Ablation("slots", _answers(Concurrency, "admit"), "steady 2x", "exchanges at once above the contract"),
    Ablation("ghost slots", _answers(Concurrency, "occupy"), "outage of 60 s at 0.8x, black hole", "exchanges at once above the contract"),
    Ablation("retry budget", _answers(RetryBudget, "admit"), "one exchange in five fails", "repeats above promise 5"),
    Ablation("predicted wait", _answers(Admission, "predicted_wait", 0.0), "10x", "seconds until 90"),
)  # fmt: skip

ABLATIONS: Mapping[str, Ablation] = MappingProxyType({one.guard: one for one in _ALL})
"""Every guard that can be taken away, by name."""
