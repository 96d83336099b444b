"""The page of a congestion run, made from its JSON: what was aimed at, what was measured, on what, and with what."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from bench.aims import Aim, verdicts
from bench.stage import GATEWAY, HUB

_WHO = {HUB: "hub", GATEWAY: "gateway"}
_PLOTS = (
    ("goodput", "Goodput over offered load"),
    ("recovery", "Recovery from an outage"),
    ("isolation", "Isolation"),
)
Row = dict[str, Any]


def page(results: Row) -> str:
    """Return the whole page in Markdown; *results* as `congestion.plain` makes them."""
    phases = results["phases"]
    parts = ["# Lanes that cannot congest", _machine(results)]
    parts += ["## Figures beside their aims", _aims(results["aims"])]
    parts += [f"![{title}](congestion-{name}.png)" for name, title in _PLOTS if drawn(name, phases)]
    steady = phases.get("steady", {})
    levels = [*steady.get("levels", ()), *phases.get("pressed", {}).get("levels", ())]
    lanes = {(row["system"], row["lane"]): row for row in results["lanes"]}
    if levels:
        levels.sort(key=lambda row: (row["system"] != HUB, row["level"]))
        parts += [
            "## Load",
            _LOAD.format(ceiling=_percent(results["ceiling"])),
            _levels([*levels, *steady.get("others", ())], lanes),
        ]
    if steady:
        parts += ["## Outages", _OUTAGES, _outages(steady["outages"], lanes)]
    if "isolated" in phases:
        parts += ["## Isolation", _ISOLATION, _isolated(phases["isolated"])]
    if "flooded" in phases:
        parts += ["## A flood", _FLOOD.format(**results["parameters"]), _flooded(phases["flooded"])]
    if "refused" in phases:
        parts += ["## Refusals", _REFUSALS, _refused(phases["refused"])]
    parts += [_codes(results["codes"])] if results["codes"] else []
    parts += ["## At the agencies' doors", _DOORS, _doors(results["lanes"])]
    parts += ["## Who kept the cores busy", _BUSY, _busy(results["busy"])]
    parts += ["## Parameters", _parameters(results["parameters"])]
    return "\n\n".join(parts) + "\n\n`bench/README.md` says how this is measured.\n"


def drawn(plot: str, phases: Row) -> bool:
    """Return whether *phases* hold what *plot* shows."""
    return ("isolated" if plot == "isolation" else "steady") in phases


_LOAD = (
    "Offered load in multiples of capacity. Good: answered within the caller's patience. Latency of good answers from the "
    "scheduled moment, in seconds. Refused: told to ask again later, and after how many milliseconds. `rate`: the "
    "contract's rate is the bottleneck (capacity is 0.9 x contract). `busy`: the agency refuses (429) what is more at "
    "once than it has workers, and its contract says half as much again. `room`: the contract lets a quarter more be at "
    "the agency at once than it has workers. What else the contract lets through is at most {ceiling}: an agency that may "
    "have no more at once than it has workers, and few more a second than these can do, cannot be kept busy all the time "
    "(`bench/ceiling.py`)."
)
_OUTAGES = (
    "The agency accepts, answers nothing, and afterwards works through all it was sent. Good: part of the calls "
    "scheduled before, during and after the outage that got a good answer."
)
_ISOLATION = (
    "Half of n agencies accept and never answer, in turns with times when all are well; the callers of the other half "
    "are measured. Latency in milliseconds; p99 is the median of those of all fifths of windows (two seconds each)."
)
_FLOOD = (
    "One ministry calls at {flood:g} times a lane's capacity, in turns with times when it does not, beside counter "
    "look-ups on the same lane and on another. Both times ask for the same look-ups at the same distances."
)
_REFUSALS = "Closed loop on kept connections; CPU is all that the hub used, divided by the refusals (`refusals.py`)."
_DOORS = (
    "From the agencies' own logs, worst lanes first. Repeats: arrivals of a request that had arrived before. Calls above "
    "the rate: most in any window of a second or more. At once: asked and not answered; what was cut counts on until "
    "1.5 x call_timeout after it came. When the agencies themselves were late, arrivals seem closer together than they were."
)
_BUSY = (
    "In cores, on average. Others: whatever else the machine did. The figures of a machine that is full mean little."
)
_WORST = 12
_FULL = 0.85
"""Part of the cores from which on times mean little."""
_SHED = "hub.overloaded"
_LATE = 0.05
"""Seconds by which callers may set out late."""


def _machine(results: Row) -> str:
    late, shed = results["callers_late_p99"], results["codes"].get(_SHED, 0)
    text = (
        f"{results['machine']} The run took {results['seconds'] / 60:.1f} minutes; the callers themselves were at most "
        f"{1000 * late:.0f} ms late (p99), and the agencies {1000 * results['agencies_late']:.0f} ms (worst)."
    )
    full = [name for name, used in results["busy"].items() if sum(used.values()) > _FULL * results["cores"]]
    if full or shed or late > _LATE:
        text += (
            f"\n\n**Not to be relied on**: the cores were full ({', '.join(full) or 'for moments'}), and whoever has to wait "
            "for one looks slow. Run it again on a machine that does nothing else."
        )
    if shed:
        text += f" The hub itself refused {shed:,} calls because its loop was late (`{_SHED}`)."
    return text


def _codes(codes: dict[str, int]) -> str:
    return (
        "What the hub's callers heard in all scenarios beside answers: "
        + ", ".join(f"`{code}` {count:,}" for code, count in codes.items())
        + "."
    )


def _aims(aims: Iterable[Row]) -> str:
    def aim(row: Row) -> Aim:
        figure = float("nan" if row["figure"] is None else row["figure"])
        return Aim(row["what"], figure, row["aim"], row["at_least"], row["failed"])

    return verdicts(map(aim, aims)).replace("| nan |", "| never |")


def _levels(rows: Iterable[Row], lanes: dict[tuple[str, str], Row]) -> str:
    def exchanges(row: Row) -> str:
        lane = lanes.get((row["system"], row["lane"]))
        return _number(lane["exchanges"] / lane["accepted"], 2) if lane and lane["accepted"] else "–"

    def line(row: Row) -> list[str]:
        heard = row["heard"]
        return [
            f"{_WHO[row['system']]}{'' if row['lane'].startswith('x') else ' `' + row['lane'] + '`'}", f"{row['level']:g}x",
            _number(row["offered_per_second"], 1), _number(row["good_per_second"], 1), _percent(row["goodput"]),
            *(_number(heard[name], 2) for name in ("good_p50", "good_p95", "good_p99")), _percent(heard["refused"] / heard["offered"]),
            _milliseconds(heard["refusal_p50"]), _milliseconds(heard["refusal_p99"]),
            _percent((heard["failed"] + heard["late"] + heard["gave_up"]) / heard["offered"]), exchanges(row),
        ]  # fmt: skip

    head = [
        "system", "load", "offered/s", "good/s", "goodput", "p50", "p95", "p99", "refused", "in p50 ms", "p99 ms",
        "failed or unheard", "exchanges a call",
    ]  # fmt: skip
    return _table(head, rows, line)


def _outages(rows: Iterable[Row], lanes: dict[tuple[str, str], Row]) -> str:
    def line(row: Row) -> list[str]:
        lane, after = lanes[row["system"], row["lane"]], row["recovered_after"]
        return [
            _WHO[row["system"]], f"{row['outage']:g} s", f"{row['level']:g}x", _percent(row["good_before"]),
            _percent(row["good_during"]), _percent(row["good_after"]), "not in this run" if after is None else f"{after:g} s",
            _percent(row["heard"]["refused"] / row["heard"]["offered"]), f"{lane['exchanges']:,}", f"{lane['repeats']:,}",
        ]  # fmt: skip

    head = [
        "system",
        "outage",
        "load",
        "good before",
        "during",
        "after",
        "as before after",
        "refused",
        "exchanges",
        "repeats",
    ]
    return _table(head, rows, line)


def _isolated(rows: Iterable[Row]) -> str:
    def line(row: Row) -> list[str]:
        off, on, sick = row["well"]["off"], row["well"]["on"], row["sick"]["on"]
        return [
            _WHO[row["system"]], str(row["n"]), *(_milliseconds(one) for one in (off["good_p50"], on["good_p50"])),
            *(_milliseconds(row["p99"][arm]) for arm in ("off", "on")),
            *(_percent(one["good"] / one["offered"]) for one in (off, on)), _percent(sick["refused"] / sick["offered"]),
        ]  # fmt: skip

    head = [
        "system",
        "n",
        "p50 without",
        "with",
        "p99 without",
        "with",
        "goodput without",
        "with",
        "refused, of calls to the black holes",
    ]
    return _table(head, rows, line)


def _flooded(rows: Iterable[Row]) -> str:
    def lines(row: Row) -> Iterable[list[str]]:
        for name, lane in (("same lane", row["same"]), ("other lane", row["beside"])):
            off, on = lane["off"], lane["on"]
            yield [
                _WHO[row["system"]], name, *(_number(one["good_p50"], 2) for one in (off, on)),
                *(_number(one["good_p99"], 2) for one in (off, on)), *(_percent(one["good"] / one["offered"]) for one in (off, on)),
                _percent(row["flood"]["refused"] / row["flood"]["offered"]), _milliseconds(row["flood"]["refusal_p99"]),
            ]  # fmt: skip

    head = ["system", "counter look-ups", "p50 s without", "with", "p99 s without", "with", "goodput without", "with", "of the flood refused", "in p99 ms"]  # fmt: skip
    return _rows(head, [line for row in rows for line in lines(row)])


def _refused(run: Row) -> str:
    def line(row: Row) -> list[str]:
        cpu = sorted(row["cpu_us"])
        spread = f"{median(cpu):,.0f} [{cpu[0]:,.0f}..{cpu[-1]:,.0f}]"
        return [
            row["what"],
            str(row["status"]),
            str(row["at_once"]),
            spread,
            _number(row["p99_ms"], 2),
            f"{row['failed']:,}",
        ]

    head = ["refusal", "status", "at once", "CPU µs, median [min..max]", "p99 ms", "not refused"]
    large = run["large"]
    return (
        f"{_table(head, run['rows'], line)}\n\nOf these, {run['floor_us']:.0f} µs are HTTP alone. With 20 MB declared, a refusal "
        f"was heard after {large['heard_ms']:.1f} ms at most, before a byte of them was sent; with letting them through it took "
        f"{large['cpu_ms']:.0f} ms of CPU, and its connection {'lived on' if large['lives_on'] else '**was lost**'}."
    )


def _doors(rows: Sequence[Row]) -> str:
    def worse(row: Row) -> tuple[bool, float]:
        return row["system"] != HUB, -max(
            row["repeats"] / row["repeats_allowed"], row["rate_excess"], row["most_at_once"] - row["at_once"]
        )

    def line(row: Row) -> list[str]:
        return [
            _WHO[row["system"]], f"`{row['lane']}`", f"{row['accepted']:,}", f"{row['exchanges']:,}", f"{row['repeats']:,}",
            _number(row["repeats_allowed"], 0), f"{row['per_second']:g}", _number(row["rate_excess"], 1), str(row["at_once"]),
            str(row["most_at_once"]), f"{row['cut']:,}", f"{row['refused_by_agency']:,}",
        ]  # fmt: skip

    ordered = sorted(rows, key=worse)
    shown = [row for system in (HUB, GATEWAY) for row in [one for one in ordered if one["system"] == system][:_WORST]]
    head = [
        "system", "lane", "calls accepted", "exchanges", "repeats", "allowed", "contract a second", "calls above it",
        "contract at once", "most", "cut", "answered 429",
    ]  # fmt: skip
    return _table(head, shown, line) + f"\n\nThe {_WORST} worst lanes of each; `congestion.json` has all."


def _busy(busy: Row) -> str:
    names = list(next(iter(busy.values())))
    return _rows(["phase", *names, "together"], [[phase, *(_number(used[name], 2) for name in names), _number(sum(used.values()), 2)] for phase, used in busy.items()])  # fmt: skip


def _parameters(parameters: Row) -> str:
    def shown(value: Any) -> str:
        return ", ".join(f"{one:g}" for one in value) if isinstance(value, list) else f"{value:g}"

    return "\n".join(f"- `{name}` {shown(value)}" for name, value in parameters.items())


def _table(head: Sequence[str], rows: Iterable[Row], line: Callable[[Row], Sequence[str]]) -> str:
    return _rows(head, [line(row) for row in rows])


def _rows(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *lines))


def _number(value: float | None, places: int) -> str:
    return "–" if value is None else f"{value:,.{places}f}"


def _percent(part: float | None) -> str:
    return "–" if part is None else f"{100 * part:.1f} %"


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1000 * seconds:,.1f}"
