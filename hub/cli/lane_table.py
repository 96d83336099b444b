"""
How `hub lanes` looks: one line a lane, those that need somebody first; below, why limits moved and what is ordered.

It takes what the admin doors say of lanes, routes and orders, and fits 80 columns.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from hub.guards.guard import HoldCause

COLUMNS = ("lane", "state", "line", "oldest", "in use", "limit", "p95")
MORE = ("rate", "day left", "retries")
"""What a wide terminal shows beside."""
WIDE = 110
"""Characters of a line from which it is wide."""
_NAME = {False: 12, True: 18}
"""Characters of a name before it goes on in a second line, in a narrow and in a wide table."""
_RED, _YELLOW, _GREEN = "bold red", "yellow", "green"
Seen = Mapping[str, Any]


class LaneTable:
    """All lanes at one moment. Its layout follows the width of the terminal at each printing."""

    def __init__(
        self, lanes: Sequence[Seen], routes: Sequence[Seen], orders: Sequence[Seen], title: str = "Lanes"
    ) -> None:
        self._lanes = lanes
        self._routes = routes
        self._orders = orders
        self._title = title

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._table(options.max_width >= WIDE)
        yield from _below("Limits that moved", ((lane["agency"], moved(lane)) for lane in self._lanes))
        yield from _below("Ordered", ((whose(order), sentence(order)) for order in self._orders))

    def _table(self, wide: bool) -> Table:
        table = Table(
            title=self._title,
            title_justify="left",
            title_style="bold",
            box=SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            expand=True,
        )
        table.add_column(COLUMNS[0], overflow="fold", max_width=_NAME[wide])
        table.add_column(COLUMNS[1], overflow="fold", ratio=1)
        for name in COLUMNS[2:] + (MORE if wide else ()):
            table.add_column(name, justify="right", no_wrap=True)
        for route in self._routes:
            if state := _of_route(route):
                its = [lane for lane in self._lanes if lane["route"] == route["route"]]
                cells = [_waiting(its), _oldest(its), *_cells(route)]
                table.add_row(f"route {route['route']}", state, *cells, *(_more(route) if wide else ()))
        for lane, state in sorted(((lane, states(lane)) for lane in self._lanes), key=lambda one: _rank(one[1])):
            cells = [_waiting([lane]), _oldest([lane]), *_cells(lane)]
            table.add_row(lane["agency"], state, *cells, *(_more(lane) if wide else ()))
        return table


def states(lane: Seen) -> Text:
    """Return what is the matter with *lane*, worst first, or `open`."""
    said = list(_matters(lane)) or [("open", _GREEN)]
    return Text("\n").join(Text(words, style) for words, style in said)


def _matters(lane: Seen) -> Iterator[tuple[str, str]]:
    if lane["route_held"]:
        yield f"route {lane['route']}", _RED  # the one cause; it has a line of its own
        if lane["hold"]:
            yield f"held: {HoldCause.OPERATOR.value}", _RED
    elif lane["held"]:
        yield _stop(lane["held"], lane["held_seconds"]), _RED
    for one in lane["stopped"]:
        yield f"{one['operation']} {_stop(one['cause'], one['seconds'])}", _RED
    for name, value in lane["numbers"].items():
        what, _, operation = name.partition("/")
        if what == "breaker_state" and value == 1.0:
            yield f"{operation} is tried out", _YELLOW
    if lane["numbers"].get("day_quota_remaining", 1.0) <= 0:
        yield "the day's calls are used up", _RED
    if lane["in_doubt"]:
        yield f"{_short(lane['in_doubt'])} in doubt", _YELLOW
    if lane["dead_letters"]:
        yield f"{_short(lane['dead_letters'])} dead", _YELLOW
    if lane["unwritten"]:
        yield f"store behind: {lane['unwritten']}", _YELLOW
    if lane["lowered"]:
        yield f"lowered: {terms(lane['lowered'])}", _YELLOW


def _stop(cause: str, seconds: float | None) -> str:
    if cause in list(HoldCause):
        return f"held: {cause}, {'until resumed' if seconds is None else lasting(seconds)}"
    return f"fails: {cause}, next try in {lasting(seconds or 0.0)}"


def _rank(state: Text) -> int:
    """Put what needs somebody before what is only unusual, and that before the rest."""
    worst = str(state.style or "") + "".join(str(span.style) for span in state.spans)
    return 0 if _RED in worst else 1 if _YELLOW in worst else 2


def _of_route(route: Seen) -> Text:
    """Return what is the matter with a route; empty when nothing is, and then it has no line."""
    said = [(_stop(route["held"], route["held_seconds"]), _RED)] if route["held"] else []
    said += [(f"lowered: {terms(route['lowered'])}", _YELLOW)] if route["lowered"] else []
    return Text("\n").join(Text(words, style) for words, style in said)


def _cells(seen: Seen) -> list[str]:
    numbers, p95 = seen["numbers"], seen["numbers"].get("p95_seconds")
    return [
        f"{numbers['concurrency_in_use']:.0f}",
        f"{numbers['concurrency_limit']:.0f}/{seen['contract']['calls_at_once']}",
        lasting(p95) if p95 else "-",
    ]


def _more(seen: Seen) -> list[str]:
    numbers = seen["numbers"]
    return [
        f"{numbers['rate_limit']:.3g}/s",
        f"{numbers['day_quota_remaining']:,.0f}" if "day_quota_remaining" in numbers else "-",
        f"{max(0.0, numbers['retry_budget']):.0f}" if "retry_budget" in numbers else "-",
    ]


def _waiting(lanes: Sequence[Seen]) -> str:
    """Interactive calls that wait, and durable ones that are queued or under way."""
    counts = (lane["numbers"].items() for lane in lanes)
    here = sum(
        value for items in counts for name, value in items if name.startswith("queue_calls/") and "interactive" in name
    )
    return f"{_short(here)} + {_short(sum(lane['backlog'] for lane in lanes))}"


def _short(count: float) -> str:
    return f"{count:.0f}" if count < 10_000 else f"{count / 1000:.0f}k"


def _oldest(lanes: Sequence[Seen]) -> str:
    ages = [
        value
        for lane in lanes
        for name, value in lane["numbers"].items()
        if name.startswith("queue_oldest_age_seconds/")
    ]
    oldest = max(ages, default=0.0)
    return lasting(oldest) if oldest else "-"


def moved(lane: Seen) -> str:
    """Return why the limit last moved and how long ago; empty where it began, and where it is as high as the contract."""
    if lane["moved"] in ("", "start") or lane["numbers"]["concurrency_limit"] >= lane["contract"]["calls_at_once"]:
        return ""
    return f"{lane['moved']}, {lasting(lane['moved_seconds'])} ago"


def whose(order: Seen) -> str:
    """Return what an order is about, in words."""
    return "everything" if order["scope"] == "*" else str(order["scope"]).replace("/", " ", 1)


def sentence(order: Seen) -> str:
    """Return an order as a sentence: what, until when, who, since when, why."""
    what = {"hold": "held", "limits": f"lowered: {terms(order)}", "retries": "all retries stopped"}[order["kind"]]
    until = "" if order["until"] is None else f" until {_clock(order['until'])}"
    why = f": {order['reason']}" if order["reason"] else ""
    return f"{what}{until}, by {order['by']} at {_clock(order['at'])}{why}"


def terms(order: Seen) -> str:
    """Return how far an order lowers a lane or route."""
    parts = []
    if order["calls_at_once"] is not None:
        parts.append(f"{order['calls_at_once']} at once")
    if order["calls_per_second"] is not None:
        parts.append(f"{order['calls_per_second']:g}/s")
    return ", ".join(parts)


def _below(heading: str, lines: Iterator[tuple[str, str]]) -> Iterator[Text | Table]:
    said = [(whose, words) for whose, words in lines if words]
    if not said:
        return
    notes = Table.grid(padding=(0, 2))
    notes.add_column(overflow="fold")
    notes.add_column(overflow="fold", ratio=1)
    for whose, words in said:
        notes.add_row(Text(whose), Text(words))
    yield Text(heading, "bold")
    yield notes


def _clock(moment: str) -> str:
    return moment[:16].replace("T", " ")


def lasting(seconds: float) -> str:
    """Return *seconds* as a person reads them at a glance."""
    if 0 < seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} d"
