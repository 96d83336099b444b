"""The table of lanes says at a glance what is the matter, on a narrow terminal too."""

import io
import itertools
from typing import Any

import pytest
from rich.console import Console

from hub.cli.lane_table import COLUMNS, MORE, LaneTable, lasting
from hub.guards.guard import HoldCause

NUMBERS = {
    "rate_limit": 9.0,
    "concurrency_limit": 4.0,
    "concurrency_in_use": 2.0,
    "day_quota_remaining": 99_000.0,
    "retry_budget": 9.6,
    "p95_seconds": 1.25,
    "queue_calls/counter/interactive": 2.0,
    "queue_calls/normal/interactive": 1.0,
    "queue_calls/normal/backlog": 8.0,
    "queue_oldest_age_seconds/counter/interactive": 0.0,
    "queue_oldest_age_seconds/normal/interactive": 12.0,
}


def lane(agency: str, **changes: Any) -> dict[str, Any]:
    """Return a lane as the door tells of it; numbers given are added to ordinary ones."""
    told: dict[str, Any] = {
        "agency": agency, "held": "", "held_seconds": None, "hold": None, "lowered": None, "route": None,
        "route_held": "", "route_held_seconds": None, "stopped": [], "log_in_needed": False, "unwritten": 0, "in_doubt": 0, "dead_letters": 0,
        "backlog": 120, "contract": {"calls_at_once": 8}, "moved": "start", "moved_seconds": 1.0,
    }  # fmt: skip
    return told | changes | {"numbers": NUMBERS | changes.get("numbers", {})}


def route(**changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "route": "lgsp", "held": "", "held_seconds": None, "hold": None, "lowered": None,
        "contract": {"calls_at_once": 20},
        "numbers": {"rate_limit": 27.0, "concurrency_limit": 20.0, "concurrency_in_use": 4.0},
    }  # fmt: skip
    return told | changes


def order(scope: str = "police", kind: str = "hold", **changes: Any) -> dict[str, Any]:
    told = {
        "scope": scope, "kind": kind, "by": "operator", "at": "2026-11-27T10:03:11.000+07:00", "until": None,
        "reason": "cơ quan đề nghị dừng", "calls_at_once": None, "calls_per_second": None,
    }  # fmt: skip
    return told | changes


def drawn(
    *lanes: dict[str, Any],
    routes: tuple[dict[str, Any], ...] = (),
    orders: tuple[dict[str, Any], ...] = (),
    width: int = 80,
) -> list[str]:
    """Return the lines that a terminal of *width* shows."""
    console = Console(file=io.StringIO(), width=width)
    console.print(LaneTable(lanes, routes, orders))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def words(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def state_of(lines: list[str], name: str) -> str:
    """Return what stands in the second cell of the row of *name*, in however many lines."""
    head = next(line for line in lines if " state " in line)
    begin, end = head.index("state"), head.index("line") + len("line") - len("3 + 120") - 1
    row = lines[lines.index(line_of(lines, name)) :]
    told = [row[0], *itertools.takewhile(lambda line: line[: begin - 1].isspace(), row[1:])]
    return words([line[begin:end] for line in told])


def line_of(lines: list[str], name: str) -> str:
    return next(line for line in lines if line.strip().startswith(name))


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_lane_that_is_well_is_one_line(width: int) -> None:
    lines = drawn(lane("npsp"), width=width)
    cells = line_of(lines, "npsp").split()
    assert cells[:12] == ["npsp", "open", "3", "+", "120", "12", "s", "2", "4/8", "1.2", "s", *cells[11:12]]
    assert cells[11:] == ([] if width == 80 else ["9/s", "99,000", "10"])
    for name in COLUMNS + (MORE if width > 80 else ()):
        assert name in words(lines)
    assert len([line for line in lines if line.strip()]) == 4


MATTERS = {
    "busy": (lane("police", held="busy", held_seconds=32.0), "held: busy, 32 s"),
    "operator": (lane("police", held="operator"), "held: operator, until resumed"),
    "breaker": (
        lane("police", stopped=[{"operation": "lookup_citizen", "guard": "breaker", "cause": "timeout", "seconds": 34.0}]),
        "lookup_citizen fails: timeout, next try in 34 s",
    ),
    "contract": (
        lane("police", stopped=[{"operation": "lookup_citizen", "guard": "hold", "cause": "contract", "seconds": 60.0}]),
        "lookup_citizen held: contract, 60 s",
    ),
    "probing": (lane("police", numbers={"breaker_state/lookup_citizen": 1.0}), "lookup_citizen is tried out"),
    "day": (lane("police", numbers={"day_quota_remaining": 0.0}), "the day's calls are used up"),
    "store": (lane("police", unwritten=3), "store behind: 3"),
    "doubts": (lane("police", in_doubt=3), "3 in doubt"),
    "dead letters": (lane("police", dead_letters=12_345), "12k dead"),
    "lowered": (
        lane("police", lowered=order(kind="limits", calls_at_once=2, calls_per_second=1.5)),
        "lowered: 2 at once, 1.5/s",
    ),
}  # fmt: skip


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("matter", MATTERS)
def test_what_is_the_matter_is_said_in_words(matter: str, width: int) -> None:
    seen, says = MATTERS[matter]
    lines = drawn(seen, lane("npsp"), width=width)
    assert state_of(lines, "police") == says
    assert state_of(lines, "npsp") == "open"


@pytest.mark.parametrize("cause", [str(cause) for cause in HoldCause])
def test_every_cause_of_a_hold_is_told_as_a_hold(cause: str) -> None:
    assert state_of(drawn(lane("police", held=cause, held_seconds=32.0)), "police") == f"held: {cause}, 32 s"


def test_who_needs_somebody_stands_first_then_what_is_unusual_then_the_rest_as_in_the_settings() -> None:
    lowered = order(kind="limits", calls_at_once=2)
    lines = drawn(
        lane("tax"), lane("power", lowered=lowered), lane("water"), lane("police", held="busy", held_seconds=3.0)
    )
    at = [lines.index(line_of(lines, name)) for name in ("police", "power", "tax", "water")]
    assert at == sorted(at)


RED = {"route": "lgsp", "route_held": "busy", "route_held_seconds": 32.0, "held": "busy", "held_seconds": 32.0}


@pytest.mark.parametrize("width", [80, 120])
def test_a_red_route_is_one_line_and_its_lanes_only_name_it(width: int) -> None:
    lgsp = route(held="busy", held_seconds=32.0)
    lines = drawn(lane("tax", **RED), lane("npsp"), lane("police", **RED), routes=(lgsp,), width=width)
    assert words(lines).count("held: busy, 32 s") == 1
    assert state_of(lines, "route lgsp") == "held: busy, 32 s"
    cells = line_of(lines, "route lgsp").split()[6:]
    assert cells[:8] == ["6", "+", "240", "12", "s", "4", "20/20", "-"], "what waits behind it, and what is under way"
    assert cells[8:] == (["27/s", "-", "-"] if width == 120 else [])
    for name in ("tax", "police"):
        assert state_of(lines, name) == "route lgsp"
    assert state_of(lines, "npsp") == "open"


def test_a_route_that_is_well_has_no_line_and_one_that_is_lowered_has() -> None:
    over = lane("tax", route="lgsp")
    assert "route" not in words(drawn(over, routes=(route(),)))
    lowered = order("route/lgsp", "limits", calls_at_once=5)
    lines = drawn(over, routes=(route(lowered=lowered),))
    assert state_of(lines, "route lgsp") == "lowered: 5 at once"
    assert state_of(lines, "tax") == "open"


def test_a_route_that_cannot_be_reached_is_red_too() -> None:
    lines = drawn(lane("tax", **RED), routes=(route(held="connect", held_seconds=20.0),))
    assert state_of(lines, "route lgsp") == "fails: connect, next try in 20 s"


@pytest.mark.parametrize("width", [80, 120])
def test_why_a_limit_moved_is_told_with_when(width: int) -> None:
    why = "slow: half of the calls took over 2 s, usual are 0.8 s"
    text = words(drawn(lane("police", moved=why, moved_seconds=200.0), lane("npsp"), width=width))
    assert text.count("3 min ago") == 1
    assert all(word in text for word in why.split())
    full = lane("police", moved="all of it was used", numbers={"concurrency_limit": 8.0})
    assert "Limits that moved" not in words(drawn(full, width=width)), "it is as high as it may be"


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_ordered_stands_below_with_who_when_and_why(width: int) -> None:
    orders = (
        order(),
        order("route/lgsp", until="2026-11-27T14:00:00.000+07:00"),
        order("*", "retries", reason="[bold]bão[/]"),
        order("npsp", "limits", calls_at_once=2, reason=""),
    )
    text = words(drawn(lane("police"), orders=orders, width=width))
    assert "police held, by operator at 2026-11-27 10:03: cơ quan đề nghị dừng" in text
    assert "route lgsp held until 2026-11-27 14:00, by operator at 2026-11-27 10:03" in text
    assert "everything all retries stopped, by operator at 2026-11-27 10:03: [bold]bão[/]" in text, "no markup"
    assert text.endswith("npsp lowered: 2 at once, by operator at 2026-11-27 10:03")


@pytest.mark.parametrize("width", [80, 110, 120])
def test_twenty_five_busy_lanes_with_long_names_and_large_numbers_fit(width: int) -> None:
    large = {
        "queue_calls/counter/interactive": 9_999.0, "queue_oldest_age_seconds/normal/interactive": 5_000.0,
        "concurrency_in_use": 200.0, "concurrency_limit": 100.0, "p95_seconds": 119.0,
        "day_quota_remaining": 12_345_678.0, "rate_limit": 123.4,
    }  # fmt: skip
    lanes = [
        lane(
            f"department_of_planning_{number}",
            numbers=large,
            backlog=99_999,
            contract={"calls_at_once": 200},
            held="maintenance",
            held_seconds=86_000.0,
            moved="slow: half of the calls took over 2 s, usual are 0.8 s",
            stopped=[{"operation": "lookup_dossier_status", "guard": "breaker", "cause": "http_503", "seconds": 119.0}],
        )
        for number in range(25)
    ]
    lines = drawn(*lanes, orders=(order(scope="department_of_planning_1", reason="x" * 200),), width=width)
    assert max(map(len, lines)) <= width
    text = words(lines)
    assert "x" * 20 in text
    assert "…" not in text, "nothing is cut"
    for number in ("10k + 100k", "83 min", "100/200", "2 min", "200") + (
        ("12,345,678", "123/s") if width >= 110 else ()
    ):
        assert text.count(number) >= 25, number


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (0.0, "0.0 s"),
        (0.04, "40 ms"),
        (9.5, "9.5 s"),
        (59.0, "59 s"),
        (100.0, "2 min"),
        (7200.0, "2 h"),
        (400_000.0, "5 d"),
    ],
)
def test_seconds_are_told_as_a_person_reads_them(seconds: float, says: str) -> None:
    assert lasting(seconds) == says
