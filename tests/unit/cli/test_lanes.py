"""`hub lanes` shows and orders, over a running hub or over its store; what is ordered meanwhile counts from the next start."""

import asyncio
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer
from rich.console import Console

from connectors.kit.registry import find_connectors
from hub.cli import lanes
from tests.unit.cli.conftest import Hub
from tests.unit.cli.test_lane_table import lane

INSTALLED = f"this hub has {', '.join(sorted(find_connectors()))}."


@pytest.fixture
def routed(settings: Path) -> Path:
    """The same installation, with police behind a route."""
    text = settings.read_text("utf-8").replace("[agencies.police]", '[agencies.police]\nroute = "lgsp"')
    contract = "[routes.lgsp.contract]\ncalls_per_second = 30\ncalls_at_once = 20\n"
    settings.write_text(f"{text}\n[routes.lgsp]\n{contract}", "utf-8")
    return settings


def seen(hub: Hub) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    status, out, errors = hub("lanes", "--json")
    assert status == 0, errors
    told = json.loads(out)
    return {lane["agency"]: lane for lane in told["lanes"]}, told["orders"]


def test_a_lane_is_held_and_resumed_in_words(hub: Hub, settings: Path) -> None:
    status, out, errors = hub("lanes", "hold", "police", "--reason", "công an đề nghị dừng")
    assert status == 0, errors
    assert "Nothing goes to police until `hub lanes resume police`. No hub runs: it counts from the next start." in out
    lanes, orders = seen(hub)
    assert (lanes["police"]["held"], lanes["police"]["held_seconds"]) == ("operator", None)
    assert [(order["scope"], order["reason"]) for order in orders] == [("police", "công an đề nghị dừng")]
    table = hub("lanes")[1]
    assert "held: operator, until resumed" in table
    assert "công an đề nghị dừng" in table
    assert "No operator holds police any more." in hub("lanes", "resume", "police")[1]
    assert seen(hub)[0]["police"]["held"] == ""
    status, _, errors = hub("lanes", "resume", "police")
    assert (status, errors) == (1, "No operator holds police.\n")


def test_minutes_end_a_hold(hub: Hub, settings: Path) -> None:
    assert "Nothing goes to police for 30 min." in hub("lanes", "hold", "police", "--minutes", "30", "--reason", "x")[1]
    assert 1700 < seen(hub)[0]["police"]["held_seconds"] <= 1800


def test_a_lane_is_lowered_below_its_contract_and_lifted(hub: Hub, settings: Path) -> None:
    assert (
        "npsp is lowered: 2 at once, until `hub lanes lift npsp`."
        in hub("lanes", "lower", "npsp", "--calls-at-once", "2")[1]
    )
    assert "2 at once, 1.5/s" in hub("lanes", "lower", "npsp", "--calls-per-second", "1.5")[1]
    lane = seen(hub)[0]["npsp"]
    assert lane["numbers"]["concurrency_limit"] == 2
    assert "lowered: 2 at once, 1.5/s" in hub("lanes")[1]
    status, _, errors = hub("lanes", "lower", "npsp", "--calls-at-once", "16")
    assert status == 1
    assert "/calls_at_once: must be below the contract, which allows 16" in errors
    for beyond in ("inf", "nan", "-1", "0"):
        assert hub("lanes", "lower", "npsp", "--calls-per-second", beyond)[0] == 2
    status, _, errors = hub("lanes", "lower", "npsp")
    assert status == 2
    assert "--calls-at-once, --calls-per-second or both" in errors
    assert "npsp may go as far as its contract." in hub("lanes", "lift", "npsp")[1]
    assert hub("lanes", "lift", "npsp")[0] == 1


def test_retries_are_stopped_and_allowed(hub: Hub, settings: Path) -> None:
    assert "No lane repeats anything until" in hub("lanes", "stop-retries", "--reason", "bão")[1]
    assert "all retries stopped, by operator" in hub("lanes")[1]
    assert "Lanes may repeat again." in hub("lanes", "allow-retries")[1]
    assert seen(hub)[1] == []


def test_a_route_is_held_and_its_lanes_name_it(hub: Hub, routed: Path) -> None:
    assert "until `hub lanes resume lgsp --route`" in hub("lanes", "hold", "lgsp", "--route", "--reason", "bảo trì")[1]
    rows = [line.split() for line in hub("lanes")[1].splitlines()]
    assert ["route", "lgsp", "held:", "operator,", "until", "resumed", "0", "+", "0"] in [row[:9] for row in rows]
    assert ["police", "route", "lgsp"] in [row[:3] for row in rows]
    assert ["npsp", "open"] in [row[:2] for row in rows]
    status, _, errors = hub("lanes", "resume", "police")
    assert (status, errors) == (
        1,
        "No operator holds police. It is stopped: operator, with its route; `hub lanes resume lgsp --route` is for that.\n",
    )
    assert hub("lanes", "lower", "lgsp", "--route", "--calls-at-once", "5")[0] == 0
    assert hub("lanes", "resume", "lgsp", "--route")[0] == 0
    assert [order["kind"] for order in seen(hub)[1]] == ["limits"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("hold", "nobody", "--reason", "x"), INSTALLED),
        (("hold", "nowhere", "--route", "--reason", "x"), "this hub has none."),
        (("hold", "police", "--reason", " "), "/reason: "),
        (("hold", "police", "--reason", "a\x1b[31m"), "/reason: is one line of text"),
        (("resume", "nobody"), INSTALLED),
        (("lift", "nobody"), INSTALLED),
        (("--json", "hold", "police", "--reason", "x"), "hub lanes hold ..."),
    ],
)
def test_what_is_wrong_with_an_order_is_told_and_nothing_is_ordered(
    hub: Hub, settings: Path, words: tuple[str, ...], says: str
) -> None:
    status, _, errors = hub("lanes", *words)
    assert status != 0
    assert says in errors
    assert seen(hub)[1] == []


def test_a_hold_and_a_stop_of_retries_want_a_reason(hub: Hub, settings: Path) -> None:
    for words in (("hold", "police"), ("stop-retries",)):
        status, _, errors = hub("lanes", *words)
        assert status == 2
        assert "--reason" in errors


def test_every_order_stands_in_the_journal(hub: Hub, settings: Path, tmp_path: Path) -> None:
    hub("lanes", "hold", "police", "--reason", "dừng")
    hub("lanes", "resume", "police", "--reason", "xong")
    store = sqlite3.connect(tmp_path / "hub.db")
    told = store.execute("SELECT event, caller, agency, detail FROM journal ORDER BY seq").fetchall()
    store.close()
    assert told == [
        ("held", "operator", "police", "until taken back: dừng"),
        ("resumed", "operator", "police", "xong"),
    ]


def test_the_doctor_says_what_is_ordered(hub: Hub, settings: Path) -> None:
    assert json.loads(hub("doctor", "--json")[1])["orders"] == []
    hub("lanes", "hold", "police", "--reason", "công an đề nghị dừng")
    status, out, _ = hub("doctor", "--json")
    assert (status, [order["scope"] for order in json.loads(out)["orders"]]) == (0, ["police"])
    assert "held, by operator at" in hub("doctor")[1]


def test_without_a_terminal_the_live_table_is_printed_once(hub: Hub, settings: Path) -> None:
    status, out, _ = hub("lanes", "--live")
    assert status == 0
    assert out.count("lane ") == 1
    assert "\x1b" not in out


def test_the_live_table_is_renewed_and_outlasts_a_hub_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([lane("police"), None, lane("police", held="busy", held_seconds=32.0)])

    def door(request: httpx2.Request) -> httpx2.Response:
        if not request.url.path.endswith("/lanes"):
            return httpx2.Response(200, json=[])
        try:
            told = next(answers)
        except StopIteration:
            raise KeyboardInterrupt from None
        if told is None:
            raise httpx2.ConnectError("refused")
        return httpx2.Response(200, json=[told])

    def ask(_: Path | None, work: Callable[[httpx2.AsyncClient], Any]) -> None:
        asyncio.run(work(httpx2.AsyncClient(transport=httpx2.MockTransport(door), base_url="http://127.0.0.1:9108")))

    monkeypatch.setattr(lanes, "ask", ask)
    monkeypatch.setattr(lanes, "EVERY", 0.0)
    screen = io.StringIO()
    lanes._watch(None, Console(file=screen, force_terminal=True, width=80))
    shown = screen.getvalue()
    assert shown.index("open") < shown.index("the hub does not answer") < shown.index("held: busy, 32 s")


def test_the_live_table_wants_a_hub_that_runs(hub: Hub, settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Over the store it would keep the lock, and no hub could start."""
    with pytest.raises(typer.Exit):
        lanes._watch(None, Console(file=io.StringIO(), force_terminal=True))
    assert "No hub runs" in capsys.readouterr().err
