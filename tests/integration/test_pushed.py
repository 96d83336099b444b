"""A real hub pushes what settles to a real receiver: signed, in order, again when it was down, and from whichever node lives."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic_core import from_json

from hub.client import Problem, Purpose, read_pushed, verify
from mappings.canonical import Dossier, ProcessingStep
from tests.integration.test_nodes import Nodes, nodes  # noqa: F401 - a fixture

pytestmark = pytest.mark.process
PUSH = {"HUB__PUSH__HOSTS": '["127.0.0.0/8"]', "HUB__HUB__SIGNING_KEY": "a key of the hub that nobody can guess"}


class Receiver:
    """Listens at a port of its own, may go down and come back, and keeps every request."""

    def __init__(self) -> None:
        self.port = 0
        self.answer = b"204 No Content"
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    def calls(self) -> list[str]:
        """Return the calls whose ends were told, each event once, in the order in which they first came."""
        told = {headers["webhook-id"]: from_json(body) for headers, body in self.requests}
        return [event["subject"] for event in told.values() if event["type"].endswith("call.settled")]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): text for name, _, text in (line.partition(": ") for line in head[1:])}
                body = await reader.readexactly(int(headers["content-length"]))
                self.requests.append((headers, body))
                writer.write(b"HTTP/1.1 " + self.answer + b"\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.up()
    yield receiver
    await receiver.down()


async def filed(stage: Any, dossier: Dossier, step: ProcessingStep, purpose: Purpose, count: int) -> list[str]:
    """File a dossier and steps of it, one after the other; return the ids of the calls in the order of their ends."""
    async with stage.client() as hub:
        first = await hub.file("npsp.file_dossier", dossier, answer=Dossier, purpose=purpose, key="dossier")
        assert (await first.result(wait=60)).result == "ok"
        calls = [first.call]
        for number in range(count):
            ticket = await hub.file(
                "npsp.file_progress", step, answer=ProcessingStep, purpose=purpose, key=f"k{number}"
            )
            assert (await ticket.result(wait=60)).result == "ok"
            calls.append(ticket.call)
    return calls


async def test_what_settles_is_pushed_signed_and_again_after_the_receiver_was_down(
    stage: Any, receiver: Receiver, dossier: Dossier, step: ProcessingStep, purpose: Purpose
) -> None:
    await stage.start(**PUSH)
    async with stage.client() as hub:
        subscription = await hub.subscribe(receiver.url, agencies=["npsp"])
        other = await hub.subscribe(receiver.url, dossier="another dossier")
        with pytest.raises(Problem, match="a host or a port that is not listed"):
            await hub.subscribe("http://10.1.2.3/hooks")
    calls = await filed(stage, dossier, step, purpose, 2)
    await stage.until(lambda: receiver.calls() == calls, "events")
    for headers, body in receiver.requests:
        assert headers["hub-subscription"] == subscription.id
        assert verify(subscription.secret, headers, body) == headers["webhook-id"]
    assert read_pushed(receiver.requests[0][1], answer=Dossier).call.result == "ok"
    assert other.id != subscription.id

    await receiver.down()
    async with stage.client() as hub:
        ticket = await hub.file("npsp.file_progress", step, answer=ProcessingStep, purpose=purpose, key="while-down")
        assert (await ticket.result(wait=60)).result == "ok"

        async def failing() -> bool:
            return (await hub.subscriptions())[0].state == "failing"

        await stage.until_true(failing, "failure")
        async with stage.operator() as http:
            text = (await http.get("/metrics")).text
        (delivered,) = re.findall(r'hub_pushed_total\{caller="one-stop",outcome="delivered"\} ([\d.]+)', text)
        assert float(delivered) >= 3  # and what polls of the portal told meanwhile
        assert 'hub_push_oldest_age_seconds{caller="one-stop"}' in text
        status, out, errors = await stage.hub("subscriptions", "list", "--json", HUB__HUB__ADMIN=stage.admin_url[7:])
        assert (status, [one["state"] for one in from_json(out)]) == (0, ["failing", "well"]), errors
        await receiver.up()
        await hub.resume(subscription.id)
        await stage.until(lambda: receiver.calls() == [*calls, ticket.call], "event after it was down")


async def test_what_a_killed_hub_had_not_delivered_is_delivered_after_its_restart(
    stage: Any, receiver: Receiver, dossier: Dossier, step: ProcessingStep, purpose: Purpose
) -> None:
    await stage.start(**PUSH)
    receiver.answer = b"503 Service Unavailable\r\nretry-after: 3600"
    async with stage.client() as hub:
        subscription = await hub.subscribe(receiver.url)
    calls = await filed(stage, dossier, step, purpose, 2)
    await stage.until(lambda: len(receiver.requests) > 0, "a first try")
    await stage.kill()
    receiver.answer = b"204 No Content"
    await stage.start(**PUSH)
    async with stage.client() as hub:
        await hub.resume(subscription.id)
    await stage.until(lambda: receiver.calls() == calls, "events")
    assert all(verify(subscription.secret, headers, body) for headers, body in receiver.requests)


async def test_what_a_killed_node_pushed_the_other_goes_on_with(
    nodes: Nodes,  # noqa: F811
    receiver: Receiver,
    dossier: Dossier,
    step: ProcessingStep,
    purpose: Purpose,
) -> None:
    await nodes.two.kill()
    await nodes.one.kill()
    for stage, name in ((nodes.one, "hub_1"), (nodes.two, "hub_2")):
        await stage.start(HUB__HUB__STORE=nodes.database, HUB__HUB__NODE=name, HUB__HUB__REDIS=nodes.redis, **PUSH)
    async with nodes.one.client() as hub:
        subscription = await hub.subscribe(receiver.url)
    before = await filed(nodes.one, dossier, step, purpose, 1)
    await nodes.one.until(lambda: receiver.calls() == before, "events of the first node")
    await nodes.one.kill()
    async with nodes.two.client() as hub:
        ticket = await hub.file("npsp.file_progress", step, answer=ProcessingStep, purpose=purpose, key="other")
        await nodes.two.until(lambda: receiver.calls() == [*before, ticket.call], "event of the other node", 90)
    assert all(verify(subscription.secret, headers, body) for headers, body in receiver.requests)
