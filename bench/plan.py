"""The parameters of a congestion run, whole and quick, and the lanes that its scenarios take. Next: `scenarios.py`."""

from dataclasses import dataclass, replace
from typing import Any

from bench.stage import Lane

START = 0.5
"""Seconds between the decision to begin and the first request, so that all streams begin together."""


@dataclass(frozen=True, slots=True)
class Size:
    """Every parameter of a run; printed with its results. Times in seconds."""

    workers: int
    seconds: float
    """Mean time of service; capacity is workers / seconds."""
    sigma: float
    contract_rate: float
    """Contract's calls a second, over capacity."""
    call_timeout: float
    patience: float
    """How long a caller waits, and asks the hub to wait."""
    queue_calls: int
    levels: tuple[float, ...]
    """Offered load, over capacity."""
    pressed_from: float
    """Level from which the gateway is measured alone."""
    warm_up: float
    steady: float
    pressed: float
    outages: tuple[float, ...]
    outage_levels: tuple[float, ...]
    outage_at: float
    judged: float
    """Window in which callers must be served as before an outage."""
    isolated: tuple[int, ...]
    """Numbers of agencies, half of which are black-holed."""
    isolated_rate: float
    """Calls a second to all of them together."""
    isolated_seconds: float
    """Time of service there, always the same."""
    window: float
    drain: float
    """Between a disturbed window and an undisturbed one."""
    settle: float
    """Before the first window."""
    flood: float
    """One ministry's calls, over capacity."""
    counter_rate: float
    """Counter look-ups a second, beside them."""
    flood_window: float
    refusals: int
    """In one measurement of one way to be refused."""
    refusal_repeats: int

    @property
    def capacity(self) -> float:
        return self.workers / self.seconds


def level_name(level: float) -> str:
    return f"x{level:g}".replace(".", "_")


def lanes(size: Size) -> list[Lane]:
    """Return the lanes of all scenarios."""

    def usual(name: str, **more: Any) -> Lane:
        per_second = size.contract_rate * size.capacity
        kept: dict[str, Any] = {
            "workers": size.workers, "seconds": size.seconds, "sigma": size.sigma, "per_second": per_second,
            "at_once": size.workers, "queue_calls": size.queue_calls,
        }  # fmt: skip
        return Lane(name, **(kept | more))

    made = [usual(level_name(level)) for level in size.levels]
    made.append(usual("rate", workers=3 * size.workers, at_once=3 * size.workers, per_second=size.capacity))
    made.append(usual("busy", at_once=size.workers + (size.workers + 1) // 2))
    made.append(usual("room", at_once=size.workers + (size.workers + 3) // 4))
    made += [usual(outage_name(outage, level)) for outage in size.outages for level in size.outage_levels]
    for n in size.isolated:
        rate = size.isolated_rate / n
        enough = 4 + round(4 * rate * size.isolated_seconds)
        made += [
            Lane(name, enough, size.isolated_seconds, max(100.0, 20 * rate), enough, queue_calls=size.queue_calls)
            for name in isolated_names(n)
        ]
    made += [usual("flooded", by_number=True), usual("beside", by_number=True)]
    return made


def outage_name(outage: float, level: float) -> str:
    return f"down{outage:g}_{level_name(level)}".replace(".", "_")


def isolated_names(n: int) -> list[str]:
    return [f"n{n}_{number}" for number in range(n)]


WHOLE = Size(
    workers=8, seconds=0.8, sigma=0.6, contract_rate=1.2, call_timeout=5.0, patience=10.0, queue_calls=100,
    levels=(0.5, 0.8, 1.0, 1.2, 2.0, 4.0, 10.0), pressed_from=4.0, warm_up=20.0, steady=150.0, pressed=30.0,
    outages=(15.0, 60.0), outage_levels=(0.5, 0.8), outage_at=15.0, judged=10.0,
    isolated=(2, 10, 50), isolated_rate=100.0, isolated_seconds=0.2, window=10.0, drain=10.0, settle=14.0,
    flood=100.0, counter_rate=5.0, flood_window=14.0, refusals=3000, refusal_repeats=3,
)  # fmt: skip
"""Under ten minutes on two cores."""
LONG = replace(WHOLE, isolated=(2, 10, 50, 200))
QUICK = Size(
    workers=1, seconds=0.1, sigma=0.6, contract_rate=1.2, call_timeout=0.5, patience=1.0, queue_calls=10,
    levels=(0.5, 10.0), pressed_from=10.0, warm_up=1.0, steady=4.0, pressed=1.5,
    outages=(1.5,), outage_levels=(0.5,), outage_at=1.2, judged=0.6,
    isolated=(4,), isolated_rate=30.0, isolated_seconds=0.1, window=0.6, drain=0.6, settle=0.5,
    flood=20.0, counter_rate=5.0, flood_window=0.8, refusals=200, refusal_repeats=1,
)  # fmt: skip
"""A smoke run: everything once, nothing long enough to mean anything."""
