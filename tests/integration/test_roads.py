"""A whole hub behind NDXP, and behind X-Road over REST and SOAP, all played: two lanes on one road, and whatever becomes of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from connectors.kit.registry import find_connectors
from connectors.kit.sandbox.faults import Fault
from connectors.kit.sandbox.security_server import SecurityServer
from connectors.kit.sandbox.server import Play
from connectors.kit.sandbox.wire import Request
from hub.cli.sandbox import invented_route, invented_settings
from hub.client import Problem, Purpose
from mappings.canonical import Citizen, CitizenQuery
from tests.integration.behind_roads import Behind, served

KINDS = {"ndxp": ("police", "police_lgsp"), "xroad_rest": ("police_lgsp",), "xroad_soap": ("police",)}
"""Kinds of roads, and the connectors behind each; the first one is there twice."""
XROAD = [kind for kind in KINDS if kind.startswith("xroad_")]
CLIENT = "VN/GOV/000.00.00.H32/mot-cua"


class Stage(Behind):
    """A hub whose agencies `one` and `two` share the road `road`, all in this loop."""

    async def route(self) -> dict[str, Any]:
        return await self.route_of("road")

    async def lanes(self) -> dict[str, Any]:
        return {one["agency"]: one["lane"] for one in await self.hub.operations()}

    def refused(self) -> list[str]:
        """Return what the gateway itself refused, in its own codes."""
        return [one.outcome for one in self.sandbox.arrivals.of("road") if one.operation != "token"]

    def asked(self, agency: str) -> int:
        return len(list(self.sandbox.arrivals.of(agency)))


@asynccontextmanager
async def behind(folder: Path, kind: str, **changed: str) -> AsyncIterator[Stage]:
    """Play agencies `one` and `two` behind a road of *kind*; *changed*: texts of hub.toml, old and new."""
    first, *others = KINDS[kind]
    plays = [
        Play(name, find_connectors()[connector], invented_settings(find_connectors()[connector]))
        for name, connector in (("one", first), ("two", (others or [first])[0]))
    ]
    async with served(Stage, folder, plays, [invented_route("road", plays, kind)], changed) as stage:
        yield stage


@pytest.fixture
def look_up(citizen: CitizenQuery, purpose: Purpose) -> Callable[..., Awaitable[str]]:
    async def look_up(stage: Stage, agency: str, wait: float = 20.0) -> str:
        asked = f"{agency}.lookup_citizen"
        return (await stage.hub.call(asked, citizen, answer=Citizen, purpose=purpose, wait=wait)).result

    return look_up


@pytest.mark.parametrize("kind", KINDS)
async def test_both_agencies_are_reached(tmp_path: Path, kind: str, look_up: Callable[..., Awaitable[str]]) -> None:
    async with behind(tmp_path, kind) as stage:
        assert [await look_up(stage, name) for name in ("one", "two")] == ["ok", "ok"]
        assert stage.refused() == []
        route = await stage.route()
        assert (route["kind"], route["held"], route["lanes"]) == (kind, "", ["one", "two"])
        assert route["token"] == ("valid" if kind == "ndxp" else None)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_gateway_that_throttles_holds_both_lanes_as_one_cause(
    tmp_path: Path, kind: str, look_up: Callable[..., Awaitable[str]]
) -> None:
    async with behind(tmp_path, kind) as stage:
        assert await look_up(stage, "one") == "ok"
        stage.sandbox.misbehave("road", Fault(fault="429", retry_after="4", count=1, operation="one"))
        asked = asyncio.create_task(look_up(stage, "one"))
        while not (await stage.route())["held"]:
            assert not asked.done()
            await asyncio.sleep(0)  # the doors answer without ever waiting, and the call has to get on
        for lane in (await stage.lanes()).values():
            assert (lane["state"], lane["cause"], lane["route"]["cause"]) == ("held", "busy", "busy")
        assert await asked == "ok", "and then it goes by itself"
        assert 'blame="route",operation="lookup_citizen",outcome="busy"' in await stage.metrics()


@pytest.mark.parametrize("kind", KINDS)
async def test_an_agency_that_throttles_behind_the_gateway_holds_its_own_lane(
    tmp_path: Path, kind: str, look_up: Callable[..., Awaitable[str]]
) -> None:
    async with behind(tmp_path, kind) as stage:
        stage.sandbox.misbehave("one", Fault(fault="429", retry_after="30"))
        with pytest.raises(Problem) as refused:
            await look_up(stage, "one", wait=1.0)
        assert refused.value.code in ("lane.held", "call.expired")
        assert (await stage.route())["held"] == ""
        lanes = await stage.lanes()
        assert (lanes["one"]["cause"], lanes["two"]["state"]) == ("busy", "open")
        assert await look_up(stage, "two") == "ok"


@pytest.mark.parametrize("kind", XROAD)
async def test_a_client_that_the_security_server_does_not_know_holds_the_route_and_nothing_dies(
    tmp_path: Path, kind: str, look_up: Callable[..., Awaitable[str]]
) -> None:
    async with behind(tmp_path, kind, **{CLIENT: "VN/GOV/000.00.00.H99/mot-cua"}) as stage:
        for name in ("one", "two"):
            with pytest.raises(Problem) as refused:
                await look_up(stage, name, wait=5.0)
            assert refused.value.code == "lane.held"
        route = await stage.route()
        assert (route["held"], route["token"]) == ("auth", None)
        assert stage.refused() == ["Server.ClientProxy.UnknownMember"], "and nobody else tries"
        assert '"event":"route_hold","route":"road","cause":"auth"' in stage.lines()
        assert stage.asked("one") == stage.asked("two") == 0


async def test_an_agency_that_ndxp_does_not_let_us_have_holds_its_own_lane(
    tmp_path: Path, look_up: Callable[..., Awaitable[str]]
) -> None:
    async with behind(tmp_path, "ndxp", **{'ndxp_destination = "one"': 'ndxp_destination = "none"'}) as stage:
        with pytest.raises(Problem) as refused:
            await look_up(stage, "one", wait=5.0)
        assert refused.value.code == "lane.held"
        assert set(stage.refused()) == {"900908"}
        assert (await stage.route())["held"] == ""
        assert await look_up(stage, "two") == "ok"


@pytest.mark.parametrize("kind", XROAD)
@pytest.mark.parametrize(("fault", "outcome"), [("502", "unavailable"), ("504", "in_doubt"), ("500", "in_doubt")])
async def test_a_fault_of_a_security_server_is_told_by_its_own_name_and_tried_again(
    tmp_path: Path, kind: str, fault: str, outcome: str, look_up: Callable[..., Awaitable[str]]
) -> None:
    causes = {"502": "xroad_NetworkError", "504": "xroad_IOError", "500": "xroad_DatabaseError"}
    async with behind(tmp_path, kind) as stage:
        stage.sandbox.misbehave("road", Fault(fault=fault, count=1, operation="one"))  # type: ignore[arg-type]
        assert await look_up(stage, "one") == "ok"
        assert stage.asked("one") == 1, "the first one went no further"
        assert f'"outcome":"{outcome}","blame":"agency","cause":"{causes[fault]}"' in stage.lines()


@pytest.mark.parametrize("kind", XROAD)
async def test_a_service_that_nobody_has_is_told_to_the_operator(
    tmp_path: Path, kind: str, look_up: Callable[..., Awaitable[str]]
) -> None:
    async with behind(tmp_path, kind, **{"VN/GOV/SANDBOX/one/": "VN/GOV/SANDBOX/none/"}) as stage:
        with pytest.raises(Problem) as refused:
            await look_up(stage, "one", wait=5.0)
        assert refused.value.code == "agency.broken"
        assert stage.refused() == ["Server.ServerProxy.UnknownService"]
        assert await look_up(stage, "two") == "ok"


@pytest.mark.parametrize("kind", XROAD)
async def test_who_asks_and_why_goes_along(
    tmp_path: Path, kind: str, look_up: Callable[..., Awaitable[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[Any] = []
    answer = SecurityServer._answer

    async def overheard(self: SecurityServer, request: Request, *more: Any) -> bool:
        came.append(request)
        return await answer(self, request, *more)

    monkeypatch.setattr(SecurityServer, "_answer", overheard)
    async with behind(tmp_path, kind) as stage:
        for _ in range(2):
            assert await look_up(stage, "one") == "ok"
    if kind == "xroad_rest":
        assert {one.path for one in came} == {"/r1/VN/GOV/SANDBOX/one/api/TraCuuThongTinCongDan"}
        said = [{name: one.headers[f"x-road-{name}"] for name in ("client", "id", "userid", "issue")} for one in came]
    else:
        heads = [etree.fromstring(one.body)[0] for one in came]
        said = [
            {
                "client": "/".join(part.text or "" for part in head.iterfind("{*}client/*")),
                "id": head.findtext("{*}id"),
                "userid": head.findtext("{*}userId"),
                "issue": head.findtext("{*}issue"),
            }
            for head in heads
        ]
        assert all(head.findtext("{*}service/{*}serviceCode") == "TraCuuThongTinCongDan" for head in heads)
    ids = {one.pop("id") for one in said}
    assert len(ids) == 2, "each exchange has its own"
    assert said[0] == said[1] == {"client": CLIENT, "userid": "VN000080000099", "issue": "000.00.14.H32-261123-0001"}


async def test_the_key_of_ndxp_is_never_written(tmp_path: Path, look_up: Callable[..., Awaitable[str]]) -> None:
    async with behind(tmp_path, "ndxp") as stage:
        await look_up(stage, "one")
        told = stage.lines() + await stage.metrics() + str(await stage.route())
        assert "sandbox-api-key" not in told
