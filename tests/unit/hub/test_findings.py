"""What is wrong with a hub is told with since when, what goes on meanwhile, and what to do."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from hub.app.findings import Finding, Findings
from hub.app.nodes import Group
from hub.clock import VirtualClock
from hub.coordination.epochs import JOINING, Phase
from hub.coordination.link import Trouble
from hub.heartbeat import NodeView
from hub.pressure import Pressure
from hub.store.room import Room

TROUBLE = Trouble("it cannot be reached", "start it", 1_795_400_000.0)
CYCLE = 400


def group(mode: str, phase: Phase, trouble: Trouble | None = None, epoch: int = CYCLE) -> Group:
    permits = SimpleNamespace(mode=mode, trouble=trouble, idle_seconds=7.0)
    return cast(Group, SimpleNamespace(permits=permits, epochs=SimpleNamespace(phase=phase, epoch=epoch + phase)))


def found(
    of: Group | None = None, nodes: Any = (), *, copied: float | None = None, serves: bool = True
) -> list[Finding]:
    clock = VirtualClock()
    findings = Findings(Pressure(clock), clock, copied, of, lambda: nodes)
    if serves:
        findings.serve()
    return findings.all()


def test_a_hub_that_is_well_has_none() -> None:
    assert found() == []
    assert found(group("redis", Phase.REDIS)) == []
    assert found(group("shares", Phase.SHARES)) == [], "without a Redis in the settings nothing is amiss"


def test_a_dead_node_is_told_with_when_it_was_last_heard_of() -> None:
    views = [
        NodeView("hub_1", "1", 0.0, 1.0, True, True, 4, 99.0),
        NodeView("hub_2", "1", 0.0, 60.0, False, True, 4, 40.0),
    ]
    (told,) = found(group("redis", Phase.REDIS), views)
    assert (told.where, told.since) == ("node hub_2", 40.0)
    assert "take over" in told.says
    assert "start it again" in told.do


@pytest.mark.parametrize(
    ("mode", "phase", "serves", "meanwhile"),
    [
        ("shares", Phase.SHARES, True, "each node keeps to its share"),
        ("none", Phase.REDIS, True, "nodes that do reach it go on"),
        ("none", Phase.REDIS, False, "would not count in it"),
    ],
)
def test_a_redis_that_cannot_be_used_is_told_with_what_the_group_does_meanwhile(
    mode: str, phase: Phase, serves: bool, meanwhile: str
) -> None:
    (told,) = found(group(mode, phase, TROUBLE), serves=serves)
    assert (told.where, told.do, told.since) == ("redis", "start it", TROUBLE.since)
    assert "cannot be reached" in told.says
    assert meanwhile in told.says


@pytest.mark.parametrize(
    ("phase", "epoch", "says"),
    [
        (Phase.LEAVING, CYCLE, "from Redis to shares"),
        (Phase.RETURNING, CYCLE, "back from shares to Redis"),
        (Phase.SHARES, CYCLE, "agreed who shares"),
        (Phase.REDIS, CYCLE, "agreed to count in Redis"),
        (Phase.REDIS, JOINING, "heard of the others"),
    ],
)
def test_a_hub_that_grants_nothing_says_in_which_step_it_is(phase: Phase, epoch: int, says: str) -> None:
    (told,) = found(group("none", phase, epoch=epoch))
    assert told.where == "permits"
    assert says in told.says
    assert told.since == VirtualClock().now() - 7.0
    assert found(group("none", phase, epoch=epoch), serves=False) == [], "one that does not run grants nothing anyway"


def test_a_copy_is_told_until_it_is_served() -> None:
    (told,) = found(copied=1_795_400_000.0, serves=False)
    assert (told.where, told.since) == ("store", 1_795_400_000.0)
    assert "`hub serve --after-restore 2026-11-23T09:13:20" in told.do
    assert found(copied=1_795_400_000.0) == []


def test_a_store_in_trouble_comes_first() -> None:
    clock = VirtualClock()
    pressure = Pressure(clock, store_bytes=1000)
    pressure.weigh(Room(2000, None))
    first, second = Findings(pressure, clock, 5.0, None, list).all()
    assert (first.where, first.says.startswith("full: "), second.where) == ("store", True, "store")
