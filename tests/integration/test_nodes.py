"""Two real nodes of one hub over one PostgreSQL: any of them accepts, any sends, and what one leaves the other takes over."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from bench.servers import Redis
from hub.client import Problem, Purpose
from mappings.canonical import Dossier, ProcessingStep

pytestmark = pytest.mark.process


@dataclass
class Nodes:
    """Two children of one installation, each with a name of its own."""

    one: Any
    two: Any
    database: str

    redis: str

    async def start(self, stage: Any, node: str) -> None:
        await stage.start(HUB__HUB__STORE=self.database, HUB__HUB__NODE=node, HUB__HUB__REDIS=self.redis)

    def sent_by(self) -> Counter[str]:
        """Return how many exchanges each node began."""
        with psycopg.connect(self.database) as connection:
            return Counter(node for (node,) in connection.execute("SELECT node FROM exchanges"))

    async def seen_from(self, stage: Any) -> dict[str, bool]:
        """Return which nodes live, as *stage* says."""
        async with stage.operator() as http:
            told = (await http.get("/admin/v1/nodes")).json()
        return {row["node"]: row["alive"] for row in told}


@pytest.fixture(params=["redis", "shares"])
async def nodes(
    request: pytest.FixtureRequest, stage: Any, database: str, redis_server: Redis, tmp_path: Any
) -> AsyncIterator[Nodes]:
    """Nodes that count together in Redis, and nodes without one, that keep to their shares."""
    (tmp_path / "two").mkdir()
    second = type(stage)(tmp_path / "two", stage.sandbox, stage.plays)
    both = Nodes(stage, second, database, redis_server.address() if request.param == "redis" else "")
    await both.start(stage, "hub_1")
    second.key = stage.key
    await both.start(second, "hub_2")
    yield both
    await second.kill()


async def filed(stage: Any, step: ProcessingStep, purpose: Purpose, key: str, wait: float | None = None) -> Any:
    async with stage.client() as hub:
        if wait is not None:
            return await hub.call(
                "npsp.file_progress", step, answer=ProcessingStep, purpose=purpose, key=key, wait=wait
            )
        return await hub.file("npsp.file_progress", step, answer=ProcessingStep, purpose=purpose, key=key)


async def a_dossier(nodes: Nodes, dossier: Dossier, purpose: Purpose) -> None:
    async with nodes.one.client() as hub:
        first = await hub.file("npsp.file_dossier", dossier, answer=Dossier, purpose=purpose)
        assert (await first.result(wait=60)).result == "ok"


async def test_permits_are_granted_as_the_settings_say(nodes: Nodes) -> None:
    by = "redis" if nodes.redis else "shares"

    async def granting() -> bool:
        async with nodes.one.operator() as http:
            return f'hub_granting{{by="{by}"}} 1.0' in (await http.get("/metrics")).text

    await nodes.one.until_true(granting, f"permits by {by}")


async def test_any_node_accepts_any_sends_and_the_caller_hears_back(
    nodes: Nodes, dossier: Dossier, step: ProcessingStep, purpose: Purpose
) -> None:
    await a_dossier(nodes, dossier, purpose)
    filed_so_far = 0
    for _ in range(12):  # whoever asks first sends: after a while each has
        keys = [f"k{filed_so_far + number}" for number in range(10)]
        tickets = [await filed(nodes.one, step, purpose, key) for key in keys]
        async with nodes.two.client() as hub:  # asked of the other node than the one that accepted them
            replies = [await hub.read("npsp", one.call, answer=ProcessingStep, wait=60) for one in tickets]
        assert {(reply.state, reply.result) for reply in replies} == {("answered", "ok")}
        filed_so_far += 10
        if set(nodes.sent_by()) == {"hub_1", "hub_2"}:
            break
    assert set(nodes.sent_by()) == {"hub_1", "hub_2"}
    assert nodes.one.arrived("npsp", "file_progress") == filed_so_far, "each once"


async def test_what_a_killed_node_had_leased_is_sent_by_the_other(
    nodes: Nodes, dossier: Dossier, step: ProcessingStep, purpose: Purpose
) -> None:
    await a_dossier(nodes, dossier, purpose)
    await nodes.two.kill()
    async with nodes.one.operator() as http:
        held = await http.post("/admin/v1/lanes/npsp/hold", json={"seconds": None, "reason": "to keep what is leased"})
        assert held.status_code == 200
    tickets = [await filed(nodes.one, step, purpose, f"k{number}") for number in range(10)]
    await nodes.one.until(lambda: leased_by(nodes.database, "hub_1") > 0, "lease")
    await nodes.one.kill()
    await nodes.start(nodes.two, "hub_2")
    async with nodes.two.operator() as http:
        resumed = await http.post("/admin/v1/lanes/npsp/resume", json={"reason": "it may go on"})
        assert resumed.json()["resumed"] is True
    async with nodes.two.client() as hub:
        replies = [await hub.read("npsp", one.call, answer=ProcessingStep, wait=60) for one in tickets]
    assert {(reply.state, reply.result) for reply in replies} == {("answered", "ok")}
    assert nodes.one.arrived("npsp", "file_progress") == 10, "each once"
    assert await nodes.seen_from(nodes.two) == {"hub_1": False, "hub_2": True}


async def test_what_an_operator_orders_at_one_node_counts_at_the_other(
    nodes: Nodes, step: ProcessingStep, purpose: Purpose
) -> None:
    async with nodes.one.operator() as http:
        await http.post("/admin/v1/lanes/npsp/hold", json={"seconds": None, "reason": "maintenance of theirs"})
    async with nodes.two.operator() as other:
        await nodes.two.until_true(held_by_operator(other), "hold at the other node")
        async with nodes.one.operator() as http:
            await http.post("/admin/v1/lanes/npsp/resume", json={"reason": "done"})
        await nodes.two.until_true(held_by_operator(other, yes=False), "the end of it")


async def test_a_caller_that_one_node_registers_is_known_to_the_other(nodes: Nodes) -> None:
    async with nodes.one.operator() as http:
        added = await http.post("/admin/v1/callers", json={"name": "late", "allowed": ["*"], "top_class": "normal"})
    nodes.two.key = added.json()["key"]

    async def is_known() -> bool:
        async with nodes.two.client() as hub:
            try:
                return await hub.find(key="nothing") == []
            except Problem as problem:
                return problem.code != "auth.missing"

    await nodes.two.until_true(is_known, "the new caller")


async def test_a_node_that_stops_in_order_is_gone_from_the_list(nodes: Nodes) -> None:
    assert await nodes.seen_from(nodes.one) is not None
    await nodes.one.until_true(sees(nodes, nodes.one, {"hub_1": True, "hub_2": True}), "both nodes")
    await nodes.two.stop()
    await nodes.one.until_true(sees(nodes, nodes.one, {"hub_1": True}), "the other to be gone")


async def test_the_doctor_shows_who_lives(nodes: Nodes) -> None:
    await nodes.one.until_true(sees(nodes, nodes.one, {"hub_1": True, "hub_2": True}), "both nodes")
    await nodes.one.until_true(nothing_is_wrong(nodes.one), "the nodes to agree")
    listeners = {"HUB__HUB__ADMIN": nodes.one.admin_url.removeprefix("http://"), "HUB__HUB__STORE": nodes.database}
    status, out, errors = await nodes.one.hub("doctor", **listeners)
    assert status == 0, errors
    assert [line.split()[1:5:2] for line in out.splitlines() if "hub_" in line and "alive" in line] != []
    assert out.count("alive") == 2


async def test_two_processes_of_one_name_are_refused(nodes: Nodes) -> None:
    status, _, errors = await nodes.two.hub("serve", HUB__HUB__STORE=nodes.database, HUB__HUB__NODE="hub_1")
    assert status == 1
    assert "HUB__HUB__NODE" in errors


def leased_by(database: str, node: str) -> int:
    with (
        psycopg.connect(database) as connection,
        contextlib.closing(
            connection.execute("SELECT count(*) FROM calls WHERE state = 'queued' AND lease_node = %s", (node,))
        ) as counted,
    ):
        row = counted.fetchone()
        assert row is not None
        return int(row[0])


def held_by_operator(http: Any, *, yes: bool = True) -> Any:
    async def held() -> bool:
        lanes = (await http.get("/admin/v1/lanes")).json()
        return any(row["agency"] == "npsp" and row["held"] == "operator" for row in lanes) is yes

    return held


def nothing_is_wrong(stage: Any) -> Any:
    async def well() -> bool:
        async with stage.operator() as http:
            return (await http.get("/admin/v1/findings")).json() == []

    return well


def sees(nodes: Nodes, stage: Any, wanted: dict[str, bool]) -> Any:
    async def seen() -> bool:
        return await nodes.seen_from(stage) == wanted

    return seen
