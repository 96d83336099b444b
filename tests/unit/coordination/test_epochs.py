"""Promises of the group: nodes never grant by different rules, and what they share never adds up to more than all."""

from dataclasses import dataclass, field
from random import Random

import pytest

from hub.clock import VirtualClock
from hub.coordination.epochs import BEAT, DEAD, FRESH, JOINING, Epochs, Line, Phase


@dataclass
class Table:
    """The table of nodes, and the clock of its store."""

    clock: VirtualClock
    rows: dict[str, tuple[int, bool, str, float]] = field(default_factory=dict)

    def beat(self, node: "Node") -> None:
        """Write one line, read all, and again while the node has something to say."""
        if node.frozen or node.cut_off:
            return
        for _ in range(10):
            node.group.before_beat()
            self.rows[node.name] = (node.group.epoch, node.reaches, node.group.members, self.clock.now())
            now = self.clock.now()
            lines = [Line(name, *row[:3], now - row[3]) for name, row in self.rows.items()]
            if not node.group.heard(lines, reaches=node.reaches):
                return


@dataclass
class Node:
    name: str
    group: Epochs
    reaches: bool = True
    frozen: bool = False
    cut_off: bool = False


class Stage:
    def __init__(self, count: int) -> None:
        self.clock = VirtualClock()
        self.table = Table(self.clock)
        self.nodes = [self.node(f"n{number}") for number in range(count)]

    def node(self, name: str) -> Node:
        return Node(name, Epochs(self.clock, name))

    def start(self, name: str) -> Node:
        node = self.node(name)
        self.nodes.append(node)
        return node

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds / BEAT)):
            for node in self.nodes:
                self.table.beat(node)
                self.clock.advance(BEAT / len(self.nodes))
                self.check()

    def check(self) -> None:
        """The whole promise: of those who grant, all by the same epoch, and their shares are different parts of one."""
        granting = [node for node in self.nodes if node.group.grants() and not node.frozen]
        rules = {(node.group.epoch, node.group.members) for node in granting}
        assert len(rules) <= 1, rules
        sharing = [node.group.share() for node in granting if node.group.phase is Phase.SHARES]
        assert len({share.rank for share in sharing}) == len(sharing)
        assert len({share.of for share in sharing}) <= 1

    def phases(self) -> list[tuple[Phase, bool]]:
        return [(node.group.phase, node.group.grants()) for node in self.nodes]


def reaching(stage: Stage, *, yes: bool) -> None:
    for node in stage.nodes:
        node.reaches = yes


def test_nodes_that_start_together_share_through_redis() -> None:
    stage = Stage(4)
    stage.run(3 * BEAT)
    assert stage.phases() == [(Phase.REDIS, True)] * 4


def test_a_node_alone_grants_at_its_first_beat() -> None:
    stage = Stage(1)
    stage.table.beat(stage.nodes[0])
    assert stage.phases() == [(Phase.REDIS, True)]


def test_a_node_that_joins_grants_at_once_and_disturbs_nobody() -> None:
    stage = Stage(2)
    stage.run(3 * BEAT)
    new = stage.start("n9")
    stage.table.beat(new)
    assert new.group.grants()
    stage.run(BEAT)
    assert stage.phases() == [(Phase.REDIS, True)] * 3


def test_when_all_have_lost_redis_each_gets_its_share() -> None:
    stage = Stage(3)
    stage.run(3 * BEAT)
    reaching(stage, yes=False)
    stage.run(5 * BEAT)
    assert stage.phases() == [(Phase.SHARES, True)] * 3
    assert sorted(node.group.share().rank for node in stage.nodes) == [0, 1, 2]
    assert {node.group.share().of for node in stage.nodes} == {3}


def test_whoever_lost_redis_alone_changes_nothing_for_the_others() -> None:
    stage = Stage(4)
    stage.run(3 * BEAT)
    stage.nodes[2].reaches = False
    stage.run(60)
    assert {node.group.phase for node in stage.nodes} == {Phase.REDIS}


def test_when_all_reach_redis_again_they_share_through_it_and_what_it_held_before_counts_no_more() -> None:
    stage = Stage(3)
    stage.run(3 * BEAT)
    before = stage.nodes[0].group.cycle
    reaching(stage, yes=False)
    stage.run(5 * BEAT)
    reaching(stage, yes=True)
    stage.run(5 * BEAT)
    assert stage.phases() == [(Phase.REDIS, True)] * 3
    assert stage.nodes[0].group.cycle > before


def test_while_one_does_not_reach_redis_again_all_keep_their_shares() -> None:
    stage = Stage(3)
    reaching(stage, yes=False)
    stage.run(8 * BEAT)
    stage.nodes[0].reaches = stage.nodes[1].reaches = True
    stage.run(60)
    assert stage.phases() == [(Phase.SHARES, True)] * 3


def test_a_node_that_joins_while_all_share_gets_its_part_too() -> None:
    stage = Stage(2)
    reaching(stage, yes=False)
    stage.run(8 * BEAT)
    new = stage.start("n9")
    new.reaches = False
    stage.table.beat(new)
    assert not new.group.grants(), "the others have to make room first"
    stage.run(8 * BEAT)
    assert stage.phases() == [(Phase.SHARES, True)] * 3
    assert {node.group.share().of for node in stage.nodes} == {3}


def test_what_a_dead_node_had_is_shared_among_the_others() -> None:
    stage = Stage(3)
    reaching(stage, yes=False)
    stage.run(8 * BEAT)
    stage.nodes[1].frozen = True
    stage.run(DEAD + 8 * BEAT)
    assert [node.group.share().of for node in stage.nodes if not node.frozen] == [2, 2]


def sharing_with(members: str) -> tuple[VirtualClock, Epochs]:
    """Return a node `a` that takes part in shares of *members* for the first time."""
    clock = VirtualClock()
    group = Epochs(clock, "a")
    group.before_beat()
    lines = [Line(node, 6, False, "", 0.0) for node in members.split() if node != "a"]
    group.heard([Line("a", JOINING, False, "", 0.0), *lines], reaches=False)
    assert (group.phase, group.members) == (Phase.SHARES, members)
    return clock, group


def test_who_has_not_heard_that_the_others_share_with_the_same_nodes_grants_nothing() -> None:
    _, group = sharing_with("a b")
    assert not group.grants()
    group.before_beat()
    group.heard([Line("a", 6, False, "a b", 0.0), Line("b", 6, False, "", 0.0)], reaches=False)
    assert not group.grants(), "b has not looked yet"
    group.before_beat()
    group.heard([Line("a", 6, False, "a b", 0.0), Line("b", 6, False, "a b", 0.0)], reaches=False)
    assert group.grants()


def test_nodes_that_see_different_members_share_anew() -> None:
    _, group = sharing_with("a b")
    group.before_beat()
    group.heard([Line("a", 6, False, "a b", 0.0), Line("b", 6, False, "a b c", 0.0)], reaches=False)
    assert (group.grants(), group.epoch, group.phase) == (False, 9, Phase.LEAVING)


def test_a_node_whose_lines_are_not_written_stops_before_the_others_take_it_for_dead() -> None:
    stage = Stage(2)
    reaching(stage, yes=False)
    stage.run(8 * BEAT)
    stage.nodes[0].cut_off = True
    stage.clock.advance(FRESH + 0.1)
    assert not stage.nodes[0].group.grants()
    assert FRESH < DEAD


def test_a_node_that_was_frozen_for_long_joins_anew() -> None:
    stage = Stage(2)
    stage.run(3 * BEAT)
    stage.nodes[0].frozen = True
    stage.run(DEAD + BEAT)
    stage.nodes[0].group.before_beat()
    assert stage.nodes[0].group.epoch == JOINING


def test_who_finds_that_all_who_had_shares_are_gone_waits_for_what_they_sent() -> None:
    stage = Stage(1)
    reaching(stage, yes=False)
    stage.run(8 * BEAT)
    assert stage.nodes[0].group.phase is Phase.SHARES
    stage.nodes.clear()
    new = stage.start("n1")
    stage.clock.advance(60)
    stage.table.beat(new)
    assert (new.group.phase, new.group.grants()) == (Phase.RETURNING, False)
    stage.run(4 * BEAT)
    assert stage.phases() == [(Phase.REDIS, True)]


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_nobody_grants_by_other_rules_than_the_rest(seed: int) -> None:
    random = Random(seed)
    stage = Stage(random.randint(1, 5))
    for step in range(150):
        for node in stage.nodes:
            chance = random.random()
            if chance < 0.06:
                node.reaches = not node.reaches
            elif chance < 0.10:
                node.frozen = not node.frozen
            elif chance < 0.14:
                node.cut_off = not node.cut_off
        if random.random() < 0.05:
            reaching(stage, yes=random.random() < 0.5)
        if random.random() < 0.03:
            stage.start(f"new{step}")
        if random.random() < 0.02 and len(stage.nodes) > 1:
            stage.nodes.pop(random.randrange(len(stage.nodes)))
        order = list(stage.nodes)
        random.shuffle(order)
        for node in order:
            stage.clock.advance(random.random() * 2 * BEAT / len(order))
            if random.random() < 0.9:
                stage.table.beat(node)
            stage.check()
    for node in stage.nodes:
        node.frozen = node.cut_off = False
    reaching(stage, yes=True)
    stage.run(DEAD + 20 * BEAT)
    assert stage.phases() == [(Phase.REDIS, True)] * len(stage.nodes), "it comes to rest by itself"
