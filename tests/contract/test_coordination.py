"""What every coordination promises: all guards of lane and route or none, each permit back once, nobody forgotten."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from random import Random
from types import MappingProxyType

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bench.servers import Redis
from connectors.kit.outcomes import Answered, Busy, InDoubt, Result
from hub.call import Class
from hub.clock import VirtualClock
from hub.coordination.in_process import InProcess
from hub.coordination.protocol import ROUTE, STALE, UNSENT, Coordination, HoldCause, Permit, Wait, Wanted
from hub.guards.bounds import Bounds
from tests.contract.groups import Nodes

OK = Answered(Result.OK)
CALL = Wanted("lookup_citizen", Class.NORMAL)
WIDE = Bounds(calls_per_second=1000, calls_at_once=4, call_timeout=10, calls_per_day=100_000)
SLOW = Bounds(calls_per_second=10, calls_at_once=4, call_timeout=10)
Make = Callable[..., Awaitable[Coordination]]


@pytest.fixture(params=["in process", "in Redis"])
async def make(request: pytest.FixtureRequest, clock: VirtualClock, redis_server: Redis) -> AsyncIterator[Make]:
    nodes = Nodes(redis_server.address(), clock)

    async def build(
        lanes: dict[str, Bounds],
        routes: dict[str, Bounds | None] | None = None,
        over: dict[str, str] | None = None,
        left: Mapping[str, tuple[list[float], int]] = MappingProxyType({}),
    ) -> Coordination:
        async def on_record(lanes: Sequence[str]) -> Mapping[str, tuple[list[float], int]]:
            return left

        if request.param == "in process":
            built: Coordination = InProcess(clock, Random(3), lanes, routes, over)
        else:
            built = await nodes.join(lanes, routes, over, random=Random(3), restoring=on_record)
        for lane in lanes:
            await built.restore(lane, *left.get(lane, ([], 0)))
            await built.claim(lane, [])
        clock.advance(1)
        return built

    yield build
    await nodes.aclose()


async def granted(group: Coordination, lane: str, count: int, wanted: Wanted = CALL) -> list[Permit]:
    """Return the permits granted out of *count* wishes."""
    return [answer for answer in await group.claim(lane, [wanted] * count) if isinstance(answer, Permit)]


async def refused(group: Coordination, lane: str, wanted: Wanted = CALL) -> Wait:
    (answer,) = await group.claim(lane, [wanted])
    assert isinstance(answer, Wait)
    return answer


async def test_wishes_are_answered_in_order_and_no_more_than_the_slots(make: Make) -> None:
    answers = await (await make({"police": WIDE})).claim("police", [CALL] * 6)
    assert [type(answer) for answer in answers] == [Permit] * 4 + [Wait] * 2
    assert len({answer.id for answer in answers if isinstance(answer, Permit)}) == 4


async def test_a_permit_given_back_twice_counts_once(make: Make) -> None:
    group = await make({"police": WIDE})
    first, *_ = await granted(group, "police", 4)
    await group.release(first, OK, 0.1)
    await group.release(first, OK, 0.1)
    assert len(await granted(group, "police", 4)) == 1


async def test_unsent_refunds_slot_and_rate_and_stale_only_the_slot(make: Make) -> None:
    group = await make({"police": SLOW})
    for _ in range(20):
        (permit,) = await granted(group, "police", 1)
        await group.release(permit, UNSENT, 0.0)
    (permit,) = await granted(group, "police", 1)
    await group.release(permit, STALE, 0.1)
    assert (await refused(group, "police")).guard == "rate"


async def test_a_refusal_by_the_route_touches_no_guard_of_the_lane(make: Make, clock: VirtualClock) -> None:
    group = await make({"a": SLOW, "b": SLOW}, {"lgsp": Bounds(1000, 1, 10)}, {"a": "lgsp", "b": "lgsp"})
    (held,) = await granted(group, "b", 1)
    for _ in range(50):
        assert (await refused(group, "a")).guard == "concurrency"
    await group.release(held, OK, 0.1)
    assert len(await granted(group, "a", 1)) == 1


async def test_a_release_on_a_shared_route_wakes_the_lane_that_waited_for_it(make: Make) -> None:
    group = await make({"a": WIDE, "b": WIDE}, {"lgsp": Bounds(1000, 1, 10)}, {"a": "lgsp", "b": "lgsp"})
    woken: list[str] = []
    group.subscribe("a", lambda: woken.append("a"))
    group.subscribe("b", lambda: woken.append("b"))
    (held,) = await granted(group, "b", 1)
    await refused(group, "a")
    await group.release(held, OK, 0.1)
    assert "a" in woken


async def test_lanes_without_a_common_route_know_nothing_of_each_other(make: Make) -> None:
    group = await make({"a": WIDE, "b": WIDE})
    permits = await granted(group, "a", 4)
    await group.release(permits[0], Busy(100, route=True), 0.1)
    assert (await refused(group, "a")).guard == "hold"
    assert len(await granted(group, "b", 9)) == 4


async def test_a_gateways_throttle_stops_every_lane_of_its_route(make: Make) -> None:
    group = await make({"a": WIDE, "b": WIDE, "c": WIDE}, {"lgsp": None}, {"a": "lgsp", "b": "lgsp"})
    (permit,) = await granted(group, "a", 1)
    await group.release(permit, Busy(100, route=True), 0.1)
    assert (await refused(group, "b")).cause == "busy"
    assert await granted(group, "c", 1)


async def test_a_route_is_stopped_and_resumed_by_its_name_and_shows_it_once(make: Make) -> None:
    group = await make({"a": WIDE, "b": WIDE, "c": WIDE}, {"lgsp": SLOW}, {"a": "lgsp", "b": "lgsp"})
    woken: list[str] = []
    for name in ("a", "b", "c"):
        group.subscribe(name, lambda name=name: woken.append(name))  # type: ignore[misc]
    await group.hold("route/lgsp", HoldCause.AUTH, 60)
    for name in ("a", "b"):
        assert (await refused(group, name)).cause == "auth"
        assert group.stopped(name, "lookup_citizen") == Wait("hold", 60, "auth")
        assert "hold_seconds/auth" not in group.watch(name)
    assert await granted(group, "c", 1)
    assert group.watch("route/lgsp")["hold_seconds/auth"] == 60
    assert group.stopped("route/lgsp", "") == Wait("hold", 60, "auth")
    woken.clear()
    await group.resume("route/lgsp")
    assert set(woken) == {"a", "b"}
    assert group.stopped("route/lgsp", "") is None
    assert await granted(group, "a", 1)


async def test_resuming_a_lane_leaves_its_route_stopped(make: Make) -> None:
    group = await make({"a": WIDE, "b": WIDE}, {"lgsp": None}, {"a": "lgsp", "b": "lgsp"})
    await group.hold("route/lgsp", HoldCause.OPERATOR, None)
    await group.resume("a")
    assert (await refused(group, "a")).cause == "operator"


async def test_a_busy_agency_is_left_alone_and_then_asked_once(make: Make, clock: VirtualClock) -> None:
    group = await make({"police": WIDE})
    first, second = await granted(group, "police", 2)
    await group.release(first, Busy(30), 0.05)
    await group.release(second, Busy(30), 0.05)
    for _ in range(29):
        clock.advance(1)
        assert not await granted(group, "police", 5)
    clock.advance(10)
    (probe,) = await granted(group, "police", 5)
    assert probe.probe
    await group.release(probe, OK, 0.1)
    after = await granted(group, "police", 5)
    assert len(after) == 2, "what waits behind a stop does not come as a wave"
    for permit in after:
        await group.release(permit, OK, 0.1)
    assert len(await granted(group, "police", 5)) == 2, "the limit was cut too, and rises when all of it was used"


async def test_a_held_operation_does_not_stop_the_others(make: Make) -> None:
    group = await make({"police": WIDE})
    await group.hold("police", HoldCause.CONTRACT, 60, "lookup_citizen")
    wait = await refused(group, "police")
    assert (wait.cause, wait.whole) == ("contract", False)
    assert await granted(group, "police", 1, Wanted("verify_citizen", Class.NORMAL))
    assert group.stopped("police", "lookup_citizen") == Wait("hold", 60, "contract", whole=False)
    assert group.stopped("police", "verify_citizen") is None


async def test_resume_ends_a_hold_and_wakes_the_lane(make: Make) -> None:
    group = await make({"police": WIDE})
    woken: list[str] = []
    group.subscribe("police", lambda: woken.append("police"))
    await group.hold("police", HoldCause.OPERATOR, None)
    assert (await refused(group, "police")).seconds is None
    await group.resume("police")
    assert woken
    assert await granted(group, "police", 1)


async def test_resume_ends_a_throttle_of_a_road_that_is_the_lanes_own(make: Make) -> None:
    group = await make({"police": WIDE})
    (permit,) = await granted(group, "police", 1)
    await group.release(permit, Busy(100, route=True), 0.1)
    assert (await refused(group, "police")).cause == "busy"
    await group.resume("police", HoldCause.OPERATOR)
    assert (await refused(group, "police")).cause == "busy"
    await group.resume("police")
    assert await granted(group, "police", 1)


async def test_resuming_a_lane_leaves_the_route_that_it_shares_as_it_is(make: Make) -> None:
    group = await make({"a": WIDE, "b": WIDE}, {"lgsp": None}, {"a": "lgsp", "b": "lgsp"})
    await group.hold(f"{ROUTE}lgsp", HoldCause.OPERATOR, None)
    await group.resume("a")
    assert (await refused(group, "a")).cause == "operator"


async def test_a_lowered_lane_says_that_an_operator_did_it_and_only_then(make: Make, clock: VirtualClock) -> None:
    group = await make({"police": WIDE})
    await group.lower("police", None, 5.0)
    assert group.moved("police")[0] == "start", "its calls at once stayed as they were"
    assert group.watch("police")["rate_limit"] == pytest.approx(4.5)
    await group.lower("police", 2, None)
    assert len(await granted(group, "police", 4)) == 2
    clock.advance(3)
    assert group.moved("police") == ("an operator lowered it", 3)
    assert group.watch("police")["rate_limit"] == pytest.approx(900)


async def test_stopped_retries_stop_repeats_in_every_lane_at_once(make: Make) -> None:
    group = await make({"a": WIDE, "b": WIDE})
    again = Wanted("lookup_citizen", Class.NORMAL, repeat=True)
    await group.stop_retries(True)
    for lane in ("a", "b"):
        assert (await refused(group, lane, again)).guard == "retry"
        assert await granted(group, lane, 1)
    await group.stop_retries(False)
    assert await granted(group, "a", 1, again)


async def test_what_a_dead_process_left_is_taken_over(make: Make, clock: VirtualClock) -> None:
    group = await make({"police": Bounds(1000, 4, 10, calls_per_day=5)}, left={"police": ([3.0, 6.0], 2)})
    assert group.watch("police")["day_quota_remaining"] == 3
    assert len(await granted(group, "police", 4)) == 2
    clock.advance(2)
    assert len(await granted(group, "police", 4)) == 1
    clock.advance(3)
    assert (await refused(group, "police")).guard == "day"


async def test_numbers_of_a_lane_carry_the_names_of_the_metrics(make: Make) -> None:
    group = await make({"police": WIDE})
    await granted(group, "police", 3)
    await group.hold("police", HoldCause.AUTH, 60)
    numbers = group.watch("police")
    assert numbers["concurrency_in_use"] == 3
    assert numbers["concurrency_limit"] == 4
    assert numbers["day_quota_remaining"] == 99_997
    assert numbers["rate_limit"] == pytest.approx(900)
    assert numbers["retry_budget"] == 10
    assert numbers["hold_seconds/auth"] == 60


class Anything(RuleBasedStateMachine):
    """Any order of wishes, ends and pauses keeps the slots within the contract and loses none of them."""

    LANES = ("a", "b")

    @initialize()
    def begin(self) -> None:
        self.clock = VirtualClock()
        bounds = Bounds(calls_per_second=50, calls_at_once=3, call_timeout=10)
        self.group = InProcess(
            self.clock,
            Random(5),
            dict.fromkeys(self.LANES, bounds),
            {"r": Bounds(80, 4, 10)},
            dict.fromkeys(self.LANES, "r"),
        )
        self.out: list[Permit] = []
        self.clock.advance(1)

    @rule(lane=st.sampled_from(LANES), count=st.integers(1, 5), repeat=st.booleans())
    def claim(self, lane: str, count: int, repeat: bool) -> None:
        answers = run(self.group.claim(lane, [Wanted("x", Class.BULK, repeat)] * count))
        self.out += [answer for answer in answers if isinstance(answer, Permit)]

    @rule(
        index=st.integers(0, 9),
        outcome=st.sampled_from([OK, UNSENT, STALE, InDoubt("timeout"), InDoubt("reset"), Busy(2.0), Busy(None)]),
    )
    def end(self, index: int, outcome: object) -> None:
        if self.out:
            run(self.group.release(self.out.pop(index % len(self.out)), outcome, 1.0))  # type: ignore[arg-type]

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def slots_hold(self) -> None:
        if hasattr(self, "group"):
            assert len(self.out) <= 4
            for lane in self.LANES:
                in_use = self.group.watch(lane)["concurrency_in_use"]
                assert sum(permit.lane == lane for permit in self.out) <= in_use <= 3

    def teardown(self) -> None:
        if not hasattr(self, "group"):
            return
        for permit in self.out:
            run(self.group.release(permit, OK, 1.0))
        for _ in range(9):
            self.clock.advance(1000)
            for lane in self.LANES:
                answers = run(self.group.claim(lane, [CALL]))
                if (
                    getattr(answers[0], "guard", "") == "turn"
                ):  # the other has waited longer, and wants nothing any more
                    self.clock.advance(0.002)
                    answers = run(self.group.claim(lane, [CALL]))
                for answer in answers:
                    assert isinstance(answer, Permit), "a lane that everybody left in peace grants again"
                    run(self.group.release(answer, OK, 1.0))


def run(coroutine):  # type: ignore[no-untyped-def]
    """Drive a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("a coordination in memory has nothing to wait for")


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
