"""Promises of a node among several: nothing leaves by rules that are not in force, and what was ordered counts by all of them."""

from collections.abc import Mapping, Sequence
from random import Random

import pytest

from connectors.kit.outcomes import Answered, Busy, Result
from hub.call import Class
from hub.clock import VirtualClock
from hub.coordination.epochs import BEAT, FRESH, Epochs, Line, Phase, Share
from hub.coordination.in_process import InProcess
from hub.coordination.protocol import NOBODY_GRANTS, Coordination, HoldCause, Permit, Wait, Wanted
from hub.coordination.shares import InShares
from hub.coordination.switching import Switching
from hub.guards.bounds import Bounds

OK = Answered(Result.OK)
CALL = Wanted("lookup_citizen", Class.NORMAL)
LANES = {"police": Bounds(100, 4, 10.0), "tax": Bounds(1.0, 1, 10.0)}


class Together(InProcess):
    """What nodes count through, played by one process."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock, Random(1), LANES)
        self.there = True
        self.cycles: list[int] = []

    @property
    def reaches(self) -> bool:
        return self.there

    def begin(self, cycle: int) -> None:
        self.cycles.append(cycle)


class Stage:
    """One node; the others are lines that a test writes."""

    def __init__(self, *, redis: bool = True) -> None:
        self.clock = VirtualClock()
        self.clock.advance(100)
        self.group = Epochs(self.clock, "a")
        self.shared = Together(self.clock) if redis else None
        self.others: list[Line] = []
        self.behind: Mapping[str, Sequence[float]] = {}
        self.permits = Switching(self.group, self.shared, self.keep_to, self.clock)
        self.woken: list[str] = []
        for lane in LANES:
            self.permits.subscribe(lane, lambda lane=lane: self.woken.append(lane))  # type: ignore[misc]

    async def keep_to(self, share: Share) -> Coordination:
        own = InShares(self.clock, Random(2), LANES, {}, {}, share)
        for lane, seconds in self.behind.items():
            await own.restore(lane, seconds, 0)
        return own

    async def beat(self, times: int = 1) -> None:
        for _ in range(times):
            again = True
            while again:
                self.group.before_beat()
                mine = Line("a", self.group.epoch, self.permits.says(), self.group.members, 0.0)
                again = self.group.heard([mine, *self.others], reaches=self.permits.says())
                await self.permits.follow()
            self.clock.advance(BEAT)

    async def claim(self, lane: str = "police", count: int = 1) -> list[Permit | Wait]:
        return list(await self.permits.claim(lane, [CALL] * count))

    async def permit(self, lane: str = "police") -> Permit:
        (answer,) = await self.claim(lane)
        assert isinstance(answer, Permit), answer
        return answer

    async def lose_redis(self) -> None:
        assert self.shared is not None
        self.shared.there = False
        await self.beat(5)
        assert self.group.phase is Phase.SHARES


async def test_permits_come_through_redis_while_the_group_counts_there() -> None:
    stage = Stage()
    await stage.beat()
    permit = await stage.permit()
    assert await stage.permits.leave(permit, 1.0)
    await stage.permits.release(permit, OK, 0.1)
    assert stage.permits.mode == "redis"
    assert stage.shared is not None
    assert stage.shared.out() == 0


async def test_before_the_first_beat_nothing_is_granted() -> None:
    (wait,) = await Stage().claim()
    assert isinstance(wait, Wait)
    assert (wait.guard, wait.whole) == (NOBODY_GRANTS, True)


async def test_a_node_that_lost_redis_alone_grants_nothing_and_says_so_at_the_door() -> None:
    stage = Stage()
    await stage.beat()
    stage.others = [Line("b", stage.group.epoch, True, "", 0.0)]
    assert stage.shared is not None
    stage.shared.there = False
    await stage.beat(10)
    (wait,) = await stage.claim()
    assert (stage.group.phase, getattr(wait, "guard", None)) == (Phase.REDIS, NOBODY_GRANTS)
    stopped = stage.permits.stopped("police", "lookup_citizen")
    assert stopped is not None
    assert stopped.seconds is not None
    assert stopped.seconds > 10, "the longer it has lasted, the later it makes sense to ask again"


async def test_a_redis_that_is_away_for_a_moment_is_waited_for() -> None:
    stage = Stage()
    await stage.beat()
    assert stage.shared is not None
    stage.shared.there = False
    await stage.beat()
    assert stage.group.phase is Phase.REDIS
    stage.shared.there = True
    await stage.beat()
    await stage.permit()


async def test_when_all_lost_redis_this_node_keeps_to_its_share() -> None:
    stage = Stage()
    await stage.beat()
    await stage.lose_redis()
    granted = [one for one in await stage.claim(count=10) if isinstance(one, Permit)]
    assert (stage.permits.mode, len(granted)) == ("shares", 4)
    assert "police" in stage.woken


async def test_what_is_still_on_the_way_counts_when_shares_begin() -> None:
    stage = Stage()
    await stage.beat()
    stage.behind = {"police": [20.0, 20.0, 20.0]}
    await stage.lose_redis()
    granted = [one for one in await stage.claim(count=10) if isinstance(one, Permit)]
    assert len(granted) == 1


async def test_a_permit_of_an_earlier_epoch_may_not_leave_any_more() -> None:
    stage = Stage()
    await stage.beat()
    permit = await stage.permit()
    await stage.lose_redis()
    assert not await stage.permits.leave(permit, 1.0)
    await stage.permits.release(permit, "unsent", 0.0)
    assert stage.shared is not None
    assert stage.shared.out() == 0, "it goes back to whom it came from"


async def test_a_permit_may_not_leave_while_this_node_is_not_heard_of() -> None:
    stage = Stage(redis=False)
    await stage.beat(3)
    permit = await stage.permit()
    stage.clock.advance(FRESH)
    assert not await stage.permits.leave(permit, 1.0)
    (wait,) = await stage.claim()
    assert isinstance(wait, Wait)


@pytest.mark.parametrize("after", ["before", "after"])
async def test_what_was_ordered_counts_by_whatever_rules(after: str) -> None:
    stage = Stage()
    await stage.beat()
    if after == "before":
        await order(stage)
    await stage.lose_redis()
    if after == "after":
        await order(stage)
    (held,) = await stage.claim("tax")
    assert isinstance(held, Wait)
    assert (held.guard, held.cause) == ("hold", "operator")
    assert len([one for one in await stage.claim(count=10) if isinstance(one, Permit)]) == 2
    (repeat,) = await stage.permits.claim("police", [Wanted("lookup_citizen", Class.NORMAL, repeat=True)])
    assert isinstance(repeat, Wait)
    await stage.permits.resume("tax")
    stage.clock.advance(2)
    await stage.beat()
    await stage.permit("tax")


async def order(stage: Stage) -> None:
    await stage.permits.hold("tax", HoldCause.OPERATOR, None)
    await stage.permits.lower("police", 2, None)
    await stage.permits.stop_retries(True)


async def test_a_hold_that_ended_meanwhile_is_not_brought_along() -> None:
    stage = Stage()
    await stage.beat()
    await stage.permits.hold("tax", HoldCause.AUTH, 3.0)
    await stage.permits.hold("police", HoldCause.OPERATOR, None)
    await stage.permits.resume("police", HoldCause.OPERATOR)
    await stage.lose_redis()
    await stage.permit("police")
    await stage.permit("tax")


class Told:
    """What is told of orders, as it is told."""

    def __init__(self) -> None:
        self.holds: list[tuple[str, HoldCause, float | None]] = []

    async def hold(self, name: str, cause: HoldCause, seconds: float | None, operation: str = "") -> None:
        self.holds.append((name, cause, seconds))

    async def lower(self, name: str, calls_at_once: int | None, calls_per_second: float | None) -> None: ...

    async def stop_retries(self, stopped: bool) -> None: ...


@pytest.mark.parametrize("when", ["through Redis", "by shares"])
async def test_who_said_busy_is_asked_by_neither_way_until_its_time_is_over(when: str) -> None:
    stage = Stage()
    await stage.beat()
    if when == "by shares":
        await stage.lose_redis()
        stage.clock.advance(2)
        await stage.beat()
    permit = await stage.permit()
    assert await stage.permits.leave(permit, 1.0)
    await stage.permits.release(permit, Busy(600), 0.1)
    told = Told()
    await stage.permits.order(told)
    ((name, cause, seconds),) = told.holds
    assert (name, cause) == ("police", HoldCause.BUSY)
    assert seconds is not None
    assert seconds >= 600
    if when == "through Redis":
        await stage.lose_redis()
        (wait,) = await stage.claim()
        assert isinstance(wait, Wait)
        assert (wait.guard, wait.cause) == ("hold", "busy")


async def test_after_each_return_to_redis_what_it_held_before_counts_no_more() -> None:
    stage = Stage()
    await stage.beat()
    await stage.lose_redis()
    assert stage.shared is not None
    before = stage.shared.cycles[-1]
    stage.shared.there = True
    await stage.beat(5)
    assert stage.permits.mode == "redis"
    assert stage.shared.cycles[-1] == before + 1


async def test_a_lane_of_which_this_node_has_no_part_waits() -> None:
    clock = VirtualClock()
    served = []
    for rank in range(2):
        own = InShares(clock, Random(1), LANES, {}, {}, Share(rank, 2))
        clock.advance(5)
        (answer,) = await own.claim("tax", [CALL])
        served.append(isinstance(answer, Permit))
        if isinstance(answer, Wait):
            assert answer.guard == NOBODY_GRANTS
    assert sorted(served) == [False, True]


async def test_the_parts_of_all_nodes_repeat_no_more_than_one_node_would() -> None:
    clock = VirtualClock()
    repeat = Wanted("lookup_citizen", Class.NORMAL, repeat=True)
    went = 0
    nodes = [InShares(clock, Random(1), LANES, {}, {}, Share(rank, 4)) for rank in range(4)]
    for _ in range(600):
        clock.advance(1)
        for node in nodes:
            for answer in await node.claim("police", [repeat]):
                if isinstance(answer, Permit):
                    went += 1
                    await node.release(answer, "unsent" if went > 100 else Answered(Result.OK), 0.1)
    assert went <= 10 + 10, "ten to begin with, and one a minute"
