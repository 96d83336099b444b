"""`hub doubt` and `hub dead`: what a person sees, decides and is asked, over the store of a hub that does not run."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.kit.registry import find_connectors
from hub.call import NEVER, Call, Class, Kind, Purpose, State, uuid7
from hub.cli import dead as dead_commands
from hub.clock import SystemClock
from hub.store.dead_notices import Found, Raw
from hub.store.protocol import Settlement
from hub.store.sqlite import SqliteStore
from tests.unit.cli.conftest import Hub

SAMPLE = (find_connectors()["npsp"] / "samples/file_dossier.ok/request.canonical.json").read_bytes()
NAME = json.loads(SAMPLE)["owner"]["full_name"]
CODE = "000.00.14.H32-261123-0101"
Fill = Callable[..., list[str]]


@pytest.fixture
def fill(settings: Path, tmp_path: Path) -> Fill:
    """Put so many filings into the store that stand in a state; return their ids."""

    async def filled(count: int, state: State, cause: str, changes: dict[str, Any]) -> list[str]:
        clock = SystemClock()
        store = SqliteStore.open_file(tmp_path / "hub.db", clock, backlog_calls={"npsp": 100_000})
        base = len(await store.journal(limit=9_999))
        ids = []
        for number in range(count):
            now = clock.now()
            tail = (base + number).to_bytes(10, "big")
            facts: dict[str, Any] = {
                "id": uuid7(now, lambda _, tail=tail: tail), "agency": "npsp", "operation": "file_dossier",
                "kind": Kind.FILING, "cls": Class.NORMAL, "interactive": False, "caller": "onestop",
                "purpose": Purpose("cb-014", "H32", CODE), "fingerprint": f"{number}", "accepted_at": now,
                "deadline": now + 99, "due_at": now, "step": "file_dossier", "repeat_safe": True,
            }  # fmt: skip
            ids.append(facts["id"])
            await store.accept(Call(**(facts | changes)), SAMPLE)
        leased = await store.lease("npsp", "hub", {Class.NORMAL: count}, 60)
        begun = await asyncio.gather(*(store.begin(one.call.id, one.call.fence, "hub") for one in leased))
        ends = [
            Settlement(one.call.id, one.call.fence, number or 1, state, "in_doubt", cause, 10.0, due_at=NEVER)
            for one, number in zip(leased, begun, strict=True)
        ]
        await asyncio.gather(*(store.settle(end) for end in ends))
        await store.close()
        return ids

    def fill(count: int = 1, state: State = State.DEAD, cause: str = "connect", **changes: Any) -> list[str]:
        return asyncio.run(filled(count, state, cause, changes))

    return fill


def state(hub: Hub, call: str) -> tuple[str, str, str]:
    told = json.loads(hub("calls", "show", call, "--json")[1])
    return told["state"], told["cause"], told["class"]


def test_a_doubt_is_listed_shown_and_resolved(hub: Hub, fill: Fill) -> None:
    (call,) = fill(state=State.IN_DOUBT, cause="differs")
    status, out, errors = hub("doubt", "list")
    assert status == 0, errors
    assert all(word in out for word in (call, CODE, "differs", "lookup_dossier", "for a person"))
    out = hub("doubt", "show", call)[1]
    assert all(word in out for word in (CODE, call.replace("-", ""), "file_dossier", "in_doubt", "•••", "digest"))
    assert NAME not in out
    status, out, errors = hub("doubt", "resolve", call, "--done", "--by", "cb-014", "--reason", "đã gọi cổng")
    assert (status, errors) == (0, "")
    assert "is answered, on your word" in out
    assert state(hub, call)[:2] == ("answered", "confirmed")
    assert hub("doubt", "list", "--json")[1] == '{\n  "calls": [],\n  "after": null\n}\n'
    out = hub("doubt", "show", call)[1]
    assert "cb-014" in out
    assert "done: đã gọi cổng" in out
    status, _, errors = hub("doubt", "resolve", call, "--done", "--by", "cb-014", "--reason", "x")
    assert (status, errors) == (1, f"{call} is answered meanwhile; `hub calls show {call}` tells where it stands.\n")


@pytest.mark.parametrize(
    ("outcome", "ends", "says"),
    [("--not-done", ("queued", "sent_again", "normal"), "is sent again"), ("--give-up", ("dead", "given_up", "normal"), "`hub dead discard` ends it")],
)  # fmt: skip
def test_a_doubt_may_be_sent_again_or_given_up(
    hub: Hub, fill: Fill, outcome: str, ends: tuple[str, str, str], says: str
) -> None:
    (call,) = fill(state=State.IN_DOUBT)
    assert says in hub("doubt", "resolve", call, outcome, "--by", "cb-014", "--reason", "x")[1]
    assert state(hub, call) == ends


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--by", "a", "--reason", "x"), "one of --done, --not-done and --give-up"),
        (("--done", "--not-done", "--by", "a", "--reason", "x"), "one of --done, --not-done and --give-up"),
        (("--done", "--by", "a", "--reason", "x", "--ref", "receipt"), "receipt=000123"),
        (("--done", "--by", "a", "--reason", "x", "--ref", "receipt=1"), "/refs/receipt: is no reference of this agency; it remembers none"),
        (("--done", "--by", "a", "--reason", " "), "/reason: "),
        (("--done", "--reason", "x"), "--by"),
        (("--done", "--by", "a"), "--reason"),
    ],
)  # fmt: skip
def test_a_resolution_that_is_none_is_told(hub: Hub, fill: Fill, words: tuple[str, ...], says: str) -> None:
    (call,) = fill(state=State.IN_DOUBT)
    status, _, errors = hub("doubt", "resolve", call, *words)
    assert status != 0
    assert says in errors
    assert state(hub, call)[0] == "in_doubt"


def test_who_takes_the_wrong_command_hears_which_one_is_right(hub: Hub, fill: Fill) -> None:
    (doubtful,) = fill(state=State.IN_DOUBT)
    (dead,) = fill()
    status, _, errors = hub("dead", "discard", doubtful, "--reason", "x")
    assert (status, "is in doubt" in errors, f"`hub doubt resolve {doubtful}`" in errors) == (1, True, True)
    status, _, errors = hub("doubt", "resolve", dead, "--done", "--by", "cb-014", "--reason", "x")
    assert (status, f"`hub dead discard {dead}`" in errors, "meanwhile" in errors) == (1, True, False)
    assert (state(hub, doubtful)[0], state(hub, dead)[0]) == ("in_doubt", "dead")


@pytest.mark.parametrize("words", [("doubt", "show"), ("dead", "show"), ("calls", "show"), ("doubt", "resolve")])
def test_a_call_that_is_not_there_is_told_as_an_operator_needs_it(hub: Hub, fill: Fill, words: tuple[str, str]) -> None:
    more = ("--done", "--by", "cb-014", "--reason", "x") if words[1] == "resolve" else ()
    status, _, errors = hub(*words, "nosuch", *more)
    assert (status, "There is no such call. `hub calls list`" in errors) == (1, True)
    assert "caller's" not in errors
    assert "GET /v1" not in errors, "that is the callers' door"


def test_dead_letters_are_listed_with_their_toll_a_page_at_a_time(hub: Hub, fill: Fill) -> None:
    old = fill(2, cause="deadline")
    new = fill(1, cause="connect")
    out = hub("dead", "list")[1]
    assert ["npsp", "deadline", "2", "0"] in [line.replace("│", " ").split() for line in out.splitlines()]
    page = json.loads(hub("dead", "list", "--limit", "2", "--json")[1])
    assert [one["call"] for one in page["calls"]] == [*new, old[1]]
    assert f"--after '{page['after']}'" in hub("dead", "list", "--limit", "2")[1]
    rest = json.loads(hub("dead", "list", "--after", page["after"], "--json")[1])
    assert [one["call"] for one in rest["calls"]] == [old[0]]
    some = json.loads(hub("dead", "list", "--cause", "connect", "--json")[1])["calls"]
    assert [one["call"] for one in some] == new
    assert json.loads(hub("dead", "list", "--since", "2099-01-01", "--json")[1])["calls"] == []
    status, _, errors = hub("dead", "list", "--after", "x")
    assert (status, "?after" in errors) == (1, True)


def test_one_dead_letter_is_sent_again_without_a_question(hub: Hub, fill: Fill) -> None:
    (call,) = fill()
    status, out, errors = hub("dead", "replay", call)
    assert (status, errors) == (0, "")
    assert out == "1 sent again. No hub runs: they go from the next start.\n"
    assert state(hub, call) == ("queued", "replayed", "bulk")
    status, _, errors = hub("dead", "replay", call)
    assert (status, "is queued meanwhile" in errors) == (1, True)
    status, _, errors = hub("dead", "replay", "01990a5e-8c1b-7cc3-98c4-dc0c0c07398f")
    assert (status, "There is no call" in errors) == (1, True)


def test_many_are_counted_asked_about_and_then_sent_again(
    hub: Hub, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(3, cause="deadline")
    fill(2, cause="connect")
    where = ("--agency", "npsp", "--cause", "deadline")
    status, out, _ = hub("dead", "replay", *where, "--dry-run")
    assert (status, "It would be 3. Nothing was changed." in out) == (0, True)
    told = json.loads(hub("dead", "replay", *where, "--limit", "2", "--dry-run", "--json")[1])
    assert told == {"letters": 2, "of": [{"agency": "npsp", "cause": "deadline", "calls": 3, "notices": 0}]}
    status, _, errors = hub("dead", "replay", *where)
    assert (status, "Send or read again 3 dead letters of npsp?" in errors, "--yes" in errors) == (2, True, True)
    asked: list[str] = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda question: bool(asked.append(question)))
    status, _, errors = hub("dead", "replay", *where)
    assert (status, asked, errors) == (1, ["Send or read again 3 dead letters of npsp?"], "Nothing was changed.\n")
    assert len(json.loads(hub("dead", "list", "--json")[1])["calls"]) == 5
    assert "3 sent again." in hub("dead", "replay", *where, "--yes")[1]
    left = json.loads(hub("dead", "list", "--json")[1])["calls"]
    assert [one["cause"] for one in left] == ["connect"] * 2
    assert "0 sent again" in hub("dead", "replay", *where)[1]


def test_more_than_a_page_are_discarded_with_a_bar_once_it_takes_long(
    hub: Hub, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_commands, "PAGE", 20)
    fill(50)
    started: list[int] = []
    monkeypatch.setattr("hub.cli.dead.Progress.start", lambda bar: started.append(1))
    out = hub("dead", "discard", "--agency", "npsp", "--limit", "45", "--reason", "nộp bằng giấy", "--yes")[1]
    assert out == "45 discarded.\n"
    assert started == [], "it was quick"
    monkeypatch.setattr(dead_commands, "SLOW", -1.0)
    assert hub("dead", "discard", "--agency", "npsp", "--reason", "x", "--yes", "--json")[1].count("cancelled") == 5
    assert started == [1]
    assert json.loads(hub("dead", "list", "--json")[1])["calls"] == []


@pytest.mark.parametrize("act", ["replay", "discard"])
def test_who_names_nothing_or_two_things_touches_nothing(hub: Hub, fill: Fill, act: str) -> None:
    (call,) = fill()
    for words in ((), (call, "--agency", "npsp")):
        status, _, errors = hub("dead", act, *words, "--reason", "x", "--yes")
        assert (status, "Name calls or notices, or say which by --agency, --cause or --since" in errors) == (2, True)
    assert state(hub, call)[0] == "dead"
    assert hub("dead", "discard", call)[0] == 2, "a reason is wanted"


def test_a_call_that_waits_says_behind_which_one(hub: Hub, fill: Fill) -> None:
    (stuck,) = fill(order_key="D1")
    (second,) = fill(order_key="D1")
    assert f"{stuck}, dead: connect; see `hub dead show`" in hub("calls", "show", second)[1]
    assert hub("dead", "discard", stuck, "--reason", "x")[0] == 0
    assert json.loads(hub("calls", "show", second, "--json")[1])["in_the_way"] is None


def test_lanes_show_how_many_need_a_person(hub: Hub, fill: Fill) -> None:
    fill(2)
    fill(1, state=State.IN_DOUBT)
    told = {lane["agency"]: lane for lane in json.loads(hub("lanes", "--json")[1])["lanes"]}
    assert (told["npsp"]["dead_letters"], told["npsp"]["in_doubt"]) == (2, 1)
    assert (told["police"]["dead_letters"], told["police"]["in_doubt"]) == (0, 0)
    out = hub("lanes")[1]
    assert "1 in doubt" in out
    assert "2 dead" in out


@pytest.fixture
def unread(settings: Path, tmp_path: Path) -> Callable[..., str]:
    """Put a dead notice into the store; return its id."""

    async def kept(id_: str, body: bytes, cause: str) -> None:
        store = SqliteStore.open_file(tmp_path / "hub.db", SystemClock(), backlog_calls={"npsp": 1})
        raw = Raw(id_, "npsp", "tax_notice_received", {}, {}, body)
        await store.notices.dead.keep(raw, Found(cause, [("told[3]/amount", "is missing")]))
        await store.close()

    def unread(number: int = 1, cause: str = "mapping") -> str:
        id_ = f"01990a5e-8c1b-7cc3-98c4-dc0c0c073{number:03}"
        asyncio.run(kept(id_, f"<{NAME}{number}/>".encode(), cause))
        return id_

    return unread


def test_a_dead_notice_stands_beside_dead_calls(hub: Hub, fill: Fill, unread: Callable[..., str]) -> None:
    (call,) = fill()
    notice = unread()
    status, out, errors = hub("dead", "list")
    assert status == 0, errors
    assert all(word in out for word in (call, notice, "tax_notice_received", "told[3]/amount: is missing"))
    page = json.loads(hub("dead", "list", "--cause", "mapping", "--json")[1])
    assert ([one["dead_notice"] for one in page["notices"]], page["calls"]) == ([notice], [])
    out = hub("dead", "show", notice)[1]
    assert all(word in out for word in (notice, "told[3]/amount", "is missing", "digest"))
    assert NAME not in out


def test_dead_notices_are_discarded_one_or_many_with_calls(hub: Hub, fill: Fill, unread: Callable[..., str]) -> None:
    (call,) = fill()
    first, *others = [unread(number) for number in range(1, 4)]
    assert hub("dead", "discard", first, "--reason", "thử")[:2] == (0, "1 dead notice discarded.\n")
    assert json.loads(hub("dead", "discard", "--agency", "npsp", "--reason", "x", "--dry-run", "--json")[1]) == {
        "letters": 3,
        "of": [
            {"agency": "npsp", "cause": "connect", "calls": 1, "notices": 0},
            {"agency": "npsp", "cause": "mapping", "calls": 0, "notices": 2},
        ],
    }
    status, out, _ = hub("dead", "discard", "--agency", "npsp", "--reason", "x", "--yes", "--json")
    ended = json.loads(out)
    assert (status, [one.get("call") or one["notice"] for one in ended]) == (0, [call, *reversed(others)])
    assert json.loads(hub("dead", "list", "--json")[1])["notices"] == []
