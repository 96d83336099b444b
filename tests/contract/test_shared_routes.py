"""What coordination promises to lanes that share a route: each has its part of it, whatever the others do, and none is forgotten."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random

import pytest

from bench.servers import Redis
from connectors.kit.outcomes import Answered, Busy, InDoubt, Outcome, Result, Unavailable
from hub.call import Class
from hub.clock import VirtualClock
from hub.coordination.in_process import InProcess
from hub.coordination.protocol import UNSENT, Coordination, Permit, Wait, Wanted
from hub.guards.bounds import Bounds
from tests.contract.groups import Nodes

OK = Answered(Result.OK)
CALL = Wanted("lookup_citizen", Class.NORMAL)
LANES = [f"lane{number}" for number in range(10)]
Make = Callable[..., Awaitable["Roads"]]


class Roads:
    """A group of lanes over one route, with somebody behind each lane who asks while it has calls."""

    def __init__(self, group: Coordination, clock: VirtualClock, lanes: list[str]) -> None:
        self.group = group
        self.clock = clock
        self.lanes = lanes
        self.out: list[Permit] = []
        self.woken: Counter[str] = Counter()
        for lane in lanes:
            group.subscribe(lane, lambda lane=lane: self.woken.update([lane]))  # type: ignore[misc]

    async def ask(self, lane: str, wanted: Wanted = CALL) -> Permit | Wait:
        (answer,) = await self.group.claim(lane, [wanted])
        if isinstance(answer, Permit):
            self.out.append(answer)
        return answer

    async def flood(self, *lanes: str, most: int = 1000) -> Counter[str]:
        """Let *lanes* take all they get; return how many permits each got."""
        got: Counter[str] = Counter()
        for _ in range(most):
            again = False
            for lane in lanes:
                answer = await self.ask(lane)
                got[lane] += isinstance(answer, Permit)
                again = again or isinstance(answer, Permit) or answer.guard == "turn"
            if not again:
                return got
            self.clock.advance(0.002)
        return got

    async def end(self, lane: str, outcome: Outcome | str = OK, seconds: float = 0.1) -> None:
        """Give back the oldest permit of *lane*."""
        permit = next(one for one in self.out if one.lane == lane)
        self.out.remove(permit)
        await self.group.release(permit, outcome, seconds)

    def held(self, lane: str) -> int:
        return sum(permit.lane == lane for permit in self.out)


@pytest.fixture(params=["in process", "in Redis"])
async def make(request: pytest.FixtureRequest, redis_server: Redis) -> AsyncIterator[Make]:
    clock = VirtualClock()
    nodes = Nodes(redis_server.address(), clock)

    async def build(
        *,
        lanes: list[str] = LANES,
        at_once: int = 20,
        per_second: float = 10_000,
        timeouts: dict[str, float] | None = None,
    ) -> Roads:
        clock.advance(100)
        bounds = {lane: Bounds(10_000, 20, (timeouts or {}).get(lane, 10.0)) for lane in lanes}
        longest = max(one.call_timeout for one in bounds.values())
        route: dict[str, Bounds | None] = {"lgsp": Bounds(per_second, at_once, longest)}
        over = dict.fromkeys(lanes, "lgsp")
        if request.param == "in process":
            group: Coordination = InProcess(clock, Random(3), bounds, route, over)
        else:
            group = await nodes.join(bounds, route, over, random=Random(3))
            await group.claim(lanes[0], [])
        clock.advance(1)
        return Roads(group, clock, lanes)

    yield build
    await nodes.aclose()


async def learnt(roads: Roads) -> None:
    """Let every lane find out that its agency bears twenty at once."""
    for lane in roads.lanes:
        for _ in range(20):
            await roads.flood(lane)
            roads.clock.advance(0.2)
            while roads.held(lane):
                await roads.end(lane)


async def test_one_flooding_lane_leaves_a_permit_for_each_of_the_others(make: Make) -> None:
    roads = await make()
    await learnt(roads)
    got = await roads.flood("lane0")
    assert got["lane0"] == 11
    for lane in LANES[1:]:
        assert isinstance(await roads.ask(lane), Permit), lane


async def test_several_flooding_lanes_together_leave_a_permit_for_each_of_the_others(make: Make) -> None:
    roads = await make()
    await learnt(roads)
    await roads.flood(*LANES[:5])
    assert len(roads.out) >= 15, "what nobody else needs is used"
    for lane in LANES[5:]:
        assert isinstance(await roads.ask(lane), Permit), lane
    assert len(roads.out) <= 20


async def test_where_lanes_are_more_than_permits_half_of_them_is_kept_for_those_who_have_none(make: Make) -> None:
    roads = await make(at_once=4)
    await learnt(roads)
    assert (await roads.flood("lane0"))["lane0"] == 2
    assert isinstance(await roads.ask("lane1"), Permit)
    assert isinstance(await roads.ask("lane2"), Permit)
    assert isinstance(await roads.ask("lane3"), Wait)


async def test_a_route_with_one_permit_serves_its_lanes_in_turn(make: Make) -> None:
    roads = await make(at_once=1)
    served: Counter[str] = Counter()
    for _ in range(100):
        for lane in LANES:
            if isinstance(await roads.ask(lane), Permit):
                served[lane] += 1
                roads.clock.advance(0.1)
                await roads.end(lane)
    assert min(served.values()) >= 0.8 * max(served.values())
    assert set(served) == set(LANES)


async def test_a_lane_that_waited_longest_is_woken_first(make: Make) -> None:
    roads = await make(at_once=1)
    await roads.ask("lane0")
    for lane in ("lane3", "lane1", "lane2"):
        assert isinstance(await roads.ask(lane), Wait)
    order: list[str] = []
    for lane in LANES:
        roads.group.subscribe(lane, lambda lane=lane: order.append(lane))  # type: ignore[misc]
    free = "lane0"
    for lane in ("lane3", "lane1", "lane2"):
        order.clear()
        await roads.end(free)
        assert order[0] == lane
        assert isinstance(await roads.ask(lane), Permit)
        free = lane


async def test_lanes_that_share_a_narrow_rate_take_turns(make: Make) -> None:
    """A flooding lane asks ten times as often as the others, and gets no more for it."""
    roads = await make(per_second=10)
    served: Counter[str] = Counter()
    began = roads.clock.monotonic()
    while roads.clock.monotonic() < began + 20:
        for lane in ["lane0"] * 10 + LANES:
            if isinstance(await roads.ask(lane), Permit):
                served[lane] += 1
                await roads.end(lane)
        roads.clock.advance(0.05)
    assert served.total() >= 0.8 * 200, "asked for all the time"
    assert min(served[lane] for lane in LANES) >= 0.5 * served.total() / 10
    assert served["lane0"] <= 0.2 * served.total()


async def test_exchanges_that_time_out_in_one_lane_leave_room_for_the_others(make: Make) -> None:
    """They occupy the gateway still; but the lane whose agency hangs has had its part."""
    roads = await make()
    await learnt(roads)
    for _ in range(6):
        await roads.flood("lane0", "lane1")
        roads.clock.advance(1)
        for lane in ("lane0", "lane1"):
            while roads.held(lane):
                await roads.end(lane, InDoubt("timeout"), 10.0)
        for lane in LANES[2:]:
            assert isinstance(await roads.ask(lane), Permit), lane
            await roads.end(lane)


async def test_a_cut_exchange_occupies_its_route_for_as_long_as_its_own_agency_may_work_on_it(make: Make) -> None:
    """Another agency of the route that may take a minute changes nothing about that."""
    roads = await make(lanes=["quick", "slow"], at_once=2, timeouts={"quick": 4.0, "slow": 60.0})
    assert isinstance(await roads.ask("quick"), Permit)
    roads.clock.advance(4)
    await roads.end("quick", InDoubt("timeout"), 4.0)
    assert roads.group.watch("route/lgsp")["concurrency_in_use"] == 1
    roads.clock.advance(2.01)
    assert roads.group.watch("route/lgsp")["concurrency_in_use"] == 0


async def test_a_lane_that_waits_for_a_cut_exchange_is_told_when_to_ask_again(make: Make) -> None:
    roads = await make(lanes=["a", "b"], at_once=2)
    await roads.ask("a")
    roads.clock.advance(10)
    await roads.end("a", InDoubt("timeout"), 10.0)
    wait = await roads.ask("a")
    assert isinstance(wait, Wait)
    assert wait.seconds == pytest.approx(5.0), "nothing else would wake it"
    roads.clock.advance(5.001)
    assert isinstance(await roads.ask("a"), Permit)


async def test_an_unreachable_gateway_is_spared_by_all_its_lanes_and_tried_by_one(make: Make) -> None:
    roads = await make(lanes=["a", "b", "c"])
    for _ in range(5):
        assert isinstance(await roads.ask("a"), Permit)
        await roads.end("a", Unavailable("connect"))
    for lane in ("a", "b", "c"):
        wait = await roads.ask(lane)
        assert isinstance(wait, Wait)
        assert wait.guard == "breaker"
    roads.clock.advance(16)
    probes = [permit for lane in ("b", "c", "b", "c") if isinstance(permit := await roads.ask(lane), Permit)]
    assert len(probes) == 1
    assert probes[0].probe
    await roads.end(probes[0].lane, OK)
    assert isinstance(await roads.ask("c"), Permit)


async def test_an_agency_of_a_route_that_throttles_holds_its_own_lane_alone(make: Make) -> None:
    roads = await make(lanes=["a", "b"])
    await roads.ask("a")
    await roads.end("a", Busy(60))
    assert isinstance(await roads.ask("a"), Wait)
    assert isinstance(await roads.ask("b"), Permit)


async def test_lanes_of_a_route_lose_no_permit_whatever_comes(make: Make) -> None:
    roads = await make(at_once=5)
    random = Random(11)
    outcomes = [OK, OK, InDoubt("timeout"), Unavailable("connect"), Busy(0.5), Busy(None, route=True), UNSENT]
    for _ in range(1500):
        if random.random() < 0.6:
            await roads.ask(random.choice(LANES))
        elif roads.out:
            await roads.end(random.choice(roads.out).lane, random.choice(outcomes), random.random())
        roads.clock.advance(random.expovariate(5))
        assert len(roads.out) <= roads.group.watch("route/lgsp")["concurrency_in_use"] <= 5
    for permit in list(roads.out):
        await roads.end(permit.lane)
    roads.clock.advance(1000)
    assert roads.group.watch("route/lgsp")["concurrency_in_use"] == 0
    for lane in LANES:
        for _ in range(20):
            if isinstance(await roads.ask(lane), Permit):
                await roads.end(lane)
                break
            roads.clock.advance(1)
        else:
            raise AssertionError(f"{lane} gets nothing any more")
