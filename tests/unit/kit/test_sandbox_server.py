"""The sandbox as a whole: its wire, its control door, and what it costs."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from pydantic_core import from_json, to_json

import connectors
from connectors.kit.auth import handshake
from connectors.kit.exchange import WireReply, WireRequest
from connectors.kit.http import HttpSender
from connectors.kit.sandbox.faults import Fault
from connectors.kit.sandbox.payloads import leaves, plain, put_payload, put_value
from connectors.kit.sandbox.server import Play, Sandbox, serve_sandbox
from connectors.kit.sandbox.wire import Listener, Reply, Request
from mappings.paths import read_place

FOLDER = Path(connectors.__path__[0])
C06 = {"service_code": "DVC-TEST", "user_name": "centre", "secret_key": "s3cret", "service_path": "/dancu"}
PORTAL = {"user_name": "centre", "password": "s3cret"}
CITIZEN = (FOLDER / "police/samples/lookup_citizen.found/request.agency.xml").read_bytes()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    plays = [Play("police", FOLDER / "police", C06), Play("npsp", FOLDER / "npsp", PORTAL)]
    sandbox = Sandbox(plays, now=time.time, chance=random.Random(7))
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    sender = HttpSender()
    yield sender
    await sender.close()


async def look_up(sandbox: Sandbox, sender: HttpSender) -> WireReply:
    headers = {**handshake("c06").headers(C06, time.time()), "Content-Type": "application/xml"}
    reply = await sender.send(
        WireRequest("POST", sandbox.base_url("police"), headers, CITIZEN, False), timeout=5, reply_bytes=100_000
    )
    assert isinstance(reply, WireReply)
    return reply


async def portal(sandbox: Sandbox, sender: HttpSender, path: str, **body: Any) -> Any:
    request = WireRequest("POST", sandbox.base_url("npsp") + path, {"dstcode": ""}, to_json(body), False)
    reply = await sender.send(request, timeout=5, reply_bytes=100_000)
    assert isinstance(reply, WireReply)
    return from_json(reply.body)


async def door(sandbox: Sandbox, sender: HttpSender, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    content = b"" if body is None else to_json(body)
    reply = await sender.send(
        WireRequest(method, sandbox.control_url + path, {}, content, False), timeout=5, reply_bytes=1_000_000
    )
    assert isinstance(reply, WireReply)
    return reply.status, from_json(reply.body)


class TestControl:
    async def test_each_agency_has_a_port_of_its_own_and_speaks_its_own_protocol(
        self, sandbox: Sandbox, sender: HttpSender
    ) -> None:
        assert (await look_up(sandbox, sender)).headers["content-type"].startswith("text/xml")
        session = (await portal(sandbox, sender, "/mapi/login", username="centre", password="s3cret"))["session"]
        answer = await portal(
            sandbox, sender, "/mapi/g", session=session, madonvi="x", service="TraCuuHoSo", MaHoSo="none"
        )
        assert answer["result"] == []
        status, shown = await door(sandbox, sender, "GET", "/plays")
        assert status == 200
        assert {play["agency"]: play["base_url"] for play in shown["plays"]} == {
            "police": sandbox.base_url("police"),
            "npsp": sandbox.base_url("npsp"),
        }

    async def test_arrivals_tell_time_operation_key_and_outcome(self, sandbox: Sandbox, sender: HttpSender) -> None:
        before = time.time()
        await look_up(sandbox, sender)
        _, shown = await door(sandbox, sender, "GET", "/arrivals?agency=police")
        [arrival] = shown["arrivals"]
        assert before <= arrival.pop("at") <= time.time()
        assert arrival == {
            "no": 1,
            "agency": "police",
            "operation": "lookup_citizen",
            "key": "000085000001",
            "outcome": "ok",
            "processed": True,
            "at_once": 1,
        }
        assert shown["processed"] == [
            {"agency": "police", "operation": "lookup_citizen", "key": "000085000001", "count": 1}
        ]
        assert (await door(sandbox, sender, "GET", "/arrivals?agency=npsp"))[1]["arrivals"] == []
        assert (await door(sandbox, sender, "GET", "/arrivals?after=1"))[1]["arrivals"] == []
        await door(sandbox, sender, "DELETE", "/arrivals")
        assert (await door(sandbox, sender, "GET", "/arrivals"))[1] == {"arrivals": [], "processed": [], "told": []}

    async def test_arrivals_tell_how_many_were_under_way(self, sandbox: Sandbox, sender: HttpSender) -> None:
        sandbox.misbehave("police", Fault(fault="latency", seconds=0.2, count=3))
        asked = asyncio.gather(*(look_up(sandbox, sender) for _ in range(3)))
        async with asyncio.timeout(5):
            while sandbox.under_way("police") < 3:  # noqa: ASYNC110 - it is a number, and tells nobody
                await asyncio.sleep(0.01)
        await asked
        assert sandbox.under_way("police") == 0
        await look_up(sandbox, sender)
        assert [one.at_once for one in sandbox.arrivals.of("police")] == [1, 2, 3, 1]

    async def test_faults_are_turned_on_and_off_for_one_agency(self, sandbox: Sandbox, sender: HttpSender) -> None:
        status, on = await door(
            sandbox, sender, "POST", "/faults/police", {"fault": "503", "retry_after": "7", "count": 5}
        )
        assert status == 200
        assert [(fault["fault"], fault["count"]) for fault in on["faults"]] == [("503", 5)]
        assert (await look_up(sandbox, sender)).headers["retry-after"] == "7"
        assert (await door(sandbox, sender, "GET", "/faults/police"))[1]["faults"][0]["count"] == 4
        assert (await door(sandbox, sender, "GET", "/faults/npsp"))[1] == {"faults": []}
        await door(sandbox, sender, "DELETE", "/faults/police")
        assert (await look_up(sandbox, sender)).status == 200

    async def test_sessions_end_on_demand(self, sandbox: Sandbox, sender: HttpSender) -> None:
        login = {"username": "centre", "password": "s3cret"}
        session = (await portal(sandbox, sender, "/mapi/login", **login))["session"]
        ask = {"madonvi": "x", "service": "TraCuuHoSo", "MaHoSo": "none"}
        assert "result" in await portal(sandbox, sender, "/mapi/g", session=session, **ask)
        assert (await door(sandbox, sender, "POST", "/expire-sessions/npsp"))[1] == {"expired": 1}
        assert "result" not in await portal(sandbox, sender, "/mapi/g", session=session, **ask)
        session = (await portal(sandbox, sender, "/mapi/login", **login))["session"]
        await door(sandbox, sender, "POST", "/faults/npsp", {"fault": "expired_session", "count": 1})
        assert "result" not in await portal(sandbox, sender, "/mapi/g", session=session, **ask)
        assert list(sandbox.arrivals.of("npsp"))[-1].outcome == "login"

    async def test_what_was_filed_is_shown_in_order(self, sandbox: Sandbox, sender: HttpSender) -> None:
        session = (await portal(sandbox, sender, "/mapi/login", username="centre", password="s3cret"))["session"]
        dossier = from_json((FOLDER / "npsp/samples/file_dossier.ok/request.agency.json").read_bytes())["data"][0]
        for number in (3, 1, 2):
            data = [dossier | {"MaHoSo": f"000.00.14.H32-261123-000{number}9"}]
            await portal(
                sandbox,
                sender,
                "/mapi/g",
                session=session,
                madonvi="x",
                service="DongBoHoSoMC",
                isUpdating="False",
                data=data,
            )
        _, shown = await door(sandbox, sender, "GET", "/filed/npsp")
        assert [record["key"][-2] for record in shown["filed"]] == ["3", "1", "2"]

    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            ("GET", "/nothing", None, 404),
            ("POST", "/faults/nobody", {"fault": "hang"}, 404),
            ("POST", "/faults/police", {"fault": "explode"}, 400),
            ("GET", "/arrivals?after=x", None, 400),
        ],
    )
    async def test_a_wrong_door_says_what_to_do(
        self, sandbox: Sandbox, sender: HttpSender, method: str, path: str, body: Any, status: int
    ) -> None:
        got, problem = await door(sandbox, sender, method, path, body)
        assert got == status
        assert problem["detail"]

    async def test_served_until_cancelled(self, sender: HttpSender) -> None:
        ready: asyncio.Future[Sandbox] = asyncio.get_running_loop().create_future()
        plays = [Play("police", FOLDER / "police", C06)]
        serving = asyncio.ensure_future(
            serve_sandbox(plays, now=time.time, chance=random.Random(1), ready=ready.set_result)
        )
        sandbox = await ready
        assert (await look_up(sandbox, sender)).status == 200
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving


class TestWire:
    @staticmethod
    async def spoken_to(said: bytes) -> tuple[bytes, list[Request]]:
        heard: list[Request] = []

        async def answer(request: Request, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
            heard.append(request)
            writer.write(Reply(200, b"ok", "text/plain").wire)
            return request.keep

        listener = Listener(answer)
        url = await listener.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(said)
        writer.write_eof()
        got = await asyncio.wait_for(reader.read(), 2)
        writer.close()
        await listener.stop()
        return got, heard

    async def test_requests_on_one_connection_are_answered_in_turn(self) -> None:
        got, heard = await self.spoken_to(
            b"POST /a?x=1&y=%C4%91 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"
            b"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
            b"GET /c HTTP/1.1\r\nConnection: close\r\n\r\n"
        )
        assert got.count(b"HTTP/1.1 200 OK") == 3
        assert [(one.path, one.body, one.keep) for one in heard] == [
            ("/a", b"hi", True),
            ("/b", b"abcde", True),
            ("/c", b"", False),
        ]
        assert heard[0].query == {"x": "1", "y": "đ"}

    @pytest.mark.parametrize(
        "said",
        [
            b"nonsense\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
            b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        ],
    )
    async def test_what_is_no_http_is_refused_and_closed(self, said: bytes) -> None:
        got, heard = await self.spoken_to(said)
        assert got.startswith(b"HTTP/1.1 400")
        assert heard == []

    async def test_a_request_cut_in_the_middle_is_no_request(self) -> None:
        got, heard = await self.spoken_to(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
        assert (got, heard) == (b"", [])


class TestPayloads:
    def test_a_filed_element_takes_the_place_of_the_one_in_the_sample(self) -> None:
        reply = etree.fromstring('<a:L xmlns:a="urn:a"><a:HoSo><a:Ma>1</a:Ma><a:Cu>x</a:Cu></a:HoSo></a:L>')
        filed = etree.fromstring('<b:Gui xmlns:b="urn:b"><b:Ma>2</b:Ma></b:Gui>')
        assert put_payload(reply, read_place("HoSo").steps, filed)
        assert plain(reply) == {"HoSo": {"Ma": "2"}}
        assert etree.tostring(filed) == b'<b:Gui xmlns:b="urn:b"><b:Ma>2</b:Ma></b:Gui>'

    @pytest.mark.parametrize(
        ("place", "expected"),
        [("result[0]", {"result": [7]}), ("result[]", {"result": [7]}), ("a/b", {"result": [], "a": {"b": 7}})],
    )
    def test_a_filed_value_takes_its_place_in_json(self, place: str, expected: Any) -> None:
        tree: Any = {"result": []} if place != "result" else {}
        assert put_payload(tree, read_place(place).steps, 7)
        assert tree == expected

    def test_a_reply_without_the_place_is_left_alone(self) -> None:
        tree = etree.fromstring("<a><b/></a>")
        assert not put_payload(tree, read_place("c").steps, etree.fromstring("<x/>"))
        assert not put_payload({}, (), 1)

    def test_a_value_is_written_where_the_element_is(self) -> None:
        tree = etree.fromstring('<a xmlns="urn:a"><TrangThai>1</TrangThai></a>')
        put_value(tree, ("TrangThai",), "4")
        assert plain(tree) == {"TrangThai": "4"}

    def test_leaves_are_values_with_places_and_nothing_empty(self) -> None:
        tree = {"a": [{"b": 1}, {"b": "2", "c": None}], "d": "", "e": True}
        assert list(leaves(tree)) == [(("a", "b"), "1"), (("a", "b"), "2"), (("e",), "true")]

    def test_repeated_elements_become_a_list(self) -> None:
        assert plain(etree.fromstring("<a><b>1</b><c/><b>2</b><b>3</b></a>")) == {"b": ["1", "2", "3"], "c": ""}


async def test_a_static_answer_is_cheap_enough_to_be_a_peer_in_benchmarks() -> None:
    """A look-up that a sample answers costs the sandbox well under a millisecond of CPU, contract check included."""
    sandbox = Sandbox([Play("police", FOLDER / "police", C06)], now=time.time, chance=random.Random(7))
    played = sandbox._stages["police"].played
    headers = {name.lower(): value for name, value in handshake("c06").headers(C06, time.time()).items()}
    request = Request("POST", "/", {}, headers, CITIZEN, True)
    started = time.process_time()
    for _ in range(500):
        assert played.say(played.hear(request), request).outcome == "ok"
    assert (time.process_time() - started) / 500 < 0.0005
