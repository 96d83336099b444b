"""A caller that listens hears of each of its settled calls, whichever node settled it and however late it listens."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from connectors.kit.outcomes import InDoubt
from hub.call import Class, Reply, State
from hub.clock import VirtualClock, run_virtual
from hub.errors import BacklogFull, CallerQuota, HubStopping, IdempotencyConflict, StoreUnavailable
from hub.feed import GATHER, HEARTBEAT, HOLD_BACK, MOST_LISTENING, PAGE, PAGE_BYTES, SLICE, SWEEP, Feed, Listener
from hub.store.deciding import Act, Decision
from hub.store.feed import Mark, Noticed, Reach
from tests.unit.engine.stage import CALLER, OK, Paper, Query, World, play

REACH = Reach(["agency"])


async def heard(listener: Listener, count: int, seconds: float = 3600) -> list[Noticed]:
    """Return the next *count* events."""
    events: list[Noticed] = []
    async with asyncio.timeout(seconds):
        while len(events) < count:
            page = await listener.next()
            assert page is not None, "the stream ended"
            events += page
    return events


def test_a_settled_call_is_told_at_once_and_a_look_up_that_was_waited_for_is_not() -> None:
    async def scenario(world: World) -> None:
        async with world.feed.listen(CALLER, REACH) as listener:
            await world.ask()
            filed = await world.file()
            (event,) = await heard(listener, 1, 0.05 + 3 * GATHER)
            assert (event.call, event.data["state"], event.data["result"]) == (filed.call, "answered", "ok")
            assert await listener.next() == ()

    play(scenario)


def test_doubt_a_persons_word_and_a_call_taken_back_are_told() -> None:
    async def scenario(world: World) -> None:
        async with world.feed.listen(CALLER, REACH) as listener:
            world.agency.otherwise = lambda name: (0.05, InDoubt("timeout") if name == "file_blindly" else OK)
            doubtful = await world.file("file_blindly")
            assert [one.data["state"] for one in await heard(listener, 1)] == ["in_doubt"]
            await world.hub.decide([doubtful.call], Decision(Act.DONE, "an operator", "they have it", b"{}"))
            assert [one.data["state"] for one in await heard(listener, 1, SWEEP + 1)] == ["answered"]
            await world.coordination.hold("agency", "operator", None)
            taken_back = await world.file()
            await world.hub.cancel(taken_back.call, CALLER)
            assert [one.data["state"] for one in await heard(listener, 1, 1)] == ["cancelled"]

    play(scenario)


def test_who_was_away_hears_what_settled_meanwhile_in_order_also_after_a_restart() -> None:
    async def scenario(world: World) -> None:
        async with world.feed.listen(CALLER, REACH) as listener:
            first = await world.file(code="1")
            (last,) = await heard(listener, 1)
        missed = [(await world.file(code=str(number), wait=60.0)).call for number in range(2, 2 + 2 * PAGE)]
        await world.hub.stop(60.0)
        await world.feed.stop()
        life = world.again()
        await asyncio.sleep(3600)
        async with life.feed.listen(CALLER, REACH, last.seq) as listener:
            events = await heard(listener, 2 * PAGE)
            assert [one.call for one in events] == missed
            assert await listener.next() == ()
        async with life.feed.listen(CALLER, REACH, 0) as listener:
            again = await heard(listener, 1 + 2 * PAGE)
            assert again[0] == last, "told again, it is the same"
            assert again[0].call == first.call
        async with life.feed.listen(CALLER, REACH) as listener:
            assert await listener.next() == (), "from now on"
        await life.feed.stop()

    play(scenario)


def test_what_another_node_settled_is_heard_within_a_sweep() -> None:
    async def scenario(world: World) -> None:
        async with world.feed.listen(CALLER, REACH) as listener:
            other = Feed(world.store.feed, world.clock, world.log.fault)  # of a node that nobody stirs
            async with other.listen(CALLER, REACH) as elsewhere:
                await world.file(wait=60.0)
                assert await heard(elsewhere, 1, SWEEP + 1) == await heard(listener, 1, 1)
            await other.stop()

    play(scenario)


def test_a_heartbeat_comes_when_nothing_else_does_and_costs_few_looks() -> None:
    async def scenario(world: World) -> None:
        async with world.feed.listen(CALLER, REACH) as listener:
            began, asked = world.clock.monotonic(), sum(world.feed._kept.asked.values())
            assert [await listener.next() for _ in range(4)] == [()] * 4
            seconds = world.clock.monotonic() - began
            assert seconds == pytest.approx(4 * HEARTBEAT)
            assert sum(world.feed._kept.asked.values()) - asked <= 0.5 * seconds
        asked = sum(world.feed._kept.asked.values())
        await asyncio.sleep(600)
        assert sum(world.feed._kept.asked.values()) - asked <= 1, "nobody listens, nobody looks"

    play(scenario)


def test_a_slow_listener_is_served_from_the_store() -> None:
    async def scenario(world: World) -> None:
        async with world.feed.listen(CALLER, REACH) as listener:
            for number in range(3 * PAGE):
                await world.file(code=str(number), wait=60.0)
            await asyncio.sleep(1)
            pages = [await listener.next() for _ in range(3)]
            assert [len(page) for page in pages if page] == [PAGE] * 3
            assert {type(value) for value in vars(listener).values()} <= {Feed, str, Reach, int, bool, asyncio.Event}

    play(scenario)


def test_streams_are_bounded_and_a_stop_ends_them() -> None:
    async def scenario(world: World) -> None:
        ended = []

        async def listens() -> None:
            async with world.feed.listen(CALLER, REACH) as listener:
                while await listener.next() is not None:
                    pass
            ended.append(1)

        tasks = [asyncio.create_task(listens()) for _ in range(MOST_LISTENING)]
        await asyncio.sleep(1)
        with pytest.raises(CallerQuota):
            async with world.feed.listen(CALLER, REACH):
                pass
        async with world.feed.listen("another", REACH):
            pass
        await world.feed.stop()
        await asyncio.gather(*tasks)
        assert len(ended) == MOST_LISTENING
        with pytest.raises(HubStopping):
            async with world.feed.listen(CALLER, REACH):
                pass

    play(scenario)


def test_a_store_that_does_not_answer_is_told_and_the_feed_goes_on() -> None:
    async def scenario(world: World) -> None:
        async def sick() -> None:
            raise StoreUnavailable

        async with world.feed.listen(CALLER, REACH) as listener:
            world.feed._kept.before["marks"] = sick
            await world.file(wait=60.0)
            assert await listener.next() == ()
            assert [type(error) for error in world.log.faults] == [StoreUnavailable] * len(world.log.faults)
            assert world.log.faults
            world.feed._kept.before.clear()
            assert len(await heard(listener, 1, SWEEP + 1)) == 1

    play(scenario)


# --- Numbers that become visible out of order ------------------------------------------------------------------------


class Numbered:
    """The feed of a store that several nodes write: a number may be there before a lower one."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.rows: dict[int, Mark] = {}
        self.asked: list[int] = []
        self.large = b""

    def write(self, seq: int, caller: str = CALLER, ago: float = 0.0) -> None:
        self.rows[seq] = Mark(seq, self.clock.now() - ago, caller)

    async def marks(self, after: int, limit: int) -> Sequence[Mark]:
        return [self.rows[seq] for seq in sorted(self.rows) if seq > after][:limit]

    async def newest(self, until: float) -> int:
        return max((mark.seq for mark in self.rows.values() if mark.at <= until), default=0)

    async def told(self, caller: str, reach: Any, after: int, upto: int, limit: int) -> Sequence[Noticed]:
        self.asked.append(after)
        return [
            Noticed(seq, str(seq), "agency", "call.settled", "c", mark.at, {}, None, told=self.large)
            for seq, mark in sorted(self.rows.items())
            if after < seq <= upto and mark.caller == caller
        ][:limit]

    async def acknowledge(self, caller: str, agency: str, seq: int) -> None: ...

    async def acknowledged(self, caller: str, agency: str) -> int:
        return 0


def numbered(scenario: Any) -> None:
    clock = VirtualClock()
    kept = Numbered(clock)
    feed = Feed(kept, clock, lambda what, error: None)

    async def run() -> None:
        await scenario(kept, feed)
        await feed.stop()

    run_virtual(run(), clock)


def test_what_lies_behind_a_young_gap_waits_until_the_gap_is_filled() -> None:
    async def scenario(kept: Numbered, feed: Feed) -> None:
        kept.write(1, ago=HOLD_BACK)
        async with feed.listen(CALLER, REACH, 0) as listener:
            assert [one.seq for one in await heard(listener, 1)] == [1]
            kept.write(3)
            feed.stir()
            assert await feed.page(CALLER, REACH, 0, 9) == await kept.told(CALLER, REACH, 0, 1, 9)
            asyncio.get_running_loop().call_later(5, kept.write, 2)
            assert [one.seq for one in await heard(listener, 2, 6)] == [2, 3]

    numbered(scenario)


def test_a_gap_that_is_another_callers_holds_back_too_and_one_that_is_old_is_passed() -> None:
    async def scenario(kept: Numbered, feed: Feed) -> None:
        async with feed.listen(CALLER, REACH, 0) as listener:
            kept.write(1)
            kept.write(3)
            kept.write(4, "other")
            assert [one.seq for one in await heard(listener, 1, SWEEP + 1)] == [1]
            assert [one.seq for one in await heard(listener, 1, HOLD_BACK + 1)] == [3], "number 2 was given up"

    numbered(scenario)


def test_a_node_that_starts_does_not_pass_a_gap_that_is_young() -> None:
    async def scenario(kept: Numbered, feed: Feed) -> None:
        kept.write(7, ago=HOLD_BACK)
        kept.write(9)
        async with feed.listen(CALLER, REACH) as listener:
            asyncio.get_running_loop().call_later(2, kept.write, 8)
            assert [one.seq for one in await heard(listener, 2, 5)] == [8, 9]

    numbered(scenario)


def test_numbers_far_behind_are_caught_up_with_at_once() -> None:
    async def scenario(kept: Numbered, feed: Feed) -> None:
        async with feed.listen(CALLER, REACH, 0) as listener:
            for seq in range(1, 2502):
                kept.write(seq, CALLER if seq % 2 else "other")
            assert len(await heard(listener, 1251, SWEEP + 1)) == 1251

    numbered(scenario)


# --- Handing in together ---------------------------------------------------------------------------------------------


def test_calls_handed_in_together_are_taken_on_in_one_commit_and_sent() -> None:
    async def scenario(world: World) -> None:
        group = [
            world.submission("file_paper", Paper(code=str(number)), cls=Class.BULK, batch="b") for number in range(20)
        ]
        replies = await world.hub.submit_all(group)
        assert [reply.state for reply in replies if isinstance(reply, Reply)] == [State.QUEUED] * 20
        assert (world.store.batches.asked["accept"], world.store.asked["accept"]) == (1, 0)
        async with world.feed.listen(CALLER, REACH, 0) as listener:
            events = await heard(listener, 20, 60)
        assert {one.call for one in events} == {reply.call for reply in replies if isinstance(reply, Reply)}
        again = await world.hub.submit_all(group)
        assert [reply.call for reply in again if isinstance(reply, Reply)] == [
            reply.call for reply in replies if isinstance(reply, Reply)
        ]
        assert len(world.agency.arrivals) == 20
        assert await world.hub.submit_all([]) == []

    play(scenario)


def test_a_full_backlog_refuses_the_rest_and_the_door_hears_of_it() -> None:
    async def scenario(world: World) -> None:
        await world.coordination.hold("agency", "operator", None)
        group = [world.submission("file_paper", Paper(code=str(number)), batch="b") for number in range(12)]
        group[3] = world.submission("file_paper", Paper(code="x"), batch="b", idempotency_key=group[0].idempotency_key)
        replies = await world.hub.submit_all(group)
        assert isinstance(replies[3], IdempotencyConflict)
        assert [type(reply) for reply in replies[11:]] == [BacklogFull]
        with pytest.raises(BacklogFull):
            world.hub.admit("agency", "file_paper", Class.BULK, ("a", ""), interactive=False, seconds=60.0)

    play(scenario, backlog_calls=10)


def test_a_hub_that_stops_takes_nothing_on() -> None:
    async def scenario(world: World) -> None:
        await world.hub.stop(1.0)
        with pytest.raises(HubStopping):
            await world.hub.submit_all([world.submission("lookup_citizen", Query(citizen_id="1"), wait=None)])

    play(scenario)


def test_a_page_of_large_notices_ends_early_and_goes_on_with_the_next() -> None:
    async def scenario(kept: Numbered, feed: Feed) -> None:
        kept.large = b"x" * (PAGE_BYTES // 4)
        for seq in range(1, 61):
            kept.write(seq, ago=HOLD_BACK)
        first = await feed.page(CALLER, REACH, 0, PAGE)
        assert len(first) == SLICE
        assert len(await feed.page(CALLER, REACH, first[-1].seq, PAGE)) == SLICE
        async with feed.listen(CALLER, REACH, 0) as listener:
            assert [one.seq for one in await heard(listener, 60)] == list(range(1, 61))

    numbered(scenario)


def test_what_is_told_to_others_is_looked_through_once() -> None:
    async def scenario(kept: Numbered, feed: Feed) -> None:
        kept.write(1, ago=HOLD_BACK)
        async with feed.listen(CALLER, REACH, 0) as listener:
            assert [one.seq for one in await heard(listener, 1)] == [1]
            for seq in range(2, 50):
                kept.write(seq, "another")
                feed.stir()
                await asyncio.sleep(SWEEP + 1)
                listener.wake()
                assert await listener.next() == ()
            assert listener.place == 1, "a stream goes on after what it was told"
            assert max(kept.asked) > 40
            kept.write(50)
            feed.stir()
            assert [one.seq for one in await heard(listener, 1)] == [50]

    numbered(scenario)
