"""A command that is aimed at a node which does not run says which nodes live, and how to aim at one of them."""

import json
import time
from pathlib import Path

import psycopg
import pytest

from bench.servers import free_port
from tests.unit.cli.conftest import Hub


@pytest.fixture
def several(settings: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Settings of one node among several on a PostgreSQL."""
    monkeypatch.setenv("HUB__HUB__STORE", database)
    monkeypatch.setenv("HUB__HUB__NODE", "hub_1")
    monkeypatch.setenv("HUB__HUB__ADMIN_KEY", "env:ADMIN_KEY")
    monkeypatch.setenv("ADMIN_KEY", "admin-key-of-the-tests")
    monkeypatch.setenv("HUB__HUB__SEALING_KEY", 40 * "s")
    return database


def heard(database: str, node: str, seconds: float) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO nodes (node, started_at, seen_at, epoch, reaches, version, members) VALUES (%s, 0, %s, 4, false, '1', '')",
            (node, time.time() - seconds),
        )


@pytest.mark.parametrize(
    "words", [("lanes",), ("dead", "list"), ("callers", "list"), ("lanes", "hold", "npsp", "--reason", "x")]
)
def test_who_aims_at_a_dead_node_hears_which_ones_live(hub: Hub, several: str, words: tuple[str, ...]) -> None:
    heard(several, "hub_1", 5.0)
    heard(several, "hub_2", 1.0)
    heard(several, "hub_3", 600.0)
    status, out, errors = hub(*words)
    assert (status, out) == (1, "")
    assert "there live: hub_2 (heard of" in errors
    assert "HUB__HUB__ADMIN" in errors
    assert "--config" in errors
    assert "No hub runs" not in errors
    assert "hub_3" not in errors


def test_where_no_node_lives_the_doors_stand_over_the_store(hub: Hub, several: str) -> None:
    heard(several, "hub_1", 5.0)  # killed a moment ago: it cannot run, since its name is free
    heard(several, "hub_2", 600.0)
    status, out, errors = hub("lanes", "hold", "npsp", "--reason", "x")
    assert (status, errors) == (0, "")
    assert "No hub runs: it counts from the next start" in out


def test_the_doctor_of_a_dead_node_tells_of_it_and_of_the_others(
    hub: Hub, several: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard(several, "hub_1", 5.0)
    heard(several, "hub_2", 1.0)
    monkeypatch.setenv("HUB__HUB__REDIS", f"redis://127.0.0.1:{free_port()}/0")
    status, out, _ = hub("doctor", "--json")
    told = json.loads(out)
    assert (status, told["hub"]) == (1, "not running")
    assert {node["node"]: node["alive"] for node in told["nodes"]} == {"hub_1": False, "hub_2": True}
    assert [one["where"] for one in told["findings"]] == ["node hub_1", "redis"]
    assert all(one["since"] and one["do"] for one in told["findings"])
    assert "cannot be reached" in told["findings"][1]["says"]
    assert "cannot be reached" in hub("doctor")[1]


def test_the_doctor_tells_of_a_postgresql_that_does_not_answer(
    hub: Hub, several: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB__HUB__STORE", f"postgresql://hub@127.0.0.1:{free_port()}/hub")
    status, out, errors = hub("doctor", "--json")
    (finding,) = json.loads(out)["findings"]
    assert (status, finding["where"], errors) == (1, "store", "")
    assert "PostgreSQL does not let us in" in finding["says"]
