"""The typed client hands in what never fits in memory, hears of each line, and never loses its place in the feed."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

from hub.app.listening import Listener
from hub.call import Class, Purpose, Reply, State, Submission
from hub.client import BatchLine, HubClient, Problem
from hub.client import Purpose as ForWhom
from hub.client.many import LINES
from hub.errors import BacklogFull, HubError
from hub.feed import Feed
from hub.store.sqlite import SqliteStore
from hub.web.doors import Doors
from mappings.canonical import ProcessingStep
from tests.speaking import KEY as AGENCY_KEY
from tests.speaking import STEP, Numbers, body, step
from tests.unit.web.test_notice_doors import BATCH, Kept


class Ask(BaseModel):
    citizen_id: str = "000180000011"


class Person(BaseModel):
    full_name: str


@pytest.fixture
async def hub(doors: Doors) -> AsyncIterator[HubClient]:
    async with HubClient("http://hub.example", "counter-key", transport=httpx2.ASGITransport(app=doors)) as client:
        yield client


@pytest.fixture
def kept(store_of_calls: SqliteStore) -> Kept:
    return Kept(store_of_calls)


def filings(count: int) -> Iterator[BatchLine]:
    return (BatchLine("file_person", Ask(), key=f"k{number}") for number in range(count))


async def test_lines_go_out_in_requests_under_one_batch_as_they_are_taken(hub: HubClient, engine: Any) -> None:
    taken = 0

    def lines() -> Iterator[BatchLine]:
        nonlocal taken
        for one in filings(2 * LINES + 5):
            taken += 1
            yield one

    tickets = []
    async for ticket in hub.batch("police", lines()):
        if not tickets:
            assert taken == LINES, "no more is read than goes out"
        tickets.append(ticket)
    assert [ticket.line.key for ticket in tickets] == [f"k{number}" for number in range(2 * LINES + 5)]
    assert len({ticket.call for ticket in tickets}) == len(tickets)
    assert len({ticket.batch for ticket in tickets} | {one.batch for group in engine.groups for one in group}) == 1


async def test_what_a_line_says_arrives(hub: HubClient, engine: Any) -> None:
    async def lines() -> AsyncIterator[BatchLine]:
        yield BatchLine("file_person", Ask(), "k", ForWhom(dossier='Hồ sơ "1"'), deadline=5, urgency=1)

    why = ForWhom(officer="cb-102", unit="H32")
    (ticket,) = [one async for one in hub.batch("police", lines(), purpose=why, urgency=7, deadline=60, batch=BATCH)]
    ((said,),) = engine.groups
    assert said.purpose == Purpose("cb-102", "H32", 'Hồ sơ "1"')
    assert (said.cls, said.deadline, said.idempotency_key, said.batch) == (Class.COUNTER, 5.0, "k", BATCH)
    assert (ticket.batch, ticket.state, ticket.problem) == (BATCH, "queued", None)


async def test_a_bad_line_is_a_ticket_with_its_problem(hub: HubClient) -> None:
    lines = [BatchLine("file_person", Ask(), "k"), BatchLine("file_person", Ask(citizen_id="SECRET"), "k2")]
    good, bad = [one async for one in hub.batch("police", lines)]
    assert good.problem is None
    assert bad.call is None
    assert bad.problem is not None
    assert (bad.problem.code, bad.problem.faults[0].pointer) == ("request.invalid", "/request/citizen_id")
    assert "SECRET" not in str(bad.problem)


@pytest.mark.parametrize("patience", [0.0, 60.0])
async def test_what_the_hub_gives_back_is_sent_again(
    hub: HubClient, engine: Any, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.web.batch.STANDSTILL", 0.0)
    full = 1

    def takes_three(group: Sequence[Submission]) -> list[Reply | HubError]:
        nonlocal full
        full -= 1
        fits = 3 if full >= 0 else len(group)
        return [
            Reply(BATCH, State.QUEUED) if place < fits else BacklogFull(retry_after=1) for place in range(len(group))
        ]

    engine.becomes = takes_three
    tickets = []
    if patience:
        tickets = [one async for one in hub.batch("police", filings(10), patience=patience)]
        assert [one.line.key for one in tickets] == [f"k{number}" for number in range(10)]
        return

    async def hand_in() -> None:
        async for one in hub.batch("police", filings(10), patience=patience):
            tickets.append(one)

    with pytest.raises(Problem) as heard:
        await hand_in()
    assert heard.value.code == "backlog.full"
    assert [one.line.key for one in tickets] == ["k0", "k1", "k2"]


async def test_a_batch_that_is_not_allowed_is_a_problem(doors: Doors) -> None:
    async with HubClient("http://hub.example", "nobodys", transport=httpx2.ASGITransport(app=doors)) as hub:
        with pytest.raises(Problem) as heard:
            _ = [one async for one in hub.batch("police", filings(1))]
    assert heard.value.code == "auth.missing"


async def test_results_come_page_after_page(hub: HubClient, kept: Kept) -> None:
    answered = await kept.answered()
    for _ in range(150):
        await kept.cancelled()
    members = [one async for one in hub.batch_results("police", BATCH, answer=Person)]
    assert [one.call for one in members] == kept.calls
    assert (members[0].call, members[0].value, members[0].idempotency_key) == (answered, Person(full_name="MAU"), "k1")
    only = [one async for one in hub.batch_results("police", BATCH, answer=Person, state="answered")]
    assert [one.call for one in only] == [answered]
    with pytest.raises(Problem):
        _ = [one async for one in hub.batch_results("police", "01990a5e-9999-7cc3-98c4-dc0c0c07398f", answer=Person)]


async def test_the_feed_goes_on_where_it_broke_off(
    doors: Doors, feed: Feed, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.client.feed.FIRST_PAUSE", 0.05)
    listener = Listener(doors, "127.0.0.1:0")
    listener.start()
    await kept.cancelled()
    async with HubClient(f"http://{listener.address}", "counter-key") as hub, asyncio.timeout(20):
        events = hub.settled(["police"], answer=Person)
        coming = asyncio.ensure_future(anext(events))
        for _ in range(1000):
            if feed._listeners:
                break
            await asyncio.sleep(0.01)
        (stream,) = feed._all()
        stream.close()  # it breaks off before its first event
        first = await kept.answered()
        feed.stir()
        event = await coming
        assert (event.call.call, event.call.value, event.agency) == (first, Person(full_name="MAU"), "police")
        for stream in list(feed._all()):
            stream.close()
        missed = [await kept.cancelled() for _ in range(3)]
        assert [(await anext(events)).call.call for _ in missed] == missed
        again = hub.settled(after=event.place, answer=Person)
        assert (await anext(again)).call.call == missed[0]
        await events.aclose()  # type: ignore[attr-defined]
        await again.aclose()  # type: ignore[attr-defined]
    await feed.stop()
    await listener.stop()


async def test_what_an_agency_tells_is_followed_by_its_notice_and_dossier(doors: Doors, feed: Feed, kept: Kept) -> None:
    listener = Listener(doors, "127.0.0.1:0")
    listener.start()
    await kept.cancelled(purpose=Purpose(dossier=STEP["dossier"]))
    address = f"http://{listener.address}"
    async with httpx2.AsyncClient(base_url=address, headers={"apikey": AGENCY_KEY}) as agency:
        await agency.post("/in/land/bell_rung", content=body({"value": None}))
        await agency.post("/in/land/dossier_progressed", content=body(step("A", {"slip": "BN-1"})))
    async with HubClient(address, "counter-key") as hub, asyncio.timeout(20):
        rung = await anext(hub.told("land.bell_rung", value=ProcessingStep, after="0"))
        assert (rung.value, rung.dossier) == (None, "")
        dossier = STEP["dossier"]
        step_told = await anext(hub.told("land.dossier_progressed", value=ProcessingStep, dossier=dossier, after="0"))
        assert step_told.value is not None
        assert (step_told.value.status, step_told.dossier, step_told.refs) == ("processing", dossier, {"slip": "BN-1"})
        call = await anext(hub.settled(answer=Person, after="0"))
        assert call.call.state == "cancelled"
    await feed.stop()
    await listener.stop()


async def test_an_answer_is_published_as_its_model(doors: Doors) -> None:
    listener = Listener(doors, "127.0.0.1:0")
    listener.start()
    async with HubClient(f"http://{listener.address}", "counter-key") as hub:
        await hub.publish("land.number_asked", Numbers(book="B1", numbers=("01", "02")))
        with pytest.raises(Problem) as heard:
            await hub.publish("land.nothing_asked", Ask())
        assert heard.value.code == "operation.unknown"
    async with httpx2.AsyncClient(base_url=f"http://{listener.address}", headers={"apikey": AGENCY_KEY}) as agency:
        asked = await agency.post("/in/land/number_asked", content=body({"unique": "A"}))
    assert asked.json()["data"]["numbers"] == ["01"]
    await listener.stop()


async def test_a_feed_that_may_not_be_heard_is_a_problem(doors: Doors) -> None:
    listener = Listener(doors, "127.0.0.1:0")
    listener.start()
    async with HubClient(f"http://{listener.address}", "nobodys") as hub:
        with pytest.raises(Problem) as heard:
            await anext(hub.settled(answer=Person))
    assert heard.value.code == "auth.missing"
    await listener.stop()


def test_a_line_is_one_line() -> None:
    text = BatchLine("file_person", Ask(citizen_id="a\nb"), "k").text()
    assert (text.count(b"\n"), text[-1:]) == (1, b"\n")
    assert json.loads(text)["request"] == {"citizen_id": "a\nb"}
