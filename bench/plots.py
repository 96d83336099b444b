"""The plots of a congestion run, made from its JSON. The same system has the same colour and mark in each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # no display
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bench.report import drawn
from bench.stage import GATEWAY, HUB
from bench.weighing import GOODPUT, ISOLATED_GOODPUT, RECOVERED

_COLOUR = {HUB: "#0b6e6e", GATEWAY: "#c4572b"}
_MARK = {HUB: "o", GATEWAY: "s"}
_NAME = {HUB: "hub", GATEWAY: "naive gateway"}
_AIM = "#444444"
_QUIET = "#9a9a9a"
_STYLE = {
    "font.size": 11, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 12, "axes.titlelocation": "left",
    "axes.grid": True, "grid.color": "#e6e6e6", "grid.linewidth": 0.8, "axes.axisbelow": True, "legend.frameon": False,
    "figure.dpi": 100, "savefig.dpi": 150, "axes.edgecolor": "#888888", "svg.hashsalt": "lienthong",
}  # fmt: skip
Row = dict[str, Any]


def draw(results: Row, folder: Path) -> None:
    """Draw into *folder* what *results* hold; see `report.page`."""
    phases = results["phases"]
    with plt.rc_context(_STYLE):
        if drawn("goodput", phases):
            levels = [*phases["steady"]["levels"], *phases.get("pressed", {"levels": []})["levels"]]
            _save(_goodput(levels), folder / "congestion-goodput.png")
        if drawn("recovery", phases):
            _save(_recovery(phases["steady"]["outages"], results["parameters"]), folder / "congestion-recovery.png")
        if drawn("isolation", phases):
            _save(_isolation(phases["isolated"]), folder / "congestion-isolation.png")


def _save(figure: Figure, file: Path) -> None:
    figure.savefig(file, metadata={"Software": None})
    plt.close(figure)


def _goodput(levels: Sequence[Row]) -> Figure:
    figure, axes = plt.subplots(figsize=(8, 4.6), layout="constrained")
    offered = sorted({row["level"] for row in levels})
    axes.set_xscale("log")
    able = [100 * min(1.0, level) for level in offered]
    axes.plot(offered, able, color=_QUIET, lw=1.2, ls=":", label="all that can be answered")
    axes.plot([1, max(offered)], [GOODPUT] * 2, color=_AIM, lw=1.2, ls="--", label=f"aim: {GOODPUT:g} % from 1x on")
    for system in (GATEWAY, HUB):
        mine = sorted((row for row in levels if row["system"] == system), key=lambda row: float(row["level"]))
        across, up = [row["level"] for row in mine], [100 * row["goodput"] for row in mine]
        axes.plot(across, up, **_line(system), ms=7)
    axes.xaxis.set_major_locator(FixedLocator(offered))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda level, _: f"{level:g}x"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0, 110)
    _labels(
        axes,
        "Goodput over offered load",
        "offered load, in multiples of what the agency bears",
        "good answers, % of capacity",
    )
    _legend(figure, axes)
    return figure


def _recovery(outages: Sequence[Row], parameters: Row) -> Figure:
    longest = max(row["outage"] for row in outages)
    levels = sorted({row["level"] for row in outages})
    size = (5.2 * len(levels), 4.4)
    figure, grid = plt.subplots(1, len(levels), figsize=size, layout="constrained", sharey=True, squeeze=False)
    for axes, level in zip(grid[0], levels, strict=True):
        axes.axvspan(0, longest, color="#f1e9d8", zorder=0)
        axes.text(longest / 2, 107, "outage", ha="center", va="center", color="#7a6a4a", fontsize=10)
        for system in (GATEWAY, HUB):
            row = next(
                row for row in outages if (row["outage"], row["level"], row["system"]) == (longest, level, system)
            )
            step, parts = row["step"], row["good_over_time"]
            times = [(at + 0.5) * step - row["outage_at"] for at in range(len(parts))]
            axes.plot(times, [None if part is None else 100 * part for part in parts], **_line(system), ms=4)
        end = parameters["steady"] - parameters["outage_at"]
        due = min(longest + RECOVERED, end)
        aim = f"aim: {GOODPUT:g} % again {RECOVERED:g} s after it"
        axes.plot([due, end], [GOODPUT] * 2, color=_AIM, lw=1.6, ls="--", label=aim, zorder=4)
        axes.set_ylim(0, 112)
        first = axes is grid[0][0]
        _labels(
            axes,
            f"at {level:g}x of capacity",
            "seconds since the outage began",
            "calls with a good answer, %" if first else "",
        )
    says = f"{longest:g} s in which the agency answers nothing; then it works through all it was sent"
    figure.suptitle(says, fontsize=12, fontweight="bold", x=0.01, ha="left")
    _legend(figure, grid[0][0])
    return figure


def _isolation(rows: Sequence[Row]) -> Figure:
    numbers = sorted({row["n"] for row in rows})
    figure, (left, right) = plt.subplots(1, 2, figsize=(11.6, 4.8), layout="constrained")
    wide = 0.2
    for place, (system, arm) in enumerate((system, arm) for system in (HUB, GATEWAY) for arm in ("off", "on")):
        these = [next(row for row in rows if (row["n"], row["system"]) == (n, system)) for n in numbers]
        p99s = [1000 * (row["p99"][arm] or 0.0) for row in these]
        parts = [100 * row["well"][arm]["good"] / row["well"][arm]["offered"] for row in these]
        for axes, heights, form in ((left, p99s, "{:,.0f}"), (right, parts, "{:.0f}")):
            at = [number + (place - 1.5) * wide for number in range(len(numbers))]
            named = f"{_NAME[system]}, {'half black-holed' if arm == 'on' else 'all well'}"
            shade = 1.0 if arm == "on" else 0.4
            bars = axes.bar(at, heights, wide * 0.92, color=_COLOUR[system], alpha=shade, label=named)
            axes.bar_label(bars, [form.format(height) for height in heights], fontsize=8.5, padding=2)
    for axes in (left, right):
        axes.set_xticks(range(len(numbers)), [f"{n // 2} of {n}" for n in numbers])
        axes.grid(axis="x", visible=False)
    right.axhline(ISOLATED_GOODPUT, color=_AIM, lw=1.2, ls="--", label=f"aim: {ISOLATED_GOODPUT:g} % of calls")
    right.set_ylim(0, 110)
    _labels(left, "p99 of the agencies that are well", "agencies black-holed", "milliseconds")
    _labels(right, "goodput of the agencies that are well", "agencies black-holed", "calls with a good answer, %")
    _legend(figure, right)
    return figure


def _line(system: str) -> dict[str, Any]:
    return {
        "color": _COLOUR[system], "marker": _MARK[system], "label": _NAME[system], "lw": 2.2, "clip_on": False,
        "zorder": 3 if system == HUB else 2,
    }  # fmt: skip


def _labels(axes: Axes, title: str, across: str, up: str) -> None:
    axes.set_title(title, fontweight="bold", pad=10)
    axes.set_xlabel(across)
    axes.set_ylabel(up)


def _legend(figure: Figure, axes: Axes) -> None:
    """Put the legend of *axes* below all: systems first, then what they are held against."""
    handles, names = axes.get_legend_handles_labels()
    order = sorted(
        range(len(names)),
        key=lambda at: (names[at].startswith("aim"), names[at].startswith("all that"), not names[at].startswith("hub")),
    )
    figure.legend(
        [handles[at] for at in order], [names[at] for at in order], loc="outside lower center", ncols=len(names)
    )
