"""The figures of a congestion run, each beside its aim. The aims are promises 2 to 5 of the design, in numbers."""

from collections.abc import Iterator
from typing import Any

from bench.aims import Aim
from bench.figures import Sorted
from bench.refusals import AIM_US, Measured
from bench.stage import HUB

GOODPUT = 95.0
"""Per cent of what could be answered."""
RECOVERED = 60.0
"""Seconds after the end of an outage."""
ISOLATED_P99 = 1.10
ISOLATED_GOODPUT = 99.0
FLOODED_P99 = 1.20
JITTER = 1.0
"""Calls by which a contract may seem exceeded at the agency's door."""


def weigh(results: dict[str, Any]) -> list[Aim]:
    """Return every figure of the hub that has an aim; *results* as `congestion.measure` makes them."""
    phases = results["phases"]
    aims: list[Aim] = []
    if "steady" in phases:
        aims += _steady(phases["steady"], results["ceiling"])
    if "isolated" in phases:
        aims += _isolated(phases["isolated"])
    if "flooded" in phases:
        aims += _flooded(phases["flooded"])
    if "refused" in phases:
        aims += _refused(phases["refused"])
    unheard = sum(one.gave_up for one in heard_by_callers(phases, HUB))
    aims.append(Aim("callers of the hub who heard nothing in their time, in all scenarios", unheard, 0))
    return aims + list(_at_the_doors([row for row in results["lanes"] if row["system"] == HUB]))


def heard_by_callers(phases: dict[str, Any], system: str) -> Iterator[Sorted]:
    """Yield what the callers of *system* heard, stream by stream."""
    steady = phases.get("steady", {"levels": [], "others": [], "outages": []})
    levels = [*steady["levels"], *steady["others"], *phases.get("pressed", {"levels": []})["levels"]]
    yield from (row["whole"] for row in levels if row["system"] == system)
    yield from (row["heard"] for row in steady["outages"] if row["system"] == system)
    for row in phases.get("isolated", ()):
        if row["system"] == system:
            yield from (row[half][arm] for half in ("well", "sick") for arm in ("off", "on"))
    for row in phases.get("flooded", ()):
        if row["system"] == system:
            yield from (row[lane][arm] for lane in ("same", "beside") for arm in ("off", "on"))
            yield row["flood"]


def _steady(phase: dict[str, Any], ceiling: float) -> Iterator[Aim]:
    for row in phase["levels"]:
        if row["system"] == HUB:
            share = 100 * row["goodput"] / min(1.0, row["level"])
            yield Aim(f"goodput at {row['level']:g}x, % of what could be answered", share, GOODPUT, at_least=True)
    full = [row["goodput"] for row in phase["levels"] if row["system"] == HUB and row["level"] >= 1]
    if full:
        what = f"goodput from 1x on, least, % of the {100 * ceiling:.1f} % that this contract lets through"
        yield Aim(what, 100 * min(full) / ceiling, GOODPUT, at_least=True)
    room = next(row for row in phase["others"] if row["lane"] == "room")
    what = f"goodput at {room['level']:g}x where the contract lets a few more wait at the agency, % of capacity"
    yield Aim(what, 100 * room["goodput"], GOODPUT, at_least=True)
    rate = next(row for row in phase["others"] if row["lane"] == "rate")
    what = f"goodput at {rate['level']:g}x where the rate is the bottleneck, % of 0.9 x contract"
    yield Aim(what, 100 * rate["goodput"], GOODPUT, at_least=True)
    for row in phase["outages"]:
        if row["system"] != HUB:
            continue
        what = f"seconds until served as before, after {row['outage']:g} s of outage at {row['level']:g}x"
        yield Aim(what, row["recovered_after"], RECOVERED)


def _isolated(rows: list[dict[str, Any]]) -> Iterator[Aim]:
    for row in rows:
        if row["system"] == HUB:
            on = row["well"]["on"]
            beside = f"with {row['n'] // 2} of {row['n']} agencies black-holed"
            yield Aim(
                f"p99 of the others {beside}, over that without", row["p99"]["on"] / row["p99"]["off"], ISOLATED_P99
            )
            share = 100 * on.good / on.offered
            yield Aim(f"goodput of the others {beside}, %", share, ISOLATED_GOODPUT, at_least=True)


def _flooded(rows: list[dict[str, Any]]) -> Iterator[Aim]:
    row = next(row for row in rows if row["system"] == HUB)
    for where, lane in (("beside", "on another lane"), ("same", "on the flooded lane")):
        ratio = row[where]["on"].good_p99 / row[where]["off"].good_p99
        lost = row[where]["on"].offered - row[where]["on"].good
        yield Aim(f"p99 of counter look-ups {lane}, over that without the flood", ratio, FLOODED_P99, failed=lost)


def _refused(run: Measured) -> Iterator[Aim]:
    failed = sum(row.failed for row in run.rows)
    yield Aim("a refusal under a flood, dearest kind, µs of CPU", run.worst_us, AIM_US, failed=failed)
    yield Aim("connections lost by a refusal with 20 MB declared", float(not run.large.lives_on), 0.0)


def _at_the_doors(lanes: list[dict[str, Any]]) -> Iterator[Aim]:
    if not lanes:
        return
    worst = max(lanes, key=lambda row: row["repeats"] / row["repeats_allowed"])
    what = f"repeats over what promise 5 allows, worst of {len(lanes)} lanes"
    yield Aim(f"{what} ({worst['lane']})", worst["repeats"] / worst["repeats_allowed"], 1.0)
    worst = max(lanes, key=lambda row: row["rate_excess"])
    yield Aim(
        f"calls above the contract's rate in any window, worst lane ({worst['lane']})", worst["rate_excess"], JITTER
    )
    worst = max(lanes, key=lambda row: row["most_at_once"] - row["at_once"])
    excess = max(0, worst["most_at_once"] - worst["at_once"])
    yield Aim(f"calls above the contract's calls at once, worst lane ({worst['lane']})", excess, JITTER)
