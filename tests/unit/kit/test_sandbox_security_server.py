"""The played security server takes what X-Road takes, refuses in its words, and passes on what it would pass on."""

import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import connectors
from connectors.kit.auth import handshake
from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.http import HttpSender
from connectors.kit.roads import Road, Services, XRoadRest, XRoadSoap
from connectors.kit.sandbox.faults import Fault
from connectors.kit.sandbox.gateway import PlayedRoute
from connectors.kit.sandbox.server import Play, Sandbox
from connectors.kit.soap import ENVELOPES
from connectors.kit.xroad import fault_in

FOLDER = Path(connectors.__path__[0])
CLIENT = "VN/GOV/000.00.00.H32/mot-cua"
REST, SOAP = Services("VN/GOV/G01/dan-cu/tra-cuu", {}), Services("VN/GOV/G01/dan-cu/*", {})
C06 = {"service_code": "DVC-TEST", "user_name": "centre", "secret_key": "s3cret", "service_path": "/dancu"}
SAMPLES = {"police": "request.agency.xml", "police_lgsp": "request.agency.json"}
ASKED = {"exchange.id": "01930000-0000-7000-8000-000000000001"}


class Stage:
    """One agency behind one security server, and a sender that speaks to it as the hub does."""

    def __init__(self, kind: str) -> None:
        self.soap = kind == "xroad_soap"
        self.name = "police" if self.soap else "police_lgsp"
        self.services = SOAP if self.soap else REST
        route = PlayedRoute("x", {self.name: ""}, kind=kind, client=CLIENT, services={self.name: self.services})
        settings = C06 if self.soap else {"service_code": "DVC-TEST"}
        plays = [Play(self.name, FOLDER / self.name, settings)]
        self.sandbox = Sandbox(plays, now=time.time, chance=random.Random(7), routes=[route])
        self.sender = HttpSender()

    def road(self, client: str = CLIENT, services: Services | None = None) -> Road:
        return (XRoadSoap if self.soap else XRoadRest)(client, services or self.services)

    async def ask(self, road: Road | None) -> WireReply:
        """Send the recorded question over *road*; None: as if there was none."""
        body = (FOLDER / self.name / "samples/lookup_citizen.found" / SAMPLES[self.name]).read_bytes()
        headers = {"Content-Type": "application/json"}
        if self.soap:  # as the kit writes it
            inner = body.partition(b"<soap:Body>")[2].partition(b"</soap:Body>")[0]
            body = b'<s:Envelope xmlns:s="%b"><s:Body>%b</s:Body></s:Envelope>' % (
                ENVELOPES["1.1"].encode(),
                inner.strip(),
            )
            headers = {**handshake("c06").headers(C06, time.time()), "Content-Type": "text/xml; charset=utf-8"}
        between = road.path("lookup_citizen") if road else ""
        address = "" if self.soap else "/TraCuuThongTinCongDan"
        wire = WireRequest("POST", self.sandbox.base_url(self.name) + between + address, headers, body, False)
        wire = road.dressed("lookup_citizen", wire, ASKED) if road else wire
        reply = await self.sender.send(wire, timeout=5, reply_bytes=1_000_000)
        assert isinstance(reply, WireReply)
        return reply


@pytest.fixture(params=["xroad_rest", "xroad_soap"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    stage = Stage(request.param)
    await stage.sandbox.start()
    yield stage
    await stage.sender.close()
    await stage.sandbox.stop()


def refused(reply: WireReply, code: str) -> bool:
    """Whether *reply* says *code*, in the notation of its protocol."""
    found = fault_in(None, reply.headers)
    return code.encode() in reply.body and (found is None or found.code == code)


async def test_who_says_who_it_is_and_whom_it_wants_is_let_through(stage: Stage) -> None:
    reply = await stage.ask(stage.road())
    assert reply.status == 200
    assert b"CongdanCollection" in reply.body
    assert (reply.headers.get("x-road-id") == ASKED["exchange.id"]) is not stage.soap


async def test_another_client_is_not_known(stage: Stage) -> None:
    assert refused(await stage.ask(stage.road("VN/GOV/000.00.00.H99/mot-cua")), "Server.ClientProxy.UnknownMember")


async def test_a_service_that_is_not_there_is_not_known(stage: Stage) -> None:
    for_nobody = Services(stage.services.whole.replace("G01", "G99"), {})
    assert refused(await stage.ask(stage.road(services=for_nobody)), "Server.ServerProxy.UnknownService")


async def test_what_is_no_message_is_the_clients_fault(stage: Stage) -> None:
    reply = await stage.ask(None)
    assert reply.status == (500 if stage.soap else 400)
    assert refused(reply, "Client.InvalidSoap" if stage.soap else "Client.BadRequest")


async def test_a_status_of_the_agency_comes_through_as_its_protocol_has_it(stage: Stage) -> None:
    stage.sandbox.misbehave(stage.name, Fault(fault="429", retry_after="7", count=1))
    reply = await stage.ask(stage.road())
    if stage.soap:
        assert reply.status == 500
        assert b"Server.ServerProxy.ServiceFailed.HttpError" in reply.body
        assert b"error 429" in reply.body
    else:
        assert (reply.status, reply.headers["retry-after"]) == (429, "7")
        assert "x-road-id" in reply.headers


async def test_its_own_too_much_shows_nothing_of_x_road(stage: Stage) -> None:
    stage.sandbox.misbehave("x", Fault(fault="429", retry_after="7", count=1))
    reply = await stage.ask(stage.road())
    assert (reply.status, reply.headers["retry-after"]) == (429, "7")
    assert not any(name.startswith("x-road") for name in reply.headers)
    assert (await stage.ask(stage.road())).status == 200
