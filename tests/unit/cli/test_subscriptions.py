"""`hub subscriptions` tells who is pushed what, and acts for operators, also while no hub runs."""

import asyncio
import json
from pathlib import Path

from hub.clock import SystemClock
from hub.store.sqlite import SqliteStore
from hub.store.subscriptions import DeadEvent, Progress, Subscription
from tests.unit.cli.conftest import Hub

ID = "01990a5e-8c1b-7cc3-98c4-dc0c0c07398f"


def with_a_failing_one(folder: Path) -> None:
    async def put() -> None:
        store = SqliteStore.open_file(folder / "hub.db", SystemClock(), backlog_calls={})
        row = Subscription(ID, "onestop", "http://a.centre.example/", ("npsp",), None, 1_795_400_000.0, 7)
        await store.subscriptions.add(row, 8)
        await store.subscriptions.lease("hub", 30.0, 9)
        failing = Progress(9, 3, 1_795_400_000.0, 1_795_500_000.0, "http_500")
        for seq in (8, 9):
            dead = DeadEvent(seq, f"e{seq}", "npsp", "call.settled", "c", 1_795_400_000.0, 12, "http_500")
            await store.subscriptions.bury(ID, "hub", failing, dead)
        await store.close()

    asyncio.run(put())


def test_there_are_none_at_first(hub: Hub, settings: Path) -> None:
    assert hub("subscriptions", "list") == (0, "Subscriptions: none\n", "")


def test_one_that_fails_is_shown_with_its_cause_and_goes_on_when_it_is_resumed(
    hub: Hub, settings: Path, tmp_path: Path
) -> None:
    with_a_failing_one(tmp_path)
    (listed,) = json.loads(hub("subscriptions", "list", "--caller", "onestop", "--json")[1])
    assert (listed["id"], listed["caller"], listed["state"]) == (ID, "onestop", "failing")
    assert (listed["cause"], listed["attempts"], listed["dead"]) == ("http_500", 3, 2)
    assert "secret" not in listed
    assert hub("subscriptions", "list", "--caller", "other") == (0, "Subscriptions: none\n", "")
    assert hub("subscriptions", "resume", ID)[0] == 0
    (listed,) = json.loads(hub("subscriptions", "list", "--json")[1])
    assert (listed["state"], listed["attempts"], listed["next_attempt_at"]) == ("well", 0, None)


def test_dead_events_are_listed_sent_again_and_discarded(hub: Hub, settings: Path, tmp_path: Path) -> None:
    with_a_failing_one(tmp_path)
    assert [one["after"] for one in json.loads(hub("subscriptions", "dead", ID, "--json")[1])] == [8, 9]
    assert hub("subscriptions", "replay", ID, "8")[1].startswith("1 sent again")
    assert hub("subscriptions", "discard", ID, "9")[1] == "Discarded.\n"
    (left,) = json.loads(hub("subscriptions", "dead", ID, "--json")[1])
    assert (left["after"], left["to_be_sent_again"]) == (8, True)
    assert hub("subscriptions", "remove", ID)[0] == 0
    status, _, errors = hub("subscriptions", "replay", ID)
    assert (status, "No such subscription" in errors) == (1, True)
