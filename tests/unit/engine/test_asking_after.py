"""An answer that is pending is a first answer: the hub asks on, ever more seldom, until it ends, and its caller hears."""

import asyncio
from itertools import pairwise
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict

from connectors.kit.inbox import Fetched, Notice, Told, Understood
from connectors.kit.outcomes import Answered, Broken, Busy, InDoubt, Reason, Result, StaleCredentials, Unavailable
from hub.asking_after import spacing
from hub.call import NEVER, Class, State
from hub.errors import StoreUnavailable
from hub.store.feed import Reach
from tests.speaking import notice
from tests.unit.engine.stage import CALLER, OK, Paper, World, operation, play

EVERY = 60.0


class Link(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    link: str
    order: str


class Payment(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    code: str
    paid: bool = True


class BegunQuery(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    code: str


class PaymentQuery(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    code: str
    """From the request."""
    order: str
    """From the answer that is pending."""
    receipt: str = ""
    """From the references."""


PAYING = {
    one.name: one
    for one in (
        operation(
            "start_payment", "filing", Paper, repeat_safe=True, answer=Link, then={"pending": "lookup_payment"},
            then_requests={"pending": PaymentQuery},
        ),
        operation(
            "begin_payment", "filing", Paper, answer=Link,
            then={"in_doubt": "lookup_begun", "pending": "lookup_begun"},
            then_requests={"in_doubt": BegunQuery, "pending": BegunQuery},
        ),
        operation(
            "begin_otherwise", "filing", Paper, answer=Link,
            then={"in_doubt": "lookup_begun", "pending": "lookup_payment"},
            then_requests={"in_doubt": BegunQuery, "pending": PaymentQuery},
        ),
        operation("lookup_begun", "lookup", BegunQuery, answer=Payment, agrees=("code",), every=EVERY),
        operation("lookup_payment", "lookup", PaymentQuery, answer=Payment, agrees=("code",), every=EVERY),
        operation(
            "lookup_slowly", "lookup", Paper, answer=Link, then={"pending": "lookup_payment"},
            then_requests={"pending": PaymentQuery},
        ),
    )
}  # fmt: skip
STARTED = (0.1, Answered(Result.PENDING, Link(link="https://pay.example/1", order="O-1"), refs={"receipt": "R-1"}))
OPEN = (0.1, Answered(Result.PENDING))
PAID = (0.1, Answered(Result.OK, Payment(code="H32-1")))


def pay(scenario: Any, inbox: Any = None, **given: Any) -> None:
    """Play *scenario* with an agency that takes payments, and that has *inbox*."""

    class Paying(World):
        def __post_init__(self) -> None:
            for agency in self.agencies.values():
                agency.operations = {**agency.operations, **PAYING}
                agency.inbox = inbox
                agency.will["start_payment"].append(STARTED)
                agency.otherwise = lambda name: OPEN if name == "lookup_payment" else (0.05, OK)
            super().__post_init__()

    play(scenario, world=Paying, **given)


def asked_at(world: World) -> list[float]:
    return [one.at for one in world.agency.arrivals if one.operation == "lookup_payment"]


async def settled_results(world: World) -> list[Any]:
    told = await world.store.feed.told(CALLER, Reach(["agency"], []), 0, 1 << 40, 100)
    return [one.data["result"] for one in told if one.notice == "call.settled"]


def test_what_is_pending_is_answered_at_once_and_asked_after_until_it_ends() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_payment"].extend([OPEN, PAID])
        reply = await world.file("start_payment", wait=30.0)
        assert reply.state is State.ANSWERED
        assert reply.answer is not None
        assert b'"result":"pending","value":{"link":"https://pay.example/1"' in reply.answer
        await asyncio.sleep(3600)
        (first, second) = [one for one in world.agency.arrivals if one.operation == "lookup_payment"]
        assert first.request == PaymentQuery(code="H32-1", order="O-1", receipt="R-1"), "by field name, from all three"
        assert first.sources["call.id"] == second.sources["call.id"] == reply.call
        assert first.sources["exchange.id"] != second.sources["exchange.id"]
        ended = await world.hub.wait_for(reply.call, CALLER, 0)
        assert ended.answer == b'{"result":"ok","value":{"code":"H32-1","paid":true},"reason":null}'
        assert await settled_results(world) == ["pending", "ok"]
        case = await world.store.persons.case(reply.call)
        assert [one.step for one in case.exchanges] == ["start_payment", "lookup_payment", "lookup_payment"]
        assert world.log.ended[reply.call] == ("answered", ""), "counted once"

    pay(scenario)


class Telling:
    """An inbox of which one notice is told by asking after payments."""

    notices: ClassVar[dict[str, Notice]] = {
        "payment_moved": notice("payment_moved", fetched_by="lookup_payment", asked_after=True)
    }


def moved(word: str) -> Fetched:
    return Fetched(Answered(Result.OK), Understood("payment_moved", (Told(None, word),)))


def test_what_is_said_of_a_call_while_it_is_pending_is_handed_on_and_so_is_its_end() -> None:
    async def scenario(world: World) -> None:
        heard: list[tuple[str, str]] = []

        async def hears(agency: str, read: Understood) -> None:
            heard.append((agency, read.told[0].unique))
            if len(heard) == 1:
                raise StoreUnavailable

        world.lane.listen(hears)
        world.agency.will["lookup_payment"].extend([OPEN, (0.1, Unavailable("connect")), OPEN, PAID])
        world.agency.pages[None] = moved("begun")
        reply = await world.file("start_payment", wait=30.0)
        assert heard == [], "what answers the filing is its answer"
        await asyncio.sleep(7200)
        assert heard == [("agency", "begun")] * 3, (
            "of each answer, though the first could not be kept; none of what brought none"
        )
        ended = await world.hub.wait_for(reply.call, CALLER, 0)
        assert ended.answer == b'{"result":"ok","value":{"code":"H32-1","paid":true},"reason":null}'

    pay(scenario, inbox=Telling())


def test_it_is_asked_ever_more_seldom_and_for_the_last_time_at_its_deadline() -> None:
    async def scenario(world: World) -> None:
        reply = await world.file("start_payment", wait=30.0, deadline=3600.0)
        await asyncio.sleep(7200)
        at = asked_at(world)
        waits = [after - before for before, after in pairwise(at)]
        assert waits[:4] == pytest.approx([60, 120, 240, 480], rel=0.02)
        assert max(waits) == pytest.approx(480, rel=0.02)
        assert at[-1] == pytest.approx(1000 + 3600, abs=1)
        assert (await world.call(reply)).due_at == NEVER
        assert (await world.store.persons.needing())["agency"].pending == 1, "a person is told"
        assert (await world.hub.wait_for(reply.call, CALLER, 0)).answer == reply.answer, "the first answer stays"
        assert await settled_results(world) == ["pending"]

    pay(scenario)


def test_spacing_doubles_up_to_eight_times() -> None:
    assert spacing(60, 0, 0, 1e9) == 60
    assert spacing(60, 0, 90, 1e9) == 90
    assert spacing(60, 0, 1e6, 1e9) == 480
    assert spacing(60, 0, 100, 130) == 30
    assert spacing(60, 0, 130, 130) == float("inf")


@pytest.mark.parametrize(
    "outcome",
    [Unavailable("connect"), InDoubt("timeout"), Busy(5.0), Broken("mapping"), Broken("mapping", sent=False)],
    ids=repr,
)
def test_an_asking_that_fails_changes_nothing_and_pays_from_no_budget(outcome: Any) -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_payment"].extend([(0.1, outcome), PAID])
        reply = await world.file("start_payment", wait=30.0)
        budget = world.hub.watch()["agency"].numbers["retry_budget"]
        await asyncio.sleep(EVERY + 10)
        assert (await world.hub.wait_for(reply.call, CALLER, 0)).answer == reply.answer
        assert world.hub.watch()["agency"].numbers["retry_budget"] >= budget
        await asyncio.sleep(3600)
        assert b'"result":"ok"' in ((await world.hub.wait_for(reply.call, CALLER, 0)).answer or b"")
        assert (await world.call(reply)).attempts == 0

    pay(scenario)


def test_stale_credentials_are_renewed_and_it_is_asked_again_at_once() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_payment"].extend([(0.1, StaleCredentials()), PAID])
        reply = await world.file("start_payment", wait=30.0)
        await asyncio.sleep(EVERY + 10)
        assert b'"result":"ok"' in ((await world.hub.wait_for(reply.call, CALLER, 0)).answer or b"")

    pay(scenario, log_in=True)


@pytest.mark.parametrize(
    ("result", "value"), [(Result.OK, Payment(code="H32-1")), (Result.REFUSED, None), (Result.NOT_FOUND, None)]
)
def test_each_answer_that_is_not_pending_ends_it(result: Result, value: Any) -> None:
    async def scenario(world: World) -> None:
        reason = Reason("07", "not_paid", "Chưa thanh toán", "Not paid")
        world.agency.will["lookup_payment"].append((0.1, Answered(result, value, reason)))
        reply = await world.file("start_payment", wait=30.0)
        await asyncio.sleep(600)
        record = await world.store.get(reply.call)
        assert (record.call.state, record.result, record.cause) == (State.ANSWERED, result.value, "not_paid")
        assert len(asked_at(world)) == 1

    pay(scenario)


def test_a_record_that_is_not_the_one_that_was_sent_ends_nothing_and_is_for_a_person() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_payment"].append((0.1, Answered(Result.OK, Payment(code="other"))))
        reply = await world.file("start_payment", wait=30.0)
        await asyncio.sleep(86_400)
        record = await world.store.get(reply.call)
        assert (record.result, record.cause, record.call.due_at) == ("pending", "differs", NEVER)
        assert len(asked_at(world)) == 1

    pay(scenario)


def test_a_start_in_doubt_that_is_found_pending_is_asked_on_until_it_ends() -> None:
    async def scenario(world: World) -> None:
        begun = (0.1, Answered(Result.PENDING, Payment(code="H32-1", paid=False)))
        world.agency.will["begin_payment"].append((0.1, InDoubt("reset")))
        world.agency.will["lookup_begun"].extend([begun, begun, PAID])
        ticket = await world.file("begin_payment", wait=5.0)
        assert ticket.state is State.IN_DOUBT
        await asyncio.sleep(EVERY)
        found = await world.store.get(ticket.call)
        assert (found.call.state, found.result, found.cause) == (State.ANSWERED, "pending", "verified")
        first = (await world.hub.wait_for(ticket.call, CALLER, 0)).answer
        assert first is not None
        assert b'"result":"pending","value":null,"reason":{"agency_code":"","code":"verified"' in first
        await asyncio.sleep(3600)
        ended = await world.hub.wait_for(ticket.call, CALLER, 0)
        assert ended.answer == b'{"result":"ok","value":{"code":"H32-1","paid":true},"reason":null}'
        assert world.agency.sent() == ["begin_payment", *["lookup_begun"] * 3], "started once"
        assert await settled_results(world) == [None, "pending", "ok"]
        assert world.log.ended[ticket.call] == ("answered", "verified")

    pay(scenario)


@pytest.mark.parametrize(
    ("operation", "code", "why"),
    [
        ("begin_payment", "other", "it is not the one that was started"),
        ("begin_otherwise", "H32-1", "what it is asked on by may want more than a look-up knows"),
    ],
)
def test_a_start_in_doubt_that_is_found_pending_but_not_to_be_asked_on_is_for_a_person(
    operation: str, code: str, why: str
) -> None:
    async def scenario(world: World) -> None:
        world.agency.will[operation].append((0.1, InDoubt("reset")))
        world.agency.will["lookup_begun"].append((0.1, Answered(Result.PENDING, Payment(code=code, paid=False))))
        ticket = await world.file(operation)
        await asyncio.sleep(86_400)
        assert await world.state(ticket) == (State.IN_DOUBT, "differs"), why
        assert world.agency.sent() == [operation, "lookup_begun"]

    pay(scenario)


def test_who_hears_of_it_otherwise_lets_the_hub_ask_at_once() -> None:
    async def scenario(world: World) -> None:
        await asyncio.sleep(30)  # what an earlier life may have sent has ended
        reply = await world.file("start_payment", wait=30.0)
        world.agency.will["lookup_payment"].append(PAID)
        assert await world.hub.ask_now(reply.call)
        await asyncio.sleep(5)
        assert b'"result":"ok"' in ((await world.hub.wait_for(reply.call, CALLER, 0)).answer or b"")
        assert not await world.hub.ask_now(reply.call), "it has ended"
        assert not await world.hub.ask_now("unknown")

    pay(scenario)


def test_what_is_heard_while_it_is_asked_after_lets_it_be_asked_once_more() -> None:
    """The answer on its way may be older than what was heard."""

    async def scenario(world: World) -> None:
        reply = await world.file("start_payment", wait=30.0)
        world.agency.will["lookup_payment"].extend([(5.0, Answered(Result.PENDING)), PAID])
        await asyncio.sleep(EVERY + 3)
        assert await world.hub.ask_now(reply.call)
        await asyncio.sleep(15)
        assert b'"result":"ok"' in ((await world.hub.wait_for(reply.call, CALLER, 0)).answer or b"")

    pay(scenario)


def test_what_nobody_asked_after_any_more_is_asked_after_again_when_something_is_heard_of_it() -> None:
    async def scenario(world: World) -> None:
        reply = await world.file("start_payment", wait=30.0, deadline=100.0)
        await asyncio.sleep(7200)
        world.agency.will["lookup_payment"].append(PAID)
        assert await world.hub.ask_now(reply.call)
        await asyncio.sleep(5)
        assert b'"result":"ok"' in ((await world.hub.wait_for(reply.call, CALLER, 0)).answer or b"")
        assert await world.store.persons.needing() == {}

    pay(scenario)


def test_whoever_reads_a_pending_answer_with_patience_hears_the_end_and_whoever_files_again_hears_at_once() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_payment"].append(PAID)
        reply = await world.file("start_payment", wait=30.0, idempotency_key="k")
        began = world.clock.monotonic()
        again = await world.file("start_payment", wait=30.0, idempotency_key="k")
        assert again.answer == reply.answer
        assert world.clock.monotonic() - began < 1
        ended = await world.hub.wait_for(reply.call, CALLER, 100, through_pending=True)
        assert b'"result":"ok"' in (ended.answer or b"")
        assert EVERY < world.clock.monotonic() - began < EVERY + 5
        ended = await world.hub.wait_for(reply.call, CALLER, 100, through_pending=True)
        assert world.clock.monotonic() - began < EVERY + 5

    pay(scenario)


def test_what_becomes_pending_while_somebody_waits_is_an_answer() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["start_payment"].clear()
        world.agency.will["start_payment"].append((5.0, STARTED[1]))
        reply = await world.file("start_payment")
        heard = await world.hub.wait_for(reply.call, CALLER, 120, through_pending=True)
        assert b'"result":"pending"' in (heard.answer or b"")

    pay(scenario)


def test_it_goes_as_bulk_and_a_counter_call_goes_first() -> None:
    async def scenario(world: World) -> None:
        await world.file("start_payment", wait=30.0, cls=Class.COUNTER)
        claimed: list[tuple[str, Class, bool]] = []
        claim = world.coordination.claim

        async def watched(lane: str, wanted: Any) -> Any:
            claimed.extend((one.operation, one.cls, one.repeat) for one in wanted)
            return await claim(lane, wanted)

        world.coordination.claim = watched  # type: ignore[method-assign]
        await asyncio.sleep(EVERY + 10)
        assert claimed == [("lookup_payment", Class.BULK, False)]

    pay(scenario)


def test_the_next_life_of_the_hub_asks_on_when_it_falls_due() -> None:
    async def scenario(world: World) -> None:
        reply = await world.file("start_payment", wait=30.0)
        await world.hub.stop(5)
        world.agency.will["lookup_payment"].append(PAID)
        life = world.again()
        await life.hub.start()
        await asyncio.sleep(EVERY + 10)
        assert b'"result":"ok"' in ((await life.hub.wait_for(reply.call, CALLER, 0)).answer or b"")
        await life.hub.stop(5)

    pay(scenario)


def test_of_an_interactive_look_up_nothing_is_kept_to_ask_by() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_slowly"].append(STARTED)
        reply = await world.hub.submit(world.submission("lookup_slowly", Paper(code="H32-1"), wait=30.0))
        await asyncio.sleep(3600)
        assert b'"result":"pending"' in (reply.answer or b"")
        assert asked_at(world) == []
        assert not await world.hub.ask_now(reply.call)

    pay(scenario)


def test_a_durable_look_up_that_is_pending_is_asked_after_too() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["lookup_slowly"].append(STARTED)
        world.agency.will["lookup_payment"].append(PAID)
        reply = await world.hub.submit(world.submission("lookup_slowly", Paper(code="H32-1"), wait=None))
        await asyncio.sleep(600)
        assert b'"result":"ok"' in ((await world.hub.wait_for(reply.call, CALLER, 0)).answer or b"")

    pay(scenario)


def test_what_no_operation_asks_after_stays_pending_and_disturbs_nobody() -> None:
    async def scenario(world: World) -> None:
        world.agency.will["update_paper"].append((0.1, Answered(Result.PENDING)))
        reply = await world.file("update_paper", wait=30.0)
        await asyncio.sleep(600)
        assert (await world.call(reply)).due_at == NEVER
        assert asked_at(world) == []

    pay(scenario)


def test_a_look_up_that_could_not_leave_does_not_send_a_doubtful_filing_again() -> None:
    """Its permit may lapse between claim and first byte; nothing was learned then."""

    async def scenario(world: World) -> None:
        world.agency.will["file_paper"].append((0.1, InDoubt("reset")))
        ticket = await world.file("file_paper")
        await asyncio.sleep(5)
        leave, left = world.coordination.leave, []

        async def lapsed(permit: Any, within: float) -> bool:
            left.append(permit)
            return len(left) > 1 and await leave(permit, within)

        world.coordination.leave = lapsed  # type: ignore[method-assign]
        world.agency.otherwise = lambda _: (0.1, Answered(Result.OK, Paper(code="H32-1")))
        await asyncio.sleep(300)
        assert world.agency.sent() == ["file_paper", "lookup_paper"]
        assert (await world.state(ticket))[0] is State.ANSWERED

    pay(scenario)
