"""Look-ups that send the same share one exchange: each is on record for itself, and nobody fares worse for it."""

import asyncio
from typing import Any

import pytest

from connectors.kit.outcomes import Answered, Result, Unavailable
from hub.call import Class, Purpose, Reply, State
from hub.errors import CallExpired, IdempotencyConflict
from hub.store.protocol import Sought
from hub.surroundings import moment
from tests.unit.engine.flying import FOUND, TOGETHER, asking, calls_of, errors, nothing_flies, occupied, rows
from tests.unit.engine.stage import OK, World, play

# --- One exchange, and a record for each -----------------------------------------------------------------------------


def test_look_ups_that_send_the_same_make_one_exchange_and_all_hear_it() -> None:
    async def scenario(world: World) -> None:
        world.agency.will[TOGETHER].append((1.0, FOUND))
        asked = [asking(world) for _ in range(5)]
        await asyncio.sleep(0.5)
        asked.append(asking(world))
        replies = await asyncio.gather(*asked)
        assert world.agency.sent() == [TOGETHER]
        assert len(calls_of(replies)) == 6
        assert {reply.answer for reply in replies} == {replies[0].answer}
        assert b"000999888777" in (replies[0].answer or b"")
        assert {world.log.ended[reply.call] for reply in replies} == {("answered", "found")}
        nothing_flies(world)

    play(scenario)


def test_every_follower_is_on_record_with_its_own_caller_and_purpose() -> None:
    async def scenario(world: World) -> None:
        world.agency.will[TOGETHER].append((1.0, FOUND))
        leader = asking(world)
        await asyncio.sleep(0.1)
        purpose = Purpose("o1", "u2", "H32-2", "TN-2", "1.001")
        follower = asking(world, caller="tax_desk", cls=Class.BULK, purpose=purpose, traceparent="00-1-2-01")
        led, followed = await asyncio.gather(leader, follower)
        first, second = await rows(world)
        assert (first.call.id, second.call.id) == (led.call, followed.call)
        assert (second.call.caller, second.call.cls, second.call.purpose) == ("tax_desk", Class.BULK, purpose)
        assert (second.call.state, second.result, second.cause) == (State.ANSWERED, "ok", "found")
        assert (second.call.exchange_no, second.call.attempts, second.call.traceparent) == (0, 0, "00-1-2-01")
        journal = [row.entry for row in await world.store.journal()]
        (entry,) = [one for one in journal if one.call == followed.call]
        assert (entry.event, entry.detail) == ("answered", f"0 followed {led.call}")
        assert (entry.caller, entry.officer, entry.unit) == ("tax_desk", "o1", "u2")
        assert entry.purpose == "dossier=H32-2 intake=TN-2 procedure=1.001"

    play(scenario)


def test_a_follower_is_on_record_before_it_hears() -> None:
    async def scenario(world: World) -> None:
        asked = [asking(world) for _ in range(2)]

        async def nobody_heard() -> None:
            await asyncio.sleep(0.3)
            assert not asked[1].done()

        world.store.before["follow"] = nobody_heard
        await asyncio.gather(*asked)
        assert world.store.asked["follow"] == 1

    play(scenario)


def test_followers_are_written_in_the_commit_that_ends_their_leader() -> None:
    async def scenario(world: World) -> None:
        members: list[int] = []
        world.store._store._line.on_commit = lambda _, count: members.append(count)
        await asyncio.gather(*(asking(world) for _ in range(40)))
        assert members[-2:] == [1, 2], "as it leaves; then its end, and all who followed it"
        assert [record.call.state for record in await rows(world)] == [State.ANSWERED] * 40

    play(scenario)


def test_followers_cost_neither_slot_nor_rate_nor_day() -> None:
    async def scenario(world: World) -> None:
        await asyncio.sleep(1)
        world.agency.otherwise = lambda _: (1.0, OK)
        asked = [asking(world) for _ in range(20)]
        await asyncio.sleep(0.5)
        assert world.coordination.watch("agency")["concurrency_in_use"] == 1
        await asyncio.gather(*asked)
        assert world.clock.monotonic() < 1003
        assert await world.store.sent_on_day("agency", moment(world.clock.now())[:10]) == 1
        await asking(world)
        assert world.clock.monotonic() < 1005, "the rate has room for the next"

    play(scenario, calls_per_second=1.0, calls_at_once=1)


@pytest.mark.parametrize(
    "other",
    [
        {"purpose": Purpose("o2", "u1", "H32-1")},
        {"citizen": "000123456780"},
    ],
    ids=["another officer", "another citizen"],
)
def test_what_the_agency_would_see_as_two_is_two_exchanges(other: dict[str, Any]) -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (1.0, OK)
        await asyncio.gather(asking(world), asking(world, **other))
        assert len(world.agency.arrivals) == 2

    play(scenario)


def test_who_would_send_something_else_by_now_goes_alone() -> None:
    """Officers o1 and o2 share an account when they ask; the register gives o1 one of his own before he is sent."""

    async def scenario(world: World) -> None:
        accounts = {"o1": "a", "o2": "a"}
        object.__setattr__(world.around, "people", lambda call, *_: {"officer.account": accounts[call.purpose.officer]})
        await occupied(world, 3.0)
        asked = [asking(world, purpose=Purpose(officer, "u1", "H32-1")) for officer in ("o1", "o2", "o2")]
        await asyncio.sleep(1)
        accounts["o1"] = "b"
        await asyncio.gather(*asked)
        assert [one.sources["officer.account"] for one in world.agency.arrivals[1:]] == ["b", "a"]

    play(scenario, calls_at_once=1)


def test_what_may_not_be_repeated_or_is_not_waited_for_goes_alone() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (1.0, OK)
        await asyncio.gather(*(asking(world, "count_once") for _ in range(2)))
        await asyncio.gather(*(asking(world, TOGETHER, wait=None) for _ in range(2)))
        await asyncio.sleep(3)
        assert world.agency.sent() == ["count_once"] * 2 + [TOGETHER] * 2

    play(scenario)


def test_an_answer_served_once_is_not_served_again() -> None:
    async def scenario(world: World) -> None:
        await asking(world)
        await asking(world)
        assert len(world.agency.arrivals) == 2

    play(scenario)


# --- Deadlines and callers who leave ---------------------------------------------------------------------------------


def test_a_follower_keeps_its_own_deadline() -> None:
    async def scenario(world: World) -> None:
        world.agency.will[TOGETHER].append((5.0, OK))
        leader, short, long = asking(world), asking(world, wait=2.0), asking(world)
        with pytest.raises(CallExpired) as told:
            await short
        assert world.clock.monotonic() == pytest.approx(1002, abs=0.01)
        assert world.log.ended[told.value.call or ""] == ("expired", "deadline")
        assert [reply.state for reply in await asyncio.gather(leader, long)] == [State.ANSWERED] * 2
        assert len(world.agency.arrivals) == 1
        assert len(await rows(world)) == 2, "who heard nothing has no row"

    play(scenario)


def test_a_follower_who_leaves_leaves_alone() -> None:
    async def scenario(world: World) -> None:
        world.agency.will[TOGETHER].append((2.0, OK))
        asked = [asking(world) for _ in range(3)]
        await asyncio.sleep(1)
        asked[1].cancel()
        ends = await asyncio.gather(*asked, return_exceptions=True)
        assert errors(ends) == [Reply, asyncio.CancelledError, Reply]
        assert sorted(state for state, _ in world.log.ended.values()) == ["answered", "answered", "cancelled"]
        assert len(await rows(world)) == 2

    play(scenario)


def test_an_exchange_whose_caller_left_serves_its_followers() -> None:
    async def scenario(world: World) -> None:
        world.agency.will[TOGETHER].append((2.0, OK))
        leader, follower = asking(world), asking(world)
        await asyncio.sleep(1)
        leader.cancel()
        assert (await follower).state is State.ANSWERED
        assert world.clock.monotonic() == pytest.approx(1002, abs=0.01)
        assert len(world.agency.arrivals) == 1
        assert [record.call.state for record in await rows(world)] == [State.ANSWERED] * 2

    play(scenario)


def test_when_a_leader_leaves_the_line_the_follower_with_most_time_takes_its_place() -> None:
    async def scenario(world: World) -> None:
        await occupied(world, 3.0)
        leader, short, long = asking(world), asking(world, wait=8.0), asking(world, wait=20.0)
        await asyncio.sleep(0)
        behind = asyncio.create_task(world.ask("verify_citizen"))
        await asyncio.sleep(1)
        leader.cancel()
        replies = await asyncio.gather(short, long, behind)
        assert world.agency.sent() == ["lookup_citizen", TOGETHER, "verify_citizen"]
        assert world.agency.arrivals[1].sources["call.id"] == replies[1].call, "its own exchange"
        (row,) = [record.call for record in await rows(world) if record.call.id == replies[1].call]
        assert (row.exchange_no, row.attempts) == (1, 0)

    play(scenario, calls_at_once=1)


def test_a_leader_whose_time_ends_in_the_line_leaves_an_heir() -> None:
    async def scenario(world: World) -> None:
        await occupied(world, 4.0)
        leader, follower = asking(world, wait=2.0), asking(world)
        ends = await asyncio.gather(leader, follower, return_exceptions=True)
        assert errors(ends) == [CallExpired, Reply]
        assert world.agency.sent(TOGETHER) == [TOGETHER]
        assert len(await rows(world)) == 1

    play(scenario, calls_at_once=1)


def test_an_exchange_goes_on_for_who_has_time_when_its_leaders_is_over() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (3.0, OK)
        leader, short, long = asking(world, wait=2.0), asking(world, wait=2.5), asking(world, wait=9.0)
        ends = await asyncio.gather(leader, short, long, return_exceptions=True)
        assert errors(ends) == [CallExpired, CallExpired, Reply]
        assert world.clock.monotonic() == pytest.approx(1003, abs=0.01)
        assert len(world.agency.arrivals) == 1

    play(scenario)


def test_a_leader_who_leaves_between_two_attempts_leaves_an_heir_with_all_attempts() -> None:
    async def scenario(world: World) -> None:
        world.agency.will[TOGETHER].extend([(1.0, Unavailable("connect"))] * 3)
        leader, follower = asking(world), asking(world)
        await asyncio.sleep(1.01)
        leader.cancel()
        assert (await follower).state is State.ANSWERED
        assert len(world.agency.arrivals) == 4
        states = sorted(record.call.state for record in await rows(world))
        assert states in (["answered", "cancelled"], ["answered", "expired"])

    play(scenario)


# --- Nobody waits longer ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mine", [{"cls": Class.COUNTER}, {"caller": "tax_desk"}, {"purpose": Purpose("o1", "u2", "H32-1")}]
)
def test_who_would_stand_elsewhere_stands_there_and_the_first_of_them_leads_all(mine: dict[str, Any]) -> None:
    async def scenario(world: World) -> None:
        await occupied(world, 3.0)
        first, second, follower = asking(world), asking(world, **mine), asking(world)
        await asyncio.sleep(0.1)
        assert world.lane._line.count(interactive=True) == 2
        replies = await asyncio.gather(first, second, follower)
        assert world.agency.sent() == ["lookup_citizen", TOGETHER]
        assert world.agency.arrivals[1].sources["call.id"] == replies[1].call, "of a higher class, or of who had less"
        assert world.store.asked["follow"] == 1

    play(scenario, calls_at_once=1)


def test_a_citizen_at_the_counter_does_not_wait_behind_a_leader_of_the_bulk() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (1.0, OK)
        await occupied(world, 1.0)
        crowd = [asyncio.create_task(world.ask("verify_citizen", cls=Class.BULK)) for _ in range(20)]
        await asyncio.sleep(0)
        bulk = asking(world, cls=Class.BULK)
        await asyncio.sleep(0)
        await asking(world, cls=Class.COUNTER)
        assert world.clock.monotonic() <= 1003.1
        await asyncio.sleep(0.01)
        assert bulk.done(), "and the bulk call has its answer with it"
        assert len(world.agency.sent(TOGETHER)) == 1
        await asyncio.gather(*crowd)

    play(scenario, calls_at_once=1)


def test_where_the_newest_goes_first_the_newest_leads() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (1.0, OK)
        await occupied(world, 1.0)
        row = world.lane._line._rows[Class.NORMAL, True]
        row.standing = lambda _: True  # type: ignore[method-assign]
        older = asking(world)
        await asyncio.sleep(0)
        crowd = [asyncio.create_task(world.ask("verify_citizen", wait=100.0)) for _ in range(5)]
        await asyncio.sleep(0)
        replies = await asyncio.gather(asking(world), older)
        assert world.agency.sent()[:2] == ["lookup_citizen", TOGETHER]
        assert world.agency.arrivals[1].sources["call.id"] == replies[0].call
        assert world.clock.monotonic() == pytest.approx(1002, abs=0.02)
        await asyncio.gather(*crowd)

    play(scenario, calls_at_once=1)


def test_the_newest_follows_who_is_getting_a_permit_already() -> None:
    async def scenario(world: World) -> None:
        claim = world.coordination.claim

        async def slow(*args: Any) -> Any:
            await asyncio.sleep(0.2)
            return await claim(*args)

        world.coordination.claim = slow  # type: ignore[method-assign]
        world.lane._line._rows[Class.NORMAL, True].standing = lambda _: True  # type: ignore[method-assign]
        older = asking(world)
        await asyncio.sleep(0.1)
        replies = await asyncio.gather(older, asking(world))
        assert [one.sources["call.id"] for one in world.agency.arrivals] == [replies[0].call]
        assert world.clock.monotonic() < 1000.4, "one permit was enough"

    play(scenario)


def test_who_follows_needs_no_room_in_a_full_line() -> None:
    async def scenario(world: World) -> None:
        await occupied(world, 2.0)
        first, other = asking(world), asyncio.create_task(world.ask("verify_citizen"))
        await asyncio.sleep(0)
        follower = asking(world)
        await asyncio.sleep(0.1)
        assert world.lane._line.count(interactive=True) == 2
        replies = await asyncio.gather(first, other, follower)
        assert {reply.state for reply in replies} == {State.ANSWERED}

    play(scenario, calls_at_once=1, queue_calls=2)


def test_the_bytes_of_followers_count_as_waiting() -> None:
    async def scenario(world: World) -> None:
        world.agency.will[TOGETHER].append((1.0, OK))
        asked = [asking(world) for _ in range(4)]
        await asyncio.sleep(0.5)
        assert world.hub.queued_bytes() == 3 * len(b'{"citizen_id":"000123456789"}')
        await asyncio.gather(*asked)
        assert world.hub.queued_bytes() == 0

    play(scenario)


def test_who_joined_a_bulk_call_on_the_wire_does_not_wait_for_its_next_attempt_in_the_bulk() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (1.0, OK)
        world.agency.will[TOGETHER].append((1.0, Unavailable("connect")))
        bulk = asking(world, cls=Class.BULK)
        await asyncio.sleep(0.1)
        crowd = [asyncio.create_task(world.ask("verify_citizen", cls=Class.BULK)) for _ in range(10)]
        counter = [asking(world, cls=Class.COUNTER) for _ in range(2)]
        await asyncio.gather(*counter)
        assert world.clock.monotonic() <= 1003.1
        await asyncio.gather(bulk, *crowd)
        assert len(world.agency.sent(TOGETHER)) == 3, "the bulk call was on the wire before, and goes its own way"

    play(scenario, calls_at_once=1)


def test_more_followers_than_the_line_holds_go_alone() -> None:
    async def scenario(world: World) -> None:
        world.agency.otherwise = lambda _: (1.0, OK)
        replies = await asyncio.gather(*(asking(world) for _ in range(9)))
        assert {reply.state for reply in replies} == {State.ANSWERED}
        assert len(world.agency.arrivals) == 4, "one with five followers, and three alone"

    play(scenario, queue_calls=5)


# --- Keys of callers -------------------------------------------------------------------------------------------------


def test_a_repeat_under_its_callers_key_follows_and_the_key_follows_it() -> None:
    async def scenario(world: World) -> None:
        world.agency.will[TOGETHER].append((1.0, OK))
        first, second = asking(world, idempotency_key="k"), asking(world, idempotency_key="k")
        replies = await asyncio.gather(first, second)
        assert len(world.agency.arrivals) == 1
        (found,) = await world.store.find(Sought(key="k"))
        assert found.call.id == replies[1].call

    play(scenario)


def test_a_follower_under_a_key_of_another_request_hears_of_the_conflict_alone() -> None:
    async def scenario(world: World) -> None:
        await asking(world, citizen="000000000001", idempotency_key="k")
        asked = [asking(world), asking(world, idempotency_key="k"), asking(world, idempotency_key="k2")]
        ends = await asyncio.gather(*asked, return_exceptions=True)
        assert errors(ends) == [Reply, IdempotencyConflict, Reply]
        assert len(world.agency.arrivals) == 2

    play(scenario)


def test_a_leader_under_a_key_of_another_request_leaves_an_heir() -> None:
    async def scenario(world: World) -> None:
        await asking(world, citizen="000000000001", idempotency_key="k")
        ends = await asyncio.gather(asking(world, idempotency_key="k"), asking(world), return_exceptions=True)
        assert errors(ends) == [IdempotencyConflict, Reply]

    play(scenario)


def test_followers_hear_what_their_answer_made_known_of_their_own_dossiers() -> None:
    async def scenario(world: World) -> None:
        world.agency.will[TOGETHER].append((1.0, Answered(Result.OK, refs={"code": "C06-7"})))
        other = Purpose("o1", "u1", "H32-2")
        await asyncio.gather(asking(world), asking(world, purpose=other))
        assert await world.store.remembered("H32-1", "agency") == {"code": "C06-7"}
        assert await world.store.remembered("H32-2", "agency") == {"code": "C06-7"}

    play(scenario)
