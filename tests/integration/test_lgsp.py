"""A whole hub behind an LGSP that is played: one token for two agencies, and whatever becomes of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.kit.registry import find_connectors
from connectors.kit.sandbox.faults import Fault
from connectors.kit.sandbox.server import Play
from hub.cli.sandbox import invented_route, invented_settings
from hub.client import Problem, Purpose
from mappings.canonical import Citizen, CitizenQuery, Dossier, DossierQuery
from tests.integration.behind_roads import Behind, served


class Lgsp(Behind):
    """A hub with its agencies behind one gateway, all in this loop."""

    async def route(self) -> dict[str, Any]:
        return await self.route_of("lgsp")

    def arrived(self, operation: str, *outcomes: str) -> int:
        """Return how often the gateway itself answered *operation*, with one of *outcomes* if any is given."""
        came = [one.outcome for one in self.sandbox.arrivals.of("lgsp") if one.operation == operation]
        return sum(not outcomes or outcome in outcomes for outcome in came)


@asynccontextmanager
async def behind_lgsp(
    folder: Path, plays: Sequence[Play] = (), *, apart: bool = False, **changed: str
) -> AsyncIterator[Lgsp]:
    """Play both agencies, or *plays*, behind `lgsp`; *apart*: the portal behind a gateway of its own."""
    folders = find_connectors()
    plays = plays or [Play(name, folders[name], invented_settings(folders[name])) for name in ("npsp", "police")]
    mine = [play for play in plays if play.name != "npsp" or not apart]
    routes = [invented_route("lgsp", mine)]
    routes += [invented_route("other", [play for play in plays if play not in mine])] if apart else []
    async with served(Lgsp, folder, plays, routes, changed) as lgsp:
        yield lgsp


async def look_up(lgsp: Lgsp, citizen: CitizenQuery, purpose: Purpose, wait: float = 20.0) -> str:
    found = await lgsp.hub.call("police.lookup_citizen", citizen, answer=Citizen, purpose=purpose, wait=wait)
    return found.result


async def find(lgsp: Lgsp, dossier: Dossier, purpose: Purpose, wait: float = 20.0) -> str:
    query = DossierQuery(code=dossier.code)
    found = await lgsp.hub.call("npsp.lookup_dossier", query, answer=Dossier, purpose=purpose, wait=wait)
    return found.result


async def test_one_token_serves_two_agencies_of_two_protocols(
    tmp_path: Path, citizen: CitizenQuery, dossier: Dossier, purpose: Purpose
) -> None:
    async with behind_lgsp(tmp_path) as lgsp:
        assert (await lgsp.route())["token"] == "none"
        looked = [look_up(lgsp, citizen, purpose) for _ in range(6)] + [find(lgsp, dossier, purpose) for _ in range(6)]
        assert set(await asyncio.gather(*looked)) <= {"ok", "not_found"}
        assert lgsp.arrived("token") == 1
        route = await lgsp.route()
        assert (route["kind"], route["held"], route["token"]) == ("lgsp", "", "valid")
        assert route["lanes"] == ["npsp", "police"]
        assert route["token_seconds"] > 3000
        assert route["contract"]["calls_at_once"] == 20


async def test_a_token_that_ends_in_mid_flight_is_noticed_by_nobody(
    tmp_path: Path, citizen: CitizenQuery, dossier: Dossier, purpose: Purpose
) -> None:
    async with behind_lgsp(tmp_path) as lgsp:
        await look_up(lgsp, citizen, purpose)
        assert lgsp.sandbox.expire_tokens("lgsp") == 1
        ticket = await lgsp.hub.file("npsp.file_dossier", dossier, answer=Dossier, purpose=purpose, key="f1")
        looked = [look_up(lgsp, citizen, purpose) for _ in range(6)] + [find(lgsp, dossier, purpose) for _ in range(6)]
        assert set(await asyncio.gather(*looked)) <= {"ok", "not_found"}
        filed = await ticket.result(wait=20)
        assert filed is not None
        assert filed.result == "ok"
        assert lgsp.arrived("token") == 2
        assert 1 <= sum(lgsp.arrived(agency, "900903") for agency in ("police", "npsp")) <= 13
        route = await lgsp.route()
        assert (route["held"], route["token"]) == ("", "valid")
        assert lgsp.sandbox.arrivals.processed("npsp", "file_dossier", dossier.code) == 1


async def test_a_throttling_gateway_holds_both_lanes_as_one_cause(
    tmp_path: Path, citizen: CitizenQuery, dossier: Dossier, purpose: Purpose
) -> None:
    async with behind_lgsp(tmp_path) as lgsp:
        await look_up(lgsp, citizen, purpose)
        lgsp.sandbox.misbehave("lgsp", Fault(fault="429", retry_after="4", count=1, operation="police"))
        asked = asyncio.create_task(look_up(lgsp, citizen, purpose))
        while not (await lgsp.route())["held"]:
            assert not asked.done()
            await asyncio.sleep(0)  # the doors answer without ever waiting, and the call has to get on
        lanes = {one["agency"]: one["lane"] for one in await lgsp.hub.operations()}
        for name in ("police", "npsp"):
            assert (lanes[name]["state"], lanes[name]["cause"]) == ("held", "busy")
            assert (lanes[name]["route"]["name"], lanes[name]["route"]["cause"]) == ("lgsp", "busy")
        metrics = await lgsp.metrics()
        assert 'hub_route_hold_seconds{cause="busy",route="lgsp"}' in metrics
        assert "hub_hold_seconds{" not in metrics
        with pytest.raises(Problem) as refused:
            await find(lgsp, dossier, purpose, wait=0.2)
        assert refused.value.code == "lane.held"
        assert await asked == "ok", "and then it goes by itself"
        assert await find(lgsp, dossier, purpose) in ("ok", "not_found")
        assert 'blame="route",operation="lookup_citizen",outcome="busy"' in await lgsp.metrics()


async def test_an_agency_that_throttles_behind_the_gateway_holds_its_own_lane(
    tmp_path: Path, citizen: CitizenQuery, dossier: Dossier, purpose: Purpose
) -> None:
    async with behind_lgsp(tmp_path) as lgsp:
        lgsp.sandbox.misbehave("police", Fault(fault="429", retry_after="30"))
        with pytest.raises(Problem) as refused:
            await look_up(lgsp, citizen, purpose, wait=5.0)
        assert refused.value.code == "lane.held"
        assert await find(lgsp, dossier, purpose) in ("ok", "not_found")
        assert (await lgsp.route())["held"] == ""


async def test_a_wrong_secret_holds_the_route_and_is_told_without_showing_it(
    tmp_path: Path, citizen: CitizenQuery, dossier: Dossier, purpose: Purpose
) -> None:
    async with behind_lgsp(tmp_path, **{'sandbox-secret"\ntoken': 'not-the-secret"\ntoken'}) as lgsp:
        for ask in (look_up(lgsp, citizen, purpose), find(lgsp, dossier, purpose)):
            with pytest.raises(Problem) as refused:
                await ask
            assert refused.value.code == "lane.held"
        assert lgsp.arrived("token", "refused") == 1, "a key is locked by those who keep trying"
        route = await lgsp.route()
        assert (route["held"], route["token"], route["token_seconds"]) == ("auth", "refused", None)
        ticket = await lgsp.hub.file("npsp.file_dossier", dossier, answer=Dossier, purpose=purpose, key="f1")
        assert ticket.first.state == "queued", "nothing dies of it"
        told = lgsp.lines() + await lgsp.metrics()
        assert '"event":"route_hold","route":"lgsp","cause":"auth"' in told
        assert "not-the-secret" not in told
        assert not list(lgsp.sandbox.arrivals.of("police")), "nothing leaves without a token"


async def test_a_token_door_that_hangs_keeps_no_other_route_waiting(
    tmp_path: Path, citizen: CitizenQuery, dossier: Dossier, purpose: Purpose
) -> None:
    async with behind_lgsp(tmp_path, apart=True) as lgsp:
        lgsp.sandbox.misbehave("lgsp", Fault(fault="hang", seconds=60.0, operation="token", count=1))
        waiting = asyncio.create_task(look_up(lgsp, citizen, purpose))
        while not lgsp.arrived("token"):
            assert not waiting.done()
            await asyncio.sleep(0)
        for _ in range(5):
            assert await find(lgsp, dossier, purpose) in ("ok", "not_found")
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_no_token_is_ever_written(tmp_path: Path, citizen: CitizenQuery, purpose: Purpose) -> None:
    async with behind_lgsp(tmp_path) as lgsp:
        await look_up(lgsp, citizen, purpose)
        (gateway,) = lgsp.sandbox._gateways.values()
        told = lgsp.lines() + await lgsp.metrics() + str(await lgsp.route())
        assert gateway._token
        assert gateway._token not in told
        assert "sandbox-secret" not in told
