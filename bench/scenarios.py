"""
What happens to the hub and to the naive gateway in a congestion run. Next: `turns.py`, then `congestion.py`.

`steady` runs all levels of load and all outages side by side, each on a lane of its own; `pressed` gives the gateway
its heaviest loads alone, since it takes whole cores for them.
"""

import asyncio
import random
import time
from typing import Any

from bench import load
from bench.figures import (
    due_between,
    good_per_second,
    good_share,
    over_time,
    recovered_after,
    sort_out,
)
from bench.load import Heard
from bench.plan import START, Size, level_name, outage_name
from bench.stage import GATEWAY, HUB, SYSTEMS, Stage


async def steady(stage: Stage, size: Size) -> dict[str, Any]:
    """All levels of load and all outages at once. The gateway's heaviest levels are left to `pressed`."""
    outages = [(outage, level) for outage in size.outages for level in size.outage_levels]
    light = [level for level in size.levels if level < size.pressed_from]
    alone = [level_name(level) for level in light] + [outage_name(*one) for one in outages]
    await stage.begin_gateways({name: [name] for name in alone})
    await stage.misbehave(HUB, ["busy"], most=size.workers)
    begin = time.monotonic() + START
    end = begin + size.steady

    async def leveled(system: str, name: str, level: float, capacity: float) -> dict[str, Any]:
        heard = await stage.ask(system, name, load.at_random(level * capacity, begin, size.steady, _chance(name)))
        return _leveled(size, heard, level, capacity, begin + size.warm_up, end) | {"system": system, "lane": name}

    async def struck(system: str, outage: float, level: float) -> dict[str, Any]:
        name, capacity = outage_name(outage, level), size.capacity
        down = begin + size.outage_at
        dues = load.at_random(level * capacity, begin, size.steady, _chance(name))
        heard, *_ = await asyncio.gather(
            stage.ask(system, name, dues),
            stage.misbehave_at(down, system, [name], down=True),
            stage.misbehave_at(down + outage, system, [name]),
        )
        step = size.judged / 2
        return {
            "system": system, "lane": name, "outage": outage, "level": level, "outage_at": size.outage_at, "step": step,
            "recovered_after": recovered_after(heard, size.patience, down + outage, end, size.judged),
            "good_before": good_share(heard, size.patience, begin, down - size.patience),
            "good_during": good_share(heard, size.patience, down, down + outage),
            "good_after": good_share(heard, size.patience, down + outage, end),
            "good_over_time": over_time(heard, size.patience, begin, end, step),
            "heard": sort_out(heard, size.patience),
        }  # fmt: skip

    levels = [leveled(HUB, level_name(level), level, size.capacity) for level in size.levels]
    levels += [leveled(GATEWAY, level_name(level), level, size.capacity) for level in light]
    others = [leveled(HUB, name, 2.0, stage.lanes[name].capacity) for name in ("rate", "busy", "room")]
    struck_lanes = [struck(system, *one) for system in SYSTEMS for one in outages]
    done = await asyncio.gather(*levels, *others, *struck_lanes)
    await stage.end_gateways()
    first, second = len(levels), len(levels) + len(others)
    return {"levels": done[:first], "others": done[first:second], "outages": done[second:]}


async def pressed(stage: Stage, size: Size) -> dict[str, Any]:
    """The gateway's heaviest levels, each with a core for itself."""
    levels = [level for level in size.levels if level >= size.pressed_from]
    await stage.begin_gateways({level_name(level): [level_name(level)] for level in levels})
    begin = time.monotonic() + START

    async def one(level: float) -> dict[str, Any]:
        name = level_name(level)
        dues = load.at_random(level * size.capacity, begin, size.pressed, _chance(name))
        heard = await stage.ask(GATEWAY, name, dues)
        warm = begin + min(size.warm_up, size.pressed / 2)
        row = _leveled(size, heard, level, size.capacity, warm, begin + size.pressed)
        return row | {"system": GATEWAY, "lane": name}

    done = await asyncio.gather(*map(one, levels))
    await stage.end_gateways()
    return {"levels": done}


def _leveled(size: Size, heard: list[Heard], level: float, capacity: float, begin: float, end: float) -> dict[str, Any]:
    rate = good_per_second(heard, size.patience, begin, end)
    return {
        "level": level,
        "capacity": capacity,
        "offered_per_second": len(due_between(heard, begin, end)) / (end - begin),
        "good_per_second": rate,
        "goodput": rate / capacity,
        "heard": sort_out(due_between(heard, begin, end), size.patience),
        "whole": sort_out(heard, size.patience),
    }


def _chance(name: str) -> random.Random:
    """Return the chance of a stream: the same for hub and gateway, in every run."""
    return random.Random(name)
