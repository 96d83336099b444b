"""
A disturbance, on and off in turns, so that a slow minute of the machine falls on both: black holes, and a flood.

Both sides of a comparison ask for the same things at the same distances. Next: `weighing.py`.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench import load
from bench.figures import due_between, sort_out
from bench.load import Heard
from bench.plan import START, Size, isolated_names
from bench.stage import GATEWAY, HUB, SYSTEMS, Stage

PATTERNS = {HUB: ("off", "on", "on", "off"), GATEWAY: ("off", "off", "on", "on")}
"""Each system's windows: every one of the hub's meets one of either kind of the gateway's, so neither hides behind the other."""
_DRAIN_BEFORE = 3
_SLICES = 5
"""Of a window."""
_ARMS = {"off": 0, "on": 5_000_000, "": 9_000_000}
"""First request of each arm. Both arms ask for the same requests otherwise, at the same distances."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one stream; arm "" is not counted."""

    begin: float
    seconds: float
    arm: str
    number: int
    """How many of its arm came before."""


def pieces_of(pattern: Sequence[str], begin: float, settle: float, window: float, drain: float) -> list[Piece]:
    """Return the stretches of a stream with windows after *pattern*; before the last one it drains."""
    pieces = [Piece(begin, settle, "", 0)]
    for number, arm in enumerate(pattern):
        at = pieces[-1].begin + pieces[-1].seconds
        if number == _DRAIN_BEFORE:
            pieces.append(Piece(at, drain, "", 1))
            at += drain
        pieces.append(Piece(at, window, arm, pattern[:number].count(arm)))
    return pieces


def switches_of(pieces: Sequence[Piece]) -> list[tuple[float, bool]]:
    """Return when the disturbance is switched on and off; a piece that is not counted is like the window after it."""
    switched: list[tuple[float, bool]] = []
    for piece, following in zip(pieces, [*pieces[1:], pieces[-1]], strict=True):
        on = (piece.arm or following.arm) == "on"
        if on != (switched[-1][1] if switched else False):
            switched.append((piece.begin, on))
    return switched


async def _in_turns(
    stage: Stage, system: str, lane: str, pieces: Sequence[Piece], rate: float, caller: str, gateway: str
) -> dict[str, list[Heard]]:
    """Ask *lane* throughout; return what was heard in each arm."""

    async def one(piece: Piece) -> list[Heard]:
        chance = random.Random(f"{lane}/{piece.number}/{piece.seconds}")
        dues = load.at_random(rate, piece.begin, piece.seconds, chance)
        first = _ARMS[piece.arm] + piece.number * round(rate * piece.seconds)
        return await stage.ask(system, lane, dues, caller=caller, gateway=gateway, first=first)

    heard = await asyncio.gather(*map(one, pieces))
    return {
        arm: [each for piece, part in zip(pieces, heard, strict=True) if piece.arm == arm for each in part]
        for arm in ("off", "on")
    }


def _joined(parts: Sequence[dict[str, list[Heard]]], patience: float) -> dict[str, Any]:
    """Return what was heard in each arm of several streams together."""
    return {arm: sort_out([one for part in parts for one in part[arm]], patience) for arm in ("off", "on")}


def _p99_by_slice(heard: Sequence[Heard], pieces: Sequence[Piece], patience: float) -> dict[str, list[float]]:
    """
    Return the p99 of good answers in each fifth of each window, by arm.

    Their median is compared: the disk of a small machine stands still for a quarter of a second two or three times a
    minute, and one such moment is the p99 of a whole window.
    """
    found: dict[str, list[float]] = {"off": [], "on": []}
    for piece in pieces:
        for number in range(_SLICES) if piece.arm else ():
            begin = piece.begin + number * piece.seconds / _SLICES
            told = sort_out(due_between(heard, begin, begin + piece.seconds / _SLICES), patience)
            if told.good:
                found[piece.arm].append(told.good_p99)
    return found


async def isolated(stage: Stage, size: Size, n: int) -> list[dict[str, Any]]:
    """Half of *n* agencies accept and never answer; the callers of the other half are measured with and without."""
    names = isolated_names(n)
    sick = names[: n // 2]
    rate, gateway = size.isolated_rate / n, f"n{n}"
    await stage.begin_gateways({gateway: names})
    begin = time.monotonic() + START

    async def of(system: str) -> dict[str, Any]:
        pieces = pieces_of(PATTERNS[system], begin, size.settle, size.window, size.drain)
        switching = [stage.misbehave_at(at, system, sick, dark=on) for at, on in switches_of(pieces)]
        streams = [_in_turns(stage, system, name, pieces, rate, "counter", gateway) for name in names]
        heard, _ = await asyncio.gather(asyncio.gather(*streams), asyncio.gather(*switching))
        of_well = heard[len(sick) :]
        every = [one for lane in of_well for arm in lane.values() for one in arm]
        return {
            "system": system, "n": n, "rate": rate, "well": _joined(of_well, size.patience),
            "sick": _joined(heard[: len(sick)], size.patience), "windows": PATTERNS[system],
            "p99_by_slice": (p99s := _p99_by_slice(every, pieces, size.patience)),
            "p99": {arm: median(p99s[arm]) for arm in ("off", "on")},
        }  # fmt: skip

    done = await asyncio.gather(*map(of, SYSTEMS))
    for system in SYSTEMS:
        await stage.misbehave(system, sick)
    await stage.end_gateways()
    return list(done)


async def flooded(stage: Stage, size: Size, system: str) -> dict[str, Any]:
    """One ministry's calls at a multiple of a lane's capacity, beside counter look-ups on that lane and on another."""
    if system == GATEWAY:
        await stage.begin_gateways({"flooded": ["flooded", "beside"]})
    begin = time.monotonic() + START
    # The gateway works for minutes at what it took on, so it has one short wave, and last.
    pattern, window = (PATTERNS[HUB], size.flood_window) if system == HUB else (("off", "on"), size.flood_window / 2)
    pieces = pieces_of(pattern, begin, size.settle, window, size.drain)

    async def flood(at: float, seconds: float, first: int) -> list[Heard]:
        dues = load.at_random(size.flood * size.capacity, at, seconds, random.Random(f"flood {first}"))
        return await stage.ask(system, "flooded", dues, caller="ministry", gateway="flooded", first=first)

    floods = [
        flood(piece.begin, piece.seconds, 1_000_000 * (1 + piece.number)) for piece in pieces if piece.arm == "on"
    ]
    lookups = [
        _in_turns(stage, system, lane, pieces, size.counter_rate, "counter", "flooded")
        for lane in ("flooded", "beside")
    ]
    same, beside, *waves = await asyncio.gather(*lookups, *floods)
    if system == GATEWAY:
        await stage.end_gateways()
    return {
        "system": system,
        "same": _joined([same], size.patience),
        "beside": _joined([beside], size.patience),
        "flood": sort_out([one for wave in waves for one in wave], size.patience),
    }
